//! What plugins write to the log, and what is written about them.

use std::time::Instant;

use tracing::Level;
use tracing::level_filters::LevelFilter;

use crate::support::{
    PATIENCE, abi, bombs, bytes, call, call_numbers, capture_log, in_own_process, lines, messages,
    module, plugin, runtime, trap,
};

#[tokio::test]
async fn every_level_reaches_the_log_as_itself() {
    capture_log();
    let plugin = plugin(&runtime(), "levels", &abi());
    let levels = [
        ("say_trace", Level::TRACE),
        ("say_debug", Level::DEBUG),
        ("say_info", Level::INFO),
        ("say_warn", Level::WARN),
        ("say_error", Level::ERROR),
    ];
    for (export, _) in levels {
        call(&plugin, export, format!("{export} {{}} żółw"))
            .await
            .unwrap();
    }
    call(&plugin, "say_info", b"not \xff text").await.unwrap();
    let found: Vec<_> = lines("levels")
        .into_iter()
        .map(|line| (line.level, line.message))
        .collect();
    let mut wanted = levels
        .map(|(export, level)| (level, format!("{export} {{}} żółw")))
        .to_vec();
    wanted.push((Level::INFO, "not \u{fffd} text".to_owned()));
    assert_eq!(found, wanted);
}

#[tokio::test]
async fn a_long_message_is_cut_between_characters() {
    capture_log();
    let plugin = plugin(&runtime(), "long_message", &abi());
    // The 4096th byte lies inside a character.
    call(&plugin, "say_info", format!("x{}", "é".repeat(5000)))
        .await
        .unwrap();
    assert_eq!(messages("long_message"), [format!("x{}", "é".repeat(2047))]);
}

#[tokio::test]
async fn one_call_cannot_fill_the_log() {
    capture_log();
    let plugin = plugin(&runtime(), "chatty", &abi());
    for _ in 0..2 {
        let before = messages("chatty").len();
        call(&plugin, "say_often", "x".repeat(960)).await.unwrap();
        let found = messages("chatty").split_off(before);
        // 64 lines of 960 bytes and 64 beside them are the 64 KiB of a call.
        assert_eq!(found.len(), 65);
        assert!(found[64].contains("the rest is left out"), "{}", found[64]);
    }
}

/// The level is the process's own, hence the process.
#[test]
fn the_guest_is_told_the_level_of_the_log() {
    if !in_own_process("log::the_guest_is_told_the_level_of_the_log", "true") {
        return;
    }
    let plugin = plugin(&runtime(), "level", &abi());
    let tokio = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let told = || {
        tokio
            .block_on(call_numbers(&plugin, "get_log_level", &[]))
            .unwrap()
    };
    assert_eq!(told(), [i32::MAX as u64], "nothing is logged");
    for (filter, number) in [
        (LevelFilter::TRACE, 0),
        (LevelFilter::DEBUG, 1),
        (LevelFilter::INFO, 2),
        (LevelFilter::WARN, 3),
        (LevelFilter::ERROR, 4),
    ] {
        let subscriber = tracing_subscriber::fmt().with_max_level(filter).finish();
        let told = tracing::subscriber::with_default(subscriber, told);
        assert_eq!(told, [number], "{filter}");
    }
}

#[tokio::test]
async fn a_trap_is_logged_with_where_it_happened() {
    capture_log();
    let runtime = runtime();
    let bombs = plugin(&runtime, "trapping", &bombs());
    trap(call(&bombs, "trap", "").await);
    let [line] = &lines("trapping")[..] else {
        panic!("one line, not {:?}", lines("trapping"));
    };
    assert_eq!(line.level, Level::WARN);
    assert!(line.message.contains("unreachable"), "{line:?}");
    assert!(line.backtrace.contains("wasm backtrace"), "{line:?}");

    // A bad handle is a trap like any other, whichever function it was given to.
    let abi = plugin(&runtime, "bad_handles", &abi());
    for (count, export) in ["load_u8", "config_get", "var_get", "log_info", "alloc"]
        .iter()
        .enumerate()
    {
        let ended = call(&abi, export, bytes(&[u64::MAX])).await;
        assert!(ended.is_err(), "{export}");
        if *export == "alloc" {
            assert_eq!(lines("bad_handles").len(), 4, "a limit is no trap");
        } else {
            let lines = lines("bad_handles");
            assert_eq!(lines.len(), count + 1, "{export}");
            assert!(
                lines[count].backtrace.contains("wasm backtrace"),
                "{export}: {lines:?}"
            );
        }
    }
}

