//! The same plugins for the older revisions: the client is asked on the stream of its request.

use serde_json::{Value, json};

use crate::initialize::newcomer;
use crate::support::{Client, Events, LEGACY, Server, fixtures};

/// A client in a session, that can do this.
pub(crate) async fn able(server: &Server, version: &'static str, capabilities: Value) -> Client {
    let mut client = newcomer(server);
    let params = json!({
        "protocolVersion": version,
        "capabilities": capabilities,
        "clientInfo": {"name": "a client", "version": "1.0.0"},
    });
    let answer = client.ask("initialize", params).await;
    let session = answer.header("mcp-session-id").parse().unwrap();
    client.headers.insert("mcp-session-id", session);
    client
}

fn everything() -> Value {
    json!({"elicitation": {}, "sampling": {}, "roots": {}})
}

/// Answers the next message, which must ask for this.
async fn answer(client: &Client, events: &mut Events, method: &str, answered: Value) -> Value {
    let question = events.message().await;
    assert_eq!(question["method"], method, "{question}");
    let mut response = json!({"jsonrpc": "2.0", "id": question["id"]});
    response
        .as_object_mut()
        .unwrap()
        .extend(answered.as_object().unwrap().clone());
    let accepted = client.post(response.to_string()).await;
    assert_eq!((accepted.status, accepted.text.as_str()), (202, ""));
    question["params"].clone()
}

fn text(response: &Value) -> &str {
    response["result"]["content"][0]["text"]
        .as_str()
        .expect("a text")
}

#[tokio::test]
async fn each_older_client_is_asked_on_its_stream() {
    let server = fixtures();
    for version in LEGACY {
        let client = able(&server, version, everything()).await;
        let call = |tool: &str| {
            let tool = format!("test_input_required_result_{tool}");
            client.request_call(&tool, "{}").listen()
        };
        if version != "2025-03-26" {
            let mut events = call("elicitation").await;
            let accepted = json!({"result": {"action": "accept", "content": {"name": "Ada"}}});
            let params = answer(&client, &mut events, "elicitation/create", accepted).await;
            assert_eq!(params["message"], "What is your name?");
            assert_eq!(text(&events.message().await), "Hello, Ada!");
            events.ends().await;
        }
        let mut events = call("sampling").await;
        let content = json!({"type": "text", "text": "Paris"});
        let said = json!({"result": {"role": "assistant", "content": content, "model": "m"}});
        answer(&client, &mut events, "sampling/createMessage", said).await;
        assert_eq!(text(&events.message().await), "Paris");
        let mut events = call("list_roots").await;
        let roots = json!({"result": {"roots": [{"uri": "file:///home"}]}});
        answer(&client, &mut events, "roots/list", roots).await;
        assert!(text(&events.message().await).contains("file:///home"));
    }
}

#[tokio::test]
async fn rounds_follow_one_another_with_their_states() {
    let server = fixtures();
    let client = able(&server, "2025-11-25", everything()).await;
    let tool = "test_input_required_result_multi_round";
    let mut events = client.request_call(tool, "{}").listen().await;
    let accepted = |content: Value| json!({"result": {"action": "accept", "content": content}});
    let name = accepted(json!({"name": "Ada"}));
    answer(&client, &mut events, "elicitation/create", name).await;
    let color = accepted(json!({"color": "red"}));
    answer(&client, &mut events, "elicitation/create", color).await;
    assert_eq!(text(&events.message().await), "\"Ada\" likes \"red\".");
    events.ends().await;
}

#[tokio::test]
async fn several_questions_are_asked_at_once() {
    let server = fixtures();
    let client = able(&server, "2025-11-25", everything()).await;
    let tool = "test_input_required_result_multiple_inputs";
    let mut events = client.request_call(tool, "{}").listen().await;
    let mut questions = Vec::new();
    for _ in 0..3 {
        questions.push(events.message().await);
    }
    // Answers come in any order.
    for question in questions.iter().rev() {
        let result = match question["method"].as_str().unwrap() {
            "elicitation/create" => json!({"action": "decline"}),
            "roots/list" => json!({"roots": []}),
            _ => {
                json!({"role": "assistant", "content": {"type": "text", "text": "hi"}, "model": "m"})
            }
        };
        let response = json!({"jsonrpc": "2.0", "id": question["id"], "result": result});
        client.post(response.to_string()).await;
    }
    assert_eq!(text(&events.message().await), "Everything was answered.");
}

