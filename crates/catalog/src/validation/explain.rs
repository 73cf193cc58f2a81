//! What is wrong with a value, found by asking its parts whether they match the parts of the schema.
//!
//! The library makes the errors of all branches at all levels before the first is seen, so it is only
//! asked for verdicts, and for the words where a keyword has no schemas inside it.

use serde_json::{Map, Value};

use super::closest::closest;
use super::fuel::spend;
use super::parts::Parts;
use super::problem::{Place, no_match, of_value, shown, unexpected};
use super::targets::{REFERRING, push_segment};

/// Most problems that one message lists.
pub(super) const PROBLEMS_MAX: usize = 5;

/// Finds the first things that are wrong with a value that does not match.
pub(super) fn explain(parts: &Parts, value: &Value, found: &mut Vec<String>) {
    let mut explanation = Explanation {
        parts,
        found,
        told: 0,
    };
    explanation.describe("", value, Place::Root);
}

struct Explanation<'e> {
    parts: &'e Parts,
    found: &'e mut Vec<String>,
    /// How many problems were told, those included that are among the others already.
    told: usize,
}

/// A part of the schema, held against a part of the value.
#[derive(Clone, Copy)]
struct At<'a> {
    pointer: &'a str,
    fields: &'a Map<String, Value>,
    value: &'a Value,
    place: Place<'a>,
}

impl At<'_> {
    /// The pointer of what stands under a keyword.
    fn under(&self, keyword: &str) -> String {
        below(self.pointer, keyword)
    }
}

/// The pointer of what stands below another.
pub(super) fn below(pointer: &str, segment: &str) -> String {
    let mut below = pointer.to_owned();
    push_segment(&mut below, segment);
    below
}

/// The pointer of an element of a list.
fn element(pointer: &str, index: usize) -> String {
    format!("{pointer}/{index}")
}

