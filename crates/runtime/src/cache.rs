//! Compiled modules on disk, so that a restart does not compile again.
//!
//! A file's name is made of the module's digest and of everything in the engine that compiled code
//! depends on. Compiled code is trusted like the program itself, hence the private folder and the seal
//! ([`seal`]). Beside a module lies what became of it when its start was run in advance: a compiled module
//! that begins after it, or a text that says what was in the way within which limits. Where files lie, and
//! for how long, is a matter of [`folders`].

pub(crate) mod folders;
mod seal;

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;

use wasmtime::{Engine, Module};

use crate::cache::folders::Folders;
use crate::digest::Digest;
use crate::limits::Limits;

/// What the name of a module that begins after its start has more than that of the module.
const PREINITIALIZED: &str = "-preinit";
/// What the name of a text has that says why a module cannot be compiled.
const FAILURE: &str = "-failure-";
/// Most bytes of a text: far more than any of ours has.
const TEXT_MAX_BYTES: u64 = 64 * 1024;

/// What one engine has compiled.
pub(crate) struct Cache {
    folders: Arc<Folders>,
    engine_version: String,
}

impl Cache {
    pub(crate) fn new(folders: &Arc<Folders>, engine: &Engine) -> Self {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        // It decides what the start of a module is.
        env!("CARGO_PKG_VERSION").hash(&mut hasher);
        Self {
            folders: Arc::clone(folders),
            engine_version: format!("{:016x}", hasher.finish()),
        }
    }

    /// The compiled module, if it is here and of this engine.
    pub(crate) fn load(&self, engine: &Engine, digest: &Digest) -> Option<Module> {
        self.load_named(engine, &self.name(digest, ""))
    }

    /// The compiled module that begins after the start of this one.
    pub(crate) fn load_preinitialized(&self, engine: &Engine, digest: &Digest) -> Option<Module> {
        self.load_named(engine, &self.name(digest, PREINITIALIZED))
    }

    /// What kept the start of the module from being run in advance within these limits.
    pub(crate) fn hindrance(&self, digest: &Digest, limits: &Limits) -> Option<String> {
        self.text(&self.hindrance_name(digest, limits))
    }

    /// Whether a compiled module lies here.
    pub(crate) fn has(&self, digest: &Digest) -> bool {
        self.lies_here(&self.name(digest, ""))
    }

    /// Whether it is known what becomes of the start of the module within these limits.
    pub(crate) fn knows_start(&self, digest: &Digest, limits: &Limits) -> bool {
        self.lies_here(&self.name(digest, PREINITIALIZED))
            || self.hindrance(digest, limits).is_some()
    }

    /// What kept the module from being compiled within these bounds.
    pub(crate) fn failure(&self, digest: &Digest, bounds: &str) -> Option<String> {
        self.text(&self.failure_name(digest, bounds))
    }

    /// Keeps what is in the way of compiling the module within these bounds.
    pub(crate) fn store_failure(&self, reason: &str, digest: &Digest, bounds: &str) {
        let name = self.failure_name(digest, bounds);
        self.store_text(reason, digest, &name);
    }

    /// Keeps a compiled module. A failure costs the next start some time and nothing else.
    pub(crate) fn store(&self, module: &Module, digest: &Digest) {
        self.store_module(module, digest, &self.name(digest, ""));
    }

    /// Keeps the compiled module that begins after the start of this one.
    pub(crate) fn store_preinitialized(&self, module: &Module, digest: &Digest) {
        self.store_module(module, digest, &self.name(digest, PREINITIALIZED));
    }

    /// Keeps what is in the way of running the start of the module in advance.
    pub(crate) fn store_hindrance(&self, hindrance: &str, digest: &Digest, limits: &Limits) {
        let name = self.hindrance_name(digest, limits);
        self.store_text(hindrance, digest, &name);
    }

    /// Moves what is compiled of a module to the home's own folder.
    pub(crate) fn adopt(&self, digest: &Digest) {
        for form in ["", PREINITIALIZED] {
            self.folders.adopt(&self.name(digest, form));
        }
    }

