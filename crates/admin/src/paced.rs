//! The body of an upload as the parser of its parts may see it: no faster than it works, and no more at
//! once than it should keep.
//!
//! The parser keeps everything that has come until it finds what it looks for, the beginning of a part,
//! and looks through all of it each time that more comes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use futures_util::{StreamExt, stream};
use tokio::time::timeout;

/// Most bytes between the data of two parts, and before the first: the boundary, and the part's headers.
const HEAD_MAX_BYTES: usize = 16 * 1024;
/// Bytes that the parser gets at once while it looks for a part. Those behind the headers are data.
const HEAD_PIECE_BYTES: usize = 2 * 1024;

/// Bytes of data that it gets at once: what follows the data is among them.
const DATA_PIECE_BYTES: usize = 16 * 1024;

/// Most bytes that are read and thrown away of a form that is refused: more than most uploads have.
const DISCARDED_MAX_BYTES: usize = 128 * 1024 * 1024;

/// Bodies that may take as long as they want, as long as they come: what has come lies in a temporary
/// file meanwhile.
#[derive(Clone)]
pub(crate) struct Paced(Arc<State>);

struct State {
    /// How long the next piece may take.
    read_timeout: Duration,
    was_too_slow: AtomicBool,
    /// Bytes that may come until a part begins.
    head_bytes: AtomicUsize,
    is_in_head: AtomicBool,
    was_too_long: AtomicBool,
}

impl Paced {
    pub(crate) fn new(read_timeout: Duration) -> Self {
        Self(Arc::new(State {
            read_timeout,
            was_too_slow: AtomicBool::new(false),
            head_bytes: AtomicUsize::new(0),
            is_in_head: AtomicBool::new(true),
            was_too_long: AtomicBool::new(false),
        }))
    }

    /// Nothing more is wanted.
    pub(crate) fn expect_nothing(&self) {
        self.0.head_bytes.store(0, Ordering::Relaxed);
        self.0.is_in_head.store(true, Ordering::Relaxed);
    }

    /// A part is looked for from now on.
    pub(crate) fn expect_head(&self) {
        self.0.head_bytes.store(HEAD_MAX_BYTES, Ordering::Relaxed);
        self.0.is_in_head.store(true, Ordering::Relaxed);
    }

    /// The data of a part is read from now on.
    pub(crate) fn expect_data(&self) {
        self.0.is_in_head.store(false, Ordering::Relaxed);
    }

    /// The same body, which breaks off where its next piece is too slow, or where no part begins.
    pub(crate) fn body(&self, body: Body) -> Body {
        let pieces = (self.clone(), body.into_data_stream(), Bytes::new());
        Body::from_stream(stream::unfold(
            pieces,
            |(paced, mut pieces, mut rest)| async move {
                // Between two pieces the parser works on the one that it has.
                tokio::task::yield_now().await;
                if rest.is_empty() {
                    rest = match timeout(paced.0.read_timeout, pieces.next()).await {
                        Ok(Some(Ok(piece))) => piece,
                        Ok(Some(Err(error))) => return Some((Err(error), (paced, pieces, rest))),
                        Ok(None) => return None,
                        Err(_) => {
                            paced.0.was_too_slow.store(true, Ordering::Relaxed);
                            let error = io::Error::from(io::ErrorKind::TimedOut);
                            return Some((Err(axum::Error::new(error)), (paced, pieces, rest)));
                        }
                    };
                }
                match paced.next_piece(&mut rest) {
                    Some(piece) => Some((Ok(piece), (paced, pieces, rest))),
                    None => {
                        paced.discard(&mut pieces).await;
                        let error = io::Error::from(io::ErrorKind::FileTooLarge);
                        Some((Err(axum::Error::new(error)), (paced, pieces, rest)))
                    }
                }
            },
        ))
    }

    /// Reads what is left, within a bound: a client that sends all of it before it looks for the answer
    /// would else find its connection reset.
    async fn discard(&self, pieces: &mut BodyDataStream) {
        let mut left = DISCARDED_MAX_BYTES;
        while let Ok(Some(Ok(piece))) = timeout(self.0.read_timeout, pieces.next()).await
            && let Some(less) = left.checked_sub(piece.len())
        {
            left = less;
        }
    }

    /// What the parser may have of what has come; none where no part begins in all that it has.
    fn next_piece(&self, rest: &mut Bytes) -> Option<Bytes> {
        if !self.0.is_in_head.load(Ordering::Relaxed) {
            return Some(rest.split_to(rest.len().min(DATA_PIECE_BYTES)));
        }
        let piece = rest.split_to(rest.len().min(HEAD_PIECE_BYTES));
        let left = self
            .0
            .head_bytes
            .load(Ordering::Relaxed)
            .checked_sub(piece.len());
        if let Some(left) = left {
            self.0.head_bytes.store(left, Ordering::Relaxed);
            return Some(piece);
        }
        self.0.was_too_long.store(true, Ordering::Relaxed);
        None
    }

    pub(crate) fn was_too_slow(&self) -> bool {
        self.0.was_too_slow.load(Ordering::Relaxed)
    }

    /// The most bytes that no part began in, where it was more.
    pub(crate) fn too_long_head(&self) -> Option<u64> {
        let was_too_long = self.0.was_too_long.load(Ordering::Relaxed);
        was_too_long.then_some(HEAD_MAX_BYTES as u64)
    }
}
