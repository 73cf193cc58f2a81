//! What one stranger takes of what all need: connections, and memory for requests that never come.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use serde_json::json;

use crate::support::{
    ADMIN_TOKEN, Home, Launch, MODERN, Server, TOKEN, Upstream, connect_from, until,
};

/// A server with a tool that waits for an upstream, and on whose clients is waited for long.
fn start(settings: &str) -> Server {
    let home = Home::asking();
    home.file(
        "wasimancer.toml",
        format!("read_timeout = \"10m\"\n{settings}\n"),
    );
    Launch::of(home).start()
}

fn request(line: &str, token: &str, body: &str) -> String {
    format!(
        "{line} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn ping() -> String {
    request(
        "POST /mcp",
        TOKEN,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
    )
}

/// A call that ends when the upstream says so.
fn long_call(upstream: &Upstream) -> String {
    let url = format!("http://{}/", upstream.address);
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "get", "arguments": {"url": url}}});
    request("POST /mcp", TOKEN, &body.to_string())
}

/// The status and the head of the next answer.
fn answer(stream: &mut TcpStream) -> (u16, String) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an answer");
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    (head[9..12].parse().unwrap(), head)
}

/// Reads the body of the answer to a ping.
fn read_body(stream: &mut TcpStream) {
    let body = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    stream.read_exact(&mut vec![0; body.len()]).unwrap();
}

/// What a new client from an address is answered.
fn ask(server: &Server, host: u8, request: &str) -> (u16, String) {
    let mut stream = connect_from(host, server.address);
    stream.write_all(request.as_bytes()).unwrap();
    answer(&mut stream)
}

/// Whether the server has closed a connection on which it said nothing.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let read = stream.read(&mut [0; 1]);
    stream.set_nonblocking(false).unwrap();
    match read {
        Ok(0) => true,
        Ok(_) => panic!("nothing was asked"),
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

#[tokio::test]
async fn the_oldest_idle_connection_of_whoever_holds_the_most_gives_way() {
    let server = start("connections = 8");
    let part = "POST /mcp HTTP/1.1\r\nhost: localhost\r\n";
    let mut idle: Vec<TcpStream> = (0..8).map(|_| connect_from(2, server.address)).collect();
    for stream in &mut idle[..4] {
        stream.write_all(part.as_bytes()).unwrap();
    }
    assert_eq!(ask(&server, 3, &ping()).0, 200);
    until("the oldest has given way", || is_closed(&mut idle[0])).await;
    for stream in &mut idle[1..] {
        assert!(!is_closed(stream));
    }
    // One that was asked for something outlives those that never were, older or younger.
    idle[7].write_all(ping().as_bytes()).unwrap();
    assert_eq!(answer(&mut idle[7]).0, 200);
    let _new: Vec<TcpStream> = (0..7).map(|_| connect_from(2, server.address)).collect();
    for stream in &mut idle[1..7] {
        until("those that never asked have given way", || {
            is_closed(stream)
        })
        .await;
    }
    read_body(&mut idle[7]);
    idle[7].write_all(ping().as_bytes()).unwrap();
    assert_eq!(answer(&mut idle[7]).0, 200);
    server.logs("idle ones are closed for new ones").await;
}

#[tokio::test]
async fn whoever_opens_a_connection_for_each_that_ends_keeps_nobody_out() {
    let server = start("connections = 16");
    let address = server.address;
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let attack = std::thread::spawn(move || {
        let mut open = Vec::new();
        while stopped.try_recv().is_err() {
            let mut stream = connect_from(1, address);
            let _ = stream.write_all(b"POST /mcp HTTP/1.1\r\nhost: localhost\r\n");
            open.push(stream);
            if open.len() > 64 {
                open.remove(0);
            }
        }
    });
    // From another address, or the attack may be faster than the request.
    for _ in 0..20 {
        let health = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
        assert_eq!(ask(&server, 2, health).0, 200);
        assert_eq!(ask(&server, 2, &ping()).0, 200);
    }
    stop.send(()).unwrap();
    attack.join().unwrap();
}

#[tokio::test]
async fn one_address_may_have_all_and_probes_and_operators_have_more() {
    let server = start("connections = 4");
    let upstream = Upstream::start();
    let mut busy: Vec<TcpStream> = (0..4).map(|_| connect_from(2, server.address)).collect();
    for stream in &mut busy {
        stream.write_all(long_call(&upstream).as_bytes()).unwrap();
    }
    upstream.holds(4).await;
    for (line, token) in [
        ("GET /healthz", "none"),
        ("GET /plugins", ADMIN_TOKEN),
        ("GET /readyz", ADMIN_TOKEN),
    ] {
        assert_eq!(ask(&server, 3, &request(line, token, "")).0, 200, "{line}");
    }
    let mut beyond = connect_from(3, server.address);
    let (status, head) = {
        beyond.write_all(ping().as_bytes()).unwrap();
        answer(&mut beyond)
    };
    assert_eq!(status, 503);
    assert!(head.contains("\r\nretry-after: 10\r\n"), "{head}");
    assert!(head.contains("\r\nconnection: close\r\n"), "{head}");
    // Whoever waits on a place beyond the bound has one of the others once there is one.
    let mut patient = connect_from(3, server.address);
    upstream.release("done");
    for stream in &mut busy {
        assert_eq!(answer(stream).0, 200);
    }
    drop(busy);
    until("there are places again", || {
        ask(&server, 4, &ping()).0 == 200
    })
    .await;
    patient.write_all(ping().as_bytes()).unwrap();
    assert_eq!(answer(&mut patient).0, 200);
}

/// Bodies that do not come make way, of whoever has many of them.
#[tokio::test]
async fn requests_that_do_not_come_give_way_to_who_has_fewer() {
    let server = start("connections = 4");
    let upstream = Upstream::start();
    let mut call = connect_from(2, server.address);
    call.write_all(long_call(&upstream).as_bytes()).unwrap();
    upstream.holds(1).await;
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\n\
         content-length: 100\r\nexpect: 100-continue\r\n\r\n"
    );
    let mut slow: Vec<TcpStream> = (0..3).map(|_| connect_from(2, server.address)).collect();
    for stream in &mut slow {
        stream.write_all(head.as_bytes()).unwrap();
        assert_eq!(answer(stream).0, 100, "the body is waited for");
    }
    assert_eq!(ask(&server, 3, &ping()).0, 200);
    until("one has given way", || slow.iter_mut().any(is_closed)).await;
    upstream.release("done");
    assert_eq!(answer(&mut call).0, 200, "what is under way stays");
}

