//! The types that openraft is configured with, and the two commands that its entries carry.
//!
//! Not here: their bytes (`encoding`).

use std::fmt;
use std::sync::Arc;

use letopis_ledger::hash::Hash;
use letopis_ledger::record::SignedRecord;
use letopis_ledger::{Timestamp, TreeSize};
use openraft::alias::{
    CommittedLeaderIdOf, EntryOf, LogIdOf, SnapshotMetaOf, StoredMembershipOf, VoteOf,
};
use openraft::{BasicNode, EntryPayload};

openraft::declare_raft_types!(
    /// Standard Raft: one leader a term. Members are named by number and address.
    pub(crate) Types:
        D = Command,
        R = Answer,
        NodeId = u64,
        Node = BasicNode,
        LeaderId = openraft::impls::leader_id_std::LeaderId<u64, u64>,
);

pub(crate) type Raft = openraft::Raft<Types, super::machine::Applier>;
pub(crate) type LogId = LogIdOf<Types>;
pub(crate) type Vote = VoteOf<Types>;
pub(crate) type Entry = EntryOf<Types>;
pub(crate) type Payload = EntryPayload<Command, u64, BasicNode>;
pub(crate) type Membership = openraft::Membership<u64, BasicNode>;
pub(crate) type StoredMembership = StoredMembershipOf<Types>;
pub(crate) type SnapshotMeta = SnapshotMetaOf<Types>;
pub(crate) type CommittedLeaderId = CommittedLeaderIdOf<Types>;

/// The tree at a size: what the voters agree on before anyone signs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeHead {
    /// Leaves of the tree.
    pub size: TreeSize,
    /// Root of the tree.
    pub root: Hash,
}

impl fmt::Display for TreeHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "size {} root {}", self.size, self.root)
    }
}

/// What an entry of the Raft log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Append these records, each judged alone and in order.
    Append {
        /// The leader's clock when it made the entry.
        time: Timestamp,
        /// Records whose signatures were verified.
        records: Arc<[SignedRecord]>,
    },
    /// The leader's tree at a size that it has applied; a node whose own root differs stops.
    TreeHead(TreeHead),
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Append { time, records } => write!(f, "append {} at {time}", records.len()),
            Self::TreeHead(head) => write!(f, "tree head {head}"),
        }
    }
}

/// What applying an entry answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The entry is applied; who waits for a record in it learns its answer elsewhere.
    Nothing,
    /// The tree head is agreed.
    Agreed(TreeHead),
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Agreed(head) => write!(f, "agreed {head}"),
        }
    }
}
