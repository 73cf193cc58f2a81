//! Calls that are cancelled: the guest ends, and its place is free again.

use std::time::Instant;

use reqwest::Method;
use serde_json::json;

use crate::questions::able;
use crate::support::{Client, Home, Launch, MODERN, PATIENCE, Server};

/// A server with one place for all calls, in which one may last an hour while others wait for a moment.
fn with_one_place() -> Server {
    let home = Home::with_plugins(
        "plugins:
  - name: patient
    path: guest.wasm
    functions:
      - {function: spin, description: never ends, arguments: []}
  - name: impatient
    path: guest.wasm
    functions:
      - {function: echo, description: says what arrived, arguments: []}
",
    );
    home.file(
        "wasimancer.toml",
        "instances = 1\nqueue_timeout = \"100ms\"\n[limits]\ntimeout = \"1h\"\n",
    );
    Launch::of(home).start()
}

/// Polls until the place is taken, or is free.
async fn until_taken(client: &Client, is_taken: bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = client.call("echo", "{}").await;
        let text = answer.result()["content"][0]["text"].as_str().unwrap();
        if (is_taken && text.starts_with("the server is busy")) || (!is_taken && text == "{}") {
            return;
        }
        assert!(Instant::now() < deadline, "{text}");
    }
}

#[tokio::test]
async fn who_hangs_up_cancels_in_the_modern_revision() {
    let server = with_one_place();
    let client = server.client(MODERN);
    for asks_for_events in [false, true] {
        let mut spinning = client.request_call("spin", "{}");
        if asks_for_events {
            spinning = spinning.progress_token(json!(1));
        }
        tokio::select! {
            answer = spinning.send() => panic!("{answer:?}"),
            () = until_taken(&client, true) => {}
        }
        // Dropped, its connection is closed.
        until_taken(&client, false).await;
    }
}

#[tokio::test]
async fn an_older_client_cancels_by_the_id() {
    let server = with_one_place();
    let client = able(&server, "2025-11-25", json!({})).await;
    let other = able(&server, "2025-11-25", json!({})).await;
    let cancel = async |client: &Client, id: &str| {
        let params = format!(r#"{{"requestId":{id},"reason":"enough"}}"#);
        let request = client.request("notifications/cancelled", params.as_str());
        assert_eq!(request.into_notification().send().await.status, 202);
    };
    for id in ["\"a call\"", "17"] {
        let cancelled = async {
            until_taken(&other, true).await;
            // Neither another's nor another id.
            cancel(&other, id).await;
            cancel(&client, "18").await;
            cancel(&client, "{}").await;
            until_taken(&other, true).await;
            cancel(&client, id).await;
        };
        let spinning = client.request_call("spin", "{}").id(id).listen();
        let (spinning, ()) = tokio::join!(spinning, cancelled);
        // A cancelled request has no answer.
        assert!(spinning.rest().await.is_empty());
        until_taken(&client, false).await;
    }
}

/// In the older revisions a broken connection says nothing about the request.
#[tokio::test]
async fn who_hangs_up_does_not_cancel_in_an_older_session() {
    let server = with_one_place();
    let client = able(&server, "2025-11-25", json!({})).await;
    let spinning = client.request_call("spin", "{}").id("1");
    tokio::select! {
        answer = spinning.send() => panic!("{answer:?}"),
        () = until_taken(&client, true) => {}
    }
    until_taken(&client, true).await;
    let params = json!({"requestId": 1});
    let request = client.request("notifications/cancelled", params);
    request.into_notification().send().await;
    until_taken(&client, false).await;
}

#[tokio::test]
async fn the_end_of_a_session_ends_its_calls() {
    let server = with_one_place();
    let client = able(&server, "2025-11-25", json!({})).await;
    let other = able(&server, "2025-11-25", json!({})).await;
    let ended = async {
        until_taken(&other, true).await;
        let deleted = client.send(Method::DELETE, &client.headers, "").await;
        assert_eq!(deleted.status, 204);
    };
    let (spinning, ()) = tokio::join!(client.request_call("spin", "{}").listen(), ended);
    assert!(spinning.rest().await.is_empty());
    until_taken(&other, false).await;
}
