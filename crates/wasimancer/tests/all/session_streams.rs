//! The stream of a session of the older era, and which resources it tells of.

use reqwest::Method;
use serde_json::{Value, json};

use crate::initialize::newcomer;
use crate::sessions::in_session;
use crate::subscriptions::start_with_debug_log;
use crate::support::{Answer, Client, Home, LEGACY, Launch, MODERN, guest};

async fn get(client: &Client, changed: &[(&'static str, &str)]) -> Answer {
    let mut headers = client.headers.clone();
    for (name, value) in changed {
        headers.insert(*name, value.parse().unwrap());
    }
    client.send(Method::GET, &headers, "").await
}

async fn delete(client: &Client) -> u16 {
    let deleted = client.send(Method::DELETE, &client.headers, "");
    deleted.await.status
}

#[tokio::test]
async fn a_session_has_a_stream_until_it_is_deleted() {
    let server = guest();
    for version in LEGACY {
        let mut client = in_session(&server, version).await;
        for accept in ["text/event-stream", "*/*", "application/json, text/*"] {
            client.headers.insert("accept", accept.parse().unwrap());
            drop(client.stream().await);
        }
        client.headers.remove("content-type");
        let mut events = client.stream().await;
        assert_eq!(delete(&client).await, 204);
        events.ends().await;
        get(&client, &[]).await.refused(404, -32600);
    }
}

#[tokio::test]
async fn who_has_no_stream_is_told_why() {
    let server = guest();
    let message = |answer: &Answer| answer.json["error"]["message"].to_string();
    let answer = get(&newcomer(&server), &[]).await;
    answer.refused(400, -32600);
    assert!(message(&answer).contains("Mcp-Session-Id"), "{answer:?}");
    let client = in_session(&server, "2025-11-25").await;
    for id in ["", "gone"] {
        get(&client, &[("mcp-session-id", id)])
            .await
            .refused(404, -32600);
    }
    for accept in ["application/json", "text/html", ""] {
        let answer = get(&client, &[("accept", accept)]).await;
        answer.refused(406, -32600);
        assert!(message(&answer).contains("event-stream"), "{answer:?}");
    }
    let answer = get(&client, &[("mcp-protocol-version", MODERN)]).await;
    assert_eq!(answer.status, 405);
    assert_eq!(answer.header("allow"), "POST, DELETE, OPTIONS");
    get(&client, &[("mcp-protocol-version", "2024-11-05")])
        .await
        .refused(400, -32022);
}

/// A client that reconnects need not wait until the server notices that its old stream is dead.
#[tokio::test]
async fn a_newer_stream_takes_over() {
    let server = start_with_debug_log();
    let client = in_session(&server, "2025-11-25").await;
    let mut first = client.stream().await;
    let mut second = client.stream().await;
    first.ends().await;
    let mut third = client.stream().await;
    second.ends().await;
    // Another session has its own.
    let other = in_session(&server, "2025-11-25").await;
    let theirs = other.stream().await;
    assert_eq!(delete(&client).await, 204);
    third.ends().await;
    server.logs("has ended open=1").await;
    drop(theirs);
    server.logs("has ended open=0").await;
}

#[tokio::test]
async fn streams_end_with_the_server() {
    let home = Home::guest();
    home.file("wasimancer.toml", "shutdown_grace = \"1h\"\n");
    let server = Launch::of(home).start();
    let client = in_session(&server, "2025-06-18").await;
    let mut events = client.stream().await;
    server.signal("TERM");
    events.ends().await;
    assert_eq!(server.ended().await.code(), Some(0));
}

fn uri(uri: &str) -> Value {
    json!({ "uri": uri })
}

#[tokio::test]
async fn resources_are_subscribed_to_and_unsubscribed_from() {
    let server = guest();
    for version in LEGACY {
        let client = in_session(&server, version).await;
        for method in [
            "resources/unsubscribe",
            "resources/subscribe",
            "resources/subscribe",
            "resources/unsubscribe",
            "resources/unsubscribe",
        ] {
            for resource in ["test://plain", "greet://Ada/Lovelace"] {
                let answer = client.ask(method, uri(resource)).await;
                assert_eq!(answer.result(), &json!({}), "{method} {resource}");
            }
        }
    }
}

#[tokio::test]
async fn subscriptions_are_checked() {
    let server = guest();
    let client = in_session(&server, "2025-11-25").await;
    let answer = client.ask("resources/subscribe", uri("test://no")).await;
    let error = answer.refused(200, -32002);
    assert_eq!(error["data"], uri("test://no"));
    let answer = client.ask("resources/unsubscribe", uri("test://no")).await;
    answer.result();
    for method in ["resources/subscribe", "resources/unsubscribe"] {
        for wrong in [json!({}), json!({"uri": 5}), json!({"uri": null})] {
            client.ask(method, wrong).await.refused(200, -32602);
        }
        let answer = newcomer(&server).ask(method, uri("test://plain")).await;
        let error = answer.refused(400, -32600);
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("Mcp-Session-Id"), "{message}");
        let modern = server.client(MODERN);
        let answer = modern.ask(method, uri("test://plain")).await;
        answer.refused(404, -32601);
    }
}

#[tokio::test]
async fn subscriptions_are_bounded() {
    let server = guest();
    let client = in_session(&server, "2025-11-25").await;
    let subscribe = |resource: String| client.ask("resources/subscribe", uri(&resource));
    let long = "x".repeat(16 * 1024 - "greet://a/".len());
    subscribe(format!("greet://a/{long}")).await.result();
    let answer = subscribe(format!("greet://a/{long}x")).await;
    let error = answer.refused(200, -32602);
    assert!(error["message"].as_str().unwrap().contains("`uri` is"));
    for index in 1..500 {
        subscribe(format!("greet://a/{index}")).await.result();
    }
    let answer = subscribe("greet://a/500".to_owned()).await;
    let error = answer.refused(200, -32602);
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("unsubscribe from others"), "{message}");
    // What is subscribed to may be subscribed to again, and what is not makes room.
    subscribe("greet://a/7".to_owned()).await.result();
    let answer = client.ask("resources/unsubscribe", uri("greet://a/7"));
    answer.await.result();
    subscribe("greet://a/500".to_owned()).await.result();
}

#[tokio::test]
async fn where_resources_are_off_nothing_can_be_subscribed_to() {
    let server = Launch::of(Home::guest())
        .args(["--resources-path", ""])
        .start();
    let client = in_session(&server, "2025-11-25").await;
    for method in ["resources/subscribe", "resources/unsubscribe"] {
        let answer = client.ask(method, uri("test://plain")).await;
        answer.refused(200, -32601);
    }
    client.stream().await;
}
