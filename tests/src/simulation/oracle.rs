//! What clients asked and were told, and whether one log that grows by one record at a time could
//! have told them that (linearizability).
//!
//! - A record has one receipt, whoever asks, however often.
//! - A record that was first asked for after another was acknowledged stands after it.
//! - A linearizable read sees everything that was acknowledged, and everything that another such
//!   read had seen, before it began. A read of at least so many leaves sees so many.
//! - A record that was refused for good is not in the log.

use std::collections::BTreeMap;

use letopis_consensus::{AppendError, Receipt, Reject};
use letopis_ledger::hash::Hash;
use letopis_ledger::id::RecordId;
use letopis_ledger::record::SignedRecord;

/// Everything that clients know.
#[derive(Default)]
pub(super) struct Oracle {
    records: BTreeMap<RecordId, Known>,
    /// Leaves that a linearizable read must see that begins now.
    floor: u64,
    /// Acknowledgements that were not compared with the log yet.
    fresh: Vec<Receipt>,
    acknowledged: BTreeMap<u64, Receipt>,
    refused: BTreeMap<RecordId, String>,
    pub(super) appends: u64,
    pub(super) reads: u64,
}

struct Known {
    record: SignedRecord,
    /// Leaves that stood before the record was first asked for.
    after: u64,
    receipt: Option<Receipt>,
}

impl Oracle {
    /// A client asks for a record.
    pub(super) fn begin_append(&mut self, record: &SignedRecord) {
        let (id, after) = (record.record().id(), self.floor);
        self.records.entry(id).or_insert_with(|| Known {
            record: record.clone(),
            after,
            receipt: None,
        });
        self.appends += 1;
    }

    /// It is answered.
    pub(super) fn end_append(
        &mut self,
        id: RecordId,
        answer: &Result<Receipt, AppendError>,
    ) -> Result<(), String> {
        let known = self.records.get_mut(&id).expect("it was asked for");
        match answer {
            Ok(receipt) => {
                let first = *known.receipt.get_or_insert(*receipt);
                let same = (first.leaf_index, first.leaf_hash, first.record_id)
                    == (receipt.leaf_index, receipt.leaf_hash, receipt.record_id);
                if !same {
                    return Err(format!("record {id} has two receipts: {first:?}, {receipt:?}"));
                }
                let index = receipt.leaf_index.get();
                if index < known.after {
                    return Err(format!(
                        "record {id} is leaf {index}, but was first asked for when {} leaves were \
                         acknowledged",
                        known.after
                    ));
                }
                if let Some(other) = self.acknowledged.insert(index, *receipt)
                    && other.record_id != id
                {
                    return Err(format!("leaf {index} was given to {} and {id}", other.record_id));
                }
                self.floor = self.floor.max(index + 1);
                self.fresh.push(*receipt);
            }
            Err(AppendError::Rejected(reject)) => {
                if let Some(receipt) = known.receipt {
                    return Err(format!("record {id} of {receipt:?} was refused later: {reject}"));
                }
                // A stream never gets shorter: such a record can never hold again. Of any other
                // refusal, a copy of the request that comes late may be judged otherwise.
                if matches!(**reject, Reject::VersionConflict { .. }) {
                    self.refused.insert(id, reject.to_string());
                }
            }
            Err(_) => {}
        }
        Ok(())
    }

    /// A read begins; returns what it must see.
    pub(super) const fn begin_read(&mut self) -> u64 {
        self.reads += 1;
        self.floor
    }

    /// A linearizable read has seen so many leaves.
    pub(super) fn end_read(&mut self, floor: u64, seen: u64) -> Result<(), String> {
        self.floor = self.floor.max(seen);
        if seen < floor {
            return Err(format!("a read saw {seen} leaves, {floor} were acknowledged before"));
        }
        Ok(())
    }

    /// Whether this record may be asked for again.
    pub(super) fn is_open(&self, id: RecordId) -> bool {
        !self.refused.contains_key(&id)
    }

    /// A record that was asked for, by a number.
    pub(super) fn any(&self, number: u64) -> Option<SignedRecord> {
        let count = self.records.len() as u64;
        let place = usize::try_from(number.checked_rem(count)?).unwrap_or(0);
        self.records.values().nth(place).map(|known| known.record.clone())
    }

    /// An acknowledged record, by a number.
    pub(super) fn any_acknowledged(&self, number: u64) -> Option<Receipt> {
        let count = self.acknowledged.len() as u64;
        let place = usize::try_from(number.checked_rem(count)?).unwrap_or(0);
        self.acknowledged.values().nth(place).copied()
    }

    /// The receipt of a leaf, if its record was acknowledged.
    pub(super) fn acknowledged_at(&self, index: u64) -> Option<&Receipt> {
        self.acknowledged.get(&index)
    }

    /// Acknowledgements since this was asked last.
    pub(super) fn take_fresh(&mut self) -> Vec<Receipt> {
        std::mem::take(&mut self.fresh)
    }

    /// These are to be compared when the log is longer.
    pub(super) fn put_back(&mut self, unseen: Vec<Receipt>) {
        self.fresh.extend(unseen);
    }

    /// A receipt of a leaf that nobody has shown.
    pub(super) fn unseen(&self) -> Option<&Receipt> {
        self.fresh.first()
    }

    /// Why a record was refused for good, if it was.
    pub(super) fn refused(&self, id: RecordId) -> Option<&str> {
        self.refused.get(&id).map(String::as_str)
    }

    /// How many records were acknowledged.
    pub(super) fn acknowledged_count(&self) -> usize {
        self.acknowledged.len()
    }
}

/// Whether a receipt says what the log says.
pub(super) fn agrees(receipt: &Receipt, id: RecordId, hash: Hash) -> bool {
    receipt.record_id == id && receipt.leaf_hash == hash
}
