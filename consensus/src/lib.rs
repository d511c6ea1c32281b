//! The only writer of durable truth: a Raft group that appends signed records to a public log.
//!
//! [`Node`] owns the folder, the Raft core and the publisher of one voter. [`LedgerHandle`] is what
//! the rest of a program holds: it appends records and reads leaves, tiles, proofs and
//! checkpoints. Acknowledged means synced to the Raft log of a majority and applied; final means
//! published in a checkpoint that satisfies the log's own quorum policy.
//!
//! Not here: what records mean (`letopis-registry`), HTTP (`letopis-api`), the formats themselves
//! (`letopis-ledger`). This crate knows leaves and preconditions, not services.

#![deny(missing_docs)]

mod awaited;
pub mod backup;
mod clock;
mod config;
mod confirm;
mod crash;
mod disk;
mod fatal;
mod join;
mod ledger;
mod machine;
mod membership;
mod memory;
mod metric;
mod node;
pub mod peer;
mod proposer;
mod publish;
mod raft;
pub mod recover;
mod runtime;
mod sabotage;
mod signature_check;
mod store;

pub use clock::Clock;
pub use config::{Intervals, Limits, NodeConfig, PeerConfig, ProgressListener, SigningKeys, Start};
pub use crash::{CrashHook, CrashPoint};
pub use disk::{DiskHook, SimulatedDisk};
pub use fatal::Fatal;
pub use ledger::{
    AppendError, Consistency, ConsistencyError, LedgerHandle, NodeStatus, Positions,
    PublishedCheckpoint, ReadError, Role, TlogProofError,
};
pub use machine::{
    AgencyState, Appended, FirstReceipt, GenesisPart, KeyState, Layer, LogTail, MemoryView,
    NodeRole, NodeState, Nothing, Outcome, Receipt, Reject, StateView, StreamState, Write, judge,
};
pub use node::{Node, OpenError};
pub use peer::watch::{PeerProgress, PeerStatus};
pub use publish::log_key::{KeepLogKey, ReloadLogKeys};
pub use publish::{SignedHeads, SignedHeadsError};
pub use raft::encoding::EncodingError;
pub use raft::log::RaftLogError;
pub use raft::types::TreeHead;
pub use sabotage::{Bug, Sabotage};
pub use store::{CheckProgress, Damage, SEGMENT_LEAVES, StoreError, StoreOpenError};
