//! The connections of a listener: how many there are, whose they are, and which give way where no
//! place is left.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};
use wasimancer_mcp::Seldom;

/// Most connections beyond the bound, for probes and operators.
const RESERVED_MAX: usize = 64;
/// One of so many connections gives way at a time, so that whoever opens them by the thousand makes
/// the server look through all of them only now and then.
const BATCH_DIVISOR: usize = 256;
/// Most bytes of memory that unfinished heads of requests take, in all connections together.
const HEADS_MAX_BYTES: usize = 64 * 1024 * 1024;
/// What is left of them once the largest gave way.
const HEADS_KEPT_BYTES: usize = HEADS_MAX_BYTES / 8 * 7;

// What a connection does. Those below BUSY give way, the lowest first.

/// It waits for its first request.
const UNASKED: u8 = 0;
/// It waits until a wrong token may be answered.
const HELD_BACK: u8 = 1;
/// It waits for another request.
const IDLE: u8 = 2;
/// It waits for the rest of a request.
const RECEIVING: u8 = 3;
/// A request has come and is under way.
const BUSY: u8 = 4;
/// It has given way, and is about to be closed.
const GONE: u8 = 5;

/// All connections of a listener.
pub(super) struct Connections {
    /// Most of them that are not reserved.
    limit: usize,
    reserved_max: usize,
    /// How many were accepted so far: the clock that tells which is the oldest.
    accepted: AtomicU64,
    /// What unfinished heads take.
    head_bytes: AtomicUsize,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    /// By the number under which they were accepted.
    open: BTreeMap<u64, Arc<Connection>>,
    /// How many of them are reserved.
    reserved: usize,
    /// How many each network has. Those of trusted proxies do not count.
    held: HashMap<IpAddr, usize>,
    full: Seldom,
    heads_full: Seldom,
}

