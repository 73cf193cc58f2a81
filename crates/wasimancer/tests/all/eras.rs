//! Which revision serves a request: by its header, its `_meta` and its session.

use serde_json::json;

use crate::support::{MODERN, guest};

#[tokio::test]
async fn meta_must_be_complete() {
    let server = guest();
    let client = server.client(MODERN);
    for method in [
        "server/discover",
        "tools/list",
        "tools/call",
        "unknown/method",
    ] {
        let request = || {
            client
                .request(method, json!({"name": "echo"}))
                .header("mcp-name", "echo")
        };
        request().bare().send().await.refused(400, -32602);
        request()
            .bare()
            .without_params()
            .send()
            .await
            .refused(400, -32602);
        for field in ["protocolVersion", "clientCapabilities"] {
            let answer = request().without_meta(field).send().await;
            let error = answer.refused(400, -32602);
            assert!(
                error["message"].as_str().unwrap().contains(field),
                "{error}"
            );
        }
        for wrong in [json!(7), json!(null), json!([])] {
            request()
                .meta("protocolVersion", wrong.clone())
                .send()
                .await
                .refused(400, -32602);
        }
        for wrong in [json!(7), json!(null), json!([1])] {
            request()
                .meta("clientCapabilities", wrong)
                .send()
                .await
                .refused(400, -32602);
        }
    }
    // Who the client is need not be said, and what is said there is not relied on.
    for info in [json!({"name": "c", "version": "1"}), json!(5)] {
        let answer = client
            .request("server/discover", json!({}))
            .meta("clientInfo", info)
            .send()
            .await;
        answer.result();
    }
}

#[tokio::test]
async fn header_and_meta_must_agree() {
    let server = guest();
    let client = server.client(MODERN);
    let request = || client.request("tools/list", json!({}));
    request()
        .without_header("mcp-protocol-version")
        .send()
        .await
        .refused(400, -32020);
    request()
        .header("mcp-protocol-version", "2025-11-25")
        .send()
        .await
        .refused(400, -32020);
    request()
        .meta("protocolVersion", json!("2025-11-25"))
        .send()
        .await
        .refused(400, -32020);
    // Which of the two is supported is not asked before they agree.
    request()
        .meta("protocolVersion", json!("v999.0.0"))
        .send()
        .await
        .refused(400, -32020);
    request()
        .header("mcp-protocol-version", "v999.0.0")
        .send()
        .await
        .refused(400, -32020);
    request()
        .second_header("mcp-protocol-version", "2025-11-25")
        .send()
        .await
        .refused(400, -32020);
    let answer = request()
        .header("mcp-protocol-version", "größe")
        .send()
        .await;
    answer.refused(400, -32020);
}

#[tokio::test]
async fn unsupported_versions_are_answered_with_the_supported_ones() {
    let server = guest();
    let client = server.client(MODERN);
    for version in [
        "v999.0.0",
        "2024-11-05",
        "1900-01-01",
        "2026-07-28 x",
        "\"quoted\"",
    ] {
        let request = client.request("tools/list", json!({}));
        let request = request
            .meta("protocolVersion", json!(version))
            .header("mcp-protocol-version", version);
        let answer = request.send().await;
        assert_eq!(
            answer.refused(400, -32022),
            &json!({
                "code": -32022,
                "message": "Unsupported protocol version",
                "data": {
                    "supported": ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"],
                    "requested": version,
                },
            })
        );
        let request = client.request("tools/list", json!({})).bare();
        let answer = request.header("mcp-protocol-version", version).send().await;
        assert_eq!(answer.refused(400, -32022)["data"]["requested"], version);
    }
}

/// A version that cannot be read is not taken for none (2025-11-25, "Protocol Version Header").
#[tokio::test]
async fn a_version_header_that_cannot_be_read_is_refused() {
    let server = guest();
    let client = server.client("2025-11-25");
    let request = || client.request("ping", json!({}));
    assert_eq!(
        request()
            .header("mcp-protocol-version", "größe")
            .send()
            .await
            .status,
        400
    );
    assert_eq!(
        request()
            .header("mcp-protocol-version", "")
            .send()
            .await
            .status,
        400
    );
    assert_eq!(
        request()
            .second_header("mcp-protocol-version", "2025-06-18")
            .send()
            .await
            .status,
        400
    );
    request()
        .header("mcp-protocol-version", " 2025-11-25 ")
        .send()
        .await
        .result();
}

/// 2025-03-26 had no header, so a request of it may name its version in none.
#[tokio::test]
async fn a_request_that_declares_nothing_is_of_the_oldest_revision() {
    let server = guest();
    let client = server.client("2025-03-26");
    client.call("text", "[1]").await.refused(200, -32602);
    let answer = client
        .request("ping", json!({}))
        .header("mcp-protocol-version", "2025-03-26")
        .send()
        .await;
    assert_eq!(answer.result(), &json!({}));
    // Metadata of other kinds does not make a request modern.
    let answer = client
        .ask("ping", json!({"_meta": {"progressToken": 1}}))
        .await;
    assert_eq!(answer.result(), &json!({}));
}
