//! Members of an object that count as left out, although they are there: what clients send for an optional
//! argument that nobody has filled in, and what its schema does not know.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::explain::{below, is_named, parts_beside};
use super::fuel::spend;
use super::parts::Parts;
use super::targets::REFERRING;

/// How deep a schema is followed to find out whether it is one of texts.
const DEPTH_MAX: usize = 16;

/// Known parts that are looked through in one step, some 10 ns.
const KNOWN_PER_STEP: u64 = 16;

/// What of an object counts as left out.
#[derive(Default)]
pub(crate) struct LeftOut {
    /// The places of these members among all, in their order.
    pub(crate) places: Vec<usize>,
    /// Whether there are further members that the schema does not know.
    pub(crate) has_unknown: bool,
}

/// Looks through an object that does not match. `drops` says of members that the schema does not know
/// whether they count as left out.
pub(super) fn left_out(parts: &Parts, value: &Value, drops: &dyn Fn(&str) -> bool) -> LeftOut {
    let mut found = LeftOut::default();
    let (Some(fields), Some(members)) = (parts.fields(""), value.as_object()) else {
        return found;
    };
    let naming = naming_parts(parts, fields, value);
    let is_unknown = |name: &str| {
        let mut naming = naming.iter();
        naming.any(|naming| !naming.iter().any(|fields| is_named(parts, fields, name)))
    };
    let required = fields.get("required").and_then(Value::as_array);
    let required: HashSet<&str> = required
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (place, (name, member)) in members.iter().enumerate() {
        spend(1);
        if is_known(fields, name) {
            if !required.contains(name.as_str()) && is_unfilled(parts, name, member) {
                found.places.push(place);
            }
        } else if is_unknown(name) {
            if drops(name) {
                found.places.push(place);
            } else {
                found.has_unknown = true;
            }
        }
    }
    found
}

fn is_known(fields: &Map<String, Value>, name: &str) -> bool {
    let properties = fields.get("properties").and_then(Value::as_object);
    properties.is_some_and(|properties| properties.contains_key(name))
}

/// The parts of a schema that name the members which are allowed; none where others are, too.
fn naming_parts<'p>(
    parts: &'p Parts,
    fields: &'p Map<String, Value>,
    value: &Value,
) -> Option<Vec<&'p Map<String, Value>>> {
    let refuses = |keyword: &str| fields.get(keyword) == Some(&Value::Bool(false));
    if refuses("additionalProperties") {
        return Some(vec![fields]);
    }
    if !refuses("unevaluatedProperties") || fields.contains_key("additionalProperties") {
        return None;
    }
    let mut found = Vec::new();
    // Also those that the value does not match: what they name is wrong, and not unknown.
    parts_of_value(parts, "", value, &mut found);
    Some(found)
}

/// All parts that may hold for a value.
fn parts_of_value<'p>(
    parts: &'p Parts,
    pointer: &str,
    value: &Value,
    found: &mut Vec<&'p Map<String, Value>>,
) {
    spend(1 + found.len() as u64 / KNOWN_PER_STEP);
    let Some(fields) = parts.fields(pointer) else {
        return;
    };
    if found.iter().any(|known| std::ptr::eq(*known, fields)) {
        return;
    }
    found.push(fields);
    for pointer in parts_beside(parts, pointer, fields, value) {
        parts_of_value(parts, &pointer, value, found);
    }
}

/// Whether a property is null, or the empty text where its schema is none of texts, and its schema does
/// not take that.
fn is_unfilled(parts: &Parts, name: &str, member: &Value) -> bool {
    let pointer = below("/properties", name);
    let is_empty = match member {
        Value::Null => true,
        Value::String(text) => text.is_empty() && is_of_scalars(parts, &pointer, 0),
        _ => false,
    };
    is_empty && !parts.matches(&pointer, member)
}

/// Whether a schema is one of numbers, booleans or choices.
fn is_of_scalars(parts: &Parts, pointer: &str, depth: usize) -> bool {
    spend(1);
    let Some(fields) = parts.fields(pointer).filter(|_| depth < DEPTH_MAX) else {
        return false;
    };
    let is_scalar = |word: &Value| matches!(word.as_str(), Some("number" | "integer" | "boolean"));
    let is_null = |word: &Value| word == "null";
    let has_scalar_type = match fields.get("type") {
        Some(Value::Array(words)) => {
            words.iter().all(|word| is_scalar(word) || is_null(word)) && words.iter().any(is_scalar)
        }
        Some(word) => is_scalar(word),
        None => false,
    };
    if has_scalar_type || fields.contains_key("enum") || fields.contains_key("const") {
        return true;
    }
    let branches = |keyword: &str| {
        let count = fields
            .get(keyword)
            .and_then(Value::as_array)
            .map_or(0, Vec::len);
        let pointer = below(pointer, keyword);
        (0..count).map(move |index| below(&pointer, &index.to_string()))
    };
    let is_of_null = |pointer: &String| {
        let fields = parts.fields(pointer);
        fields.is_some_and(|fields| fields.get("type").is_some_and(is_null))
    };
    let any_of = ["anyOf", "oneOf"].into_iter().any(|keyword| {
        let mut branches = branches(keyword)
            .filter(|pointer| !is_of_null(pointer))
            .peekable();
        branches.peek().is_some()
            && branches.all(|pointer| is_of_scalars(parts, &pointer, depth + 1))
    });
    let referred = REFERRING.into_iter().filter_map(|keyword| {
        let reference = fields.get(keyword)?.as_str()?;
        Some(parts.targets.resolve(&parts.schema, reference))
    });
    any_of
        || branches("allOf").any(|pointer| is_of_scalars(parts, &pointer, depth + 1))
        || referred
            .flatten()
            .any(|pointer| is_of_scalars(parts, &pointer, depth + 1))
}
