//! `instances: reuse`: a plugin that holds state on purpose, while others are published beside it.

use serde_json::{Value, json};

use crate::support::{Home, Launch, MODERN, Operator, REVISIONS, Sample, Server, assemble};

/// A plugin whose `speak` answers a digit: how many calls its instance has seen.
fn counting(name: &str) -> Sample {
    let module = assemble(
        r#"(module
          (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
          (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
          (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
          (global $calls (mut i32) (i32.const 48))
          (func (export "speak") (result i32)
            (local $handle i64)
            (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
            (local.set $handle (call $alloc (i64.const 1)))
            (call $store_u8 (local.get $handle) (global.get $calls))
            (call $output_set (local.get $handle) (i64.const 1))
            (i32.const 0)))"#,
    );
    Sample::new(name, "1.0.0", "").with_module(module)
}

async fn call(server: &Server, revision: &'static str, tool: &str) -> String {
    let answer = server.client(revision).call(tool, "{}").await;
    answer.output().to_owned()
}

#[tokio::test]
async fn state_outlives_calls_and_the_publications_of_others_alone() {
    let server = Launch::of(Home::new()).start();
    let operator = Operator::of(&server);
    let kept = counting("kept").with("/instances", json!("reuse"));
    operator.upload("", &kept).await.granted();
    operator.upload("", &counting("fresh")).await.granted();
    for (revision, expected) in REVISIONS.into_iter().zip(["1", "2", "3", "4"]) {
        assert_eq!(call(&server, revision, "kept").await, expected);
        assert_eq!(call(&server, revision, "fresh").await, "1");
    }
    operator.upload("", &counting("other")).await.granted();
    assert_eq!(call(&server, MODERN, "kept").await, "5");

    let next = kept.with("/version", json!("1.1.0"));
    operator.update("", &next).await.granted();
    assert_eq!(call(&server, MODERN, "kept").await, "1");
}

#[tokio::test]
async fn an_operator_sees_what_calls_take_and_which_profile_suits_them() {
    let server = Launch::of(Home::new()).start();
    let operator = Operator::of(&server);
    let plugin = counting("measured").with("/profile", json!("compute"));
    operator.upload("", &plugin).await.granted();
    let shown = operator.get("/plugins/measured").await;
    let nothing =
        json!({"calls": 0, "meanMicroseconds": null, "profile": "compute", "suitedProfile": null});
    assert_eq!(shown.granted()["usage"], nothing);
    for _ in 0..100 {
        assert_eq!(call(&server, MODERN, "measured").await, "1");
    }
    let shown = operator.get("/plugins/measured").await;
    let usage = &shown.granted()["usage"];
    assert_eq!(usage["calls"], 100);
    assert!(usage["meanMicroseconds"].as_f64() > Some(0.0), "{usage}");
    let suited = &usage["suitedProfile"];
    assert!(
        [Value::from("short"), Value::from("compute")].contains(suited),
        "{usage}"
    );
}
