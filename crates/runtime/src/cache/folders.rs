//! Where compiled code lies, and for how long: each home has a folder of its own, which holds what the home
//! names and nothing else; what was only tried lies apart, bounded in size and age.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::FAILURE;
use super::seal::Key;
use crate::digest::Digest;
use crate::error::{Error, Result};

/// The folder of what no home names: what `call`, `inspect` and dry runs have compiled.
const APART: &str = "apart";
/// How the names of the homes' folders begin.
const HOME_PREFIX: &str = "home-";
/// Most bytes that lie apart: the code of some hundred large modules.
const APART_MAX_BYTES: u64 = 1024 * 1024 * 1024;
/// How long a file stays that nobody uses.
const UNUSED_MAX: Duration = Duration::from_hours(30 * 24);
/// How long the folder of a home stays that nobody starts or changes: longer than servers run between two
/// starts, and what goes too early is compiled once more.
const UNUSED_HOME_MAX: Duration = Duration::from_hours(90 * 24);
/// How exactly it is known when a file was used: marking it writes to the disk.
const USE_NOTED: Duration = Duration::from_hours(24);
/// How often it is looked how much lies apart, in bytes that were written.
const LOOK_BYTES: u64 = APART_MAX_BYTES / 16;
/// Digits of a digest in a name.
const DIGEST_DIGITS: usize = 64;

/// The folders of an installation that one process uses.
pub(crate) struct Folders {
    root: PathBuf,
    /// That of the home; none where none is served.
    own: Option<PathBuf>,
    apart: PathBuf,
    pub(super) key: Key,
    /// The modules that the home names.
    named: Mutex<HashSet<Digest>>,
    /// How many bytes may be written before it is looked how much lies apart; none where it was not yet.
    until_look: Mutex<Option<u64>>,
}

