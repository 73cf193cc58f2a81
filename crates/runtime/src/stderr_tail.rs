//! The end of what a call writes to its standard error, for whoever is told why the call failed: the words
//! of a panic or an exception stand there and nowhere else.
//!
//! Whoever calls a tool must not learn the plugin's configuration by it, so its values are hidden, and the
//! credentials of URLs.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use crate::escape::{escape, is_misleading};

/// Most lines that are told.
const LINES_MAX: usize = 20;
/// Most bytes that are told.
const TOLD_MAX_BYTES: usize = 2 * 1024;
/// Longest value that is hidden wherever it stands, in bytes. A call holds as much more of its standard
/// error, so that a value which begins before what is told is known too.
const SECRET_MAX_BYTES: usize = 16 * 1024;
/// Shorter values are hidden where they stand alone: inside of words they would hide everything.
const ANYWHERE_MIN_BYTES: usize = 4;
/// Lines of a value are hidden by themselves from this size on: keys have several.
const LINE_MIN_BYTES: usize = 8;
/// What stands for what is hidden.
const HIDDEN: &str = "***";

/// What a plugin must not tell.
pub(crate) struct Secrets {
    values: Vec<String>,
    /// The longest of them, in bytes.
    longest: usize,
    /// Whether one is longer than what can be known again.
    is_beyond: bool,
}

impl Secrets {
    /// The values of a configuration.
    pub(crate) fn of(config: &BTreeMap<String, String>) -> Self {
        let mut values: Vec<&str> = Vec::new();
        for value in config.values().map(|value| value.trim()) {
            values.push(value);
            if value.contains('\n') {
                let lines = value.lines().map(str::trim);
                values.extend(lines.filter(|line| line.len() >= LINE_MIN_BYTES));
            }
        }
        let is_beyond = values.iter().any(|value| value.len() > SECRET_MAX_BYTES);
        values.retain(|value| (1..=SECRET_MAX_BYTES).contains(&value.len()));
        values.sort_unstable();
        values.dedup();
        let longest = values.iter().map(|value| value.len()).max();
        Self {
            values: values.into_iter().map(str::to_owned).collect(),
            longest: longest.unwrap_or_default(),
            is_beyond,
        }
    }

    /// Where a text holds any of them, or credentials, in order and apart.
    fn places(&self, text: &str) -> Vec<Range<usize>> {
        let mut places = credentials(text);
        for value in &self.values {
            let found = text.match_indices(value.as_str());
            let found = found.map(|(at, value)| at..at + value.len());
            places
                .extend(found.filter(|place| {
                    value.len() >= ANYWHERE_MIN_BYTES || stands_alone(text, place)
                }));
        }
        places.sort_unstable_by_key(|place| place.start);
        let mut apart: Vec<Range<usize>> = Vec::with_capacity(places.len());
        for place in places {
            match apart.last_mut() {
                Some(before) if place.start <= before.end => {
                    before.end = before.end.max(place.end);
                }
                _ => apart.push(place),
            }
        }
        apart
    }
}

fn stands_alone(text: &str, place: &Range<usize>) -> bool {
    let before = text[..place.start].chars().next_back();
    let after = text[place.end..].chars().next();
    let ends = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
    ends(before) && ends(after)
}

/// Where names and passwords of URLs stand.
fn credentials(text: &str) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    for (at, separator) in text.match_indices("://") {
        let start = at + separator.len();
        let is_end = |c: char| c.is_whitespace() || c.is_control() || "\"'`<>".contains(c);
        let end = text[start..].find(is_end);
        let url = &text[start..end.map_or(text.len(), |end| start + end)];
        let authority = url.split(['/', '?', '#']).next().unwrap_or_default();
        let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
        let ends = authority.rsplit_once(':');
        // A password may hold whatever somebody forgot to escape.
        let is_cut = !authority.contains('@') && ends.is_some_and(|(_, port)| !is_port(port));
        let within = if is_cut { url } else { authority };
        if let Some(end) = within.rfind('@') {
            places.push(start..start + end);
        }
    }
    places
}

/// The last bytes that a call has written.
#[derive(Default)]
pub(crate) struct Tail {
    bytes: Vec<u8>,
    /// Whether there were more before them.
    is_cut: bool,
}

impl Tail {
    pub(crate) fn push(&mut self, bytes: &[u8], secrets: &Secrets) {
        // Hiding may make it shorter.
        let kept = 2 * TOLD_MAX_BYTES + secrets.longest;
        let last = bytes.len().saturating_sub(kept);
        self.is_cut |= last > 0;
        self.bytes.extend_from_slice(&bytes[last..]);
        if self.bytes.len() > 2 * kept {
            let more = self.bytes.len() - kept;
            self.bytes.drain(..more);
            self.is_cut = true;
        }
    }

