//! Closes complex requests whose every case has ended, for as long as the node runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::Engine;
use super::follower::Progress;

/// Shortest time between two looks at the tables.
const INTERVAL: Duration = Duration::from_millis(200);

/// Works until the task is aborted; whatever is left is closed after the next start.
pub(super) async fn run(engine: Arc<Engine>, mut progress: watch::Receiver<Progress>) {
    loop {
        progress.mark_unchanged();
        match engine.close_complex_requests().await {
            Ok(0) => {}
            // There may be more than are closed at once.
            Ok(_) => continue,
            // They stay open; whatever is wrong with the ledger is reported by itself.
            Err(error) => tracing::warn!(%error, "complex requests could not be closed"),
        }
        if progress.changed().await.is_err() {
            return;
        }
        tokio::time::sleep(INTERVAL).await;
    }
}
