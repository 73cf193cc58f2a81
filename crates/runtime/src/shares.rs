//! Shares of something that is bounded, such as sessions: who holds too much of it gives way.
//!
//! Nobody is held to a share while there is room. Once there is none, a holder that has its fair share,
//! an equal part for each holder, makes room among its own; a holder with less takes it from the one
//! that has most. Within a holder, the kind of which it has most gives way, such as a plugin.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Most things that are looked at for one that is idle. More than one is looked at only where those
/// before it were used since the last look.
const LOOKS_MAX: usize = 64;

/// What is done with something that is held. The first ones give way first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// Nothing: it gives way before all others, the oldest first.
    Idle,
    /// It waits for its holder: it gives way where nothing is idle, the oldest first; to others alone where
    /// its holder has more than a share.
    Waiting,
    /// It is worked on: it gives way to others alone, where its holder has more than a share, the newest
    /// first, of which least is lost.
    Busy,
}

/// The right to something that is held, as long as it has not given way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(u64);

/// So much of something, and who holds what of it.
pub struct Shares<T> {
    room: usize,
    held: usize,
    /// Counts what happens, for numbers and for the order of things.
    clock: u64,
    places: HashMap<Ticket, Place>,
    holders: HashMap<u64, Holder<T>>,
    /// All holders.
    ranking: BTreeSet<Rank>,
    idle_since: fn(&T) -> Option<u64>,
}

/// The holder that has most comes last, and of several with as much the one that was looked at longest ago.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    held: usize,
    looked_at: Reverse<u64>,
    holder: u64,
}

struct Holder<T> {
    held: usize,
    looked_at: u64,
    kinds: BTreeMap<u64, Kind<T>>,
}

struct Kind<T> {
    held: usize,
    things: BTreeMap<Key, Thing<T>>,
}

/// What gives way first comes first.
type Key = (Use, u64);

struct Thing<T> {
    ticket: Ticket,
    weight: usize,
    /// Since when it was idle at the last look.
    since: u64,
    item: T,
}

/// Where a thing is found.
#[derive(Clone, Copy)]
struct Place {
    holder: u64,
    kind: u64,
    key: Key,
}

/// What looking for an idle thing has shown.
#[derive(Default)]
struct Looked {
    /// The one that has been idle for longest, with the time.
    idle: Option<(u64, Ticket)>,
    /// The first one that was in use.
    in_use: Option<Ticket>,
    /// The first holder that had none.
    without: Option<u64>,
}

impl<T> Shares<T> {
    /// Shares of so much, of things that are idle exactly where their [`Use`] says it.
    #[must_use]
    pub fn new(room: usize) -> Self {
        Self::observed(room, |_| Some(0))
    }

    /// Shares of things that are used without a word here: of one whose [`Use`] is idle, `idle_since` says
    /// since when it is so, in any unit. None: it is in use.
    #[must_use]
    pub fn observed(room: usize, idle_since: fn(&T) -> Option<u64>) -> Self {
        Self {
            room,
            held: 0,
            clock: 0,
            places: HashMap::new(),
            holders: HashMap::new(),
            ranking: BTreeSet::new(),
            idle_since,
        }
    }

