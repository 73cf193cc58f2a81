//! From definition files to a snapshot. What is wrong is quarantined with every reason.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use wasimancer_runtime::{Limits, Plugin, PluginSpec, Runtime};

use crate::definition::PluginDefinition;
use crate::error::{Error, Problem, Result};
use crate::node::{Data, Node, Reader};
use crate::prompt::Prompt;
use crate::resource::Resource;
use crate::snapshot::{Prompts, PromptsBuilder, Quarantined, Resources, ResourcesBuilder, Snapshot, Tools, ToolsBuilder};
use crate::tool::Tool;

/// Where definitions lie. A kind that is absent is switched off.
#[derive(Clone, Debug)]
pub struct Home {
    /// Plugins and `plugins.yml`.
    pub plugins: Option<Kind>,
    /// `resources.yml`.
    pub resources: Option<Kind>,
    /// `prompts.yml`.
    pub prompts: Option<Kind>,
}

/// The folder and the definition file of one kind.
#[derive(Clone, Debug)]
pub struct Kind {
    /// The folder.
    pub folder: PathBuf,
    /// The file's name in the folder.
    pub definition_file: String,
}

/// What the server says of all plugins.
#[derive(Clone, Default)]
pub struct Settings {
    /// The limits that a plugin can tighten.
    pub limits: Limits,
    /// Configuration of every plugin; a plugin's own wins. Holds secrets, hence no `Debug`.
    pub config: BTreeMap<String, String>,
}

/// Loads everything. Reads files and compiles modules: call it where blocking is allowed.
pub(crate) fn load(home: &Home, settings: &Settings, runtime: &Runtime) -> Result<Snapshot> {
    let mut quarantined = Vec::new();
    let tools = match &home.plugins {
        Some(kind) => Some(load_tools(kind, settings, runtime, &mut quarantined)?),
        None => None,
    };
    let resources = match &home.resources {
        Some(kind) => Some(load_resources(kind, &mut quarantined)?),
        None => None,
    };
    let prompts = match &home.prompts {
        Some(kind) => Some(load_prompts(kind, &mut quarantined)?),
        None => None,
    };
    for entry in &quarantined {
        for problem in &entry.problems {
            tracing::error!(kind = entry.kind, name = entry.name, "quarantined: {problem}");
        }
    }
    Ok(Snapshot::new(tools, resources, prompts, quarantined))
}

fn load_tools(kind: &Kind, settings: &Settings, runtime: &Runtime, quarantined: &mut Vec<Quarantined>) -> Result<Tools> {
    let file = DefinitionFile::read(kind)?;
    let mut builder = ToolsBuilder::default();
    let mut names: Vec<String> = Vec::new();
    for entry in file.entries("plugins", &["plugins"])? {
        let mut entry = Entry::begin(&file.name, "plugin", entry, &names);
        let definition = entry.read(PluginDefinition::read);
        if let Some(definition) = definition {
            names.push(definition.name.clone());
            if entry.problems.is_empty() {
                let tools = make_tools(&definition, kind, settings, runtime, &builder, &mut entry);
                if entry.problems.is_empty() {
                    builder.add(tools.into_iter().zip(&definition.functions).collect());
                }
            }
        }
        entry.end(quarantined);
    }
    Ok(builder.build())
}

