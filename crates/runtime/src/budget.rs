//! The bytes that everything which clients and plugins can make large may hold together.
//!
//! Limits bound one call, one body, one answer; the budget bounds their product. What is held is charged
//! as it grows and given back when it is dropped.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long work that has not begun waits for room.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it looks for some.
const LOOK: Duration = Duration::from_millis(50);
/// Bytes that come piece by piece are charged in steps of as many; most bodies have fewer.
pub const STEP_BYTES: usize = 16 * 1024;

/// There is no room.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the server has no memory left for it; try again later")]
pub struct Full;

/// Something that holds what nobody needs at once, and gives it back where others lack room.
pub trait GiveWay: Send + Sync {
    /// Drops what can be done without.
    fn give_way(&self);
}

/// A number of bytes, and how many of them are in use. Clones are the same one.
#[derive(Clone)]
pub struct Budget(Arc<Shared>);

struct Shared {
    limit: AtomicUsize,
    used: AtomicUsize,
    most_used: AtomicUsize,
    refused: AtomicU64,
    spare: Mutex<Vec<Weak<dyn GiveWay>>>,
}

/// Bytes in use, given back when it is dropped.
#[must_use = "what is charged is given back when the charge is dropped"]
pub struct Charge {
    budget: Budget,
    bytes: usize,
}

/// Bytes that are charged until they are dropped.
pub struct ChargedBytes {
    bytes: Vec<u8>,
    charge: Charge,
}

/// How a budget is used, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetUsage {
    /// How many there are.
    pub limit: usize,
    /// How many are in use.
    pub used: usize,
    /// The most that ever were.
    pub most_used: usize,
    /// How often somebody found no room.
    pub refused: u64,
}

impl Budget {
    /// So many bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Shared {
            limit: AtomicUsize::new(limit),
            used: AtomicUsize::new(0),
            most_used: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
            spare: Mutex::default(),
        }))
    }

    /// Sets another limit. What is in use stays so.
    pub fn set_limit(&self, limit: usize) {
        self.0.limit.store(limit, Ordering::Relaxed);
    }

    /// Asks something to give way, as long as it lives, before anybody is refused.
    pub fn register(&self, spare: &Arc<impl GiveWay + 'static>) {
        let mut known = self.0.spare.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|spare| spare.strong_count() > 0);
        let spare: Arc<dyn GiveWay> = spare.clone();
        known.push(Arc::downgrade(&spare));
    }

    /// Nothing in use yet, to grow.
    pub fn empty(&self) -> Charge {
        Charge {
            budget: self.clone(),
            bytes: 0,
        }
    }

    /// Takes bytes into use.
    ///
    /// # Errors
    /// When so many are not left.
    pub fn charge(&self, bytes: usize) -> Result<Charge, Full> {
        let mut charge = self.empty();
        charge.grow(bytes)?;
        Ok(charge)
    }

    /// The same for work that has not begun and holds nothing: it waits for room for a second.
    ///
    /// # Errors
    /// When so many are not left by then.
    pub async fn charge_patiently(&self, bytes: usize) -> Result<Charge, Full> {
        let mut charge = self.empty();
        if charge.grow(bytes).is_ok() {
            return Ok(charge);
        }
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            sleep(LOOK).await;
            if self.take(bytes) {
                charge.bytes = bytes;
                return Ok(charge);
            }
        }
        Err(Full)
    }

    /// How it is used.
    #[must_use]
    pub fn usage(&self) -> BudgetUsage {
        BudgetUsage {
            limit: self.0.limit.load(Ordering::Relaxed),
            used: self.0.used.load(Ordering::Relaxed),
            most_used: self.0.most_used.load(Ordering::Relaxed),
            refused: self.0.refused.load(Ordering::Relaxed),
        }
    }

    fn take(&self, bytes: usize) -> bool {
        let limit = self.0.limit.load(Ordering::Relaxed);
        let enough = |used: usize| used.checked_add(bytes).filter(|used| *used <= limit);
        let taken = self
            .0
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, enough);
        if let Ok(before) = taken {
            let most = &self.0.most_used;
            // Most of the time there was more in use once, and nothing has to be written.
            if before + bytes > most.load(Ordering::Relaxed) {
                most.fetch_max(before + bytes, Ordering::Relaxed);
            }
        }
        taken.is_ok()
    }

    fn ask_to_give_way(&self) {
        let spare: Vec<_> = {
            let known = self.0.spare.lock().unwrap_or_else(PoisonError::into_inner);
            known.iter().filter_map(Weak::upgrade).collect()
        };
        for spare in spare {
            spare.give_way();
        }
    }
}

