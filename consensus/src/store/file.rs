//! Files that are replaced whole: written beside the old one, synced, renamed, directory synced.
//!
//! Each is a call of the [`DiskHook`] too, which outside of simulations is none.
//!
//! After `replace` returns, a crash leaves either the old content or the new, never a part.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::StoreError;
use crate::disk::DiskHook;

/// Makes a directory and the ones above it.
pub(crate) fn make_directory(path: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(path).map_err(StoreError::file("cannot make", path))
}

/// Syncs a directory, so that the names in it are durable.
pub(crate) fn sync_directory(path: &Path) -> Result<(), StoreError> {
    DiskHook::none().sync_directory(path)
}

/// Replaces a file durably.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    DiskHook::none().replace(path, bytes)
}

/// Replaces a file and returns it, still open, for a later sync of it and of its directory.
pub(crate) fn replace_later(path: &Path, bytes: &[u8]) -> Result<File, StoreError> {
    DiskHook::none().replace_later(path, bytes)
}

impl DiskHook {
    /// Syncs a directory, so that the names in it are durable.
    pub(crate) fn sync_directory(&self, path: &Path) -> Result<(), StoreError> {
        let directory = File::open(path).map_err(StoreError::file("cannot open", path))?;
        self.sync_file(path, || directory.sync_all())
    }

    /// Syncs what is at a path by `sync`.
    pub(crate) fn sync_file(
        &self,
        path: &Path,
        sync: impl FnOnce() -> io::Result<()>,
    ) -> Result<(), StoreError> {
        let synced = self.sync(path).and_then(|()| sync());
        synced.map_err(StoreError::file("cannot sync", path))?;
        self.synced(path);
        Ok(())
    }

    /// Replaces a file durably.
    pub(crate) fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let (file, beside) = self.write_beside(path, bytes)?;
        self.sync_file(&beside, || file.sync_all())?;
        drop(file);
        self.take_place(&beside, path)?;
        self.sync_directory(parent(path))
    }

    /// Replaces a file and returns it, still open, for a later sync of it and of its directory.
    pub(crate) fn replace_later(&self, path: &Path, bytes: &[u8]) -> Result<File, StoreError> {
        let (file, beside) = self.write_beside(path, bytes)?;
        self.take_place(&beside, path)?;
        Ok(file)
    }

    fn write_beside(&self, path: &Path, bytes: &[u8]) -> Result<(File, PathBuf), StoreError> {
        let beside = beside(path);
        let mut file = File::create(&beside).map_err(StoreError::file("cannot make", &beside))?;
        let written = self.write(&beside).and_then(|()| file.write_all(bytes));
        written.map_err(StoreError::file("cannot write", &beside))?;
        Ok((file, beside))
    }

    fn take_place(&self, beside: &Path, path: &Path) -> Result<(), StoreError> {
        let renamed = self.rename(beside, path).and_then(|()| fs::rename(beside, path));
        renamed.map_err(StoreError::file("cannot rename to", path))
    }
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

/// The same name with `.new`: no file that the node reads ends so.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}
