//! Host functions called in a row, without a loop: the epoch never interrupts such code, so the
//! functions themselves keep the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio::time::timeout;
use wasimancer_runtime::{Error, Limits, Plugin, Result};

use crate::support::{call, limited, module, plugin, runtime};

/// As long as the calls may take: what they do takes ten times as long on any machine.
const TIME_LIMIT: Duration = Duration::from_millis(20);
/// When a test gives up: it says that something is stuck, not how fast the machine is.
const PATIENCE: Duration = Duration::from_mins(1);

/// A module whose export `run` does one thing over and over, so often, in a row.
fn in_a_row(imports: &str, fields: &str, begin: &str, step: &str, times: usize) -> Vec<u8> {
    let steps = step.repeat(times);
    module(&format!(
        r#"(module {imports} (memory (export "memory") 80) {fields}
            (func (export "run") (local $h i64) {begin} {steps}))"#
    ))
}

fn import(name: &str, signature: &str) -> String {
    let module = match name {
        "log" | "progress" | "request" => "wasimancer:host/env",
        "random_get" | "poll_oneoff" | "clock_time_get" | "args_sizes_get" => {
            "wasi_snapshot_preview1"
        }
        name if name.starts_with("fd_") => "wasi_snapshot_preview1",
        _ => "extism:host/env",
    };
    format!(r#"(import "{module}" "{name}" (func ${name} {signature}))"#)
}

fn hurried(wasm: &[u8], name: &str) -> Plugin {
    let limits = Limits {
        timeout: TIME_LIMIT,
        memory: 256 * 1024 * 1024,
        ..Limits::default()
    };
    limited(&runtime(), name, wasm, limits)
}

/// How it ends, and how often a probe on the same and only thread had a turn meanwhile.
async fn ended_beside_a_probe(plugin: &Plugin) -> (Result<Vec<u8>>, u32) {
    let looks = Arc::new(AtomicU32::new(0));
    let counted = looks.clone();
    let probe = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(1)).await;
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let ended = timeout(PATIENCE, call(plugin, "run", "")).await;
    probe.abort();
    (ended.expect("it ends"), looks.load(Ordering::Relaxed))
}

/// What is called costs far more than the time limit grants.
#[tokio::test]
async fn a_row_of_dear_calls_ends_at_its_time_limit() {
    let alloc = import("alloc", "(param i64) (result i64)");
    let free = import("free", "(param i64)");
    let block = |size: usize| format!("(local.set $h (call $alloc (i64.const {size})))");
    let cases = [
        (
            "alloc",
            format!("{alloc}{free}"),
            String::new(),
            "(call $free (call $alloc (i64.const 8000000)))".to_owned(),
            5_000,
        ),
        (
            "var_get",
            [
                alloc.clone(),
                free.clone(),
                import("var_set", "(param i64 i64)"),
                import("var_get", "(param i64) (result i64)"),
            ]
            .concat(),
            block(8)
                + "(call $var_set (local.get $h) (call $alloc (i64.const 8000000)))",
            "(call $free (call $var_get (local.get $h)))".to_owned(),
            5_000,
        ),
        (
            "random_get",
            import("random_get", "(param i32 i32) (result i32)"),
            String::new(),
            "(drop (call $random_get (i32.const 0) (i32.const 4095)))".to_owned(),
            100_000,
        ),
        (
            "poll_oneoff",
            import("poll_oneoff", "(param i32 i32 i32 i32) (result i32)"),
            String::new(),
            "(drop (call $poll_oneoff (i32.const 0) (i32.const 500000) (i32.const 1024) (i32.const 0)))"
                .to_owned(),
            20_000,
        ),
    ];
    for (name, imports, begin, step, times) in cases {
        let plugin = hurried(&in_a_row(&imports, "", &begin, &step, times), name);
        let (ended, looked) = ended_beside_a_probe(&plugin).await;
        assert!(
            matches!(ended, Err(Error::TimeLimit { .. })),
            "{name}: {ended:?}"
        );
        assert!(looked > 1, "{name}: others had {looked} turns");
    }
}

