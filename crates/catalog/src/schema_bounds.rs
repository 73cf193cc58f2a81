//! How deep and how large a schema may be: clients get it with every list, and walk into it.

use serde_json::Value;

/// Deepest nesting of a schema.
const LEVELS_MAX: usize = 64;
/// Most bytes of a schema, written as JSON.
const BYTES_MAX: usize = 256 * 1024;

/// Refuses a schema that is too deep or too large.
pub(crate) fn check(schema: &Value) -> Result<(), String> {
    let levels = levels(schema);
    if levels > LEVELS_MAX {
        return Err(format!(
            "is nested {levels} levels deep and may be {LEVELS_MAX}: move parts of it into `$defs`"
        ));
    }
    let bytes = schema.to_string().len();
    if bytes > BYTES_MAX {
        return Err(format!(
            "has {bytes} bytes as JSON and may have {BYTES_MAX}: leave parts of it out"
        ));
    }
    Ok(())
}

/// How many lists and maps stand inside one another. Whoever reads definitions bounds them.
fn levels(value: &Value) -> usize {
    let inside = match value {
        Value::Array(items) => items.iter().map(levels).max(),
        Value::Object(fields) => fields.values().map(levels).max(),
        _ => return 0,
    };
    1 + inside.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_has_as_many_levels_as_it_may_and_no_more() {
        let nested = |levels| (1..levels).fold(json!({}), |inside, _| json!([inside]));
        assert_eq!(check(&nested(LEVELS_MAX)), Ok(()));
        let message = check(&nested(LEVELS_MAX + 1)).unwrap_err();
        assert!(message.starts_with("is nested 65 levels deep and may be 64: "));
    }

    #[test]
    fn a_schema_has_as_many_bytes_as_it_may_and_no_more() {
        let of = |bytes: usize| json!({ "a": "x".repeat(bytes - 8) });
        assert_eq!(check(&of(BYTES_MAX)), Ok(()));
        let message = check(&of(BYTES_MAX + 1)).unwrap_err();
        assert!(message.starts_with("has 262145 bytes as JSON and may have 262144: "));
    }
}
