//! Plugins that write to the log, and a log that nobody reads.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::guests::{extism, in_a_row, module};
use crate::harness::{TIME_LIMIT, Wanted, case, scaled};
use crate::support::assemble;

/// Bytes of log lines that one call may write (`docs/plugin-contract.md`).
const LOG_MAX_BYTES: usize = 64 * 1024;

/// Writes lines of the host's and of WASI's.
fn loud() -> crate::support::Sample {
    let write = r#"(import "wasi_snapshot_preview1" "fd_write"
        (func $write (param i32 i32 i32 i32) (result i32)))
      (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
      (import "extism:host/env" "log_error" (func $log_error (param i64)))
      (memory (export "memory") 2)
      (data (i32.const 0) "\10\00\00\00\00\00\01\00")"#;
    let run = in_a_row(
        "(local.set $block (call $alloc (i64.const 4096)))
        (memory.fill (i32.const 16) (i32.const 10) (i32.const 65536))",
        "(call $log_error (local.get $block))",
        20,
    );
    let streams = r#"(func (export "loud") (result i32) (local $block i64) (call $run)
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
        (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))
        (i32.const 0))"#;
    let run = run.replace(r#"(func (export "run")"#, "(func $run");
    module(&format!("{write} {run} {streams}")).with("/functions/0/function", json!("loud"))
}

#[test]
fn nobody_reads_it() {
    // More than a pipe holds (64 KiB on Linux), many times.
    case("100 loud calls while nobody reads standard error")
        .plugin(loud())
        .launch(|launch| launch.with_unread_log().env("WASIMANCER_LOG", "info"))
        .with_time(Duration::from_secs(10))
        .ends([Wanted::Result])
        .calls(100, "{}");
}

#[test]
fn loud_plugins() {
    case("8 callers of a loud plugin, over and over")
        .plugin(loud())
        .launch(|launch| launch.env("WASIMANCER_LOG", "info"))
        .ends([Wanted::Result])
        .within(Duration::from_secs(2))
        .attack(async |stage| {
            let callers = (0..8).map(async |_| {
                let mut ended = Vec::new();
                for _ in 0..scaled(500, 25) {
                    ended.push(stage.call("attack", "{}").await);
                }
                ended
            });
            join_all(callers).await.into_iter().flatten().collect()
        });
}

#[test]
fn escapes() {
    // A byte of a line becomes several in the log: what is promised counts those.
    let fields = r#"(func (export "run") (local $block i64) (local $at i64)
        (local.set $block (call $alloc (i64.const 4096)))
        (loop $next
          (call $store_u8 (i64.add (local.get $block) (local.get $at)) (i32.const 1))
          (local.set $at (i64.add (local.get $at) (i64.const 1)))
          (br_if $next (i64.lt_u (local.get $at) (i64.const 4096))))
        (local.set $at (i64.const 0))
        (loop $next
          (call $log_error (local.get $block))
          (local.set $at (i64.add (local.get $at) (i64.const 1)))
          (br_if $next (i64.lt_u (local.get $at) (i64.const 20)))))"#;
    case("one call that logs 80 KB of control characters")
        .plugin(extism(fields))
        .ends([Wanted::Result, TIME_LIMIT])
        .attack(async |stage| {
            let before = stage.server.stderr().len();
            let ended = stage.calls("attack", "{}", 1).await;
            stage.server.logs("attack").await;
            let written = stage.server.stderr().len() - before;
            assert!(
                written <= LOG_MAX_BYTES + 4096,
                "one call wrote {written} bytes"
            );
            ended
        });
}

#[test]
fn forged_lines() {
    // A name that ends its line, begins one of the server's, and clears the terminal.
    let name = r"x\0d\0a2099-01-01T00:00:00Z ERROR FORGED\0aFORGED\1b[2JFORGED";
    let plugin = module(&format!(
        r#"(func (@name "{name}") unreachable) (func (export "run") (call 0))"#
    ));
    let import = assemble(&format!(
        r#"(module (import "{name}" "{name}" (func)) (func (export "run")))"#
    ));
    let export = assemble(&format!(r#"(module (func (export "{name}")))"#));
    let others = [("import", import), ("export", export)];
    case("names of functions, imports and exports that forge log lines")
        .plugin(plugin)
        .ends([
            Wanted::ToolError("trapped"),
            Wanted::Declined(500, "invalid_module"),
        ])
        .within(Duration::from_secs(2))
        .attack(async |stage| {
            let mut ended = stage.calls("attack", "{}", 1).await;
            for (name, wasm) in &others {
                ended.push(stage.publish(&crate::guests::named(name, wasm)).await);
            }
            stage.server.logs("FORGED").await;
            let log = stage.server.stderr();
            let forged = log
                .lines()
                .find(|line| line.starts_with("FORGED") || line.starts_with("2099"));
            assert_eq!(forged, None, "{log:?}");
            assert!(!log.contains("\u{1b}[2J") && !log.contains('\r'), "{log:?}");
            ended
        });
}
