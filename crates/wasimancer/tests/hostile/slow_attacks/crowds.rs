//! More callers than there are places, and more plugins than there are processors.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::guests::{SPIN, named};
use crate::harness::{TIME_LIMIT, Wanted, call_limit, case, scaled};
use crate::support::assemble;

fn spinning(name: &str) -> crate::support::Sample {
    named(name, &assemble(&format!("(module {SPIN})")))
}

/// Waited for a place as long as that may take.
const BUSY: Wanted = Wanted::ToolError("busy");

#[test]
fn one_plugin() {
    case("64 callers of a loop without an end")
        .plugin(spinning("attack"))
        .ends([TIME_LIMIT])
        .calls(64, "{}");
}

#[test]
fn more_than_its_places() {
    // Five turns of 64 places, each of which may be late.
    case("300 callers of a loop without an end")
        .plugin(spinning("attack"))
        .ends([TIME_LIMIT, BUSY])
        .within(call_limit() * 5 + Duration::from_millis(400))
        .calls(300, "{}");
}

#[test]
fn sixteen_plugins() {
    let each = scaled(63, 20);
    let mut attack = case("16 plugins with 63 callers each, in loops without an end");
    for at in 0..16 {
        attack = attack.plugin(spinning(&format!("attack{at}")));
    }
    attack
        .ends([TIME_LIMIT, BUSY])
        .within(call_limit() * scaled(4, 2))
        .attack(async |stage| {
            let names: Vec<String> = (0..16).map(|at| format!("attack{at}")).collect();
            let crowds = names.iter().map(|name| stage.calls(name, "{}", each));
            join_all(crowds).await.into_iter().flatten().collect()
        });
}

#[test]
fn publications_beside_them() {
    // The plugins hold the processors, not the catalogue.
    let mut attack = case("a resource published 20 times beside 4 plugins with 63 callers each")
        .config("[limits]\nconcurrency = 64");
    for at in 0..4 {
        attack = attack.plugin(spinning(&format!("attack{at}")));
    }
    attack
        .ends([TIME_LIMIT, BUSY, Wanted::Published])
        .within(call_limit() * 2)
        .attack(async |stage| {
            let names: Vec<String> = (0..4).map(|at| format!("attack{at}")).collect();
            let each = scaled(63, 16);
            let crowds = join_all(names.iter().map(|name| stage.calls(name, "{}", each)));
            let publishing = async {
                let mut ended = Vec::new();
                for at in 0..scaled(20, 5) {
                    let resource = json!({"name": format!("r{at}"), "uri": format!("info://r{at}"), "contents": [{"text": "x"}]});
                    let request = stage.operator.request(reqwest::Method::POST, "/add-resource");
                    ended.push(stage.administer(request.json(&resource)).await);
                }
                ended
            };
            let (crowds, published) = tokio::join!(crowds, publishing);
            crowds.into_iter().flatten().chain(published).collect()
        });
}

#[test]
fn a_batch() {
    // One request of the revision with batches carries a hundred calls.
    let call = |id: u32| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"attack","arguments":{{}}}}}}"#
        )
    };
    let batch: Vec<String> = (0..100).map(call).collect();
    let batch = format!("[{}]", batch.join(","));
    case("one request with 100 calls of a loop without an end")
        .plugin(spinning("attack"))
        .ends([TIME_LIMIT, BUSY])
        .within(call_limit() * 2)
        .attack(async |stage| stage.post_legacy("2025-03-26", batch).await);
}

#[test]
fn callers_that_leave() {
    // What nobody waits for does not hold a place.
    case("64 callers of a loop that leave at once, then one that stays")
        .plugin(spinning("attack"))
        .ends([TIME_LIMIT])
        .within(call_limit() * 2)
        .attack(async |stage| {
            let leaving = (0..64).map(|_| {
                tokio::time::timeout(Duration::from_millis(50), stage.call("attack", "{}"))
            });
            join_all(leaving).await;
            vec![stage.call("attack", "{}").await]
        });
}