impl Connections {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            reserved_max: RESERVED_MAX.min(limit / 4).max(1),
            accepted: AtomicU64::new(0),
            head_bytes: AtomicUsize::new(0),
            table: Mutex::default(),
        })
    }

    /// A place for a new connection from a network (none: from a trusted proxy). Where all are taken,
    /// idle connections give way; where none is idle, the place is a reserved one. None: even those are
    /// all busy.
    pub(super) fn admit(self: &Arc<Self>, network: Option<IpAddr>) -> Option<Place> {
        let mut table = self.table();
        let is_free = self.is_free(&table);
        if !is_free && table.full.is_due() {
            tracing::warn!(
                "as many connections are open as may be: idle ones are closed for new ones"
            );
        }
        if is_free || table.give_way(network, false, self.batch()) {
            return Some(self.enter(&mut table, network, false));
        }
        self.admit_reserved_in(&mut table, network)
    }

    /// One of the places for probes and operators.
    pub(super) fn admit_reserved(self: &Arc<Self>, network: Option<IpAddr>) -> Option<Place> {
        self.admit_reserved_in(&mut self.table(), network)
    }

    fn admit_reserved_in(
        self: &Arc<Self>,
        table: &mut Table,
        network: Option<IpAddr>,
    ) -> Option<Place> {
        let is_free = table.reserved < self.reserved_max;
        let has_place = is_free || table.give_way(network, true, 1);
        has_place.then(|| self.enter(table, network, true))
    }

    fn enter(
        self: &Arc<Self>,
        table: &mut Table,
        network: Option<IpAddr>,
        is_reserved: bool,
    ) -> Place {
        let number = self.accepted.fetch_add(1, Ordering::Relaxed);
        let connection = Arc::new(Connection {
            connections: self.clone(),
            number,
            network,
            is_reserved: AtomicBool::new(is_reserved),
            phase: AtomicU8::new(UNASKED),
            requests: AtomicU64::new(0),
            since: AtomicU64::new(number),
            head_bytes: AtomicUsize::new(0),
            leaves_body: AtomicBool::new(false),
            is_draining: AtomicBool::new(false),
            task: OnceLock::new(),
        });
        table.reserved += usize::from(is_reserved);
        if let Some(network) = network {
            *table.held.entry(network).or_default() += 1;
        }
        table.open.insert(number, connection.clone());
        Place(connection)
    }

    /// Closes idle connections where the system has no place for more, although the bound has.
    pub(super) fn make_room(&self) {
        self.table().give_way(None, false, self.batch());
    }

    /// Whether there is a place that is not reserved.
    fn is_free(&self, table: &Table) -> bool {
        table.open.len() - table.reserved < self.limit
    }

    /// How many connections give way at a time.
    fn batch(&self) -> usize {
        self.limit.div_ceil(BATCH_DIVISOR)
    }

    /// Lets the largest unfinished heads give way: an honest one is small, and arrives as a whole.
    fn shed_heads(&self) {
        let mut table = self.table();
        let mut heads: Vec<(usize, u64)> = table
            .open
            .values()
            .filter(|connection| connection.is_waiting())
            .map(|connection| {
                let bytes = connection.head_bytes.load(Ordering::Relaxed);
                (bytes, connection.number)
            })
            .collect();
        heads.sort_unstable();
        while self.head_bytes.load(Ordering::Relaxed) > HEADS_KEPT_BYTES {
            let Some((1.., number)) = heads.pop() else {
                break;
            };
            table.close(number);
        }
        if table.heads_full.is_due() {
            tracing::warn!(
                "unfinished heads of requests take more than {HEADS_MAX_BYTES} bytes: the largest are closed"
            );
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Closes up to so many connections, of those that are reserved or of the others; whether there was
    /// any. They are idle. Where none is, one goes that waits for the rest of its request, if its network
    /// holds clearly more than the one that wants a place.
    fn give_way(&mut self, wants: Option<IpAddr>, is_reserved: bool, count: usize) -> bool {
        let held = |network: &IpAddr| self.held.get(network).copied().unwrap_or_default();
        let own = wants.as_ref().map_or(0, held);
        let idle = |connection: &&Arc<Connection>| {
            connection.is_reserved() == is_reserved && connection.phase() <= IDLE
        };
        let slow = |connection: &&Arc<Connection>| {
            connection.is_reserved() == is_reserved
                && connection.phase() == RECEIVING
                && connection.network.is_some()
        };
        let mut victims = self.of_heaviest(idle, |network| {
            held(network) > own || wants == Some(*network)
        });
        victims.truncate(count);
        if victims.is_empty() {
            victims = self.of_heaviest(slow, |network| held(network) > own + 1);
            victims.truncate(1);
        }
        let closed = victims.into_iter().filter(|number| self.close(*number));
        closed.count() > 0
    }

    /// The connections that may give way, of the network that holds the most of those that are heavy
    /// enough, the first to go first. Where there is none: those of proxies.
    fn of_heaviest(
        &self,
        gives_way: impl Fn(&&Arc<Connection>) -> bool,
        is_heavy: impl Fn(&IpAddr) -> bool,
    ) -> Vec<u64> {
        let candidates: Vec<_> = self.open.values().filter(gives_way).collect();
        let networks = candidates
            .iter()
            .filter_map(|connection| connection.network);
        let heaviest = networks
            .filter(|network| is_heavy(network))
            .max_by_key(|network| (self.held.get(network), *network));
        let mut found: Vec<_> = candidates
            .into_iter()
            .filter(|connection| connection.network == heaviest)
            .map(|connection| (connection.age_order(), connection.number))
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(_, number)| number).collect()
    }

    /// Closes a connection, if nothing of it has come to be under way meanwhile.
    fn close(&mut self, number: u64) -> bool {
        let connection = self.open.get(&number);
        let is_closed = connection.is_some_and(|connection| connection.close());
        if is_closed {
            self.leave(number);
        }
        is_closed
    }

    /// Gives the place of a connection back, once.
    fn leave(&mut self, number: u64) {
        let Some(connection) = self.open.remove(&number) else {
            return;
        };
        self.reserved -= usize::from(connection.is_reserved());
        let Some(network) = connection.network else {
            return;
        };
        if let Some(held) = self.held.get_mut(&network) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&network);
            }
        }
    }
}

/// What is known of a connection.
pub(super) struct Connection {
    connections: Arc<Connections>,
    number: u64,
    /// What it is counted by. None: a trusted proxy's, whose clients share it.
    network: Option<IpAddr>,
    /// Whether its place is one of those for probes and operators.
    is_reserved: AtomicBool,
    phase: AtomicU8,
    /// How many requests have begun on it.
    requests: AtomicU64,
    /// The time of the listeners' clock since when it waits.
    since: AtomicU64,
    /// What its unfinished head takes.
    head_bytes: AtomicUsize,
    /// Whether something of a request's body is left unread at the end.
    leaves_body: AtomicBool,
    /// Whether the rest of the last request's body is still thrown away.
    is_draining: AtomicBool,
    task: OnceLock<AbortHandle>,
}

impl Connection {
    /// Names the task that is to end where the connection gives way.
    pub(super) fn set_task(&self, task: AbortHandle) {
        let task = self.task.get_or_init(|| task);
        if self.phase.load(Ordering::SeqCst) == GONE {
            task.abort();
        }
    }

