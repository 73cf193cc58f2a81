//! The file that a published plugin's definition names: chosen, put there, and taken away.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;
use tempfile::NamedTempFile;
use wasimancer_runtime::Digest;

use super::{Incoming, Ready, Store, Version, Versions, durable, storage};
use crate::definition::inside_folder;
use crate::error::{Error, Result};
use crate::plugin::ServedPlugin;
use crate::regular_file::{self, MODULE_MAX_BYTES};

/// What names of modules end with.
const EXTENSION: &str = "wasm";
/// Longest name of a file or folder, in bytes: that of common file systems.
const COMPONENT_MAX_BYTES: usize = 255;
/// Most bytes of the `dir` that a request asks for, and most folders in it: each is made and flushed.
const DIR_MAX_BYTES: usize = 1024;
const DIR_MAX_FOLDERS: usize = 32;
/// Bytes that a name must leave for the digest that tells it from others.
const DIGEST_SUFFIX_BYTES: usize = 80;

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
        let wrong = || Error::FileName {
            name: file_name.to_owned(),
        };
        // Some programs send the path of the file on a Windows machine, whose last part is its name.
        let name = file_name.rsplit('\\').next().unwrap_or_default();
        let is_plain = Path::new(name).components().count() == 1
            && !name.contains(['/', '\0'])
            && !name.starts_with('.')
            && name.len() <= COMPONENT_MAX_BYTES - DIGEST_SUFFIX_BYTES;
        let (stem, extension) = name.rsplit_once('.').ok_or_else(wrong)?;
        if is_plain && extension.eq_ignore_ascii_case("wat") {
            return Err(Error::TextModule {
                name: name.to_owned(),
            });
        }
        if !is_plain || !extension.eq_ignore_ascii_case(EXTENSION) {
            return Err(wrong());
        }
        let outside = || Error::OutsideFolder {
            field: "dir",
            value: folder.unwrap_or_default().to_owned(),
        };
        let parts = folder.map_or(0, |folder| Path::new(folder).components().count());
        if folder.is_some_and(|folder| folder.len() > DIR_MAX_BYTES) || parts > DIR_MAX_FOLDERS {
            return Err(Error::DeepFolder {
                bytes: DIR_MAX_BYTES,
                folders: DIR_MAX_FOLDERS,
            });
        }
        let mut inside = PathBuf::new();
        for component in Path::new(folder.unwrap_or_default()).components() {
            match component {
                // What begins with a dot is the store's own.
                Component::Normal(part) if is_folder_name(&part.to_string_lossy()) => {
                    inside.push(part);
                }
                Component::CurDir => {}
                _ => return Err(outside()),
            }
        }
        Ok(Self {
            folder: inside,
            file_name: format!("{stem}.{EXTENSION}"),
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

/// Whether a request may ask for a folder of this name.
fn is_folder_name(name: &str) -> bool {
    !name.starts_with('.') && !name.contains('\0') && name.len() <= COMPONENT_MAX_BYTES
}

/// The files that the definitions name, and the plugins that do.
pub(crate) type Named = HashMap<PathBuf, HashSet<String>>;

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
        before: Option<&ServedPlugin>,
        digest: &Digest,
        named: &Named,
    ) -> PathBuf {
        let folder = self.uploads.join(&landing.folder);
        let stem = landing.file_name.trim_end_matches(".wasm");
        let digits = digest.to_string();
        let first = [
            landing.file_name.clone(),
            format!("{stem}-{}.wasm", &digits[..8]),
            format!("{stem}-{digits}.wasm"),
        ];
        let more = (2..).map(|number| format!("{stem}-{digits}-{number}.wasm"));
        let own = [Some(*digest), before.map(ServedPlugin::digest)];
        let mut paths = first.into_iter().chain(more).map(|name| folder.join(name));
        let free = paths.find(|inside| {
            let mut owners = named.get(inside).into_iter().flatten();
            owners.all(|owner| owner == plugin) && self.holds_only(inside, &own)
        });
        free.expect("the candidates do not end")
    }

    /// Whether nothing lies at a path but one of these modules.
    fn holds_only(&self, inside: &Path, own: &[Option<Digest>]) -> bool {
        let path = self.plugins.join(inside);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_file() => regular_file::read(&path, MODULE_MAX_BYTES)
                .is_ok_and(|bytes| own.contains(&Some(Digest::of(&bytes)))),
            Ok(_) => false,
            // Nothing lies there, or nothing can: that is told when a copy is made.
            Err(_) => true,
        }
    }

    /// The module of a plugin, from the file that its definition names, as long as it is there.
    pub(crate) fn file_of(&self, plugin: &ServedPlugin) -> Option<Vec<u8>> {
        let inside = named_file(&plugin.definition)?;
        let bytes = regular_file::read(&self.plugins.join(inside), MODULE_MAX_BYTES).ok()?;
        (Digest::of(&bytes) == plugin.digest()).then_some(bytes)
    }

    /// Makes a copy of a module, for people and for programs that look where its definition says. What
    /// is served is the module that is kept.
    pub(crate) fn copy(&self, inside: &Path, mut module: File) -> Result<Ready> {
        self.ready_at(inside, |uploads| {
            let mut file = durable::temporary(uploads)?;
            io::copy(&mut module, file.as_file_mut())?;
            Ok(file)
        })
    }

    /// The same with the file that was received, where the module is kept already.
    pub(crate) fn copy_received(&self, inside: &Path, incoming: Incoming) -> Result<Ready> {
        self.ready_at(inside, |_| Ok(incoming.file))
    }

    fn ready_at(
        &self,
        inside: &Path,
        file: impl FnOnce(&Path) -> io::Result<NamedTempFile>,
    ) -> Result<Ready> {
        let path = self.plugins.join(inside);
        let folder = path.parent().unwrap_or(&self.plugins);
        let uploads = self.plugins.join(&self.uploads);
        // Links may lead elsewhere: what is there already must lie inside before anything is made in it.
        let real = |folder: &Path| folder.canonicalize().map_err(storage("found", folder));
        let mut above = folder.ancestors();
        let existing = above.find(|folder| folder.symlink_metadata().is_ok());
        if !real(existing.unwrap_or(folder))?.starts_with(real(&uploads)?) {
            return Err(Error::OutsideFolder {
                field: "dir",
                value: folder.display().to_string(),
            });
        }
        let folders = durable::create_folder(folder).map_err(storage("created", folder))?;
        let copied = file(&uploads).and_then(|file| {
            file.as_file().sync_all()?;
            Ok(file)
        });
        let file = copied.map_err(storage("written", &path))?;
        Ok(Ready {
            file,
            path,
            _folders: folders,
        })
    }

    /// Takes away a file of a plugin that was removed or moved, as long as it lies in the upload
    /// folder and holds one of these modules.
    pub(crate) fn take_away(&self, inside: &Path, modules: &[Digest]) -> Result<()> {
        let path = self.plugins.join(inside);
        let is_ours = inside.starts_with(&self.uploads)
            && fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file())
            && regular_file::read(&path, MODULE_MAX_BYTES)
                .is_ok_and(|bytes| modules.contains(&Digest::of(&bytes)));
        if is_ours {
            durable::remove(&path).map_err(storage("removed", &path))?;
            self.remove_empty_folders(&path);
        }
        Ok(())
    }

    /// The same for the files of all versions of a plugin that no definition names.
    pub(crate) fn take_away_versions(&self, versions: &Versions, named: &Named) -> Result<()> {
        let versions = &versions.kept;
        let modules: Vec<Digest> = versions.iter().filter_map(Version::module).collect();
        let places: HashSet<PathBuf> = versions
            .iter()
            .filter_map(|version| inside_folder(&version.path))
            .filter(|inside| !named.contains_key(inside))
            .collect();
        places
            .iter()
            .try_for_each(|inside| self.take_away(inside, &modules))
    }

    /// Removes the folders that a request asked for with the last file in them.
    fn remove_empty_folders(&self, file: &Path) {
        let uploads = self.plugins.join(&self.uploads);
        let folders = file.ancestors().skip(1);
        let below = folders.take_while(|folder| *folder != uploads && folder.starts_with(&uploads));
        for folder in below {
            // One that is not empty stays, and so do those above it.
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
    }

    /// Whether a file is one that the server keeps for itself.
    pub(crate) fn is_own(&self, path: &Path) -> bool {
        path.starts_with(self.folder())
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
