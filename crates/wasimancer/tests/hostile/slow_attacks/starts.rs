//! What runs before a function, and in advance when a plugin is published.

use std::time::Duration;

use serde_json::json;

use crate::guests::{ZEROS, conversation, head, list, module};
use crate::harness::{Stage, TIME_LIMIT, Wanted, call_limit, case, scaled};
use crate::support::Sample;

const PREINIT: [&str; 3] = ["auto", "always", "never"];

/// What a publication may take beside the start: a small module is compiled.
const COMPILING: Duration = Duration::from_secs(3);

/// Publishes the plugin with each `preinit`, and calls it where it was published.
async fn published_each_way(stage: &Stage, plugin: &Sample) -> Vec<crate::harness::Ended> {
    let mut ended = Vec::new();
    for preinit in PREINIT {
        let plugin = plugin.clone().with("/preinit", json!(preinit));
        let published = stage.publish(&plugin).await;
        let is_served = Wanted::Published.matches(&published.ending);
        ended.push(published);
        if is_served {
            ended.push(stage.call("attack", "{}").await);
            let remove = reqwest::Method::DELETE;
            let request = stage.operator.request(remove, "/remove-plugin/attack");
            ended.push(stage.administer(request).await);
        }
    }
    ended
}

fn attack(title: &'static str, plugin: &Sample) {
    case(title)
        .ends([
            TIME_LIMIT,
            Wanted::Published,
            Wanted::Result,
            Wanted::Declined(500, "invalid_module"),
        ])
        .within(call_limit() + COMPILING)
        .attack(async |stage| published_each_way(stage, plugin).await);
}

#[test]
fn a_start_without_an_end() {
    let fields = r#"(func $start (loop $again (br $again))) (start $start) (func (export "run"))"#;
    attack(
        "a start without an end, with each `preinit`",
        &module(fields),
    );
}

#[test]
fn an_initializer_without_an_end() {
    let fields = r#"(func (export "_initialize") (loop $again (br $again))) (func (export "run"))"#;
    attack(
        "an `_initialize` without an end, with each `preinit`",
        &module(fields),
    );
}

#[test]
fn a_straight_start() {
    let mib = scaled(200, 32);
    let fill = format!(
        "(memory.fill (i32.const 0) (i32.const 7) (i32.const {}))",
        mib << 20
    );
    let fills = fill.repeat(scaled(4000, 500));
    let fields = format!(
        r#"(memory (export "memory") {}) (func $start {fills}) (start $start) (func (export "run"))"#,
        mib * 16
    );
    attack(
        "a start of 4,000 × `memory.fill` of 200 MiB, with each `preinit`",
        &module(&fields),
    );
}

#[test]
fn a_start_that_calls_the_host() {
    let logs = "(call $log (local.get $block))".repeat(scaled(10_000, 150));
    let fields = format!(
        r#"{} {ZEROS}
        (func $start (local $block i64) {} {logs})
        (start $start) (func (export "run"))"#,
        head(r#"{"level":"debug","data":["#),
        list(60_000)
    );
    attack(
        "a start of 10,000 × `log` of 60 KB of JSON, with each `preinit`",
        &conversation(&fields),
    );
}

#[test]
fn others_publish_meanwhile() {
    let fields = r#"(func $start (loop $again (br $again))) (start $start) (func (export "run"))"#;
    let plugin = module(fields).with("/preinit", json!("always"));
    case("another publication beside a start without an end")
        .ends([Wanted::Published, Wanted::Declined(500, "invalid_module")])
        .within(call_limit() + COMPILING)
        .attack(async |stage| {
            let other = Sample::new("other", "1", "other");
            let (attacked, other) = tokio::join!(stage.publish(&plugin), stage.publish(&other));
            vec![attacked, other]
        });
}

#[test]
fn a_start_of_every_call() {
    let fields = r#"(func $start (loop $again (br $again))) (start $start) (func (export "run"))"#;
    case("64 calls of a plugin whose start has no end")
        .plugin(module(fields))
        .ends([TIME_LIMIT])
        .calls(64, "{}");
}
