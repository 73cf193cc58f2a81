//! Streamable HTTP: one endpoint, `POST` for messages, `GET` and `DELETE` for sessions.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body as HttpBody;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Json, Router};
use bytes::Bytes;
use futures_util::{FutureExt, Stream, StreamExt, stream};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use wasimancer_catalog::Catalog;
use wasimancer_runtime::{ChargedBytes, STEP_BYTES};

use crate::caller::Caller;
use crate::endpoint::{Endpoint, Options};
use crate::era::{Declared, decide};
use crate::error::Error;
use crate::exchange::{Arrival, Exchange, PROTOCOL_VERSION, Reply, SESSION_ID, reply_error};
use crate::guard::Gate;
use crate::headers::single;
use crate::jsonrpc::{self, Body};
use crate::media_types;
use crate::message::Message;
use crate::outbox::{self, Frame, Outbox, Sent, frames};
use crate::revision::{Era, Revision};
use crate::sessions::Session;
use crate::sse;
use crate::wire_2025_11_25::session_stream;

/// The path of the endpoint.
const PATH: &str = "/mcp";
/// The header of the last event that a client has of a stream that broke.
const LAST_EVENT_ID: &str = "last-event-id";
/// How long a client is to wait where a bound over all clients is reached, in seconds.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("10");
/// What most requests need no longer than: only others wait for the end of the process and for silence, too.
const SOON: Duration = Duration::from_millis(100);
/// Most bytes that are read and thrown away of a body that is too large: a client that sends all
/// of it before it looks for the answer would else find its connection reset, and no answer.
const DISCARDED_MAX_BYTES: usize = 64 * 1024 * 1024;

/// The endpoint at `/mcp`, behind its gate. Its open streams end when `shutdown` turns true, or when
/// nobody can turn it any more. Its requests under way are answered with an error when `cut_off` turns true.
pub fn router(
    catalog: Arc<Catalog>,
    options: Options,
    gate: Gate,
    shutdown: watch::Receiver<bool>,
    cut_off: watch::Receiver<bool>,
) -> Router {
    let endpoint = Arc::new(Endpoint::new(catalog, options, shutdown, cut_off));
    let gate = Arc::new(gate);
    let serve = async move |request: Request| {
        gate.pass(request, |request, caller| serve(&endpoint, request, caller))
            .await
    };
    Router::new().route(PATH, any(serve))
}

async fn serve(endpoint: &Arc<Endpoint>, request: Request, caller: Caller) -> Response {
    match *request.method() {
        Method::POST => post(endpoint, request, caller).await,
        Method::GET => get(endpoint, request.headers(), caller),
        Method::DELETE => delete(endpoint, request.headers()),
        _ => not_allowed("GET, POST, DELETE, OPTIONS"),
    }
}

fn not_allowed(allowed: &'static str) -> Response {
    let allow = [(header::ALLOW, HeaderValue::from_static(allowed))];
    let error = format!("this method has no meaning here: send one of {allowed}");
    // No JSON-RPC, since it answers no message.
    let body = Json(json!({ "error": error, "code": "method_not_allowed" }));
    (StatusCode::METHOD_NOT_ALLOWED, allow, body).into_response()
}

/// Opens the stream of a session (2025-11-25, transports, "Listening for Messages from the
/// Server").
fn get(endpoint: &Arc<Endpoint>, headers: &HeaderMap, caller: Caller) -> Response {
    match declared(headers) {
        Ok(Revision::Modern) => return not_allowed("POST, DELETE, OPTIONS"),
        Ok(Revision::Legacy(_) | Revision::Unnamed) => {}
        Err(error) => return refuse(&error, Era::Modern),
    }
    let session_id = headers.get(&SESSION_ID);
    // No session has an id with other characters.
    let session_id = session_id.map(|id| id.to_str().unwrap_or_default());
    let opened = match headers.get(LAST_EVENT_ID) {
        Some(last) => session_stream::resume(endpoint, headers, session_id, last),
        None => session_stream::open(endpoint, caller, headers, session_id),
    };
    opened.unwrap_or_else(|error| refuse(&error, Era::Legacy))
}

/// Ends a session (2025-11-25, transports, "Session Management").
fn delete(endpoint: &Endpoint, headers: &HeaderMap) -> Response {
    if let Err(error) = declared(headers) {
        return refuse(&error, Era::Modern);
    }
    let ended = |id: &HeaderValue| id.to_str().is_ok_and(|id| endpoint.sessions.end(id));
    match headers.get(&SESSION_ID) {
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
        header: single(headers, &PROTOCOL_VERSION)?,
        meta: None,
        session: None,
    })
}

