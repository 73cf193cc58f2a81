//! What a killed process left undone is done at the next start: no file stays that no definition
//! and no version names, and none is missing that one does.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;

use wasimancer_runtime::Digest;

use super::place::named_file;
use super::{Published, Store, Version, definitions, durable};
use crate::definition::inside_folder;
use crate::error::Result;
use crate::home::Home;
use crate::plugin::ServedPlugin;
use crate::snapshot::{Snapshot, Tools};

/// Sweeps everything that belongs to a home. What cannot be done is logged: the server serves
/// without it.
pub(crate) fn sweep(home: &Home, store: Option<&Store>, snapshot: &Snapshot) {
    for kind in [&home.plugins, &home.resources, &home.prompts]
        .into_iter()
        .flatten()
    {
        told(&kind.folder, definitions::sweep(kind));
    }
    if let (Some(store), Some(tools)) = (store, snapshot.tools()) {
        told(&store.plugins, store.sweep(tools));
    }
}

fn told(folder: &Path, swept: Result<(), impl std::fmt::Display>) {
    if let Err(error) = swept {
        tracing::warn!(folder = %folder.display(), %error, "what an earlier process left could not be swept");
    }
}

impl Store {
    fn sweep(&self, tools: &Tools) -> Result<()> {
        let uploads = self.plugins.join(&self.uploads);
        let failed = |source: io::Error| super::storage("swept", &uploads)(source);
        for folder in [&uploads, &self.modules_folder(), &self.versions_folder()] {
            durable::sweep_temporary(folder).map_err(failed)?;
        }
        for plugin in &tools.plugins {
            self.complete(plugin)?;
        }
        let named = tools.named_files();
        for versions in self.all_versions().map_err(failed)? {
            self.take_away_unnamed(&versions.versions, &named)?;
            if !tools.origin.names.contains(&versions.plugin) {
                self.forget(&versions.plugin)?;
            }
        }
        self.remove_modules_but(&tools.pinned())
    }

    /// Does what follows the commit of a publication, where it was not done.
    fn complete(&self, plugin: &ServedPlugin) -> Result<()> {
        let digest = plugin.digest();
        if !plugin.is_pinned() {
            return Ok(());
        }
        if plugin.in_place && !self.keeps(&digest) {
            // Pinned by hand, and never published here.
            return Ok(());
        }
        let mut versions = self.versions(&plugin.name)?;
        if versions.ensure(&Published::of(plugin)) {
            self.write_versions(&versions)?;
        }
        let inside = named_file(&plugin.definition);
        if let Some(inside) = inside.filter(|_| !plugin.in_place) {
            // Bytes of no version were put there by hand, and are not ours to overwrite.
            let path = self.plugins.join(&inside);
            let known: HashMap<Digest, &Version> = versions
                .versions
                .iter()
                .filter_map(|version| Some((version.module()?, version)))
                .collect();
            match std::fs::read(&path) {
                Ok(bytes) if !known.contains_key(&Digest::of(&bytes)) => {
                    tracing::warn!(file = %path.display(), plugin = plugin.name, "the file differs from the module that was published, which is served: publish it with PUT /update-plugin, or remove `digest` from the definition");
                }
                _ => self.put(&inside, &digest)?,
            }
        }
        Ok(())
    }

    /// Takes away the files of versions that no definition names any more.
    fn take_away_unnamed(&self, versions: &[Version], named: &super::place::Named) -> Result<()> {
        let places: HashSet<(&str, Option<Digest>)> = versions
            .iter()
            .map(|version| (version.path.as_str(), version.module()))
            .collect();
        for (path, digest) in places {
            if let (Some(inside), Some(digest)) = (inside_folder(path), digest)
                && !named.contains_key(&inside)
            {
                self.take_away(&inside, &digest)?;
            }
        }
        Ok(())
    }
}
