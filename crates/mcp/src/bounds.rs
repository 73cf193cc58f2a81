//! What all subscribers together may take of the server.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::Error;

/// Most streams at once. Each is an open connection, of some 14 kB with its buffers.
const STREAMS_MAX: usize = 10_000;
/// Most bytes of a URI that is watched: far longer than any that proxies and browsers pass on.
const URI_MAX_BYTES: usize = 16 * 1024;
/// Most bytes of URIs and ids that are held at once, over all streams and sessions: with as many
/// of both as there may be, some six thousand for each.
const HELD_MAX_BYTES: usize = 128 * 1024 * 1024;

/// The bounds over all subscribers of an endpoint.
pub(crate) struct Bounds {
    streams: Arc<Semaphore>,
    held_bytes: Arc<Semaphore>,
}

/// A stream's place among all streams, free again when it is dropped.
pub(crate) struct Place {
    permit: OwnedSemaphorePermit,
}

/// A text that is kept as long as its subscriber is.
pub(crate) struct Held {
    text: Box<str>,
    _room: OwnedSemaphorePermit,
}

impl Bounds {
    pub(crate) fn new() -> Self {
        Self {
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            held_bytes: Arc::new(Semaphore::new(HELD_MAX_BYTES)),
        }
    }

    /// A place for a stream.
    pub(crate) fn place(&self) -> Result<Place, Error> {
        let permit = self.streams.clone().try_acquire_owned();
        let permit = permit.map_err(|_| {
            Error::Busy("as many streams are open as the server has places for: try again later")
        })?;
        let place = Place { permit };
        tracing::debug!(open = place.taken(), "a stream of notifications was opened");
        Ok(place)
    }

    /// Keeps a URI, given in the field `field`.
    pub(crate) fn hold_uri(&self, uri: &str, field: &str) -> Result<Held, Error> {
        if uri.len() > URI_MAX_BYTES {
            return Err(Error::InvalidParams(format!(
                "`{field}` is a URI of {} bytes: at most {URI_MAX_BYTES} can be subscribed to",
                uri.len()
            )));
        }
        self.hold(uri)
    }

    /// Keeps a text.
    pub(crate) fn hold(&self, text: &str) -> Result<Held, Error> {
        let busy = Error::Busy(
            "subscribers hold as many bytes of URIs as the server keeps: try again later, or with fewer",
        );
        let Ok(bytes) = u32::try_from(text.len()) else {
            return Err(busy);
        };
        match self.held_bytes.clone().try_acquire_many_owned(bytes) {
            Ok(room) => Ok(Held {
                text: text.into(),
                _room: room,
            }),
            Err(_) => Err(busy),
        }
    }
}

impl Held {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

impl Place {
    /// How many places are taken, this one included.
    fn taken(&self) -> usize {
        STREAMS_MAX - self.permit.semaphore().available_permits()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let open = self.taken() - 1;
        tracing::debug!(open, "a stream of notifications has ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_free_again_with_their_streams() {
        let bounds = Bounds::new();
        let mut places: Vec<Place> = (0..STREAMS_MAX).map(|_| bounds.place().unwrap()).collect();
        assert!(matches!(bounds.place(), Err(Error::Busy(_))));
        places.pop();
        assert!(bounds.place().is_ok());
    }

    #[test]
    fn texts_have_a_size_each_and_together() {
        let bounds = Bounds::new();
        let longest = "x".repeat(URI_MAX_BYTES);
        let too_long = bounds.hold_uri(&format!("{longest}x"), "uri");
        assert!(matches!(too_long, Err(Error::InvalidParams(_))));
        let another = || bounds.hold_uri(&longest, "uri");
        let mut held: Vec<Held> = (0..HELD_MAX_BYTES / URI_MAX_BYTES)
            .map(|_| another().unwrap())
            .collect();
        assert!(matches!(another(), Err(Error::Busy(_))));
        assert_eq!(held.pop().unwrap().text(), longest);
        assert!(another().is_ok());
    }
}
