//! Clients that send slowly or not at all, and those that may.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use crate::sessions::in_session;
use crate::subscriptions::listen;
use crate::support::{
    ADMIN_TOKEN, Home, LEGACY, Launch, MODERN, Operator, PATIENCE, Sample, Server, TOKEN, Upstream,
    exchange,
};

/// How often a client that sends a little at a time does so.
const PAUSE: Duration = Duration::from_millis(100);

fn start(read_timeout: &str) -> Server {
    let home = Home::asking();
    home.file(
        "wasimancer.toml",
        format!("read_timeout = \"{read_timeout}\"\nkeep_alive_timeout = \"{read_timeout}\"\n"),
    );
    Launch::of(home).start()
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Waits until the server has closed a connection on which nothing is sent: then as much time has
/// passed as it waits for anybody.
fn wait_for_read_timeout(server: &Server) {
    let nothing = connect(server).read(&mut [0; 1]).unwrap();
    assert_eq!(nothing, 0);
}

/// The head of a request with a token, up to its length.
fn head(line: &str, token: &str, content_type: &str) -> String {
    format!(
        "{line} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\ncontent-type: {content_type}\r\n"
    )
}

/// Requests whose bodies are read, up to their length.
fn heads() -> [String; 4] {
    let multipart = "multipart/form-data; boundary=x";
    [
        head("POST /mcp", TOKEN, "application/json"),
        head("POST /add-resource", ADMIN_TOKEN, "application/json"),
        head("PUT /update-prompt/x", ADMIN_TOKEN, "application/json"),
        head("POST /upload-plugin", ADMIN_TOKEN, multipart),
    ]
}

/// The body of an answer 408.
#[track_caller]
fn timed_out(answer: &str) -> Value {
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

#[test]
fn a_body_that_does_not_arrive_is_not_waited_for() {
    let server = start("300ms");
    for head in heads() {
        for rest in [
            "content-length: 1000\r\n\r\n",
            "content-length: 1000\r\n\r\n{\"jsonrpc\":",
            "content-length: 1000\r\n\r\n--x\r\ncontent-disposition: form-data; name=\"wasmFile\"; filename=\"x.wasm\"\r\n\r\n\0",
            "transfer-encoding: chunked\r\n\r\n",
            "transfer-encoding: chunked\r\n\r\n5\r\n--x\r\n\r\n",
            "transfer-encoding: chunked\r\n\r\n400\r\n{",
        ] {
            let answer = exchange(server.address, format!("{head}{rest}").as_bytes());
            let told = timed_out(&answer);
            if head.contains("/mcp") {
                assert_eq!(told["error"]["code"], -32600, "{answer}");
                assert!(told.get("id").is_none(), "{answer}");
            } else {
                assert_eq!(told["code"], "body_too_slow", "{answer}");
            }
        }
    }
}

/// Sends a byte now and then until the server ends the connection, and answers what it has said.
fn trickle(mut stream: TcpStream, byte: u8) -> String {
    stream.set_read_timeout(Some(PAUSE)).unwrap();
    let mut answer = Vec::new();
    let mut chunk = [0; 1024];
    loop {
        // A connection that is closed says so when it is read.
        let _ = stream.write_all(&[byte]);
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => answer.extend_from_slice(&chunk[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
    }
    String::from_utf8(answer).unwrap()
}

#[test]
fn a_byte_now_and_then_gains_no_time() {
    let server = start("1s");
    let json = &heads()[..3];
    for head in json {
        let mut stream = connect(&server);
        let begun = format!("{head}content-length: 100000\r\n\r\n");
        stream.write_all(begun.as_bytes()).unwrap();
        timed_out(&trickle(stream, b' '));
    }
    // What is too large is thrown away no longer.
    let mut stream = connect(&server);
    let begun = format!("{}content-length: 100000000\r\n\r\n", json[0]);
    stream.write_all(begun.as_bytes()).unwrap();
    stream.write_all(&vec![b' '; 5 * 1024 * 1024]).unwrap();
    timed_out(&trickle(stream, b' '));
}

/// A module may take as long as it wants, as long as it comes.
#[tokio::test]
async fn an_upload_that_goes_on_is_waited_for() {
    let server = start("5s");
    let sample = Sample::new("slow", "1", "arrived");
    let mut body = b"--x\r\ncontent-disposition: form-data; name=\"pluginData\"\r\n\r\n".to_vec();
    body.extend_from_slice(sample.definition.to_string().as_bytes());
    body.extend_from_slice(
        b"\r\n--x\r\ncontent-disposition: form-data; name=\"wasmFile\"; filename=\"slow.wasm\"\r\n\r\n",
    );
    body.extend_from_slice(&sample.module);
    body.extend_from_slice(b"\r\n--x--\r\n");

    let mut idle = connect(&server);
    idle.set_read_timeout(Some(PAUSE)).unwrap();
    let mut upload = connect(&server);
    let head = format!(
        "{}connection: close\r\ncontent-length: {}\r\n\r\n",
        heads()[3],
        body.len()
    );
    let answer = spawn_blocking(move || {
        upload.write_all(head.as_bytes()).unwrap();
        let mut pieces = body.chunks(1);
        // Until as much time has passed as is waited for one piece.
        while idle.read(&mut [0; 1]).is_err() {
            upload
                .write_all(pieces.next().expect("there is more of the body"))
                .unwrap();
        }
        let rest: Vec<u8> = pieces.flatten().copied().collect();
        upload.write_all(&rest).unwrap();
        let mut answer = String::new();
        upload.read_to_string(&mut answer).unwrap();
        answer
    });
    let answer = answer.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let spoken = server.client(MODERN).call("slow", "{}").await;
    assert_eq!(spoken.output(), "arrived");
}

#[test]
fn a_connection_without_a_request_is_closed() {
    let server = start("300ms");
    let begun = format!("{}content-le", heads()[0]);
    for nothing in ["", "\r\n", "P", "POST /mcp HTTP/1.1\r\n", &begun] {
        assert_eq!(exchange(server.address, nothing.as_bytes()), "");
    }
    let mut stream = connect(&server);
    stream.write_all(b"POST /mcp HTTP/1.1\r\nx: ").unwrap();
    assert_eq!(trickle(stream, b'x'), "");
    // After an answer it is kept for as long.
    let answer = exchange(
        server.address,
        b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(!answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn who_waits_for_the_server_is_no_slow_client() {
    let upstream = Upstream::start();
    let server = std::sync::Arc::new(start("300ms"));
    let client = server.client(MODERN);
    let (mut events, _) = listen(&client, "1", json!({"resourcesListChanged": true})).await;
    let session = in_session(&server, LEGACY[0]).await;
    let mut session_events = session.stream().await;
    let url = json!({"url": format!("http://{}/", upstream.address)});
    let waiting = async {
        upstream.holds(1).await;
        let server = server.clone();
        let waited = spawn_blocking(move || {
            // The second is sure to begin when the call waits already.
            wait_for_read_timeout(&server);
            wait_for_read_timeout(&server);
        });
        waited.await.unwrap();
        upstream.release("late");
    };
    let (answer, ()) = tokio::join!(client.call("get", url), waiting);
    assert_eq!(answer.output(), "late");
    let resource = json!({"name": "new", "uri": "info://new", "contents": [{"text": "x"}]});
    let operator = Operator::of(&server);
    operator.post("/add-resource", resource).await.granted();
    let method = "notifications/resources/list_changed";
    assert_eq!(events.message().await["method"], method);
    assert_eq!(session_events.message().await["method"], method);
}

/// Balancers keep their connections for a minute, and expect them to be there.
#[test]
fn a_connection_that_had_an_answer_is_kept_for_longer_than_a_head_may_take() {
    let home = Home::guest();
    home.file(
        "wasimancer.toml",
        "read_timeout = \"300ms\"\nkeep_alive_timeout = \"1h\"\n",
    );
    let server = Launch::of(home).start();
    let mut kept = connect(&server);
    let mut ask = |rest: &str| {
        kept.write_all(rest.as_bytes()).unwrap();
        let mut answer = [0; 4096];
        let length = kept.read(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[..length]).into_owned()
    };
    let probe = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    assert!(ask(probe).starts_with("HTTP/1.1 200 "));
    wait_for_read_timeout(&server);
    assert!(ask(probe).starts_with("HTTP/1.1 200 "));
    // What has begun must come.
    assert_eq!(ask("GET /healthz HT"), "");
}

#[test]
fn an_idle_connection_ends() {
    let home = Home::guest();
    home.file("wasimancer.toml", "keep_alive_timeout = \"300ms\"\n");
    let server = Launch::of(home).start();
    let mut stream = connect(&server);
    let probe = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(probe.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}
