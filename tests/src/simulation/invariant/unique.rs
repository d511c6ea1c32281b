//! One record id, one leaf; one claim, one holder; a stream's versions are dense: counted from the
//! records alone, without the append machine.

use std::collections::{BTreeMap, BTreeSet};

use letopis_ledger::id::{ClaimName, RecordId, StreamName};
use letopis_ledger::leaf::Leaf;
use letopis_ledger::record::ClaimOperation;

use super::{Invariant, Step};

/// "7. One record id, one leaf. One claim, one holder. A stream's versions are dense."
pub(in crate::simulation) const NAME: &str =
    "one record id, one leaf; one claim, one holder; dense streams";

#[derive(Default)]
pub(super) struct Unique {
    ids: BTreeSet<RecordId>,
    holders: BTreeMap<ClaimName, StreamName>,
    lengths: BTreeMap<StreamName, u64>,
}

impl Invariant for Unique {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&mut self, step: &mut Step<'_>) -> Result<(), String> {
        step.history.leaves[step.first..].iter().try_for_each(|leaf| self.take(leaf))
    }
}

impl Unique {
    fn take(&mut self, leaf: &Leaf) -> Result<(), String> {
        let (index, record) = (leaf.index(), leaf.record());
        if !self.ids.insert(record.id()) {
            return Err(format!(
                "record {} is in the log twice, again as leaf {index}",
                record.id()
            ));
        }
        for event in record.events() {
            let length = self.lengths.entry(event.stream.clone()).or_default();
            if event.version.get() != *length {
                let (stream, found) = (&event.stream, event.version);
                return Err(format!("leaf {index}: {stream} goes from {length} to {found}"));
            }
            *length += 1;
        }
        for claim in record.claims() {
            let before = match claim.operation {
                ClaimOperation::Take => {
                    self.holders.insert(claim.name.clone(), claim.holder.clone())
                }
                ClaimOperation::Release => {
                    let holder = self.holders.remove(&claim.name);
                    if holder.as_ref() != Some(&claim.holder) {
                        return Err(format!("leaf {index} releases {} of {holder:?}", claim.name));
                    }
                    None
                }
            };
            if let Some(before) = before {
                return Err(format!("leaf {index}: {} of {before} is taken again", claim.name));
            }
        }
        Ok(())
    }
}
