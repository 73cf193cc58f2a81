//! From a message to its answer, whatever it came by.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use futures_util::future::join_all;
use futures_util::stream::BoxStream;
use http::{HeaderMap, HeaderName, StatusCode};
use serde_json::value::RawValue;
use wasimancer_catalog::{Snapshot, apart};

use crate::caller::Caller;
use crate::capabilities::Capabilities;
use crate::client::Client;
use crate::conversation::Conversation;
use crate::endpoint::Endpoint;
use crate::era::{Declared, Meta, decide};
use crate::error::Error;
use crate::headers::single;
use crate::jsonrpc::{self, Body, Call, Incoming, Kind};
use crate::message::Message;
use crate::outbox::Outbox;
use crate::outcome::Finished;
use crate::params::Params;
use crate::revision::{Era, Revision};
use crate::sessions::Session;
use crate::stdio::Pipe;
use crate::wire_2025_11_25;
use crate::wire_2026_07_28;

/// The header of a session's id.
pub(crate) static SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
/// The header of the protocol version.
pub(crate) static PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// Most bytes that are sent as one message: an output of the default size with every byte escaped,
/// and a third more.
const ANSWER_MAX_BYTES: usize = 32 * 1024 * 1024;
/// Most messages of one batch.
const BATCH_MAX: usize = 100;

/// How messages came.
pub(crate) enum Arrival {
    /// In an HTTP request with these headers.
    Http(HeaderMap),
    /// On standard input.
    Stdio(Arc<Pipe>),
}

impl Arrival {
    /// The headers; none where there are no such things.
    pub(crate) fn headers(&self) -> Option<&HeaderMap> {
        match self {
            Self::Http(headers) => Some(headers),
            Self::Stdio(_) => None,
        }
    }
}

/// A message, or a batch of them, and everything that its answer takes.
pub(crate) struct Exchange {
    pub(crate) endpoint: Arc<Endpoint>,
    /// One for the whole request, whatever is published meanwhile.
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) arrival: Arrival,
    pub(crate) caller: Caller,
    pub(crate) outbox: Outbox,
}

/// What a message is answered with.
pub(crate) enum Reply {
    /// Nothing: it is no request.
    Accepted,
    /// Nothing: its client has cancelled it.
    Cancelled,
    /// A JSON-RPC response, or a batch of them.
    Json {
        status: StatusCode,
        body: Message,
        /// The session that the request began.
        session: Option<String>,
    },
    /// A stream of messages, with none where there was nothing to tell for a while.
    Messages(BoxStream<'static, Option<String>>),
}

/// What serves a request.
struct Decided<'a> {
    revision: Revision,
    meta: Option<Meta<'a>>,
    /// None in the stateless revision, and for clients that have none.
    session: Option<Arc<Session>>,
}

impl Exchange {
    /// Answers a body: one message, or a batch.
    pub(crate) async fn answer_body(self, body: &[u8]) -> Reply {
        let read = || match jsonrpc::parse_body(body)? {
            Body::One(message) => Ok(Parsed::One(Box::new(parse(message)))),
            Body::Batch(messages) => Ok(Parsed::Batch(messages)),
        };
        match self.apart(body.len(), read).await {
            Ok(Parsed::One(message)) => match *message {
                Ok(message) => self.answer(message).await,
                Err((id, error)) => reply_error(id, &error, Era::Modern),
            },
            Ok(Parsed::Batch(messages)) => self.answer_batch(body.len(), &messages).await,
            Err(error) => reply_error(None, &error, Era::Modern),
        }
    }

    /// Does work on so many bytes where it holds up nobody.
    pub(crate) async fn apart<T>(&self, bytes: usize, work: impl FnOnce() -> T) -> T {
        apart(self.caller.key(), bytes, work).await
    }

    async fn answer(&self, (incoming, meta): Read<'_>) -> Reply {
        let (method, params) = match incoming.kind {
            Kind::Call { method, params } => (method, params),
            Kind::Response(answered) => return self.take_response(incoming.id, answered),
        };
        let decided = match self.decide(&method, meta) {
            Ok(decided) => decided,
            Err(error) => return reply_error(incoming.id, &error, Era::Modern),
        };
        let Some(id) = incoming.id else {
            self.take_notification(&decided, &method, &params).await;
            return Reply::Accepted;
        };
        let era = decided.revision.era();
        let method = &*method;
        let call = Call { id, method, params };
        // Kilobytes that would else be part of every future that waits for it, several times over, and
        // be copied with each of them.
        let serving = Box::pin(self.serve(&decided, &call));
        // A client cancels by the id, where it has no connection of its own to close.
        let served = match self.conversation(decided.session.as_deref()) {
            Some(conversation) if is_cancellable(method) => match conversation.begin(id.json()) {
                Ok(mut under_way) => match under_way.serve(serving).await {
                    Ok(Reply::Messages(messages)) => {
                        Ok(Reply::Messages(under_way.stream(messages)))
                    }
                    served => served,
                },
                Err(error) => Err(error),
            },
            _ => serving.await,
        };
        served.unwrap_or_else(|error| reply_error(Some(id), &error, era))
    }

