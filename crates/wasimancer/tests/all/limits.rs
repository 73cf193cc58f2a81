//! Limits: each ends the call that meets it, beside healthy calls, and no other.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use serde_json::{Value, json};

use crate::support::{
    Answer, Client, Home, Launch, MODERN, PATIENCE, REVISIONS, Server, TOKEN, Upstream, assemble,
};

/// Plugins of the guest module: one as it is, and one for each limit.
const PLUGINS: &str = r"plugins:
  - name: healthy
    path: guest.wasm
    functions: [{displayName: healthy, function: text, arguments: [{name: output, type: string}]}]

  - name: time
    path: guest.wasm
    limits: {timeout: 300ms}
    functions:
      - {displayName: spin, function: spin}
      - {displayName: time echo, function: echo}
  - name: start
    path: start.wasm
    limits: {timeout: 300ms}
    functions: [{displayName: start, function: run}]
  - name: reactor
    path: reactor.wasm
    limits: {timeout: 300ms}
    functions: [{displayName: reactor, function: run}]

  - name: memory
    path: guest.wasm
    limits: {memory: 4MiB}
    functions:
      - {displayName: grow memory, function: grow_memory}
      - {displayName: grow table, function: grow_table}
      - {displayName: recurse, function: recurse}
      - {displayName: memory echo, function: echo}

  - name: sizes
    path: guest.wasm
    limits: {input: 1KiB, output: 2KiB}
    functions:
      - {displayName: large, function: large}
      - {displayName: sizes echo, function: text, arguments: [{name: output, type: string}]}

  - name: alone
    path: guest.wasm
    limits: {concurrency: 1}
    permissions: {network: [127.0.0.1]}
    functions:
      - {displayName: alone spin, function: spin}
      - {displayName: alone echo, function: echo}
      - {displayName: alone get, function: get, inputSchema: {type: object}}
  - name: pair
    path: guest.wasm
    limits: {concurrency: 2, timeout: 300ms}
    functions: [{displayName: pair spin, function: spin}, {displayName: pair echo, function: echo}]

  - name: web
    path: guest.wasm
    limits: {timeout: 300ms, httpResponse: 1KiB}
    permissions: {network: [127.0.0.1]}
    functions: [{displayName: web get, function: get, inputSchema: {type: object}}]
  - name: quick
    path: guest.wasm
    limits: {timeout: 200ms}
    functions: [{displayName: quick echo, function: echo}]
";

fn home() -> Home {
    let home = Home::with_plugins(PLUGINS);
    home.file(
        "plugins/start.wasm",
        assemble(r#"(module (start $s) (func $s (loop $l (br $l))) (func (export "run")))"#),
    );
    home.file(
        "plugins/reactor.wasm",
        assemble(
            r#"(module (func (export "_initialize") (loop $l (br $l))) (func (export "run")))"#,
        ),
    );
    home
}

/// Calls a tool while healthy calls go on beside it.
async fn beside_healthy_calls(
    server: &Server,
    client: &Client,
    tool: &str,
    arguments: Value,
) -> Answer {
    let healthy = async {
        let client = server.client(MODERN);
        for round in 0..20 {
            let output = format!("round {round}");
            assert_eq!(
                client
                    .call("healthy", json!({"output": output}))
                    .await
                    .output(),
                output
            );
        }
    };
    tokio::join!(client.call(tool, arguments), healthy).0
}

/// Calls a tool whose own time is short until a busy machine lets it answer in it.
async fn answers_again(client: &Client, tool: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = client.call(tool, "{}").await;
        if answer.result().get("isError").is_none() {
            assert_eq!(answer.output(), "{}", "{tool}");
            return;
        }
        let message = answer.failure();
        assert!(
            message.contains("time limit") || message.contains("busy"),
            "{tool}: {message}"
        );
        assert!(Instant::now() < deadline, "{tool}: {message}");
    }
}

