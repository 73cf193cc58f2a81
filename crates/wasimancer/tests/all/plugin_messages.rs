//! What plugins tell while they run: progress and messages of their log, to whoever wants them.

use serde_json::{Value, json};

use crate::questions::able;
use crate::support::{LEGACY, MODERN, fixtures};

fn methods(messages: &[Value]) -> Vec<&str> {
    let method = |message: &Value| message["method"].as_str().map(str::to_owned);
    messages
        .iter()
        .map(|message| match method(message) {
            Some(_) => message["method"].as_str().unwrap_or_default(),
            None => "answer",
        })
        .collect()
}

#[tokio::test]
async fn progress_goes_to_whoever_names_it() {
    let server = fixtures();
    for revision in [MODERN, LEGACY[0], LEGACY[1]] {
        let client = server.client(revision);
        let call = || client.request_call("test_tool_with_progress", "{}");
        for token in [json!("a \"token\""), json!(7)] {
            let events = call().progress_token(token.clone()).listen().await;
            let messages = events.rest().await;
            let progress = "notifications/progress";
            assert_eq!(methods(&messages), [progress, progress, progress, "answer"]);
            let reported: Vec<&Value> = messages[..3].iter().map(|one| &one["params"]).collect();
            let wanted = [0, 50, 100].map(
                |progress| json!({"progressToken": token, "progress": progress, "total": 100}),
            );
            assert_eq!(reported, wanted.iter().collect::<Vec<_>>());
        }
        // Nothing is streamed to who does not ask for it.
        assert_eq!(call().send().await.output(), "Progress was reported.");
    }
    let client = server.client(MODERN);
    for wrong in [json!(1.5), json!({}), json!(true)] {
        let request = client.request_call("test_tool_with_progress", "{}");
        let answer = request.progress_token(wrong).send().await;
        answer.refused(200, -32602);
    }
}

#[tokio::test]
async fn a_client_that_takes_no_events_gets_the_answer() {
    let server = fixtures();
    let mut client = server.client(MODERN);
    client
        .headers
        .insert("accept", "application/json".parse().unwrap());
    let request = client.request_call("test_tool_with_progress", "{}");
    let answer = request.progress_token(json!(1)).send().await;
    assert_eq!(answer.output(), "Progress was reported.");
}

#[tokio::test]
async fn a_modern_request_says_what_it_wants_to_hear() {
    let server = fixtures();
    let client = server.client(MODERN);
    let call = |level: &str| {
        let request = client.request_call("test_logging_tool", "{}");
        request.meta("logLevel", json!(level))
    };
    for level in ["debug", "info"] {
        let messages = call(level).listen().await.rest().await;
        let message = "notifications/message";
        assert_eq!(methods(&messages), [message, message, message, "answer"]);
        assert_eq!(
            messages[0]["params"],
            json!({"level": "info", "data": "Tool execution started"})
        );
    }
    for level in ["notice", "warning", "emergency"] {
        assert_eq!(
            call(level).send().await.output(),
            "Three lines were logged."
        );
    }
    for wrong in ["loud", "INFO", ""] {
        let answer = call(wrong).send().await;
        let message = answer.refused(200, -32602)["message"].as_str().unwrap();
        assert!(
            message.contains("logLevel") && message.contains("emergency"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn an_older_session_sets_what_it_wants_to_hear() {
    let server = fixtures();
    for version in LEGACY {
        let client = able(&server, version, json!({})).await;
        let other = able(&server, version, json!({})).await;
        let call = |client| {
            let client: &crate::support::Client = client;
            client.request_call("test_logging_tool", "{}")
        };
        // Nobody has asked for any.
        assert_eq!(
            call(&client).send().await.output(),
            "Three lines were logged."
        );
        client
            .ask("logging/setLevel", json!({"level": "info"}))
            .await
            .result();
        assert_eq!(call(&client).listen().await.rest().await.len(), 4);
        assert_eq!(
            call(&other).send().await.output(),
            "Three lines were logged."
        );
        client
            .ask("logging/setLevel", json!({"level": "error"}))
            .await
            .result();
        assert_eq!(
            call(&client).send().await.output(),
            "Three lines were logged."
        );
        let answer = client
            .ask("logging/setLevel", json!({"level": "loud"}))
            .await;
        answer.refused(200, -32602);
    }
}
