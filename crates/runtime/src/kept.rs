//! Instances that a plugin keeps between its calls, where its definition wants that.
//!
//! A kept instance holds what its guest has in memories, globals and tables, and the variables of
//! the Extism ABI. Nothing else of a call outlives it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;
use wasmtime::{Instance, ModuleExport, Store};

use crate::budget::GiveWay;
use crate::host::Host;
use crate::limits::DURATION_MAX;
use crate::resident::Resident;
use crate::shares::{Shares, Ticket, Use};

/// Most instances that all plugins together keep: each has a slot of its own in the pool, beside those
/// of the calls.
pub(crate) const KEPT_INSTANCES_MAX: u32 = 256;
/// Stands for no time since when an instance is idle.
const IN_USE: u64 = u64::MAX;

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
    /// None until it is made.
    pub(crate) instance: Option<Instance>,
    /// Its memories, from then on.
    pub(crate) memories: Option<Arc<[ModuleExport]>>,
    /// What decides whether their pages stay in its slot.
    resident: Option<Arc<Resident>>,
    made: Instant,
    /// How many calls have ended well in it.
    calls: u32,
    /// Its place among all that are kept, from the end of its first call on.
    place: Option<KeptPlace>,
}

impl Live {
    pub(crate) fn new(store: Store<Host>, resident: Option<Arc<Resident>>) -> Self {
        Self {
            store,
            instance: None,
            memories: None,
            resident,
            made: Instant::now(),
            calls: 0,
            place: None,
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let (Some(resident), Some(instance), Some(memories)) =
            (&self.resident, self.instance, &self.memories)
        {
            resident.leave(&mut self.store, instance, memories);
        }
    }
}

/// Places of the instances that all plugins keep, whether they are idle or called again. Clones are the
/// same ones.
#[derive(Clone)]
pub(crate) struct KeptPlaces {
    began: Instant,
    shares: Arc<Mutex<Shares<Parked>>>,
}

/// A place of a kept instance, free again when it is dropped.
struct KeptPlace {
    places: KeptPlaces,
    ticket: Ticket,
    state: Arc<PlaceState>,
}

/// What is known of a kept instance where places are given.
struct Parked {
    plugin: Weak<Kept>,
    ticket: Ticket,
    state: Arc<PlaceState>,
}

struct PlaceState {
    /// In microseconds, or [`IN_USE`].
    idle_since: AtomicU64,
    gave_way: AtomicBool,
}

impl KeptPlaces {
    pub(crate) fn new() -> Self {
        let idle_since = |parked: &Parked| {
            let since = parked.state.idle_since.load(Ordering::Relaxed);
            (since != IN_USE).then_some(since)
        };
        let shares = Shares::observed(KEPT_INSTANCES_MAX as usize, idle_since);
        Self {
            began: Instant::now(),
            shares: Arc::new(Mutex::new(shares)),
        }
    }

    /// A place for an instance of this plugin, which may be that of another plugin's idle one.
    fn take(&self, plugin: &Arc<Kept>) -> Option<KeptPlace> {
        let state = Arc::new(PlaceState {
            idle_since: AtomicU64::new(IN_USE),
            gave_way: AtomicBool::new(false),
        });
        // Where it lies in memory tells it from all others.
        let holder = Arc::as_ptr(plugin) as usize as u64;
        let parked = |ticket| Parked {
            plugin: Arc::downgrade(plugin),
            ticket,
            state: state.clone(),
        };
        let (ticket, gave_way) = self.shares().enter(holder, 0, 1, Use::Idle, parked);
        for parked in gave_way {
            parked.state.gave_way.store(true, Ordering::Relaxed);
            if let Some(plugin) = parked.plugin.upgrade() {
                plugin.drop_one(parked.ticket);
            }
        }
        Some(KeptPlace {
            places: self.clone(),
            ticket: ticket?,
            state,
        })
    }

    fn shares(&self) -> MutexGuard<'_, Shares<Parked>> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeptPlace {
    /// Notes that its instance is idle from now on.
    fn rests(&self, now: Instant) {
        let since = now.duration_since(self.places.began).as_micros();
        let since = u64::try_from(since).unwrap_or_default();
        self.state.idle_since.store(since, Ordering::Relaxed);
    }

    fn is_used(&self) {
        self.state.idle_since.store(IN_USE, Ordering::Relaxed);
    }

    /// Whether it was given to another instance.
    fn gave_way(&self) -> bool {
        self.state.gave_way.load(Ordering::Relaxed)
    }
}

impl Drop for KeptPlace {
    fn drop(&mut self) {
        self.places.shares().leave(self.ticket);
    }
}

/// The idle instances of one plugin.
pub(crate) struct Kept {
    bounds: Reuse,
    places: KeptPlaces,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// The one that was used last comes last.
    instances: Vec<Live>,
    /// Whether a task waits for the end of the oldest.
    is_watched: bool,
}

impl Kept {
    pub(crate) fn new(mut bounds: Reuse, places: KeptPlaces) -> Self {
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
        while let Some(live) = idle.instances.pop() {
            if now < self.end(&live) {
                if let Some(place) = &live.place {
                    place.is_used();
                }
                return Some(live);
            }
        }
        None
    }

