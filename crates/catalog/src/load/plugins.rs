//! From the entries of plugins to plugins that can be called.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use wasimancer_runtime::{Digest, Error as RuntimeError, Plugin, PluginSpec, Preinit};

use super::{Given, Loader, PLUGINS_PATH};
use crate::additional_arguments::AdditionalArguments;
use crate::definition::{FunctionDefinition, PluginDefinition, inside_folder};
use crate::definition_file::DefinitionFile;
use crate::entry::Entry;
use crate::error::{Cause, Problem, Result};
use crate::home::Settings;
use crate::module::{Found, Identity};
use crate::node::{Node, Reader};
use crate::parallel;
use crate::plugin::{ServedPlugin, ServedTool};
use crate::shown_schema::{self, Schemas};
use crate::snapshot::{Advice, Origin, Tools, ToolsBuilder, tool_entry};
use crate::store::without_place;
use crate::tool::{Contract, Tool};
use crate::tool_names;

/// When the code of new plugins is made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compile {
    /// Before they are served.
    Now,
    /// By [`Catalog::compile_rest`](crate::Catalog::compile_rest), where it is not known from an earlier
    /// time.
    Later,
}

/// Why a module is not compiled that may be, another time.
const NO_ROOM: &str = "the server's memory has no room for compiling it (server_memory); try again later, or raise `memory_budget`";

/// An entry on its way to a plugin: it is read, its module is compiled, its tools are made.
struct Draft<'a> {
    entry: Entry<'a>,
    definition: Option<PluginDefinition<'a>>,
    compiled: Option<Compiled>,
}

/// A module that was found and compiled. Its bytes are not kept.
struct Compiled {
    plugin: Plugin,
    size_bytes: u64,
    identity: Identity,
    in_place: bool,
}

impl Loader {
    /// Loads the plugins of a file. Those that are known, and the same still, are taken as they are.
    pub(crate) fn tools(
        &self,
        file: &DefinitionFile,
        known: &[Arc<ServedPlugin>],
        when: Compile,
    ) -> Result<Tools> {
        let known: HashMap<&str, &Arc<ServedPlugin>> = known
            .iter()
            .map(|plugin| (plugin.name.as_str(), plugin))
            .collect();
        let mut names = HashSet::new();
        let mut drafts = Vec::new();
        for node in file.entries("plugins", &PLUGINS_PATH)? {
            let entry = Entry::begin(&file.name, "plugin", node, &mut names);
            let same = entry
                .name()
                .and_then(|name| known.get(name))
                .filter(|known| known.node.same_text(node) && known.identity.holds());
            drafts.push(match same {
                Some(same) => (Draft::new(entry), Some(same)),
                None => (Draft::read(entry), None),
            });
        }
        // This takes long, and no entry needs another one for it. Each keeps its own problems, so
        // that they are told in the order of the file.
        let new = drafts.iter_mut().filter(|(_, same)| same.is_none());
        parallel::for_each(new.collect(), |(draft, _)| self.compile(draft, None, when));
        let mut quarantined = file.quarantined();
        let mut advice = file.advice(&[&PLUGINS_PATH]);
        let mut builder = ToolsBuilder::default();
        for (mut draft, same) in drafts {
            let plugin = match same {
                Some(same) => {
                    check_tool_names(same, &builder, &mut draft.entry);
                    Some(Arc::clone(same))
                }
                None => draft.finish(&builder, &self.settings).map(Arc::new),
            };
            if let Some(plugin) = plugin.filter(|_| draft.entry.is_right()) {
                builder.add(plugin);
            }
            advice.extend(draft.entry.take_advice());
            draft.entry.end(&mut quarantined);
        }
        Ok(builder.build(Origin {
            digest: file.digest(),
            names,
            quarantined,
            advice,
        }))
    }