impl Folders {
    /// Creates the folders where they are missing, and refuses those that others can write to. `home` tells a
    /// home from others, whatever lies at that path.
    pub(crate) fn open(root: &Path, home: Option<&Path>) -> Result<Self> {
        let failed = |reason: String| Error::Cache {
            folder: root.display().to_string(),
            reason,
        };
        let own = home.map(|home| {
            let digest = Digest::of(home.as_os_str().as_encoded_bytes());
            root.join(format!("{HOME_PREFIX}{digest}"))
        });
        let apart = root.join(APART);
        for folder in [Some(root), own.as_deref(), Some(&apart)] {
            let Some(folder) = folder else { continue };
            create_private(folder).map_err(|error| failed(error.to_string()))?;
            check_private(folder).map_err(failed)?;
        }
        let key = Key::of(root).map_err(|error| failed(error.to_string()))?;
        Ok(Self {
            root: root.to_owned(),
            own,
            apart,
            key,
            named: Mutex::default(),
            until_look: Mutex::default(),
        })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Where a file may lie, in the order in which it is looked for.
    pub(super) fn all(&self) -> impl Iterator<Item = &Path> {
        self.own.as_deref().into_iter().chain([&*self.apart])
    }

    /// Writes a file of a module, whole or not at all: to the home's folder where the home names the module.
    pub(super) fn write(&self, digest: &Digest, name: &str, parts: &[&[u8]]) -> io::Result<()> {
        let own = self.own.as_ref().filter(|_| self.named().contains(digest));
        let folder = own.unwrap_or(&self.apart);
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        for part in parts {
            file.write_all(part)?;
        }
        file.persist(folder.join(name))
            .map_err(|error| error.error)?;
        if own.is_none() {
            let written: usize = parts.iter().map(|part| part.len()).sum();
            self.look_after(written as u64);
        }
        Ok(())
    }

    /// Whether the home names a module from now on that it did not name.
    pub(crate) fn name(&self, digest: &Digest) -> bool {
        self.own.is_some() && self.named().insert(*digest)
    }

    /// Moves a file to the home's folder, if it lies apart.
    pub(super) fn adopt(&self, name: &str) {
        let Some(own) = &self.own else { return };
        // Most of the time it is there already, or was never made.
        let _ = fs::rename(self.apart.join(name), own.join(name));
    }

    /// Removes what the home does not name, now that it names these modules alone; and what nobody uses.
    pub(crate) fn prune(&self, named: &HashSet<Digest>) {
        self.named().clone_from(named);
        let pruned = self.try_prune(named).and_then(|()| self.bound_apart());
        if let Err(error) = pruned {
            tracing::warn!(folder = %self.root.display(), %error, "compiled code that is not needed could not be removed");
        }
    }

    fn try_prune(&self, named: &HashSet<Digest>) -> io::Result<()> {
        let Some(own) = &self.own else { return Ok(()) };
        for entry in Entry::all(own)? {
            let name = entry.path.file_name().unwrap_or_default().to_string_lossy();
            let digest = name.get(..DIGEST_DIGITS);
            let is_kept = match digest.and_then(|digest| digest.parse::<Digest>().ok()) {
                // What another version compiled is not used. What is wrong with a module that is not served for
                // it is not to be found out again.
                Some(digest) => {
                    (named.contains(&digest) || name.contains(FAILURE)) && entry.age < UNUSED_MAX
                }
                // A file that is being written, or that a killed process has left.
                None => entry.age < USE_NOTED,
            };
            if !is_kept {
                remove(&entry.path)?;
            }
        }
        // The folder is used, whatever is in it.
        File::open(own)?.set_modified(SystemTime::now())?;
        for entry in Entry::all(&self.root)? {
            let name = entry.path.file_name().unwrap_or_default();
            let is_home = name.to_string_lossy().starts_with(HOME_PREFIX);
            if is_home && entry.age > UNUSED_HOME_MAX {
                fs::remove_dir_all(&entry.path)?;
            }
        }
        Ok(())
    }

    /// Looks how much lies apart, where much was written since it was looked.
    fn look_after(&self, written: u64) {
        {
            let until_look = self.until_look.lock();
            let mut until_look = until_look.unwrap_or_else(PoisonError::into_inner);
            match &mut *until_look {
                Some(left) if *left > written => {
                    *left -= written;
                    return;
                }
                spent => *spent = Some(LOOK_BYTES),
            }
        }
        if let Err(error) = self.bound_apart() {
            tracing::warn!(folder = %self.apart.display(), %error, "old compiled code could not be removed");
        }
    }

    /// Removes what is old, and then the oldest, until there is room for what is written before the next look.
    fn bound_apart(&self) -> io::Result<()> {
        let mut entries: Vec<Entry> = Entry::all(&self.apart)?.collect();
        entries.sort_unstable_by_key(|entry| entry.age);
        let mut bytes = 0;
        for entry in entries {
            bytes += entry.bytes;
            if entry.age > UNUSED_MAX || bytes > APART_MAX_BYTES - LOOK_BYTES {
                remove(&entry.path)?;
            }
        }
        Ok(())
    }

    fn named(&self) -> MutexGuard<'_, HashSet<Digest>> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file or folder in one of the folders.
struct Entry {
    path: PathBuf,
    bytes: u64,
    /// How long ago it was written or used.
    age: Duration,
}

impl Entry {
    /// Those of a folder; what vanishes meanwhile is left out.
    fn all(folder: &Path) -> io::Result<impl Iterator<Item = Self>> {
        let now = SystemTime::now();
        let entries = fs::read_dir(folder)?.map_while(Result::ok);
        Ok(entries.filter_map(move |entry| {
            let metadata = entry.metadata().ok()?;
            let age = now.duration_since(metadata.modified().ok()?);
            Some(Self {
                path: entry.path(),
                bytes: metadata.len(),
                age: age.unwrap_or_default(),
            })
        }))
    }
}

/// Notes that a file is used, so that it does not grow old.
pub(super) fn mark_used(file: &File) {
    let modified = file.metadata().and_then(|metadata| metadata.modified());
    let is_noted = modified.is_ok_and(|at| at.elapsed().unwrap_or_default() < USE_NOTED);
    if !is_noted {
        // It grows old, then, and is compiled again.
        let _ = file.set_modified(SystemTime::now());
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        // Another process was first.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(unix)]
fn create_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

#[cfg(not(unix))]
fn create_private(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

#[cfg(unix)]
fn check_private(folder: &Path) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::metadata(folder).map_err(|error| error.to_string())?;
    // A file made just now belongs to whoever runs this process.
    let probe = tempfile::NamedTempFile::new_in(folder)
        .and_then(|file| file.as_file().metadata())
        .map_err(|error| format!("it is not writable: {error}"))?;
    if metadata.uid() != probe.uid() {
        return Err("it belongs to another user; choose another folder".to_owned());
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(
            "others can write to it; run chmod 700 on it or choose another folder".to_owned(),
        );
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_private(_: &Path) -> Result<(), String> {
    Ok(())
}
