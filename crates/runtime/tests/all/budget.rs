//! The memory that all calls may hold together.

use std::sync::Arc;

use wasimancer_runtime::{
    Budget, EngineOptions, Error, Instances, Plugin, PluginSpec, Reuse, Runtime,
};

use crate::support::{Keyed, call, call_numbers, extism, options, runtime_with, spec};

const MIB: usize = 1024 * 1024;

/// `grow` takes as many pages of memory as its input says; `block` a block of as many bytes. `count`
/// answers how many calls its instance has seen.
const GROWING: &str = r#"
    (global $calls (mut i64) (i64.const 0))
    (func $count
      (global.set $calls (i64.add (global.get $calls) (i64.const 1)))
      (global.set $top (i32.const 32768)))
    (func (export "grow")
      (call $count)
      (drop (memory.grow (i32.wrap_i64 (call $argument (i64.const 0))))))
    (func (export "block")
      (call $count)
      (drop (call $alloc (call $argument (i64.const 0)))))
    (func (export "count") (call $count) (call $number (global.get $calls)))
    (func (export "echo") (call $output (call $input_offset)))"#;

fn growing(budget: &Budget) -> (Runtime, Vec<u8>) {
    let runtime = runtime_with(EngineOptions {
        budget: budget.clone(),
        ..options()
    });
    (runtime, extism(GROWING))
}

fn compiled(runtime: &Runtime, spec: PluginSpec<'_>) -> Plugin {
    runtime.compile(spec).expect("the module compiles")
}

/// Each is within the limit of its call.
#[tokio::test]
async fn a_guest_that_finds_no_room_ends_and_gives_all_back() {
    let budget = Budget::new(8 * MIB);
    let (runtime, wasm) = growing(&budget);
    let plugin = compiled(&runtime, spec("grows", &wasm));
    for (export, size) in [("grow", 200), ("block", 12 * MIB as u64)] {
        let ended = call_numbers(&plugin, export, &[size]).await;
        assert!(
            matches!(ended, Err(Error::ServerMemory { has_begun: true })),
            "{export}: {ended:?}"
        );
        assert_eq!(budget.usage().used, 0, "{export}");
        assert!(call_numbers(&plugin, export, &[16]).await.is_ok());
    }
    let usage = budget.usage();
    assert_eq!((usage.used, usage.refused), (0, 2));
    assert!((MIB..=8 * MIB).contains(&usage.most_used), "{usage:?}");
}

#[tokio::test]
async fn a_call_that_finds_no_room_does_not_begin() {
    let budget = Budget::new(8 * MIB);
    let (runtime, wasm) = growing(&budget);
    let plugin = compiled(&runtime, spec("waits", &wasm));
    let others = budget.charge(8 * MIB).unwrap();
    let ended = call(&plugin, "count", "").await;
    assert!(
        matches!(ended, Err(Error::ServerMemory { has_begun: false })),
        "{ended:?}"
    );
    drop(others);
    assert!(call(&plugin, "count", "").await.is_ok());
}

#[tokio::test]
async fn an_output_is_charged_as_long_as_it_is_kept() {
    let budget = Budget::new(8 * MIB);
    let (runtime, wasm) = growing(&budget);
    let plugin = compiled(&runtime, spec("echoes", &wasm));
    let echo = plugin.function("echo").unwrap();
    let input = vec![b'x'; MIB];
    let output = echo.call_for(Arc::new(Keyed(0)), &input).await.unwrap();
    assert_eq!(budget.usage().used, MIB);
    assert_eq!(*output, *input);
    drop(output);
    assert_eq!(budget.usage().used, 0);
}

#[tokio::test]
async fn kept_instances_are_charged_and_give_way() {
    let budget = Budget::new(8 * MIB);
    let (runtime, wasm) = growing(&budget);
    let kept = PluginSpec {
        instances: Instances::Reuse(Reuse::default()),
        ..spec("kept", &wasm)
    };
    let kept = compiled(&runtime, kept);
    let fresh = compiled(&runtime, spec("fresh", &wasm));
    call_numbers(&kept, "grow", &[64]).await.unwrap();
    let held = budget.usage().used;
    assert!((4 * MIB..5 * MIB).contains(&held), "{held}");
    assert_eq!(call_numbers(&kept, "count", &[]).await.unwrap(), [2]);
    // As long as there is room, it stays.
    call_numbers(&fresh, "grow", &[16]).await.unwrap();
    assert_eq!(call_numbers(&kept, "count", &[]).await.unwrap(), [3]);
    call_numbers(&fresh, "grow", &[80]).await.unwrap();
    assert_eq!(budget.usage().used, 0);
    assert_eq!(call_numbers(&kept, "count", &[]).await.unwrap(), [1]);
}
