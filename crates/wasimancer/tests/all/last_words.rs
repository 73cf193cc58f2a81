//! What a plugin wrote to its standard error before it failed, as its caller is told.

use std::fmt::Write;

use serde_json::json;

use crate::support::{Home, Launch, MODERN, REVISIONS, Server, assemble};

/// A module that writes a text to its standard error and fails in one way or another.
fn failing(text: &str) -> Vec<u8> {
    let mut data = String::new();
    for byte in text.bytes() {
        write!(data, "\\{byte:02x}").unwrap();
    }
    let length = text.len();
    assemble(&format!(
        r#"(module
          (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
          (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
          (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
          (import "extism:host/env" "error_set" (func $error_set (param i64)))
          (memory (export "memory") 2)
          (data (i32.const 1024) "{data}")
          (func $say (param $stream i32)
            (i32.store (i32.const 0) (i32.const 1024))
            (i32.store (i32.const 4) (i32.const {length}))
            (drop (call $write (local.get $stream) (i32.const 0) (i32.const 1) (i32.const 8))))
          (func $complain (local $handle i64)
            (local.set $handle (call $alloc (i64.const 2)))
            (call $store_u8 (local.get $handle) (i32.const 110))
            (call $store_u8 (i64.add (local.get $handle) (i64.const 1)) (i32.const 111))
            (call $error_set (local.get $handle)))
          (func (export "trap") (call $say (i32.const 2)) (unreachable))
          (func (export "exit") (call $say (i32.const 2)) (call $exit (i32.const 3)))
          (func (export "code") (result i32) (call $say (i32.const 2)) (i32.const 7))
          (func (export "error") (result i32) (call $say (i32.const 2)) (call $complain) (i32.const 1))
          (func (export "fine") (call $say (i32.const 2)))
          (func (export "calm_error") (call $say (i32.const 2)) (call $complain))
          (func (export "to_stdout") (call $say (i32.const 1)) (unreachable)))"#
    ))
}

fn start(text: &str, more: &str) -> Server {
    let exports = [
        "trap",
        "exit",
        "code",
        "error",
        "fine",
        "calm_error",
        "to_stdout",
    ];
    let functions = exports.map(|export| format!("{{function: {export}, arguments: []}}"));
    let home = Home::with_plugins(&format!(
        "plugins:\n  - {{name: failing, path: failing.wasm, {more}functions: [{}]}}\n",
        functions.join(", ")
    ));
    home.file("plugins/failing.wasm", failing(text));
    home.file(
        "resources/resources.yml",
        "resources: {static: [{name: r, uri: 'r://r', plugin: failing, function: trap}]}",
    );
    Launch::of(home).env("WASM_TOKEN", "variable-5f2c").start()
}

#[tokio::test]
async fn what_it_wrote_before_it_failed_is_told() {
    let server = start("thread panicked\r\n  at src/lib.rs:5\n", "");
    let ends = "; its standard error ends with:\nthread panicked\n  at src/lib.rs:5";
    for revision in REVISIONS {
        let client = server.client(revision);
        for (export, begins) in [
            ("trap", "the plugin trapped: "),
            ("exit", "the plugin failed with code 3 "),
            ("code", "the plugin failed with code 7 "),
            ("error", "the plugin reported an error: no"),
        ] {
            let answer = client.call(export, "{}").await;
            let message = answer.failure();
            assert!(
                message.starts_with(begins) && message.ends_with(ends),
                "{message}"
            );
        }
        assert_eq!(client.call("fine", "{}").await.output(), "");
        for export in ["calm_error", "to_stdout"] {
            let answer = client.call(export, "{}").await;
            let message = answer.failure();
            assert!(!message.contains("standard error"), "{message}");
        }
        let answer = client.ask("resources/read", json!({"uri": "r://r"})).await;
        let message = answer.refused(200, -32603)["message"].as_str().unwrap();
        assert!(message.contains("thread panicked"), "{message}");
    }
}

#[tokio::test]
async fn no_secret_of_the_plugin_is_told() {
    let text = "key a-value-7d1e, variable-5f2c, https://user:pass@example.com/x";
    let server = start(text, "config: {key: a-value-7d1e}, ");
    let answer = server.client(MODERN).call("trap", "{}").await;
    let message = answer.failure();
    assert!(
        message.ends_with("\nkey ***, ***, https://***@example.com/x"),
        "{message}"
    );
}

#[tokio::test]
async fn it_is_bounded_by_lines_and_bytes() {
    let lines: Vec<String> = (0..1000).map(|line| format!("line {line}")).collect();
    let server = start(&lines.join("\n"), "");
    let answer = server.client(MODERN).call("trap", "{}").await;
    let (_, told) = answer.failure().split_once(":\n").unwrap();
    let told: Vec<&str> = told.lines().collect();
    assert_eq!(
        (told.len(), told[0], told[19]),
        (20, "line 980", "line 999")
    );
    let server = start(&"x".repeat(100_000), "");
    let answer = server.client(MODERN).call("trap", "{}").await;
    let (_, told) = answer.failure().split_once(":\n").unwrap();
    assert_eq!(told.len(), 2048);
}

#[tokio::test]
async fn terse_errors_are_one_sentence() {
    let server = start("thread panicked\n", "errors: terse, ");
    for export in ["trap", "exit", "code", "error"] {
        let answer = server.client(MODERN).call(export, "{}").await;
        let message = answer.failure();
        assert!(!message.contains("panicked"), "{message}");
    }
    // It is in the log all the same.
    server.logs("thread panicked").await;
}
