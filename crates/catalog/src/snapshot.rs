//! What is served at one moment: immutable, with everything looked up by hash and every list ready.

mod build;
mod sources;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write;
use std::sync::Arc;

use serde_json::Value;
use wasimancer_runtime::Digest;

use crate::definition_file::FILE_KIND;
use crate::error::{Error, Problem, Result};
use crate::lints::{self, Lint};
use crate::list::List;
use crate::plugin::{ServedPlugin, without_secrets};
use crate::prompt::Prompt;
use crate::read::Read;
use crate::resource::{ResourceTemplate, StaticResource};
use crate::store::{Named, Published, named_file};
use crate::tool::Tool;
use crate::uri::Comparable;

pub(crate) use build::{PromptsBuilder, ResourcesBuilder, ToolsBuilder, tool_entry};

/// A definition that is not served, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Quarantined {
    /// `plugin`, `resource` or `prompt`; `file` for a whole definition file.
    pub kind: &'static str,
    /// Its name, or its place in the file where it has none.
    pub name: String,
    /// The entry as it stands in the file; `null` for a whole file.
    pub(crate) definition: Value,
    /// Everything that is wrong with it.
    pub problems: Vec<Problem>,
}

impl Quarantined {
    /// The entry as it stands in the file, with the values of a plugin's `config` hidden.
    #[must_use]
    pub fn definition(&self) -> Value {
        without_secrets(self.definition.clone())
    }

    /// Every problem as a sentence.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        self.problems.iter().map(ToString::to_string).collect()
    }
}

/// What is not wrong with a definition, and could be better.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Advice {
    /// `plugin`, `resource` or `prompt`; `file` for a whole definition file.
    pub kind: &'static str,
    /// The name of the entry; empty where it has none.
    pub name: String,
    /// What, where and the remedy, as a sentence.
    pub text: String,
}

impl Advice {
    /// Tells the log.
    pub(crate) fn warn(&self) {
        let Self { kind, name, text } = self;
        match *kind {
            "plugin" => tracing::warn!(plugin = name, "{text}"),
            _ => tracing::warn!("{text}"),
        }
    }
}

/// Everything that is served. A clone shares all of it.
#[derive(Clone)]
pub struct Snapshot {
    tools: Option<Arc<Tools>>,
    resources: Option<Arc<Resources>>,
    prompts: Option<Arc<Prompts>>,
    quarantined: Vec<Quarantined>,
    revision: Digest,
    resources_digest: Option<Digest>,
}

/// What was read of one definition file, whether it is served or not.
pub(crate) struct Origin {
    /// The digest of the file's text.
    pub(crate) digest: Digest,
    /// The names of all its entries, the quarantined ones too.
    pub(crate) names: HashSet<String>,
    pub(crate) quarantined: Vec<Quarantined>,
    /// On the file and its entries, but for plugins that are served, which keep their own.
    pub(crate) advice: Vec<Advice>,
}

pub(crate) struct Tools {
    pub(crate) origin: Origin,
    /// In the order of the file.
    pub(crate) plugins: Vec<Arc<ServedPlugin>>,
    pub(crate) plugins_by_name: HashMap<String, Arc<ServedPlugin>>,
    pub(crate) by_name: HashMap<String, Arc<Tool>>,
    pub(crate) list: List,
    pub(crate) object_output_list: List,
}

impl Origin {
    /// Whether it is what was read of a file of this text.
    pub(crate) fn is_of(&self, text: &str) -> bool {
        self.digest == Digest::of(text.as_bytes())
    }

    /// Whether nothing of the file could be read, so that nobody knows what it defines.
    pub(crate) fn is_unknown(&self) -> bool {
        let mut quarantined = self.quarantined.iter();
        quarantined.any(|entry| entry.kind == FILE_KIND)
    }

    /// Refuses a name that no entry has.
    pub(crate) fn check_name(&self, kind: &'static str, name: &str) -> Result<()> {
        if self.names.contains(name) {
            return Ok(());
        }
        Err(Error::NotFound {
            kind,
            name: name.to_owned(),
        })
    }
}

impl Tools {
    /// A plugin that is served, by its name.
    pub(crate) fn plugin(&self, name: &str) -> Option<&Arc<ServedPlugin>> {
        self.plugins_by_name.get(name)
    }

