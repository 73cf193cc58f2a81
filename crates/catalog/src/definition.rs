//! What the definition files say of plugins, checked field by field.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};
use wasimancer_runtime::{HostRule, LimitsOverride, Permissions, parse_duration, parse_size};

use crate::arguments::Argument;
use crate::node::{Data, Node, Reader};

/// How a tool's output is to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Returns {
    /// The output is a text.
    #[default]
    Text,
    /// The output is JSON: structured content, and its text.
    Json,
    /// The output is a whole MCP tool result.
    Result,
}

/// One entry of `plugins.yml`.
pub(crate) struct PluginDefinition {
    pub(crate) name: String,
    pub(crate) line: Option<usize>,
    /// Relative to the plugins folder, without leaving it.
    pub(crate) path: PathBuf,
    pub(crate) functions: Vec<FunctionDefinition>,
    pub(crate) limits: LimitsOverride,
    pub(crate) permissions: Permissions,
    pub(crate) config: BTreeMap<String, String>,
}

/// One entry of a plugin's `functions`: a tool.
pub(crate) struct FunctionDefinition {
    /// `displayName`, the tool's name.
    pub(crate) tool: String,
    /// `function`, the export.
    pub(crate) export: String,
    pub(crate) line: Option<usize>,
    pub(crate) arguments: Vec<Argument>,
    /// The whole schema, where it is given instead of `arguments`.
    pub(crate) input_schema: Option<Value>,
    pub(crate) output_schema: Option<Value>,
    pub(crate) returns: Returns,
    /// Everything that the list of tools shows as it is written: title, description, annotations,
    /// icons and fields unknown to us.
    pub(crate) shown: Map<String, Value>,
}

/// Fields of a function that mean something to the server and are not shown as they are.
const FUNCTION_FIELDS: [&str; 7] = [
    "displayName",
    "function",
    "arguments",
    "inputSchema",
    "outputSchema",
    "returns",
    "name",
];

impl PluginDefinition {
    /// Reads an entry; what is wrong with it goes to the reader.
    pub(crate) fn read(node: &Node, name: String, reader: &mut Reader<'_>) -> Option<Self> {
        let path = reader.required_text(node, "path", "name the .wasm file, relative to the plugins folder");
        let path = path.and_then(|path| match inside_folder(&path) {
            Some(inside) => Some(inside),
            None => {
                let line = node.get("path").and_then(|node| node.line);
                reader.problem(line, "path", format!("{path:?} leaves the plugins folder: name a file inside it"));
                None
            }
        });
        for field in ["version", "description"] {
            if node.get(field).is_some_and(|node| matches!(node.data, Data::List(_) | Data::Map(_))) {
                reader.problem(node.line, field, "must be a text");
            }
        }
        let functions = functions(node, reader);
        Some(Self {
            name,
            line: node.line,
            path: path?,
            functions,
            limits: limits(node, reader),
            permissions: permissions(node, reader),
            config: config(node, reader),
        })
    }
}

