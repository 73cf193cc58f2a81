//! Everything at once: plugins of every kind, callers, operators and strangers, in an order that a seed
//! decides, for as long as `SOAK_SECONDS` says.
//!
//! Whoever does nothing wrong is served all the while: a small tool answers what it is asked, a
//! publication is callable once it is answered. Where the server has no room it says so, and loses
//! nothing.

use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, FutureExt, join_all};
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::guests::{SPIN, conversation, extism, in_a_row, module, named, wasi};
use crate::harness::{Ended, Ending, MEMORY_LIMIT, Stage, TIME_LIMIT, Wanted, case};
use crate::support::{Sample, TOKEN};

/// How long the suite lets it be; `scripts/soak.sh` says otherwise.
const SECONDS: u64 = 10;
/// What calls and clients may hold together.
const BUDGET_MIB: u64 = 256;
/// Those who call hostile tools, call small ones, publish, and do what no client does.
const CALLERS: u64 = 16;
const USERS: u64 = 4;
const OPERATORS: u64 = 2;
const STRANGERS: u64 = 8;
/// Largest body of a stranger, in bytes.
const STRANGE_MAX_BYTES: u64 = 1024 * 1024;
/// What a request may take: a hundred of them wait for two processors.
const PATIENCE: Duration = Duration::from_mins(1);

fn number(variable: &str, default: u64) -> u64 {
    let set = std::env::var(variable).ok();
    set.map_or(default, |text| text.parse().expect("a number"))
}

/// Numbers that a seed decides (Marsaglia 2003, xorshift).
struct Dice(u64);

