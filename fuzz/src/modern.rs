//! Any body as a request of 2026-07-28, with the headers that belong to it or with none.

use serde_json::Value;

use crate::headers::encoded;
use crate::server::{check, server};

/// The first byte says whether the headers repeat the body; the rest is the body.
///
/// # Panics
/// At a finding.
pub fn run(data: &[u8]) {
    let Some((mirrors, body)) = data.split_first() else {
        return;
    };
    let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
    let method = parsed["method"].as_str().unwrap_or_default();
    let field = match method {
        "resources/read" => "uri",
        "tasks/get" | "tasks/update" | "tasks/cancel" => "taskId",
        _ => "name",
    };
    let name = parsed["params"][field].as_str().map(encoded);
    let mut headers = vec![("mcp-protocol-version", "2026-07-28")];
    if mirrors.is_multiple_of(2) {
        headers.push(("mcp-method", method));
        headers.extend(name.as_deref().map(|name| ("mcp-name", name)));
    }
    check(body, &server().post(&headers, body));
}
