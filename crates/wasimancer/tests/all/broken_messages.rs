//! Messages that break off, or that not every reader would understand alike.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use serde_json::json;

use crate::initialize::newcomer;
use crate::support::{Client, MODERN, PATIENCE, REVISIONS, Server, TOKEN, guest};

/// Levels of a message that is made to exhaust its reader.
const LEVELS: usize = 100_000;

fn post(server: &Server, rest: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(rest).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    // A server that does not read to the end resets the connection.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

async fn goes_on(client: &Client) {
    let answer = client.call("text", r#"{"output":"on"}"#).await;
    assert_eq!(answer.output(), "on");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_message() {
    let server = guest();
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let whole = format!("content-length: {}\r\n\r\n{ping}", ping.len());
    let answer = post(&server, whole.as_bytes());
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 200 "),
        "{answer}"
    );
    for broken in [
        format!("content-length: {}\r\n\r\n{ping}", ping.len() + 1),
        "content-length: 1000\r\n\r\n".to_owned(),
        format!("transfer-encoding: chunked\r\n\r\n28\r\n{ping}\r\n"),
        format!("transfer-encoding: chunked\r\n\r\n28\r\n{ping}"),
        format!("transfer-encoding: chunked\r\n\r\nffff\r\n{ping}"),
        format!("transfer-encoding: chunked\r\n\r\nhello\r\n{ping}\r\n0\r\n\r\n"),
        format!("transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n{ping}\r\n0\r\n\r\n"),
        format!("transfer-encoding: chunked\r\n\r\n28\r\n{ping}no end of a chunk"),
    ] {
        let answer = post(&server, broken.as_bytes());
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 400 "),
            "{broken}: {answer}"
        );
    }
    goes_on(&server.client(MODERN)).await;
}

#[tokio::test]
async fn a_text_that_is_no_unicode_is_refused() {
    let server = guest();
    let bodies: [&[u8]; 5] = [
        b"{\"jsonrpc\":\"2.0\",\"id\":\"\xff\",\"method\":\"ping\"}",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xc3\x28\"}",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"\xed\xa0\x80\":1}",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"text\",\"arguments\":{\"output\":\"\xf8\"}}}",
        b"\xff\xfe{\0}\0",
    ];
    for revision in REVISIONS {
        let client = server.client(revision);
        for body in bodies {
            client.post(body).await.refused(400, -32700);
        }
        // Half of a pair is none either.
        for half in [r"\ud83d", r"\ude00", r"\ud83d\ud83d"] {
            let arguments = format!(r#"{{"output":"{half}"}}"#);
            let answer = client.call("text", arguments.as_str()).await;
            answer.refused(400, -32600);
            let body = format!(r#"{{"jsonrpc":"2.0","id":"{half}","method":"ping"}}"#);
            let answer = client.post(body).await;
            answer.refused(400, -32600);
            assert!(answer.json.get("id").is_none(), "{}", answer.text);
        }
        goes_on(&client).await;
    }
}

#[tokio::test]
async fn a_key_that_is_there_twice_is_named() {
    let server = guest();
    for revision in REVISIONS {
        let client = server.client(revision);
        for (body, key) in [
            (r#""method":"ping","method":"ping""#, "method"),
            (r#""method":"ping","params":{},"params":{}"#, "params"),
            (r#""method":"ping","extra":1,"extra":1"#, "extra"),
            (
                r#""method":"tools/list","params":{"cursor":null,"cursor":null}"#,
                "cursor",
            ),
            (
                r#""method":"tools/list","params":{"_meta":{"progressToken":1,"progressToken":2}}"#,
                "progressToken",
            ),
            (
                r#""method":"tools/call","params":{"name":"text","name":"echo"}"#,
                "name",
            ),
            (
                r#""method":"tools/call","params":{"name":"text","arguments":{"output":5,"output":"x"}}"#,
                "output",
            ),
            (
                r#""method":"tools/call","params":{"name":"everything","arguments":{"a":[{"b":1,"\u0062":2}]}}"#,
                "b",
            ),
        ] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":7,{body}}}"#);
            let answer = client.post(body).await;
            let error = answer.refused(400, -32600);
            let message = error["message"].as_str().unwrap();
            assert!(
                message.contains(&format!("\"{key}\"")) || message.contains(&format!("`{key}`")),
                "{message}"
            );
        }
        goes_on(&client).await;
    }
    // In a batch it is a fault of its message alone.
    let twice = r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":1,"a":2}}"#;
    let ping = r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#;
    let answer = newcomer(&server).post(format!("[{twice},{ping}]")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json[0]["id"], 1);
    assert_eq!(answer.json[0]["error"]["code"], -32600);
    assert_eq!(answer.json[1]["result"], json!({}));
}

#[tokio::test]
async fn a_number_without_bounds_is_refused() {
    let server = guest();
    let digits = "7".repeat(100_000);
    for revision in REVISIONS {
        let client = server.client(revision);
        for number in ["1e999999", "-1e999999", &digits] {
            let arguments = format!(r#"{{"output":{number}}}"#);
            let answer = client.call("json", arguments.as_str()).await;
            let error = answer.refused(400, -32600);
            let message = error["message"].as_str().unwrap();
            assert!(message.contains("out of range"), "{message}");
            let params = format!(r#"{{"x":{number}}}"#);
            let answer = client.ask("tools/list", params.as_str()).await;
            answer.refused(400, -32600);
            let body = format!(r#"{{"jsonrpc":"2.0","id":{number},"method":"ping"}}"#);
            client.post(body).await.refused(400, -32600);
        }
        // What is small beyond measure is nothing.
        let answer = client.call("json", r#"{"output":1e-999999}"#).await;
        assert_eq!(answer.output(), "1e-999999");
        goes_on(&client).await;
    }
}

/// A body as deep as it is long ends its own request alone.
#[tokio::test]
async fn deep_nesting_is_survived() {
    let server = guest();
    let arrays = "[".repeat(LEVELS) + &"]".repeat(LEVELS);
    let objects = r#"{"a":"#.repeat(LEVELS) + "1" + &"}".repeat(LEVELS);
    for revision in REVISIONS {
        let client = server.client(revision);
        for deep in [&arrays, &objects] {
            let field = |name: &str| format!(r#"{{"{name}":{deep}}}"#);
            let answer = client.call("text", field("output").as_str()).await;
            answer.refused(400, -32600);
            let answer = client.ask("tools/list", field("x").as_str()).await;
            answer.refused(400, -32600);
            for body in [
                format!(r#"{{"jsonrpc":{deep},"id":1,"method":"ping"}}"#),
                format!(r#"{{"jsonrpc":"2.0","id":{deep},"method":"ping"}}"#),
                format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","extra":{deep}}}"#),
                format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{deep}}}"#),
                format!(
                    r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"_meta":{deep}}}}}"#
                ),
            ] {
                client.post(body).await.refused(400, -32600);
            }
            let answer = client.post(deep.clone()).await;
            if revision == "2025-03-26" && deep.starts_with('[') {
                // A batch of one message, which is none.
                assert_eq!(answer.json[0]["error"]["code"], -32600, "{answer:?}");
            } else {
                answer.refused(400, -32600);
            }
            // What does not end is no JSON at all.
            let open = &deep[..deep.len() / 2];
            client.post(open.to_owned()).await.refused(400, -32700);
        }
        goes_on(&client).await;
    }
}
