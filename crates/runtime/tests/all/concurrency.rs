//! Calls side by side: how many at once, who waits, and what a call that is dropped leaves.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use wasimancer_runtime::{EngineOptions, Error, Limits, Plugin, Result};

use crate::support::{
    Keyed, abi, bombs, call, capture_log, limited, messages, options, plugin, runtime,
    runtime_with, until,
};

fn one_at_once() -> Limits {
    Limits {
        concurrency: 1,
        ..Limits::default()
    }
}

/// Starts a call that announces itself in the log and never ends.
fn announce_and_spin(plugin: &Plugin, input: &str) -> tokio::task::JoinHandle<Result<Vec<u8>>> {
    let function = plugin.function("announce_and_spin").unwrap();
    let input = input.to_owned();
    tokio::spawn(async move { function.call(input.as_bytes()).await })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_calls_at_once_each_get_their_own_answer() {
    let plugin = plugin(&runtime(), "echoes", &abi());
    let mut calls = JoinSet::new();
    for caller in 0..64 {
        let plugin = plugin.clone();
        calls.spawn(async move {
            for round in 0..50 {
                let input = format!("caller {caller} round {round} {}", "x".repeat(caller * 17));
                for export in ["echo", "echo_bytes"] {
                    let output = call(&plugin, export, &input).await.unwrap();
                    assert!(
                        output == input.as_bytes(),
                        "{export} of {caller} in {round}"
                    );
                }
            }
        });
    }
    let mut ended = 0;
    while let Some(caller) = calls.join_next().await {
        caller.unwrap();
        ended += 1;
    }
    assert_eq!(ended, 64);
}

#[tokio::test]
async fn calls_beyond_the_limit_wait_for_their_turn() {
    let plugin = limited(&runtime(), "queue", &bombs(), one_at_once());
    let mut calls = JoinSet::new();
    for caller in 0..50_u8 {
        let plugin = plugin.clone();
        calls.spawn(async move { (caller, call(&plugin, "answer", [caller]).await) });
    }
    while let Some(ended) = calls.join_next().await {
        let (caller, ended) = ended.unwrap();
        assert_eq!(ended.unwrap(), [caller]);
    }
}

#[tokio::test]
async fn no_more_calls_run_than_the_limit_says() {
    capture_log();
    let runtime = runtime();
    let limits = Limits {
        concurrency: 2,
        ..Limits::default()
    };
    let spinning = limited(&runtime, "two_at_once", &bombs(), limits);
    let other = plugin(&runtime, "two_at_once_beside", &bombs());
    let mut calls: Vec<_> = (0..3).map(|_| announce_and_spin(&spinning, "")).collect();
    until("two calls run", || messages("two_at_once").len() == 2).await;
    // The third had every chance to begin while these ran.
    for _ in 0..20 {
        assert_eq!(call(&other, "answer", "here").await.unwrap(), b"here");
    }
    assert_eq!(messages("two_at_once").len(), 2);
    // Two of the three give their places up; the one that waited, if it is left, takes one.
    calls.remove(0).abort();
    until("the third call runs", || messages("two_at_once").len() == 3).await;
    calls.iter().for_each(tokio::task::JoinHandle::abort);
}

/// The other plugin's call holds the only slot for longer than this one waits.
#[tokio::test]
async fn a_call_that_gets_no_slot_in_time_is_told_so() {
    capture_log();
    let runtime = runtime_with(EngineOptions {
        instances_max: 1,
        queue_timeout: Duration::from_millis(500),
        ..options()
    });
    let holder = plugin(&runtime, "slot_holder", &bombs());
    let waiter = plugin(&runtime, "slot_waiter", &bombs());
    let holding = announce_and_spin(&holder, "");
    until("the slot is held", || !messages("slot_holder").is_empty()).await;
    let ended = call(&waiter, "answer", "").await;
    assert!(matches!(ended, Err(Error::Busy { .. })), "{ended:?}");
    holding.abort();
    assert!(holding.await.unwrap_err().is_cancelled());
    assert_eq!(call(&waiter, "answer", "now").await.unwrap(), b"now");
}

/// Two plugins want all places for ever.
#[tokio::test]
async fn plugins_leave_each_other_places() {
    capture_log();
    let runtime = runtime_with(EngineOptions {
        instances_max: 20,
        ..options()
    });
    let takers = ["first_taker", "second_taker"];
    let spinning: Vec<_> = takers
        .iter()
        .map(|name| plugin(&runtime, name, &bombs()))
        .flat_map(|taker| (0..20).map(move |_| announce_and_spin(&taker, "")))
        .collect();
    for taker in takers {
        until("its calls run", || !messages(taker).is_empty()).await;
    }
    let quiet = plugin(&runtime, "takes_none", &bombs());
    for _ in 0..20 {
        assert_eq!(call(&quiet, "answer", "here").await.unwrap(), b"here");
    }
    spinning.iter().for_each(tokio::task::JoinHandle::abort);
}

/// One caller wants all places of a plugin, for as long as its calls may take.
#[tokio::test]
async fn callers_take_turns_at_the_places_of_a_plugin() {
    capture_log();
    let limits = Limits {
        timeout: Duration::from_millis(100),
        ..one_at_once()
    };
    let plugin = limited(&runtime(), "one_caller", &bombs(), limits);
    let spinning: Vec<_> = (0..100).map(|_| announce_and_spin(&plugin, "")).collect();
    until("one runs", || !messages("one_caller").is_empty()).await;
    let function = plugin.function("answer").unwrap();
    let answered = function.call_for(Arc::new(Keyed(1)), b"here").await;
    assert_eq!(Vec::from(answered.unwrap()), b"here");
    let before = messages("one_caller").len();
    assert!(before < 10, "{before} calls of the other went before");
    spinning.iter().for_each(tokio::task::JoinHandle::abort);
}

/// One caller has as many calls wait as may, of which the newest gives way to another caller's.
#[tokio::test]
async fn who_fills_the_queue_is_refused_and_others_wait_in_it() {
    const WAITING_MAX: usize = 10_000;
    capture_log();
    let runtime = runtime_with(EngineOptions {
        queue_timeout: Duration::from_mins(5),
        ..options()
    });
    let plugin = limited(&runtime, "fills_the_queue", &bombs(), one_at_once());
    let spinning = announce_and_spin(&plugin, "");
    until("it runs", || !messages("fills_the_queue").is_empty()).await;
    let function = plugin.function("answer").unwrap();
    let call_of = |key| {
        let function = function.clone();
        async move { function.call_for(Arc::new(Keyed(key)), b"here").await }
    };
    let mut calls = JoinSet::new();
    for _ in 0..=WAITING_MAX {
        calls.spawn(call_of(1));
    }
    // The last one finds no room.
    let refused = calls.join_next().await.unwrap().unwrap();
    assert!(matches!(refused, Err(Error::QueueFull { .. })));
    let mut other = JoinSet::new();
    other.spawn(call_of(2));
    let refused = calls.join_next().await.unwrap().unwrap();
    assert!(matches!(refused, Err(Error::QueueFull { .. })));
    spinning.abort();
    let answered = other.join_next().await.unwrap().unwrap();
    assert_eq!(Vec::from(answered.unwrap()), b"here");
    let left = WAITING_MAX - calls.len();
    assert!(left < 100, "{left} calls of the other went before");
}

/// The first holds the only place for as long as the second may run.
#[tokio::test]
async fn waiting_for_a_place_does_not_count_as_running() {
    capture_log();
    let limits = Limits {
        timeout: Duration::from_millis(300),
        ..one_at_once()
    };
    let plugin = limited(&runtime(), "waits_long", &bombs(), limits);
    let spinning = announce_and_spin(&plugin, "");
    until("it runs", || !messages("waits_long").is_empty()).await;
    assert_eq!(call(&plugin, "answer", "late").await.unwrap(), b"late");
    let ended = spinning.await.unwrap();
    assert!(matches!(ended, Err(Error::TimeLimit { .. })), "{ended:?}");
}

/// All of these want to run until their time limit, which is the same for all, one after another.
#[tokio::test]
async fn a_call_that_gets_no_turn_in_time_is_told_so() {
    let limits = Limits {
        timeout: Duration::from_millis(500),
        ..one_at_once()
    };
    let runtime = runtime_with(EngineOptions {
        queue_timeout: Duration::from_millis(750),
        ..options()
    });
    let plugin = limited(&runtime, "turns", &bombs(), limits);
    let mut calls = JoinSet::new();
    for _ in 0..100 {
        let plugin = plugin.clone();
        calls.spawn(async move { call(&plugin, "spin", "").await });
    }
    let (mut stopped, mut busy) = (0, 0);
    while let Some(ended) = calls.join_next().await {
        match ended.unwrap() {
            Err(Error::TimeLimit { .. }) => stopped += 1,
            Err(Error::Busy {
                whose: "the plugin",
                limit: 1,
                ..
            }) => busy += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(stopped >= 1 && busy >= 1, "{stopped} stopped, {busy} busy");
    assert_eq!(call(&plugin, "answer", "now").await.unwrap(), b"now");
}

#[tokio::test]
async fn a_dropped_call_gives_its_instance_back() {
    capture_log();
    let runtime = runtime_with(EngineOptions {
        instances_max: 1,
        ..options()
    });
    let plugin = limited(&runtime, "dropped", &bombs(), one_at_once());
    for round in 0..10 {
        let name = format!("round {round}");
        let spinning = announce_and_spin(&plugin, &name);
        until("the call runs", || messages("dropped").contains(&name)).await;
        spinning.abort();
        assert!(spinning.await.unwrap_err().is_cancelled());
        assert_eq!(
            call(&plugin, "answer", &name).await.unwrap(),
            name.as_bytes()
        );
    }
}

/// The same for a call that is dropped before it was polled, while it waits, and after a trap.
#[tokio::test]
async fn a_call_that_never_began_holds_nothing() {
    capture_log();
    let runtime = runtime_with(EngineOptions {
        instances_max: 1,
        ..options()
    });
    let plugin = limited(&runtime, "never_began", &bombs(), one_at_once());
    let answer = plugin.function("answer").unwrap();
    drop(answer.call(b"never polled"));
    let spinning = announce_and_spin(&plugin, "");
    until("the call runs", || !messages("never_began").is_empty()).await;
    let waiting = {
        let answer = answer.clone();
        tokio::spawn(async move { answer.call(b"waits").await })
    };
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    waiting.abort();
    spinning.abort();
    assert!(call(&plugin, "trap", "").await.is_err());
    assert_eq!(call(&plugin, "answer", "now").await.unwrap(), b"now");
}

/// As many tables and memories as one module may have do not take the slots of other calls.
#[tokio::test]
async fn a_slot_has_room_for_every_module_that_compiles() {
    let runtime = runtime_with(EngineOptions {
        instances_max: 1,
        ..options()
    });
    let tables = "(table 1 funcref)".repeat(8);
    let memories = "(memory 1)".repeat(2);
    for fields in [&tables, &memories] {
        let wasm = crate::support::module(&format!(r#"(module {fields} (func (export "run")))"#));
        let plugin = plugin(&runtime, "many", &wasm);
        for _ in 0..3 {
            assert_eq!(call(&plugin, "run", "").await.unwrap(), b"");
        }
    }
}