    /// Makes the plugin of an entry with a module that is about to be published.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn plugin(
        &self,
        given: Given<'_>,
        others: &ToolsBuilder,
        entry: Entry<'_>,
    ) -> Result<ServedPlugin, Vec<Problem>> {
        let mut draft = Draft::read(entry);
        draft.refuse_tool_names();
        self.compile(&mut draft, Some(given), Compile::Now);
        let plugin = draft.finish(others, &self.settings);
        plugin.ok_or_else(|| draft.entry.into_problems())
    }

    /// Compiles the module of an entry: the one that is given, else the one that its definition names.
    fn compile(&self, draft: &mut Draft<'_>, given: Option<Given<'_>>, when: Compile) {
        let Draft {
            entry, definition, ..
        } = draft;
        let Some(definition) = definition else {
            return;
        };
        draft.compiled = self
            .find_module(definition, given, entry)
            .and_then(|found| self.compile_found(definition, found, given, when, entry));
    }

    fn find_module<'m>(
        &self,
        definition: &PluginDefinition<'_>,
        given: Option<Given<'m>>,
        entry: &mut Entry<'_>,
    ) -> Option<Found<'m>> {
        let inside = definition.path.as_ref()?;
        let found = match given {
            Some(given) => Ok(Found::given(given.wasm)),
            None => {
                let file = self.home.plugins.as_ref()?.folder.join(inside);
                Found::read(file, definition.digest, self.store.as_ref()?)
            }
        };
        found
            .map_err(|message| entry.wrong_because(Cause::Module, "path", message))
            .ok()
    }

    fn compile_found(
        &self,
        definition: &PluginDefinition<'_>,
        found: Found<'_>,
        given: Option<Given<'_>>,
        when: Compile,
        entry: &mut Entry<'_>,
    ) -> Option<Compiled> {
        // That of a definition which is refused anyway was compiled in another way.
        let given = given.filter(|_| entry.is_right());
        let given = given.map(|given| (given, without_place(&entry.node().to_json())));
        let known = given.as_ref();
        let known = known.and_then(|(given, definition)| given.compiled(definition));
        let plugin = match known {
            Some(known) => known,
            None => {
                let plugin = self.compile_new(definition, &found.bytes, when, entry)?;
                if let Some((given, definition)) = given {
                    given.keep(definition, &plugin);
                }
                plugin
            }
        };
        Some(Compiled {
            plugin,
            size_bytes: found.bytes.len() as u64,
            identity: found.identity,
            in_place: found.in_place,
        })
    }

    fn compile_new(
        &self,
        definition: &PluginDefinition<'_>,
        wasm: &[u8],
        when: Compile,
        entry: &mut Entry<'_>,
    ) -> Option<Plugin> {
        let mut config = definition.variables_of(&self.settings.config);
        config.extend(definition.config.clone());
        let spec = PluginSpec {
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
            errors: definition.errors,
        };
        let compiled = match when {
            Compile::Now => self.runtime.compile(spec),
            Compile::Later => self.runtime.prepare(spec),
        };
        if let Err(error) = &compiled {
            let path = definition.path.as_deref().unwrap_or("".as_ref());
            not_compiled(error, path, entry);
        }
        compiled.ok()
    }

    /// Reads the module of a plugin that is served once more, to compile it.
    ///
    /// # Errors
    /// Why it cannot be had, as a sentence.
    pub(crate) fn module_again(&self, plugin: &ServedPlugin) -> Result<Vec<u8>, String> {
        let (Some(kind), Some(store)) = (&self.home.plugins, &self.store) else {
            return Err("plugins are off".to_owned());
        };
        let inside = inside_folder(plugin.path());
        let inside = inside.ok_or_else(|| format!("{} is no file", plugin.path()))?;
        let pin = plugin.is_pinned().then(|| plugin.digest());
        let file = kind.folder.join(inside);
        let bytes = Found::read(file, pin, store)?.bytes;
        // What is pinned was found by its digest.
        if pin.is_none() && Digest::of(&bytes) != plugin.digest() {
            return Err(format!(
                "{} has changed while the server started: it is taken in with the next change of a file",
                plugin.path()
            ));
        }
        Ok(bytes.into_owned())
    }
}

/// Tells an entry why its module has no code.
pub(crate) fn not_compiled(error: &RuntimeError, path: &Path, entry: &mut Entry<'_>) {
    match error {
        RuntimeError::Preinit { .. } => {
            entry.wrong_because(Cause::Module, "preinit", error.to_string());
        }
        error => {
            let (cause, reason) = match error {
                RuntimeError::ServerMemory { .. } => (Cause::ServerMemory, NO_ROOM.to_owned()),
                error => (Cause::Module, error.to_string()),
            };
            entry.wrong_because(cause, "path", format!("{}: {reason}", path.display()));
        }
    }
}

impl<'a> Draft<'a> {
    fn new(entry: Entry<'a>) -> Self {
        Self {
            entry,
            definition: None,
            compiled: None,
        }
    }

