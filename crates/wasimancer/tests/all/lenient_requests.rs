//! Requests as clients of other languages write them: empty objects as lists, null for what is absent,
//! whole numbers with a point, a byte-order mark before the text.

use reqwest::Method;
use serde_json::json;

use crate::support::{Home, LEGACY, Launch, MODERN, Operator, REVISIONS, answer, fixtures, guest};

#[tokio::test]
async fn an_empty_list_is_an_empty_object_and_null_is_absent() {
    let server = guest();
    for revision in LEGACY {
        let client = server.client(revision);
        for params in [
            "[]",
            "[ ]",
            "null",
            r#"{"_meta":[]}"#,
            r#"{"_meta":null,"cursor":null}"#,
        ] {
            let body =
                format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{params}}}"#);
            let answer = client.post(body).await;
            assert!(
                answer.result()["tools"].is_array(),
                "{params}: {}",
                answer.text
            );
        }
    }
    for revision in REVISIONS {
        let client = server.client(revision);
        for arguments in ["[]", "[ ]", "null"] {
            assert_eq!(client.call("echo", arguments).await.output(), "{}");
            let params = format!(r#"{{"name":"fixed","arguments":{arguments}}}"#);
            let answer = client.ask("prompts/get", params.as_str()).await;
            assert!(answer.result()["messages"].is_array());
        }
        // A list of anything is no object.
        client.call("echo", "[{}]").await.refused(200, -32602);
        let answer = client
            .ask("prompts/get", json!({"name": "fixed", "arguments": [1]}))
            .await;
        answer.refused(200, -32602);
    }
}

#[tokio::test]
async fn null_in_the_metadata_is_absent() {
    let server = guest();
    for revision in REVISIONS {
        let client = server.client(revision);
        let request = client.request("tools/list", json!({}));
        let request = request
            .progress_token(json!(null))
            .meta("logLevel", json!(null));
        assert!(request.send().await.result()["tools"].is_array());
    }
}

#[tokio::test]
async fn capabilities_and_their_members_may_be_empty_lists() {
    let server = fixtures();
    let call = |capabilities| {
        let client = server.client(MODERN);
        async move {
            let tool = "test_input_required_result_elicitation";
            let request = client.request_call(tool, "{}").capabilities(capabilities);
            request.send().await
        }
    };
    for right in [
        json!({"elicitation": []}),
        json!({"elicitation": {"form": []}}),
    ] {
        let answer = call(right).await;
        assert_eq!(answer.result()["resultType"], "input_required");
    }
    for without in [
        json!([]),
        json!({"elicitation": null}),
        json!({"elicitation": [1]}),
    ] {
        call(without).await.refused(400, -32021);
    }
    for wrong in [json!([1]), json!("x"), json!(null)] {
        call(wrong).await.refused(400, -32602);
    }
    for capabilities in [
        "[]",
        r#"{"roots":[],"elicitation":[],"experimental":[]}"#,
        "null",
    ] {
        let params = format!(
            r#"{{"protocolVersion":"2025-11-25","capabilities":{capabilities},"clientInfo":{{"name":"x","version":"1"}}}}"#
        );
        let client = server.client("2025-11-25");
        let answer = client.ask("initialize", params.as_str()).await;
        assert_eq!(answer.result()["protocolVersion"], "2025-11-25");
    }
}

#[tokio::test]
async fn the_context_of_a_completion_may_be_an_empty_list() {
    let server = guest();
    let client = server.client(MODERN);
    for context in ["[]", "null", r#"{"arguments":[]}"#, r#"{"arguments":null}"#] {
        let params = format!(
            r#"{{"ref":{{"type":"ref/prompt","name":"typed"}},"argument":{{"name":"color","value":""}},"context":{context}}}"#
        );
        let answer = client.ask("completion/complete", params.as_str()).await;
        assert!(answer.result()["completion"]["values"].is_array());
    }
}

#[tokio::test]
async fn a_whole_id_in_another_notation_is_an_integer() {
    let server = guest();
    for revision in REVISIONS {
        let client = server.client(revision);
        for (id, back) in [
            ("1.0", "1"),
            ("-7.00", "-7"),
            ("12e2", "1200"),
            ("-0.0", "0"),
        ] {
            let request = client.request("tools/list", json!({})).id(id);
            let answer = client.post_with(&request.headers, request.body()).await;
            assert!(answer.result()["tools"].is_array());
            assert!(
                answer.text.contains(&format!("\"id\":{back},")),
                "{}",
                answer.text
            );
        }
    }
}

#[tokio::test]
async fn a_progress_token_in_another_notation_is_an_integer() {
    let server = fixtures();
    let client = server.client(MODERN);
    let request = client.request_call("test_tool_with_progress", "{}");
    let request = request.progress_token(json!(7.0));
    let mut events = request.listen().await;
    let told = events.message().await;
    assert_eq!(told["params"]["progressToken"].to_string(), "7");
}

#[tokio::test]
async fn a_byte_order_mark_before_a_body_is_skipped() {
    let server = guest();
    for revision in REVISIONS {
        let client = server.client(revision);
        let request = client.request("tools/list", json!({}));
        let body = format!("\u{feff}{}", request.body());
        let answer = client.post_with(&request.headers, body).await;
        assert!(answer.result()["tools"].is_array(), "{}", answer.text);
    }
}

#[tokio::test]
async fn a_byte_order_mark_before_a_body_of_an_operator_is_skipped() {
    let server = Launch::of(Home::guest()).start();
    let prompt =
        json!({"name": "new", "arguments": [], "messages": [{"role": "user", "text": "x"}]});
    let operator = Operator::of(&server);
    let request = operator.request(Method::POST, "/add-prompt");
    let request = request.header("content-type", "application/json");
    answer(request.body(format!("\u{feff}{prompt}")))
        .await
        .granted();
}

#[tokio::test]
async fn what_nobody_has_filled_in_of_a_prompt_is_left_out() {
    let server = guest();
    for revision in REVISIONS {
        let client = server.client(revision);
        let filled = json!({"word": "w", "number": "1", "flag": "true"});
        let plain = client
            .ask("prompts/get", json!({"name": "typed", "arguments": filled}))
            .await;
        for (name, value) in [
            ("color", json!(null)),
            ("mood", json!(null)),
            ("color", json!("")),
        ] {
            let mut arguments = filled.clone();
            arguments[name] = value;
            let params = json!({"name": "typed", "arguments": arguments});
            let answer = client.ask("prompts/get", params).await;
            assert_eq!(answer.result(), plain.result(), "{name}");
        }
        for (name, value) in [
            ("word", json!(null)),
            ("number", json!("")),
            ("flag", json!(null)),
        ] {
            let mut arguments = filled.clone();
            arguments[name] = value;
            let params = json!({"name": "typed", "arguments": arguments});
            client.ask("prompts/get", params).await.refused(200, -32602);
        }
    }
}
