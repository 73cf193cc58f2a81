//! WASI preview 1 with nothing granted, and what standard output and error become.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tracing::Level;
use wasimancer_runtime::{Error, Limits, Plugin};

use crate::support::{
    bytes, call, call_numbers, capture_log, limited, lines, messages, module, plugin, runtime,
    trap, until,
};

/// `EBADF`: no such descriptor.
const BAD_DESCRIPTOR: u64 = 8;

fn wasi(name: &str) -> Plugin {
    plugin(&runtime(), name, &wasm())
}

fn wasm() -> Vec<u8> {
    module(include_str!("../modules/wasi.wat"))
}

#[tokio::test]
async fn no_file_can_be_reached() {
    let plugin = wasi("files");
    for descriptor in 0..32 {
        for export in ["preopened", "open"] {
            let errno = call_numbers(&plugin, export, &[descriptor]).await.unwrap();
            // A standard stream is a descriptor, and no folder.
            let wanted = errno == [BAD_DESCRIPTOR] || (descriptor < 3 && errno != [0]);
            assert!(wanted, "{export} of {descriptor}: {errno:?}");
        }
    }
}

/// What the engine's library answers where nothing is granted, which run-time systems expect.
#[tokio::test]
async fn descriptors_are_the_standard_streams_alone() {
    const TOLD: &str = "(i32.const 64)";
    let unknown = BAD_DESCRIPTOR;
    // A function, what follows the descriptor, and the error numbers for a standard stream and others.
    let cases = [
        ("fd_fdstat_get", TOLD, 0, unknown),
        ("fd_filestat_get", TOLD, 0, unknown),
        ("fd_close", "", 0, unknown),
        (
            "fd_seek",
            "(i64.const 0) (i32.const 1) (i32.const 64)",
            70,
            unknown,
        ),
        ("fd_tell", TOLD, 70, unknown),
        (
            "fd_readdir",
            "(i32.const 64) (i32.const 8) (i64.const 0) (i32.const 80)",
            54,
            unknown,
        ),
        ("fd_prestat_get", TOLD, unknown, unknown),
        (
            "fd_prestat_dir_name",
            "(i32.const 64) (i32.const 8)",
            54,
            unknown,
        ),
        ("fd_fdstat_set_flags", "(i32.const 1)", unknown, unknown),
        ("fd_sync", "", unknown, unknown),
        ("fd_renumber", "(i32.const 1)", 58, unknown),
    ];
    for (name, parameters, of_stream, of_other) in cases {
        let kind = |word: &str| {
            word.split_once(".const")
                .map(|(kind, _)| kind.trim_start_matches('(').to_owned())
        };
        let kinds = parameters
            .split(' ')
            .filter_map(kind)
            .collect::<Vec<_>>()
            .join(" ");
        let checks = [
            (0, of_stream),
            (1, of_stream),
            (2, of_stream),
            (3, of_other),
            (-1, of_other),
        ];
        let checks = checks.map(|(descriptor, errno)| {
            format!("(if (i32.ne (call $asked (i32.const {descriptor}) {parameters}) (i32.const {errno})) (then (unreachable)))")
        });
        let wasm = module(&format!(
            r#"(module
                (import "wasi_snapshot_preview1" "{name}"
                  (func $asked (param i32 {kinds}) (result i32)))
                (memory (export "memory") 1)
                (func (export "run") {}))"#,
            checks.concat()
        ));
        let ended = call(&plugin(&runtime(), name, &wasm), "run", "").await;
        assert!(ended.is_ok(), "{name}: {ended:?}");
    }
}

/// What is told of a stream: its rights, and of its file nothing; never beyond the guest's memory.
#[tokio::test]
async fn a_stream_is_described() {
    let wasm = module(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_fdstat_get"
              (func $asked (param i32 i32) (result i32)))
            (memory (export "memory") 1)
            (func (export "reads")
              (if (call $asked (i32.const 0) (i32.const 64)) (then (unreachable)))
              (if (i64.ne (i64.load (i32.const 72)) (i64.const 2)) (then (unreachable))))
            (func (export "writes")
              (if (call $asked (i32.const 2) (i32.const 64)) (then (unreachable)))
              (if (i64.ne (i64.load (i32.const 72)) (i64.const 64)) (then (unreachable))))
            (func (export "outside")
              (if (i32.ne (call $asked (i32.const 1) (i32.const 65530)) (i32.const 21))
                (then (unreachable)))))"#,
    );
    let plugin = plugin(&runtime(), "described", &wasm);
    for export in ["reads", "writes", "outside"] {
        let ended = call(&plugin, export, "").await;
        assert!(ended.is_ok(), "{export}: {ended:?}");
    }
}

#[tokio::test]
async fn no_connection_can_be_accepted() {
    let plugin = wasi("sockets");
    for descriptor in 0..8 {
        let errno = call_numbers(&plugin, "accept", &[descriptor])
            .await
            .unwrap();
        assert_ne!(errno, [0], "{descriptor}");
    }
}

#[tokio::test]
async fn there_are_no_arguments_no_environment_and_no_input() {
    let plugin = wasi("environment");
    for export in ["arguments", "environment", "read"] {
        assert_eq!(
            call_numbers(&plugin, export, &[]).await.unwrap(),
            [0],
            "{export}"
        );
    }
}

