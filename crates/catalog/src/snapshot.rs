//! What is served at one moment: immutable, with everything looked up by hash and every list ready.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::definition::FunctionDefinition;
use crate::error::Problem;
use crate::list::List;
use crate::prompt::Prompt;
use crate::resource::{Resource, ResourceTemplate, StaticResource};
use crate::tool::Tool;

/// A definition that is not served, and why.
#[derive(Clone, Debug)]
pub struct Quarantined {
    /// `plugin`, `resource` or `prompt`.
    pub kind: &'static str,
    /// Its name, or its place in the file where it has none.
    pub name: String,
    /// Everything that is wrong with it.
    pub problems: Vec<Problem>,
}

impl Quarantined {
    /// Every problem as a sentence.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        self.problems.iter().map(ToString::to_string).collect()
    }
}

/// Everything that is served.
pub struct Snapshot {
    tools: Option<Tools>,
    resources: Option<Resources>,
    prompts: Option<Prompts>,
    quarantined: Vec<Quarantined>,
}

pub(crate) struct Tools {
    pub(crate) by_name: HashMap<String, Arc<Tool>>,
    pub(crate) list: List,
    pub(crate) object_output_list: List,
    pub(crate) plugins: usize,
}

pub(crate) struct Resources {
    pub(crate) by_uri: HashMap<String, Arc<StaticResource>>,
    pub(crate) list: List,
    pub(crate) templates: Vec<Arc<ResourceTemplate>>,
    pub(crate) template_list: List,
}

pub(crate) struct Prompts {
    pub(crate) by_name: HashMap<String, Arc<Prompt>>,
    pub(crate) list: List,
}

impl Snapshot {
    pub(crate) fn new(
        tools: Option<Tools>,
        resources: Option<Resources>,
        prompts: Option<Prompts>,
        quarantined: Vec<Quarantined>,
    ) -> Self {
        Self {
            tools,
            resources,
            prompts,
            quarantined,
        }
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

    /// The contents at a URI, as a JSON array: of the static resource with it, or of the first
    /// template in the order of the file that matches it.
    #[must_use]
    pub fn read_resource(&self, uri: &str) -> Option<Bytes> {
        let resources = self.resources.as_ref()?;
        match resources.by_uri.get(uri) {
            Some(resource) => Some(resource.contents().clone()),
            None => resources
                .templates
                .iter()
                .find_map(|template| template.read(uri)),
        }
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

    /// Whether there is a static resource with this URI.
    #[must_use]
    pub fn has_static_resource(&self, uri: &str) -> bool {
        self.resources
            .as_ref()
            .is_some_and(|resources| resources.by_uri.contains_key(uri))
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

    /// How much is served.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            plugins: self.tools.as_ref().map_or(0, |tools| tools.plugins),
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

/// Collects the tools of one plugin after another.
#[derive(Default)]
pub(crate) struct ToolsBuilder {
    by_name: HashMap<String, Arc<Tool>>,
    entries: Vec<Value>,
    plugins: usize,
}

impl ToolsBuilder {
    /// The plugin that a tool of this name belongs to.
    pub(crate) fn owner(&self, tool: &str) -> Option<&str> {
        self.by_name.get(tool).map(|tool| tool.plugin())
    }

    /// Adds a plugin's tools, whose names are free.
    pub(crate) fn add(&mut self, tools: Vec<(Tool, &FunctionDefinition<'_>)>) {
        self.plugins += 1;
        for (tool, definition) in tools {
            self.entries.push(entry(definition));
            self.by_name.insert(tool.name().to_owned(), Arc::new(tool));
        }
    }

    pub(crate) fn build(self) -> Tools {
        let object_output: Vec<Value> = self.entries.iter().map(with_object_output).collect();
        Tools {
            list: List::new(&self.entries),
            object_output_list: List::new(&object_output),
            by_name: self.by_name,
            plugins: self.plugins,
        }
    }
}

/// What the list of tools shows.
fn entry(definition: &FunctionDefinition<'_>) -> Value {
    let mut entry = Map::new();
    entry.insert("name".to_owned(), json!(definition.tool));
    let mut shown = definition.shown.clone();
    for field in ["title", "description"] {
        if let Some(value) = shown.shift_remove(field) {
            entry.insert(field.to_owned(), value);
        }
    }
    entry.insert("inputSchema".to_owned(), definition.input_schema());
    if let Some(schema) = &definition.output_schema {
        entry.insert("outputSchema".to_owned(), schema.clone());
    }
    entry.extend(shown);
    Value::Object(entry)
}

fn with_object_output(entry: &Value) -> Value {
    let mut entry = entry.clone();
    if let Some(fields) = entry.as_object_mut() {
        let is_object = |schema: &Value| schema["type"] == "object";
        if fields
            .get("outputSchema")
            .is_some_and(|schema| !is_object(schema))
        {
            fields.shift_remove("outputSchema");
        }
    }
    entry
}

/// Collects resources of both kinds.
#[derive(Default)]
pub(crate) struct ResourcesBuilder {
    uris: HashSet<String>,
    resources: Vec<Arc<StaticResource>>,
    templates: Vec<Arc<ResourceTemplate>>,
}

impl ResourcesBuilder {
    /// Whether a resource or template of this URI was added.
    pub(crate) fn has_uri(&self, uri: &str) -> bool {
        self.uris.contains(uri)
    }

    pub(crate) fn add(&mut self, resource: Resource) {
        self.uris.insert(resource.uri().to_owned());
        match resource {
            Resource::Static(resource) => self.resources.push(Arc::new(resource)),
            Resource::Template(template) => self.templates.push(Arc::new(template)),
        }
    }

    pub(crate) fn build(self) -> Resources {
        let entries: Vec<Value> = self
            .resources
            .iter()
            .map(|resource| resource.entry.clone())
            .collect();
        let template_entries: Vec<Value> = self
            .templates
            .iter()
            .map(|template| template.entry.clone())
            .collect();
        let by_uri = self
            .resources
            .into_iter()
            .map(|resource| (resource.uri.clone(), resource));
        Resources {
            by_uri: by_uri.collect(),
            list: List::new(&entries),
            templates: self.templates,
            template_list: List::new(&template_entries),
        }
    }
}

/// Collects prompts.
#[derive(Default)]
pub(crate) struct PromptsBuilder {
    by_name: HashMap<String, Arc<Prompt>>,
    entries: Vec<Value>,
}

impl PromptsBuilder {
    pub(crate) fn add(&mut self, prompt: Prompt) {
        self.entries.push(prompt.entry.clone());
        self.by_name.insert(prompt.name.clone(), Arc::new(prompt));
    }

    pub(crate) fn build(self) -> Prompts {
        Prompts {
            list: List::new(&self.entries),
            by_name: self.by_name,
        }
    }
}
