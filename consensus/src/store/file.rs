//! Files that are replaced whole: written beside the old one, synced, renamed, directory synced.
//!
//! After `replace` returns, a crash leaves either the old content or the new, never a part.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::StoreError;

/// Makes a directory and the ones above it.
pub(crate) fn make_directory(path: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(path).map_err(StoreError::file("cannot make", path))
}

/// Syncs a directory, so that the names in it are durable.
pub(crate) fn sync_directory(path: &Path) -> Result<(), StoreError> {
    let directory = File::open(path).map_err(StoreError::file("cannot open", path))?;
    directory.sync_all().map_err(StoreError::file("cannot sync", path))
}

/// Replaces a file durably.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let file = replace_unsynced(path, bytes, |file| file.sync_all())?;
    drop(file);
    sync_directory(parent(path))
}

/// Replaces a file and returns it, still open, for a later sync of it and of its directory.
pub(crate) fn replace_later(path: &Path, bytes: &[u8]) -> Result<File, StoreError> {
    replace_unsynced(path, bytes, |_| Ok(()))
}

/// Reads a file, or `None` when there is none.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::file("cannot read", path)(error)),
    }
}

pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().expect("invariant: every file of a node lies in a folder")
}

fn replace_unsynced(
    path: &Path,
    bytes: &[u8],
    sync: impl FnOnce(&File) -> std::io::Result<()>,
) -> Result<File, StoreError> {
    let beside = beside(path);
    let mut file = File::create(&beside).map_err(StoreError::file("cannot make", &beside))?;
    file.write_all(bytes).map_err(StoreError::file("cannot write", &beside))?;
    sync(&file).map_err(StoreError::file("cannot sync", &beside))?;
    fs::rename(&beside, path).map_err(StoreError::file("cannot rename to", path))?;
    Ok(file)
}

/// The same name with `.new`: no file that the node reads ends so.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}
