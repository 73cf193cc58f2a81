//! What a plugin may write to the log: so much in a call, whichever way it takes, and so much in a
//! second. Everything is counted as it stands there, after its escape.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tracing::Level;

use crate::context::Context;
use crate::escape::escape_within;

/// Longest message of a plugin that reaches the log, in bytes; the rest is cut.
pub(crate) const LOG_MESSAGE_MAX_BYTES: usize = 4096;
/// Most bytes that one call can send to the log: by its log functions, its standard output and its
/// standard error together.
const CALL_MAX_BYTES: usize = 64 * 1024;
/// What a line of the log costs beyond its message, in bytes: time, level and plugin, rounded up.
const LINE_BYTES: usize = 64;

/// Lines a second that the log takes from one plugin for long: a person reads none of more.
const LINES_PER_SECOND: f64 = 100.0;
/// Lines that it takes at once: two for each of 500 calls of a burst.
const LINES_BURST: f64 = 1000.0;
/// Bytes a second that it takes for long: as much as a call may write. A day of it is 5.7 GB.
const BYTES_PER_SECOND: f64 = 64.0 * 1024.0;
/// Bytes that it takes at once: what four calls may write.
const BYTES_BURST: f64 = 256.0 * 1024.0;
/// The share of a burst that must be free before lines are written again, so that the log has few
/// gaps, each with its size.
const REFILLED: f64 = 0.25;

/// A message as it stands in the log.
pub(crate) fn line(message: &str) -> Cow<'_, str> {
    escape_within(message, LOG_MESSAGE_MAX_BYTES)
}

/// Whether a line is within a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Whole,
    /// The first that is not.
    FirstLeftOut,
    LeftOut,
}

/// What one call has written to the log, shared by all of its ways to write.
#[derive(Clone)]
pub(crate) struct CallLog {
    context: Arc<Context>,
    /// More than [`CALL_MAX_BYTES`] once the call wanted more.
    bytes: Arc<AtomicUsize>,
}

impl CallLog {
    pub(crate) fn new(context: &Arc<Context>) -> Self {
        Self {
            context: context.clone(),
            bytes: Arc::default(),
        }
    }

    /// What the calls of its plugin share.
    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    /// Charges a message as it stands in the log, and answers whether the call may still write it.
    pub(crate) fn charge(&self, line: &str) -> bool {
        let before = self
            .bytes
            .fetch_add(LINE_BYTES + line.len(), Ordering::Relaxed);
        let is_within = !self.is_full();
        if !is_within && before <= CALL_MAX_BYTES {
            self.write(
                Level::WARN,
                "wrote more than the log takes from one call; the rest is left out",
            );
        }
        is_within
    }

    /// Writes a message as it stands in the log, which was charged.
    pub(crate) fn write(&self, level: Level, line: &str) {
        self.context.log.write(&self.context.name, level, line);
    }

    /// Whether the call may write nothing any more.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > CALL_MAX_BYTES
    }

    /// What the log holds of the call, or has held.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed).min(CALL_MAX_BYTES)
    }
}

/// The lines of one plugin.
pub(crate) struct PluginLog {
    rate: Mutex<Rate>,
}

impl PluginLog {
    pub(crate) fn new() -> Self {
        Self {
            rate: Mutex::new(Rate::new(Instant::now())),
        }
    }

    /// Writes a message as it stands in the log, if the plugin has not written too many of late.
    pub(crate) fn write(&self, plugin: &str, level: Level, message: &str) {
        self.take(plugin, message.len(), || emit(plugin, level, message));
    }

    /// Lets `write` write a line of so many bytes about the plugin, within the plugin's rate.
    pub(crate) fn take(&self, plugin: &str, bytes: usize, write: impl FnOnce()) {
        let mut rate = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        let (taken, left_out) = rate.take(LINE_BYTES + bytes, Instant::now());
        drop(rate);
        match taken {
            Taken::Whole => {
                if left_out > 0 {
                    let told = format!("{left_out} lines were left out, since they came too fast");
                    emit(plugin, Level::WARN, &told);
                }
                write();
            }
            Taken::FirstLeftOut => emit(
                plugin,
                Level::WARN,
                "writes more lines than the log takes from one plugin; they are left out for a while",
            ),
            Taken::LeftOut => {}
        }
    }
}

fn emit(plugin: &str, level: Level, message: &str) {
    match level {
        Level::ERROR => tracing::error!(target: "wasimancer::plugin", plugin, "{message}"),
        Level::WARN => tracing::warn!(target: "wasimancer::plugin", plugin, "{message}"),
        Level::INFO => tracing::info!(target: "wasimancer::plugin", plugin, "{message}"),
        Level::DEBUG => tracing::debug!(target: "wasimancer::plugin", plugin, "{message}"),
        Level::TRACE => tracing::trace!(target: "wasimancer::plugin", plugin, "{message}"),
    }
}

/// Two buckets that fill with time: one of lines, one of bytes.
struct Rate {
    lines: f64,
    bytes: f64,
    filled: Instant,
    /// Lines that were left out since one was written.
    left_out: u64,
}

impl Rate {
    fn new(now: Instant) -> Self {
        Self {
            lines: LINES_BURST,
            bytes: BYTES_BURST,
            filled: now,
            left_out: 0,
        }
    }

    /// Takes a line, and answers how many were left out before it, where it is the first again.
    fn take(&mut self, bytes: usize, now: Instant) -> (Taken, u64) {
        let seconds = now.saturating_duration_since(self.filled).as_secs_f64();
        self.filled = now;
        self.lines = (self.lines + seconds * LINES_PER_SECOND).min(LINES_BURST);
        self.bytes = (self.bytes + seconds * BYTES_PER_SECOND).min(BYTES_BURST);
        if self.left_out > 0 {
            let is_refilled =
                self.lines >= LINES_BURST * REFILLED && self.bytes >= BYTES_BURST * REFILLED;
            if !is_refilled {
                self.left_out += 1;
                return (Taken::LeftOut, 0);
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "lines are short")]
        let bytes = bytes as f64;
        if self.lines < 1.0 || self.bytes < bytes {
            self.left_out += 1;
            return (Taken::FirstLeftOut, 0);
        }
        self.lines -= 1.0;
        self.bytes -= bytes;
        (Taken::Whole, std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn lines_that_come_too_fast_are_left_out_and_counted() {
        let mut now = Instant::now();
        let mut rate = Rate::new(now);
        for _ in 0..1000 {
            assert_eq!(rate.take(100, now), (Taken::Whole, 0));
        }
        assert_eq!(rate.take(100, now), (Taken::FirstLeftOut, 0));
        now += Duration::from_secs(2);
        assert_eq!(rate.take(100, now), (Taken::LeftOut, 0));
        now += Duration::from_secs(1);
        assert_eq!(rate.take(100, now), (Taken::Whole, 2));
        assert_eq!(rate.take(100, now), (Taken::Whole, 0));
    }

    #[test]
    fn long_lines_are_left_out_earlier() {
        let now = Instant::now();
        let mut rate = Rate::new(now);
        let written = (0..100).filter(|_| rate.take(4096, now).0 == Taken::Whole);
        assert_eq!(written.count(), 64);
    }
}
