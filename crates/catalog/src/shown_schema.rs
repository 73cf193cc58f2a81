//! Schemas of tools as clients are shown them: what some of them refuse is said in another way. Arguments
//! and answers are held against the schema as it is written.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::subschemas::{visit, visit_mut};

/// How clients are shown the schemas of tools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Schemas {
    /// As they are written.
    #[default]
    Written,
    /// Without `additionalProperties: false`.
    Open,
}

/// The fields of a tool that hold schemas.
const SCHEMA_FIELDS: [&str; 2] = ["inputSchema", "outputSchema"];
/// Keywords whose values are the schemas of properties.
const PROPERTY_KEYWORDS: [&str; 2] = ["properties", "patternProperties"];

/// A tool for clients before 2026-07-28, whose revisions want an object as the schema of a property, and not
/// `true` or `false`: one such property costs them the whole list.
pub(crate) fn without_boolean_properties(mut tool: Cow<'_, Value>) -> Cow<'_, Value> {
    for field in SCHEMA_FIELDS {
        if tool.get(field).is_some_and(has_boolean_property)
            && let Some(schema) = tool.to_mut().get_mut(field)
        {
            visit_mut(schema, &mut |fields| {
                spell_out_booleans(fields);
                true
            });
        }
    }
    tool
}

fn has_boolean_property(schema: &Value) -> bool {
    let mut found = false;
    visit(schema, &mut |fields| {
        let properties = PROPERTY_KEYWORDS
            .iter()
            .filter_map(|name| fields.get(*name));
        let mut properties = properties
            .filter_map(Value::as_object)
            .flat_map(Map::values);
        found = found || properties.any(Value::is_boolean);
    });
    found
}

/// Says `true` and `false` with keywords.
fn spell_out_booleans(fields: &mut Map<String, Value>) {
    for keyword in PROPERTY_KEYWORDS {
        let properties = fields.get_mut(keyword).and_then(Value::as_object_mut);
        for schema in properties.into_iter().flat_map(Map::values_mut) {
            match schema {
                Value::Bool(true) => *schema = json!({}),
                Value::Bool(false) => *schema = json!({"not": {}}),
                _ => {}
            }
        }
    }
}

/// Leaves `additionalProperties: false` out of a tool's schemas, for clients that convert no tool with it.
pub(crate) fn open(tool: &mut Value) {
    for field in SCHEMA_FIELDS {
        if let Some(schema) = tool.get_mut(field) {
            visit_mut(schema, &mut |fields| {
                if fields.get("additionalProperties") == Some(&json!(false)) {
                    fields.shift_remove("additionalProperties");
                }
                true
            });
        }
    }
}

/// Adds `items: {}` to each array that says nothing of its items, which is the same and which clients want.
pub(crate) fn with_items(mut schema: Value) -> Value {
    visit_mut(&mut schema, &mut |fields| {
        if lacks_items(fields) {
            fields.insert("items".to_owned(), json!({}));
        }
        true
    });
    schema
}

/// Whether a schema is of arrays, and says nothing of their items.
fn lacks_items(schema: &Map<String, Value>) -> bool {
    is_of_arrays(schema) && !schema.contains_key("items") && !schema.contains_key("prefixItems")
}

/// Whether arrays match a schema by its type.
pub(crate) fn is_of_arrays(schema: &Map<String, Value>) -> bool {
    match schema.get("type") {
        Some(Value::String(word)) => word == "array",
        Some(Value::Array(words)) => words.iter().any(|word| word == "array"),
        _ => false,
    }
}