/// Compiles a plugin and resolves its functions; problems go to the entry.
fn make_tools(
    definition: &PluginDefinition,
    kind: &Kind,
    settings: &Settings,
    runtime: &Runtime,
    known: &ToolsBuilder,
    entry: &mut Entry<'_>,
) -> Vec<Tool> {
    let Some(plugin) = make_plugin(definition, kind, settings, runtime, entry) else {
        return Vec::new();
    };
    let mut tools: Vec<Tool> = Vec::with_capacity(definition.functions.len());
    for (index, function) in definition.functions.iter().enumerate() {
        let field = |name: &str| format!("functions[{index}].{name}");
        let mut wrong = |name: &str, message: String| entry.problem(function.line, &field(name), message);
        let same_plugin = tools.iter().any(|tool| tool.name() == function.tool);
        let owner = if same_plugin { Some(definition.name.as_str()) } else { known.owner(&function.tool) };
        if let Some(owner) = owner {
            wrong("displayName", format!("the tool name {:?} is taken by plugin {owner:?}: choose another", function.tool));
            continue;
        }
        if let Some(advice) = unusual_name(&function.tool) {
            tracing::warn!(tool = function.tool, plugin = definition.name, "{advice}");
        }
        match plugin.function(&function.export) {
            Ok(export) => match Tool::new(function, &definition.name, export) {
                Ok(tool) => tools.push(tool),
                Err((name, message)) => wrong(name, message),
            },
            Err(error) => wrong("function", error.to_string()),
        }
    }
    tools
}

fn make_plugin(
    definition: &PluginDefinition,
    kind: &Kind,
    settings: &Settings,
    runtime: &Runtime,
    entry: &mut Entry<'_>,
) -> Option<Plugin> {
    let path = kind.folder.join(&definition.path);
    let wasm = fs::read(&path)
        .map_err(|error| entry.problem(definition.line, "path", format!("{} cannot be read: {error}", path.display())))
        .ok()?;
    let mut config = settings.config.clone();
    config.extend(definition.config.clone());
    let spec = PluginSpec {
        name: &definition.name,
        wasm: &wasm,
        limits: settings.limits.tightened_by(&definition.limits),
        permissions: definition.permissions.clone(),
        config,
    };
    runtime
        .compile(spec)
        .map_err(|error| entry.problem(definition.line, "path", format!("{}: {error}", definition.path.display())))
        .ok()
}

/// Advice on a tool name that some clients refuse (MCP 2026-07-28, server/tools, "Tool Names").
fn unusual_name(name: &str) -> Option<&'static str> {
    let usual = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if name.len() > 128 {
        Some("the tool name has more than 128 characters, which some clients refuse")
    } else if !name.bytes().all(usual) {
        Some("the tool name holds other characters than letters, digits, `_`, `-` and `.`, which some clients refuse")
    } else {
        None
    }
}

fn load_resources(kind: &Kind, quarantined: &mut Vec<Quarantined>) -> Result<Resources> {
    let file = DefinitionFile::read(kind)?;
    let mut builder = ResourcesBuilder::default();
    let both = ["static", "dynamic"].map(|list| file.entries("resources", &["resources", list]));
    for entries in both {
        for node in entries? {
            let mut entry = Entry::begin(&file.name, "resource", node, &[]);
            let resource = entry.read(Resource::read);
            if let Some(resource) = resource {
                let (name, uri, line) = match &resource {
                    Resource::Static(resource) => (&resource.name, &resource.uri, resource.line),
                    Resource::Template(template) => (&template.name, &template.uri_template, template.line),
                };
                if builder.has_name(name) {
                    entry.problem(line, "name", format!("{name:?} is taken by an earlier resource: choose another"));
                }
                if builder.has_uri(uri) {
                    entry.problem(line, "uri", format!("{uri:?} is taken by an earlier resource: choose another"));
                }
                if entry.problems.is_empty() {
                    match resource {
                        Resource::Static(resource) => builder.add_static(resource),
                        Resource::Template(template) => builder.add_template(template),
                    }
                }
            }
            entry.end(quarantined);
        }
    }
    Ok(builder.build())
}

fn load_prompts(kind: &Kind, quarantined: &mut Vec<Quarantined>) -> Result<Prompts> {
    let file = DefinitionFile::read(kind)?;
    let mut builder = PromptsBuilder::default();
    for node in file.entries("prompts", &["prompts", "predefined"])? {
        let mut entry = Entry::begin(&file.name, "prompt", node, &[]);
        let prompt = entry.read(Prompt::read);
        if let Some(prompt) = prompt {
            if builder.has_name(&prompt.name) {
                let message = format!("{:?} is taken by an earlier prompt: choose another", prompt.name);
                entry.problem(prompt.line, "name", message);
            }
            if entry.problems.is_empty() {
                builder.add(prompt);
            }
        }
        entry.end(quarantined);
    }
    Ok(builder.build())
}