    /// How much is held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held
    }

    /// Gives a holder something of this weight and kind. None: there is no room, and nothing that gives
    /// way. Beside it is what has given way, which is held no more.
    pub fn enter(
        &mut self,
        holder: u64,
        kind: u64,
        weight: usize,
        usage: Use,
        item: impl FnOnce(Ticket) -> T,
    ) -> (Option<Ticket>, Vec<T>) {
        let mut gave_way = Vec::new();
        if weight > self.room {
            return (None, gave_way);
        }
        while self.held > self.room - weight {
            let next = self.next_to_give_way(holder, kind, weight);
            let Some(item) = next.and_then(|ticket| self.leave(ticket)) else {
                return (None, gave_way);
            };
            gave_way.push(item);
        }
        let ticket = Ticket(self.tick());
        let item = item(ticket);
        let thing = Thing {
            ticket,
            weight,
            since: (self.idle_since)(&item).unwrap_or_default(),
            item,
        };
        self.held += weight;
        self.insert(holder, kind, usage, thing);
        (Some(ticket), gave_way)
    }

    /// Takes back what was given. None: it has given way.
    pub fn leave(&mut self, ticket: Ticket) -> Option<T> {
        let (_, thing) = self.remove(ticket)?;
        self.held -= thing.weight;
        Some(thing.item)
    }

    /// Says what is done with it from now on.
    pub fn set_use(&mut self, ticket: Ticket, usage: Use) {
        if let Some((place, thing)) = self.remove(ticket) {
            self.insert(place.holder, place.kind, usage, thing);
        }
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn insert(&mut self, holder: u64, kind: u64, usage: Use, thing: Thing<T>) {
        let key = (usage, self.tick());
        let place = Place { holder, kind, key };
        self.places.insert(thing.ticket, place);
        self.rank(holder, |holder| {
            holder.held += thing.weight;
            let kind = holder.kinds.entry(kind).or_insert_with(|| Kind {
                held: 0,
                things: BTreeMap::new(),
            });
            kind.held += thing.weight;
            kind.things.insert(key, thing);
        });
    }

    fn remove(&mut self, ticket: Ticket) -> Option<(Place, Thing<T>)> {
        let place = self.places.remove(&ticket)?;
        let thing = self.rank(place.holder, |holder| {
            let kind = holder.kinds.get_mut(&place.kind)?;
            let thing = kind.things.remove(&place.key)?;
            kind.held -= thing.weight;
            if kind.things.is_empty() {
                holder.kinds.remove(&place.kind);
            }
            holder.held -= thing.weight;
            Some(thing)
        });
        thing.map(|thing| (place, thing))
    }

    /// Changes a holder, and its rank with it.
    fn rank<R>(&mut self, id: u64, change: impl FnOnce(&mut Holder<T>) -> R) -> R {
        let looked_at = self.clock;
        let holder = self.holders.entry(id).or_insert_with(|| Holder {
            held: 0,
            looked_at,
            kinds: BTreeMap::new(),
        });
        self.ranking.remove(&holder.rank(id));
        let changed = change(holder);
        if holder.kinds.is_empty() {
            self.holders.remove(&id);
        } else {
            self.ranking.insert(holder.rank(id));
        }
        changed
    }

    /// What gives way to a holder that wants something of this kind and weight.
    fn next_to_give_way(&mut self, holder: u64, kind: u64, weight: usize) -> Option<Ticket> {
        let held = self.holders.get(&holder).map_or(0, |holder| holder.held);
        let holders = self.holders.len() + usize::from(held == 0);
        let share = fair_share(self.room, holders);
        let has_its_share = held > 0 && held + weight > share;
        let looked = self.look(has_its_share.then_some(holder));
        if let Some((_, ticket)) = looked.idle {
            return Some(ticket);
        }
        if has_its_share {
            let holder = self.holders.get(&holder)?;
            return holder
                .first(Use::Waiting)
                .or_else(|| holder.busy_of_others(kind));
        }
        // Nobody loses what is in use for somebody who would have no more than they.
        if self.ranking.last()?.held <= share {
            return None;
        }
        let without = || {
            let holder = self.holders.get(&looked.without?)?;
            let busy = || holder.newest_busy(|_| true);
            holder.first(Use::Waiting).or_else(busy)
        };
        looked.in_use.or_else(without)
    }

    /// Looks for the oldest idle thing of a holder; of the one that has most, where none is named.
    fn look(&mut self, holder: Option<u64>) -> Looked {
        let mut looked = Looked::default();
        let mut first = None;
        for _ in 0..LOOKS_MAX {
            let most = || self.ranking.last().map(|rank| rank.holder);
            let Some(id) = holder.or_else(most) else {
                break;
            };
            let idle = self.holders.get(&id).and_then(|of| of.first(Use::Idle));
            let Some(ticket) = idle else {
                // Others that have as much may have something idle.
                if looked.without == Some(id) || holder.is_some() {
                    break;
                }
                looked.without = looked.without.or(Some(id));
                self.put_behind(id);
                continue;
            };
            if first == Some(ticket) {
                // All were looked at.
                break;
            }
            first = first.or(Some(ticket));
            let Some((place, mut thing)) = self.remove(ticket) else {
                break;
            };
            let since = (self.idle_since)(&thing.item);
            let is_next = since.is_some_and(|since| since <= thing.since);
            match since {
                Some(since) => {
                    thing.since = since;
                    let longest = looked.idle.filter(|(longest, _)| *longest <= since);
                    looked.idle = longest.or(Some((since, ticket)));
                }
                None => looked.in_use = looked.in_use.or(Some(ticket)),
            }
            self.insert(place.holder, place.kind, Use::Idle, thing);
            if is_next {
                looked.idle = Some((0, ticket));
                break;
            }
            self.put_behind(id);
        }
        looked
    }

    /// Lets all others that have as much come before a holder.
    fn put_behind(&mut self, id: u64) {
        let now = self.tick();
        self.rank(id, |holder| holder.looked_at = now);
    }
}

