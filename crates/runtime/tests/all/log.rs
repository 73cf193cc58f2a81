//! What plugins write to the log, and what is written about them.

use tracing::Level;
use tracing::level_filters::LevelFilter;

use crate::support::{
    abi, bombs, bytes, call, call_numbers, capture_log, in_own_process, lines, messages, plugin,
    runtime, trap,
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
