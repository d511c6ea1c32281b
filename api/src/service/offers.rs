//! Makes offers when their trigger comes about, and ends those whose last day has passed, for as
//! long as the node runs.
//!
//! It begins with the first entry at each start: what was looked at is cheap to look at again, and
//! an offer is made once, so nothing here needs to be durable.

use std::sync::Arc;
use std::time::Duration;

use letopis_ledger::LeafIndex;
use letopis_registry::engine::EngineError;
use metrics::counter;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use super::Engine;
use super::follower::Progress;

/// Shortest time between two looks at entries that came in.
const INTERVAL: Duration = Duration::from_millis(200);
/// Time between two looks at what only the clock brings about.
const CLOCK_CHECK: Duration = Duration::from_secs(60);

/// Works until the task is aborted.
pub(super) async fn run(engine: Arc<Engine>, mut progress: watch::Receiver<Progress>) {
    let (mut from, mut packs) = (LeafIndex::ZERO, 0);
    let mut clock_check = Instant::now();
    loop {
        progress.mark_unchanged();
        // A pack that is installed late may offer something for entries that were looked at.
        let installed = engine.installed_packs().len();
        if installed != packs {
            (from, packs) = (LeafIndex::ZERO, installed);
        }
        match engine.make_offers(from).await {
            Ok((next, count)) => {
                counter!("letopis_offers_made_total").increment(count as u64);
                if next != from {
                    from = next;
                    continue;
                }
            }
            // They are made at the next look; the ledger reports what is wrong with it.
            Err(error) => tracing::warn!(%error, "offers for new entries were not made"),
        }
        if clock_check <= Instant::now() {
            if let Err(error) = by_the_clock(&engine).await {
                tracing::warn!(%error, "offers that only the clock brings about were not made");
            }
            clock_check = Instant::now() + CLOCK_CHECK;
        }
        // Without a change it is the clock that says when to look again.
        if let Ok(Err(_)) = timeout_at(clock_check, progress.changed()).await {
            return;
        }
        sleep(INTERVAL).await;
    }
}

/// Offers for what ends soon, and ends what nobody answered.
async fn by_the_clock(engine: &Engine) -> Result<(), EngineError> {
    let made = engine.offer_for_endings().await?;
    counter!("letopis_offers_made_total").increment(made as u64);
    loop {
        let expired = engine.expire_offers().await?;
        counter!("letopis_offers_expired_total").increment(expired as u64);
        if expired == 0 {
            return Ok(());
        }
    }
}
