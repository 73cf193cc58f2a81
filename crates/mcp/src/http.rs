//! Streamable HTTP: one endpoint, `POST` for messages, `GET` and `DELETE` for sessions.

use std::sync::Arc;

use axum::Router;
use axum::body::Body as HttpBody;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::value::RawValue;
use tokio::sync::watch;
use tokio::time::timeout;
use wasimancer_catalog::{Catalog, Snapshot};

use crate::endpoint::{Endpoint, Options};
use crate::era::{Declared, Meta, decide};
use crate::error::Error;
use crate::headers::single;
use crate::jsonrpc::{self, Body, Call, Incoming, Kind};
use crate::media_types;
use crate::revision::{Era, Revision};
use crate::sessions::Session;
use crate::wire_2025_11_25::{self, session_stream};
use crate::wire_2026_07_28;

/// The path of the endpoint.
const PATH: &str = "/mcp";
/// The header of a session's id.
const SESSION_ID: &str = "mcp-session-id";
/// The header of the protocol version.
const PROTOCOL_VERSION: &str = "mcp-protocol-version";
/// How long a client is to wait where a bound over all clients is reached, in seconds.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("10");
/// Most messages of one batch.
const BATCH_MAX: usize = 100;
/// Most bytes that are read and thrown away of a body that is too large: a client that sends all
/// of it before it looks for the answer would else find its connection reset, and no answer.
const DISCARDED_MAX_BYTES: usize = 64 * 1024 * 1024;

/// The endpoint at `/mcp`. It checks neither tokens nor origins: see [`crate::guard`] for those.
/// Its open streams end when `shutdown` turns true, or when nobody can turn it any more.
pub fn router(catalog: Arc<Catalog>, options: Options, shutdown: watch::Receiver<bool>) -> Router {
    let endpoint = Endpoint::new(catalog, options, shutdown);
    Router::new()
        .route(PATH, any(serve))
        .with_state(Arc::new(endpoint))
}

async fn serve(State(endpoint): State<Arc<Endpoint>>, request: Request) -> Response {
    match *request.method() {
        Method::POST => post(&endpoint, request).await,
        Method::GET => get(&endpoint, request.headers()),
        Method::DELETE => delete(&endpoint, request.headers()),
        _ => not_allowed("GET, POST, DELETE, OPTIONS"),
    }
}

fn not_allowed(allowed: &'static str) -> Response {
    let allow = [(header::ALLOW, HeaderValue::from_static(allowed))];
    (StatusCode::METHOD_NOT_ALLOWED, allow).into_response()
}

/// Opens the stream of a session (2025-11-25, transports, "Listening for Messages from the
/// Server").
fn get(endpoint: &Arc<Endpoint>, headers: &HeaderMap) -> Response {
    match declared(headers) {
        Ok(Revision::Modern) => return not_allowed("POST, DELETE, OPTIONS"),
        Ok(Revision::Legacy(_)) => {}
        Err(error) => return refuse(&error, Era::Modern),
    }
    let session_id = headers.get(SESSION_ID);
    // No session has an id with other characters.
    let session_id = session_id.map(|id| id.to_str().unwrap_or_default());
    session_stream::open(endpoint, headers, session_id)
        .unwrap_or_else(|error| refuse(&error, Era::Legacy))
}

/// Ends a session (2025-11-25, transports, "Session Management").
fn delete(endpoint: &Endpoint, headers: &HeaderMap) -> Response {
    if let Err(error) = declared(headers) {
        return refuse(&error, Era::Modern);
    }
    let ended = |id: &HeaderValue| id.to_str().is_ok_and(|id| endpoint.sessions.end(id));
    match headers.get(SESSION_ID) {
        Some(id) if ended(id) => StatusCode::NO_CONTENT.into_response(),
        Some(_) => refuse(&Error::UnknownSession, Era::Legacy),
        None => {
            let error = Error::InvalidRequest(
                "the Mcp-Session-Id header names the session to end".to_owned(),
            );
            refuse(&error, Era::Legacy)
        }
    }
}

/// The revision that a request without a message declares.
fn declared(headers: &HeaderMap) -> Result<Revision, Error> {
    decide(&Declared {
        header: single(headers, PROTOCOL_VERSION)?,
        meta: None,
        session: None,
    })
}

