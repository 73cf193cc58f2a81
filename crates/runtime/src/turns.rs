//! Turns at what there is little of, such as cores: who waits is served group by group, and key by
//! key within a group, so that nobody's many requests stand before another's one.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::sync::oneshot;

/// How many times as many turns as are free one group may hold, where groups leave each other some.
/// One alone then holds two thirds of all, and 16 that want all of 1,000 leave 31.
const HELD_PER_FREE: usize = 2;

/// Whose turn it is: those of a group wait behind one another, and within it those of a key.
#[derive(Clone, Copy)]
pub(crate) struct Order {
    pub(crate) group: u64,
    pub(crate) key: u64,
}

/// A fair semaphore. Clones are the same one.
#[derive(Clone)]
pub struct Turns(Arc<Mutex<State>>);

struct State {
    free: usize,
    /// How many each group holds, of few; none where that bounds nothing.
    held: Option<BTreeMap<u64, usize>>,
    /// Each with at least one key.
    groups: HashMap<u64, Group>,
    /// Whose turn it is next.
    order: VecDeque<u64>,
}

#[derive(Default)]
struct Group {
    /// Each with at least one who waits, or has given up.
    keys: HashMap<u64, VecDeque<oneshot::Sender<Turn>>>,
    /// Whose turn it is next.
    order: VecDeque<u64>,
}

/// A turn; dropping it passes it on.
#[must_use = "a turn ends when it is dropped"]
pub struct Turn(Option<Held>);

struct Held {
    turns: Turns,
    group: u64,
}

/// A place in the queue for a turn; dropping it gives the place up.
pub struct Waiting(oneshot::Receiver<Turn>);

impl Turns {
    /// As many turns at once, whoever takes them.
    #[must_use]
    pub fn new(turns: usize) -> Self {
        Self::with(turns, None)
    }

    /// As many turns at once, of which groups leave each other some: the more of them one holds, the
    /// more have to be free before it gets another. So who holds none finds one, although those who
    /// hold many keep them for long. (Dynamic thresholds, as switches share their buffers.)
    pub(crate) fn shared(turns: usize) -> Self {
        Self::with(turns, Some(BTreeMap::new()))
    }

    fn with(turns: usize, held: Option<BTreeMap<u64, usize>>) -> Self {
        Self(Arc::new(Mutex::new(State {
            free: turns.max(1),
            held,
            groups: HashMap::new(),
            order: VecDeque::new(),
        })))
    }

    /// A turn where one is free, else a place in the queue behind the others of this group and key.
    ///
    /// # Errors
    /// The place in the queue.
    pub fn try_take(&self, group: u64, key: u64) -> Result<Turn, Waiting> {
        let mut state = self.state();
        if state.may_take(group) {
            state.take(group);
            return Ok(self.turn(group));
        }
        let (sender, receiver) = oneshot::channel();
        state.push(group, key, sender);
        Err(Waiting(receiver))
    }

    /// Waits for a turn.
    pub async fn take(&self, group: u64, key: u64) -> Turn {
        match self.try_take(group, key) {
            Ok(turn) => turn,
            Err(waiting) => waiting.await,
        }
    }

