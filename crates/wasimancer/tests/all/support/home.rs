//! Homes: folders with plugins, resources and prompts.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tempfile::TempDir;

/// The folder of this crate's tests.
const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");

/// The home that the project shows to new users.
pub(crate) fn examples_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

/// The home that the conformance suite runs against: its plugins ask, tell and take their time.
pub(crate) fn fixtures_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance")
}

/// A module from its text.
pub(crate) fn assemble(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the test's module is well-formed")
}

/// The module behind the tools of the guest home.
pub(crate) fn guest_module() -> &'static [u8] {
    static MODULE: OnceLock<Vec<u8>> = OnceLock::new();
    MODULE.get_or_init(|| {
        assemble(
            &fs::read_to_string(format!("{TESTS}/guest/guest.wat")).expect("guest.wat is there"),
        )
    })
}

/// A home in a folder of its own, removed with it. `guest.wasm` lies in its plugins.
pub(crate) struct Home(TempDir);

impl Home {
    /// Nothing but the folders.
    pub(crate) fn new() -> Self {
        let home = Self(tempfile::tempdir().expect("a temporary folder"));
        home.file("plugins/guest.wasm", guest_module());
        for kind in ["resources", "prompts"] {
            fs::create_dir(home.path().join(kind)).expect("a new folder");
        }
        home
    }

    /// A home with these plugins alone.
    pub(crate) fn with_plugins(plugins_yml: &str) -> Self {
        let home = Self::new();
        home.file("plugins/plugins.yml", plugins_yml);
        home
    }

    /// A home with one tool, `get`, which asks a host of this machine.
    pub(crate) fn asking() -> Self {
        Self::with_plugins(
            "plugins:\n  - name: guest\n    path: guest.wasm\n    permissions: {network: [127.0.0.1]}\n    functions:\n      \
             - {displayName: get, function: get, inputSchema: {type: object}}\n",
        )
    }

    /// The definitions of `tests/guest`.
    pub(crate) fn guest() -> Self {
        let home = Self::new();
        for kind in ["plugins", "resources", "prompts"] {
            let file = format!("{kind}/{kind}.yml");
            home.file(
                &file,
                fs::read(format!("{TESTS}/guest/{file}")).expect("a definition file"),
            );
        }
        home
    }

    /// Writes a file.
    pub(crate) fn file(&self, path: &str, contents: impl AsRef<[u8]>) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().expect("a file in the home")).expect("a new folder");
        fs::write(path, contents).expect("a file can be written");
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}
