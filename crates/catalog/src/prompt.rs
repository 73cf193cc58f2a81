//! A prompt: messages with placeholders, and the arguments that fill them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::arguments::{Argument, ArgumentKind, ArgumentsError, text_of};
use crate::node::{Data, Node, Reader, excerpt};
use crate::shown::{check_annotations, check_base64, check_role, shown};
use crate::template::substitute;

/// A prompt.
pub struct Prompt {
    pub(crate) name: String,
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
    pub(crate) fn read(node: &Node, name: &str, reader: &mut Reader<'_>) -> Self {
        let arguments = Argument::read_all(node, reader, &check_argument);
        let remedy = "give at least one message with `role` and `text`";
        let listed = reader.required_list(node, "messages", remedy);
        let mut messages = Vec::with_capacity(listed.len());
        for (index, message) in listed.iter().enumerate() {
            let mut inside = reader.inside(&format!("messages[{index}]"));
            if inside.is_map(message) {
                messages.extend(Template::read(message, &mut inside));
            }
        }
        let shown = shown(node, &["name", "arguments", "messages"], reader);
        let description = shown
            .get("description")
            .and_then(Value::as_str)
            .map(str::to_owned);
        Self {
            entry: entry(name, shown, &arguments),
            name: name.to_owned(),
            description,
            arguments,
            messages,
        }
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
    pub fn render(
        &self,
        arguments: &BTreeMap<String, String>,
    ) -> Result<Vec<Message>, ArgumentsError> {
        let mut values: BTreeMap<&str, String> = BTreeMap::new();
        for argument in &self.arguments {
            values.insert(
                &argument.name,
                self.value(argument, arguments.get(&argument.name))?,
            );
        }
        if let Some(unknown) = arguments
            .keys()
            .find(|name| !values.contains_key(name.as_str()))
        {
            let unknown = excerpt(unknown);
            return Err(self.invalid(&format!("the argument {unknown:?} is not known")));
        }
        let value = |name: &str| values.get(name).map(String::as_str);
        let messages = self.messages.iter().map(|template| Message {
            role: template.role.clone(),
            content: match &template.content {
                MessageContent::Text(text) => {
                    MessageContent::Text(substitute(text, value).into_owned())
                }
                MessageContent::Block(block) => {
                    MessageContent::Block(substitute_all(block, &value))
                }
            },
        });
        Ok(messages.collect())
    }

    fn value(&self, argument: &Argument, given: Option<&String>) -> Result<String, ArgumentsError> {
        let name = &argument.name;
        match given {
            Some(given) => {
                check_value(argument, given)
                    .map_err(|what| self.invalid(&format!("the argument {name:?} {what}")))?;
                Ok(given.clone())
            }
            None if argument.required => {
                Err(self.invalid(&format!("the argument {name:?} is missing")))
            }
            None => Ok(argument.default.as_ref().map(text_of).unwrap_or_default()),
        }
    }

    fn invalid(&self, what: &str) -> ArgumentsError {
        let expected: Vec<&str> = self
            .arguments
            .iter()
            .map(|argument| argument.name.as_str())
            .collect();
        let expected = if expected.is_empty() {
            "no arguments".to_owned()
        } else {
            expected.join(", ")
        };
        ArgumentsError(format!(
            "invalid arguments for prompt {:?}: {what}; expected {expected}",
            self.name
        ))
    }
}

/// Holds a text against the type and the choices of an argument.
fn check_value(argument: &Argument, given: &str) -> Result<(), String> {
    let trimmed = given.trim();
    let wanted = match argument.kind {
        ArgumentKind::Number if !trimmed.parse().is_ok_and(f64::is_finite) => Some("a number"),
        ArgumentKind::Integer if trimmed.parse::<i128>().is_err() => Some("an integer"),
        ArgumentKind::Boolean if !matches!(trimmed, "true" | "false") => Some("a boolean"),
        _ => None,
    };
    if let Some(wanted) = wanted {
        return Err(format!("must be {wanted} and is {:?}", excerpt(given)));
    }
    let choices = argument.choices_as_text();
    if choices.is_empty() || choices.iter().any(|choice| choice == given) {
        return Ok(());
    }
    Err(format!(
        "is {:?} and must be one of {}",
        excerpt(given),
        choices.join(", ")
    ))
}

/// Holds the default and the choices of an argument against the argument itself.
fn check_argument(argument: &Argument, node: &Node, reader: &mut Reader<'_>) {
    let default = argument
        .default
        .iter()
        .map(|default| ("default", text_of(default)));
    let choices = argument
        .choices_as_text()
        .into_iter()
        .map(|choice| ("enum", choice));
    for (field, value) in default.chain(choices) {
        if let Err(what) = check_value(argument, &value) {
            reader.wrong(node, field, format!("does not fit the argument: {what}"));
        }
    }
}

impl Template {
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let role = reader.required_text(node, "role", "write user or assistant");
        let role = role.filter(|role| check_role(node, "role", role, reader));
        let content = match (node.get("text"), node.get("content")) {
            (Some(text), None) => reader.text(text, "text").map(MessageContent::Text),
            (None, Some(content)) => block(node, content, reader),
            (None, None) => {
                reader.wrong(
                    node,
                    "text",
                    "is missing: give the message a `text` or a `content`",
                );
                None
            }
            (Some(_), Some(_)) => {
                reader.wrong(node, "content", "stands beside `text`: give one of the two");
                None
            }
        };
        Some(Self {
            role: role?,
            content: content?,
        })
    }
}

