//! Any cursor: none is known that the server has not given.

use serde_json::{Value, json};

use crate::server::server;

const LISTS: [&str; 4] = [
    "tools/list",
    "resources/list",
    "resources/templates/list",
    "prompts/list",
];

/// The bytes are a cursor, and the state of a request.
///
/// # Panics
/// At a finding.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for method in LISTS {
        let found = ask(method, &json!({ "cursor": text }));
        // Every list has one page, so no cursor was given.
        assert_eq!(found["error"]["code"], -32602, "{method} {text:?}: {found}");
    }
    let round = json!({"name": "result", "arguments": {}, "requestState": text});
    let found = ask("tools/call", &round);
    assert_eq!(found["error"]["code"], -32602, "{text:?}: {found}");
}

fn ask(method: &str, params: &Value) -> Value {
    let mut params = params.clone();
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let mut headers = vec![
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", method),
    ];
    if method == "tools/call" {
        headers.push(("mcp-name", "result"));
    }
    let answer = server().post(&headers, body.to_string().as_bytes());
    serde_json::from_slice(&answer.body).expect("an answer is JSON")
}