    /// Its last lines, with what is secret hidden; empty where there is nothing to tell.
    pub(crate) fn told(&self, secrets: &Secrets) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        let Some(text) = self.hidden(&text, secrets) else {
            return String::new();
        };
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        let lines = &lines[lines.len().saturating_sub(LINES_MAX)..];
        let lines: Vec<Cow<'_, str>> = lines.iter().map(|line| escaped(line)).collect();
        let lines = lines.join("\n");
        let start = lines.len().saturating_sub(TOLD_MAX_BYTES);
        lines[lines.ceil_char_boundary(start)..].to_owned()
    }

    /// The text without what is secret in it, and without what may be the end of something secret; none where
    /// that cannot be known.
    fn hidden(&self, text: &str, secrets: &Secrets) -> Option<String> {
        let mut at = 0;
        if self.is_cut {
            if secrets.is_beyond {
                return None;
            }
            at = text.ceil_char_boundary(secrets.longest);
        }
        let mut told = String::with_capacity(text.len());
        for place in secrets.places(text) {
            if place.end <= at {
                continue;
            }
            told.push_str(&text[at..place.start.max(at)]);
            told.push_str(HIDDEN);
            at = place.end;
        }
        told.push_str(&text[at..]);
        Some(told)
    }
}

/// A line as it is shown; what colours it is left out.
fn escaped(line: &str) -> Cow<'_, str> {
    if !line.contains(is_misleading) {
        return Cow::Borrowed(line);
    }
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        let end = after.find(|c: char| c.is_ascii_alphabetic() || !c.is_ascii());
        rest = end.map_or("", |end| &after[end..]);
        rest = rest
            .strip_prefix(|c: char| c.is_ascii_alphabetic())
            .unwrap_or(rest);
    }
    plain.push_str(rest);
    Cow::Owned(escape(&plain).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(values: &[&str]) -> Secrets {
        let config = values.iter().enumerate();
        let config = config.map(|(index, value)| (index.to_string(), (*value).to_owned()));
        Secrets::of(&config.collect())
    }

    fn told(written: &[&str], secrets: &Secrets) -> String {
        let mut tail = Tail::default();
        for piece in written {
            tail.push(piece.as_bytes(), secrets);
        }
        tail.told(secrets)
    }

    #[test]
    fn the_last_lines_are_told() {
        let none = secrets(&[]);
        assert_eq!(told(&[], &none), "");
        assert_eq!(
            told(&["panicked\r\n\n  at a", ".rs:5\n"], &none),
            "panicked\n  at a.rs:5"
        );
        let many: Vec<String> = (0..30).map(|line| format!("line {line}")).collect();
        let many = many.join("\n");
        let wanted: Vec<String> = (10..30).map(|line| format!("line {line}")).collect();
        assert_eq!(told(&[&many], &none), wanted.join("\n"));
        let long = format!("{}é\n{}", "x".repeat(5000), "y".repeat(2045));
        assert_eq!(told(&[&long], &none), format!("é\n{}", "y".repeat(2045)));
        let endless = vec!["z".repeat(1000); 100];
        let endless: Vec<&str> = endless.iter().map(String::as_str).collect();
        assert_eq!(told(&endless, &none), "z".repeat(TOLD_MAX_BYTES));
        assert_eq!(
            told(&["\u{1b}[1;31merror\u{1b}[0m: a\u{7}\u{202e}b"], &none),
            "error: a\\u{7}\\u{202e}b"
        );
    }

    #[test]
    fn what_is_secret_is_hidden() {
        let key = "-----BEGIN KEY-----\nMIIEvQIBADAN\nBgkqhkiG9w0B\n-----END KEY-----\n";
        let known = secrets(&[
            "s3cret",
            "s3cret-and-more",
            "5",
            "on",
            "",
            " \n",
            "padded \n",
            key,
        ]);
        for (written, wanted) in [
            ("key=s3cret!", "key=***!"),
            ("s3cret-and-mores3cret", "***"),
            (
                "5 of 55, on or off, a5: 5",
                "*** of 55, *** or off, a5: ***",
            ),
            ("a padded value", "a *** value"),
            ("read MIIEvQIBADAN only", "read *** only"),
            (
                "GET https://user:pass@example.com/x?y=z@w failed",
                "GET https://***@example.com/x?y=z@w failed",
            ),
            (
                "'postgres://u:p/a@s@db:5432/x'",
                "'postgres://***@db:5432/x'",
            ),
            (
                "http://localhost:8080/a@b, ftp://token@h",
                "http://localhost:8080/a@b, ftp://***@h",
            ),
        ] {
            assert_eq!(told(&[written], &known), wanted);
        }
        assert_eq!(
            told(&[&format!("all of it: {key}")], &known),
            "all of it: ***"
        );
        // In pieces too.
        assert_eq!(told(&["s3", "cr", "et"], &known), "***");
    }

    /// What was written before the end of the tail may be the beginning of a secret.
    #[test]
    fn no_part_of_a_secret_is_told() {
        for length in [10, 1000, 5000, SECRET_MAX_BYTES] {
            let secret: String = ('a'..='z').cycle().take(length).collect();
            let known = secrets(&[&secret]);
            for more in 0..60 {
                let written = format!("{secret}{}", "#".repeat(more * 200));
                let told = told(&["x".repeat(40_000).as_str(), &written], &known);
                let letters = told.chars().filter(|c| c.is_ascii_lowercase() && *c != 'x');
                assert_eq!(letters.count(), 0, "{length} {more}");
            }
        }
        // What is too long to be known again is not told in part.
        let secret: String = ('a'..='z').cycle().take(SECRET_MAX_BYTES + 1).collect();
        let known = secrets(&[&secret]);
        assert_eq!(told(&[&secret, &secret, &secret], &known), "");
    }
}
