//! What is kept on disk beside the definition files: the modules of all versions under their
//! digests, what is known of each version, and the module that is served at the place that its
//! definition names.
//!
//! A module is kept before a definition names it. The rest follows a definition that is committed,
//! and [`sweep`] makes up for what a killed process did not get to.

mod definitions;
mod durable;
mod place;
mod reserve;
mod sweep;
mod versions;
pub(crate) mod yaml_edit;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use wasimancer_runtime::Digest;

use crate::error::{Error, Result};
use crate::regular_file::{self, MODULE_MAX_BYTES};

pub(crate) use definitions::{Replacement, check_link};
pub(crate) use durable::MadeFolders;
pub(crate) use place::{Landing, Named, named_file, written};
pub(crate) use sweep::sweep;
pub use versions::Version;
pub(crate) use versions::{Published, Versions, pin, without_place};

/// The extension of a file of versions that cannot be read.
const DAMAGED_EXTENSION: &str = "damaged";
/// How often it is tried again to make the upload folder.
const FOLDER_TRIES: u32 = 3;
/// The folder inside the upload folder that holds all versions.
const VERSIONS_FOLDER: &str = ".versions";

/// The published modules of one plugins folder.
pub(crate) struct Store {
    /// The plugins folder.
    plugins: PathBuf,
    /// The upload folder, relative to the plugins folder.
    uploads: PathBuf,
}

/// A module that is being received, gone with its value unless it is kept.
pub struct Incoming {
    file: NamedTempFile,
    size_bytes: u64,
    /// What was made for it.
    folders: MadeFolders,
}

impl Incoming {
    /// Adds bytes at the end. Blocks.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file
            .write_all(bytes)
            .map_err(|source| Error::Storage {
                action: "written",
                path: self.file.path().to_owned(),
                source,
            })?;
        self.size_bytes += bytes.len() as u64;
        Ok(())
    }

    /// Bytes that were written so far.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The folders that were made for it, which stay no longer than what is answered.
    pub(crate) fn take_folders(&mut self) -> MadeFolders {
        std::mem::take(&mut self.folders)
    }

    /// The file, to be read from its beginning.
    pub(crate) fn open(&self) -> Result<File> {
        let file = self.file.reopen();
        file.map_err(storage("read", self.file.path()))
    }

    /// All bytes. Blocks.
    pub(crate) fn read(&self) -> Result<Vec<u8>> {
        fs::read(self.file.path()).map_err(|source| Error::Storage {
            action: "read",
            path: self.file.path().to_owned(),
            source,
        })
    }
}

/// A file that is on the disk, ready to be moved to its place.
pub(crate) struct Ready {
    file: NamedTempFile,
    path: PathBuf,
    /// What was made for it.
    _folders: MadeFolders,
}

impl Ready {
    /// Moves it to its place. The next start makes up for it where a loss of power undoes that.
    pub(crate) fn place(self) -> Result<()> {
        let placed = durable::place_unflushed(self.file, &self.path);
        placed.map_err(storage("written", &self.path))
    }

    /// Moves it to its place, where it stays.
    pub(crate) fn place_on_disk(self) -> Result<()> {
        durable::place(self.file, &self.path).map_err(storage("written", &self.path))
    }
}

impl Store {
    pub(crate) fn new(plugins: &Path, uploads: &Path) -> Self {
        Self {
            plugins: plugins.to_owned(),
            uploads: uploads.to_owned(),
        }
    }

    /// Begins to receive a module, in the upload folder.
    pub(crate) fn incoming(&self) -> Result<Incoming> {
        let folder = self.plugins.join(&self.uploads);
        let try_once = || -> io::Result<_> {
            let folders = durable::create_folder(&folder)?;
            Ok((durable::temporary(&folder)?, folders))
        };
        let mut begun = try_once();
        // Another request may have removed the folder that it had made, for nothing, in between.
        for _ in 0..FOLDER_TRIES {
            match &begun {
                Err(error) if error.kind() == ErrorKind::NotFound => begun = try_once(),
                _ => break,
            }
        }
        let (file, folders) = begun.map_err(storage("written to", &folder))?;
        Ok(Incoming {
            file,
            size_bytes: 0,
            folders,
        })
    }

