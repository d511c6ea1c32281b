//! Takes out entries that a changed fact contradicts, and begins reviews of those that a changed
//! fact may change, for as long as the node runs.
//!
//! It begins with the first fact at each start: what was looked at is cheap to look at again, so
//! nothing here needs to be durable.

use std::sync::Arc;
use std::time::Duration;

use letopis_ledger::LeafIndex;
use letopis_registry::engine::EngineError;
use metrics::counter;
use tokio::sync::watch;

use super::Engine;
use super::follower::Progress;
use super::worker::Worker;

/// Shortest time between two looks at the tables.
const INTERVAL: Duration = Duration::from_millis(200);

/// Works until the task is aborted.
pub(super) async fn run(
    engine: Arc<Engine>,
    worker: Worker,
    mut progress: watch::Receiver<Progress>,
) {
    // Watched by an alert, which sees a rise only from a number that was there.
    counter!("letopis_reviews_stuck_total").increment(0);
    let (mut from, mut reviewed_from, mut packs) = (LeafIndex::ZERO, LeafIndex::ZERO, 0);
    loop {
        progress.mark_unchanged();
        // A new regulation may rest entries on facts that were looked at before it.
        let installed = engine.installed_packs().len();
        if installed != packs {
            (from, reviewed_from, packs) = (LeafIndex::ZERO, LeafIndex::ZERO, installed);
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
        // After those that go out: of an entry that is gone nothing is reviewed.
        match review(&engine, &worker, reviewed_from).await {
            Ok(next) if next != reviewed_from => {
                reviewed_from = next;
                continue;
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "changed facts were not looked at"),
        }
        if progress.changed().await.is_err() {
            return;
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Begins reviews, and takes up cases whose entry is gone: they end. Gives where to go on.
async fn review(
    engine: &Engine,
    worker: &Worker,
    from: LeafIndex,
) -> Result<LeafIndex, EngineError> {
    let begun = engine.begin_reviews(from).await?;
    counter!("letopis_reviews_begun_total").increment(begun.cases.len() as u64);
    for (entry, error) in &begun.stuck {
        counter!("letopis_reviews_stuck_total").increment(1);
        tracing::error!(%entry, %error, "a changed fact asks for a review that cannot begin");
    }
    for case in begun.cases.into_iter().chain(engine.cases_without_entry()?) {
        worker.take_up(case);
    }
    Ok(begun.next)
}
