//! Changing the store: the records of one apply, judged one after another, written together.
//!
//! Order: leaf bytes, tiles, index, and only then what readers see. Dropping a transaction before
//! [`Transaction::commit`] changes nothing.

use std::sync::MutexGuard;

use letopis_ledger::id::AgencyId;
use letopis_ledger::record::SignedRecord;
use letopis_ledger::{Hash, LeafIndex, Timestamp, TreeSize};

use super::{End, IndexView, Store, StoreError, StoredPosition, planted};
use crate::crash::CrashPoint;
use crate::fatal::Fatal;
use crate::machine::{Appended, Layer, Outcome, Receipt, Reject, StateView, judge};
use crate::raft::types::TreeHead;
use crate::sabotage::Bug;

/// Changes that are not in the store yet.
pub(crate) struct Transaction<'s> {
    store: &'s Store,
    current: MutexGuard<'s, End>,
    next: End,
    layer: Layer<IndexView<'s>>,
    appended: Vec<Appended>,
}

impl<'s> Transaction<'s> {
    pub(super) fn new(store: &'s Store, current: MutexGuard<'s, End>) -> Self {
        let layer = Layer::over(store.index.view(&store.origin, current.tail));
        Self { store, next: current.clone(), current, layer, appended: Vec::new() }
    }

    /// Judges a record and, if it holds, appends it.
    pub(crate) fn append(
        &mut self,
        stamped: Timestamp,
        signed: &SignedRecord,
    ) -> Result<Result<Receipt, Box<Reject>>, StoreError> {
        let before = self.store.sabotage.has(Bug::ApplyTwice).then(|| self.layer.clone());
        let answer = self.append_once(stamped, signed);
        if let Some(before) = before {
            let again = planted::judge_again(&before, self.layer.tail(), stamped, signed)?;
            if let (Outcome::Appended(again), true) =
                (again, matches!(answer, Ok(Ok(r)) if !r.duplicate))
            {
                self.take(*again);
            }
        }
        answer
    }

    fn append_once(
        &mut self,
        stamped: Timestamp,
        signed: &SignedRecord,
    ) -> Result<Result<Receipt, Box<Reject>>, StoreError> {
        match self.judge(stamped, signed)? {
            Outcome::Repeated(receipt) => Ok(Ok(receipt)),
            Outcome::Rejected(reject) => Ok(Err(reject)),
            Outcome::Appended(appended) => Ok(Ok(self.take(*appended))),
        }
    }

    /// Judges a record and changes nothing.
    pub(super) fn judge(
        &self,
        stamped: Timestamp,
        signed: &SignedRecord,
    ) -> Result<Outcome, StoreError> {
        if self.store.sabotage.has(Bug::SkipDedup) {
            return planted::judge_anew(&self.layer, stamped, signed);
        }
        judge(&self.layer, stamped, signed)
    }

    /// Takes what [`Transaction::judge`] made of a record.
    pub(super) fn take(&mut self, appended: Appended) -> Receipt {
        self.layer.absorb(&appended);
        let receipt = appended.receipt;
        self.next.frontier.append(receipt.leaf_hash);
        self.next.tail = self.layer.tail();
        self.next.unflushed_bytes += appended.leaf.as_bytes().len() as u64;
        self.appended.push(appended);
        receipt
    }

    /// Index of the leaf that the next record becomes.
    pub(super) fn next_leaf(&self) -> LeafIndex {
        self.next.tail.size.next_leaf()
    }

    /// Leaves before this transaction, and with it.
    pub(crate) fn sizes(&self) -> (TreeSize, TreeSize) {
        (self.current.tail.size, self.next.tail.size)
    }

    /// Compares a tree head that the leader proposed with this node's own.
    pub(crate) fn agree(&mut self, proposed: TreeHead) -> Result<(), Fatal> {
        if self.own_root(proposed.size)? != Some(proposed.root) {
            let (size, root) = (self.next.frontier.size(), self.next.frontier.root());
            let own = self.own_root(proposed.size)?;
            let own = own.map_or(TreeHead { size, root }, |root| TreeHead { root, ..proposed });
            return Err(Fatal::Diverged { agreed: proposed, own, leaf: None });
        }
        // A proposal may be overtaken by one of a larger size.
        if self.next.agreed.is_none_or(|agreed| agreed.size < proposed.size) {
            self.next.agreed = Some(proposed);
        }
        Ok(())
    }

    /// Root of the first `size` leaves, which may end among those of this transaction.
    fn own_root(&self, size: TreeSize) -> Result<Option<Hash>, StoreError> {
        let before = self.current.frontier.size();
        if size <= before {
            return self.store.root_at(size);
        }
        if size > self.next.frontier.size() {
            return Ok(None);
        }
        let mut frontier = self.current.frontier.clone();
        for appended in &self.appended {
            if frontier.size() < size {
                frontier.append(appended.receipt.leaf_hash);
            }
        }
        Ok(Some(frontier.root()))
    }

    /// Moves the position in the Raft log.
    pub(crate) fn set_log_id(&mut self, log_id: Vec<u8>) {
        self.next.position.log_id = Some(log_id);
    }

    /// Takes a new membership.
    pub(crate) fn set_membership(&mut self, membership: Vec<u8>) {
        self.next.position.membership = Some(membership);
    }

    /// Replaces the whole position: a snapshot of the same leaves was installed.
    pub(crate) fn set_position(&mut self, position: StoredPosition, agreed: Option<TreeHead>) {
        self.next.position = position;
        self.next.agreed = agreed.or(self.next.agreed);
    }

    /// Writes everything and lets readers see it.
    pub(crate) fn commit(mut self) -> Result<(), StoreError> {
        let store = self.store;
        if let Some(first) = self.appended.first() {
            let leaves: Vec<&[u8]> = self.appended.iter().map(|a| a.leaf.as_bytes()).collect();
            store.segments.append(first.leaf.index(), &leaves)?;
            store.crash.pass(CrashPoint::LeavesWritten);
            store.tiles.append(self.appended.iter().map(|a| a.receipt.leaf_hash))?;
        }
        let founder = self.founder();
        let writes = self.appended.iter().flat_map(|appended| &appended.writes);
        store.index.write(writes, founder.as_ref(), &self.next)?;
        let size = self.next.tail.size;
        *self.current = self.next;
        if !self.appended.is_empty() {
            store.applied.send_replace(size);
        }
        store.crash.pass(CrashPoint::Applied);
        Ok(())
    }

    fn founder(&self) -> Option<AgencyId> {
        let first = self.appended.first()?;
        (first.leaf.index().get() == 0).then(|| first.leaf.record().author().clone())
    }
}
