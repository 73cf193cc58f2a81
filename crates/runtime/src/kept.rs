//! Instances that a plugin keeps between its calls, where its definition wants that.
//!
//! A kept instance holds what its guest has in memories, globals and tables, and the variables of
//! the Extism ABI. Nothing else of a call outlives it.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use wasmtime::{Instance, Store};

use crate::budget::GiveWay;
use crate::host::Host;
use crate::limits::DURATION_MAX;

/// Most instances that all plugins together keep while nobody calls them: each has a slot of its
/// own in the pool, beside those of the calls.
pub(crate) const KEPT_INSTANCES_MAX: u32 = 256;

/// Which instance a call gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Instances {
    /// One of its own.
    #[default]
    Fresh,
    /// One that earlier calls have used, where such a one is idle.
    Reuse(Reuse),
}

/// What bounds the instances that a plugin keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reuse {
    /// Most instances that are kept.
    pub count: u32,
    /// How old they may become.
    pub age: Duration,
    /// Most calls of each.
    pub calls: u32,
}

impl Default for Reuse {
    fn default() -> Self {
        Self {
            count: 4,
            age: Duration::from_mins(10),
            calls: 10_000,
        }
    }
}

/// An instance with everything it runs in.
pub(crate) struct Live {
    pub(crate) store: Store<Host>,
    /// None until it is set up.
    pub(crate) instance: Option<Instance>,
    made: Instant,
    /// How many calls have ended well in it.
    calls: u32,
}

impl Live {
    pub(crate) fn new(store: Store<Host>) -> Self {
        Self {
            store,
            instance: None,
            made: Instant::now(),
            calls: 0,
        }
    }
}

/// The idle instances of one plugin.
pub(crate) struct Kept {
    bounds: Reuse,
    /// Places of all plugins' idle instances.
    places: Arc<Semaphore>,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// The one that was used last comes last; each with its place.
    instances: Vec<(Live, OwnedSemaphorePermit)>,
    /// Whether a task waits for the end of the oldest.
    is_watched: bool,
}

impl Kept {
    pub(crate) fn new(mut bounds: Reuse, places: Arc<Semaphore>) -> Self {
        bounds.age = bounds.age.min(DURATION_MAX);
        Self {
            bounds,
            places,
            idle: Mutex::default(),
        }
    }

    /// The idle instance that was used last.
    pub(crate) fn take(&self) -> Option<Live> {
        let now = Instant::now();
        let mut idle = self.idle();
        while let Some((live, _)) = idle.instances.pop() {
            if now < self.end(&live) {
                return Some(live);
            }
        }
        None
    }

    /// Keeps an instance whose call has ended well, unless it is too old, has served enough calls,
    /// or too many are kept.
    pub(crate) fn keep(self: &Arc<Self>, mut live: Live) {
        live.calls += 1;
        if live.calls >= self.bounds.calls || Instant::now() >= self.end(&live) {
            return;
        }
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            return;
        };
        live.store.data_mut().rest();
        let mut idle = self.idle();
        if idle.instances.len() >= self.bounds.count as usize {
            return;
        }
        idle.instances.push((live, place));
        if !idle.is_watched {
            idle.is_watched = true;
            tokio::spawn(watch(Arc::downgrade(self), self.bounds.age));
        }
    }

    /// Drops what is too old; answers when the next one will be, and nothing where none is left.
    fn sweep(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut idle = self.idle();
        idle.instances.retain(|(live, _)| now < self.end(live));
        let ends = idle.instances.iter().map(|(live, _)| self.end(live));
        let next = ends.min();
        idle.is_watched = next.is_some();
        next
    }

    fn end(&self, live: &Live) -> Instant {
        live.made + self.bounds.age
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GiveWay for Kept {
    /// Drops all idle instances.
    fn give_way(&self) {
        let idle = std::mem::take(&mut self.idle().instances);
        drop(idle);
    }
}

/// Drops idle instances as they become too old, until none is left.
async fn watch(kept: Weak<Kept>, age: Duration) {
    let mut next = Instant::now() + age;
    loop {
        tokio::time::sleep_until(next).await;
        let Some(kept) = kept.upgrade() else {
            return;
        };
        match kept.sweep() {
            Some(end) => next = end,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use crate::call::armed;
    use crate::context::Context;
    use crate::engine::{EngineOptions, Profile, Runtime};
    use crate::limits::Limits;
    use crate::requester::Nobody;

    /// Nobody calls, so nobody else would find that it is too old.
    #[tokio::test]
    async fn an_idle_instance_is_dropped_when_it_is_too_old() {
        let options = EngineOptions {
            instances_max: 1,
            ..EngineOptions::default()
        };
        let runtime = Runtime::new(options).expect("the engine starts");
        let engine = &runtime.compiler(Profile::Short).expect("it runs").engine;
        let places = Arc::new(Semaphore::new(2));
        let bounds = Reuse {
            age: Duration::from_millis(20),
            ..Reuse::default()
        };
        let kept = Arc::new(Kept::new(bounds, places.clone()));
        for _ in 0..2 {
            let context = Arc::new(Context::of_nobody(Limits::default()));
            let now = std::time::Instant::now();
            let free = Budget::default().empty();
            let host = Host::new(context, Arc::new(Nobody), b"", now, free);
            kept.keep(Live::new(armed(engine, host)));
            assert_eq!(places.available_permits(), 1, "one is kept");
            let free = async {
                while places.available_permits() < 2 {
                    tokio::task::yield_now().await;
                }
            };
            let free = tokio::time::timeout(Duration::from_mins(1), free).await;
            free.expect("it is dropped");
        }
    }
}
