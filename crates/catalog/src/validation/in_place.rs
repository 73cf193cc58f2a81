//! Schemas that hold for the same value as the schema around them: how many there are once every
//! reference is followed.
//!
//! Nothing of the value is consumed between them, so their number is work for each value, and no
//! call could pass where it is astronomical.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::targets::{REFERRING, Targets};
use crate::subschemas::{map, visit};

/// Most schemas that hold for one value. Large ones in use have some hundreds.
const UNFOLDED_MAX: u64 = 100_000;
/// Most of them inside one another, since each takes stack: inheritance rarely has ten.
const HEIGHT_MAX: usize = 128;
/// Up to so many schemas for one value are visited without being counted.
const UNCOUNTED_MAX: u64 = 16;
/// Steps for each schema that a visit leads to, beside what it looks at itself.
const STEPS_PER_SCHEMA: u64 = 2;
/// The keyword by which visits are counted, with the steps for the schemas that one leads to.
pub(super) const VISITS: &str = "wasimancer:visits";

/// What holds for the same value as a schema.
#[derive(Clone, Copy)]
struct Unfolded {
    /// How many schemas, this one included.
    schemas: u64,
    /// How many inside one another.
    height: usize,
}

/// A schema that leads to no other for the same value.
const LEAF: Unfolded = Unfolded {
    schemas: 1,
    height: 1,
};

/// Bounds the schemas that hold for one value, and has visits counted where they are many.
///
/// # Errors
/// When they are too many, too many inside one another, or without an end.
pub(super) fn bound(root: &Value, targets: &Targets) -> Result<Value, String> {
    let mut unfolding = Unfolding {
        root,
        targets,
        known: HashMap::new(),
        path: Vec::new(),
    };
    let mut bounded = Ok(());
    visit(root, &mut |fields| {
        if bounded.is_ok() {
            bounded = unfolding.unfold(fields, true).map(|_| ());
        }
    });
    bounded?;
    Ok(map(root, &mut |fields| {
        let own = STEPS_PER_SCHEMA * direct(fields).count() as u64;
        let known = unfolding.known.get(&std::ptr::from_ref(fields));
        if own > 0 && known.is_some_and(|known| known.schemas > UNCOUNTED_MAX) {
            Some((VISITS, Value::from(own)))
        } else {
            None
        }
    }))
}

struct Unfolding<'s> {
    root: &'s Value,
    targets: &'s Targets,
    known: HashMap<*const Map<String, Value>, Unfolded>,
    /// The schemas that are being unfolded, each with whether the way to it is beyond doubt.
    path: Vec<(*const Map<String, Value>, bool)>,
}

impl<'s> Unfolding<'s> {
    fn unfold(
        &mut self,
        fields: &'s Map<String, Value>,
        is_certain: bool,
    ) -> Result<Unfolded, String> {
        let place = std::ptr::from_ref(fields);
        if let Some(known) = self.known.get(&place) {
            return Ok(*known);
        }
        if let Some(begin) = self.path.iter().position(|(other, _)| *other == place) {
            // The library ends such a circle; where only a dynamic reference may close it, it may
            // be none.
            let is_circle = is_certain && self.path[begin + 1..].iter().all(|(_, sure)| *sure);
            return if is_circle {
                Err("refers to itself without going into the value: let the reference stand below `properties` or `items`, or leave it out".to_owned())
            } else {
                Ok(LEAF)
            };
        }
        self.path.push((place, is_certain));
        if self.path.len() > HEIGHT_MAX {
            return Err(too_high());
        }
        let mut unfolded = LEAF;
        for (inner, is_certain) in self.inner(fields) {
            let inner = match inner {
                Value::Object(fields) => self.unfold(fields, is_certain)?,
                _ => LEAF,
            };
            unfolded.schemas = unfolded.schemas.saturating_add(inner.schemas);
            unfolded.height = unfolded.height.max(inner.height + 1);
        }
        self.path.pop();
        if unfolded.height > HEIGHT_MAX {
            return Err(too_high());
        }
        if unfolded.schemas > UNFOLDED_MAX {
            return Err(format!(
                "holds one value against more than {UNFOLDED_MAX} schemas once its references are followed: refer to each schema once, not from several branches at each level"
            ));
        }
        self.known.insert(place, unfolded);
        Ok(unfolded)
    }

    /// The schemas for the same value, those that are referred to included, each with whether it is
    /// meant beyond doubt.
    fn inner(&self, fields: &'s Map<String, Value>) -> Vec<(&'s Value, bool)> {
        let mut inner: Vec<_> = direct(fields).map(|schema| (schema, true)).collect();
        for keyword in REFERRING {
            let Some(reference) = fields.get(keyword).and_then(Value::as_str) else {
                continue;
            };
            let pointers = self.targets.resolve(self.root, reference);
            let is_certain = keyword == "$ref" && pointers.len() == 1;
            let schemas = pointers.iter().filter_map(|to| self.root.pointer(to));
            inner.extend(schemas.map(|schema| (schema, is_certain)));
        }
        inner
    }
}

fn too_high() -> String {
    format!(
        "leads through more than {HEIGHT_MAX} schemas for the same value: let references lead to their end directly"
    )
}

/// The schemas inside a schema that hold for the same value.
fn direct(fields: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    let all = |keyword| fields.get(keyword).into_iter();
    let listed = ["allOf", "anyOf", "oneOf"].into_iter().flat_map(all);
    let named = ["dependentSchemas", "dependencies"]
        .into_iter()
        .flat_map(all);
    let single = ["not", "if", "then", "else"].into_iter().flat_map(all);
    listed
        .filter_map(Value::as_array)
        .flatten()
        .chain(named.filter_map(Value::as_object).flat_map(Map::values))
        .chain(single)
        .filter(|schema| schema.is_object() || schema.is_boolean())
}