    /// Begins a request whose head has come. None: it comes too late, since the connection has given
    /// way.
    pub(super) fn begin(self: &Arc<Self>) -> Option<UnderWay> {
        if self.phase.swap(RECEIVING, Ordering::SeqCst) == GONE {
            self.phase.store(GONE, Ordering::SeqCst);
            return None;
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        let now = self.connections.accepted.load(Ordering::Relaxed);
        self.since.store(now, Ordering::Relaxed);
        Some(UnderWay(self.clone()))
    }

    /// Notes that nothing of the request is waited for any more.
    pub(super) fn has_received(&self) {
        self.turn(RECEIVING, BUSY);
    }

    /// Notes that the connection ends with this answer, and that the rest of its request's body is not read
    /// before.
    pub(super) fn leave_body(&self) {
        self.leaves_body.store(true, Ordering::Relaxed);
    }

    /// Whether it ends with something unread.
    pub(super) fn leaves_body(&self) -> bool {
        self.leaves_body.load(Ordering::Relaxed)
    }

    /// Notes whether the rest of a body is being thrown away, so that it is not taken for a head.
    pub(super) fn set_draining(&self, is_draining: bool) {
        self.is_draining.store(is_draining, Ordering::Relaxed);
    }

    /// Whether it must keep to what probes and operators ask. It need not any more once there is a
    /// place among the others.
    pub(super) fn is_restricted(&self) -> bool {
        if !self.is_reserved() {
            return false;
        }
        let mut table = self.connections.table();
        let is_free = self.connections.is_free(&table);
        if is_free && table.open.contains_key(&self.number) {
            table.reserved -= 1;
            self.is_reserved.store(false, Ordering::Relaxed);
        }
        self.is_reserved()
    }

    /// Whether it waits for the head of a request.
    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.phase(), UNASKED | IDLE) && !self.is_draining.load(Ordering::Relaxed)
    }

    /// How many requests have begun on it.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Whether it has had an answer, and waits for the next request.
    pub(super) fn is_idle(&self) -> bool {
        self.phase() == IDLE
    }

    /// Counts what its unfinished head takes now.
    pub(super) fn set_head_bytes(&self, bytes: usize) {
        let before = self.head_bytes.swap(bytes, Ordering::Relaxed);
        let all = &self.connections.head_bytes;
        all.fetch_sub(before, Ordering::Relaxed);
        let others = all.fetch_add(bytes, Ordering::Relaxed);
        if others + bytes > HEADS_MAX_BYTES && bytes > before {
            self.connections.shed_heads();
        }
    }

    fn is_reserved(&self) -> bool {
        self.is_reserved.load(Ordering::Relaxed)
    }

    fn phase(&self) -> u8 {
        self.phase.load(Ordering::Relaxed)
    }

    /// The order in which connections of a network give way.
    fn age_order(&self) -> (u8, u64) {
        (self.phase(), self.since.load(Ordering::Relaxed))
    }

    /// Closes it, if no request is under way; whether it did.
    fn close(&self) -> bool {
        let phase = self.phase.load(Ordering::SeqCst);
        let order = Ordering::SeqCst;
        if phase >= BUSY
            || self
                .phase
                .compare_exchange(phase, GONE, order, order)
                .is_err()
        {
            return false;
        }
        self.set_head_bytes(0);
        if let Some(task) = self.task.get() {
            task.abort();
        }
        true
    }

    /// Goes from one phase to another, unless it has given way.
    fn turn(&self, from: u8, to: u8) -> bool {
        let order = Ordering::SeqCst;
        let has_turned = self.phase.compare_exchange(from, to, order, order).is_ok();
        if has_turned {
            let now = self.connections.accepted.load(Ordering::Relaxed);
            self.since.store(now, Ordering::Relaxed);
        }
        has_turned
    }
}

/// The place of a connection, free again once this is dropped.
pub(super) struct Place(Arc<Connection>);

impl Place {
    pub(super) fn connection(&self) -> &Arc<Connection> {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set_head_bytes(0);
        self.0.connections.table().leave(self.0.number);
    }
}

/// A request that is under way until this is dropped.
pub(super) struct UnderWay(Arc<Connection>);

