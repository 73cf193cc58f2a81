//! Tools that get one argument without any JSON around it.

use serde_json::json;

use crate::support::{Home, Launch, MODERN, Operator, REVISIONS, Sample, Server, speaking};

const TOOLS: &str = "plugins:
  - name: guest
    path: guest.wasm
    functions:
      - {function: echo, displayName: say, input: text, arguments: [{name: words, type: string, required: false}]}
      - {function: echo, displayName: store, input: {bytes: data}, arguments: [{name: data, type: string}]}
      - {function: echo, displayName: any, input: text, arguments: [{name: value}]}
  - name: asking
    path: asking.wasm
    functions:
      - {function: speak, displayName: ask, input: text, returns: result, arguments: [{name: words, required: false}]}
";

fn serving() -> Server {
    let home = Home::with_plugins(TOOLS);
    let question = json!({"resultType": "input_required", "requestState": "x"});
    home.file("plugins/asking.wasm", speaking(&question.to_string()));
    Launch::of(home).start()
}

#[tokio::test]
async fn text_and_bytes_reach_the_plugin_as_they_are() {
    let server = serving();
    for revision in REVISIONS {
        let client = server.client(revision);
        for (tool, arguments, arrives) in [
            (
                "say",
                json!({"words": "größe \"1.0\"\n"}),
                "größe \"1.0\"\n",
            ),
            ("say", json!({}), ""),
            ("say", json!({"words": null}), ""),
            ("store", json!({"data": "aGkKaGk="}), "hi\nhi"),
            ("store", json!({"data": ""}), ""),
            ("any", json!({"value": [1.0, "x"]}), "[1,\"x\"]"),
        ] {
            let answer = client.call(tool, arguments).await;
            assert_eq!(answer.output(), arrives, "{revision} {tool}");
        }
        for wrong in ["no base64", "aGkKaGk", "aGkKaG-="] {
            let answer = client.call("store", json!({"data": wrong})).await;
            let message = answer.failure();
            assert!(message.contains("data: its text is no base64"), "{message}");
        }
        let answer = client.call("store", json!({})).await;
        assert!(answer.failure().contains("\"data\" is a required property"));
    }
}

#[tokio::test]
async fn a_function_with_raw_input_asks_nothing() {
    let server = serving();
    for revision in REVISIONS {
        let answer = server.client(revision).call("ask", "{}").await;
        let message = answer.failure();
        assert!(
            message.contains("only a function with JSON arguments can ask"),
            "{message}"
        );
    }
    let client = server.client(MODERN);
    for (field, value) in [("inputResponses", json!({})), ("requestState", json!("x"))] {
        let params = json!({"name": "say", "arguments": {"words": "x"}, field: value});
        client.ask("tools/call", params).await.refused(200, -32602);
    }
}

#[tokio::test]
async fn what_no_plugin_would_get_is_refused_at_its_publication() {
    let server = Launch::of(Home::guest()).start();
    let operator = Operator::of(&server);
    let sample = |input, arguments| {
        Sample::new("raw", "1.0.0", "x")
            .with("/functions/0/input", input)
            .with("/functions/0/arguments", arguments)
    };
    let two = json!([{"name": "a"}, {"name": "b"}]);
    for (input, arguments, reason) in [
        (json!("text"), two.clone(), "this one has a, b"),
        (json!({"text": "a"}), two, "nobody would get b"),
        (json!("bytes"), json!([]), "this one has none"),
        (
            json!({"text": "c"}),
            json!([{"name": "a"}]),
            "names the argument \"c\"",
        ),
        (json!("raw"), json!([{"name": "a"}]), "\"raw\" is not known"),
    ] {
        let answer = operator.upload("", &sample(input, arguments)).await;
        let message = answer.declined(400, "invalid_definition");
        assert!(
            message.contains("functions[0].input") && message.contains(reason),
            "{message}"
        );
    }
    let asking = sample(json!("text"), json!([{"name": "a"}]))
        .with("/functions/0/returns", json!("result"))
        .with("/functions/0/requires", json!(["roots"]));
    let answer = operator.upload("", &asking).await;
    let message = answer.declined(400, "invalid_definition");
    assert!(
        message.contains("cannot stand beside `requires`"),
        "{message}"
    );
    let right = sample(json!({"text": "a"}), json!([{"name": "a"}]));
    operator.upload("", &right).await.granted();
}
