//! A tool: a function of a plugin with its schema, ready to be called.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use serde_json::value::RawValue;
use wasimancer_runtime::{ChargedBytes, Full, Function, Requester};

use crate::additional_arguments::AdditionalArguments;
use crate::apart;
use crate::arguments::{ArgumentsError, RESERVED_ARGUMENT};
use crate::capability::Capability;
use crate::definition::FunctionDefinition;
use crate::header_parameters::{HeaderParameter, header_parameters};
use crate::input::{Input, RawInput};
use crate::node::{Reader, excerpt};
use crate::output_schema;
use crate::returns::Returns;
use crate::schema;
use crate::task_policy::TaskPolicy;
use crate::validation::{CompiledSchema, Patterns, Violations};
use crate::whole_number::push_json;

/// What a message about unknown arguments says to whoever runs the server.
const UNKNOWN_REMEDY: &str = "; unknown arguments are dropped where the tool's definition has `additionalArguments: ignore`, or the server's configuration `additional_arguments = \"ignore\"`, and handed to the plugin with `additionalProperties: true`";

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
    input: Input,
    additional: AdditionalArguments,
    /// The arguments in the order in which the plugin gets them.
    order: Vec<Ordered>,
    /// What a message tells a caller to send.
    expected: String,
    header_parameters: Vec<HeaderParameter>,
}

/// An argument on its way to the plugin.
#[derive(PartialEq, Eq)]
struct Ordered {
    name: String,
    /// JSON of the name.
    key: String,
    /// JSON of the value where a caller leaves it out.
    default: Option<String>,
}

impl Contract {
    /// Compiles a definition's schemas; what is wrong with them goes to the reader. `additional` is what
    /// the server says of unknown arguments.
    pub(crate) fn new(
        definition: &FunctionDefinition<'_>,
        patterns: &Patterns,
        additional: AdditionalArguments,
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
        let names = properties
            .into_iter()
            .flat_map(|properties| properties.keys());
        let order: Vec<Ordered> = names.map(|name| Ordered::of(name, definition)).collect();
        if let Input::Raw(raw) = &definition.input {
            let property = &input_schema["properties"][&raw.argument];
            let defaults = order
                .iter()
                .filter_map(|argument| argument.default.as_ref());
            let defaults = defaults.filter_map(|default| raw.of(default).err());
            let defaults = defaults.map(|what| format!("does not fit the default of {what}"));
            for message in raw.refusal(property).into_iter().chain(defaults) {
                reader.wrong(node, "input", message);
            }
        }
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
            input: definition.input.clone(),
            additional: definition.additional_arguments.unwrap_or(additional),
            order,
            expected: schema::expected(&input_schema),
            header_parameters: header_parameters.ok()?,
        })
    }
}

