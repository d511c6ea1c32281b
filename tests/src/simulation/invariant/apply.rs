//! Apply is total and deterministic; a reject makes no leaf. What the append machine makes of each
//! leaf's record was compared when the leaf was first seen (`history`).

use super::{Invariant, Step};

/// "6. Apply is total and deterministic; a reject makes no leaf."
pub(in crate::simulation) const NAME: &str = "apply is deterministic, a reject makes no leaf";

pub(super) struct Apply;

impl Invariant for Apply {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&mut self, step: &mut Step<'_>) -> Result<(), String> {
        for leaf in &step.history.leaves {
            let id = leaf.record().id();
            if let Some(reason) = step.oracle.refused(id) {
                let index = leaf.index();
                return Err(format!("record {id} is leaf {index} and was refused: {reason}"));
            }
        }
        Ok(())
    }
}
