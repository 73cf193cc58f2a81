//! What a change does to the modules that are kept: before its commit, and after it.

use std::collections::HashSet;
use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;

use wasimancer_runtime::Digest;

use crate::catalog::Catalog;
use crate::error::Result;
use crate::plugin::ServedPlugin;
use crate::store::{Copied, Incoming, Named, Published, Store, Versions, named_file};

/// What a change does to the modules that are kept.
pub(super) struct PluginPlan<'c> {
    pub(super) store: &'c Store,
    pub(super) name: String,
    /// The module that was sent, until it is kept.
    pub(super) incoming: Option<Incoming>,
    /// What was served; none where nothing was.
    pub(super) before: Option<Arc<ServedPlugin>>,
    /// What will be served; none where the plugin is removed.
    pub(super) after: Option<Arc<ServedPlugin>>,
    /// The files that the definitions name after the change.
    pub(super) named: Named,
    pub(super) versions: Versions,
    /// Whether what will be served is one of the versions.
    pub(super) is_rollback: bool,
    /// The module where its definition will look for it, before it is moved there.
    pub(super) copied: Option<Copied>,
}

impl PluginPlan<'_> {
    /// Puts everything on the disk that the change wants there before it is committed: the module
    /// that was sent, the one that is served now, so that it can be rolled back to, and what is about
    /// to happen.
    pub(super) fn prepare(&mut self) -> Result<()> {
        let store = self.store;
        let written = self.versions.clone();
        if let Some(before) = &self.before {
            self.take_down(&Arc::clone(before))?;
        }
        if let Some(after) = &self.after {
            let digest = after.digest();
            match self.incoming.take() {
                Some(incoming) => store.keep(incoming, &digest)?,
                None => debug_assert!(store.keeps(&digest), "a version that is kept"),
            }
            if let Some(inside) = named_file(&after.definition) {
                self.copied = Some(store.copy(&inside, &digest)?);
            }
            if !self.is_rollback {
                self.versions.begin(Published::of(after));
            }
        } else if !self.versions.kept.is_empty() {
            self.versions.begin_removal();
        }
        if self.versions == written {
            return Ok(());
        }
        store.write_versions(&self.versions)
    }

    /// Takes down what is served now, where its module can still be had.
    fn take_down(&mut self, before: &ServedPlugin) -> Result<()> {
        let inside = named_file(&before.definition);
        let is_in_uploads = inside.is_some_and(|file| file.starts_with(self.store.uploads()));
        // The file of a plugin that is removed is its owner's, unless it lies in the upload folder.
        if self.after.is_none() && !is_in_uploads && self.versions.kept.is_empty() {
            return Ok(());
        }
        let digest = before.digest();
        if !self.store.keeps(&digest) {
            match self.store.file_of(before) {
                Some(module) => self.store.keep_bytes(&module, &digest)?,
                None => return Ok(()),
            }
        }
        self.versions.ensure(Published::of(before));
        Ok(())
    }

    /// Undoes what was prepared for a change that is not made.
    pub(super) fn undo(mut self, pinned: &HashSet<Digest>) {
        let store = self.store;
        if let Some(copied) = self.copied.take() {
            copied.discard(store);
        }
        self.versions.abandon();
        let written = if self.versions.kept.is_empty() {
            store.forget(&self.name)
        } else {
            store.write_versions(&self.versions)
        };
        self.tell(written);
        self.tell(store.remove_modules_but(pinned));
    }

    /// What follows the commit. The change is made whether a step of it succeeds or not; the next
    /// start tries again what did not.
    pub(super) fn settle(mut self, versions_kept: usize, pinned: &HashSet<Digest>) {
        let store = self.store;
        let mut forgets = self.after.is_none();
        if let Some(after) = &self.after {
            if self.is_rollback {
                self.versions.roll_back(Published::of(after));
            } else {
                self.versions.publish();
            }
            forgets |= self.versions.prune(versions_kept);
            self.tell(store.write_versions(&self.versions));
        }
        if let Some(copied) = self.copied.take() {
            self.tell(copied.place());
        }
        if let Some(before) = &self.before {
            let inside: Option<PathBuf> = named_file(&before.definition);
            if let Some(inside) = inside.filter(|inside| !self.named.contains_key(inside)) {
                self.tell(store.take_away(&inside, &[before.digest()]));
            }
        }
        if self.after.is_none() {
            self.tell(store.take_away_versions(&self.versions, &self.named));
            self.tell(store.forget(&self.name));
        }
        if forgets {
            self.tell(store.remove_modules_but(pinned));
        }
    }

    fn tell(&self, step: Result<(), impl Display>) {
        if let Err(error) = step {
            tracing::warn!(plugin = self.name, %error, "a file could not be put in order; the next start tries again");
        }
    }
}

impl Catalog {
    /// A warning where the module that is served can be had no more, so that nothing can roll back
    /// to it.
    pub(super) fn lost_module(&self, before: Option<&ServedPlugin>) -> Option<String> {
        let store = self.loader.store.as_ref()?;
        let before = before?;
        let is_lost = !store.keeps(&before.digest()) && store.file_of(before).is_none();
        is_lost.then(|| {
            format!(
                "the module that was served is not kept, since {} was changed by hand",
                before.path()
            )
        })
    }
}
