//! JSON is YAML, and its writers escape characters beyond U+FFFF as a surrogate pair (`"\ud83c\udf55"`),
//! which the YAML parser refuses. It is handed the same text with each pair as one escape of YAML.
//!
//! Only in double quotes is that an escape: anywhere else it is text, and what was written there is put
//! back. Each pair keeps its length in characters, so that every position in the text stays true.

use std::borrow::Cow;
use std::fmt::Write;

use saphyr_parser::{ScalarStyle, Span};

/// Characters of an escaped pair: `\ud83c\udf55`.
const PAIR_CHARACTERS: usize = 12;
/// Characters that no text means, of which one marks what was changed (Unicode, section 23.7).
const NONCHARACTERS: std::ops::RangeInclusive<char> = '\u{fdd0}'..='\u{fdef}';

/// A text without escaped surrogate pairs, and what stood in their places.
pub(crate) struct Unpaired<'t> {
    text: Cow<'t, str>,
    /// Surrounds each escape that was changed.
    mark: char,
    /// Where a pair begins, in characters, and how it is written, in the order of the text.
    pairs: Vec<(usize, &'t str)>,
}

impl<'t> Unpaired<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        let unchanged = Self {
            text: Cow::Borrowed(text),
            mark: *NONCHARACTERS.start(),
            pairs: Vec::new(),
        };
        // A file that has all of them, or their escapes, is no text of anybody's.
        let Some(mark) = first_pair(text, 0).and(unused(text)) else {
            return unchanged;
        };
        let mut changed = String::with_capacity(text.len());
        let mut pairs = Vec::new();
        let (mut at, mut characters) = (0, 0);
        while let Some((start, character)) = first_pair(text, at) {
            let end = start + PAIR_CHARACTERS;
            let before = &text[at..start];
            changed.push_str(before);
            // Writing to a text does not fail.
            let _ = write!(changed, "{mark}\\U{:08x}{mark}", u32::from(character));
            characters += before.chars().count();
            pairs.push((characters, &text[start..end]));
            characters += PAIR_CHARACTERS;
            at = end;
        }
        changed.push_str(&text[at..]);
        Self {
            text: Cow::Owned(changed),
            mark,
            pairs,
        }
    }

    /// What the parser is to read.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The value of a scalar that the parser found there.
    pub(crate) fn restore<'v>(
        &self,
        value: Cow<'v, str>,
        style: ScalarStyle,
        span: &Span,
    ) -> Cow<'v, str> {
        if self.pairs.is_empty() || !value.contains(self.mark) {
            return value;
        }
        if style == ScalarStyle::DoubleQuoted {
            return Cow::Owned(value.replace(self.mark, ""));
        }
        let first = self
            .pairs
            .partition_point(|(start, _)| *start < span.start.index());
        let mut written = self.pairs[first..].iter().map(|(_, written)| *written);
        let mut restored = String::with_capacity(value.len());
        for (index, part) in value.split(self.mark).enumerate() {
            // Every second part stands between two marks.
            restored.push_str(match index % 2 {
                0 => part,
                _ => written.next().unwrap_or(part),
            });
        }
        Cow::Owned(restored)
    }
}

/// The first pair from a byte on: where it begins, and what it stands for.
fn first_pair(text: &str, from: usize) -> Option<(usize, char)> {
    let mut at = from;
    while let Some(found) = text[at..].find('\\') {
        let start = at + found;
        if let Some(character) = pair(&text[start..]) {
            return Some((start, character));
        }
        // The character behind a backslash begins no escape of its own.
        let behind = text[start + 1..].chars().next().map_or(0, char::len_utf8);
        at = start + 1 + behind;
    }
    None
}

/// The character of the pair that a text begins with.
fn pair(text: &str) -> Option<char> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        let all_digits = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        u16::from_str_radix(digits, 16).ok().filter(|_| all_digits)
    };
    let mut decoded = char::decode_utf16([unit(0)?, unit(6)?]);
    match (decoded.next()?, decoded.next()) {
        (Ok(character), None) => Some(character),
        _ => None,
    }
}

/// A mark that the text has neither as a character nor as an escape.
fn unused(text: &str) -> Option<char> {
    let lower = text.to_ascii_lowercase();
    let is_unused =
        |mark: &char| !lower.contains(*mark) && !lower.contains(&format!("{:x}", u32::from(*mark)));
    NONCHARACTERS.into_iter().find(is_unused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_stay_and_only_pairs_are_changed() {
        let text =
            r#"{"é": "a\ud83c\udf55b\uD801\uDC37", "\\ud83c\\udf55": "\ud83c \udf55 \u00e9"}"#;
        let unpaired = Unpaired::new(text);
        assert_eq!(unpaired.text().chars().count(), text.chars().count());
        let written: Vec<&str> = unpaired.pairs.iter().map(|(_, written)| *written).collect();
        assert_eq!(written, [r"\ud83c\udf55", r"\uD801\uDC37"]);
        assert!(unpaired.text().contains(r"\U0001f355"));
        let untouched =
            r#"{"a": "\ud83c", "b": "\udf55\ud83c", "c": "\ud83c\u00e9", "d": "\u+83c\udf55"}"#;
        assert_eq!(Unpaired::new(untouched).text(), untouched);
    }

    #[test]
    fn a_mark_is_one_that_the_text_has_not() {
        let text = "\u{fdd0} \\uFDD1 \\ud83c\\udf55";
        assert_eq!(Unpaired::new(text).mark, '\u{fdd2}');
        let all: String = NONCHARACTERS.chain("\\ud83c\\udf55".chars()).collect();
        assert_eq!(Unpaired::new(&all).text(), all);
    }
}
