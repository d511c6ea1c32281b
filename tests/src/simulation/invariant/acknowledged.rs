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
        for receipt in step.oracle.take_fresh() {
            let index = usize::try_from(receipt.leaf_index.get()).unwrap_or(usize::MAX);
            let leaf = step.history.leaves.get(index);
            let held = leaf.is_some_and(|l| agrees(&receipt, l.record().id(), l.hash()));
            if !held {
                return Err(format!("{receipt:?} was given, the log has {leaf:?}"));
            }
        }
        Ok(())
    }
}
