//! The example home, as a new user meets it: every tool, resource and prompt of it, in every
//! revision.

use serde_json::json;

use crate::support::{REVISIONS, examples};

#[tokio::test]
async fn every_example_tool_works() {
    let server = examples();
    for revision in REVISIONS {
        let client = server.client(revision);
        for (tool, arguments, wanted) in [
            ("hello", json!({"name": "Bob"}), "Hello, Bob!"),
            (
                "hello",
                json!({"name": "größe 😡 \"quoted\""}),
                "Hello, größe 😡 \"quoted\"!",
            ),
            ("message", json!({}), "Good morning."),
            ("add", json!({"a": 1, "b": 2}), "3"),
            ("subtract", json!({"a": 1, "b": 2}), "-1"),
            ("multiply", json!({"a": 6, "b": 7}), "42"),
            ("divide", json!({"a": 1, "b": 4}), "0.25"),
            ("reverse", json!({"text": "añ😀"}), "😀ña"),
            ("upper", json!({"text": "größe"}), "GRÖSSE"),
        ] {
            assert_eq!(
                client.call(tool, arguments).await.output(),
                wanted,
                "{tool}"
            );
        }
        let answer = client.call("divide", json!({"a": 1, "b": 0})).await;
        assert!(
            answer
                .failure()
                .starts_with("the plugin reported an error: "),
            "{}",
            answer.failure()
        );
        let answer = client
            .call("statistics", json!({"numbers": [1, 2, 6]}))
            .await;
        assert_eq!(
            answer.result()["structuredContent"],
            json!({"count": 3, "sum": 9, "mean": 3, "min": 1, "max": 6})
        );
        let answer = client.call("count", json!({"text": "añ 😀"})).await;
        assert_eq!(
            answer.result()["structuredContent"],
            json!({"characters": 4, "words": 2, "bytes": 8})
        );
        let answer = client
            .call("rollDice", json!({"numFaces": 6, "numDice": 3}))
            .await;
        let sum: u32 = answer.output().parse().unwrap();
        assert!((3..=18).contains(&sum), "{sum}");
        let answer = client
            .call("rollDice", json!({"numFaces": 0, "numDice": 3}))
            .await;
        assert!(
            answer.failure().contains("numFaces"),
            "{}",
            answer.failure()
        );
        let answer = client.call("GenerateCharacterName", json!({})).await;
        assert_eq!(answer.output().split(' ').count(), 2, "{}", answer.output());
        // A host that nobody allowed.
        let answer = client
            .call("fetch", json!({"url": "http://127.0.0.1:1/"}))
            .await;
        assert!(
            answer.failure().contains("may not reach 127.0.0.1"),
            "{}",
            answer.failure()
        );
    }
}

#[tokio::test]
async fn every_example_is_listed_and_told_of() {
    let server = examples();
    for revision in REVISIONS {
        let client = server.client(revision);
        let answer = client.ask("tools/list", json!({})).await;
        let tools = answer.result()["tools"].as_array().unwrap();
        assert_eq!(tools.len(), 13);
        for tool in tools {
            assert!(
                tool["description"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{tool}"
            );
            for (name, property) in tool["inputSchema"]["properties"].as_object().unwrap() {
                assert!(
                    property["description"]
                        .as_str()
                        .is_some_and(|text| !text.is_empty()),
                    "{name}: {tool}"
                );
            }
        }
        for resource in client.ask("resources/list", json!({})).await.result()["resources"]
            .as_array()
            .unwrap()
        {
            client
                .ask("resources/read", json!({"uri": resource["uri"]}))
                .await
                .result();
        }
        let answer = client
            .ask("resources/read", json!({"uri": "greet-user://Bob/Morane"}))
            .await;
        assert_eq!(
            answer.result()["contents"][0]["text"],
            "Hello Bob Morane, welcome!"
        );
        let arguments = json!({"question": "who begins", "numDice": "2", "showRolls": "true"});
        let answer = client
            .ask(
                "prompts/get",
                json!({"name": "roll-for-it", "arguments": arguments}),
            )
            .await;
        let text = answer.result()["messages"][0]["content"]["text"]
            .as_str()
            .unwrap();
        assert!(
            text.contains("2 dice") && text.contains("who begins") && text.contains(": true."),
            "{text}"
        );
    }
}
