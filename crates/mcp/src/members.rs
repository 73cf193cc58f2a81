//! Objects and lists of JSON that a plugin has written, read one layer at a time: each value stays the
//! text that it is, so that no tree is made of it, and the order stays too.

use std::borrow::Cow;
use std::{fmt, io};

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::text::Text;

/// Most members of an object that is read. What the protocol knows has a dozen; objects that are passed on
/// as they are may have any number.
const MEMBERS_MAX: usize = 1024;

/// Texts below are looked through before they are written: most are names, in which nothing is escaped.
const FEW_BYTES: usize = 64;

/// The members of an object in their order.
#[derive(Default)]
pub(crate) struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Reads an object; the text of an error says why it is none.
    pub(crate) fn read(json: &'a str) -> Result<Self, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    /// Takes a member out.
    pub(crate) fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(at).1)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        let mut members = self.0.iter();
        members
            .find(|(known, _)| known == name)
            .map(|(_, value)| *value)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, value)| (&**name, *value))
    }

    /// Writes all of them, with a comma between them.
    pub(crate) fn write(&self, out: &mut String) {
        for (index, (name, value)) in self.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            push_key(out, name);
            out.push_str(value.get());
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reading)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Members<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some((Text(name), value)) = map.next_entry()? {
            if members.len() == MEMBERS_MAX {
                let message = format_args!("an object with more than {MEMBERS_MAX} fields");
                return Err(A::Error::custom(message));
            }
            members.push((name, value));
        }
        Ok(Members(members))
    }
}

/// Sees one element of a list after another; none where it is no list.
pub(crate) fn each_element<'a, E>(
    list: &'a RawValue,
    see: impl FnMut(usize, &'a RawValue) -> Result<(), E>,
) -> Option<Result<(), E>> {
    let mut failed = None;
    let mut deserializer = serde_json::Deserializer::from_str(list.get());
    let read = deserializer.deserialize_seq(Seeing {
        see,
        failed: &mut failed,
    });
    match (read, failed) {
        (_, Some(error)) => Some(Err(error)),
        (Ok(()), None) => Some(Ok(())),
        (Err(_), None) => None,
    }
}

struct Seeing<'f, F, E> {
    see: F,
    /// Why it stopped.
    failed: &'f mut Option<E>,
}

impl<'de, F, E> Visitor<'de> for Seeing<'_, F, E>
where
    F: FnMut(usize, &'de RawValue) -> Result<(), E>,
{
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<(), A::Error> {
        let mut index = 0;
        while let Some(element) = elements.next_element()? {
            if let Err(error) = (self.see)(index, element) {
                *self.failed = Some(error);
                return Err(A::Error::custom("stopped"));
            }
            index += 1;
        }
        Ok(())
    }
}

/// Writes a name with its colon.
pub(crate) fn push_key(out: &mut String, name: &str) {
    push_text(out, name);
    out.push(':');
}

/// Writes a text as a JSON string.
pub(crate) fn push_text(out: &mut String, text: &str) {
    let is_plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    if text.len() < FEW_BYTES && text.bytes().all(is_plain) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        serde_json::to_writer(Pushing(out), text).expect("a text is JSON, and a string takes it");
    }
}

/// Takes what the library writes, which is whole characters at a time.
struct Pushing<'o>(&'o mut String);

impl io::Write for Pushing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).map_err(io::Error::other)?;
        self.0.push_str(text);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> &RawValue {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn members_stay_in_their_order() {
        let mut members = Members::read(r#"{"b":1.50,"a":[],"c\n":{"x":1}}"#).unwrap();
        assert_eq!(members.get("a").map(RawValue::get), Some("[]"));
        assert_eq!(members.take("b").map(RawValue::get), Some("1.50"));
        assert!(members.take("b").is_none());
        let mut out = String::new();
        members.write(&mut out);
        assert_eq!(out, r#""a":[],"c\n":{"x":1}"#);
        for (wrong, wanted) in [
            ("[]".to_owned(), "invalid type"),
            ("null".to_owned(), "invalid type"),
            (
                format!(
                    "{{{}}}",
                    (0..=MEMBERS_MAX)
                        .map(|key| format!("\"{key}\":0"))
                        .collect::<Vec<_>>()
                        .join(",")
                ),
                "an object with more than 1024 fields",
            ),
        ] {
            let error = Members::read(&wrong).err().unwrap();
            assert!(error.contains(wanted), "{error}");
        }
    }

    #[test]
    fn elements_are_seen_until_one_is_wrong() {
        let mut seen = Vec::new();
        let mut see = |index: usize, element: &RawValue| {
            seen.push((index, element.get().to_owned()));
            if index < 1 { Ok(()) } else { Err(index) }
        };
        assert_eq!(each_element(raw("{}"), &mut see), None);
        assert_eq!(each_element(raw("[]"), &mut see), Some(Ok(())));
        assert_eq!(each_element(raw("[5,[6],7]"), &mut see), Some(Err(1)));
        assert_eq!(seen, [(0, "5".to_owned()), (1, "[6]".to_owned())]);
    }
}
