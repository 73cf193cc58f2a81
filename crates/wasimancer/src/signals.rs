//! Signals, obeyed on a thread of their own: however busy the threads are that serve, the process is
//! told, and ended where they cannot end it.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use anyhow::Context;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::telemetry;

/// A second SIGTERM is the first one for as long: supervisors and the shells between them often send
/// it twice.
const SAME_REQUEST: Duration = Duration::from_secs(1);
/// How long after the grace the process may take to end by itself. What it does then takes
/// milliseconds; the rest is for a machine that is busy.
const END_MARGIN: Duration = Duration::from_secs(1);
/// The exit status of a process that was told to stop, its grace used up or not.
const STOPPED: i32 = 0;
/// The exit status of a process that was told to stop at once.
const STOPPED_AT_ONCE: i32 = 1;

/// What SIGHUP asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum HangUp {
    /// To stop: whoever is served has gone.
    Stop,
    /// To load the files anew, or to stop where the process had a terminal that is gone.
    Reload,
}

/// What the process is asked for by signals.
pub(crate) struct Asked {
    /// Turns true once the server was told to stop, so that probes say so.
    pub(crate) draining: watch::Receiver<bool>,
    /// Turns true once the server is to stop, which is a while after it was told to.
    pub(crate) stop: watch::Receiver<bool>,
    /// Gets an element each time that the files are to be loaded anew; requests that come while one
    /// waits are one with it.
    pub(crate) reload: Receiver<()>,
}

/// Begins to listen. The server goes on for `drain_delay` after it was told to stop. The process ends after its grace at the latest, and at once where it is told to
/// stop again. SIGUSR1, SIGUSR2 and SIGALRM do nothing from here on.
pub(crate) fn listen(
    drain_delay: Duration,
    grace: Duration,
    hang_up: HangUp,
) -> anyhow::Result<Asked> {
    let scheduler = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the thread that listens for signals could not be set up")?;
    let signals = {
        let _inside = scheduler.enter();
        Signals::listen(hang_up)?
    };
    let (drain, draining) = watch::channel(false);
    let (stop, stopped) = watch::channel(false);
    let end = End {
        drain_delay,
        grace,
        drain,
        stop,
    };
    let (reload, reloads) = sync_channel(1);
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || scheduler.block_on(obey(signals, &end, &reload)))
        .context("the thread that listens for signals could not start")?;
    Ok(Asked {
        draining,
        stop: stopped,
        reload: reloads,
    })
}

/// Completes once the server is told to stop.
pub(crate) async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that nobody is left to tell.
    let _ = stop.wait_for(|stops| *stops).await;
}

/// What a signal asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(unix), expect(dead_code, reason = "there is Ctrl-C alone"))]
enum Request {
    Terminate,
    Interrupt,
    Reload,
}

/// How the process ends.
struct End {
    drain_delay: Duration,
    grace: Duration,
    drain: watch::Sender<bool>,
    stop: watch::Sender<bool>,
}

async fn obey(mut signals: Signals, end: &End, reload: &SyncSender<()>) {
    let grace = end.grace;
    while signals.next().await == Request::Reload {
        // A request that waits already is as good.
        let _ = reload.try_send(());
    }
    let told = Instant::now();
    end.drain.send_replace(true);
    let stops = told + end.drain_delay;
    if end.drain_delay.is_zero() {
        end.stop.send_replace(true);
    }
    loop {
        let is_stopping = *end.stop.borrow();
        let until = if is_stopping {
            stops + grace + END_MARGIN
        } else {
            stops
        };
        match timeout_at(until, signals.next()).await {
            Ok(Request::Reload) => {}
            Ok(Request::Terminate) if told.elapsed() < SAME_REQUEST => {}
            Ok(Request::Terminate | Request::Interrupt) => {
                tracing::warn!("told to stop again: calls under way are ended");
                exit(STOPPED_AT_ONCE);
            }
            Err(_) if !is_stopping => {
                end.stop.send_replace(true);
            }
            Err(_) => {
                tracing::warn!(
                    ?grace,
                    "the grace period is over and calls keep every thread busy: the process is ended"
                );
                exit(STOPPED);
            }
        }
    }
}

fn exit(status: i32) -> ! {
    telemetry::flush();
    std::process::exit(status);
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
    on_hang_up: HangUp,
    /// Whether there was a controlling terminal when the process started.
    had_terminal: bool,
}

#[cfg(unix)]
impl Signals {
    fn listen(on_hang_up: HangUp) -> anyhow::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        // Whoever starts it with nohup wants it to outlive the terminal.
        let had_terminal = has_terminal() && !ignores_hang_up();
        // Each of these would end the process, and stands for nothing here: to have listened once is
        // enough to keep it.
        for (kind, name) in [
            (SignalKind::user_defined1(), "SIGUSR1"),
            (SignalKind::user_defined2(), "SIGUSR2"),
            (SignalKind::alarm(), "SIGALRM"),
        ] {
            let _ = signal(kind).with_context(|| format!("cannot listen for {name}"))?;
        }
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?,
            terminate: signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?,
            hang_up: signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?,
            on_hang_up,
            had_terminal,
        })
    }

    async fn next(&mut self) -> Request {
        tokio::select! {
            _ = self.interrupt.recv() => Request::Interrupt,
            _ = self.terminate.recv() => Request::Terminate,
            _ = self.hang_up.recv() => {
                let is_gone = self.had_terminal && !has_terminal();
                if self.on_hang_up == HangUp::Stop || is_gone {
                    Request::Terminate
                } else {
                    Request::Reload
                }
            }
        }
    }
}

/// Whether the process has a controlling terminal: only then can this file be opened (tty(4)).
#[cfg(unix)]
fn has_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}

/// Whether the process was started with SIGHUP ignored. Only Linux tells.
#[cfg(unix)]
fn ignores_hang_up() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut lines = status.lines();
    let mask = lines.find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // SIGHUP is the first signal (proc_pid_status(5)).
    mask.is_some_and(|mask| mask & 1 == 1)
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn listen(_: HangUp) -> anyhow::Result<Self> {
        let signals = tokio::signal::windows::ctrl_c().context("cannot listen for Ctrl-C")?;
        Ok(Self(signals))
    }

    async fn next(&mut self) -> Request {
        self.0.recv().await;
        Request::Interrupt
    }
}