    /// The module with a digest, if it is kept and whole.
    pub(crate) fn module(&self, digest: &Digest) -> io::Result<Option<Vec<u8>>> {
        match regular_file::read(&self.module_file(digest), MODULE_MAX_BYTES) {
            Ok(bytes) if Digest::of(&bytes) == *digest => Ok(Some(bytes)),
            Ok(_) => Err(io::Error::new(
                ErrorKind::InvalidData,
                format!("the file of the module {digest} holds other bytes"),
            )),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A module that is kept, to be read.
    pub(crate) fn open_module(&self, digest: &Digest) -> Result<File> {
        let file = self.module_file(digest);
        File::open(&file).map_err(storage("read", &file))
    }

    /// Whether a module is kept, and whole.
    pub(crate) fn keeps_whole(&self, digest: &Digest) -> bool {
        matches!(self.module(digest), Ok(Some(_)))
    }

    /// Makes sure that the modules that are kept stay so: a process that was killed may have moved one
    /// there without flushing the folder.
    pub(crate) fn flush_modules(&self) {
        durable::flush_folder(&self.modules_folder());
    }

    /// Keeps a module that was received.
    pub(crate) fn keep(&self, incoming: Incoming, digest: &Digest) -> Result<()> {
        let file = self.module_file(digest);
        let flushed = incoming.file.as_file().sync_all();
        let kept = flushed.and_then(|()| durable::place(incoming.file, &file));
        kept.map_err(storage("written", &file))
    }

    /// Keeps a module that was not published, but put into its place by hand.
    pub(crate) fn keep_bytes(&self, bytes: &[u8], digest: &Digest) -> Result<()> {
        let file = self.module_file(digest);
        durable::replace(&file, bytes).map_err(storage("written", &file))
    }

    /// Whether a module is kept.
    pub(crate) fn keeps(&self, digest: &Digest) -> bool {
        self.module_file(digest).is_file()
    }

    /// The versions of a plugin; none are known of one that was never published. A file that is
    /// damaged is set aside: the plugin can still be published.
    pub(crate) fn versions(&self, plugin: &str) -> Result<Versions> {
        let file = self.versions_file(plugin);
        match fs::read(&file) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                Self::set_aside(&file, &error);
                Versions::new(plugin)
            })),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Versions::new(plugin)),
            Err(source) => Err(storage("read", &file)(source)),
        }
    }

    fn set_aside(file: &Path, error: &serde_json::Error) {
        let aside = file.with_extension(DAMAGED_EXTENSION);
        let moved = fs::rename(file, &aside);
        tracing::error!(file = %file.display(), %error, ?moved, "the versions of a plugin cannot be read and are set aside; no module is removed while they are there");
    }

    /// Writes down the versions of a plugin.
    pub(crate) fn write_versions(&self, versions: &Versions) -> Result<()> {
        self.ready_versions(versions)?.place_on_disk()
    }

    /// Writes the versions of a plugin beside what is known of them.
    pub(crate) fn ready_versions(&self, versions: &Versions) -> Result<Ready> {
        let path = self.versions_file(&versions.plugin);
        let bytes = serde_json::to_vec(versions).map_err(io::Error::from);
        // A definition may hold secrets in its `config`.
        let written =
            bytes.and_then(|bytes| durable::written_private(&self.versions_folder(), &bytes));
        let file = written.map_err(storage("written", &path))?;
        Ok(Ready {
            file,
            path,
            _folders: MadeFolders::default(),
        })
    }

    /// Forgets the versions of a plugin.
    pub(crate) fn forget(&self, plugin: &str) -> Result<()> {
        let file = self.versions_file(plugin);
        durable::remove(&file).map_err(storage("removed", &file))
    }

    /// Removes the modules that nothing names: neither a version nor one of these. Where some
    /// versions cannot be read, nobody knows what they name. Answers what is named, where that is known.
    pub(crate) fn remove_modules_but(
        &self,
        pinned: &HashSet<Digest>,
    ) -> Result<Option<HashSet<Digest>>> {
        let (all, are_whole) = self.all_versions()?;
        if !are_whole {
            return Ok(None);
        }
        let mut named = pinned.clone();
        for versions in all {
            named.extend(versions.kept.iter().filter_map(Version::module));
        }
        let folder = self.modules_folder();
        self.try_remove_modules_but(&named)
            .map_err(storage("swept", &folder))?;
        Ok(Some(named))
    }

    fn try_remove_modules_but(&self, named: &HashSet<Digest>) -> io::Result<()> {
        for entry in durable::entries(&self.modules_folder())? {
            let path = entry?.path();
            let digest = path
                .file_stem()
                .and_then(|stem| stem.to_str()?.parse().ok());
            if digest.is_some_and(|digest: Digest| !named.contains(&digest)) {
                durable::remove(&path)?;
            }
        }
        Ok(())
    }

    /// The versions of all plugins, and whether those are all that there are.
    fn all_versions(&self) -> Result<(Vec<Versions>, bool)> {
        let folder = self.versions_folder();
        let mut all = Vec::new();
        let mut are_whole = true;
        let entries = durable::entries(&folder).map_err(storage("read", &folder))?;
        for entry in entries {
            let path = entry.map_err(storage("read", &folder))?.path();
            let is_aside = path.extension() == Some(DAMAGED_EXTENSION.as_ref());
            if path.extension() == Some("json".as_ref()) {
                let bytes = regular_file::read(&path, MODULE_MAX_BYTES);
                let bytes = bytes.map_err(storage("read", &path))?;
                match serde_json::from_slice(&bytes) {
                    Ok(versions) => all.push(versions),
                    Err(error) => {
                        Self::set_aside(&path, &error);
                        are_whole = false;
                    }
                }
            }
            are_whole &= !is_aside;
        }
        Ok((all, are_whole))
    }

    /// Makes the folders in which modules and versions are kept.
    pub(crate) fn create_folders(&self) -> Result<MadeFolders> {
        let folder = self.folder();
        let modules = durable::create_folder(&self.modules_folder());
        let both = modules.and_then(|modules| {
            let versions = durable::create_folder(&self.versions_folder())?;
            Ok(versions.after(modules))
        });
        both.map_err(storage("created", &folder))
    }

    /// The folder that is the store's own.
    fn folder(&self) -> PathBuf {
        self.plugins.join(&self.uploads).join(VERSIONS_FOLDER)
    }

    fn modules_folder(&self) -> PathBuf {
        self.folder().join("modules")
    }

    fn versions_folder(&self) -> PathBuf {
        self.folder().join("plugins")
    }

    fn module_file(&self, digest: &Digest) -> PathBuf {
        self.modules_folder().join(format!("{digest}.wasm"))
    }

    /// Names of plugins can be anything, names of files cannot.
    fn versions_file(&self, plugin: &str) -> PathBuf {
        let name = Digest::of(plugin.as_bytes());
        self.versions_folder().join(format!("{name}.json"))
    }
}

fn storage(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Storage {
        action,
        path,
        source,
    }
}
