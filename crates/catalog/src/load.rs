//! From definition files to a snapshot. What is wrong is quarantined with every reason.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use wasimancer_runtime::{Limits, Plugin, PluginSpec, Runtime};

use crate::definition::{FunctionDefinition, PluginDefinition};
use crate::error::{Error, Problem, Result};
use crate::node::{Data, Node, Reader};
use crate::prompt::Prompt;
use crate::resource::Resource;
use crate::snapshot::{
    Prompts, PromptsBuilder, Quarantined, Resources, ResourcesBuilder, Snapshot, Tools,
    ToolsBuilder,
};
use crate::tool::{Contract, Tool};
use crate::yaml;

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
    Ok(Snapshot::new(tools, resources, prompts, quarantined))
}

fn load_tools(
    kind: &Kind,
    settings: &Settings,
    runtime: &Runtime,
    quarantined: &mut Vec<Quarantined>,
) -> Result<Tools> {
    let file = DefinitionFile::read(kind)?;
    let mut builder = ToolsBuilder::default();
    let mut names = HashSet::new();
    for node in file.entries("plugins", &["plugins"])? {
        let mut entry = Entry::begin(&file.name, "plugin", node, &mut names);
        if let Some(definition) = entry.read(PluginDefinition::read) {
            let plugin = make_plugin(&definition, kind, settings, runtime, &mut entry);
            let tools = make_tools(&definition, plugin.as_ref(), &builder, &mut entry);
            if entry.problems.is_empty() {
                builder.add(tools);
            }
        }
        entry.end(quarantined);
    }
    Ok(builder.build())
}

/// Reads and compiles a plugin's module; problems go to the entry.
fn make_plugin(
    definition: &PluginDefinition<'_>,
    kind: &Kind,
    settings: &Settings,
    runtime: &Runtime,
    entry: &mut Entry<'_>,
) -> Option<Plugin> {
    let inside = definition.path.as_ref()?;
    let path = kind.folder.join(inside);
    let wasm = match fs::read(&path) {
        Ok(wasm) => wasm,
        Err(error) => {
            entry.wrong(
                "path",
                format!("{} cannot be read: {error}", path.display()),
            );
            return None;
        }
    };
    let mut config = settings.config.clone();
    config.extend(definition.config.clone());
    let compiled = runtime.compile(PluginSpec {
        name: &definition.name,
        wasm: &wasm,
        limits: settings.limits.tightened_by(&definition.limits),
        permissions: definition.permissions.clone(),
        config,
    });
    if let Err(error) = &compiled {
        entry.wrong("path", format!("{}: {error}", inside.display()));
    }
    compiled.ok()
}

/// Resolves a plugin's functions and compiles their schemas; problems go to the entry.
fn make_tools<'d>(
    definition: &'d PluginDefinition<'_>,
    plugin: Option<&Plugin>,
    known: &ToolsBuilder,
    entry: &mut Entry<'_>,
) -> Vec<(Tool, &'d FunctionDefinition<'d>)> {
    let mut names = HashSet::new();
    let mut tools = Vec::with_capacity(definition.functions.len());
    for function in &definition.functions {
        let mut reader = entry.reader();
        let mut reader = reader.inside(&function.place);
        let name = &function.tool;
        let owner = if names.insert(name) {
            known.owner(name)
        } else {
            Some(definition.name.as_str())
        };
        if let Some(owner) = owner {
            let message =
                format!("the tool name {name:?} is taken by plugin {owner:?}: choose another");
            reader.wrong(function.node, "displayName", message);
        } else if let Some(advice) = unusual_name(name) {
            tracing::warn!(tool = name, plugin = definition.name, "{advice}");
        }
        let export = plugin.map(|plugin| plugin.function(&function.export));
        if let Some(Err(error)) = &export {
            reader.wrong(function.node, "function", error.to_string());
        }
        let contract = Contract::new(function, &mut reader);
        if let (Some(Ok(export)), Some(contract)) = (export, contract) {
            tools.push((
                Tool::new(name, &definition.name, export, contract),
                function,
            ));
        }
    }
    tools
}

