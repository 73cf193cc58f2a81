//! Headers that repeat the body: those that do are accepted, and no others.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde_json::{Value, json};

use crate::server::server;

/// A value as a header repeats it (2026-07-28, transports, "Value Encoding").
#[must_use]
pub fn encoded(value: &str) -> String {
    let is_plain = value.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        && value.trim() == value
        && !value.is_empty()
        && !value.starts_with("=?base64?");
    if is_plain {
        return value.to_owned();
    }
    format!("=?base64?{}?=", STANDARD.encode(value))
}

/// The bytes are a text that an argument has, and a header that is sent for it.
///
/// # Panics
/// At a finding.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (value, other) = text.split_once('\0').unwrap_or((&text, ""));
    let right = encoded(value);
    accepted(value, &right, true);
    // The header has a value of its own, which is the same one or not.
    let meant = meaning(other.trim());
    if http::HeaderValue::from_str(other).is_ok() {
        accepted(value, other, meant.as_deref() == Some(value));
    }
}

/// What a header's value stands for; none where it is malformed.
fn meaning(header: &str) -> Option<String> {
    if !header.is_ascii() {
        return None;
    }
    let inside = header.strip_prefix("=?base64?");
    match inside.and_then(|rest| rest.strip_suffix("?=")) {
        None => Some(header.to_owned()),
        Some(inside) => String::from_utf8(STANDARD.decode(inside).ok()?).ok(),
    }
}

fn accepted(value: &str, header: &str, is_right: bool) {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({"name": "mirrored", "arguments": {"region": value}, "_meta": meta});
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
    let headers = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "mirrored"),
        ("mcp-param-region", header),
    ];
    let answer = server().post(&headers, body.to_string().as_bytes());
    let found: Value = serde_json::from_slice(&answer.body).expect("an answer is JSON");
    if is_right {
        assert!(
            found.get("result").is_some(),
            "{header:?} for {value:?}: {found}"
        );
    } else {
        assert_eq!(
            found["error"]["code"], -32020,
            "{header:?} for {value:?}: {found}"
        );
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    }
}
