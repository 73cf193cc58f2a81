//! Texts in which callers' values stand many times over.

use serde_json::json;

use crate::support::{Answer, Home, Launch, REVISIONS};

/// How often a text names its argument.
const TIMES: usize = 1000;

/// An answer is right, or an error that says this.
#[track_caller]
fn check(answer: &Answer, is_right: bool, words: &str) {
    let error = &answer.json["error"];
    assert_eq!(error.is_null(), is_right, "{}", answer.status);
    if !is_right {
        let told = error["message"].as_str().expect("words");
        assert!(told.contains(words), "{told}");
    }
}

#[tokio::test]
async fn what_callers_make_of_a_text_is_bounded() {
    let home = Home::new();
    let text = "${a} ".repeat(TIMES);
    home.file(
        "prompts/prompts.yml",
        format!(
            "prompts:\n  predefined:\n    - {{name: long, arguments: [{{name: a}}], messages: [{{role: user, text: \"{text}\"}}]}}\n"
        ),
    );
    let texts = vec!["{text: x}"; TIMES].join(", ");
    home.file(
        "resources/resources.yml",
        format!(
            "resources:\n  dynamic:\n    - {{name: long, uri: \"long://{{a}}\", arguments: [{{name: a}}], contents: [{{text: \"{text}\"}}]}}\n    \
             - {{name: many, uri: \"many://{{a}}\", arguments: [{{name: a}}], contents: [{texts}]}}\n"
        ),
    );
    let server = Launch::of(home).start();
    for revision in REVISIONS {
        let client = server.client(revision);
        for (length, is_right) in [(10, true), (1_000_000, false)] {
            let value = "x".repeat(length);
            let asked = json!({"name": "long", "arguments": {"a": value}});
            let answer = client.ask("prompts/get", asked).await;
            check(
                &answer,
                is_right,
                "more than 33554432 bytes: give shorter values",
            );
        }
        // A URI is repeated beside each of the contents.
        for uri in ["long://", "many://"] {
            for (length, is_right) in [(10, true), (50_000, false)] {
                let uri = format!("{uri}{}", "x".repeat(length));
                let answer = client.ask("resources/read", json!({"uri": uri})).await;
                check(&answer, is_right, "ask with a shorter URI");
            }
        }
    }
}
