//! What a node says of itself to its operator.

use letopis_ledger::id::NodeId;
use openraft::ServerState;
use openraft::async_runtime::WatchReceiver;

use super::{LedgerHandle, Positions, ReadError};
use crate::peer::watch::PeerStatus;

/// What a node does in the Raft group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It proposes, and publishes.
    Leader,
    /// It votes and follows.
    Follower,
    /// It asks for votes.
    Candidate,
    /// It follows and does not vote.
    Learner,
    /// It is stopping.
    Stopping,
}

impl Role {
    /// A stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Candidate => "candidate",
            Self::Learner => "learner",
            Self::Stopping => "stopping",
        }
    }
}

/// A node as it sees itself and the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeStatus {
    /// Its number.
    pub node: NodeId,
    /// What it does.
    pub role: Role,
    /// Its Raft term.
    pub term: u64,
    /// Whom it takes for the leader.
    pub leader: Option<NodeId>,
    /// Numbers of the voters.
    pub voters: Vec<u64>,
    /// How far it is.
    pub positions: Positions,
    /// The other nodes.
    pub peers: Vec<PeerStatus>,
}

impl LedgerHandle {
    /// What this node does and how far it and the others are.
    ///
    /// # Errors
    /// The node has stopped.
    pub fn status(&self) -> Result<NodeStatus, ReadError> {
        let parts = self.running()?;
        let positions = self.positions();
        let metrics = parts.path.raft.metrics();
        let metrics = metrics.borrow_watched();
        let role = match metrics.state {
            ServerState::Leader => Role::Leader,
            ServerState::Follower => Role::Follower,
            ServerState::Candidate => Role::Candidate,
            ServerState::Learner => Role::Learner,
            ServerState::Shutdown => Role::Stopping,
        };
        Ok(NodeStatus {
            node: parts.path.members.own(),
            role,
            term: metrics.current_term,
            leader: metrics.current_leader.and_then(NodeId::new),
            voters: metrics.membership_config.voter_ids().collect(),
            positions,
            peers: parts.peers.all(),
        })
    }
}
