//! Compiled modules on disk, so that a restart does not compile again.
//!
//! The file's name is made of the module's digest and of everything in the engine that compiled
//! code depends on. Compiled code is trusted like the program itself, hence the private folder.
//! Beside a module lies what became of it when its start was run in advance: a compiled module that
//! begins after it, or a text that says what was in the way within which limits.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};

use wasmtime::{Engine, Module};

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::limits::Limits;

/// What the name of a module that begins after its start has more than that of the module.
const PREINITIALIZED: &str = "-preinit";

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
        // It decides what the start of a module is.
        env!("CARGO_PKG_VERSION").hash(&mut hasher);
        Ok(Self {
            folder: folder.to_owned(),
            engine_version: format!("{:016x}", hasher.finish()),
        })
    }

    /// The compiled module, if it is here and of this engine.
    pub(crate) fn load(&self, engine: &Engine, digest: &Digest) -> Option<Module> {
        load(engine, &self.path(digest, ""))
    }

    /// The compiled module that begins after the start of this one.
    pub(crate) fn load_preinitialized(&self, engine: &Engine, digest: &Digest) -> Option<Module> {
        load(engine, &self.path(digest, PREINITIALIZED))
    }

    /// What kept the start of the module from being run in advance within these limits.
    pub(crate) fn hindrance(&self, digest: &Digest, limits: &Limits) -> Option<String> {
        text(&self.hindrance_path(digest, limits))
    }

    /// Whether a compiled module lies here.
    pub(crate) fn has(&self, digest: &Digest) -> bool {
        self.path(digest, "").exists()
    }

    /// Whether it is known what becomes of the start of the module within these limits.
    pub(crate) fn knows_start(&self, digest: &Digest, limits: &Limits) -> bool {
        self.path(digest, PREINITIALIZED).exists() || self.hindrance(digest, limits).is_some()
    }

    /// What kept the module from being compiled within these bounds.
    pub(crate) fn failure(&self, digest: &Digest, bounds: &str) -> Option<String> {
        text(&self.failure_path(digest, bounds))
    }

    /// Keeps what is in the way of compiling the module within these bounds.
    pub(crate) fn store_failure(&self, reason: &str, digest: &Digest, bounds: &str) {
        let path = self.failure_path(digest, bounds);
        self.warn_of(self.write(&path, reason.as_bytes()));
    }

    /// Keeps a compiled module. A failure costs the next start some time and nothing else.
    pub(crate) fn store(&self, module: &Module, digest: &Digest) {
        self.store_module(module, &self.path(digest, ""));
    }

    /// Keeps the compiled module that begins after the start of this one.
    pub(crate) fn store_preinitialized(&self, module: &Module, digest: &Digest) {
        self.store_module(module, &self.path(digest, PREINITIALIZED));
    }

    /// Keeps what is in the way of running the start of the module in advance.
    pub(crate) fn store_hindrance(&self, hindrance: &str, digest: &Digest, limits: &Limits) {
        let path = self.hindrance_path(digest, limits);
        self.warn_of(self.write(&path, hindrance.as_bytes()));
    }

    fn store_module(&self, module: &Module, path: &Path) {
        let bytes = module.serialize().map_err(|error| format!("{error:#}"));
        self.warn_of(bytes.and_then(|bytes| self.write(path, &bytes)));
    }

    fn warn_of(&self, written: Result<(), String>) {
        if let Err(reason) = written {
            tracing::warn!(folder = %self.folder.display(), reason, "a compiled module could not be cached");
        }
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), String> {
        let mut file =
            tempfile::NamedTempFile::new_in(&self.folder).map_err(|error| error.to_string())?;
        file.write_all(bytes).map_err(|error| error.to_string())?;
        file.persist(path).map_err(|error| error.to_string())?;
        Ok(())
    }

    fn path(&self, digest: &Digest, form: &str) -> PathBuf {
        let version = &self.engine_version;
        self.folder.join(format!("{digest}-{version}{form}.cwasm"))
    }

    fn hindrance_path(&self, digest: &Digest, limits: &Limits) -> PathBuf {
        let (version, memory) = (&self.engine_version, limits.memory);
        let timeout = limits.timeout.as_millis();
        let name = format!("{digest}-{version}{PREINITIALIZED}-{timeout}ms-{memory}B.txt");
        self.folder.join(name)
    }

    fn failure_path(&self, digest: &Digest, bounds: &str) -> PathBuf {
        let version = &self.engine_version;
        self.folder
            .join(format!("{digest}-{version}-failure-{bounds}.txt"))
    }
}

/// The text in a file of the cache, if it is there.
fn text(path: &Path) -> Option<String> {
    // A loss of power leaves an empty file.
    fs::read_to_string(path)
        .ok()
        .filter(|text| !text.is_empty())
}

/// The module in a file of the cache, if it is there and usable.
#[expect(unsafe_code, reason = "compiled code cannot be checked, only trusted")]
fn load(engine: &Engine, path: &Path) -> Option<Module> {
    if !path.exists() {
        return None;
    }
    // SAFETY: deserializing trusts the file as it would trust code of this program. The file
    // lies in a folder that `open` found to be owned by this user and writable by no other,
    // and it was renamed into place complete; wasmtime itself refuses another engine's file.
    let module = unsafe { Module::deserialize_file(engine, path) };
    module
        .inspect_err(|error| {
            tracing::warn!(file = %path.display(), reason = %format!("{error:#}"), "a cached module is not usable and is compiled again");
        })
        .ok()
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
