//! Leaves of a backup as they are read back: each must follow the one before it, and all together
//! must lead to the heads that the backup states.
//!
//! A leaf carries the hash of the one before it, so the first altered leaf is known by its
//! successor, and the last one of an object by the object's own hash.

use letopis_ledger::hash::leaf_hash;
use letopis_ledger::leaf::{Leaf, genesis_link};
use letopis_ledger::tree::Frontier;
use letopis_ledger::{Hash, LeafIndex};
use sha2::{Digest, Sha256};

use super::error::RestoreError;
use super::manifest::LeavesObject;
use crate::raft::types::TreeHead;
use crate::store::segment::split_leaf;

/// Reads leaves object after object.
pub(super) struct LeafReader {
    frontier: Frontier,
    previous: Hash,
    /// Heads that the leaves must lead to, by what says so.
    expected: Vec<(&'static str, TreeHead)>,
    /// The first head that they do not lead to; told when no leaf is to blame.
    differs: Option<RestoreError>,
}

/// One object on its way.
pub(super) struct ObjectReader<'r> {
    reader: &'r mut LeafReader,
    object: LeavesObject,
    sha256: Sha256,
    bytes: u64,
    pending: Vec<u8>,
}

impl LeafReader {
    pub(super) fn new(expected: Vec<(&'static str, TreeHead)>) -> Self {
        Self { frontier: Frontier::new(), previous: genesis_link(), expected, differs: None }
    }

    pub(super) fn begin(&mut self, object: LeavesObject) -> ObjectReader<'_> {
        ObjectReader { reader: self, object, sha256: Sha256::new(), bytes: 0, pending: Vec::new() }
    }

    fn next(&self) -> LeafIndex {
        self.frontier.size().next_leaf()
    }

    /// Takes the next leaf; the inner error is the leaf to blame and what is wrong.
    fn take(&mut self, bytes: &[u8]) -> Result<(), (LeafIndex, String)> {
        let next = self.next();
        let leaf = Leaf::parse(bytes).map_err(|error| (next, error.to_string()))?;
        if leaf.index() != next {
            return Err((next, format!("it says that it is leaf {}", leaf.index())));
        }
        if leaf.previous() != self.previous {
            // Whatever was altered of the leaf before it, its hash gives it away.
            let before = LeafIndex::new(next.get().saturating_sub(1));
            let found = format!("its hash is {}, its successor says otherwise", self.previous);
            return Err((before, found));
        }
        self.previous = leaf_hash(bytes);
        self.frontier.append(self.previous);
        Ok(())
    }

    /// Compares with every head of this size.
    fn compare(&mut self) {
        let size = self.frontier.size();
        if self.expected.iter().all(|(_, head)| head.size != size) {
            return;
        }
        let found = TreeHead { size, root: self.frontier.root() };
        for (what, expected) in self.expected.iter().filter(|(_, head)| head.size == size) {
            if found != *expected && self.differs.is_none() {
                self.differs = Some(RestoreError::Head { what, expected: *expected, found });
            }
        }
    }
}

impl ObjectReader<'_> {
    /// Takes the next bytes and gives each whole leaf to `sink`.
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
        sink: &mut (dyn FnMut(&[u8]) -> Result<(), RestoreError> + Send),
    ) -> Result<(), RestoreError> {
        self.sha256.update(bytes);
        self.bytes += bytes.len() as u64;
        self.pending.extend_from_slice(bytes);
        let mut rest = self.pending.as_slice();
        while let Some((leaf, after)) = split_leaf(rest) {
            if self.reader.next().get() >= self.object.first.get() + self.object.count {
                return Err(self.altered(self.reader.next(), "more leaves follow".to_owned()));
            }
            let taken = self.reader.take(leaf);
            taken.map_err(|(leaf, found)| self.altered(leaf, found))?;
            self.reader.compare();
            sink(leaf)?;
            rest = after;
        }
        self.pending = rest.to_vec();
        Ok(())
    }

    /// The object has ended: it must be whole and of its hash.
    pub(super) fn finish(self) -> Result<(), RestoreError> {
        if self.bytes != self.object.bytes {
            return Err(RestoreError::Length {
                object: self.object.object(),
                expected: self.object.bytes,
                found: self.bytes,
                leaf: Some(self.reader.next()),
            });
        }
        let computed = Hash::from_bytes(self.sha256.clone().finalize().into());
        let whole = self.reader.next().get() == self.object.first.get() + self.object.count;
        if computed != self.object.sha256 || !whole || !self.pending.is_empty() {
            // Every leaf but the last one was vouched for by its successor.
            let last = LeafIndex::new(self.reader.next().get().saturating_sub(1));
            let leaf = if whole { last } else { self.reader.next() };
            return Err(self.altered(leaf, format!("its SHA-256 is {}", computed.to_hex())));
        }
        self.reader.differs.take().map_or(Ok(()), Err)
    }

    fn altered(&self, leaf: LeafIndex, found: String) -> RestoreError {
        RestoreError::Altered { object: self.object.object(), leaf: Some(leaf), found }
    }
}
