//! The fields of a definition that clients see as they are written, checked for the shape that the
//! protocol gives them: a client refuses a whole list for one entry that is malformed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::date_time::is_date_time;
use crate::node::{Data, Node, Reader, excerpt};

/// A field that clients can do without, and what checks its shape.
pub(crate) type Optional = (&'static str, fn(&Node, &mut Reader<'_>));

/// What tools may have beside what every entry may have.
pub(crate) const OF_TOOLS: [Optional; 2] =
    [("annotations", check_hints), ("execution", check_execution)];
/// The same of resources.
pub(crate) const OF_RESOURCES: [Optional; 1] = [("annotations", |entry, reader| {
    reader.optional_map(entry, "annotations");
    check_annotations(entry, reader);
    check_last_modified(entry, reader);
})];
/// The same of prompts.
pub(crate) const OF_PROMPTS: [Optional; 1] = [("annotations", |entry, reader| {
    reader.optional_map(entry, "annotations");
})];

/// The fields of an entry other than these, as JSON in their order; in a file, one of an optional field's
/// name with a shape that is not its own is left out.
pub(crate) fn shown(
    entry: &Node,
    known: &[&str],
    optional: &[Optional],
    reader: &mut Reader<'_>,
) -> Map<String, Value> {
    for field in ["title", "description"] {
        reader.optional_text(entry, field);
    }
    let icons: Optional = ("icons", check_icons);
    let mut hidden = known.to_vec();
    for (field, check) in [&[icons], optional].concat() {
        let consequence = format!("clients are shown no {field}");
        if reader.is_tolerated(&consequence, |reader| check(entry, reader)) {
            hidden.push(field);
        }
    }
    reader.optional_map(entry, "_meta");
    let mut shown = reader.others(entry, &hidden);
    for field in ["annotations", "icons", "execution"] {
        shown.get_mut(field).map(leave_out_absent);
    }
    shown
}

/// Leaves out the fields of a map, or of each map of a list, that have no value: programs write `null` for
/// what is absent, and clients refuse it.
pub(crate) fn leave_out_absent(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.retain(|_, value| !value.is_null()),
        Value::Array(items) => items.iter_mut().for_each(leave_out_absent),
        _ => {}
    }
}

/// Checks the images that clients may show.
pub(crate) fn check_icons(entry: &Node, reader: &mut Reader<'_>) {
    for (index, icon) in reader.list(entry, "icons").iter().enumerate() {
        check_icon(icon, &mut reader.inside(&format!("icons[{index}]")));
    }
}

/// Checks what a tool says of its behaviour.
fn check_hints(entry: &Node, reader: &mut Reader<'_>) {
    let Some(annotations) = reader.optional_map(entry, "annotations") else {
        return;
    };
    let mut inside = reader.inside("annotations");
    inside.optional_text(annotations, "title");
    let hints = [
        "readOnlyHint",
        "destructiveHint",
        "idempotentHint",
        "openWorldHint",
    ];
    inside.check_keys(annotations, &[&hints[..], &["title"]].concat());
    for hint in hints {
        inside.optional_boolean(annotations, hint);
    }
}

/// Checks how a tool may be run.
fn check_execution(entry: &Node, reader: &mut Reader<'_>) {
    let Some(execution) = reader.optional_map(entry, "execution") else {
        return;
    };
    let mut inside = reader.inside("execution");
    inside.check_keys(execution, &["taskSupport"]);
    let support = inside.optional_text(execution, "taskSupport");
    let is_known = |word: &String| matches!(&**word, "forbidden" | "optional" | "required");
    if let Some(word) = support.filter(|word| !is_known(word)) {
        let word = excerpt(&word);
        let message = format!("{word:?} is not known: write forbidden, optional or required");
        inside.wrong(execution, "taskSupport", message);
    }
}

/// Checks what a resource and a link to one have.
pub(crate) fn check_resource_fields(entry: &Node, reader: &mut Reader<'_>) {
    reader.optional_text(entry, "mimeType");
    let is_size =
        |node: &&Node| matches!(&node.data, Data::Number { number, .. } if number.is_u64());
    if let Some(size) = entry.get("size").filter(|size| !is_size(size)) {
        let message = format!("must be a whole number and is {}", size.describe());
        reader.wrong(entry, "size", message);
    }
}

/// Checks for whom something is and how much it matters (server/resources, "Annotations").
pub(crate) fn check_annotations(entry: &Node, reader: &mut Reader<'_>) {
    let Some(annotations) = entry.get("annotations") else {
        return;
    };
    let mut inside = reader.inside("annotations");
    inside.check_keys(annotations, &["audience", "priority", "lastModified"]);
    for role in inside.list(annotations, "audience") {
        if let Some(role) = inside.text(role, "audience") {
            check_role(annotations, "audience", &role, &mut inside);
        }
    }
    let is_priority = |node: &&Node| match &node.data {
        Data::Number { number, .. } => number
            .as_f64()
            .is_some_and(|priority| (0.0..=1.0).contains(&priority)),
        _ => false,
    };
    if let Some(priority) = annotations
        .get("priority")
        .filter(|node| !is_priority(node))
    {
        let message = format!(
            "must be a number from 0 to 1 and is {}",
            priority.describe()
        );
        inside.wrong(annotations, "priority", message);
    }
}

/// Checks when something was changed last, as its annotations say.
pub(crate) fn check_last_modified(entry: &Node, reader: &mut Reader<'_>) {
    let Some(annotations) = entry.get("annotations") else {
        return;
    };
    let mut inside = reader.inside("annotations");
    let modified = inside.optional_text(annotations, "lastModified");
    if let Some(text) = modified.filter(|text| !is_date_time(text)) {
        let text = excerpt(&text);
        let message =
            format!("{text:?} is no date and time of ISO 8601: write it like 2025-01-12T15:00:58Z");
        inside.wrong(annotations, "lastModified", message);
    }
}

/// Checks that a field's text, where there is one, is base64.
pub(crate) fn check_base64(map: &Node, field: &str, reader: &mut Reader<'_>) {
    if let Some(text) = reader.optional_text(map, field)
        && STANDARD.decode(&text).is_err()
    {
        let text = excerpt(&text);
        let message = format!("{text:?} is no base64: write the bytes in it, with padding");
        reader.wrong(map, field, message);
    }
}

/// Whether a field's text is one of the two roles; a problem if it is not.
pub(crate) fn check_role(map: &Node, field: &str, role: &str, reader: &mut Reader<'_>) -> bool {
    let known = matches!(role, "user" | "assistant");
    if !known {
        reader.wrong(
            map,
            field,
            format!("{role:?} is no role: write user or assistant"),
        );
    }
    known
}

fn check_icon(icon: &Node, reader: &mut Reader<'_>) {
    if !reader.is_map(icon) {
        return;
    }
    reader.check_keys(icon, &["src", "mimeType", "sizes", "theme"]);
    reader.required_text(icon, "src", "give the address of the image");
    reader.optional_text(icon, "mimeType");
    for size in reader.list(icon, "sizes") {
        reader.text(size, "sizes");
    }
    let theme = reader.optional_text(icon, "theme");
    if let Some(theme) = theme.filter(|theme| !matches!(theme.as_str(), "light" | "dark")) {
        reader.wrong(
            icon,
            "theme",
            format!("{theme:?} is no theme: write light or dark"),
        );
    }
}