#[tokio::test]
async fn who_does_not_answer_is_told_so() {
    let server = fixtures();
    let client = able(&server, "2025-11-25", everything()).await;
    let tool = "test_input_required_result_sampling";
    let mut events = client.request_call(tool, "{}").listen().await;
    let error = json!({"error": {"code": -1, "message": "The user said no"}});
    answer(&client, &mut events, "sampling/createMessage", error).await;
    let response = events.message().await;
    assert_eq!(response["result"]["isError"], true);
    assert!(text(&response).contains("The user said no"), "{response}");
    // A prompt has no result that could say so.
    let params = json!({"name": "test_input_required_result_prompt"});
    let mut events = client.request("prompts/get", params).listen().await;
    let error = json!({"error": {"code": -1, "message": "no"}});
    answer(&client, &mut events, "elicitation/create", error).await;
    let response = events.message().await;
    assert_eq!(response["error"]["code"], -32603, "{response}");
}

#[tokio::test]
async fn who_cannot_be_asked_is_refused() {
    let server = fixtures();
    let tool = "test_input_required_result_elicitation";
    let unable = able(&server, "2025-11-25", json!({"sampling": {}})).await;
    let answer = unable.call(tool, "{}").await;
    let error = answer.refused(200, -32600);
    assert_eq!(
        error["data"]["requiredCapabilities"],
        json!({"elicitation": {"form": {}}})
    );
    // Nothing is remembered of a client without a session.
    let answer = server.client("2025-11-25").call(tool, "{}").await;
    answer.refused(200, -32600);
    // A client that takes no events cannot be asked.
    let mut deaf = able(&server, "2025-11-25", everything()).await;
    deaf.headers
        .insert("accept", "application/json".parse().unwrap());
    let answer = deaf.call(tool, "{}").await;
    assert!(
        answer.failure().contains("stream of events"),
        "{}",
        answer.failure()
    );
}

/// Answers to questions that nobody asked, or that others were asked, change nothing.
#[tokio::test]
async fn an_answer_is_taken_from_the_one_who_was_asked() {
    let server = fixtures();
    let client = able(&server, "2025-11-25", everything()).await;
    let other = able(&server, "2025-11-25", everything()).await;
    let tool = "test_input_required_result_elicitation";
    let mut events = client.request_call(tool, "{}").listen().await;
    let question = events.message().await;
    let forged = json!({"action": "accept", "content": {"name": "Mallory"}});
    for id in [question["id"].clone(), json!(99), json!("1")] {
        let response = json!({"jsonrpc": "2.0", "id": id, "result": forged});
        assert_eq!(other.post(response.to_string()).await.status, 202);
    }
    let result = json!({"action": "accept", "content": {"name": "Ada"}});
    let response = json!({"jsonrpc": "2.0", "id": question["id"], "result": result});
    client.post(response.to_string()).await;
    assert_eq!(text(&events.message().await), "Hello, Ada!");
}

/// In 2025-11-25 a question with a page has an id, which no plugin has to make up.
#[tokio::test]
async fn a_page_is_asked_for_with_an_id() {
    let server = crate::support::guest();
    let client = able(&server, "2025-11-25", json!({"elicitation": {"url": {}}})).await;
    let params = json!({"mode": "url", "message": "Sign in", "url": "https://example.com/in"});
    let requests = json!({"page": {"method": "elicitation/create", "params": params}});
    let output = json!({"output": {"resultType": "input_required", "inputRequests": requests}});
    let mut events = client.request_call("result value", output).listen().await;
    let error = json!({"error": {"code": -1, "message": "no"}});
    let asked = answer(&client, &mut events, "elicitation/create", error).await;
    assert!(asked["elicitationId"].is_string(), "{asked}");
}
