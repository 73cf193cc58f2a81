//! The `arguments` of a definition: what a tool, a prompt or a URI template takes.

use serde_json::{Map, Value};

use crate::choices::Choices;
use crate::near_miss;
use crate::node::{Node, Reader, excerpt};
use crate::schema_keywords::{self, KEYWORDS};
use crate::source::{Placed, Source};

/// The key beside the arguments under which a plugin finds what its client has answered. No caller
/// may give it.
pub(crate) const RESERVED_ARGUMENT: &str = "_mcp";

/// Arguments that a request got wrong, each with its name, its value and what is wanted.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct ArgumentsError(pub(crate) String);

/// One argument.
pub(crate) struct Argument {
    pub(crate) name: String,
    pub(crate) kind: ArgumentKind,
    pub(crate) description: Option<String>,
    /// True unless the definition says otherwise or gives a default.
    pub(crate) required: bool,
    pub(crate) default: Option<Value>,
    /// The values that are allowed; empty for any.
    pub(crate) choices: Vec<Value>,
    /// The function that completes it.
    pub(crate) complete: Option<Source>,
    /// Every other field, for the JSON Schema.
    pub(crate) others: Map<String, Value>,
}

/// The type of an argument. A definition may write any word; those unknown mean any type.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ArgumentKind {
    Text,
    Number,
    Integer,
    Boolean,
    Object,
    Array,
    Any,
}

impl ArgumentKind {
    fn parse(word: &str) -> Self {
        match word {
            "string" => Self::Text,
            "number" => Self::Number,
            "integer" => Self::Integer,
            "boolean" => Self::Boolean,
            "object" => Self::Object,
            "array" => Self::Array,
            _ => Self::Any,
        }
    }

    /// The word of JSON Schema; none for any type.
    pub(crate) fn json_schema(self) -> Option<&'static str> {
        match self {
            Self::Text => Some("string"),
            Self::Number => Some("number"),
            Self::Integer => Some("integer"),
            Self::Boolean => Some("boolean"),
            Self::Object => Some("object"),
            Self::Array => Some("array"),
            Self::Any => None,
        }
    }
}

/// Checks one argument further, in its map: a tool's differs from a prompt's.
pub(crate) type Check<'c> = &'c dyn Fn(&Argument, &Node, &mut Reader<'_>);

impl Argument {
    /// Reads the list under `arguments`; what is wrong goes to the reader.
    pub(crate) fn read_all(entry: &Node, reader: &mut Reader<'_>, check: Check<'_>) -> Vec<Self> {
        let mut arguments: Vec<Self> = Vec::new();
        // Some programs write an empty list so, and so do people who think of names.
        if entry.get("arguments").is_some_and(Node::is_empty_map) {
            return arguments;
        }
        for (index, node) in reader.list(entry, "arguments").iter().enumerate() {
            let mut inside = reader.inside(&format!("arguments[{index}]"));
            if !inside.is_map(node) {
                continue;
            }
            let Some(argument) = Self::read(node, &mut inside) else {
                continue;
            };
            check(&argument, node, &mut inside);
            if arguments.iter().any(|known| known.name == argument.name) {
                let message = format!(
                    "{:?} is the name of an earlier argument: choose another",
                    argument.name
                );
                inside.wrong(node, "name", message);
                continue;
            }
            arguments.push(argument);
        }
        arguments
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let name = reader.required_text(node, "name", "give the argument a name")?;
        if name == RESERVED_ARGUMENT {
            let message = format!("{name:?} is the server's own: choose another name");
            reader.wrong(node, "name", message);
        }
        let word = reader.optional_text(node, "type");
        let default = node
            .get("default")
            .and_then(|default| reader.json(default, "default"));
        let required = reader.optional_boolean(node, "required");
        if required == Some(true) && default.is_some() {
            let message = "an argument with a default is never required: leave one of the two out";
            reader.wrong(node, "default", message);
        }
        let choices = reader.list(node, "enum").iter().enumerate();
        let choices = choices
            .filter_map(|(index, choice)| reader.json(choice, &format!("enum[{index}]")))
            .collect();
        reader.optional_text(node, "title");
        let known = [
            "name",
            "type",
            "description",
            "required",
            "default",
            "enum",
            "complete",
        ];
        reader.check_keys(node, &[&known[..], &KEYWORDS].concat());
        schema_keywords::check_inside(node, reader);
        if let Some(word) = &word {
            check_type(word, node, reader);
        }
        Some(Self {
            name,
            kind: word.map_or(ArgumentKind::Any, |word| ArgumentKind::parse(&word)),
            description: reader.optional_text(node, "description"),
            required: required.unwrap_or(default.is_none()),
            default,
            choices,
            complete: Source::read_completing(node, reader),
            others: reader.others(node, &known),
        })
    }

    /// The allowed values as texts.
    pub(crate) fn choices_as_text(&self) -> Vec<String> {
        self.choices.iter().map(text_of).collect()
    }

    /// What is offered for it.
    pub(crate) fn completions(&self) -> Choices<'_> {
        match &self.complete {
            Some(source) => Choices::Function(source),
            None => Choices::Listed(self.choices_as_text()),
        }
    }

    /// The functions that complete these.
    pub(crate) fn sources(arguments: &[Self]) -> impl Iterator<Item = Placed<'_>> {
        let arguments = arguments.iter().enumerate();
        arguments.filter_map(|(index, argument)| {
            let source = argument.complete.as_ref()?;
            Some((format!("arguments[{index}].complete"), source))
        })
    }
}

/// The types of arguments.
const TYPES: [&str; 7] = [
    "string", "number", "integer", "boolean", "object", "array", "any",
];

/// Advises on a word that is no type, and so means any.
fn check_type(word: &str, argument: &Node, reader: &mut Reader<'_>) {
    if TYPES.contains(&word) {
        return;
    }
    let meant = match word.to_ascii_lowercase().as_str() {
        "int" | "long" => "integer",
        "float" | "double" | "decimal" => "number",
        "bool" => "boolean",
        "str" | "text" => "string",
        "list" => "array",
        "dict" | "map" => "object",
        _ => near_miss::likely(word, TYPES).unwrap_or_default(),
    };
    let word = excerpt(word);
    let message = match meant {
        "" => format!(
            "{word:?} is no type, and any value is taken: write string, number, integer, boolean, object, array or any"
        ),
        meant => format!("{word:?} is no type, and any value is taken: did you mean `{meant}`?"),
    };
    reader.advise(argument, "type", message);
}

/// A value as a text: a string without quotes, anything else as JSON.
pub(crate) fn text_of(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
