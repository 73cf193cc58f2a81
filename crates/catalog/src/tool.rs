//! A tool: a function of a plugin with its schema, ready to be called.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use serde_json::value::RawValue;
use wasimancer_runtime::{ChargedBytes, Full, Function, Requester};

use crate::apart;
use crate::arguments::{ArgumentsError, RESERVED_ARGUMENT};
use crate::capability::Capability;
use crate::definition::FunctionDefinition;
use crate::header_parameters::{HeaderParameter, header_parameters};
use crate::node::Reader;
use crate::output_schema;
use crate::returns::Returns;
use crate::schema;
use crate::task_policy::TaskPolicy;
use crate::validation::{CompiledSchema, Patterns, Violations};

/// A tool.
pub struct Tool {
    name: String,
    plugin: String,
    function: Function,
    contract: Contract,
}

/// What a definition promises of its tool, compiled: everything but the function.
pub(crate) struct Contract {
    input_schema: CompiledSchema,
    output_schema: Option<CompiledSchema>,
    wraps_output: bool,
    returns: Returns,
    requires: Vec<Capability>,
    task: Option<TaskPolicy>,
    /// The arguments' names, in the order in which the plugin gets them.
    order: Vec<String>,
    /// JSON of the values of arguments that a caller may leave out.
    defaults: Vec<(String, String)>,
    /// What a message tells a caller to send.
    expected: String,
    header_parameters: Vec<HeaderParameter>,
}

impl Contract {
    /// Compiles a definition's schemas; what is wrong with them goes to the reader.
    pub(crate) fn new(
        definition: &FunctionDefinition<'_>,
        patterns: &Patterns,
        reader: &mut Reader<'_>,
    ) -> Option<Self> {
        let node = definition.node;
        let given = definition.input_schema.is_some();
        let field = if given { "inputSchema" } else { "arguments" };
        let input_schema = definition.input_schema();
        if input_schema["type"] != "object" {
            reader.wrong(
                node,
                field,
                "must have `type: object`, since arguments are an object",
            );
        }
        let mut compile = |field: &str, schema: &Value| {
            let compiled = CompiledSchema::compile(schema, patterns);
            compiled
                .map_err(|message| reader.wrong(node, field, message))
                .ok()
        };
        let compiled_input = compile(field, &input_schema);
        let output_schema = definition.output_schema.as_ref();
        let output_schema = output_schema.and_then(|schema| compile("outputSchema", schema));
        let header_parameters = header_parameters(&input_schema);
        let header_parameters =
            header_parameters.map_err(|message| reader.wrong(node, field, message));
        let properties = input_schema["properties"].as_object();
        if properties.is_some_and(|properties| properties.contains_key(RESERVED_ARGUMENT)) {
            let message = format!(
                "has a property {RESERVED_ARGUMENT:?}, which is the server's own: choose another name"
            );
            reader.wrong(node, field, message);
        }
        let defaults = definition.arguments.iter().filter_map(|argument| {
            let default = argument.default.as_ref()?;
            Some((argument.name.clone(), default.to_string()))
        });
        Some(Self {
            input_schema: compiled_input?,
            output_schema,
            wraps_output: definition
                .output_schema
                .as_ref()
                .is_some_and(|schema| !output_schema::is_of_object(schema)),
            returns: definition.returns.clone(),
            requires: definition.requires.clone(),
            task: definition.task,
            order: properties
                .map(|properties| properties.keys().cloned().collect())
                .unwrap_or_default(),
            defaults: defaults.collect(),
            expected: schema::expected(&input_schema),
            header_parameters: header_parameters.ok()?,
        })
    }
}

