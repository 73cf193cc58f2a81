//! Counts what a connection holds of requests that are not whole yet, and how long they take.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::Timeouts;
use super::connections::Connection;

/// The first buffer of hyper's for what it reads.
const BUFFER_MIN_BYTES: usize = 8 * 1024;

/// A connection's stream, which tells its [`Connection`] what the head of a request takes while it is
/// not whole, and ends where one takes too long to come. A request that comes in one piece costs nothing here.
pub(super) struct HeadMeter<S> {
    stream: S,
    connection: Arc<Connection>,
    /// Most bytes that may be in hyper's buffer: those that were read since it was known to be empty.
    buffered: usize,
    is_counted: bool,
    /// How many requests had begun when it was last looked at.
    requests: u64,
    timeouts: Timeouts,
    awaited: Awaited,
    /// When `awaited` began.
    since: Instant,
    /// Fires at the end of what is awaited, or before. None: nothing was ever waited for.
    timer: Option<Pin<Box<Sleep>>>,
}

/// What a connection waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Awaited {
    /// Nothing: a request is under way.
    Nothing,
    /// The beginning of the next request.
    Request,
    /// The head of a request: the first one of the connection, or one that has begun.
    Head,
}

impl<S> HeadMeter<S> {
    pub(super) fn new(stream: S, connection: Arc<Connection>, timeouts: Timeouts) -> Self {
        Self {
            stream,
            connection,
            buffered: 0,
            is_counted: false,
            requests: 0,
            timeouts,
            awaited: Awaited::Head,
            since: Instant::now(),
            timer: None,
        }
    }

    /// Notes what is waited for from now on, and whether that has taken too long.
    fn has_timed_out(&mut self, context: &mut Context<'_>) -> bool {
        let awaited = if !self.connection.is_waiting() {
            Awaited::Nothing
        } else if self.connection.is_idle() && self.buffered == 0 {
            Awaited::Request
        } else {
            Awaited::Head
        };
        if awaited != self.awaited {
            self.awaited = awaited;
            self.since = Instant::now();
        }
        let Some(limit) = self.limit() else {
            return false;
        };
        let end = self.since + limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
        // One that fires too early is set anew then, which is seldom, and not for each request.
        if timer.deadline() > end {
            timer.as_mut().reset(end);
        }
        while timer.as_mut().poll(context).is_ready() {
            if timer.deadline() >= end {
                return true;
            }
            timer.as_mut().reset(end);
        }
        false
    }

    fn limit(&self) -> Option<Duration> {
        match self.awaited {
            Awaited::Nothing => None,
            Awaited::Request => Some(self.timeouts.keep_alive),
            Awaited::Head => Some(self.timeouts.read),
        }
    }

    fn count(&mut self) {
        let requests = self.connection.requests();
        if !self.connection.is_waiting() || requests != self.requests {
            // While a request is under way, hyper reads only where its buffer is empty, and one that was answered
            // is not in it any more.
            self.requests = requests;
            self.buffered = 0;
            if self.is_counted {
                self.connection.set_head_bytes(0);
                self.is_counted = false;
            }
        } else if self.buffered > 0 {
            // What was read is no whole head, or it would not read on.
            self.connection.set_head_bytes(buffer_bytes(self.buffered));
            self.is_counted = true;
        }
    }
}

/// The memory that hyper's buffer takes for so many bytes: it doubles as it grows.
fn buffer_bytes(read: usize) -> usize {
    if read <= BUFFER_MIN_BYTES {
        BUFFER_MIN_BYTES
    } else {
        2 * read
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for HeadMeter<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.count();
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_pending() && self.has_timed_out(context) {
            // The same as if the client had closed it.
            return Poll::Ready(Ok(()));
        }
        ready!(read)?;
        self.buffered += buffer.filled().len() - before;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for HeadMeter<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
