//! HTTP itself: methods, media types, sizes, paths, connections.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use reqwest::Method;
use serde_json::json;

use crate::support::{
    ADMIN_TOKEN, Answer, Home, LEGACY, Launch, MODERN, Operator, REVISIONS, TOKEN, exchange, guest,
};

#[tokio::test]
async fn other_methods_are_not_allowed() {
    let server = guest();
    for revision in REVISIONS {
        let client = server.client(revision);
        for method in [Method::PUT, Method::PATCH, Method::HEAD] {
            let answer = client.send(method.clone(), &client.headers, "").await;
            assert_eq!(answer.status, 405, "{method}");
            assert_eq!(answer.header("allow"), "GET, POST, DELETE, OPTIONS");
            if method == Method::HEAD {
                assert_eq!(answer.text, "");
            } else {
                is_no_json_rpc(&answer, "method_not_allowed");
            }
        }
    }
    let client = server.client(MODERN);
    let answer = client.send(Method::GET, &client.headers, "").await;
    assert_eq!(answer.status, 405);
    is_no_json_rpc(&answer, "method_not_allowed");
    assert_eq!(answer.header("allow"), "POST, DELETE, OPTIONS");
    let answer = client.http_post("/healthz").await;
    assert_eq!(answer.status, 405);
    is_no_json_rpc(&answer, "method_not_allowed");
}

/// Clients that look for an authorization server read `error` as a text.
#[track_caller]
fn is_no_json_rpc(answer: &Answer, code: &str) {
    assert_eq!(answer.header("content-type"), "application/json");
    assert!(answer.json["error"].is_string(), "{}", answer.text);
    assert_eq!(answer.json["code"], code);
    assert!(answer.json.get("jsonrpc").is_none());
}

#[tokio::test]
async fn messages_are_json() {
    let server = guest();
    for revision in [MODERN, LEGACY[0]] {
        let client = server.client(revision);
        let request = || client.request("tools/list", json!({}));
        for wrong in [
            "text/plain",
            "application/jsonp",
            "application/x-www-form-urlencoded",
            "",
            "json",
        ] {
            request()
                .header("content-type", wrong)
                .send()
                .await
                .refused(415, -32600);
        }
        request()
            .without_header("content-type")
            .send()
            .await
            .refused(415, -32600);
        for right in [
            "application/json; charset=utf-8",
            "Application/JSON",
            "application/json;charset=UTF-8",
        ] {
            request()
                .header("content-type", right)
                .send()
                .await
                .result();
        }
    }
}

#[tokio::test]
async fn answers_are_json_to_whoever_accepts_it() {
    let server = guest();
    for revision in [MODERN, LEGACY[0]] {
        let client = server.client(revision);
        let request = || client.request("tools/list", json!({}));
        for wrong in [
            "text/event-stream",
            "text/html, image/*",
            "application/jsonp",
        ] {
            request()
                .header("accept", wrong)
                .send()
                .await
                .refused(406, -32600);
        }
        for right in [
            "application/json, text/event-stream",
            "text/event-stream, application/json",
            "application/json",
            "text/event-stream, Application/JSON;q=0.5",
            "application/*",
            "*/*",
        ] {
            request().header("accept", right).send().await.result();
        }
        request().without_header("accept").send().await.result();
        // A list may be spread over several headers (RFC 9110, section 5.3).
        let request = request()
            .header("accept", "text/event-stream")
            .second_header("accept", "application/json");
        request.send().await.result();
    }
}

