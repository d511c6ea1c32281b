//! Takes out entries that a changed fact contradicts, for as long as the node runs.
//!
//! It begins with the first fact at each start: what was looked at is cheap to look at again, so
//! nothing here needs to be durable.

use std::sync::Arc;
use std::time::Duration;

use letopis_ledger::LeafIndex;
use metrics::counter;
use tokio::sync::watch;

use super::Engine;
use super::follower::Progress;

/// Shortest time between two looks at the tables.
const INTERVAL: Duration = Duration::from_millis(200);

/// Works until the task is aborted.
pub(super) async fn run(engine: Arc<Engine>, mut progress: watch::Receiver<Progress>) {
    let (mut from, mut packs) = (LeafIndex::ZERO, 0);
    loop {
        progress.mark_unchanged();
        // A new regulation may rest entries on facts that were looked at before it.
        let installed = engine.installed_packs().len();
        if installed != packs {
            (from, packs) = (LeafIndex::ZERO, installed);
        }
        match engine.withdraw_contradicted(from).await {
            Ok((next, count)) => {
                counter!("letopis_entries_withdrawn_total").increment(count as u64);
                if next != from {
                    from = next;
                    continue;
                }
            }
            // They stay in force until the next look; the ledger reports what is wrong with it.
            Err(error) => tracing::warn!(%error, "entries that rest on facts were not looked at"),
        }
        if progress.changed().await.is_err() {
            return;
        }
        tokio::time::sleep(INTERVAL).await;
    }
}
