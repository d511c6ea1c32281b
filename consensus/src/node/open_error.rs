//! Why a node does not start.
//!
//! Not here: why one that runs stops (`crate::fatal`).

use std::path::PathBuf;

use letopis_ledger::id::NodeId;
use thiserror::Error;

use crate::fatal::Fatal;
use crate::publish::SignedHeadsError;
use crate::raft::log::RaftLogError;
use crate::raft::types::TreeHead;
use crate::store::{StoreError, StoreOpenError};

/// Why a node does not start. Nothing was changed, except that torn bytes beyond what was durable
/// may have been cut off.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OpenError {
    /// The folder is in use, of another log, or damaged.
    #[error(transparent)]
    Store(#[from] StoreOpenError),
    /// The Raft log is damaged.
    #[error(
        "the Raft log in {folder} is damaged: {reason}; leaves below {durable} are intact; keep \
         the folder for examination, restore it from a backup or another node, and put this \
         folder's publish/signed into it"
    )]
    RaftLog {
        /// Folder of the Raft log.
        folder: PathBuf,
        /// What is wrong.
        reason: Box<RaftLogError>,
        /// Leaves that the store holds durably.
        durable: letopis_ledger::TreeSize,
    },
    /// Leaves are on disk that the Raft log does not explain: its end is lost.
    #[error(
        "{count} leaves from leaf {first} on are on disk and not in the Raft log: its end is \
         lost; keep the folder for examination, restore it from a backup or another node, and put \
         this folder's publish/signed into it"
    )]
    RaftLogLost {
        /// The first such leaf.
        first: letopis_ledger::LeafIndex,
        /// How many.
        count: u64,
    },
    /// The Raft log ends before the entry that the store has applied.
    #[error(
        "the Raft log ends at entry {last:?}, the store has applied entry {applied}: the Raft log \
         is lost or of another copy; restore the whole folder, and put the newest publish/signed \
         into it"
    )]
    RaftLogBehind {
        /// Last entry of the Raft log.
        last: Option<u64>,
        /// Last entry that the store has applied durably.
        applied: u64,
    },
    /// The file of signed heads is damaged.
    #[error(transparent)]
    SignedHeads(#[from] SignedHeadsError),
    /// A head was signed that the leaves do not lead to.
    #[error(
        "{signed} was signed, the leaves give {own}: leaves are lost or altered; restore a \
         later copy of the folder; a node that went on would sign two roots for one size"
    )]
    SignedHeadDiffers {
        /// What was signed.
        signed: TreeHead,
        /// What the leaves give at that size, or altogether when they are fewer.
        own: TreeHead,
    },
    /// The published checkpoint is damaged.
    #[error("the published checkpoint {file} is damaged: {reason}; delete it to publish it again")]
    Checkpoint {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A key does not fit its use.
    #[error("the log key is named {found}, the origin is {expected}: use the log's own key")]
    LogKey {
        /// Origin of the log.
        expected: letopis_ledger::checkpoint::Origin,
        /// Name of the key.
        found: String,
    },
    /// The folder belongs to another node.
    #[error(
        "{folder} is that of node {found}, the configuration names node {configured}: a node that \
         votes under two numbers can undo a majority; correct the configuration"
    )]
    OtherNode {
        /// The folder.
        folder: PathBuf,
        /// Number in the folder.
        found: String,
        /// Number in the configuration.
        configured: NodeId,
    },
    /// The folder was restored from a backup and has the number of a node in it.
    #[error(
        "this folder was restored from a backup, and what node {node} voted is lost: give it a \
         new number that the log admits; or, when no other node is left, run recover --unsafe"
    )]
    Restored {
        /// The number in the configuration.
        node: NodeId,
    },
    /// A recovery after a lost quorum has not ended.
    #[error("the recovery of this log has not ended: run recover --unsafe on {folder} again")]
    RecoveryUnfinished {
        /// The folder.
        folder: PathBuf,
    },
    /// Raft did not start or did not recover.
    #[error("Raft did not start: {reason}")]
    Raft {
        /// What it said.
        reason: String,
    },
    /// Applying the Raft log failed.
    #[error(transparent)]
    Fatal(#[from] Fatal),
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self::Store(error.into())
    }
}