#[tokio::test]
async fn clocks_and_random_numbers_work() {
    let plugin = wasi("clocks");
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let before = now();
    let [nanoseconds] = call_numbers(&plugin, "realtime", &[]).await.unwrap()[..] else {
        panic!("one number");
    };
    let told = Duration::from_nanos(nanoseconds);
    assert!(before <= told && told <= now(), "{told:?}");
    let [passed] = call_numbers(&plugin, "monotonic", &[]).await.unwrap()[..] else {
        panic!("one number");
    };
    assert!(i64::try_from(passed).is_ok(), "the clock went back");
    let first = call(&plugin, "random", "").await.unwrap();
    let second = call(&plugin, "random", "").await.unwrap();
    assert_ne!(first, second);
    assert_ne!(first, [0; 32]);
}

#[tokio::test]
async fn standard_output_and_error_become_log_lines() {
    capture_log();
    let plugin = wasi("streams");
    call(&plugin, "write_stdout", "first\nsecond\n\nno end")
        .await
        .unwrap();
    call(&plugin, "write_stderr", "oh no\n").await.unwrap();
    call(&plugin, "write_stdout", b"not \xff text\n")
        .await
        .unwrap();
    let found: Vec<_> = lines("streams")
        .into_iter()
        .map(|line| (line.level, line.message))
        .collect();
    let wanted = [
        (Level::INFO, "first"),
        (Level::INFO, "second"),
        (Level::INFO, "no end"),
        (Level::WARN, "oh no"),
        (Level::INFO, "not \u{fffd} text"),
    ];
    assert_eq!(
        found,
        wanted.map(|(level, message)| (level, message.to_owned()))
    );
}

#[tokio::test]
async fn a_line_before_a_trap_is_not_lost() {
    capture_log();
    let plugin = wasi("last_words");
    trap(call(&plugin, "write_and_trap", "the end is near").await);
    let messages = messages("last_words");
    assert!(
        messages.contains(&"the end is near".to_owned()),
        "{messages:?}"
    );
}

#[tokio::test]
async fn a_long_line_is_cut() {
    capture_log();
    let plugin = wasi("long_line");
    let long = format!("{}\nnext\n", "é".repeat(5000));
    call(&plugin, "write_stdout", long).await.unwrap();
    assert_eq!(messages("long_line"), ["é".repeat(2048), "next".to_owned()]);
}

#[tokio::test]
async fn a_flood_ends_with_the_calls_share_of_the_log() {
    capture_log();
    let plugin = wasi("flood");
    let write = plugin.function("write_endless").unwrap();
    let line = "0123456789abcdef".repeat(64);
    let input = format!("{line}\n");
    let writing = tokio::spawn(async move { write.call(input.as_bytes()).await });
    let last = || messages("flood").pop().unwrap_or_default();
    until("the log takes no more", || last().contains("left out")).await;
    // It goes on writing, and nothing comes of it.
    for _ in 0..10 {
        call(&plugin, "read", "").await.unwrap();
    }
    assert!(!writing.is_finished());
    let messages = messages("flood");
    assert!(last().contains("left out"), "{}", last());
    let whole = messages.iter().filter(|message| **message == line).count();
    // Each with what a line of the log costs beside its message.
    assert_eq!(whole, 64 * 1024 / (line.len() + 64));
    // The whole ones, and the notice.
    assert_eq!(messages.len(), whole + 1);
    writing.abort();
}

#[tokio::test]
async fn sleeping_ends_at_the_calls_time() {
    let limits = Limits {
        timeout: Duration::from_millis(100),
        ..Limits::default()
    };
    let plugin = limited(&runtime(), "sleep", &wasm(), limits);
    let ended = call(&plugin, "sleep", "").await;
    assert!(matches!(ended, Err(Error::TimeLimit { .. })), "{ended:?}");
}

#[tokio::test]
async fn leaving_with_a_code_ends_the_call() {
    let plugin = wasi("exit");
    assert_eq!(call_numbers(&plugin, "exit", &[0]).await.unwrap(), [42]);
    let ended = call(&plugin, "exit", bytes(&[3])).await;
    assert!(
        matches!(ended, Err(Error::NonZero { code: 3 })),
        "{ended:?}"
    );
    match call(&plugin, "exit_with_message", "").await {
        Err(Error::Plugin { message }) => assert_eq!(message, "no"),
        other => panic!("{other:?}"),
    }
    assert_eq!(call_numbers(&plugin, "exit", &[0]).await.unwrap(), [42]);
}

#[tokio::test]
async fn every_code_of_an_exit_is_an_exit() {
    let exits = module(
        r#"(module
          (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
          (memory (export "memory") 1)
          (func (export "zero") (call $exit (i32.const 0)))
          (func (export "126") (call $exit (i32.const 126)))
          (func (export "134") (call $exit (i32.const 134)))
          (func (export "255") (call $exit (i32.const 255)))
          (func (export "-1") (call $exit (i32.const -1))))"#,
    );
    let plugin = plugin(&runtime(), "exits", &exits);
    assert_eq!(call(&plugin, "zero", "").await.unwrap(), b"");
    for wanted in [126, 134, 255, -1] {
        let ended = call(&plugin, &wanted.to_string(), "").await;
        assert!(
            matches!(ended, Err(Error::NonZero { code }) if code == wanted),
            "{wanted}: {ended:?}"
        );
    }
}