    /// Keeps an instance whose call has ended well, unless it is too old, has served enough calls,
    /// or too many are kept.
    pub(crate) fn keep(self: &Arc<Self>, mut live: Live) {
        live.calls += 1;
        let now = Instant::now();
        if live.calls >= self.bounds.calls || now >= self.end(&live) {
            return;
        }
        if live.place.is_none() {
            // Nobody gives way to one that is not kept after all.
            if self.idle().instances.len() >= self.bounds.count as usize {
                return;
            }
            live.place = self.places.take(self);
        }
        live.store.data_mut().rest();
        let mut idle = self.idle();
        if idle.instances.len() >= self.bounds.count as usize {
            return;
        }
        match &live.place {
            Some(place) if !place.gave_way() => place.rests(now),
            _ => return,
        }
        idle.instances.push(live);
        if !idle.is_watched {
            idle.is_watched = true;
            tokio::spawn(watch(Arc::downgrade(self), self.bounds.age));
        }
    }

    /// Drops what is too old; answers when the next one will be, and nothing where none is left.
    fn sweep(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut idle = self.idle();
        idle.instances.retain(|live| now < self.end(live));
        let ends = idle.instances.iter().map(|live| self.end(live));
        let next = ends.min();
        idle.is_watched = next.is_some();
        next
    }

    /// Drops the instance that had this place, if it is idle.
    fn drop_one(&self, ticket: Ticket) {
        let mut idle = self.idle();
        let had = |live: &Live| live.place.as_ref().is_some_and(|had| had.ticket == ticket);
        let index = idle.instances.iter().position(had);
        let dropped = index.map(|index| idle.instances.remove(index));
        drop(idle);
        drop(dropped);
    }

    fn end(&self, live: &Live) -> Instant {
        live.made + self.bounds.age
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
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

    fn engine(runtime: &Runtime) -> &wasmtime::Engine {
        &runtime.compiler(Profile::Short).expect("it runs").engine
    }

    /// What a call has ended well in.
    fn used(engine: &wasmtime::Engine) -> Live {
        let context = Arc::new(Context::of_nobody(Limits::default()));
        let now = std::time::Instant::now();
        let free = Budget::default().empty();
        Live::new(
            armed(engine, Host::new(context, Arc::new(Nobody), b"", now, free)),
            None,
        )
    }

    #[tokio::test]
    async fn a_plugin_may_keep_all_and_gives_way_to_others() {
        const ALL: usize = KEPT_INSTANCES_MAX as usize;
        let options = EngineOptions {
            instances_max: 1,
            ..EngineOptions::default()
        };
        let runtime = Runtime::new(options).expect("the engine starts");
        let places = KeptPlaces::new();
        let kept = |count| {
            let bounds = Reuse {
                count,
                ..Reuse::default()
            };
            Arc::new(Kept::new(bounds, places.clone()))
        };
        let idle = |kept: &Kept| kept.idle().instances.len();
        let (greedy, other) = (kept(1000), kept(2));
        for _ in 0..=ALL {
            greedy.keep(used(engine(&runtime)));
        }
        assert_eq!(idle(&greedy), ALL);
        let called = greedy.take().expect("one is idle");
        for _ in 0..3 {
            other.keep(used(engine(&runtime)));
        }
        // One that is called again is none of those that gave way.
        greedy.keep(called);
        assert_eq!((idle(&greedy), idle(&other)), (ALL - 2, 2));
        assert_eq!(places.shares().held(), ALL);
        // Nothing is idle: what is called gives way, and is not kept after its call.
        let mut called: Vec<Live> = std::iter::from_fn(|| greedy.take()).collect();
        let third = kept(1);
        third.keep(used(engine(&runtime)));
        for live in called.drain(..) {
            greedy.keep(live);
        }
        assert_eq!((idle(&greedy), idle(&third)), (ALL - 3, 1));
        drop((greedy.take(), other.take(), third.take()));
        assert_eq!(places.shares().held(), ALL - 3);
    }

    /// Nobody calls, so nobody else would find that it is too old.
    #[tokio::test]
    async fn an_idle_instance_is_dropped_when_it_is_too_old() {
        let options = EngineOptions {
            instances_max: 1,
            ..EngineOptions::default()
        };
        let runtime = Runtime::new(options).expect("the engine starts");
        let places = KeptPlaces::new();
        let bounds = Reuse {
            age: Duration::from_millis(20),
            ..Reuse::default()
        };
        let kept = Arc::new(Kept::new(bounds, places.clone()));
        for _ in 0..2 {
            kept.keep(used(engine(&runtime)));
            assert_eq!(places.shares().held(), 1, "one is kept");
            let free = async {
                while places.shares().held() > 0 {
                    tokio::task::yield_now().await;
                }
            };
            let free = tokio::time::timeout(Duration::from_mins(1), free).await;
            free.expect("it is dropped");
        }
    }
}
