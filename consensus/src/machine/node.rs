//! Nodes: whose they are, where they are reached, whether they vote; and what events change.
//!
//! Not here: what Raft makes of it. Membership there follows these records, one node at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use letopis_ledger::LeafIndex;
use letopis_ledger::hash::Hash;
use letopis_ledger::id::{AgencyId, NodeId};

use super::reject::Reject;
use super::view::Write;

/// Most voters of a log: more would make every write slower and no failure better survived.
pub(crate) const VOTERS_MAX: usize = 7;

/// What a node does for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeRole {
    /// Holds the log and cosigns its heads.
    Learner,
    /// Decides what is in the log, beside that.
    Voter,
}

impl fmt::Display for NodeRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Learner => "learner",
            Self::Voter => "voter",
        })
    }
}

/// A node, as the log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeState {
    /// Whose machine it is.
    pub agency: AgencyId,
    /// Host and port.
    pub address: String,
    /// SHA-256 of the subject public key info (DER) of its certificate.
    pub key: Hash,
    /// What it does.
    pub role: NodeRole,
    /// The leaf that admitted it.
    pub admitted: LeafIndex,
    /// The leaf that removed it, itself or with its agency.
    pub removed: Option<LeafIndex>,
}

impl NodeState {
    const fn votes(&self) -> bool {
        matches!(self.role, NodeRole::Voter) && self.removed.is_none()
    }
}

/// All nodes, as the events of one record change them.
pub(super) struct NodeAccount {
    index: LeafIndex,
    nodes: BTreeMap<NodeId, NodeState>,
    changed: BTreeSet<NodeId>,
}

impl NodeAccount {
    pub(super) fn new(index: LeafIndex, nodes: Vec<(NodeId, NodeState)>) -> Self {
        Self { index, nodes: nodes.into_iter().collect(), changed: BTreeSet::new() }
    }

    pub(super) fn into_writes(mut self) -> impl Iterator<Item = Write> {
        let changed = std::mem::take(&mut self.changed);
        self.nodes
            .into_iter()
            .filter(move |(id, _)| changed.contains(id))
            .map(|(id, state)| Write::Node(id, state))
    }

    pub(super) fn admit(
        &mut self,
        node: NodeId,
        agency: AgencyId,
        address: String,
        key: Hash,
    ) -> Result<(), Reject> {
        if let Some(known) = self.nodes.get(&node) {
            let (agency, admitted) = (known.agency.clone(), known.admitted);
            return Err(Reject::NodeIdUsed { node, agency, admitted });
        }
        self.check_key(node, key)?;
        let (role, admitted) = (NodeRole::Learner, self.index);
        self.put(node, NodeState { agency, address, key, role, admitted, removed: None });
        Ok(())
    }

    pub(super) fn promote(&mut self, node: NodeId) -> Result<(), Reject> {
        let state = self.in_force(node)?;
        if state.role == NodeRole::Voter {
            return Err(Reject::NodeRole { node, role: state.role });
        }
        if self.voters().count() >= VOTERS_MAX {
            return Err(Reject::TooManyVoters { node, limit: VOTERS_MAX });
        }
        self.put(node, NodeState { role: NodeRole::Voter, ..state });
        Ok(())
    }

    pub(super) fn demote(&mut self, node: NodeId) -> Result<(), Reject> {
        let state = self.in_force(node)?;
        if state.role == NodeRole::Learner {
            return Err(Reject::NodeRole { node, role: state.role });
        }
        self.check_not_last_voter(node)?;
        self.put(node, NodeState { role: NodeRole::Learner, ..state });
        Ok(())
    }

    pub(super) fn remove(&mut self, node: NodeId) -> Result<(), Reject> {
        let state = self.in_force(node)?;
        self.check_not_last_voter(node)?;
        self.put(node, NodeState { removed: Some(self.index), ..state });
        Ok(())
    }

    /// Removes every node of an agency.
    pub(super) fn remove_all_of(&mut self, agency: &AgencyId) -> Result<(), Reject> {
        let own = self.nodes.iter();
        let own = own.filter(|(_, state)| &state.agency == agency && state.removed.is_none());
        let own: Vec<NodeId> = own.map(|(id, _)| *id).collect();
        own.into_iter().try_for_each(|node| self.remove(node))
    }

    pub(super) fn relocate(
        &mut self,
        node: NodeId,
        agency: &AgencyId,
        address: String,
        key: Hash,
    ) -> Result<(), Reject> {
        let state = self.in_force(node)?;
        if &state.agency != agency {
            let (owner, agency) = (state.agency, agency.clone());
            return Err(Reject::ForeignNode { node, owner, agency });
        }
        self.check_key(node, key)?;
        self.put(node, NodeState { address, key, ..state });
        Ok(())
    }

    /// Nodes that a recovery gave up were nodes once; they may be removed since.
    pub(super) fn check_known(&self, lost: &[NodeId]) -> Result<(), Reject> {
        match lost.iter().find(|node| !self.nodes.contains_key(node)) {
            Some(node) => Err(Reject::NodeNotInForce { node: *node, removed: None }),
            None => Ok(()),
        }
    }

    fn put(&mut self, node: NodeId, state: NodeState) {
        self.nodes.insert(node, state);
        self.changed.insert(node);
    }

    fn in_force(&self, node: NodeId) -> Result<NodeState, Reject> {
        match self.nodes.get(&node) {
            Some(state) if state.removed.is_none() => Ok(state.clone()),
            known => {
                let removed = known.and_then(|state| state.removed);
                Err(Reject::NodeNotInForce { node, removed })
            }
        }
    }

    fn voters(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.nodes.iter().filter(|(_, state)| state.votes()).map(|(id, _)| *id)
    }

    fn check_not_last_voter(&self, node: NodeId) -> Result<(), Reject> {
        if self.voters().eq([node]) { Err(Reject::LastVoter { node }) } else { Ok(()) }
    }

    fn check_key(&self, node: NodeId, key: Hash) -> Result<(), Reject> {
        let other = |(id, state): &(&NodeId, &NodeState)| {
            **id != node && state.key == key && state.removed.is_none()
        };
        match self.nodes.iter().find(other) {
            Some((holder, _)) => Err(Reject::NodeKeyUsed { key, node: *holder }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
pub(super) mod test;