impl Tool {
    pub(crate) fn new(name: &str, plugin: &str, function: Function, contract: Contract) -> Self {
        Self {
            name: name.to_owned(),
            plugin: plugin.to_owned(),
            function,
            contract,
        }
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
    pub fn returns(&self) -> &Returns {
        &self.contract.returns
    }

    /// What it may ask of a client.
    #[must_use]
    pub fn requires(&self) -> &[Capability] {
        &self.contract.requires
    }

    /// When a call of it becomes a task; none for never.
    #[must_use]
    pub fn task(&self) -> Option<&TaskPolicy> {
        self.contract.task.as_ref()
    }

    /// The function behind it.
    #[must_use]
    pub fn function(&self) -> &Function {
        &self.function
    }

    /// Whether two tools of one entry in the list call the same function and read its output alike.
    pub(crate) fn answers_like(&self, other: &Self) -> bool {
        self.function.name() == other.function.name()
            && self.contract.returns == other.contract.returns
            && self.contract.requires == other.contract.requires
            && self.contract.task == other.contract.task
            && self.contract.defaults == other.contract.defaults
    }

    /// The arguments that a request must repeat in headers.
    #[must_use]
    pub fn header_parameters(&self) -> &[HeaderParameter] {
        &self.contract.header_parameters
    }

    /// Whether clients that know objects alone get its structured output, and its schema, under a name.
    #[must_use]
    pub fn wraps_output(&self) -> bool {
        self.contract.wraps_output
    }

    /// Whether its definition promises an output of a certain shape.
    #[must_use]
    pub fn has_output_schema(&self) -> bool {
        self.contract.output_schema.is_some()
    }

    /// Checks a caller's arguments and makes the plugin's input of them: one JSON object, its keys
    /// in the order of the definition, every value as the caller wrote it. What takes long is done
    /// [apart], a turn for each caller.
    ///
    /// # Errors
    /// When the arguments are no object, break the schema, or cannot be checked within its bounds or the
    /// memory that is left.
    pub async fn input(
        &self,
        caller: u64,
        arguments: Option<&RawValue>,
    ) -> Result<Vec<u8>, InputError> {
        let text = match arguments.map(RawValue::get) {
            None | Some("null") => "{}",
            Some(text) => text,
        };
        let check = |steps| self.checked_input(text, steps);
        let checked = apart::checked(caller, text, self.function.budget(), check);
        checked.await.map_err(|error| {
            if let Violations::Full(full) = error {
                return InputError::Full(full);
            }
            InputError::Arguments(ArgumentsError(format!(
                "invalid arguments for tool {:?}: {error}; expected {}",
                self.name, self.contract.expected
            )))
        })
    }

    fn checked_input(&self, text: &str, steps: u64) -> Result<Vec<u8>, Violations> {
        let wrong = |error: &dyn fmt::Display| Violations::Wrong(error.to_string());
        let value: Value = serde_json::from_str(text).map_err(|error| wrong(&error))?;
        if !value.is_object() {
            return Err(wrong(&"they are no object"));
        }
        if value.get(RESERVED_ARGUMENT).is_some() {
            return Err(wrong(&format!("{RESERVED_ARGUMENT} is the server's own")));
        }
        self.contract.input_schema.check(&value, steps)?;
        let given = serde_json::from_str(text).map_err(|error| wrong(&error))?;
        Ok(self.ordered(given))
    }

    fn ordered(&self, mut given: BTreeMap<String, &RawValue>) -> Vec<u8> {
        let size: usize = given
            .iter()
            .map(|(key, raw)| key.len() + raw.get().len() + 4)
            .sum();
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
        for name in &self.contract.order {
            let default = || self.contract.defaults.iter().find(|(key, _)| key == name);
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

    /// Calls the plugin in a fresh sandbox on behalf of a requester, and answers its output.
    ///
    /// # Errors
    /// See [`wasimancer_runtime::Error`].
    pub async fn call_for(
        &self,
        requester: Arc<dyn Requester>,
        input: &[u8],
    ) -> wasimancer_runtime::Result<ChargedBytes> {
        self.function.call_for(requester, input).await
    }

    /// Calls the plugin in a fresh sandbox and answers its output.
    ///
    /// # Errors
    /// See [`wasimancer_runtime::Error`].
    pub async fn call(&self, input: &[u8]) -> wasimancer_runtime::Result<Vec<u8>> {
        self.function.call(input).await
    }

    /// Holds an output, which is JSON, against the tool's `outputSchema`. What takes long is done
    /// [apart], a turn for each caller.
    ///
    /// # Errors
    /// What does not match, or that it cannot be checked within the schema's bounds.
    pub async fn check_output(&self, caller: u64, output: &str) -> Result<(), OutputError> {
        let Some(schema) = &self.contract.output_schema else {
            return Ok(());
        };
        let check = |steps| {
            let value: Value = serde_json::from_str(output)
                .map_err(|error| Violations::Wrong(error.to_string()))?;
            schema.check(&value, steps)
        };
        let checked = apart::checked(caller, output, self.function.budget(), check).await;
        checked.map_err(|error| OutputError(error.to_string()))
    }
}

/// Why a tool gets no input.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InputError {
    /// The arguments are wrong.
    #[error(transparent)]
    Arguments(#[from] ArgumentsError),
    /// There is no memory left to check them in.
    #[error(transparent)]
    Full(#[from] Full),
}

/// An output that is not what the tool's `outputSchema` promises.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the output does not match the tool's outputSchema: {0}")]
pub struct OutputError(String);

impl FunctionDefinition<'_> {
    /// The schema of the tool's arguments.
    pub(crate) fn input_schema(&self) -> Value {
        self.input_schema
            .clone()
            .unwrap_or_else(|| schema::of_arguments(&self.arguments))
    }
}
