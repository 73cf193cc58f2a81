//! Compiled modules on disk, so that a restart does not compile again.
//!
//! The file's name is made of the module's digest and of everything in the engine that compiled
//! code depends on. Compiled code is trusted like the program itself, hence the private folder.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};

use wasmtime::{Engine, Module};

use crate::digest::Digest;
use crate::error::{Error, Result};

/// The folder of compiled modules.
pub(crate) struct Cache {
    folder: PathBuf,
    engine_version: String,
}

impl Cache {
    /// Creates the folder where it is missing and refuses one that others can write to.
    pub(crate) fn open(folder: &Path, engine: &Engine) -> Result<Self> {
        let failed = |reason: String| Error::Cache {
            folder: folder.display().to_string(),
            reason,
        };
        create_private(folder).map_err(|error| failed(error.to_string()))?;
        check_private(folder).map_err(failed)?;
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Self {
            folder: folder.to_owned(),
            engine_version: format!("{:016x}", hasher.finish()),
        })
    }

    /// The compiled module, if it is here and of this engine.
    #[expect(unsafe_code, reason = "compiled code cannot be checked, only trusted")]
    pub(crate) fn load(&self, engine: &Engine, digest: &Digest) -> Option<Module> {
        let path = self.path(digest);
        if !path.exists() {
            return None;
        }
        // SAFETY: deserializing trusts the file as it would trust code of this program. The file
        // lies in a folder that `open` found to be owned by this user and writable by no other,
        // and it was renamed into place complete; wasmtime itself refuses another engine's file.
        let module = unsafe { Module::deserialize_file(engine, &path) };
        module
            .inspect_err(|error| {
                tracing::warn!(file = %path.display(), reason = %format!("{error:#}"), "a cached module is not usable and is compiled again");
            })
            .ok()
    }

    /// Keeps a compiled module. A failure costs the next start some time and nothing else.
    pub(crate) fn store(&self, module: &Module, digest: &Digest) {
        if let Err(reason) = self.try_store(module, digest) {
            tracing::warn!(folder = %self.folder.display(), reason, "a compiled module could not be cached");
        }
    }

    fn try_store(&self, module: &Module, digest: &Digest) -> Result<(), String> {
        let bytes = module.serialize().map_err(|error| format!("{error:#}"))?;
        let mut file =
            tempfile::NamedTempFile::new_in(&self.folder).map_err(|error| error.to_string())?;
        file.write_all(&bytes).map_err(|error| error.to_string())?;
        file.persist(self.path(digest))
            .map_err(|error| error.to_string())?;
        Ok(())
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.folder
            .join(format!("{digest}-{}.cwasm", self.engine_version))
    }
}

#[cfg(unix)]
fn create_private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

#[cfg(not(unix))]
fn create_private(folder: &Path) -> std::io::Result<()> {
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
