//! Files that are written whole or not at all: a temporary one beside them, fsync, rename, fsync of
//! the folder.

use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

/// How the names of temporary files begin. A file of such a name that nobody holds is a leftover of
/// a process that was killed.
pub(super) const TEMPORARY_PREFIX: &str = ".wasimancer-";

/// A new temporary file in a folder, removed unless it is persisted.
pub(super) fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    builder.prefix(TEMPORARY_PREFIX);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// The same with these bytes, on the disk.
pub(super) fn written(folder: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = temporary(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Moves a file that is on the disk to its place. Once it is there it stays, so what fails after
/// that is no error.
pub(super) fn place(file: NamedTempFile, path: &Path) -> io::Result<()> {
    place_unflushed(file, path)?;
    if let Some(folder) = path.parent() {
        flush_folder(folder);
    }
    Ok(())
}

/// Flushes a folder whose files are in their places, which not every disk can.
pub(super) fn flush_folder(folder: &Path) {
    if let Err(error) = sync_folder(folder) {
        tracing::warn!(folder = %folder.display(), %error, "a folder could not be flushed to the disk: a power failure may undo the last change");
    }
}

/// The same for what the next start makes up for: a loss of power may bring back what was in its place.
pub(super) fn place_unflushed(file: NamedTempFile, path: &Path) -> io::Result<()> {
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Replaces a file by these bytes.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    place(written(folder, bytes)?, path)
}

/// A new temporary file with these bytes, on the disk, that nobody else may read at any moment.
pub(super) fn written_private(folder: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    // Temporary files are private unless they are made otherwise.
    let mut file = Builder::new()
        .prefix(TEMPORARY_PREFIX)
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Gives a file the owner, the group and the permissions of the one that it is to replace, where there is one.
pub(super) fn inherit_ownership(file: &NamedTempFile, from: &Path) -> io::Result<()> {
    match fs::metadata(from) {
        Ok(metadata) => inherit(file, &metadata, from),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn inherit(file: &NamedTempFile, before: &Metadata, from: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};

    let file = file.as_file();
    let now = file.metadata()?;
    let (owner, group) = (before.uid(), before.gid());
    let mut mode = before.mode() & 0o777;
    let has_owner = owner == now.uid() || fchown(file, Some(owner), None).is_ok();
    let has_group = group == now.gid() || fchown(file, None, Some(group)).is_ok();
    if !has_owner {
        tracing::warn!(file = %from.display(), owner, "the file belongs to the server's user from now on, since only root can give it back to its owner");
    }
    if !has_group {
        tracing::warn!(file = %from.display(), group, "the file has the server's group from now on, which may do no more with it than everybody: the server is not in its group");
        mode = mode & !0o070 | (mode & 0o007) << 3;
    }
    file.set_permissions(PermissionsExt::from_mode(mode))
}

#[cfg(not(unix))]
fn inherit(file: &NamedTempFile, before: &Metadata, _: &Path) -> io::Result<()> {
    file.as_file().set_permissions(before.permissions())
}

/// Folders that were made for something that may come to nothing: those that are empty in the end are
/// removed again.
#[derive(Default)]
pub(crate) struct MadeFolders(Vec<PathBuf>);

impl MadeFolders {
    /// Those that were made before these.
    pub(crate) fn after(mut self, mut earlier: Self) -> Self {
        earlier.0.append(&mut self.0);
        earlier
    }
}

impl Drop for MadeFolders {
    fn drop(&mut self) {
        let mut innermost_first = self.0.iter().rev();
        // One that is not empty stays, and so do those above it.
        let _ = innermost_first.try_for_each(fs::remove_dir);
    }
}

/// Creates a folder and those above it, on the disk.
pub(super) fn create_folder(folder: &Path) -> io::Result<MadeFolders> {
    let mut made = MadeFolders::default();
    create_inside(folder, &mut made)?;
    Ok(made)
}

fn create_inside(folder: &Path, made: &mut MadeFolders) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent().unwrap_or(Path::new("."));
    create_inside(above, made)?;
    match fs::create_dir(folder) {
        Ok(()) => {
            made.0.push(folder.to_owned());
            sync_folder(above)
        }
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists || !folder.is_dir() => {
            Err(error)
        }
        Err(_) => Ok(()),
    }
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes the temporary files that a killed process left in a folder.
pub(super) fn sweep_temporary(folder: &Path) -> io::Result<()> {
    for entry in entries(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(TEMPORARY_PREFIX) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// What is in a folder; nothing where there is no such folder.
pub(super) fn entries(folder: &Path) -> io::Result<impl Iterator<Item = io::Result<fs::DirEntry>>> {
    match fs::read_dir(folder) {
        Ok(entries) => Ok(Some(entries).into_iter().flatten()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None.into_iter().flatten()),
        Err(error) => Err(error),
    }
}

/// Flushes what was moved into a folder, or out of it.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    File::open(folder)?.sync_all()
}
