//! No request stops the server by what its arguments are, nor holds up others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{Home, Launch, MODERN, REVISIONS, Server};

/// A server whose tool `t` echoes arguments that match a schema.
fn serving(schema: &Value) -> Server {
    let home = Home::with_plugins(&format!(
        "plugins:\n- name: p\n  path: guest.wasm\n  functions: [{{function: echo, displayName: t, inputSchema: {schema}}}]\n"
    ));
    Launch::of(home).start()
}

/// Operators with children, as pydantic writes them.
fn union() -> Value {
    let all = json!({"anyOf": [{"$ref": "#/$defs/And"}, {"$ref": "#/$defs/Or"}, {"$ref": "#/$defs/Not"}, {"$ref": "#/$defs/Leaf"}]});
    let operator = |name: &str| {
        json!({
            "type": "object",
            "properties": {"op": {"const": name}, "children": {"type": "array", "items": all}},
            "required": ["op", "children"],
        })
    };
    json!({
        "type": "object",
        "$defs": {
            "And": operator("and"),
            "Or": operator("or"),
            "Not": operator("not"),
            "Leaf": {"type": "object", "properties": {"value": {"type": "number"}}, "required": ["value"]},
        },
        "properties": {"where": all},
    })
}

#[tokio::test]
async fn a_small_request_does_not_take_gigabytes() {
    let server = serving(&union());
    let tree = |value: &str| {
        let nest = |inner: String, _| format!("{{\"op\":\"and\",\"children\":[{inner}]}}");
        let tree = (0..12).fold(format!("{{\"value\":{value}}}"), nest);
        format!("{{\"where\":{tree}}}")
    };
    for revision in REVISIONS {
        let client = server.client(revision);
        let before = server.status("VmHWM");
        let answer = client.call("t", &*tree("\"x\"")).await;
        let said = &answer.text;
        assert!(
            said.contains("value: \\\"x\\\" is not of type \\\"number\\\""),
            "{said}"
        );
        assert_eq!(client.call("t", &*tree("1")).await.output(), tree("1"));
        let taken = server.status("VmHWM") - before;
        assert!(taken < 100_000, "{taken} KiB");
    }
}

#[tokio::test]
async fn many_wrong_numbers_take_no_more_than_right_ones() {
    let server = serving(&json!({
        "type": "object",
        "properties": {"numbers": {"type": "array", "items": {"type": "number"}}},
    }));
    let client = server.client(MODERN);
    let numbers = |one: &str| format!("{{\"numbers\":[{}]}}", vec![one; 500_000].join(","));
    assert_eq!(
        client.call("t", &*numbers("1")).await.output(),
        numbers("1")
    );
    let before = server.status("VmHWM");
    let answer = client.call("t", &*numbers("\"\"")).await;
    let said = answer.failure();
    assert!(
        said.contains("numbers.4: \"\" is not of type \"number\""),
        "{said}"
    );
    assert!(!said.contains("numbers.5"), "{said}");
    let taken = server.status("VmHWM") - before;
    assert!(taken < 200_000, "{taken} KiB");
}

#[tokio::test]
async fn large_bodies_do_not_hold_up_small_ones() {
    let server = Arc::new(serving(&json!({
        "type": "object",
        "properties": {"numbers": {"type": "array", "items": {"type": "number"}}},
    })));
    let ended = Arc::new(AtomicBool::new(false));
    // On a thread of its own, since the large messages are checked on this one.
    let probe = std::thread::spawn({
        let (server, ended) = (server.clone(), ended.clone());
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(longest(&server, &ended))
        }
    });
    let begin = Instant::now();
    let body = format!("{{\"numbers\":[{}\"\"]}}", "1,".repeat(1_900_000));
    let mut large = JoinSet::new();
    for _ in 0..8 {
        let (server, body) = (server.clone(), body.clone());
        large.spawn(async move {
            let client = server.client(MODERN);
            let answer = client.call("t", &*body).await;
            assert!(answer.failure().contains("is not of type \"number\""));
        });
    }
    while let Some(ended) = large.join_next().await {
        ended.unwrap();
    }
    let all = begin.elapsed();
    ended.store(true, Ordering::Relaxed);
    let longest = probe.join().unwrap();
    assert!(longest < all / 2, "{longest:?} of {all:?}");
}

/// The longest that a small call takes until the others have ended.
async fn longest(server: &Server, ended: &AtomicBool) -> Duration {
    let client = server.client(MODERN);
    let mut longest = Duration::ZERO;
    while !ended.load(Ordering::Relaxed) {
        let begin = Instant::now();
        assert_eq!(client.call("t", "{\"a\":1}").await.output(), "{\"a\":1}");
        longest = longest.max(begin.elapsed());
    }
    longest
}
