//! Which keys of the objects around a place are known.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::ops::Range;

use crate::budget::{Budget, Charge, Full};

/// As many keys of an object are looked through one by one.
const FEW_KEYS: usize = 16;
/// What a key takes until its object ends, in bytes: its place, and its hash in a table that is half full,
/// both with room to grow.
pub(super) const KEY_BYTES: usize = 64;
/// Keys are charged in steps of as many, so that most texts charge nothing.
const KEYS_STEP: usize = 1024;

/// The keys of the objects that have not ended, by their places in what is written.
pub(super) struct Keys<'b> {
    places: Vec<Range<usize>>,
    /// One for each object with more than a few keys.
    many: Vec<ManyKeys>,
    hasher: RandomState,
    budget: &'b Budget,
    /// None: there are few.
    charge: Option<Charge>,
}

/// What is known of the keys of one object.
struct ManyKeys {
    /// How many keys were known before it.
    keys_before: usize,
    /// As long as keys ascend, none is there twice, and none needs to be looked for.
    order: Order,
    /// Their hashes, once they do not ascend.
    hashes: HashSet<u64, BuildHasherDefault<Hashed>>,
}

/// How keys follow one another: programs sort them, or count.
#[derive(Clone, Copy)]
struct Order {
    /// Each is greater than the one before.
    ascends: bool,
    /// Each is longer than the one before, or as long and greater: `k9`, `k10`.
    counts: bool,
}

impl Order {
    fn after(self, before: &[u8], key: &[u8]) -> Self {
        let is_greater = key > before;
        Self {
            ascends: self.ascends && is_greater,
            counts: self.counts
                && (key.len() > before.len() || (key.len() == before.len() && is_greater)),
        }
    }

    fn is_kept(self) -> bool {
        self.ascends || self.counts
    }
}

impl<'b> Keys<'b> {
    pub(super) fn new(budget: &'b Budget) -> Self {
        Self {
            places: Vec::new(),
            many: Vec::new(),
            hasher: RandomState::new(),
            budget,
            charge: None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Adds a key of the object that began when so many were known; false where it is there already.
    pub(super) fn add(
        &mut self,
        keys_before: usize,
        key: Range<usize>,
        json: &[u8],
    ) -> Result<bool, Full> {
        let is_new = if self.places.len() - keys_before < FEW_KEYS {
            !self.holds(keys_before, &json[key.clone()], json)
        } else {
            self.is_new_of_many(keys_before, &json[key.clone()], json)
        };
        self.places.push(key);
        if self.places.len().is_multiple_of(KEYS_STEP) {
            let more = KEYS_STEP * KEY_BYTES;
            let charge = self.charge.get_or_insert_with(|| self.budget.empty());
            charge.grow(more)?;
        }
        Ok(is_new)
    }

    fn holds(&self, keys_before: usize, key: &[u8], json: &[u8]) -> bool {
        let known = &self.places[keys_before..];
        known.iter().any(|place| json[place.clone()] == *key)
    }

    fn is_new_of_many(&mut self, keys_before: usize, key: &[u8], json: &[u8]) -> bool {
        let known = &self.places[keys_before..];
        if self.many.last().map(|many| many.keys_before) != Some(keys_before) {
            let order = Order {
                ascends: true,
                counts: true,
            };
            let pairs = known.windows(2);
            let order = pairs.fold(order, |order, pair| {
                order.after(&json[pair[0].clone()], &json[pair[1].clone()])
            });
            self.many.push(ManyKeys {
                keys_before,
                order,
                hashes: HashSet::default(),
            });
        }
        let (Some(many), Some(last)) = (self.many.last_mut(), known.last()) else {
            return true;
        };
        if many.hashes.is_empty() {
            many.order = many.order.after(&json[last.clone()], key);
            if many.order.is_kept() {
                return true;
            }
            let hashes = known.iter();
            many.hashes
                .extend(hashes.map(|place| self.hasher.hash_one(&json[place.clone()])));
        }
        // Two keys may have one hash.
        many.hashes.insert(self.hasher.hash_one(key)) || !self.holds(keys_before, key, json)
    }

    /// Forgets the keys of the object that began when so many were known.
    pub(super) fn forget(&mut self, keys_before: usize) {
        self.places.truncate(keys_before);
        self.many.pop_if(|many| many.keys_before == keys_before);
    }
}

/// Takes a hash for what it is.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
