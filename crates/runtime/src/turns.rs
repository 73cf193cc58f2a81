//! Turns at what there is little of, such as cores: who waits is served group by group, and key by
//! key within a group, so that nobody's many requests stand before another's one.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::sync::oneshot;

/// A fair semaphore. Clones are the same one.
#[derive(Clone)]
pub struct Turns(Arc<Mutex<State>>);

struct State {
    free: usize,
    /// Each with at least one key that waits.
    groups: VecDeque<Group>,
}

struct Group {
    id: u64,
    /// Each with at least one who waits.
    keys: VecDeque<Key>,
}

struct Key {
    id: u64,
    waiting: VecDeque<oneshot::Sender<Turn>>,
}

/// A turn; dropping it passes it on.
#[must_use = "a turn ends when it is dropped"]
pub struct Turn(Option<Turns>);

/// A place in the queue for a turn; dropping it gives the place up.
pub struct Waiting(oneshot::Receiver<Turn>);

impl Turns {
    /// As many turns at once.
    #[must_use]
    pub fn new(turns: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            free: turns.max(1),
            groups: VecDeque::new(),
        })))
    }

    /// A turn where one is free, else a place in the queue behind the others of this group and key.
    ///
    /// # Errors
    /// The place in the queue.
    pub fn try_take(&self, group: u64, key: u64) -> Result<Turn, Waiting> {
        let mut state = self.state();
        if state.free > 0 {
            state.free -= 1;
            return Ok(Turn(Some(self.clone())));
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

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who is next; the turn is free where nobody waits.
    fn next(&self) -> Option<oneshot::Sender<Turn>> {
        let mut state = self.state();
        let next = state.pop();
        if next.is_none() {
            state.free += 1;
        }
        next
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
        let Some(turns) = self.0.take() else {
            return;
        };
        // Those who gave up their place are passed over here, not by a drop inside this one.
        while let Some(next) = turns.next() {
            match next.send(Turn(Some(turns.clone()))) {
                Ok(()) => return,
                Err(mut refused) => refused.0 = None,
            }
        }
    }
}

impl State {
    fn push(&mut self, group: u64, key: u64, sender: oneshot::Sender<Turn>) {
        let group = match self.groups.iter().position(|known| known.id == group) {
            Some(index) => &mut self.groups[index],
            None => {
                let keys = VecDeque::new();
                self.groups.push_back(Group { id: group, keys });
                self.groups.back_mut().expect("one was pushed")
            }
        };
        match group.keys.iter_mut().find(|known| known.id == key) {
            Some(known) => known.waiting.push_back(sender),
            None => {
                let waiting = VecDeque::from([sender]);
                group.keys.push_back(Key { id: key, waiting });
            }
        }
    }

    /// The next one; its key then stands last in its group, and its group last of all.
    fn pop(&mut self) -> Option<oneshot::Sender<Turn>> {
        let mut group = self.groups.pop_front()?;
        let mut key = group.keys.pop_front()?;
        let next = key.waiting.pop_front();
        if !key.waiting.is_empty() {
            group.keys.push_back(key);
        }
        if !group.keys.is_empty() {
            self.groups.push_back(group);
        }
        next
    }
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
    async fn as_many_at_once_as_there_are_turns() {
        let turns = Turns::new(2);
        let (one, two) = (turns.take(0, 0).await, turns.take(0, 0).await);
        let third = turns.try_take(0, 0);
        assert!(third.is_err());
        drop((one, two, third));
        assert_eq!(turns.state().free, 2);
    }
}
