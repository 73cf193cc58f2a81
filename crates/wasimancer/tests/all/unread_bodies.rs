//! Answers that are given before the body of their request was read.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use crate::support::{PATIENCE, Server, TOKEN, guest};

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
/// More than is read for the sake of a connection, and more than sockets hold.
const LARGE_BYTES: usize = 16 * 1024 * 1024;

/// A connection that is read answer by answer.
struct Connection(BufReader<TcpStream>);

impl Connection {
    fn to(server: &Server) -> Self {
        let stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    fn send(&mut self, bytes: &str) {
        let sent = self.0.get_mut().write_all(bytes.as_bytes());
        sent.expect("the server takes what it is sent");
    }

    /// The head and the body of the next answer.
    fn answer(&mut self) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let read = self.0.read_line(&mut head).expect("an answer arrives");
            assert_ne!(read, 0, "the connection ended: {head}");
        }
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.0
            .read_exact(&mut body)
            .expect("a whole answer arrives");
        head + std::str::from_utf8(&body).unwrap()
    }

    fn has_ended(&mut self) -> bool {
        self.0.read(&mut [0]).expect("it ends without a reset") == 0
    }
}

fn head(path: &str, headers: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{headers}\r\n"
    )
}

fn sized(headers: &str, body: &str) -> String {
    head(
        "/mcp",
        &format!("{headers}content-length: {}\r\n", body.len()),
    )
}

fn with_token() -> String {
    format!("authorization: Bearer {TOKEN}\r\n")
}

#[test]
fn a_connection_outlives_a_refusal_whose_body_is_small() {
    let server = guest();
    // The body comes before the answer, after it, and with the next request behind it.
    for comes_late in [false, true] {
        let mut connection = Connection::to(&server);
        for _ in 0..3 {
            let refused = sized("", PING);
            let next = sized(&with_token(), PING) + PING;
            let answer = if comes_late {
                connection.send(&refused);
                let answer = connection.answer();
                connection.send(&format!("{PING}{next}"));
                answer
            } else {
                connection.send(&format!("{refused}{PING}{next}"));
                connection.answer()
            };
            assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
            assert!(!answer.contains("connection: close"), "{answer}");
            let answer = connection.answer();
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        }
    }
}

#[test]
fn a_refusal_arrives_after_a_large_body_was_sent() {
    let server = guest();
    for (path, status) in [("/upload-plugin", 403), ("/mcp", 401), ("/nothing", 404)] {
        for is_chunked in [false, true] {
            let mut connection = Connection::to(&server);
            let body = "[".repeat(LARGE_BYTES);
            connection.send(&if is_chunked {
                let head = head(path, "transfer-encoding: chunked\r\n");
                format!("{head}{LARGE_BYTES:x}\r\n{body}\r\n0\r\n\r\n")
            } else {
                head(path, &format!("content-length: {LARGE_BYTES}\r\n")) + &body
            });
            let answer = connection.answer();
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status} ")),
                "{answer}"
            );
            assert!(answer.contains("connection: close\r\n"), "{answer}");
            assert!(connection.has_ended());
        }
    }
}

/// Who waits to be told to send a body is told so, or refused without it (RFC 9110, section 10.1.1).
#[test]
fn who_waits_to_send_a_body_is_told_whether_to() {
    let server = guest();
    let expecting = "expect: 100-continue\r\n";
    let mut connection = Connection::to(&server);
    connection.send(&sized(expecting, PING));
    let answer = connection.answer();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    // Nobody knows whether it comes, so no other request can follow.
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert!(connection.has_ended());
    let mut connection = Connection::to(&server);
    connection.send(&sized(&format!("{expecting}{}", with_token()), PING));
    let answer = connection.answer();
    assert_eq!(answer, "HTTP/1.1 100 Continue\r\n\r\n");
    connection.send(PING);
    assert!(connection.answer().starts_with("HTTP/1.1 200 "));
}
