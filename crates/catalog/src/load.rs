//! From definition files to a snapshot. What is wrong is quarantined with every reason.

mod plugins;
mod prepared;

use std::collections::HashSet;
use std::sync::Arc;

use wasimancer_runtime::Runtime;

use crate::definition_file::DefinitionFile;
use crate::entry::Entry;
use crate::error::{Cause, Result};
use crate::home::{Home, Kind, Settings};
use crate::prompt::Prompt;
use crate::resource::Resource;
use crate::snapshot::{Origin, Prompts, PromptsBuilder, Resources, ResourcesBuilder, Snapshot};
use crate::store::Store;

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
