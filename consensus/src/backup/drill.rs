//! A restore drill: restores into a temporary folder, verifies everything, reports how long it
//! took, and removes it again. Nothing else changes.

use std::path::Path;
use std::time::{Duration, Instant};

use super::BackupListener;
use super::error::RestoreError;
use super::restore::{RestoreInto, Restored, restore};
use super::target::Target;
use crate::store::StoreError;

/// What a drill came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drill {
    /// What was restored.
    pub restored: Restored,
    /// How long it took.
    pub took: Duration,
}

/// Restores a backup, the newest unless one is named, into a folder that it makes and removes.
///
/// # Errors
/// See [`RestoreError`].
pub async fn drill(
    target: &Target,
    name: Option<&str>,
    scratch: &Path,
    progress: BackupListener<'_>,
) -> Result<Drill, RestoreError> {
    let into = RestoreInto { data: scratch.join("data"), owner: scratch.join("owner") };
    let started = Instant::now();
    let restored = restore(target, name, &into, progress).await;
    let took = started.elapsed();
    for folder in [&into.data, &into.owner] {
        if folder.exists() && restored.is_ok() {
            let removed = std::fs::remove_dir_all(folder);
            removed.map_err(StoreError::file("cannot remove", folder))?;
        }
    }
    Ok(Drill { restored: restored?, took })
}
