//! What JSON takes once it is read into values: two bytes of text become a hundred and more.

use serde_json::Value;

use crate::budget::{Budget, Charge, Full};

/// Texts up to this size are not counted: they become some megabytes at most, of as many at once as there
/// are threads.
const UNCOUNTED_MAX_BYTES: usize = 64 * 1024;
/// What grows an element at a time may have room for twice as many.
const GROWTH: usize = 2;
/// An element of a list.
const ELEMENT_BYTES: usize = GROWTH * size_of::<Value>();
/// A member of an object, with its name, its hash, and its place in the index.
const MEMBER_BYTES: usize =
    GROWTH * (size_of::<Value>() + size_of::<String>() + 2 * size_of::<usize>());
/// What the first member of an object makes room for beside itself: more members and their index.
const OBJECT_BYTES: usize = 256;

/// Charges for the values that a JSON text becomes, to be held as long as they are.
///
/// # Errors
/// When so many bytes are not left.
pub fn charge_json(text: &str, budget: &Budget) -> Result<Charge, Full> {
    if text.len() <= UNCOUNTED_MAX_BYTES {
        return Ok(budget.empty());
    }
    budget.charge(tree_bytes(text))
}

/// Most bytes that the values of a JSON text take. What is no JSON counts as something like it.
fn tree_bytes(text: &str) -> usize {
    let (mut objects, mut members, mut lists, mut commas) = (0_usize, 0_usize, 0_usize, 0_usize);
    let mut is_opened = false;
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => {
                objects += usize::from(is_opened);
                skip_string(&mut bytes);
            }
            b'{' => {
                is_opened = true;
                continue;
            }
            b' ' | b'\n' | b'\r' | b'\t' => continue,
            b':' => members += 1,
            b'[' => lists += 1,
            b',' => commas += 1,
            _ => {}
        }
        is_opened = false;
    }
    // An object has a comma less than members, and a list one less than elements.
    let elements = (commas + objects).saturating_sub(members) + lists;
    text.len() + objects * OBJECT_BYTES + members * MEMBER_BYTES + elements * ELEMENT_BYTES
}

fn skip_string(bytes: &mut std::str::Bytes<'_>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_count_by_what_they_are() {
        let counted = |text: &str| tree_bytes(text) - text.len();
        for (text, bytes) in [
            ("0", 0),
            (r#""[{,:\"[{,:""#, 0),
            ("{ }", 0),
            ("[]", ELEMENT_BYTES),
            ("[1, 2, 3]", 3 * ELEMENT_BYTES),
            (r#"{"a": 1}"#, OBJECT_BYTES + MEMBER_BYTES),
            (r#"{"a": 1, "b": {}}"#, OBJECT_BYTES + 2 * MEMBER_BYTES),
            (
                r#"[{"a": [1, 2]}, {}]"#,
                OBJECT_BYTES + MEMBER_BYTES + 4 * ELEMENT_BYTES,
            ),
        ] {
            assert_eq!(counted(text), bytes, "{text}");
        }
    }

    #[test]
    fn what_has_no_room_is_refused_and_small_texts_are_free() {
        let budget = Budget::new(1024 * 1024);
        let list = |count: usize| format!("[{}0]", "0,".repeat(count - 1));
        assert_eq!(charge_json(&list(1000), &budget).unwrap().bytes(), 0);
        assert!(charge_json(&list(100_000), &budget).is_err());
        let text = format!("\"{}\"", "[".repeat(500_000));
        assert_eq!(charge_json(&text, &budget).unwrap().bytes(), text.len());
        assert_eq!(budget.usage().used, 0);
    }
}
