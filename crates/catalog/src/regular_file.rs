//! Reading files that somebody else has put there: whatever lies at a path, nothing hangs and memory is
//! bounded.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// Most bytes of a definition file: a thousand plugins with large schemas have a few megabytes.
pub(crate) const DEFINITION_MAX_BYTES: u64 = 16 * 1024 * 1024;
/// Most bytes of a module: four times the largest public ones, which are interpreters.
pub(crate) const MODULE_MAX_BYTES: u64 = 256 * 1024 * 1024;

/// The bytes of a regular file, or of one that a link leads to.
///
/// # Errors
/// Also where it is a folder, a pipe or a device, or has more bytes.
pub(crate) fn read(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        let found = if metadata.is_dir() {
            "folder"
        } else {
            "pipe or a device"
        };
        return Err(io::Error::other(format!(
            "it is a {found}, and must be a regular file"
        )));
    }
    let mut bytes = Vec::new();
    // A file may grow while it is read.
    file.take(max_bytes.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        return Err(io::Error::new(
            ErrorKind::FileTooLarge,
            format!("it has more than {max_bytes} bytes"),
        ));
    }
    Ok(bytes)
}

/// The text of a regular file, or of one that a link leads to.
///
/// # Errors
/// Also where it is a folder, a pipe or a device, has more bytes, or is no UTF-8.
pub fn read_text(path: &Path, max_bytes: u64) -> io::Result<String> {
    let text = String::from_utf8(read(path, max_bytes)?);
    text.map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        io::Error::new(
            ErrorKind::InvalidData,
            format!("it is no UTF-8: byte {at} is not part of any character"),
        )
    })
}

/// Opens a file without waiting for whoever writes to a pipe.
#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags, open};

    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(File::from(open(path, flags, Mode::empty())?))
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(path: &Path) -> String {
        read(path, 100).expect_err("it is refused").to_string()
    }

    #[test]
    fn only_regular_files_are_read_and_not_too_much_of_them() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("file");
        std::fs::write(&file, [b'x'; 100]).expect("it is written");
        assert_eq!(read(&file, 100).expect("it is read").len(), 100);
        assert_eq!(
            read(&file, 99).expect_err("too large").kind(),
            ErrorKind::FileTooLarge
        );
        assert!(refused(folder.path()).contains("a folder"));
        #[cfg(target_os = "linux")]
        {
            assert!(refused(Path::new("/dev/zero")).contains("device"));
            let pipe = folder.path().join("pipe");
            let made = std::process::Command::new("mkfifo").arg(&pipe).status();
            assert!(made.expect("mkfifo runs").success());
            assert!(refused(&pipe).contains("a pipe"));
        }
        std::fs::write(&file, b"ab\xffc").expect("it is written");
        let error = read_text(&file, 100).expect_err("it is no text");
        assert!(error.to_string().contains("byte 2"), "{error}");
    }
}
