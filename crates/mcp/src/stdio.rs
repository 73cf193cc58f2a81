//! One client on standard input and output: a message a line (2026-07-28, basic/transports/stdio).

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use wasimancer_catalog::Catalog;

use crate::caller::Caller;
use crate::conversation::Conversation;
use crate::endpoint::{Endpoint, Options};
use crate::error::Error;
use crate::exchange::{Arrival, Exchange, Reply, reply_error};
use crate::listener::{Listener, Wake};
use crate::message::Message;
use crate::outbox::{self, Frame, Sent, frames};
use crate::revision::Era;
use crate::sessions::Session;

/// Most lines that wait to be written. A client that reads slowly is written to slowly.
const LINES_MAX: usize = 256;
/// Most requests that are served at once; further lines are read when one of them has ended.
const UNDER_WAY_MAX: usize = 256;

/// U+FEFF in UTF-8, which some programs write before a text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How long requests on standard input may go on after its end.
pub const STDIO_END_GRACE: Duration = Duration::from_secs(5);

/// The client of standard input and output.
#[derive(Default)]
pub(crate) struct Pipe {
    /// Begun by `initialize`.
    session: Mutex<Option<Arc<Session>>>,
    pub(crate) conversation: Arc<Conversation>,
}

impl Pipe {
    pub(crate) fn session(&self) -> Option<Arc<Session>> {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        session.clone()
    }

    pub(crate) fn begin(&self, session: Session) {
        let mut place = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        *place = Some(Arc::new(session));
    }
}

/// Serves one client until its input ends or `shutdown` turns true. What is under way then has a
/// little time to end.
///
/// # Errors
/// When the input cannot be read or the output cannot be written.
pub async fn serve_stdio(
    catalog: Arc<Catalog>,
    options: Options,
    shutdown: watch::Receiver<bool>,
    input: impl AsyncBufRead + Unpin,
    output: impl AsyncWrite + Unpin + Send + 'static,
) -> std::io::Result<()> {
    let (end, ends) = watch::channel(false);
    // Its requests end with their client.
    let (_, cut_off) = watch::channel(false);
    let endpoint = Arc::new(Endpoint::new(catalog, options, ends, cut_off));
    let (lines, written) = mpsc::channel(LINES_MAX);
    let mut writing = tokio::spawn(write(output, written));
    let mut under_way = JoinSet::new();
    let read = tokio::select! {
        read = read(&endpoint, input, lines, &mut under_way) => read,
        () = stopped(shutdown) => Ok(()),
        ended = &mut writing => return ended?,
    };
    // Streams of notifications would never end by themselves.
    end.send_replace(true);
    let ended = async { while under_way.join_next().await.is_some() {} };
    if timeout(STDIO_END_GRACE, ended).await.is_err() {
        tracing::warn!(
            requests = under_way.len(),
            "the client has gone: its requests are ended"
        );
        under_way.shutdown().await;
    }
    // What is answered already still goes out.
    writing.await??;
    read
}

async fn stopped(mut shutdown: watch::Receiver<bool>) {
    // An error means that nobody is left to tell.
    let _ = shutdown.wait_for(|stops| *stops).await;
}

async fn write(
    mut output: impl AsyncWrite + Unpin,
    mut lines: mpsc::Receiver<Message>,
) -> std::io::Result<()> {
    while let Some(line) = lines.recv().await {
        output.write_all(line.as_ref()).await?;
        output.write_all(b"\n").await?;
        if lines.is_empty() {
            output.flush().await?;
        }
    }
    output.flush().await
}

