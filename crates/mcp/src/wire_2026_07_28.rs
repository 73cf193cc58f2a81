//! Revision 2026-07-28: stateless requests that carry their own metadata.

mod listen;
mod rounds;
mod tasks;

use std::fmt::Write;
use std::sync::Arc;

use futures_util::stream::BoxStream;
use http::HeaderMap;
use serde_json::{Value, json};
use wasimancer_catalog::Snapshot;

use crate::capabilities::TASKS_EXTENSION;
use crate::endpoint::Endpoint;
use crate::era::{Meta, check_meta};
use crate::error::Error;
use crate::exchange::Exchange;
use crate::headers;
use crate::jsonrpc::Call;
use crate::outcome::{Finished, Outcome};
use crate::params::{About, Params};
use crate::revision::{Revision, SERVER_INFO_KEY, SUPPORTED_VERSIONS};
use crate::service;

/// What a request is answered with.
pub(crate) enum Answer {
    Result(Finished),
    /// A stream of messages, with none where there was nothing to tell for a while.
    Messages(BoxStream<'static, Option<String>>),
}

/// Answers a request of this revision.
pub(crate) async fn handle(
    exchange: &Exchange,
    meta: Option<&Meta<'_>>,
    call: &Call<'_>,
) -> Result<Answer, Error> {
    let Call { id, method, params } = *call;
    let headers = exchange.arrival.headers();
    if let Some(headers) = headers {
        headers::check_method(headers, method)?;
    }
    check_meta(meta)?;
    let read = || {
        if let Some(headers) = headers {
            check_headers(headers, &exchange.snapshot, method, &params)?;
        }
        exchange.client(Revision::Modern, None, meta)
    };
    let client = Arc::new(exchange.apart(params.bytes(), read).await?);
    let endpoint = &exchange.endpoint;
    let outcome = match method {
        "server/discover" => {
            let outcome = discover(endpoint, &exchange.snapshot);
            let server_info = &endpoint.whole_server_info;
            let result = introduced(endpoint, "complete", outcome, server_info);
            return Ok(Answer::Result(result));
        }
        "subscriptions/listen" => {
            let listening = listen::listen(exchange, &client, id, &params);
            return listening.await.map(Answer::Messages);
        }
        "tasks/get" | "tasks/update" | "tasks/cancel" => {
            let handle = || tasks::handle(endpoint, &client, method, &params);
            exchange.apart(params.bytes(), handle).await?
        }
        _ => return rounds::serve(exchange, client, method, params).await,
    };
    Ok(Answer::Result(complete(endpoint, outcome)))
}

/// Holds the headers that mirror the params against them.
fn check_headers(
    headers: &HeaderMap,
    snapshot: &Snapshot,
    method: &str,
    params: &Params<'_>,
) -> Result<(), Error> {
    let about = match params.about(method)? {
        About::This(about) => about,
        About::Missing => return headers::check_no_name(headers),
        About::Nothing => return Ok(()),
    };
    headers::check_name(headers, &about)?;
    if method == "tools/call"
        && let Some(tool) = snapshot.tool(&about)
    {
        headers::check_parameters(headers, tool.header_parameters(), params.arguments)?;
    }
    Ok(())
}

fn discover(endpoint: &Endpoint, snapshot: &Snapshot) -> Outcome {
    let mut capabilities = service::capabilities(snapshot);
    if snapshot.serves_tools() {
        let extensions = json!({ TASKS_EXTENSION: {} });
        capabilities.insert("extensions".to_owned(), extensions);
    }
    let mut fields = format!(
        "\"supportedVersions\":{},\"capabilities\":{}",
        Value::from(SUPPORTED_VERSIONS.to_vec()),
        Value::Object(capabilities),
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

/// Adds what every complete result of this revision has.
pub(crate) fn complete(endpoint: &Endpoint, outcome: Outcome) -> Finished {
    with_type(endpoint, "complete", outcome)
}

/// Adds what every result of this revision has: its type, how long it may be kept, and the server.
fn with_type(endpoint: &Endpoint, result_type: &str, outcome: Outcome) -> Finished {
    introduced(endpoint, result_type, outcome, &endpoint.server_info)
}

/// The same, with the server as it is to be introduced.
fn introduced(
    endpoint: &Endpoint,
    result_type: &str,
    outcome: Outcome,
    server_info: &str,
) -> Finished {
    let comma = if outcome.fields.is_empty() { "" } else { "," };
    let mut after = String::with_capacity(outcome.meta.len() + 256);
    if outcome.cacheable {
        // Private: an answer may depend on who asked, so no cache may share it between callers.
        let ttl_ms = endpoint.cache_ttl.as_millis();
        let _ = write!(after, ",\"ttlMs\":{ttl_ms},\"cacheScope\":\"private\"");
    }
    let _ = write!(after, ",\"_meta\":{{\"{SERVER_INFO_KEY}\":{server_info}");
    if !outcome.meta.is_empty() {
        after.push(',');
        after.push_str(&outcome.meta);
    }
    after.push('}');
    Finished {
        before: format!("\"resultType\":\"{result_type}\"{comma}"),
        fields: outcome.fields,
        after,
    }
}
