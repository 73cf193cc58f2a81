//! Calls that are cancelled: the guest ends, and its place is free again.

use std::time::Duration;

use serde_json::json;

use crate::questions::able;
use crate::support::{Client, Home, Launch, MODERN, Server};

/// A server with one place for all calls of its plugin, whose calls may last an hour.
fn with_one_place() -> Server {
    let home = Home::with_plugins(
        "plugins:
  - name: guest
    path: guest.wasm
    limits: {concurrency: 1, timeout: 1h}
    functions:
      - {function: spin, description: never ends, arguments: []}
      - {function: echo, description: says what arrived, arguments: []}
",
    );
    home.file("wasimancer.toml", "[limits]\ntimeout = \"1h\"\n");
    Launch::of(home).start()
}

/// The place of a call is taken: another one waits.
async fn is_taken(client: &Client) {
    let waits = tokio::time::timeout(Duration::from_millis(200), client.call("echo", "{}"));
    assert!(waits.await.is_err(), "the place is free");
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
            () = is_taken(&client) => {}
        }
        // Dropped, its connection is closed.
        assert_eq!(client.call("echo", "{}").await.output(), "{}");
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
            is_taken(&other).await;
            // Neither another's nor another id.
            cancel(&other, id).await;
            cancel(&client, "18").await;
            cancel(&client, "{}").await;
            is_taken(&other).await;
            cancel(&client, id).await;
        };
        let spinning = client.request_call("spin", "{}").id(id).listen();
        let (spinning, ()) = tokio::join!(spinning, cancelled);
        // A cancelled request has no answer.
        assert!(spinning.rest().await.is_empty());
        assert_eq!(client.call("echo", "{}").await.output(), "{}");
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
        () = is_taken(&client) => {}
    }
    is_taken(&client).await;
    let params = json!({"requestId": 1});
    let request = client.request("notifications/cancelled", params);
    request.into_notification().send().await;
    assert_eq!(client.call("echo", "{}").await.output(), "{}");
}