/// Reads lines and serves each by itself, so that none waits for one before it.
async fn read(
    endpoint: &Arc<Endpoint>,
    mut input: impl AsyncBufRead + Unpin,
    lines: mpsc::Sender<Message>,
    under_way: &mut JoinSet<()>,
) -> std::io::Result<()> {
    let pipe = Arc::new(Pipe::default());
    let mut tells_changes = false;
    loop {
        let line = match read_line(&mut input, endpoint.body_max_bytes).await? {
            Line::End => return Ok(()),
            Line::Blank => continue,
            Line::Message(line) => line,
            Line::TooLong => {
                let limit = endpoint.body_max_bytes;
                let refused = reply_error(None, &Error::TooLarge { limit }, Era::Modern);
                tell(refused, &lines).await;
                continue;
            }
        };
        let mut serving = Box::pin(serve(endpoint.clone(), pipe.clone(), line, lines.clone()));
        // The next line may cancel this one, so it is begun before that one is read.
        if poll_fn(|context| Poll::Ready(serving.as_mut().poll(context).is_pending())).await {
            under_way.spawn(serving);
        }
        while under_way.try_join_next().is_some() {}
        if under_way.len() >= UNDER_WAY_MAX {
            under_way.join_next().await;
        }
        if let Some(session) = pipe.session().filter(|_| !tells_changes) {
            tells_changes = true;
            under_way.spawn(tell_changes(endpoint.clone(), session, lines.clone()));
        }
    }
}

/// A line of input.
enum Line {
    Message(Vec<u8>),
    Blank,
    TooLong,
    End,
}

async fn read_line(
    input: &mut (impl AsyncBufRead + Unpin),
    max_bytes: usize,
) -> std::io::Result<Line> {
    let mut line = Vec::new();
    let mut is_too_long = false;
    // The line break is no part of the message.
    let part_bytes = max_bytes + 1;
    loop {
        let mut part = (&mut *input).take(part_bytes as u64);
        part.read_until(b'\n', &mut line).await?;
        let is_end = line.len() < part_bytes && line.last() != Some(&b'\n');
        if is_end && line.is_empty() && !is_too_long {
            return Ok(Line::End);
        }
        if is_end || line.last() == Some(&b'\n') {
            break;
        }
        is_too_long = true;
        line.clear();
    }
    if is_too_long {
        return Ok(Line::TooLong);
    }
    let text = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&line);
    if text.iter().all(u8::is_ascii_whitespace) {
        return Ok(Line::Blank);
    }
    Ok(Line::Message(line))
}

async fn serve(
    endpoint: Arc<Endpoint>,
    pipe: Arc<Pipe>,
    line: Vec<u8>,
    lines: mpsc::Sender<Message>,
) {
    let charge = match endpoint.budget.charge_patiently(line.len()).await {
        Ok(charge) => charge,
        Err(full) => return tell(reply_error(None, &full.into(), Era::Modern), &lines).await,
    };
    let (outbox, inbox) = outbox::channel(&endpoint.budget);
    let exchange = Exchange {
        snapshot: endpoint.catalog.snapshot(),
        endpoint,
        arrival: Arrival::Stdio(pipe),
        caller: Caller::default(),
        outbox,
    };
    let answering = Box::pin(async move {
        let reply = exchange.answer_body(&line).await;
        drop(charge);
        reply
    });
    let mut frames = frames(answering, inbox);
    while let Some(frame) = frames.next().await {
        match frame {
            Frame::Sent(Sent::Message(message)) => send(message, &lines).await,
            // There is no connection to close.
            Frame::Sent(Sent::Release) => {}
            Frame::Answer(reply) => tell(reply, &lines).await,
        }
    }
}

async fn tell(reply: Reply, lines: &mpsc::Sender<Message>) {
    match reply {
        Reply::Json { body, .. } => send(body, lines).await,
        Reply::Messages(mut messages) => {
            while let Some(message) = messages.next().await {
                if let Some(message) = message {
                    send(Message::small(message), lines).await;
                }
            }
        }
        Reply::Accepted | Reply::Cancelled => {}
    }
}

async fn send(line: Message, lines: &mpsc::Sender<Message>) {
    // Fails when the output is closed, which ends the server elsewhere.
    let _ = lines.send(line).await;
}

/// Tells a client of the older revisions what it watches, as the stream of a session does.
async fn tell_changes(
    endpoint: Arc<Endpoint>,
    session: Arc<Session>,
    lines: mpsc::Sender<Message>,
) {
    let mut listener = Listener::new(&endpoint, Era::Legacy);
    let watchlist = &session.watchlist;
    watchlist.add_lists(&endpoint.catalog.snapshot(), Era::Legacy);
    loop {
        match listener.next(watchlist).await {
            Wake::Changed(watched) => {
                send(Message::small(watched.notification(None)), &lines).await;
            }
            Wake::Silence => {}
            Wake::End => return,
        }
    }
}
