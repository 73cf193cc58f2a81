//! What is right with a tool, and what some clients or models can do nothing with: `check` tells it with the remedy.

use std::collections::{BTreeSet, HashMap, HashSet};

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use crate::node::excerpt;
use crate::shown_schema::is_of_arrays;
use crate::subschemas::{NAMING_KEYWORDS, visit};

/// Keywords that make a schema a choice of several, or a part of them.
const UNION_KEYWORDS: [&str; 6] = ["anyOf", "oneOf", "allOf", "not", "if", "enum"];
/// Most references that are followed: a schema that a person reads has some dozens.
const REFERENCES_MAX: usize = 256;
/// Most arrays of a schema that are named.
const ARRAYS_NAMED_MAX: usize = 5;

/// What is told of a tool that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lint<'s> {
    /// The plugin's name.
    pub plugin: &'s str,
    /// The tool's name.
    pub tool: &'s str,
    /// What, and the remedy, as a sentence.
    pub text: String,
}

/// What is told of a tool, as the list of tools shows it.
pub(crate) fn of_tool(entry: &Value) -> Vec<String> {
    let mut lints = Vec::new();
    let description = entry["description"].as_str().unwrap_or_default();
    if description.trim().is_empty() {
        let lint = "it has no description, by which models choose tools: say what it does and when";
        lints.push(lint.to_owned());
    }
    if let Some(schema) = entry["inputSchema"].as_object() {
        let mut unions = UNION_KEYWORDS.iter();
        if let Some(keyword) = unions.find(|keyword| schema.contains_key(**keyword)) {
            lints.push(format!(
                "inputSchema has `{keyword}` at its top, which APIs of models refuse: put it into a property, or write what it says into the description"
            ));
        }
        if !schema.contains_key("properties") {
            let lint = "inputSchema has no `properties`, without which some clients refuse it: write `properties: {}`, or `arguments` instead";
            lints.push(lint.to_owned());
        }
    }
    for field in ["inputSchema", "outputSchema"] {
        let schema = &entry[field];
        let arrays = arrays_of_anything(schema);
        if !arrays.is_empty() {
            let arrays: Vec<String> = arrays.iter().map(|name| format!("`{name}`")).collect();
            lints.push(format!(
                "{field}: {} is shown with `items: {{}}`, since it says nothing of its items and some clients refuse an array without: say what they are in `items`",
                arrays.join(", ")
            ));
        }
        if is_recursive(schema) {
            lints.push(format!(
                "{field} refers to itself, which APIs of models refuse: write out as many levels as are wanted"
            ));
        }
    }
    lints
}

/// Whether a tool's arguments are shown as no others than the named ones.
pub(crate) fn is_closed(entry: &Value) -> bool {
    let mut closed = false;
    visit(&entry["inputSchema"], &mut |fields| {
        closed = closed || fields.get("additionalProperties") == Some(&json!(false));
    });
    closed
}

/// The names under which arrays stand that say nothing of their items.
fn arrays_of_anything(schema: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut see = |name: &str, schema: &Value| {
        let is_array = schema.as_object().is_some_and(is_of_arrays);
        if is_array && schema["items"] == json!({}) && found.len() < ARRAYS_NAMED_MAX {
            found.insert(excerpt(name));
        }
    };
    visit(schema, &mut |fields| {
        for (keyword, value) in fields {
            match value {
                Value::Array(schemas) => schemas.iter().for_each(|schema| see(keyword, schema)),
                Value::Object(named) if NAMING_KEYWORDS.contains(&keyword.as_str()) => {
                    named.iter().for_each(|(name, schema)| see(name, schema));
                }
                value => see(keyword, value),
            }
        }
    });
    found
}

