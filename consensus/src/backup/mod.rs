//! Backups: a copy of the log, of its public files and of what the node's owner hands in, taken
//! from a running node, verified on the way, and read back whole before it is used.
//!
//! ```text
//! leaves/<first leaf>-<count>-<sha256>    framed as in a segment: full segments, and the open tail
//! files/<sha256>                          public files, checkpoint, signed heads, own files
//! backups/<UTC time>-<size>.json          what belongs to one backup (`manifest`), written last
//! ```
//!
//! Objects are named by their content and never change, so a second backup sends only what is
//! new. A backup without its manifest does not exist. No key is ever part of one.
//!
//! Not here: what the owner's files hold, when backups are taken, and sealing: whoever can read
//! the target can read everything in it.

mod drill;
mod error;
mod incoming;
mod leaves;
mod manifest;
mod prune;
mod restore;
mod take;
mod target;
#[cfg(test)]
mod test;

pub use drill::{Drill, drill};
pub use error::{BackupError, RestoreError};
pub use manifest::{BackupManifest, ExtraObject, FileObject, LeavesObject, ManifestError};
pub use prune::{Pruned, prune};
pub use restore::{RestoreInto, Restored, newest, restore, verify};
pub(crate) use restore::{forget_restored, may_start, was_restored};
pub use take::{BackupSummary, ExtraFile, Taking};
pub use target::{Target, TargetError};

use letopis_ledger::TreeSize;

/// How far a backup, or reading one back, is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BackupProgress {
    /// Leaves hashed and compared.
    pub leaves: TreeSize,
    /// Leaves altogether.
    pub total: TreeSize,
    /// Bytes sent to the target, or read from it.
    pub bytes: u64,
}

/// Told from time to time how far it is.
pub type BackupListener<'a> = &'a (dyn Fn(BackupProgress) + Send + Sync);
