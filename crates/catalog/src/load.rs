//! From definition files to a snapshot. What is wrong is quarantined with every reason.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use wasimancer_runtime::{Error as RuntimeError, Plugin, PluginSpec, Preinit, Runtime};

use crate::definition::{FunctionDefinition, PluginDefinition};
use crate::definition_file::DefinitionFile;
use crate::entry::Entry;
use crate::error::{Cause, Result};
use crate::home::{Home, Kind, Settings};
use crate::module::Found;
use crate::node::{Node, Reader};
use crate::plugin::{ServedPlugin, ServedTool};
use crate::prompt::Prompt;
use crate::resource::Resource;
use crate::snapshot::{
    Origin, Prompts, PromptsBuilder, Resources, ResourcesBuilder, Snapshot, Tools, ToolsBuilder,
    tool_entry,
};
use crate::store::Store;
use crate::tool::{Contract, Tool};

/// The list of plugins in its file.
pub(crate) const PLUGINS_PATH: [&str; 1] = ["plugins"];
/// The two lists of resources in their file.
pub(crate) const RESOURCE_PATHS: [[&str; 2]; 2] =
    [["resources", "static"], ["resources", "dynamic"]];
/// The list of prompts in its file.
pub(crate) const PROMPTS_PATH: [&str; 2] = ["prompts", "predefined"];

/// Loads definitions. Reads files and compiles modules: for where blocking is allowed.
pub(crate) struct Loader {
    pub(crate) home: Home,
    pub(crate) settings: Settings,
    pub(crate) runtime: Runtime,
    /// Where published modules are kept; none where plugins are off.
    pub(crate) store: Option<Store>,
}

/// A plugin's module, where it is already at hand.
pub(crate) enum Module<'a> {
    /// As the definition says.
    AsDefined,
    /// These bytes, which are about to be published.
    Given(&'a [u8]),
}

impl Loader {
    pub(crate) fn new(home: Home, settings: Settings, runtime: Runtime) -> Self {
        let store = home
            .plugins
            .as_ref()
            .map(|kind| Store::new(&kind.folder, &settings.upload_folder));
        Self {
            home,
            settings,
            runtime,
            store,
        }
    }

    /// Loads everything.
    pub(crate) fn everything(&self) -> Result<Snapshot> {
        let tools = read_first(self.home.plugins.as_ref())?;
        let tools = tools.map(|file| self.tools(&file, &[])).transpose()?;
        let resources = read_first(self.home.resources.as_ref())?;
        let resources = resources.map(|file| Self::resources(&file)).transpose()?;
        let prompts = read_first(self.home.prompts.as_ref())?;
        let prompts = prompts.map(|file| Self::prompts(&file)).transpose()?;
        Ok(Snapshot::new(
            tools.map(Arc::new),
            resources.map(Arc::new),
            prompts.map(Arc::new),
        ))
    }

    /// Loads the plugins of a file. Those that are known, and the same still, are taken as they are.
    pub(crate) fn tools(
        &self,
        file: &DefinitionFile,
        known: &[Arc<ServedPlugin>],
    ) -> Result<Tools> {
        let known: HashMap<&str, &Arc<ServedPlugin>> = known
            .iter()
            .map(|plugin| (plugin.name.as_str(), plugin))
            .collect();
        let mut quarantined = Vec::new();
        let mut builder = ToolsBuilder::default();
        let mut names = HashSet::new();
        for node in file.entries("plugins", &PLUGINS_PATH)? {
            let mut entry = Entry::begin(&file.name, "plugin", node, &mut names);
            let same = entry
                .name()
                .and_then(|name| known.get(name))
                .filter(|known| known.node.same_text(node) && known.identity.holds());
            let plugin = match same {
                Some(same) => {
                    check_tool_names(same, node, &builder, &mut entry);
                    Some(Arc::clone(same))
                }
                None => self
                    .plugin(&Module::AsDefined, &builder, &mut entry)
                    .map(Arc::new),
            };
            if let Some(plugin) = plugin.filter(|_| entry.is_right()) {
                builder.add(plugin);
            }
            entry.end(&mut quarantined);
        }
        Ok(builder.build(Origin {
            digest: file.digest(),
            names,
            quarantined,
        }))
    }

