//! A change of a text, as ranges and what takes their place.

use std::ops::Range;

pub(super) struct Splice {
    pub(super) range: Range<usize>,
    pub(super) with: String,
}

/// Splices that do not overlap.
pub(super) type Splices = Vec<Splice>;

impl Splice {
    pub(super) fn insert(at: usize, with: impl Into<String>) -> Self {
        Self {
            range: at..at,
            with: with.into(),
        }
    }

    pub(super) fn remove(range: Range<usize>) -> Self {
        Self {
            range,
            with: String::new(),
        }
    }
}

/// The text with these changes.
pub(super) fn apply(text: &str, mut splices: Splices) -> String {
    splices.sort_by_key(|splice| splice.range.start);
    let mut changed = String::with_capacity(text.len());
    let mut done = 0;
    for Splice { range, with } in splices {
        changed.push_str(&text[done..range.start]);
        changed.push_str(&with);
        done = range.end;
    }
    changed.push_str(&text[done..]);
    changed
}
