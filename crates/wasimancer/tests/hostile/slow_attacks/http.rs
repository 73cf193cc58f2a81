//! Requests of plugins, and those who answer them.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use serde_json::json;

use crate::guests::{escaped, extism, in_a_row};
use crate::harness::{MEMORY_LIMIT, TIME_LIMIT, Wanted, case, cores, scaled};
use crate::support::{Sample, Upstream};

const FAILED: Wanted = Wanted::ToolError("HTTP request");

/// Answers every request with the same bytes, and closes.
fn answering(answer: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let answer: Arc<str> = answer.into();
    std::thread::spawn(move || {
        // Ends with the process.
        for mut stream in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || {
                let mut request = [0; 4096];
                // A guest that was stopped does not wait for it.
                let _ = stream.read(&mut request);
                let _ = stream.write_all(answer.as_bytes());
            });
        }
    });
    address
}

/// A plugin that may reach an address, and asks it before it goes on.
fn asking(address: SocketAddr, preparation: &str, instruction: &str, count: usize) -> Sample {
    let request = format!(r#"{{"url":"http://{address}/","method":"GET"}}"#);
    let preparation = format!(
        "(local.set $block (call $block (i32.const 0) (i32.const {}))) {preparation}",
        request.len()
    );
    let run = in_a_row(&preparation, instruction, count);
    let data = format!(r#"(data (i32.const 0) "{}")"#, escaped(&request));
    let permissions = json!({"network": [address.to_string()]});
    extism(&format!("{data} {run}")).with("/permissions", permissions)
}

const ASK: &str = "(drop (call $http_request (local.get $block) (i64.const 0)))";

fn answer(headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

/// Headers of 60 KB.
fn many_headers() -> String {
    let mut headers = String::new();
    for at in 0..60 {
        let _ = write!(headers, "x-{at}: {}\r\n", "h".repeat(1000));
    }
    headers
}

#[test]
fn many_requests() {
    let address = answering(answer("", "here"));
    case("`http_request`, 10,000 times")
        .plugin(asking(address, "", ASK, scaled(10_000, 500)))
        .ends([TIME_LIMIT, FAILED])
        .calls(cores(), "{}");
}

#[test]
fn refused_connections() {
    // Nobody listens there any more.
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("an address")
    };
    case("`http_request` to where nobody listens, 64 callers")
        .plugin(asking(address, "", ASK, 100))
        .ends([FAILED])
        .calls(64, "{}");
}

#[test]
fn forbidden_hosts() {
    let address = "127.0.0.1:1".parse().expect("an address");
    case("`http_request` to a host that is not allowed, 64 callers")
        .plugin(asking(address, "", ASK, 100).without("permissions"))
        .ends([Wanted::ToolError("may not reach")])
        .calls(64, "{}");
}

#[test]
fn headers() {
    let address = answering(answer(&many_headers(), ""));
    let headers = "(call $free (call $http_headers))";
    case("`http_headers` of 60 KB, 300,000 times")
        .plugin(asking(address, ASK, headers, scaled(300_000, 30_000)))
        .ends([TIME_LIMIT, Wanted::Result])
        .calls(cores(), "{}");
}

#[test]
fn headers_that_are_never_freed() {
    let address = answering(answer(&many_headers(), ""));
    let headers = "(drop (call $http_headers))";
    case("`http_headers` of 60 KB, 20,000 times, and never freed")
        .plugin(asking(address, ASK, headers, 20_000))
        .ends([MEMORY_LIMIT, TIME_LIMIT])
        .calls(cores(), "{}");
}

#[test]
fn endless_headers() {
    let header = format!("x: {}\r\n", "h".repeat(1000));
    let address = answering(format!(
        "HTTP/1.1 200 OK\r\n{}",
        header.repeat(scaled(100_000, 10_000))
    ));
    case("an answer with headers of 100 MB")
        .plugin(asking(address, "", ASK, 1))
        .ends([FAILED, TIME_LIMIT])
        .calls(cores(), "{}");
}

#[test]
fn large_answers() {
    let body = "x".repeat(9_000_000);
    let address = answering(answer("", &body));
    case("answers of 9 MB, 64 callers with 50 each")
        .plugin(asking(address, "", ASK, 50))
        .ends([MEMORY_LIMIT, TIME_LIMIT, FAILED])
        .calls(scaled(64, 8), "{}");
}

#[test]
fn silence() {
    let upstream = Upstream::start();
    case("answers that never come, 64 callers")
        .plugin(asking(upstream.address, "", ASK, 1))
        .ends([TIME_LIMIT])
        .calls(64, "{}");
}
