//! A guest that is under way, and where it is taken down if it does not come to its end.

use std::pin::Pin;
use std::task::{Context, Poll};

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
}

impl<T, F: Future<Output = T> + Send + 'static> Future for UnderWay<F> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let guest = self.guest.as_mut();
        let guest = guest.expect("it is not polled after its end").as_mut();
        let polled = guest.poll(context);
        if polled.is_ready() {
            // Nothing is left to take down.
            self.guest = None;
        }
        polled
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