impl Explanation<'_> {
    fn is_full(&self) -> bool {
        self.found.len() >= PROBLEMS_MAX
    }

    fn add(&mut self, place: Place<'_>, message: &str) {
        self.told += 1;
        let problem = place.problem(message);
        if !self.is_full() && !self.found.contains(&problem) {
            self.found.push(problem);
        }
    }

    /// Describes what is wrong where a value does not match a part.
    fn go(&mut self, pointer: &str, value: &Value, place: Place<'_>) {
        if !self.is_full() && !self.parts.matches(pointer, value) {
            self.describe(pointer, value, place);
        }
    }

    /// Describes what is wrong of many values that do not match a part.
    fn go_through<'v>(
        &mut self,
        pointer: &str,
        values: impl Iterator<Item = (Place<'v>, &'v Value)>,
    ) {
        let part = self.parts.part(pointer);
        for (place, value) in values {
            if self.is_full() {
                return;
            }
            if !part.matches(value) {
                self.describe(pointer, value, place);
            }
        }
    }

    /// Describes why a value does not match a part, which it does not.
    fn describe(&mut self, pointer: &str, value: &Value, place: Place<'_>) {
        spend(1);
        let before = self.told;
        let parts = self.parts;
        let Some(fields) = parts.fields(pointer) else {
            let message = format!("False schema does not allow {}", shown(value));
            return self.add(place, &message);
        };
        let at = At {
            pointer,
            fields,
            value,
            place,
        };
        if !self.ends_with_reference(&at) {
            self.assertions(&at);
            match value {
                Value::Object(members) => self.object(&at, members),
                Value::Array(elements) => self.array(&at, elements),
                _ => {}
            }
            self.combinations(&at);
        }
        self.references(&at);
        if self.told == before && !self.is_full() {
            self.unevaluated(&at);
        }
        if self.told == before {
            self.add(place, &no_match(value));
        }
    }

    /// Whether a reference hides everything beside it, as up to draft 7.
    fn ends_with_reference(&self, at: &At<'_>) -> bool {
        self.parts.ignores_beside_references() && at.fields.contains_key("$ref")
    }

    fn assertions(&mut self, at: &At<'_>) {
        let messages = self
            .parts
            .wrong_assertions(at.pointer, at.value, |error| of_value(&error, at.value));
        for message in messages {
            self.add(at.place, &message);
        }
    }

    fn references(&mut self, at: &At<'_>) {
        for keyword in REFERRING {
            let Some(reference) = at.fields.get(keyword).and_then(Value::as_str) else {
                continue;
            };
            let targets = self.parts.targets.resolve(&self.parts.schema, reference);
            let is_other = |target: &&String| *target != at.pointer;
            let target = targets
                .iter()
                .filter(is_other)
                .find(|target| !self.parts.matches(target, at.value));
            if let Some(target) = target {
                self.describe(target, at.value, at.place);
            }
        }
    }

    fn combinations(&mut self, at: &At<'_>) {
        for keyword in ["allOf", "anyOf", "oneOf"] {
            let Some(branches) = at.fields.get(keyword).and_then(Value::as_array) else {
                continue;
            };
            let keyword_at = at.under(keyword);
            let pointers: Vec<_> = (0..branches.len())
                .map(|index| element(&keyword_at, index))
                .collect();
            if keyword == "allOf" {
                for pointer in pointers {
                    self.go(&pointer, at.value, at.place);
                }
                continue;
            }
            let matching = pointers
                .iter()
                .filter(|pointer| self.parts.matches(pointer, at.value))
                .count();
            if keyword == "oneOf" && matching > 1 {
                let message = format!(
                    "{} matches {matching} of {} schemas and may match one",
                    shown(at.value),
                    branches.len()
                );
                self.add(at.place, &message);
            }
            if matching == 0
                && let Some(pointer) = closest(self.parts, &pointers, at.value)
            {
                self.describe(pointer, at.value, at.place);
            }
        }
        self.conditions(at);
    }

    fn conditions(&mut self, at: &At<'_>) {
        if at.fields.contains_key("not") && self.parts.matches(&at.under("not"), at.value) {
            let message = format!("{} is not allowed here", shown(at.value));
            self.add(at.place, &message);
        }
        if at.fields.contains_key("if") {
            let branch = if self.parts.matches(&at.under("if"), at.value) {
                "then"
            } else {
                "else"
            };
            if at.fields.contains_key(branch) {
                self.go(&at.under(branch), at.value, at.place);
            }
        }
    }

    fn object(&mut self, at: &At<'_>, members: &Map<String, Value>) {
        for keyword in ["dependentSchemas", "dependencies"] {
            let dependent = at.fields.get(keyword).and_then(Value::as_object);
            for (name, wanted) in dependent.into_iter().flatten() {
                if !members.contains_key(name) {
                    continue;
                }
                match wanted {
                    Value::Array(names) => {
                        let missing = names.iter().filter_map(Value::as_str);
                        for missing in missing.filter(|name| !members.contains_key(*name)) {
                            let message = format!("{missing:?} is a required property");
                            self.add(at.place, &message);
                        }
                    }
                    _ => self.go(&below(&at.under(keyword), name), at.value, at.place),
                }
            }
        }
        if at.fields.contains_key("propertyNames") {
            let pointer = at.under("propertyNames");
            for name in members.keys() {
                self.go(&pointer, &Value::from(name.as_str()), at.place);
            }
        }
        let properties = at.fields.get("properties").and_then(Value::as_object);
        let properties_at = at.under("properties");
        for (name, _) in properties.into_iter().flatten() {
            if let Some(member) = members.get(name) {
                let place = Place::Member(&at.place, name);
                self.go(&below(&properties_at, name), member, place);
            }
        }
        self.patterned(at, members);
        self.additional(at, members);
    }

    fn patterned(&mut self, at: &At<'_>, members: &Map<String, Value>) {
        let patterns = at
            .fields
            .get("patternProperties")
            .and_then(Value::as_object);
        for (pattern, _) in patterns.into_iter().flatten() {
            let pointer = below(&at.under("patternProperties"), pattern);
            for (name, member) in members {
                if self.parts.pattern_matches(pattern, name) {
                    self.go(&pointer, member, Place::Member(&at.place, name));
                }
            }
        }
    }

    fn additional(&mut self, at: &At<'_>, members: &Map<String, Value>) {
        let parts = self.parts;
        let others = members
            .iter()
            .filter(|(name, _)| !is_named(parts, at.fields, name));
        match at.fields.get("additionalProperties") {
            None => {}
            Some(Value::Bool(false)) => {
                let names = others.map(|(name, _)| name.as_str());
                let names: Vec<_> = names.take(PROBLEMS_MAX + 1).collect();
                if !names.is_empty() {
                    let message = format!(
                        "Additional properties are not allowed ({})",
                        unexpected(&names)
                    );
                    self.add(at.place, &message);
                }
            }
            Some(_) => {
                let placed = others.map(|(name, member)| (Place::Member(&at.place, name), member));
                self.go_through(&at.under("additionalProperties"), placed);
            }
        }
    }

    fn array(&mut self, at: &At<'_>, elements: &[Value]) {
        // A list under `items` is what `prefixItems` is since 2020-12.
        let prefix = ["prefixItems", "items"]
            .into_iter()
            .find_map(|keyword| Some((keyword, at.fields.get(keyword)?.as_array()?.len())));
        if let Some((keyword, count)) = prefix {
            let pointer = at.under(keyword);
            for (index, value) in elements.iter().enumerate().take(count) {
                let place = Place::Element(&at.place, index);
                self.go(&element(&pointer, index), value, place);
            }
        }
        let (begin, rest) = match prefix {
            Some(("items", count)) => (count, "additionalItems"),
            Some((_, count)) => (count, "items"),
            None => (0, "items"),
        };
        if at.fields.contains_key(rest) {
            let elements = elements.iter().enumerate().skip(begin);
            let placed =
                elements.map(|(index, element)| (Place::Element(&at.place, index), element));
            self.go_through(&at.under(rest), placed);
        }
        self.contains(at, elements);
    }

    fn contains(&mut self, at: &At<'_>, elements: &[Value]) {
        if self.is_full() || !at.fields.contains_key("contains") {
            return;
        }
        let bound = |keyword| at.fields.get(keyword).and_then(Value::as_f64);
        let (least, most) = (bound("minContains").unwrap_or(1.0), bound("maxContains"));
        let part = self.parts.part(&at.under("contains"));
        let matching = elements
            .iter()
            .filter(|element| part.matches(element))
            .count();
        // Counts far below 2^52.
        #[allow(clippy::cast_precision_loss)]
        let count = matching as f64;
        if count < least || most.is_some_and(|most| count > most) {
            let message = format!(
                "{} has {matching} elements that match `contains`, which is too {}",
                shown(at.value),
                if count < least { "few" } else { "many" }
            );
            self.add(at.place, &message);
        }
    }

    /// Says which members or elements no part speaks of, where nothing else is wrong.
    fn unevaluated(&mut self, at: &At<'_>) {
        if let (Some(schema), Value::Object(members)) =
            (at.fields.get("unevaluatedProperties"), at.value)
        {
            let pointer = at.under("unevaluatedProperties");
            let mut speaking = Vec::new();
            speaking_parts(self.parts, at.pointer, at.value, &mut speaking);
            let mut names = Vec::new();
            for (name, member) in members {
                let is_known = speaking
                    .iter()
                    .any(|fields| is_named(self.parts, fields, name));
                if is_known || self.parts.matches(&pointer, member) {
                    continue;
                }
                if schema.is_object() {
                    self.describe(&pointer, member, Place::Member(&at.place, name));
                }
                names.push(name.as_str());
                if names.len() > PROBLEMS_MAX {
                    break;
                }
            }
            let which = if names.is_empty() {
                shown(at.value)
            } else {
                unexpected(&names)
            };
            let message = format!("Unevaluated properties are not allowed ({which})");
            self.add(at.place, &message);
        }
        if at.fields.contains_key("unevaluatedItems") && at.value.is_array() {
            let message = format!("Unevaluated items are not allowed ({})", shown(at.value));
            self.add(at.place, &message);
        }
    }
}

