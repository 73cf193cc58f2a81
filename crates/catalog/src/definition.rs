//! What the definition files say of plugins, checked field by field.

mod keys;

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value};
use wasimancer_runtime::{
    Digest, DigestError, ErrorDetail, HostRule, Instances, LimitsOverride, Permissions, Preinit,
    Profile, Reuse, UnitError, parse_duration, parse_size,
};

use crate::additional_arguments::{AdditionalArguments, additional_properties};
use crate::arguments::Argument;
use crate::capability::Capability;
use crate::input::Input;
use crate::near_miss::likely;
use crate::node::{Data, Node, Reader};
use crate::returns::Returns;
use crate::schema;
use crate::schema_keywords;
use crate::shown::{OF_TOOLS, shown};
use crate::task_policy::TaskPolicy;
use crate::validation::Patterns;

/// One entry of `plugins.yml`.
pub(crate) struct PluginDefinition<'n> {
    pub(crate) name: String,
    /// Relative to the plugins folder, without leaving it; none where that is what is wrong.
    pub(crate) path: Option<PathBuf>,
    /// What the module's bytes must have; none where the file says what the module is.
    pub(crate) digest: Option<Digest>,
    pub(crate) functions: Vec<FunctionDefinition<'n>>,
    pub(crate) limits: LimitsOverride,
    pub(crate) permissions: Permissions,
    pub(crate) config: BTreeMap<String, String>,
    /// The variables of the server that it may read. None: all that are for plugins.
    pub(crate) variables: Option<Vec<String>>,
    /// Whether its start is run once in advance.
    pub(crate) preinit: Preinit,
    pub(crate) profile: Profile,
    pub(crate) instances: Instances,
    /// How much callers are told of why a call failed.
    pub(crate) errors: ErrorDetail,
    /// The patterns of its schemas, which are bounded together.
    pub(crate) patterns: Patterns,
}

/// One entry of a plugin's `functions`: a tool.
pub(crate) struct FunctionDefinition<'n> {
    /// Its place in the plugin's entry.
    pub(crate) place: String,
    pub(crate) node: &'n Node,
    /// `displayName`, the tool's name.
    pub(crate) tool: String,
    /// `function`, the export.
    pub(crate) export: String,
    pub(crate) arguments: Vec<Argument>,
    /// The whole schema, where it is given instead of `arguments`.
    pub(crate) input_schema: Option<Value>,
    /// `additionalProperties` beside `arguments`.
    pub(crate) additional_properties: Option<Value>,
    /// None: as the server's configuration says.
    pub(crate) additional_arguments: Option<AdditionalArguments>,
    /// What the export gets of the arguments.
    pub(crate) input: Input,
    pub(crate) output_schema: Option<Value>,
    pub(crate) returns: Returns,
    /// What it may ask of a client.
    pub(crate) requires: Vec<Capability>,
    pub(crate) task: Option<TaskPolicy>,
    /// Everything that the list of tools shows as it is written: what the protocol knows, and what its author
    /// marks as their own.
    pub(crate) shown: Map<String, Value>,
}

/// Variables of the server that are configuration of plugins begin like this.
pub const VARIABLES_PREFIX: &str = "WASM_";

/// Fields of a plugin that mean something to the server.
const PLUGIN_FIELDS: [&str; 14] = [
    "name",
    "path",
    "digest",
    "version",
    "description",
    "functions",
    "limits",
    "permissions",
    "config",
    "variables",
    "preinit",
    "profile",
    "instances",
    "errors",
];

/// Fields of a function that mean something to the server and are not shown as they are.
const FUNCTION_FIELDS: [&str; 13] = [
    "displayName",
    "function",
    "arguments",
    "inputSchema",
    "additionalProperties",
    "additionalArguments",
    "input",
    "outputSchema",
    "returns",
    "mediaType",
    "requires",
    "task",
    "name",
];

impl<'n> PluginDefinition<'n> {
    /// Reads an entry; what is wrong with it goes to the reader.
    pub(crate) fn read(node: &'n Node, name: &str, reader: &mut Reader<'_>) -> Self {
        keys::check_plugin(node, reader);
        for field in ["version", "description"] {
            let wrong = |node: &&Node| matches!(node.data, Data::List(_) | Data::Map(_));
            if let Some(value) = node.get(field).filter(wrong) {
                reader.wrong(
                    node,
                    field,
                    format!("must be a text and is {}", value.describe()),
                );
            }
        }
        let patterns = Patterns::default();
        Self {
            name: name.to_owned(),
            path: path(node, reader),
            digest: digest(node, reader),
            functions: functions(node, &patterns, reader),
            limits: limits(node, reader),
            permissions: permissions(node, reader),
            config: config(node, reader),
            variables: variables(node, reader),
            preinit: preinit(node, reader),
            profile: profile(node, reader),
            instances: instances(node, reader),
            errors: errors(node, reader),
            patterns,
        }
    }

