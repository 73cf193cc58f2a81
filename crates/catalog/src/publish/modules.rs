//! What a change does to the modules that are kept: before its commit, and after it.

use std::collections::HashSet;
use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;

use wasimancer_runtime::Digest;

use crate::catalog::Catalog;
use crate::error::Result;
use crate::parallel::{self, Job};
use crate::plugin::ServedPlugin;
use crate::store::{Incoming, MadeFolders, Named, Published, Ready, Store, Versions, named_file};

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
    pub(super) following: Following,
    /// The folders that were made for the change. They go with it, where it is not made.
    pub(super) folders: MadeFolders,
}

/// What is on the disk before the commit, and takes its place after it. The next start makes up for
/// what does not get there.
#[derive(Default)]
pub(super) struct Following {
    /// The module where its definition will look for it.
    copied: Option<Ready>,
    /// The versions as they will be.
    versions: Option<Ready>,
    /// Whether there are fewer of them.
    forgets: bool,
}

impl PluginPlan<'_> {
    /// Puts everything on the disk that the change wants there before it is committed: the module
    /// that was sent, the one that is served now, so that it can be rolled back to, what is about to
    /// happen, and what follows it.
    pub(super) fn prepare(&mut self, versions_kept: usize) -> Result<()> {
        let received = self.incoming.as_mut().map(Incoming::take_folders);
        let kept = self.store.create_folders();
        self.folders = kept?.after(received.unwrap_or_default());
        let written = self.versions.clone();
        if let Some(before) = &self.before {
            self.take_down(&Arc::clone(before))?;
        }
        let Some(after) = self.after.clone() else {
            if !self.versions.kept.is_empty() {
                self.versions.begin_removal();
            }
            return self.mark(&written);
        };
        if !self.is_rollback {
            self.versions.begin(Published::of(&after));
        }
        let mut settled = self.versions.clone();
        if self.is_rollback {
            settled.roll_back(Published::of(&after));
        } else {
            settled.publish();
        }
        self.following.forgets = settled.prune(versions_kept);
        self.keep(&after, &written, &settled)
    }

    /// Keeps the module of what will be served, with the versions before and after the commit. Each
    /// waits for the disk, so all are flushed at once. A module that is kept already is not written
    /// again: what was received becomes the copy.
    fn keep(&mut self, after: &ServedPlugin, written: &Versions, settled: &Versions) -> Result<()> {
        let store = self.store;
        let digest = after.digest();
        let inside = named_file(&after.definition);
        let incoming = self.incoming.take();
        let (mut kept, mut marked) = (Ok(()), Ok(()));
        let (mut copied, mut versions) = (Ok(None), Ok(None));
        let mut jobs: Vec<Job<'_>> = vec![
            Box::new(|| marked = self.mark(written)),
            Box::new(|| versions = store.ready_versions(settled).map(Some)),
        ];
        let copy = inside.as_deref();
        match incoming {
            Some(incoming) if store.keeps_whole(&digest) => {
                jobs.push(Box::new(|| store.flush_modules()));
                jobs.push(Box::new(|| {
                    let copy = copy.map(|inside| store.copy_received(inside, incoming));
                    copied = copy.transpose();
                }));
            }
            incoming => {
                let module = match &incoming {
                    Some(incoming) => incoming.open()?,
                    None => store.open_module(&digest)?,
                };
                jobs.push(Box::new(|| {
                    let copy = copy.map(|inside| store.copy(inside, module));
                    copied = copy.transpose();
                }));
                if let Some(incoming) = incoming {
                    jobs.push(Box::new(|| kept = store.keep(incoming, &digest)));
                }
            }
        }
        parallel::at_once(jobs);
        self.following.copied = copied?;
        self.following.versions = versions?;
        kept.and(marked)
    }

    /// Writes down what is about to happen, where that differs from what is written.
    fn mark(&self, written: &Versions) -> Result<()> {
        if self.versions == *written {
            return Ok(());
        }
        self.store.write_versions(&self.versions)
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
        drop(self.following.copied.take());
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
    /// start tries again what did not. Answers which modules are kept, where fewer are.
    pub(super) fn settle(mut self, pinned: &HashSet<Digest>) -> Option<HashSet<Digest>> {
        let store = self.store;
        let Following {
            copied,
            versions,
            forgets,
        } = std::mem::take(&mut self.following);
        if let Some(versions) = versions {
            // A version that came back with a loss of power must find its module.
            self.tell(if forgets {
                versions.place_on_disk()
            } else {
                versions.place()
            });
        }
        if let Some(copied) = copied {
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
        let kept = if forgets || self.after.is_none() {
            self.tell(store.remove_modules_but(pinned)).flatten()
        } else {
            None
        };
        store.keep_reserve();
        kept
    }

    fn tell<T>(&self, step: Result<T, impl Display>) -> Option<T> {
        step.inspect_err(|error| {
            tracing::warn!(plugin = self.name, %error, "a file could not be put in order; the next start tries again");
        })
        .ok()
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
