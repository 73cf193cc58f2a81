//! The seal of a file of compiled code: the last bytes of it, which nobody can make without the key of the
//! installation. It is bound to the file's name, so that no module takes the place of another.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use ring::{digest, hmac};

/// The file of the key.
const KEY_FILE: &str = "key";
/// Size of the key, in bytes: that of the hash.
const KEY_BYTES: usize = 32;
/// Size of a seal, in bytes (HMAC-SHA-256).
const SEAL_BYTES: usize = 32;
/// Bytes that are read at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// The key of an installation. It is made once, and readable for the server's user alone.
pub(super) struct Key(hmac::Key);

impl Key {
    /// The key in a folder. One that is damaged, or that others can read, is replaced: then nothing of what
    /// was sealed with it is taken.
    pub(super) fn of(folder: &Path) -> io::Result<Self> {
        let path = folder.join(KEY_FILE);
        let bytes = match read(&path) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                tracing::warn!(file = %path.display(), "the key of compiled code is damaged, or others can read it: it is made anew, and so is all compiled code");
                replace(folder, &path)?
            }
            Err(error) if error.kind() == ErrorKind::NotFound => make(folder, &path)?,
            Err(error) => return Err(error),
        };
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The seal of what is to be a file of this name.
    pub(super) fn seal(&self, name: &str, content: &[u8]) -> hmac::Tag {
        let digest = digest::digest(&digest::SHA256, content);
        hmac::sign(&self.0, &message(&digest, name))
    }

    /// Whether the end of an open file is the seal of what lies before it. Reads the file to its end,
    /// piece by piece.
    pub(super) fn sealed(&self, name: &str, mut file: &File) -> io::Result<bool> {
        let Some(mut rest) = file.metadata()?.len().checked_sub(SEAL_BYTES as u64) else {
            return Ok(false);
        };
        let mut content = digest::Context::new(&digest::SHA256);
        let mut chunk = vec![0; CHUNK_BYTES];
        while rest > 0 {
            let wanted = chunk.len().min(usize::try_from(rest).unwrap_or(usize::MAX));
            let read = file.read(&mut chunk[..wanted])?;
            if read == 0 {
                return Ok(false);
            }
            content.update(&chunk[..read]);
            rest -= read as u64;
        }
        let mut seal = [0; SEAL_BYTES];
        file.read_exact(&mut seal)?;
        let is_at_its_end = file.read(&mut [0])? == 0;
        let message = message(&content.finish(), name);
        Ok(is_at_its_end && hmac::verify(&self.0, &message, &seal).is_ok())
    }
}

/// What is sealed: the hash of the content, which is of one size, and the name.
fn message(content: &digest::Digest, name: &str) -> Vec<u8> {
    [content.as_ref(), name.as_bytes()].concat()
}

/// The bytes of a key; none where they are not those of one, or others can read them.
fn read(path: &Path) -> io::Result<Option<[u8; KEY_BYTES]>> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || !is_private(&metadata) || metadata.len() != KEY_BYTES as u64 {
        return Ok(None);
    }
    let mut bytes = [0; KEY_BYTES];
    (&file).read_exact(&mut bytes)?;
    Ok(Some(bytes))
}

/// Bits of the permissions that are of others than the owner.
#[cfg(unix)]
const OTHERS: u32 = 0o077;

#[cfg(unix)]
fn is_private(metadata: &std::fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::mode(metadata) & OTHERS == 0
}

#[cfg(not(unix))]
fn is_private(_: &std::fs::Metadata) -> bool {
    true
}

/// Makes the key where there is none. Of two processes that do, one has made it.
fn make(folder: &Path, path: &Path) -> io::Result<[u8; KEY_BYTES]> {
    let (bytes, file) = new(folder)?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(bytes),
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => {
            read(path)?.ok_or_else(|| ErrorKind::InvalidData.into())
        }
        Err(error) => Err(error.error),
    }
}

fn replace(folder: &Path, path: &Path) -> io::Result<[u8; KEY_BYTES]> {
    let (bytes, file) = new(folder)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(bytes)
}

/// A new key, in a file that nobody else may read at any moment.
fn new(folder: &Path) -> io::Result<([u8; KEY_BYTES], tempfile::NamedTempFile)> {
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&bytes)?;
    file.as_file().sync_all()?;
    Ok((bytes, file))
}
