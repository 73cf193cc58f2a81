//! How a problem is written: its place, and what is wrong, in a few words.

use std::fmt;

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;
use serde_json::Value;

use crate::node::{cut, excerpt};

/// Longest description of one problem, in bytes, without its place.
const PROBLEM_MAX_BYTES: usize = 240;
/// Most bytes of a place's beginning, and of its end.
const PLACE_END_BYTES: usize = 40;
/// Most names that one problem lists.
const NAMES_MAX: usize = 5;
/// Most bytes of a value's JSON that are looked at.
const SHOWN_MAX_BYTES: usize = 200;

/// The way to a value from the root.
#[derive(Clone, Copy)]
pub(super) enum Place<'p> {
    Root,
    Member(&'p Place<'p>, &'p str),
    Element(&'p Place<'p>, usize),
}

impl Place<'_> {
    /// `place: what is wrong`.
    pub(super) fn problem(&self, message: &str) -> String {
        let message = cut(message, PROBLEM_MAX_BYTES);
        match self {
            Self::Root => message,
            _ => format!("{}: {message}", self.shown()),
        }
    }

    /// The beginning and the end of a long way.
    fn shown(&self) -> String {
        let way = self.to_string();
        if way.len() <= 2 * PLACE_END_BYTES {
            return way;
        }
        let begin = way.floor_char_boundary(PLACE_END_BYTES);
        let end = way.ceil_char_boundary(way.len() - PLACE_END_BYTES);
        format!("{}…{}", &way[..begin], &way[end..])
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, last): (&Self, &dyn fmt::Display) = match self {
            Self::Root => return Ok(()),
            Self::Member(before, name) => (before, name),
            Self::Element(before, index) => (before, index),
        };
        match before {
            Self::Root => write!(f, "{last}"),
            _ => write!(f, "{before}.{last}"),
        }
    }
}

/// The beginning of a value's JSON. A value may be as large as the request.
pub(super) fn shown(value: &Value) -> String {
    struct Beginning(Vec<u8>);
    impl std::io::Write for Beginning {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let room = SHOWN_MAX_BYTES.saturating_sub(self.0.len());
            self.0.extend_from_slice(&bytes[..bytes.len().min(room)]);
            if room == 0 {
                return Err(std::io::ErrorKind::WriteZero.into());
            }
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut beginning = Beginning(Vec::new());
    // Fails where there is more than is looked at.
    let _ = serde_json::to_writer(&mut beginning, value);
    excerpt(&String::from_utf8_lossy(&beginning.0))
}

/// `'a', 'b' were unexpected`, of a few of many names.
pub(super) fn unexpected(names: &[&str]) -> String {
    let listed: Vec<String> = names
        .iter()
        .take(NAMES_MAX)
        .map(|name| format!("'{}'", excerpt(name)))
        .collect();
    let more = if names.len() > NAMES_MAX { ", …" } else { "" };
    let verb = if names.len() == 1 { "was" } else { "were" };
    format!("{}{more} {verb} unexpected", listed.join(", "))
}

/// What the library says of a value.
pub(super) fn of_value(error: &ValidationError<'_>, value: &Value) -> String {
    match error.kind() {
        // Our own keywords say what a value does, not which.
        ValidationErrorKind::Custom { message, .. } => format!("{} {message}", shown(value)),
        _ => error.masked_with(shown(value)).to_string(),
    }
}

/// What is said of a value where nothing better is known.
pub(super) fn no_match(value: &Value) -> String {
    format!("{} does not match the schema", shown(value))
}

/// What the library says of a schema that it refuses, as `place: what is wrong`.
pub(super) fn of_schema(error: &ValidationError<'_>) -> String {
    let message = error.masked_with(shown(error.instance())).to_string();
    let message = cut(&message, PROBLEM_MAX_BYTES);
    let path = error.instance_path().to_string();
    match path.strip_prefix('/') {
        // A JSON pointer (RFC 6901), written the way that problems name fields.
        Some(path) => {
            let path = path.replace('/', ".").replace("~1", "/").replace("~0", "~");
            format!("{}: {message}", excerpt(&path))
        }
        None => message,
    }
}
