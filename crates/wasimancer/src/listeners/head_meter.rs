//! Counts what a connection holds of requests that are not whole yet.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connections::Connection;

/// The first buffer of hyper's for what it reads.
const BUFFER_MIN_BYTES: usize = 8 * 1024;

/// A connection's stream, which tells its [`Connection`] what the head of a request takes while it is
/// not whole. A request that comes in one piece costs nothing here.
pub(super) struct HeadMeter<S> {
    stream: S,
    connection: Arc<Connection>,
    /// Most bytes that may be in hyper's buffer: those that were read since it was known to be empty.
    buffered: usize,
    is_counted: bool,
}

impl<S> HeadMeter<S> {
    pub(super) fn new(stream: S, connection: Arc<Connection>) -> Self {
        Self {
            stream,
            connection,
            buffered: 0,
            is_counted: false,
        }
    }

    fn count(&mut self) {
        if !self.connection.is_waiting() {
            // While a request is under way, hyper reads only where its buffer is empty.
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
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
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
