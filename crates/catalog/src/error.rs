//! What can be wrong with definitions, and with loading them.

use std::fmt;
use std::path::PathBuf;

/// The result of this crate's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why nothing could be loaded at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A definition file could not be read.
    #[error("{}: cannot be read: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },

    /// A definition file is not what its kind wants as a whole: no YAML, or another shape.
    #[error("{0}")]
    Malformed(Problem),
}

/// One thing that is wrong with one field of one definition.
///
/// Displayed as `plugins.yml:12: plugin "dice": limits.timeout: "30 parsecs" …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
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
        out.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(out, ":{line}")?;
        }
        for part in [&self.entry, &self.field] {
            if !part.is_empty() {
                write!(out, ": {part}")?;
            }
        }
        write!(out, ": {}", self.message)
    }
}
