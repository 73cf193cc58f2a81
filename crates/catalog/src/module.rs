//! Where the bytes of a plugin's module come from.

use std::borrow::Cow;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use wasimancer_runtime::Digest;

use crate::regular_file::{self, MODULE_MAX_BYTES};
use crate::store::Store;

/// What tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    bytes: u64,
    modified: Option<SystemTime>,
    inode: u64,
}

impl Stamp {
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Self {
            bytes: metadata.len(),
            modified: metadata.modified().ok(),
            inode: inode(&metadata),
        })
    }
}

#[cfg(unix)]
fn inode(metadata: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn inode(_: &fs::Metadata) -> u64 {
    0
}

/// What tells whether a plugin's module is still the one that was compiled.
pub(crate) enum Identity {
    /// The definition pins its bytes.
    Pinned,
    /// The file was in this state.
    File { path: PathBuf, stamp: Stamp },
}

impl Identity {
    /// Whether the module is what it was, as long as the definition is.
    pub(crate) fn holds(&self) -> bool {
        match self {
            Self::Pinned => true,
            Self::File { path, stamp } => Stamp::of(path).is_ok_and(|found| found == *stamp),
        }
    }
}

/// A module that was found.
pub(crate) struct Found<'a> {
    pub(crate) bytes: Cow<'a, [u8]>,
    pub(crate) identity: Identity,
    /// Whether the file at `path` holds these bytes, and not the store alone.
    pub(crate) in_place: bool,
}

impl<'a> Found<'a> {
    /// A module that is about to be published, under its digest.
    pub(crate) fn given(bytes: &'a [u8]) -> Self {
        Self {
            bytes: Cow::Borrowed(bytes),
            identity: Identity::Pinned,
            in_place: false,
        }
    }

    /// Reads the module of a definition. A pinned one is what has the digest: the file, or what the
    /// store keeps.
    ///
    /// # Errors
    /// Why there is none, as a sentence.
    pub(crate) fn read(path: PathBuf, pin: Option<Digest>, store: &Store) -> Result<Self, String> {
        let unreadable = |error: &io::Error| format!("{} cannot be read: {error}", path.display());
        let Some(pin) = pin else {
            // The stamp comes first: a file that is replaced meanwhile is noticed.
            let stamp = Stamp::of(&path).map_err(|error| unreadable(&error))?;
            let bytes =
                regular_file::read(&path, MODULE_MAX_BYTES).map_err(|error| unreadable(&error))?;
            return Ok(Self {
                bytes: Cow::Owned(bytes),
                identity: Identity::File { path, stamp },
                in_place: true,
            });
        };
        let found = |bytes, in_place| Self {
            bytes: Cow::Owned(bytes),
            identity: Identity::Pinned,
            in_place,
        };
        let file = regular_file::read(&path, MODULE_MAX_BYTES);
        let other_bytes = match file {
            Ok(bytes) if Digest::of(&bytes) == pin => return Ok(found(bytes, true)),
            Ok(_) => format!(
                "{} is not the module with the digest that is pinned: publish it with PUT /update-plugin, or remove `digest`",
                path.display()
            ),
            Err(error) => unreadable(&error),
        };
        match store.module(&pin) {
            Ok(Some(bytes)) => Ok(found(bytes, false)),
            Ok(None) => Err(other_bytes),
            Err(error) => Err(format!("the published module cannot be read: {error}")),
        }
    }
}
