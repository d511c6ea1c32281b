//! How long records wait from their acknowledgement to a published checkpoint that holds them.
//!
//! A follower asks the node for each next checkpoint, as a reader would; a checkpoint is published
//! once the quorum of the policy cosigned it. Both times are of the measuring process, so nothing
//! depends on two clocks. Not here: whether the checkpoint is right, which verifiers check.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::task::AbortHandle;

use super::appender::connect;

/// How long the last records may take to become final.
const LAST: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);

/// What was acknowledged and published so far. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Finality(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    /// Leaf and time.
    acknowledged: Vec<(u64, Instant)>,
    /// Leaves of a checkpoint and when it was seen, growing.
    published: Vec<(u64, Instant)>,
    follower: Option<Follower>,
}

/// Ends with the measurement.
#[derive(Debug)]
struct Follower(AbortHandle);

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Finality {
    /// Begins to follow a node that has published so many leaves.
    pub(crate) async fn follow(&self, address: SocketAddr, published: u64) -> anyhow::Result<()> {
        let mut call = connect(address, 1).await?.pop().context("one client")?;
        let shared = Arc::downgrade(&self.0);
        let task = tokio::spawn(async move {
            let mut size = published;
            // The end of the connection is the end of the measurement.
            while let Ok(answer) = call.call((size + 1).to_be_bytes().to_vec()).await {
                let now = Instant::now();
                let (Some(seen), Ok(answer)) = (shared.upgrade(), answer.try_into()) else {
                    return;
                };
                size = u64::from_be_bytes(answer);
                lock(&seen).published.push((size, now));
            }
        });
        lock(&self.0).follower = Some(Follower(task.abort_handle()));
        Ok(())
    }

    /// This leaf is acknowledged now.
    pub(crate) fn acknowledged(&self, leaf: u64) {
        let now = Instant::now();
        lock(&self.0).acknowledged.push((leaf, now));
    }

    /// The waits of all records, in order of length, once all are published.
    pub(crate) async fn waits(&self) -> anyhow::Result<Vec<Duration>> {
        let deadline = Instant::now() + LAST;
        loop {
            if let Some(waits) = lock(&self.0).waits() {
                return Ok(waits);
            }
            anyhow::ensure!(Instant::now() < deadline, "records are not final after {LAST:?}");
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Seen {
    fn waits(&self) -> Option<Vec<Duration>> {
        let wait = |(leaf, acknowledged): &(u64, Instant)| {
            let first = self.published.partition_point(|(size, _)| size <= leaf);
            let (_, published) = self.published.get(first)?;
            // It may be published before the acknowledgement has come through.
            Some(published.saturating_duration_since(*acknowledged))
        };
        let mut waits: Vec<Duration> = self.acknowledged.iter().map(wait).collect::<Option<_>>()?;
        waits.sort_unstable();
        Some(waits)
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Seen;

    #[test]
    fn a_leaf_is_final_with_the_first_checkpoint_that_holds_it() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut seen = Seen {
            acknowledged: vec![(0, at(0)), (1, at(10)), (2, at(25))],
            published: vec![(1, at(5)), (2, at(20))],
            follower: None,
        };
        assert_eq!(seen.waits(), None);
        seen.published.push((5, at(24)));
        let waits = [0, 5, 10].map(Duration::from_millis);
        assert_eq!(seen.waits(), Some(waits.to_vec()));
    }
}
