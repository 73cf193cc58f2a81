//! What the calls of a plugin have taken, and which profile suits them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::engine::Profile;

/// Calls that take longer than this gain from [`Profile::Compute`]: a tenth of it is about what the
/// changes of protection cost, and explicit checks cost guests that compute a tenth or more.
const COMPUTE_LEAST: Duration = Duration::from_micros(100);
/// Calls after which their mean says something.
const CALLS_LEAST: u64 = 100;

/// What the calls of a plugin have taken since it was loaded.
#[derive(Debug, Default)]
pub struct Usage {
    calls: AtomicU64,
    busy_nanoseconds: AtomicU64,
}

impl Usage {
    /// How many calls have ended, well or not; those that were cancelled do not count.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// How long a call keeps a thread busy on average, its sandbox included and waiting left out;
    /// nothing before the first.
    #[must_use]
    pub fn mean(&self) -> Option<Duration> {
        let busy = self.busy_nanoseconds.load(Ordering::Relaxed);
        busy.checked_div(self.calls()).map(Duration::from_nanos)
    }

    /// The profile that suits the calls so far; nothing where they are too few to tell.
    #[must_use]
    pub fn suited(&self) -> Option<Profile> {
        let mean = self.mean().filter(|_| self.calls() >= CALLS_LEAST)?;
        Some(if mean < COMPUTE_LEAST {
            Profile::Short
        } else {
            Profile::Compute
        })
    }

    /// Adds a call that kept threads busy for so long.
    pub(crate) fn add(&self, busy: Duration) {
        let busy = u64::try_from(busy.as_nanos()).unwrap_or(u64::MAX);
        self.busy_nanoseconds.fetch_add(busy, Ordering::Relaxed);
        self.calls.fetch_add(1, Ordering::Relaxed);
    }
}
