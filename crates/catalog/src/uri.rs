//! When two URIs are the same one (RFC 3986, section 6.2): clients normalize what they were shown before
//! they ask for it, each in its own way.

use std::fmt::Write as _;
use std::ops::Range;

/// A URI, or a URI template, in the form in which equal ones are alike.
///
/// Scheme and host are in lower case; characters that need no percent-encoding have none, all others have
/// one with capital digits; a path of nothing but `/` is left out. What stands in braces stays as it is.
#[derive(Clone, Debug)]
pub(crate) struct Comparable {
    text: String,
    /// Where each byte of the text comes from, and its end: offsets in bytes.
    origins: Vec<usize>,
}

/// What is read at a place of a URI.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Scheme,
    /// Behind the scheme, where `//` begins an authority.
    Hierarchy,
    Authority,
    /// Path, query and fragment.
    Rest,
}

impl Comparable {
    /// Brings a URI into this form. What is none is brought into it as far as that goes.
    pub(crate) fn of(uri: &str) -> Self {
        Self::scan(uri, false)
    }

    /// The same for a template, whose expressions stay as they are.
    pub(crate) fn of_template(template: &str) -> Self {
        Self::scan(template, true)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }

    /// Where in the URI a range of the text comes from.
    pub(crate) fn origin(&self, range: Range<usize>) -> Range<usize> {
        self.origins[range.start]..self.origins[range.end]
    }

    fn scan(uri: &str, has_expressions: bool) -> Self {
        let mut out = Self {
            text: String::with_capacity(uri.len()),
            origins: Vec::with_capacity(uri.len() + 1),
        };
        let mut part = Part::Scheme;
        let mut rest = uri;
        while let Some(first) = rest.chars().next() {
            let at = uri.len() - rest.len();
            let expression = has_expressions && first == '{';
            let length = match rest.find('}') {
                Some(end) if expression => end + 1,
                _ if is_encoded(rest.as_bytes()) => 3,
                _ => first.len_utf8(),
            };
            let (token, behind) = rest.split_at(length);
            rest = behind;
            match (part, first) {
                (Part::Scheme, ':') => part = Part::Hierarchy,
                (Part::Hierarchy, _) if rest.starts_with('/') && first == '/' => {
                    out.copy("//", at);
                    rest = &rest[1..];
                    part = Part::Authority;
                    continue;
                }
                (Part::Scheme, '/' | '?' | '#') | (Part::Hierarchy, _) => part = Part::Rest,
                (Part::Authority, '/' | '?' | '#') => {
                    part = Part::Rest;
                    // A path of nothing but this.
                    if first == '/' && (rest.is_empty() || rest.starts_with(['?', '#'])) {
                        continue;
                    }
                }
                // What came before is no host, and its case counts.
                (Part::Authority, '@') => out.restore_case(uri, at),
                _ => {}
            }
            if expression && length > 1 {
                out.copy(token, at);
            } else {
                let folds = matches!(part, Part::Scheme | Part::Authority);
                out.character(token, at, folds);
            }
        }
        out.origins.push(uri.len());
        out
    }

    /// Appends what stands there as it is.
    fn copy(&mut self, token: &str, at: usize) {
        self.text.push_str(token);
        self.origins.extend(at..at + token.len());
    }

    /// Appends one character, percent-encoded or not, in lower case where that is all the same.
    fn character(&mut self, token: &str, at: usize, folds: bool) {
        let mut bytes = token.as_bytes();
        let decoded;
        if is_encoded(bytes) {
            decoded = [u8::from_str_radix(&token[1..3], 16).unwrap_or(b'%')];
            if is_unreserved(decoded[0]) {
                bytes = &decoded;
            } else {
                self.encode(decoded[0], at);
                return;
            }
        }
        match bytes {
            [byte] if is_unreserved(*byte) || is_reserved(*byte) => {
                let byte = if folds {
                    byte.to_ascii_lowercase()
                } else {
                    *byte
                };
                self.text.push(char::from(byte));
                self.origins.push(at);
            }
            bytes => {
                for byte in bytes {
                    self.encode(*byte, at);
                }
            }
        }
    }

