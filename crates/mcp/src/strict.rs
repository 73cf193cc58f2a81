//! Refuses JSON that two readers may understand differently.
//!
//! Each part of the server takes what it wants of a message, and a plugin reads its arguments by
//! itself. Of a key that is there twice one reader would take the first value and another the last,
//! and a number or a text that some cannot hold would be another one for them.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::text::Text;

/// As many keys of an object are looked through one by one.
const FEW_KEYS: usize = 16;
/// Longest part of a key that a message repeats, in characters.
const KEY_MAX_CHARS: usize = 60;

/// Holds a text against what every reader understands alike: no object has a key twice, nothing nests
/// deeper than 127 levels, numbers are within the range of a double, texts are Unicode.
///
/// # Errors
/// What is wrong, and where.
pub(crate) fn check(json: &str) -> Result<(), String> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    Strict
        .deserialize(&mut deserializer)
        .map_err(|error| error.to_string())
}

/// Reads a value and keeps nothing of it.
#[derive(Clone, Copy)]
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut seen = Keys::default();
        while let Some(Text(key)) = entries.next_key()? {
            if seen.holds(&key) {
                let shown: String = key.chars().take(KEY_MAX_CHARS).collect();
                return Err(A::Error::custom(format_args!(
                    "the key {shown:?} is there twice"
                )));
            }
            seen.add(key);
            entries.next_value_seed(self)?;
        }
        Ok(())
    }
}

/// The keys of an object so far. Most objects have few, which are found sooner one by one, and need no
/// memory of their own.
#[derive(Default)]
struct Keys<'a> {
    few: [Cow<'a, str>; FEW_KEYS],
    few_len: usize,
    many: HashSet<Cow<'a, str>>,
}

impl<'a> Keys<'a> {
    fn holds(&self, key: &str) -> bool {
        let few = &self.few[..self.few_len];
        few.iter().any(|known| known == key) || self.many.contains(key)
    }

    fn add(&mut self, key: Cow<'a, str>) {
        match self.few.get_mut(self.few_len) {
            Some(free) => {
                *free = key;
                self.few_len += 1;
            }
            None => {
                self.many.insert(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_there_once_in_each_object() {
        for right in [
            r#"{"a":{"a":[{"a":1},{"a":1}]},"b":1}"#,
            "[]",
            "null",
            "1e308",
            r#""\ud83d\ude00""#,
        ] {
            assert_eq!(check(right), Ok(()), "{right}");
        }
        for wrong in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"b":2,"\u0061":3}"#,
            r#"[{"b":{"a":null,"a":[]}}]"#,
        ] {
            let reason = check(wrong).unwrap_err();
            assert!(
                reason.starts_with("the key \"a\" is there twice"),
                "{reason}"
            );
        }
        let many: Vec<String> = (0..100).map(|key| format!(r#""k{key}":1"#)).collect();
        let many = many.join(",");
        assert_eq!(check(&format!("{{{many}}}")), Ok(()));
        for twice in ["k0", "k15", "k16", "k99"] {
            assert!(
                check(&format!(r#"{{{many},"{twice}":1}}"#)).is_err(),
                "{twice}"
            );
        }
        let long = "x".repeat(1000);
        let reason = check(&format!(r#"{{"{long}":1,"{long}":2}}"#)).unwrap_err();
        assert!(reason.len() < 200, "{reason}");
    }

    #[test]
    fn what_not_every_reader_can_hold_is_refused() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(check(&nested(127)), Ok(()));
        for wrong in [
            nested(128),
            nested(1_000_000),
            r#"{"a":"#.repeat(128) + "1" + &"}".repeat(128),
            "1e999999".to_owned(),
            "-1e309".to_owned(),
            "7".repeat(5000),
            r#""\ud83d""#.to_owned(),
            r#"{"\ude00":1}"#.to_owned(),
        ] {
            assert!(check(&wrong).is_err(), "{}", &wrong[..wrong.len().min(40)]);
        }
    }
}
