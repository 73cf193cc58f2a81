//! Calls that take longer than proxies wait for a first byte.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use serde_json::json;

use crate::sessions::in_session;
use crate::support::{Home, Launch, MODERN, PATIENCE, Server, TOKEN, Upstream};

/// Begins a call that waits for the upstream server. In HTTP/1.0 no chunks stand between the events.
fn begin(server: &Server, upstream: &Upstream, meta: &str, headers: &str) -> BufReader<TcpStream> {
    let url = format!("http://{}/", upstream.address);
    let params = format!(r#"{{"name":"get","arguments":{{"url":"{url}"}}{meta}}}"#);
    let body = format!(r#"{{"jsonrpc":"2.0","id":"one","method":"tools/call","params":{params}}}"#);
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!(
        "POST /mcp HTTP/1.0\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\n\
         connection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    BufReader::new(stream)
}

/// What comes until a line that ends like this.
fn read_until(answer: &mut BufReader<TcpStream>, end: &str) -> String {
    let mut read = String::new();
    while !read.ends_with(end) {
        assert_ne!(answer.read_line(&mut read).unwrap(), 0, "{read}");
    }
    read
}

#[tokio::test]
async fn slow_a_silent_call_goes_on_as_events() {
    let home = Home::with_plugins(
        "plugins:\n  - name: guest\n    path: guest.wasm\n    permissions: {network: [127.0.0.1]}\n    functions:\n      \
         - {displayName: get, function: get, inputSchema: {type: object}}\n",
    );
    home.file("wasimancer.toml", "[limits]\ntimeout = \"1h\"\n");
    let server = Launch::of(home).start();
    let upstream = Upstream::start();
    let session = in_session(&server, "2025-11-25").await;
    let session = session.headers["mcp-session-id"].to_str().unwrap();
    let both = "accept: application/json, text/event-stream\r\n";
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
    });
    let modern = format!(
        "{both}mcp-protocol-version: {MODERN}\r\nmcp-method: tools/call\r\nmcp-name: get\r\n"
    );
    let calls = [
        (format!(",\"_meta\":{meta}"), modern),
        (String::new(), both.to_owned()),
        (
            String::new(),
            format!("{both}mcp-session-id: {session}\r\n"),
        ),
        (String::new(), "accept: application/json\r\n".to_owned()),
    ];
    let begin = |(meta, headers): &(String, String)| begin(&server, &upstream, meta, headers);
    let mut answers: Vec<_> = calls.iter().map(begin).collect();
    upstream.holds(calls.len()).await;
    let mut plain = answers.pop().unwrap();
    for answer in &mut answers {
        let head = read_until(answer, "\r\n\r\n");
        assert!(head.contains(" 200 OK\r\n"), "{head}");
        assert!(
            head.contains("content-type: text/event-stream\r\n"),
            "{head}"
        );
        read_until(answer, ":\n");
    }
    // One answer for each of them.
    upstream.release("at last");
    for answer in &mut answers {
        let data = read_until(answer, "}\n");
        let data = data.lines().find_map(|line| line.strip_prefix("data: {"));
        let data = data.expect("a message");
        assert!(
            data.contains("\"one\"") && data.contains("at last"),
            "{data}"
        );
    }
    let mut text = String::new();
    plain.read_to_string(&mut text).unwrap();
    assert!(
        text.contains("content-type: application/json\r\n"),
        "{text}"
    );
    assert!(text.contains("at last"), "{text}");
}
