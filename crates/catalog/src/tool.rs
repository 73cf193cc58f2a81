//! A tool: a function of a plugin with its schema, ready to be called.

use std::collections::BTreeMap;
use std::fmt;

use jsonschema::Validator;
use serde_json::Value;
use serde_json::value::RawValue;
use wasimancer_runtime::Function;

use crate::arguments::ArgumentsError;
use crate::definition::{FunctionDefinition, Returns};
use crate::schema::{self, OutputError};

/// A tool.
pub struct Tool {
    name: String,
    plugin: String,
    function: Function,
    validator: Validator,
    output_validator: Option<Validator>,
    returns: Returns,
    /// The arguments' names, in the order in which the plugin gets them.
    order: Vec<String>,
    /// JSON of the values of arguments that a caller may leave out.
    defaults: Vec<(String, String)>,
    /// What a message tells a caller to send.
    expected: String,
    header_parameters: Vec<HeaderParameter>,
}

/// An argument that the request must repeat in a header: `x-mcp-header` in its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderParameter {
    /// What follows `Mcp-Param-` in the header's name.
    pub name: String,
    /// The chain of `properties` that leads to the argument.
    pub path: Vec<String>,
}

impl Tool {
    /// Compiles a definition's schemas.
    ///
    /// # Errors
    /// The field that is wrong, and what is wrong with it.
    pub(crate) fn new(
        definition: &FunctionDefinition,
        plugin: &str,
        function: Function,
    ) -> Result<Self, (&'static str, String)> {
        let given = definition.input_schema.is_some();
        let field = if given { "inputSchema" } else { "arguments" };
        let input_schema = definition.input_schema();
        if input_schema["type"] != "object" {
            return Err((field, "must have `type: object`, since arguments are an object".to_owned()));
        }
        let validator = schema::compile(&input_schema).map_err(|message| (field, message))?;
        let output_validator = match &definition.output_schema {
            Some(schema) => Some(schema::compile(schema).map_err(|message| ("outputSchema", message))?),
            None => None,
        };
        let header_parameters = header_parameters(&input_schema).map_err(|message| (field, message))?;
        let order = input_schema["properties"]
            .as_object()
            .map(|properties| properties.keys().cloned().collect())
            .unwrap_or_default();
        let defaults = definition.arguments.iter().filter_map(|argument| {
            let default = argument.default.as_ref()?;
            Some((argument.name.clone(), default.to_string()))
        });
        Ok(Self {
            name: definition.tool.clone(),
            plugin: plugin.to_owned(),
            function,
            validator,
            output_validator,
            returns: definition.returns,
            order,
            defaults: defaults.collect(),
            expected: schema::expected(&input_schema),
            header_parameters,
        })
    }

    /// The tool's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of the plugin that it belongs to.
    #[must_use]
    pub fn plugin(&self) -> &str {
        &self.plugin
    }

    /// How its output is to be read.
    #[must_use]
    pub fn returns(&self) -> Returns {
        self.returns
    }

    /// The arguments that a request must repeat in headers.
    #[must_use]
    pub fn header_parameters(&self) -> &[HeaderParameter] {
        &self.header_parameters
    }

    /// Whether its definition promises an output of a certain shape.
    #[must_use]
    pub fn has_output_schema(&self) -> bool {
        self.output_validator.is_some()
    }

    /// Checks a caller's arguments and makes the plugin's input of them: one JSON object, its keys
    /// in the order of the definition, every value as the caller wrote it.
    ///
    /// # Errors
    /// When the arguments are no object or break the schema.
    pub fn input(&self, arguments: Option<&RawValue>) -> Result<Vec<u8>, ArgumentsError> {
        let text = match arguments.map(RawValue::get) {
            None | Some("null") => "{}",
            Some(text) => text,
        };
        let invalid = |error: &dyn fmt::Display| {
            ArgumentsError(format!(
                "invalid arguments for tool {:?}: {error}; expected an object with {}",
                self.name, self.expected
            ))
        };
        let value: Value = serde_json::from_str(text).map_err(|error| invalid(&error))?;
        if !value.is_object() {
            return Err(invalid(&"they are no object"));
        }
        schema::check_arguments(&self.validator, &value, &self.name, &self.expected)?;
        let given = serde_json::from_str(text).map_err(|error| invalid(&error))?;
        Ok(self.ordered(given))
    }