/// Whether a part says something of a property, by its name or a pattern.
pub(super) fn is_named(parts: &Parts, fields: &Map<String, Value>, name: &str) -> bool {
    spend(1);
    let has = |keyword: &str| fields.get(keyword).and_then(Value::as_object);
    has("properties").is_some_and(|properties| properties.contains_key(name))
        || has("patternProperties").is_some_and(|patterns| {
            let mut patterns = patterns.keys();
            patterns.any(|pattern| parts.pattern_matches(pattern, name))
        })
}

/// The parts that hold for a value together with another, and that it matches.
fn speaking_parts<'s>(
    parts: &'s Parts,
    pointer: &str,
    value: &Value,
    speaking: &mut Vec<&'s Map<String, Value>>,
) {
    spend(1);
    let Some(fields) = parts.fields(pointer) else {
        return;
    };
    if speaking.iter().any(|known| std::ptr::eq(*known, fields)) {
        return;
    }
    speaking.push(fields);
    for pointer in parts_beside(parts, pointer, fields, value) {
        if parts.matches(&pointer, value) {
            speaking_parts(parts, &pointer, value, speaking);
        }
    }
}

/// Where a part leads to others that hold for the same value.
pub(super) fn parts_beside(
    parts: &Parts,
    pointer: &str,
    fields: &Map<String, Value>,
    value: &Value,
) -> Vec<String> {
    let mut inner = Vec::new();
    for keyword in ["allOf", "anyOf", "oneOf"] {
        let branches = fields.get(keyword).and_then(Value::as_array);
        let count = branches.map_or(0, Vec::len);
        inner.extend((0..count).map(|index| element(&below(pointer, keyword), index)));
    }
    for keyword in ["if", "then", "else"] {
        if fields.contains_key(keyword) {
            inner.push(below(pointer, keyword));
        }
    }
    let dependent = fields.get("dependentSchemas").and_then(Value::as_object);
    for (name, _) in dependent.into_iter().flatten() {
        if value.get(name).is_some() {
            inner.push(below(&below(pointer, "dependentSchemas"), name));
        }
    }
    for keyword in REFERRING {
        let reference = fields.get(keyword).and_then(Value::as_str);
        let resolve = |reference| parts.targets.resolve(&parts.schema, reference);
        inner.extend(reference.into_iter().flat_map(resolve));
    }
    inner
}
