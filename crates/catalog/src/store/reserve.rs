//! Room on the disk that is set aside, so that something can be removed when the disk is full: a removal has to
//! write the definition file that is left.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{Store, durable};

/// How much is set aside, in bytes: definition files and versions of most homes take less.
const RESERVE_BYTES: usize = 1024 * 1024;

impl Store {
    /// Gives the room back to the disk; whether there was any.
    pub(crate) fn free_reserve(&self) -> bool {
        std::fs::remove_file(self.reserve_file()).is_ok()
    }

    /// Sets the room aside where it is not, as long as any module is kept here. Without it the server works as
    /// well, until the disk is full.
    pub(crate) fn keep_reserve(&self) {
        let file = self.reserve_file();
        let modules = std::fs::read_dir(self.modules_folder());
        let kept = if modules.is_ok_and(|mut modules| modules.next().is_some()) {
            self.make_reserve(&file)
        } else {
            durable::remove(&file)
        };
        if let Err(error) = kept {
            tracing::warn!(file = %file.display(), %error, "no room could be set aside for removing something when the disk is full");
        }
    }

    fn make_reserve(&self, file: &Path) -> io::Result<()> {
        // A loss of power may leave an empty file.
        let is_whole = |metadata: std::fs::Metadata| metadata.len() >= RESERVE_BYTES as u64;
        if std::fs::metadata(file).is_ok_and(is_whole) {
            return Ok(());
        }
        // Not all zeros, which some file systems do not store.
        let bytes: Vec<u8> = (0..RESERVE_BYTES).map(|at| (at % 251) as u8).collect();
        let mut written = durable::temporary(&self.folder())?;
        written.write_all(&bytes)?;
        durable::place_unflushed(written, file)
    }

    fn reserve_file(&self) -> PathBuf {
        self.folder().join("reserve")
    }
}
