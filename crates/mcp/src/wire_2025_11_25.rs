//! Revisions 2025-11-25, 2025-06-18 and 2025-03-26: `initialize`, optional sessions, `ping`.

pub(crate) mod session_stream;

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use wasimancer_catalog::Snapshot;

use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::jsonrpc::Call;
use crate::outcome::Outcome;
use crate::revision::{LATEST_LEGACY_VERSION, Revision, legacy};
use crate::service;
use crate::sessions::Session;

/// The levels of log messages (server/utilities/logging, "Log Levels").
const LOG_LEVELS: [&str; 8] = [
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
];

/// The fields of a result, and the session that `initialize` began.
pub(crate) struct Answer {
    pub(crate) fields: String,
    pub(crate) session: Option<String>,
}

/// Answers a request of one of these revisions.
pub(crate) async fn handle(
    endpoint: &Endpoint,
    snapshot: &Snapshot,
    version: &'static str,
    session: Option<&Arc<Session>>,
    call: &Call<'_>,
) -> Result<Answer, Error> {
    let Call { method, params, .. } = *call;
    let fields = match method {
        "initialize" => return initialize(endpoint, snapshot, params),
        "ping" => String::new(),
        "logging/setLevel" => set_level(params)?,
        "resources/subscribe" if snapshot.serves_resources() => {
            session_stream::subscribe(endpoint, session, params)?
        }
        "resources/unsubscribe" if snapshot.serves_resources() => {
            session_stream::unsubscribe(session, params)?
        }
        _ => match service::handle(snapshot, Revision::Legacy(version), method, params).await {
            Some(answer) => complete(answer?),
            None => return Err(Error::MethodNotFound(method.to_owned())),
        },
    };
    Ok(Answer {
        fields,
        session: None,
    })
}

#[derive(Deserialize)]
struct InitializeParams<'a> {
    #[serde(borrow, rename = "protocolVersion")]
    protocol_version: Cow<'a, str>,
}

/// Negotiates a revision: the client's, where it is served, else our newest of this era.
fn initialize(
    endpoint: &Endpoint,
    snapshot: &Snapshot,
    params: Option<&RawValue>,
) -> Result<Answer, Error> {
    let params: InitializeParams<'_> = service::parse(params)?;
    let version = legacy(&params.protocol_version).unwrap_or(LATEST_LEGACY_VERSION);
    let mut capabilities = service::capabilities(snapshot);
    capabilities.insert("logging".to_owned(), Value::Object(serde_json::Map::new()));
    let mut fields = format!(
        "\"protocolVersion\":\"{version}\",\"capabilities\":{},\"serverInfo\":{}",
        Value::Object(capabilities),
        endpoint.server_info
    );
    if let Some(instructions) = &endpoint.instructions {
        let _ = write!(
            fields,
            ",\"instructions\":{}",
            Value::from(instructions.as_str())
        );
    }
    Ok(Answer {
        fields,
        session: endpoint.sessions.begin(version),
    })
}

#[derive(Deserialize)]
struct SetLevelParams<'a> {
    #[serde(borrow)]
    level: Cow<'a, str>,
}

/// Accepts a level. No message is sent yet at any level, so there is nothing to remember.
fn set_level(params: Option<&RawValue>) -> Result<String, Error> {
    let SetLevelParams { level } = service::parse(params)?;
    if LOG_LEVELS.contains(&level.as_ref()) {
        return Ok(String::new());
    }
    Err(Error::InvalidParams(format!(
        "`level` is {level:?} and must be one of {}",
        LOG_LEVELS.join(", ")
    )))
}

fn complete(outcome: Outcome) -> String {
    let mut fields = outcome.fields;
    if !outcome.meta.is_empty() {
        let _ = write!(fields, ",\"_meta\":{{{}}}", outcome.meta);
    }
    fields
}