impl<T> Holder<T> {
    fn rank(&self, holder: u64) -> Rank {
        Rank {
            held: self.held,
            looked_at: Reverse(self.looked_at),
            holder,
        }
    }

    /// The oldest thing with this use, of the kind that it has most of.
    fn first(&self, usage: Use) -> Option<Ticket> {
        let first = |kind: &Kind<T>| {
            let mut things = kind.things.range((usage, 0)..=(usage, u64::MAX));
            let (key, thing) = things.next()?;
            Some((kind.held, Reverse(*key), thing.ticket))
        };
        let firsts = self.kinds.values().filter_map(first);
        let first = firsts.max_by_key(|(held, key, _)| (*held, *key));
        first.map(|(.., ticket)| ticket)
    }

    /// The newest thing that is worked on, of the kind that it has most of.
    fn newest_busy(&self, is_asked: impl Fn(u64) -> bool) -> Option<Ticket> {
        let kinds = self.kinds.iter().filter(|(kind, _)| is_asked(**kind));
        let newest = |(_, kind): (&u64, &Kind<T>)| {
            let busy = (Use::Busy, 0)..=(Use::Busy, u64::MAX);
            let mut things = kind.things.range(busy);
            let (key, thing) = things.next_back()?;
            Some((kind.held, *key, thing.ticket))
        };
        let newest = kinds.filter_map(newest);
        let newest = newest.max_by_key(|(held, key, _)| (*held, *key));
        newest.map(|(.., ticket)| ticket)
    }

    /// The same of another kind, where there is less of this one than its share.
    fn busy_of_others(&self, kind: u64) -> Option<Ticket> {
        let held = self.kinds.get(&kind).map_or(0, |kind| kind.held);
        let kinds = self.kinds.len() + usize::from(held == 0);
        let has_less = held < fair_share(self.held, kinds);
        has_less.then(|| self.newest_busy(|other| other != kind))?
    }
}

