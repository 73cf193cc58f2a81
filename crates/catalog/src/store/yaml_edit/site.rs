//! Where a list is in a file, or would be.

use super::outline::{Content, Outline, Piece};
use super::{EditError, Source, Step};
use crate::node::Node;
use crate::yaml::MERGE_KEY;

/// A list's place, as far as the file has one.
pub(super) enum Site<'o> {
    /// The list is there and has entries.
    List {
        key: &'o Piece,
        list: &'o Piece,
        items: &'o [Piece],
    },
    /// A key on the way to it has no value, or an empty one.
    Empty {
        map: &'o Piece,
        key: &'o Piece,
        value: &'o Piece,
        /// The keys from there on.
        missing: &'o [&'o str],
    },
    /// A map on the way to it lacks a key.
    Absent {
        map: &'o Piece,
        fields: &'o [(Piece, Piece)],
        /// That key and those from there on.
        missing: &'o [&'o str],
    },
    /// The file holds no value.
    NoValue { end: usize, missing: &'o [&'o str] },
}

impl<'o> Site<'o> {
    /// How many fields the map that lacks a key has of its own: a new one comes behind these, and
    /// before those that are merged into it.
    pub(super) fn own_fields(&self) -> usize {
        let Site::Absent { fields, .. } = self else {
            return 0;
        };
        // A key in quotes or with a tag is longer, and merges nothing.
        let merges = |key: &Piece| {
            matches!(&key.content, Content::Text(text) if text == MERGE_KEY)
                && key.range().len() == MERGE_KEY.len()
        };
        fields.iter().filter(|(key, _)| !merges(key)).count()
    }

    /// Where a step changes something, and the entry that it replaces or removes.
    pub(super) fn place(&self, step: Step<'_>) -> (usize, Option<&'o Piece>) {
        match (self, step) {
            (Site::List { items, .. }, Step::Replace(index, _) | Step::Remove(index)) => {
                (items[index].start, Some(&items[index]))
            }
            (Site::List { list, .. }, Step::Add(_)) => (list.end, None),
            (Site::Empty { value, .. }, _) => (value.end, None),
            (Site::Absent { map, .. }, _) => (map.end, None),
            (Site::NoValue { end, .. }, _) => (*end, None),
        }
    }
}

/// Finds the list of a source.
pub(super) fn find<'o>(
    source: &Source<'o>,
    outline: &'o Outline,
    values: &Node,
) -> Result<Site<'o>, EditError> {
    let mut map = match &outline.root {
        Some(root) if !matches!(root.content, Content::Null { written: false }) => root,
        _ => {
            return Ok(Site::NoValue {
                end: outline.end,
                missing: source.path,
            });
        }
    };
    let mut node = values;
    let mut rest = source.path;
    loop {
        let Content::Map { fields, .. } = &map.content else {
            let message = format!("needs a map around it, not {}", node.describe());
            return Err(source.refuse(map.start, message));
        };
        let Some((name, missing)) = rest.split_first() else {
            return Err(source.refuse(map.start, "must be a list and is a map"));
        };
        let is_it = |key: &Piece| matches!(&key.content, Content::Text(text) if text == name);
        let written = fields.iter().find(|(key, _)| is_it(key));
        let value = node.fields().iter().find(|(key, _)| key == name);
        let (key, value, inner) = match (written, value) {
            (Some((key, value)), Some((_, inner))) => (key, value, inner),
            (None, None) => {
                return Ok(Site::Absent {
                    map,
                    fields,
                    missing: rest,
                });
            }
            _ => {
                let message = format!("{name:?} is merged into this map: write it out there");
                return Err(source.refuse(map.start, message));
            }
        };
        match &value.content {
            Content::Alias(_) => {
                let message = format!("{name:?} is an alias here: write its value out");
                return Err(source.refuse(value.start, message));
            }
            Content::List { items, .. } if missing.is_empty() && !items.is_empty() => {
                return Ok(Site::List {
                    key,
                    list: value,
                    items,
                });
            }
            content if is_empty(content, missing.is_empty()) => {
                return Ok(Site::Empty {
                    map,
                    key,
                    value,
                    missing,
                });
            }
            _ if missing.is_empty() => {
                let message = format!("must be a list and is {}", inner.describe());
                return Err(source.refuse(value.start, message));
            }
            _ => (map, node, rest) = (value, inner, missing),
        }
    }
}

/// Whether nothing is here yet, where a list or a map belongs.
fn is_empty(content: &Content, wants_list: bool) -> bool {
    match content {
        Content::Null { .. } => true,
        Content::List { items, .. } => wants_list && items.is_empty(),
        Content::Map { fields, .. } => !wants_list && fields.is_empty(),
        Content::Text(_) | Content::Alias(_) => false,
    }
}
