//! What the host functions of a call have done, held against the time that it has. Guest code is
//! stopped by its epoch; but code without loops could call host functions one after another for ever.

use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::slice::{kept_thread, pause};

/// Bytes that host functions move for a guest before its thread serves others.
const BYTES_PER_SLICE: usize = 64 * 1024;
/// How long a guest that calls host functions keeps its thread from others.
const TIME_PER_SLICE: Duration = Duration::from_micros(200);
/// What a call of a host function costs beyond the bytes that it moves, in bytes that take as long.
const CALL_BYTES: usize = 256;
/// After as many bytes the clock is looked at: in less time than it takes to move them, nothing is due.
const BYTES_PER_LOOK: usize = 16 * 1024;

/// What host functions have done since the clock was looked at.
pub(crate) struct Pace {
    /// When the call ends, and after how long, for the error.
    deadline: Instant,
    timeout: Duration,
    /// Bytes moved since the clock was looked at, and since the last pause.
    unlooked_bytes: usize,
    unpaused_bytes: usize,
    /// Calls of functions that move eight bytes or fewer, modulo 256.
    small_calls: u8,
}

impl Pace {
    /// That of a call which ends at `deadline`, after `timeout`.
    pub(crate) fn new(deadline: Instant, timeout: Duration) -> Self {
        Self {
            deadline,
            timeout,
            unlooked_bytes: 0,
            unpaused_bytes: 0,
            small_calls: 0,
        }
    }

    /// Notes a call that moves eight bytes or fewer. Many of them in a row take little, so the clock
    /// is looked at once in 256.
    pub(crate) fn count(&mut self) -> Result<()> {
        self.small_calls = self.small_calls.wrapping_add(1);
        if self.small_calls == 0 {
            self.check(Instant::now())?;
        }
        Ok(())
    }

    /// Pays for what a host function moves: past the deadline the call ends, and the thread serves
    /// others before it goes on for too long.
    pub(crate) async fn pay(&mut self, bytes: usize) -> Result<()> {
        let cost = bytes.saturating_add(CALL_BYTES);
        self.unlooked_bytes = self.unlooked_bytes.saturating_add(cost);
        if self.unlooked_bytes < BYTES_PER_LOOK {
            return Ok(());
        }
        self.unpaused_bytes = self.unpaused_bytes.saturating_add(self.unlooked_bytes);
        self.unlooked_bytes = 0;
        let now = Instant::now();
        self.check(now)?;
        if self.unpaused_bytes >= BYTES_PER_SLICE || kept_thread(now) >= TIME_PER_SLICE {
            pause().await;
            self.unpaused_bytes = 0;
            self.check(Instant::now())?;
        }
        Ok(())
    }

    fn check(&self, now: Instant) -> Result<()> {
        if now >= self.deadline {
            let limit = self.timeout;
            return Err(Error::TimeLimit { limit });
        }
        Ok(())
    }
}
