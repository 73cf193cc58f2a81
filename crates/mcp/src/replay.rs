//! Streams of the older revisions that survive their connection (2025-11-25, basic/transports,
//! "Resumability and Redelivery").
//!
//! What a request sends is kept under numbered events, so that a client whose connection broke, or
//! was closed, reads on where it was.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::watch;
use wasimancer_runtime::{Budget, GiveWay, Seat, Seats, Use};

use crate::caller::Caller;
use crate::message::Message;
use crate::outbox::{Frame, Sent};
use crate::sse;

/// Most streams of one session that are kept.
const STREAMS_MAX: usize = 16;
/// Most streams that are kept over all sessions. Each may hold an answer of some megabytes.
const ALL_STREAMS_MAX: usize = 500;
/// How long a stream is kept after its end, so that a client whose connection broke gets the end.
const KEPT: Duration = Duration::from_mins(1);
/// Most messages that a stream keeps; the oldest ones make room.
const MESSAGES_MAX: usize = 2000;
/// How long a client is to wait before it comes back, in milliseconds.
const RETRY_MS: u64 = 500;

/// The streams that one session can come back to.
#[derive(Default)]
pub(crate) struct Replays {
    by_number: Mutex<Numbered>,
}

#[derive(Default)]
struct Numbered {
    last: u64,
    streams: HashMap<u64, Arc<Replay>>,
}

/// A stream that can be come back to.
pub(crate) struct Replay {
    number: u64,
    kept: Mutex<Kept>,
    /// Tells of more.
    more: watch::Sender<()>,
    seat: Seat,
}

#[derive(Default)]
struct Kept {
    /// The number of the first event that is kept.
    first: u64,
    /// All before this one have been read once.
    read: u64,
    events: std::collections::VecDeque<Kind>,
    has_ended: bool,
}

#[derive(Clone)]
enum Kind {
    Message(Bytes),
    /// Whoever reads it live is let go.
    Release,
}

