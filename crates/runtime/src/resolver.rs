//! Looks names up as the system does (hosts file, search domains, `ndots`), on threads of its own.
//!
//! `getaddrinfo` blocks, for a minute where no name server answers. So few threads are in it at once,
//! fewer for one plugin, and none of those on which others wait for files.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

/// Most threads that look names up: four plugins whose names do not resolve leave nobody else waiting
/// in them, and a thread costs its stack alone.
const THREADS_MAX: usize = 16;
/// Most names that are looked up at once for one plugin.
const PLUGIN_THREADS_MAX: usize = 4;
/// Most look-ups of one plugin that wait for a thread: as many as it can run calls, mostly.
const PLUGIN_WAITING_MAX: usize = 256;
/// How long a thread waits for the next name.
const IDLE_MAX: Duration = Duration::from_secs(10);

type Found = io::Result<Vec<SocketAddr>>;

/// The threads of the process: what they wait for is the system's resolver, of which there is one.
static POOL: Pool = Pool {
    state: Mutex::new(State {
        plugins: VecDeque::new(),
        threads: 0,
        idle: 0,
    }),
    came: Condvar::new(),
};

/// Looks names up for one plugin.
pub(crate) struct Resolver {
    plugin: u64,
}

impl Resolver {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            plugin: NEXT.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// The addresses of a host, with port 0. Where this is dropped, the look-up is given up.
    pub(crate) async fn look_up(&self, host: String) -> Found {
        let (answer, answered) = oneshot::channel();
        POOL.add(self.plugin, Job { host, answer })?;
        let ended = answered.await;
        ended.unwrap_or_else(|_| Err(io::Error::other("the look-up of the name was given up")))
    }
}

struct Job {
    host: String,
    answer: oneshot::Sender<Found>,
}

/// The look-ups of one plugin.
struct Share {
    plugin: u64,
    waiting: VecDeque<Job>,
    running: usize,
}

impl Share {
    /// How many of those that wait may run now.
    fn due(&self) -> usize {
        let free = PLUGIN_THREADS_MAX.saturating_sub(self.running);
        self.waiting.len().min(free)
    }
}

struct State {
    /// Those with any look-up, whose turn it is first.
    plugins: VecDeque<Share>,
    threads: usize,
    /// Threads that wait for a name, those that are about to take one included.
    idle: usize,
}

impl State {
    fn share(&mut self, plugin: u64) -> &mut Share {
        let known = self.plugins.iter().position(|share| share.plugin == plugin);
        let index = known.unwrap_or_else(|| {
            self.plugins.push_back(Share {
                plugin,
                waiting: VecDeque::new(),
                running: 0,
            });
            self.plugins.len() - 1
        });
        &mut self.plugins[index]
    }

    /// Whether names wait that no thread is about to take.
    fn lacks_thread(&self) -> bool {
        let due: usize = self.plugins.iter().map(Share::due).sum();
        due > self.idle && self.threads < THREADS_MAX
    }

    /// The next look-up, and the plugin that it is for.
    fn take(&mut self) -> Option<(u64, Job)> {
        let index = self.plugins.iter().position(|share| share.due() > 0)?;
        let mut share = self.plugins.remove(index)?;
        let job = share.waiting.pop_front()?;
        share.running += 1;
        let plugin = share.plugin;
        self.plugins.push_back(share);
        Some((plugin, job))
    }

    fn end(&mut self, plugin: u64) {
        self.share(plugin).running -= 1;
        self.plugins
            .retain(|share| share.running > 0 || !share.waiting.is_empty());
    }
}

struct Pool {
    state: Mutex<State>,
    came: Condvar,
}

impl Pool {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in this file can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&'static self, plugin: u64, job: Job) -> io::Result<()> {
        let mut state = self.state();
        let waiting = &mut state.share(plugin).waiting;
        if waiting.len() >= PLUGIN_WAITING_MAX {
            waiting.retain(|job| !job.answer.is_closed());
        }
        if waiting.len() >= PLUGIN_WAITING_MAX {
            return Err(io::Error::other(format!(
                "{PLUGIN_WAITING_MAX} look-ups of names wait already for this plugin"
            )));
        }
        waiting.push_back(job);
        if state.lacks_thread() {
            let spawned = std::thread::Builder::new()
                .name("names".to_owned())
                .spawn(move || self.run());
            match spawned {
                Ok(_) => state.threads += 1,
                // Others take it.
                Err(_) if state.threads > 0 => {}
                Err(error) => {
                    state.share(plugin).waiting.pop_back();
                    return Err(error);
                }
            }
        }
        drop(state);
        self.came.notify_one();
        Ok(())
    }

    fn run(&self) {
        let mut state = self.state();
        loop {
            let Some((plugin, job)) = state.take() else {
                state.idle += 1;
                let waited = self.came.wait_timeout(state, IDLE_MAX);
                let (now, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                state = now;
                state.idle -= 1;
                let has_work = state.plugins.iter().any(|share| share.due() > 0);
                if timeout.timed_out() && !has_work {
                    state.threads -= 1;
                    return;
                }
                continue;
            };
            drop(state);
            if !job.answer.is_closed() {
                let found = (job.host.as_str(), 0).to_socket_addrs();
                // Whoever asked may have gone meanwhile.
                let _ = job.answer.send(found.map(Iterator::collect));
            }
            state = self.state();
            state.end(plugin);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> (Job, oneshot::Receiver<Found>) {
        let (answer, answered) = oneshot::channel();
        let host = "localhost".to_owned();
        (Job { host, answer }, answered)
    }

    #[tokio::test]
    async fn the_system_answers() {
        let resolver = Resolver::new();
        let found = resolver.look_up("localhost".to_owned()).await.unwrap();
        assert!(found.iter().all(|address| address.ip().is_loopback()));
        assert!(!found.is_empty());
        let refused = resolver.look_up("x".repeat(300)).await;
        assert!(refused.is_err(), "{refused:?}");
    }

    #[test]
    fn a_plugin_has_four_threads_and_others_take_turns() {
        let mut state = State {
            plugins: VecDeque::new(),
            threads: 0,
            idle: 0,
        };
        for (plugin, jobs) in [(1, 10), (2, 2)] {
            for _ in 0..jobs {
                state.share(plugin).waiting.push_back(job().0);
            }
        }
        assert!(state.lacks_thread());
        let taken: Vec<u64> =
            std::iter::from_fn(|| state.take().map(|(plugin, _)| plugin)).collect();
        assert_eq!(taken, [1, 2, 1, 2, 1, 1]);
        assert!(!state.lacks_thread(), "six wait, and none may run");
        state.end(2);
        assert!(state.take().is_none());
        state.end(1);
        assert_eq!(state.take().map(|(plugin, _)| plugin), Some(1));
        state.end(2);
        assert_eq!(state.plugins.len(), 1, "who asks nothing is forgotten");
    }

    #[test]
    fn look_ups_that_were_given_up_leave_their_place() {
        static POOL: Pool = Pool {
            state: Mutex::new(State {
                plugins: VecDeque::new(),
                // As if all were in the system's resolver.
                threads: THREADS_MAX,
                idle: 0,
            }),
            came: Condvar::new(),
        };
        let mut asking = Vec::new();
        for _ in 0..PLUGIN_WAITING_MAX {
            let (job, answered) = job();
            POOL.add(1, job).unwrap();
            asking.push(answered);
        }
        assert!(POOL.add(1, job().0).is_err());
        assert!(POOL.add(2, job().0).is_ok(), "another plugin's are its own");
        drop(asking);
        assert!(POOL.add(1, job().0).is_ok());
    }
}