/// Whether a schema has a part that refers to itself, at once or over others.
fn is_recursive(schema: &Value) -> bool {
    // What a reference refers to, and the references in it.
    let mut known: HashMap<&str, Vec<&str>> = HashMap::new();
    let mut open = references(schema);
    while let Some(reference) = open.pop() {
        if known.len() < REFERENCES_MAX && !known.contains_key(reference) {
            let inside = target(schema, reference).map(references);
            let inside = inside.unwrap_or_default();
            open.extend(&inside);
            known.insert(reference, inside);
        }
    }
    // Whatever leads nowhere is left out until nothing is left, or a circle.
    loop {
        let before: HashSet<&str> = known.keys().copied().collect();
        known.retain(|_, inside| inside.iter().any(|reference| before.contains(reference)));
        if known.len() == before.len() {
            return !known.is_empty();
        }
    }
}

/// The references of a schema.
fn references(schema: &Value) -> Vec<&str> {
    let mut found = Vec::new();
    visit(schema, &mut |fields: &Map<String, Value>| {
        let keywords = ["$ref", "$dynamicRef", "$recursiveRef"].into_iter();
        let references = keywords.filter_map(|keyword| fields.get(keyword)?.as_str());
        found.extend(references.take(REFERENCES_MAX.saturating_sub(found.len())));
    });
    found
}

/// The part of a schema that a reference by its place leads to.
fn target<'s>(schema: &'s Value, reference: &str) -> Option<&'s Value> {
    let place = percent_decode_str(reference.strip_prefix('#')?).decode_utf8_lossy();
    schema.pointer(&place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(input_schema: &Value) -> Vec<String> {
        of_tool(&json!({"description": "x", "inputSchema": input_schema}))
    }

    #[test]
    fn each_lint_is_told() {
        let told = of_tool(&json!({"description": " ", "inputSchema": {"type": "object"}}));
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0].contains("no description") && told[1].contains("no `properties`"),
            "{told:?}"
        );
        for (schema, words) in [
            (json!({"properties": {}, "oneOf": []}), "`oneOf` at its top"),
            (
                json!({"properties": {"l": {"type": "array", "items": {}}}}),
                "`l` is shown with `items: {}`",
            ),
            (
                json!({"properties": {"l": {"items": {"type": ["array"], "items": {}}}}}),
                "`items` is shown",
            ),
            (
                json!({"properties": {"a": {"$ref": "#"}}}),
                "refers to itself",
            ),
            (
                json!({"properties": {"a": {"$ref": "#/$defs/b%20c"}}, "$defs": {"b c": {"items": {"$ref": "#/$defs/d"}}, "d": {"not": {"$ref": "#/$defs/b%20c"}}}}),
                "refers to itself",
            ),
        ] {
            let told = of(&schema);
            assert!(
                matches!(&told[..], [one] if one.contains(words)),
                "{schema}: {told:?}"
            );
        }
        let told = of_tool(&json!({"description": "x", "outputSchema": {"$ref": "#"}}));
        assert!(
            matches!(&told[..], [one] if one.starts_with("outputSchema refers")),
            "{told:?}"
        );
    }

    #[test]
    fn what_is_usual_has_no_lint() {
        for schema in [
            json!({"properties": {"a": {"anyOf": [{"$ref": "#/$defs/b"}, {"$ref": "#/$defs/b"}]}}, "$defs": {"b": {"$ref": "#/$defs/c"}, "c": {"type": "array", "items": {"type": "string"}}}}),
            json!({"properties": {"oneOf": {"enum": [1]}, "$ref": {"const": "#"}}}),
        ] {
            assert_eq!(of(&schema), [""; 0], "{schema}");
        }
    }

    #[test]
    fn closed_arguments_are_found_at_every_depth() {
        let of = |schema: Value| is_closed(&json!({ "inputSchema": schema }));
        assert!(of(json!({"additionalProperties": false})));
        assert!(of(
            json!({"properties": {"a": {"items": {"additionalProperties": false}}}})
        ));
        assert!(!of(
            json!({"additionalProperties": {}, "default": {"additionalProperties": false}})
        ));
    }
}
