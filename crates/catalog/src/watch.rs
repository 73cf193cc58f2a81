//! Notices what people, or a mounted configuration, change in the files, and loads it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::catalog::Catalog;
use crate::home::Kind;
use crate::module::Identity;

/// How many settle times in a row may see changes before they are loaded all the same: a file that
/// is written to without end must not keep the others from being loaded.
const SETTLE_TIMES_MAX: u32 = 20;

/// Watches the files of a catalogue until it is dropped.
pub struct Watch {
    /// Ends the thread by ending its events.
    _watcher: Arc<Mutex<RecommendedWatcher>>,
}

/// Something may be different.
struct Stirred;

impl Catalog {
    /// Begins to watch the definition files and the modules that they name. What changes is loaded
    /// once nothing has changed for the settle time, as one snapshot.
    ///
    /// # Errors
    /// Why this machine does not tell of changed files, as a sentence.
    pub fn watch(self: &Arc<Self>, settle: Duration) -> Result<Watch, String> {
        let (tell, stirred) = channel();
        let catalog = Arc::downgrade(self);
        let concerns = {
            let catalog = catalog.clone();
            move |event: &notify::Event| concerns(&catalog, event)
        };
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // An error means that events may have been lost.
            if event.map_or(true, |event| concerns(&event)) {
                // Without a receiver the server is about to end.
                let _ = tell.send(Stirred);
            }
        });
        let watcher = watcher.map_err(|error| error.to_string())?;
        let watcher = Arc::new(Mutex::new(watcher));
        let mut follower = Follower {
            catalog,
            watcher: Arc::downgrade(&watcher),
            folders: HashSet::new(),
        };
        follower.follow();
        std::thread::Builder::new()
            .name("definition-watch".to_owned())
            .spawn(move || follower.run(&stirred, settle))
            .map_err(|error| error.to_string())?;
        Ok(Watch { _watcher: watcher })
    }

    /// The folders that hold something which is served.
    fn folders(&self) -> HashSet<PathBuf> {
        let home = &self.loader.home;
        let mut files = Vec::new();
        for kind in [&home.plugins, &home.resources, &home.prompts] {
            files.extend(kind.as_ref().map(Kind::file));
        }
        let snapshot = self.snapshot();
        for plugin in snapshot.plugins() {
            if let Identity::File { path, .. } = &plugin.identity {
                files.push(path.clone());
            }
        }
        if let (Some(kind), Some(tools)) = (&home.plugins, snapshot.tools()) {
            let named = tools.named_files();
            files.extend(named.into_keys().map(|inside| kind.folder.join(inside)));
        }
        // Behind a link the file itself changes elsewhere.
        let targets: Vec<PathBuf> = files
            .iter()
            .filter_map(|file| std::fs::canonicalize(file).ok())
            .collect();
        let all = files.iter().chain(&targets);
        all.filter_map(|file| file.parent())
            .filter(|folder| folder.is_dir())
            .map(Path::to_owned)
            .collect()
    }
}

/// Whether an event may change what is served. That the server reads files, and writes its own, does
/// not.
fn concerns(catalog: &Weak<Catalog>, event: &notify::Event) -> bool {
    let is_change = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    };
    let Some(catalog) = catalog.upgrade().filter(|_| is_change) else {
        return false;
    };
    let is_own = |path: &PathBuf| {
        let store = catalog.loader.store.as_ref();
        store.is_some_and(|store| store.is_own(path))
    };
    event.paths.is_empty() || !event.paths.iter().all(is_own)
}

/// The thread that loads what has changed.
struct Follower {
    catalog: Weak<Catalog>,
    watcher: Weak<Mutex<RecommendedWatcher>>,
    folders: HashSet<PathBuf>,
}

impl Follower {
    fn run(mut self, stirred: &Receiver<Stirred>, settle: Duration) {
        while let Ok(Stirred) = stirred.recv() {
            let latest = Instant::now() + settle * SETTLE_TIMES_MAX;
            while Instant::now() < latest {
                match stirred.recv_timeout(settle) {
                    Ok(Stirred) => {}
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
            let Some(catalog) = self.catalog.upgrade() else {
                return;
            };
            if catalog.reload() {
                tracing::info!(revision = %catalog.snapshot().revision(), "files were changed, and are served");
            }
            drop(catalog);
            self.follow();
        }
    }

    /// Watches the folders of what is served now. A folder that went and came again is watched anew.
    fn follow(&mut self) {
        let (Some(catalog), Some(watcher)) = (self.catalog.upgrade(), self.watcher.upgrade())
        else {
            return;
        };
        let mut watcher = watcher.lock().unwrap_or_else(PoisonError::into_inner);
        let folders = catalog.folders();
        for folder in self.folders.difference(&folders) {
            // It may be gone already.
            let _ = watcher.unwatch(folder);
        }
        for folder in &folders {
            if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
                tracing::warn!(folder = %folder.display(), %error, "changes in a folder will not be noticed");
            }
        }
        self.folders = folders;
    }
}
