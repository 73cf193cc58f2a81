//! What clients share: one may use all of it, and gives way to another, who is told apart by the address.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use crate::initialize::params;
use crate::support::{
    Client, Home, Launch, MODERN, Operator, PATIENCE, Sample, Server, TOKEN, assemble, guest,
};

const ONE: &str = "127.0.0.1";
const OTHER: &str = "127.0.0.2";

/// A connection of the first address, on which one request after another is answered.
struct Connection(BufReader<TcpStream>);

impl Connection {
    fn of(server: &Server) -> Self {
        let stream = TcpStream::connect(server.address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self(BufReader::new(stream))
    }

    /// Takes a stream as its answer too, unless the headers say what it accepts.
    fn send(&mut self, token: &str, headers: &str, body: &str) {
        let accept = if headers.contains("accept:") {
            ""
        } else {
            "accept: application/json, text/event-stream\r\n"
        };
        let request = format!(
            "POST /mcp HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\n{accept}\
             {headers}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let stream = self.0.get_mut();
        stream.write_all(request.as_bytes()).expect("it is sent");
    }

    /// The lines of a head.
    fn head(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).expect("a line");
            match line.trim_end() {
                "" => return lines,
                line => lines.push(line.to_owned()),
            }
        }
    }

    fn body(&mut self, head: &[String]) -> String {
        let length = value(head, "content-length").expect("a length");
        let mut body = vec![0; length.parse().expect("a number")];
        self.0.read_exact(&mut body).expect("a body");
        String::from_utf8(body).expect("the body is UTF-8")
    }

    /// What comes until the server ends the stream.
    fn rest(mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).expect("the stream ends");
        rest
    }
}

fn value<'h>(head: &'h [String], name: &str) -> Option<&'h str> {
    let mut values = head.iter().filter_map(|line| line.split_once(": "));
    values.find_map(|(found, value)| (found == name).then_some(value))
}

fn initialize() -> String {
    let params = params("2025-11-25");
    json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}).to_string()
}

/// A client in this session.
fn in_session(server: &Server, session: &str) -> Client {
    let mut client = server.client("2025-11-25");
    let session = session.parse().expect("a header value");
    client.headers.insert("mcp-session-id", session);
    client
}

/// Begins a session from an address.
async fn newcomer(server: &Server, address: &str) -> Client {
    let client = server.client("2025-11-25").at(address);
    let answer = client.post(initialize()).await;
    in_session(server, answer.header("mcp-session-id")).at(address)
}

#[tokio::test]
async fn slow_the_sessions_of_one_address_give_way_to_those_of_another() {
    const SESSIONS_MAX: usize = 10_000;
    let server = guest();
    let mut connection = Connection::of(&server);
    let begun = spawn_blocking(move || {
        let begin = |_| {
            connection.send(TOKEN, "", &initialize());
            let head = connection.head();
            connection.body(&head);
            let id = value(&head, "mcp-session-id").expect("a session");
            id.to_owned()
        };
        (0..SESSIONS_MAX).map(begin).collect::<Vec<String>>()
    });
    let sessions = begun.await.unwrap();
    let client = |index: usize| in_session(&server, &sessions[index]);
    // The first one is used, so the second one is the oldest that is not.
    client(0).ask("ping", json!({})).await.result();
    let other = newcomer(&server, OTHER).await;
    other.ask("ping", json!({})).await.result();
    client(1).ask("ping", json!({})).await.refused(404, -32600);
    for index in [0, 2, SESSIONS_MAX - 1] {
        client(index).ask("ping", json!({})).await.result();
    }
    // The first address gets further ones in place of its own.
    let own = newcomer(&server, ONE).await;
    own.ask("ping", json!({})).await.result();
    other.ask("ping", json!({})).await.result();
    client(3).ask("ping", json!({})).await.refused(404, -32600);
    assert!(server.stderr().contains("as many sessions as may be"));
}

#[tokio::test]
async fn slow_without_authentication_a_token_makes_no_other_caller() {
    const SESSIONS_MAX: usize = 10_000;
    let server = Launch::of(Home::guest())
        .env("WASIMANCER_AUTHENTICATION_TOKEN", "NO_AUTHENTICATION")
        .start();
    let other = newcomer(&server, OTHER).await;
    let mut connection = Connection::of(&server);
    let begun = spawn_blocking(move || {
        let mut first = None;
        for index in 0..SESSIONS_MAX + 100 {
            connection.send(&index.to_string(), "", &initialize());
            let head = connection.head();
            connection.body(&head);
            let session = value(&head, "mcp-session-id").expect("a session");
            first.get_or_insert_with(|| session.to_owned());
        }
        first.expect("one was begun")
    });
    let first = begun.await.unwrap();
    in_session(&server, &first)
        .ask("ping", json!({}))
        .await
        .refused(404, -32600);
    other.ask("ping", json!({})).await.result();
}

