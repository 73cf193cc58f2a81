//! The commit of a publication: a definition file is replaced by a rename.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

use tempfile::NamedTempFile;

use super::{durable, storage};
use crate::error::{Error, Result};
use crate::home::Kind;
use crate::regular_file::{self, DEFINITION_MAX_BYTES};
use crate::yaml;

/// What a definition file is to be, on the disk beside it.
pub(crate) struct Replacement {
    file: NamedTempFile,
    path: PathBuf,
}

impl Replacement {
    /// Writes the text that is to be the file's.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn new(kind: &Kind, text: &str) -> Result<Self> {
        let path = target(kind);
        let folder = path.parent().unwrap_or(&kind.folder);
        // Nothing of its kind was there so far.
        fs::create_dir_all(folder).map_err(storage("made", folder))?;
        let written = if path.exists() {
            // It may be a secret from others, and must not be less of one for a moment.
            durable::written_private(folder, text.as_bytes()).and_then(|file| {
                durable::inherit_ownership(&file, &path)?;
                Ok(file)
            })
        } else {
            durable::written(folder, text.as_bytes())
        };
        let file = written.map_err(storage("written", &path))?;
        Ok(Self { file, path })
    }

    /// Puts it in the place of the text that was read. Without an error the change is made, and on the
    /// disk unless the log says that it could not be flushed; with one the file is as it was.
    ///
    /// # Errors
    /// When somebody else has changed the file since it was read, or the disk refuses.
    pub(crate) fn commit(self, read: &str) -> Result<()> {
        let Self { file, path } = self;
        // As late as can be: whoever edits the file by hand must not lose what they wrote.
        let found = match regular_file::read_text(&path, DEFINITION_MAX_BYTES) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(source) => return Err(Error::Unreadable { path, source }),
        };
        if found != read {
            return Err(Error::ChangedMeanwhile { path });
        }
        durable::place(file, &path).map_err(storage("replaced", &path))
    }
}

/// The file itself where the kind names a link to it, so that the link stays one.
fn target(kind: &Kind) -> PathBuf {
    let path = kind.file();
    fs::canonicalize(&path).unwrap_or(path)
}

/// Refuses to write through a link to what may be somebody else's: any other than a file of the server's own
/// user that holds this list already. `read` is the file's text.
///
/// # Errors
/// [`Error::Linked`], with what is in the way.
pub(crate) fn check_link(kind: &Kind, list: &str, read: &str) -> Result<()> {
    let path = kind.file();
    if !fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink()) {
        return Ok(());
    }
    let reason = match fs::metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => "which is not there",
        Err(source) => return Err(Error::Unreadable { path, source }),
        Ok(metadata) if !is_own(&metadata) => "which is not a file of the server's own user",
        Ok(_) if is_root() => "and the server runs as root",
        Ok(_) if !holds(list, read) => "which is no definition file of this kind",
        Ok(_) => return Ok(()),
    };
    let target = fs::canonicalize(&path).or_else(|_| fs::read_link(&path));
    Err(Error::Linked {
        target: target.unwrap_or_default(),
        path,
        reason,
    })
}

/// Whether a text is that of a definition file with this list.
fn holds(list: &str, text: &str) -> bool {
    yaml::parse("", text).is_ok_and(|root| root.get(list).is_some())
}

#[cfg(unix)]
fn is_own(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    metadata.is_file() && metadata.uid() == rustix::process::geteuid().as_raw()
}

#[cfg(not(unix))]
fn is_own(metadata: &fs::Metadata) -> bool {
    metadata.is_file()
}

#[cfg(unix)]
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(not(unix))]
fn is_root() -> bool {
    false
}

/// Removes what a killed process left beside the definition file.
pub(crate) fn sweep(kind: &Kind) -> io::Result<()> {
    let path = target(kind);
    durable::sweep_temporary(path.parent().unwrap_or(&kind.folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition_file::DefinitionFile;

    /// Replaces what was read of the file by another text.
    fn commit(kind: &Kind, read: &DefinitionFile, text: &str) -> Result<()> {
        Replacement::new(kind, text)?.commit(&read.text)
    }

    fn kind(folder: &tempfile::TempDir) -> Kind {
        Kind {
            folder: folder.path().to_owned(),
            definition_file: "plugins.yml".to_owned(),
        }
    }

    fn files(folder: &tempfile::TempDir) -> Vec<std::ffi::OsString> {
        let entries = fs::read_dir(folder.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn a_file_that_was_changed_between_read_and_write_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let kind = kind(&folder);
        for (read, changed) in [
            ("plugins: []\n", Some("plugins: [] # mine\n")),
            ("plugins: []\n", None),
            ("", Some("plugins: []\n")),
        ] {
            let _ = fs::remove_file(kind.file());
            if !read.is_empty() {
                fs::write(kind.file(), read).unwrap();
            }
            let found = DefinitionFile::read(&kind).unwrap();
            match changed {
                Some(changed) => fs::write(kind.file(), changed).unwrap(),
                None => fs::remove_file(kind.file()).unwrap(),
            }
            let refused = commit(&kind, &found, "plugins:\n  - name: new\n");
            assert!(matches!(refused, Err(Error::ChangedMeanwhile { .. })));
            assert_eq!(fs::read_to_string(kind.file()).ok().as_deref(), changed);
            assert_eq!(files(&folder).len(), usize::from(changed.is_some()));
        }
    }

    #[test]
    fn a_file_that_was_read_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let kind = kind(&folder);
        let none = DefinitionFile::read(&kind).unwrap();
        commit(&kind, &none, "plugins: []\n").unwrap();
        let first = DefinitionFile::read(&kind).unwrap();
        assert_eq!(first.text, "plugins: []\n");
        commit(&kind, &first, "plugins:\n").unwrap();
        assert_eq!(fs::read_to_string(kind.file()).unwrap(), "plugins:\n");
        assert_eq!(files(&folder).len(), 1, "no temporary file stays");
    }
}
