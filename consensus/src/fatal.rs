//! Failures after which a node must not go on: it stops answering and its process exits.
//!
//! After a failed write or sync nobody knows what the disk holds, so nothing is retried; after a
//! divergence nobody knows which copy is right, so nothing more is signed. A restart reads what is
//! durable and either recovers or refuses with a reason.

use std::sync::Arc;

use letopis_ledger::LeafIndex;
use thiserror::Error;
use tokio::sync::watch;

use crate::raft::types::TreeHead;
use crate::store::StoreError;

/// Why a node stopped.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fatal {
    /// The Raft log could not be written or read.
    #[error("the Raft log failed: {reason}; nothing acknowledged is lost; {ADVICE}")]
    RaftLog {
        /// What the engine said.
        reason: String,
    },
    /// Leaves, tiles or indexes could not be written or read.
    #[error("the store failed: {reason}; nothing acknowledged is lost; {ADVICE}")]
    Store {
        /// What failed.
        reason: StoreError,
    },
    /// The voters agreed on another root than this node computed.
    #[error(
        "this node has {own} where the log agreed on {agreed}{}: its copy is damaged or a program \
         disagrees; keep the folder for examination and restore the node from another one",
        first_difference(*leaf)
    )]
    Diverged {
        /// What the log agreed on.
        agreed: TreeHead,
        /// What this node has.
        own: TreeHead,
        /// The first leaf that differs from another node's, once one was asked.
        leaf: Option<LeafIndex>,
    },
    /// Signing would contradict what was signed before.
    #[error("refused to sign {asked}: {last} was signed before; the folder is an older copy")]
    SignedBefore {
        /// What was to be signed.
        asked: TreeHead,
        /// What was signed last.
        last: TreeHead,
    },
    /// What this node signed or published before does not follow from its leaves.
    #[error("{reason}")]
    Promised {
        /// What does not fit.
        reason: String,
    },
    /// The log removed this node.
    #[error(
        "the log removed this node in leaf {leaf}: it takes no part any more; keep or delete its \
         folder, and let it join again under a new number"
    )]
    Removed {
        /// The leaf.
        leaf: LeafIndex,
    },
    /// The Raft core stopped.
    #[error("Raft stopped: {reason}; {ADVICE}")]
    Raft {
        /// What it said.
        reason: String,
    },
}

fn first_difference(leaf: Option<LeafIndex>) -> String {
    leaf.map_or_else(String::new, |leaf| format!(", and differs from leaf {leaf} on"))
}

const ADVICE: &str = "check disk space and the disk's health, then start the node again";

impl From<StoreError> for Fatal {
    fn from(reason: StoreError) -> Self {
        Self::Store { reason }
    }
}

/// Where every part of a node reports the first failure, and where the node learns of it.
#[derive(Debug, Clone)]
pub(crate) struct FatalSignal(Arc<watch::Sender<Option<Fatal>>>);

impl FatalSignal {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }

    /// Reports a failure; the first one is kept.
    pub(crate) fn report(&self, fatal: Fatal) {
        tracing::error!(%fatal, "the node stops");
        self.0.send_if_modified(|first| {
            let modified = first.is_none();
            first.get_or_insert(fatal);
            modified
        });
    }

    pub(crate) fn get(&self) -> Option<Fatal> {
        self.0.borrow().clone()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<Fatal>> {
        self.0.subscribe()
    }
}