    /// What the definition says of a plugin, served or quarantined; none where it pins no module of
    /// one that is quarantined.
    pub(crate) fn published(&self, name: &str) -> Option<Published<'_>> {
        if let Some(plugin) = self.plugin(name) {
            return Some(Published::of(plugin));
        }
        let mut quarantined = self.origin.quarantined.iter();
        let entry = quarantined.find(|entry| entry.name == name)?;
        Published::of_quarantined(&entry.definition)
    }

    /// Whether every module is the one that was compiled, and none may have come meanwhile.
    pub(crate) fn is_settled(&self) -> bool {
        let mut plugins = self.plugins.iter();
        self.origin.quarantined.is_empty() && plugins.all(|plugin| plugin.identity.holds())
    }

    /// The files that the definitions of plugins name, relative to the plugins folder.
    pub(crate) fn named_files(&self) -> Named {
        let served = self.plugins.iter();
        let served = served.map(|plugin| (&plugin.definition, &plugin.name));
        let quarantined = self.origin.quarantined.iter();
        let quarantined = quarantined.map(|entry| (&entry.definition, &entry.name));
        let mut named = Named::new();
        for (definition, name) in served.chain(quarantined) {
            if let Some(file) = named_file(definition) {
                named.entry(file).or_default().insert(name.clone());
            }
        }
        named
    }

    /// The digests that the definitions of plugins name.
    pub(crate) fn pinned(&self) -> HashSet<Digest> {
        let served = self.plugins.iter().map(|plugin| &plugin.definition);
        let quarantined = self.origin.quarantined.iter();
        let definitions = served.chain(quarantined.map(|entry| &entry.definition));
        definitions
            .filter_map(|definition| definition.get("digest")?.as_str()?.parse().ok())
            .collect()
    }
}

pub(crate) struct Resources {
    pub(crate) origin: Origin,
    /// In the order of the file.
    pub(crate) defined: Vec<Defined>,
    pub(crate) by_uri: HashMap<String, Arc<StaticResource>>,
    /// By the form in which equal URIs are alike: the first of each in the order of the file.
    pub(crate) by_comparable: HashMap<String, Arc<StaticResource>>,
    pub(crate) list: List,
    pub(crate) templates: Vec<Arc<ResourceTemplate>>,
    pub(crate) template_list: List,
}

impl Resources {
    /// The static resource whose URI is equal to this one.
    fn equal(&self, uri: &Comparable) -> Option<&Arc<StaticResource>> {
        self.by_comparable.get(uri.as_str())
    }
}

pub(crate) struct Prompts {
    pub(crate) origin: Origin,
    /// In the order of the file.
    pub(crate) defined: Vec<Defined>,
    pub(crate) by_name: HashMap<String, Arc<Prompt>>,
    pub(crate) list: List,
}

/// A resource or prompt as its definition file says.
#[derive(Clone, Debug, PartialEq)]
pub struct Defined {
    /// Its name.
    pub name: String,
    /// `static` or `dynamic` for a resource, `predefined` for a prompt: the list that it stands in.
    pub list: &'static str,
    /// The whole entry.
    pub definition: Value,
}

impl Snapshot {
    pub(crate) fn new(
        tools: Option<Arc<Tools>>,
        resources: Option<Arc<Resources>>,
        prompts: Option<Arc<Prompts>>,
    ) -> Self {
        let origins = [
            tools.as_ref().map(|tools| &tools.origin),
            resources.as_ref().map(|resources| &resources.origin),
            prompts.as_ref().map(|prompts| &prompts.origin),
        ];
        let quarantined = origins.into_iter().flatten();
        let quarantined = quarantined.flat_map(|origin| origin.quarantined.iter().cloned());
        Self {
            quarantined: quarantined.collect(),
            revision: revision(origins, tools.as_deref()),
            resources_digest: sources::resources_digest(resources.as_deref(), tools.as_deref()),
            tools,
            resources,
            prompts,
        }
    }

    /// The same with other tools.
    pub(crate) fn with_tools(&self, tools: Tools) -> Self {
        let tools = Some(Arc::new(tools));
        Self::new(tools, self.resources.clone(), self.prompts.clone())
    }

    /// The same with other resources.
    pub(crate) fn with_resources(&self, resources: Resources) -> Self {
        let resources = Some(Arc::new(resources));
        Self::new(self.tools.clone(), resources, self.prompts.clone())
    }

