//! Clients with large, deep, slow and unread messages.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::guests::echo;
use crate::harness::{Case, Ended, Ending, Stage, Wanted, case, scaled};
use crate::support::{TOKEN, until};

/// Bytes of a large body: just below `body_limit`, and less where many are read without optimization.
fn body_bytes() -> usize {
    scaled(4 * 1024 * 1024 - 1024, 1024 * 1024)
}

/// What many large bodies may take in all, behind one another.
const LARGE: Duration = Duration::from_secs(40);
/// `read_timeout` and `write_timeout` of the servers whose clients are slow.
const SLOW: Duration = Duration::from_secs(2);

/// A message of the newest revision but one, which needs no headers of its own.
fn call(arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"attack","arguments":{arguments}}}}}"#
    )
}

async fn post(stage: &Stage, body: String) -> Vec<Ended> {
    stage.post_legacy("2025-06-18", body).await
}

/// A case of as many clients, each with this message.
fn clients(title: &'static str, count: usize, body: &str) {
    case(title)
        .plugin(echo())
        .ends([Wanted::Result, Wanted::Error(-32603, "busy")])
        .within(LARGE)
        .attack(async |stage| {
            let all = join_all((0..count).map(|_| post(stage, body.to_owned())));
            all.await.into_iter().flatten().collect()
        });
}

