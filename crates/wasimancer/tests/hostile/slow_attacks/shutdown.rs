//! SIGTERM while the attack goes on: it is obeyed within the grace, whatever holds the threads.

use std::time::Duration;

use serde_json::json;

use crate::guests::{SPIN, ZEROS, conversation, extism, head, in_a_row, list, module};
use crate::harness::{Case, case, cores, scaled};
use crate::support::Sample;

/// Long enough that no call ends by itself before the server has to.
const LIMIT: Duration = Duration::from_secs(20);

/// A case whose calls go on when the server is asked to end.
fn terminated(title: &'static str, plugin: Sample) -> Case {
    let timeout = crate::guests::duration(LIMIT);
    case(title).plugin(plugin.with("/limits/timeout", json!(timeout)))
}

#[test]
fn beside_loops() {
    terminated("SIGTERM beside 64 loops without an end", module(SPIN)).attack(async |stage| {
        stage.leave_running("attack", 64).await;
        Vec::new()
    });
}

#[test]
fn beside_straight_fills() {
    let mib = scaled(200, 32);
    let fill = format!(
        "(memory.fill (i32.const 0) (i32.const 7) (i32.const {}))",
        mib << 20
    );
    let run = in_a_row("", &fill, scaled(2000, 3000));
    let memory = format!("(memory (export \"memory\") {})", mib * 16);
    terminated(
        "SIGTERM beside `memory.fill` of 200 MiB, 2,000 times",
        module(&format!("{memory} {run}")),
    )
    .attack(async |stage| {
        stage.leave_running("attack", cores() * 2).await;
        Vec::new()
    });
}

#[test]
fn beside_host_calls() {
    let run = in_a_row(
        &list(60_000),
        "(call $log (local.get $block))",
        scaled(20_000, 1000),
    );
    let fields = format!("{} {ZEROS} {run}", head(r#"{"level":"debug","data":["#));
    terminated(
        "SIGTERM beside `log` of 60 KB of JSON, 20,000 times",
        conversation(&fields),
    )
    .attack(async |stage| {
        stage.leave_running("attack", cores() * 2).await;
        Vec::new()
    });
}

#[test]
fn beside_an_unread_log() {
    let fields = r#"(func (export "run") (local $block i64)
        (local.set $block (call $alloc (i64.const 60000)))
        (loop $again (call $log_error (local.get $block)) (br $again)))"#;
    terminated(
        "SIGTERM beside 8 loud loops while nobody reads standard error",
        extism(fields),
    )
    .launch(|launch| launch.with_unread_log().env("WASIMANCER_LOG", "info"))
    .attack(async |stage| {
        stage.leave_running("attack", 8).await;
        Vec::new()
    });
}
