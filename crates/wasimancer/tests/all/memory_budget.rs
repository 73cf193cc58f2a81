//! What clients and plugins may make the server hold together.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::support::{Answer, Client, Home, Launch, MODERN, PATIENCE, Server, TOKEN, assemble};

/// `hold` takes 24 MiB and ends with its time limit; `large` answers 1 MiB of quotation marks, each of
/// which is two bytes in JSON; `small` answers nothing.
const HUNGRY: &str = r#"(module
    (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
    (import "extism:host/env" "store_u64" (func $store (param i64 i64)))
    (import "extism:host/env" "output_set" (func $output (param i64 i64)))
    (memory (export "memory") 1)
    (func (export "hold") (drop (memory.grow (i32.const 384))) (loop $again (br $again)))
    (func (export "large") (local $block i64) (local $at i64)
      (local.set $block (call $alloc (i64.const 1048576)))
      (loop $next
        (call $store (i64.add (local.get $block) (local.get $at)) (i64.const 0x2222222222222222))
        (local.set $at (i64.add (local.get $at) (i64.const 8)))
        (br_if $next (i64.lt_u (local.get $at) (i64.const 1048576))))
      (call $output (local.get $block) (i64.const 1048576)))
    (func (export "small")))"#;

fn start(configuration: &str) -> Server {
    let functions = ["hold", "large", "small"].map(|name| {
        format!(
            "      - {{displayName: {name}, function: {name}, inputSchema: {{type: object}}}}\n"
        )
    });
    let home = Home::with_plugins(&format!(
        "plugins:\n  - name: hungry\n    path: hungry.wasm\n    functions:\n{}",
        functions.concat()
    ));
    home.file("plugins/hungry.wasm", assemble(HUNGRY));
    home.file("wasimancer.toml", configuration);
    Launch::of(home).start()
}

async fn memory(client: &Client) -> Value {
    let ready = client.ready().await.json;
    ready["memory"].clone()
}

/// Waits until `/readyz` shows what is expected of the memory.
async fn shows(client: &Client, expected: impl Fn(&Value) -> bool) {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let memory = memory(client).await;
        if expected(&memory) {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "{memory}");
        tokio::task::yield_now().await;
    }
}

/// A call of `hold`, once it holds its 24 MiB.
async fn begin_to_hold(server: &Server) -> tokio::task::JoinHandle<Answer> {
    let client = server.client(MODERN);
    let holding = tokio::spawn(async move { client.call("hold", "{}").await });
    shows(&server.client(MODERN), |memory| {
        memory["used"].as_u64() >= Some(24 * 1024 * 1024)
    })
    .await;
    holding
}

async fn nothing_is_held(client: &Client) {
    shows(client, |memory| memory["used"] == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_find_no_room_end_and_the_others_go_on() {
    let server = start("memory_budget = \"64MiB\"\n[limits]\ntimeout = \"1s\"\n");
    let client = server.client(MODERN);
    let calls = (0..6).map(|_| client.call("hold", "{}"));
    let ended = futures_util::future::join_all(calls).await;
    let told = |words: &str| {
        ended
            .iter()
            .filter(|answer| answer.failure().contains(words))
            .count()
    };
    // Two fit at once; each of the others was stopped when it asked for more, if it came meanwhile.
    let stopped = told("server_memory");
    assert_eq!(stopped + told("time limit"), 6);
    assert!((1..=4).contains(&stopped), "{stopped}");
    assert_eq!(client.call("small", "{}").await.output(), "");
    nothing_is_held(&client).await;
    let memory = memory(&client).await;
    assert!(
        memory["refused"].as_u64() >= Some(stopped as u64),
        "{memory}"
    );
    assert_eq!(memory["budget"], 64 * 1024 * 1024);
    assert!(
        memory["mostUsed"].as_u64() <= Some(64 * 1024 * 1024),
        "{memory}"
    );
}

/// Two bytes of a list become a value of 72, and a vector of them may have room for twice as many.
#[tokio::test(flavor = "multi_thread")]
async fn what_json_becomes_is_charged() {
    let server = start("memory_budget = \"32MiB\"\n");
    let client = server.client(MODERN);
    let call = async |value: &str| {
        let arguments = format!("{{\"x\":{value}}}");
        let request = client.request_call("small", arguments.as_str());
        request.id("7").send().await
    };
    let list = format!("[{}0]", "0,".repeat(300_000));
    let refused = call(&list).await;
    let error = refused.refused(503, -32603);
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains("server_memory"), "{message}");
    assert_eq!(refused.json["id"], 7);
    // A text of as many bytes is nothing but itself.
    let text = format!("\"{}\"", "[0,".repeat(200_000));
    assert_eq!(call(&text).await.output(), "");
    nothing_is_held(&client).await;
}

/// The body is small, and there is no room for a call.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_does_not_begin_is_refused_with_its_id() {
    let server = start("memory_budget = \"25MiB\"\n[limits]\ntimeout = \"30s\"\n");
    let client = server.client(MODERN);
    let holding = begin_to_hold(&server).await;
    let refused = client
        .request_call("small", "{}")
        .id("\"seven\"")
        .send()
        .await;
    refused.refused(503, -32603);
    let message = &refused.json["error"]["message"];
    assert!(
        message.as_str().unwrap().contains("server_memory"),
        "{message}"
    );
    assert_eq!(refused.json["id"], "seven");
    assert_eq!(refused.header("retry-after"), "10");
    holding.abort();
    nothing_is_held(&client).await;
    assert_eq!(client.call("small", "{}").await.output(), "");
}