async fn post(endpoint: &Arc<Endpoint>, request: Request, caller: Caller) -> Response {
    let (parts, body) = request.into_parts();
    let answered = match media_types::check(&parts.headers) {
        Ok(()) => {
            let limit = endpoint.read_timeout;
            let read = timeout(limit, read(body, endpoint));
            read.await.unwrap_or(Err(Error::TooSlow { limit }))
        }
        Err(error) => Err(error),
    };
    let bytes = match answered {
        Ok(read) => read,
        Err(error) => return refuse(&error, Era::Modern),
    };
    let session = session(endpoint, &parts.headers);
    let (outbox, inbox) = outbox::channel(&endpoint.budget);
    let takes_events = media_types::check_accepts_events(&parts.headers).is_ok();
    let arrival = Arrival::Http(parts.headers);
    let exchange = Exchange {
        endpoint: endpoint.clone(),
        snapshot: endpoint.catalog.snapshot(),
        caller,
        arrival,
        outbox: if takes_events {
            outbox
        } else {
            Outbox::closed()
        },
    };
    let bytes = Arc::new(bytes);
    let body = bytes.clone();
    let task = tokio::spawn(async move { exchange.answer_body(&body).await });
    // The request of a session outlives its connection (2025-11-25, basic/transports), any other ends
    // with it (2026-07-28, transports, "Cancellation").
    let (era, ending) = match &session {
        Some(_) => (Era::Legacy, None),
        None => (Era::Modern, Some(AbortOnDrop(task.abort_handle()))),
    };
    let answering = task.map(move |ended| {
        drop(ending);
        ended.unwrap_or_else(|_| {
            let broken = Error::Failed("the request broke off".to_owned());
            reply_error(None, &broken, era)
        })
    });
    let frames = frames(answering, inbox);
    let request = Asked { bytes, era, caller };
    answer(endpoint, request, session, takes_events, frames).await
}

/// What is known of a message that is being answered.
struct Asked {
    bytes: Arc<ChargedBytes>,
    era: Era,
    caller: Caller,
}

impl Asked {
    /// The answer to a request that has none when the process ends.
    fn cut_off(&self) -> Reply {
        let id = match jsonrpc::parse_body(&self.bytes) {
            Ok(Body::One(message)) => match jsonrpc::parse_message(message) {
                Ok(incoming) => incoming.id,
                Err((id, _)) => id,
            },
            Ok(Body::Batch(_)) | Err(_) => None,
        };
        reply_error(id, &Error::CutOff, self.era)
    }
}

/// The same frames; the last one is what a request is told that is cut off.
fn cut_short(
    frames: impl Stream<Item = Frame<Reply>> + Send + Unpin,
    cut_off: watch::Receiver<bool>,
    asked: Asked,
) -> impl Stream<Item = Frame<Reply>> + Send + Unpin {
    let begin = Some((frames, Box::pin(is_cut_off(cut_off)), asked));
    Box::pin(stream::unfold(begin, |state| async move {
        let (mut frames, mut is_cut_off, asked) = state?;
        let frame = tokio::select! {
            biased;
            frame = frames.next() => frame?,
            true = &mut is_cut_off => return Some((Frame::Answer(asked.cut_off()), None)),
        };
        if let Frame::Answer(_) = frame {
            return Some((frame, None));
        }
        Some((frame, Some((frames, is_cut_off, asked))))
    }))
}

/// Waits until requests are cut off. False: a sender that is gone cuts nothing off.
async fn is_cut_off(mut cut_off: watch::Receiver<bool>) -> bool {
    cut_off.wait_for(|is_cut_off| *is_cut_off).await.is_ok()
}

/// Ends a task when nobody waits for it any more.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The session of a request, where it names one of an older revision.
fn session(endpoint: &Endpoint, headers: &HeaderMap) -> Option<Arc<Session>> {
    let id = headers.get(&SESSION_ID)?.to_str().ok()?;
    let is_legacy = declared(headers).is_ok_and(|revision| revision.era() == Era::Legacy);
    endpoint.sessions.find(id).filter(|_| is_legacy)
}

