//! JSON Schemas of tools: made from `arguments` or given whole, compiled once.

use jsonschema::{Retrieve, Uri, Validator};
use serde_json::{Map, Value, json};

use crate::arguments::Argument;
use crate::node::{Node, Reader, cut, excerpt};
use crate::references::check_references;
use crate::schema_bounds;

/// Most violations that one message lists.
const VIOLATIONS_MAX: usize = 5;
/// Longest description of one of them, in bytes, without its path.
const VIOLATION_MAX_BYTES: usize = 240;

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
    schema.extend(argument.others.clone());
    Value::Object(schema)
}

/// Holds the default and the choices of an argument against the argument itself.
pub(crate) fn check_argument(argument: &Argument, node: &Node, reader: &mut Reader<'_>) {
    if node.get("complete").is_some() {
        let message = "is of prompts and resource templates: leave it out, since nothing completes an argument of a tool";
        reader.wrong(node, "complete", message);
    }
    let of_choices = argument.choices.iter().map(|choice| ("enum", choice));
    let values: Vec<_> = argument
        .default
        .iter()
        .map(|default| ("default", default))
        .chain(of_choices)
        .collect();
    if values.is_empty() {
        return;
    }
    // One that does not compile is told of with the schema of all arguments.
    let Ok(validator) = compile(&property(argument)) else {
        return;
    };
    for (field, value) in values {
        if let Err(violations) = violations(&validator, value) {
            reader.wrong(
                node,
                field,
                format!("does not fit the argument: {violations}"),
            );
        }
    }
}

/// Compiles a schema that is neither too deep nor too large. A `$ref` to somewhere else is refused:
/// nothing is fetched.
pub(crate) fn compile(schema: &Value) -> Result<Validator, String> {
    schema_bounds::check(schema)?;
    check_references(schema).map_err(|message| format!("is no valid JSON Schema: {message}"))?;
    jsonschema::options()
        .with_retriever(Nowhere)
        .build(schema)
        .map_err(|error| format!("is no valid JSON Schema: {}", describe(&error)))
}

/// The remedy for a reference to somewhere else.
pub(crate) const NOTHING_IS_FETCHED: &str =
    "nothing is fetched; refer to a part of this schema, such as #/$defs/name";

/// Where schemas are fetched from.
struct Nowhere;

impl Retrieve for Nowhere {
    fn retrieve(&self, _: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err(NOTHING_IS_FETCHED.into())
    }
}

/// Holds a tool's output against its schema.
pub(crate) fn check_output(validator: &Validator, output: &Value) -> Result<(), OutputError> {
    violations(validator, output).map_err(OutputError)
}

/// Holds a value against a schema.
///
/// # Errors
/// What does not match, each with its place in the value.
pub(crate) fn violations(validator: &Validator, value: &Value) -> Result<(), String> {
    if validator.is_valid(value) {
        return Ok(());
    }
    let found: Vec<String> = validator
        .iter_errors(value)
        .take(VIOLATIONS_MAX)
        .map(|error| describe(&error))
        .collect();
    Err(found.join("; "))
}

/// `path: what is wrong`, with long values and names cut: both may be as large as the request.
fn describe(error: &jsonschema::ValidationError<'_>) -> String {
    let value = error.instance().to_string();
    let message = error.to_string().replace(&value, &excerpt(&value));
    let message = cut(&message, VIOLATION_MAX_BYTES);
    let path = error.instance_path().to_string();
    match path.strip_prefix('/') {
        // A JSON pointer (RFC 6901), written the way that problems name fields.
        Some(path) => {
            let path = path.replace('/', ".").replace("~1", "/").replace("~0", "~");
            format!("{}: {message}", excerpt(&path))
        }
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
            let optional = if required.contains(&name.as_str()) {
                ""
            } else {
                ", optional"
            };
            format!("{name} ({kind}{optional})")
        })
        .collect();
    if listed.is_empty() {
        "no arguments".to_owned()
    } else {
        listed.join(", ")
    }
}
