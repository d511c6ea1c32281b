//! Why a backup was not taken, or not used.

use std::path::PathBuf;

use letopis_ledger::LeafIndex;
use thiserror::Error;

use super::manifest::ManifestError;
use super::target::TargetError;
use crate::ledger::ReadError;
use crate::raft::types::TreeHead;
use crate::store::{StoreError, StoreOpenError};

/// Why a backup was not taken. Earlier backups are as they were.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BackupError {
    /// The target cannot be read or written.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The node has stopped.
    #[error(transparent)]
    Node(#[from] ReadError),
    /// The node's own files cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A leaf on this node's disk is not the one that its tree has.
    #[error(
        "leaf {leaf} on this node's disk is damaged: {found}; nothing was backed up, earlier \
         backups are intact; stop the node and restore it from a backup or another node"
    )]
    LeafDamaged {
        /// The first such leaf.
        leaf: LeafIndex,
        /// What does not fit.
        found: String,
    },
    /// The leaves do not lead to a head that they must lead to.
    #[error("the leaves lead to {found}, {what} says {expected}: nothing was backed up")]
    Head {
        /// What says otherwise.
        what: &'static str,
        /// What it says.
        expected: TreeHead,
        /// What the leaves give.
        found: TreeHead,
    },
    /// The log is empty.
    #[error("the log has no leaves yet: there is nothing to back up")]
    Empty,
    /// A file that the owner handed in cannot be read.
    #[error("{path} cannot be backed up: {reason}")]
    Extra {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// What was sent is not there when it is looked for.
    #[error("{object} is not on the target as it was sent: the backup is not complete")]
    NotThere {
        /// The object.
        object: String,
    },
    /// A backup on the target cannot be read, so nothing can be said to be of no use.
    #[error("{0}; nothing was deleted")]
    Manifest(#[from] ManifestError),
}

/// Why a backup was refused. Nothing was restored.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RestoreError {
    /// The target cannot be read.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// There is no backup of this name, or none at all.
    #[error("{target} has no {what}: list its folder `backups`")]
    NoBackup {
        /// The target.
        target: String,
        /// What was looked for.
        what: String,
    },
    /// The manifest is not one, or was altered.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// An object that the manifest names is not there.
    #[error("{object} is missing{}: use another backup", leaf_of(*first))]
    Missing {
        /// The object.
        object: String,
        /// The first leaf that it holds, if it holds leaves.
        first: Option<LeafIndex>,
    },
    /// An object ends too early or is too long.
    #[error("{object} has {found} bytes instead of {expected}{}: use another backup", leaf_of(*leaf))]
    Length {
        /// The object.
        object: String,
        /// Bytes that it must have.
        expected: u64,
        /// Bytes that it has.
        found: u64,
        /// The first leaf that is not whole, if it holds leaves.
        leaf: Option<LeafIndex>,
    },
    /// An object's content is not what was backed up.
    #[error("{object} was altered{}: {found}; use another backup", leaf_of(*leaf))]
    Altered {
        /// The object.
        object: String,
        /// The first bad leaf, if it holds leaves.
        leaf: Option<LeafIndex>,
        /// What does not fit.
        found: String,
    },
    /// The leaves do not lead to a head that they must lead to.
    #[error("the leaves lead to {found}, {what} says {expected}: use another backup")]
    Head {
        /// What says otherwise.
        what: &'static str,
        /// What it says.
        expected: TreeHead,
        /// What the leaves give.
        found: TreeHead,
    },
    /// The folder holds something.
    #[error("{path} is there already: restore into an empty folder")]
    NotEmpty {
        /// What is there.
        path: PathBuf,
    },
    /// The folder cannot be used.
    #[error(transparent)]
    Open(#[from] StoreOpenError),
    /// A file cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn leaf_of(leaf: Option<LeafIndex>) -> String {
    leaf.map_or_else(String::new, |leaf| format!(" from leaf {leaf} on"))
}