#[test]
fn large_lists() {
    let list = "0,".repeat(body_bytes() / 2);
    clients(
        "64 bodies of 4 MiB at once: a list of numbers",
        scaled(64, 8),
        &call(&format!(r#"{{"x":[{list}0]}}"#)),
    );
}

#[test]
fn large_lists_of_objects() {
    let list = r#"{"":0},"#.repeat(body_bytes() / 7);
    clients(
        "64 bodies of 4 MiB at once: a list of objects",
        scaled(64, 8),
        &call(&format!(r#"{{"x":[{list}0]}}"#)),
    );
}

#[test]
fn large_objects() {
    let fields: Vec<String> = (0..body_bytes() / 12)
        .map(|at| format!(r#""{at:x}":0"#))
        .collect();
    clients(
        "64 bodies of 4 MiB at once: an object of many keys",
        scaled(64, 8),
        &call(&format!("{{{}}}", fields.join(","))),
    );
}

#[test]
fn large_texts() {
    let text = r"\u0001".repeat(body_bytes() / 6);
    clients(
        "64 bodies of 4 MiB at once: a text of escapes",
        scaled(64, 8),
        &call(&format!(r#"{{"x":"{text}"}}"#)),
    );
}

/// A case of messages that are refused.
fn refused(title: &'static str, bodies: Vec<String>) {
    case(title)
        .plugin(echo())
        .ends([
            Wanted::Error(-32700, ""),
            Wanted::Error(-32600, ""),
            Wanted::Error(-32602, ""),
            Wanted::Error(-32601, ""),
        ])
        .within(Duration::from_secs(2))
        .attack(async |stage| {
            let all = join_all(bodies.into_iter().map(|body| post(stage, body)));
            all.await.into_iter().flatten().collect()
        });
}

#[test]
fn nested_messages() {
    let deep = 600_000;
    refused(
        "messages that nest 600,000 to 2,000,000 levels deep",
        vec![
            "[".repeat(2_000_000),
            call(&format!("{}1{}", r#"{"a":"#.repeat(deep), "}".repeat(deep))),
            call(&format!(
                r#"{{"x":{}{}}}"#,
                "[".repeat(deep),
                "]".repeat(deep)
            )),
        ],
    );
}

#[test]
fn long_values() {
    refused(
        "messages with names, methods and identifiers of 3 MB",
        vec![
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"{}"}}"#,
                "m".repeat(3_000_000)
            ),
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{}"}}}}"#,
                "n".repeat(3_000_000)
            ),
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"cursor":"{}"}}}}"#,
                "c".repeat(3_000_000)
            ),
            format!(
                r#"{{"jsonrpc":"2.0","id":{},"method":"tools/list"}}"#,
                "1".repeat(1_000_000)
            ),
            call(r#"{"a":1,"a":2}"#),
            call(r#"{"a":1e9999999999}"#),
        ],
    );
}

#[test]
fn large_batches() {
    let empty = format!("[{}{{}}]", "{},".repeat(1_300_000));
    case("a batch of 1,300,000 empty messages, 8 clients")
        .ends([Wanted::Error(-32600, "")])
        .within(Duration::from_secs(4))
        .attack(async |stage| {
            let all = (0..scaled(8, 2)).map(|_| stage.post_legacy("2025-03-26", empty.clone()));
            join_all(all).await.into_iter().flatten().collect()
        });
}

fn slow(title: &'static str) -> Case {
    let seconds = SLOW.as_secs();
    case(title)
        .plugin(echo())
        .config(&format!(
            "read_timeout = \"{seconds}s\"\nwrite_timeout = \"{seconds}s\"\nkeep_alive_timeout = \"{seconds}s\""
        ))
        .within(SLOW)
}

fn head(length: usize) -> String {
    format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\naccept: application/json, text/event-stream\r\n\
         content-length: {length}\r\n\r\n"
    )
}

/// Sends some bytes, then a byte at a time until the server answers or closes.
async fn drip(stage: &Stage, begins: &str) -> Ended {
    let mut stream = TcpStream::connect(stage.server.address)
        .await
        .expect("a connection");
    let begun = Instant::now();
    // A server that has closed says so when it is read from.
    let _ = stream.write_all(begins.as_bytes()).await;
    let (mut reading, mut writing) = stream.split();
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        tokio::select! {
            read = reading.read(&mut buffer) => match read {
                Ok(length @ 1..) => answer.extend_from_slice(&buffer[..length]),
                _ => break,
            },
            () = tokio::time::sleep(Duration::from_millis(100)) => {
                let _ = writing.write_all(b" ").await;
            }
        }
    }
    Ended {
        ending: Ending::of_bytes(&answer),
        took: begun.elapsed(),
    }
}

#[test]
fn dripping_bodies() {
    slow("200 bodies that arrive a byte at a time")
        .ends([Wanted::Error(-32600, "did not arrive")])
        .attack(async |stage| {
            let begins = head(1_000_000);
            join_all((0..scaled(200, 50)).map(|_| drip(stage, &begins))).await
        });
}

#[test]
fn dripping_heads() {
    slow("200 heads that arrive a byte at a time")
        .ends([Wanted::Gone])
        .attack(async |stage| {
            let begins = "POST /mcp HTTP/1.1\r\nhost: localhost\r\nx-slow: ";
            join_all((0..scaled(200, 50)).map(|_| drip(stage, begins))).await
        });
}

#[test]
fn silent_connections() {
    case("400 connections on which nothing is said, where there are places for 40")
        .plugin(echo())
        .config("connections = 40\nread_timeout = \"10m\"")
        .ends([Wanted::Gone])
        .attack(async |stage| {
            let begun = Instant::now();
            let mut held = Vec::new();
            for _ in 0..400 {
                let socket = TcpSocket::new_v4().expect("a socket");
                let own = "127.0.0.2:0".parse().expect("an address");
                socket.bind(own).expect("an address of loopback");
                let connection = socket.connect(stage.server.address).await;
                held.push(connection.expect("a connection"));
            }
            let first = held[0].read(&mut [0]).await;
            assert!(!matches!(first, Ok(1..)), "it is answered");
            vec![Ended {
                ending: Ending::Gone("gave way".to_owned()),
                took: begun.elapsed(),
            }]
        });
}

#[test]
fn unread_answers() {
    // An answer that nobody reads is given up, with its connection.
    let body = call(&format!(r#"{{"x":"{}"}}"#, "x".repeat(body_bytes() - 512)));
    let request = format!("{}{body}", head(body.len()));
    slow("100 answers of 4 MB that nobody reads")
        .ends([Wanted::Gone])
        .within(SLOW + LARGE)
        .attack(async |stage| {
            let pid = stage.server.pid();
            let open = || std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
            let before = open();
            let begun = Instant::now();
            let mut held = Vec::new();
            for _ in 0..scaled(100, 16) {
                let socket = TcpSocket::new_v4().expect("a socket");
                socket.set_recv_buffer_size(4096).expect("a buffer");
                let mut stream = socket
                    .connect(stage.server.address)
                    .await
                    .expect("a connection");
                stream
                    .write_all(request.as_bytes())
                    .await
                    .expect("the request is taken");
                held.push(stream);
            }
            // The probe has a few of its own.
            until("the server gives the answers up", || open() < before + 8).await;
            vec![Ended {
                ending: Ending::Gone("given up".to_owned()),
                took: begun.elapsed(),
            }]
        });
}
