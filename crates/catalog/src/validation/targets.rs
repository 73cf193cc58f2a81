//! Where the references of a schema lead inside it.

use std::collections::HashMap;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// Keywords that refer to another schema, which then holds for the same value.
pub(super) const REFERRING: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];

/// The names that parts of a schema have, with their JSON pointers.
#[derive(Default)]
pub(super) struct Targets {
    /// The pointers of parts with an address of their own, and these addresses. The first is the root.
    resources: Vec<(String, String)>,
    anchors: HashMap<String, Vec<String>>,
}

impl Targets {
    pub(super) fn of(root: &Value) -> Self {
        let mut targets = Self {
            resources: vec![(String::new(), id(root).unwrap_or_default().to_owned())],
            ..Self::default()
        };
        targets.collect(root, &mut String::new());
        targets
    }

    fn collect(&mut self, part: &Value, pointer: &mut String) {
        let before = pointer.len();
        match part {
            Value::Object(fields) => {
                self.name(part, fields, pointer);
                for (keyword, value) in fields {
                    push_segment(pointer, keyword);
                    self.collect(value, pointer);
                    pointer.truncate(before);
                }
            }
            Value::Array(parts) => {
                for (index, value) in parts.iter().enumerate() {
                    push_segment(pointer, &index.to_string());
                    self.collect(value, pointer);
                    pointer.truncate(before);
                }
            }
            _ => {}
        }
    }

    fn name(&mut self, part: &Value, fields: &Map<String, Value>, pointer: &str) {
        if let Some(id) = id(part).filter(|_| !pointer.is_empty()) {
            self.resources.push((pointer.to_owned(), id.to_owned()));
        }
        let anchors = ["$anchor", "$dynamicAnchor"].into_iter();
        let anchors = anchors.filter_map(|keyword| fields.get(keyword)?.as_str());
        // Up to draft 7 an anchor is an address that is nothing but a fragment.
        let ids = ["$id", "id"].into_iter();
        let ids = ids.filter_map(|keyword| fields.get(keyword)?.as_str()?.split_once('#'));
        for anchor in anchors.chain(ids.map(|(_, fragment)| fragment)) {
            let parts = self.anchors.entry(anchor.to_owned()).or_default();
            parts.push(pointer.to_owned());
        }
    }

    /// The address of the root; `None` where it has none.
    pub(super) fn address(&self) -> Option<&str> {
        let (_, address) = self.resources.first()?;
        Some(&**address).filter(|address| !address.is_empty())
    }

    /// The pointers of what a reference may mean: one, but where names stand several times.
    pub(super) fn resolve(&self, root: &Value, reference: &str) -> Vec<String> {
        let (address, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let is_meant = |id: &str| {
            let id = id.split('#').next().unwrap_or_default();
            // One of the two may be relative.
            address.is_empty()
                || (!id.is_empty() && (id.ends_with(address) || address.ends_with(id)))
        };
        let resources = self.resources.iter().filter(|(_, id)| is_meant(id));
        let fragment = percent_decode_str(fragment).decode_utf8_lossy();
        if fragment.is_empty() || fragment.starts_with('/') {
            let pointers = resources.map(|(pointer, _)| format!("{pointer}{fragment}"));
            return pointers
                .filter(|pointer| root.pointer(pointer).is_some())
                .collect();
        }
        let anchors = self.anchors.get(&*fragment);
        anchors.cloned().unwrap_or_default()
    }
}

/// The address of a part; `None` where it has none of its own.
fn id(part: &Value) -> Option<&str> {
    let id = ["$id", "id"]
        .into_iter()
        .find_map(|keyword| part.get(keyword)?.as_str());
    id.filter(|id| !id.starts_with('#'))
}

/// Adds a segment to a JSON pointer (RFC 6901).
pub(super) fn push_segment(pointer: &mut String, segment: &str) {
    pointer.push('/');
    for character in segment.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}