/// Advice on a tool name that some clients refuse (MCP 2026-07-28, server/tools, "Tool Names").
fn unusual_name(name: &str) -> Option<&'static str> {
    let usual = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if name.len() > 128 {
        Some("the tool name has more than 128 characters, which some clients refuse")
    } else if !name.bytes().all(usual) {
        Some(
            "the tool name holds other characters than letters, digits, `_`, `-` and `.`, which some clients refuse",
        )
    } else {
        None
    }
}

fn load_resources(kind: &Kind, quarantined: &mut Vec<Quarantined>) -> Result<Resources> {
    let file = DefinitionFile::read(kind)?;
    let mut builder = ResourcesBuilder::default();
    let mut names = HashSet::new();
    let [fixed, dynamic] =
        ["static", "dynamic"].map(|list| file.entries("resources", &["resources", list]));
    for node in fixed?.iter().chain(dynamic?) {
        let mut entry = Entry::begin(&file.name, "resource", node, &mut names);
        if let Some(resource) = entry.read(Resource::read).flatten() {
            let uri = resource.uri();
            if builder.has_uri(uri) {
                entry.wrong(
                    "uri",
                    format!("{uri:?} is taken by an earlier resource: choose another"),
                );
            }
            if entry.problems.is_empty() {
                builder.add(resource);
            }
        }
        entry.end(quarantined);
    }
    Ok(builder.build())
}

fn load_prompts(kind: &Kind, quarantined: &mut Vec<Quarantined>) -> Result<Prompts> {
    let file = DefinitionFile::read(kind)?;
    let mut builder = PromptsBuilder::default();
    let mut names = HashSet::new();
    for node in file.entries("prompts", &["prompts", "predefined"])? {
        let mut entry = Entry::begin(&file.name, "prompt", node, &mut names);
        if let Some(prompt) = entry
            .read(Prompt::read)
            .filter(|_| entry.problems.is_empty())
        {
            builder.add(prompt);
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
            Err(error)
                if error.kind() == ErrorKind::NotFound && Path::new(&kind.folder).is_dir() =>
            {
                tracing::warn!(file = %path.display(), "there is no definition file yet: nothing of this kind is served");
                String::new()
            }
            Err(source) => return Err(Error::Unreadable { path, source }),
        };
        let root = yaml::parse(&name, &text).map_err(Error::Malformed)?;
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
            message: format!(
                "a {wanted} is wanted here for the {kind}, and there is {}",
                node.describe()
            ),
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
    /// Reads the name. It must not be that of an earlier entry, served or not: whoever changes an
    /// entry by its name must find one.
    fn begin(
        file: &'a str,
        kind: &'static str,
        node: &'a Node,
        taken: &mut HashSet<String>,
    ) -> Self {
        let mut entry = Self {
            file,
            kind,
            node,
            name: None,
            problems: Vec::new(),
        };
        let mut reader = entry.reader();
        if !reader.is_map(node) {
            return entry;
        }
        let name = reader.required_text(node, "name", "give it a name");
        let is_taken = name
            .as_ref()
            .is_some_and(|name| !taken.insert(name.clone()));
        entry.name = name;
        if let Some(name) = entry.name.clone().filter(|_| is_taken) {
            entry.wrong(
                "name",
                format!("{name:?} is taken by an earlier {kind}: choose another"),
            );
        }
        entry
    }

    /// Reads the rest; without a name too, so that everything that is wrong is told at once.
    fn read<T>(&mut self, read: impl FnOnce(&'a Node, &str, &mut Reader<'_>) -> T) -> Option<T> {
        let name = self.name.clone().unwrap_or_default();
        let node = self.node;
        matches!(node.data, Data::Map(_)).then(|| read(node, &name, &mut self.reader()))
    }

    fn wrong(&mut self, field: &str, message: String) {
        let node = self.node;
        self.reader().wrong(node, field, message);
    }

    fn reader(&mut self) -> Reader<'_> {
        let described = match &self.name {
            Some(name) => format!("{} {name:?}", self.kind),
            None => self.kind.to_owned(),
        };
        Reader::new(self.file, described, &mut self.problems)
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
