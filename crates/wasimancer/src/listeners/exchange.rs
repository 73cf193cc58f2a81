//! A request on a connection, from its head to the end of its answer.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Body as AxumBody;
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::service::Service;
use hyper::{Request, Response};
use wasimancer_mcp::ClientAddress;

use super::connections::{Connection, UnderWay};
use crate::opening::{Served, Share};
use crate::proxies::TrustedProxies;
use crate::wrong_tokens::HeldBack;

/// Serves the requests of one connection.
pub(super) struct Exchanges {
    pub(super) connection: Arc<Connection>,
    pub(super) served: Arc<Served>,
    pub(super) peer: ClientAddress,
    /// Whose word is taken for the client's address. None: this peer's is not.
    pub(super) proxies: Option<Arc<TrustedProxies>>,
    /// Whether the connection was made after the server was told to stop.
    pub(super) is_late: bool,
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
        let route = self.served.route(self.share());
        let answering = route.call(request.map(|body| {
            if body.is_end_stream() {
                self.connection.has_received();
            }
            RequestBody {
                is_read: body.is_end_stream(),
                body,
                connection: self.connection.clone(),
            }
        }));
        async move {
            let Some(under_way) = begun else {
                // The task of the connection is about to end.
                return std::future::pending().await;
            };
            let mut response = answering.await?;
            if under_way.leaves_body() {
                // The rest of the body is not read, so no request can follow it.
                let headers = response.headers_mut();
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
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

/// The body of a request, which tells when nothing of it is waited for any more.
struct RequestBody {
    body: Incoming,
    /// Whether all of it was.
    is_read: bool,
    connection: Arc<Connection>,
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if frame.is_none() || self.body.is_end_stream() {
            self.is_read = true;
            self.connection.has_received();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if !self.is_read {
            self.connection.leave_body();
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
