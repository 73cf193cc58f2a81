//! Those who want something else of the server meanwhile.
//!
//! They have threads of their own and connections of their own, new ones each time, as probes of
//! orchestrators do: what they measure is the server, not the test that attacks it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::support::{Server, TOKEN};

/// The small tool that is called.
pub(crate) const TOOL: &str = "probe";
/// From one answer to the next question.
const EVERY: Duration = Duration::from_millis(20);
/// When a question is given up.
const PATIENCE: Duration = Duration::from_secs(30);
/// Memory at which the attack is ended, before the kernel ends something else, in KiB.
const MEMORY_MAX_KIB: u64 = 5 * 1024 * 1024;

/// Asks until it is ended.
pub(crate) struct Probe {
    ended: Arc<AtomicBool>,
    health: JoinHandle<Latencies>,
    tool: JoinHandle<Latencies>,
    memory: JoinHandle<Memory>,
}

/// What it found.
pub(crate) struct Measured {
    pub(crate) health: Latencies,
    pub(crate) tool: Latencies,
    pub(crate) memory: Memory,
}

/// How long answers took.
#[derive(Default)]
pub(crate) struct Latencies {
    /// In ascending order.
    times: Vec<Duration>,
    failures: Vec<String>,
}

/// What the server's process holds.
#[derive(Default)]
pub(crate) struct Memory {
    /// The most since the attack began.
    pub(crate) peak_kib: u64,
    /// Whether the server was ended for it.
    too_much: bool,
}

impl Probe {
    pub(crate) fn start(server: &Arc<Server>) -> Self {
        let (address, pid) = (server.address, server.pid());
        let health = request("GET", "/healthz", "");
        let call = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{TOOL}","arguments":{{}}}}}}"#
        );
        let call = request("POST", "/mcp", &call);
        // What the first call of a process costs is no attack's doing.
        for (request, answer) in [(&health, ""), (&call, "here")] {
            ask(address, request, answer).expect("the server answers before it is attacked");
        }
        forget_peak(pid);
        let ended = Arc::new(AtomicBool::new(false));
        let asking = |request: String, answer: &'static str| {
            let ended = ended.clone();
            std::thread::spawn(move || Latencies::until(&ended, address, &request, answer))
        };
        Self {
            health: asking(health, ""),
            tool: asking(call, "here"),
            memory: std::thread::spawn({
                let (ended, server) = (ended.clone(), server.clone());
                move || Memory::until(&ended, &server)
            }),
            ended,
        }
    }

    pub(crate) fn end(self) -> Measured {
        self.ended.store(true, Ordering::Relaxed);
        Measured {
            health: self.health.join().expect("asking does not panic"),
            tool: self.tool.join().expect("asking does not panic"),
            memory: self.memory.join().expect("watching does not panic"),
        }
    }
}

fn request(method: &str, path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\naccept: application/json, text/event-stream\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

fn ask(address: SocketAddr, request: &str, answer: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    let mut found = String::new();
    stream.read_to_string(&mut found)?;
    if found.starts_with("HTTP/1.1 200 ") && found.contains(answer) {
        return Ok(());
    }
    Err(io::Error::other(format!("answered {found:?}")))
}

impl Latencies {
    fn until(ended: &AtomicBool, address: SocketAddr, request: &str, answer: &str) -> Self {
        let mut latencies = Self::default();
        while !ended.load(Ordering::Relaxed) {
            let begun = Instant::now();
            if let Err(error) = ask(address, request, answer) {
                latencies.failures.push(error.to_string());
            }
            latencies.times.push(begun.elapsed());
            std::thread::sleep(EVERY);
        }
        latencies.times.sort();
        latencies
    }

    /// The time within which this many of a hundred answers came.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let at = (self.times.len() * percent / 100).min(self.times.len().saturating_sub(1));
        self.times.get(at).copied().unwrap_or_default()
    }

    pub(crate) fn max(&self) -> Duration {
        self.times.last().copied().unwrap_or_default()
    }
}

impl Memory {
    fn until(ended: &AtomicBool, server: &Server) -> Self {
        let mut memory = Self::default();
        let pid = server.pid();
        while !ended.load(Ordering::Relaxed) && !memory.too_much {
            memory.too_much = status_kib(pid, "VmRSS:") > Some(MEMORY_MAX_KIB);
            memory.peak_kib = status_kib(pid, "VmHWM:").unwrap_or(memory.peak_kib);
            std::thread::sleep(EVERY);
        }
        if memory.too_much {
            server.signal("KILL");
        }
        memory
    }
}

impl Measured {
    /// What is not as it must be, where nobody may wait as long.
    pub(crate) fn problems(&self, max: Duration) -> Vec<String> {
        let mut problems = Vec::new();
        if self.memory.too_much {
            let mib = self.memory.peak_kib / 1024;
            problems.push(format!("ended by the probe, since it held {mib} MiB"));
        }
        for (name, latencies) in [("/healthz", &self.health), ("a small tool", &self.tool)] {
            if let Some(failure) = latencies.failures.first() {
                let count = latencies.failures.len();
                problems.push(format!("{name} failed {count} times: {failure}"));
            }
            if latencies.max() > max {
                problems.push(format!("{name} took {:.1?}", latencies.max()));
            }
        }
        problems
    }
}

/// A line of `/proc/PID/status`, in KiB; none where the process has ended.
fn status_kib(pid: u32, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Lets the peak of a process begin anew (proc(5), `clear_refs`).
fn forget_peak(pid: u32) {
    // Where it may not be written, the peak is that of the publications before.
    let _ = std::fs::write(format!("/proc/{pid}/clear_refs"), "5");
}

/// The state and the fields behind it of `/proc/PID/stat` (proc(5)); none where it has ended.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}

/// Processor time of a process so far, in ticks.
pub(crate) fn cpu_ticks(pid: u32) -> u64 {
    let fields = stat(pid).unwrap_or_default();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse().ok());
    ticks(11).unwrap_or(0) + ticks(12).unwrap_or(0)
}

/// Whether a child has ended, waited for or not.
pub(crate) fn has_ended(pid: u32) -> bool {
    stat(pid).is_none_or(|fields| fields.first().is_none_or(|state| state == "Z"))
}
