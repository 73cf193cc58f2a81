//! A publication: one change to what is on offer, as a transaction.
//!
//! A change is planned first, which has no effect: its definition is validated, its module compiled,
//! the text of the definition file edited and loaded into the snapshot that is to come. Then the
//! module is kept, the definition file replaced (the commit), and the snapshot swapped.

mod data;
mod modules;
mod plugins;

use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use wasimancer_runtime::Digest;

use crate::catalog::{Catalog, Edits};
use crate::changes::Changes;
use crate::definition_file::DefinitionFile;
use crate::error::{Cause, Error, Problem, Result};
use crate::home::Kind;
use crate::load::Prepared;
use crate::parallel::{self, Job};
use crate::snapshot::{Origin, Snapshot};
use crate::store::{Incoming, Replacement, Store, check_link};

use modules::PluginPlan;

/// How often a change is planned beside others before it holds them up.
const OVERTAKEN_MAX: u32 = 5;

/// A change, and under which conditions it is to be made.
pub struct Request {
    /// What is to change.
    pub change: Change,
    /// The revisions that it may be made to; none for any.
    pub expected: Option<Vec<Digest>>,
    /// Whether to find out everything about it, and not to make it.
    pub dry_run: bool,
}

/// One change to what is on offer.
pub enum Change {
    /// A plugin of a new name.
    AddPlugin(Upload),
    /// Another module or definition for a plugin.
    UpdatePlugin(Upload),
    /// A plugin, its tools and its versions go.
    RemovePlugin(String),
    /// An earlier version of a plugin takes the place of the one that is served.
    RollBackPlugin {
        /// The plugin's name.
        name: String,
        /// The digest of its module or its `version`; none for the one before.
        to: Option<String>,
    },
    /// A resource or prompt of a new name.
    Add(Data, Value),
    /// Another definition for the resource or prompt of this name.
    Update(Data, String, Value),
    /// The resource or prompt of this name goes.
    Remove(Data, String),
}

impl Change {
    /// Whether it is one to a plugin.
    #[must_use]
    pub fn is_of_plugin(&self) -> bool {
        !matches!(self, Self::Add(..) | Self::Update(..) | Self::Remove(..))
    }

    /// The module that was sent.
    fn into_module(self) -> Option<Incoming> {
        match self {
            Self::AddPlugin(upload) | Self::UpdatePlugin(upload) => Some(upload.module),
            _ => None,
        }
    }
}

impl Request {
    /// The same once more, where it removes something.
    fn removal(&self) -> Option<Self> {
        let change = match &self.change {
            Change::RemovePlugin(name) => Change::RemovePlugin(name.clone()),
            Change::Remove(data, name) => Change::Remove(*data, name.clone()),
            _ => return None,
        };
        Some(Self {
            change,
            expected: self.expected.clone(),
            dry_run: self.dry_run,
        })
    }
}

impl fmt::Display for Change {
    /// What the log calls it.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |definition: &Value| definition["name"].as_str().map(str::to_owned);
        let (verb, kind, name) = match self {
            Self::AddPlugin(upload) => ("add", "plugin", name(&upload.definition)),
            Self::UpdatePlugin(upload) => ("update", "plugin", name(&upload.definition)),
            Self::RemovePlugin(name) => ("remove", "plugin", Some(name.clone())),
            Self::RollBackPlugin { name, .. } => ("roll back", "plugin", Some(name.clone())),
            Self::Add(data, definition) => ("add", data.name(), name(definition)),
            Self::Update(data, name, _) => ("update", data.name(), Some(name.clone())),
            Self::Remove(data, name) => ("remove", data.name(), Some(name.clone())),
        };
        write!(out, "{verb} {kind} {:?}", name.unwrap_or_default())
    }
}

/// What consists of its definition alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    /// A resource or resource template.
    Resource,
    /// A prompt.
    Prompt,
}

/// A plugin as it is sent.
pub struct Upload {
    /// Its entry, as `plugins.yml` holds it.
    pub definition: Value,
    /// Its module.
    pub module: Incoming,
    /// The file's name.
    pub file_name: String,
    /// The folder below the upload folder that it should lie in.
    pub folder: Option<String>,
}

