//! A transport for tests: nodes of one process, and links that can be cut.
//!
//! Each call is one message there and one back; either way may be cut by itself. Not here: delay
//! and loss at random; the simulation has a network of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use letopis_ledger::id::NodeId;

use super::{Answer, CallError, PeerAddress, Pending, Refusal, Transport};

/// Connects the nodes of one process. Clones share the links.
#[derive(Clone, Default)]
pub(crate) struct Switchboard(Arc<Mutex<Links>>);

#[derive(Default)]
struct Links {
    nodes: BTreeMap<NodeId, Arc<dyn Answer>>,
    cut: BTreeSet<(NodeId, NodeId)>,
    /// Every request, once taping has begun.
    tape: Option<Vec<(NodeId, NodeId, Vec<u8>)>>,
}

/// One node's way to the others.
struct Line {
    from: NodeId,
    board: Switchboard,
}

impl Switchboard {
    pub(crate) fn line(&self, from: NodeId) -> Arc<dyn Transport> {
        Arc::new(Line { from, board: self.clone() })
    }

    pub(crate) fn connect(&self, node: NodeId, answerer: Arc<dyn Answer>) {
        self.links().nodes.insert(node, answerer);
    }

    pub(crate) fn disconnect(&self, node: NodeId) {
        self.links().nodes.remove(&node);
    }

    /// Cuts a node off from all others.
    pub(crate) fn isolate(&self, node: NodeId) {
        let mut links = self.links();
        let others: Vec<NodeId> = links.nodes.keys().copied().collect();
        links.cut.extend(others.iter().flat_map(|other| [(node, *other), (*other, node)]));
    }

    /// Keeps every request from now on.
    pub(crate) fn tape(&self) {
        self.links().tape = Some(Vec::new());
    }

    /// What was kept: from whom, to whom, and the request.
    pub(crate) fn taped(&self) -> Vec<(NodeId, NodeId, Vec<u8>)> {
        self.links().tape.take().unwrap_or_default()
    }

    pub(crate) fn heal(&self) {
        self.links().cut.clear();
    }

    fn links(&self) -> std::sync::MutexGuard<'_, Links> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answerer(&self, from: NodeId, to: NodeId) -> Option<Arc<dyn Answer>> {
        let links = self.links();
        links.nodes.get(&to).filter(|_| !links.cut.contains(&(from, to))).cloned()
    }
}

impl Transport for Line {
    fn call(
        &self,
        peer: &PeerAddress,
        request: Vec<u8>,
        timeout: Duration,
    ) -> Pending<Result<Vec<u8>, CallError>> {
        let (from, to, board) = (self.from, peer.node, self.board.clone());
        let address = peer.address.clone();
        Box::pin(async move {
            if let Some(tape) = &mut board.links().tape {
                tape.push((from, to, request.clone()));
            }
            let unreachable =
                || CallError::Unreachable { node: to, address, reason: "cut off".to_owned() };
            let Some(answerer) = board.answerer(from, to) else { return Err(unreachable()) };
            let answer = tokio::time::timeout(timeout, answerer.answer(from, request)).await;
            let answer = answer.map_err(|_| CallError::TimedOut { node: to, waited: timeout })?;
            if board.answerer(to, from).is_none() {
                return Err(unreachable());
            }
            answer.map_err(|refusal| match refusal {
                Refusal::Busy { limit } => CallError::Busy { node: to, limit },
                other => CallError::Refused { node: to, reason: other.to_string() },
            })
        })
    }
}
