//! Notices what people, or a mounted configuration, change in the files, and loads it.
//!
//! The system tells of most changes at once. Network drives, folders that are shared with a virtual machine and
//! a machine whose watches are used up tell of none, so the files are looked at from time to time too.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::catalog::Catalog;
use crate::home::Kind;
use crate::module::Stamp;

/// How many settle times in a row may see changes before they are loaded all the same: a file that
/// is written to without end must not keep the others from being loaded.
const SETTLE_TIMES_MAX: u32 = 20;
/// Most links on the way to a file, as on Linux.
const LINKS_MAX: usize = 40;

/// Watches the files of a catalogue until it is dropped.
pub struct Watch {
    /// Ends the thread by ending its events. None: the system tells of no changes.
    _watcher: Option<Arc<Mutex<RecommendedWatcher>>>,
    /// Ends the thread where there is no watcher.
    _tell: Sender<Stirred>,
}

/// How edits of files are noticed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Noticing {
    /// Why the system tells of no change. None: it does, but for the folders below.
    pub no_events: Option<String>,
    /// Folders of whose changes the system does not tell.
    pub folders_without_events: Vec<PathBuf>,
    /// How often the files are looked at.
    pub poll_interval: Duration,
}

/// When edits are noticed and loaded.
#[derive(Clone, Copy, Debug)]
pub struct WatchTimes {
    /// How long the files must be left alone before an edit is loaded.
    pub settle: Duration,
    /// How often they are looked at beside what the system tells.
    pub poll_interval: Duration,
}

/// Something may be different.
struct Stirred;

/// What tells each file that says what is served from what it was before. None: it is not there.
type Stamps = BTreeMap<PathBuf, Option<Stamp>>;

impl Catalog {
    /// Begins to watch the definition files and the modules that they name. What changes is loaded
    /// once nothing has changed for the settle time, as one snapshot.
    ///
    /// # Errors
    /// When the system has no thread for it.
    pub fn watch(self: &Arc<Self>, times: WatchTimes) -> io::Result<Watch> {
        let (tell, stirred) = channel();
        let catalog = Arc::downgrade(self);
        let watcher = notify::recommended_watcher({
            let (catalog, tell) = (catalog.clone(), tell.clone());
            move |event: notify::Result<notify::Event>| {
                // An error means that events may have been lost.
                if event.map_or(true, |event| concerns(&catalog, &event)) {
                    // Without a receiver the server is about to end.
                    let _ = tell.send(Stirred);
                }
            }
        });
        let no_events = watcher.as_ref().err().map(ToString::to_string);
        if let Some(reason) = &no_events {
            tracing::warn!(
                reason,
                "this machine does not tell of changed files: they are looked at every {:?}",
                times.poll_interval
            );
        }
        let watcher = watcher.ok().map(|watcher| Arc::new(Mutex::new(watcher)));
        let mut follower = Follower {
            catalog,
            watcher: watcher.as_ref().map(Arc::downgrade),
            noticing: Noticing {
                no_events,
                folders_without_events: Vec::new(),
                poll_interval: times.poll_interval,
            },
            folders: HashSet::new(),
            seen: Stamps::new(),
        };
        follower.follow();
        std::thread::Builder::new()
            .name("definition-watch".to_owned())
            .spawn(move || follower.run(&stirred, times))?;
        Ok(Watch {
            _watcher: watcher,
            _tell: tell,
        })
    }

    /// How edits are noticed. None: nobody watches the files.
    #[must_use]
    pub fn noticing(&self) -> Option<Arc<Noticing>> {
        self.noticing.load_full()
    }

    /// The files that say what is served.
    fn watched_files(&self) -> Vec<PathBuf> {
        let home = &self.loader.home;
        let kinds = [&home.plugins, &home.resources, &home.prompts];
        let mut files: Vec<PathBuf> = kinds.into_iter().flatten().map(Kind::file).collect();
        if let (Some(kind), Some(tools)) = (&home.plugins, self.snapshot().tools()) {
            let named = tools.named_files().into_keys();
            files.extend(named.map(|inside| kind.folder.join(inside)));
        }
        files
    }

    /// What tells those files from what they were before.
    fn stamps(&self) -> Stamps {
        let files = self.watched_files().into_iter();
        files
            .map(|file| {
                let stamp = Stamp::of(&file).ok();
                (file, stamp)
            })
            .collect()
    }

    /// The folders in which something can change that says what is served.
    fn watched_folders(&self) -> HashSet<PathBuf> {
        let mut folders = HashSet::new();
        for file in self.watched_files() {
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
    /// None: the system tells of no changes.
    watcher: Option<Weak<Mutex<RecommendedWatcher>>>,
    noticing: Noticing,
    /// The folders that are watched, or were to be.
    folders: HashSet<PathBuf>,
    /// The files as they were when they were loaded last.
    seen: Stamps,
}

impl Follower {
    fn run(mut self, stirred: &Receiver<Stirred>, times: WatchTimes) {
        let settle = times.settle;
        // What was changed between the loading and the watching has stirred nothing.
        let mut is_stirred = true;
        loop {
            if !is_stirred {
                match stirred.recv_timeout(times.poll_interval) {
                    Err(RecvTimeoutError::Timeout) if !self.looks_different() => continue,
                    Ok(Stirred) | Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
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
            // They come first: what changes while it is read is looked at again.
            self.seen = catalog.stamps();
            let is_new = catalog.reload();
            if is_new {
                tracing::info!(revision = %catalog.snapshot().revision(), "files were changed, and are served");
            }
            drop(catalog);
            // What is named for the first time may have changed before its folder was watched.
            is_stirred = self.follow() && is_new;
        }
    }

    /// Whether a file is another than it was, or named for the first time.
    fn looks_different(&self) -> bool {
        let catalog = self.catalog.upgrade();
        catalog.is_none_or(|catalog| catalog.stamps() != self.seen)
    }

    /// Watches the folders of what is served now; whether there are new ones among them.
    fn follow(&mut self) -> bool {
        let Some(catalog) = self.catalog.upgrade() else {
            return false;
        };
        let watcher = self.watcher.as_ref().and_then(Weak::upgrade);
        let Some(watcher) = watcher else {
            catalog
                .noticing
                .store(Some(Arc::new(self.noticing.clone())));
            return false;
        };
        let mut watcher = watcher.lock().unwrap_or_else(PoisonError::into_inner);
        let folders = catalog.watched_folders();
        for folder in self.folders.difference(&folders) {
            // It may be gone already.
            let _ = watcher.unwatch(folder);
        }
        let mut without_events = Vec::new();
        for folder in &folders {
            // One that went and came again is another folder, so each is watched anew.
            if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
                // It is tried again at each change, and told once.
                if !self.noticing.folders_without_events.contains(folder) {
                    tracing::warn!(folder = %folder.display(), %error, "the system does not tell of changes in a folder: its files are looked at every {:?}", self.noticing.poll_interval);
                }
                without_events.push(folder.clone());
            }
        }
        without_events.sort();
        self.noticing.folders_without_events = without_events;
        catalog
            .noticing
            .store(Some(Arc::new(self.noticing.clone())));
        let has_new = folders.difference(&self.folders).next().is_some();
        self.folders = folders;
        has_new
    }
}
