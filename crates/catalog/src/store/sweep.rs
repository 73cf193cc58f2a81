//! What a killed process left undone is done at the next start: a file that no definition and no
//! version names goes, one that a definition names is put where it says.

use std::collections::HashSet;
use std::fmt::Display;
use std::path::Path;

use wasimancer_runtime::Digest;

use super::place::{Named, named_file};
use super::{Store, Versions, definitions, durable, storage};
use crate::error::Result;
use crate::home::Home;
use crate::plugin::ServedPlugin;
use crate::regular_file::{self, MODULE_MAX_BYTES};
use crate::snapshot::{Snapshot, Tools};

/// Sweeps everything that belongs to a home. What cannot be done is logged: the server serves
/// without it. Answers which modules are kept, where that is known.
pub(crate) fn sweep(
    home: &Home,
    store: Option<&Store>,
    snapshot: &Snapshot,
) -> Option<HashSet<Digest>> {
    let kinds = [&home.plugins, &home.resources, &home.prompts];
    for kind in kinds.into_iter().flatten() {
        told(&kind.folder, definitions::sweep(kind));
    }
    if let (Some(kind), Some(store), Some(tools)) = (&home.plugins, store, snapshot.tools()) {
        if tools.origin.is_unknown() {
            tracing::warn!(
                "what an earlier process left is not swept, since {} cannot be read",
                kind.definition_file
            );
            return None;
        }
        return store.sweep(tools, kind.file().exists());
    }
    None
}

fn told<T>(place: &Path, swept: Result<T, impl Display>) -> Option<T> {
    swept
        .inspect_err(|error| {
            tracing::warn!(place = %place.display(), %error, "what an earlier process left could not be swept");
        })
        .ok()
}

impl Store {
    /// Sweeps the upload folder. Without a definition file nobody knows whether a removal was
    /// committed.
    fn sweep(&self, tools: &Tools, is_defined: bool) -> Option<HashSet<Digest>> {
        let uploads = self.plugins.join(&self.uploads);
        for folder in [
            &uploads,
            &self.folder(),
            &self.modules_folder(),
            &self.versions_folder(),
        ] {
            let swept = durable::sweep_temporary(folder);
            told(folder, swept.map_err(storage("swept", folder)));
        }
        for plugin in &tools.plugins {
            told(Path::new(&plugin.name), self.complete(plugin));
        }
        let named = tools.named_files();
        match self.all_versions() {
            Ok((all, _)) => {
                for versions in all {
                    let swept = self.sweep_versions(&versions, tools, &named, is_defined);
                    told(Path::new(&versions.plugin), swept);
                }
            }
            Err(error) => {
                told::<()>(&self.versions_folder(), Err(error));
            }
        }
        let kept = self.remove_modules_but(&tools.pinned());
        self.keep_reserve();
        told(&self.modules_folder(), kept).flatten()
    }

    /// Brings the versions of one plugin into line with what the definition file says of it.
    fn sweep_versions(
        &self,
        found: &Versions,
        tools: &Tools,
        named: &Named,
        is_defined: bool,
    ) -> Result<()> {
        let mut versions = found.clone();
        let name = &found.plugin;
        if tools.origin.names.contains(name) {
            versions.reconcile(tools.published(name));
            self.take_away_versions(&versions, named)?;
        } else if found.is_being_removed() && is_defined {
            self.take_away_versions(found, named)?;
            return self.forget(name);
        } else {
            // Taken out of the file by hand, or never in it: known versions stay, for it may come back.
            versions.abandon();
        }
        if versions.kept.is_empty() {
            self.forget(name)
        } else if versions == *found {
            Ok(())
        } else {
            self.write_versions(&versions)
        }
    }

    /// Puts the module of a plugin where its definition says, unless somebody else's file lies there.
    fn complete(&self, plugin: &ServedPlugin) -> Result<()> {
        let digest = plugin.digest();
        let inside = named_file(&plugin.definition);
        let Some(inside) = inside.filter(|_| plugin.is_pinned() && !plugin.in_place) else {
            return Ok(());
        };
        let path = self.plugins.join(&inside);
        let versions = self.versions(&plugin.name)?.kept;
        let is_known = |bytes: &[u8]| {
            let found = Digest::of(bytes);
            bytes.is_empty()
                || versions
                    .iter()
                    .any(|version| version.module() == Some(found))
        };
        match regular_file::read(&path, MODULE_MAX_BYTES) {
            Ok(bytes) if !is_known(&bytes) => {
                tracing::warn!(file = %path.display(), plugin = plugin.name, "the file differs from the module that was published, which is served: publish it with PUT /update-plugin, or remove `digest` from the definition");
                Ok(())
            }
            _ => self
                .copy(&inside, self.open_module(&digest)?)?
                .place_on_disk(),
        }
    }
}
