//! Whether the state from which a log says that it was recovered was a state of this log.
//!
//! The root stated must be that of the first leaves of the signed tree: a consistency proof from
//! the published tiles has to lead from it to the root that was signed.

use letopis_ledger::TreeSize;
use letopis_ledger::checkpoint::Checkpoint;
use letopis_ledger::tile::{TileTree, TileTreeError};

use super::{AuditError, Recovery};
use crate::finding::{Finding, Findings, Rule};
use crate::source::{LogSource, SourceTiles, TileReadError};

/// Checks every recovery that the leaves before it leave possible.
pub(super) fn check(
    source: &dyn LogSource,
    checkpoint: &Checkpoint,
    recoveries: &[Recovery],
    findings: &mut Findings,
) -> Result<(), AuditError> {
    for recovery in recoveries {
        let tree = TileTree::new(SourceTiles(source), checkpoint.size());
        // One that states more leaves than stand before it, or a root of none, was reported.
        let size = recovery.size;
        if size == TreeSize::ZERO || size.get() > recovery.leaf.get() {
            continue;
        }
        let problem = match tree.consistency_proof(size) {
            Ok(proof) => match proof.verify(&recovery.root, checkpoint.root()) {
                Ok(()) => continue,
                Err(_) => format!(
                    "the log did not have root {} at {size} leaves, from which it is said to \
                     have been recovered",
                    recovery.root
                ),
            },
            Err(TileTreeError::Read { source: TileReadError::Source(error), .. })
                if !error.is_of_log() =>
            {
                return Err(error.into());
            }
            Err(error) => format!("the recovery at {size} leaves cannot be checked: {error}"),
        };
        findings.push(Finding::at(Rule::RecoveryRoot, recovery.leaf, problem));
    }
    Ok(())
}