    /// Makes the plugin of an entry; what is wrong with it goes to the entry.
    pub(crate) fn plugin(
        &self,
        module: &Module<'_>,
        others: &ToolsBuilder,
        entry: &mut Entry<'_>,
    ) -> Option<ServedPlugin> {
        let node = entry.node();
        let definition = entry.read(PluginDefinition::read)?;
        let found = self.find_module(&definition, module, entry);
        let compiled = found
            .as_ref()
            .and_then(|found| self.compile(&definition, &found.bytes, entry));
        let tools = make_tools(&definition, compiled.as_ref(), others, entry);
        let (found, module) = (found?, compiled?);
        entry.is_right().then(|| ServedPlugin {
            name: definition.name,
            node: node.clone(),
            definition: node.to_json(),
            size_bytes: found.bytes.len() as u64,
            module,
            identity: found.identity,
            in_place: found.in_place,
            tools,
        })
    }

    fn find_module<'m>(
        &self,
        definition: &PluginDefinition<'_>,
        module: &Module<'m>,
        entry: &mut Entry<'_>,
    ) -> Option<Found<'m>> {
        let inside = definition.path.as_ref()?;
        let found = match module {
            Module::Given(bytes) => Ok(Found::given(bytes)),
            Module::AsDefined => {
                let file = self.home.plugins.as_ref()?.folder.join(inside);
                Found::read(file, definition.digest, self.store.as_ref()?)
            }
        };
        found
            .map_err(|message| entry.wrong_because(Cause::Module, "path", message))
            .ok()
    }

    fn compile(
        &self,
        definition: &PluginDefinition<'_>,
        wasm: &[u8],
        entry: &mut Entry<'_>,
    ) -> Option<Plugin> {
        let mut config = self.settings.config.clone();
        config.extend(definition.config.clone());
        let compiled = self.runtime.compile(PluginSpec {
            name: &definition.name,
            wasm,
            limits: self.settings.limits.tightened_by(&definition.limits),
            permissions: definition.permissions.clone(),
            config,
            // A trial for a definition that is refused anyway would hold up whoever wrote it.
            preinit: if entry.is_right() {
                definition.preinit
            } else {
                Preinit::Never
            },
            profile: definition.profile,
            instances: definition.instances,
        });
        match &compiled {
            Ok(_) => {}
            Err(error @ RuntimeError::Preinit { .. }) => {
                entry.wrong_because(Cause::Module, "preinit", error.to_string());
            }
            Err(error) => {
                let path = definition.path.as_deref().unwrap_or("".as_ref());
                let message = format!("{}: {error}", path.display());
                entry.wrong_because(Cause::Module, "path", message);
            }
        }
        compiled.ok()
    }

    pub(crate) fn resources(file: &DefinitionFile) -> Result<Resources> {
        let mut quarantined = Vec::new();
        let mut builder = ResourcesBuilder::default();
        let mut names = HashSet::new();
        let [fixed, dynamic] = RESOURCE_PATHS.map(|path| file.entries("resources", &path));
        for node in fixed?.iter().chain(dynamic?) {
            let mut entry = Entry::begin(&file.name, "resource", node, &mut names);
            if let Some(resource) = resource(&builder, &mut entry) {
                builder.add(resource, entry.name().unwrap_or_default(), node.to_json());
            }
            entry.end(&mut quarantined);
        }
        Ok(builder.build(Origin {
            digest: file.digest(),
            names,
            quarantined,
        }))
    }

    pub(crate) fn prompts(file: &DefinitionFile) -> Result<Prompts> {
        let mut quarantined = Vec::new();
        let mut builder = PromptsBuilder::default();
        let mut names = HashSet::new();
        for node in file.entries("prompts", &PROMPTS_PATH)? {
            let mut entry = Entry::begin(&file.name, "prompt", node, &mut names);
            if let Some(prompt) = entry
                .read(Prompt::read)
                .flatten()
                .filter(|_| entry.is_right())
            {
                builder.add(prompt, node.to_json());
            }
            entry.end(&mut quarantined);
        }
        Ok(builder.build(Origin {
            digest: file.digest(),
            names,
            quarantined,
        }))
    }
}