    fn encode(&mut self, byte: u8, at: usize) {
        // Writing to a text cannot fail.
        let _ = write!(self.text, "%{byte:02X}");
        self.origins.extend([at; 3]);
    }

    /// Gives back its case to what was taken for the beginning of a host.
    fn restore_case(&mut self, uri: &str, end: usize) {
        let begin = self.text.rfind("//").map_or(0, |slashes| slashes + 2);
        let from = self.origins[begin..].first().copied().unwrap_or(end);
        self.text.truncate(begin);
        self.origins.truncate(begin);
        let user = &uri[from..end];
        for (offset, character) in user.char_indices() {
            let token = &user[offset..offset + character.len_utf8()];
            self.character(token, from + offset, false);
        }
    }
}

/// Whether a percent-encoded byte stands at the beginning.
fn is_encoded(bytes: &[u8]) -> bool {
    matches!(bytes, [b'%', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
}

/// RFC 3986, section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// RFC 3986, section 2.2.
fn is_reserved(byte: u8) -> bool {
    b":/?#[]@!$&'()*+,;=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alike(one: &str, other: &str) -> bool {
        Comparable::of(one).as_str() == Comparable::of(other).as_str()
    }

    #[test]
    fn what_rfc_3986_calls_equal_is_equal() {
        for (one, other) in [
            ("WordPress://Posts", "wordpress://posts"),
            ("docs://café/menu", "docs://caf%C3%A9/menu"),
            ("docs://caf%c3%a9", "docs://caf%C3%A9"),
            ("file:///my docs/a.txt", "file:///my%20docs/a.txt"),
            ("https://example.com", "https://example.com/"),
            ("https://example.com?q", "https://Example.COM/?q"),
            ("a://b/%7Euser%2d1", "a://b/~user-1"),
            ("a://b/{x}|", "a://b/%7Bx%7D%7c"),
            ("MAILTO:Ann@example.com", "mailto:Ann@example.com"),
            ("a://Ann:X@Host/p", "a://Ann:X@host/p"),
            ("a://b/100%", "a://b/100%25"),
        ] {
            assert!(alike(one, other), "{one} and {other}");
        }
    }

    #[test]
    fn what_may_differ_does() {
        for (one, other) in [
            ("a://b/Path", "a://b/path"),
            ("a://b/x%2Fy", "a://b/x/y"),
            ("a://b/x/", "a://b/x"),
            ("a://Ann@host/", "a://ann@host/"),
            ("mailto:Ann@example.com", "mailto:ann@example.com"),
            ("a://b?q=A", "a://b?q=a"),
            ("a:/b", "a://b"),
        ] {
            assert!(!alike(one, other), "{one} and {other}");
        }
    }

    #[test]
    fn what_is_no_uri_has_a_form_too() {
        for text in [
            "",
            "%",
            "%%%",
            "://",
            "é",
            "a:",
            "//",
            "{",
            "@",
            "a://@",
            "a://x@y@z",
            "\u{0}",
        ] {
            let once = Comparable::of(text).into_text();
            assert_eq!(Comparable::of(&once).into_text(), once, "{text:?}");
        }
    }

    #[test]
    fn a_part_is_found_again_where_it_came_from() {
        let uri = "Docs://CAFÉ/a b%2fc";
        let comparable = Comparable::of(uri);
        assert_eq!(comparable.as_str(), "docs://caf%C3%89/a%20b%2Fc");
        let last = comparable.as_str().rfind('/').unwrap() + 1;
        let range = comparable.origin(last..comparable.as_str().len());
        assert_eq!(&uri[range], "a b%2fc");
    }

    #[test]
    fn expressions_of_a_template_stay() {
        let template = Comparable::of_template("Repo://Issues/my {Id}/é{?Q,x}");
        assert_eq!(template.as_str(), "repo://issues/my%20{Id}/%C3%A9{?Q,x}");
    }
}
