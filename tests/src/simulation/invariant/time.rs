//! Time never goes back from one leaf to the next, however clocks jump.

use letopis_ledger::Timestamp;

use super::{Invariant, Step};

/// "8. Time never goes back."
pub(in crate::simulation) const NAME: &str = "time never goes back";

#[derive(Default)]
pub(super) struct Time {
    last: Option<Timestamp>,
}

impl Invariant for Time {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&mut self, step: &mut Step<'_>) -> Result<(), String> {
        for leaf in &step.history.leaves[step.first..] {
            if self.last.is_some_and(|last| leaf.time() < last) {
                return Err(format!(
                    "leaf {} is of {}, before its neighbour",
                    leaf.index(),
                    leaf.time()
                ));
            }
            self.last = Some(leaf.time());
        }
        Ok(())
    }
}
