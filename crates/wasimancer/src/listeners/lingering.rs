//! Ends connections so that the last answer arrives.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::connections::Connection;

/// How long a client may send nothing more before its connection is closed.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// How long a connection lingers at most.
const LINGER_MAX: Duration = Duration::from_secs(20);
/// Most bytes that are thrown away meanwhile: the largest upload by default.
const DISCARDED_MAX_BYTES: usize = 64 * 1024 * 1024;
/// How many of them are read at a time.
const PIECE_BYTES: usize = 16 * 1024;

/// A connection's stream. A system that closes a connection with unread bytes resets it, and whoever sent
/// them may lose the answer (RFC 9112, section 9.6). So where something of a body is left, the stream is closed for
/// writing alone at first, and what comes is thrown away until the client closes it too.
pub(super) struct Lingering<S> {
    stream: Pin<Box<S>>,
    connection: Arc<Connection>,
    end: Option<End>,
}

/// The end of a stream that is closed for writing.
struct End {
    /// When the client has been silent for too long.
    silence: Pin<Box<Sleep>>,
    last: Instant,
    left_bytes: usize,
}

impl<S> Lingering<S> {
    pub(super) fn new(stream: S, connection: Arc<Connection>) -> Self {
        Self {
            stream: Box::pin(stream),
            connection,
            end: None,
        }
    }
}

impl End {
    fn begin() -> Self {
        Self {
            silence: Box::pin(sleep(SILENCE_MAX)),
            last: Instant::now() + LINGER_MAX,
            left_bytes: DISCARDED_MAX_BYTES,
        }
    }

    /// Throws away what comes, until there is no more or a bound is reached.
    fn poll<S: AsyncRead>(
        &mut self,
        mut stream: Pin<&mut S>,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        loop {
            if self.silence.as_mut().poll(context).is_ready() {
                return Poll::Ready(());
            }
            let mut space = [MaybeUninit::uninit(); PIECE_BYTES];
            let mut buffer = ReadBuf::uninit(&mut space);
            let read = ready!(stream.as_mut().poll_read(context, &mut buffer));
            let bytes = buffer.filled().len();
            if read.is_err() || bytes == 0 || bytes >= self.left_bytes {
                return Poll::Ready(());
            }
            self.left_bytes -= bytes;
            let until = (Instant::now() + SILENCE_MAX).min(self.last);
            self.silence.as_mut().reset(until);
        }
    }
}

impl<S: AsyncRead> AsyncRead for Lingering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite> AsyncWrite for Lingering<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.end.is_none() {
            ready!(this.stream.as_mut().poll_shutdown(context))?;
        }
        if !this.connection.leaves_body() {
            return Poll::Ready(Ok(()));
        }
        let end = this.end.get_or_insert_with(End::begin);
        end.poll(this.stream.as_mut(), context).map(Ok)
    }
}