    async fn serve(&self, decided: &Decided<'_>, call: &Call<'_>) -> Result<Reply, Error> {
        let meta = decided.meta.as_ref();
        match decided.revision {
            Revision::Modern => {
                let answer = wire_2026_07_28::handle(self, meta, call).await?;
                match answer {
                    wire_2026_07_28::Answer::Result(result) => {
                        self.reply_result(call.id, &result, None)
                    }
                    wire_2026_07_28::Answer::Messages(messages) => Ok(Reply::Messages(messages)),
                }
            }
            revision => {
                let session = decided.session.as_ref();
                let answer = wire_2025_11_25::handle(self, revision, session, meta, call).await?;
                self.reply_result(call.id, &answer.result, answer.session)
            }
        }
    }

    /// What is going on with the client, where its requests belong together.
    pub(crate) fn conversation<'s>(
        &'s self,
        session: Option<&'s Session>,
    ) -> Option<&'s Arc<Conversation>> {
        match &self.arrival {
            Arrival::Stdio(pipe) => Some(&pipe.conversation),
            Arrival::Http(_) => session.map(|session| &session.going_on().conversation),
        }
    }

    /// The client of a request of this revision.
    pub(crate) fn client(
        &self,
        revision: Revision,
        session: Option<&Session>,
        meta: Option<&Meta<'_>>,
    ) -> Result<Client, Error> {
        let capabilities = match session {
            Some(session) => session.capabilities,
            None => match meta {
                Some(meta) => meta.capabilities(&self.endpoint.budget)?,
                None => Capabilities::default(),
            },
        };
        let log = match revision {
            Revision::Modern => meta.map_or(Ok(None), Meta::log_level)?,
            Revision::Legacy(_) | Revision::Unnamed => session.and_then(Session::log),
        };
        Ok(Client {
            revision,
            caller: self.caller,
            capabilities,
            log,
            progress_token: meta.map_or(Ok(None), Meta::progress_token)?,
            outbox: self.outbox.clone(),
            progress: Mutex::default(),
            task: OnceLock::new(),
        })
    }

    /// Notifications are never answered; what one of them is wrong about is ignored.
    async fn take_notification(&self, decided: &Decided<'_>, method: &str, params: &Params<'_>) {
        let read = || jsonrpc::request_id(params);
        if method == "notifications/cancelled"
            && let Some(conversation) = self.conversation(decided.session.as_deref())
            && let Some(id) = self.apart(params.bytes(), read).await
        {
            tracing::debug!(id = id.json(), "a client cancels a request");
            conversation.cancel(id.json());
        }
    }

    /// 2026-07-28 knows no responses from clients.
    fn take_response(
        &self,
        id: Option<jsonrpc::Id<'_>>,
        answered: Result<&RawValue, &RawValue>,
    ) -> Reply {
        let decided = match self.decide("", None) {
            Ok(decided) => decided,
            Err(error) => return reply_error(id, &error, Era::Modern),
        };
        if decided.revision == Revision::Modern {
            let error =
                Error::InvalidRequest("clients send no responses in this revision".to_owned());
            return reply_error(id, &error, Era::Modern);
        }
        if let (Some(conversation), Some(id)) = (self.conversation(decided.session.as_deref()), id)
        {
            let answered = answered.map(RawValue::to_owned).map_err(RawValue::to_owned);
            conversation.answer(id.json(), answered);
        }
        Reply::Accepted
    }

    /// Answers a batch (2025-03-26 alone) with a batch; nothing where it holds no request.
    async fn answer_batch(mut self, bytes: usize, messages: &[&RawValue]) -> Reply {
        let refused =
            |message: String| reply_error(None, &Error::InvalidRequest(message), Era::Legacy);
        let has_batches = match self.decide("", None) {
            Ok(decided) => decided.revision.has_batches(),
            Err(error) => return reply_error(None, &error, Era::Modern),
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
        // A batch is answered with one array, so nothing comes before the answers.
        self.outbox = Outbox::closed();
        let read = || -> Vec<_> {
            let messages = messages.iter();
            messages.map(|message| parse(message.get())).collect()
        };
        let messages = self.apart(bytes, read).await.into_iter();
        let left = AtomicUsize::new(ANSWER_MAX_BYTES);
        let replies = messages.map(|message| self.answer_in_batch(message, &left));
        let mut answers = String::new();
        for reply in join_all(replies).await {
            // Revisions with streams of events have no batches.
            if let Reply::Json { body, .. } = reply {
                answers.push(if answers.is_empty() { '[' } else { ',' });
                answers.push_str(body.as_str());
            }
        }
        if answers.is_empty() {
            return Reply::Accepted;
        }
        answers.push(']');
        match Message::charged(answers, &self.endpoint.budget) {
            Ok(body) => reply(StatusCode::OK, body),
            Err(full) => reply_error(None, &full.into(), Era::Legacy),
        }
    }

    /// Answers one of several messages, whose answers may have so many bytes together.
    async fn answer_in_batch(&self, message: ParsedMessage<'_>, left: &AtomicUsize) -> Reply {
        let message = match message {
            Ok(message) => message,
            Err((id, error)) => return reply_error(id, &error, Era::Legacy),
        };
        let id = message.0.id;
        let reply = self.answer_alone_in_batch(message).await;
        let Reply::Json { body, .. } = &reply else {
            return reply;
        };
        let size = body.as_str().len();
        let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            left.checked_sub(size)
        });
        match taken {
            Ok(_) => reply,
            Err(limit) => reply_error(id, &Error::AnswerTooLarge { size, limit }, Era::Legacy),
        }
    }

    async fn answer_alone_in_batch(&self, message: Read<'_>) -> Reply {
        match (&message.0.kind, message.0.id) {
            (Kind::Call { method, .. }, id @ Some(_)) if method == "initialize" => {
                let error =
                    Error::InvalidRequest("initialize must not be part of a batch".to_owned());
                reply_error(id, &error, Era::Legacy)
            }
            // A notification is never answered, whatever is wrong with it.
            (Kind::Call { .. }, None) => {
                self.answer(message).await;
                Reply::Accepted
            }
            _ => self.answer(message).await,
        }
    }

    fn reply_result(
        &self,
        id: jsonrpc::Id<'_>,
        result: &Finished,
        session: Option<String>,
    ) -> Result<Reply, Error> {
        let body = jsonrpc::write_result(id, &result.pieces());
        let (size, limit) = (body.len(), ANSWER_MAX_BYTES);
        if size > limit {
            return Err(Error::AnswerTooLarge { size, limit });
        }
        Ok(Reply::Json {
            status: StatusCode::OK,
            body: Message::charged(body, &self.endpoint.budget)?,
            session,
        })
    }

    /// What serves a request; if an older revision does, its session must not have ended.
    fn decide<'a>(&self, method: &str, meta: Option<Meta<'a>>) -> Result<Decided<'a>, Error> {
        let (header, session_id, session) = match &self.arrival {
            Arrival::Http(headers) => {
                let session_id = headers.get(&SESSION_ID);
                let session_id = session_id.filter(|_| method != "initialize");
                let session = session_id
                    .and_then(|id| id.to_str().ok())
                    .and_then(|id| self.endpoint.sessions.find(id));
                (
                    single(headers, &PROTOCOL_VERSION)?,
                    session_id.is_some(),
                    session,
                )
            }
            // What a header would repeat stands in the message alone.
            Arrival::Stdio(pipe) => {
                let version = meta.as_ref().and_then(Meta::version);
                (version, false, pipe.session())
            }
        };
        let revision = decide(&Declared {
            header,
            meta: meta.as_ref(),
            session: session.as_ref().map(|session| session.version()),
        })?;
        if revision.era() == Era::Legacy && session_id && session.is_none() {
            return Err(Error::UnknownSession);
        }
        Ok(Decided {
            revision,
            meta,
            session,
        })
    }
}

