//! How the output of a function is to be read.

use std::sync::Arc;

use crate::node::{Node, Reader};

/// What bytes are whose kind nobody names.
const UNKNOWN_BYTES: &str = "application/octet-stream";

/// How the output of a function is to be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Returns {
    /// The output is a text.
    #[default]
    Text,
    /// The output is JSON; of a tool, structured content and its text.
    Json,
    /// The output is a whole MCP result.
    Result,
    /// The output is bytes of this media type.
    Bytes(Arc<str>),
}

impl Returns {
    /// Reads `returns` and `mediaType`; none where the definition does not say it rightly.
    pub(crate) fn read(map: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let returns = match map.get("returns") {
            None => Self::default(),
            Some(_) => Self::named(map, reader)?,
        };
        let Some(media_type) = reader.optional_text(map, "mediaType") else {
            return Some(returns);
        };
        if !matches!(&returns, Self::Bytes(known) if &**known == UNKNOWN_BYTES) {
            let message = "is of `returns: bytes`: write one of the two";
            reader.wrong(map, "mediaType", message);
        } else if !is_media_type(&media_type) {
            let message = format!("{media_type:?} is no media type: write one like image/png");
            reader.wrong(map, "mediaType", message);
        }
        Some(Self::Bytes(media_type.into()))
    }

    fn named(map: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match reader.optional_text(map, "returns")?.as_str() {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            "result" => Some(Self::Result),
            "bytes" => Some(Self::Bytes(UNKNOWN_BYTES.into())),
            media_type if is_media_type(media_type) => Some(Self::Bytes(media_type.into())),
            other => {
                let message = format!(
                    "{other:?} is not known: write text, json or result, or for bytes a media type such as image/png"
                );
                reader.wrong(map, "returns", message);
                None
            }
        }
    }
}

/// Whether a text is a type and a subtype with its parameters (RFC 9110, section 8.3.1).
fn is_media_type(text: &str) -> bool {
    let is_token = |text: &str| {
        let is_of_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        !text.is_empty() && text.chars().all(is_of_token)
    };
    let mut parts = text.split(';');
    let essence = parts
        .next()
        .and_then(|essence| essence.trim_end().split_once('/'));
    let is_parameter = |part: &str| {
        let parameter = part.trim().split_once('=');
        parameter.is_some_and(|(name, value)| {
            let quoted = value
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'));
            let is_quoted = |text: &str| {
                text.chars()
                    .all(|c| matches!(c, ' '..='~') && c != '"' && c != '\\')
            };
            is_token(name) && (is_token(value) || quoted.is_some_and(is_quoted))
        })
    };
    essence.is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
        && parts.all(is_parameter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Findings;
    use crate::yaml;

    fn read(text: &str) -> (Option<Returns>, Vec<String>) {
        let node = yaml::parse("f.yml", text).expect(text);
        let mut findings = Findings::default();
        let mut reader = Reader::new("f.yml", String::new(), &mut findings);
        let returns = Returns::read(&node, &mut reader);
        let problems = findings.problems.iter();
        let problems = problems.map(|problem| format!("{}: {}", problem.field, problem.message));
        (returns, problems.collect())
    }

    #[test]
    fn bytes_have_a_media_type() {
        let bytes = |media_type: &str| Returns::Bytes(media_type.into());
        for (text, wanted) in [
            ("x: 1", Returns::Text),
            ("returns: image/png", bytes("image/png")),
            ("returns: bytes", bytes(UNKNOWN_BYTES)),
            (
                "{returns: bytes, mediaType: application/vnd.a+json}",
                bytes("application/vnd.a+json"),
            ),
            (
                "returns: 'audio/pcm; rate=24000;x=\"a b\"'",
                bytes("audio/pcm; rate=24000;x=\"a b\""),
            ),
        ] {
            assert_eq!(read(text), (Some(wanted), Vec::new()), "{text}");
        }
        for (text, wanted) in [
            (
                "returns: xml",
                "returns: \"xml\" is not known: write text, json or result, or for bytes",
            ),
            ("returns: image/", "returns: \"image/\" is not known"),
            ("returns: a/b/c", "returns: \"a/b/c\" is not known"),
            (
                "returns: image/png;q",
                "returns: \"image/png;q\" is not known",
            ),
            (
                "returns: 'i mage/png'",
                "returns: \"i mage/png\" is not known",
            ),
            (
                "{returns: bytes, mediaType: png}",
                "mediaType: \"png\" is no media type",
            ),
            (
                "{returns: json, mediaType: image/png}",
                "mediaType: is of `returns: bytes`",
            ),
            (
                "{mediaType: image/png}",
                "mediaType: is of `returns: bytes`",
            ),
        ] {
            let (_, problems) = read(text);
            assert!(
                matches!(problems.as_slice(), [one] if one.starts_with(wanted)),
                "{text}: {problems:?}"
            );
        }
    }
}
