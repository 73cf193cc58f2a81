//! Instances that are kept between calls, and what ends them.

use std::sync::{Arc, Weak};
use std::time::Duration;

use wasimancer_runtime::{Error, Instances, Limits, Plugin, PluginSpec, Reuse};

use crate::support::{
    Keyed, PATIENCE, bytes, call, call_numbers, extism, module, runtime, spec, trap,
};

/// `count` answers how many calls its instance has seen, its pages of memory, the length of a
/// variable, of the input, and the handle of the error. The other exports count too.
const STATE: &str = r#"
    (global $calls (mut i64) (i64.const 0))
    (func $key (result i64) (call $block (i32.const 64) (i32.const 3)))
    (func $count
      (global.set $calls (i64.add (global.get $calls) (i64.const 1)))
      (global.set $top (i32.const 32768)))
    (func (export "count")
      (call $count)
      (call $push (global.get $calls))
      (call $push (i64.extend_i32_u (memory.size)))
      (call $push (call $length (call $var_get (call $key))))
      (call $push (call $input_length))
      (call $push (call $error_get))
      (call $results))
    (func (export "leave")
      (call $count)
      (drop (memory.grow (i32.const 2)))
      (call $var_set (call $key) (call $block (i32.const 0) (i32.const 5)))
      (call $output (call $block (i32.const 0) (i32.const 8))))
    (func (export "block")
      (call $count)
      (drop (call $alloc (i64.const 4096)))
      (call $number (call $alloc (i64.const 4096))))
    (func (export "length") (call $count) (call $number (call $length (call $argument (i64.const 0)))))
    (func (export "fail") (result i32)
      (call $count)
      (call $error_set (call $block (i32.const 0) (i32.const 4)))
      (i32.const 3))
    (func (export "trap") (call $count) (unreachable))
    (func (export "spin") (call $count) (loop $again (br $again)))
    (data (i32.const 0) "leftover")
    (data (i32.const 64) "key")"#;

/// `count` waits once while it runs, so that calls at once are calls of several instances.
const WAITING: &str = r#"(module
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
    (import "extism:host/env" "store_u64" (func $store (param i64 i64)))
    (import "extism:host/env" "output_set" (func $output (param i64 i64)))
    (memory (export "memory") 1)
    ;; A subscription to the monotonic clock, for 200 ms: all calls have begun before one goes on.
    (data (i32.const 16) "\01\00\00\00")
    (data (i32.const 24) "\00\c2\eb\0b\00\00\00\00")
    (global $calls (mut i64) (i64.const 0))
    (func $answer (local $block i64)
      (global.set $calls (i64.add (global.get $calls) (i64.const 1)))
      (local.set $block (call $alloc (i64.const 8)))
      (call $store (local.get $block) (global.get $calls))
      (call $output (local.get $block) (i64.const 8)))
    (func (export "count")
      (drop (call $poll (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 200)))
      (call $answer))
    (func (export "exit") (call $answer) (call $exit (i32.const 0))))"#;

fn keeping(wasm: &[u8], bounds: Reuse, limits: Limits) -> Plugin {
    let made = runtime().compile(PluginSpec {
        instances: Instances::Reuse(bounds),
        limits,
        ..spec("keeping", wasm)
    });
    made.expect("the module compiles")
}

fn state() -> Plugin {
    keeping(&extism(STATE), Reuse::default(), Limits::default())
}

async fn count(plugin: &Plugin) -> u64 {
    call_numbers(plugin, "count", &[]).await.unwrap()[0]
}

#[tokio::test]
async fn what_a_guest_keeps_outlives_its_calls_and_nothing_else_does() {
    let plugin = state();
    assert_eq!(call(&plugin, "leave", "input").await.unwrap(), b"leftover");
    let ended = call(&plugin, "fail", "input").await;
    assert!(matches!(ended, Err(Error::Plugin { .. })), "{ended:?}");
    let found = call_numbers(&plugin, "count", &[]).await.unwrap();
    assert_eq!(found, [3, 3, 5, 0, 0]);
    let block = call_numbers(&plugin, "block", &[]).await.unwrap();
    trap(call(&plugin, "length", bytes(&block)).await);
}