    /// Those of the server's variables for plugins that this one may read.
    pub(crate) fn variables_of(&self, all: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let Some(named) = &self.variables else {
            return all.clone();
        };
        let found = named.iter().filter_map(|name| all.get_key_value(name));
        found
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}

fn path(node: &Node, reader: &mut Reader<'_>) -> Option<PathBuf> {
    let remedy = "name the .wasm file, relative to the plugins folder";
    let path = reader.required_text(node, "path", remedy)?;
    let inside = inside_folder(&path);
    if inside.is_none() {
        let message = format!("{path:?} leaves the plugins folder: name a file inside it");
        reader.wrong(node, "path", message);
    }
    inside
}

fn digest(node: &Node, reader: &mut Reader<'_>) -> Option<Digest> {
    let digest = reader.optional_text(node, "digest")?.parse();
    digest
        .map_err(|error: DigestError| reader.wrong(node, "digest", error.to_string()))
        .ok()
}

/// The path below the folder; a leading `/` or `./` means the folder too.
pub(crate) fn inside_folder(path: &str) -> Option<PathBuf> {
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

fn functions<'n>(
    node: &'n Node,
    patterns: &Patterns,
    reader: &mut Reader<'_>,
) -> Vec<FunctionDefinition<'n>> {
    let listed = reader.required_list(node, "functions", "list at least one function");
    let mut functions = Vec::with_capacity(listed.len());
    for (index, node) in listed.iter().enumerate() {
        let place = format!("functions[{index}]");
        let mut inside = reader.inside(&place);
        if inside.is_map(node) {
            functions.extend(function(node, place, patterns, &mut inside));
        }
    }
    functions
}

fn function<'n>(
    node: &'n Node,
    place: String,
    patterns: &Patterns,
    reader: &mut Reader<'_>,
) -> Option<FunctionDefinition<'n>> {
    let export = reader.required_text(node, "function", "name the export of the module");
    let tool = match node.get("displayName") {
        Some(_) => reader.required_text(node, "displayName", "give the tool a name"),
        None => export.clone(),
    };
    let arguments = Argument::read_all(node, reader, &|argument, node, reader| {
        schema::check_argument(argument, node, patterns, reader);
    });
    let input_schema = whole_schema(node, "inputSchema", reader);
    if input_schema.is_some() && node.get("arguments").is_some() {
        reader.wrong(
            node,
            "inputSchema",
            "stands beside `arguments`: give one of the two",
        );
    }
    let additional_properties = additional_properties(node, reader);
    let additional_arguments = node.get("additionalArguments");
    let additional_arguments = additional_arguments.map(|_| {
        let words = AdditionalArguments::WORDS;
        choice(node, "additionalArguments", words, reader)
    });
    let returns = Returns::read(node, reader);
    let requires = Capability::read_all(node, returns.as_ref(), reader);
    let input = input(node, &arguments, input_schema.as_ref(), reader);
    let task = TaskPolicy::read(node, reader);
    let output_schema = whole_schema(node, "outputSchema", reader);
    let schemeless = match returns {
        Some(Returns::Text) => Some("a text has"),
        Some(Returns::Bytes(_)) => Some("bytes have"),
        _ => None,
    };
    if let Some(schemeless) = schemeless.filter(|_| output_schema.is_some()) {
        let message =
            format!("needs `returns: json` or `returns: result`, since {schemeless} no schema");
        reader.wrong(node, "outputSchema", message);
    }
    keys::check_function(node, reader);
    let mut shown = shown(node, &FUNCTION_FIELDS, &OF_TOOLS, reader);
    shown.retain(|key, _| keys::is_shown(key));
    Some(FunctionDefinition {
        place,
        node,
        tool: tool?,
        export: export?,
        arguments,
        input_schema,
        additional_properties,
        additional_arguments,
        input,
        output_schema,
        returns: returns.unwrap_or_default(),
        requires,
        task,
        shown,
    })
}

