//! From definition files to a snapshot. What is wrong is quarantined with every reason.

mod definitions;
mod plugins;
mod prepared;

use std::collections::HashSet;
use std::sync::Arc;

use wasimancer_runtime::{Runtime, without_credentials};

use crate::definition_file::DefinitionFile;
use crate::entry::Entry;
use crate::error::{Cause, Result};
use crate::home::{Home, Settings};
use crate::prompt::Prompt;
use crate::resource::Resource;
use crate::snapshot::{Origin, Prompts, PromptsBuilder, Resources, ResourcesBuilder, Snapshot};
use crate::store::Store;

pub use definitions::Definitions;
pub(crate) use plugins::{Compile, not_compiled};
pub(crate) use prepared::{Given, Prepared};

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

    /// Loads everything, but for code that is not known from an earlier time.
    pub(crate) fn everything(&self, definitions: &Definitions) -> Result<Snapshot> {
        let Definitions {
            tools,
            resources,
            prompts,
            ..
        } = definitions;
        let tools = tools.as_ref();
        let tools = tools.map(|file| self.tools(file, &[], Compile::Later));
        let resources = resources.as_ref().map(Self::resources);
        let prompts = prompts.as_ref().map(Self::prompts);
        Ok(Snapshot::new(
            tools.transpose()?.map(Arc::new),
            resources.transpose()?.map(Arc::new),
            prompts.transpose()?.map(Arc::new),
        ))
    }

    pub(crate) fn resources(file: &DefinitionFile) -> Result<Resources> {
        let mut quarantined = file.quarantined();
        let mut advice = file.advice(&RESOURCE_PATHS.each_ref().map(|path| &path[..]));
        let mut builder = ResourcesBuilder::default();
        let mut names = HashSet::new();
        let [fixed, dynamic] = RESOURCE_PATHS.map(|path| file.entries("resources", &path));
        for node in fixed?.iter().chain(dynamic?) {
            let mut entry = Entry::begin(&file.name, "resource", node, &mut names);
            if let Some(resource) = resource(&builder, &mut entry) {
                if let Some(first) = builder.equal(&resource) {
                    let first = without_credentials(first);
                    let message = format!(
                        "is equal to {first:?} of an earlier resource, which clients may ask for when they mean this one: choose another"
                    );
                    entry.reader().advise(node, "uri", message);
                }
                builder.add(resource, entry.name().unwrap_or_default(), node.to_json());
            }
            advice.extend(entry.take_advice());
            entry.end(&mut quarantined);
        }
        Ok(builder.build(Origin {
            digest: file.digest(),
            names,
            quarantined,
            advice,
        }))
    }

    pub(crate) fn prompts(file: &DefinitionFile) -> Result<Prompts> {
        let mut quarantined = file.quarantined();
        let mut advice = file.advice(&[&PROMPTS_PATH]);
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
            advice.extend(entry.take_advice());
            entry.end(&mut quarantined);
        }
        Ok(builder.build(Origin {
            digest: file.digest(),
            names,
            quarantined,
            advice,
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
            format!(
                "{:?} is taken by an earlier resource: choose another",
                without_credentials(uri)
            ),
        );
    }
    entry.is_right().then_some(resource)
}
