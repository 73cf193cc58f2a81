//! JSON that a plugin has written, as it goes out: every reader takes it, understands it alike, and
//! finds it on one line.
//!
//! One pass over the bytes checks and rewrites them in place, since what is written is never longer than
//! what was read. No tree is made. Order of keys and spelling of numbers stay.

mod keys;

use std::fmt;

use self::keys::Keys;
use crate::budget::{Budget, ChargedBytes, Full};
use crate::escape::{Escaped, cut};

/// Deepest nesting of a whole message: as much as `serde_json` reads, and less than the parsers of official
/// clients do.
const LEVELS_MAX: usize = 127;
/// Longest part of a key or a number that a message repeats, in bytes.
const SHOWN_MAX_BYTES: usize = 60;
/// Fewer digits than these are within the range of a double, which ends at 1.8e308.
const DIGITS_IN_RANGE: usize = 308;
/// Half of a surrogate pair as JSON escapes it: `\ud83d`.
const ESCAPED_HALF_BYTES: usize = 6;
/// What stands for half of a surrogate pair: U+FFFD.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// Why JSON of a plugin's does not go out.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum RewriteError {
    /// It is none, or some readers would not take it.
    #[error("{what} at line {line} column {column}")]
    Wrong {
        /// What is wrong.
        what: String,
        /// The line, from 1.
        line: usize,
        /// The byte in the line, from 1.
        column: usize,
    },
    /// There is no memory left to look for keys that are there twice.
    #[error(transparent)]
    Full(#[from] Full),
}

/// Rewrites a JSON text in place: without blanks between its tokens, with U+FFFD in place of each half of
/// a surrogate pair, and with keys escaped no more than they must be.
///
/// # Errors
/// What is wrong, and where: it is no JSON, a key is there twice, a number is beyond the range of a double,
/// or it nests deeper than 127 levels with those of the message around it.
pub fn rewrite_json<'j>(
    json: &'j mut [u8],
    levels_around: usize,
    budget: &Budget,
) -> Result<&'j str, RewriteError> {
    let mut rewriter = Rewriter {
        json,
        at: 0,
        kept: 0,
        end: 0,
        line: 1,
        line_start: 0,
        levels: [Level::default(); LEVELS_MAX],
        levels_max: LEVELS_MAX.saturating_sub(levels_around),
        depth: 0,
        keys: Keys::new(budget),
    };
    rewriter.document()?;
    let end = rewriter.end;
    let json: &'j [u8] = &json[..end];
    std::str::from_utf8(json).map_err(|_| RewriteError::Wrong {
        what: "a text that is not UTF-8".to_owned(),
        line: 1,
        column: 1,
    })
}

impl ChargedBytes {
    /// The bytes as JSON, rewritten as [`rewrite_json`] does.
    ///
    /// # Errors
    /// As of [`rewrite_json`].
    pub fn rewrite_json(&mut self, levels_around: usize) -> Result<&str, RewriteError> {
        let budget = self.budget().clone();
        rewrite_json(self, levels_around, &budget)
    }
}

/// An object or a list that has not ended.
#[derive(Clone, Copy, Default)]
struct Level {
    is_object: bool,
    /// How many keys were known before it.
    keys_before: usize,
}

struct Rewriter<'j, 'b> {
    json: &'j mut [u8],
    /// The byte that is read next.
    at: usize,
    /// The first byte that is read and not yet written.
    kept: usize,
    /// The end of what is written; never beyond `kept`.
    end: usize,
    line: usize,
    line_start: usize,
    levels: [Level; LEVELS_MAX],
    levels_max: usize,
    depth: usize,
    keys: Keys<'b>,
}

impl Rewriter<'_, '_> {
    fn document(&mut self) -> Result<(), RewriteError> {
        self.skip_blanks();
        self.value()?;
        self.skip_blanks();
        if self.peek().is_some() {
            return Err(self.wrong("more text after the value"));
        }
        self.flush();
        Ok(())
    }