impl UnderWay {
    /// Waits with the answer, during which the connection may give way.
    pub(super) async fn hold_back(&self, until: Instant) {
        self.0.turn(BUSY, HELD_BACK);
        sleep_until(until).await;
        if !self.0.turn(HELD_BACK, BUSY) {
            // Its task is about to end.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.has_received();
        self.0.turn(BUSY, IDLE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }

    fn has_given_way(place: &Place) -> bool {
        place.0.phase.load(Ordering::SeqCst) == GONE
    }

    /// A request that has come as a whole.
    fn begin(place: &Place) -> UnderWay {
        let under_way = place.connection().begin().expect("it is there");
        place.connection().has_received();
        under_way
    }

    /// Which of the connections had to give way.
    fn gone(places: &[Place]) -> Vec<usize> {
        let places = places.iter().enumerate();
        let gone = places.filter(|(_, place)| has_given_way(place));
        gone.map(|(at, _)| at).collect()
    }

    #[test]
    fn the_oldest_idle_one_of_whoever_holds_the_most_gives_way() {
        let connections = Connections::new(5);
        let admit = |last| connections.admit(Some(network(last))).expect("a place");
        let mut places: Vec<Place> = [1, 2, 2, 2, 1].map(admit).into();
        assert!(gone(&places).is_empty());
        places.push(admit(1));
        assert_eq!(gone(&places), [1]);
        // Now 1 holds the most, and has to make room for itself and for others.
        places.push(admit(1));
        assert_eq!(gone(&places), [0, 1]);
        places.push(admit(3));
        assert_eq!(gone(&places), [0, 1, 4]);
    }

    #[test]
    fn who_never_asked_gives_way_before_who_did() {
        let connections = Connections::new(3);
        let admit = |last| connections.admit(Some(network(last))).expect("a place");
        let mut places: Vec<Place> = [1, 1, 1].map(admit).into();
        drop(places[0].connection().begin().expect("it is there"));
        let busy = begin(&places[1]);
        places.push(admit(1));
        assert_eq!(gone(&places), [2]);
        // One that gave way comes too late.
        assert!(places[2].connection().begin().is_none());
        drop(busy);
        places.push(admit(1));
        assert_eq!(gone(&places), [2, 3]);
        drop(places[4].connection().begin().expect("it is there"));
        places.push(admit(2));
        assert_eq!(gone(&places), [0, 2, 3]);
    }

    #[test]
    fn nobody_takes_a_place_from_who_holds_less() {
        let connections = Connections::new(4);
        let admit = |last| connections.admit(Some(network(last))).expect("a place");
        let places: Vec<Place> = [1, 1, 1, 2].map(admit).into();
        let busy: Vec<UnderWay> = places[..3].iter().map(begin).collect();
        let beyond = admit(1);
        assert!(gone(&places).is_empty());
        assert!(beyond.connection().is_restricted());
        drop(busy);
        assert!(beyond.connection().is_restricted());
        drop(places);
        assert!(!beyond.connection().is_restricted());
    }

    #[test]
    fn slow_requests_give_way_to_who_holds_clearly_less() {
        let connections = Connections::new(4);
        let admit = |last| connections.admit(Some(network(last))).expect("a place");
        let mut places: Vec<Place> = [1, 1, 1, 2].map(admit).into();
        let mut requests: Vec<_> = places.iter().map(|place| place.0.begin()).collect();
        places[0].connection().has_received();
        places.push(admit(2));
        assert_eq!(gone(&places), [1]);
        requests.push(places[4].connection().begin());
        // Both hold two: what comes now has a reserved place.
        let beyond = admit(1);
        assert_eq!(gone(&places), [1]);
        assert!(beyond.connection().is_restricted());
    }

    #[test]
    fn reserved_places_give_way_among_themselves_and_end() {
        let connections = Connections::new(1);
        let ordinary = connections.admit(Some(network(1))).expect("a place");
        let _busy = begin(&ordinary);
        let first = connections.admit(Some(network(2))).expect("a place");
        let second = connections.admit(Some(network(2))).expect("a place");
        assert!(has_given_way(&first));
        assert!(second.connection().is_restricted());
        let _busy_too = begin(&second);
        assert!(connections.admit(Some(network(3))).is_none());
        drop(second);
        assert!(connections.admit(Some(network(3))).is_some());
    }

    #[test]
    fn connections_of_proxies_are_nobodys_and_give_way_last() {
        let connections = Connections::new(3);
        let mut places: Vec<Place> = [None, None, Some(network(1))]
            .map(|network| connections.admit(network).expect("a place"))
            .into();
        places.push(connections.admit(None).expect("a place"));
        assert_eq!(gone(&places), [2]);
        places.push(connections.admit(Some(network(1))).expect("a place"));
        assert_eq!(gone(&places), [0, 2]);
    }

    #[test]
    fn the_largest_unfinished_heads_give_way() {
        let connections = Connections::new(2000);
        let admit = |last| connections.admit(Some(network(last))).expect("a place");
        let honest = admit(1);
        honest.connection().set_head_bytes(8 * 1024);
        let large: Vec<Place> = (0..600).map(|_| admit(2)).collect();
        for place in &large {
            place.connection().set_head_bytes(128 * 1024);
            assert!(connections.head_bytes.load(Ordering::Relaxed) <= HEADS_MAX_BYTES);
        }
        assert!(!has_given_way(&honest));
        assert!(gone(&large).len() >= 600 - HEADS_MAX_BYTES / (128 * 1024));
        drop((honest, large));
        assert_eq!(connections.head_bytes.load(Ordering::Relaxed), 0);
        assert!(connections.table().held.is_empty());
    }
}
