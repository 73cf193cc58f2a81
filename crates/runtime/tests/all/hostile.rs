//! Modules that were written to hurt: each harms its own call alone.

use std::time::Duration;

use wasimancer_runtime::{Error, Limits};

use crate::support::{call, capture_log, extism, limited, lines, module, plugin, runtime, trap};

/// Far more of these than any machine does in the time limit.
const OFTEN: usize = 3000;

fn hurried() -> Limits {
    Limits {
        timeout: Duration::from_millis(200),
        ..Limits::default()
    }
}

/// Code without loops is never interrupted by the epoch, so the host functions must look.
#[tokio::test]
async fn host_functions_in_a_row_end_with_the_time_limit() {
    let step = "(call $free (call $alloc (i64.const 100000000)))";
    let allocating = extism(&format!("(func (export \"run\") {})", step.repeat(OFTEN)));
    let step = "(drop (call $random_get (i32.const 0) (i32.const 67108864)))";
    let random = module(&format!(
        "(module
           (import \"wasi_snapshot_preview1\" \"random_get\"
             (func $random_get (param i32 i32) (result i32)))
           (memory (export \"memory\") 1024)
           (func (export \"run\") {}))",
        step.repeat(OFTEN)
    ));
    let runtime = runtime();
    for wasm in [allocating, random] {
        let plugin = limited(&runtime, "hurried", &wasm, hurried());
        let ended = call(&plugin, "run", "").await;
        assert!(matches!(ended, Err(Error::TimeLimit { .. })), "{ended:?}");
    }
}

/// Demangling a short name can take gigabytes, so names are logged as they are.
#[tokio::test]
async fn names_in_a_backtrace_are_neither_demangled_nor_whole() {
    capture_log();
    let long = "n".repeat(5000);
    let wasm = module(&format!(
        "(module
           (func $_ZN3foo3barEv unreachable)
           (func ${long} (call $_ZN3foo3barEv))
           (func (export \"run\") (call ${long})))"
    ));
    trap(call(&plugin(&runtime(), "mangled", &wasm), "run", "").await);
    let [line] = &lines("mangled")[..] else {
        panic!("one line, not {:?}", lines("mangled"));
    };
    assert!(line.backtrace.contains("_ZN3foo3barEv"), "{line:?}");
    assert!(
        line.backtrace.contains("nnn") && line.backtrace.len() < 1000,
        "{line:?}"
    );
}

#[tokio::test]
async fn the_description_of_a_request_is_bounded() {
    let wasm = extism(
        "(func (export \"run\")
           (drop (call $http_request (call $alloc (i64.const 65537)) (i64.const 0))))",
    );
    let ended = call(&plugin(&runtime(), "wordy", &wasm), "run", "").await;
    let Err(Error::Http { reason }) = &ended else {
        panic!("an HTTP error, not {ended:?}");
    };
    assert!(reason.contains("more than 65536 bytes"), "{reason}");
}

#[tokio::test]
async fn an_error_message_is_bounded_like_an_output() {
    let wasm =
        extism("(func (export \"run\") (call $error_set (call $alloc (i64.const 1000000))))");
    let small = Limits {
        output: 1000,
        ..Limits::default()
    };
    for (limits, wanted) in [(Limits::default(), 65536), (small, 1000)] {
        let plugin = limited(&runtime(), "loud", &wasm, limits);
        let ended = call(&plugin, "run", "").await;
        let Err(Error::Plugin { message }) = &ended else {
            panic!("a plugin's error, not {ended:?}");
        };
        assert_eq!(message.len(), wanted);
    }
}
