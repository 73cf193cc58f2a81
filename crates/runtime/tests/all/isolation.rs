//! Nothing of one call is seen by another.

use crate::support::{call, call_numbers, extism, options, plugin, runtime_with, trap};
use wasimancer_runtime::EngineOptions;

fn state() -> Vec<u8> {
    extism(include_str!("../modules/state.wat"))
}

/// One slot, so that every call gets the one that the call before it has used.
fn one_slot() -> EngineOptions {
    EngineOptions {
        instances_max: 1,
        ..options()
    }
}

#[tokio::test]
async fn every_call_finds_the_module_as_it_was_written() {
    let plugin = plugin(&runtime_with(one_slot()), "fresh", &state());
    let pristine = [0, u64::from_le_bytes(*b"pristine"), 1, 1, 1];
    for _ in 0..20 {
        assert_eq!(call_numbers(&plugin, "found", &[]).await.unwrap(), pristine);
        assert_eq!(call_numbers(&plugin, "count", &[]).await.unwrap(), [1]);
        assert_eq!(
            call_numbers(&plugin, "grown_memory", &[]).await.unwrap(),
            [0]
        );
    }
}

#[tokio::test]
async fn a_trap_leaves_nothing_behind() {
    let plugin = plugin(&runtime_with(one_slot()), "trapped", &state());
    let pristine = call_numbers(&plugin, "found", &[]).await.unwrap();
    for _ in 0..20 {
        trap(call(&plugin, "count_and_trap", "").await);
        assert_eq!(call_numbers(&plugin, "found", &[]).await.unwrap(), pristine);
        assert_eq!(
            call_numbers(&plugin, "grown_memory", &[]).await.unwrap(),
            [0]
        );
    }
}

#[tokio::test]
async fn plugins_that_share_a_slot_share_nothing_else() {
    let runtime = runtime_with(one_slot());
    let first = plugin(&runtime, "first", &state());
    let second = plugin(
        &runtime,
        "second",
        &extism(
            r#"(func (export "sum") (local $at i32) (local $sum i64)
            (drop (memory.grow (i32.const 3)))
            (loop $next
              (local.set $sum (i64.or (local.get $sum) (i64.load (local.get $at))))
              (local.set $at (i32.add (local.get $at) (i32.const 8)))
              (br_if $next (i32.lt_u (local.get $at) (i32.const 262144))))
            (call $number (local.get $sum)))"#,
        ),
    );
    for _ in 0..20 {
        assert_eq!(call_numbers(&first, "count", &[]).await.unwrap(), [1]);
        assert_eq!(call_numbers(&second, "sum", &[]).await.unwrap(), [0]);
    }
}
