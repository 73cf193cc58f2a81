//! A prompt: messages with placeholders, and the arguments that fill them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::arguments::{Argument, ArgumentKind, ArgumentsError};
use crate::definition::shown;
use crate::node::{Data, Node, Reader, excerpt};
use crate::template::substitute;

/// A prompt.
pub struct Prompt {
    pub(crate) name: String,
    pub(crate) line: Option<usize>,
    description: Option<String>,
    arguments: Vec<Argument>,
    messages: Vec<Template>,
    pub(crate) entry: Value,
}

struct Template {
    role: String,
    content: MessageContent,
}

/// One message of a prompt, its placeholders replaced.
#[derive(Debug, PartialEq)]
pub struct Message {
    /// `user` or `assistant`.
    pub role: String,
    /// What it says.
    pub content: MessageContent,
}

/// The content of a message.
#[derive(Clone, Debug, PartialEq)]
pub enum MessageContent {
    /// A text.
    Text(String),
    /// A whole content block, as the definition writes it.
    Block(Value),
}

impl Prompt {
    pub(crate) fn read(node: &Node, name: String, reader: &mut Reader<'_>) -> Option<Self> {
        let description = reader.optional_text(node, "description");
        let arguments = Argument::read_all(node, reader);
        let listed = reader.list(node, "messages");
        if listed.is_empty() {
            reader.problem(node.line, "messages", "is missing or empty: give at least one message with `role` and `text`");
        }
        let mut messages = Vec::with_capacity(listed.len());
        for (index, message) in listed.iter().enumerate() {
            let mut inside = reader.inside(&format!("messages[{index}]"));
            if inside.is_map(message) {
                messages.extend(Template::read(message, &mut inside));
            }
        }
        let entry = entry(node, &name, &arguments);
        Some(Self {
            name,
            line: node.line,
            description,
            arguments,
            messages,
            entry,
        })
    }

    /// Its description, where it has one.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// The values that an argument may have; none where there is no such argument.
    #[must_use]
    pub fn choices(&self, argument: &str) -> Option<Vec<String>> {
        let argument = self.arguments.iter().find(|known| known.name == argument)?;
        Some(argument.choices_as_text())
    }

    /// The messages with these arguments in place of their names.
    ///
    /// # Errors
    /// When a required argument is missing, an unknown one is given, or a value is not of the
    /// argument's type.
    pub fn render(&self, arguments: &BTreeMap<String, String>) -> Result<Vec<Message>, ArgumentsError> {
        let mut values: BTreeMap<&str, String> = BTreeMap::new();
        for argument in &self.arguments {
            values.insert(&argument.name, self.value(argument, arguments.get(&argument.name))?);
        }
        if let Some(unknown) = arguments.keys().find(|name| !values.contains_key(name.as_str())) {
            return Err(self.invalid(&format!("the argument {unknown:?} is not known")));
        }
        let value = |name: &str| values.get(name).map(String::as_str);
        let messages = self.messages.iter().map(|template| Message {
            role: template.role.clone(),
            content: match &template.content {
                MessageContent::Text(text) => MessageContent::Text(substitute(text, value).into_owned()),
                MessageContent::Block(block) => MessageContent::Block(substitute_all(block, &value)),
            },
        });
        Ok(messages.collect())
    }

    fn value(&self, argument: &Argument, given: Option<&String>) -> Result<String, ArgumentsError> {
        let name = &argument.name;
        let Some(given) = given else {
            if argument.required {
                return Err(self.invalid(&format!("the argument {name:?} is missing")));
            }
            let default = argument.default.as_ref();
            return Ok(default.map_or_else(String::new, |value| {
                value.as_str().map_or_else(|| value.to_string(), str::to_owned)
            }));
        };
        let parses = match argument.kind {
            ArgumentKind::Number => given.trim().parse::<f64>().is_ok_and(f64::is_finite),
            ArgumentKind::Integer => given.trim().parse::<i128>().is_ok(),
            ArgumentKind::Boolean => matches!(given.trim(), "true" | "false"),
            _ => true,
        };
        if !parses {
            let kind = argument.kind.json_schema().unwrap_or("value");
            return Err(self.invalid(&format!("the argument {name:?} must be a {kind} and is {:?}", excerpt(given))));
        }
        let choices = argument.choices_as_text();
        if !choices.is_empty() && !choices.contains(given) {
            let message = format!("the argument {name:?} is {:?} and must be one of {}", excerpt(given), choices.join(", "));
            return Err(self.invalid(&message));
        }
        Ok(given.clone())
    }

    fn invalid(&self, what: &str) -> ArgumentsError {
        let expected: Vec<&str> = self.arguments.iter().map(|argument| argument.name.as_str()).collect();
        let expected = if expected.is_empty() { "no arguments".to_owned() } else { expected.join(", ") };
        ArgumentsError(format!("invalid arguments for prompt {:?}: {what}; expected {expected}", self.name))
    }
}

impl Template {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let role = reader.required_text(node, "role", "write user or assistant");
        let role = role.filter(|role| {
            let known = matches!(role.as_str(), "user" | "assistant");
            if !known {
                reader.problem(node.line, "role", format!("{role:?} is no role: write user or assistant"));
            }
            known
        });
        let content = match (node.get("text"), node.get("content")) {
            (Some(text), None) => reader.text(text, "text").map(MessageContent::Text),
            (None, Some(content)) => match &content.data {
                Data::Map(_) => Some(MessageContent::Block(content.to_json())),
                Data::Text(text) => Some(MessageContent::Text(text.clone())),
                _ => {
                    reader.problem(content.line, "content", "must be a text or a map with a `type`");
                    None
                }
            },
            (None, None) => {
                reader.problem(node.line, "text", "is missing: give the message a `text` or a `content`");
                None
            }
            (Some(_), Some(_)) => {
                reader.problem(node.line, "content", "stands beside `text`: give one of the two");
                None
            }
        };
        Some(Self {
            role: role?,
            content: content?,
        })
    }
}

/// Replaces placeholders in every text of a block.
fn substitute_all<'v>(value: &Value, known: &impl Fn(&str) -> Option<&'v str>) -> Value {
    match value {
        Value::String(text) => Value::String(substitute(text, known).into_owned()),
        Value::Array(items) => items.iter().map(|item| substitute_all(item, known)).collect(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| (key.clone(), substitute_all(value, known)));
            Value::Object(fields.collect())
        }
        other => other.clone(),
    }
}

/// What the list of prompts shows.
fn entry(node: &Node, name: &str, arguments: &[Argument]) -> Value {
    let mut entry = Map::new();
    entry.insert("name".to_owned(), json!(name));
    entry.extend(shown(node, &["name", "arguments", "messages"]));
    let arguments: Vec<Value> = arguments
        .iter()
        .map(|argument| {
            let mut shown = Map::new();
            shown.insert("name".to_owned(), json!(argument.name));
            if let Some(description) = &argument.description {
                shown.insert("description".to_owned(), json!(description));
            }
            shown.insert("required".to_owned(), json!(argument.required));
            if let Some((_, title)) = argument.others.iter().find(|(key, _)| key == "title") {
                shown.insert("title".to_owned(), title.clone());
            }
            Value::Object(shown)
        })
        .collect();
    entry.insert("arguments".to_owned(), Value::Array(arguments));
    Value::Object(entry)
}
