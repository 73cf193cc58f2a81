//! Being told to stop: the first signal asks for it, the second insists.

use std::future::Future;
use std::process::exit;

use anyhow::Context;
use tokio::sync::oneshot;

/// The exit status of a process that was stopped before its calls had finished.
const STOPPED_AT_ONCE: i32 = 1;

/// Completes at the first interrupt or request to terminate; a second one ends the process.
pub(crate) fn listen() -> anyhow::Result<impl Future<Output = ()>> {
    let mut signals = Signals::listen()?;
    let (send, first) = oneshot::channel();
    tokio::spawn(async move {
        signals.next().await;
        // Nobody waits any more where the server has ended by itself.
        let _ = send.send(());
        signals.next().await;
        tracing::warn!("told to stop again: calls under way are ended");
        exit(STOPPED_AT_ONCE);
    });
    Ok(async move {
        // The task above ends only with the runtime.
        let _ = first.await;
    })
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> anyhow::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?,
            terminate: signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn listen() -> anyhow::Result<Self> {
        let signals = tokio::signal::windows::ctrl_c().context("cannot listen for Ctrl-C")?;
        Ok(Self(signals))
    }

    async fn next(&mut self) {
        self.0.recv().await;
    }
}
