//! Files of a backup on their way into a folder: all of them are there before one is put in place.
//!
//! Not here: leaves; those are staged as the leaves of a snapshot are.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::error::RestoreError;
use super::manifest::{BackupManifest, FileObject};
use super::restore::RestoreInto;
use crate::publish::{CHECKPOINT, SIGNED_HEADS};
use crate::store::blob::Blobs;
use crate::store::file::{make_directory, parent, sync_directory};
use crate::store::{Folder, StoreError};

/// Where files wait until all are there.
const ON_THEIR_WAY: &str = "restoring";

/// Where files of a backup go, whether they are kept or only verified.
pub(super) trait Sink {
    fn begin(&mut self, file: &FileObject) -> Result<(), RestoreError>;
    fn take(&mut self, bytes: &[u8]) -> Result<(), RestoreError>;
    fn end(&mut self) -> Result<(), RestoreError>;
}

/// Files that are verified only.
pub(super) struct Discard;

impl Sink for Discard {
    fn begin(&mut self, _: &FileObject) -> Result<(), RestoreError> {
        Ok(())
    }

    fn take(&mut self, _: &[u8]) -> Result<(), RestoreError> {
        Ok(())
    }

    fn end(&mut self) -> Result<(), RestoreError> {
        Ok(())
    }
}

/// Files that wait in a folder of their own, named by their content.
pub(super) struct Incoming {
    folder: PathBuf,
    current: Option<(PathBuf, File)>,
}

impl Sink for Incoming {
    fn begin(&mut self, file: &FileObject) -> Result<(), RestoreError> {
        let path = self.path(file);
        let made = File::create(&path).map_err(StoreError::file("cannot make", &path))?;
        self.current = Some((path, made));
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), RestoreError> {
        let (path, file) = self.current.as_mut().expect("invariant: a file was begun");
        Ok(file.write_all(bytes).map_err(StoreError::file("cannot write", path))?)
    }

    fn end(&mut self) -> Result<(), RestoreError> {
        let (path, file) = self.current.take().expect("invariant: a file was begun");
        Ok(file.sync_all().map_err(StoreError::file("cannot sync", &path))?)
    }
}

impl Incoming {
    pub(super) fn begin(folder: &Path) -> Result<Self, StoreError> {
        let folder = folder.join(ON_THEIR_WAY);
        make_directory(&folder)?;
        Ok(Self { folder, current: None })
    }

    fn path(&self, file: &FileObject) -> PathBuf {
        self.folder.join(file.sha256.to_hex())
    }

    /// Puts every file where the node looks for it.
    pub(super) fn put(
        &self,
        manifest: &BackupManifest,
        folder: &Folder,
        into: &RestoreInto,
    ) -> Result<(), RestoreError> {
        let blobs = Blobs::new(folder.blobs());
        for file in &manifest.blobs {
            let path = self.path(file);
            let bytes = fs::read(&path).map_err(StoreError::file("cannot read", &path))?;
            blobs.put(&bytes)?;
        }
        let publish = [(&manifest.checkpoint, CHECKPOINT), (&manifest.signed, SIGNED_HEADS)];
        for (file, name) in publish {
            if let Some(file) = file {
                self.place(file, &folder.publish().join(name))?;
            }
        }
        for extra in &manifest.extra {
            self.place(&extra.file, &into.owner.join(&extra.path))?;
        }
        let removed = fs::remove_dir_all(&self.folder);
        Ok(removed.map_err(StoreError::file("cannot remove", &self.folder))?)
    }

    /// Copies a file durably; two names may share one content, and folders may be on other disks.
    fn place(&self, file: &FileObject, to: &Path) -> Result<(), StoreError> {
        let directory = parent(to);
        make_directory(directory)?;
        let failed = || StoreError::file("cannot make", to);
        fs::copy(self.path(file), to).map_err(failed())?;
        File::open(to).and_then(|made| made.sync_all()).map_err(failed())?;
        sync_directory(directory)?;
        sync_directory(parent(directory))
    }
}