    /// A value with everything in it.
    fn value(&mut self) -> Result<(), RewriteError> {
        loop {
            // A value begins here.
            let is_opened = match self.peek() {
                Some(b'{') => self.open(true)?,
                Some(b'[') => self.open(false)?,
                Some(b'"') => {
                    self.string()?;
                    false
                }
                Some(b'-' | b'0'..=b'9') => {
                    self.number()?;
                    false
                }
                Some(b't') => self.word(b"true")?,
                Some(b'f') => self.word(b"false")?,
                Some(b'n') => self.word(b"null")?,
                _ => return Err(self.unexpected("a value")),
            };
            if is_opened {
                continue;
            }
            // One has ended.
            loop {
                let Some(level) = self.depth.checked_sub(1) else {
                    return Ok(());
                };
                let Level {
                    is_object,
                    keys_before,
                } = self.levels[level];
                self.skip_blanks();
                match (self.peek(), is_object) {
                    (Some(b','), _) => {
                        self.at += 1;
                        self.skip_blanks();
                        if is_object {
                            self.key(keys_before)?;
                        }
                        break;
                    }
                    (Some(b'}'), true) => {
                        self.at += 1;
                        self.keys.forget(keys_before);
                        self.depth = level;
                    }
                    (Some(b']'), false) => {
                        self.at += 1;
                        self.depth = level;
                    }
                    (_, true) => return Err(self.unexpected("`,` or `}`")),
                    (_, false) => return Err(self.unexpected("`,` or `]`")),
                }
            }
        }
    }

    /// The beginning of an object or a list; whether a value in it comes next.
    fn open(&mut self, is_object: bool) -> Result<bool, RewriteError> {
        if self.depth == self.levels_max {
            let around = match LEVELS_MAX - self.levels_max {
                0 => String::new(),
                around => format!(" with the {around} of the message around it"),
            };
            return Err(self.wrong(&format!("more than {LEVELS_MAX} levels{around}")));
        }
        self.at += 1;
        self.skip_blanks();
        if self.peek() == Some(if is_object { b'}' } else { b']' }) {
            self.at += 1;
            return Ok(false);
        }
        let keys_before = self.keys.len();
        self.levels[self.depth] = Level {
            is_object,
            keys_before,
        };
        self.depth += 1;
        if is_object {
            self.key(keys_before)?;
        }
        Ok(true)
    }

