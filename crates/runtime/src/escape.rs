//! One escape for every text that comes from elsewhere and is shown to people: names of a module, a
//! definition or a request, values, paths, and the errors of libraries that repeat any of them.

use std::borrow::Cow;
use std::fmt::{self, Display, Write};

/// Whether a character can make a text look like another: it begins a line, steers a terminal, or
/// changes the direction of what follows. A tab cannot.
#[must_use]
pub fn is_misleading(c: char) -> bool {
    let separates = matches!(c, '\u{2028}' | '\u{2029}');
    // Unicode's `Bidi_Control`.
    let turns = matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    c != '\t' && (c.is_control() || separates || turns)
}

/// The text with each misleading character written as in Rust: `\n`, `\u{1b}`.
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    escape_within(text, usize::MAX)
}

/// The beginning of a text.
pub(crate) fn cut(text: &str, max_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(max_bytes)]
}

/// The same as [`escape`], cut where it would be longer than this.
pub(crate) fn escape_within(text: &str, max_bytes: usize) -> Cow<'_, str> {
    let text = cut(text, max_bytes);
    if !text.contains(is_misleading) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        let end = escaped.len();
        push(&mut escaped, c);
        if escaped.len() > max_bytes {
            escaped.truncate(end);
            break;
        }
    }
    Cow::Owned(escaped)
}

/// Displays a value with [`escape`] applied to what it displays.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<T>(pub T);

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(out), "{}", self.0)
    }
}

struct Escaping<W>(W);

impl<W: Write> Write for Escaping<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write_str(&escape(text))
    }
}

fn push(escaped: &mut String, c: char) {
    if is_misleading(c) {
        escaped.extend(c.escape_default());
    } else {
        escaped.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_misleads_is_escaped_and_nothing_else() {
        assert!(matches!(escape("plain żółw\t!"), Cow::Borrowed(_)));
        for (text, escaped) in [
            ("hi\n2026 WARN forged\r\0", "hi\\n2026 WARN forged\\r\\u{0}"),
            ("\u{1b}[31mred\u{9b}0m", "\\u{1b}[31mred\\u{9b}0m"),
            (
                "a\u{2028}b\u{2029}c\u{85}d",
                "a\\u{2028}b\\u{2029}c\\u{85}d",
            ),
            ("\u{202e}exe.txt\u{2066}", "\\u{202e}exe.txt\\u{2066}"),
            (
                "👩\u{200d}👩\u{200d}👧 e\u{301}",
                "👩\u{200d}👩\u{200d}👧 e\u{301}",
            ),
        ] {
            assert_eq!(escape(text), escaped);
            assert_eq!(Escaped(text).to_string(), escaped);
            assert_eq!(escape(escaped), escaped, "twice is as once");
        }
    }

    #[test]
    fn the_cut_never_splits_an_escape() {
        let text = "\0".repeat(10);
        assert_eq!(escape_within(&text, 11), "\\u{0}\\u{0}");
        assert_eq!(escape_within("aé", 2), "a");
        assert_eq!(escape_within("aé", 3), "aé");
    }
}