#[tokio::test]
async fn each_limit_ends_its_call_alone() {
    let server = Launch::of(home()).start();
    for revision in REVISIONS {
        let client = server.client(revision);
        for (tool, arguments, wanted, neighbour) in [
            (
                "spin",
                json!({}),
                "the call was stopped at its time limit of 300ms",
                Some("time echo"),
            ),
            (
                "start",
                json!({}),
                "the call was stopped at its time limit of 300ms",
                None,
            ),
            (
                "reactor",
                json!({}),
                "the call was stopped at its time limit of 300ms",
                None,
            ),
            (
                "grow memory",
                json!({}),
                "the call was stopped at its memory limit of 4194304 bytes",
                Some("memory echo"),
            ),
            (
                "grow table",
                json!({}),
                "the call was stopped at its memory limit of",
                Some("memory echo"),
            ),
            (
                "recurse",
                json!({}),
                "the plugin trapped: ",
                Some("memory echo"),
            ),
            (
                "large",
                json!({}),
                "the output has 65536 bytes and the limit is 2048",
                None,
            ),
            (
                "sizes echo",
                json!({"output": "x".repeat(1024)}),
                "the input has 1037 bytes and the limit is 1024",
                None,
            ),
        ] {
            let answer = beside_healthy_calls(&server, &client, tool, arguments).await;
            assert!(
                answer.failure().contains(wanted),
                "{tool}: {}",
                answer.failure()
            );
            if let Some(neighbour) = neighbour {
                answers_again(&client, neighbour).await;
            }
        }
        let full = "x".repeat(1024 - r#"{"output":""}"#.len());
        assert_eq!(
            client
                .call("sizes echo", json!({"output": full}))
                .await
                .output(),
            full
        );
    }
}

#[tokio::test]
async fn calls_beyond_the_concurrency_wait_for_their_turn() {
    let upstream = Upstream::start();
    let server = Launch::of(home()).start();
    let client = server.client(MODERN);
    let url = json!({"url": format!("http://{}/", upstream.address)});
    let waiting = async {
        upstream.holds(1).await;
        // The only place is taken: these two wait for it, and get it.
        let release = async {
            // Other plugins have places of their own.
            assert_eq!(
                client
                    .call("healthy", r#"{"output":"beside"}"#)
                    .await
                    .output(),
                "beside"
            );
            upstream.release("fetched");
        };
        let (one, other, ()) = tokio::join!(
            client.call("alone echo", "{}"),
            client.call("alone echo", "{}"),
            release
        );
        assert_eq!((one.output(), other.output()), ("{}", "{}"));
    };
    let (fetched, ()) = tokio::join!(client.call("alone get", url), waiting);
    assert_eq!(fetched.output(), "fetched");
}

/// However many loop, none of them waits longer than its own deadline, and the plugin lives on.
#[tokio::test]
async fn many_that_loop_end_at_their_deadlines() {
    let server = Launch::of(home()).start();
    let client = server.client(MODERN);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let client = server.client(MODERN);
        calls.spawn(async move { client.call("pair spin", "{}").await });
    }
    while let Some(answer) = calls.join_next().await {
        let answer = answer.unwrap();
        let message = answer.failure();
        assert!(
            message.contains("time limit of 300ms") || message.contains("the plugin is busy"),
            "{message}"
        );
    }
    answers_again(&client, "pair echo").await;
}

/// With one instance for all plugins, the others wait in vain while it is taken.
#[tokio::test]
async fn instances_are_bounded_over_all_plugins() {
    let upstream = Upstream::start();
    let home = home();
    home.file(
        "wasimancer.toml",
        "instances = 1\nqueue_timeout = \"300ms\"\n",
    );
    let server = Launch::of(home).start();
    let client = server.client(MODERN);
    let url = json!({"url": format!("http://{}/", upstream.address)});
    let meanwhile = async {
        upstream.holds(1).await;
        let answer = client.call("quick echo", "{}").await;
        assert!(
            answer
                .failure()
                .starts_with("the server is busy: all 1 calls"),
            "{}",
            answer.failure()
        );
        upstream.release("fetched");
    };
    let (fetched, ()) = tokio::join!(client.call("alone get", url), meanwhile);
    assert_eq!(fetched.output(), "fetched");
    answers_again(&client, "quick echo").await;
}

/// A client that goes away takes its call with it (2026-07-28, transports, "Cancellation").
#[tokio::test]
async fn a_client_that_disconnects_frees_its_instance() {
    let server = Launch::of(home()).start();
    let client = server.client(MODERN);
    for round in 1..=3 {
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"alone spin","arguments":{}}}"#;
        let mut stream = TcpStream::connect(server.address).unwrap();
        let request = format!(
            "POST /mcp HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        crate::support::until("the call runs", || {
            server.stderr().matches("running").count() == round
        })
        .await;
        drop(stream);
        // Its own time limit is 30 s away, and this call's too.
        assert_eq!(client.call("alone echo", "{}").await.output(), "{}");
    }
}