    fn read(mut entry: Entry<'a>) -> Self {
        Self {
            definition: entry.read(PluginDefinition::read),
            ..Self::new(entry)
        }
    }

    /// Refuses names of tools that no publication may bring, although a file may hold them.
    fn refuse_tool_names(&mut self) {
        let functions = self.definition.iter().flat_map(|one| &one.functions);
        for function in functions {
            if let Some(reason) = tool_names::refusal(&function.tool) {
                let mut reader = self.entry.reader();
                let mut reader = reader.inside(&function.place);
                reader.wrong(function.node, "displayName", reason);
            }
        }
    }

    /// Makes the plugin, after those before it; what is wrong with it goes to the entry.
    fn finish(&mut self, others: &ToolsBuilder, settings: &Settings) -> Option<ServedPlugin> {
        let definition = self.definition.take()?;
        let compiled = self.compiled.take();
        let plugin = compiled.as_ref().map(|compiled| &compiled.plugin);
        let mut tools = make_tools(
            &definition,
            plugin,
            others,
            settings.additional_arguments,
            &mut self.entry,
        );
        let compiled = compiled.filter(|_| self.entry.is_right())?;
        if settings.schemas == Schemas::Open {
            let entries = tools.iter_mut().map(|served| &mut served.entry);
            entries.for_each(shown_schema::open);
        }
        let advice = advice(&definition, others).into_iter();
        let advice = advice.map(|text| Advice {
            kind: "plugin",
            name: definition.name.clone(),
            text,
        });
        let advice = self.entry.take_advice().into_iter().chain(advice).collect();
        let node = self.entry.node();
        Some(ServedPlugin {
            name: definition.name,
            node: node.clone(),
            definition: node.to_json(),
            size_bytes: compiled.size_bytes,
            module: compiled.plugin,
            identity: compiled.identity,
            in_place: compiled.in_place,
            tools,
            advice,
        })
    }
}

/// Resolves a plugin's functions and compiles their schemas; problems go to the entry.
fn make_tools(
    definition: &PluginDefinition<'_>,
    plugin: Option<&Plugin>,
    others: &ToolsBuilder,
    additional: AdditionalArguments,
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
        }
        let export = plugin.map(|plugin| plugin.function(&function.export));
        if let Some(Err(error)) = &export {
            reader.wrong_because(Cause::Module, function.node, "function", error.to_string());
        }
        let contract = Contract::new(function, &definition.patterns, additional, &mut reader);
        if let (Some(Ok(export)), Some(contract)) = (export, contract) {
            tools.push(served_tool(function, &definition.name, export, contract));
        }
    }
    tools
}

/// What is not wrong with a plugin whose schemas have been compiled, and could be better.
fn advice(definition: &PluginDefinition<'_>, others: &ToolsBuilder) -> Vec<String> {
    let mut own: HashMap<String, &str> = HashMap::new();
    let mut advice = Vec::new();
    for function in &definition.functions {
        let tool = &function.tool;
        advice.extend(tool_names::advice(tool));
        advice.extend(tool_names::property_advice(tool, &function.input_schema()));
        let looks = tool_names::looks(tool);
        let other = looks.iter().find_map(|look| {
            let own = own
                .get(look)
                .map(|other| (*other, definition.name.as_str()));
            own.or_else(|| others.look_alike(look))
        });
        if let Some((other, plugin)) = other.filter(|(other, _)| other != tool) {
            advice.push(tool_names::look_alike(tool, other, plugin));
        }
        for look in looks {
            own.entry(look).or_insert(tool);
        }
    }
    let patterns = definition.patterns.backtracking().into_iter();
    advice.extend(patterns.map(|pattern| {
        format!(
            "the pattern {pattern:?} has look-around or a back-reference, so that long texts may be refused: begin it with `^`, or say the same without them"
        )
    }));
    advice
}

fn served_tool(
    function: &FunctionDefinition<'_>,
    plugin: &str,
    export: wasimancer_runtime::Function,
    contract: Contract,
) -> ServedTool {
    ServedTool {
        entry: tool_entry(function),
        looks: tool_names::looks(&function.tool),
        tool: Arc::new(Tool::new(&function.tool, plugin, export, contract)),
    }
}

/// Holds the names of a plugin that is known already against those of the plugins before it.
fn check_tool_names(plugin: &ServedPlugin, others: &ToolsBuilder, entry: &mut Entry<'_>) {
    let node = entry.node();
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
