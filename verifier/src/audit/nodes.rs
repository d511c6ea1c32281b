//! Which nodes hold the log, as the log itself says.
//!
//! An account kept by the verifier in its own words: a node's number is given once; a certificate
//! key belongs to one node at a time; a log that has had a voter keeps one; there are at most
//! seven. Who may say so is checked before (`parties`).

use std::collections::BTreeMap;

use letopis_ledger::id::{AgencyId, NodeId};
use letopis_ledger::{Hash, LeafIndex};

/// Most voters of a log.
const MOST_VOTERS: usize = 7;

/// A node and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Whose machine it is.
    pub agency: AgencyId,
    /// Host and port.
    pub address: String,
    /// SHA-256 of the subject public key info (DER) of its certificate.
    pub key: Hash,
    /// Whether it votes on what is in the log, or holds the log only.
    pub votes: bool,
    /// The leaf that admitted it.
    pub admitted: LeafIndex,
    /// The leaf that removed it.
    pub removed: Option<LeafIndex>,
}

/// The nodes after the leaves seen so far.
#[derive(Debug)]
pub(super) struct Nodes(BTreeMap<NodeId, Node>);

/// What a record does with nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Promoted,
    Demoted,
    Removed,
}

impl Nodes {
    pub(super) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    pub(super) const fn all(&self) -> &BTreeMap<NodeId, Node> {
        &self.0
    }

    pub(super) fn owner(&self, number: NodeId) -> Option<&AgencyId> {
        self.0.get(&number).map(|node| &node.agency)
    }

    pub(super) fn admit(&mut self, number: NodeId, newcomer: Node) -> Result<(), String> {
        if let Some(known) = self.0.get(&number) {
            return Err(format!("number {number} is that of a node of {}", known.agency));
        }
        self.nobody_else_has(number, newcomer.key)?;
        self.0.insert(number, newcomer);
        Ok(())
    }

    pub(super) fn relocate(
        &mut self,
        number: NodeId,
        address: String,
        key: Hash,
    ) -> Result<(), String> {
        self.present(number)?;
        self.nobody_else_has(number, key)?;
        let node = self.present(number)?;
        (node.address, node.key) = (address, key);
        Ok(())
    }

    pub(super) fn turn(
        &mut self,
        number: NodeId,
        turn: Turn,
        place: LeafIndex,
    ) -> Result<(), String> {
        let voters = self.0.values().filter(|node| node.votes && node.removed.is_none()).count();
        let node = self.present(number)?;
        match (turn, node.votes) {
            (Turn::Promoted, true) => Err(format!("node {number} votes already")),
            (Turn::Demoted, false) => Err(format!("node {number} does not vote")),
            (Turn::Promoted, false) if voters == MOST_VOTERS => {
                Err(format!("node {number} would be voter {} of {MOST_VOTERS}", voters + 1))
            }
            (Turn::Demoted | Turn::Removed, true) if voters == 1 => {
                Err(format!("node {number} is the last that votes"))
            }
            (Turn::Removed, _) => {
                node.removed = Some(place);
                Ok(())
            }
            (Turn::Promoted | Turn::Demoted, _) => {
                node.votes = turn == Turn::Promoted;
                Ok(())
            }
        }
    }

    /// Removes the nodes of an agency that leaves; the log must be able to go on without them.
    pub(super) fn agency_leaves(
        &mut self,
        agency: &AgencyId,
        place: LeafIndex,
    ) -> Result<(), String> {
        let voters = || self.0.values().filter(|node| node.votes && node.removed.is_none());
        if voters().count() > 0 && voters().all(|node| &node.agency == agency) {
            return Err(format!("nobody but {agency} has a node that votes"));
        }
        for node in self.0.values_mut() {
            if &node.agency == agency {
                node.removed.get_or_insert(place);
            }
        }
        Ok(())
    }

    fn present(&mut self, number: NodeId) -> Result<&mut Node, String> {
        match self.0.get_mut(&number) {
            None => Err(format!("node {number} was never admitted")),
            Some(Node { removed: Some(leaf), .. }) => {
                Err(format!("node {number} was removed at leaf {leaf}"))
            }
            Some(node) => Ok(node),
        }
    }

    fn nobody_else_has(&self, number: NodeId, key: Hash) -> Result<(), String> {
        let mut others = self
            .0
            .iter()
            .filter(|(other, node)| **other != number && node.removed.is_none() && node.key == key);
        match others.next() {
            Some((other, _)) => Err(format!("key {} is that of node {other}", key.to_hex())),
            None => Ok(()),
        }
    }
}