/// Reads `input`, which a function with questions cannot have: their answers stand beside the arguments.
fn input(
    node: &Node,
    arguments: &[Argument],
    schema: Option<&Value>,
    reader: &mut Reader<'_>,
) -> Input {
    let properties = schema.and_then(|schema| schema["properties"].as_object());
    let properties = properties
        .into_iter()
        .flat_map(|properties| properties.keys());
    let names = arguments.iter().map(|argument| &argument.name);
    let names: Vec<&str> = names.chain(properties).map(String::as_str).collect();
    let input = Input::read(node, &names, reader);
    if input == Input::Json {
        return input;
    }
    for (field, why) in [
        (
            "requires",
            "the answers to questions reach a plugin beside its arguments, as JSON",
        ),
        (
            "additionalProperties",
            "nobody would get any further arguments",
        ),
    ] {
        if node.get(field).is_some_and(|node| !node.is_off()) {
            let message =
                format!("cannot stand beside `{field}`, since {why}: leave one of the two out");
            reader.wrong(node, "input", message);
        }
    }
    input
}

fn whole_schema(node: &Node, field: &str, reader: &mut Reader<'_>) -> Option<Value> {
    let schema = reader.optional_map(node, field)?;
    schema_keywords::check(schema, &mut reader.inside(field));
    reader.json(schema, field)
}

/// The limits that a plugin can tighten.
const LIMITS: [&str; 8] = [
    "timeout",
    "cpu",
    "memory",
    "input",
    "output",
    "httpResponse",
    "httpRequests",
    "concurrency",
];

/// Reads `limits:`; unknown names are problems, since a limit that is ignored protects nobody.
fn limits(node: &Node, reader: &mut Reader<'_>) -> LimitsOverride {
    let mut limits = LimitsOverride::default();
    let Some(map) = reader.optional_map(node, "limits") else {
        return limits;
    };
    let mut reader = reader.inside("limits");
    for (name, value) in map.fields() {
        match name.as_str() {
            "timeout" => limits.timeout = quantity(value, name, parse_duration, &mut reader),
            "cpu" => limits.cpu = quantity(value, name, parse_duration, &mut reader),
            "memory" => limits.memory = quantity(value, name, parse_size, &mut reader),
            "input" => limits.input = quantity(value, name, parse_size, &mut reader),
            "output" => limits.output = quantity(value, name, parse_size, &mut reader),
            "httpResponse" => limits.http_response = quantity(value, name, parse_size, &mut reader),
            "httpRequests" => limits.http_requests = count(value, name, &mut reader),
            "concurrency" => limits.concurrency = count(value, name, &mut reader),
            _ => {
                // Manifests of Extism's say the unit in the name.
                let plain = name.trim_end_matches("_ms").trim_end_matches("Ms");
                let message = match likely(plain, LIMITS) {
                    Some(meant) => format!("is no limit: did you mean `{meant}`?"),
                    None => format!("is no limit: write {}", one_of(&LIMITS)),
                };
                reader.wrong(map, name, message);
            }
        }
    }
    limits
}

/// A duration or a size.
pub(crate) fn quantity<T>(
    node: &Node,
    field: &str,
    parse: fn(&str) -> Result<T, UnitError>,
    reader: &mut Reader<'_>,
) -> Option<T> {
    let message = match (
        node.scalar_text(),
        parse(node.scalar_text().unwrap_or_default()),
    ) {
        (Some(_), Ok(quantity)) => return Some(quantity),
        (Some(_), Err(error)) => error.to_string(),
        (None, Ok(_)) => return None,
        (None, Err(error)) => format!(
            "{} is no {}: write {}",
            node.describe(),
            error.kind,
            error.remedy
        ),
    };
    reader.problem(node.line, field, message);
    None
}

fn count(node: &Node, field: &str, reader: &mut Reader<'_>) -> Option<u32> {
    let count = match &node.data {
        Data::Number { number, .. } => number.as_u64().and_then(|count| u32::try_from(count).ok()),
        _ => None,
    };
    let count = count.filter(|count| *count > 0);
    if count.is_none() {
        let message = format!(
            "{} is no count: write a whole number above 0",
            node.describe()
        );
        reader.problem(node.line, field, message);
    }
    count
}

fn permissions(node: &Node, reader: &mut Reader<'_>) -> Permissions {
    let mut permissions = Permissions::default();
    let Some(map) = reader.optional_map(node, "permissions") else {
        return permissions;
    };
    let mut inside = reader.inside("permissions");
    for (name, _) in map.fields().iter().filter(|(name, _)| name != "network") {
        inside.wrong(map, name, "is no permission: write network");
    }
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
    let Some(map) = node.get("config") else {
        return config;
    };
    let Data::Map(fields) = &map.data else {
        reader.wrong(node, "config", "must be a map of names and values");
        return config;
    };
    let mut inside = reader.inside("config");
    for (name, value) in fields {
        match value.scalar_text() {
            Some(text) => {
                config.insert(name.clone(), text.to_owned());
            }
            None => inside.wrong(map, name, "must be a text, a number or a boolean"),
        }
    }
    config
}