impl Ordered {
    fn of(name: &str, definition: &FunctionDefinition<'_>) -> Self {
        let mut arguments = definition.arguments.iter();
        let argument = arguments.find(|argument| argument.name == name);
        let default = argument.and_then(|argument| argument.default.as_ref());
        Self {
            name: name.to_owned(),
            key: Value::from(name).to_string(),
            default: default.map(|default| {
                let mut json = Vec::new();
                push_json(&mut json, &default.to_string());
                String::from_utf8(json).expect("JSON is UTF-8, and so are digits")
            }),
        }
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

    /// Whether its input is JSON, which answers to questions can stand beside.
    #[must_use]
    pub fn takes_json(&self) -> bool {
        self.contract.input == Input::Json
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
            && self.contract.input == other.contract.input
            && self.contract.additional == other.contract.additional
            && self.contract.order == other.contract.order
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

    /// Checks a caller's arguments and makes the plugin's input of them: one JSON object, its keys in the
    /// order of the definition, whole numbers in integer notation, every other value as the caller wrote
    /// it; or one argument alone, where the definition says so. What takes long is done [apart], a turn
    /// for each caller.
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
            let remedy = match error {
                Violations::Full(full) => return InputError::Full(full),
                Violations::Unknown(_) => UNKNOWN_REMEDY,
                _ => "",
            };
            InputError::Arguments(ArgumentsError(format!(
                "invalid arguments for tool {:?}: {error}; expected {}{remedy}",
                self.name, self.contract.expected
            )))
        })
    }

    fn checked_input(&self, text: &str, steps: u64) -> Result<Vec<u8>, Violations> {
        let wrong = |error: &dyn fmt::Display| Violations::Wrong(error.to_string());
        let mut value: Value = serde_json::from_str(text).map_err(|error| wrong(&error))?;
        if !value.is_object() {
            return Err(wrong(&"they are no object"));
        }
        if value.get(RESERVED_ARGUMENT).is_some() {
            return Err(wrong(&format!("{RESERVED_ARGUMENT} is the server's own")));
        }
        let contract = &self.contract;
        let is_whole = contract.input_schema.matches(&value, steps)?;
        if !is_whole {
            contract.leave_out(&mut value, steps)?;
        }
        let mut given: BTreeMap<String, &RawValue> =
            serde_json::from_str(text).map_err(|error| wrong(&error))?;
        if !is_whole {
            given.retain(|name, _| value.get(name).is_some());
        }
        match &contract.input {
            Input::Json => Ok(contract.ordered(given)),
            Input::Raw(raw) => contract.raw(raw, &given).map_err(Violations::Wrong),
        }
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

impl Contract {
    /// Takes what counts as left out from arguments that do not match, so that the others do.
    #[cold]
    fn leave_out(&self, value: &mut Value, steps: u64) -> Result<(), Violations> {
        let schema = &self.input_schema;
        let drops = |name: &str| self.additional.drops(name);
        let found = schema.left_out(value, &drops, steps)?;
        if let Some(members) = value.as_object_mut().filter(|_| !found.places.is_empty()) {
            let mut places = 0..;
            let mut left_out = found.places.into_iter().peekable();
            members.retain(|_, _| {
                let place = places.next();
                left_out.next_if(|left| Some(*left) == place).is_none()
            });
            if schema.matches(value, steps)? {
                return Ok(());
            }
        }
        Err(match schema.explain(value, steps) {
            Violations::Wrong(what) if found.has_unknown => Violations::Unknown(what),
            violations => violations,
        })
    }

    fn ordered(&self, mut given: BTreeMap<String, &RawValue>) -> Vec<u8> {
        let size: usize = given
            .iter()
            .map(|(key, raw)| key.len() + raw.get().len() + 4)
            .sum();
        let mut input = Vec::with_capacity(size + 2);
        input.push(b'{');
        let mut push = |key: &str, json: &str| {
            if input.len() > 1 {
                input.push(b',');
            }
            input.extend_from_slice(key.as_bytes());
            input.push(b':');
            push_json(&mut input, json);
        };
        for Ordered { name, key, default } in &self.order {
            if let Some(raw) = given.remove(name) {
                push(key, raw.get());
            } else if let Some(json) = default {
                push(key, json);
            }
        }
        // What the schema allows beyond its properties follows in alphabetical order.
        for (name, raw) in given {
            push(&Value::from(name).to_string(), raw.get());
        }
        input.push(b'}');
        input
    }

    /// The one argument that is handed over; empty where it is left out.
    fn raw(&self, raw: &RawInput, given: &BTreeMap<String, &RawValue>) -> Result<Vec<u8>, String> {
        let mut others = given.keys().filter(|name| **name != raw.argument);
        let refused = others.find(|name| !self.additional.drops(name));
        if let Some(other) = refused {
            return Err(format!(
                "{:?} alone is handed to the plugin, and {:?} is given too",
                raw.argument,
                excerpt(other)
            ));
        }
        let value = given.get(&raw.argument).map(|value| value.get());
        let default = || {
            self.order
                .iter()
                .find_map(|argument| argument.default.as_deref())
        };
        value
            .or_else(default)
            .map_or(Ok(Vec::new()), |json| raw.of(json))
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
        self.input_schema.clone().unwrap_or_else(|| {
            let others = self.additional_properties.as_ref();
            schema::of_arguments(&self.arguments, others)
        })
    }
}
