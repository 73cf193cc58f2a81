//! A prompt: messages with placeholders or a function that makes them, and its arguments.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::arguments::{Argument, ArgumentKind, ArgumentsError, text_of};
use crate::block::{check_block, leave_out_absent_fields};
use crate::choices::Choices;
use crate::node::{Data, Node, Reader, excerpt};
use crate::shown::{OF_PROMPTS, check_role, shown};
use crate::source::{Made, Placed, SOURCE_FIELDS, Source};
use crate::template::{FILLED_MAX_BYTES, Filling, TooLong};

/// A prompt.
pub struct Prompt {
    pub(crate) name: String,
    description: Option<String>,
    arguments: Vec<Argument>,
    messages: Made<Vec<Template>>,
    pub(crate) entry: Value,
}

/// What the protocol knows of a prompt beside its name and arguments.
const SHOWN_FIELDS: [&str; 4] = ["title", "description", "icons", "_meta"];

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
    pub(crate) fn read(node: &Node, name: &str, reader: &mut Reader<'_>) -> Option<Self> {
        let arguments = Argument::read_all(node, reader, &check_argument);
        let messages = Source::read_or(node, "messages", reader, |reader| messages(node, reader));
        let known = [&["name", "arguments", "messages"][..], &SOURCE_FIELDS].concat();
        let shown = shown(node, &known, &OF_PROMPTS, reader);
        reader.check_keys(node, &[&known[..], &SHOWN_FIELDS].concat());
        let description = shown
            .get("description")
            .and_then(Value::as_str)
            .map(str::to_owned);
        Some(Self {
            entry: entry(name, shown, &arguments),
            name: name.to_owned(),
            description,
            arguments,
            messages: messages?,
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its description, where it has one.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// The values that an argument may have; none where there is no such argument.
    #[must_use]
    pub fn choices(&self, argument: &str) -> Option<Choices<'_>> {
        let argument = self.arguments.iter().find(|known| known.name == argument)?;
        Some(argument.completions())
    }

    /// The function that makes its messages; none where the definition holds them.
    #[must_use]
    pub fn source(&self) -> Option<&Source> {
        self.messages.source()
    }

    /// Every function that it names.
    pub(crate) fn sources(&self) -> impl Iterator<Item = Placed<'_>> {
        let own = self.source().map(|source| (String::new(), source));
        own.into_iter().chain(Argument::sources(&self.arguments))
    }

    /// The messages with these arguments in place of their names; none where a function makes them.
    ///
    /// # Errors
    /// When a required argument is missing, an unknown one is given, a value is not of the argument's
    /// type, or the messages would be too long.
    pub fn render(
        &self,
        arguments: &BTreeMap<String, String>,
    ) -> Result<Vec<Message>, ArgumentsError> {
        let values: BTreeMap<&str, String> = self
            .values(arguments)?
            .into_iter()
            .map(|(name, value)| (name, value.unwrap_or_default()))
            .collect();
        let value = |name: &str| values.get(name).map(String::as_str);
        let Made::Data(templates) = &self.messages else {
            return Ok(Vec::new());
        };
        let mut filling = Filling::new();
        let templates = templates.iter();
        let messages = templates.map(|template| template.fill(&mut filling, &value));
        messages.collect::<Result<_, _>>().map_err(|TooLong| {
            self.invalid(&format!(
                "the messages would have more than {FILLED_MAX_BYTES} bytes: give shorter values"
            ))
        })
    }

    /// The input of the function that makes its messages: one JSON object of texts in the order of
    /// the definition, with defaults, and without what is left out and has none.
    ///
    /// # Errors
    /// As for [`Self::render`].
    pub fn input(&self, arguments: &BTreeMap<String, String>) -> Result<Vec<u8>, ArgumentsError> {
        let given = self.values(arguments)?.into_iter();
        let given = given.filter_map(|(name, value)| Some((name.to_owned(), json!(value?))));
        let input: Map<String, Value> = given.collect();
        Ok(Value::Object(input).to_string().into_bytes())
    }

    /// The checked value of each argument in the order of the definition; none where it is left out
    /// and has no default.
    fn values(
        &self,
        given: &BTreeMap<String, String>,
    ) -> Result<Vec<(&str, Option<String>)>, ArgumentsError> {
        let mut values = Vec::with_capacity(self.arguments.len());
        for argument in &self.arguments {
            let value = self.value(argument, given.get(&argument.name))?;
            values.push((argument.name.as_str(), value));
        }
        let is_known = |name: &str| values.iter().any(|(known, _)| *known == name);
        if let Some(unknown) = given.keys().find(|name| !is_known(name)) {
            let unknown = excerpt(unknown);
            return Err(self.invalid(&format!("the argument {unknown:?} is not known")));
        }
        Ok(values)
    }

    fn value(
        &self,
        argument: &Argument,
        given: Option<&String>,
    ) -> Result<Option<String>, ArgumentsError> {
        let name = &argument.name;
        match given.filter(|given| !is_left_out(argument, given)) {
            Some(given) => {
                check_value(argument, given)
                    .map_err(|what| self.invalid(&format!("the argument {name:?} {what}")))?;
                Ok(Some(given.clone()))
            }
            None if argument.required => {
                Err(self.invalid(&format!("the argument {name:?} is missing")))
            }
            None => Ok(argument.default.as_ref().map(text_of)),
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

/// Whether a text says that nobody has filled in an optional argument: one that is no text by its type,
/// or has choices, and does not take the empty one.
fn is_left_out(argument: &Argument, given: &str) -> bool {
    given.is_empty() && !argument.required && check_value(argument, given).is_err()
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

/// Reads `messages`.
fn messages(node: &Node, reader: &mut Reader<'_>) -> Vec<Template> {
    let remedy = "give at least one message with `role` and `text`";
    let listed = reader.required_list(node, "messages", remedy);
    let mut messages = Vec::with_capacity(listed.len());
    for (index, message) in listed.iter().enumerate() {
        let mut inside = reader.inside(&format!("messages[{index}]"));
        if inside.is_map(message) {
            messages.extend(Template::read(message, &mut inside));
        }
    }
    messages
}

impl Template {
    fn fill<'v>(
        &self,
        filling: &mut Filling,
        value: &impl Fn(&str) -> Option<&'v str>,
    ) -> Result<Message, TooLong> {
        Ok(Message {
            role: self.role.clone(),
            content: match &self.content {
                MessageContent::Text(text) => {
                    MessageContent::Text(filling.substitute(text, value)?)
                }
                MessageContent::Block(block) => {
                    MessageContent::Block(substitute_all(filling, block, value)?)
                }
            },
        })
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.check_keys(node, &["role", "text", "content"]);
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
            check_block(content, &mut reader.inside("content"));
            let mut block = reader.json(content, "content")?;
            leave_out_absent_fields(&mut block);
            Some(MessageContent::Block(block))
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
fn substitute_all<'v>(
    filling: &mut Filling,
    value: &Value,
    known: &impl Fn(&str) -> Option<&'v str>,
) -> Result<Value, TooLong> {
    Ok(match value {
        Value::String(text) => Value::String(filling.substitute(text, known)?),
        Value::Array(items) => {
            let items = items.iter();
            let items = items.map(|item| substitute_all(filling, item, known));
            items.collect::<Result<_, _>>()?
        }
        Value::Object(fields) => {
            let mut filled = Map::new();
            for (key, value) in fields {
                filled.insert(key.clone(), substitute_all(filling, value, known)?);
            }
            Value::Object(filled)
        }
        other => other.clone(),
    })
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
