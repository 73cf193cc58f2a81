//! Batches: in 2025-03-26, and nowhere else.

use serde_json::{Value, json};

use crate::initialize::{newcomer, params};
use crate::support::{Home, Launch, MODERN, Upstream, guest};

fn ping(id: i32) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "ping"})
}

fn notification() -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1, "progress": 2}})
}

#[tokio::test]
async fn every_request_of_a_batch_is_answered() {
    let server = guest();
    let client = newcomer(&server);
    let call = json!({"jsonrpc": "2.0", "id": "call", "method": "tools/call", "params": {"name": "text", "arguments": {"output": "here"}}});
    let unknown = json!({"jsonrpc": "2.0", "id": 3, "method": "unknown"});
    let batch =
        json!([ping(1), notification(), call, unknown, {"jsonrpc": "2.0", "id": 9, "result": {}}]);
    let answer = client.post(batch.to_string()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json,
        json!([
            {"jsonrpc": "2.0", "id": 1, "result": {}},
            {"jsonrpc": "2.0", "id": "call", "result": {"content": [{"type": "text", "text": "here"}]}},
            {"jsonrpc": "2.0", "id": 3, "error": {"code": -32601, "message": "Method not found: unknown"}},
        ])
    );
}

#[tokio::test]
async fn a_batch_without_requests_has_no_answer() {
    let server = guest();
    let client = newcomer(&server);
    let response = json!({"jsonrpc": "2.0", "id": 9, "result": {}});
    for batch in [
        json!([notification()]),
        json!([notification(), notification()]),
        json!([response]),
    ] {
        let answer = client.post(batch.to_string()).await;
        assert_eq!((answer.status, answer.text.as_str()), (202, ""), "{batch}");
    }
}

#[tokio::test]
async fn batches_have_a_size() {
    let server = guest();
    let client = newcomer(&server);
    client.post("[]").await.refused(400, -32600);
    client.post(" [ ] ").await.refused(400, -32600);
    let pings = |count| Value::from((0..count).map(ping).collect::<Vec<_>>());
    let answer = client.post(pings(100).to_string()).await;
    assert_eq!(answer.json.as_array().unwrap().len(), 100);
    client
        .post(pings(101).to_string())
        .await
        .refused(400, -32600);
}

#[tokio::test]
async fn what_is_wrong_in_a_batch_concerns_its_message_alone() {
    let server = guest();
    let client = newcomer(&server);
    let batch = json!([7, [], {"jsonrpc": "1.0", "id": 4, "method": "ping"}, {"jsonrpc": "2.0", "id": null, "method": "ping"}, ping(5)]);
    let answer = client.post(batch.to_string()).await;
    assert_eq!(answer.status, 200);
    let answers = answer.json.as_array().unwrap();
    assert_eq!(answers.len(), 5, "{answers:?}");
    for wrong in &answers[..4] {
        assert_eq!(wrong["error"]["code"], -32600, "{wrong}");
    }
    assert_eq!(answers[2]["id"], 4);
    assert_eq!(answers[4], json!({"jsonrpc": "2.0", "id": 5, "result": {}}));
}

#[tokio::test]
async fn initialize_is_no_part_of_a_batch() {
    let server = guest();
    let client = newcomer(&server);
    let initialize =
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params("2025-03-26")});
    let answer = client.post(json!([initialize, ping(2)]).to_string()).await;
    assert_eq!(answer.json[0]["error"]["code"], -32600);
    assert_eq!(answer.json[0]["id"], 1);
    assert_eq!(
        answer.json[1],
        json!({"jsonrpc": "2.0", "id": 2, "result": {}})
    );
    assert!(answer.headers.get("mcp-session-id").is_none());
}

#[tokio::test]
async fn other_revisions_have_no_batches() {
    let server = guest();
    let batch = json!([ping(1)]).to_string();
    for revision in [MODERN, "2025-11-25", "2025-06-18"] {
        let answer = server.client(revision).post(batch.clone()).await;
        answer.refused(400, -32600);
        assert!(answer.json.get("id").is_none());
        server
            .client(revision)
            .post("[]")
            .await
            .refused(400, -32600);
    }
    // A session of a later revision has none either, and one of this revision has them.
    for (version, status) in [("2025-06-18", 400), ("2025-03-26", 200)] {
        let mut client = newcomer(&server);
        let answer = client.ask("initialize", params(version)).await;
        client.headers.insert(
            "mcp-session-id",
            answer.header("mcp-session-id").parse().unwrap(),
        );
        assert_eq!(client.post(batch.clone()).await.status, status, "{version}");
    }
    let mut client = newcomer(&server);
    client
        .headers
        .insert("mcp-session-id", "gone".parse().unwrap());
    client.post(batch.clone()).await.refused(404, -32600);
    client
        .headers
        .insert("mcp-protocol-version", "2099-01-01".parse().unwrap());
    client.post(batch).await.refused(400, -32022);
}

#[tokio::test]
async fn the_calls_of_a_batch_run_side_by_side() {
    let upstream = Upstream::start();
    let home = Home::asking();
    let server = Launch::of(home).start();
    let client = newcomer(&server);
    let url = format!("http://{}/", upstream.address);
    let call = |id: u64| {
        let params = json!({"name": "get", "arguments": {"url": url}});
        json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})
    };
    let batch = json!([call(1), call(2)]).to_string();
    let releasing = async {
        // Both wait at once, which they would not one after the other.
        upstream.holds(2).await;
        upstream.release("both");
    };
    let (answer, ()) = tokio::join!(client.post(batch), releasing);
    let ids: Vec<&Value> = answer
        .json
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["id"])
        .collect();
    assert_eq!(ids, [1, 2]);
}

#[tokio::test]
async fn a_notification_in_a_batch_is_never_answered() {
    let server = guest();
    let client = newcomer(&server);
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28"});
    for wrong in [
        json!({"jsonrpc": "2.0", "method": "initialize"}),
        json!({"jsonrpc": "2.0", "method": "x", "params": {"_meta": meta}}),
    ] {
        let answer = client.post(json!([wrong]).to_string()).await;
        assert_eq!((answer.status, answer.text.as_str()), (202, ""), "{wrong}");
        let answer = client.post(json!([wrong, ping(1)]).to_string()).await;
        assert_eq!(
            answer.json,
            json!([{"jsonrpc": "2.0", "id": 1, "result": {}}])
        );
    }
}
