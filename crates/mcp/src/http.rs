//! Streamable HTTP: one endpoint, `POST` with a JSON answer, `DELETE` for sessions.

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
use wasimancer_catalog::{Catalog, Snapshot};

use crate::endpoint::{Endpoint, Options};
use crate::era::{Declared, Meta, decide};
use crate::error::Error;
use crate::headers::single;
use crate::jsonrpc::{self, Body, Incoming, Kind};
use crate::revision::{Era, Revision};
use crate::{wire_2025_11_25, wire_2026_07_28};

/// The path of the endpoint.
const PATH: &str = "/mcp";
/// The header of a session's id.
const SESSION_ID: &str = "mcp-session-id";
/// The header of the protocol version.
const PROTOCOL_VERSION: &str = "mcp-protocol-version";
/// Most messages of one batch.
const BATCH_MAX: usize = 100;
/// Most bytes that are read and thrown away of a body that is too large: a client that sends all
/// of it before it looks for the answer would else find its connection reset, and no answer.
const DISCARDED_MAX_BYTES: usize = 64 * 1024 * 1024;

/// The endpoint at `/mcp`. It checks neither tokens nor origins: see [`crate::guard`] for those.
pub fn router(catalog: Arc<Catalog>, options: Options) -> Router {
    let endpoint = Endpoint::new(catalog, options);
    Router::new()
        .route(PATH, any(serve))
        .with_state(Arc::new(endpoint))
}

async fn serve(State(endpoint): State<Arc<Endpoint>>, request: Request) -> Response {
    match *request.method() {
        Method::POST => post(&endpoint, request).await,
        Method::DELETE => delete(&endpoint, request.headers()),
        // There are no messages of the server's own yet, hence no stream to GET.
        _ => {
            let allow = [(
                header::ALLOW,
                HeaderValue::from_static("POST, DELETE, OPTIONS"),
            )];
            (StatusCode::METHOD_NOT_ALLOWED, allow).into_response()
        }
    }
}

