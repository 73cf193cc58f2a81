//! Whole numbers in integer notation, however JSON writes them: `6.0` and `6e0` are the integer 6 (JSON
//! Schema, "type"), which few readers of integers know.

use memchr::{memchr, memchr2, memchr3};

/// Most digits of a number that is rewritten. JavaScript writes as many in integer notation (ECMA-262,
/// `Number::toString`), so what a client in JavaScript sends is one number in two notations.
const DIGITS_MAX: usize = 21;
/// Stands for exponents beyond it, which no text is long enough to make up for.
const EXPONENT_MAX: i64 = 1 << 40;

/// A whole number below 10^21 in integer notation.
#[derive(Clone, Copy, Debug)]
pub struct WholeNumber {
    ascii: [u8; DIGITS_MAX + 1],
    len: u8,
}

impl WholeNumber {
    /// Reads a number of JSON that is whole and not in integer notation, or negative zero. None: it may
    /// stay as it is, or is no number.
    #[must_use]
    pub fn of(number: &str) -> Option<Self> {
        let (is_negative, magnitude) = match number.strip_prefix('-') {
            Some(magnitude) => (true, magnitude),
            None => (false, number),
        };
        let (mantissa, exponent) = match magnitude.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent_of(exponent)?),
            None => (magnitude, 0),
        };
        let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = || integer.bytes().chain(fraction.bytes());
        if integer.is_empty() || !digits().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let is_integer = mantissa.len() == magnitude.len() && fraction.is_empty();
        let Some(first) = digits().position(|digit| digit != b'0') else {
            let may_stay = is_integer && !is_negative;
            return (!may_stay).then(|| Self::written(false, std::iter::once(b'0')));
        };
        if is_integer {
            return None;
        }
        // Where the point stands among the digits, once the exponent has moved it.
        let point = i64::try_from(integer.len()).ok()? + exponent;
        let point = usize::try_from(point).ok()?;
        let len = point.checked_sub(first)?;
        if len > DIGITS_MAX || digits().skip(point).any(|digit| digit != b'0') {
            return None;
        }
        let digits = digits().chain(std::iter::repeat(b'0'));
        Some(Self::written(is_negative, digits.skip(first).take(len)))
    }

    /// At most so many digits.
    fn written(is_negative: bool, digits: impl Iterator<Item = u8>) -> Self {
        let sign = is_negative.then_some(b'-').into_iter();
        let mut written = Self {
            ascii: [0; DIGITS_MAX + 1],
            len: 0,
        };
        for (place, byte) in written.ascii.iter_mut().zip(sign.chain(digits)) {
            *place = byte;
            written.len += 1;
        }
        written
    }

    /// The number.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "it cannot happen")]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.ascii[..usize::from(self.len)]).expect("digits are ASCII")
    }
}

fn exponent_of(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let magnitude = digits.parse().unwrap_or(EXPONENT_MAX).min(EXPONENT_MAX);
    Some(if text.starts_with('-') {
        -magnitude
    } else {
        magnitude
    })
}

/// Appends JSON, its whole numbers in integer notation, everything else as it is written.
pub fn push_json(out: &mut Vec<u8>, json: &str) {
    let bytes = json.as_bytes();
    let mut copied = 0;
    let mut at = 0;
    // Most arguments are a number or a text without any of these.
    if memchr3(b'.', b'e', b'E', bytes).is_none() && memchr(b'-', bytes).is_none() {
        at = bytes.len();
    }
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = end_of_text(bytes, at + 1),
            b'-' | b'0'..=b'9' => {
                let begin = at;
                let mut is_plain = *byte != b'-';
                while let Some(byte) = bytes.get(at).filter(|byte| is_of_number(**byte)) {
                    is_plain &= byte.is_ascii_digit();
                    at += 1;
                }
                if !is_plain && let Some(whole) = WholeNumber::of(&json[begin..at]) {
                    out.extend_from_slice(&bytes[copied..begin]);
                    out.extend_from_slice(whole.as_str().as_bytes());
                    copied = at;
                }
            }
            _ => at += 1,
        }
    }
    out.extend_from_slice(&bytes[copied..]);
}

