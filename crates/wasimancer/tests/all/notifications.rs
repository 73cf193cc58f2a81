//! Messages that are not answered: notifications, and responses of clients.

use serde_json::json;

use crate::support::{LEGACY, MODERN, REVISIONS, guest};

#[tokio::test]
async fn notifications_are_accepted_without_a_body() {
    let server = guest();
    for revision in REVISIONS {
        let client = server.client(revision);
        for method in [
            "notifications/initialized",
            "notifications/cancelled",
            "notifications/unknown",
            "tools/list",
        ] {
            let answer = client
                .request(method, json!({}))
                .into_notification()
                .send()
                .await;
            assert_eq!(
                (answer.status, answer.text.as_str()),
                (202, ""),
                "{revision} {method}"
            );
        }
    }
    // Header requirements of notifications are not defined, so none are made.
    let client = server.client(MODERN);
    let answer = client
        .request("notifications/x", json!({}))
        .into_notification()
        .bare()
        .without_header("mcp-method")
        .send()
        .await;
    assert_eq!((answer.status, answer.text.as_str()), (202, ""));
}

#[tokio::test]
async fn a_notification_of_an_unknown_revision_is_refused() {
    let server = guest();
    let client = server.client(LEGACY[0]);
    let request = client
        .request("notifications/initialized", json!({}))
        .into_notification();
    let answer = request
        .header("mcp-protocol-version", "2099-01-01")
        .send()
        .await;
    answer.refused(400, -32022);
    assert!(answer.json.get("id").is_none());
}

/// The server asks nothing of clients, so an answer of theirs is taken and forgotten, where the
/// revision knows such answers.
#[tokio::test]
async fn responses_are_accepted_in_the_older_era_alone() {
    let server = guest();
    let responses = [
        json!({"jsonrpc": "2.0", "id": 1, "result": {}}),
        json!({"jsonrpc": "2.0", "id": "a", "error": {"code": 1, "message": "no"}}),
    ];
    for response in responses {
        for revision in LEGACY {
            let answer = server.client(revision).post(response.to_string()).await;
            assert_eq!(
                (answer.status, answer.text.as_str()),
                (202, ""),
                "{revision}"
            );
        }
        server
            .client(MODERN)
            .post(response.to_string())
            .await
            .refused(400, -32600);
    }
}

#[tokio::test]
async fn responses_are_held_against_version_and_session() {
    let server = guest();
    let client = server.client("2025-11-25");
    let response = json!({"jsonrpc": "2.0", "id": 1, "result": {}}).to_string();
    for (name, value, status) in [
        ("mcp-protocol-version", "zz", 400),
        ("mcp-session-id", "dead", 404),
    ] {
        let mut headers = client.headers.clone();
        headers.insert(name, value.parse().unwrap());
        let answer = client.post_with(&headers, response.clone()).await;
        assert_eq!(answer.status, status, "{name}: {value}");
    }
}
