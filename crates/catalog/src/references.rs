//! Where the references of a schema lead: nowhere but into the schema itself.
//!
//! The compiler of schemas refuses a `$ref` that it would have to fetch, and looks at no other
//! reference before it is used. Clients may look at all of them.

use serde_json::Value;

use crate::node::excerpt;
use crate::subschemas::visit;
use crate::validation::NOTHING_IS_FETCHED;

/// Keywords that refer to a schema.
const REFERRING: [&str; 4] = ["$ref", "$dynamicRef", "$recursiveRef", "$schema"];
/// Where the drafts of JSON Schema stand, which every reader of schemas has at hand.
const DRAFTS: [&str; 2] = ["https://json-schema.org/", "http://json-schema.org/"];

/// Refuses a reference to what is neither a part of the schema nor a draft of JSON Schema.
pub(crate) fn check_references(schema: &Value) -> Result<(), String> {
    let (mut ids, mut references) = (Vec::new(), Vec::new());
    visit(schema, &mut |fields| {
        let text = |keyword| fields.get(keyword).and_then(Value::as_str);
        ids.extend(["$id", "id"].into_iter().filter_map(text));
        references.extend(
            REFERRING
                .into_iter()
                .filter_map(|keyword| Some((keyword, text(keyword)?))),
        );
    });
    let is_known = |(_, reference): &(&str, &str)| {
        let address = reference.split('#').next().unwrap_or_default();
        // An address may be relative to another, so that one of the two is the end of the other.
        address.is_empty()
            || DRAFTS.iter().any(|draft| address.starts_with(draft))
            || ids
                .iter()
                .any(|id| id.ends_with(address) || address.ends_with(id))
    };
    match references.iter().find(|reference| !is_known(reference)) {
        Some((keyword, reference)) => Err(format!(
            "`{keyword}` is {:?}, which is no part of it: {NOTHING_IS_FETCHED}",
            excerpt(reference)
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_lead_into_the_schema() {
        for right in [
            json!({"$ref": "#"}),
            json!({"$dynamicRef": "#node", "$defs": {"a": {"$ref": "#/$defs/a"}}}),
            json!({"$id": "https://example.com/a", "$ref": "https://example.com/a#/$defs/b"}),
            json!({"$id": "https://example.com/a", "$defs": {"b": {"$id": "b.json"}}, "$ref": "b.json"}),
            json!({"$schema": "https://json-schema.org/draft/2020-12/schema"}),
            json!({"$schema": "http://json-schema.org/draft-07/schema#"}),
            // Neither is a reference.
            json!({"properties": {"$ref": {"type": "string"}}}),
            json!({"default": {"$ref": "https://example.com/a"}}),
        ] {
            assert_eq!(check_references(&right), Ok(()), "{right}");
        }
        let address = "https://example.com/a";
        for wrong in [
            json!({ "$ref": address }),
            json!({"$defs": {"a": {"$ref": "http://127.0.0.1:9/a"}}}),
            json!({"$defs": {"a": {"$dynamicRef": "file:///etc/passwd"}}}),
            json!({"properties": {"a": {"items": {"$recursiveRef": address}}}}),
            json!({"$defs": {"a": {"$schema": address}}}),
            json!({"$id": "urn:x", "$defs": {"a": {"$ref": address}}}),
            json!({"allOf": [{"$ref": "other.json"}]}),
        ] {
            let message = check_references(&wrong).unwrap_err();
            assert!(message.contains("is no part of it"), "{wrong}: {message}");
        }
    }
}
