//! `subscriptions/listen` of 2026-07-28: how a stream of notifications is opened and ends.

use serde_json::{Value, json};

use crate::support::{
    Answer, Client, Events, Home, Launch, MODERN, SERVER_INFO_KEY, Server, guest,
};

pub(crate) const ID_KEY: &str = "io.modelcontextprotocol/subscriptionId";

/// Everything that can be asked for.
fn everything() -> Value {
    json!({
        "toolsListChanged": true,
        "promptsListChanged": true,
        "resourcesListChanged": true,
        "resourceSubscriptions": ["test://plain", "greet://Ada/Lovelace", "test://nowhere"],
    })
}

/// Opens a subscription, whose id is JSON, and takes its acknowledgement.
pub(crate) async fn listen(client: &Client, id: &str, notifications: Value) -> (Events, Value) {
    let params = json!({ "notifications": notifications });
    let request = client.request("subscriptions/listen", params);
    let mut events = request.id(id).listen().await;
    let acknowledgement = events.message().await;
    (events, acknowledgement)
}

async fn refused(client: &Client, notifications: Value) -> Answer {
    let params = json!({ "notifications": notifications });
    client.ask("subscriptions/listen", params).await
}

#[tokio::test]
async fn the_acknowledgement_comes_first() {
    let server = guest();
    let client = server.client(MODERN);
    for id in ["7", "-3", r#""a \"quoted\" id""#, "\"7\""] {
        let (_events, acknowledgement) = listen(&client, id, everything()).await;
        assert_eq!(
            acknowledgement,
            json!({
                "jsonrpc": "2.0",
                "method": "notifications/subscriptions/acknowledged",
                "params": {
                    "_meta": {ID_KEY: serde_json::from_str::<Value>(id).unwrap()},
                    "notifications": everything(),
                },
            })
        );
    }
}

#[tokio::test]
async fn what_was_not_asked_for_is_not_acknowledged() {
    let server = guest();
    let client = server.client(MODERN);
    for (asked, honoured) in [
        (json!({}), json!({})),
        (
            json!({"toolsListChanged": false, "promptsListChanged": true}),
            json!({"promptsListChanged": true}),
        ),
        (
            json!({"resourceSubscriptions": ["test://plain", "test://plain"], "tasks": true}),
            json!({"resourceSubscriptions": ["test://plain"]}),
        ),
    ] {
        let (_events, acknowledgement) = listen(&client, "1", asked).await;
        assert_eq!(acknowledgement["params"]["notifications"], honoured);
    }
}

#[tokio::test]
async fn a_kind_that_is_off_is_not_acknowledged() {
    for (off, honoured) in [
        (
            "--resources-path",
            json!({"toolsListChanged": true, "promptsListChanged": true}),
        ),
        (
            "--prompts-path",
            json!({
                "toolsListChanged": true,
                "resourcesListChanged": true,
                "resourceSubscriptions": everything()["resourceSubscriptions"],
            }),
        ),
    ] {
        let server = Launch::of(Home::guest()).args([off, ""]).start();
        let client = server.client(MODERN);
        let (_events, acknowledgement) = listen(&client, "1", everything()).await;
        assert_eq!(acknowledgement["params"]["notifications"], honoured);
    }
}

#[tokio::test]
async fn filters_are_checked() {
    let server = guest();
    let client = server.client(MODERN);
    let long = format!("test://{}", "x".repeat(16 * 1024));
    let many: Vec<String> = (0..501).map(|index| format!("test://{index}")).collect();
    for (wrong, message) in [
        (json!(null), "`notifications` is null"),
        (json!("all"), "`notifications` is \"all\""),
        (
            json!({"toolsListChanged": 1}),
            "`notifications.toolsListChanged` is 1",
        ),
        (
            json!({"resourceSubscriptions": "test://plain"}),
            "`notifications.resourceSubscriptions` is \"test://plain\"",
        ),
        (
            json!({"resourceSubscriptions": ["a://b", null]}),
            "`notifications.resourceSubscriptions[1]` is null",
        ),
        (json!({"resourceSubscriptions": [long]}), "16391 bytes"),
        (json!({ "resourceSubscriptions": many }), "holds 501 URIs"),
    ] {
        let answer = refused(&client, wrong).await;
        let error = answer.refused(200, -32602);
        let found = error["message"].as_str().unwrap();
        assert!(found.contains(message), "{found}");
    }
    let answer = client.ask("subscriptions/listen", json!({})).await;
    answer.refused(200, -32602);
    // As many as may be, and as long as may be.
    let uris: Vec<String> = (0..500)
        .map(|index| format!("test://{index:0>4000}"))
        .collect();
    let (_events, _) = listen(&client, "1", json!({ "resourceSubscriptions": uris })).await;
}