/// A change that was made, or would be.
#[derive(Debug)]
pub struct Publication {
    /// The revision that is served now.
    pub revision: Digest,
    /// What is different after it.
    pub changes: Changes,
    /// Whether all of it is served already.
    pub unchanged: bool,
    /// What the operator should know.
    pub warnings: Vec<String>,
    /// The place of the plugin's module, relative to the plugins folder.
    pub path: Option<String>,
    /// The kind of the resource before and after: `static` or `dynamic`.
    pub lists: (Option<&'static str>, Option<&'static str>),
    /// The version of the plugin that is served after it.
    pub version: Option<String>,
    /// The digest of the module that is served after it.
    pub digest: Option<Digest>,
}

/// A change, ready to be made.
struct Plan<'c> {
    kind: &'c Kind,
    /// The key of its definition file that holds the entries.
    list: &'static str,
    /// The text of the definition file as it was read.
    read: String,
    /// What it is to be; none where nothing is to change.
    text: Option<String>,
    after: Snapshot,
    plugin: Option<PluginPlan<'c>>,
    publication: Publication,
}

impl Catalog {
    /// Makes a change, or finds out what it would do. Reads and writes files and compiles modules:
    /// call it where blocking is allowed. Changes are prepared beside each other, and made one at a
    /// time; readers never wait.
    ///
    /// # Errors
    /// When the change is wrong, comes too late, or the disk refuses: then everything is as it was.
    pub fn publish(&self, request: Request) -> Result<Publication> {
        let (label, dry_run) = (request.change.to_string(), request.dry_run);
        let again = request.removal();
        let mut published = self.try_publish(request);
        if let (Err(error), Some(again)) = (&published, again)
            && error.is_full_disk()
            && self.free_reserve()
        {
            published = self.try_publish(again);
            self.keep_reserve();
        }
        match &published {
            Ok(publication) if dry_run => {
                tracing::info!(
                    change = label,
                    unchanged = publication.unchanged,
                    "a change was tried, and not made"
                );
            }
            Ok(publication) => {
                tracing::info!(change = label, unchanged = publication.unchanged, revision = %publication.revision, "a change was made");
            }
            Err(error) => tracing::info!(change = label, dry_run, %error, "a change was refused"),
        }
        published
    }

    /// Plans beside others, and takes the lock of changes for what makes the change alone. Where another
    /// was made meanwhile it is planned once more, which compiles nothing again.
    fn try_publish(&self, request: Request) -> Result<Publication> {
        let Request {
            change,
            expected,
            dry_run,
        } = request;
        let edits = if change.is_of_plugin() {
            self.own_store(&mut self.writing())?;
            Edits::All
        } else {
            Edits::Data
        };
        let prepared = Prepared::default();
        for attempt in 1.. {
            // What was edited by hand counts from now on: whoever names a revision has not seen it.
            self.take_edits(edits);
            // Whoever was overtaken so often is let through.
            let first = (attempt > OVERTAKEN_MAX).then(|| self.writing());
            let before = self.snapshot();
            check_revision(&before, expected.as_deref())?;
            let mut plan = self.plan(&before, &change, &prepared)?;
            if plan.text.is_some() && !self.loader.settings.follow_links {
                check_link(plan.kind, plan.list, &plan.read)?;
            }
            if dry_run {
                plan.publication.revision = before.revision();
                return Ok(plan.publication);
            }
            let _lock = first.unwrap_or_else(|| self.writing());
            if Arc::ptr_eq(&before, &self.snapshot()) {
                if let (Some(plugin), Some(module)) = (&mut plan.plugin, change.into_module()) {
                    plugin.incoming = Some(module);
                }
                return self.make(plan);
            }
        }
        unreachable!("the attempt that holds the lock is not overtaken")
    }

    /// Makes room on the disk, where some was set aside.
    fn free_reserve(&self) -> bool {
        let store = self.loader.store.as_ref();
        store.is_some_and(Store::free_reserve)
    }

