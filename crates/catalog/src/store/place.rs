//! The file that a published plugin's definition names: chosen, put there, and taken away.

use std::collections::HashMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;
use wasimancer_runtime::Digest;

use super::{Store, VERSIONS_FOLDER, durable, storage};
use crate::definition::inside_folder;
use crate::error::{Error, Result};

/// Where a module is to land.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Landing {
    /// The folder below the upload folder; empty for the upload folder itself.
    folder: PathBuf,
    file_name: String,
}

impl Landing {
    /// Checks a file's name and the folder that a request asks for.
    ///
    /// # Errors
    /// When the name is none of a module, or either leaves the upload folder.
    pub(crate) fn new(file_name: &str, folder: Option<&str>) -> Result<Self> {
        let is_plain = Path::new(file_name).components().count() == 1
            && !file_name.contains(['/', '\\', '\0'])
            && !file_name.starts_with('.');
        if !is_plain || Path::new(file_name).extension() != Some("wasm".as_ref()) {
            return Err(Error::FileName {
                name: file_name.to_owned(),
            });
        }
        let outside = || Error::OutsideFolder {
            field: "dir",
            value: folder.unwrap_or_default().to_owned(),
        };
        let mut inside = PathBuf::new();
        for component in Path::new(folder.unwrap_or_default()).components() {
            match component {
                // What begins with a dot is the store's own.
                Component::Normal(part)
                    if !part.to_string_lossy().starts_with('.')
                        && !part.to_string_lossy().contains('\0') =>
                {
                    inside.push(part);
                }
                Component::CurDir => {}
                _ => return Err(outside()),
            }
        }
        Ok(Self {
            folder: inside,
            file_name: file_name.to_owned(),
        })
    }

    /// The place of a module that was published before, or put where it is by hand.
    pub(crate) fn again(path: &Path, uploads: &Path) -> Option<Self> {
        let folder = path.parent()?;
        Some(Self {
            folder: folder
                .strip_prefix(uploads)
                .unwrap_or(Path::new(""))
                .to_owned(),
            file_name: path.file_name()?.to_str()?.to_owned(),
        })
    }
}

/// The files that the definitions name, and the plugin that does.
pub(crate) type Named = HashMap<PathBuf, String>;

/// The file that a definition names, relative to the plugins folder.
pub(crate) fn named_file(definition: &Value) -> Option<PathBuf> {
    inside_folder(definition.get("path")?.as_str()?)
}

impl Store {
    /// The path for a plugin's module, relative to the plugins folder. A file that is another's, or
    /// that somebody put there, is not overwritten: the digest tells the new one from it.
    pub(crate) fn land(
        &self,
        landing: &Landing,
        plugin: &str,
        digest: &Digest,
        named: &Named,
    ) -> PathBuf {
        let folder = self.uploads.join(&landing.folder);
        let stem = landing.file_name.trim_end_matches(".wasm");
        let digits = digest.to_string();
        let candidates = [
            landing.file_name.clone(),
            format!("{stem}-{}.wasm", &digits[..8]),
            format!("{stem}-{digits}.wasm"),
        ];
        let is_free = |inside: &PathBuf| match named.get(inside) {
            Some(owner) => owner == plugin,
            None => match fs::read(self.plugins.join(inside)) {
                Ok(bytes) => Digest::of(&bytes) == *digest,
                Err(_) => !self.plugins.join(inside).exists(),
            },
        };
        let mut paths = candidates.iter().map(|name| folder.join(name));
        let free = paths.find(is_free);
        free.unwrap_or_else(|| folder.join(&candidates[2]))
    }

    /// Puts a copy of a module that is kept where its definition names it, for people and for
    /// programs that look there. What is served is the module that is kept.
    pub(crate) fn put(&self, inside: &Path, digest: &Digest) -> Result<()> {
        let path = self.plugins.join(inside);
        let folder = path.parent().unwrap_or(&self.plugins);
        let copied = durable::create_folder(folder).and_then(|()| {
            let uploads = self.plugins.join(&self.uploads);
            let copy = durable::temporary(&uploads)?;
            fs::copy(self.module_file(digest), copy.path())?;
            durable::place(copy, &path)
        });
        copied.map_err(storage("written", &path))
    }

    /// Takes away the file of a plugin that was removed or moved, as long as it holds the module
    /// that was published there, or lies in the upload folder.
    pub(crate) fn take_away(&self, inside: &Path, digest: &Digest) -> Result<()> {
        let path = self.plugins.join(inside);
        let is_ours = inside.starts_with(&self.uploads)
            && fs::read(&path).is_ok_and(|bytes| Digest::of(&bytes) == *digest);
        if !is_ours {
            return Ok(());
        }
        durable::remove(&path).map_err(storage("removed", &path))?;
        // A folder that a request asked for goes with its last file; one that is not empty stays.
        let uploads = self.plugins.join(&self.uploads);
        let folders = path.ancestors().skip(1);
        let below = folders.take_while(|folder| *folder != uploads && folder.starts_with(&uploads));
        for folder in below {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Whether a file is one that the server keeps for itself.
    pub(crate) fn is_own(&self, path: &Path) -> bool {
        path.starts_with(self.plugins.join(&self.uploads).join(VERSIONS_FOLDER))
            || path.file_name().is_some_and(|name| {
                name.to_string_lossy()
                    .starts_with(durable::TEMPORARY_PREFIX)
            })
    }

    pub(crate) fn uploads(&self) -> &Path {
        &self.uploads
    }
}

/// How a definition writes a path inside the plugins folder.
pub(crate) fn written(inside: &Path) -> String {
    let parts: Vec<_> = inside
        .components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    format!("./{}", parts.join("/"))
}
