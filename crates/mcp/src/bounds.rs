//! What all subscribers together may take of the server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wasimancer_runtime::{Seat, Seats, Use};

use crate::caller::Caller;
use crate::error::Error;

/// Most streams at once. Each is an open connection, of some 14 kB with its buffers.
const STREAMS_MAX: usize = 10_000;
/// Most bytes of a URI that is watched: far longer than any that proxies and browsers pass on.
const URI_MAX_BYTES: usize = 16 * 1024;
/// Most bytes of URIs and ids that are held at once, over all streams and sessions: with as many
/// of both as there may be, some six thousand for each.
const HELD_MAX_BYTES: usize = 128 * 1024 * 1024;
/// How many times as many bytes as are free one caller may hold: alone two thirds of all. Others find
/// room, and none of the many texts of a stream has to give way by itself.
const HELD_PER_FREE: usize = 2;

/// The bounds over all subscribers of an endpoint.
pub(crate) struct Bounds {
    streams: Seats,
    texts: Arc<Texts>,
}

/// The bytes that callers hold.
#[derive(Default)]
struct Texts(Mutex<HeldBytes>);

#[derive(Default)]
struct HeldBytes {
    all: usize,
    by_caller: HashMap<u64, usize>,
}

/// A stream's place among all streams, free again when it is dropped. The oldest ones give way.
pub(crate) struct Place(Seat);

/// A text that is kept as long as its subscriber is.
pub(crate) struct Held {
    text: Box<str>,
    caller: u64,
    texts: Arc<Texts>,
}

impl Bounds {
    pub(crate) fn new() -> Self {
        Self {
            streams: Seats::new(STREAMS_MAX),
            texts: Arc::default(),
        }
    }

    /// A place for a stream.
    pub(crate) fn place(&self, caller: Caller) -> Result<Place, Error> {
        let seat = self.streams.take(caller.key(), 0, Use::Waiting);
        let seat = seat.ok_or(Error::Busy(
            "as many streams are open as the server has places for: try again later",
        ))?;
        // It is counted only where somebody reads it.
        tracing::debug!(
            open = self.streams.taken(),
            "a stream of notifications was opened"
        );
        Ok(Place(seat))
    }

    /// Keeps a URI, given in the field `field`.
    pub(crate) fn hold_uri(&self, caller: Caller, uri: &str, field: &str) -> Result<Held, Error> {
        if uri.len() > URI_MAX_BYTES {
            return Err(Error::InvalidParams(format!(
                "`{field}` is a URI of {} bytes: at most {URI_MAX_BYTES} can be subscribed to",
                uri.len()
            )));
        }
        self.hold(caller, uri)
    }

    /// Keeps a text.
    pub(crate) fn hold(&self, caller: Caller, text: &str) -> Result<Held, Error> {
        let caller = caller.key();
        if !self.texts.lock().take(caller, text.len()) {
            return Err(Error::Busy(
                "subscribers hold as many bytes of URIs as the server keeps: try again later, or with fewer",
            ));
        }
        Ok(Held {
            text: text.into(),
            caller,
            texts: self.texts.clone(),
        })
    }
}

impl Texts {
    fn lock(&self) -> MutexGuard<'_, HeldBytes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HeldBytes {
    /// Takes so many bytes; whether there was room for them.
    fn take(&mut self, caller: u64, bytes: usize) -> bool {
        let held = self.by_caller.get(&caller).copied().unwrap_or_default();
        let free = HELD_MAX_BYTES - self.all;
        if bytes > free || held + bytes > (free - bytes) * HELD_PER_FREE {
            return false;
        }
        self.all += bytes;
        self.by_caller.insert(caller, held + bytes);
        true
    }

    fn give_back(&mut self, caller: u64, bytes: usize) {
        self.all -= bytes;
        if let Some(held) = self.by_caller.get_mut(&caller) {
            *held -= bytes;
            if *held == 0 {
                self.by_caller.remove(&caller);
            }
        }
    }
}

impl Held {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.texts.lock().give_back(self.caller, self.text.len());
    }
}

impl Place {
    /// Completes when the stream has to end, since others want the place.
    pub(crate) async fn gives_way(&self) {
        self.0.gives_way().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        tracing::debug!(
            open = self.0.seats().taken().saturating_sub(1),
            "a stream of notifications has ended"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn places_are_free_again_with_their_streams_and_the_oldest_gives_way() {
        let bounds = Bounds::new();
        let place = |number| bounds.place(Caller::numbered(number)).unwrap();
        let mut places: Vec<Place> = (0..STREAMS_MAX).map(|_| place(1)).collect();
        places.pop();
        let last = place(1);
        let other = place(2);
        places[0].gives_way().await;
        let own = place(1);
        places[1].gives_way().await;
        drop((places, last, other, own));
        assert_eq!(bounds.streams.taken(), 0);
    }

    #[test]
    fn texts_have_a_size_each_and_together() {
        let bounds = Bounds::new();
        let longest = "x".repeat(URI_MAX_BYTES);
        let take = |number, uri: &str| bounds.hold_uri(Caller::numbered(number), uri, "uri");
        let too_long = take(1, &format!("{longest}x"));
        assert!(matches!(too_long, Err(Error::InvalidParams(_))));
        let mut held: Vec<Held> = std::iter::from_fn(|| take(1, &longest).ok()).collect();
        assert_eq!(held.len(), HELD_MAX_BYTES / URI_MAX_BYTES * 2 / 3);
        assert!(matches!(take(1, &longest), Err(Error::Busy(_))));
        // There is room for others, as long as there are few who hold so much.
        let others: Vec<Held> = (2..20)
            .flat_map(|caller| (0..20).map(move |_| caller))
            .map(|caller| take(caller, &longest).unwrap())
            .collect();
        drop(others);
        assert_eq!(held.pop().unwrap().text(), longest);
        assert!(take(1, &longest).is_ok());
        drop(held);
        let books = bounds.texts.lock();
        assert!(books.all == 0 && books.by_caller.is_empty());
    }
}
