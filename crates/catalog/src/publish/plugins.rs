//! Changes to plugins.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use wasimancer_runtime::Digest;

use super::modules::{Following, PluginPlan};
use super::{Plan, Publication, Upload, check_edit, name_taken};
use crate::catalog::Catalog;
use crate::changes::Changes;
use crate::definition::inside_folder;
use crate::definition_file::DefinitionFile;
use crate::entry::Entry;
use crate::error::{Cause, Error, Problem, Result};
use crate::home::Kind;
use crate::load::{Compile, Given, PLUGINS_PATH, Prepared};
use crate::node::Node;
use crate::plugin::ServedPlugin;
use crate::snapshot::{Snapshot, Tools, ToolsBuilder};
use crate::store::yaml_edit::Edit;
use crate::store::{
    Landing, MadeFolders, Named, Published, Store, named_file, pin, without_place, written,
};
use crate::version::rises;

/// What messages call the definition that was sent.
const SENT: &str = "pluginData";

/// The plugins of the file as it is, and everything that a change to them needs.
struct Base<'c> {
    kind: &'c Kind,
    store: &'c Store,
    /// The text of the definition file.
    read: String,
    tools: Arc<Tools>,
}

/// A plugin on its way into the catalogue.
struct Candidate<'a> {
    definition: &'a Value,
    module: Given<'a>,
    landing: Landing,
    /// The name of the plugin that it replaces.
    replaced: Option<&'a str>,
}

/// The name that a definition gives.
pub(super) fn name_of(definition: &Value) -> Result<String> {
    let node = Node::from_json(definition);
    let entry = Entry::begin(SENT, "plugin", &node, &mut HashSet::new());
    match entry.name() {
        Some(name) => Ok(name.to_owned()),
        None => Err(Error::Invalid {
            problems: entry.into_problems(),
        }),
    }
}

