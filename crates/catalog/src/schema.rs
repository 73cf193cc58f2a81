//! JSON Schemas of tools: made from `arguments` or given whole.

use serde_json::{Map, Value, json};

use crate::arguments::Argument;
use crate::node::{Node, Reader};
use crate::validation::{CompiledSchema, Patterns, STEPS_ON_THE_SPOT};

/// The schema that a list of arguments means. `others` says what becomes of further ones, which are
/// refused where it does not.
pub(crate) fn of_arguments(arguments: &[Argument], others: Option<&Value>) -> Value {
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
    let others = others.cloned().unwrap_or(Value::Bool(false));
    schema.insert("additionalProperties".to_owned(), others);
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
pub(crate) fn check_argument(
    argument: &Argument,
    node: &Node,
    patterns: &Patterns,
    reader: &mut Reader<'_>,
) {
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
    let Ok(schema) = CompiledSchema::compile(&property(argument), patterns) else {
        return;
    };
    for (field, value) in values {
        if let Err(violations) = schema.check(value, STEPS_ON_THE_SPOT) {
            reader.wrong(
                node,
                field,
                format!("does not fit the argument: {violations}"),
            );
        }
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
