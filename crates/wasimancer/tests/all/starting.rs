//! The server answers before its plugins are compiled, and their calls wait.

use std::fs;

use serde_json::json;

use crate::subscriptions::listen;
use crate::support::{Client, Home, Launch, MODERN, Server, Upstream, assemble};

/// A module whose start asks a host, and ends like this once that has answered.
fn asking(upstream: &Upstream, end: &str) -> Vec<u8> {
    let request = json!({ "url": format!("http://{}/", upstream.address) }).to_string();
    let data = request.bytes().map(|byte| format!("\\{byte:02x}"));
    let (data, length) = (data.collect::<String>(), request.len());
    assemble(&format!(
        r#"(module
        (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
        (import "extism:host/env" "store_u8" (func $store (param i64 i32)))
        (import "extism:host/env" "http_request" (func $ask (param i64 i64) (result i64)))
        (memory (export "memory") 1)
        (data (i32.const 0) "{data}")
        (func (export "_initialize") (local $block i64) (local $at i32)
          (local.set $block (call $alloc (i64.const {length})))
          (loop $next
            (call $store (i64.add (local.get $block) (i64.extend_i32_u (local.get $at)))
              (i32.load8_u (local.get $at)))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $at) (i32.const {length}))))
          (drop (call $ask (local.get $block) (i64.const 0)))
          {end})
        (func (export "waiting")))"#
    ))
}

/// The entry of a plugin with one tool of the same name.
fn entry(name: &str, more: &str) -> String {
    format!(
        "  - name: {name}\n    path: {name}.wasm\n    functions: [{{displayName: {name}, function: {name}}}]\n{more}"
    )
}

/// A server with a plugin that compiles at once, and one for which `upstream` is waited.
fn start(upstream: &Upstream, end: &str) -> Server {
    let home = Home::new();
    let waits = "    preinit: always\n    permissions: {network: [127.0.0.0/8]}\n    limits: {timeout: 2m}\n";
    let plugins = [entry("waiting", waits), entry("quick", "")].concat();
    home.file("plugins/plugins.yml", format!("plugins:\n{plugins}"));
    home.file("plugins/waiting.wasm", asking(upstream, end));
    home.file(
        "plugins/quick.wasm",
        assemble(r#"(module (func (export "quick")))"#),
    );
    let cache = home.path().join("cache");
    Launch::of(home)
        .env("WASIMANCER_CACHE_FOLDER", cache)
        .start_at_once()
}

async fn tools(client: &Client) -> Vec<String> {
    let list = client.ask("tools/list", json!({})).await;
    let tools = list.result()["tools"].as_array().unwrap().iter();
    tools
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_compiled_serves_and_the_rest_is_waited_for() {
    let upstream = Upstream::start();
    let server = start(&upstream, "");
    let client = server.client(MODERN);
    upstream.holds(1).await;
    assert_eq!(tools(&client).await, ["waiting", "quick"]);
    assert_eq!(server.probe("/healthz"), Some(200));
    assert_eq!(client.call("quick", "{}").await.output(), "");
    let ready = client.get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json["status"], "starting");
    assert_eq!(ready.json["compiled"], json!({"plugins": 1, "of": 2}));
    let waiting = tokio::spawn({
        let client = server.client(MODERN);
        async move { client.call("waiting", "{}").await.output().to_owned() }
    });
    upstream.release("");
    assert_eq!(waiting.await.unwrap(), "");
    let ready = client.get("/readyz").await;
    assert_eq!(
        (ready.status, &ready.json["status"]),
        (200, &json!("ready"))
    );
    server.logs("all 2 plugins are compiled").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_turns_out_broken_is_taken_out_of_service() {
    let upstream = Upstream::start();
    let server = start(&upstream, "(unreachable)");
    let client = server.client(MODERN);
    assert_eq!(tools(&client).await, ["waiting", "quick"]);
    upstream.holds(1).await;
    let (mut told, _) = listen(&client, "1", json!({"toolsListChanged": true})).await;
    let waiting = tokio::spawn({
        let client = server.client(MODERN);
        async move { client.call("waiting", "{}").await.text }
    });
    upstream.release("");
    // It waits for the code and is told why there is none; one that came too late finds no such tool.
    let text = waiting.await.unwrap();
    assert!(
        text.contains("preinit") || text.contains("-32602"),
        "{text}"
    );
    let told = told.message().await;
    assert_eq!(told["method"], "notifications/tools/list_changed");
    assert_eq!(tools(&client).await, ["quick"]);
    let ready = client.get("/readyz").await;
    assert_eq!(ready.json["status"], "degraded");
    server.logs("plugin \"waiting\": preinit").await;
}

/// What an earlier start has found out is known to the next before its first list.
#[tokio::test(flavor = "multi_thread")]
async fn slow_a_module_that_could_not_be_compiled_is_not_tried_again() {
    let home = Home::new();
    home.file(
        "plugins/plugins.yml",
        format!("plugins:\n{}{}", entry("speak", ""), entry("quick", "")),
    );
    home.file(
        "plugins/speak.wasm",
        super::compiling::calls_in_a_row(200_000),
    );
    home.file(
        "plugins/quick.wasm",
        assemble(r#"(module (func (export "quick")))"#),
    );
    home.file("wasimancer.toml", "compile_memory = \"100MiB\"\n");
    let cache = home.path().join("cache");
    let start = || Launch::again(home.path()).env("WASIMANCER_CACHE_FOLDER", &cache);
    let first = start().start();
    first.logs("more than 100 MiB of memory").await;
    first.signal("TERM");
    first.ended().await;
    let second = start().start_at_once();
    assert_eq!(tools(&second.client(MODERN)).await, ["quick"]);
    second.logs("more than 100 MiB of memory").await;
    // Another bound is another trial.
    second.signal("TERM");
    second.ended().await;
    fs::write(home.path().join("wasimancer.toml"), "").unwrap();
    let third = start().start();
    let tools = tools(&third.client(MODERN)).await;
    assert_eq!(tools, ["speak", "quick"], "{}", third.stderr());
}

/// A server whose modules are not all compiled ends as fast as any other.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_compiles_ends_when_it_is_told_to() {
    let upstream = Upstream::start();
    let server = start(&upstream, "");
    upstream.holds(1).await;
    server.signal("TERM");
    assert!(server.ended().await.success());
}
