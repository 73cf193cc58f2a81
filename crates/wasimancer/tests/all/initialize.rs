//! `initialize`: the handshake of the older era, and what it negotiates.

use serde_json::{Value, json};

use crate::support::{Client, LEGACY, OLDEST, Server, guest};

pub(crate) fn params(version: &str) -> Value {
    json!({
        "protocolVersion": version,
        "capabilities": {"roots": {"listChanged": true}, "sampling": {}},
        "clientInfo": {"name": "a client", "version": "1.0.0"},
    })
}

/// A client that has not initialized and sends no version.
pub(crate) fn newcomer(server: &Server) -> Client {
    let mut client = server.client(LEGACY[0]);
    client.headers.remove("mcp-protocol-version");
    client
}

#[tokio::test]
async fn each_older_version_is_agreed_to() {
    let server = guest();
    for version in LEGACY {
        let answer = newcomer(&server).ask("initialize", params(version)).await;
        assert_eq!(
            answer.result(),
            &json!({
                "protocolVersion": version,
                "capabilities": {
                    "tools": {"listChanged": true},
                    "resources": {"subscribe": true, "listChanged": true},
                    "prompts": {"listChanged": true},
                    "completions": {},
                    "logging": {},
                },
                "serverInfo": {"name": "wasimancer", "version": env!("CARGO_PKG_VERSION")},
            })
        );
        let session = answer.header("mcp-session-id");
        assert!(
            session.len() >= 22 && session.bytes().all(|byte| (0x21..=0x7e).contains(&byte)),
            "{session}"
        );
    }
}

/// Clients that know this version alone end the connection where they are answered another.
#[tokio::test]
async fn the_oldest_version_is_agreed_to_and_its_session_served() {
    let server = guest();
    let mut client = newcomer(&server);
    let answer = client.ask("initialize", params(OLDEST)).await;
    assert_eq!(answer.result()["protocolVersion"], OLDEST);
    let session = answer.header("mcp-session-id").parse().unwrap();
    client.headers.insert("mcp-session-id", session);
    let call = async |tool: &str, arguments: Value| client.call(tool, arguments).await;
    assert_eq!(call("text", json!({"output": "5"})).await.output(), "5");
    let content = json!([
        {"type": "audio", "data": "aGk=", "mimeType": "audio/wav"},
        {"type": "resource_link", "uri": "a://b", "name": "b"},
    ]);
    let whole = json!({"content": content, "structuredContent": {"a": 1}});
    let answer = call("result", whole).await;
    assert_eq!(
        answer.result(),
        &json!({"content": [
            {"type": "resource", "resource": {"uri": "output:///audio", "mimeType": "audio/wav", "blob": "aGk="}},
            {"type": "text", "text": "b: a://b"},
        ]})
    );
    // It has no batches.
    let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#;
    client.post(batch).await.refused(400, -32600);
    // Some clients repeat what they agreed to.
    let request = client.request("ping", json!({}));
    let request = request.header("mcp-protocol-version", OLDEST);
    assert_eq!(request.send().await.status, 200);
}

#[tokio::test]
async fn another_version_is_answered_with_the_newest_of_the_era() {
    let server = guest();
    for version in [
        "2024-10-07",
        "2026-07-28",
        "2099-01-01",
        "v999.0.0",
        "",
        "2025-11-25 ",
    ] {
        let answer = newcomer(&server).ask("initialize", params(version)).await;
        assert_eq!(
            answer.result()["protocolVersion"],
            "2025-11-25",
            "{version}"
        );
    }
}

/// Some clients send the headers of their newest revision already here.
#[tokio::test]
async fn the_handshake_may_carry_headers() {
    let server = guest();
    let request = newcomer(&server);
    let request = request.request("initialize", params("2025-11-25"));
    let request = request
        .header("mcp-protocol-version", "2025-11-25")
        .header("mcp-method", "initialize");
    assert_eq!(
        request.send().await.result()["protocolVersion"],
        "2025-11-25"
    );
    // The id of a session that is gone does not stand in the way of a new one.
    let client = newcomer(&server);
    let request = client
        .request("initialize", params("2025-06-18"))
        .header("mcp-session-id", "gone");
    assert_eq!(
        request.send().await.result()["protocolVersion"],
        "2025-06-18"
    );
}

#[tokio::test]
async fn params_are_checked() {
    let server = guest();
    for wrong in [
        json!({}),
        json!({"protocolVersion": 3}),
        json!({"protocolVersion": null}),
    ] {
        newcomer(&server)
            .ask("initialize", wrong)
            .await
            .refused(200, -32602);
    }
    let answer = newcomer(&server)
        .request("initialize", json!({}))
        .without_params()
        .send()
        .await;
    answer.refused(200, -32602);
    let answer = newcomer(&server)
        .ask("initialize", json!({"protocolVersion": "2025-11-25"}))
        .await;
    assert_eq!(
        answer.result()["protocolVersion"],
        "2025-11-25",
        "the rest is not used"
    );
}
