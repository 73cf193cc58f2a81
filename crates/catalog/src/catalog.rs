//! The catalogue: the current snapshot behind one atomic pointer, and the one place where another
//! takes its place.

use std::collections::HashSet;
use std::fs::{File, TryLockError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::watch;
use wasimancer_runtime::{Budget, Digest, Runtime};

use crate::definition_file::DefinitionFile;
use crate::error::{Error, Result};
use crate::home::Settings;
use crate::load::{Compile, Definitions, Loader};
use crate::plugin::ServedPlugin;
use crate::publish::{Data, check_edit};
use crate::snapshot::{Advice, Snapshot};
use crate::store::{self, Incoming, Published, Version};
use crate::watch::Noticing;

/// What is on offer.
pub struct Catalog {
    pub(crate) loader: Loader,
    snapshot: ArcSwap<Snapshot>,
    /// Tells of each new snapshot, after it is in place.
    changes: watch::Sender<()>,
    /// Held by whoever makes a change; the file is the lock on the upload folder, once it was taken.
    writer: Mutex<Option<File>>,
    /// Why the definition files as they are now are not served.
    edit_problem: ArcSwapOption<String>,
    /// How edits are noticed, once they are.
    pub(crate) noticing: ArcSwapOption<Noticing>,
}

/// Which files are looked at for what was edited by hand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edits {
    All,
    /// Those of resources and prompts, for whoever must not wait until modules are compiled.
    Data,
}

impl Catalog {
    /// Loads what the definition files of a home say. Modules are read and found to be valid; the code of
    /// those that no earlier time has compiled is made by [`Self::compile_rest`], and calls of their
    /// functions wait for it. Call it where blocking is allowed.
    ///
    /// # Errors
    /// When there is no room for what they say. What is wrong with a file or with single entries is no
    /// error: they are quarantined, see [`Snapshot::quarantined`].
    pub fn open(definitions: &Definitions, settings: &Settings, runtime: &Runtime) -> Result<Self> {
        let home = definitions.home.clone();
        let loader = Loader::new(home, settings.clone(), runtime.clone());
        let snapshot = loader.everything(definitions)?;
        for unresolved in snapshot.unresolved() {
            tracing::warn!("{unresolved}");
        }
        snapshot.advice().iter().for_each(Advice::warn);
        Ok(Self {
            snapshot: ArcSwap::from_pointee(snapshot),
            changes: watch::Sender::new(()),
            writer: Mutex::new(None),
            edit_problem: ArcSwapOption::empty(),
            noticing: ArcSwapOption::empty(),
            loader,
        })
    }

