//! Notices what people, or a mounted configuration, change in the files, and loads it.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::catalog::Catalog;
use crate::home::Kind;

/// How many settle times in a row may see changes before they are loaded all the same: a file that
/// is written to without end must not keep the others from being loaded.
const SETTLE_TIMES_MAX: u32 = 20;
/// Most links on the way to a file, as on Linux.
const LINKS_MAX: usize = 40;

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
        let watcher = notify::recommended_watcher({
            let catalog = catalog.clone();
            move |event: notify::Result<notify::Event>| {
                // An error means that events may have been lost.
                if event.map_or(true, |event| concerns(&catalog, &event)) {
                    // Without a receiver the server is about to end.
                    let _ = tell.send(Stirred);
                }
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

    /// The folders in which something can change that says what is served.
    fn watched_folders(&self) -> HashSet<PathBuf> {
        let home = &self.loader.home;
        let kinds = [&home.plugins, &home.resources, &home.prompts];
        let mut files: Vec<PathBuf> = kinds.into_iter().flatten().map(Kind::file).collect();
        if let (Some(kind), Some(tools)) = (&home.plugins, self.snapshot().tools()) {
            let named = tools.named_files().into_keys();
            files.extend(named.map(|inside| kind.folder.join(inside)));
        }
        let mut folders = HashSet::new();
        for file in files {
            // A path that cannot be made absolute cannot be read either.
            if let Ok(file) = std::path::absolute(file) {
                folders_of(&file, &mut folders, &mut HashSet::new());
            }
        }
        folders
    }
}

/// The folders in which a file can change or begin to be: its own, or the nearest above it that is
/// there, and that of each link on the way to it.
fn folders_of(file: &Path, folders: &mut HashSet<PathBuf>, followed: &mut HashSet<PathBuf>) {
    // Links can lead in circles.
    if followed.len() == LINKS_MAX || !followed.insert(file.to_owned()) {
        return;
    }
    let mut above = file.ancestors().skip(1);
    folders.extend(above.find(|folder| folder.is_dir()).map(Path::to_owned));
    for place in file.ancestors() {
        if let (Ok(target), Some(folder)) = (fs::read_link(place), place.parent()) {
            folders.insert(folder.to_owned());
            let rest = file.strip_prefix(place).unwrap_or(Path::new(""));
            folders_of(&folder.join(target).join(rest), folders, followed);
        }
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
    /// The folders that are watched.
    folders: HashSet<PathBuf>,
}

impl Follower {
    fn run(mut self, stirred: &Receiver<Stirred>, settle: Duration) {
        // What was changed between the loading and the watching has stirred nothing.
        let mut is_stirred = true;
        while is_stirred || stirred.recv().is_ok() {
            let latest = Instant::now() + settle * SETTLE_TIMES_MAX;
            while Instant::now() < latest {
                match stirred.recv_timeout(settle) {
                    Ok(Stirred) => {}
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
            // A folder that came, or came again, is watched before what lies in it is read.
            self.follow();
            let Some(catalog) = self.catalog.upgrade() else {
                return;
            };
            let is_new = catalog.reload();
            if is_new {
                tracing::info!(revision = %catalog.snapshot().revision(), "files were changed, and are served");
            }
            drop(catalog);
            // What is named for the first time may have changed before its folder was watched.
            is_stirred = self.follow() && is_new;
        }
    }

    /// Watches the folders of what is served now; whether there are new ones among them.
    fn follow(&mut self) -> bool {
        let (Some(catalog), Some(watcher)) = (self.catalog.upgrade(), self.watcher.upgrade())
        else {
            return false;
        };
        let mut watcher = watcher.lock().unwrap_or_else(PoisonError::into_inner);
        let folders = catalog.watched_folders();
        for folder in self.folders.difference(&folders) {
            // It may be gone already.
            let _ = watcher.unwatch(folder);
        }
        for folder in &folders {
            // One that went and came again is another folder, so each is watched anew.
            if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
                tracing::warn!(folder = %folder.display(), %error, "changes in a folder will not be noticed");
            }
        }
        let has_new = folders.difference(&self.folders).next().is_some();
        self.folders = folders;
        has_new
    }
}
