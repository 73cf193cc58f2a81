//! Tool calls that go on as tasks (the extension io.modelcontextprotocol/tasks).

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Answer, Client, Home, Launch, MODERN, PATIENCE, fixtures};

fn able() -> Value {
    json!({"elicitation": {}, "extensions": {"io.modelcontextprotocol/tasks": {}}})
}

async fn ask(client: &Client, method: &str, params: Value) -> Answer {
    client
        .request(method, params)
        .capabilities(able())
        .send()
        .await
}

async fn begin(client: &Client, tool: &str, arguments: Value) -> Value {
    let params = json!({"name": tool, "arguments": arguments});
    let answer = ask(client, "tools/call", params).await;
    let result = answer.result();
    assert_eq!(result["resultType"], "task", "{result}");
    // Its first round may be over by now.
    let status = result["status"].as_str().unwrap();
    assert!(["working", "input_required"].contains(&status), "{result}");
    result.clone()
}

/// Polls until the task has this status.
async fn until(client: &Client, task: &Value, status: &str) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = ask(client, "tasks/get", json!({"taskId": task["taskId"]})).await;
        let found = answer.result();
        if found["status"] == status {
            return found.clone();
        }
        assert!(Instant::now() < deadline, "waited for {status}: {found}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_call_that_takes_long_becomes_a_task() {
    let server = fixtures();
    let client = server.client(MODERN);
    let arguments = json!({"seconds": 1, "label": "it"});
    let task = begin(&client, "slow_compute", arguments.clone()).await;
    assert_eq!(task["ttlMs"], 3_600_000);
    assert!(task["pollIntervalMs"].is_u64());
    // Another connection is as good, if the caller is the same.
    let other = server.client(MODERN);
    let ended = until(&other, &task, "completed").await;
    assert_eq!(ended["result"]["content"][0]["text"], "Computed \"it\".");
    assert_eq!(ended["result"]["resultType"], "complete");
    assert_eq!(ended["createdAt"], task["createdAt"]);
    // One that is quick does not.
    let params = json!({"name": "slow_compute", "arguments": {"seconds": 0, "label": "it"}});
    let answer = ask(&client, "tools/call", params).await;
    assert_eq!(answer.output(), "Computed \"it\".");
    // Nor that of a client which knows no tasks.
    let answer = client
        .call("slow_compute", arguments.to_string().as_str())
        .await;
    assert_eq!(answer.output(), "Computed \"it\".");
}

#[tokio::test]
async fn a_task_ends_as_its_call_does() {
    let server = fixtures();
    let client = server.client(MODERN);
    let task = begin(&client, "failing_job", json!({})).await;
    let ended = until(&client, &task, "completed").await;
    assert_eq!(ended["result"]["isError"], true);
    let task = begin(&client, "protocol_error_job", json!({})).await;
    let ended = until(&client, &task, "failed").await;
    assert_eq!(
        ended["error"],
        json!({"code": -32603, "message": "The job broke."})
    );
    assert_eq!(ended["statusMessage"], "The job broke.");
    assert!(ended.get("result").is_none());
}

#[tokio::test]
async fn a_task_asks_while_it_runs() {
    let server = fixtures();
    let client = server.client(MODERN);
    let task = begin(&client, "multi_input", json!({})).await;
    let asking = until(&client, &task, "input_required").await;
    let keys = |task: &Value| -> Vec<String> {
        task["inputRequests"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect()
    };
    assert_eq!(keys(&asking), ["first", "second"]);
    let update = async |responses: Value| {
        let params = json!({"taskId": task["taskId"], "inputResponses": responses});
        ask(&client, "tasks/update", params).await
    };
    let accepted = json!({"action": "accept", "content": {"confirm": true}});
    let answer = update(json!({"second": accepted, "unknown": {}})).await;
    let fields: Vec<&String> = answer.result().as_object().unwrap().keys().collect();
    assert_eq!(fields, ["resultType", "_meta"]);
    let asking = until(&client, &task, "input_required").await;
    assert_eq!(keys(&asking), ["first"]);
    update(json!({"second": accepted})).await.result();
    assert_eq!(
        keys(&until(&client, &task, "input_required").await),
        ["first"]
    );
    for wrong in [json!(null), json!([1]), json!({"first": 5})] {
        update(wrong).await.refused(200, -32602);
    }
    update(json!({"first": accepted})).await.result();
    let ended = until(&client, &task, "completed").await;
    assert_eq!(ended["result"]["content"][0]["text"], "Both were answered.");
}

#[tokio::test]
async fn questions_before_the_task_are_rounds_of_the_request() {
    let server = fixtures();
    let client = server.client(MODERN);
    let tool = "test_tool_with_task";
    let params = json!({"name": tool, "arguments": {}});
    let answer = ask(&client, "tools/call", params).await;
    assert_eq!(answer.result()["resultType"], "input_required");
    let responses = json!({"user_name": {"action": "accept", "content": {"name": "Ada"}}});
    let params = json!({"name": tool, "arguments": {}, "inputResponses": responses});
    let task = ask(&client, "tools/call", params).await;
    assert_eq!(task.result()["resultType"], "task");
    let ended = until(&client, task.result(), "completed").await;
    assert_eq!(ended["result"]["content"][0]["text"], "Worked for Ada.");
}

#[tokio::test]
async fn a_task_is_cancelled() {
    let server = fixtures();
    let client = server.client(MODERN);
    for (tool, arguments, status) in [
        (
            "slow_compute",
            json!({"seconds": 20, "label": ""}),
            "working",
        ),
        ("confirm_delete", json!({"filename": "f"}), "input_required"),
    ] {
        let task = begin(&client, tool, arguments).await;
        until(&client, &task, status).await;
        let params = json!({"taskId": task["taskId"]});
        ask(&client, "tasks/cancel", params.clone()).await.result();
        let ended = until(&client, &task, "cancelled").await;
        // Again it is the same.
        ask(&client, "tasks/cancel", params).await.result();
        assert_eq!(until(&client, &task, "cancelled").await, ended);
    }
}

#[tokio::test]
async fn a_task_is_its_callers_alone() {
    let server = Launch::fixtures()
        .env("WASIMANCER_AUTHENTICATION_TOKEN", "NO_AUTHENTICATION")
        .start();
    let client = server.client(MODERN);
    let task = begin(&client, "confirm_delete", json!({"filename": "f"})).await;
    let mut other = server.client(MODERN);
    other
        .headers
        .insert("authorization", "Bearer another".parse().unwrap());
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        for (client, id) in [(&other, &task["taskId"]), (&client, &json!("unknown"))] {
            let params = json!({"taskId": id, "inputResponses": {}});
            let answer = ask(client, method, params).await;
            let message = answer.refused(200, -32602)["message"].as_str().unwrap();
            assert!(message.contains("taskId"), "{message}");
        }
    }
    until(&client, &task, "input_required").await;
}

