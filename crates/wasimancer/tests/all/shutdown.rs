//! Told to end, the server lets calls finish, for a while.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use crate::support::{
    ADMIN_TOKEN, Home, Launch, MODERN, PATIENCE, Server, TOKEN, Upstream, exchange, until,
};

fn home(grace: &str) -> Home {
    let home = Home::with_plugins(
        "plugins:\n  - name: guest\n    path: guest.wasm\n    permissions: {network: [127.0.0.1]}\n    functions:\n      \
         - {displayName: spin, function: spin}\n      - {displayName: get, function: get, inputSchema: {type: object}}\n",
    );
    home.file("wasimancer.toml", format!("shutdown_grace = \"{grace}\"\n"));
    home
}

/// Waits until it tells new clients that it stops.
async fn is_draining(server: &Server) {
    let ask = |request: &str| {
        let rest = "HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        exchange(server.address, format!("{request} {rest}").as_bytes())
    };
    until("it is draining", || {
        let ready = ask("GET /readyz");
        ready.starts_with("HTTP/1.1 503 ") && ready.contains(r#""status":"draining""#)
    })
    .await;
    assert!(ask("GET /healthz").starts_with("HTTP/1.1 200 "));
    for request in ["POST /mcp", "GET /plugins"] {
        let told = ask(request);
        assert!(told.starts_with("HTTP/1.1 503 "), "{told}");
        assert!(told.contains("\r\nretry-after: 10\r\n"), "{told}");
        assert!(told.contains("about to stop"), "{told}");
    }
}

#[tokio::test]
async fn a_running_call_is_answered_before_the_end() {
    for signal in ["TERM", "INT"] {
        let upstream = Upstream::start();
        let server = Launch::of(home("60s")).start();
        let client = server.client(MODERN);
        // A connection that waits for nothing does not hold the server up.
        let idle = server.client(MODERN);
        idle.ask("tools/list", json!({})).await.result();
        let url = json!({"url": format!("http://{}/", upstream.address)});
        let stopping = async {
            upstream.holds(1).await;
            server.signal(signal);
            is_draining(&server).await;
            upstream.release("in time");
        };
        let (answer, ()) = tokio::join!(client.call("get", url), stopping);
        assert_eq!(answer.output(), "in time");
        assert_eq!(server.ended().await.code(), Some(0));
        let output = server.whole_output().await;
        assert!(output.contains("shutting down"), "{output}");
        assert!(!output.contains("still under way"), "{output}");
    }
}

/// Sends a call that never ends.
fn begin_spinning(server: &Server) -> TcpStream {
    let body =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"spin","arguments":{}}}"#;
    let mut stream = TcpStream::connect(server.address).unwrap();
    let request = format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

#[tokio::test]
async fn an_endless_call_ends_with_the_grace() {
    let server = Launch::of(home("300ms")).start();
    let mut stream = begin_spinning(&server);
    server.logs("running").await;
    server.signal("TERM");
    assert_eq!(server.ended().await.code(), Some(0));
    // The call is told so.
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("\"id\":1,\"error\""), "{answer}");
    assert!(answer.contains("shutdown_grace"), "{answer}");
    let output = server.whole_output().await;
    assert!(output.contains("still under way"), "{output}");
}

/// Balancers are told first, and send what they send meanwhile to a server that serves it.
#[tokio::test]
async fn it_serves_on_while_balancers_are_told() {
    let launch = Launch::of(home("1h")).env("WASIMANCER_DRAIN_DELAY", "1h");
    let server = launch.start();
    server.signal("TERM");
    until("it says so", || server.probe("/readyz") == Some(503)).await;
    let client = server.client(MODERN);
    client.ask("tools/list", json!({})).await.result();
    assert!(!server.stderr().contains("shutting down"));
    server.signal("INT");
    assert_eq!(server.ended().await.code(), Some(1));
    let launch = Launch::of(home("1h")).env("WASIMANCER_DRAIN_DELAY", "100ms");
    let server = launch.start();
    server.signal("TERM");
    assert_eq!(server.ended().await.code(), Some(0));
}

#[tokio::test]
async fn with_nothing_to_do_it_ends_at_once() {
    let server = Launch::of(home("1h")).start();
    let client = server.client(MODERN);
    client.ask("tools/list", json!({})).await.result();
    // A connection that never said anything, and one that began to say something.
    let silent = TcpStream::connect(server.address).unwrap();
    server.signal("TERM");
    assert_eq!(server.ended().await.code(), Some(0));
    drop(silent);
}

#[tokio::test]
async fn a_second_signal_does_not_wait_for_calls() {
    let server = Launch::of(home("1h")).start();
    let stream = begin_spinning(&server);
    server.logs("running").await;
    server.signal("TERM");
    is_draining(&server).await;
    server.signal("INT");
    assert_eq!(server.ended().await.code(), Some(1));
    let output = server.whole_output().await;
    assert!(output.contains("told to stop again"), "{output}");
    drop(stream);
}

/// A service manager repeats itself; the same request within a second is one.
#[tokio::test]
async fn a_later_request_to_terminate_does_not_wait_for_calls() {
    let server = Launch::of(home("1h")).start();
    let stream = begin_spinning(&server);
    server.logs("running").await;
    until("a later request is obeyed", || {
        server.signal("TERM");
        server.has_ended()
    })
    .await;
    assert_eq!(server.ended().await.code(), Some(1));
    drop(stream);
}

#[tokio::test]
async fn the_grace_ends_the_administration_too() {
    let home = home("300ms");
    let server = Launch::of(home).env("ADMIN_ADDRESS", "127.0.0.1:0").start();
    let stdout = server.stdout();
    let mut lines = stdout.lines();
    let address = lines.find_map(|line| line.strip_prefix("administration on http://"));
    // A request that never ends.
    let mut stream = TcpStream::connect(address.unwrap()).unwrap();
    let request = format!(
        "POST /add-resource HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {ADMIN_TOKEN}\r\n\
         content-type: application/json\r\ncontent-length: 100\r\n\r\n{{"
    );
    stream.write_all(request.as_bytes()).unwrap();
    server.signal("TERM");
    assert_eq!(server.ended().await.code(), Some(0));
}