/// They send most of their bodies, and no more.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_charged_while_they_come() {
    let server = start("memory_budget = \"16MiB\"\nread_timeout = \"1m\"\n");
    let client = server.client(MODERN);
    let stalled: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut stream = TcpStream::connect(server.address).unwrap();
            let head = format!(
                "POST /mcp HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\n\
                 accept: application/json, text/event-stream\r\ncontent-length: 4000000\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(&vec![b' '; 3_900_000]).unwrap();
            stream
        })
        .collect();
    shows(&client, |memory| memory["refused"].as_u64() >= Some(4)).await;
    assert!(memory(&client).await["used"].as_u64() > Some(11_000_000));
    drop(stalled);
    nothing_is_held(&client).await;
    assert_eq!(client.call("small", "{}").await.output(), "");
}

/// Each answer is 2 MiB on the wire, and nobody reads any of them.
#[tokio::test(flavor = "multi_thread")]
async fn answers_that_nobody_reads_are_charged() {
    let server = start("memory_budget = \"32MiB\"\nwrite_timeout = \"1m\"\n");
    let client = server.client(MODERN);
    let body = client.request_call("large", "{}").body();
    let unread: Vec<TcpStream> = (0..40)
        .map(|_| {
            let mut stream = TcpStream::connect(server.address).unwrap();
            let head = format!(
                "POST /mcp HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\n\
                 accept: application/json, text/event-stream\r\nmcp-protocol-version: {MODERN}\r\nmcp-method: tools/call\r\n\
                 mcp-name: large\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    shows(&client, |memory| memory["refused"] != 0).await;
    let most = memory(&client).await["mostUsed"].as_u64();
    assert!(most <= Some(32 * 1024 * 1024), "{most:?}");
    // Whoever got an answer can still read the whole of it.
    let mut answered = 0;
    for mut stream in unread {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut begin = [0; 12];
        stream.read_exact(&mut begin).unwrap();
        match &begin {
            b"HTTP/1.1 200" => answered += 1,
            b"HTTP/1.1 503" => {}
            other => panic!("{}", String::from_utf8_lossy(other)),
        }
    }
    assert!(answered > 0);
    nothing_is_held(&client).await;
    assert_eq!(client.call("large", "{}").await.output().len(), 1024 * 1024);
}

/// A hundred answers of 2 MiB are asked for in one request.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_bounded_as_it_leaves() {
    let server = start("");
    let client = server.client("2025-03-26");
    let call = |id| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "large", "arguments": {}}});
    let batch: Vec<Value> = (0..40).map(call).collect();
    let answers = client.post(Value::from(batch).to_string()).await;
    let answers = answers.json.as_array().unwrap().clone();
    assert_eq!(answers.len(), 40);
    let refused: Vec<&Value> = answers
        .iter()
        .filter(|answer| answer.get("error").is_some())
        .collect();
    assert_eq!(refused.len(), 25, "15 of 2 MiB and a little fit in 32 MiB");
    for answer in refused {
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains("are sent at once"), "{message}");
    }
}

