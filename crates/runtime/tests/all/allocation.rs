//! Slots reserved at start, and what happens where the address space is too small for them.

use tokio::task::JoinSet;
use wasimancer_runtime::{Allocation, EngineOptions, Limits, PluginSpec, Profile};

use crate::support::{
    abi, bombs, call, capture_log, in_own_process, limited, memory_is_bounded, messages, module,
    plugin, runtime, runtime_with, spec, until,
};

#[test]
fn slots_are_reserved_where_there_is_room() {
    assert_eq!(runtime().allocation(), Allocation::Pooling);
}

/// A memory size that is no multiple of a page is no reason to do without slots.
#[tokio::test]
async fn any_size_of_memory_can_be_reserved() {
    for memory_max_bytes in [131_073, 100_000_000] {
        let options = EngineOptions {
            memory_max_bytes,
            instances_max: 2,
            ..EngineOptions::default()
        };
        let runtime = runtime_with(options);
        assert_eq!(
            runtime.allocation(),
            Allocation::Pooling,
            "{memory_max_bytes}"
        );
        let pages = memory_max_bytes / 65_536 - 1;
        let wasm = module(&format!(
            r#"(module (memory {pages}) (func (export "run")))"#
        ));
        let plugin = plugin(&runtime, "odd", &wasm);
        assert_eq!(call(&plugin, "run", "").await.unwrap(), b"");
    }
}

/// With 2 GiB of address space, the default pool cannot be reserved; calls work all the same.
#[test]
fn instances_are_mapped_on_demand_where_there_is_no_room() {
    let name = "allocation::instances_are_mapped_on_demand_where_there_is_no_room";
    if !in_own_process(name, "ulimit -v 2097152") {
        return;
    }
    let tokio = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    capture_log();
    tokio.block_on(async {
        let runtime = runtime_with(EngineOptions::default());
        assert_eq!(runtime.allocation(), Allocation::OnDemand);
        let echo = plugin(&runtime, "on_demand", &abi());
        let mut calls = JoinSet::new();
        for caller in 0..64_u8 {
            let echo = echo.clone();
            calls.spawn(async move {
                let input = [caller; 1000];
                assert_eq!(call(&echo, "echo_bytes", input).await.unwrap(), input);
            });
        }
        while let Some(ended) = calls.join_next().await {
            ended.unwrap();
        }

        let spinning = plugin(&runtime, "on_demand_spinning", &bombs());
        let spin = spinning.function("announce_and_spin").unwrap();
        let mut calls = JoinSet::new();
        for _ in 0..32 {
            let spin = spin.clone();
            calls.spawn(async move { spin.call(b"").await });
        }
        until("as many instances live as calls run", || {
            let ended = calls.try_join_next();
            assert!(ended.is_none(), "{ended:?}");
            messages("on_demand_spinning").len() == 32
        })
        .await;
        assert_eq!(call(&echo, "echo", "here").await.unwrap(), b"here");
        calls.shutdown().await;

        let limits = Limits {
            memory: 16 * 1024 * 1024,
            ..echo.limits().clone()
        };
        let bombs = limited(&runtime, "on_demand_bombs", &bombs(), limits);
        memory_is_bounded(&bombs).await;
        assert_eq!(call(&bombs, "answer", "here").await.unwrap(), b"here");

        let computing = runtime.compile(PluginSpec {
            profile: Profile::Compute,
            ..spec("on_demand_computing", &abi())
        });
        let computing = computing.unwrap();
        assert_eq!(call(&computing, "echo", "here").await.unwrap(), b"here");
    });
}