/// Reads `variables:`, a list of names. A name that is mistyped would be a value that is missing.
fn variables(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<String>> {
    node.get("variables")?;
    let mut names = Vec::new();
    for name in reader.list(node, "variables") {
        let Some(text) = reader.text(name, "variables") else {
            continue;
        };
        if text.starts_with(VARIABLES_PREFIX) {
            names.push(text);
        } else {
            let message = format!(
                "{text:?} is no variable of plugins: their names begin with {VARIABLES_PREFIX}"
            );
            reader.problem(name.line, "variables", message);
        }
    }
    Some(names)
}

fn preinit(node: &Node, reader: &mut Reader<'_>) -> Preinit {
    let choices = [
        ("auto", Preinit::Auto),
        ("always", Preinit::Always),
        ("never", Preinit::Never),
    ];
    choice(node, "preinit", choices, reader)
}

fn profile(node: &Node, reader: &mut Reader<'_>) -> Profile {
    let choices = [Profile::Short, Profile::Compute].map(|profile| (profile.name(), profile));
    choice(node, "profile", choices, reader)
}

fn errors(node: &Node, reader: &mut Reader<'_>) -> ErrorDetail {
    let choices = [("full", ErrorDetail::Full), ("terse", ErrorDetail::Terse)];
    choice(node, "errors", choices, reader)
}

/// One of a few words, or the default.
fn choice<T: Copy + Default, const N: usize>(
    node: &Node,
    field: &str,
    choices: [(&str, T); N],
    reader: &mut Reader<'_>,
) -> T {
    if node.get(field).is_none() {
        return T::default();
    }
    let Some(word) = reader.optional_text(node, field) else {
        return T::default();
    };
    if let Some((_, chosen)) = choices.iter().find(|(known, _)| *known == word) {
        return *chosen;
    }
    let known = one_of(&choices.map(|(known, _)| known));
    reader.wrong(node, field, format!("{word:?} is not known: write {known}"));
    T::default()
}

/// The words as a sentence lists them: `a, b or c`.
fn one_of(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// Reads `instances:`, a word, or the bounds of those that are kept.
fn instances(node: &Node, reader: &mut Reader<'_>) -> Instances {
    match node.get("instances") {
        Some(bounds) if matches!(bounds.data, Data::Map(_)) => {
            Instances::Reuse(reuse(bounds, &mut reader.inside("instances")))
        }
        _ => {
            let kept = Instances::Reuse(Reuse::default());
            let choices = [("fresh", Instances::Fresh), ("reuse", kept)];
            choice(node, "instances", choices, reader)
        }
    }
}

fn reuse(map: &Node, reader: &mut Reader<'_>) -> Reuse {
    let mut bounds = Reuse::default();
    for (name, value) in map.fields() {
        match name.as_str() {
            "count" => bounds.count = count(value, name, reader).unwrap_or(bounds.count),
            "calls" => bounds.calls = count(value, name, reader).unwrap_or(bounds.calls),
            "age" => {
                let age = quantity(value, name, parse_duration, reader);
                bounds.age = age.unwrap_or(bounds.age);
            }
            _ => reader.wrong(
                map,
                name,
                "is no bound of kept instances: write count, age or calls",
            ),
        }
    }
    bounds
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::node::Findings;
    use crate::yaml;

    #[test]
    fn each_limit_is_read_into_its_own_field() {
        let text = "limits: {concurrency: 7, httpRequests: 8, httpResponse: 6, output: 5B, input: 4kB, memory: 3KiB, cpu: 1ms, timeout: 2ms}";
        let node = yaml::parse("plugins.yml", text).expect(text);
        let mut findings = Findings::default();
        let found = limits(
            &node,
            &mut Reader::new("plugins.yml", String::new(), &mut findings),
        );
        assert_eq!(findings.problems, []);
        let expected = LimitsOverride {
            timeout: Some(Duration::from_millis(2)),
            cpu: Some(Duration::from_millis(1)),
            memory: Some(3072),
            input: Some(4000),
            output: Some(5),
            http_response: Some(6),
            http_requests: Some(8),
            concurrency: Some(7),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_path_stays_inside_its_folder() {
        for path in ["a/b.wasm", "./a/b.wasm", "/a/b.wasm", "a//./b.wasm"] {
            assert_eq!(
                inside_folder(path),
                Some(PathBuf::from("a/b.wasm")),
                "{path}"
            );
        }
        for path in ["", ".", "/", "..", "../a", "a/..", "a/../b", "/../a"] {
            assert_eq!(inside_folder(path), None, "{path}");
        }
    }
}
