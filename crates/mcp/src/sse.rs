//! Server-sent events: how messages are written to a stream.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use tokio::time::timeout;

use crate::message::Message;

/// The media type of a stream of events.
pub(crate) const MEDIA_TYPE: &str = "text/event-stream";

/// How long a stream is silent before a comment is sent: well below the minute after which
/// proxies take a connection for dead.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A comment, which clients ignore and which keeps the connection in use.
pub(crate) const COMMENT: Bytes = Bytes::from_static(b":\n\n");

/// An event with a message as its data.
pub(crate) fn event(message: Message) -> Bytes {
    message.between("data: ", "\n\n").into_bytes()
}

/// The same events, with a comment wherever there was none for a while.
pub(crate) fn kept_alive(
    events: impl Stream<Item = Bytes> + Send + 'static,
) -> impl Stream<Item = Bytes> + Send + 'static {
    stream::unfold(Box::pin(events), |mut events| async move {
        let event = match timeout(KEEP_ALIVE, events.next()).await {
            Ok(event) => event?,
            Err(_) => COMMENT,
        };
        Some((event, events))
    })
}

/// The answer whose body is a stream of events.
pub(crate) fn answer(events: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let headers = [
        (CONTENT_TYPE.as_str(), MEDIA_TYPE),
        (CACHE_CONTROL.as_str(), "no-cache"),
        // Proxies such as nginx would else collect events instead of passing them on.
        ("x-accel-buffering", "no"),
    ];
    (headers, Body::from_stream(events.map(Ok::<_, Infallible>))).into_response()
}
