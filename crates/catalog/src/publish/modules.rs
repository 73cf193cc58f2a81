//! What a change does to the modules that are kept: before its commit, and after it.

use std::collections::HashSet;
use std::sync::Arc;

use wasimancer_runtime::Digest;

use crate::catalog::Catalog;
use crate::error::Result;
use crate::plugin::ServedPlugin;
use crate::store::{Incoming, Named, Published, Store, Versions, named_file};

/// What a change does to the modules that are kept.
pub(super) struct PluginPlan {
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
    /// Whether the change is a version of its own, and none that is known.
    pub(super) is_new: bool,
}

impl Catalog {
    /// Puts everything on the disk that the change wants there before it is committed: the module
    /// that was sent, and the one that is served now, so that it can be rolled back to.
    pub(super) fn keep_modules(&self, plan: &mut PluginPlan) -> Result<()> {
        let Some(store) = &self.loader.store else {
            return Ok(());
        };
        if let Some(before) = plan
            .before
            .as_ref()
            .filter(|before| plan.needs_version(before, store))
        {
            let published = Published::of(before);
            let is_kept = store.keeps(&published.digest);
            let module = if is_kept {
                None
            } else {
                self.module_of(before)
            };
            if let Some(module) = &module {
                store.keep_bytes(module, &published.digest)?;
            }
            if (is_kept || module.is_some()) && plan.versions.ensure(&published) {
                store.write_versions(&plan.versions)?;
            }
        }
        match (plan.incoming.take(), &plan.after) {
            (Some(incoming), Some(after)) => store.keep(incoming, &after.digest()),
            _ => Ok(()),
        }
    }

    /// Forgets the module that was kept for a change that is not made.
    pub(super) fn forget_modules(&self, pinned: &HashSet<Digest>) {
        let forgotten = self
            .loader
            .store
            .as_ref()
            .map(|store| store.remove_modules_but(pinned));
        if let Some(Err(error)) = forgotten {
            tracing::warn!(%error, "the module of a change that was not made could not be removed");
        }
    }

    /// What follows the commit. The change is made whether it succeeds or not, and the next start
    /// makes up for what did not.
    pub(super) fn settle(&self, plan: &PluginPlan, pinned: &HashSet<Digest>) {
        let settled = self
            .loader
            .store
            .as_ref()
            .map_or(Ok(()), |store| self.try_settle(store, plan, pinned));
        if let Err(error) = settled {
            tracing::warn!(plugin = plan.name, %error, "the publication is made, but its files are not all in place");
        }
    }

    fn try_settle(&self, store: &Store, plan: &PluginPlan, pinned: &HashSet<Digest>) -> Result<()> {
        let mut versions = plan.versions.clone();
        let mut forgets = plan.after.is_none();
        if let Some(after) = &plan.after {
            let published = Published::of(after);
            if plan.is_new {
                let before = plan.before.as_deref().map(Published::of);
                let replaced = before.and_then(|before| versions.find(&before));
                let replaced = replaced.map(|version| version.number);
                versions.publish(&published, replaced);
            }
            let served = versions.find(&published).map_or(0, |served| served.number);
            forgets |= versions.prune(self.loader.settings.versions_kept, served);
            store.write_versions(&versions)?;
            if let Some(inside) = named_file(&after.definition) {
                store.put(&inside, &after.digest())?;
            }
        }
        if let Some(before) = &plan.before {
            let inside = named_file(&before.definition);
            if let Some(inside) = inside.filter(|inside| !plan.named.contains_key(inside)) {
                store.take_away(&inside, &before.digest())?;
            }
        }
        if plan.after.is_none() {
            store.forget(&plan.name)?;
        }
        if forgets {
            store.remove_modules_but(pinned)?;
        }
        Ok(())
    }
}

impl PluginPlan {
    /// Whether what is served must be among the versions before it goes: to be rolled back to, or
    /// for the next start to know whose file lies in the upload folder.
    fn needs_version(&self, before: &ServedPlugin, store: &Store) -> bool {
        let in_uploads = || {
            let file = named_file(&before.definition);
            file.is_some_and(|file| file.starts_with(store.uploads()))
        };
        self.after.is_some() || (!before.is_pinned() && in_uploads())
    }
}
