//! What happens to every connection, and is to be told now and then.

use std::time::{Duration, Instant};

/// How often the log is told of it.
const TOLD_EVERY: Duration = Duration::from_mins(1);

/// Something of which the log is told again only after a while.
#[derive(Default)]
pub(crate) struct Seldom(Option<Instant>);

impl Seldom {
    /// Whether it is to be told now.
    pub(crate) fn is_due(&mut self) -> bool {
        let now = Instant::now();
        let is_due = self.0.is_none_or(|told| now - told >= TOLD_EVERY);
        if is_due {
            self.0 = Some(now);
        }
        is_due
    }
}
