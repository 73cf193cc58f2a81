//! JSON strings, borrowed from the message where nothing in them is escaped.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// A string.
#[derive(Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

impl<'a> Text<'a> {
    /// The text of a value that is a string.
    pub(crate) fn of(raw: &'a RawValue) -> Option<Cow<'a, str>> {
        let text: Option<Self> = serde_json::from_str(raw.get()).ok();
        text.map(|Self(text)| text)
    }
}

/// The text of an output, where what is no UTF-8 reads as U+FFFD. Most of it is UTF-8, which is found out
/// ten times sooner than the library looks for the first byte that is not.
pub(crate) fn lossy(output: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(output).map_or_else(|_| String::from_utf8_lossy(output), Cow::Borrowed)
}
