//! `Profile::Compute`: the engine with guard pages holds guests as the other does.

use std::time::Duration;

use tokio::task::JoinSet;
use wasimancer_runtime::{
    EngineOptions, Error, Limits, Plugin, PluginSpec, Preinit, Profile, Runtime,
};

use crate::support::{
    abi, bombs, call, call_numbers, extism, memory_is_bounded, module, options, runtime_with, spec,
    trap,
};

const MIB: u64 = 1024 * 1024;

fn computing(runtime: &Runtime, wasm: &[u8], limits: Limits) -> Plugin {
    let made = runtime.compile(PluginSpec {
        profile: Profile::Compute,
        limits,
        ..spec("computing", wasm)
    });
    made.expect("the module compiles")
}

fn limits() -> Limits {
    Limits {
        memory: 16 * MIB,
        timeout: Duration::from_millis(500),
        ..Limits::default()
    }
}

#[tokio::test]
async fn limits_and_bounds_hold() {
    let bombs = computing(&runtime_with(options()), &bombs(), limits());
    assert_eq!(bombs.profile(), Profile::Compute);
    memory_is_bounded(&bombs).await;
    let ended = call(&bombs, "spin", "").await;
    assert!(matches!(ended, Err(Error::TimeLimit { .. })), "{ended:?}");
    assert_eq!(call(&bombs, "answer", "here").await.unwrap(), b"here");
}

#[tokio::test]
async fn every_call_finds_the_module_as_it_was_written() {
    let options = EngineOptions {
        instances_max: 1,
        ..options()
    };
    let wasm = extism(include_str!("../modules/state.wat"));
    let plugin = computing(&runtime_with(options), &wasm, Limits::default());
    let pristine = [0, u64::from_le_bytes(*b"pristine"), 1, 1, 1];
    for _ in 0..5 {
        assert_eq!(call_numbers(&plugin, "found", &[]).await.unwrap(), pristine);
        let grown = call_numbers(&plugin, "grown_memory", &[]).await.unwrap();
        assert_eq!(grown, [0]);
        trap(call(&plugin, "count_and_trap", "").await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_both_profiles_run_at_once() {
    let runtime = runtime_with(options());
    let short = runtime.compile(spec("short", &abi())).unwrap();
    let compute = computing(&runtime, &abi(), Limits::default());
    let mut calls = JoinSet::new();
    for caller in 0..64_u8 {
        let plugin = if caller % 2 == 0 { &short } else { &compute }.clone();
        calls.spawn(async move {
            let input = [caller; 1000];
            assert_eq!(call(&plugin, "echo_words", input).await.unwrap(), input);
        });
    }
    while let Some(ended) = calls.join_next().await {
        ended.unwrap();
    }
    assert_eq!((short.usage().calls(), compute.usage().calls()), (32, 32));
}

/// One cache folder serves both engines, with the module as it is and with its start run in advance.
#[tokio::test]
async fn the_cache_tells_the_engines_apart() {
    let folder = tempfile::tempdir().unwrap();
    let wasm = module(
        r#"(module (memory 1) (global $set (mut i32) (i32.const 0))
        (func (export "_initialize") (global.set $set (i32.const 1)))
        (func (export "run") (result i32) (i32.sub (i32.const 1) (global.get $set))))"#,
    );
    for _ in 0..2 {
        let runtime = runtime_with(EngineOptions {
            cache_folder: Some(folder.path().join("compiled")),
            ..options()
        });
        for profile in [Profile::Short, Profile::Compute] {
            let plugin = runtime.compile(PluginSpec {
                profile,
                preinit: Preinit::Auto,
                ..spec("cached", &wasm)
            });
            let plugin = plugin.unwrap();
            assert!(plugin.is_preinitialized());
            assert_eq!(call(&plugin, "run", "").await.unwrap(), b"");
        }
    }
    let kept = std::fs::read_dir(folder.path().join("compiled/apart")).unwrap();
    assert_eq!(kept.count(), 4, "two modules for each engine");
}

/// The mean of the calls tells which profile suits them, once there are enough.
#[tokio::test]
async fn calls_tell_which_profile_suits_them() {
    let runtime = runtime_with(options());
    let plugin = runtime.compile(spec("measured", &bombs())).unwrap();
    let usage = plugin.usage();
    assert_eq!(
        (usage.calls(), usage.mean(), usage.suited()),
        (0, None, None)
    );
    trap(call(&plugin, "recurse", "").await);
    let mean = usage.mean().expect("a call that ends badly counts");
    assert!(mean > Duration::ZERO);
    assert_eq!((usage.calls(), usage.suited()), (1, None));
    for _ in 1..100 {
        call(&plugin, "answer", "").await.unwrap();
    }
    assert!(usage.suited().is_some());
}
