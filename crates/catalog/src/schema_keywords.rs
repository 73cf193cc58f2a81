//! Keywords of JSON Schema: one that is nearly another is ignored by every validator, and hardly meant.

use crate::node::{Data, Node, Reader};
use crate::subschemas::NAMING_KEYWORDS;

/// The keywords of drafts 7 to 2020-12, and those of `OpenAPI` that schemas bring along.
pub(crate) const KEYWORDS: [&str; 66] = [
    "$schema",
    "$id",
    "$ref",
    "$anchor",
    "$dynamicRef",
    "$dynamicAnchor",
    "$recursiveRef",
    "$recursiveAnchor",
    "$vocabulary",
    "$comment",
    "$defs",
    "definitions",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "dependentSchemas",
    "dependencies",
    "dependentRequired",
    "prefixItems",
    "items",
    "additionalItems",
    "contains",
    "properties",
    "patternProperties",
    "additionalProperties",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "type",
    "enum",
    "const",
    "multipleOf",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "maxContains",
    "minContains",
    "maxProperties",
    "minProperties",
    "required",
    "title",
    "description",
    "default",
    "deprecated",
    "readOnly",
    "writeOnly",
    "examples",
    "format",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "id",
    "example",
    "nullable",
    "discriminator",
];
/// Those whose value is a schema or a list of schemas.
const HOLDING: [&str; 16] = [
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "prefixItems",
    "items",
    "additionalItems",
    "contains",
    "additionalProperties",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "contentSchema",
];

/// Advises on keywords of a schema, and of the schemas inside it, that are nearly known ones.
pub(crate) fn check(schema: &Node, reader: &mut Reader<'_>) {
    reader.check_keys(schema, &KEYWORDS);
    check_inside(schema, reader);
}

/// The same for the schemas inside one alone.
pub(crate) fn check_inside(schema: &Node, reader: &mut Reader<'_>) {
    for (keyword, value) in schema.fields() {
        let keyword = keyword.as_str();
        if NAMING_KEYWORDS.contains(&keyword) {
            let mut inside = reader.inside(keyword);
            for (name, schema) in value.fields() {
                check(schema, &mut inside.inside(name));
            }
        } else if HOLDING.contains(&keyword) {
            match &value.data {
                Data::List(schemas) => {
                    for (index, schema) in schemas.iter().enumerate() {
                        check(schema, &mut reader.inside(&format!("{keyword}[{index}]")));
                    }
                }
                _ => check(value, &mut reader.inside(keyword)),
            }
        }
    }
}
