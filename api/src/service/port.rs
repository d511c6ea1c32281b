//! The registry's door to the ledger, opened onto consensus.

use letopis_consensus::{AppendError, LedgerHandle, Reject};
use letopis_ledger::LeafIndex;
use letopis_ledger::leaf::Leaf;
use letopis_ledger::record::SignedRecord;
use letopis_registry::engine::{AppendRefused, Appended, LedgerPort, ReadFailed};

/// How long a caller should wait before it tries a full queue again.
const RETRY_AFTER_MS: u64 = 50;

/// The ledger of this node, as the case engine sees it.
#[derive(Debug, Clone)]
pub(crate) struct ConsensusPort(pub(crate) LedgerHandle);

impl LedgerPort for ConsensusPort {
    async fn append(&self, record: SignedRecord) -> Result<Appended, AppendRefused> {
        match self.0.append(record).await {
            Ok(receipt) => Ok(Appended { leaf: receipt.leaf_index, time: receipt.time }),
            Err(AppendError::Rejected(reject)) => Err(refusal(*reject)),
            Err(AppendError::BadSignature(error)) => {
                Err(AppendRefused::Signature { reason: error.to_string() })
            }
            Err(AppendError::Busy { .. }) => {
                Err(AppendRefused::Busy { retry_after_ms: RETRY_AFTER_MS })
            }
            Err(error) => Err(AppendRefused::Unavailable { reason: error.to_string() }),
        }
    }

    async fn leaves(&self, from: LeafIndex, most: usize) -> Result<Vec<Leaf>, ReadFailed> {
        read_leaves(&self.0, from, most)
    }
}

/// Applied leaves from an index on, read and checked for their shape.
pub(crate) fn read_leaves(
    ledger: &LedgerHandle,
    from: LeafIndex,
    most: usize,
) -> Result<Vec<Leaf>, ReadFailed> {
    let failed = |reason: String| ReadFailed { reason };
    let leaves = ledger.leaves(from, most).map_err(|error| failed(error.to_string()))?;
    let parse = |bytes: Vec<u8>| Leaf::parse(&bytes).map_err(|error| failed(error.to_string()));
    leaves.into_iter().map(parse).collect()
}

fn refusal(reject: Reject) -> AppendRefused {
    match reject {
        Reject::VersionConflict { stream, expected, actual } => {
            AppendRefused::VersionConflict { stream, expected, actual }
        }
        Reject::ClaimTaken { name, holder } => AppendRefused::ClaimTaken { claim: name, holder },
        Reject::ClaimNotHeld { name, .. } => AppendRefused::ClaimNotHeld { claim: name },
        Reject::IdReused { id, .. } => AppendRefused::RecordIdReused { id },
        Reject::LeafTooLarge { found_bytes, .. } => AppendRefused::TooLarge { found_bytes },
        reject @ (Reject::UnknownKey { .. }
        | Reject::ForeignKey { .. }
        | Reject::RevokedKey { .. }) => AppendRefused::Signature { reason: reject.to_string() },
        other => AppendRefused::Other { reason: other.to_string() },
    }
}
