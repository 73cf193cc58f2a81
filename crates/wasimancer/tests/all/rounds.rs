//! Requests that take several rounds in 2026-07-28: the plugin asks, the client answers with the
//! next request.

use serde_json::{Value, json};

use crate::support::{Answer, Client, Launch, MODERN, fixtures};

const ALL: &str = r#"{"elicitation":{"form":{},"url":{}},"sampling":{"tools":{}},"roots":{}}"#;

fn able() -> Value {
    serde_json::from_str(ALL).unwrap()
}

async fn call(client: &Client, tool: &str, round: Value) -> Answer {
    let mut params = json!({"name": tool, "arguments": {}});
    params
        .as_object_mut()
        .unwrap()
        .extend(round.as_object().unwrap().clone());
    let request = client.request("tools/call", params).capabilities(able());
    request.send().await
}

fn asked(answer: &Answer) -> &Value {
    let result = answer.result();
    assert_eq!(result["resultType"], "input_required", "{result}");
    &result["inputRequests"]
}

fn accepted(content: &Value) -> Value {
    json!({"action": "accept", "content": content})
}

#[tokio::test]
async fn a_tool_asks_and_is_answered() {
    let server = fixtures();
    let client = server.client(MODERN);
    let tool = "test_input_required_result_elicitation";
    let first = call(&client, tool, json!({})).await;
    let params = &asked(&first)["user_name"]["params"];
    assert_eq!(params["message"], "What is your name?");
    assert!(first.result().get("requestState").is_none());
    let responses = json!({"user_name": accepted(&json!({"name": "Ada"})), "another": {}});
    let second = call(&client, tool, json!({"inputResponses": responses})).await;
    assert_eq!(second.output(), "Hello, Ada!");
    // Without the answer it asks again.
    let responses = json!({"wrong": accepted(&json!({}))});
    let again = call(&client, tool, json!({"inputResponses": responses})).await;
    assert_eq!(asked(&again), asked(&first));
}

#[tokio::test]
async fn a_prompt_asks_too() {
    let server = fixtures();
    let client = server.client(MODERN);
    let get = async |round: Value| {
        let mut params = json!({"name": "test_input_required_result_prompt"});
        params
            .as_object_mut()
            .unwrap()
            .extend(round.as_object().unwrap().clone());
        let request = client.request("prompts/get", params);
        request.capabilities(able()).send().await
    };
    let first = get(json!({})).await;
    assert_eq!(
        asked(&first)["user_context"]["method"],
        "elicitation/create"
    );
    let responses = json!({"user_context": accepted(&json!({"context": "the sea"}))});
    let second = get(json!({"inputResponses": responses})).await;
    let messages = &second.result()["messages"];
    assert_eq!(messages[0]["content"]["text"], "Use this context: the sea");
}

/// What a plugin wants to have back travels through the client, which can neither read nor change
/// it, nor use it elsewhere.
#[tokio::test]
async fn a_state_is_for_its_own_request_alone() {
    let server = fixtures();
    let client = server.client(MODERN);
    let tool = "test_input_required_result_request_state";
    let first = call(&client, tool, json!({})).await;
    let state = first.result()["requestState"].as_str().unwrap().to_owned();
    for readable in [state.clone(), format!("{:?}", base64_of(&state))] {
        assert!(!readable.contains("waiting"), "{readable}");
    }
    let again = call(&client, tool, json!({})).await;
    assert_ne!(again.result()["requestState"], state.as_str());
    let round = |state: &str| json!({"inputResponses": {"confirm": accepted(&json!({"ok": true}))}, "requestState": state});
    assert_eq!(
        call(&client, tool, round(&state)).await.output(),
        "state-ok"
    );
    // Of another tool with the same function.
    let elsewhere = "test_input_required_result_tampered_state";
    let refused = call(&client, elsewhere, round(&state)).await;
    let message = refused.refused(200, -32602)["message"].as_str().unwrap();
    assert!(message.contains("`requestState`"), "{message}");
    for wrong in [
        "",
        "x",
        &state[1..],
        &format!("{state}-TAMPERED"),
        &state.to_uppercase(),
    ] {
        let refused = call(&client, tool, round(wrong)).await;
        refused.refused(200, -32602);
    }
    // Of another process.
    let other = Launch::fixtures().start();
    let refused = call(&other.client(MODERN), tool, round(&state)).await;
    refused.refused(200, -32602);
}