/// Answers with JSON, or with a stream where something comes before the answer, or nothing for so long that
/// a proxy might take the connection for dead.
async fn answer(
    endpoint: &Arc<Endpoint>,
    asked: Asked,
    session: Option<Arc<Session>>,
    takes_events: bool,
    mut frames: impl Stream<Item = Frame<Reply>> + Send + Unpin + 'static,
) -> Response {
    let next = match timeout(SOON, frames.next()).await {
        Ok(next) => Some(next),
        Err(_) => tokio::select! {
            biased;
            next = frames.next() => Some(next),
            true = is_cut_off(endpoint.cut_off.clone()) => return asked.cut_off().into_response(),
            () = sleep(sse::KEEP_ALIVE.saturating_sub(SOON)), if takes_events => None,
        },
    };
    let first = match next {
        Some(Some(Frame::Answer(reply))) => return reply.into_response(),
        Some(Some(sent)) => Some(sent),
        Some(None) => return Reply::Cancelled.into_response(),
        None => None,
    };
    // The comment is written at once, and so is the head.
    let silence = first.is_none().then_some(sse::COMMENT);
    let silence = stream::iter(silence);
    let frames = stream::iter(first).chain(frames);
    let caller = asked.caller;
    let frames = cut_short(frames, endpoint.cut_off.clone(), asked);
    let replay = session.as_ref().and_then(|session| {
        let replays = &session.going_on().replays;
        replays.begin(&endpoint.replay_seats, caller, &endpoint.budget)
    });
    let (Some(session), Some(replay)) = (session, replay) else {
        let events = frames.filter_map(|frame| ready(event_of(frame)));
        return sse::answer(silence.chain(sse::kept_alive(events)));
    };
    let primes = Revision::Legacy(session.version()).knows_elicitation_modes();
    let events = replay.clone().read(primes);
    tokio::spawn(async move {
        let forget = || session.going_on().replays.forget(&replay);
        replay.keep(frames, Reply::into_message, forget).await;
    });
    sse::answer(silence.chain(sse::kept_alive(events)))
}

fn event_of(frame: Frame<Reply>) -> Option<Bytes> {
    let message = match frame {
        Frame::Sent(Sent::Message(message)) => Some(message),
        Frame::Sent(Sent::Release) => None,
        Frame::Answer(reply) => reply.into_message(),
    };
    message.map(sse::event)
}

/// Reads a body, charged as it comes. Only who has sent nothing yet waits for room.
async fn read(mut body: HttpBody, endpoint: &Endpoint) -> Result<ChargedBytes, Error> {
    let limit = endpoint.body_max_bytes;
    let charge = endpoint.budget.charge_patiently(STEP_BYTES).await?;
    // What is announced is reserved, and takes memory as it comes.
    let announced = axum::body::HttpBody::size_hint(&body)
        .exact()
        .unwrap_or_default();
    let announced = usize::try_from(announced).map_or(0, |size| size.min(limit));
    let mut read = ChargedBytes::empty(charge, announced);
    let mut pieces = Limited::new(&mut body, limit);
    let refused = loop {
        match pieces.frame().await {
            None => return Ok(read),
            Some(Ok(frame)) => {
                let Ok(piece) = frame.into_data() else {
                    continue;
                };
                if let Err(full) = read.push(&piece) {
                    break full.into();
                }
            }
            Some(Err(error)) if error.is::<LengthLimitError>() => break Error::TooLarge { limit },
            Some(Err(error)) => return Err(Error::Parse(format!("the body broke off: {error}"))),
        }
    };
    drop(read);
    discard(body).await;
    Err(refused)
}

/// Reads what is left of a body, within a bound.
async fn discard(body: HttpBody) {
    let mut rest = Limited::new(body, DISCARDED_MAX_BYTES);
    while let Some(Ok(_)) = rest.frame().await {}
}

impl Reply {
    /// The message of an answer that is one.
    fn into_message(self) -> Option<Message> {
        match self {
            Self::Json { body, .. } => Some(body),
            Self::Accepted | Self::Cancelled | Self::Messages(_) => None,
        }
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let (status, body, session) = match self {
            Self::Accepted => return StatusCode::ACCEPTED.into_response(),
            // A stream may end without the answer, where one of JSON could not.
            Self::Cancelled => return sse::answer(stream::empty()),
            Self::Messages(messages) => {
                let event = |message: Option<String>| match message {
                    Some(message) => sse::event(Message::small(message)),
                    None => sse::COMMENT,
                };
                return sse::answer(messages.map(event));
            }
            Self::Json {
                status,
                body,
                session,
            } => (status, body, session),
        };
        let content_type = [(header::CONTENT_TYPE, "application/json")];
        let mut response = (status, content_type, body.into_bytes()).into_response();
        let headers = response.headers_mut();
        if let Some(session) = session.and_then(|id| HeaderValue::try_from(id).ok()) {
            headers.insert(&SESSION_ID, session);
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

/// An error for an exchange whose message could not be read.
pub(crate) fn refuse(error: &Error, era: Era) -> Response {
    reply_error(None, error, era).into_response()
}
