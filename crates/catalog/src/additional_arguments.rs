//! Arguments that a tool does not know: whether they are refused, dropped or handed on.

use serde_json::Value;

use crate::node::{Data, Node, Reader};

/// What becomes of an argument that a tool's schema does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AdditionalArguments {
    /// The call is refused.
    #[default]
    Refuse,
    /// The tool gets the others.
    Ignore,
}

/// What clients add to the arguments of every call: n8n tells who talks to whom, and Cline how far its
/// model has come. No model has chosen them, and none can leave them out.
const ADDED_BY_CLIENTS: [&str; 6] = [
    "sessionId",
    "action",
    "chatInput",
    "toolCallId",
    "tool",
    "task_progress",
];

impl AdditionalArguments {
    /// The words that are written for them.
    pub const WORDS: [(&'static str, Self); 2] =
        [("refuse", Self::Refuse), ("ignore", Self::Ignore)];

    /// Whether an argument that is not known is dropped.
    pub(crate) fn drops(self, name: &str) -> bool {
        self == Self::Ignore || ADDED_BY_CLIENTS.contains(&name)
    }
}

/// Reads `additionalProperties` beside `arguments`: whether any others are handed on, or the schema that
/// they must match.
pub(crate) fn additional_properties(function: &Node, reader: &mut Reader<'_>) -> Option<Value> {
    const FIELD: &str = "additionalProperties";
    let node = function.get(FIELD)?;
    if !matches!(node.data, Data::Boolean { .. } | Data::Map(_)) {
        let found = node.describe();
        let message = format!("must be true, false or a JSON Schema and is {found}");
        reader.wrong(function, FIELD, message);
        return None;
    }
    if function.get("inputSchema").is_some() {
        let message = "stands beside `inputSchema`: write it in that schema";
        reader.wrong(function, FIELD, message);
    }
    if function.get("additionalArguments").is_some() {
        let message = "stands beside `additionalArguments`, which would drop what this hands on: give one of the two";
        reader.wrong(function, FIELD, message);
    }
    reader.json(node, FIELD)
}
