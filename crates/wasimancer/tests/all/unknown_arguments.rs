//! Arguments that a tool does not know: what clients add, and the switches for the others.

use serde_json::json;

use crate::support::{Home, Launch, REVISIONS};

const TOOLS: &str = "plugins:
  - name: guest
    path: guest.wasm
    functions:
      - {function: echo, displayName: one, arguments: [{name: q, type: string}]}
      - {function: echo, displayName: none, arguments: []}
      - {function: echo, displayName: ignoring, additionalArguments: ignore, arguments: [{name: q, type: string}]}
      - {function: echo, displayName: refusing, additionalArguments: refuse, arguments: [{name: q, type: string}]}
      - {function: echo, displayName: open, additionalProperties: true, arguments: [{name: q, type: string}]}
";

#[tokio::test]
async fn what_clients_add_to_every_call_is_dropped() {
    let server = Launch::of(Home::with_plugins(TOOLS)).start();
    let n8n = json!({"toolCallId": "call_1", "sessionId": "s", "action": "sendMessage", "chatInput": "hello", "tool": "q"});
    let cline = json!({"task_progress": "- [ ] a"});
    for revision in REVISIONS {
        let client = server.client(revision);
        for added in [&n8n, &cline] {
            let mut with_own = added.clone();
            with_own["q"] = json!("x");
            let answer = client.call("one", with_own.clone()).await;
            assert_eq!(answer.output(), r#"{"q":"x"}"#);
            let answer = client.call("none", added.clone()).await;
            assert_eq!(answer.output(), "{}");
            let answer = client.call("open", with_own.clone()).await;
            let mut received: serde_json::Value = serde_json::from_str(answer.output()).unwrap();
            received.sort_all_objects();
            with_own.sort_all_objects();
            assert_eq!(received, with_own);
        }
    }
}

#[tokio::test]
async fn others_are_refused_with_the_names_of_the_switches() {
    let server = Launch::of(Home::with_plugins(TOOLS)).start();
    let arguments = json!({"q": "x", "other": 1});
    for revision in REVISIONS {
        let client = server.client(revision);
        for tool in ["one", "refusing"] {
            let answer = client.call(tool, arguments.clone()).await;
            let message = answer.failure();
            for part in [
                "'other'",
                "additionalArguments: ignore",
                "additionalProperties: true",
            ] {
                assert!(message.contains(part), "{message}");
            }
        }
        let answer = client.call("ignoring", arguments.clone()).await;
        assert_eq!(answer.output(), r#"{"q":"x"}"#);
        let answer = client.call("open", arguments.clone()).await;
        assert_eq!(answer.output(), r#"{"q":"x","other":1}"#);
    }
}

#[tokio::test]
async fn the_configuration_can_drop_them_for_all_tools() {
    let in_file = Home::with_plugins(TOOLS);
    in_file.file("wasimancer.toml", "additional_arguments = \"ignore\"\n");
    let by_file = Launch::of(in_file).start();
    let by_variable = Launch::of(Home::with_plugins(TOOLS))
        .env("WASIMANCER_ADDITIONAL_ARGUMENTS", "ignore")
        .start();
    let arguments = json!({"q": "x", "other": 1});
    for server in [by_file, by_variable] {
        for revision in REVISIONS {
            let client = server.client(revision);
            let answer = client.call("one", arguments.clone()).await;
            assert_eq!(answer.output(), r#"{"q":"x"}"#);
            // The definition of a tool goes before.
            client.call("refusing", arguments.clone()).await.failure();
            let answer = client.call("open", arguments.clone()).await;
            assert_eq!(answer.output(), r#"{"q":"x","other":1}"#);
        }
    }
}

#[test]
fn a_word_that_is_not_known_ends_the_start() {
    let refused = Launch::of(Home::with_plugins(TOOLS))
        .env("WASIMANCER_ADDITIONAL_ARGUMENTS", "drop")
        .refused();
    let wanted = "WASIMANCER_ADDITIONAL_ARGUMENTS: \"drop\" is not known: write refuse or ignore";
    assert!(refused.stderr.contains(wanted), "{}", refused.stderr);
}