    /// A key with its colon.
    fn key(&mut self, keys_before: usize) -> Result<(), RewriteError> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("a key"));
        }
        self.flush();
        let (begin, start) = (self.at, self.end);
        let is_escaped = self.string()?;
        self.flush();
        if is_escaped {
            self.unescape(start);
        }
        let key = start + 1..self.end - 1;
        match self.keys.add(keys_before, key.clone(), self.json) {
            Ok(true) => {}
            Ok(false) => {
                let key = String::from_utf8_lossy(&self.json[key]);
                let what = format!("duplicate key \"{}\"", shown(&key));
                self.at = begin;
                return Err(self.wrong(&what));
            }
            Err(full) => return Err(full.into()),
        }
        self.skip_blanks();
        if self.peek() != Some(b':') {
            return Err(self.unexpected("`:`"));
        }
        self.at += 1;
        self.skip_blanks();
        Ok(())
    }

    /// Writes the key that was written last anew, so that two that mean the same are spelled alike.
    fn unescape(&mut self, start: usize) {
        let written = serde_json::from_slice::<String>(&self.json[start..self.end])
            .and_then(|key| serde_json::to_vec(&key));
        // What is no UTF-8 is found at the end.
        if let Ok(key) = written
            && start + key.len() <= self.end
        {
            self.json[start..start + key.len()].copy_from_slice(&key);
            self.end = start + key.len();
        }
    }

    /// A string; whether anything in it is escaped.
    fn string(&mut self) -> Result<bool, RewriteError> {
        let begin = self.at;
        let mut is_escaped = false;
        self.at += 1;
        loop {
            self.at += plain_bytes(&self.json[self.at..]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(is_escaped);
                }
                Some(b'\\') => {
                    is_escaped = true;
                    self.escape()?;
                }
                Some(_) => return Err(self.wrong("a control character in a text, unescaped,")),
                None => {
                    self.at = begin;
                    return Err(self.wrong("a text without an end"));
                }
            }
        }
    }

    fn escape(&mut self) -> Result<(), RewriteError> {
        match self.json.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let Some(unit) = self.unit(self.at) else {
                    return Err(self.wrong("an escape that is none"));
                };
                let is_pair = matches!(unit, 0xd800..0xdc00)
                    && self
                        .unit(self.at + ESCAPED_HALF_BYTES)
                        .is_some_and(|unit| matches!(unit, 0xdc00..0xe000));
                if is_pair {
                    self.at += 2 * ESCAPED_HALF_BYTES;
                } else if matches!(unit, 0xd800..0xe000) {
                    self.flush();
                    self.at += ESCAPED_HALF_BYTES;
                    self.kept = self.at;
                    self.json[self.end..self.end + REPLACEMENT.len()].copy_from_slice(REPLACEMENT);
                    self.end += REPLACEMENT.len();
                } else {
                    self.at += ESCAPED_HALF_BYTES;
                }
            }
            _ => return Err(self.wrong("an escape that is none")),
        }
        Ok(())
    }

    /// The unit of UTF-16 that is escaped here, as `\u` and four digits.
    fn unit(&self, at: usize) -> Option<u16> {
        let digits = self.json.get(at..at + ESCAPED_HALF_BYTES)?;
        let digits = digits.strip_prefix(b"\\u")?;
        digits.iter().try_fold(0, |unit, digit| {
            let digit = char::from(*digit).to_digit(16)?;
            Some(unit << 4 | u16::try_from(digit).ok()?)
        })
    }

    fn number(&mut self) -> Result<(), RewriteError> {
        let begin = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let first = self.peek();
        let digits = self.digits();
        if digits == 0 || (digits > 1 && first == Some(b'0')) {
            self.at = begin;
            return Err(self.wrong("a number that is none"));
        }
        let mut is_beyond = digits > DIGITS_IN_RANGE;
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(self.unexpected("a digit"));
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            is_beyond = true;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(self.unexpected("a digit"));
            }
        }
        if is_beyond {
            let number = String::from_utf8_lossy(&self.json[begin..self.at]);
            if !number.parse::<f64>().is_ok_and(f64::is_finite) {
                let number = shown(&number);
                let what = format!("the number {number}, which is beyond the range of a double,");
                self.at = begin;
                return Err(self.wrong(&what));
            }
        }
        Ok(())
    }

    /// Skips digits, and answers how many.
    fn digits(&mut self) -> usize {
        let rest = &self.json[self.at..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit());
        let digits = digits.count();
        self.at += digits;
        digits
    }

    /// One of the three words, which opens nothing.
    fn word(&mut self, word: &[u8]) -> Result<bool, RewriteError> {
        if !self.json[self.at..].starts_with(word) {
            return Err(self.unexpected("a value"));
        }
        self.at += word.len();
        Ok(false)
    }

    fn peek(&self) -> Option<u8> {
        self.json.get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        let is_blank = |byte: Option<u8>| matches!(byte, Some(b' ' | b'\n' | b'\r' | b'\t'));
        if !is_blank(self.peek()) {
            return;
        }
        self.flush();
        while is_blank(self.peek()) {
            self.at += 1;
            if self.json[self.at - 1] == b'\n' {
                self.line += 1;
                self.line_start = self.at;
            }
        }
        self.kept = self.at;
    }

    /// Writes what was read.
    fn flush(&mut self) {
        if self.end != self.kept {
            self.json.copy_within(self.kept..self.at, self.end);
        }
        self.end += self.at - self.kept;
        self.kept = self.at;
    }

    fn unexpected(&self, wanted: &str) -> RewriteError {
        match self.peek() {
            Some(byte @ 0x21..0x7f) => {
                self.wrong(&format!("`{}` in place of {wanted}", char::from(byte)))
            }
            Some(_) => self.wrong(&format!("a character in place of {wanted}")),
            None => self.wrong(&format!("the end of the text in place of {wanted}")),
        }
    }

    fn wrong(&self, what: &str) -> RewriteError {
        RewriteError::Wrong {
            what: what.to_owned(),
            line: self.line,
            column: self.at - self.line_start + 1,
        }
    }
}

/// The beginning of a text for a message.
fn shown(text: &str) -> impl fmt::Display + '_ {
    Escaped(cut(text, SHOWN_MAX_BYTES))
}