    fn lies_here(&self, name: &str) -> bool {
        let mut folders = self.folders.all();
        folders.any(|folder| folder.join(name).exists())
    }

    /// A module in one of the folders, if it is whole, ours, and of this engine.
    fn load_named(&self, engine: &Engine, name: &str) -> Option<Module> {
        self.folders.all().find_map(|folder| {
            let path = folder.join(name);
            match self.load_sealed(engine, name, &path) {
                Ok(module) => Some(module),
                Err(Unusable::Missing) => None,
                Err(Unusable::Wrong(reason)) => {
                    let removed = fs::remove_file(&path);
                    tracing::warn!(file = %path.display(), reason, ?removed, "a file of compiled code is removed, and its module compiled again");
                    None
                }
            }
        })
    }

    /// Checks and maps one file, which is opened once: what was checked is what is mapped.
    #[expect(unsafe_code, reason = "compiled code cannot be checked, only trusted")]
    fn load_sealed(&self, engine: &Engine, name: &str, path: &Path) -> Result<Module, Unusable> {
        let file = File::open(path)?;
        if !self.folders.key.sealed(name, &file)? {
            return Err(Unusable::Wrong(
                "its seal is wrong: it is damaged, or was not written here".to_owned(),
            ));
        }
        folders::mark_used(&file);
        // SAFETY: deserializing trusts the file as it would trust code of this program. Its seal says
        // that this installation has written it, under this name. Between the check and the mapping
        // it is held open, and lies in a folder that only this user can write to; nothing of ours
        // writes to a file that is in its place. Wasmtime itself refuses another engine's file.
        let module = unsafe { Module::deserialize_open_file(engine, file) };
        module.map_err(|error| Unusable::Wrong(format!("{error:#}")))
    }

    fn store_module(&self, module: &Module, digest: &Digest, name: &str) {
        let bytes = module.serialize().map_err(|error| format!("{error:#}"));
        let written = bytes.and_then(|bytes| {
            let seal = self.folders.key.seal(name, &bytes);
            let written = self.folders.write(digest, name, &[&bytes, seal.as_ref()]);
            written.map_err(|error| error.to_string())
        });
        self.warn_of(written);
    }

    fn text(&self, name: &str) -> Option<String> {
        self.folders.all().find_map(|folder| {
            let mut text = String::new();
            let file = File::open(folder.join(name)).ok()?;
            folders::mark_used(&file);
            file.take(TEXT_MAX_BYTES).read_to_string(&mut text).ok()?;
            // A loss of power leaves an empty file.
            (!text.is_empty()).then_some(text)
        })
    }

    fn store_text(&self, text: &str, digest: &Digest, name: &str) {
        let written = self.folders.write(digest, name, &[text.as_bytes()]);
        self.warn_of(written.map_err(|error| error.to_string()));
    }

    fn warn_of(&self, written: Result<(), String>) {
        if let Err(reason) = written {
            tracing::warn!(folder = %self.folders.root().display(), reason, "a compiled module could not be cached");
        }
    }

    fn name(&self, digest: &Digest, form: &str) -> String {
        let version = &self.engine_version;
        format!("{digest}-{version}{form}.cwasm")
    }

    fn hindrance_name(&self, digest: &Digest, limits: &Limits) -> String {
        let (version, memory) = (&self.engine_version, limits.memory);
        let timeout = limits.timeout.as_millis();
        format!("{digest}-{version}{PREINITIALIZED}-{timeout}ms-{memory}B.txt")
    }

    fn failure_name(&self, digest: &Digest, bounds: &str) -> String {
        let version = &self.engine_version;
        format!("{digest}-{version}{FAILURE}{bounds}.txt")
    }
}

/// Why a file is not loaded.
enum Unusable {
    Missing,
    Wrong(String),
}

impl From<io::Error> for Unusable {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound => Self::Missing,
            _ => Self::Wrong(error.to_string()),
        }
    }
}