/// The path below the folder; a leading `/` or `./` means the folder too.
fn inside_folder(path: &str) -> Option<PathBuf> {
    let mut inside = PathBuf::new();
    for component in Path::new(path).components() {
        match component {
            Component::Normal(part) => inside.push(part),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    (inside.file_name().is_some()).then_some(inside)
}

fn functions(node: &Node, reader: &mut Reader<'_>) -> Vec<FunctionDefinition> {
    let listed = reader.list(node, "functions");
    if listed.is_empty() {
        reader.problem(node.line, "functions", "is missing or empty: list at least one function");
    }
    let mut functions = Vec::with_capacity(listed.len());
    for (index, node) in listed.iter().enumerate() {
        let mut inside = reader.inside(&format!("functions[{index}]"));
        if inside.is_map(node) {
            functions.extend(function(node, &mut inside));
        }
    }
    functions
}

fn function(node: &Node, reader: &mut Reader<'_>) -> Option<FunctionDefinition> {
    let export = reader.required_text(node, "function", "name the export of the module");
    let tool = match node.get("displayName") {
        Some(_) => reader.required_text(node, "displayName", "give the tool a name"),
        None => export.clone(),
    };
    let arguments = Argument::read_all(node, reader);
    let input_schema = object(node, "inputSchema", reader);
    if input_schema.is_some() && node.get("arguments").is_some() {
        reader.problem(node.line, "inputSchema", "stands beside `arguments`: give one of the two");
    }
    let returns = match reader.optional_text(node, "returns").as_deref() {
        None | Some("text") => Returns::Text,
        Some("json") => Returns::Json,
        Some("result") => Returns::Result,
        Some(other) => {
            reader.problem(node.line, "returns", format!("{other:?} is not known: write text, json or result"));
            Returns::Text
        }
    };
    let output_schema = object(node, "outputSchema", reader);
    if output_schema.is_some() && returns == Returns::Text {
        reader.problem(node.line, "outputSchema", "needs `returns: json` or `returns: result`, since a text has no schema");
    }
    for field in ["title", "description"] {
        reader.optional_text(node, field);
    }
    object(node, "annotations", reader);
    reader.list(node, "icons");
    let (tool, export) = (tool?, export?);
    Some(FunctionDefinition {
        tool,
        export,
        line: node.line,
        arguments,
        input_schema,
        output_schema,
        returns,
        shown: shown(node, &FUNCTION_FIELDS),
    })
}

/// The fields of a map other than these, as they are written; those without a value are left out.
pub(crate) fn shown(node: &Node, known: &[&str]) -> Map<String, Value> {
    let Data::Map(fields) = &node.data else {
        return Map::new();
    };
    fields
        .iter()
        .filter(|(key, value)| !known.contains(&key.as_str()) && !value.is_null())
        .map(|(key, value)| (key.clone(), value.to_json()))
        .collect()
}

fn object(node: &Node, field: &str, reader: &mut Reader<'_>) -> Option<Value> {
    reader.optional_map(node, field)?;
    node.get(field).map(Node::to_json)
}

/// Reads `limits:`; unknown names are problems, since a limit that is ignored protects nobody.
fn limits(node: &Node, reader: &mut Reader<'_>) -> LimitsOverride {
    let mut limits = LimitsOverride::default();
    let Some(fields) = reader.optional_map(node, "limits") else {
        return limits;
    };
    let mut reader = reader.inside("limits");
    for (name, value) in fields {
        match name.as_str() {
            "timeout" => limits.timeout = duration(value, name, &mut reader),
            "memory" => limits.memory = size(value, name, &mut reader),
            "input" => limits.input = size(value, name, &mut reader),
            "output" => limits.output = size(value, name, &mut reader),
            "httpResponse" => limits.http_response = size(value, name, &mut reader),
            "concurrency" => limits.concurrency = count(value, name, &mut reader),
            _ => reader.problem(
                value.line,
                name,
                "is no limit: write timeout, memory, input, output, httpResponse or concurrency",
            ),
        }
    }
    limits
}

fn duration(node: &Node, field: &str, reader: &mut Reader<'_>) -> Option<Duration> {
    let parsed = parse_duration(&node.scalar_text().unwrap_or_default());
    parsed.map_err(|error| reader.problem(node.line, field, error.to_string())).ok()
}

fn size(node: &Node, field: &str, reader: &mut Reader<'_>) -> Option<u64> {
    let parsed = parse_size(&node.scalar_text().unwrap_or_default());
    parsed.map_err(|error| reader.problem(node.line, field, error.to_string())).ok()
}

fn count(node: &Node, field: &str, reader: &mut Reader<'_>) -> Option<u32> {
    let count = match &node.data {
        Data::Number(number) => number.as_u64().and_then(|count| u32::try_from(count).ok()),
        _ => None,
    };
    if count.is_none_or(|count| count == 0) {
        let message = format!("{} is no count: write a whole number above 0", node.describe());
        reader.problem(node.line, field, message);
        return None;
    }
    count
}

fn permissions(node: &Node, reader: &mut Reader<'_>) -> Permissions {
    let mut permissions = Permissions::default();
    let Some(fields) = reader.optional_map(node, "permissions") else {
        return permissions;
    };
    let names: Vec<(&String, Option<usize>)> = fields.iter().map(|(name, node)| (name, node.line)).collect();
    let mut inside = reader.inside("permissions");
    for (name, line) in names {
        if name != "network" {
            inside.problem(line, name, "is no permission: write network");
        }
    }
    let Some(map) = node.get("permissions") else {
        return permissions;
    };
    for host in inside.list(map, "network") {
        let Some(text) = inside.text(host, "network") else {
            continue;
        };
        match text.parse::<HostRule>() {
            Ok(rule) => permissions.network.push(rule),
            Err(error) => inside.problem(host.line, "network", error.to_string()),
        }
    }
    permissions
}

/// Reads `config:`, texts by name. Messages never quote a value, which may be a secret.
fn config(node: &Node, reader: &mut Reader<'_>) -> BTreeMap<String, String> {
    let mut config = BTreeMap::new();
    let Some(fields) = reader.optional_map(node, "config") else {
        return config;
    };
    let mut reader = reader.inside("config");
    for (name, value) in fields {
        match value.scalar_text() {
            Some(text) => {
                config.insert(name.clone(), text);
            }
            None => reader.problem(value.line, name, "must be a text, a number or a boolean"),
        }
    }
    config
}
