//! Puts on record that the term of a stage of a pack's lifecycle has passed, at that instant.
//!
//! It sleeps until the next term ends or the log grows; what a node misses is noted at the next
//! look, once. Not here: which terms there are.

use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::Engine;
use super::environment::System;
use super::follower::Progress;
use letopis_registry::environment::Clock;

/// Shortest time between two looks.
const INTERVAL: Duration = Duration::from_millis(200);
/// Longest time between two looks, also when no term runs.
const CLOCK_CHECK: Duration = Duration::from_secs(3600);

/// Works until the task is aborted.
pub(super) async fn run(engine: Arc<Engine>, mut progress: watch::Receiver<Progress>) {
    loop {
        progress.mark_unchanged();
        let next = match engine.note_stage_breaches().await {
            Ok((noted, next)) => {
                counter!("letopis_pack_stages_breached_total").increment(noted as u64);
                next
            }
            // The next look tries again.
            Err(error) => {
                tracing::warn!(%error, "breached stages of packs were not noted");
                None
            }
        };
        let wait = next.map_or(CLOCK_CHECK, |due| {
            let ms = (due.unix_ms() - System.now().unix_ms()).max(0).unsigned_abs();
            Duration::from_millis(ms + 1).min(CLOCK_CHECK)
        });
        // Without a change it is the clock that says when to look again.
        if let Ok(Err(_)) = timeout(wait, progress.changed()).await {
            return;
        }
        sleep(INTERVAL).await;
    }
}