    fn ordered(&self, mut given: BTreeMap<String, &RawValue>) -> Vec<u8> {
        let size: usize = given.iter().map(|(key, raw)| key.len() + raw.get().len() + 4).sum();
        let mut input = Vec::with_capacity(size + 2);
        input.push(b'{');
        let mut push = |name: &str, json: &str| {
            if input.len() > 1 {
                input.push(b',');
            }
            input.extend_from_slice(Value::from(name).to_string().as_bytes());
            input.push(b':');
            input.extend_from_slice(json.as_bytes());
        };
        for name in &self.order {
            let default = || self.defaults.iter().find(|(key, _)| key == name);
            if let Some(raw) = given.remove(name) {
                push(name, raw.get());
            } else if let Some((_, json)) = default() {
                push(name, json);
            }
        }
        // What a whole schema allows beyond its properties follows in alphabetical order.
        for (name, raw) in given {
            push(&name, raw.get());
        }
        input.push(b'}');
        input
    }

    /// Calls the plugin in a fresh sandbox and answers its output.
    ///
    /// # Errors
    /// See [`wasimancer_runtime::Error`].
    pub async fn call(&self, input: &[u8]) -> wasimancer_runtime::Result<Vec<u8>> {
        self.function.call(input).await
    }

    /// Holds an output against the tool's `outputSchema`.
    ///
    /// # Errors
    /// What does not match.
    pub fn check_output(&self, output: &Value) -> Result<(), OutputError> {
        match &self.output_validator {
            Some(validator) => schema::check_output(validator, output),
            None => Ok(()),
        }
    }
}

impl FunctionDefinition {
    /// The schema of the tool's arguments.
    pub(crate) fn input_schema(&self) -> Value {
        self.input_schema
            .clone()
            .unwrap_or_else(|| schema::of_arguments(&self.arguments))
    }
}

/// The name of the schema keyword (MCP 2026-07-28, transports, "Custom Headers from Tool Parameters").
const HEADER_KEYWORD: &str = "x-mcp-header";

/// Collects the annotated parameters that can be reached through `properties` alone, and refuses
/// those that stand elsewhere.
fn header_parameters(schema: &Value) -> Result<Vec<HeaderParameter>, String> {
    let mut found: Vec<HeaderParameter> = Vec::new();
    let mut open = vec![(schema, Vec::new())];
    while let Some((schema, path)) = open.pop() {
        let properties = schema["properties"].as_object();
        for (name, property) in properties.into_iter().flatten() {
            let mut path: Vec<String> = path.clone();
            path.push(name.clone());
            if let Some(header) = property.get(HEADER_KEYWORD) {
                let header = check_header(header, property, &found)?;
                found.push(HeaderParameter { name: header, path: path.clone() });
            }
            open.push((property, path));
        }
    }
    if count_keyword(schema) > found.len() {
        return Err(format!("`{HEADER_KEYWORD}` stands where no chain of `properties` leads: move it to a property"));
    }
    Ok(found)
}

fn check_header(header: &Value, property: &Value, known: &[HeaderParameter]) -> Result<String, String> {
    let is_token = |name: &str| {
        let tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        !name.is_empty() && name.bytes().all(tchar)
    };
    let name = header.as_str().filter(|name| is_token(name)).ok_or_else(|| {
        format!("`{HEADER_KEYWORD}` is {header}: write a header name of letters, digits and -")
    })?;
    if !matches!(property["type"].as_str(), Some("string" | "integer" | "boolean")) {
        return Err(format!("`{HEADER_KEYWORD}: {name}` needs a parameter of type string, integer or boolean"));
    }
    if known.iter().any(|known| known.name.eq_ignore_ascii_case(name)) {
        return Err(format!("`{HEADER_KEYWORD}: {name}` occurs twice: give each parameter its own header"));
    }
    Ok(name.to_owned())
}

fn count_keyword(schema: &Value) -> usize {
    match schema {
        Value::Object(fields) => {
            let here = usize::from(fields.get(HEADER_KEYWORD).is_some_and(|value| !value.is_object()));
            here + fields.values().map(count_keyword).sum::<usize>()
        }
        Value::Array(items) => items.iter().map(count_keyword).sum(),
        _ => 0,
    }
}
