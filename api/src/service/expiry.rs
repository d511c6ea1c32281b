//! Ends registry entries whose last day has passed, and throws old drafts away, at the start and
//! then every hour.
//!
//! An expired permit frees its plate and its place; the record that says so is what makes the next
//! applicant's facts true. Not here: what expiring means; the registry's engine decides.

use std::sync::Arc;
use std::time::Duration;

use letopis_registry::code::RegistryCode;
use letopis_registry::engine::EngineError;
use metrics::counter;
use tokio::time::{MissedTickBehavior, interval};

use super::Engine;

const EVERY: Duration = Duration::from_secs(3600);
/// Entries ended before the others get their turn.
const AT_ONCE: u32 = 1000;

/// Ends entries until the task is dropped.
pub(crate) async fn run(engine: Arc<Engine>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = forget_drafts(&engine).await {
            tracing::warn!(%error, "old drafts were not thrown away");
        }
        for installed in engine.installed_packs() {
            for registry in installed.pack.registries().keys() {
                match expire_all(&engine, registry).await {
                    Ok(0) => {}
                    Ok(ended) => counter!("letopis_entries_expired_total").increment(ended),
                    // The next hour tries again; until then the entries count as they did.
                    Err(error) => tracing::warn!(%registry, %error, "entries were not ended"),
                }
            }
        }
    }
}

async fn forget_drafts(engine: &Engine) -> Result<(), EngineError> {
    while engine.forget_old_drafts().await? > 0 {}
    Ok(())
}

async fn expire_all(engine: &Engine, registry: &RegistryCode) -> Result<u64, EngineError> {
    let mut ended = 0;
    loop {
        let count = engine.expire_entries(registry, AT_ONCE).await?;
        if count == 0 {
            return Ok(ended);
        }
        ended += count as u64;
    }
}
