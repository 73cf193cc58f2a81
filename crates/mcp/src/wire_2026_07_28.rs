//! Revision 2026-07-28: stateless requests that carry their own metadata.

mod listen;

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use wasimancer_catalog::Snapshot;

use crate::endpoint::Endpoint;
use crate::era::{Meta, check_meta};
use crate::error::Error;
use crate::headers;
use crate::jsonrpc::Call;
use crate::outcome::Outcome;
use crate::revision::{Revision, SERVER_INFO_KEY, SUPPORTED_VERSIONS};
use crate::service;

/// What a request is answered with.
pub(crate) enum Answer {
    /// The fields of its result.
    Result(String),
    /// A stream of events.
    Events(Response),
}

/// Answers a request of this revision.
pub(crate) async fn handle(
    endpoint: &Arc<Endpoint>,
    snapshot: &Snapshot,
    http_headers: &HeaderMap,
    meta: Option<&Meta>,
    call: &Call<'_>,
) -> Result<Answer, Error> {
    let Call { id, method, params } = *call;
    headers::check_method(http_headers, method)?;
    check_meta(meta)?;
    check_mirrored(snapshot, http_headers, method, params)?;
    let outcome = match method {
        "server/discover" => discover(endpoint, snapshot),
        "subscriptions/listen" => {
            let listening = listen::listen(endpoint, http_headers, id, params);
            return listening.await.map(Answer::Events);
        }
        _ => match service::handle(snapshot, Revision::Modern, method, params).await {
            Some(answer) => answer?,
            None => return Err(Error::MethodNotFound(method.to_owned())),
        },
    };
    Ok(Answer::Result(complete(endpoint, &outcome)))
}

/// What the headers mirror, where it is given; what is missing in the params is their own error.
#[derive(Deserialize)]
struct Mirrored<'a> {
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    uri: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
}

fn check_mirrored(
    snapshot: &Snapshot,
    http_headers: &HeaderMap,
    method: &str,
    params: Option<&RawValue>,
) -> Result<(), Error> {
    if !matches!(method, "tools/call" | "prompts/get" | "resources/read") {
        return Ok(());
    }
    let mirrored: Mirrored<'_> = service::parse(params)?;
    let value = if method == "resources/read" {
        &mirrored.uri
    } else {
        &mirrored.name
    };
    match value {
        Some(value) => headers::check_name(http_headers, value)?,
        None => headers::check_no_name(http_headers)?,
    }
    if method == "tools/call"
        && let Some(tool) = mirrored
            .name
            .as_deref()
            .and_then(|name| snapshot.tool(name))
    {
        headers::check_parameters(http_headers, tool.header_parameters(), mirrored.arguments)?;
    }
    Ok(())
}

fn discover(endpoint: &Endpoint, snapshot: &Snapshot) -> Outcome {
    let mut fields = format!(
        "\"supportedVersions\":{},\"capabilities\":{}",
        Value::from(SUPPORTED_VERSIONS.to_vec()),
        Value::Object(service::capabilities(snapshot)),
    );
    if let Some(instructions) = &endpoint.instructions {
        let _ = write!(
            fields,
            ",\"instructions\":{}",
            Value::from(instructions.as_str())
        );
    }
    Outcome::cacheable(fields)
}

/// Adds what every result of this revision has: its type, how long it may be kept, and the server.
fn complete(endpoint: &Endpoint, outcome: &Outcome) -> String {
    let mut fields = String::with_capacity(outcome.fields.len() + outcome.meta.len() + 256);
    fields.push_str("\"resultType\":\"complete\",");
    fields.push_str(&outcome.fields);
    if outcome.cacheable {
        // Private: an answer may depend on who asked, so no cache may share it between callers.
        let ttl_ms = endpoint.cache_ttl.as_millis();
        let _ = write!(fields, ",\"ttlMs\":{ttl_ms},\"cacheScope\":\"private\"");
    }
    let _ = write!(
        fields,
        ",\"_meta\":{{\"{SERVER_INFO_KEY}\":{}",
        endpoint.server_info
    );
    if !outcome.meta.is_empty() {
        fields.push(',');
        fields.push_str(&outcome.meta);
    }
    fields.push('}');
    fields
}
