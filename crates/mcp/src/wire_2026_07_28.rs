//! Revision 2026-07-28: stateless requests that carry their own metadata.

mod listen;
mod rounds;
mod tasks;

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

use futures_util::stream::BoxStream;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use wasimancer_catalog::Snapshot;

use crate::capabilities::TASKS_EXTENSION;
use crate::endpoint::Endpoint;
use crate::era::{Meta, check_meta};
use crate::error::Error;
use crate::exchange::Exchange;
use crate::headers;
use crate::jsonrpc::{Call, present};
use crate::outcome::Outcome;
use crate::revision::{Revision, SERVER_INFO_KEY, SUPPORTED_VERSIONS};
use crate::service;

/// What a request is answered with.
pub(crate) enum Answer {
    /// The fields of its result.
    Result(String),
    /// A stream of messages, with none where there was nothing to tell for a while.
    Messages(BoxStream<'static, Option<String>>),
}

/// Answers a request of this revision.
pub(crate) async fn handle(
    exchange: &Exchange,
    meta: Option<&Meta>,
    call: &Call<'_>,
) -> Result<Answer, Error> {
    let Call { id, method, params } = *call;
    let headers = exchange.arrival.headers();
    if let Some(headers) = headers {
        headers::check_method(headers, method)?;
    }
    check_meta(meta)?;
    let target = Target::parse(method, params)?;
    if let Some(headers) = headers {
        target.check_headers(headers, &exchange.snapshot, method)?;
    }
    let client = Arc::new(exchange.client(Revision::Modern, None, meta)?);
    let endpoint = &exchange.endpoint;
    let outcome = match method {
        "server/discover" => discover(endpoint, &exchange.snapshot),
        "subscriptions/listen" => {
            let listening = listen::listen(exchange, &client, id, params);
            return listening.await.map(Answer::Messages);
        }
        "tasks/get" | "tasks/update" | "tasks/cancel" => {
            tasks::handle(endpoint, &client, method, params)?
        }
        _ => return rounds::serve(exchange, client, method, params, target).await,
    };
    Ok(Answer::Result(complete(endpoint, &outcome)))
}

/// What a request is about: as far as it is given, since what is missing is an error of the params.
#[derive(Default, Deserialize)]
struct Target<'a> {
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    uri: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "taskId")]
    task_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
    #[serde(
        borrow,
        default,
        rename = "inputResponses",
        deserialize_with = "present"
    )]
    responses: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "requestState", deserialize_with = "present")]
    state: Option<&'a RawValue>,
}

impl<'a> Target<'a> {
    fn parse(method: &str, params: Option<&'a RawValue>) -> Result<Self, Error> {
        match method {
            "tools/call" | "prompts/get" | "resources/read" | "tasks/get" | "tasks/update"
            | "tasks/cancel" => service::parse(params),
            _ => Ok(Self::default()),
        }
    }

    /// The name, URI or id that the method wants.
    fn name(&self, method: &str) -> Option<&str> {
        match method {
            "resources/read" => self.uri.as_deref(),
            "tasks/get" | "tasks/update" | "tasks/cancel" => self.task_id.as_deref(),
            _ => self.name.as_deref(),
        }
    }

    fn check_headers(
        &self,
        headers: &HeaderMap,
        snapshot: &Snapshot,
        method: &str,
    ) -> Result<(), Error> {
        match method {
            "tools/call" | "prompts/get" | "resources/read" | "tasks/get" | "tasks/update"
            | "tasks/cancel" => match self.name(method) {
                Some(name) => headers::check_name(headers, name)?,
                None => headers::check_no_name(headers)?,
            },
            _ => {}
        }
        if method == "tools/call"
            && let Some(tool) = self.name.as_deref().and_then(|name| snapshot.tool(name))
        {
            headers::check_parameters(headers, tool.header_parameters(), self.arguments)?;
        }
        Ok(())
    }
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
pub(crate) fn complete(endpoint: &Endpoint, outcome: &Outcome) -> String {
    with_type(endpoint, "complete", outcome)
}

/// Adds what every result of this revision has: its type, how long it may be kept, and the server.
fn with_type(endpoint: &Endpoint, result_type: &str, outcome: &Outcome) -> String {
    let mut fields = String::with_capacity(outcome.fields.len() + outcome.meta.len() + 256);
    let _ = write!(fields, "\"resultType\":\"{result_type}\"");
    if !outcome.fields.is_empty() {
        fields.push(',');
        fields.push_str(&outcome.fields);
    }
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
