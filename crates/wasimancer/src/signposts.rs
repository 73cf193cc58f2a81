//! What is answered where nothing is served, and which spellings of a path are one.

use axum::Json;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::health::{HEALTHZ, READYZ};

/// The path of the endpoint.
const MCP: &str = "/mcp";
/// What people and proxies write with a slash too many.
const FORGIVING: [&str; 3] = [MCP, HEALTHZ, READYZ];
const DOCUMENTS: &str = env!("CARGO_PKG_REPOSITORY");

/// Takes the slashes away that are too many before and behind the name of the endpoint or of a probe. They
/// are no redirects, since many clients do not follow those with a body.
pub(crate) fn tidy(uri: &mut Uri) {
    let path = uri.path();
    if FORGIVING.contains(&path) {
        return;
    }
    let name = path.trim_matches('/');
    let Some(meant) = FORGIVING.iter().find(|known| known[1..] == *name) else {
        return;
    };
    let query = uri.query().map(|query| format!("?{query}"));
    let path = format!("{meant}{}", query.unwrap_or_default());
    let mut parts = std::mem::take(uri).into_parts();
    parts.path_and_query = path.try_into().ok();
    *uri = Uri::from_parts(parts).unwrap_or_default();
}

/// There is nothing. The body is no JSON-RPC, and what clients that look for an authorization server can read.
pub(crate) async fn not_found() -> Response {
    let error = format!("there is nothing at this path: the MCP endpoint is {MCP}");
    refusal(StatusCode::NOT_FOUND, &error, "not_found")
}

/// There is something, but not for this method.
pub(crate) async fn not_allowed() -> Response {
    refusal(
        StatusCode::METHOD_NOT_ALLOWED,
        "there is nothing for this method: the Allow header names those that there are",
        "method_not_allowed",
    )
}

fn refusal(status: StatusCode, error: &str, code: &str) -> Response {
    (status, Json(json!({ "error": error, "code": code }))).into_response()
}

/// What this is, for a person who opens the address in a browser or asks it on a command line.
pub(crate) async fn about(headers: HeaderMap) -> Response {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    let is_browser = accept.is_some_and(|accept| accept.contains("text/html"));
    let what = format!("WASImancer, an MCP server: clients connect to {MCP} (Streamable HTTP).");
    let (media_type, text) = if is_browser {
        let page = format!(
            "<!doctype html><title>WASImancer</title><p>{what}</p>\n<p>Documents: <a href=\"{DOCUMENTS}\">{DOCUMENTS}</a></p>\n"
        );
        ("text/html; charset=utf-8", page)
    } else {
        let text = format!("{what}\nDocuments: {DOCUMENTS}\n");
        ("text/plain; charset=utf-8", text)
    };
    ([(CONTENT_TYPE, media_type)], text).into_response()
}