#[tokio::test]
async fn what_ends_badly_is_not_kept() {
    let plugin = state();
    for _ in 0..3 {
        assert_eq!(count(&plugin).await, 1);
        assert_eq!(count(&plugin).await, 2);
        trap(call(&plugin, "trap", "").await);
    }
    let plugin = keeping(&module(WAITING), Reuse::default(), Limits::default());
    for _ in 0..3 {
        assert_eq!(count(&plugin).await, 1);
        let exited = call_numbers(&plugin, "exit", &[]).await.unwrap();
        assert_eq!(exited, [2]);
    }
}

#[tokio::test]
async fn what_is_given_up_is_not_kept() {
    let limits = Limits {
        timeout: Duration::from_millis(500),
        ..Limits::default()
    };
    let plugin = keeping(&extism(STATE), Reuse::default(), limits);
    call(&plugin, "leave", "").await.unwrap();
    let ended = call(&plugin, "spin", "").await;
    assert!(matches!(ended, Err(Error::TimeLimit { .. })), "{ended:?}");
    assert_eq!(count(&plugin).await, 1);

    let plugin = state();
    call(&plugin, "leave", "").await.unwrap();
    let spin = plugin.function("spin").unwrap();
    let given_up = tokio::time::timeout(Duration::from_millis(50), spin.call(b"")).await;
    assert!(given_up.is_err(), "a guest that spins does not end");
    assert_eq!(count(&plugin).await, 1);
}

#[tokio::test]
async fn an_instance_ends_after_its_calls() {
    let bounds = Reuse {
        calls: 3,
        ..Reuse::default()
    };
    let plugin = keeping(&extism(STATE), bounds, Limits::default());
    for expected in [1, 2, 3, 1, 2, 3, 1] {
        assert_eq!(count(&plugin).await, expected);
    }
}

#[tokio::test]
async fn an_instance_ends_with_its_age() {
    let bounds = Reuse {
        age: Duration::from_millis(200),
        ..Reuse::default()
    };
    let plugin = keeping(&extism(STATE), bounds, Limits::default());
    let aged = async {
        let mut last = count(&plugin).await;
        loop {
            match count(&plugin).await {
                1 => return,
                next => assert_eq!(next, last + 1),
            }
            last += 1;
        }
    };
    let aged = tokio::time::timeout(PATIENCE, aged).await;
    aged.expect("the instance is replaced");
}

#[tokio::test]
async fn no_more_instances_are_kept_than_wanted() {
    let bounds = Reuse {
        count: 1,
        ..Reuse::default()
    };
    let plugin = keeping(&module(WAITING), bounds, Limits::default());
    let at_once = tokio::join!(count(&plugin), count(&plugin), count(&plugin));
    assert_eq!(at_once, (1, 1, 1));
    assert_eq!(count(&plugin).await, 2);
    let at_once = tokio::join!(count(&plugin), count(&plugin), count(&plugin));
    assert_eq!(at_once, (3, 1, 1));
}

/// Two instances that are idle: the one that was used last comes first.
#[tokio::test]
async fn calls_at_once_have_instances_of_their_own() {
    let plugin = keeping(&module(WAITING), Reuse::default(), Limits::default());
    for expected in 1..=3 {
        let at_once = tokio::join!(count(&plugin), count(&plugin));
        assert_eq!(at_once, (expected, expected));
    }
}

/// Whoever waits for the end of what a call may tell must not wait for the next call.
#[tokio::test]
async fn a_kept_instance_forgets_who_called_it() {
    let plugin = state();
    let function = plugin.function("count").unwrap();
    let caller = Arc::new(Keyed(0));
    let watched: Weak<Keyed> = Arc::downgrade(&caller);
    function.call_for(caller, b"").await.unwrap();
    assert_eq!(watched.strong_count(), 0);
    assert_eq!(count(&plugin).await, 2);
}