/// A plugin that answers a megabyte of what JSON writes with six bytes each, as a task.
fn large() -> Sample {
    let module = assemble(
        r#"(module
          (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
          (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
          (func (export "speak")
            (call $output_set (call $alloc (i64.const 1000000)) (i64.const 1000000))))"#,
    );
    Sample::new("large", "1", "")
        .with_module(module)
        .with("/functions/0/task", json!("always"))
}

async fn of_tasks(client: &Client, method: &str, params: Value) -> Value {
    let able = json!({"extensions": {"io.modelcontextprotocol/tasks": {}}});
    let request = client.request(method, params).capabilities(able);
    request.send().await.json
}

/// Calls a tool as a task and waits for its end; answers its id.
async fn finish(client: &Client, tool: &str) -> Value {
    let begun = of_tasks(client, "tools/call", json!({"name": tool, "arguments": {}})).await;
    let id = begun["result"]["taskId"].clone();
    assert!(id.is_string(), "{begun}");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = of_tasks(client, "tasks/get", json!({"taskId": id})).await;
        if found["result"]["status"] == "completed" {
            return id;
        }
        assert!(Instant::now() < deadline, "{}", found["error"]);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// 256 MiB of results are kept, so 45 of these are too many.
#[tokio::test]
async fn slow_the_tasks_of_one_address_give_way_to_those_of_another() {
    let server = Launch::of(Home::new()).start();
    let operator = Operator::of(&server);
    operator.upload("", &large()).await.granted();
    let quick = Sample::new("quick", "1", "done").with("/functions/0/task", json!("always"));
    operator.upload("", &quick).await.granted();
    let one = server.client(MODERN);
    let other = server.client(MODERN).at(OTHER);
    let kept = finish(&other, "quick").await;
    let mut tasks = Vec::new();
    for _ in 0..45 {
        tasks.push(finish(&one, "large").await);
    }
    let first = of_tasks(&one, "tasks/get", json!({"taskId": tasks[0]})).await;
    let message = first["error"]["message"].as_str().expect("an error");
    assert!(message.contains("gave way to others"), "{message}");
    for task in [&kept, &finish(&other, "quick").await, &tasks[44]] {
        // It belongs to the token, wherever its client is by now.
        let found = of_tasks(&one, "tasks/get", json!({"taskId": task})).await;
        assert_eq!(found["result"]["status"], "completed");
    }
}

/// How many connections this test can hold open, with some left for all others.
fn raise_limit() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("the limit can be raised to its maximum");
    limit.maximum.unwrap_or(u64::MAX) - 1000
}

#[tokio::test]
async fn slow_the_streams_of_one_address_give_way_to_those_of_another() {
    const STREAMS_MAX: usize = 10_000;
    if raise_limit() < STREAMS_MAX as u64 {
        eprintln!("skipped: this machine lets a process have too few files");
        return;
    }
    let server = guest();
    let address = server.address;
    let listen = json!({"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": {
        "notifications": {"toolsListChanged": true},
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {}
        }
    }});
    let opened = spawn_blocking(move || {
        let listen = listen.to_string();
        let headers =
            format!("mcp-protocol-version: {MODERN}\r\nmcp-method: subscriptions/listen\r\n");
        let open = |_| {
            let stream = TcpStream::connect(address).expect("a connection");
            stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            let mut connection = Connection(BufReader::new(stream));
            connection.send(TOKEN, &headers, &listen);
            let head = connection.head();
            assert!(head[0].contains(" 200 "), "{head:?}");
            connection
        };
        (0..STREAMS_MAX).map(open).collect::<Vec<Connection>>()
    });
    let mut streams = opened.await.unwrap();
    // A stream of the other era, and one of the same.
    let client = newcomer(&server, OTHER).await;
    let _events = client.stream().await;
    let first = streams.remove(0);
    let ended = spawn_blocking(move || first.rest()).await.unwrap();
    assert!(ended.contains("\"resultType\":\"complete\""), "{ended}");
    let modern = server.client(MODERN).at(OTHER);
    let params = json!({"notifications": {"toolsListChanged": true}});
    let _events = modern
        .request("subscriptions/listen", params)
        .listen()
        .await;
    let second = streams.remove(0);
    let ended = spawn_blocking(move || second.rest()).await.unwrap();
    assert!(ended.contains("\"resultType\":\"complete\""), "{ended}");
}

/// One caller has more calls wait than may.
#[tokio::test]
async fn slow_who_fills_the_queue_does_not_keep_others_from_it() {
    const BATCHES: usize = 105;
    let home = Home::new();
    home.file("wasimancer.toml", "queue_timeout = \"20s\"\n");
    let server = Launch::of(home).start();
    let operator = Operator::of(&server);
    let module = assemble(r#"(module (func (export "speak") (loop $again (br $again))))"#);
    let spinning = Sample::new("spinning", "1", "")
        .with_module(module)
        .with("/limits", json!({"timeout": "1s", "concurrency": 1}));
    operator.upload("", &spinning).await.granted();
    let mut batch = String::from("[");
    for id in 0..100 {
        let comma = if id == 0 { "" } else { "," };
        let _ = write!(
            batch,
            r#"{comma}{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"spinning"}}}}"#
        );
    }
    batch.push(']');
    let batches: Vec<_> = (0..BATCHES)
        .map(|_| {
            let mut connection = Connection::of(&server);
            let headers = "mcp-protocol-version: 2025-03-26\r\naccept: application/json\r\n";
            connection.send(TOKEN, headers, &batch);
            spawn_blocking(move || {
                let head = connection.head();
                connection.body(&head)
            })
        })
        .collect();
    // Its turn comes after one call of the others, whose queue would take hours.
    let other = server.client(MODERN).at(OTHER);
    let answer = other.call("spinning", "{}").await;
    let failure = answer.failure();
    assert!(failure.contains("time limit"), "{failure}");
    let mut refused = 0;
    for batch in batches {
        let answers = batch.await.unwrap();
        refused += answers.matches("calls wait, and no more may").count();
    }
    assert!(refused >= 100 * BATCHES - 10_100, "{refused}");
}
