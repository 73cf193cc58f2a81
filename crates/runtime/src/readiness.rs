//! Whether the code of a plugin is there, and who waits for it.

use std::pin::pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use crate::compile::Code;
use crate::error::{Error, Result};

/// The code of a plugin, from the moment it is made; or why it cannot be.
#[derive(Default)]
pub(crate) struct Readiness {
    code: OnceLock<Result<Code>>,
    is_wanted: AtomicBool,
    made: Notify,
}

impl Readiness {
    /// The code, if it is there.
    pub(crate) fn code(&self) -> Option<Result<&Code>> {
        let code = self.code.get()?;
        Some(code.as_ref().map_err(Clone::clone))
    }

    /// Whether anybody has waited for it.
    pub(crate) fn is_wanted(&self) -> bool {
        self.is_wanted.load(Ordering::Relaxed)
    }

    /// Makes the code, unless it is there. What another time may have another outcome is not kept.
    pub(crate) fn make(&self, make: impl FnOnce() -> Result<Code>) -> Result<()> {
        if self.code.get().is_none() {
            match make() {
                Err(error @ (Error::Compiling { .. } | Error::ServerMemory { .. })) => {
                    return Err(error);
                }
                // Whoever else has made it meanwhile has made the same.
                outcome => drop(self.code.set(outcome)),
            }
            self.made.notify_waiters();
        }
        self.code().map_or(Ok(()), |code| code.map(drop))
    }

    /// Waits until the code is there, for so long at most.
    ///
    /// # Errors
    /// [`Error::Starting`], or why it cannot be made.
    pub(crate) async fn wait(&self, patience: Duration) -> Result<&Code> {
        self.is_wanted.store(true, Ordering::Relaxed);
        let mut made = pin!(self.made.notified());
        // From here on no moment is missed.
        made.as_mut().enable();
        if self.code.get().is_none() {
            // What it has come to is looked at in either case.
            let _ = timeout(patience, made).await;
        }
        let starting = Error::Starting { waited: patience };
        self.code().unwrap_or(Err(starting))
    }
}
