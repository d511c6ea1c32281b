//! Folds the log into the read model as it grows.
//!
//! One task reads leaves behind consensus and folds them in batches; its position is what every
//! answer of the HTTP interface names. Not here: what the tables hold.

use std::sync::Arc;

use letopis_consensus::LedgerHandle;
use letopis_ledger::TreeSize;
use letopis_registry::projection::ReadModel;
use tokio::sync::watch;

use super::port::read_leaves;

/// Most leaves of one transaction.
const BATCH_LEAVES: usize = 1024;

/// How far the read model is, and what stopped it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    /// Leaves folded.
    pub(crate) size: TreeSize,
    /// Why nothing is folded any more.
    pub(crate) failure: Option<String>,
}

/// Folds until the ledger stops or something fails.
pub(crate) async fn follow(
    ledger: LedgerHandle,
    model: Arc<ReadModel>,
    progress: watch::Sender<Progress>,
) {
    let mut applied = ledger.subscribe();
    loop {
        match catch_up(&ledger, &model, &progress).await {
            Ok(()) => {}
            Err(failure) => {
                progress.send_modify(|progress| progress.failure = Some(failure));
                return;
            }
        }
        // The sender is gone when the node has stopped.
        let behind = progress.borrow().size;
        if applied.wait_for(|size| *size > behind).await.is_err() {
            return;
        }
    }
}

async fn catch_up(
    ledger: &LedgerHandle,
    model: &Arc<ReadModel>,
    progress: &watch::Sender<Progress>,
) -> Result<(), String> {
    while progress.borrow().size < ledger.applied() {
        let (ledger, model) = (ledger.clone(), Arc::clone(model));
        let folded = tokio::task::spawn_blocking(move || {
            // The engine folds too, ahead of its commands: what it did is not read again.
            let from = model.size().map_err(|error| error.to_string())?;
            let leaves = read_leaves(&ledger, from.next_leaf(), BATCH_LEAVES);
            let leaves = leaves.map_err(|error| error.to_string())?;
            model.fold(&leaves).map_err(|error| error.to_string())
        });
        let size = folded.await.map_err(|error| error.to_string())??;
        progress.send_modify(|progress| progress.size = size);
    }
    Ok(())
}