impl Catalog {
    /// The plugins of the file as it is. What is wrong with the entry that is to be changed does not
    /// stand against the change.
    fn base(&self, before: &Snapshot, changed: Option<&str>) -> Result<Base<'_>> {
        let off = Error::SwitchedOff { kind: "plugin" };
        let (Some(kind), Some(store)) = (&self.loader.home.plugins, &self.loader.store) else {
            return Err(off);
        };
        let read = DefinitionFile::read_text(kind)?;
        let served = before.tools().ok_or(off)?;
        let is_known = served.origin.is_of(&read) && !served.origin.is_unknown();
        let tools = if is_known {
            Arc::clone(served)
        } else {
            let file = DefinitionFile::parse(&kind.definition_file, read.clone())?;
            let tools = self.loader.tools(&file, &served.plugins, Compile::Now)?;
            check_edit(&file, &served.origin, &tools.origin, changed)?;
            Arc::new(tools)
        };
        Ok(Base {
            kind,
            store,
            read,
            tools,
        })
    }

    /// Plans to publish a module, as a new plugin or in the place of one.
    pub(super) fn plan_upload(
        &self,
        before: &Snapshot,
        upload: &Upload,
        replaced: Option<&str>,
        prepared: &Prepared,
    ) -> Result<Plan<'_>> {
        let base = self.base(before, replaced)?;
        match replaced {
            Some(name) => base.tools.origin.check_name("plugin", name)?,
            None => check_new(&upload.definition, &base.tools)?,
        }
        check_path(&upload.definition)?;
        let landing = Landing::new(&upload.file_name, upload.folder.as_deref())?;
        let wasm = upload.module.read()?;
        let digest = Digest::of(&wasm);
        check_digest(&upload.definition, &digest)?;
        let candidate = Candidate {
            definition: &upload.definition,
            module: Given {
                wasm: &wasm,
                digest,
                prepared,
            },
            landing,
            replaced,
        };
        let mut plan = self.plan_candidate(before, base, &candidate)?;
        if let Some(plugin) = &mut plan.plugin {
            plugin.is_rollback = false;
            let lost = self.lost_module(plugin.before.as_deref());
            plan.publication.warnings.extend(lost);
            if let (Some(old), Some(new)) = (&plugin.before, &plugin.after)
                && let Some(warning) = rises(old.node.get("version"), new.node.get("version"))
            {
                plan.publication.warnings.push(warning);
            }
            let advice = plugin.after.iter().flat_map(|after| &after.advice);
            let advice = advice.map(|advice| advice.text.clone());
            plan.publication.warnings.extend(advice);
        }
        Ok(plan)
    }

    /// Plans to serve a version that is kept.
    pub(super) fn plan_rollback(
        &self,
        before: &Snapshot,
        name: &str,
        to: Option<&str>,
        prepared: &Prepared,
    ) -> Result<Plan<'_>> {
        let base = self.base(before, Some(name))?;
        base.tools.origin.check_name("plugin", name)?;
        let mut versions = base.store.versions(name)?;
        let current = match base.tools.plugin(name) {
            Some(served) => {
                versions.ensure(Published::of(served));
                versions.current(None)
            }
            None => versions.current(base.tools.published(name)),
        };
        let target = match to {
            Some(to) => versions.named(to, current),
            None => current.and_then(|current| {
                let published = base.tools.published(name);
                if published.is_some_and(|published| published.is(current)) {
                    versions.previous(current)
                } else {
                    // The entry was edited by hand and is wrong: it came in the place of this one.
                    Some(current)
                }
            }),
        };
        let Some(target) = target else {
            let known = versions.kept.iter().map(|version| {
                let named = version.version().unwrap_or_default();
                format!("{} {}", version.digest, named)
                    .trim_end()
                    .to_owned()
            });
            return Err(Error::UnknownVersion {
                plugin: name.to_owned(),
                wanted: to.map(str::to_owned),
                known: known.collect(),
            });
        };
        let digest = target.digest.parse().map_err(|_| Error::UnknownVersion {
            plugin: name.to_owned(),
            wanted: to.map(str::to_owned),
            known: Vec::new(),
        })?;
        let wasm = base
            .store
            .module(&digest)
            .map_err(|source| Error::Storage {
                action: "read",
                path: PathBuf::from(digest.to_string()),
                source,
            })?;
        let wasm = wasm.ok_or(Error::ModuleGone { digest })?;
        let path = inside_folder(&target.path).unwrap_or_default();
        let landing = Landing::again(&path, base.store.uploads());
        let candidate = Candidate {
            definition: &target.definition,
            module: Given {
                wasm: &wasm,
                digest,
                prepared,
            },
            landing: landing.ok_or(Error::ModuleGone { digest })?,
            replaced: Some(name),
        };
        self.plan_candidate(before, base, &candidate)
    }

    /// Validates and compiles what is to be published, and edits the definition file.
    fn plan_candidate<'c>(
        &'c self,
        before: &Snapshot,
        base: Base<'c>,
        candidate: &Candidate<'_>,
    ) -> Result<Plan<'c>> {
        let Candidate {
            definition,
            module,
            landing,
            replaced,
        } = candidate;
        let digest = &module.digest;
        let served = replaced.and_then(|name| base.tools.plugin(name)).cloned();
        let is_whole = |served: &ServedPlugin| {
            served.is_pinned() && base.store.keeps(digest) || base.store.file_of(served).is_some()
        };
        if let Some(served) = served.as_ref().filter(|served| {
            served.digest() == *digest
                && without_place(&served.definition) == without_place(definition)
                && is_whole(served)
        }) {
            return Ok(base.nothing(before, served));
        }
        let mut named = base.tools.named_files();
        let owner = replaced.unwrap_or_default();
        let before_it = served.as_deref();
        let inside = base.store.land(landing, owner, before_it, digest, &named);
        let entry = with_place(definition, &written(&inside), digest);
        let mut plugin = self.make_plugin(&base.tools, &entry, *module, *replaced)?;
        forget_owner(&mut named, &plugin.name);
        named.entry(inside).or_default().insert(plugin.name.clone());
        let change = match replaced {
            Some(name) => Edit::Replace {
                name,
                entry: &entry,
            },
            None => Edit::Add(&entry),
        };
        let edited = base.edit(&change)?;
        // From here on it is known by how the file writes it.
        if let Some(node) = edited.find("plugins", &PLUGINS_PATH, &plugin.name) {
            plugin.node = node.clone();
        }
        let plugin_plan = PluginPlan {
            store: base.store,
            name: plugin.name.clone(),
            incoming: None,
            before: served,
            versions: base.store.versions(&plugin.name)?,
            after: Some(Arc::new(plugin)),
            named,
            is_rollback: true,
            following: Following::default(),
            folders: MadeFolders::default(),
        };
        self.plan_edited(before, base, edited, plugin_plan)
    }

    /// Plans to remove a plugin.
    pub(super) fn plan_removal(&self, before: &Snapshot, name: &str) -> Result<Plan<'_>> {
        let base = self.base(before, Some(name))?;
        base.tools.origin.check_name("plugin", name)?;
        let mut named = base.tools.named_files();
        forget_owner(&mut named, name);
        let plugin_plan = PluginPlan {
            store: base.store,
            incoming: None,
            before: base.tools.plugin(name).cloned(),
            after: None,
            named,
            versions: base.store.versions(name)?,
            is_rollback: false,
            following: Following::default(),
            folders: MadeFolders::default(),
            name: name.to_owned(),
        };
        let edited = base.edit(&Edit::Remove { name })?;
        self.plan_edited(before, base, edited, plugin_plan)
    }

    /// Loads what the definition file is to be.
    fn plan_edited<'c>(
        &'c self,
        before: &Snapshot,
        base: Base<'c>,
        edited: DefinitionFile,
        plugin: PluginPlan<'c>,
    ) -> Result<Plan<'c>> {
        let mut known = base.tools.plugins.clone();
        known.extend(plugin.after.clone());
        let tools = self.loader.tools(&edited, &known, Compile::Now)?;
        check_edit(&edited, &base.tools.origin, &tools.origin, None)?;
        let after = before.with_tools(tools);
        Ok(Plan {
            kind: base.kind,
            list: PLUGINS_PATH[0],
            read: base.read,
            text: Some(edited.text),
            publication: publication(before, &after, plugin.after.as_deref()),
            after,
            plugin: Some(plugin),
        })
    }

    fn make_plugin(
        &self,
        tools: &Tools,
        definition: &Value,
        module: Given<'_>,
        replaced: Option<&str>,
    ) -> Result<ServedPlugin> {
        let mut names = tools.origin.names.clone();
        let mut others = ToolsBuilder::default();
        for plugin in &tools.plugins {
            if Some(plugin.name()) != replaced {
                others.add(Arc::clone(plugin));
            }
        }
        if let Some(replaced) = replaced {
            names.remove(replaced);
        }
        let node = Node::from_json(definition);
        let entry = Entry::begin(SENT, "plugin", &node, &mut names).for_publication();
        let plugin = self.loader.plugin(module, &others, entry);
        plugin.map_err(|problems| Error::Invalid { problems })
    }
}

