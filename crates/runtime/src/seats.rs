//! Seats for what goes on by itself, such as streams: whoever has to give way hears it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::shares::{Shares, Ticket, Use};

/// So many seats, shared among those who take them ([`Shares`]). Clones are the same ones.
#[derive(Clone)]
pub struct Seats(Arc<Mutex<Shares<watch::Sender<()>>>>);

/// A seat, free again when it is dropped.
#[must_use = "a seat is free again when it is dropped"]
pub struct Seat {
    seats: Seats,
    ticket: Ticket,
    /// Its sender is dropped when the seat has given way.
    notice: watch::Receiver<()>,
}

impl Seats {
    /// So many seats.
    #[must_use]
    pub fn new(seats: usize) -> Self {
        Self(Arc::new(Mutex::new(Shares::new(seats))))
    }

    /// A seat for something of this kind. None: all are taken, and none gives way.
    #[must_use]
    pub fn take(&self, holder: u64, kind: u64, usage: Use) -> Option<Seat> {
        let (sender, notice) = watch::channel(());
        let (ticket, gave_way) = self.shares().enter(holder, kind, 1, usage, |_| sender);
        // They hear it outside of the lock.
        drop(gave_way);
        Some(Seat {
            seats: self.clone(),
            ticket: ticket?,
            notice,
        })
    }

    /// How many are taken.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.shares().held()
    }

    fn shares(&self) -> MutexGuard<'_, Shares<watch::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Completes when the seat has given way to somebody else.
    pub async fn gives_way(&self) {
        // Nothing is ever sent: the sender is dropped.
        let _ = self.notice.clone().changed().await;
    }

    /// Says what is done in it from now on.
    pub fn set_use(&self, usage: Use) {
        self.seats.shares().set_use(self.ticket, usage);
    }

    /// The seats that it is one of.
    #[must_use]
    pub fn seats(&self) -> &Seats {
        &self.seats
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let sender = self.seats.shares().leave(self.ticket);
        drop(sender);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_seat_that_gives_way_says_so() {
        let seats = Seats::new(2);
        let first = seats.take(1, 0, Use::Idle).expect("one is free");
        let second = seats.take(1, 0, Use::Idle).expect("one is free");
        first.set_use(Use::Busy);
        let third = seats.take(2, 0, Use::Busy).expect("the idle one gives way");
        second.gives_way().await;
        drop(second);
        assert_eq!(seats.taken(), 2);
        assert!(seats.take(2, 0, Use::Idle).is_none());
        drop(third);
        assert!(seats.take(2, 0, Use::Idle).is_some());
        drop(first);
        assert_eq!(seats.taken(), 0);
    }
}
