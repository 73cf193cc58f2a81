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

/// What a run-time system exports for itself is nothing that an author would call.
#[test]
fn exports_of_runtime_systems_are_left_out() {
    let home = Home::new();
    let of_runtimes = [
        "__arg_start",
        "__invoke",
        "__collect",
        "__main_void",
        "__wasm_call_dtors",
        "_initialize",
        "asyncify_get_state",
        "asyncify_stop_rewind",
        "asyncify_stop_unwind",
        "cabi_free",
        "emscripten_stack_init",
        "_emscripten_stack_free",
        "hs_perform_gc",
        "go_scheduler",
        "malloc",
        "stackSave",
        "fflush",
        "tinygo_unwind",
        "wizer.initialize",
        "free",
        "calloc",
    ];
    let exports: Vec<String> = of_runtimes
        .iter()
        .map(|name| format!("(export {name:?})"))
        .collect();
    let module = |more: &str| {
        let exports = exports.join(" ");
        assemble(&format!(
            "(module (func {exports} {more} (result i32) (i32.const 0)))"
        ))
    };
    home.file(
        "plugin.wasm",
        module(r#"(export "run") (export "free_text")"#),
    );
    let file = home.path().join("plugin.wasm");
    let ended = inspect(&file);
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("functions  run, free_text\n"),
        "{}",
        ended.stdout
    );
    assert!(!ended.stdout.contains("command"), "{}", ended.stdout);
    let ended = finish(&mut command([
        "call".as_ref(),
        file.as_os_str(),
        "go".as_ref(),
    ]));
    assert!(
        ended.stderr.contains("it exports run, free_text\n"),
        "{}",
        ended.stderr
    );
    let ended = finish(&mut command([
        "call".as_ref(),
        file.as_os_str(),
        "malloc".as_ref(),
    ]));
    assert_eq!(
        ended.code,
        Some(0),
        "what is named is called: {}",
        ended.stderr
    );

    home.file("command.wasm", module(r#"(export "_start")"#));
    let file = home.path().join("command.wasm");
    let ended = inspect(&file);
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert!(
        ended
            .stdout
            .contains("functions  none\ncommand    _start can be called too\n"),
        "{}",
        ended.stdout
    );
    let ended = finish(&mut command([
        "call".as_ref(),
        file.as_os_str(),
        "go".as_ref(),
    ]));
    assert!(
        ended
            .stderr
            .contains("it exports none, and `_start`, which can be called too"),
        "{}",
        ended.stderr
    );
    let ended = finish(&mut command([
        "call".as_ref(),
        file.as_os_str(),
        "_start".as_ref(),
    ]));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[test]
fn what_would_be_refused_is_named() {
    let home = Home::new();
    home.file("import.wasm", assemble(r#"(module (import "env" "a" (func)) (import "b" "c" (global i32)) (func (export "run")) (func (export "_initialize")))"#));
    let ended = inspect(&home.path().join("import.wasm"));
    assert_eq!(ended.code, Some(1));
    assert!(
        ended
            .stdout
            .contains("auto does not apply: its start could not be tried"),
        "{}",
        ended.stdout
    );
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

#[test]
fn what_would_run_in_advance_is_told() {
    let home = Home::new();
    let ask = r#"(import "wasi_snapshot_preview1" "random_get" (func $ask (param i32 i32) (result i32)))"#;
    for (fields, set_up_by, preinit) in [
        ("", "none", "nothing to run in advance"),
        (
            "(start $run) (func $run)",
            "the start section",
            "auto applies: its start runs once, in advance",
        ),
        (
            r#"(start $run) (func $run) (func (export "_initialize")
                (drop (call $ask (i32.const 0) (i32.const 8))))"#,
            "the start section, _initialize",
            "auto does not apply: its start calls the host function wasi_snapshot_preview1::random_get",
        ),
        (
            r#"(func (export "_initialize") unreachable)"#,
            "_initialize",
            "auto does not apply: its start fails: wasm trap: wasm `unreachable` instruction executed",
        ),
    ] {
        let module = format!(r#"(module {ask} (memory 1) (func (export "run")) {fields})"#);
        home.file("module.wasm", assemble(&module));
        let ended = inspect(&home.path().join("module.wasm"));
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let wanted = format!("\nset up by  {set_up_by}\npreinit    {preinit}\n");
        assert!(ended.stdout.contains(&wanted), "{wanted}: {}", ended.stdout);
    }
}

#[test]
fn slow_the_example_in_go_says_why_its_start_runs_at_each_call() {
    let ended = inspect(&examples_folder().join("plugins/roll-dice/roll-dice.wasm"));
    let wanted = "\npreinit    auto does not apply: its start calls the host function wasi_snapshot_preview1::";
    assert!(ended.stdout.contains(wanted), "{}", ended.stdout);
}

#[test]
fn a_start_that_wants_too_much_is_ended() {
    let home = Home::new();
    for (body, limit, wanted) in [
        (
            "(loop $l (br $l))",
            ["--timeout", "50ms"],
            "its start takes longer than the time limit of 50ms",
        ),
        (
            "(drop (memory.grow (i32.const 16)))",
            ["--memory", "1MiB"],
            "its start needs more memory than the limit of 1048576 bytes",
        ),
    ] {
        let module =
            format!(r#"(module (memory 1) (start $s) (func $s {body}) (func (export "run")))"#);
        home.file("start.wasm", assemble(&module));
        let file = home.path().join("start.wasm");
        let ended = finish(command(["inspect"]).arg(file).args(limit));
        assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
        let wanted = format!("\npreinit    auto does not apply: {wanted}\n");
        assert!(ended.stdout.contains(&wanted), "{}", ended.stdout);
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let file = examples_folder().join("plugins/hello/hello.wasm");
    let ended = finish(command(["inspect"]).arg(file).stdout(writer));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_function_is_tried_with_both_profiles() {
    let file = examples_folder().join("plugins/hello/hello.wasm");
    let called = |export: &str| {
        let input = r#"{"name":"Ada"}"#;
        finish(
            command(["inspect"])
                .arg(&file)
                .args(["--call", export, "--input", input]),
        )
    };
    let ended = called("hello");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let line = ended
        .stdout
        .lines()
        .find(|line| line.starts_with("profile"));
    let line = line.expect("the profile is shown");
    let begins =
        ["short", "compute"].map(|suited| format!("profile    {suited}: a call of hello takes "));
    assert!(begins.iter().any(|begin| line.starts_with(begin)), "{line}");

    let ended = called("absent");
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("absent"), "{}", ended.stderr);
}
