//! Deleting the oldest backups and what no other one names.
//!
//! Manifests go first: an interruption leaves objects that nobody names, never a backup that
//! lacks some.

use std::collections::BTreeSet;

use super::error::BackupError;
use super::manifest::{BACKUPS, BackupManifest, FILES, LEAVES, ManifestError};
use super::target::Target;

/// What was deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Backups.
    pub backups: usize,
    /// Objects that no other backup names.
    pub objects: usize,
}

/// Deletes all but the newest `keep` backups, at least one, with what no kept one names.
///
/// Only one node may write to a target: what another one is sending is named by no backup yet.
///
/// # Errors
/// A kept backup cannot be read; nothing is deleted then.
pub async fn prune(target: &Target, keep: usize) -> Result<Pruned, BackupError> {
    let mut manifests: Vec<String> = target.list(BACKUPS).await?.into_keys().collect();
    let kept = manifests.split_off(manifests.len().saturating_sub(keep.max(1)));
    let mut named = BTreeSet::new();
    for object in kept {
        let bytes = target.get(&object).await?;
        let absent = || ManifestError { object: object.clone(), reason: "it is gone".to_owned() };
        let manifest = BackupManifest::parse(&object, &bytes.ok_or_else(absent)?)?;
        named.extend(manifest.objects().map(|(object, _)| object));
    }
    let mut pruned = Pruned::default();
    for object in manifests {
        target.delete(&object).await?;
        pruned.backups += 1;
    }
    for folder in [LEAVES, FILES] {
        for object in target.list(folder).await?.into_keys() {
            if !named.contains(&object) {
                target.delete(&object).await?;
                pruned.objects += 1;
            }
        }
    }
    Ok(pruned)
}
