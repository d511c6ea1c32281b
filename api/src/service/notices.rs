//! Sends notices that are due, for as long as the node runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::Engine;
use super::follower::Progress;

/// Shortest time between two records of notices.
const INTERVAL: Duration = Duration::from_millis(500);

/// Works until the task is aborted. Another look is taken a while after each change of the tables,
/// because a notice becomes due some time after what it tells of.
pub(super) async fn run(engine: Arc<Engine>, mut progress: watch::Receiver<Progress>) {
    loop {
        progress.mark_unchanged();
        match engine.send_notices().await {
            Ok(0) => {}
            // There may be more than a record holds.
            Ok(_) => continue,
            // They stay due; whatever is wrong with the ledger is reported by itself.
            Err(error) => tracing::warn!(%error, "notices could not be sent"),
        }
        if progress.changed().await.is_err() {
            return;
        }
        tokio::time::sleep(INTERVAL * 3).await;
    }
}
