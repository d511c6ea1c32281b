//! Who the other nodes are, and calling one of them.
//!
//! The log names its nodes; what it says counts. A node that joins has no log yet: until the log
//! names a node, the addresses of the invitation stand in.
//!
//! Not here: who votes; that is Raft's membership, which follows the log (`crate::membership`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use letopis_ledger::hash::Hash;
use letopis_ledger::id::NodeId;

use super::message::{Envelope, Request, Response};
use super::{CallError, PeerAddress, Transport};
use crate::machine::NodeState;
use crate::raft::encoding::Stored;
use crate::raft::types::StoredMembership;
use crate::store::Store;

/// The nodes of a log as one of them sees them.
pub(crate) struct Members {
    own: NodeId,
    store: Arc<Store>,
    invitation: BTreeMap<NodeId, PeerAddress>,
    transport: Arc<dyn Transport>,
}

impl Members {
    pub(crate) fn new(
        own: NodeId,
        store: Arc<Store>,
        invitation: Vec<PeerAddress>,
        transport: Arc<dyn Transport>,
    ) -> Self {
        let invitation = invitation.into_iter().map(|peer| (peer.node, peer)).collect();
        Self { own, store, invitation, transport }
    }

    /// This node's own number.
    pub(crate) const fn own(&self) -> NodeId {
        self.own
    }

    /// Where a node is, or `None` when nothing names it or it was removed.
    pub(crate) fn address(&self, node: NodeId) -> Option<PeerAddress> {
        match self.recorded(node) {
            Some(state) if state.removed.is_some() && !self.votes_in_raft(node) => None,
            Some(state) => Some(PeerAddress { node, address: state.address, key: state.key }),
            None => self.invitation.get(&node).cloned(),
        }
    }

    /// The node whose certificate has this key.
    pub(crate) fn with_key(&self, key: &Hash) -> Option<NodeId> {
        let recorded = self.store.nodes();
        let present =
            |node: NodeId, state: &NodeState| state.removed.is_none() || self.votes_in_raft(node);
        let mut named = recorded.iter().filter(|(_, state)| &state.key == key);
        let found = named.find(|(node, state)| present(*node, state));
        let invited = || {
            let named = |node: &NodeId| recorded.iter().any(|(known, _)| known == node);
            let mut invited = self.invitation.values();
            invited.find(|peer| &peer.key == key && !named(&peer.node)).map(|peer| peer.node)
        };
        found.map(|(node, _)| *node).or_else(invited)
    }

    /// Whether Raft still counts on a node's vote. The membership follows the log in its own time:
    /// until then a voter that the log removed is needed to choose, and to hand over to, the next.
    pub(crate) fn votes_in_raft(&self, node: NodeId) -> bool {
        let membership = self.store.position().membership;
        let membership = membership.and_then(|stored| StoredMembership::from_stored(&stored).ok());
        membership.is_some_and(|known| known.voter_ids().any(|voter| voter == node.get()))
    }

    /// All other nodes that can be called.
    pub(crate) fn others(&self) -> Vec<PeerAddress> {
        let mut nodes: Vec<NodeId> = self.store.nodes().iter().map(|(node, _)| *node).collect();
        nodes.extend(self.invitation.keys().copied());
        nodes.sort_unstable();
        nodes.dedup();
        nodes.retain(|node| *node != self.own);
        nodes.into_iter().filter_map(|node| self.address(node)).collect()
    }

    /// Calls a node and reads its answer.
    pub(crate) async fn call(
        &self,
        node: NodeId,
        request: &Request,
        timeout: Duration,
    ) -> Result<Response, CallError> {
        let Some(peer) = self.address(node) else {
            let reason = "the log names no such node, or removed it".to_owned();
            return Err(CallError::Unreachable { node, address: String::new(), reason });
        };
        let bytes = Envelope::wrap(self.store.origin(), self.own, node, request);
        let answer = self.transport.call(&peer, bytes, timeout).await?;
        match Response::from_bytes(&answer) {
            Ok(Response::Refused(reason)) => Err(CallError::Refused { node, reason }),
            Ok(Response::Busy(limit)) => {
                Err(CallError::Busy { node, limit: usize::try_from(limit).unwrap_or(usize::MAX) })
            }
            Ok(response) => Ok(response),
            Err(error) => Err(CallError::Refused { node, reason: error.to_string() }),
        }
    }

    fn recorded(&self, node: NodeId) -> Option<NodeState> {
        self.store.node(node)
    }
}
