//! How the output of a function is to be read.

use crate::node::{Node, Reader};

/// How the output of a function is to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Returns {
    /// The output is a text.
    #[default]
    Text,
    /// The output is JSON; of a tool, structured content and its text.
    Json,
    /// The output is a whole MCP result.
    Result,
}

impl Returns {
    /// Reads `returns`; none where the definition does not say it rightly.
    pub(crate) fn read(map: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        if map.get("returns").is_none() {
            return Some(Self::default());
        }
        match reader.optional_text(map, "returns")?.as_str() {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            "result" => Some(Self::Result),
            other => {
                let message = format!("{other:?} is not known: write text, json or result");
                reader.wrong(map, "returns", message);
                None
            }
        }
    }
}