async fn post(endpoint: &Arc<Endpoint>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let answered = match media_types::check(&parts.headers) {
        Ok(()) => {
            let limit = endpoint.read_timeout;
            let read = timeout(limit, read(body, endpoint.body_max_bytes));
            read.await.unwrap_or(Err(Error::TooSlow { limit }))
        }
        Err(error) => Err(error),
    };
    let bytes = match answered {
        Ok(bytes) => bytes,
        Err(error) => return refuse(&error, Era::Modern),
    };
    // One snapshot for the whole request, whatever is published meanwhile.
    let snapshot = endpoint.catalog.snapshot();
    let exchange = Exchange {
        endpoint,
        snapshot: &snapshot,
        headers: &parts.headers,
    };
    match jsonrpc::parse_body(&bytes) {
        Ok(Body::One(message)) => exchange.answer(message).await.into_response(),
        Ok(Body::Batch(messages)) => exchange.answer_batch(&messages).await,
        Err(error) => refuse(&error, Era::Modern),
    }
}

async fn read(mut body: HttpBody, limit: usize) -> Result<Bytes, Error> {
    match Limited::new(&mut body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            discard(body).await;
            Err(Error::TooLarge { limit })
        }
        Err(error) => Err(Error::Parse(format!("the body broke off: {error}"))),
    }
}

/// Reads what is left of a body, within a bound.
async fn discard(body: HttpBody) {
    let mut rest = Limited::new(body, DISCARDED_MAX_BYTES);
    while let Some(Ok(_)) = rest.frame().await {}
}

/// One HTTP exchange.
struct Exchange<'a> {
    endpoint: &'a Arc<Endpoint>,
    snapshot: &'a Snapshot,
    headers: &'a HeaderMap,
}

