//! JSON Schemas of tools: made from `arguments` or given whole, compiled once.

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::arguments::{Argument, ArgumentsError};
use crate::node::excerpt;

/// Most violations that one message lists.
const VIOLATIONS_MAX: usize = 5;

/// An output that is not what the tool's `outputSchema` promises.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the output does not match the tool's outputSchema: {0}")]
pub struct OutputError(String);

/// The schema that a list of arguments means.
pub(crate) fn of_arguments(arguments: &[Argument]) -> Value {
    let properties: Map<String, Value> = arguments
        .iter()
        .map(|argument| (argument.name.clone(), property(argument)))
        .collect();
    let required: Vec<&str> = arguments
        .iter()
        .filter(|argument| argument.required)
        .map(|argument| argument.name.as_str())
        .collect();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    schema.insert("additionalProperties".to_owned(), json!(false));
    Value::Object(schema)
}

fn property(argument: &Argument) -> Value {
    let mut schema = Map::new();
    if let Some(word) = argument.kind.json_schema() {
        schema.insert("type".to_owned(), json!(word));
    }
    if let Some(description) = &argument.description {
        schema.insert("description".to_owned(), json!(description));
    }
    if !argument.choices.is_empty() {
        schema.insert("enum".to_owned(), json!(argument.choices));
    }
    if let Some(default) = &argument.default {
        schema.insert("default".to_owned(), default.clone());
    }
    schema.extend(argument.others.iter().cloned());
    Value::Object(schema)
}

/// Compiles a schema. A `$ref` to somewhere else is refused: nothing is fetched.
pub(crate) fn compile(schema: &Value) -> Result<Validator, String> {
    jsonschema::options()
        .build(schema)
        .map_err(|error| format!("is no valid JSON Schema: {}", excerpt_of(&error)))
}

/// Holds a tool's arguments against its schema.
pub(crate) fn check_arguments(validator: &Validator, arguments: &Value, tool: &str, expected: &str) -> Result<(), ArgumentsError> {
    violations(validator, arguments).map_err(|violations| {
        ArgumentsError(format!("invalid arguments for tool {tool:?}: {violations}; expected {expected}"))
    })
}

/// Holds a tool's output against its schema.
pub(crate) fn check_output(validator: &Validator, output: &Value) -> Result<(), OutputError> {
    violations(validator, output).map_err(OutputError)
}

fn violations(validator: &Validator, value: &Value) -> Result<(), String> {
    if validator.is_valid(value) {
        return Ok(());
    }
    let found: Vec<String> = validator
        .iter_errors(value)
        .take(VIOLATIONS_MAX)
        .map(|error| excerpt_of(&error))
        .collect();
    Err(found.join("; "))
}

/// `path: what is wrong`, with a long value cut.
fn excerpt_of(error: &jsonschema::ValidationError<'_>) -> String {
    let path = error.instance_path().to_string();
    let message = error.to_string();
    // The message begins with the value, which may be as large as the request.
    let value = error.instance().to_string();
    let message = match message.strip_prefix(value.as_str()) {
        Some(rest) => format!("{}{rest}", excerpt(&value)),
        None => message,
    };
    match path.strip_prefix('/') {
        Some(path) => format!("{}: {message}", path.replace('/', ".")),
        None => message,
    }
}

/// What a message tells a caller to send: each argument with its type.
pub(crate) fn expected(schema: &Value) -> String {
    let required: Vec<&str> = schema["required"]
        .as_array()
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let properties = schema["properties"].as_object();
    let listed: Vec<String> = properties
        .into_iter()
        .flatten()
        .map(|(name, property)| {
            let kind = property["type"].as_str().unwrap_or("any type");
            let optional = if required.contains(&name.as_str()) { "" } else { ", optional" };
            format!("{name} ({kind}{optional})")
        })
        .collect();
    if listed.is_empty() {
        "no arguments".to_owned()
    } else {
        listed.join(", ")
    }
}
