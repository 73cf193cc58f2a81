//! Many at once: every answer is that of its own request, and none is lost.

use serde_json::json;
use tokio::task::JoinSet;

use crate::support::{LEGACY, MODERN, REVISIONS, guest};

const CONNECTIONS: usize = 64;
const CALLS: usize = 20;

/// Calls one plugin over 64 connections at once; the ids are those of `id`.
async fn on_many_connections(id: impl Fn(usize, usize) -> String + Copy + Send + 'static) {
    let server = guest();
    let mut connections = JoinSet::new();
    for connection in 0..CONNECTIONS {
        let client = server.client(REVISIONS[connection % REVISIONS.len()]);
        connections.spawn(async move {
            for call in 0..CALLS {
                let output = format!("connection {connection}, call {call}");
                // Every fourth one fails, and fails alone.
                let tool = if call % 4 == 3 {
                    "fail with text"
                } else {
                    "text"
                };
                let request = client
                    .request_call(tool, json!({"output": output}))
                    .id(&id(connection, call));
                let answer = request.send().await;
                if call % 4 == 3 {
                    assert_eq!(
                        answer.failure(),
                        format!("the plugin reported an error: {output}")
                    );
                } else {
                    assert_eq!(answer.output(), output);
                }
            }
        });
    }
    let mut ended = 0;
    while let Some(connection) = connections.join_next().await {
        connection.unwrap();
        ended += 1;
    }
    assert_eq!(ended, CONNECTIONS);
}

#[tokio::test]
async fn concurrent_calls_are_answered_each_with_its_own() {
    on_many_connections(|connection, call| (connection * CALLS + call).to_string()).await;
}

#[tokio::test]
async fn equal_ids_do_not_mix_answers_up() {
    on_many_connections(|_, _| "1".to_owned()).await;
}

/// The JavaScript server's plugins died at 16,384 calls.
#[tokio::test]
async fn slow_a_plugin_lives_longer_than_16384_calls() {
    let server = guest();
    let mut connections = JoinSet::new();
    for connection in 0..8 {
        let client = server.client(LEGACY[0]);
        connections.spawn(async move {
            for call in 0..2100 {
                let output = format!("{connection}-{call}");
                assert_eq!(
                    client
                        .call("text", json!({"output": output}))
                        .await
                        .output(),
                    output
                );
            }
        });
    }
    while let Some(connection) = connections.join_next().await {
        connection.unwrap();
    }
    assert_eq!(
        server
            .client(MODERN)
            .call("text", r#"{"output":"still"}"#)
            .await
            .output(),
        "still"
    );
}