/// What a message is answered with.
enum Reply {
    /// Nothing: it is no request.
    Accepted,
    /// A JSON-RPC response, or a batch of them.
    Json {
        status: StatusCode,
        body: Vec<u8>,
        /// The session that the request began.
        session: Option<String>,
    },
    /// A stream of events.
    Events(Response),
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let (status, body, session) = match self {
            Self::Accepted => return StatusCode::ACCEPTED.into_response(),
            Self::Events(response) => return response,
            Self::Json {
                status,
                body,
                session,
            } => (status, body, session),
        };
        let content_type = [(header::CONTENT_TYPE, "application/json")];
        let mut response = (status, content_type, body).into_response();
        let headers = response.headers_mut();
        if let Some(session) = session.and_then(|id| HeaderValue::try_from(id).ok()) {
            headers.insert(SESSION_ID, session);
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        if status == StatusCode::REQUEST_TIMEOUT {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

impl Exchange<'_> {
    async fn answer(&self, message: &RawValue) -> Reply {
        match jsonrpc::parse_message(message) {
            Ok(incoming) => self.answer_parsed(incoming).await,
            Err((id, error)) => reply_error(id, &error, Era::Modern),
        }
    }

    async fn answer_parsed(&self, incoming: Incoming<'_>) -> Reply {
        let (method, params) = match incoming.kind {
            Kind::Call { method, params } => (method, params),
            Kind::Response => return self.take_response(incoming.id),
        };
        let Decided {
            revision,
            meta,
            session,
        } = match self.decide(&method, Meta::of(params)) {
            Ok(decided) => decided,
            Err(error) => return reply_error(incoming.id, &error, Era::Modern),
        };
        let Some(id) = incoming.id else {
            return Reply::Accepted;
        };
        let method = method.as_str();
        let call = Call { id, method, params };
        let answered = match revision {
            Revision::Modern => {
                let handled = wire_2026_07_28::handle(
                    self.endpoint,
                    self.snapshot,
                    self.headers,
                    meta.as_ref(),
                    &call,
                );
                handled.await.map(|answer| match answer {
                    wire_2026_07_28::Answer::Result(fields) => reply_result(id, &fields, None),
                    wire_2026_07_28::Answer::Events(response) => Reply::Events(response),
                })
            }
            Revision::Legacy(version) => {
                let handled = wire_2025_11_25::handle(
                    self.endpoint,
                    self.snapshot,
                    version,
                    session.as_ref(),
                    &call,
                );
                handled
                    .await
                    .map(|answer| reply_result(id, &answer.fields, answer.session))
            }
        };
        answered.unwrap_or_else(|error| reply_error(Some(id), &error, revision.era()))
    }

    /// 2026-07-28 knows no responses from clients, and of the older ones nothing was asked.
    fn take_response(&self, id: Option<jsonrpc::Id<'_>>) -> Reply {
        let revision = self.decide("", None).map(|decided| decided.revision);
        let error = match revision {
            Ok(Revision::Legacy(_)) => return Reply::Accepted,
            Ok(Revision::Modern) => {
                Error::InvalidRequest("clients send no responses in this revision".to_owned())
            }
            Err(error) => error,
        };
        reply_error(id, &error, Era::Modern)
    }

    /// Answers a batch (2025-03-26 alone) with a batch; nothing where it holds no request.
    async fn answer_batch(&self, messages: &[&RawValue]) -> Response {
        let refused = |message: String| refuse(&Error::InvalidRequest(message), Era::Legacy);
        let has_batches = match self.decide("", None) {
            Ok(decided) => decided.revision.has_batches(),
            Err(error) => return refuse(&error, Era::Modern),
        };
        if !has_batches {
            return refused(
                "this revision has no batches: send each message as a request of its own"
                    .to_owned(),
            );
        }
        if messages.is_empty() || messages.len() > BATCH_MAX {
            return refused(format!("a batch holds between 1 and {BATCH_MAX} messages"));
        }
        let replies = messages.iter().map(|message| self.answer_in_batch(message));
        let mut answers: Vec<u8> = Vec::new();
        for reply in join_all(replies).await {
            // Revisions with streams of events have no batches.
            if let Reply::Json { body, .. } = reply {
                answers.push(if answers.is_empty() { b'[' } else { b',' });
                answers.extend_from_slice(&body);
            }
        }
        if answers.is_empty() {
            return Reply::Accepted.into_response();
        }
        answers.push(b']');
        reply(StatusCode::OK, answers).into_response()
    }

    async fn answer_in_batch(&self, message: &RawValue) -> Reply {
        let incoming = match jsonrpc::parse_message(message) {
            Ok(incoming) => incoming,
            Err((id, error)) => return reply_error(id, &error, Era::Legacy),
        };
        match (&incoming.kind, incoming.id) {
            // A notification is never answered, whatever is wrong with it.
            (Kind::Call { .. }, None) => Reply::Accepted,
            (Kind::Call { method, .. }, id) if method == "initialize" => {
                let error =
                    Error::InvalidRequest("initialize must not be part of a batch".to_owned());
                reply_error(id, &error, Era::Legacy)
            }
            _ => self.answer_parsed(incoming).await,
        }
    }

    /// What serves a request; if an older revision does, its session must not have ended.
    fn decide(&self, method: &str, meta: Option<Meta>) -> Result<Decided, Error> {
        let session_id = self.headers.get(SESSION_ID);
        let session_id = session_id.filter(|_| method != "initialize");
        let session = session_id
            .and_then(|id| id.to_str().ok())
            .and_then(|id| self.endpoint.sessions.find(id));
        let declared = Declared {
            header: single(self.headers, PROTOCOL_VERSION)?,
            meta,
            session: session.as_ref().map(|session| session.version()),
        };
        let revision = decide(&declared)?;
        if revision.era() == Era::Legacy && session_id.is_some() && session.is_none() {
            return Err(Error::UnknownSession);
        }
        Ok(Decided {
            revision,
            meta: declared.meta,
            session,
        })
    }
}

/// What serves a request.
struct Decided {
    revision: Revision,
    meta: Option<Meta>,
    /// None in the stateless revision, and for clients that have none.
    session: Option<Arc<Session>>,
}

fn reply(status: StatusCode, body: Vec<u8>) -> Reply {
    Reply::Json {
        status,
        body,
        session: None,
    }
}

fn reply_result(id: jsonrpc::Id<'_>, fields: &str, session: Option<String>) -> Reply {
    Reply::Json {
        status: StatusCode::OK,
        body: jsonrpc::write_result(id, fields),
        session,
    }
}

fn reply_error(id: Option<jsonrpc::Id<'_>>, error: &Error, era: Era) -> Reply {
    let (code, message) = (error.code(era), error.to_string());
    let body = jsonrpc::write_error(id, code, &message, error.data().as_ref());
    reply(error.status(era), body)
}

/// An error for an exchange whose message could not be read.
pub(crate) fn refuse(error: &Error, era: Era) -> Response {
    reply_error(None, error, era).into_response()
}