/// Makes a resource of its entry, whose URI must be free.
pub(crate) fn resource(known: &ResourcesBuilder, entry: &mut Entry<'_>) -> Option<Resource> {
    let resource = entry.read(Resource::read).flatten()?;
    let uri = resource.uri();
    if known.has_uri(uri) {
        entry.wrong_because(
            Cause::UriTaken,
            "uri",
            format!("{uri:?} is taken by an earlier resource: choose another"),
        );
    }
    entry.is_right().then_some(resource)
}

/// Reads the definition file of a kind that is on, and says so where there is none yet.
fn read_first(kind: Option<&Kind>) -> Result<Option<DefinitionFile>> {
    let Some(kind) = kind else {
        return Ok(None);
    };
    let read = DefinitionFile::read(kind)?;
    let file = kind.file();
    if !file.exists() {
        tracing::warn!(file = %file.display(), "there is no definition file yet: nothing of this kind is served");
    }
    Ok(Some(read))
}

/// Resolves a plugin's functions and compiles their schemas; problems go to the entry.
fn make_tools(
    definition: &PluginDefinition<'_>,
    plugin: Option<&Plugin>,
    others: &ToolsBuilder,
    entry: &mut Entry<'_>,
) -> Vec<ServedTool> {
    let mut names = HashSet::new();
    let mut tools = Vec::with_capacity(definition.functions.len());
    for function in &definition.functions {
        let mut reader = entry.reader();
        let mut reader = reader.inside(&function.place);
        let name = &function.tool;
        let owner = if names.insert(name) {
            others.owner(name)
        } else {
            Some(definition.name.as_str())
        };
        if let Some(owner) = owner {
            name_is_taken(name, owner, function.node, &mut reader);
        } else if let Some(advice) = unusual_name(name) {
            tracing::warn!(tool = name, plugin = definition.name, "{advice}");
        }
        let export = plugin.map(|plugin| plugin.function(&function.export));
        if let Some(Err(error)) = &export {
            reader.wrong_because(Cause::Module, function.node, "function", error.to_string());
        }
        let contract = Contract::new(function, &mut reader);
        if let (Some(Ok(export)), Some(contract)) = (export, contract) {
            tools.push(served_tool(function, &definition.name, export, contract));
        }
    }
    tools
}

fn served_tool(
    function: &FunctionDefinition<'_>,
    plugin: &str,
    export: wasimancer_runtime::Function,
    contract: Contract,
) -> ServedTool {
    ServedTool {
        entry: tool_entry(function),
        tool: Arc::new(Tool::new(&function.tool, plugin, export, contract)),
    }
}

/// Holds the names of a plugin that is known already against those of the plugins before it.
fn check_tool_names(
    plugin: &ServedPlugin,
    node: &Node,
    others: &ToolsBuilder,
    entry: &mut Entry<'_>,
) {
    let mut reader = entry.reader();
    let functions = reader.list(node, "functions");
    for (index, (name, function)) in plugin.tools().zip(functions).enumerate() {
        if let Some(owner) = others.owner(name) {
            let mut reader = reader.inside(&format!("functions[{index}]"));
            name_is_taken(name, owner, function, &mut reader);
        }
    }
}

fn name_is_taken(name: &str, owner: &str, function: &Node, reader: &mut Reader<'_>) {
    reader.wrong_because(
        Cause::ToolNameTaken,
        function,
        "displayName",
        format!("the tool name {name:?} is taken by plugin {owner:?}: choose another"),
    );
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
