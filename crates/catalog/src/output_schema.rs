//! The schemas of outputs for clients of the older revisions, to which structured content is an object.

use serde_json::{Value, json};

use crate::subschemas::visit_mut;

/// The name under which a value stands that is no object.
const NAME: &str = "result";

/// Whether a schema says that all its values are objects.
pub(crate) fn is_of_object(schema: &Value) -> bool {
    schema["type"] == "object"
}

/// The schema of an object that holds a value of this schema under a name.
pub(crate) fn wrapped(schema: &Value) -> Value {
    let mut inner = schema.clone();
    // With an id of its own, it stays what its references lead into.
    let has_id = ["$id", "id"].iter().any(|id| schema[*id].is_string());
    if !has_id {
        visit_mut(&mut inner, &mut |fields| {
            if ["$id", "id"]
                .iter()
                .any(|id| fields.get(*id).is_some_and(Value::is_string))
            {
                return false;
            }
            for keyword in ["$ref", "$dynamicRef"] {
                let Some(Value::String(reference)) = fields.get_mut(keyword) else {
                    continue;
                };
                if reference == "#" || reference.starts_with("#/") {
                    reference.insert_str(1, &format!("/properties/{NAME}"));
                }
            }
            true
        });
    }
    let dialect = inner.as_object_mut();
    let dialect = dialect.and_then(|fields| fields.shift_remove("$schema"));
    let mut outer = json!({ "type": "object", "properties": { NAME: inner }, "required": [NAME] });
    if let Some(dialect) = dialect {
        outer["$schema"] = dialect;
    }
    outer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_lead_to_where_they_did() {
        let tree = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "array",
            "items": { "anyOf": [{ "$ref": "#" }, { "$ref": "#/$defs/a" }, { "$ref": "#name" }] },
            "$defs": { "a": { "$anchor": "name", "const": { "$ref": "#" } }, "$ref": { "$id": "b:c", "$ref": "#/x" } },
        });
        assert_eq!(
            wrapped(&tree),
            json!({
                "type": "object",
                "properties": { "result": {
                    "type": "array",
                    "items": { "anyOf": [{ "$ref": "#/properties/result" }, { "$ref": "#/properties/result/$defs/a" }, { "$ref": "#name" }] },
                    "$defs": { "a": { "$anchor": "name", "const": { "$ref": "#" } }, "$ref": { "$id": "b:c", "$ref": "#/x" } },
                } },
                "required": ["result"],
                "$schema": "https://json-schema.org/draft/2020-12/schema",
            })
        );
        let with_id =
            json!({ "$id": "https://example.com/a", "type": "array", "items": { "$ref": "#" } });
        assert_eq!(wrapped(&with_id)["properties"]["result"], with_id);
    }
}
