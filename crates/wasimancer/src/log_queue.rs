//! What stands between those who write to the log and the one who reads it: a bounded queue, and a
//! thread that empties it. A reader that hangs stops that thread and nobody else; what finds no room
//! meanwhile is dropped, counted and told.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Most bytes that wait: tens of thousands of ordinary lines, and little beside what calls may take.
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most lines that wait, short ones included.
const LINES_MAX: usize = 32 * 1024;
/// How long the end of the process waits for a reader that takes nothing.
const STALLED: Duration = Duration::from_secs(1);
/// How long it waits for one that reads slowly.
const FLUSH_MAX: Duration = Duration::from_secs(5);

/// A queue of whole lines.
#[derive(Clone)]
pub(crate) struct LogQueue(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// A line came.
    came: Condvar,
    /// A line was written.
    went: Condvar,
}

#[derive(Default)]
struct State {
    lines: VecDeque<Box<[u8]>>,
    /// Of all lines that wait, and of the one that is being written.
    bytes: usize,
    is_writing: bool,
    /// Lines that were written ever.
    written: u64,
    /// Lines that were dropped since that was last told.
    dropped: u64,
    /// Lines that were dropped ever.
    dropped_in_all: u64,
}

impl State {
    fn has_room(&self, more_bytes: usize) -> bool {
        self.lines.len() < LINES_MAX && self.bytes + more_bytes <= BYTES_MAX
    }

    fn is_half_empty(&self) -> bool {
        self.lines.len() <= LINES_MAX / 2 && self.bytes <= BYTES_MAX / 2
    }

    fn is_idle(&self) -> bool {
        self.lines.is_empty() && !self.is_writing
    }
}

impl LogQueue {
    /// A queue whose thread writes to `out`, and says with `tell` how many lines were dropped once
    /// there is room again.
    pub(crate) fn start(
        out: impl Write + Send + 'static,
        tell: impl Fn(u64) + Send + 'static,
    ) -> std::io::Result<Self> {
        let queue = Self(Arc::new(Shared {
            state: Mutex::default(),
            came: Condvar::new(),
            went: Condvar::new(),
        }));
        let own = queue.clone();
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || own.write_all(out, &tell))?;
        Ok(queue)
    }

    /// Adds a line with its line break, or drops it.
    pub(crate) fn push(&self, line: &[u8]) {
        let mut state = self.state();
        // Once lines are dropped, all are until half of the queue is free: the log then has few gaps,
        // each with its size, instead of one beside every line.
        if state.dropped > 0 || !state.has_room(line.len()) {
            state.dropped += 1;
            state.dropped_in_all += 1;
            return;
        }
        state.bytes += line.len();
        state.lines.push_back(line.into());
        drop(state);
        self.0.came.notify_one();
    }

    /// How many lines were dropped since the start of the process.
    pub(crate) fn dropped_in_all(&self) -> u64 {
        self.state().dropped_in_all
    }

    /// Waits until everything is written, as long as somebody reads.
    pub(crate) fn flush(&self) {
        let latest = Instant::now() + FLUSH_MAX;
        let mut state = self.state();
        let mut written = state.written;
        let mut stalled = Instant::now() + STALLED;
        while !state.is_idle() {
            let now = Instant::now();
            if state.written != written {
                (written, stalled) = (state.written, now + STALLED);
            }
            let left = stalled.min(latest).saturating_duration_since(now);
            if left.is_zero() {
                return;
            }
            let waited = self.0.went.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in this file can panic half-way through a change.
        let state = self.0.state.lock();
        state.unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all(self, mut out: impl Write, tell: &impl Fn(u64)) {
        let mut state = self.state();
        loop {
            if state.dropped > 0 && state.is_half_empty() {
                let dropped = std::mem::take(&mut state.dropped);
                drop(state);
                // It is a line of the log, and comes back by `push`.
                tell(dropped);
                state = self.state();
                continue;
            }
            let Some(line) = state.lines.pop_front() else {
                let waited = self.0.came.wait(state);
                state = waited.unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            state.is_writing = true;
            drop(state);
            // Nobody is left to tell that the log cannot be written.
            let _ = out.write_all(&line);
            state = self.state();
            state.is_writing = false;
            state.bytes -= line.len();
            state.written += 1;
            self.0.went.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// A reader that takes nothing until it is let.
    struct Stuck {
        gate: Receiver<()>,
        is_open: bool,
        taken: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if !self.is_open {
                // An error means that the test is over.
                let _ = self.gate.recv();
                self.is_open = true;
            }
            self.taken.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn stuck() -> (LogQueue, Sender<()>, Arc<Mutex<Vec<u8>>>) {
        let (open, gate) = channel();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let out = Stuck {
            gate,
            is_open: false,
            taken: taken.clone(),
        };
        let own: Arc<Mutex<Option<LogQueue>>> = Arc::default();
        let told = own.clone();
        let tell = move |dropped| {
            let queue = told.lock().unwrap().clone().unwrap();
            queue.push(format!("dropped {dropped}\n").as_bytes());
        };
        let queue = LogQueue::start(out, tell).unwrap();
        *own.lock().unwrap() = Some(queue.clone());
        (queue, open, taken)
    }

    #[test]
    fn what_finds_no_room_is_dropped_and_told_in_its_place() {
        let (queue, open, taken) = stuck();
        let pushed = LINES_MAX + 100;
        for number in 0..pushed {
            queue.push(format!("{number}\n").as_bytes());
        }
        // One line may be with the writer already.
        let dropped = queue.dropped_in_all();
        assert!((99..=100).contains(&dropped), "{dropped}");
        open.send(()).unwrap();
        queue.flush();
        queue.push(b"after\n");
        queue.flush();
        let taken = String::from_utf8(taken.lock().unwrap().clone()).unwrap();
        let kept = pushed as u64 - dropped;
        let wanted = (0..kept)
            .map(|number| format!("{number}\n"))
            .chain([format!("dropped {dropped}\n"), "after\n".to_owned()])
            .collect::<String>();
        assert!(taken == wanted, "{} lines", taken.lines().count());
    }

    #[test]
    fn bytes_are_bounded_and_the_end_waits_for_nobody_who_reads_nothing() {
        let (queue, _open, _) = stuck();
        let line = vec![b'x'; 64 * 1024];
        for _ in 0..100 {
            queue.push(&line);
        }
        assert_eq!(queue.state().bytes, BYTES_MAX);
        assert_eq!(queue.dropped_in_all(), 100 - 64);
        queue.flush();
        assert!(!queue.state().is_idle());
    }
}
