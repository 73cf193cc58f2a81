//! Streams of the older revisions that go on after their connection has ended.

use serde_json::{Value, json};

use crate::questions::able;
use crate::support::{Client, LEGACY, MODERN, fixtures};

const ASKED: &str = r#"{"id":1,"method":"tools/call"}"#;

fn text(response: &Value) -> &str {
    response["result"]["content"][0]["text"]
        .as_str()
        .expect("a text")
}

#[tokio::test]
async fn a_client_that_is_let_go_comes_back_for_the_answer() {
    let server = fixtures();
    let client = able(&server, "2025-11-25", json!({})).await;
    let mut events = client
        .request_call("test_reconnection", "{}")
        .id("1")
        .listen()
        .await;
    let priming = events.block().await.unwrap();
    let id = priming
        .lines()
        .next()
        .unwrap()
        .strip_prefix("id: ")
        .unwrap()
        .to_owned();
    assert_eq!(priming, format!("id: {id}\nretry: 500\ndata: "));
    assert_eq!(events.block().await.as_deref(), Some("retry: 500"));
    events.ends().await;
    let mut resumed = client.resume(&id, ASKED).await;
    assert_eq!(text(&resumed.message().await), "You came back.");
    resumed.ends().await;
    // Whoever has lost it again gets it again.
    let mut again = client.resume(&id, ASKED).await;
    assert_eq!(text(&again.message().await), "You came back.");
    let last = again.last_id().to_owned();
    client.resume(&last, ASKED).await.ends().await;
}

/// Reads the first event, then loses the connection.
async fn begin_and_lose(client: &Client) -> String {
    let request = client.request_call("test_tool_with_progress", "{}").id("1");
    let mut events = request.progress_token(json!("t")).listen().await;
    let first = events.message().await;
    assert_eq!(first["params"]["progress"], 0);
    events.last_id().to_owned()
}

#[tokio::test]
async fn nothing_is_lost_with_a_connection() {
    let server = fixtures();
    for version in LEGACY {
        let client = able(&server, version, json!({})).await;
        let (one, other) = (begin_and_lose(&client).await, begin_and_lose(&client).await);
        assert_ne!(one, other, "each stream has its own events");
        for id in [other, one] {
            let messages = client.resume(&id, ASKED).await.rest().await;
            let progress: Vec<&Value> = messages[..2]
                .iter()
                .map(|one| &one["params"]["progress"])
                .collect();
            assert_eq!(progress, [50, 100]);
            assert_eq!(text(&messages[2]), "Progress was reported.");
            assert_eq!(messages.len(), 3);
        }
    }
}

#[tokio::test]
async fn a_stream_is_for_its_own_session() {
    let server = fixtures();
    let client = able(&server, "2025-11-25", json!({})).await;
    let id = begin_and_lose(&client).await;
    let other = able(&server, "2025-11-25", json!({})).await;
    for (client, id) in [
        (&other, id.as_str()),
        (&client, "99-1"),
        (&client, "x"),
        (&client, ""),
    ] {
        let mut headers = client.headers.clone();
        headers.insert("last-event-id", id.parse().unwrap());
        let answer = client.send(reqwest::Method::GET, &headers, "").await;
        let message = answer.refused(400, -32600)["message"].as_str().unwrap();
        assert!(message.contains("Last-Event-ID"), "{message}");
    }
    // The stateless revision has no such streams.
    let modern = server.client(MODERN);
    let mut headers = modern.headers.clone();
    headers.insert("last-event-id", id.parse().unwrap());
    assert_eq!(
        modern.send(reqwest::Method::GET, &headers, "").await.status,
        405
    );
}
