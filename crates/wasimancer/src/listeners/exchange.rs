//! A request on a connection, from its head to the end of its answer.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body as AxumBody;
use axum::http::HeaderValue;
use axum::http::header::{CONNECTION, EXPECT};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::service::Service;
use hyper::{Request, Response, Version};
use tokio::time::timeout;
use wasimancer_mcp::ClientAddress;

use super::connections::{Connection, UnderWay};
use crate::opening::{Served, Share};
use crate::proxies::TrustedProxies;
use crate::signposts;
use crate::wrong_tokens::HeldBack;

/// Most bytes of a body that are read after its answer, so that the connection can be kept: what is
/// under way on most networks anyway.
const DRAINED_MAX_BYTES: u64 = 256 * 1024;

/// Serves the requests of one connection.
pub(super) struct Exchanges {
    pub(super) connection: Arc<Connection>,
    pub(super) served: Arc<Served>,
    pub(super) peer: ClientAddress,
    /// Whose word is taken for the client's address. None: this peer's is not.
    pub(super) proxies: Option<Arc<TrustedProxies>>,
    /// Whether the connection was made after the server was told to stop.
    pub(super) is_late: bool,
    /// How long the rest of a body may take after its answer.
    pub(super) read_timeout: Duration,
    /// What is left of the body of a request that was answered.
    pub(super) left: Left,
}

/// What was not read of a body, once its request is dropped.
#[derive(Clone, Default)]
pub(super) struct Left(Arc<Mutex<Option<Unread>>>);

/// The rest of a body.
struct Unread {
    body: Incoming,
    /// Whether the client waits to be told before it sends it (RFC 9110, section 10.1.1).
    is_awaited: bool,
}

impl Left {
    fn put(&self, unread: Unread) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(unread);
    }

    fn take(&self) -> Option<Unread> {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        left.take()
    }
}

impl Unread {
    /// Whether another request can follow it: it is short, is sent without a word of ours, and the answer
    /// does not end the connection.
    fn is_drained(&self, response: &Response<AxumBody>) -> bool {
        let size = self.body.size_hint().upper();
        !self.is_awaited
            && size.is_some_and(|size| size <= DRAINED_MAX_BYTES)
            && !response.headers().contains_key(CONNECTION)
    }

    /// Throws it away. Without its end in time the connection ends.
    async fn drain(mut self, limit: Duration, connection: Arc<Connection>) {
        let end = async {
            while let Some(Ok(_)) = poll_fn(|context| {
                let body = Pin::new(&mut self.body);
                body.poll_frame(context)
            })
            .await
            {}
        };
        // Where it takes longer, hyper ends the connection.
        let _ = timeout(limit, end).await;
        connection.set_draining(false);
    }
}

impl Exchanges {
    /// Serves one request.
    pub(super) fn serve(
        &self,
        mut request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<AnswerBody>, Infallible>> + use<> {
        let begun = self.connection.begin();
        let client = self.proxies.as_ref().map_or(self.peer, |proxies| {
            proxies.client(self.peer, request.headers())
        });
        request.extensions_mut().insert(client);
        let is_last = is_last(&request);
        let is_awaited = request.headers().contains_key(EXPECT);
        signposts::tidy(request.uri_mut());
        let route = self.served.route(self.share());
        let answering = route.call(request.map(|body| {
            if body.is_end_stream() {
                self.connection.has_received();
            }
            RequestBody {
                is_read: body.is_end_stream(),
                body: Some(body),
                is_awaited,
                connection: self.connection.clone(),
                left: self.left.clone(),
            }
        }));
        let (connection, left) = (self.connection.clone(), self.left.clone());
        let read_timeout = self.read_timeout;
        async move {
            let Some(under_way) = begun else {
                // The task of the connection is about to end.
                return std::future::pending().await;
            };
            let mut response = answering.await?;
            match left.take() {
                None => {}
                Some(unread) if !is_last && unread.is_drained(&response) => {
                    connection.set_draining(true);
                    tokio::spawn(unread.drain(read_timeout, connection));
                }
                Some(_) => {
                    // The rest of the body is not read, so no request can follow it.
                    connection.leave_body();
                    let headers = response.headers_mut();
                    headers.insert(CONNECTION, HeaderValue::from_static("close"));
                }
            }
            if let Some(HeldBack(until)) = response.extensions().get() {
                under_way.hold_back(*until).await;
            }
            Ok(response.map(|body| AnswerBody {
                body,
                _under_way: under_way,
            }))
        }
    }

    fn share(&self) -> Share {
        if self.is_late {
            Share::Stopping
        } else if self.connection.is_restricted() {
            Share::Reserved
        } else {
            Share::All
        }
    }
}

/// Whether the client closes the connection after this request (RFC 9112, section 9.3).
fn is_last(request: &Request<Incoming>) -> bool {
    let options = request.headers().get_all(CONNECTION).iter();
    let mut options = options.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    request.version() == Version::HTTP_10
        || options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
}

/// The body of a request, which tells when nothing of it is waited for any more.
struct RequestBody {
    /// Some until this is dropped.
    body: Option<Incoming>,
    /// Whether nothing of it is left.
    is_read: bool,
    /// Whether the client waits to be told before it sends it.
    is_awaited: bool,
    connection: Arc<Connection>,
    /// Where the rest goes.
    left: Left,
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        // To wait for it is to tell the client to send it.
        this.is_awaited = false;
        let Some(body) = &mut this.body else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(&mut *body).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) || body.is_end_stream() {
            this.is_read = true;
            this.connection.has_received();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let body = self.body.as_ref();
        body.map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|_| !self.is_read) {
            let is_awaited = self.is_awaited;
            self.left.put(Unread { body, is_awaited });
        }
        self.connection.has_received();
    }
}

/// The body of an answer. Its request is under way until this is dropped.
pub(super) struct AnswerBody {
    body: AxumBody,
    _under_way: UnderWay,
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
