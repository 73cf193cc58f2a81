//! Optional objects as clients write them: PHP knows no empty object, and writes `[]`.

use serde_json::value::RawValue;

/// The JSON of an optional object. None: it is absent, or empty and written as a list.
pub(crate) fn object(given: Option<&RawValue>) -> Option<&RawValue> {
    given.filter(|raw| !is_empty_list(raw))
}

/// Whether an object that is written like this is empty.
pub(crate) fn is_empty_list(raw: &RawValue) -> bool {
    let inside = raw.get().strip_prefix('[');
    let inside = inside.and_then(|rest| rest.strip_suffix(']'));
    inside.is_some_and(|inside| inside.trim_ascii().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_nothing_is_an_empty_object() {
        for (json, wanted) in [
            ("[]", true),
            ("[ \n]", true),
            ("[null]", false),
            ("{}", false),
            ("\"[]\"", false),
            ("null", false),
        ] {
            let raw: &RawValue = serde_json::from_str(json).unwrap();
            assert_eq!(is_empty_list(raw), wanted, "{json}");
            assert_eq!(object(Some(raw)).is_none(), wanted, "{json}");
        }
        assert!(object(None).is_none());
    }
}
