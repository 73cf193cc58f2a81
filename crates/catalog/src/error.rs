//! What can be wrong with definitions, and with loading them.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

use wasimancer_runtime::{Digest, Escaped};

use crate::store::yaml_edit::EditError;

/// The result of this crate's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why definitions could not be loaded, or a change not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A definition file could not be read.
    #[error("{}: cannot be read: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// A definition file is not what its kind wants as a whole: no YAML, or another shape.
    #[error("{0}")]
    Malformed(Box<Problem>),

    /// The definition of a change is wrong.
    #[error("{}", list(.problems))]
    Invalid {
        /// Everything that is wrong with it.
        problems: Vec<Problem>,
    },

    /// A definition file was edited by hand and would take what is served out of service.
    #[error("the definition file was edited and is not loaded: {}", list(.problems))]
    InvalidEdit {
        /// What is wrong with entries that nothing was wrong with before.
        problems: Vec<Problem>,
    },

    /// A definition file that had entries is empty or gone.
    #[error(
        "{file} is empty or gone: write an empty list, such as `plugins: []`, to serve nothing"
    )]
    Emptied {
        /// The file's name.
        file: String,
    },

    /// Another process publishes plugins to this home.
    #[error("another server publishes plugins to {}: publish there, or stop it", .folder.display())]
    Shared {
        /// The plugins folder.
        folder: PathBuf,
    },

    /// The file's name is none of a module.
    #[error(
        "the file name {name:?} is none of a module: name it like plugin.wasm, without a folder"
    )]
    FileName {
        /// The name.
        name: String,
    },

    /// The file is WebAssembly in its text format.
    #[error(
        "{name:?} is WebAssembly's text format: send the module that is assembled from it, such as by `wat2wasm {name}`"
    )]
    TextModule {
        /// The file's name.
        name: String,
    },

    /// A path leaves the folder in which it must stay.
    #[error("`{field}` is {value:?}, which leaves its folder: name a place inside it")]
    OutsideFolder {
        /// `dir` or `path`.
        field: &'static str,
        /// Its value.
        value: String,
    },

    /// A folder below the upload folder that is too long or too deep.
    #[error("`dir` has more than {bytes} bytes or {folders} folders: name a shorter one")]
    DeepFolder {
        /// Most bytes that it may have.
        bytes: usize,
        /// Most folders inside each other.
        folders: usize,
    },

    /// The definition file is a link to what may be somebody else's.
    #[error(
        "{} is a link to {}, {reason}: put the file itself there, or set `follow_links = true`, which lets the server replace what it leads to",
        .path.display(),
        .target.display()
    )]
    Linked {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
        /// What is in the way.
        reason: &'static str,
    },

    /// There is no entry of this name.
    #[error("there is no {kind} {name:?}")]
    NotFound {
        /// `plugin`, `resource` or `prompt`.
        kind: &'static str,
        /// The name.
        name: String,
    },

    /// The name of the entry to change and the name in its new definition differ.
    #[error("the URL names {url:?} and the body {body:?}: an entry keeps its name")]
    NameMismatch {
        /// The name in the URL.
        url: String,
        /// The name in the body.
        body: String,
    },

    /// Plugins, resources or prompts are not served at all.
    #[error("{kind}s are switched off on this server: their path is empty")]
    SwitchedOff {
        /// `plugin`, `resource` or `prompt`.
        kind: &'static str,
    },

    /// The catalogue is at another revision than the one that the change was made for.
    #[error("the catalogue has changed: its revision is {revision} now; look at it and try again")]
    Outdated {
        /// The revision that is served.
        revision: Digest,
    },

    /// Somebody has edited a definition file between the moment it was read and that of its commit.
    #[error("{} was changed by somebody else meanwhile, and is left as it is: try again", .path.display())]
    ChangedMeanwhile {
        /// The file.
        path: PathBuf,
    },

    /// The definition file cannot be edited in place.
    #[error("{0}")]
    NotEditable(Box<EditError>),

    /// There is no such version to roll back to.
    #[error(
        "plugin {plugin:?} has no {}: {}",
        .wanted.as_ref().map_or_else(|| "earlier version".to_owned(), |wanted| format!("other version {wanted:?}")),
        kept(.known)
    )]
    UnknownVersion {
        /// The plugin.
        plugin: String,
        /// The version or digest that was asked for; none for the previous one.
        wanted: Option<String>,
        /// Digests and versions that there are.
        known: Vec<String>,
    },

    /// A module that a version names is gone.
    #[error("the module {digest} is not kept any more")]
    ModuleGone {
        /// The digest of the module.
        digest: Digest,
    },

    /// The disk refused.
    #[error("{} cannot be {action}: {source}{}", .path.display(), remedy(.source.kind()))]
    Storage {
        /// What was to be done with it: `written`, `read`, …
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// Whether the disk has no room.
    pub(crate) fn is_full_disk(&self) -> bool {
        let full = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded];
        matches!(self, Self::Storage { source, .. } if full.contains(&source.kind()))
    }
}

impl From<EditError> for Error {
    fn from(error: EditError) -> Self {
        Self::NotEditable(Box::new(error))
    }
}

fn list(problems: &[Problem]) -> String {
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    problems.join("; ")
}

fn kept(versions: &[String]) -> String {
    if versions.is_empty() {
        "none is kept".to_owned()
    } else {
        format!("kept are {}", versions.join(", "))
    }
}

fn remedy(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            "; make room on the disk and try again"
        }
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => {
            "; let the server write there"
        }
        ErrorKind::ResourceBusy => "; mount its folder instead of the single file",
        _ => "",
    }
}

/// What a problem is a matter of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// How the definition is written.
    Definition,
    /// Another entry of its kind has the name.
    NameTaken,
    /// Another tool has the name.
    ToolNameTaken,
    /// Another resource has the URI.
    UriTaken,
    /// The module: it cannot be read or compiled, or lacks what the definition names.
    Module,
    /// The server's memory: the module finds no room to be compiled in, now.
    ServerMemory,
}

/// One thing that is wrong with one field of one definition.
///
/// Displayed as `plugins.yml:12: plugin "dice": limits.timeout: "30 parsecs" …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What it is a matter of.
    pub cause: Cause,
    /// The definition file's name.
    pub file: String,
    /// Line in the file, from 1; none for a definition that came from elsewhere.
    pub line: Option<usize>,
    /// The entry, by kind and name: `plugin "dice"`.
    pub entry: String,
    /// The field's path in the entry.
    pub field: String,
    /// What is wrong with which value, and the remedy.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", Escaped(&self.file))?;
        if let Some(line) = self.line {
            write!(out, ":{line}")?;
        }
        for part in [&self.entry, &self.field] {
            if !part.is_empty() {
                write!(out, ": {}", Escaped(part))?;
            }
        }
        write!(out, ": {}", Escaped(&self.message))
    }
}
