//! A snapshot while it is made: entries are collected one after another, lists serialized at the end.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Defined, Origin, Prompts, Resources, Tools};
use crate::definition::FunctionDefinition;
use crate::list::List;
use crate::output_schema;
use crate::plugin::ServedPlugin;
use crate::prompt::Prompt;
use crate::resource::{Resource, ResourceTemplate, StaticResource};
use crate::shown_schema::{with_items, without_boolean_properties};
use crate::tool::Tool;
use crate::uri::Comparable;

/// Collects the tools of one plugin after another.
#[derive(Default)]
pub(crate) struct ToolsBuilder {
    by_name: HashMap<String, Arc<Tool>>,
    by_look: HashMap<String, Arc<Tool>>,
    plugins: Vec<Arc<ServedPlugin>>,
}

impl ToolsBuilder {
    /// The plugin that a tool of this name belongs to.
    pub(crate) fn owner(&self, tool: &str) -> Option<&str> {
        self.by_name.get(tool).map(|tool| tool.plugin())
    }

    /// A tool whose name looks like this, and its plugin.
    pub(crate) fn look_alike(&self, look: &str) -> Option<(&str, &str)> {
        let tool = self.by_look.get(look)?;
        Some((tool.name(), tool.plugin()))
    }

    /// Adds a plugin, the names of whose tools are free.
    pub(crate) fn add(&mut self, plugin: Arc<ServedPlugin>) {
        for served in &plugin.tools {
            for look in &served.looks {
                let first = self.by_look.entry(look.clone());
                first.or_insert_with(|| Arc::clone(&served.tool));
            }
            let tool = Arc::clone(&served.tool);
            self.by_name.insert(tool.name().to_owned(), tool);
        }
        self.plugins.push(plugin);
    }

    pub(crate) fn build(self, origin: Origin) -> Tools {
        let served = self.plugins.iter().flat_map(|plugin| &plugin.tools);
        let entries: Vec<&Value> = served.map(|served| &served.entry).collect();
        let object_output: Vec<Cow<'_, Value>> = entries
            .iter()
            .map(|entry| without_boolean_properties(with_object_output(entry)))
            .collect();
        Tools {
            origin,
            list: List::new(&entries),
            object_output_list: List::new(&object_output),
            by_name: self.by_name,
            plugins_by_name: self
                .plugins
                .iter()
                .map(|plugin| (plugin.name.clone(), Arc::clone(plugin)))
                .collect(),
            plugins: self.plugins,
        }
    }
}

/// What the list of tools shows.
pub(crate) fn tool_entry(definition: &FunctionDefinition<'_>) -> Value {
    let mut entry = Map::new();
    entry.insert("name".to_owned(), json!(definition.tool));
    let mut shown = definition.shown.clone();
    for field in ["title", "description"] {
        if let Some(value) = shown.shift_remove(field) {
            entry.insert(field.to_owned(), value);
        }
    }
    let input_schema = with_items(definition.input_schema());
    entry.insert("inputSchema".to_owned(), input_schema);
    if let Some(schema) = &definition.output_schema {
        entry.insert("outputSchema".to_owned(), with_items(schema.clone()));
    }
    entry.extend(shown);
    Value::Object(entry)
}

fn with_object_output(entry: &Value) -> Cow<'_, Value> {
    let schema = entry.get("outputSchema");
    let Some(schema) = schema.filter(|schema| !output_schema::is_of_object(schema)) else {
        return Cow::Borrowed(entry);
    };
    let schema = output_schema::wrapped(schema);
    let mut entry = entry.clone();
    entry["outputSchema"] = schema;
    Cow::Owned(entry)
}

/// Collects resources of both kinds.
#[derive(Default)]
pub(crate) struct ResourcesBuilder {
    uris: HashSet<String>,
    defined: Vec<Defined>,
    resources: Vec<Arc<StaticResource>>,
    templates: Vec<Arc<ResourceTemplate>>,
    /// By the form in which equal URIs are alike: the first of each.
    by_comparable: HashMap<String, Arc<StaticResource>>,
}

impl ResourcesBuilder {
    /// One that knows the URIs of resources, and nothing else of them.
    pub(crate) fn with_uris(uris: impl Iterator<Item = String>) -> Self {
        Self {
            uris: uris.collect(),
            ..Self::default()
        }
    }

    /// Whether a resource or template of this URI was added.
    pub(crate) fn has_uri(&self, uri: &str) -> bool {
        self.uris.contains(uri)
    }

    /// The URI of a static resource that was added and has an equal one.
    pub(crate) fn equal(&self, resource: &Resource) -> Option<&str> {
        let Resource::Static(resource) = resource else {
            return None;
        };
        let comparable = Comparable::of(&resource.uri);
        let first = self.by_comparable.get(comparable.as_str())?;
        Some(&first.uri)
    }

    pub(crate) fn add(&mut self, resource: Resource, name: &str, definition: Value) {
        self.uris.insert(resource.uri().to_owned());
        self.defined.push(Defined {
            name: name.to_owned(),
            list: resource.list(),
            definition,
        });
        match resource {
            Resource::Static(resource) => {
                let resource = Arc::new(resource);
                let comparable = Comparable::of(&resource.uri).into_text();
                let first = self.by_comparable.entry(comparable);
                first.or_insert_with(|| Arc::clone(&resource));
                self.resources.push(resource);
            }
            Resource::Template(template) => self.templates.push(Arc::new(template)),
        }
    }

    pub(crate) fn build(self, origin: Origin) -> Resources {
        let entries = self.resources.iter();
        let entries = entries.filter(|resource| resource.is_listed);
        let entries = entries.map(|resource| resource.entry.clone());
        let template_entries = self.templates.iter();
        let template_entries = template_entries.filter(|template| template.is_listed);
        let template_entries = template_entries.map(|template| template.entry.clone());
        Resources {
            origin,
            defined: self.defined,
            by_comparable: self.by_comparable,
            list: List::new(&entries.collect::<Vec<_>>()),
            template_list: List::new(&template_entries.collect::<Vec<_>>()),
            by_uri: self
                .resources
                .into_iter()
                .map(|resource| (resource.uri.clone(), resource))
                .collect(),
            templates: self.templates,
        }
    }
}

/// Collects prompts.
#[derive(Default)]
pub(crate) struct PromptsBuilder {
    by_name: HashMap<String, Arc<Prompt>>,
    entries: Vec<Value>,
    defined: Vec<Defined>,
}

impl PromptsBuilder {
    pub(crate) fn add(&mut self, prompt: Prompt, definition: Value) {
        self.entries.push(prompt.entry.clone());
        self.defined.push(Defined {
            name: prompt.name.clone(),
            list: "predefined",
            definition,
        });
        self.by_name.insert(prompt.name.clone(), Arc::new(prompt));
    }

    pub(crate) fn build(self, origin: Origin) -> Prompts {
        Prompts {
            origin,
            defined: self.defined,
            list: List::new(&self.entries),
            by_name: self.by_name,
        }
    }
}
