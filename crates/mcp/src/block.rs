//! Content blocks: what each type must have, and what older revisions know of them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::value::RawValue;

use crate::members::{Members, push_key, push_text};
use crate::revision::Revision;
use crate::text::Text;
use crate::value_type::{Field, ValueType, Writer, Wrong, either, optional, required};

const KINDS: &str = "text, image, audio, resource_link or resource";
/// The URI of audio for clients that know bytes in resources alone.
const AUDIO_URI: &str = "output:///audio";

/// For whom something is and how much it matters (server/resources, "Annotations").
const ANNOTATIONS: ValueType = ValueType::Object(&[
    optional(
        "audience",
        ValueType::List(&ValueType::OneOf(&["user", "assistant"])),
    ),
    optional("priority", ValueType::Share),
    optional("lastModified", ValueType::Text),
]);

/// Images that clients may show.
const ICONS: ValueType = ValueType::Some(&ValueType::Object(&[
    required("src", ValueType::Text),
    optional("mimeType", ValueType::Text),
    optional("sizes", ValueType::List(&ValueType::Text)),
    optional("theme", ValueType::OneOf(&["light", "dark"])),
]));

const TEXT: [Field; 3] = [
    required("text", ValueType::Text),
    optional("annotations", ANNOTATIONS),
    optional("_meta", ValueType::Map),
];
/// Images and audio.
const MEDIA: [Field; 4] = [
    required("mimeType", ValueType::Text),
    required("data", ValueType::Base64),
    optional("annotations", ANNOTATIONS),
    optional("_meta", ValueType::Map),
];
const RESOURCE_LINK: [Field; 9] = [
    required("uri", ValueType::Text),
    required("name", ValueType::Text),
    optional("title", ValueType::Text),
    optional("description", ValueType::Text),
    optional("mimeType", ValueType::Text),
    optional("size", ValueType::Count),
    optional("icons", ICONS),
    optional("annotations", ANNOTATIONS),
    optional("_meta", ValueType::Map),
];
const RESOURCE: [Field; 3] = [
    required("resource", CONTENTS),
    optional("annotations", ANNOTATIONS),
    optional("_meta", ValueType::Map),
];

/// One of the contents of a resource (server/resources, "Resource Contents").
pub(crate) const CONTENTS: ValueType = ValueType::Object(&[
    required("uri", ValueType::Text),
    either("text", ValueType::Text),
    either("blob", ValueType::Base64),
    optional("mimeType", ValueType::Text),
    optional("_meta", ValueType::Map),
]);

/// A content block (server/tools, "Tool Result").
pub(crate) const BLOCK: ValueType = ValueType::OfKind(write);

/// Writes a block, held against its type.
fn write(writer: &mut Writer, block: &RawValue) -> Result<(), Wrong> {
    let members = if block.get().starts_with('{') {
        writer.members(block)?
    } else {
        Members::default()
    };
    let kind = members.get("type").and_then(Text::of);
    let kind = kind.as_deref().unwrap_or_default();
    let fields: &'static [Field] = match kind {
        "text" => &TEXT,
        "image" | "audio" => &MEDIA,
        "resource_link" => &RESOURCE_LINK,
        "resource" => &RESOURCE,
        _ => return Err(writer.wrong_at("type", KINDS)),
    };
    let before = writer.out.len();
    writer.object(&members, fields)?;
    let revision = writer.revision;
    if kind == "resource_link" && !revision.knows_resource_links() {
        writer.out.truncate(before);
        link_as_text(&mut writer.out, &members);
    } else if kind == "audio" && !revision.knows_audio() {
        writer.out.truncate(before);
        audio_as_resource(&mut writer.out, &members);
    }
    Ok(())
}

/// The URI of what a tool or prompt of this name has made.
pub(crate) fn output_uri(name: &str) -> String {
    format!("output:///{}", utf8_percent_encode(name, NON_ALPHANUMERIC))
}

/// Writes the block that bytes are by their media type; what is neither image nor audio is a resource with
/// this URI.
pub(crate) fn push_bytes(
    out: &mut String,
    bytes: &[u8],
    media_type: &str,
    uri: &str,
    revision: Revision,
) {
    let kind = media_type.split('/').next().unwrap_or_default();
    let kind = match kind.to_ascii_lowercase().as_str() {
        "image" => Some("image"),
        "audio" if revision.knows_audio() => Some("audio"),
        _ => None,
    };
    out.reserve(bytes.len() / 3 * 4 + media_type.len() + uri.len() + 128);
    match kind {
        Some(kind) => {
            out.push_str("{\"type\":");
            push_text(out, kind);
            out.push_str(",\"data\":\"");
        }
        None => {
            out.push_str("{\"type\":\"resource\",\"resource\":{\"uri\":");
            push_text(out, uri);
            out.push_str(",\"blob\":\"");
        }
    }
    STANDARD.encode_string(bytes, out);
    out.push_str("\",\"mimeType\":");
    push_text(out, media_type);
    out.push_str(if kind.is_some() { "}" } else { "}}" });
}

/// A resource link for revisions that have no such block.
fn link_as_text(out: &mut String, members: &Members<'_>) {
    let of = |name| members.get(name).and_then(Text::of).unwrap_or_default();
    out.push_str("{\"type\":\"text\",\"text\":");
    push_text(out, &format!("{}: {}", of("name"), of("uri")));
    out.push('}');
}

