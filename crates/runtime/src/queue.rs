//! Waiting for places among those that a plugin, or the server, has for its calls.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::engine::Inner as Pool;
use crate::error::{Error, Result};
use crate::limits::DURATION_MAX;
use crate::shares::Use;
use crate::turns::{Order, Turn, Turns};

/// Most calls that wait for a place or for the code of their plugin, over all plugins: ten for each place of the default, since each
/// holds its input and some kilobytes.
pub(crate) const WAITING_MAX: usize = 10_000;

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

/// A call's way to its places.
pub(crate) struct Queue<'p> {
    pool: &'p Pool,
    /// The plugin, and who calls it.
    order: Order,
    until: Instant,
    timeout: Duration,
}

/// Waits in one of the seats that the calls of all plugins have for it.
///
/// # Errors
/// When there is none, or others want it.
pub(crate) async fn seated<T>(
    pool: &Pool,
    order: Order,
    waiting: impl Future<Output = T>,
) -> Result<T> {
    let full = Error::QueueFull { limit: WAITING_MAX };
    let Some(seat) = pool.waiting.take(order.key, order.group, Use::Busy) else {
        return Err(full);
    };
    tokio::select! {
        biased;
        waited = waiting => Ok(waited),
        () = seat.gives_way() => Err(full),
    }
}

impl<'p> Queue<'p> {
    /// Waits as long as the server lets a call wait for all places together.
    pub(crate) fn new(pool: &'p Pool, order: Order) -> Self {
        let timeout = pool.options.queue_timeout;
        Self {
            pool,
            order,
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
        let waiting = timeout_at(self.until, waiting);
        match seated(self.pool, self.order, waiting).await? {
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