impl<'c> Base<'c> {
    /// The definition file as a change makes it.
    fn edit(&self, change: &Edit<'_>) -> Result<DefinitionFile> {
        let name = &self.kind.definition_file;
        DefinitionFile::edited(name, &self.read, &PLUGINS_PATH, change)
    }

    /// The plan to do nothing, since what is to be published is served.
    fn nothing(self, before: &Snapshot, served: &ServedPlugin) -> Plan<'c> {
        Plan {
            kind: self.kind,
            list: PLUGINS_PATH[0],
            read: self.read,
            text: None,
            after: before.clone(),
            plugin: None,
            publication: publication(before, before, Some(served)),
        }
    }
}

fn publication(before: &Snapshot, after: &Snapshot, served: Option<&ServedPlugin>) -> Publication {
    Publication {
        revision: after.revision(),
        changes: Changes::between(before, after),
        unchanged: before.revision() == after.revision(),
        warnings: (&after.unresolved() - &before.unresolved())
            .into_iter()
            .collect(),
        path: served.and_then(|plugin| Some(written(&named_file(&plugin.definition)?))),
        lists: (None, None),
        version: served.and_then(ServedPlugin::version),
        digest: served.map(ServedPlugin::digest),
    }
}

/// Takes a plugin off the files that it names.
fn forget_owner(named: &mut Named, plugin: &str) {
    named.retain(|_, owners| {
        owners.remove(plugin);
        !owners.is_empty()
    });
}

/// Refuses a name that a plugin has, before its tools' names are found to be taken by that plugin too.
fn check_new(definition: &Value, tools: &Tools) -> Result<()> {
    match definition.get("name").and_then(Value::as_str) {
        Some(name) if tools.origin.names.contains(name) => {
            Err(name_taken(SENT, "plugin", name, "PUT /update-plugin"))
        }
        _ => Ok(()),
    }
}

/// Refuses a digest that is another than that of the module that was sent.
fn check_digest(definition: &Value, digest: &Digest) -> Result<()> {
    let found = pin(digest);
    match definition.get("digest") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(digest)) if *digest == found => Ok(()),
        Some(other) => Err(Error::Invalid {
            problems: vec![Problem {
                cause: Cause::Definition,
                file: SENT.to_owned(),
                line: None,
                entry: String::new(),
                field: "digest".to_owned(),
                message: format!(
                    "is {other} and the module that was sent has \"{found}\": leave it out, or send that module"
                ),
            }],
        }),
    }
}

/// Refuses a `path` that leaves the plugins folder, although another place is written in its stead.
fn check_path(definition: &Value) -> Result<()> {
    match definition.get("path").and_then(Value::as_str) {
        Some(path) if inside_folder(path).is_none() => Err(Error::OutsideFolder {
            field: "path",
            value: path.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// The entry that is written: the definition with the place where the module really is, behind its
/// name where it names none.
fn with_place(definition: &Value, path: &str, digest: &Digest) -> Value {
    let fields = definition.as_object().cloned().unwrap_or_default();
    let anchor = if fields.contains_key("path") {
        "path"
    } else {
        "name"
    };
    let mut entry = serde_json::Map::new();
    for (key, value) in fields {
        let is_anchor = key == anchor;
        if key != "path" && key != "digest" {
            entry.insert(key, value);
        }
        if is_anchor {
            entry.insert("path".to_owned(), Value::from(path));
            entry.insert("digest".to_owned(), Value::from(pin(digest)));
        }
    }
    Value::Object(entry)
}