/// An equal part for each, and never nothing.
fn fair_share(all: usize, among: usize) -> usize {
    (all / among.max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use super::*;

    /// Enters things of weight 1, each with a number, and answers the numbers of what gave way.
    struct Books {
        shares: Shares<u64>,
        tickets: HashMap<u64, Ticket>,
    }

    impl Books {
        fn new(room: usize) -> Self {
            Self {
                shares: Shares::new(room),
                tickets: HashMap::new(),
            }
        }

        fn enter(&mut self, holder: u64, kind: u64, usage: Use, number: u64) -> Option<Vec<u64>> {
            let (ticket, gave_way) = self.shares.enter(holder, kind, 1, usage, |_| number);
            self.tickets.insert(number, ticket?);
            Some(gave_way)
        }

        fn set_use(&mut self, number: u64, usage: Use) {
            self.shares.set_use(self.tickets[&number], usage);
        }
    }

    #[test]
    fn one_alone_may_hold_everything_and_its_oldest_gives_way() {
        let mut books = Books::new(3);
        for number in 0..3 {
            assert_eq!(books.enter(1, 0, Use::Idle, number), Some(vec![]));
        }
        assert_eq!(books.enter(1, 0, Use::Idle, 3), Some(vec![0]));
        assert_eq!(books.shares.held(), 3);
    }

    #[test]
    fn who_has_less_than_a_share_takes_from_who_has_most() {
        let mut books = Books::new(10);
        for number in 0..7 {
            books.enter(1, 0, Use::Idle, number);
        }
        for number in 10..13 {
            books.enter(2, 0, Use::Idle, number);
        }
        // A third of ten is three: the newcomer takes from the first alone until it has as many.
        assert_eq!(books.enter(3, 0, Use::Idle, 20), Some(vec![0]));
        assert_eq!(books.enter(2, 0, Use::Idle, 13), Some(vec![10]));
        assert_eq!(books.enter(3, 0, Use::Idle, 21), Some(vec![1]));
        assert_eq!(books.enter(3, 0, Use::Idle, 22), Some(vec![2]));
        assert_eq!(books.enter(3, 0, Use::Idle, 23), Some(vec![20]));
        // What is free again is anybody's.
        let ticket = books.tickets[&3];
        assert_eq!(books.shares.leave(ticket), Some(3));
        assert_eq!(books.shares.leave(ticket), None);
        assert_eq!(books.enter(3, 0, Use::Idle, 24), Some(vec![]));
    }

    #[test]
    fn among_many_with_as_much_the_oldest_gives_way() {
        let mut books = Books::new(100);
        // Numbers of holders are hashes: in any order.
        let holder = |number: u64| number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        for number in 0..100 {
            books.enter(holder(number), 0, Use::Idle, number);
        }
        for number in 100..250 {
            let gave_way = books.enter(holder(number), 0, Use::Idle, number);
            assert_eq!(gave_way, Some(vec![number - 100]));
        }
    }

    #[test]
    fn what_is_idle_gives_way_before_what_waits_and_that_before_what_is_worked_on() {
        let mut books = Books::new(4);
        for number in 0..4 {
            books.enter(1, 0, Use::Busy, number);
        }
        // Its own work goes on.
        assert_eq!(books.enter(1, 0, Use::Busy, 4), None);
        books.set_use(3, Use::Waiting);
        books.set_use(2, Use::Waiting);
        books.set_use(1, Use::Idle);
        assert_eq!(books.enter(1, 0, Use::Busy, 5), Some(vec![1]));
        assert_eq!(books.enter(1, 0, Use::Busy, 6), Some(vec![3]));
        assert_eq!(books.enter(2, 0, Use::Busy, 7), Some(vec![2]));
        // Others have a right to their share; of what is worked on, the newest has lost least.
        assert_eq!(books.enter(2, 0, Use::Busy, 8), Some(vec![6]));
        assert_eq!(books.enter(2, 0, Use::Busy, 9), None);
        assert_eq!(books.enter(1, 0, Use::Busy, 10), None);
    }

    #[test]
    fn among_many_with_as_much_nobody_loses_what_is_in_use() {
        let mut books = Books::new(4);
        for number in 0..4 {
            books.enter(number, 0, Use::Busy, number);
        }
        assert_eq!(books.enter(4, 0, Use::Busy, 4), None);
        books.set_use(2, Use::Waiting);
        assert_eq!(books.enter(4, 0, Use::Busy, 5), None);
        books.set_use(3, Use::Idle);
        assert_eq!(books.enter(4, 0, Use::Busy, 6), Some(vec![3]));
    }

    #[test]
    fn the_kinds_of_a_holder_have_shares_too() {
        let mut books = Books::new(4);
        for number in 0..4 {
            books.enter(1, 7, Use::Busy, number);
        }
        assert_eq!(books.enter(1, 8, Use::Busy, 4), Some(vec![3]));
        assert_eq!(books.enter(1, 8, Use::Busy, 5), Some(vec![2]));
        assert_eq!(books.enter(1, 8, Use::Busy, 6), None);
        assert_eq!(books.enter(1, 7, Use::Busy, 7), None);
        assert_eq!(books.enter(1, 9, Use::Busy, 8), Some(vec![5]));
        // Of what is idle, that of the kind with most.
        books.set_use(4, Use::Idle);
        assert_eq!(books.enter(1, 7, Use::Busy, 9), Some(vec![4]));
    }

    #[test]
    fn what_was_used_since_is_not_idle() {
        const IN_USE: u64 = u64::MAX;
        type Used = Arc<AtomicU64>;
        let idle_since = |used: &Used| Some(used.load(Relaxed)).filter(|since| *since != IN_USE);
        let mut shares: Shares<Used> = Shares::observed(200, idle_since);
        let all: Vec<Used> = (0..200)
            .map(|time| Arc::new(AtomicU64::new(time)))
            .collect();
        for used in &all {
            shares.enter(1, 0, 1, Use::Idle, |_| used.clone());
        }
        let mut enter = |holder, time| {
            let used = Arc::new(AtomicU64::new(time));
            let (_, gave_way) = shares.enter(holder, 0, 1, Use::Idle, |_| used);
            gave_way[0].clone()
        };
        all[0].store(300, Relaxed);
        all[1].store(IN_USE, Relaxed);
        assert!(Arc::ptr_eq(&enter(1, 301), &all[2]));
        // Where many were used, the one that was used least lately of those that are looked at.
        for (time, used) in (400..).zip(&all[3..]) {
            used.store(time, Relaxed);
        }
        all[5].store(350, Relaxed);
        assert!(Arc::ptr_eq(&enter(1, 600), &all[5]));
        // What is in use gives way to others alone, and only where nothing looked at is idle.
        for used in &all {
            used.store(IN_USE, Relaxed);
        }
        let before = shares.held();
        let (ticket, gave_way) = shares.enter(2, 0, 1, Use::Idle, |_| all[0].clone());
        assert!(ticket.is_some() && gave_way.len() == 1);
        assert_eq!(shares.held(), before);
    }

    #[test]
    fn weights_are_shared_as_numbers_are() {
        let mut shares = Shares::new(100);
        let mut enter = |holder, weight: usize| {
            let (ticket, gave_way) = shares.enter(holder, 0, weight, Use::Idle, |_| weight);
            (ticket.is_some(), gave_way)
        };
        assert_eq!(enter(1, 101), (false, vec![]));
        assert_eq!(enter(1, 60), (true, vec![]));
        assert_eq!(enter(1, 30), (true, vec![]));
        assert_eq!(enter(2, 50), (true, vec![60]));
        assert_eq!(enter(1, 40), (true, vec![30]));
        assert_eq!(enter(3, 100), (true, vec![50, 40]));
    }

    /// Whatever happens, the books agree with what is held, and nobody with less than a share is refused.
    #[test]
    fn the_books_are_right() {
        let mut shares = Shares::new(50);
        let mut held: Vec<(Ticket, u64)> = Vec::new();
        let mut random = 1_u64;
        for step in 0..20_000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let (choice, holder) = (random >> 33, (random >> 40) % 9);
            let usage = [Use::Idle, Use::Waiting, Use::Busy][(choice % 3) as usize];
            match choice % 4 {
                0 if !held.is_empty() => {
                    let (ticket, _) = held.swap_remove(choice as usize % held.len());
                    assert!(shares.leave(ticket).is_some());
                }
                1 if !held.is_empty() => {
                    shares.set_use(held[choice as usize % held.len()].0, usage);
                }
                _ => {
                    let own = held.iter().filter(|(_, of)| *of == holder).count();
                    let (ticket, gave_way) =
                        shares.enter(holder, choice % 3, 1, usage, |ticket| ticket);
                    held.retain(|(ticket, _)| !gave_way.contains(ticket));
                    assert!(ticket.is_some() || own >= 50 / 9, "step {step}");
                    held.extend(ticket.map(|ticket| (ticket, holder)));
                }
            }
            assert_eq!(
                (shares.held(), shares.places.len()),
                (held.len(), held.len())
            );
            let by_holder = shares.holders.values().map(|holder| holder.held);
            assert_eq!(by_holder.sum::<usize>(), held.len());
            assert_eq!(shares.ranking.len(), shares.holders.len());
        }
    }
}
