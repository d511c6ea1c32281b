//! Which leaves have authors' signatures that this node has checked itself.
//!
//! A leader checks records before it proposes them; every other node checks them before it
//! cosigns. What this node proposed as the leader of a term needs no second check.
//!
//! Records that were just applied wait here and are checked at once, beside applying, so that a
//! request to cosign finds them checked. They are dropped when too many wait; then, and after a
//! restart, the leaves are read instead.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use letopis_ledger::leaf::Leaf;
use letopis_ledger::record::SignedRecord;
use letopis_ledger::{LeafIndex, TreeSize};
use tokio::sync::{Notify, watch};

use super::PublishError;
use crate::machine::StateView;
use crate::runtime::run_blocking;
use crate::store::{Store, StoreError};

/// Bytes of leaves that are read at once.
const READ_BYTES: usize = 1 << 20;
/// Leaves that are read at once.
const READ_LEAVES: usize = 1_024;
/// Bytes of records that wait at most; more is read from the leaves again.
const WAITING_BYTES: usize = 8 << 20;

/// How far this node has checked.
pub(crate) struct Authors {
    state: Mutex<Checked>,
    /// Held by whoever checks, so that nothing is checked twice.
    checking: Mutex<()>,
    arrived: Notify,
}

struct Checked {
    until: TreeSize,
    /// Terms in which this node proposed, and so checked what it proposed.
    own_terms: BTreeSet<u64>,
    /// What was applied after `until`, in order; there may be gaps.
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
}

/// The leaves of one entry.
#[derive(Clone)]
struct Waiting {
    before: TreeSize,
    after: TreeSize,
    /// The records that became leaves, in order; of entries proposed by this node none.
    records: Arc<[SignedRecord]>,
    bytes: usize,
}

/// What one entry of records became.
pub(crate) struct AppliedRecords {
    /// The term of the entry.
    pub(crate) term: u64,
    /// Leaves before it.
    pub(crate) before: TreeSize,
    /// Leaves with it.
    pub(crate) after: TreeSize,
    /// Its records; those that were refused or repeated are not leaves.
    pub(crate) records: Arc<[SignedRecord]>,
}

impl Authors {
    /// What was cosigned before was checked before.
    pub(crate) fn from(until: TreeSize) -> Self {
        let (own_terms, waiting) = (BTreeSet::new(), VecDeque::new());
        let state = Mutex::new(Checked { until, own_terms, waiting, waiting_bytes: 0 });
        Self { state, checking: Mutex::new(()), arrived: Notify::new() }
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

    /// An entry was applied and its leaves can be read.
    pub(crate) fn applied(&self, entry: AppliedRecords) {
        let AppliedRecords { term, before, after, records } = entry;
        let mut checked = self.checked();
        if before == after || after <= checked.until {
            return;
        }
        let own = checked.own_terms.contains(&term);
        if own && checked.until == before {
            checked.until = after;
            return;
        }
        // Of an entry with records that are not leaves, the leaves are read.
        if !own && after.get() - before.get() != records.len() as u64 {
            return;
        }
        let records = if own { Arc::from([]) } else { records };
        let bytes = records.iter().map(|record| record.record_bytes().len()).sum();
        checked.waiting_bytes += bytes;
        checked.waiting.push_back(Waiting { before, after, records, bytes });
        while checked.waiting_bytes > WAITING_BYTES {
            checked.drop_first();
        }
        drop(checked);
        self.arrived.notify_one();
    }

    /// Checks what arrives until told to stop.
    pub(crate) async fn run(self: Arc<Self>, store: Arc<Store>, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = self.arrived.notified() => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            let (authors, store) = (Arc::clone(&self), Arc::clone(&store));
            let checked = run_blocking(move || {
                let size = store.applied_size();
                authors.check_until(&store, size)
            });
            if let Err(error) = checked.await {
                // Who asks for a cosignature is told the same.
                tracing::warn!(%error, "leaves will not be cosigned");
            }
        }
    }

    /// Checks every signature up to a size, except those checked already.
    pub(crate) fn check_until(&self, store: &Store, size: TreeSize) -> Result<(), PublishError> {
        let _alone = self.checking.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let (until, next) = self.checked().next();
            if until >= size {
                return Ok(());
            }
            let after = match next {
                Some(next) if next.before == until => {
                    let leaves = until.get()..;
                    for (leaf, record) in leaves.zip(next.records.iter()) {
                        check_record(store, LeafIndex::new(leaf), record)?;
                    }
                    next.after
                }
                // Up to what waits here the leaves are read.
                next => {
                    let end = next.map_or(size, |next| next.before.min(size));
                    check_leaves(store, until, end)?
                }
            };
            let mut checked = self.checked();
            checked.until = checked.until.max(after);
        }
    }

    fn checked(&self) -> MutexGuard<'_, Checked> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Checked {
    /// How far all is checked, and the first that waits behind it.
    fn next(&mut self) -> (TreeSize, Option<Waiting>) {
        while self.waiting.front().is_some_and(|first| first.before < self.until) {
            self.drop_first();
        }
        (self.until, self.waiting.front().cloned())
    }

    fn drop_first(&mut self) {
        if let Some(first) = self.waiting.pop_front() {
            self.waiting_bytes -= first.bytes;
        }
    }
}

/// Checks some leaves from one size on as they are stored, and returns up to where.
fn check_leaves(store: &Store, until: TreeSize, end: TreeSize) -> Result<TreeSize, PublishError> {
    let first = until.next_leaf();
    let leaves = store.leaves(first, READ_LEAVES, READ_BYTES)?;
    if leaves.is_empty() {
        let what = format!("leaf {first} of {end} is not there");
        return Err(StoreError::Damaged { what }.into());
    }
    let mut after = until;
    for (leaf, bytes) in (first.get()..end.get()).zip(&leaves) {
        let index = LeafIndex::new(leaf);
        let leaf = Leaf::parse(bytes)
            .map_err(|error| PublishError::Forged { leaf: index, reason: error.to_string() })?;
        check_record(store, index, leaf.signed())?;
        after = index.tree_size();
    }
    Ok(after)
}

fn check_record(
    store: &Store,
    index: LeafIndex,
    signed: &SignedRecord,
) -> Result<(), PublishError> {
    let forged = |reason: String| PublishError::Forged { leaf: index, reason };
    for (id, signature) in signed.signatures() {
        let known = store.view().key(*id)?;
        let known = known.ok_or_else(|| forged(format!("key {id} is not introduced")))?;
        let verified = known.key.verify(signed.record_bytes(), signature);
        verified.map_err(|error| forged(error.to_string()))?;
    }
    Ok(())
}

#[cfg(test)]
mod test;
