//! What a list answer holds, serialized once.

use std::borrow::Borrow;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;

/// Most entries of one page of a list.
pub const PAGE_ENTRIES: usize = 1000;

/// The entries of a list as JSON, in pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    pages: Vec<String>,
    digest: u64,
}

impl List {
    pub(crate) fn new<T: Borrow<Value>>(entries: &[T]) -> Self {
        let page = |entries: &[T]| {
            let texts: Vec<String> = entries
                .iter()
                .map(|entry| entry.borrow().to_string())
                .collect();
            format!("[{}]", texts.join(","))
        };
        let pages: Vec<String> = if entries.is_empty() {
            vec![page(entries)]
        } else {
            entries.chunks(PAGE_ENTRIES).map(page).collect()
        };
        let mut hasher = DefaultHasher::new();
        pages.hash(&mut hasher);
        Self {
            digest: hasher.finish(),
            pages,
        }
    }

    /// The JSON array of a page, the first being 0.
    #[must_use]
    pub fn page(&self, index: usize) -> Option<&str> {
        self.pages.get(index).map(String::as_str)
    }

    /// How many pages there are: at least one.
    #[must_use]
    pub fn pages(&self) -> usize {
        self.pages.len()
    }

    /// Tells apart lists of this process that hold different entries. Whoever wants to know later
    /// whether a list has changed keeps this number and not the list.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest
    }
}
