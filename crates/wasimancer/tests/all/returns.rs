//! From a plugin's output to a tool result: `returns: text`, `json` and `result`.

use serde_json::{Value, json};

use crate::support::{Client, MODERN, REVISIONS, SERVER_INFO_KEY, guest};

/// The result without what every result of 2026-07-28 has.
async fn result(client: &Client, tool: &str, arguments: &str) -> Value {
    let mut result = client.call(tool, arguments).await.result().clone();
    let fields = result.as_object_mut().unwrap();
    fields.remove("resultType");
    if let Some(meta) = fields.get_mut("_meta").and_then(Value::as_object_mut) {
        meta.remove(SERVER_INFO_KEY);
        if meta.is_empty() {
            fields.remove("_meta");
        }
    }
    result
}

fn text(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}]})
}

#[tokio::test]
async fn text_is_the_default() {
    let server = guest();
    for revision in REVISIONS {
        let client = server.client(revision);
        assert_eq!(
            result(&client, "text", r#"{"output":"größe 😡"}"#).await,
            text("größe 😡")
        );
        assert_eq!(result(&client, "nothing", "{}").await, text(""));
        assert_eq!(result(&client, "text", r#"{"output":""}"#).await, text(""));
        assert_eq!(
            result(&client, "not utf8", "{}").await,
            text("h\u{fffd}\u{fffd}llo")
        );
        // JSON is a text like any other, control characters included.
        assert_eq!(result(&client, "echo", "{}").await, text("{}"));
        assert_eq!(
            result(&client, "everything", "{\"a\":\"\\u0000\\t\"}").await,
            text("{\"a\":\"\\u0000\\t\"}")
        );
    }
}

#[tokio::test]
async fn json_is_structured_content_and_its_text() {
    let server = guest();
    for revision in REVISIONS {
        let client = server.client(revision);
        let wanted = json!({"content": [{"type": "text", "text": "{\"count\":1,\"x\":1.50}"}], "structuredContent": {"count": 1, "x": 1.5}});
        assert_eq!(
            result(&client, "object", r#"{"output":{"count":1,"x":1.50}}"#).await,
            wanted
        );
        assert_eq!(
            result(&client, "json", r#"{"output":{"count":1,"x":1.50}}"#).await,
            wanted
        );
        // Before 2026-07-28, structured content was an object.
        for value in ["[1,2.50]", "5", "\"text\"", "null", "true"] {
            let mut wanted = text(value);
            let structured: Value = serde_json::from_str(value).unwrap();
            wanted["structuredContent"] = match revision {
                MODERN => structured,
                _ => json!({ "result": structured }),
            };
            assert_eq!(
                result(&client, "json", &format!("{{\"output\":{value}}}")).await,
                wanted,
                "{revision}"
            );
        }
        let answer = client.call("array", r#"{"output":[1,2.50]}"#).await;
        let structured = match revision {
            MODERN => "\"structuredContent\":[1,2.50]",
            _ => "\"structuredContent\":{\"result\":[1,2.50]}",
        };
        assert!(answer.text.contains(structured), "{}", answer.text);
        assert_eq!(answer.output(), "[1,2.50]");
    }
}

#[tokio::test]
async fn json_that_is_none_is_a_failure() {
    let server = guest();
    for revision in REVISIONS {
        let client = server.client(revision);
        for output in ["", "{", "text", "1 2", "{} {}"] {
            let answer = client.call("json text", json!({"output": output})).await;
            let message = answer.failure();
            assert!(
                message
                    .starts_with("the tool's output is not the JSON that its definition promises"),
                "{message}"
            );
            assert!(answer.result().get("structuredContent").is_none());
        }
        for (tool, output, wanted) in [
            ("object", "{}", "count"),
            ("object", r#"{"count":0}"#, "count: 0"),
            ("object", "[]", "object"),
            ("array", "[1,\"x\"]", "1: \"x\""),
        ] {
            let answer = client
                .call(tool, format!("{{\"output\":{output}}}").as_str())
                .await;
            let message = answer.failure();
            assert!(
                message.starts_with("the output does not match the tool's outputSchema: "),
                "{message}"
            );
            assert!(message.contains(wanted), "{message}");
        }
    }
    server
        .logs("is not the JSON that its definition promises")
        .await;
}

#[tokio::test]
async fn a_whole_result_passes() {
    let server = guest();
    let content = json!([
        {"type": "text", "text": "a", "annotations": {"audience": ["user"], "priority": 0.5}},
        {"type": "image", "data": "aGVsbG8=", "mimeType": "image/png"},
        {"type": "audio", "data": "aGVsbG8=", "mimeType": "audio/wav"},
        {"type": "resource_link", "uri": "test://plain", "name": "plain", "size": 5},
        {"type": "resource", "resource": {"uri": "test://a", "text": "a", "custom": 1}},
        {"type": "resource", "resource": {"uri": "test://b", "blob": "aGVsbG8=", "mimeType": "x/y"}, "unknown": true},
    ]);
    for revision in REVISIONS {
        let client = server.client(revision);
        let whole = json!({
            "_meta": {"example.com/a": {"b": 1}},
            "content": content,
            "structuredContent": {"x": 1},
            "unknown": [1, null],
        });
        let mut wanted = whole.clone();
        if revision == "2025-03-26" {
            // It has no such block.
            wanted["content"][3] = json!({"type": "text", "text": "plain: test://plain"});
        }
        assert_eq!(
            result(&client, "result", &whole.to_string()).await,
            wanted,
            "{revision}"
        );
        let failed = json!({"content": [{"type": "text", "text": "no"}], "isError": true});
        assert_eq!(result(&client, "result", &failed.to_string()).await, failed);
        // What says nothing is not repeated.
        let plain = r#"{"content":[],"isError":false,"_meta":null,"resultType":"complete"}"#;
        assert_eq!(
            result(&client, "result", plain).await,
            json!({"content": []})
        );
        // Structured content alone gets its text, and a list a name where it must be an object.
        let answer = client
            .call("result", r#"{"structuredContent":{"ok":true}}"#)
            .await;
        assert_eq!(answer.output(), r#"{"ok":true}"#);
        assert_eq!(answer.result()["structuredContent"], json!({"ok": true}));
        let answer = client.call("result", r#"{"structuredContent":[1]}"#).await;
        assert_eq!(answer.output(), "[1]");
        let wanted = match revision {
            MODERN => json!([1]),
            _ => json!({"result": [1]}),
        };
        assert_eq!(answer.result()["structuredContent"], wanted);
    }
}

#[tokio::test]
async fn a_malformed_result_is_a_failure() {
    let server = guest();
    for revision in REVISIONS {
        let client = server.client(revision);
        for (whole, wanted) in [
            (json!({}), "content is missing"),
            (json!({"content": "text"}), "content must be a list"),
            (json!({"content": [5]}), "content[0].type"),
            (json!({"content": [{"text": "no type"}]}), "content[0].type"),
            (json!({"content": [{"type": "video"}]}), "content[0].type"),
            (json!({"content": [{"type": "text"}]}), "content[0].text"),
            (
                json!({"content": [{"type": "text", "text": "a"}, {"type": "image", "data": "x"}]}),
                "content[1].mimeType",
            ),
            (
                json!({"content": [{"type": "audio", "mimeType": "x"}]}),
                "content[0].data",
            ),
            (
                json!({"content": [{"type": "resource_link", "uri": "x"}]}),
                "content[0].name",
            ),
            (
                json!({"content": [{"type": "resource"}]}),
                "content[0].resource.uri",
            ),
            (
                json!({"content": [{"type": "resource", "resource": {"uri": "x"}}]}),
                "content[0].resource.text",
            ),
            (json!({"content": [], "resultType": "task"}), "resultType"),
            (
                json!({"content": [], "resultType": "input_required"}),
                "inputRequests or requestState is missing",
            ),
        ] {
            let answer = client.call("result", whole.clone()).await;
            let message = answer.failure();
            assert!(
                message.starts_with("the plugin's tool result is malformed: "),
                "{whole}: {message}"
            );
            assert!(message.contains(wanted), "{whole}: {message}");
        }
        for output in ["[]", "5", "\"text\"", "null"] {
            let answer = client
                .call("result value", format!("{{\"output\":{output}}}").as_str())
                .await;
            assert!(
                answer
                    .failure()
                    .starts_with("the plugin's tool result is malformed: "),
                "{output}"
            );
        }
    }
}

#[tokio::test]
async fn a_whole_result_is_held_against_its_schema() {
    let server = guest();
    for revision in REVISIONS {
        let client = server.client(revision);
        let answer = client
            .call("result with schema", r#"{"structuredContent":{"ok":1}}"#)
            .await;
        assert_eq!(answer.output(), r#"{"ok":1}"#);
        for wrong in [
            json!({"content": []}),
            json!({"structuredContent": {}}),
            json!({"structuredContent": []}),
        ] {
            client.call("result with schema", wrong).await.failure();
        }
        // An error need not have the shape of a success.
        let answer = client
            .call(
                "result with schema",
                r#"{"content":[{"type":"text","text":"no"}],"isError":true}"#,
            )
            .await;
        assert_eq!(answer.failure(), "no");
    }
}

/// The server's own name in `_meta` is not the plugin's to give.
#[tokio::test]
async fn a_plugin_does_not_speak_for_the_server() {
    let server = guest();
    let client = server.client(MODERN);
    let whole = json!({"content": [], "_meta": {SERVER_INFO_KEY: {"name": "other", "version": "0"}, "a/b": 1}});
    let answer = client.call("result", whole).await;
    assert_eq!(
        answer.text.matches(SERVER_INFO_KEY).count(),
        1,
        "{}",
        answer.text
    );
    assert_eq!(answer.result()["_meta"]["a/b"], 1);
}