impl Default for Budget {
    /// As many bytes as can be addressed.
    fn default() -> Self {
        Self::new(usize::MAX)
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.usage().fmt(formatter)
    }
}

impl Charge {
    /// How many bytes it holds in use.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes more bytes into use.
    ///
    /// # Errors
    /// When so many are not left, also after others have given way.
    pub fn grow(&mut self, more: usize) -> Result<(), Full> {
        if more == 0 {
            return Ok(());
        }
        if !self.budget.take(more) {
            self.budget.ask_to_give_way();
            if !self.budget.take(more) {
                self.budget.0.refused.fetch_add(1, Ordering::Relaxed);
                return Err(Full);
            }
        }
        self.bytes += more;
        Ok(())
    }

    /// Holds also what another holds.
    pub fn absorb(&mut self, mut other: Self) {
        self.bytes += std::mem::take(&mut other.bytes);
    }

    /// Gives back what is more than so many bytes.
    pub fn shrink_to(&mut self, bytes: usize) {
        let less = self.bytes.saturating_sub(bytes);
        self.bytes -= less;
        self.budget.0.used.fetch_sub(less, Ordering::Relaxed);
    }
}

impl ChargedBytes {
    /// None yet, of which so many are charged already; there is room for `capacity` of them, which takes
    /// memory as they come.
    #[must_use]
    pub fn empty(charge: Charge, capacity: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(capacity),
            charge,
        }
    }

    /// A copy of these.
    ///
    /// # Errors
    /// When so many are not left.
    pub fn of(bytes: &[u8], budget: &Budget) -> Result<Self, Full> {
        let charge = budget.charge(bytes.len())?;
        Ok(Self {
            bytes: bytes.to_vec(),
            charge,
        })
    }

    /// Adds bytes at the end. They are charged in steps.
    ///
    /// # Errors
    /// When so many are not left.
    pub fn push(&mut self, more: &[u8]) -> Result<(), Full> {
        let lacking = (self.bytes.len() + more.len()).saturating_sub(self.charge.bytes());
        self.charge.grow(lacking.next_multiple_of(STEP_BYTES))?;
        self.bytes.extend_from_slice(more);
        Ok(())
    }
}

impl ChargedBytes {
    /// What they are charged to.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.charge.budget
    }
}

impl DerefMut for ChargedBytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl From<ChargedBytes> for Vec<u8> {
    /// The bytes alone, which are charged no more.
    fn from(charged: ChargedBytes) -> Self {
        charged.bytes
    }
}

impl Deref for ChargedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_charged_is_given_back() {
        let budget = Budget::new(100);
        let mut one = budget.charge(60).unwrap();
        assert!(budget.charge(41).is_err());
        let two = budget.charge(40).unwrap();
        assert_eq!(one.grow(1), Err(Full));
        drop(two);
        one.grow(1).unwrap();
        one.shrink_to(10);
        assert!(one.grow(usize::MAX).is_err(), "no wrap-around");
        let usage = budget.usage();
        assert_eq!((usage.used, usage.most_used, usage.refused), (10, 100, 3));
        drop(one);
        assert_eq!(budget.usage().used, 0);
    }

    #[tokio::test]
    async fn what_has_not_begun_waits_for_room() {
        let budget = Budget::new(100);
        let all = budget.charge(100).unwrap();
        assert!(budget.charge_patiently(1).await.is_err());
        let waiting = tokio::spawn({
            let budget = budget.clone();
            async move {
                budget
                    .charge_patiently(50)
                    .await
                    .map(|charge| charge.bytes())
            }
        });
        while budget.usage().refused < 2 {
            tokio::task::yield_now().await;
        }
        drop(all);
        assert_eq!(waiting.await.unwrap(), Ok(50));
    }

    #[test]
    fn others_give_way_first() {
        struct Spare(Mutex<Option<Charge>>);
        impl GiveWay for Spare {
            fn give_way(&self) {
                self.0.lock().unwrap().take();
            }
        }
        let budget = Budget::new(100);
        let spare = Arc::new(Spare(Mutex::new(budget.charge(70).ok())));
        budget.register(&spare);
        assert!(budget.charge(40).is_ok());
        assert!(spare.0.lock().unwrap().is_none());
        assert!(budget.charge(101).is_err());
    }
}
