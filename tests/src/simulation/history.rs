//! The log as the simulation knows it: the first bytes that any node ever showed for each leaf,
//! with everything that follows from them, computed here and not by a node.

use letopis_consensus::{MemoryView, Outcome, StateView, judge};
use letopis_ledger::hash::Hash;
use letopis_ledger::leaf::Leaf;
use letopis_ledger::tree::Frontier;

use super::record::{origin, policy_after};

/// All leaves so far.
pub(super) struct History {
    pub(super) leaves: Vec<Leaf>,
    /// Root of the tree of each size.
    pub(super) roots: Vec<Hash>,
    /// Bytes of the segment up to each size.
    pub(super) framed_bytes: Vec<u64>,
    /// Policy after each size.
    policies: Vec<Option<String>>,
    pub(super) view: MemoryView,
    frontier: Frontier,
}

impl History {
    pub(super) fn new() -> Self {
        let frontier = Frontier::new();
        Self {
            leaves: vec![],
            roots: vec![frontier.root()],
            framed_bytes: vec![0],
            policies: vec![None],
            view: MemoryView::empty(origin()),
            frontier,
        }
    }

    pub(super) fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    /// Root of the tree of a size, once so many leaves are known.
    pub(super) fn root(&self, size: u64) -> Option<Hash> {
        self.roots.get(usize::try_from(size).ok()?).copied()
    }

    /// The policy in force at a size.
    pub(super) fn policy(&self, size: u64) -> Option<&str> {
        self.policies.get(usize::try_from(size).ok()?)?.as_deref()
    }

    /// Takes the next leaf, if the append machine makes the same of its record.
    pub(super) fn extend(&mut self, bytes: &[u8]) -> Result<(), String> {
        let at = self.size();
        let leaf = Leaf::parse(bytes).map_err(|error| format!("leaf {at}: {error}"))?;
        let judged = judge(&self.view, leaf.time(), leaf.signed());
        let appended = match judged.unwrap_or_else(|never| match never {}) {
            Outcome::Appended(appended) if appended.leaf == leaf => appended,
            other => return Err(format!("leaf {at} follows from no record: {other:?}")),
        };
        self.view.absorb(&appended);
        self.frontier.append(leaf.hash());
        self.roots.push(self.frontier.root());
        let before = self.framed_bytes.last().copied().unwrap_or(0);
        self.framed_bytes.push(before + 2 + bytes.len() as u64);
        self.policies.push(policy_after(&self.view));
        self.leaves.push(leaf);
        Ok(())
    }

    /// Every node that the log names, as it stands now.
    pub(super) fn nodes(&self) -> Vec<(u64, letopis_consensus::NodeState)> {
        let nodes = self.view.nodes().unwrap_or_else(|never| match never {});
        nodes.into_iter().map(|(node, state)| (node.get(), state)).collect()
    }
}
