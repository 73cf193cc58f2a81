//! Revisions 2025-11-25, 2025-06-18, 2025-03-26 and 2024-11-05: `initialize`, optional sessions, `ping`.

mod rounds;
pub(crate) mod session_stream;

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use wasimancer_runtime::{SeverityError, charge_json};

use crate::capabilities::Capabilities;
use crate::era::Meta;
use crate::error::Error;
use crate::exchange::{Arrival, Exchange};
use crate::jsonrpc::Call;
use crate::outcome::{Finished, Outcome};
use crate::params::Params;
use crate::revision::{LATEST_LEGACY_VERSION, Revision, agreed};
use crate::service;
use crate::sessions::Session;

/// A result, and the session that `initialize` began.
pub(crate) struct Answer {
    pub(crate) result: Finished,
    pub(crate) session: Option<String>,
}

/// Answers a request of one of these revisions.
pub(crate) async fn handle(
    exchange: &Exchange,
    revision: Revision,
    session: Option<&Arc<Session>>,
    meta: Option<&Meta<'_>>,
    call: &Call<'_>,
) -> Result<Answer, Error> {
    let Call { method, params, .. } = *call;
    let (endpoint, snapshot) = (&exchange.endpoint, &exchange.snapshot);
    let fields = match method {
        "initialize" => {
            let initialize = || initialize(exchange, &params);
            return exchange.apart(params.bytes(), initialize).await;
        }
        "ping" => String::new(),
        "logging/setLevel" => {
            let set = || set_level(session, &params);
            exchange.apart(params.bytes(), set).await?
        }
        "resources/subscribe" if snapshot.serves_resources() => {
            session_stream::subscribe(endpoint, exchange.caller, session, &params)?
        }
        "resources/unsubscribe" if snapshot.serves_resources() => {
            session_stream::unsubscribe(session, &params)?
        }
        _ => {
            let session = session.map(Arc::as_ref);
            let read = || exchange.client(revision, session, meta);
            let client = exchange.apart(params.bytes(), read).await?;
            let served = rounds::serve(exchange, session, Arc::new(client), method, params);
            return Ok(Answer {
                result: complete(served.await?),
                session: None,
            });
        }
    };
    Ok(Answer {
        result: Finished::plain(fields),
        session: None,
    })
}

#[derive(Deserialize)]
struct InitializeParams<'a> {
    #[serde(borrow, rename = "protocolVersion")]
    protocol_version: Cow<'a, str>,
    #[serde(default)]
    capabilities: Value,
}

/// Negotiates a revision: the client's, where it is served, else our newest of this era.
fn initialize(exchange: &Exchange, params: &Params<'_>) -> Result<Answer, Error> {
    let endpoint = &exchange.endpoint;
    let _values = charge_json(params.text(), &endpoint.budget)?;
    let params: InitializeParams<'_> = params.read()?;
    let version = agreed(&params.protocol_version).unwrap_or(LATEST_LEGACY_VERSION);
    let capabilities = service::capabilities(&exchange.snapshot);
    let mut fields = format!(
        "\"protocolVersion\":\"{version}\",\"capabilities\":{},\"serverInfo\":{}",
        Value::Object(capabilities),
        endpoint.whole_server_info
    );
    if let Some(instructions) = &endpoint.instructions {
        let _ = write!(
            fields,
            ",\"instructions\":{}",
            Value::from(instructions.as_str())
        );
    }
    let capabilities = Capabilities::of(&params.capabilities);
    let session = match &exchange.arrival {
        Arrival::Http(_) => {
            let sessions = &endpoint.sessions;
            sessions.begin(exchange.caller, version, capabilities)
        }
        Arrival::Stdio(pipe) => {
            pipe.begin(Session::alone(version, capabilities));
            None
        }
    };
    Ok(Answer {
        result: Finished::plain(fields),
        session,
    })
}

#[derive(Deserialize)]
struct SetLevelParams<'a> {
    #[serde(borrow)]
    level: Cow<'a, str>,
}

/// Remembers a level for the session; without one there is nothing to remember it by.
fn set_level(session: Option<&Arc<Session>>, params: &Params<'_>) -> Result<String, Error> {
    let SetLevelParams { level } = params.read()?;
    let least = level.parse();
    let least =
        least.map_err(|error: SeverityError| Error::InvalidParams(format!("`level` {error}")))?;
    if let Some(session) = session {
        session.set_log(least);
    }
    Ok(String::new())
}

fn complete(outcome: Outcome) -> Finished {
    let mut finished = Finished::plain(outcome.fields);
    if !outcome.meta.is_empty() {
        finished.after = format!(",\"_meta\":{{{}}}", outcome.meta);
    }
    finished
}
