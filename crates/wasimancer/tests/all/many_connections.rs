//! Connections by the thousand: bounded, survived, and gone when they are gone.

use std::fs;
use std::io::Write;
use std::net::TcpStream;

use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::task::spawn_blocking;

use crate::support::{Home, Launch, MODERN, PATIENCE, Server, TOKEN, until};

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

async fn answers(server: &Server) {
    let client = server.client(MODERN);
    let answer = client.call("text", r#"{"output":"on"}"#).await;
    assert_eq!(answer.output(), "on");
}

fn start(settings: &str) -> Server {
    let home = Home::guest();
    home.file("wasimancer.toml", settings);
    Launch::of(home).start()
}

#[tokio::test]
async fn a_lack_of_file_descriptors_is_survived() {
    let home = Home::guest();
    home.file(
        "wasimancer.toml",
        "connections = 20000\nread_timeout = \"10m\"\n",
    );
    let server = Launch::of(home).with_open_files(40).start();
    assert!(
        server.stderr().contains("no more than 40 files"),
        "{}",
        server.stderr()
    );
    let open: Vec<TcpStream> = (0..60).map(|_| connect(&server)).collect();
    server.logs("a connection could not be accepted").await;
    drop(open);
    answers(&server).await;
    // It is told once, not at every attempt.
    let told = server.stderr();
    assert_eq!(told.matches("could not be accepted").count(), 1, "{told}");
}

/// How many connections this test can hold open, with as many left for all others.
fn affordable() -> usize {
    const WANTED: u64 = 10_000;
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("the limit can be raised to its maximum");
    let files = limit.maximum.unwrap_or(u64::MAX);
    let affordable = WANTED.min(files / 2);
    if affordable < WANTED {
        println!("{affordable} connections instead of {WANTED}: only {files} files may be open");
    }
    usize::try_from(affordable).unwrap()
}

/// Files that the server has open.
fn open_files(server: &Server) -> usize {
    let folder = format!("/proc/{}/fd", server.pid());
    fs::read_dir(folder).unwrap().count()
}

/// What each connection sends, one after another: nothing, part of a head, part of a body, what is no
/// HTTP, and a request that is answered.
fn beginnings() -> [Vec<u8>; 6] {
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\n"
    );
    [
        Vec::new(),
        format!("{head}x-long: {}", "x".repeat(4096)).into_bytes(),
        format!("{head}content-length: 1000000\r\n\r\n{{\"jsonrpc\":\"2.0\",").into_bytes(),
        format!(
            "{head}transfer-encoding: chunked\r\n\r\n1000\r\n{}\r\n",
            " ".repeat(4096)
        )
        .into_bytes(),
        b"\x16\x03\x01 no HTTP\r\n\r\n".to_vec(),
        format!(
            "{head}content-length: 40\r\n\r\n{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}}"
        )
        .into_bytes(),
    ]
}

#[tokio::test]
async fn slow_ten_thousand_connections_leave_memory_where_it_was() {
    let server = start("read_timeout = \"10m\"\n");
    for _ in 0..100 {
        answers(&server).await;
    }
    let (files_before, memory_before) = (open_files(&server), server.status("VmRSS"));
    let count = affordable();
    let address = server.address;
    let beginnings = beginnings();
    let opened = spawn_blocking(move || {
        let mut open = Vec::with_capacity(count);
        for number in 0..count {
            let mut stream = TcpStream::connect(address).unwrap();
            let beginning = &beginnings[number % beginnings.len()];
            stream.write_all(beginning).unwrap();
            open.push(stream);
        }
        open
    });
    let open = opened.await.unwrap();
    // Those that are no HTTP are closed at once.
    until("every connection is accepted", || {
        open_files(&server) >= files_before + count / 6 * 5
    })
    .await;
    let memory_during = server.status("VmRSS");
    answers(&server).await;
    drop(open);
    until("every connection is closed", || {
        open_files(&server) <= files_before
    })
    .await;
    let mut memory_after = 0;
    until("the memory is given back", || {
        memory_after = server.status("VmRSS");
        memory_after < memory_before + memory_before / 2
    })
    .await;
    println!(
        "{count} connections: {memory_before} kB before, {memory_during} kB during, {memory_after} kB after"
    );
    answers(&server).await;
}