    /// What is served now. A caller keeps one snapshot for the whole of a request.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// What everything that clients and plugins can make large is charged to.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        self.loader.runtime.budget()
    }

    /// Wakes when another snapshot has taken the place of the one before. Whoever is slow to look
    /// finds the newest one, and holds up nobody.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Does what a process that was killed did not get to: removes what no definition and no version
    /// names, and puts into place what one does. For the one process that serves a home, before it
    /// serves. Blocks.
    pub fn sweep(&self) {
        let mut lock = self.writing();
        if let Err(error) = self.own_store(&mut lock) {
            tracing::warn!(%error, "what an earlier process left is not swept");
            return;
        }
        let snapshot = self.snapshot();
        let kept = store::sweep(&self.loader.home, self.loader.store.as_ref(), &snapshot);
        self.keep_compiled_only(&snapshot, kept);
    }

    /// Removes the compiled code of modules that are neither served nor among those that are kept, where it
    /// is known which are.
    pub(crate) fn keep_compiled_only(&self, served: &Snapshot, kept: Option<HashSet<Digest>>) {
        if let Some(mut named) = kept {
            named.extend(served.plugins().iter().map(|plugin| plugin.digest()));
            self.loader.runtime.keep_compiled_only(&named);
        }
    }

    /// Begins to receive a module. Blocks.
    ///
    /// # Errors
    /// When plugins are switched off, or the disk refuses.
    pub fn incoming(&self) -> Result<Incoming> {
        let store = self.loader.store.as_ref();
        store
            .ok_or(Error::SwitchedOff { kind: "plugin" })?
            .incoming()
    }

    /// The versions of a plugin that are kept, oldest first, and which of them is served. Reads a
    /// file: call it where blocking is allowed.
    ///
    /// # Errors
    /// When there is no such plugin, or the disk refuses.
    pub fn versions(&self, plugin: &str) -> Result<(Vec<Version>, Option<u64>)> {
        let off = Error::SwitchedOff { kind: "plugin" };
        let store = self.loader.store.as_ref().ok_or(off)?;
        let snapshot = self.snapshot();
        if let Some(tools) = snapshot.tools() {
            tools.origin.check_name("plugin", plugin)?;
        }
        let mut versions = store.versions(plugin)?;
        let served = snapshot.plugin(plugin).map(|plugin| {
            versions.ensure(Published::of(plugin));
            versions.current(None).map(|version| version.number)
        });
        Ok((versions.kept, served.flatten()))
    }

    /// Loads what was edited by hand: everything that differs becomes one new snapshot. Where an edit
    /// is wrong, what is served stays, and [`Self::edit_problem`] says why. Answers whether another
    /// snapshot is served now. Reads files and compiles modules: call it where blocking is allowed.
    pub fn reload(&self) -> bool {
        self.take_edits(Edits::All)
    }

    /// The same for some of the files. They are loaded beside others' changes, and once more where one
    /// was made meanwhile, with what was compiled of them.
    pub(crate) fn take_edits(&self, edits: Edits) -> bool {
        let mut compiled = Vec::new();
        loop {
            let before = self.snapshot();
            let loaded = self.load_edits(&before, edits, &compiled);
            let _one_at_a_time = self.writing();
            if Arc::ptr_eq(&before, &self.snapshot()) {
                return self.serve_edits(&before, loaded, edits);
            }
            let tools = loaded.as_ref().ok().and_then(Snapshot::tools);
            compiled = tools.map(|tools| tools.plugins.clone()).unwrap_or_default();
        }
    }

    /// Serves what was loaded, where it is right.
    fn serve_edits(&self, before: &Snapshot, loaded: Result<Snapshot>, edits: Edits) -> bool {
        match loaded {
            Ok(after) => {
                if edits == Edits::All {
                    self.edit_problem.store(None);
                }
                let is_new = !after.is_like(before);
                if is_new {
                    self.swap(after);
                }
                is_new
            }
            Err(error) => {
                let problem = error.to_string();
                let known = self.edit_problem.load_full();
                if known.is_none_or(|known| *known != problem) {
                    tracing::error!(
                        "what is served stays, since the definitions are wrong: {problem}"
                    );
                }
                self.edit_problem.store(Some(Arc::new(problem)));
                false
            }
        }
    }

    /// Why the definition files as they are now are not served; none where they are.
    #[must_use]
    pub fn edit_problem(&self) -> Option<Arc<String>> {
        self.edit_problem.load_full()
    }

    /// What the files say now. Plugins that are compiled, and the same still, are taken as they are.
    fn load_edits(
        &self,
        before: &Snapshot,
        edits: Edits,
        compiled: &[Arc<ServedPlugin>],
    ) -> Result<Snapshot> {
        let mut after = before.clone();
        let home = &self.loader.home;
        let plugins = home.plugins.as_ref().filter(|_| edits == Edits::All);
        if let (Some(kind), Some(served)) = (plugins, before.tools()) {
            let text = DefinitionFile::read_text(kind)?;
            let is_same = served.origin.is_of(&text);
            if !is_same || !(served.is_settled() || served.origin.is_unknown()) {
                let file = DefinitionFile::parse(&kind.definition_file, text)?;
                let known = [&served.plugins, compiled].concat();
                let tools = self.loader.tools(&file, &known, Compile::Now)?;
                check_edit(&file, &served.origin, &tools.origin, None)?;
                after = after.with_tools(tools);
            }
        }
        for (kind, data) in [
            (&home.resources, Data::Resource),
            (&home.prompts, Data::Prompt),
        ] {
            if let (Some(kind), Some(served)) = (kind, data.origin(before)) {
                let text = DefinitionFile::read_text(kind)?;
                if served.is_of(&text) {
                    continue;
                }
                let file = DefinitionFile::parse(&kind.definition_file, text)?;
                after = Self::load_data(&after, data, &file)?;
                if let Some(loaded) = data.origin(&after) {
                    check_edit(&file, served, loaded, None)?;
                }
            }
        }
        Ok(after)
    }

    /// Makes sure that this process alone publishes plugins to its home. The lock is the plugins
    /// folder's own, and goes with the process.
    pub(crate) fn own_store(&self, lock: &mut Option<File>) -> Result<()> {
        let Some(kind) = self.loader.home.plugins.as_ref().filter(|_| lock.is_none()) else {
            return Ok(());
        };
        let folder = File::open(&kind.folder).and_then(|folder| match folder.try_lock() {
            Ok(()) => Ok(Some(folder)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        });
        match folder {
            Ok(Some(folder)) => *lock = Some(folder),
            Ok(None) => {
                return Err(Error::Shared {
                    folder: kind.folder.clone(),
                });
            }
            Err(error) => {
                tracing::debug!(%error, "folders cannot be locked here");
            }
        }
        Ok(())
    }

    /// Waits until nobody else makes a change.
    pub(crate) fn writing(&self) -> MutexGuard<'_, Option<File>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves another snapshot, and tells whoever waits for one.
    pub(crate) fn swap(&self, snapshot: Snapshot) {
        for unresolved in &snapshot.unresolved() - &self.snapshot().unresolved() {
            tracing::warn!("{unresolved}");
        }
        let new = &snapshot.advice() - &self.snapshot().advice();
        new.iter().for_each(Advice::warn);
        for plugin in snapshot.plugins() {
            self.loader.runtime.keep_compiled(&plugin.digest());
        }
        self.snapshot.store(Arc::new(snapshot));
        self.changes.send_replace(());
    }
}