/// Reads the `content` of a message.
fn block(message: &Node, content: &Node, reader: &mut Reader<'_>) -> Option<MessageContent> {
    match &content.data {
        Data::Text(text) => Some(MessageContent::Text(text.clone())),
        Data::Map(_) => {
            let remedy = "name the kind of content, such as text, image or resource";
            let mut inside = reader.inside("content");
            inside.required_text(content, "type", remedy)?;
            check_annotations(content, &mut inside);
            for field in ["annotations", "_meta"] {
                inside.optional_map(content, field);
            }
            // Bytes may come from an argument: those are known only when it is asked for.
            let is_template =
                |node: &Node| node.scalar_text().is_some_and(|text| text.contains("${"));
            if !content.get("data").is_some_and(is_template) {
                check_base64(content, "data", &mut inside);
            }
            reader.json(content, "content").map(MessageContent::Block)
        }
        _ => {
            let found = content.describe();
            reader.wrong(
                message,
                "content",
                format!("must be a text or a map with a `type` and is {found}"),
            );
            None
        }
    }
}

/// Replaces placeholders in every text of a block.
fn substitute_all<'v>(value: &Value, known: &impl Fn(&str) -> Option<&'v str>) -> Value {
    match value {
        Value::String(text) => Value::String(substitute(text, known).into_owned()),
        Value::Array(items) => items
            .iter()
            .map(|item| substitute_all(item, known))
            .collect(),
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(key, value)| (key.clone(), substitute_all(value, known)));
            Value::Object(fields.collect())
        }
        other => other.clone(),
    }
}

/// What the list of prompts shows.
fn entry(name: &str, shown: Map<String, Value>, arguments: &[Argument]) -> Value {
    let mut entry = Map::new();
    entry.insert("name".to_owned(), json!(name));
    entry.extend(shown);
    let arguments: Vec<Value> = arguments
        .iter()
        .map(|argument| {
            let mut shown = Map::new();
            shown.insert("name".to_owned(), json!(argument.name));
            if let Some(description) = &argument.description {
                shown.insert("description".to_owned(), json!(description));
            }
            shown.insert("required".to_owned(), json!(argument.required));
            if let Some(title) = argument.others.get("title") {
                shown.insert("title".to_owned(), title.clone());
            }
            Value::Object(shown)
        })
        .collect();
    entry.insert("arguments".to_owned(), Value::Array(arguments));
    Value::Object(entry)
}