    /// The same with other prompts.
    pub(crate) fn with_prompts(&self, prompts: Prompts) -> Self {
        let prompts = Some(Arc::new(prompts));
        Self::new(self.tools.clone(), self.resources.clone(), prompts)
    }

    pub(crate) fn tools(&self) -> Option<&Arc<Tools>> {
        self.tools.as_ref()
    }

    pub(crate) fn resources(&self) -> Option<&Arc<Resources>> {
        self.resources.as_ref()
    }

    pub(crate) fn prompts(&self) -> Option<&Arc<Prompts>> {
        self.prompts.as_ref()
    }

    /// The digests that the definitions of plugins name.
    pub(crate) fn pinned(&self) -> HashSet<Digest> {
        self.tools
            .as_ref()
            .map(|tools| tools.pinned())
            .unwrap_or_default()
    }

    /// Whether everything is as in another snapshot, down to the reasons of what is quarantined and
    /// the plugins as they were compiled.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let plugins = self.plugins().iter().zip(other.plugins());
        self.revision == other.revision
            && self.quarantined == other.quarantined
            && plugins
                .into_iter()
                .all(|(one, other)| Arc::ptr_eq(one, other))
    }

    /// What tells this state of the definitions and modules from every other, also after a restart.
    #[must_use]
    pub fn revision(&self) -> Digest {
        self.revision
    }

    /// The plugins that are served, in the order of their file.
    #[must_use]
    pub fn plugins(&self) -> &[Arc<ServedPlugin>] {
        self.tools.as_ref().map_or(&[], |tools| &tools.plugins)
    }

    /// A plugin that is served, by its name.
    #[must_use]
    pub fn plugin(&self, name: &str) -> Option<&Arc<ServedPlugin>> {
        self.tools.as_ref()?.plugin(name)
    }

    /// The definitions of the resources that are served, in the order of their file.
    #[must_use]
    pub fn defined_resources(&self) -> &[Defined] {
        self.resources
            .as_ref()
            .map_or(&[], |resources| &resources.defined)
    }

    /// The definitions of the prompts that are served, in the order of their file.
    #[must_use]
    pub fn defined_prompts(&self) -> &[Defined] {
        self.prompts
            .as_ref()
            .map_or(&[], |prompts| &prompts.defined)
    }

    /// Whether tools are served at all; an empty list of them is served too.
    #[must_use]
    pub fn serves_tools(&self) -> bool {
        self.tools.is_some()
    }

    /// Whether resources are served at all.
    #[must_use]
    pub fn serves_resources(&self) -> bool {
        self.resources.is_some()
    }

    /// Whether prompts are served at all.
    #[must_use]
    pub fn serves_prompts(&self) -> bool {
        self.prompts.is_some()
    }

    /// A tool by its name.
    #[must_use]
    pub fn tool(&self, name: &str) -> Option<&Arc<Tool>> {
        self.tools.as_ref()?.by_name.get(name)
    }

    /// The list of tools.
    #[must_use]
    pub fn tool_list(&self) -> Option<&List> {
        self.tools.as_ref().map(|tools| &tools.list)
    }

    /// The list of tools for readers that know no `outputSchema` but one of an object; from the
    /// others it is left out.
    #[must_use]
    pub fn object_output_tool_list(&self) -> Option<&List> {
        self.tools.as_ref().map(|tools| &tools.object_output_list)
    }

    /// What a URI reads: the static resource with it or with an equal one (RFC 3986, section 6.2), or
    /// the first template in the order of the file that matches it, or else an equal one.
    #[must_use]
    pub fn resource(&self, uri: &str) -> Option<Read<'_>> {
        let resources = self.resources.as_ref()?;
        if let Some(resource) = resources.by_uri.get(uri) {
            return Some(resource.read(uri));
        }
        let comparable = Comparable::of(uri);
        if let Some(resource) = resources.equal(&comparable) {
            return Some(resource.read(uri));
        }
        let mut templates = resources.templates.iter();
        let exact = templates.find_map(|template| template.read(uri));
        exact.or_else(|| {
            let mut templates = resources.templates.iter();
            templates.find_map(|template| template.read_equal(uri, &comparable))
        })
    }

    /// The list of static resources.
    #[must_use]
    pub fn resource_list(&self) -> Option<&List> {
        self.resources.as_ref().map(|resources| &resources.list)
    }

    /// The list of resource templates.
    #[must_use]
    pub fn resource_template_list(&self) -> Option<&List> {
        self.resources
            .as_ref()
            .map(|resources| &resources.template_list)
    }

    /// A resource template as its definition writes it.
    #[must_use]
    pub fn resource_template(&self, uri_template: &str) -> Option<&Arc<ResourceTemplate>> {
        let templates = &self.resources.as_ref()?.templates;
        templates
            .iter()
            .find(|template| template.uri_template() == uri_template)
    }

    /// Whether there is a static resource with this URI, or with an equal one.
    #[must_use]
    pub fn has_static_resource(&self, uri: &str) -> bool {
        self.resources.as_ref().is_some_and(|resources| {
            resources.by_uri.contains_key(uri) || resources.equal(&Comparable::of(uri)).is_some()
        })
    }

    /// A prompt by its name.
    #[must_use]
    pub fn prompt(&self, name: &str) -> Option<&Arc<Prompt>> {
        self.prompts.as_ref()?.by_name.get(name)
    }

    /// The list of prompts.
    #[must_use]
    pub fn prompt_list(&self) -> Option<&List> {
        self.prompts.as_ref().map(|prompts| &prompts.list)
    }

    /// What is not served, and why.
    #[must_use]
    pub fn quarantined(&self) -> &[Quarantined] {
        &self.quarantined
    }

    /// What is not wrong with the definitions, and could be better.
    #[must_use]
    pub fn advice(&self) -> BTreeSet<Advice> {
        let origins = [
            self.tools.as_ref().map(|tools| &tools.origin),
            self.resources.as_ref().map(|resources| &resources.origin),
            self.prompts.as_ref().map(|prompts| &prompts.origin),
        ];
        let of_files = origins.into_iter().flatten();
        let of_files = of_files.flat_map(|origin| &origin.advice);
        let of_plugins = self.plugins().iter().flat_map(|plugin| &plugin.advice);
        of_files.chain(of_plugins).cloned().collect()
    }

    /// What is right with the tools, and what some clients or models can do nothing with.
    pub fn lints(&self) -> impl Iterator<Item = Lint<'_>> {
        self.plugins().iter().flat_map(|plugin| {
            let tools = plugin.tools.iter();
            tools.flat_map(|served| {
                let lints = lints::of_tool(&served.entry).into_iter();
                lints.map(|text| Lint {
                    plugin: &plugin.name,
                    tool: served.tool.name(),
                    text,
                })
            })
        })
    }

    /// How many tools are shown with arguments that may be no others than the named ones.
    #[must_use]
    pub fn closed_tools(&self) -> usize {
        let tools = self.plugins().iter().flat_map(|plugin| &plugin.tools);
        tools
            .filter(|served| lints::is_closed(&served.entry))
            .count()
    }

    /// How much is served.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            plugins: self.plugins().len(),
            tools: self.tools.as_ref().map_or(0, |tools| tools.by_name.len()),
            resources: self
                .resources
                .as_ref()
                .map_or(0, |resources| resources.by_uri.len()),
            resource_templates: self
                .resources
                .as_ref()
                .map_or(0, |resources| resources.templates.len()),
            prompts: self
                .prompts
                .as_ref()
                .map_or(0, |prompts| prompts.by_name.len()),
        }
    }

    /// The names of the tools, in alphabetical order.
    #[must_use]
    pub fn tool_names(&self) -> Vec<&str> {
        let by_name = self.tools.iter().flat_map(|tools| tools.by_name.keys());
        let mut names: Vec<&str> = by_name.map(String::as_str).collect();
        names.sort_unstable();
        names
    }
}

/// How much a snapshot serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Plugins that are not quarantined.
    pub plugins: usize,
    /// Tools of those plugins.
    pub tools: usize,
    /// Static resources.
    pub resources: usize,
    /// Resource templates.
    pub resource_templates: usize,
    /// Prompts.
    pub prompts: usize,
}

/// The digest of all definition files and of the modules that are served.
fn revision(origins: [Option<&Origin>; 3], tools: Option<&Tools>) -> Digest {
    let mut text = String::new();
    for origin in origins {
        let _ = match origin {
            Some(origin) => writeln!(text, "{}", origin.digest),
            None => writeln!(text, "off"),
        };
    }
    for plugin in tools.into_iter().flat_map(|tools| &tools.plugins) {
        let _ = writeln!(text, "{}", plugin.digest());
    }
    Digest::of(text.as_bytes())
}