/// A request that waits for a place holds its body, and its arguments as the plugin gets them.
#[tokio::test(flavor = "multi_thread")]
async fn what_calls_hold_while_they_wait_is_charged() {
    let server = start("memory_budget = \"44MiB\"\n[limits]\ntimeout = \"3s\"\nconcurrency = 1\n");
    let client = server.client(MODERN);
    let holding = begin_to_hold(&server).await;
    // Twice 3 MiB each, which four of them find no room for beside 24 MiB.
    let arguments = format!("{{\"text\":\"{}\"}}", "x".repeat(3 << 20));
    let waiting = (0..4).map(|_| client.call("small", arguments.as_str()));
    let ended = futures_util::future::join_all(waiting).await;
    let refused = ended.iter().filter(|answer| answer.status == 503).count();
    assert!((1..4).contains(&refused), "{refused} of 4");
    assert!(holding.await.unwrap().failure().contains("time limit"));
    nothing_is_held(&client).await;
}

/// What calls have written stays in memory for the next ones, up to a bound of all together, whatever a guest
/// does to hide it: in its memory, exported or not, on its stack, in a start section that never ends.
#[tokio::test(flavor = "multi_thread")]
async fn what_ended_calls_leave_in_memory_is_bounded() {
    const CALLS: usize = 100;
    // A twentieth of the budget stays; each call writes 1 MiB, or uses a stack of some hundred KiB.
    const BUDGET: &str =
        "memory_budget = \"400MiB\"\n[limits]\ntimeout = \"500ms\"\nconcurrency = 100\n";
    const BOUND_KB: u64 = 20 * 1024;
    // What the allocator keeps for itself.
    const SLACK_KB: u64 = 12 * 1024;

    let dirty = |memory: &str| {
        format!(
            "(module {memory}
            (func $dirty (local $at i32)
              (loop $next
                (i32.store8 (local.get $at) (i32.const 1))
                (local.set $at (i32.add (local.get $at) (i32.const 4096)))
                (br_if $next (i32.lt_u (local.get $at) (i32.const 1048576))))
              (loop $again (br $again)))"
        )
    };
    let exported = dirty(r#"(memory (export "memory") 17)"#) + r#"(export "run" (func $dirty)))"#;
    let hidden = dirty("(memory 17)") + r#"(export "run" (func $dirty)))"#;
    let starts =
        dirty(r#"(memory (export "memory") 17)"#) + r#"(start $dirty) (func (export "run")))"#;
    let deep = r#"(module
        (func $deep (param i32) (result i32)
          (if (i32.eqz (local.get 0)) (then (loop $again (br $again))))
          (i32.add (call $deep (i32.sub (local.get 0) (i32.const 1))) (local.get 0)))
        (func (export "run") (drop (call $deep (i32.const 10000)))))"#;
    let modules = [
        ("exported", exported),
        ("hidden", hidden),
        ("starts", starts),
        ("deep", deep.to_owned()),
    ];
    let definitions = modules.each_ref().map(|(name, _)| {
        format!(
            "  - {{name: {name}, path: {name}.wasm, preinit: never, functions: [{{displayName: {name}, function: run, inputSchema: {{type: object}}}}]}}\n"
        )
    });
    let definitions = format!("plugins:\n{}", definitions.concat());
    let home = Home::with_plugins(&definitions);
    for (name, module) in &modules {
        home.file(&format!("plugins/{name}.wasm"), assemble(module));
    }
    home.file("wasimancer.toml", BUDGET);
    let server = Launch::of(home).start();
    let client = server.client(MODERN);
    for (name, _) in &modules {
        client.call(name, "{}").await.failure();
    }
    for (name, _) in &modules {
        let before = server.status("VmRSS");
        let calls = (0..CALLS).map(|_| client.call(name, "{}"));
        for ended in futures_util::future::join_all(calls).await {
            assert!(
                ended.failure().contains("time limit"),
                "{}",
                ended.failure()
            );
        }
        let left = server.status("VmRSS").saturating_sub(before);
        println!("{name}: {left} kB");
        assert!(left <= BOUND_KB + SLACK_KB, "{name}: {left} kB");
    }
}
