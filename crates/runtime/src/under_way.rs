//! A guest that is under way, and where it is taken down if it does not come to its end.

use std::pin::Pin;

use tokio::runtime::Handle;

use crate::turns::Turn;

/// A guest under way, with its places. One that is dropped before its end is taken down where blocking is
/// allowed: to give a memory of some hundred megabytes back takes milliseconds, and neither whoever waits
/// for the error nor anybody else has to wait for that. Its places are free after it.
pub(crate) struct UnderWay<F: Send + 'static> {
    guest: Option<Pin<Box<F>>>,
    places: Option<[Turn; 2]>,
}

impl<F: Future + Send + 'static> UnderWay<F> {
    pub(crate) fn new(guest: Pin<Box<F>>, places: [Turn; 2]) -> Self {
        Self {
            guest: Some(guest),
            places: Some(places),
        }
    }

    /// The guest, which has not ended.
    pub(crate) fn future(&mut self) -> Pin<&mut F> {
        let guest = self.guest.as_mut();
        guest.expect("it is there until it has ended").as_mut()
    }

    /// Nothing is left to take down.
    pub(crate) fn has_ended(&mut self) {
        self.guest = None;
    }
}

impl<F: Send + 'static> Drop for UnderWay<F> {
    fn drop(&mut self) {
        let places = self.places.take();
        let Some(guest) = self.guest.take() else {
            return;
        };
        let take_down = move || {
            drop(guest);
            drop(places);
        };
        match Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn_blocking(take_down);
            }
            // Nobody is served here.
            Err(_) => take_down(),
        }
    }
}