/// Each takes next to nothing, and there are very many.
#[tokio::test]
async fn a_row_of_small_calls_ends_at_its_time_limit() {
    for (name, parameters) in [
        ("fd_fdstat_get", "(i32.const 1) (i32.const 64)"),
        (
            "fd_seek",
            "(i32.const 1) (i64.const 0) (i32.const 0) (i32.const 64)",
        ),
        ("args_sizes_get", "(i32.const 64) (i32.const 68)"),
    ] {
        let kinds = parameters
            .replace("(i32.const ", "i32 ")
            .replace("(i64.const ", "i64 ");
        let kinds = kinds.split(' ').filter(|word| word.starts_with('i'));
        let signature = format!(
            "(param {}) (result i32)",
            kinds.collect::<Vec<_>>().join(" ")
        );
        let step = format!("(drop (call ${name} {parameters}))");
        let wasm = in_a_row(&import(name, &signature), "", "", &step, 200_000);
        let limits = Limits {
            timeout: Duration::from_micros(500),
            ..Limits::default()
        };
        let plugin = limited(&runtime(), name, &wasm, limits);
        let ended = call(&plugin, "run", "").await;
        assert!(
            matches!(ended, Err(Error::TimeLimit { .. })),
            "{name}: {ended:?}"
        );
    }
}

/// The JSON is what costs, so it is bounded before it is read.
#[tokio::test]
async fn json_for_the_host_is_bounded() {
    for name in ["log", "progress"] {
        let imports = import("alloc", "(param i64) (result i64)") + &import(name, "(param i64)");
        let begin = "(local.set $h (call $alloc (i64.const 60000000)))";
        let step = format!("(call ${name} (local.get $h))");
        let wasm = in_a_row(&imports, "", begin, &step, 1);
        let plugin = plugin(&runtime(), name, &wasm);
        let message = call(&plugin, "run", "").await.expect_err(name).to_string();
        assert!(
            message.contains("its parameter has 60000000 bytes and may have 1048576"),
            "{message}"
        );
    }
}

/// A call of eight bytes or fewer is only counted, and there are not enough of them to matter.
#[tokio::test]
async fn a_long_row_of_small_calls_ends_well() {
    let imports = import("input_length", "(result i64)");
    let step = "(drop (call $input_length))";
    let plugin = hurried(&in_a_row(&imports, "", "", step, 100_000), "small");
    let (ended, _) = ended_beside_a_probe(&plugin).await;
    assert!(
        matches!(ended, Ok(_) | Err(Error::TimeLimit { .. })),
        "{ended:?}"
    );
}

/// What comes after the time limit is no answer, whoever noticed it.
#[tokio::test]
async fn a_result_that_comes_too_late_is_a_time_out() {
    // Bulk operations yield in between; the rest of the row takes its time.
    let step = "(memory.fill (i32.const 0) (i32.const 7) (i32.const 4194304))";
    let plugin = hurried(&in_a_row("", "", "", step, 2_000), "fill");
    let (ended, _) = ended_beside_a_probe(&plugin).await;
    assert!(matches!(ended, Err(Error::TimeLimit { .. })), "{ended:?}");
}

/// A name that nobody has is refused, not copied.
#[tokio::test]
async fn names_are_bounded() {
    for name in ["config_get", "var_get"] {
        let imports =
            import("alloc", "(param i64) (result i64)") + &import(name, "(param i64) (result i64)");
        let begin = "(local.set $h (call $alloc (i64.const 1000000)))";
        let step = format!("(drop (call ${name} (local.get $h)))");
        let plugin = plugin(&runtime(), name, &in_a_row(&imports, "", begin, &step, 1));
        let message = call(&plugin, "run", "").await.expect_err(name).to_string();
        assert!(message.contains("a name of 1000000 bytes"), "{message}");
    }
}

/// A guest that waits uses no computing time, one that computes does.
#[tokio::test]
async fn computing_time_is_limited_apart_from_waiting() {
    let limits = Limits {
        cpu: Some(Duration::from_millis(50)),
        ..Limits::default()
    };
    let wasm = module(
        r#"(module
            (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            ;; A subscription to the monotonic clock, for 200 ms.
            (data (i32.const 16) "\01\00\00\00")
            (data (i32.const 24) "\00\c2\eb\0b\00\00\00\00")
            (func (export "wait") (result i32) (call $poll (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 200)))
            (func (export "spin") (loop $l (br $l))))"#,
    );
    let plugin = limited(&runtime(), "computing", &wasm, limits);
    let began = Instant::now();
    assert_eq!(call(&plugin, "wait", "").await.unwrap(), b"");
    assert!(began.elapsed() >= Duration::from_millis(200));
    let ended = timeout(PATIENCE, call(&plugin, "spin", "")).await;
    let ended = ended.expect("it ends");
    assert!(
        matches!(ended, Err(Error::CpuLimit { limit }) if limit == Duration::from_millis(50)),
        "{ended:?}"
    );
}
