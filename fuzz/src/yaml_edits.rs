//! Any edit of any definition file: it is refused, or the file holds what was asked for, and every other
//! entry stands there as it was written.

use serde_json::{Map, Value, json};
use wasimancer_catalog::fuzzing::{Change, edited, entries, values};

use crate::bounded_time;

/// Longest input.
const MAX_BYTES: usize = 8000;
/// The lists that are edited.
const PATHS: [&[&str]; 3] = [
    &["plugins"],
    &["resources", "static"],
    &["prompts", "predefined"],
];

/// The first line is what is done (`a`, `r` or `d` for add, replace or delete), the number of the list
/// and a name; the second an entry in JSON. The file is what follows.
///
/// # Panics
/// At a finding.
pub fn run(data: &[u8]) {
    if data.len() > MAX_BYTES {
        return;
    }
    let all = String::from_utf8_lossy(data);
    let mut lines = all.splitn(3, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (what, entry, text) = (line(), line(), line());
    let (what, name) = what.split_at_checked(2).unwrap_or(("a0", what));
    let entry = serde_json::from_str(entry).ok().filter(Value::is_object);
    let entry = entry.unwrap_or_else(|| json!({ "name": name }));
    let path = PATHS[usize::from(what.as_bytes()[1]) % PATHS.len()];
    let change = match what.as_bytes()[0] {
        b'r' => Change::Replace(name, &entry),
        b'd' => Change::Remove(name),
        _ => Change::Add(&entry),
    };
    bounded_time(|| check(text, path, change));
}

fn check(text: &str, path: &[&str], change: Change<'_>) {
    let changed = match edited(text, path, change) {
        Ok(changed) => changed,
        Err(reason) => {
            assert!(!reason.is_empty(), "a refusal has words");
            return;
        }
    };
    let before = values(text).expect("what is edited is YAML");
    let after = values(&changed).expect("what is written is YAML");
    let (wanted, at) = wanted(before, path, change).expect("there is such an entry");
    assert_eq!(after, wanted, "{change:?} of:\n{text}\nmade:\n{changed}");
    // A list that is not there has no other entries.
    let mut others = entries(text, path).unwrap_or_default();
    let mut kept = entries(&changed, path).expect("there is a list now");
    if !matches!(change, Change::Add(_)) {
        others.remove(at);
    }
    if !matches!(change, Change::Remove(_)) {
        kept.remove(at);
    }
    assert_eq!(kept, others, "{change:?} of:\n{text}\nmade:\n{changed}");
}

/// What the file is to hold, and the place of the entry in its list; none where it is not there.
fn wanted(mut all: Value, path: &[&str], change: Change<'_>) -> Option<(Value, usize)> {
    let mut node = &mut all;
    for key in path {
        if node.is_null() {
            *node = Value::Object(Map::new());
        }
        node = node.as_object_mut()?.entry(*key).or_insert(Value::Null);
    }
    if node.is_null() {
        *node = json!([]);
    }
    let list = node.as_array_mut()?;
    let place = |list: &[Value], name: &str| list.iter().position(|entry| named(entry, name));
    let at = match change {
        Change::Add(entry) => {
            list.push(entry.clone());
            list.len() - 1
        }
        Change::Replace(name, entry) => {
            let at = place(list, name)?;
            list[at] = entry.clone();
            at
        }
        Change::Remove(name) => {
            let at = place(list, name)?;
            list.remove(at);
            at
        }
    };
    Some((all, at))
}

/// Whether an entry has this name. What is no text is known by how it is written, which a value does not
/// tell; so the inputs that come here have texts as names, or names that are written in one way.
fn named(entry: &Value, name: &str) -> bool {
    match &entry["name"] {
        Value::String(text) => text == name,
        Value::Bool(value) => name.eq_ignore_ascii_case(&value.to_string()),
        Value::Number(number) => {
            number.to_string() == name || name.parse::<f64>().ok() == number.as_f64()
        }
        _ => false,
    }
}
