//! Every limit ends the call that meets it, with an error of its own, and no other call.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use wasimancer_runtime::{EngineOptions, Error, Limits, Plugin, Result};

use crate::support::{
    bombs, bytes, call, extism, limited, module, options, plugin, runtime, runtime_with, trap,
};

const MIB: u64 = 1024 * 1024;
/// Long enough for a call to begin, short enough for a test to wait for.
const SHORT: Duration = Duration::from_millis(500);

fn small() -> Limits {
    Limits {
        memory: 8 * MIB,
        ..Limits::default()
    }
}

fn quick() -> Limits {
    Limits {
        timeout: SHORT,
        ..Limits::default()
    }
}

/// Runs a call beside healthy ones of the same plugin and of another one, and answers its ending.
async fn beside_healthy_calls(
    plugin: &Plugin,
    export: &str,
    input: &[u64],
    other: &Plugin,
) -> Result<Vec<u8>> {
    let healthy = async {
        for round in 0..10_u8 {
            for healthy in [other, plugin] {
                let input = [round; 32];
                assert_eq!(call(healthy, "answer", input).await.unwrap(), input);
            }
        }
    };
    let (ended, ()) = tokio::join!(call(plugin, export, bytes(input)), healthy);
    assert_eq!(
        call(plugin, "answer", "after").await.unwrap(),
        b"after",
        "after {export}"
    );
    ended
}

#[tokio::test]
async fn memory_and_tables_have_a_limit() {
    let runtime = runtime();
    let bomb = limited(&runtime, "bomb", &bombs(), small());
    let other = plugin(&runtime, "other", &bombs());
    for (export, input) in [
        ("grow_memory", vec![]),
        ("grow_memory_at_once", vec![]),
        ("alloc", vec![]),
        ("alloc_at_once", vec![]),
        ("set_variables", vec![1000, 65_536]),
        ("output_endless", vec![]),
        ("output", vec![8 * MIB]),
    ] {
        match beside_healthy_calls(&bomb, export, &input, &other).await {
            Err(Error::MemoryLimit { limit }) => assert_eq!(limit, 8 * MIB, "{export}"),
            ended => panic!("{export}: {ended:?}"),
        }
    }
    for export in ["grow_table", "grow_table_at_once"] {
        let ended = beside_healthy_calls(&bomb, export, &[], &other).await;
        assert!(
            matches!(ended, Err(Error::MemoryLimit { .. })),
            "{export}: {ended:?}"
        );
    }
}

/// Many small things cost the host more than their bytes, and that counts.
#[tokio::test]
async fn small_blocks_and_variables_count_with_what_they_cost_the_host() {
    let runtime = runtime();
    let limits = Limits {
        memory: 2 * MIB,
        ..Limits::default()
    };
    let bomb = limited(&runtime, "small", &bombs(), limits);
    for (export, input) in [
        ("alloc_small", vec![60_000]),
        ("set_variables", vec![30_000, 1]),
    ] {
        let ended = call(&bomb, export, bytes(&input)).await;
        assert!(
            matches!(ended, Err(Error::MemoryLimit { .. })),
            "{export}: {ended:?}"
        );
        let few: Vec<u64> = input.iter().map(|number| number.div_ceil(100)).collect();
        let ended = call(&bomb, export, bytes(&few)).await;
        assert!(ended.is_ok(), "{export}: {ended:?}");
    }
}

#[tokio::test]
async fn freed_blocks_do_not_count_twice() {
    let bomb = limited(&runtime(), "freeing", &bombs(), small());
    let ended = call(&bomb, "alloc_and_free", bytes(&[10_000])).await;
    assert!(ended.is_ok(), "{ended:?}");
}

#[tokio::test]
async fn replaced_variables_do_not_count_twice() {
    let bomb = limited(&runtime(), "replacing", &bombs(), small());
    let ended = call(&bomb, "replace_variable", bytes(&[10_000, 65_536])).await;
    assert!(ended.is_ok(), "{ended:?}");
}