#[tokio::test]
async fn bodies_have_a_size() {
    let home = Home::guest();
    home.file("wasimancer.toml", "body_limit = \"2KiB\"\n");
    let server = Launch::of(home).start();
    for revision in REVISIONS {
        let client = server.client(revision);
        let fill = |length: usize| {
            let empty = client
                .request("tools/list", r#"{"x":""}"#)
                .id("1")
                .body()
                .len();
            let params = format!(r#"{{"x":"{}"}}"#, "x".repeat(length - empty));
            client.request("tools/list", params.as_str()).id("1")
        };
        assert_eq!(fill(2048).body().len(), 2048);
        fill(2048).send().await.result();
        let answer = fill(2049).send().await;
        answer.refused(413, -32600);
        assert!(answer.json.get("id").is_none());
    }
    // Without a length in front the limit is met on the way.
    let chunk = format!("400\r\n{}\r\n", "x".repeat(1024));
    let request = format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n{chunk}{chunk}{chunk}0\r\n\r\n"
    );
    let answer = exchange(server.address, request.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

/// The whole of a large body is sent before the client looks for the answer.
#[tokio::test]
async fn a_body_far_too_large_is_answered_too() {
    let server = guest();
    for revision in [MODERN, LEGACY[0]] {
        let client = server.client(revision);
        let params = format!(r#"{{"x":"{}"}}"#, "x".repeat(8 * 1024 * 1024));
        client
            .request("tools/list", params.as_str())
            .send()
            .await
            .refused(413, -32600);
        let params = format!(r#"{{"x":"{}"}}"#, "x".repeat(4 * 1024 * 1024 - 1024));
        client
            .request("tools/list", params.as_str())
            .send()
            .await
            .result();
    }
}

#[tokio::test]
async fn other_paths_are_not_found() {
    let server = guest();
    let client = server.client(MODERN);
    for path in [
        "/nothing",
        "/mcp/x",
        "/sse",
        "/mcpx/",
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-authorization-server",
        "/plugins/",
    ] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        is_no_json_rpc(&answer, "not_found");
        assert!(answer.text.contains("/mcp"), "{}", answer.text);
    }
    for path in ["/", "/register", "/token", "/sse"] {
        let answer = client.http_post(path).await;
        assert_eq!(answer.status, 404, "{path}");
        is_no_json_rpc(&answer, "not_found");
    }
}

/// Guides and proxies write a slash too many.
#[tokio::test]
async fn a_slash_too_many_is_none() {
    let server = guest();
    let client = server.client(MODERN);
    let body = client.request("tools/list", json!({})).body();
    let length = body.len();
    let ask = |request: String| {
        let headers = "host: localhost\r\nconnection: close\r\n";
        let request = request.replacen("HTTP/1.1\r\n", &format!("HTTP/1.1\r\n{headers}"), 1);
        exchange(server.address, request.as_bytes())
    };
    let post = format!(
        "authorization: Bearer {TOKEN}\r\nmcp-protocol-version: {MODERN}\r\nmcp-method: tools/list\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    let origin = "origin: http://localhost:1\r\naccess-control-request-method: POST\r\n\r\n";
    for path in ["/mcp", "/mcp/", "//mcp", "//mcp//", "/mcp?x=1", "/mcp/?x=1"] {
        let answer = ask(format!("POST {path} HTTP/1.1\r\n{post}"));
        assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
        assert!(answer.contains("\"tools\""), "{path}: {answer}");
        let answer = ask(format!("OPTIONS {path} HTTP/1.1\r\n{origin}"));
        assert!(answer.starts_with("HTTP/1.1 204 "), "{path}: {answer}");
    }
    for path in ["/healthz", "/readyz"] {
        for path in [path.to_owned(), format!("{path}/"), format!("/{path}")] {
            let answer = ask(format!("GET {path} HTTP/1.1\r\n\r\n"));
            assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
        }
    }
}

#[test]
fn the_root_says_what_this_is() {
    let server = guest();
    let ask = |accept: &str| {
        let request = format!(
            "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\naccept: {accept}\r\n\r\n"
        );
        exchange(server.address, request.as_bytes())
    };
    let answer = ask("*/*");
    assert!(answer.contains("content-type: text/plain"), "{answer}");
    let (_, text) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.contains("/mcp") && text.contains("https://"), "{text}");
    let answer = ask("text/html,*/*");
    assert!(answer.contains("content-type: text/html"), "{answer}");
    assert!(answer.contains("<a href="), "{answer}");
}

#[tokio::test]
async fn health_is_told_without_a_token() {
    let server = guest();
    let client = server.client(MODERN);
    let answer = client.get("/healthz").await;
    assert_eq!((answer.status, answer.json), (200, json!({"status": "ok"})));
    let answer = client.get("/readyz").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json["status"], "ready");
    assert_eq!(answer.json["serves"]["plugins"], 1);
    assert_eq!(answer.json["serves"]["resources"], 4);
    assert_eq!(answer.json["serves"]["resourceTemplates"], 2);
    assert_eq!(answer.json["serves"]["prompts"], 4);
    assert_eq!(answer.json["quarantined"], 0);
}

/// No coding of a body is known but chunks, and nobody is to think that another one was read.
#[tokio::test]
async fn unknown_codings_are_refused() {
    let server = guest();
    for revision in [MODERN, LEGACY[0]] {
        let client = server.client(revision);
        let request = || client.request("tools/list", json!({}));
        for coding in ["gzip", "br", "identity, gzip", "x"] {
            let answer = request().header("content-encoding", coding).send().await;
            let error = answer.refused(415, -32600);
            assert!(
                error["message"]
                    .as_str()
                    .unwrap()
                    .contains("Content-Encoding")
            );
        }
        let plain = request().header("content-encoding", "Identity");
        plain.send().await.result();
    }
    let operator = Operator::of(&server);
    for path in ["/add-resource", "/upload-plugin"] {
        let request = operator.request(Method::POST, path);
        let request = request.header("content-encoding", "gzip").body("x");
        let answer = crate::support::answer(request).await;
        assert_eq!(
            (answer.status, &answer.json["code"]),
            (415, &json!("unsupported_encoding"))
        );
    }
}

#[test]
fn bodies_whose_length_is_in_doubt_are_refused_or_end_the_connection() {
    let server = guest();
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let post = |headers: &str| {
        let head = format!(
            "POST /mcp HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\n"
        );
        // The connection ends by itself, or this waits for long.
        exchange(
            server.address,
            format!("{head}{headers}\r\n{chunks}").as_bytes(),
        )
    };
    for both in [
        "content-length: 4\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 4\r\n",
    ] {
        let answer = post(both);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{both}: {answer}");
        assert!(answer.contains(r#""result":{}"#), "{both}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{both}: {answer}");
    }
    for unknown in [
        "gzip, chunked",
        "chunked, identity",
        "xchunked",
        "chunked\r\ntransfer-encoding: chunked",
    ] {
        let close = "connection: close\r\n";
        let answer = post(&format!("{close}transfer-encoding: {unknown}\r\n"));
        assert!(answer.starts_with("HTTP/1.1 400 "), "{unknown}: {answer}");
    }
}

/// One connection, one request after another, the answers byte for byte.
#[tokio::test]
async fn a_connection_is_kept() {
    let server = guest();
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let request = |connection: &str| {
        format!(
            "POST /mcp HTTP/1.1\r\nhost: localhost\r\n{connection}authorization: Bearer {TOKEN}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let answers = exchange(
        server.address,
        format!("{}{}", request(""), request("connection: close\r\n")).as_bytes(),
    );
    assert_eq!(
        answers.matches("HTTP/1.1 200 OK\r\n").count(),
        2,
        "{answers}"
    );
    assert_eq!(
        answers
            .matches(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#)
            .count(),
        2,
        "{answers}"
    );
    assert_eq!(
        answers
            .to_lowercase()
            .matches("content-length: 36\r\n")
            .count(),
        2,
        "{answers}"
    );
    assert!(!answers.contains(ADMIN_TOKEN));
}

/// What is no HTTP ends its connection alone.
#[tokio::test]
async fn what_is_no_http_is_survived() {
    let server = guest();
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"POST /mcp HTTP/9.9\r\n\r\n",
    ] {
        let answer = exchange(server.address, bytes);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 400 "),
            "{answer}"
        );
    }
    server
        .client(MODERN)
        .ask("tools/list", json!({}))
        .await
        .result();
}

/// A client that did not know would lose its next request.
#[test]
fn a_refusal_that_leaves_a_body_unread_says_that_the_connection_ends() {
    let server = guest();
    for (token, body_bytes, is_kept) in [
        (TOKEN, 500_000, true),
        ("wrong", 0, true),
        ("wrong", 500_000, false),
    ] {
        let body = "[".repeat(body_bytes);
        let request = format!(
            "POST /mcp HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {body_bytes}\r\n\r\n{body}"
        );
        let mut stream = TcpStream::connect(server.address).unwrap();
        // It may be closed before everything is sent.
        let _ = stream.write_all(request.as_bytes());
        let mut head = String::new();
        let mut answer = BufReader::new(stream);
        while !head.ends_with("\r\n\r\n") {
            answer.read_line(&mut head).unwrap();
        }
        assert_eq!(!head.contains("connection: close"), is_kept, "{head}");
    }
}
