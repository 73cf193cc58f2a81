//! Prompts: the list, and messages with their arguments.

use serde_json::{Value, json};

use crate::support::{Client, REVISIONS, guest};

async fn texts(client: &Client, arguments: Value) -> Vec<Value> {
    let answer = client
        .ask(
            "prompts/get",
            json!({"name": "typed", "arguments": arguments}),
        )
        .await;
    let messages = answer.result()["messages"].as_array().unwrap().clone();
    messages
        .into_iter()
        .map(|message| message["content"].clone())
        .collect()
}

#[tokio::test]
async fn prompts_are_listed_as_they_are_defined() {
    let server = guest();
    for revision in REVISIONS {
        let answer = server.client(revision).ask("prompts/list", json!({})).await;
        let prompts = &answer.result()["prompts"];
        assert_eq!(prompts[0], json!({"name": "fixed", "arguments": []}));
        assert_eq!(
            prompts[1],
            json!({
                "name": "typed",
                "title": "A typed one",
                "description": "takes arguments of all types",
                "unknown": "kept",
                "icons": [{"src": "https://example.com/icon.png"}],
                "arguments": [
                    {"name": "word", "description": "any text", "required": true, "title": "The word"},
                    {"name": "number", "required": true},
                    {"name": "flag", "required": true},
                    {"name": "color", "required": false},
                    {"name": "mood", "required": false},
                ],
            })
        );
        assert_eq!(prompts[2]["name"], "a name with spaces");
    }
}

#[tokio::test]
async fn messages_are_filled() {
    let server = guest();
    for revision in REVISIONS {
        let client = server.client(revision);
        let arguments = json!({"word": "größe", "number": "-1.5", "flag": "true", "color": "red", "mood": "wild"});
        let answer = client
            .ask(
                "prompts/get",
                json!({"name": "typed", "arguments": arguments}),
            )
            .await;
        assert_eq!(
            answer.result()["description"],
            "takes arguments of all types"
        );
        assert_eq!(
            answer.result()["messages"],
            json!([
                {"role": "user", "content": {"type": "text", "text": "größe -1.5 true red wild ${nobody}"}},
                {"role": "assistant", "content": {"type": "text", "text": "I see größe."}},
                {"role": "user", "content": {
                    "type": "resource",
                    "resource": {"uri": "test://plain", "mimeType": "text/plain", "text": "about größe"},
                }},
            ])
        );
        // What is optional is empty or as it is by default, and values are not looked at again.
        let filled = texts(
            &client,
            json!({"word": "${mood} $& $1", "number": "1e3", "flag": "false"}),
        )
        .await;
        assert_eq!(filled[0]["text"], "${mood} $& $1 1e3 false  calm ${nobody}");
        assert_eq!(filled[2]["resource"]["text"], "about ${mood} $& $1");
    }
}

#[tokio::test]
async fn a_prompt_without_arguments_needs_none() {
    let server = guest();
    for revision in REVISIONS {
        let client = server.client(revision);
        for params in [
            json!({"name": "fixed"}),
            json!({"name": "fixed", "arguments": {}}),
            json!({"name": "fixed", "arguments": null}),
        ] {
            let answer = client.ask("prompts/get", params).await;
            let wanted =
                json!([{"role": "user", "content": {"type": "text", "text": "always the same"}}]);
            assert_eq!(answer.result()["messages"], wanted);
            assert!(answer.result().get("description").is_none());
        }
        client
            .ask("prompts/get", json!({"name": "a name with spaces"}))
            .await
            .result();
    }
}

#[tokio::test]
async fn wrong_names_and_arguments_are_refused() {
    let server = guest();
    for revision in REVISIONS {
        let client = server.client(revision);
        for name in ["unknown", "FIXED", ""] {
            let answer = client.ask("prompts/get", json!({"name": name})).await;
            assert_eq!(
                answer.refused(200, -32602)["message"],
                format!("Unknown prompt: {name}")
            );
        }
        let good = json!({"word": "w", "number": "1", "flag": "true"});
        for (key, value, wanted) in [
            ("word", Value::Null, "word"),
            (
                "number",
                json!("one"),
                "\"number\" must be a number and is \"one\"",
            ),
            ("number", json!(""), "number"),
            ("number", json!("NaN"), "number"),
            (
                "flag",
                json!("yes"),
                "\"flag\" must be a boolean and is \"yes\"",
            ),
            ("color", json!("blue"), "red, rose, green"),
            ("other", json!("x"), "\"other\""),
            // Arguments of prompts are texts.
            ("number", json!(1), "string"),
            ("flag", json!(true), "string"),
        ] {
            let mut arguments = good.clone();
            match &value {
                Value::Null => drop(arguments.as_object_mut().unwrap().remove(key)),
                value => arguments[key] = value.clone(),
            }
            let answer = client
                .ask(
                    "prompts/get",
                    json!({"name": "typed", "arguments": arguments}),
                )
                .await;
            let message = answer.refused(200, -32602)["message"].as_str().unwrap();
            assert!(message.contains(wanted), "{message}");
        }
        for params in [
            json!({}),
            json!({"name": 1}),
            json!({"name": "fixed", "arguments": [1]}),
        ] {
            client.ask("prompts/get", params).await.refused(200, -32602);
        }
    }
}