/// Ends a session (2025-11-25, transports, "Session Management").
fn delete(endpoint: &Endpoint, headers: &HeaderMap) -> Response {
    let declared = single(headers, PROTOCOL_VERSION).and_then(|header| {
        decide(&Declared {
            header,
            meta: None,
            session: None,
        })
    });
    if let Err(error) = declared {
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

async fn post(endpoint: &Endpoint, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let answered = match check_media_types(&parts.headers) {
        Ok(()) => read(body, endpoint.body_max_bytes).await,
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

/// Requests are JSON, and so are answers.
fn check_media_types(headers: &HeaderMap) -> Result<(), Error> {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(Error::UnsupportedMediaType(
            "the Content-Type of a message must be application/json",
        ));
    }
    let accepts = |accept: &HeaderValue| {
        accept.to_str().unwrap_or_default().split(',').any(|range| {
            let range = range.split(';').next().unwrap_or_default().trim();
            ["application/json", "application/*", "*/*"]
                .iter()
                .any(|known| range.eq_ignore_ascii_case(known))
        })
    };
    let mut accepted = headers.get_all(header::ACCEPT).iter().peekable();
    if accepted.peek().is_some() && !accepted.any(accepts) {
        return Err(Error::NotAcceptable(
            "the Accept header must list application/json and text/event-stream",
        ));
    }
    Ok(())
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
    endpoint: &'a Endpoint,
    snapshot: &'a Snapshot,
    headers: &'a HeaderMap,
}

/// What a message is answered with.
struct Reply {
    status: StatusCode,
    /// None for what has no answer.
    body: Option<Vec<u8>>,
    session: Option<String>,
}

impl Reply {
    fn accepted() -> Self {
        Self {
            status: StatusCode::ACCEPTED,
            body: None,
            session: None,
        }
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let Some(body) = self.body else {
            return self.status.into_response();
        };
        let mut response = (
            self.status,
            [(header::CONTENT_TYPE, "application/json")],
            body,
        )
            .into_response();
        if let Some(session) = self.session.and_then(|id| HeaderValue::try_from(id).ok()) {
            response.headers_mut().insert(SESSION_ID, session);
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
        let meta = Meta::of(params);
        let (revision, meta) = match self.revision(&method, meta) {
            Ok(decided) => decided,
            Err(error) => return reply_error(incoming.id, &error, Era::Modern),
        };
        let Some(id) = incoming.id else {
            return Reply::accepted();
        };
        let answered = match revision {
            Revision::Modern => {
                let handled = wire_2026_07_28::handle(
                    self.endpoint,
                    self.snapshot,
                    self.headers,
                    meta.as_ref(),
                    &method,
                    params,
                );
                handled.await.map(|fields| (fields, None))
            }
            Revision::Legacy(version) => {
                let handled =
                    wire_2025_11_25::handle(self.endpoint, self.snapshot, version, &method, params);
                handled.await.map(|answer| (answer.fields, answer.session))
            }
        };
        match answered {
            Ok((fields, session)) => Reply {
                status: StatusCode::OK,
                body: Some(jsonrpc::write_result(id, &fields)),
                session,
            },
            Err(error) => reply_error(Some(id), &error, revision.era()),
        }
    }

    /// 2026-07-28 knows no responses from clients, and of the older ones nothing was asked.
    fn take_response(&self, id: Option<jsonrpc::Id<'_>>) -> Reply {
        let error = match self.revision("", None) {
            Ok((Revision::Legacy(_), _)) => return Reply::accepted(),
            Ok((Revision::Modern, _)) => {
                Error::InvalidRequest("clients send no responses in this revision".to_owned())
            }
            Err(error) => error,
        };
        reply_error(id, &error, Era::Modern)
    }

    /// Answers a batch (2025-03-26 alone) with a batch; nothing where it holds no request.
    async fn answer_batch(&self, messages: &[&RawValue]) -> Response {
        let refused = |message: String| refuse(&Error::InvalidRequest(message), Era::Legacy);
        let has_batches = match self.revision("", None) {
            Ok((revision, _)) => revision.has_batches(),
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
            if let Some(body) = reply.body {
                answers.push(if answers.is_empty() { b'[' } else { b',' });
                answers.extend_from_slice(&body);
            }
        }
        if answers.is_empty() {
            return Reply::accepted().into_response();
        }
        answers.push(b']');
        Reply {
            status: StatusCode::OK,
            body: Some(answers),
            session: None,
        }
        .into_response()
    }

    async fn answer_in_batch(&self, message: &RawValue) -> Reply {
        let incoming = match jsonrpc::parse_message(message) {
            Ok(incoming) => incoming,
            Err((id, error)) => return reply_error(id, &error, Era::Legacy),
        };
        match (&incoming.kind, incoming.id) {
            // A notification is never answered, whatever is wrong with it.
            (Kind::Call { .. }, None) => Reply::accepted(),
            (Kind::Call { method, .. }, id) if method == "initialize" => {
                let error =
                    Error::InvalidRequest("initialize must not be part of a batch".to_owned());
                reply_error(id, &error, Era::Legacy)
            }
            _ => self.answer_parsed(incoming).await,
        }
    }

    /// The revision of a request; an older one must not belong to a session that has ended.
    fn revision(
        &self,
        method: &str,
        meta: Option<Meta>,
    ) -> Result<(Revision, Option<Meta>), Error> {
        let session_id = self.headers.get(SESSION_ID);
        let session_id = session_id.filter(|_| method != "initialize");
        let session = session_id
            .and_then(|id| id.to_str().ok())
            .and_then(|id| self.endpoint.sessions.version(id));
        let declared = Declared {
            header: single(self.headers, PROTOCOL_VERSION)?,
            meta,
            session,
        };
        let revision = decide(&declared)?;
        if revision.era() == Era::Legacy && session_id.is_some() && session.is_none() {
            return Err(Error::UnknownSession);
        }
        Ok((revision, declared.meta))
    }
}

fn reply_error(id: Option<jsonrpc::Id<'_>>, error: &Error, era: Era) -> Reply {
    let body = jsonrpc::write_error(
        id,
        error.code(era),
        &error.to_string(),
        error.data().as_ref(),
    );
    Reply {
        status: error.status(era),
        body: Some(body),
        session: None,
    }
}

/// An error for an exchange whose message could not be read.
pub(crate) fn refuse(error: &Error, era: Era) -> Response {
    reply_error(None, error, era).into_response()
}
