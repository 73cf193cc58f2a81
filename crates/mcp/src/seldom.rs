//! What may happen all the time, and is to be told now and then.

use std::time::{Duration, Instant};

/// How often the log is told of it.
const TOLD_EVERY: Duration = Duration::from_mins(1);

/// Something of which the log is told again only after a while.
#[derive(Default)]
pub struct Seldom(Option<Instant>);

impl Seldom {
    /// Something that was not told yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(None)
    }

    /// Whether it is to be told now.
    pub fn is_due(&mut self) -> bool {
        let now = Instant::now();
        let is_due = self.0.is_none_or(|told| now - told >= TOLD_EVERY);
        if is_due {
            self.0 = Some(now);
        }
        is_due
    }
}