impl Dice {
    fn of(seed: u64, actor: u64) -> Self {
        Self((seed * 1000 + actor + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// The hostile plugins, each with a tool of its name.
fn plugins() -> Vec<Sample> {
    let grow = r#"(memory (export "memory") 1)
        (func (export "run") (loop $again (drop (memory.grow (i32.const 16))) (br $again)))"#;
    let deep = r#"(func $deep (param i64) (result i64)
          (i64.add (call $deep (i64.add (local.get 0) (i64.const 1))) (i64.const 1)))
        (func (export "run") (drop (call $deep (i64.const 0))))"#;
    let fills = in_a_row(
        "(drop (memory.grow (i32.const 200)))",
        "(memory.fill (i32.const 0) (i32.const 7) (i32.const 13000000))",
        1000,
    );
    // A megabyte of what is two bytes each in JSON.
    let loud = r#"(func (export "run") (local $block i64) (local $at i64)
          (local.set $block (call $alloc (i64.const 1000000)))
          (loop $next
            (call $store_u64 (i64.add (local.get $block) (local.get $at)) (i64.const 0x2222222222222222))
            (local.set $at (i64.add (local.get $at) (i64.const 8)))
            (br_if $next (i64.lt_u (local.get $at) (i64.const 1000000))))
          (call $output_set (local.get $block) (i64.const 1000000)))"#;
    let logs = r#"(func (export "run") (local $block i64)
          (local.set $block (call $alloc (i64.const 4000)))
          (loop $again (call $log_error (local.get $block)) (br $again)))"#;
    let tells = in_a_row("", "(drop (call $request))", 20_000);
    let kept = r#"(memory (export "memory") 1)
        (func (export "run") (drop (memory.grow (i32.const 40))))"#;
    let starts = r#"(memory (export "memory") 1)
        (func (export "_initialize") (drop (memory.grow (i32.const 100)))
          (memory.fill (i32.const 0) (i32.const 1) (i32.const 6000000)))
        (func (export "run"))"#;
    let sleeps = r#"(func (export "run") (loop $again (drop (call $sched_yield)) (br $again)))"#;
    let traps = r#"(func (export "run") (unreachable))"#;
    let all = [
        ("spins", module(SPIN)),
        ("grows", module(grow)),
        ("recurses", module(deep)),
        ("fills", extism(&fills)),
        ("answers", extism(loud)),
        ("logs", extism(logs)),
        ("tells", conversation(&tells)),
        ("keeps", module(kept).with("/instances", json!("reuse"))),
        ("starts", module(starts).with("/preinit", json!("never"))),
        ("yields", wasi(sleeps)),
        ("traps", module(traps)),
    ];
    let renamed = all.into_iter().map(|(name, sample)| {
        let mut renamed = named(name, &sample.module);
        for field in ["instances", "preinit"] {
            if let Some(value) = sample.definition.get(field) {
                renamed = renamed.with(&format!("/{field}"), value.clone());
            }
        }
        renamed
    });
    renamed.collect()
}

#[test]
fn everything_at_once() {
    let (seconds, seed) = (number("SOAK_SECONDS", SECONDS), number("SOAK_SEED", 1));
    let plugins = plugins();
    let names: Vec<String> = plugins
        .iter()
        .map(|plugin| plugin.file_name.replace(".wasm", ""))
        .collect();
    let mut all = case("everything at once")
        .within_budget(BUDGET_MIB)
        .within(PATIENCE);
    for plugin in plugins {
        all = all.plugin(plugin);
    }
    all.plugin(Sample::new("polite", "1", "thank you"))
        .ends([
            Wanted::Result,
            TIME_LIMIT,
            MEMORY_LIMIT,
            Wanted::ToolError("trapped"),
            Wanted::ToolError("server_memory"),
            Wanted::ToolError("busy"),
            Wanted::Error(-32603, ""),
            Wanted::Published,
            Wanted::Declined(503, "server_memory"),
            Wanted::Declined(503, "busy"),
        ])
        .attack(async |stage| {
            let end = Instant::now() + Duration::from_secs(seconds);
            let dice = |actor| Dice::of(seed, actor);
            let mut actors: Vec<BoxFuture<'_, Vec<Ended>>> = Vec::new();
            for actor in 0..CALLERS {
                actors.push(call_anything(stage, &names, dice(actor), end).boxed());
            }
            for _ in 0..USERS {
                actors.push(use_politely(stage, end).boxed());
            }
            for actor in 0..OPERATORS {
                actors.push(publish(stage, actor, dice(100 + actor), end).boxed());
            }
            for actor in 0..STRANGERS {
                actors.push(be_strange(stage, dice(200 + actor), end).boxed());
            }
            join_all(actors).await.into_iter().flatten().collect()
        });
}

async fn call_anything(
    stage: &Stage,
    names: &[String],
    mut dice: Dice,
    end: Instant,
) -> Vec<Ended> {
    let mut ended = Vec::new();
    while Instant::now() < end {
        let name = &names[usize::try_from(dice.below(names.len() as u64)).expect("an index")];
        // Some leave before they are answered.
        let calling = stage.call(name, "{}");
        if dice.below(8) == 0 {
            let patience = Duration::from_millis(dice.below(50));
            let _ = tokio::time::timeout(patience, calling).await;
        } else {
            ended.push(calling.await);
        }
    }
    ended
}

/// What is no refusal for want of room, and not what was wanted, is lost.
fn lost(what: &str, ended: Ended) -> Ended {
    let is_room = |text: &str| text.contains("server_memory") || text.contains("busy");
    let is_right = match &ended.ending {
        Ending::Result | Ending::Published => true,
        Ending::ToolError(text) | Ending::Error(_, text) | Ending::Declined(_, _, text) => {
            is_room(text)
        }
        Ending::Gone(_) => false,
    };
    if is_right {
        return ended;
    }
    let ending = Ending::Gone(format!("lost: {what}: {}", ended.ending));
    Ended { ending, ..ended }
}

async fn use_politely(stage: &Stage, end: Instant) -> Vec<Ended> {
    let mut ended = Vec::new();
    while Instant::now() < end {
        ended.push(lost("a small call", stage.call("polite", "{}").await));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    ended
}

/// Publishes, replaces, rolls back and removes a plugin of its own, and calls what it has published.
async fn publish(stage: &Stage, actor: u64, mut dice: Dice, end: Instant) -> Vec<Ended> {
    let name = format!("published{actor}");
    let mut ended = Vec::new();
    let (mut is_there, mut version) = (false, 0);
    while Instant::now() < end {
        version += 1;
        let sample = Sample::new(
            &name,
            &format!("1.0.{version}"),
            &format!("text {}", dice.below(5)),
        );
        let (change, leaves) = match (is_there, dice.below(6)) {
            (false, _) => (stage.publish(&sample).await, true),
            (true, 0) => {
                let path = format!("/remove-plugin/{name}");
                (
                    stage
                        .administer(stage.operator.request(Method::DELETE, &path))
                        .await,
                    false,
                )
            }
            (true, _) => {
                let request = stage.operator.request(Method::PUT, "/update-plugin");
                (
                    stage.administer(request.multipart(sample.form())).await,
                    true,
                )
            }
        };
        if matches!(change.ending, Ending::Published) {
            is_there = leaves;
        }
        ended.push(lost("a change", change));
        if is_there {
            ended.push(lost(
                "a call of what was published",
                stage.call(&name, "{}").await,
            ));
        }
    }
    ended
}

/// Sends what no client sends, and leaves.
async fn be_strange(stage: &Stage, mut dice: Dice, end: Instant) -> Vec<Ended> {
    let post = || stage.operator.stranger(Method::POST, "/mcp");
    while Instant::now() < end {
        let size = usize::try_from(1 + dice.below(STRANGE_MAX_BYTES)).expect("a size");
        let body = match dice.below(6) {
            0 => "[".repeat(size),
            1 => format!("[{}{{}}]", "{},".repeat(size / 3)),
            2 => format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"polite","arguments":{{"x":[{}0]}}}}}}"#, "0,".repeat(size / 2)),
            3 => "\u{0}".repeat(size),
            4 => r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"s","version":"1"}}}"#.to_owned(),
            _ => String::new(),
        };
        let patience = Duration::from_millis(100 + dice.below(2000));
        match dice.below(4) {
            // A wrong token.
            0 => {
                let request = post().bearer_auth("wrong").body(body);
                let _ = tokio::time::timeout(patience, request.send()).await;
            }
            // A message that breaks off.
            1 => {
                let Ok(mut stream) = TcpStream::connect(stage.server.address).await else {
                    continue;
                };
                let head = format!(
                    "POST /mcp HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                    body.len() + 1
                );
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(body.as_bytes()).await;
                let mut byte = [0];
                let _ = tokio::time::timeout(patience, stream.read(&mut byte)).await;
            }
            // A stream or an answer that is left.
            _ => {
                let request = post()
                    .bearer_auth(TOKEN)
                    .header("content-type", "application/json")
                    .header("accept", "application/json, text/event-stream")
                    .body(body);
                let _ = tokio::time::timeout(patience, request.send()).await;
            }
        }
    }
    Vec::new()
}