/// What a line of the log costs is what stands there: an escape is longer than its character.
#[tokio::test]
async fn what_is_escaped_is_counted_as_it_is_written() {
    capture_log();
    let plugin = plugin(&runtime(), "escaped", &abi());
    call(&plugin, "say_often", vec![0; 4096]).await.unwrap();
    let written = messages("escaped");
    assert!(written[0].starts_with("\\u{0}\\u{0}"), "{}", written[0]);
    assert!(written[0].len() <= 4096);
    let bytes: usize = written.iter().map(String::len).sum();
    assert!(bytes <= 64 * 1024 + 128, "{bytes}");
}

#[tokio::test]
async fn all_ways_to_the_log_share_what_a_call_may_write() {
    capture_log();
    let chatty = module(
        r#"(module
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (import "extism:host/env" "input_offset" (func $input_offset (result i64)))
        (import "extism:host/env" "log_info" (func $log_info (param i64)))
        (memory (export "memory") 4)
        ;; One vector of 60,000 bytes at 16, a line break every 1,000.
        (data (i32.const 0) "\10\00\00\00\60\ea\00\00")
        (func (export "every_way") (local $at i32) (local $left i32)
          (memory.fill (i32.const 16) (i32.const 120) (i32.const 60000))
          (local.set $at (i32.const 1015))
          (loop $lines
            (i32.store8 (local.get $at) (i32.const 10))
            (br_if $lines (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1000))) (i32.const 60016))))
          (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
          (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))
          (local.set $left (i32.const 60))
          (loop $again
            (call $log_info (call $input_offset))
            (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))))"#,
    );
    let plugin = plugin(&runtime(), "every_way", &chatty);
    for _ in 0..2 {
        let before = messages("every_way").len();
        call(&plugin, "every_way", "x".repeat(999)).await.unwrap();
        let found = messages("every_way").split_off(before);
        // Lines of 999 bytes and 64 beside them: 61 are the 64 KiB of a call.
        assert_eq!(found.len(), 62);
        assert!(found[61].contains("the rest is left out"), "{}", found[61]);
    }
}

/// Neither a day of it fills a disk, nor are the lines of others lost among them.
#[tokio::test]
async fn a_plugin_that_writes_without_end_is_left_out_for_a_while() {
    capture_log();
    let flood = plugin(&runtime(), "fast", &abi());
    let mut calls = 0;
    let latest = Instant::now() + PATIENCE;
    let said = loop {
        call(&flood, "say_often", "x").await.unwrap();
        calls += 1;
        let said = messages("fast");
        if said
            .iter()
            .any(|line| line.contains("lines were left out, since"))
        {
            break said;
        }
        assert!(Instant::now() < latest, "no gap is told");
    };
    let kept = said.iter().filter(|line| *line == "x").count();
    assert!(
        kept >= 1000 && kept < calls * 1000,
        "{kept} of {calls} calls"
    );
    assert!(
        said.iter()
            .any(|line| line.contains("more lines than the log takes"))
    );
    // Nobody else is affected.
    let other = plugin(&runtime(), "beside_flood", &abi());
    call(&other, "say_info", "still here").await.unwrap();
    assert_eq!(messages("beside_flood"), ["still here"]);
}

#[tokio::test]
async fn no_message_passes_for_lines_of_others() {
    capture_log();
    let plugin = plugin(&runtime(), "forging", &abi());
    let forged = "hi\n2026-01-01T00:00:00Z ERROR\r\u{2028}\u{1b}[2J\u{202e}";
    call(&plugin, "say_info", forged).await.unwrap();
    let [line] = &messages("forging")[..] else {
        panic!("one line, not {:?}", messages("forging"));
    };
    assert_eq!(
        line,
        "hi\\n2026-01-01T00:00:00Z ERROR\\r\\u{2028}\\u{1b}[2J\\u{202e}"
    );
}