/// A definition file, parsed.
struct DefinitionFile {
    name: String,
    root: Node,
}

impl DefinitionFile {
    /// Reads the file; where there is none, the list is empty.
    fn read(kind: &Kind) -> Result<Self> {
        let path = kind.folder.join(&kind.definition_file);
        let name = kind.definition_file.clone();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound && Path::new(&kind.folder).is_dir() => {
                tracing::warn!(file = %path.display(), "there is no definition file yet: nothing of this kind is served");
                String::new()
            }
            Err(source) => return Err(Error::Unreadable { path, source }),
        };
        let root = Node::parse_yaml(&name, &text).map_err(Error::Malformed)?;
        Ok(Self { name, root })
    }

    /// The entries under a chain of keys; nothing there is an empty list.
    fn entries(&self, kind: &str, path: &[&str]) -> Result<&[Node]> {
        let mut node = &self.root;
        for key in path {
            match &node.data {
                Data::Map(_) => match node.get(key) {
                    Some(next) => node = next,
                    None => return Ok(&[]),
                },
                Data::Null => return Ok(&[]),
                _ => return Err(self.malformed(node, kind, path, "map")),
            }
        }
        match &node.data {
            Data::List(entries) => Ok(entries),
            Data::Null => Ok(&[]),
            _ => Err(self.malformed(node, kind, path, "list")),
        }
    }

    fn malformed(&self, node: &Node, kind: &str, path: &[&str], wanted: &str) -> Error {
        Error::Malformed(Problem {
            file: self.name.clone(),
            line: node.line,
            entry: String::new(),
            field: path.join("."),
            message: format!("a {wanted} is wanted here for the {kind}, and there is {}", node.describe()),
        })
    }
}

/// One entry of a file while it is loaded.
struct Entry<'a> {
    file: &'a str,
    kind: &'static str,
    node: &'a Node,
    /// Its name; none where that is what is wrong.
    name: Option<String>,
    problems: Vec<Problem>,
}

impl<'a> Entry<'a> {
    /// Reads the name, which must not be one of those taken.
    fn begin(file: &'a str, kind: &'static str, node: &'a Node, taken: &[String]) -> Self {
        let mut problems = Vec::new();
        let mut reader = Reader::new(file, kind.to_owned(), &mut problems);
        let name = if reader.is_map(node) {
            reader.required_text(node, "name", "give it a name")
        } else {
            None
        };
        let mut entry = Self {
            file,
            kind,
            node,
            name,
            problems,
        };
        if let Some(name) = entry.name.clone().filter(|name| taken.contains(name)) {
            entry.problem(node.line, "name", format!("{name:?} is taken by an earlier {kind}: choose another"));
        }
        entry
    }

    fn read<T>(&mut self, read: impl FnOnce(&Node, String, &mut Reader<'_>) -> Option<T>) -> Option<T> {
        let name = self.name.clone()?;
        let described = self.described();
        let mut reader = Reader::new(self.file, described, &mut self.problems);
        read(self.node, name, &mut reader)
    }

    fn problem(&mut self, line: Option<usize>, field: &str, message: String) {
        let described = self.described();
        Reader::new(self.file, described, &mut self.problems).problem(line, field, message);
    }

    fn described(&self) -> String {
        match &self.name {
            Some(name) => format!("{} {name:?}", self.kind),
            None => self.kind.to_owned(),
        }
    }

    fn end(self, quarantined: &mut Vec<Quarantined>) {
        if !self.problems.is_empty() {
            let place = || format!("line {}", self.node.line.unwrap_or_default());
            quarantined.push(Quarantined {
                kind: self.kind,
                name: self.name.clone().unwrap_or_else(place),
                problems: self.problems,
            });
        }
    }
}
