//! Leaves that come as leaves, not as records of the Raft log: from another node or a backup.
//!
//! The append machine judges them again, so the index is what the leaves say and nothing that
//! somebody sent. A leaf that the machine would not have made as it stands is refused.

use letopis_ledger::LeafIndex;
use letopis_ledger::leaf::Leaf;

use super::{Manifest, Store, StoreError, StoredPosition};
use crate::machine::Outcome;
use crate::raft::encoding::Stored;
use crate::raft::types::LogId;

impl Store {
    /// Appends the next leaves. They are durable with the next checkpoint.
    ///
    /// # Errors
    /// A leaf is not the one that follows; leaves before it in this call are not appended either.
    pub(crate) fn replay(&self, leaves: &[impl AsRef<[u8]>]) -> Result<(), StoreError> {
        let mut transaction = self.begin();
        for bytes in leaves {
            let next = transaction.next_leaf();
            let refused = |reason: String| StoreError::Replay { leaf: next, reason };
            let leaf = Leaf::parse(bytes.as_ref()).map_err(|error| refused(error.to_string()))?;
            check_index(&leaf, next)?;
            match transaction.judge(leaf.time(), leaf.signed())? {
                Outcome::Appended(appended) if appended.leaf == leaf => {
                    transaction.take(*appended);
                }
                Outcome::Appended(_) => {
                    return Err(refused("the leaf before it, or its time, is another".to_owned()));
                }
                Outcome::Repeated(first) => {
                    return Err(refused(format!("its record is in leaf {}", first.leaf_index)));
                }
                Outcome::Rejected(reject) => return Err(refused(reject.to_string())),
            }
        }
        transaction.commit()
    }

    /// Whether everything is applied that a snapshot holds, entries without leaves too.
    ///
    /// # Errors
    /// A place in the Raft log cannot be read.
    pub(crate) fn has_reached(&self, manifest: &Manifest) -> Result<bool, StoreError> {
        let place = |position: &StoredPosition| {
            let log_id = position.log_id.as_deref().map(LogId::from_stored).transpose();
            log_id.map_err(|error| StoreError::Damaged { what: format!("position: {error}") })
        };
        let snapshot = place(&manifest.position)?;
        Ok(snapshot.is_some() && place(&self.position())? >= snapshot)
    }

    /// Takes a snapshot's place in the Raft log, once its leaves are here, and makes it durable.
    ///
    /// # Errors
    /// The leaves are not those of the snapshot.
    pub(crate) fn take_position(&self, manifest: &Manifest) -> Result<Manifest, StoreError> {
        let own = self.head();
        if own != manifest.head {
            return Err(StoreError::Damaged {
                what: format!("snapshot of {} over {own}", manifest.head),
            });
        }
        let mut transaction = self.begin();
        transaction.set_position(manifest.position.clone(), manifest.agreed);
        transaction.commit()?;
        if let Some(log_id) = &manifest.position.log_id {
            self.index.put_installed(log_id)?;
        }
        self.checkpoint()
    }
}

fn check_index(leaf: &Leaf, expected: LeafIndex) -> Result<(), StoreError> {
    if leaf.index() == expected {
        return Ok(());
    }
    let reason = format!("it says that it is leaf {}", leaf.index());
    Err(StoreError::Replay { leaf: expected, reason })
}