    fn keep_reserve(&self) {
        if let Some(store) = &self.loader.store {
            store.keep_reserve();
        }
    }

    fn plan(&self, before: &Snapshot, change: &Change, prepared: &Prepared) -> Result<Plan<'_>> {
        match change {
            Change::AddPlugin(upload) => self.plan_upload(before, upload, None, prepared),
            Change::UpdatePlugin(upload) => {
                let name = plugins::name_of(&upload.definition)?;
                self.plan_upload(before, upload, Some(&name), prepared)
            }
            Change::RemovePlugin(name) => self.plan_removal(before, name),
            Change::RollBackPlugin { name, to } => {
                self.plan_rollback(before, name, to.as_deref(), prepared)
            }
            Change::Add(data, definition) => self.plan_data(before, *data, None, Some(definition)),
            Change::Update(data, name, definition) => {
                self.plan_data(before, *data, Some(name), Some(definition))
            }
            Change::Remove(data, name) => self.plan_data(before, *data, Some(name), None),
        }
    }

    /// Makes a change that was planned. Nothing is different until the definition file is replaced,
    /// and nothing fails after that.
    fn make(&self, mut plan: Plan<'_>) -> Result<Publication> {
        let Some(text) = &plan.text else {
            return Ok(plan.publication);
        };
        let versions_kept = self.loader.settings.versions_kept;
        // What must be on the disk before the commit gets there at once.
        let (mut prepared, mut replacement) = (Ok(()), Ok(None));
        let mut jobs: Vec<Job<'_>> = vec![Box::new(|| {
            replacement = Replacement::new(plan.kind, text).map(Some);
        })];
        if let Some(plugin) = &mut plan.plugin {
            jobs.push(Box::new(|| prepared = plugin.prepare(versions_kept)));
        }
        parallel::at_once(jobs);
        let committed = prepared
            .and(replacement)
            .and_then(|replacement| replacement.map_or(Ok(()), |new| new.commit(&plan.read)));
        if let Err(error) = committed {
            if let Some(plugin) = plan.plugin {
                plugin.undo(&self.snapshot().pinned());
            }
            return Err(error);
        }
        let pinned = plan.after.pinned();
        self.swap(plan.after);
        if let Some(plugin) = plan.plugin {
            let kept = plugin.settle(&pinned);
            self.keep_compiled_only(&self.snapshot(), kept);
        }
        Ok(plan.publication)
    }
}

fn check_revision(before: &Snapshot, expected: Option<&[Digest]>) -> Result<()> {
    let revision = before.revision();
    match expected {
        Some(expected) if !expected.contains(&revision) => Err(Error::Outdated { revision }),
        _ => Ok(()),
    }
}

/// That an entry of this name is there already, with the request that changes it.
fn name_taken(file: &str, kind: &str, name: &str, update: &str) -> Error {
    Error::Invalid {
        problems: vec![Problem {
            cause: Cause::NameTaken,
            file: file.to_owned(),
            line: None,
            entry: format!("{kind} {name:?}"),
            field: "name".to_owned(),
            message: format!(
                "{name:?} is taken: change that {kind} with {update}, or choose another name"
            ),
        }],
    }
}

/// Refuses what was edited by hand where something is wrong with it that was not wrong before. What
/// is wrong with the entry that is to be `changed` does not count. An empty file in the place of one
/// with entries is a file that somebody is about to write.
pub(crate) fn check_edit(
    file: &DefinitionFile,
    before: &Origin,
    after: &Origin,
    changed: Option<&str>,
) -> Result<()> {
    if file.text.trim().is_empty() && !before.names.is_empty() {
        return Err(Error::Emptied {
            file: file.name.clone(),
        });
    }
    let was_wrong = |definition: &Value| {
        let mut known = before.quarantined.iter();
        known.any(|entry| entry.definition == *definition)
    };
    let new = after
        .quarantined
        .iter()
        .filter(|entry| !was_wrong(&entry.definition) && changed != Some(entry.name.as_str()));
    let problems: Vec<Problem> = new
        .flat_map(|entry| entry.problems.iter().cloned())
        .collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Error::InvalidEdit { problems })
    }
}
