//! `inspect`: what a plugin is made of, and what would be refused.

use std::path::Path;

use crate::support::{Ended, Home, assemble, command, examples_folder, finish};

fn inspect(file: &Path) -> Ended {
    finish(command(["inspect"]).arg(file))
}

#[test]
fn a_plugin_is_shown_with_all_that_matters() {
    let ended = inspect(&examples_folder().join("plugins/character-names/character-names.wasm"));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    for wanted in [
        "size       1217 bytes",
        "abi        Extism",
        "wasi       preview 1",
        "functions  GenerateCharacterName",
        "import     extism:host/env::alloc",
        "import     wasi_snapshot_preview1::random_get",
        "refused    nothing",
    ] {
        assert!(lines.contains(&wanted), "{wanted}: {}", ended.stdout);
    }
    let digest = lines[0].strip_prefix("digest     sha256:").unwrap();
    assert!(
        digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{digest}"
    );
}

#[test]
fn a_reactor_shows_what_sets_it_up() {
    let home = Home::new();
    home.file(
        "reactor.wasm",
        assemble(r#"(module (memory 3) (func (export "_initialize")) (func (export "run")))"#),
    );
    let ended = inspect(&home.path().join("reactor.wasm"));
    assert_eq!(ended.code, Some(0));
    for wanted in [
        "memory     196608 bytes at start",
        "abi        none",
        "wasi       none",
        "set up by  _initialize",
        "functions  run\n",
    ] {
        assert!(ended.stdout.contains(wanted), "{wanted}: {}", ended.stdout);
    }
}

#[test]
fn what_would_be_refused_is_named() {
    let home = Home::new();
    home.file("import.wasm", assemble(r#"(module (import "env" "a" (func)) (import "b" "c" (global i32)) (func (export "run")))"#));
    let ended = inspect(&home.path().join("import.wasm"));
    assert_eq!(ended.code, Some(1));
    for import in ["env::a", "b::c"] {
        assert!(
            ended
                .stdout
                .contains(&format!("refused    the import {import}")),
            "{}",
            ended.stdout
        );
    }
    home.file(
        "nothing.wasm",
        assemble(r#"(module (func (export "run") (param i32)))"#),
    );
    let ended = inspect(&home.path().join("nothing.wasm"));
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stdout.contains("refused    no export can be a tool"),
        "{}",
        ended.stdout
    );
    home.file("text.wasm", "text");
    for file in ["text.wasm", "nowhere.wasm"] {
        let ended = inspect(&home.path().join(file));
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
        assert!(ended.stderr.starts_with("error: "), "{}", ended.stderr);
    }
}

/// Nothing of the module runs.
#[test]
fn a_start_section_that_loops_is_only_looked_at() {
    let home = Home::new();
    home.file(
        "start.wasm",
        assemble(r#"(module (start $s) (func $s (loop $l (br $l))) (func (export "run")))"#),
    );
    let ended = inspect(&home.path().join("start.wasm"));
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let file = examples_folder().join("plugins/hello/hello.wasm");
    let ended = finish(command(["inspect"]).arg(file).stdout(writer));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}
