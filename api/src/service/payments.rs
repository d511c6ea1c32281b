//! Makes months due whose day has come, at the start and then every minute.
//!
//! What a node misses is made up for at the next look, and a month is due once, so nothing here
//! needs to be durable. Not here: which months are due.

use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use tokio::time::{MissedTickBehavior, interval};

use super::Engine;

/// Time between two looks at the calendar.
const EVERY: Duration = Duration::from_secs(60);

/// Works until the task is aborted.
pub(super) async fn run(engine: Arc<Engine>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match engine.make_payments().await {
            Ok(made) => counter!("letopis_payments_due_total").increment(made as u64),
            // The next minute tries again; a month that is late is still made due.
            Err(error) => tracing::warn!(%error, "payments were not made due"),
        }
    }
}
