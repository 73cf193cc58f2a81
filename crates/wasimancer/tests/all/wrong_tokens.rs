//! Whoever guesses tokens is answered slowly, and nobody else.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::{ADMIN_TOKEN, Home, Launch, Server, TOKEN, connect_from};

/// What is asked with a token, of clients and of operators.
const CLIENTS: &str = "DELETE /mcp";
const OPERATORS: &str = "GET /plugins";

/// Begins a request from 127.0.0.`host`.
fn begin(server: &Server, host: u8, line: &str, token: &str) -> TcpStream {
    let mut stream = connect_from(host, server.address);
    let request = format!(
        "{line} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

fn finish(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn ask(server: &Server, host: u8, line: &str, token: &str) -> String {
    finish(begin(server, host, line, token))
}

/// Whether it was answered at once that there are too many.
fn is_refused(stream: &TcpStream) -> bool {
    let mut status = [0; 12];
    stream.set_nonblocking(true).unwrap();
    let read = stream.peek(&mut status);
    stream.set_nonblocking(false).unwrap();
    read.is_ok() && &status == b"HTTP/1.1 429"
}

#[track_caller]
fn status(answer: &str) -> &str {
    &answer[9..12]
}

#[tokio::test]
async fn guesses_are_slow_and_the_right_token_is_not() {
    let server = Launch::of(Home::guest()).start();
    let begun = Instant::now();
    for number in 0..10 {
        let (line, wanted) = [(CLIENTS, "401"), (OPERATORS, "403")][number % 2];
        let answer = ask(&server, 2, line, &format!("guess-{number}"));
        assert_eq!(status(&answer), wanted, "{answer}");
    }
    // From here on answers are held back, until too many are.
    let mut waiting = Vec::new();
    let refused = loop {
        assert!(waiting.len() < 1000, "all are held back");
        waiting.push(begin(&server, 2, CLIENTS, "guess"));
        if let Some(at) = waiting.iter().position(is_refused) {
            break finish(waiting.remove(at));
        }
    };
    assert!(refused.contains("\r\nretry-after: "), "{refused}");
    assert!(refused.contains("\r\nconnection: close\r\n"), "{refused}");
    assert!(refused.contains("too_many_wrong_tokens"), "{refused}");
    // Another address does not pay for it, and neither does the right token.
    assert_eq!(status(&ask(&server, 3, OPERATORS, "guess")), "403");
    assert_eq!(status(&ask(&server, 2, OPERATORS, ADMIN_TOKEN)), "200");
    assert_eq!(status(&ask(&server, 2, CLIENTS, TOKEN)), "400");
    // Ten, and one for each second that has passed.
    let answer = finish(waiting.remove(0));
    assert_eq!(status(&answer), "401", "{answer}");
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let log = server.stderr();
    assert_eq!(log.matches("a wrong token of").count(), 2, "{log}");
    assert!(
        log.contains("127.0.0.2") && log.contains("127.0.0.3"),
        "{log}"
    );
    assert!(!log.contains("guess-"), "{log}");
}

/// Who may see details is not to be found out by guessing either.
#[tokio::test]
async fn probes_with_a_wrong_token_are_guesses_too() {
    let server = Launch::of(Home::guest()).start();
    let probe = |token| ask(&server, 2, "GET /readyz", token);
    for _ in 0..20 {
        let answer = probe(TOKEN);
        assert_eq!(status(&answer), "200");
        assert!(answer.contains(r#""quarantined":0"#), "{answer}");
    }
    assert!(!server.stderr().contains("a wrong token of"));
    assert!(probe(ADMIN_TOKEN).contains(r#""quarantined":[]"#));
    let begun = Instant::now();
    for _ in 0..11 {
        let answer = probe("guess");
        assert!(answer.contains(r#""quarantined":0"#), "{answer}");
    }
    assert!(begun.elapsed() >= Duration::from_secs(1));
    server.logs("a wrong token of operators").await;
}