/// How many bytes stand before the next that ends a text, escapes, or must not be there.
fn plain_bytes(bytes: &[u8]) -> usize {
    const EIGHT: usize = 8;
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // The high bit of each byte that is 0, and maybe of some above it.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let (words, rest) = bytes.as_chunks::<EIGHT>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let controls = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let quotes = zeros(word ^ (ONES * u64::from(b'"')));
        let escapes = zeros(word ^ (ONES * u64::from(b'\\')));
        let found = controls | quotes | escapes;
        // The lowest is always a true one.
        if found != 0 {
            return index * EIGHT + found.trailing_zeros() as usize / EIGHT;
        }
    }
    let is_plain = |byte: &&u8| **byte >= 0x20 && **byte != b'"' && **byte != b'\\';
    bytes.len() - rest.len() + rest.iter().take_while(is_plain).count()
}

#[cfg(test)]
mod tests {
    use super::keys::KEY_BYTES;
    use super::*;

    fn rewritten(json: impl AsRef<[u8]>) -> Result<String, String> {
        let mut json = json.as_ref().to_vec();
        let rewritten = rewrite_json(&mut json, 0, &Budget::default());
        rewritten
            .map(str::to_owned)
            .map_err(|error| error.to_string())
    }

    fn nested(levels: usize) -> String {
        "[".repeat(levels) + &"]".repeat(levels)
    }

