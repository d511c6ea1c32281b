//! What was acknowledged is in the log, where the receipt says; with `one_root`, which holds every
//! checkpoint to that log, it is in every later checkpoint.

use super::{Invariant, Step};
use crate::simulation::oracle::agrees;

/// "1. Acknowledged means on a majority of disks; it is in every later checkpoint."
pub(in crate::simulation) const NAME: &str = "acknowledged is in every later checkpoint";

pub(super) struct Acknowledged;

impl Invariant for Acknowledged {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&mut self, step: &mut Step<'_>) -> Result<(), String> {
        let mut unseen = vec![];
        for receipt in step.oracle.take_fresh() {
            let index = usize::try_from(receipt.leaf_index.get()).unwrap_or(usize::MAX);
            match step.history.leaves.get(index) {
                Some(leaf) if agrees(&receipt, leaf.record().id(), leaf.hash()) => {}
                Some(leaf) => return Err(format!("{receipt:?} was given, the log has {leaf:?}")),
                // Who gave it is gone already: it must be there when another node has as many.
                None => unseen.push(receipt),
            }
        }
        step.oracle.put_back(unseen);
        Ok(())
    }
}