#[tokio::test]
async fn connections_of_a_trusted_proxy_are_its_clients() {
    let server = start("connections = 4\ntrusted_proxies = [\"127.0.0.9\"]");
    let mut of_proxy: Vec<TcpStream> = (0..3).map(|_| connect_from(9, server.address)).collect();
    let mut other = connect_from(2, server.address);
    assert_eq!(ask(&server, 9, &ping()).0, 200);
    until("the other one has given way", || is_closed(&mut other)).await;
    for stream in &mut of_proxy {
        assert!(!is_closed(stream));
    }
}

/// Heads that never end are held by as many connections as there are.
#[tokio::test]
async fn unfinished_heads_are_bounded_together() {
    const HEAD_BYTES: usize = 60 * 1024;
    const COUNT: usize = 800;
    const BOUND_KB: u64 = 64 * 1024;
    // What else each connection takes, in kB: its task and what hyper keeps beside the head.
    const CONNECTION_KB: u64 = 24;

    let server = start("");
    let mut honest = connect_from(1, server.address);
    let whole = ping();
    let (first, second) = whole.split_at(100);
    honest.write_all(first.as_bytes()).unwrap();
    let before = server.status("VmRSS");
    let large = format!(
        "GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: {}",
        "x".repeat(HEAD_BYTES)
    );
    let mut open: Vec<TcpStream> = Vec::new();
    for number in 0..COUNT {
        let mut stream = connect_from(u8::try_from(number % 4).unwrap() + 2, server.address);
        // Another one may have given way to it, and it to another.
        let _ = stream.write_all(large.as_bytes());
        open.push(stream);
    }
    server
        .logs("unfinished heads of requests take more than")
        .await;
    let mut closed = 0;
    until("the largest have given way", || {
        closed = open
            .iter_mut()
            .map(is_closed)
            .filter(|closed| *closed)
            .count();
        (COUNT - closed) * HEAD_BYTES * 2 <= 64 * 1024 * 1024
    })
    .await;
    let took = server.status("VmRSS").saturating_sub(before);
    let bound = BOUND_KB + CONNECTION_KB * COUNT as u64;
    assert!(took < bound, "{COUNT} heads took {took} kB");
    // What is small is not touched, and what follows one request counts like any other.
    honest.write_all(second.as_bytes()).unwrap();
    assert_eq!(answer(&mut honest).0, 200);
    println!("{COUNT} heads: {took} kB, {closed} closed");
}

#[tokio::test]
async fn a_head_behind_another_request_counts_too() {
    let server = start("");
    let mut open = Vec::new();
    // 1,000 of these are less than all connections may hold, unless each buffer counts as it is.
    let pipelined = format!(
        "{}GET /healthz HTTP/1.1\r\nx: {}",
        ping(),
        "x".repeat(60 * 1024)
    );
    for _ in 0..700 {
        let mut stream = connect_from(2, server.address);
        let _ = stream.write_all(pipelined.as_bytes());
        open.push(stream);
    }
    server
        .logs("unfinished heads of requests take more than")
        .await;
    let client = server.client(MODERN);
    client.ask("tools/list", json!({})).await.result();
}
