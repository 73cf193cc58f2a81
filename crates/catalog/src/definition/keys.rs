//! Keys of plugins and of their functions that mean nothing, or something else than whoever wrote them thought.

use super::{FUNCTION_FIELDS, PLUGIN_FIELDS};
use crate::near_miss::likely;
use crate::node::{ADVICE_MAX, Node, OWN_PREFIX, Reader};

/// What fields of a manifest of Extism's are called here.
const PLUGIN_FIELDS_ELSEWHERE: [(&str, &str); 9] = [
    ("allowed_hosts", "permissions: {network: [...]}"),
    ("allowedHosts", "permissions: {network: [...]}"),
    ("timeout_ms", "limits: {timeout: ...}"),
    ("timeoutMs", "limits: {timeout: ...}"),
    ("timeout", "limits: {timeout: ...}"),
    ("memory", "limits: {memory: ...}"),
    ("wasm", "path"),
    ("hash", "digest"),
    ("env", "config"),
];

/// Fields of a function that the protocol knows, and clients see as they are written.
const FUNCTION_SHOWN_FIELDS: [&str; 6] = [
    "title",
    "description",
    "annotations",
    "icons",
    "execution",
    "_meta",
];

/// What fields of a function are called elsewhere.
const FUNCTION_FIELDS_ELSEWHERE: [(&str, &str); 5] = [
    ("parameters", "arguments"),
    ("params", "arguments"),
    ("args", "arguments"),
    ("export", "function"),
    ("schema", "inputSchema"),
];

/// Advises on unknown keys of a plugin: they may be somebody's notes, or a limit whose name is mistyped.
pub(super) fn check_plugin(plugin: &Node, reader: &mut Reader<'_>) {
    let lacking = plugin.lacking(&PLUGIN_FIELDS);
    for key in plugin.unknown(&PLUGIN_FIELDS).take(ADVICE_MAX) {
        let message = match meant(key, &lacking, &PLUGIN_FIELDS_ELSEWHERE) {
            Some(meant) => format!("means nothing here: did you mean `{meant}`?"),
            None => format!("means nothing here; known are {}", PLUGIN_FIELDS.join(", ")),
        };
        reader.advise(plugin, key, message);
    }
}

/// Whether clients are shown a key of a function that means nothing here.
pub(super) fn is_shown(key: &str) -> bool {
    FUNCTION_SHOWN_FIELDS.contains(&key) || key.starts_with(OWN_PREFIX)
}

/// Advises on keys of a function that mean nothing, neither here nor to clients.
pub(super) fn check_function(function: &Node, reader: &mut Reader<'_>) {
    let known = [&FUNCTION_FIELDS[..], &FUNCTION_SHOWN_FIELDS].concat();
    let lacking = function.lacking(&known);
    for key in function.unknown(&known).take(ADVICE_MAX) {
        let message = match meant(key, &lacking, &FUNCTION_FIELDS_ELSEWHERE) {
            Some(meant) => format!("means nothing here: did you mean `{meant}`?"),
            None => format!(
                "means nothing here, and clients are not shown it: begin it with `{OWN_PREFIX}`, or put it into `_meta`"
            ),
        };
        reader.advise(function, key, message);
    }
}

/// What an unknown key stands for: its name elsewhere, or a known one that it nearly is and that is lacking.
fn meant<'k>(key: &str, lacking: &[&'k str], elsewhere: &[(&str, &'k str)]) -> Option<&'k str> {
    let ours = elsewhere.iter().find(|(theirs, _)| *theirs == key);
    ours.map(|(_, ours)| *ours)
        .or_else(|| likely(key, lacking.iter().copied()))
}
