//! Arguments on their way to the plugin: checked, ordered, exact.

use serde_json::{Value, json};

use crate::support::{Home, Launch, MODERN, REVISIONS, guest};

#[tokio::test]
async fn arguments_arrive_in_the_order_of_the_definition() {
    let server = guest();
    for revision in REVISIONS {
        let client = server.client(revision);
        let answer = client
            .call(
                "ordered",
                r#"{"color":"red","delta":"d","mike":5,"alpha":null,"zulu":1}"#,
            )
            .await;
        assert_eq!(
            answer.output(),
            r#"{"zulu":1,"alpha":null,"mike":5,"delta":"d","color":"red"}"#
        );
        // A default takes its place; what is optional and left out is left out.
        let answer = client.call("ordered", r#"{"alpha":[],"zulu":2}"#).await;
        assert_eq!(
            answer.output(),
            r#"{"zulu":2,"alpha":[],"delta":"as usual"}"#
        );
        // Beyond a whole schema's properties, alphabetically.
        let answer = client
            .call("everything", r#"{"z":1,"first":2,"a":3,"second":4}"#)
            .await;
        assert_eq!(answer.output(), r#"{"second":4,"first":2,"a":3,"z":1}"#);
    }
}

#[tokio::test]
async fn values_arrive_as_they_were_written() {
    let server = guest();
    for revision in REVISIONS {
        let client = server.client(revision);
        for value in [
            "0",
            "1.50",
            "1e-2",
            "-1E-7",
            "9007199254740993",
            "123456789012345678901234567890",
            "0.1000000000000000055511151231257827",
            "\"\"",
            r#""\u00e9\n\"\\/\ud83d\ude00""#,
            "\"größe 😡 \u{7f}\"",
            "null",
            "true",
            "[]",
            "{}",
            r#"{"b":[1,{"c":"1.0"}],"a":1.5}"#,
        ] {
            let answer = client
                .call("json", format!(r#"{{"output":{value}}}"#).as_str())
                .await;
            assert_eq!(answer.output(), value, "{revision}");
        }
        let answer = client
            .call("everything", r#" { "a" : 1 , "b" : [ 1, 2 ] } "#)
            .await;
        assert_eq!(answer.output(), r#"{"a":1,"b":[ 1, 2 ]}"#);
        // Keys are texts, however they are written.
        let answer = client.call("text", "{\"\\u006futput\":\"escaped\"}").await;
        assert_eq!(answer.output(), "escaped");
    }
}

#[tokio::test]
async fn whole_numbers_arrive_in_integer_notation() {
    let server = guest();
    for revision in REVISIONS {
        let client = server.client(revision);
        for (sent, arrives) in [
            ("6.0", "6"),
            ("6e0", "6"),
            ("60E-1", "6"),
            ("-0.0", "0"),
            ("1e20", "100000000000000000000"),
            ("1e21", "1e21"),
            ("9007199254740993.0", "9007199254740993"),
            (
                r#"[1.0,{"a":-2.00,"1.0":"3.0"}]"#,
                r#"[1,{"a":-2,"1.0":"3.0"}]"#,
            ),
        ] {
            let answer = client
                .call("json", format!(r#"{{"output":{sent}}}"#).as_str())
                .await;
            assert_eq!(answer.output(), arrives, "{revision}");
        }
        let too_large = client.call("json", r#"{"output":1e400}"#).await;
        too_large.refused(400, -32600);
    }
}

#[tokio::test]
async fn whole_numbers_of_defaults_arrive_in_integer_notation() {
    let home = Home::with_plugins(
        "plugins:\n- name: p\n  path: guest.wasm\n  functions: [{function: echo, arguments: [{name: a, type: integer, default: 3.0}, {name: b, default: [1.0, 0.5]}]}]\n",
    );
    let server = Launch::of(home).start();
    let answer = server.client(MODERN).call("echo", "{}").await;
    assert_eq!(answer.output(), r#"{"a":3,"b":[1,0.5]}"#);
}

#[tokio::test]
async fn a_tool_without_arguments_gets_an_empty_object() {
    let server = guest();
    for revision in REVISIONS {
        let client = server.client(revision);
        assert_eq!(client.call("echo", "{}").await.output(), "{}");
        assert_eq!(client.call("echo", "null").await.output(), "{}");
        assert_eq!(client.call("echo", " { } ").await.output(), "{}");
        assert_eq!(client.call("echo", "[]").await.output(), "{}");
        assert_eq!(client.call("echo", " [ ] ").await.output(), "{}");
        assert_eq!(
            client
                .ask("tools/call", json!({"name": "echo"}))
                .await
                .output(),
            "{}"
        );
    }
}

/// The model is told in every revision, so that it can correct itself.
#[tokio::test]
async fn arguments_that_break_the_schema_are_refused() {
    let server = guest();
    for revision in REVISIONS {
        let client = server.client(revision);
        for (tool, arguments, wanted) in [
            (
                "ordered",
                json!({"alpha": 1}),
                vec![
                    "\"ordered\"",
                    "zulu",
                    "zulu (number), alpha (any type), mike (integer, optional)",
                ],
            ),
            (
                "ordered",
                json!({"zulu": "one", "alpha": 1}),
                vec!["zulu", "\"one\"", "number"],
            ),
            (
                "ordered",
                json!({"zulu": 1, "alpha": 1, "mike": 1.5}),
                vec!["mike", "1.5", "integer"],
            ),
            (
                "ordered",
                json!({"zulu": 1, "alpha": 1, "mike": 101}),
                vec!["mike", "101", "100"],
            ),
            (
                "ordered",
                json!({"zulu": 1, "alpha": 1, "color": "blue"}),
                vec!["color", "blue"],
            ),
            (
                "ordered",
                json!({"zulu": 1, "alpha": 1, "list": [1, "x"]}),
                vec!["list.1", "x"],
            ),
            (
                "ordered",
                json!({"zulu": 1, "alpha": 1, "nested": {"deep": 1}}),
                vec!["nested.deep"],
            ),
            (
                "ordered",
                json!({"zulu": null, "alpha": 1}),
                vec!["zulu: null"],
            ),
            (
                "ordered",
                json!({"zulu": 1, "alpha": 1, "other": 1}),
                vec!["other"],
            ),
            (
                "echo",
                json!({"unexpected": 1}),
                vec!["unexpected", "no arguments"],
            ),
        ] {
            let answer = client.call(tool, arguments.clone()).await;
            let message = answer.failure();
            for part in wanted {
                assert!(message.contains(part), "{revision} {arguments}: {message}");
            }
        }
    }
}

/// `arguments` that are no object break the request itself (server/tools, "Error Handling").
#[tokio::test]
async fn arguments_that_are_no_object_are_a_malformed_request() {
    let server = guest();
    for revision in REVISIONS {
        let client = server.client(revision);
        for arguments in ["[1]", "5", "\"{}\"", "true"] {
            client
                .call("everything", arguments)
                .await
                .refused(200, -32602);
        }
    }
}

#[tokio::test]
async fn a_long_value_is_not_repeated_in_the_message() {
    let server = guest();
    let client = server.client(MODERN);
    let long = "x".repeat(100_000);
    let answer = client
        .call("ordered", json!({"zulu": long, "alpha": 1}))
        .await;
    assert!(answer.failure().len() < 1000, "{}", answer.failure().len());
    let keys: serde_json::Map<String, Value> = (0..1000)
        .map(|index| (format!("key{index}"), json!(1)))
        .collect();
    let answer = client.call("echo", Value::Object(keys)).await;
    assert!(
        answer.failure().len() < 20_000,
        "{}",
        answer.failure().len()
    );
}