#[tokio::test]
async fn requests_of_plugins_are_bounded() {
    let upstream = Upstream::start();
    let server = Launch::of(home()).start();
    let client = server.client(MODERN);
    let url = json!({"url": format!("http://{}/", upstream.address)});
    // One that is never answered ends at the call's own deadline, whatever it waits for.
    let answer = beside_healthy_calls(&server, &client, "web get", url.clone()).await;
    assert!(
        answer.failure().contains("time limit of 300ms"),
        "{}",
        answer.failure()
    );
    let answer = client
        .call("alone get", json!({"url": "http://localhost:1/"}))
        .await;
    assert!(
        answer.failure().contains("may not reach localhost"),
        "{}",
        answer.failure()
    );
    let answer = client
        .call("alone get", json!({"url": "file:///etc/passwd"}))
        .await;
    assert!(
        answer.failure().contains("neither http nor https"),
        "{}",
        answer.failure()
    );
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let answer = client
        .call("alone get", json!({"url": format!("http://{free}/")}))
        .await;
    assert!(
        answer
            .failure()
            .contains("the plugin's HTTP request failed"),
        "{}",
        answer.failure()
    );
    // A request that failed does no harm to the next one.
    let later = async {
        upstream.holds(2).await;
        upstream.release("fetched");
    };
    let (answer, ()) = tokio::join!(client.call("alone get", url), later);
    assert_eq!(answer.output(), "fetched");
}

/// The server's own limits are the defaults, and the most that a plugin gets.
#[tokio::test]
async fn the_servers_limits_hold_for_every_plugin() {
    let start = |limits: &str| {
        let home = Home::with_plugins(
            "plugins:\n  - name: guest\n    path: guest.wasm\n    limits: {timeout: 1h, output: 1GiB}\n    functions:\n      \
             - {displayName: spin, function: spin}\n      - {displayName: large, function: large}\n      \
             - {displayName: echo, function: text, arguments: [{name: output, type: string}]}\n",
        );
        home.file("wasimancer.toml", format!("[limits]\n{limits}"));
        Launch::of(home).start()
    };
    let server = start("timeout = \"250ms\"\n");
    let client = server.client(MODERN);
    for _ in 0..2 {
        assert!(
            client
                .call("spin", "{}")
                .await
                .failure()
                .contains("time limit of 250ms")
        );
    }
    let server = start("output = \"1KiB\"\ninput = \"512B\"\n");
    let client = server.client(MODERN);
    assert!(
        client
            .call("large", "{}")
            .await
            .failure()
            .contains("the limit is 1024")
    );
    let answer = client
        .call("echo", json!({"output": "x".repeat(600)}))
        .await;
    assert!(
        answer.failure().contains("the limit is 512"),
        "{}",
        answer.failure()
    );
    assert_eq!(
        client.call("echo", r#"{"output":"short"}"#).await.output(),
        "short"
    );
}