/// Seats for the streams of all sessions.
pub(crate) fn seats() -> Seats {
    Seats::new(ALL_STREAMS_MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Replays {
    /// Begins to keep a stream, whose messages are charged to the budget; none where there are too
    /// many. Those that have ended give way first.
    pub(crate) fn begin(
        &self,
        seats: &Seats,
        caller: Caller,
        budget: &Budget,
    ) -> Option<Arc<Replay>> {
        if lock(&self.by_number).streams.len() >= STREAMS_MAX {
            return None;
        }
        let seat = seats.take(caller.key(), 0, Use::Busy)?;
        let mut numbered = lock(&self.by_number);
        if numbered.streams.len() >= STREAMS_MAX {
            return None;
        }
        numbered.last += 1;
        let replay = Arc::new(Replay {
            number: numbered.last,
            // The first event tells the client what to come back to.
            kept: Mutex::new(Kept {
                first: 1,
                ..Kept::default()
            }),
            more: watch::Sender::new(()),
            seat,
        });
        numbered.streams.insert(replay.number, replay.clone());
        drop(numbered);
        budget.register(&replay);
        Some(replay)
    }

    /// Forgets a stream.
    pub(crate) fn forget(&self, replay: &Replay) {
        lock(&self.by_number).streams.remove(&replay.number);
    }

    /// The stream of an event's id, and the number of the event.
    pub(crate) fn find(&self, event_id: &str) -> Option<(Arc<Replay>, u64)> {
        let (stream, event) = event_id.split_once('-')?;
        let stream: u64 = stream.parse().ok()?;
        let event = event.parse().ok()?;
        let replay = lock(&self.by_number).streams.get(&stream).cloned()?;
        Some((replay, event))
    }
}

impl Replay {
    /// Keeps everything that a request is answered with, and the stream for a while after.
    /// `message` makes the last message of the answer, where there is one. `forget` is for a stream that
    /// cannot be come back to any more; whoever reads it then reads on.
    pub(crate) async fn keep<R>(
        &self,
        mut frames: impl Stream<Item = Frame<R>> + Unpin,
        message: impl Fn(R) -> Option<Message>,
        forget: impl Fn(),
    ) {
        let mut is_forgotten = false;
        loop {
            let frame = tokio::select! {
                biased;
                frame = frames.next() => frame,
                () = self.seat.gives_way(), if !is_forgotten => {
                    is_forgotten = true;
                    forget();
                    // What was read is of no use any more.
                    self.give_way();
                    continue;
                }
            };
            let Some(frame) = frame else {
                break;
            };
            let message = match frame {
                Frame::Sent(Sent::Release) => {
                    self.push(Kind::Release);
                    continue;
                }
                Frame::Sent(Sent::Message(message)) => Some(message),
                Frame::Answer(answer) => message(answer),
            };
            if let Some(message) = message {
                self.push(Kind::Message(message.into_bytes()));
            }
        }
        lock(&self.kept).has_ended = true;
        self.more.send_replace(());
        self.seat.set_use(Use::Idle);
        tokio::select! {
            () = tokio::time::sleep(KEPT) => {}
            () = self.seat.gives_way() => {}
        }
        forget();
    }

    fn push(&self, kind: Kind) {
        let mut kept = lock(&self.kept);
        if kept.events.len() >= MESSAGES_MAX {
            kept.events.pop_front();
            kept.first += 1;
        }
        kept.events.push_back(kind);
        drop(kept);
        self.more.send_replace(());
    }

    /// The first event of the stream, which has no message: it says what to come back to, and when.
    fn priming(&self) -> Bytes {
        Bytes::from(format!(
            "id: {}-0\nretry: {RETRY_MS}\ndata: \n\n",
            self.number
        ))
    }

    /// The events from the beginning on. `primes` says whether the client knows events without a
    /// message.
    pub(crate) fn read(self: Arc<Self>, primes: bool) -> impl Stream<Item = Bytes> + Send {
        let priming = primes.then(|| self.priming());
        stream::iter(priming).chain(self.read_from(1, 1))
    }

    /// The events after one that the client has.
    pub(crate) fn resume(self: Arc<Self>, last: u64) -> impl Stream<Item = Bytes> + Send {
        let live = {
            let kept = lock(&self.kept);
            kept.first + kept.events.len() as u64
        };
        self.read_from(last.saturating_add(1), live)
    }

    /// The events from a number on. Whoever comes to a release that is `live` or later is let go.
    fn read_from(self: Arc<Self>, next: u64, live: u64) -> impl Stream<Item = Bytes> + Send {
        let more = self.more.subscribe();
        let events = stream::unfold(Some((self, more, next)), move |reader| async move {
            let (replay, mut more, next) = reader?;
            loop {
                more.mark_unchanged();
                match replay.at(next) {
                    At::Event(number, Kind::Message(message)) => {
                        let event = event(replay.number, number, message);
                        return Some((event, Some((replay, more, number + 1))));
                    }
                    At::Event(number, Kind::Release) if number >= live => {
                        let retry = Bytes::from(format!("retry: {RETRY_MS}\n\n"));
                        return Some((vec![retry], None));
                    }
                    At::Event(number, Kind::Release) => {
                        let rest = Some((replay, more, number + 1));
                        return Some((vec![sse::COMMENT], rest));
                    }
                    At::End => return None,
                    At::Later => {
                        // The sender lives as long as the stream that is read here.
                        let _ = more.changed().await;
                    }
                }
            }
        });
        events.flat_map(stream::iter)
    }

    fn at(&self, number: u64) -> At {
        let mut kept = lock(&self.kept);
        kept.read = kept.read.max(number);
        let number = number.max(kept.first);
        let index = usize::try_from(number - kept.first).unwrap_or(usize::MAX);
        match kept.events.get(index) {
            Some(kind) => At::Event(number, kind.clone()),
            None if kept.has_ended => At::End,
            None => At::Later,
        }
    }
}

impl GiveWay for Replay {
    /// Drops what a client has, which it may have lost; and all of a stream that has ended where nobody
    /// reads it.
    fn give_way(&self) {
        let mut kept = lock(&self.kept);
        let is_left = kept.has_ended && self.more.receiver_count() == 0;
        let mut dropped = Vec::new();
        while is_left || kept.first < kept.read {
            let Some(event) = kept.events.pop_front() else {
                break;
            };
            dropped.push(event);
            kept.first += 1;
        }
        drop(kept);
    }
}

/// What a reader finds.
enum At {
    Event(u64, Kind),
    End,
    Later,
}

/// An event in pieces, of which the message is the one that is kept.
fn event(stream: u64, number: u64, message: Bytes) -> Vec<Bytes> {
    let before = Bytes::from(format!("id: {stream}-{number}\ndata: "));
    vec![before, message, Bytes::from_static(b"\n\n")]
}

#[cfg(test)]
mod tests {
    use super::*;

    type Keeping = tokio::task::JoinHandle<()>;

    /// Keeps a stream that ends at once, or never.
    fn keep(session: &Arc<Replays>, replay: &Arc<Replay>, ends: bool) -> Keeping {
        let (session, replay) = (session.clone(), replay.clone());
        let frames = stream::iter((!ends).then(stream::pending::<Frame<()>>)).flatten();
        let forget = move |replay: &Replay| session.forget(replay);
        tokio::spawn(async move { replay.keep(frames, |()| None, || forget(&replay)).await })
    }

    #[tokio::test]
    async fn streams_give_way_to_those_of_others_and_those_that_have_ended_first() {
        let (seats, budget) = (seats(), Budget::default());
        let sessions: Vec<Arc<Replays>> = (0..ALL_STREAMS_MAX).map(|_| Arc::default()).collect();
        let begin = |session: usize, caller| {
            sessions[session].begin(&seats, Caller::numbered(caller), &budget)
        };
        let replays = (0..ALL_STREAMS_MAX).map(|session| begin(session, 1).unwrap());
        let replays: Vec<Arc<Replay>> = replays.collect();
        let is_kept = |session: usize| sessions[session].find("1-0").is_some();
        let until = async |session: usize| {
            while is_kept(session) {
                tokio::task::yield_now().await;
            }
        };
        let going_on = ALL_STREAMS_MAX - 1;
        let keeping = keep(&sessions[going_on], &replays[going_on], false);
        let ended = keep(&sessions[1], &replays[1], true);
        while !lock(&replays[1].kept).has_ended {
            tokio::task::yield_now().await;
        }
        let other = begin(0, 2).expect("one has ended");
        ended.await.expect("it gives way");
        assert!(!is_kept(1) && is_kept(going_on));
        // Of those that go on, the newest can be come back to no more, and goes on.
        assert!(begin(0, 1).is_none());
        let second = begin(0, 2).expect("the other has more");
        until(going_on).await;
        assert!(!keeping.is_finished());
        keeping.abort();
        drop((other, second));
    }
}
