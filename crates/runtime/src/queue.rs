//! Waiting for places among those that a plugin, or the server, has for its calls.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::engine::Inner as Pool;
use crate::error::{Error, Result};
use crate::limits::DURATION_MAX;
use crate::turns::{Order, Turn, Turns};

/// The places that a plugin, or the server, has for its calls.
pub(crate) struct Places<'p> {
    pub(crate) turns: &'p Turns,
    /// In words, for the error.
    pub(crate) whose: &'static str,
    pub(crate) limit: u32,
}

impl<'p> Places<'p> {
    /// Those of the server.
    pub(crate) fn of(pool: &'p Pool) -> Self {
        Self {
            turns: &pool.places,
            whose: "the server",
            limit: pool.options.instances_max,
        }
    }
}

/// Waiting for places.
pub(crate) struct Queue {
    until: Instant,
    timeout: Duration,
}

impl Queue {
    /// Waits so long for all places together.
    pub(crate) fn new(timeout: Duration) -> Self {
        Self {
            until: Instant::now() + timeout.min(DURATION_MAX),
            timeout,
        }
    }

    /// Waits for a place.
    pub(crate) async fn place(&self, places: Places<'_>, order: Order) -> Result<Turn> {
        // Most of the time there is one, and no timer is needed.
        let waiting = match places.turns.try_take(order.group, order.key) {
            Ok(place) => return Ok(place),
            Err(waiting) => waiting,
        };
        match timeout_at(self.until, waiting).await {
            // A place that comes too late is passed on. Otherwise each of many calls that waited in
            // vain would still run until its first yield, one after another.
            Ok(place) if Instant::now() < self.until => Ok(place),
            _ => Err(Error::Busy {
                whose: places.whose,
                limit: places.limit,
                waited: self.timeout,
            }),
        }
    }
}
