//! The disk as a simulation sees it: asked before each write and sync, told what was synced.
//!
//! A simulation puts its own disk into [`crate::NodeConfig::disk`]: it may be slow, full or
//! broken, and at a simulated crash it throws away what was not synced. Nodes in service have
//! none, and each of these calls is then one comparison.
//!
//! Not here: the writing itself (`store`, `raft::log`).

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::peer::Pending;

/// A disk that a simulation stands for. An error is what the write or sync then fails with.
pub trait SimulatedDisk: Send + Sync + 'static {
    /// Bytes of a file are about to be written.
    ///
    /// # Errors
    /// The write fails.
    fn write(&self, file: &Path) -> io::Result<()>;

    /// A file is about to take the place of another, or of none.
    ///
    /// # Errors
    /// The renaming fails.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// A file, the names in a folder, or the index is about to be synced.
    ///
    /// # Errors
    /// The sync fails.
    fn sync(&self, path: &Path) -> io::Result<()>;

    /// It is synced.
    fn synced(&self, path: &Path);

    /// A round of the Raft log is about to be written and synced; nothing of it is on disk before
    /// this has ended.
    fn raft_log(&self) -> Pending<io::Result<()>>;
}

/// A simulation's disk, or none.
#[derive(Clone, Default)]
pub struct DiskHook(Option<Arc<dyn SimulatedDisk>>);

impl DiskHook {
    /// No simulation: what every node in service has.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// Asks this disk.
    #[must_use]
    pub fn new(disk: Arc<dyn SimulatedDisk>) -> Self {
        Self(Some(disk))
    }

    pub(crate) const fn is_simulated(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn write(&self, file: &Path) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), |disk| disk.write(file))
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), |disk| disk.rename(from, to))
    }

    pub(crate) fn sync(&self, path: &Path) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), |disk| disk.sync(path))
    }

    pub(crate) fn synced(&self, path: &Path) {
        if let Some(disk) = &self.0 {
            disk.synced(path);
        }
    }

    pub(crate) async fn raft_log(&self) -> io::Result<()> {
        match &self.0 {
            Some(disk) => disk.raft_log().await,
            None => Ok(()),
        }
    }
}

impl fmt::Debug for DiskHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "DiskHook(set)" } else { "DiskHook(none)" })
    }
}