/// The limit holds the whole of linear memories, Extism memory and variables.
#[tokio::test]
async fn the_kinds_of_memory_share_one_limit() {
    let wasm = extism(
        r#"(func (export "both")
            (drop (memory.grow (i32.const 64)))
            (drop (call $alloc (call $argument (i64.const 0)))))"#,
    );
    let both = limited(&runtime(), "both", &wasm, small());
    assert!(call(&both, "both", bytes(&[3 * MIB])).await.is_ok());
    let ended = call(&both, "both", bytes(&[4 * MIB])).await;
    assert!(
        matches!(ended, Err(Error::MemoryLimit { limit }) if limit == 8 * MIB),
        "{ended:?}"
    );
}

/// A limit above what the engine's slots hold is that of the slots, and told as such.
#[tokio::test]
async fn memory_ends_at_the_slot() {
    let runtime = runtime_with(EngineOptions {
        memory_max_bytes: 4 * MIB,
        ..options()
    });
    let bomb = plugin(&runtime, "slot", &bombs());
    assert_eq!(bomb.limits().memory, 4 * MIB);
    let ended = call(&bomb, "grow_memory", "").await;
    assert!(
        matches!(ended, Err(Error::MemoryLimit { limit }) if limit == 4 * MIB),
        "{ended:?}"
    );
}

/// A module's own maximum is no limit of the call: growing beyond it fails, and the module goes on.
#[tokio::test]
async fn a_modules_own_maximum_is_its_own_affair() {
    let wasm = module(
        r#"(module
            (memory 1 2) (table 1 2 funcref)
            (func (export "grow") (result i32)
              (local $left i32)
              (local.set $left (i32.const 100))
              (loop $next
                (if (i32.ne (memory.grow (i32.const 65535)) (i32.const -1)) (then (unreachable)))
                (if (i32.ne (memory.grow (i32.const 100)) (i32.const -1)) (then (unreachable)))
                (if (i32.ne (table.grow (ref.null func) (i32.const 5)) (i32.const -1))
                  (then (unreachable)))
                (local.set $left (i32.sub (local.get $left) (i32.const 1)))
                (br_if $next (local.get $left)))
              (i32.sub (memory.grow (i32.const 1)) (i32.const 1))))"#,
    );
    let plugin = plugin(&runtime(), "maximum", &wasm);
    assert_eq!(call(&plugin, "grow", "").await.unwrap(), b"");
}

#[tokio::test]
async fn a_loop_ends_at_its_time() {
    let runtime = runtime();
    let bomb = limited(&runtime, "loop", &bombs(), quick());
    let other = plugin(&runtime, "other", &bombs());
    for export in ["spin", "log_endless"] {
        match beside_healthy_calls(&bomb, export, &[], &other).await {
            Err(Error::TimeLimit { limit }) => assert_eq!(limit, SHORT, "{export}"),
            ended => panic!("{export}: {ended:?}"),
        }
    }
}

