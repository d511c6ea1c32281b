//! Which leaves have authors' signatures that this node has checked itself.
//!
//! A leader checks records before it proposes them; every other node checks them before it
//! cosigns. What this node proposed as the leader of a term needs no second check.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use letopis_ledger::leaf::Leaf;
use letopis_ledger::{LeafIndex, TreeSize};

use super::PublishError;
use crate::machine::StateView;
use crate::store::{Store, StoreError};

/// Bytes of leaves that are read at once.
const READ_BYTES: usize = 1 << 20;
/// Leaves that are read at once.
const READ_LEAVES: usize = 1_024;

/// How far this node has checked.
pub(crate) struct Authors(Mutex<Checked>);

struct Checked {
    until: TreeSize,
    /// Terms in which this node proposed, and so checked what it proposed.
    own_terms: BTreeSet<u64>,
}

impl Authors {
    /// What was cosigned before was checked before.
    pub(crate) const fn from(until: TreeSize) -> Self {
        Self(Mutex::new(Checked { until, own_terms: BTreeSet::new() }))
    }

    /// This node proposes in this term what it has checked.
    pub(crate) fn leads(&self, term: u64) {
        let mut checked = self.checked();
        checked.own_terms.insert(term);
        // Entries of terms long past are applied.
        while checked.own_terms.len() > 16 {
            checked.own_terms.pop_first();
        }
    }

    /// The leaves from `before` to `after` came with an entry of this term.
    pub(crate) fn applied(&self, term: u64, before: TreeSize, after: TreeSize) {
        let mut checked = self.checked();
        if checked.until == before && checked.own_terms.contains(&term) {
            checked.until = after;
        }
    }

    /// Checks every signature up to a size, except those checked already.
    pub(crate) fn check_until(&self, store: &Store, size: TreeSize) -> Result<(), PublishError> {
        let mut next = self.checked().until;
        while next < size {
            let first = next.next_leaf();
            let leaves = store.leaves(first, READ_LEAVES, READ_BYTES)?;
            for (leaf, bytes) in (first.get()..size.get()).zip(&leaves) {
                check_leaf(store, LeafIndex::new(leaf), bytes)?;
                next = LeafIndex::new(leaf).tree_size();
            }
            let mut checked = self.checked();
            checked.until = checked.until.max(next);
            if leaves.is_empty() {
                let what = format!("leaf {first} of {size} is not there");
                return Err(StoreError::Damaged { what }.into());
            }
        }
        Ok(())
    }

    fn checked(&self) -> MutexGuard<'_, Checked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check_leaf(store: &Store, index: LeafIndex, bytes: &[u8]) -> Result<(), PublishError> {
    let forged = |reason: String| PublishError::Forged { leaf: index, reason };
    let leaf = Leaf::parse(bytes).map_err(|error| forged(error.to_string()))?;
    let signed = leaf.signed();
    for (id, signature) in signed.signatures() {
        let known = store.view().key(*id)?;
        let known = known.ok_or_else(|| forged(format!("key {id} is not introduced")))?;
        let verified = known.key.verify(signed.record_bytes(), signature);
        verified.map_err(|error| forged(error.to_string()))?;
    }
    Ok(())
}