/// A message and its metadata.
type Read<'a> = (Incoming<'a>, Option<Meta<'a>>);
/// The same, where it is one; else what is wrong, with the id where it could be read.
type ParsedMessage<'a> = Result<Read<'a>, (Option<jsonrpc::Id<'a>>, Error)>;

/// A body that was read.
enum Parsed<'a> {
    One(Box<ParsedMessage<'a>>),
    Batch(Vec<&'a RawValue>),
}

fn parse(message: &str) -> ParsedMessage<'_> {
    let incoming = jsonrpc::parse_message(message)?;
    let meta = match &incoming.kind {
        Kind::Call { params, .. } => Meta::of(params),
        Kind::Response(_) => None,
    };
    Ok((incoming, meta))
}

/// Whether serving a request may take a while.
fn is_cancellable(method: &str) -> bool {
    matches!(
        method,
        "tools/call"
            | "prompts/get"
            | "resources/read"
            | "completion/complete"
            | "subscriptions/listen"
    )
}

fn reply(status: StatusCode, body: Message) -> Reply {
    Reply::Json {
        status,
        body,
        session: None,
    }
}

pub(crate) fn reply_error(id: Option<jsonrpc::Id<'_>>, error: &Error, era: Era) -> Reply {
    if matches!(error, Error::Cancelled) {
        return Reply::Cancelled;
    }
    let (code, message) = (error.code(era), error.message());
    let body = jsonrpc::write_error(id, code, &message, error.data().as_deref());
    reply(error.status(era), Message::small(body))
}