#[tokio::test]
async fn the_request_is_checked_as_every_other() {
    let server = guest();
    let client = server.client(MODERN);
    let request = || client.request("subscriptions/listen", json!({"notifications": {}}));
    let without = |header| request().without_header(header).send();
    without("mcp-method").await.refused(400, -32020);
    without("mcp-protocol-version").await.refused(400, -32020);
    let bare = request().without_meta("clientCapabilities");
    bare.send().await.refused(400, -32602);
    let answer = request().header("accept", "application/json").send().await;
    let error = answer.refused(406, -32600);
    assert!(error["message"].as_str().unwrap().contains("event-stream"));
    for accept in ["*/*", "application/json, text/event-stream;q=0.1"] {
        request().header("accept", accept).listen().await;
    }
    request().without_header("accept").listen().await;
}

#[tokio::test]
async fn each_subscription_has_a_stream_of_its_own() {
    let server = guest();
    let client = server.client(MODERN);
    let tools = json!({"toolsListChanged": true});
    let (_one, first) = listen(&client, "1", tools).await;
    let (_other, second) = listen(&client, "\"two\"", json!({})).await;
    assert_eq!(first["params"]["_meta"], json!({ID_KEY: 1}));
    assert_eq!(second["params"]["_meta"], json!({ID_KEY: "two"}));
    // The connection of neither is in the way of requests.
    client.ask("tools/list", json!({})).await.result();
}

pub(crate) fn start_with_debug_log() -> Server {
    Launch::of(Home::guest())
        .env("WASIMANCER_LOG", "wasimancer_mcp=debug,info")
        .env("NO_COLOR", "1")
        .start()
}

#[tokio::test]
async fn a_stream_that_its_client_closes_is_freed() {
    let server = start_with_debug_log();
    let client = server.client(MODERN);
    let (one, _) = listen(&client, "1", everything()).await;
    let (other, _) = listen(&client, "2", everything()).await;
    server.logs("was opened open=2").await;
    drop(one);
    server.logs("has ended open=1").await;
    drop(other);
    server.logs("has ended open=0").await;
}

#[tokio::test]
async fn the_server_closes_subscriptions_before_it_ends() {
    let home = Home::guest();
    home.file("wasimancer.toml", "shutdown_grace = \"1h\"\n");
    let server = Launch::of(home).start();
    let client = server.client(MODERN);
    let (mut one, _) = listen(&client, "\"one\"", everything()).await;
    let (mut two, _) = listen(&client, "2", json!({})).await;
    server.signal("TERM");
    for (events, id) in [(&mut one, json!("one")), (&mut two, json!(2))] {
        assert_eq!(
            events.message().await,
            json!({
                "jsonrpc": "2.0",
                "id": id,
                "result": {
                    "resultType": "complete",
                    "_meta": {
                        ID_KEY: id,
                        SERVER_INFO_KEY: {"name": "wasimancer", "version": env!("CARGO_PKG_VERSION")},
                    },
                },
            })
        );
        events.ends().await;
    }
    assert_eq!(server.ended().await.code(), Some(0));
    let output = server.whole_output().await;
    assert!(!output.contains("still under way"), "{output}");
}

/// A comment comes a quarter of a minute after the last event.
#[tokio::test]
async fn a_silent_stream_is_kept_alive() {
    let server = guest();
    let client = server.client(MODERN);
    let (mut events, _) = listen(&client, "1", everything()).await;
    assert_eq!(events.block().await.as_deref(), Some(":"));
}