#[tokio::test]
async fn who_knows_no_tasks_is_told_what_is_missing() {
    let server = fixtures();
    let client = server.client(MODERN);
    let missing = json!({"extensions": {"io.modelcontextprotocol/tasks": {}}});
    for (method, params) in [
        (
            "tools/call",
            json!({"name": "failing_job", "arguments": {}}),
        ),
        ("tasks/get", json!({"taskId": "x"})),
        ("tasks/update", json!({"taskId": "x", "inputResponses": {}})),
        ("tasks/cancel", json!({"taskId": "x"})),
        (
            "subscriptions/listen",
            json!({"notifications": {"taskIds": ["x"]}}),
        ),
    ] {
        let answer = client.ask(method, params).await;
        let error = answer.refused(400, -32021);
        assert_eq!(error["data"]["requiredCapabilities"], missing, "{method}");
    }
    for method in ["tasks/list", "tasks/result"] {
        ask(&client, method, json!({"taskId": "x"}))
            .await
            .refused(404, -32601);
    }
    // The header names the task.
    let request = client.request("tasks/get", json!({"taskId": "x"}));
    let answer = request
        .capabilities(able())
        .header("mcp-name", "y")
        .send()
        .await;
    answer.refused(400, -32020);
}

#[tokio::test]
async fn a_stream_tells_of_tasks() {
    let server = fixtures();
    let client = server.client(MODERN);
    let task = begin(&client, "confirm_delete", json!({"filename": "f"})).await;
    until(&client, &task, "input_required").await;
    let params = json!({"notifications": {"taskIds": [task["taskId"], "unknown"]}});
    let mut events = client
        .request("subscriptions/listen", params)
        .capabilities(able())
        .listen()
        .await;
    let acknowledged = events.message().await;
    let honoured = &acknowledged["params"]["notifications"];
    assert_eq!(honoured, &json!({"taskIds": [task["taskId"]]}));
    let told = events.message().await;
    assert_eq!(told["method"], "notifications/tasks");
    assert_eq!(told["params"]["status"], "input_required");
    assert!(told["params"]["inputRequests"].get("confirm").is_some());
    let accepted = json!({"confirm": {"action": "accept", "content": {"confirm": true}}});
    let params = json!({"taskId": task["taskId"], "inputResponses": accepted});
    ask(&client, "tasks/update", params).await.result();
    loop {
        let told = events.message().await;
        if told["params"]["status"] == "completed" {
            assert_eq!(
                told["params"]["result"]["content"][0]["text"],
                "The answer is true."
            );
            break;
        }
    }
}

#[tokio::test]
async fn a_task_is_forgotten_when_its_time_is_over() {
    let home = Home::with_plugins(
        "plugins:
  - name: guest
    path: guest.wasm
    limits: {concurrency: 1}
    functions:
      - {function: spin, description: never ends, arguments: [], task: {ttl: 200ms}}
      - {function: echo, description: says what arrived, arguments: []}
",
    );
    let server = Launch::of(home).start();
    let client = server.client(MODERN);
    let task = begin(&client, "spin", json!({})).await;
    assert_eq!(task["ttlMs"], 200);
    let deadline = Instant::now() + PATIENCE;
    let last = loop {
        let answer = ask(&client, "tasks/get", json!({"taskId": task["taskId"]})).await;
        if answer.json.get("error").is_some() {
            break answer;
        }
        assert!(Instant::now() < deadline, "{answer:?}");
    };
    last.refused(200, -32602);
    // Its guest has ended with it: there is one place, and it is free.
    assert_eq!(client.call("echo", "{}").await.output(), "{}");
}
