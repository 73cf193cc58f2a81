//! The server's process, as the system sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::support::Launch;

/// Memory at which the server is ended, before the kernel ends something else, in KiB.
const MEMORY_MAX_KIB: u64 = 4 * 1024 * 1024;
/// From one look to the next; a server takes some MiB meanwhile.
const EVERY: Duration = Duration::from_millis(20);

/// A server that ends with the test's process, however that ends, and that the kernel ends before
/// anything else: its memory has no bound where a case fails.
pub(crate) fn guarded(launch: Launch) -> Launch {
    launch.after("echo 1000 >/proc/self/oom_score_adj; set -- setpriv --pdeathsig KILL -- \"$@\"")
}

/// Looks at the memory of a server as long as it lives.
pub(crate) struct Watch {
    pid: u32,
    seen: Arc<Seen>,
    watching: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Seen {
    ended: AtomicBool,
    peak_kib: AtomicU64,
    was_killed: AtomicBool,
}

impl Watch {
    pub(crate) fn of(pid: u32) -> Self {
        let seen = Arc::new(Seen::default());
        let watching = std::thread::spawn({
            let seen = seen.clone();
            move || seen.watch(pid)
        });
        Self {
            pid,
            seen,
            watching: Some(watching),
        }
    }

    /// Lets the peak begin anew (proc(5), `clear_refs`).
    pub(crate) fn forget_peak(&self) {
        // Where it may not be written, the peak is that of the publications before.
        let _ = std::fs::write(format!("/proc/{}/clear_refs", self.pid), "5");
        self.seen.peak_kib.store(0, Ordering::Relaxed);
    }

    /// The most that it held since then, in MiB.
    pub(crate) fn peak_mib(&self) -> u64 {
        self.seen.peak_kib.load(Ordering::Relaxed) / 1024
    }

    /// What it holds now, in MiB.
    pub(crate) fn resident_mib(&self) -> u64 {
        status_kib(self.pid, "VmRSS:").unwrap_or_default() / 1024
    }

    /// Waits until it holds no more than this again; what it holds where it does not.
    pub(crate) async fn gives_back(&self, mib: u64, within: Duration) -> Option<String> {
        let deadline = Instant::now() + within;
        loop {
            let resident_mib = self.resident_mib();
            if resident_mib <= mib {
                return None;
            }
            if Instant::now() >= deadline {
                let seconds = within.as_secs();
                return Some(format!(
                    "holds {resident_mib} MiB {seconds} s later, more than {mib} MiB"
                ));
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// What is not as it must be.
    pub(crate) fn problem(&self) -> Option<String> {
        let was_killed = self.seen.was_killed.load(Ordering::Relaxed);
        was_killed.then(|| format!("ended by the test, since it held {} MiB", self.peak_mib()))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.seen.ended.store(true, Ordering::Relaxed);
        if let Some(watching) = self.watching.take() {
            let _ = watching.join();
        }
    }
}

impl Seen {
    fn watch(&self, pid: u32) {
        while !self.ended.load(Ordering::Relaxed) {
            if let Some(peak) = status_kib(pid, "VmHWM:") {
                self.peak_kib.store(peak, Ordering::Relaxed);
            }
            if status_kib(pid, "VmRSS:") > Some(MEMORY_MAX_KIB) {
                self.was_killed.store(true, Ordering::Relaxed);
                // It has not been waited for, so the number is still its own.
                let _ = std::process::Command::new("kill")
                    .args(["-KILL", &pid.to_string()])
                    .status();
                return;
            }
            std::thread::sleep(EVERY);
        }
    }
}

/// A line of `/proc/PID/status`, in KiB; none where the process has ended.
fn status_kib(pid: u32, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Processor time of a process so far, in ticks of 10 ms (proc(5), `stat`).
pub(crate) fn cpu_ticks(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name before may hold anything.
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
    let times = fields.split_whitespace().skip(11).take(2);
    times.filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}
