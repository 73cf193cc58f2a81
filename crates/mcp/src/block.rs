//! Content blocks: what each type must have, and what older revisions know of them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// A field that is wrong, and what it must be.
type Wrong = (&'static str, &'static str);

/// Holds a block against its type (server/tools, "Tool Result").
pub(crate) fn check(block: &Value) -> Result<(), Wrong> {
    match block["type"].as_str() {
        Some("text") => text(block, "text")?,
        Some("image" | "audio") => {
            text(block, "mimeType")?;
            base64(&block["data"], "data")?;
        }
        Some("resource_link") => {
            text(block, "uri")?;
            text(block, "name")?;
        }
        Some("resource") => resource(&block["resource"])?,
        _ => return Err(("type", "text, image, audio, resource_link or resource")),
    }
    object(block, "_meta")?;
    annotations(block)
}

/// Holds one of the contents of a resource against its type (server/resources, "Resource Contents").
pub(crate) fn check_contents(contents: &Value) -> Result<(), Wrong> {
    text(contents, "uri")?;
    if !contents["mimeType"].is_null() {
        text(contents, "mimeType")?;
    }
    object(contents, "_meta")?;
    match (&contents["text"], &contents["blob"]) {
        (Value::String(_), Value::Null) => Ok(()),
        (Value::Null, blob) if !blob.is_null() => base64(blob, "blob"),
        _ => Err(("text", "a string, or blob base64 in its place")),
    }
}

fn resource(resource: &Value) -> Result<(), Wrong> {
    if !resource["uri"].is_string() {
        return Err(("resource.uri", "a string"));
    }
    match (&resource["text"], &resource["blob"]) {
        (Value::String(_), Value::Null) => Ok(()),
        (Value::Null, blob) if !blob.is_null() => base64(blob, "resource.blob"),
        _ => Err((
            "resource.text",
            "a string, or resource.blob base64 in its place",
        )),
    }
}

fn text(block: &Value, field: &'static str) -> Result<(), Wrong> {
    if block[field].is_string() {
        Ok(())
    } else {
        Err((field, "a string"))
    }
}

fn base64(value: &Value, field: &'static str) -> Result<(), Wrong> {
    let decoded = value.as_str().map(|text| STANDARD.decode(text));
    if decoded.is_some_and(|decoded| decoded.is_ok()) {
        Ok(())
    } else {
        Err((field, "base64 with padding"))
    }
}

fn object(block: &Value, field: &'static str) -> Result<(), Wrong> {
    match &block[field] {
        Value::Null | Value::Object(_) => Ok(()),
        _ => Err((field, "an object")),
    }
}

/// Annotations say for whom a block is and how much it matters (server/resources, "Annotations").
fn annotations(block: &Value) -> Result<(), Wrong> {
    object(block, "annotations")?;
    let annotations = &block["annotations"];
    let in_range = |priority: f64| (0.0..=1.0).contains(&priority);
    if !annotations["priority"].is_null() && !annotations["priority"].as_f64().is_some_and(in_range)
    {
        return Err(("annotations.priority", "a number from 0 to 1"));
    }
    let is_role = |role: &Value| role == "user" || role == "assistant";
    let audience = &annotations["audience"];
    if !audience.is_null()
        && !audience
            .as_array()
            .is_some_and(|roles| roles.iter().all(is_role))
    {
        return Err(("annotations.audience", "a list of user and assistant"));
    }
    Ok(())
}

/// A resource link as a text, for 2025-03-26, which has no such block; any other as it is.
pub(crate) fn without_link(block: Value) -> Value {
    if block["type"] != "resource_link" {
        return block;
    }
    let of = |field: &str| block[field].as_str().unwrap_or_default();
    json!({ "type": "text", "text": format!("{}: {}", of("name"), of("uri")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_the_fields_of_their_type() {
        for right in [
            json!({"type": "text", "text": "", "annotations": {"priority": 1, "audience": ["user"]}}),
            json!({"type": "image", "data": "aGk=", "mimeType": "image/png", "_meta": {}}),
            json!({"type": "audio", "data": "", "mimeType": "audio/wav", "unknown": 1}),
            json!({"type": "resource_link", "uri": "a://b", "name": "b"}),
            json!({"type": "resource", "resource": {"uri": "a://b", "text": "t"}}),
            json!({"type": "resource", "resource": {"uri": "a://b", "blob": "aGk="}}),
        ] {
            assert_eq!(check(&right), Ok(()), "{right}");
        }
        for (wrong, field) in [
            (json!({"type": "video"}), "type"),
            (json!({"type": "text"}), "text"),
            (
                json!({"type": "image", "data": "!!!", "mimeType": "image/png"}),
                "data",
            ),
            (json!({"type": "image", "data": "aGk="}), "mimeType"),
            (json!({"type": "resource_link", "uri": "a://b"}), "name"),
            (
                json!({"type": "resource", "resource": {"text": "t"}}),
                "resource.uri",
            ),
            (
                json!({"type": "resource", "resource": {"uri": "a://b"}}),
                "resource.text",
            ),
            (
                json!({"type": "resource", "resource": {"uri": "a://b", "blob": "%%"}}),
                "resource.blob",
            ),
            (json!({"type": "text", "text": "", "_meta": 5}), "_meta"),
            (
                json!({"type": "text", "text": "", "annotations": {"priority": 5}}),
                "annotations.priority",
            ),
            (
                json!({"type": "text", "text": "", "annotations": {"audience": ["robot"]}}),
                "annotations.audience",
            ),
        ] {
            assert_eq!(
                check(&wrong).map_err(|(field, _)| field),
                Err(field),
                "{wrong}"
            );
        }
    }
}