#[tokio::test]
async fn a_loop_before_the_export_ends_at_its_time() {
    let runtime = runtime();
    let other = plugin(&runtime, "other", &bombs());
    for set_up in [
        "(start $begin) (func $begin (loop $forever (br $forever)))",
        r#"(func (export "_initialize") (loop $forever (br $forever)))"#,
    ] {
        let wasm = module(&format!(r#"(module {set_up} (func (export "run")))"#));
        let bomb = limited(&runtime, "set_up", &wasm, quick());
        let (ended, healthy) = tokio::join!(call(&bomb, "run", ""), call(&other, "answer", "here"));
        assert!(matches!(ended, Err(Error::TimeLimit { .. })), "{ended:?}");
        assert_eq!(healthy.unwrap(), b"here");
    }
}

/// On one thread, which the looping guest must give up again and again.
#[tokio::test(flavor = "current_thread")]
async fn a_loop_does_not_hold_its_thread() {
    let runtime = runtime();
    let bomb = plugin(&runtime, "holding", &bombs());
    let other = plugin(&runtime, "other", &bombs());
    let spin = bomb.function("spin").unwrap();
    let spinning = tokio::spawn(async move { spin.call(b"").await });
    for _ in 0..20 {
        assert_eq!(call(&other, "answer", "here").await.unwrap(), b"here");
        tokio::task::yield_now().await;
    }
    assert!(
        !spinning.is_finished(),
        "it spins until its time limit, far away"
    );
    spinning.abort();
}

/// The guest's yields let the scheduler look at timers and sockets, which it would otherwise do
/// after 61 of them: more than half a second.
#[tokio::test(flavor = "current_thread")]
async fn a_loop_lets_timers_and_sockets_be_served() {
    let bomb = plugin(&runtime(), "serving", &bombs());
    let spin = bomb.function("spin").unwrap();
    let turns = Arc::new(AtomicUsize::new(0));
    let counted = turns.clone();
    let spinning = tokio::spawn(async move {
        let mut call = pin!(spin.call(b""));
        poll_fn(|context| {
            counted.fetch_add(1, Ordering::Relaxed);
            call.as_mut().poll(context)
        })
        .await
    });
    while turns.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    let before = turns.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(1)).await;
    let passed = turns.load(Ordering::Relaxed) - before;
    assert!(
        passed < 10,
        "the timer was served after {passed} turns of the guest"
    );
    spinning.abort();
}

#[tokio::test]
async fn recursion_ends_at_the_stacks_end() {
    let runtime = runtime();
    let bomb = plugin(&runtime, "recursion", &bombs());
    let other = plugin(&runtime, "other", &bombs());
    let reason = trap(beside_healthy_calls(&bomb, "recurse", &[], &other).await);
    assert!(reason.contains("stack"), "{reason}");
}

#[tokio::test]
async fn traps_are_told_by_their_name() {
    let runtime = runtime();
    let bomb = plugin(&runtime, "traps", &bombs());
    let other = plugin(&runtime, "other", &bombs());
    for (export, name) in [
        ("trap", "unreachable"),
        ("divide_by_zero", "divide by zero"),
        ("read_behind_memory", "out of bounds memory access"),
        ("read_far_behind_memory", "out of bounds memory access"),
        ("write_behind_memory", "out of bounds memory access"),
    ] {
        let reason = trap(beside_healthy_calls(&bomb, export, &[], &other).await);
        assert!(reason.contains(name), "{export}: {reason}");
    }
}

#[tokio::test]
async fn input_and_output_have_a_size() {
    let limits = Limits {
        input: 1000,
        output: 2000,
        ..Limits::default()
    };
    let sized = limited(&runtime(), "sized", &bombs(), limits);
    assert_eq!(call(&sized, "answer", [7; 1000]).await.unwrap(), [7; 1000]);
    let ended = call(&sized, "answer", [7; 1001]).await;
    assert!(
        matches!(
            ended,
            Err(Error::InputTooLarge {
                size: 1001,
                limit: 1000
            })
        ),
        "{ended:?}"
    );
    let output = call(&sized, "output", bytes(&[2000])).await.unwrap();
    assert_eq!(output, [0; 2000]);
    let ended = call(&sized, "output", bytes(&[2001])).await;
    assert!(
        matches!(
            ended,
            Err(Error::OutputTooLarge {
                size: 2001,
                limit: 2000
            })
        ),
        "{ended:?}"
    );
}

#[tokio::test]
async fn an_input_that_fills_the_memory_is_too_large() {
    let limits = Limits {
        memory: MIB,
        ..Limits::default()
    };
    let plugin = limited(&runtime(), "filled", &bombs(), limits);
    let ended = call(&plugin, "answer", vec![0; MIB as usize + 1]).await;
    assert!(
        matches!(ended, Err(Error::InputTooLarge { limit, .. }) if limit == MIB),
        "{ended:?}"
    );
    // It fits alone, and not together with the module's own memory.
    let ended = call(&plugin, "answer", vec![0; MIB as usize]).await;
    assert!(
        matches!(ended, Err(Error::MemoryLimit { limit }) if limit == MIB),
        "{ended:?}"
    );
}

#[tokio::test]
async fn a_limit_far_away_is_none() {
    let limits = Limits {
        timeout: Duration::MAX,
        cpu: Some(Duration::MAX),
        memory: u64::MAX,
        input: u64::MAX,
        output: u64::MAX,
        http_response: u64::MAX,
        http_requests: u32::MAX,
        concurrency: u32::MAX,
    };
    let plugin = limited(&runtime(), "unlimited", &bombs(), limits);
    assert_eq!(call(&plugin, "answer", "here").await.unwrap(), b"here");
}