    fn turn(&self, group: u64) -> Turn {
        Turn(Some(Held {
            turns: self.clone(),
            group,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a turn back, and whatever is free to those who wait for it.
    fn give_back(&self, group: u64) {
        self.state().give_back(group);
        while let Some((group, next)) = self.grant() {
            // Given up in this moment: given back here, not by a drop inside this one.
            if let Err(mut refused) = next.send(self.turn(group)) {
                refused.0 = None;
                self.state().give_back(group);
            }
        }
    }

    /// Takes a turn for the next one that may have it.
    fn grant(&self) -> Option<(u64, oneshot::Sender<Turn>)> {
        let mut state = self.state();
        let (group, next) = state.next()?;
        state.take(group);
        Some((group, next))
    }
}

impl Future for Waiting {
    type Output = Turn;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Turn> {
        Pin::new(&mut self.0)
            .poll(context)
            .map(|turn| turn.expect("who waits is dropped from the queue with a turn alone"))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(Held { turns, group }) = self.0.take() {
            turns.give_back(group);
        }
    }
}

impl State {
    fn may_take(&self, group: u64) -> bool {
        let held = |held: &BTreeMap<u64, usize>| held.get(&group).copied().unwrap_or_default();
        let held = self.held.as_ref().map_or(0, held);
        held < self.free.saturating_mul(HELD_PER_FREE)
    }

    fn take(&mut self, group: u64) {
        self.free -= 1;
        if let Some(held) = &mut self.held {
            *held.entry(group).or_default() += 1;
        }
    }

    fn give_back(&mut self, group: u64) {
        self.free += 1;
        if let Some(held) = &mut self.held
            && let Some(count) = held.get_mut(&group)
        {
            *count -= 1;
            if *count == 0 {
                held.remove(&group);
            }
        }
    }

    fn push(&mut self, group: u64, key: u64, sender: oneshot::Sender<Turn>) {
        if !self.groups.contains_key(&group) {
            if is_full(&self.order) {
                self.groups.retain(|_, group| group.waits());
                self.order.retain(|id| self.groups.contains_key(id));
            }
            self.order.push_back(group);
        }
        self.groups.entry(group).or_default().push(key, sender);
    }

    /// The next one that may take a turn, with its group; its key then stands last in its group, and
    /// its group last of all. Those who gave up are passed over.
    fn next(&mut self) -> Option<(u64, oneshot::Sender<Turn>)> {
        loop {
            let index = self.order.iter().position(|id| self.may_take(*id))?;
            let id = self.order.remove(index)?;
            let group = self.groups.get_mut(&id)?;
            let next = group.pop();
            if group.keys.is_empty() {
                self.groups.remove(&id);
            } else {
                self.order.push_back(id);
            }
            if let Some(next) = next.filter(waits) {
                return Some((id, next));
            }
        }
    }
}

impl Group {
    fn push(&mut self, key: u64, sender: oneshot::Sender<Turn>) {
        if let Some(waiting) = self.keys.get_mut(&key) {
            if is_full(waiting) {
                waiting.retain(waits);
            }
            waiting.push_back(sender);
            return;
        }
        if is_full(&self.order) {
            self.keys.retain(|_, waiting| waiting.iter().any(waits));
            self.order.retain(|id| self.keys.contains_key(id));
        }
        self.order.push_back(key);
        self.keys.insert(key, VecDeque::from([sender]));
    }

    /// The next one, whose key then stands last.
    fn pop(&mut self) -> Option<oneshot::Sender<Turn>> {
        let key = self.order.pop_front()?;
        let waiting = self.keys.get_mut(&key)?;
        let next = waiting.pop_front();
        if waiting.is_empty() {
            self.keys.remove(&key);
        } else {
            self.order.push_back(key);
        }
        next
    }

    /// Whether anybody still waits.
    fn waits(&self) -> bool {
        self.keys.values().flatten().any(waits)
    }
}

/// Whether somebody still waits for it.
fn waits(sender: &oneshot::Sender<Turn>) -> bool {
    !sender.is_closed()
}

/// Whether a queue would grow. What is of no use is dropped before, so that it grows with those who wait,
/// not with those who gave up.
fn is_full<T>(queue: &VecDeque<T>) -> bool {
    queue.len() == queue.capacity()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order in which those who wait get the only turn.
    async fn order(waiting: &[(u64, u64)]) -> Vec<usize> {
        let turns = Turns::new(1);
        let first = turns.take(0, 0).await;
        let queued: Vec<Waiting> = waiting
            .iter()
            .map(|&(group, key)| turns.try_take(group, key).err().expect("it is taken"))
            .collect();
        let served = Arc::new(Mutex::new(Vec::new()));
        let waits = queued.into_iter().enumerate().map(|(index, waiting)| {
            let served = served.clone();
            tokio::spawn(async move {
                let _turn = waiting.await;
                served.lock().unwrap().push(index);
            })
        });
        let waits: Vec<_> = waits.collect();
        drop(first);
        for wait in waits {
            wait.await.unwrap();
        }
        std::mem::take(&mut *served.lock().unwrap())
    }

    #[tokio::test]
    async fn groups_take_turns_and_within_them_keys() {
        let (busy, quiet) = (1, 2);
        assert_eq!(
            order(&[(busy, 1), (busy, 1), (busy, 1), (busy, 2), (quiet, 1)]).await,
            [0, 4, 3, 1, 2]
        );
    }

    #[tokio::test]
    async fn who_gave_up_is_passed_over() {
        let turns = Turns::new(1);
        let turn = turns.take(0, 0).await;
        let mut waiting: Vec<_> = (0..10_000)
            .map(|key| turns.try_take(0, key).err().expect("it is taken"))
            .collect();
        let last = waiting.pop().expect("there are many");
        drop(waiting);
        drop(turn);
        let turn = last.await;
        // One that was given a turn and never looked gives it back too.
        let given = turns.try_take(0, 0).err().expect("it is taken");
        drop(turn);
        drop(given);
        assert!(turns.try_take(0, 0).is_ok());
        assert_eq!(turns.state().free, 1);
        assert!(turns.state().groups.is_empty());
    }

    #[tokio::test]
    async fn who_gave_up_takes_no_room() {
        let turns = Turns::new(1);
        let _turn = turns.take(0, 0).await;
        for key in 0..10_000 {
            // Each under a key of its own, and all under one.
            drop(turns.try_take(0, key));
            drop(turns.try_take(1, 0));
            // And each in a group of its own.
            drop(turns.try_take(2 + key, 0));
        }
        let state = turns.state();
        let keys = state.groups.values().map(|group| group.keys.len());
        let waiting = state.groups.values().flat_map(|group| group.keys.values());
        let longest = waiting.map(VecDeque::len).max();
        assert!(keys.max() < Some(100) && longest < Some(100));
        assert!(state.groups.len() < 100 && state.order.len() < 100);
    }

    #[tokio::test]
    async fn groups_that_hold_many_leave_some() {
        let turns = Turns::shared(1000);
        let mut held = Vec::new();
        let mut waiting = Vec::new();
        for call in 0..16 * 70 {
            match turns.try_take(call % 16, 0) {
                Ok(turn) => held.push(turn),
                Err(place) => waiting.push(place),
            }
        }
        let spare = 1000 - held.len();
        assert!(spare > 16, "{spare}");
        let other = turns.try_take(16, 0);
        assert!(other.is_ok(), "who holds none finds one");
        // What one gives back another one gets, and the spare ones stay.
        drop(other);
        drop(held.pop());
        assert_eq!(turns.state().free, spare);
        // Whoever waits gets it in the end.
        drop(held);
        for waiting in waiting {
            drop(waiting.await);
        }
        assert_eq!(turns.state().free, 1000);
        assert!(turns.state().held.as_ref().is_some_and(BTreeMap::is_empty));
    }

    #[tokio::test]
    async fn one_group_alone_holds_two_thirds() {
        for (all, most) in [(1, 1), (2, 2), (3, 2), (6, 4), (1000, 667)] {
            let turns = Turns::shared(all);
            let held: Vec<_> = (0..all).map_while(|_| turns.try_take(0, 0).ok()).collect();
            assert_eq!(held.len(), most, "{all}");
        }
    }

    #[tokio::test]
    async fn as_many_at_once_as_there_are_turns() {
        let turns = Turns::new(2);
        let (one, two) = (turns.take(0, 0).await, turns.take(0, 0).await);
        let third = turns.try_take(0, 0);
        assert!(third.is_err());
        drop((one, two, third));
        assert_eq!(turns.state().free, 2);
    }
}
