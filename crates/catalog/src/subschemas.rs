//! The schemas inside a schema.

use serde_json::{Map, Value};

/// Keywords whose values are data and no schemas.
const DATA_KEYWORDS: [&str; 4] = ["default", "enum", "const", "examples"];
/// Keywords whose values are schemas by names of the author's.
pub(crate) const NAMING_KEYWORDS: [&str; 6] = [
    "properties",
    "patternProperties",
    "$defs",
    "definitions",
    "dependentSchemas",
    "dependencies",
];

/// Visits a schema and all schemas inside it, those under unknown keywords too.
pub(crate) fn visit<'s>(schema: &'s Value, see: &mut impl FnMut(&'s Map<String, Value>)) {
    match schema {
        Value::Object(fields) => {
            see(fields);
            for (keyword, value) in fields {
                match (keyword.as_str(), value) {
                    (keyword, _) if DATA_KEYWORDS.contains(&keyword) => {}
                    (keyword, Value::Object(named)) if NAMING_KEYWORDS.contains(&keyword) => {
                        named.values().for_each(|schema| visit(schema, see));
                    }
                    _ => visit(value, see),
                }
            }
        }
        Value::Array(schemas) => schemas.iter().for_each(|schema| visit(schema, see)),
        _ => {}
    }
}

/// Changes a schema and all schemas inside it, but those inside one that the function stops at.
pub(crate) fn visit_mut(schema: &mut Value, see: &mut impl FnMut(&mut Map<String, Value>) -> bool) {
    match schema {
        Value::Object(fields) => {
            if !see(fields) {
                return;
            }
            for (keyword, value) in fields {
                match (keyword.as_str(), value) {
                    (keyword, _) if DATA_KEYWORDS.contains(&keyword) => {}
                    (keyword, Value::Object(named)) if NAMING_KEYWORDS.contains(&keyword) => {
                        named.values_mut().for_each(|schema| visit_mut(schema, see));
                    }
                    (_, value) => visit_mut(value, see),
                }
            }
        }
        Value::Array(schemas) => schemas.iter_mut().for_each(|schema| visit_mut(schema, see)),
        _ => {}
    }
}

/// The same schema, with the keyword that is wanted for it in each of the schemas inside it.
pub(crate) fn map(
    schema: &Value,
    wanted: &mut impl FnMut(&Map<String, Value>) -> Option<(&'static str, Value)>,
) -> Value {
    match schema {
        Value::Object(fields) => {
            let more = wanted(fields).map(|(keyword, value)| (keyword.to_owned(), value));
            let inner = fields.iter().map(|(keyword, value)| {
                let value = match (keyword.as_str(), value) {
                    (keyword, _) if DATA_KEYWORDS.contains(&keyword) => value.clone(),
                    (keyword, Value::Object(named)) if NAMING_KEYWORDS.contains(&keyword) => {
                        let named = named.iter();
                        named
                            .map(|(name, schema)| (name.clone(), map(schema, wanted)))
                            .collect()
                    }
                    _ => map(value, wanted),
                };
                (keyword.clone(), value)
            });
            inner.chain(more).collect()
        }
        Value::Array(schemas) => schemas.iter().map(|schema| map(schema, wanted)).collect(),
        other => other.clone(),
    }
}