/// Audio for revisions that have no such block.
fn audio_as_resource(out: &mut String, members: &Members<'_>) {
    out.push_str("{\"type\":\"resource\",\"resource\":{\"uri\":");
    push_text(out, AUDIO_URI);
    for (name, written) in [("mimeType", "mimeType"), ("data", "blob")] {
        if let Some(value) = members.get(name) {
            out.push(',');
            push_key(out, written);
            out.push_str(value.get());
        }
    }
    out.push_str("}}");
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A block as it goes out, and what is left out of it.
    fn written(block: &Value, revision: Revision) -> Result<(String, String), String> {
        let raw = serde_json::value::to_raw_value(block).unwrap();
        let mut writer = Writer::new(revision);
        match write(&mut writer, &raw) {
            Ok(()) => Ok((writer.out, writer.left_out.to_string())),
            Err(wrong) => Err(wrong.to_string()),
        }
    }

    #[test]
    fn blocks_with_the_fields_of_their_type_stay() {
        for right in [
            json!({"type": "text", "text": "", "annotations": {"priority": 1, "audience": ["user"], "own": null}}),
            json!({"type": "image", "data": "aGk=", "mimeType": "image/png", "_meta": {"a": null}}),
            json!({"unknown": [1, null], "type": "audio", "data": "", "mimeType": "audio/wav"}),
            json!({"type": "resource_link", "uri": "a://b", "name": "b", "size": 5, "icons": [{"src": "a"}]}),
            json!({"type": "resource", "resource": {"uri": "a://b", "text": "t"}}),
            json!({"type": "resource", "resource": {"uri": "a://b", "blob": "aGk="}}),
        ] {
            let found = written(&right, Revision::Modern);
            assert_eq!(found, Ok((right.to_string(), String::new())));
        }
    }

    #[test]
    fn what_must_be_there_is_named() {
        for (wrong, wanted) in [
            (json!(5), "type must be text, image,"),
            (json!({"type": "video"}), "type must be text, image,"),
            (json!({"type": "text"}), "text must be a string"),
            (
                json!({"type": "text", "text": null}),
                "text must be a string",
            ),
            (
                json!({"type": "image", "data": "!!!", "mimeType": "image/png"}),
                "data must be base64",
            ),
            (json!({"type": "image", "data": "aGk="}), "mimeType must"),
            (
                json!({"type": "resource_link", "uri": "a://b"}),
                "name must",
            ),
            (json!({"type": "resource"}), "resource.uri must be"),
            (
                json!({"type": "resource", "resource": 5}),
                "resource must be an object",
            ),
            (
                json!({"type": "resource", "resource": {"uri": "a://b", "text": null}}),
                "resource.text must be a string, or blob",
            ),
            (
                json!({"type": "resource", "resource": {"uri": "a://b", "text": "", "blob": ""}}),
                "resource.text must be a string, or blob",
            ),
            (
                json!({"type": "resource", "resource": {"uri": "a://b", "blob": "%%"}}),
                "resource.blob must be base64",
            ),
        ] {
            let found = written(&wrong, Revision::Modern).unwrap_err();
            assert!(found.starts_with(wanted), "{wrong}: {found}");
        }
    }

    #[test]
    fn what_may_be_missing_is_left_out_where_it_is_wrong() {
        for (block, wanted, left_out) in [
            (
                json!({"type": "text", "text": "a", "_meta": 5, "annotations": null}),
                json!({"type": "text", "text": "a"}),
                "_meta must be an object",
            ),
            (
                json!({"type": "text", "annotations": {"priority": 5, "audience": ["robot"], "lastModified": null}, "text": "a"}),
                json!({"type": "text", "annotations": {}, "text": "a"}),
                "annotations.priority must be a number from 0 to 1; annotations.audience[0] must be user or assistant",
            ),
            (
                json!({"type": "resource_link", "uri": "a://b", "name": "b", "size": "big", "mimeType": null, "icons": [{"src": 1}, {"src": "a", "theme": "red"}]}),
                json!({"type": "resource_link", "uri": "a://b", "name": "b", "icons": [{"src": "a"}]}),
                "size must be a whole number from 0; icons[0].src must be a string; icons[1].theme must be light or dark",
            ),
            (
                json!({"type": "resource", "resource": {"uri": "a://b", "mimeType": [], "text": "t", "blob": null}}),
                json!({"type": "resource", "resource": {"uri": "a://b", "text": "t"}}),
                "resource.mimeType must be a string",
            ),
        ] {
            let found = written(&block, Revision::Modern);
            assert_eq!(found, Ok((wanted.to_string(), left_out.to_owned())));
        }
    }

    #[test]
    fn older_revisions_get_what_they_know() {
        let link = json!({"type": "resource_link", "uri": "a://b", "name": "b\n"});
        let audio = json!({"type": "audio", "data": "aGk=", "mimeType": "audio/wav"});
        for (revision, block, wanted) in [
            ("2025-06-18", &link, link.clone()),
            (
                "2025-03-26",
                &link,
                json!({"type": "text", "text": "b\n: a://b"}),
            ),
            (
                "2024-11-05",
                &link,
                json!({"type": "text", "text": "b\n: a://b"}),
            ),
            ("2025-03-26", &audio, audio.clone()),
            (
                "2024-11-05",
                &audio,
                json!({"type": "resource", "resource": {"uri": AUDIO_URI, "mimeType": "audio/wav", "blob": "aGk="}}),
            ),
        ] {
            let (found, _) = written(block, Revision::Legacy(revision)).unwrap();
            assert_eq!(found, wanted.to_string(), "{revision}");
        }
    }
}
