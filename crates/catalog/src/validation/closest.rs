//! Which branch of a union a value was meant for.

use jsonschema::error::ValidationErrorKind;
use serde_json::Value;

use super::explain::below;
use super::parts::Parts;

/// Through so many references a branch is followed.
const REFERENCES_MAX: usize = 8;
/// How far off a value of another type is: it was meant for another branch.
const TYPE: usize = 32;
/// How far off another constant is, by which the members of a union are usually told apart.
const CONSTANT: usize = 16;
/// How far off any other keyword is, a missing property among them.
const KEYWORD: usize = 4;
/// How far off a member is.
const MEMBER: usize = 2;

/// The branch that a value is closest to; of those alike the first. `None` where there is none.
pub(super) fn closest<'p>(
    parts: &Parts,
    pointers: &'p [String],
    value: &Value,
) -> Option<&'p String> {
    pointers
        .iter()
        .min_by_key(|pointer| distance(parts, pointer, value, 0))
}

/// How far off a value is, by the part itself and the members right below it.
fn distance(parts: &Parts, pointer: &str, value: &Value, references: usize) -> usize {
    let Some(fields) = parts.fields(pointer) else {
        return TYPE;
    };
    let weigh = |error: jsonschema::ValidationError<'_>| match error.kind() {
        ValidationErrorKind::Type { .. } => TYPE,
        ValidationErrorKind::Constant { .. } => CONSTANT,
        _ => KEYWORD,
    };
    let own: usize = parts.wrong_assertions(pointer, value, weigh).iter().sum();
    let mut distance_all = own;
    if let Some(reference) = fields.get("$ref").and_then(Value::as_str)
        && references < REFERENCES_MAX
        && let [target] = &*parts.targets.resolve(&parts.schema, reference)
    {
        distance_all += distance(parts, target, value, references + 1);
    }
    let properties = fields.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        let Some(member) = value.get(name) else {
            continue;
        };
        let is_scalar = !member.is_object() && !member.is_array();
        if is_scalar && !parts.matches(&below(&below(pointer, "properties"), name), member) {
            let tells_apart = property.get("const").is_some() || property.get("enum").is_some();
            distance_all += if tells_apart { CONSTANT } else { MEMBER };
        }
    }
    distance_all
}
