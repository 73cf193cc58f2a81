//! `tools/list` and `tools/call`: what is listed, and who is called.

use serde_json::{Value, json};

use crate::support::{LEGACY, MODERN, REVISIONS, guest};

fn tool<'l>(list: &'l Value, name: &str) -> &'l Value {
    list["tools"]
        .as_array()
        .unwrap()
        .iter()
        .find(|tool| tool["name"] == name)
        .unwrap()
}

#[tokio::test]
async fn tools_are_listed_as_they_are_defined() {
    let server = guest();
    for revision in REVISIONS {
        let answer = server.client(revision).ask("tools/list", json!({})).await;
        let list = answer.result();
        assert!(list.get("nextCursor").is_none());
        let names: Vec<&str> = list["tools"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tool| tool["name"].as_str().unwrap())
            .collect();
        assert_eq!(
            names[..8],
            [
                "echo",
                "ordered",
                "everything",
                "a name with spaces",
                "größe 📏",
                "nothing",
                "mirrored",
                "text"
            ],
            "in the order of the file"
        );
        assert_eq!(
            tool(list, "echo"),
            &json!({
                "name": "echo",
                "description": "says what arrived",
                "inputSchema": {"type": "object", "properties": {}, "additionalProperties": false},
            })
        );
        assert_eq!(
            tool(list, "ordered"),
            &json!({
                "name": "ordered",
                "title": "In order",
                "description": "says what arrived, in the order of the definition",
                "inputSchema": {
                    "type": "object",
                    "properties": {
                        "zulu": {"type": "number", "description": "the first one"},
                        "alpha": {"description": "anything"},
                        "mike": {"type": "integer", "maximum": 100},
                        "delta": {"type": "string", "default": "as usual"},
                        "color": {"type": "string", "enum": ["red", "green"]},
                        "list": {"type": "array", "items": {"type": "number"}},
                        "nested": {"type": "object", "properties": {"deep": {"type": "boolean"}}},
                    },
                    "required": ["zulu", "alpha"],
                    "additionalProperties": false,
                },
                "annotations": {"readOnlyHint": true},
                "icons": [{"src": "https://example.com/icon.png", "mimeType": "image/png", "sizes": ["48x48"]}],
                "_meta": {"example.com/team": "red"},
                "x-own": [1, "two", {"three": 3}],
            })
        );
        let schema = &tool(list, "mirrored")["inputSchema"];
        assert_eq!(
            schema["properties"]["region"],
            json!({"type": "string", "x-mcp-header": "Region"})
        );
    }
}

/// Before 2026-07-28, an `outputSchema` was that of an object, so any other stands in one.
#[tokio::test]
async fn output_schemas_are_listed_where_the_revision_knows_them() {
    let server = guest();
    for revision in REVISIONS {
        let answer = server.client(revision).ask("tools/list", json!({})).await;
        let list = answer.result();
        assert_eq!(
            tool(list, "object")["outputSchema"]["required"],
            json!(["count"])
        );
        let of_array = tool(list, "array").get("outputSchema");
        let array = json!({"type": "array", "items": {"type": "number"}});
        let wanted = match revision {
            MODERN => array,
            _ => {
                json!({"type": "object", "properties": {"result": array}, "required": ["result"]})
            }
        };
        assert_eq!(of_array, Some(&wanted), "{revision}");
    }
}

#[tokio::test]
async fn tools_are_called_by_name() {
    let server = guest();
    for revision in REVISIONS {
        let client = server.client(revision);
        assert_eq!(
            client.call("text", r#"{"output":"hello"}"#).await.output(),
            "hello"
        );
        for name in ["echo", "a name with spaces", "größe 📏"] {
            assert_eq!(client.call(name, "{}").await.output(), "{}");
        }
        for name in ["unknown", "ECHO", "echo ", "", "not a function"] {
            let answer = client.call(name, "{}").await;
            let error = answer.refused(200, -32602);
            assert_eq!(
                error,
                &json!({"code": -32602, "message": format!("Unknown tool: {name}")})
            );
        }
        for params in [
            json!({"name": 5}),
            json!({"arguments": {}}),
            json!({}),
            json!({"name": null}),
        ] {
            client.ask("tools/call", params).await.refused(200, -32602);
        }
        client
            .request("tools/call", json!({}))
            .without_params()
            .send()
            .await
            .refused(200, -32602);
    }
}

/// Each ending is told from the others, in one sentence, and as a result of the tool.
#[tokio::test]
async fn failures_say_which_they_are() {
    let server = guest();
    for revision in REVISIONS {
        let client = server.client(revision);
        assert_eq!(
            client.call("fail", "{}").await.failure(),
            "the plugin reported an error: it broke"
        );
        let answer = client
            .call("fail with text", r#"{"output":"größe 😡"}"#)
            .await;
        assert_eq!(answer.failure(), "the plugin reported an error: größe 😡");
        assert_eq!(
            client.call("code", "{}").await.failure(),
            "the plugin failed with code 7 and left no message"
        );
        let answer = client.call("trap", "{}").await;
        assert!(
            answer.failure().starts_with("the plugin trapped: "),
            "{}",
            answer.text
        );
        assert!(answer.failure().contains("unreachable"), "{}", answer.text);
        assert_eq!(
            client.call("echo", "{}").await.output(),
            "{}",
            "the plugin lives on"
        );
    }
    server.logs("the plugin trapped").await;
}

#[tokio::test]
async fn plugins_find_their_configuration() {
    let server = guest();
    let client = server.client(MODERN);
    for (key, wanted) in [
        ("own", "of the plugin"),
        ("WASM_MESSAGE", "of the variable"),
        ("WASM_SHARED", "the plugin's own wins"),
        ("WASM_EMPTY", ""),
        ("WASIMANCER_ADMIN_TOKEN", ""),
        ("PATH", ""),
    ] {
        let answer = client.call("config", json!({"output": key})).await;
        assert_eq!(answer.output(), wanted, "{key}");
    }
}

#[tokio::test]
async fn what_plugins_log_is_logged() {
    let server = guest();
    let answer = server
        .client(LEGACY[0])
        .call("log", r#"{"output":"a line of the guest"}"#)
        .await;
    assert_eq!(answer.output(), "a line of the guest");
    server.logs("a line of the guest").await;
    let log = server.stderr();
    let line = log
        .lines()
        .find(|line| line.contains("a line of the guest"))
        .unwrap();
    assert!(
        line.contains("INFO") && line.contains("plugin=\"guest\""),
        "{line}"
    );
}

/// A name of the old days is served, and warned of.
#[tokio::test]
async fn unusual_names_are_warned_of() {
    let server = guest();
    let log = server.stderr();
    for name in ["a name with spaces", "größe 📏"] {
        let line = log
            .lines()
            .find(|line| line.contains("WARN") && line.contains(name));
        assert!(
            line.is_some_and(|line| line.contains("some clients refuse")),
            "{log}"
        );
    }
    assert!(!log.contains("tool=\"echo\""), "{log}");
}