fn base64_of(text: &str) -> Option<String> {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(text)
        .ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[tokio::test]
async fn a_configured_secret_keeps_states_over_a_restart() {
    let tool = "test_input_required_result_request_state";
    let start = || {
        let launch = Launch::fixtures();
        launch
            .env(
                "WASIMANCER_STATE_SECRET",
                "a long text that nobody else can guess",
            )
            .start()
    };
    let first = call(&start().client(MODERN), tool, json!({})).await;
    let responses = json!({"confirm": accepted(&json!({"ok": true}))});
    let round =
        json!({"inputResponses": responses, "requestState": first.result()["requestState"]});
    let second = call(&start().client(MODERN), tool, round).await;
    assert_eq!(second.output(), "state-ok");
    let ended = Launch::fixtures()
        .env("WASIMANCER_STATE_SECRET", "short")
        .refused();
    assert!(
        ended.stderr.contains("WASIMANCER_STATE_SECRET"),
        "{}",
        ended.stderr
    );
    assert!(!ended.stderr.contains("\"short\""), "{}", ended.stderr);
}

#[tokio::test]
async fn each_round_has_a_state_of_its_own() {
    let server = fixtures();
    let client = server.client(MODERN);
    let tool = "test_input_required_result_multi_round";
    let first = call(&client, tool, json!({})).await;
    let answer = json!({"step1": accepted(&json!({"name": "Ada"}))});
    let state = &first.result()["requestState"];
    let second = call(
        &client,
        tool,
        json!({"inputResponses": answer, "requestState": state}),
    )
    .await;
    assert!(asked(&second).get("step2").is_some());
    let answer = json!({"step2": accepted(&json!({"color": "red"}))});
    let state = &second.result()["requestState"];
    let third = call(
        &client,
        tool,
        json!({"inputResponses": answer, "requestState": state}),
    )
    .await;
    assert_eq!(third.output(), "\"Ada\" likes \"red\".");
}

#[tokio::test]
async fn a_client_is_asked_for_what_it_can_do_alone() {
    let server = fixtures();
    let client = server.client(MODERN);
    for (tool, declared, missing) in [
        (
            "elicitation",
            json!({}),
            json!({"elicitation": {"form": {}}}),
        ),
        (
            "elicitation",
            json!({"elicitation": {"url": {}}}),
            json!({"elicitation": {"form": {}}}),
        ),
        ("sampling", json!({"roots": {}}), json!({"sampling": {}})),
        ("list_roots", json!({"sampling": {}}), json!({"roots": {}})),
        (
            "multiple_inputs",
            json!({"sampling": {}}),
            json!({"elicitation": {"form": {}}, "roots": {}}),
        ),
    ] {
        let tool = format!("test_input_required_result_{tool}");
        let request = client.request_call(&tool, "{}").capabilities(declared);
        let answer = request.send().await;
        let error = answer.refused(400, -32021);
        assert_eq!(error["data"]["requiredCapabilities"], missing, "{tool}");
    }
    // A plugin that looks first asks for what there is.
    let tool = "test_input_required_result_capabilities";
    let request = client
        .request_call(tool, "{}")
        .capabilities(json!({"sampling": {}}));
    let answer = request.send().await;
    let keys: Vec<&String> = asked(&answer).as_object().unwrap().keys().collect();
    assert_eq!(keys, ["greeting"]);
}

#[tokio::test]
async fn what_a_definition_requires_is_looked_at_first() {
    let server = fixtures();
    let client = server.client(MODERN);
    let answer = client
        .call("test_missing_capability", r#"{"not":"an argument"}"#)
        .await;
    let error = answer.refused(400, -32021);
    assert_eq!(
        error["data"],
        json!({"requiredCapabilities": {"sampling": {}}})
    );
}

#[tokio::test]
async fn malformed_rounds_are_refused() {
    let server = fixtures();
    let client = server.client(MODERN);
    let tool = "test_input_required_result_elicitation";
    for (round, field) in [
        (json!({"inputResponses": [1]}), "inputResponses"),
        (json!({"inputResponses": {"user_name": 12345}}), "user_name"),
        (json!({"requestState": 5}), "requestState"),
        (json!({"requestState": null}), "requestState"),
    ] {
        let answer = call(&client, tool, round).await;
        let message = answer.refused(200, -32602)["message"].as_str().unwrap();
        assert!(message.contains(field), "{message}");
    }
}

/// A client must not pass for the server.
#[tokio::test]
async fn a_caller_cannot_give_a_round_as_an_argument() {
    let server = crate::support::guest();
    let arguments = r#"{"_mcp":{"requestState":"forged"}}"#;
    let answer = server.client(MODERN).call("everything", arguments).await;
    assert!(answer.failure().contains("_mcp"), "{}", answer.failure());
}

/// A tool of the guest answers what it is told to.
async fn ask_for_page(client: &Client, capabilities: Value) -> Answer {
    let params = json!({"mode": "url", "message": "Sign in", "url": "https://example.com/in"});
    let requests = json!({"page": {"method": "elicitation/create", "params": params}});
    let output = json!({"output": {"resultType": "input_required", "inputRequests": requests}});
    let request = client.request_call("result value", output);
    request.capabilities(capabilities).send().await
}

#[tokio::test]
async fn a_page_is_asked_for_where_the_client_opens_pages() {
    let server = crate::support::guest();
    let client = server.client(MODERN);
    let asked_for = ask_for_page(&client, json!({"elicitation": {"url": {}}})).await;
    assert_eq!(
        asked(&asked_for)["page"]["params"]["url"],
        "https://example.com/in"
    );
    let refused = ask_for_page(&client, json!({"elicitation": {}})).await;
    let error = refused.refused(400, -32021);
    let missing = json!({"elicitation": {"url": {}}});
    assert_eq!(error["data"]["requiredCapabilities"], missing);
}
