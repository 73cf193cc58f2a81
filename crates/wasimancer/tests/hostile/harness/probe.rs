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

/// Asks until it is ended, or dropped.
pub(crate) struct Probe {
    ended: Flag,
    health: JoinHandle<Latencies>,
    tool: JoinHandle<Latencies>,
}

/// Set when it is dropped.
#[derive(Default)]
struct Flag(Arc<AtomicBool>);

impl Drop for Flag {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What it found.
pub(crate) struct Measured {
    pub(crate) health: Latencies,
    pub(crate) tool: Latencies,
}

/// How long answers took.
#[derive(Default)]
pub(crate) struct Latencies {
    /// In ascending order.
    times: Vec<Duration>,
    failures: Vec<String>,
}

impl Probe {
    /// Begins; where memory is scarce, a call may also be told so.
    pub(crate) fn start(server: &Server, is_scarce: bool) -> Self {
        let address = server.address;
        let health = request("GET", "/healthz", "");
        let call = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{TOOL}","arguments":{{}}}}}}"#
        );
        let call = request("POST", "/mcp", &call);
        // What the first call of a process costs is no attack's doing.
        let (is_well, is_here) = (Answer::Ok(""), Answer::Ok("here"));
        for (request, answer) in [(&health, is_well), (&call, is_here)] {
            ask(address, request, answer).expect("the server answers before it is attacked");
        }
        let ended = Flag::default();
        let asking = |request: String, answer: Answer| {
            let ended = ended.0.clone();
            std::thread::spawn(move || Latencies::until(&ended, address, &request, answer))
        };
        let called = if is_scarce {
            Answer::OkOrNoRoom("here")
        } else {
            is_here
        };
        Self {
            health: asking(health, is_well),
            tool: asking(call, called),
            ended,
        }
    }

    pub(crate) fn end(self) -> Measured {
        drop(self.ended);
        Measured {
            health: self.health.join().expect("asking does not panic"),
            tool: self.tool.join().expect("asking does not panic"),
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

/// What must be answered.
#[derive(Clone, Copy)]
enum Answer {
    /// 200 with this text in it.
    Ok(&'static str),
    /// That, or that the server has no memory for it.
    OkOrNoRoom(&'static str),
}

impl Answer {
    fn is(self, found: &str) -> bool {
        let (Self::Ok(text) | Self::OkOrNoRoom(text)) = self;
        if matches!(self, Self::OkOrNoRoom(_)) && found.contains("server_memory") {
            return true;
        }
        found.starts_with("HTTP/1.1 200 ") && found.contains(text)
    }
}

fn ask(address: SocketAddr, request: &str, answer: Answer) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    let mut found = String::new();
    stream.read_to_string(&mut found)?;
    if answer.is(&found) {
        return Ok(());
    }
    Err(io::Error::other(format!("answered {found:?}")))
}

impl Latencies {
    fn until(ended: &AtomicBool, address: SocketAddr, request: &str, answer: Answer) -> Self {
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

impl Measured {
    /// What is not as it must be, where nobody may wait as long.
    pub(crate) fn problems(&self, max: Duration) -> Vec<String> {
        let mut problems = Vec::new();
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