    #[test]
    fn what_is_right_stays_but_for_its_blanks() {
        let deep = nested(LEVELS_MAX);
        let long = format!("[{}.5]", "7".repeat(308));
        for (json, wanted) in [
            (r#"{"b":1.50,"a":-0.0e+0}"#, None),
            (r#"["\u0041\n\"\\\/ \u00e9 é 😡","\ud83c\udf89"]"#, None),
            ("[1e308,123456789012345678901234567890,1e-999,0.1]", None),
            (&deep, None),
            (&long, None),
            (" null\n", Some("null")),
            (
                "{\r\n\t\"a b\" : [ 1 ,\n2 ] , \"c\":{ } ,\"d\": [\n] ,\"e\":\" x \" }\r\n",
                Some(r#"{"a b":[1,2],"c":{},"d":[],"e":" x "}"#),
            ),
            (r#"{"\u0061":1,"\u00e9\n":2}"#, Some("{\"a\":1,\"é\\n\":2}")),
        ] {
            assert_eq!(rewritten(json).as_deref(), Ok(wanted.unwrap_or(json)));
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_a_replacement_character() {
        for (json, wanted) in [
            (r#"["cut \ud83d"]"#, "[\"cut \u{fffd}\"]"),
            (r#"["\udf55\ud83d"]"#, "[\"\u{fffd}\u{fffd}\"]"),
            (
                r#"[ "\uD83D\u0041\ud83d\ud83c\udf55" ]"#,
                "[\"\u{fffd}\\u0041\u{fffd}\\ud83c\\udf55\"]",
            ),
            (
                r#"{ "\ud83d" : "\\ud83d" }"#,
                "{\"\u{fffd}\":\"\\\\ud83d\"}",
            ),
        ] {
            assert_eq!(rewritten(json).as_deref(), Ok(wanted));
        }
    }

    #[test]
    fn what_some_readers_do_not_take_is_named() {
        let many: Vec<String> = (0..100).map(|key| format!(r#""k{key}":1"#)).collect();
        let many = many.join(",");
        // Those that count, those that ascend, and those that do neither.
        let mut orders = vec![(0..100).collect::<Vec<usize>>(); 3];
        orders[1].sort_by_key(ToString::to_string);
        orders[2].reverse();
        for order in orders {
            let members: Vec<String> = order.iter().map(|key| format!(r#""k{key}":1"#)).collect();
            let members = members.join(",");
            assert!(rewritten(format!("{{{members}}}")).is_ok());
            for key in ["k0", "k1", "k15", "k16", "k98", "k99"] {
                let error = rewritten(format!(r#"{{{members},"{key}":1}}"#)).unwrap_err();
                let wanted = format!("duplicate key \"{key}\" at line 1 column ");
                assert!(error.starts_with(&wanted), "{error}");
            }
        }
        for (json, wanted) in [
            (r#"{"a":1,"a":1}"#, "duplicate key \"a\" at line 1 column 8"),
            (
                "{\"a\":1,\n \"\\u0061\":2}",
                "duplicate key \"a\" at line 2 column 2",
            ),
            (r#"{"\ud83d":1,"\ud83c":2}"#, "duplicate key \"\u{fffd}\""),
            (r#"[{"b":{"a":{"a":1},"a":[]}}]"#, "duplicate key \"a\""),
            (
                "[1e400]",
                "the number 1e400, which is beyond the range of a double, at line 1 column 2",
            ),
            ("-1e309", "the number -1e309, which"),
            (&"7".repeat(5000), "the number 7777"),
            (
                &nested(LEVELS_MAX + 1),
                "more than 127 levels at line 1 column 128",
            ),
            (&nested(1_000_000), "more than 127 levels"),
            (&(r#"{"a":"#.repeat(128) + "1"), "more than 127 levels"),
        ] {
            let error = rewritten(json).unwrap_err();
            assert!(error.starts_with(wanted), "{error}");
            assert!(error.len() < 200, "{error}");
        }
        // What an object inside another or beside it has, has nothing to do with it.
        for json in [
            format!(r#"[{{{many}}},{{{many}}},{{"a":{{{many}}},{many}}}]"#),
            r#"{"a":{"a":[{"a":1},{"a":1}]},"b":1}"#.to_owned(),
        ] {
            assert_eq!(rewritten(&json).as_deref(), Ok(&*json));
        }
    }

    /// The library is the referee: what it reads is read here, and means the same.
    #[test]
    fn everything_that_is_no_json_is_refused() {
        let seeds = [
            r#"{"a":[1,-2.5e-3,0,"x\n\u00e9\ud83d\ude00",true,false,null,{}],"bb":{"c":[[],[{}]]}}"#,
            "[ 0.0 , 1E5,\t\"\u{7f}é\" ]\n",
            r#""a long text without anything in it but \\ and \" and so on""#,
        ];
        let bytes = b"{}[]:,\"\\0-+.eEu9 \ntfn\x00\x1f\x20\x7f\x80\xff";
        let mut state = 1_u64;
        let mut random = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            usize::try_from(state >> 33).unwrap() % below
        };
        let (mut taken, mut refused) = (0, 0);
        for _ in 0..60_000 {
            let mut json = seeds[random(seeds.len())].as_bytes().to_vec();
            for _ in 0..=random(3) {
                let at = random(json.len());
                match random(3) {
                    0 => json[at] = bytes[random(bytes.len())],
                    1 => json.insert(at, bytes[random(bytes.len())]),
                    _ => drop(json.remove(at)),
                }
            }
            let known: Result<serde_json::Value, _> = serde_json::from_slice(&json);
            match (rewritten(&json), known) {
                (Ok(rewritten), Ok(known)) => {
                    let found: serde_json::Value = serde_json::from_str(&rewritten).unwrap();
                    assert_eq!(found, known, "{}", String::from_utf8_lossy(&json));
                    taken += 1;
                }
                (Err(_), Err(_)) => refused += 1,
                (Err(error), Ok(_)) => assert!(error.starts_with("duplicate key"), "{error}"),
                (Ok(rewritten), Err(error)) => {
                    assert!(rewritten.contains('\u{fffd}'), "{rewritten}: {error}");
                }
            }
        }
        assert!(taken > 1000 && refused > 1000, "{taken} {refused}");
    }

    #[test]
    fn levels_around_count() {
        let mut json = nested(125).into_bytes();
        assert!(rewrite_json(&mut json, 2, &Budget::default()).is_ok());
        let error = rewrite_json(&mut json, 3, &Budget::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "more than 127 levels with the 3 of the message around it at line 1 column 125"
        );
    }

    #[test]
    fn keys_are_charged() {
        let many: Vec<String> = (0..10_000).map(|key| format!(r#""{key}":1"#)).collect();
        let json = format!("{{{}}}", many.join(","));
        let budget = Budget::new(100_000);
        let mut bytes = json.clone().into_bytes();
        let rewritten = rewrite_json(&mut bytes, 0, &budget).map(str::to_owned);
        assert_eq!(rewritten, Err(RewriteError::Full(Full)));
        let budget = Budget::new(1_000_000);
        let mut bytes = json.clone().into_bytes();
        let rewritten = rewrite_json(&mut bytes, 0, &budget).map(str::to_owned);
        assert_eq!(rewritten.as_deref(), Ok(&*json));
        let usage = budget.usage();
        assert_eq!(usage.used, 0);
        assert!(usage.most_used > 9000 * KEY_BYTES, "{usage:?}");
    }
}