fn is_of_number(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')
}

/// Where a text ends whose inside begins here.
fn end_of_text(bytes: &[u8], begin: usize) -> usize {
    let mut at = begin;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found;
        if bytes[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn pushed(json: &str) -> String {
        let mut out = Vec::new();
        push_json(&mut out, json);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn whole_numbers_are_rewritten() {
        for (written, wanted) in [
            ("6.0", "6"),
            ("6e0", "6"),
            ("6E+0", "6"),
            ("0.6e1", "6"),
            ("60e-1", "6"),
            ("60E-1", "6"),
            ("6.000", "6"),
            ("-6.0", "-6"),
            ("0.0", "0"),
            ("-0.0", "0"),
            ("-0", "0"),
            ("0e5", "0"),
            ("-0.000e-99999999999999999999999", "0"),
            ("1.5e1", "15"),
            ("0.00012e5", "12"),
            ("1200.00", "1200"),
            ("1e20", "100000000000000000000"),
            ("-1e20", "-100000000000000000000"),
            ("999999999999999999999.0", "999999999999999999999"),
            ("9007199254740993.0", "9007199254740993"),
            ("1000000000000000000000000000000e-29", "10"),
        ] {
            assert_eq!(pushed(written), wanted, "{written}");
        }
    }

    #[test]
    fn other_numbers_stay_as_they_are_written() {
        for number in [
            "0",
            "6",
            "-6",
            "0.1",
            "1.10",
            "-0.5",
            "1e-1",
            "15e-2",
            "6.0000000000000000000000000000001",
            "1e21",
            "1.0e21",
            "1000000000000000000000.0",
            "123456789012345678901234567890",
            "12345678901234567890",
            "1e-400",
            "1e308",
            "1e99999999999999999999999",
            "1e-99999999999999999999999",
        ] {
            assert_eq!(pushed(number), number);
            assert!(WholeNumber::of(number).is_none(), "{number}");
        }
        for other in ["", "-", "true", ".0", "e1", "1.x", "1e", "1e+", "\"1.0\""] {
            assert!(WholeNumber::of(other).is_none(), "{other}");
        }
    }

    #[test]
    fn numbers_are_found_at_every_depth_and_not_in_texts() {
        for (json, wanted) in [
            (
                r#"{ "a" : [1.0, {"b":2e0}, -3.0 ] ,"1.0":"2.0"}"#,
                r#"{ "a" : [1, {"b":2}, -3 ] ,"1.0":"2.0"}"#,
            ),
            (r#"["\"1.0",1.0,"\\",2.0]"#, r#"["\"1.0",1,"\\",2]"#),
            ("[true,false,null,1.5]", "[true,false,null,1.5]"),
            (r#""é 1.0 \u0031.0""#, r#""é 1.0 \u0031.0""#),
            (" 1.0 ", " 1 "),
        ] {
            assert_eq!(pushed(json), wanted);
        }
    }

    proptest! {
        #[test]
        fn what_is_rewritten_is_the_same_number(
            integer in 0..1_000_000_u64, fraction in "0{0,3}[0-9]{0,3}", exponent in -9..9_i32, negative: bool,
        ) {
            let sign = if negative { "-" } else { "" };
            let point = if fraction.is_empty() { "" } else { "." };
            let written = format!("{sign}{integer}{point}{fraction}e{exponent}");
            let number: f64 = written.parse().unwrap();
            let out = pushed(&written);
            // Zero loses its sign.
            let wanted = number + 0.0;
            prop_assert_eq!(out.parse::<f64>().unwrap().to_bits(), wanted.to_bits());
            // Doubles are exact enough to tell these apart.
            prop_assert_eq!(!out.contains(['e', '.']), number.fract() == 0.0);
        }

        #[test]
        fn json_stays_json(text in "[\\[\\]{}:,\"\\\\0-9.eE+a-f -]{0,40}") {
            let out = pushed(&text);
            if serde_json::from_str::<Value>(&text).is_ok() {
                prop_assert!(serde_json::from_str::<Value>(&out).is_ok(), "{}", out);
            }
        }
    }
}
