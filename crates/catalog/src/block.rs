//! The content blocks of prompts, checked for the fields of their type (server/prompts, "`PromptMessage`").
//!
//! A text with a placeholder in it is whatever a caller writes, and is checked by nobody.

use serde_json::Value;

use crate::node::{Data, Node, Reader};
use crate::shown::{
    check_annotations, check_base64, check_icons, check_last_modified, check_resource_fields,
    leave_out_absent,
};

/// Leaves out the fields of a block that have no value, and those of the maps in it that the protocol knows.
pub(crate) fn leave_out_absent_fields(block: &mut Value) {
    leave_out_absent(block);
    for field in ["annotations", "icons", "resource"] {
        block.get_mut(field).map(leave_out_absent);
    }
}

/// Checks a map with a `type`.
pub(crate) fn check_block(block: &Node, reader: &mut Reader<'_>) {
    let remedy = "name the kind of content, such as text, image or resource";
    let Some(kind) = reader.required_text(block, "type", remedy) else {
        return;
    };
    match kind.as_str() {
        "text" => written(block, "text", "write what is said", reader),
        "image" | "audio" => {
            bytes(block, "data", reader);
            reader.required_text(block, "mimeType", "name the type of the data");
        }
        "resource_link" => {
            reader.required_text(block, "uri", "give the URI that the link leads to");
            reader.required_text(block, "name", "give the link a name");
            for field in ["title", "description"] {
                reader.optional_text(block, field);
            }
            check_icons(block, reader);
            check_resource_fields(block, reader);
        }
        "resource" => match reader.optional_map(block, "resource") {
            Some(resource) => embedded(resource, &mut reader.inside("resource")),
            None if block.get("resource").is_none() => {
                reader.wrong(
                    block,
                    "resource",
                    "is missing: give it a `uri`, and a `text` or a `blob`",
                );
            }
            None => {}
        },
        _ => {
            let message = format!(
                "{kind:?} is no kind of content: write text, image, audio, resource_link or resource"
            );
            reader.wrong(block, "type", message);
        }
    }
    for field in ["annotations", "_meta"] {
        reader.optional_map(block, field);
    }
    check_annotations(block, reader);
    let annotations = block.get("annotations");
    if !annotations.is_some_and(|annotations| is_filled(annotations, "lastModified")) {
        check_last_modified(block, reader);
    }
}

/// Checks a resource inside a block.
fn embedded(resource: &Node, reader: &mut Reader<'_>) {
    reader.required_text(resource, "uri", "give the URI of the resource");
    reader.optional_text(resource, "mimeType");
    reader.optional_map(resource, "_meta");
    match (resource.get("text"), resource.get("blob")) {
        (Some(_), None) => written(resource, "text", "write it", reader),
        (None, Some(_)) => bytes(resource, "blob", reader),
        (Some(_), Some(_)) => {
            reader.wrong(
                resource,
                "blob",
                "stands beside `text`: give one of the two",
            );
        }
        (None, None) => reader.wrong(
            resource,
            "text",
            "is missing: give the resource a `text` or a base64 `blob`",
        ),
    }
}

/// Checks a text that may be empty, and must be there.
fn written(map: &Node, field: &str, remedy: &str, reader: &mut Reader<'_>) {
    if map.get(field).is_none() {
        reader.wrong(map, field, format!("is missing: {remedy}"));
    }
    reader.optional_text(map, field);
}

/// Checks bytes, which must be there.
fn bytes(map: &Node, field: &str, reader: &mut Reader<'_>) {
    if map.get(field).is_none() {
        reader.wrong(map, field, "is missing: write the bytes in base64");
    }
    if !is_filled(map, field) {
        check_base64(map, field, reader);
    }
}

/// Whether a field holds a placeholder.
fn is_filled(map: &Node, field: &str) -> bool {
    map.get(field)
        .is_some_and(|node| matches!(&node.data, Data::Text(text) if text.contains("${")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Findings;
    use crate::yaml;

    fn problems(block: &str) -> Vec<String> {
        let node = yaml::parse("f.yml", block).expect(block);
        let mut findings = Findings::default();
        check_block(
            &node,
            &mut Reader::new("f.yml", String::new(), &mut findings),
        );
        let problems = findings.problems.iter();
        problems
            .map(|problem| format!("{}: {}", problem.field, problem.message))
            .collect()
    }

    #[test]
    fn blocks_with_the_fields_of_their_type_are_right() {
        for block in [
            "{type: text, text: ''}",
            "{type: text, text: '${a}', unknown: 5, _meta: {a: 1}}",
            "{type: image, data: aGk=, mimeType: image/png}",
            "{type: image, data: '${bytes}', mimeType: '${type}'}",
            "{type: audio, data: '', mimeType: audio/wav, annotations: {audience: [user], priority: 1}}",
            "{type: resource_link, uri: 'a://${a}', name: '${a}', size: 5, mimeType: text/plain}",
            "{type: resource, resource: {uri: '${uri}', text: ''}}",
            "{type: resource, resource: {uri: 'a://b', blob: aGk=, mimeType: text/plain}}",
            "{type: resource, resource: {uri: 'a://b', blob: 'aG${b}'}}",
            "{type: text, text: x, annotations: {lastModified: '2025-01-12T15:00:58Z'}}",
            "{type: text, text: x, annotations: {lastModified: '${when}'}}",
        ] {
            assert_eq!(problems(block), [""; 0], "{block}");
        }
    }

    #[test]
    fn what_is_missing_or_wrong_names_its_field() {
        for (block, wanted) in [
            ("{text: x}", "type: is missing"),
            ("{type: 5}", "type: must be a text"),
            (
                "{type: video}",
                "type: \"video\" is no kind of content: write text, image",
            ),
            ("{type: text}", "text: is missing: write what is said"),
            ("{type: text, text: 5}", "text: must be a text"),
            (
                "{type: image, mimeType: image/png}",
                "data: is missing: write the bytes in base64",
            ),
            ("{type: image, data: aGk=}", "mimeType: is missing"),
            (
                "{type: audio, data: '!', mimeType: audio/wav}",
                "data: \"!\" is no base64",
            ),
            ("{type: resource_link, name: a}", "uri: is missing"),
            ("{type: resource_link, uri: 'a://b'}", "name: is missing"),
            (
                "{type: resource_link, uri: 'a://b', name: a, size: big}",
                "size: must be a whole number",
            ),
            ("{type: resource}", "resource: is missing"),
            ("{type: resource, resource: x}", "resource: must be a map"),
            (
                "{type: resource, resource: {text: x}}",
                "resource.uri: is missing",
            ),
            (
                "{type: resource, resource: {uri: 'a://b'}}",
                "resource.text: is missing: give the resource a `text` or a base64 `blob`",
            ),
            (
                "{type: resource, resource: {uri: 'a://b', text: x, blob: aGk=}}",
                "resource.blob: stands beside `text`",
            ),
            (
                "{type: resource, resource: {uri: 'a://b', blob: '%'}}",
                "resource.blob: \"%\" is no base64",
            ),
            ("{type: text, text: x, _meta: 5}", "_meta: must be a map"),
            (
                "{type: text, text: x, annotations: {priority: 2}}",
                "annotations.priority: must be a number",
            ),
            (
                "{type: text, text: x, annotations: {lastModified: today}}",
                "annotations.lastModified: \"today\" is no date and time",
            ),
        ] {
            let problems = problems(block);
            assert!(
                matches!(problems.as_slice(), [one] if one.starts_with(wanted)),
                "{wanted} in {problems:?}"
            );
        }
    }
}
