//! What a YAML scalar means: the core schema (YAML 1.2.2, section 10.3), with exact integers.

use saphyr_parser::{ScalarStyle, Tag};
use serde_json::Number;

use crate::node::Data;

/// Resolves a scalar. One in quotes or of several lines is a text; a tag of the core schema wins over
/// the looks of a plain one, and any other tag says nothing.
///
/// # Errors
/// When the scalar is not what its tag says.
pub(crate) fn resolve(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Data, String> {
    if style != ScalarStyle::Plain {
        return Ok(Data::Text(text.to_owned()));
    }
    let data = plain(text);
    let Some(tag) = tag.filter(|tag| tag.is_yaml_core_schema()) else {
        return Ok(data);
    };
    let is_number = matches!(data, Data::Number { .. } | Data::Unfit(_));
    let fits = match tag.suffix.as_str() {
        "str" => return Ok(Data::Text(text.to_owned())),
        "null" => matches!(data, Data::Null),
        "bool" => matches!(data, Data::Boolean { .. }),
        "int" => is_number && integer(text).is_some(),
        "float" => is_number,
        _ => false,
    };
    if fits {
        return Ok(data);
    }
    Err(format!(
        "this value is none of the type !!{}: leave the tag out",
        tag.suffix
    ))
}

fn plain(text: &str) -> Data {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Data::Null,
        "true" | "True" | "TRUE" => Data::Boolean {
            value: true,
            written: text.to_owned(),
        },
        "false" | "False" | "FALSE" => Data::Boolean {
            value: false,
            written: text.to_owned(),
        },
        _ => number(text).unwrap_or_else(|| Data::Text(text.to_owned())),
    }
}

/// A number, if this is one.
fn number(text: &str) -> Option<Data> {
    integer(text).or_else(|| floating_point(text))
}

/// A number that is there, or one that JSON cannot hold.
fn held(number: Option<Number>, text: &str) -> Data {
    let written = text.to_owned();
    match number {
        Some(number) => Data::Number { number, written },
        None => Data::Unfit(written),
    }
}

fn integer(text: &str) -> Option<Data> {
    if let Some((digits, radix)) = radix(text) {
        let all_digits = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
        let exact = || u64::from_str_radix(digits, radix).ok().map(Number::from);
        return all_digits.then(|| held(exact(), text));
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let signed = text.parse::<i64>().map(Number::from);
    let exact = signed.or_else(|_| text.parse::<u64>().map(Number::from));
    Some(held(exact.ok(), text))
}

fn radix(text: &str) -> Option<(&str, u32)> {
    let hexadecimal = text.strip_prefix("0x").map(|digits| (digits, 16));
    hexadecimal.or_else(|| text.strip_prefix("0o").map(|digits| (digits, 8)))
}

fn floating_point(text: &str) -> Option<Data> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Some(held(None, text));
    }
    // Keeps out the words that Rust takes for numbers, such as `inf`.
    let begins_like_one =
        unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.');
    let value: f64 = text.parse().ok().filter(|_| begins_like_one)?;
    Some(held(Number::from_f64(value), text))
}
