//! Any body as a message, or a batch of them, of the older revisions.

use std::sync::OnceLock;

use crate::server::{check, server};

/// The headers by the first byte.
const VERSIONS: [Option<&str>; 4] = [
    None,
    Some("2025-03-26"),
    Some("2025-06-18"),
    Some("2025-11-25"),
];

const INITIALIZE: &[u8] = br#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"sampling":{},"elicitation":{}},"clientInfo":{"name":"f","version":"1"}}}"#;

/// The first byte chooses a version and whether there is a session; the rest is the body.
///
/// # Panics
/// At a finding.
pub fn run(data: &[u8]) {
    let Some((choice, body)) = data.split_first() else {
        return;
    };
    let mut headers = Vec::new();
    let version = VERSIONS[usize::from(choice % 4)];
    headers.extend(version.map(|version| ("mcp-protocol-version", version)));
    if choice & 4 != 0 && !asks(body) {
        headers.push(("mcp-session-id", session()));
    }
    check(body, &server().post(&headers, body));
}

/// Whether the echoing tool would ask the client, which waits here for nobody.
fn asks(body: &[u8]) -> bool {
    body.windows(5).any(|part| part == b"input") || body.contains(&b'\\')
}

fn session() -> &'static str {
    static SESSION: OnceLock<String> = OnceLock::new();
    SESSION.get_or_init(|| {
        let answer = server().post(&[], INITIALIZE);
        let id = answer.headers["mcp-session-id"].to_str();
        id.expect("an id is visible ASCII").to_owned()
    })
}
