//! Sessions of the older era: optional, ended by `DELETE`, bound to what they negotiated.

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::initialize::{newcomer, params};
use crate::support::{Answer, Client, Home, LEGACY, Launch, MODERN, Server, assemble, guest};

/// A client in a session of this version, which it does not repeat in a header.
pub(crate) async fn in_session(server: &Server, version: &str) -> Client {
    let mut client = newcomer(server);
    let answer = client.ask("initialize", params(version)).await;
    client.headers.insert(
        "mcp-session-id",
        answer.header("mcp-session-id").parse().unwrap(),
    );
    client
}

async fn delete(client: &Client, headers: &HeaderMap) -> Answer {
    client.send(Method::DELETE, headers, "").await
}

#[tokio::test]
async fn a_session_lives_until_it_is_deleted() {
    let server = guest();
    for version in LEGACY {
        let mut client = in_session(&server, version).await;
        let answer = client
            .request("notifications/initialized", json!({}))
            .into_notification()
            .send()
            .await;
        assert_eq!((answer.status, answer.text.as_str()), (202, ""));
        assert_eq!(client.ask("ping", json!({})).await.result(), &json!({}));
        if version != "2025-03-26" {
            client
                .headers
                .insert("mcp-protocol-version", version.parse().unwrap());
            assert_eq!(client.ask("ping", json!({})).await.result(), &json!({}));
        }
        let answer = delete(&client, &client.headers).await;
        assert_eq!((answer.status, answer.text.as_str()), (204, ""));
        client.ask("ping", json!({})).await.refused(404, -32600);
        let answer = client
            .request("notifications/cancelled", json!({}))
            .into_notification()
            .send()
            .await;
        assert_eq!(answer.status, 404);
        delete(&client, &client.headers).await.refused(404, -32600);
    }
}

#[tokio::test]
async fn each_session_has_an_id_of_its_own() {
    let server = guest();
    let (one, other) = (
        in_session(&server, "2025-11-25").await,
        in_session(&server, "2025-11-25").await,
    );
    assert_ne!(
        one.headers["mcp-session-id"],
        other.headers["mcp-session-id"]
    );
    assert_eq!(delete(&one, &one.headers).await.status, 204);
    assert_eq!(other.ask("ping", json!({})).await.result(), &json!({}));
}

#[tokio::test]
async fn sessions_that_never_were_are_unknown() {
    let server = guest();
    let client = newcomer(&server);
    for id in ["gone", "", "0123456789abcdef0123456789abcdef", "größe"] {
        client
            .request("ping", json!({}))
            .header("mcp-session-id", id)
            .send()
            .await
            .refused(404, -32600);
        let mut headers = client.headers.clone();
        headers.insert(
            "mcp-session-id",
            reqwest::header::HeaderValue::from_bytes(id.as_bytes()).unwrap(),
        );
        delete(&client, &headers).await.refused(404, -32600);
    }
    delete(&client, &client.headers).await.refused(400, -32600);
}

/// Scripts of the JavaScript server never initialized.
#[tokio::test]
async fn requests_without_a_session_are_served() {
    let server = guest();
    let client = newcomer(&server);
    assert_eq!(client.ask("ping", json!({})).await.result(), &json!({}));
    assert_eq!(
        client.call("text", r#"{"output":"hello"}"#).await.output(),
        "hello"
    );
    for version in LEGACY {
        let answer = server
            .client(version)
            .call("text", r#"{"output":"hello"}"#)
            .await;
        assert_eq!(
            answer.result(),
            &json!({"content": [{"type": "text", "text": "hello"}]})
        );
        assert!(answer.headers.get("mcp-session-id").is_none());
    }
}

/// Without a header, a request belongs to the revision that its session negotiated.
#[tokio::test]
async fn a_session_remembers_its_version() {
    let home = Home::with_plugins(
        "plugins: [{name: p, path: who.wasm, functions: [{function: who, arguments: []}]}]\n",
    );
    // Answers what it is told of its request.
    let who = assemble(
        r#"(module
          (import "wasimancer:host/env" "request" (func $request (result i64)))
          (import "extism:host/env" "length" (func $length (param i64) (result i64)))
          (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
          (memory (export "memory") 1)
          (func (export "who") (local $handle i64)
            (local.set $handle (call $request))
            (call $output_set (local.get $handle) (call $length (local.get $handle)))))"#,
    );
    home.file("plugins/who.wasm", who);
    let server = Launch::of(home).start();
    for version in LEGACY {
        let client = in_session(&server, version).await;
        let answer = client.call("who", "{}").await;
        let told: Value = serde_json::from_str(answer.output()).unwrap();
        assert_eq!(told["protocolVersion"], version);
    }
}

#[tokio::test]
async fn the_stateless_revision_has_no_sessions() {
    let server = guest();
    let client = server.client(MODERN);
    let answer = client
        .request("tools/list", json!({}))
        .header("mcp-session-id", "gone")
        .send()
        .await;
    assert!(answer.result()["tools"].is_array());
    assert!(answer.headers.get("mcp-session-id").is_none());
}
