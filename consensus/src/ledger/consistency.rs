//! How new the state is that a read sees.
//!
//! Not here: the reads themselves.

use std::str::FromStr;
use std::time::Duration;

use letopis_ledger::TreeSize;
use letopis_ledger::encoding::parse_decimal;
use letopis_ledger::id::NodeId;
use openraft::async_runtime::WatchReceiver;
use openraft::type_config::alias::WatchReceiverOf;
use openraft::{RaftMetrics, ReadPolicy};
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

use super::{LedgerHandle, ReadError};
use crate::peer::message::{Request, Response};
use crate::proposer::Path;
use crate::raft::types::Types;

/// What a read must have seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Consistency {
    /// Whatever this node has applied.
    #[default]
    Local,
    /// At least so many leaves: what a caller saw somewhere else.
    AtLeast(TreeSize),
    /// Everything that anyone was told is appended before the read began.
    Linearizable,
}

/// The text is not a consistency.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{found:?} is not a consistency: use local, at-least=<leaves> or linearizable")]
pub struct ConsistencyError {
    /// The text.
    pub found: String,
}

impl FromStr for Consistency {
    type Err = ConsistencyError;

    fn from_str(text: &str) -> Result<Self, ConsistencyError> {
        let at_least = || text.strip_prefix("at-least=").and_then(parse_decimal);
        match text {
            "local" => Ok(Self::Local),
            "linearizable" => Ok(Self::Linearizable),
            _ => at_least()
                .map(|size| Self::AtLeast(TreeSize::new(size)))
                .ok_or_else(|| ConsistencyError { found: text.to_owned() }),
        }
    }
}

/// How long to wait before asking again who leads.
const RETRY: Duration = Duration::from_millis(20);

impl LedgerHandle {
    /// Waits until reads on this node see what they must, and returns the leaves they then see.
    ///
    /// # Errors
    /// Not within the time: [`ReadError::Behind`] or [`ReadError::NoLeader`]; or see
    /// [`ReadError`].
    pub async fn wait_for(
        &self,
        consistency: Consistency,
        timeout: Duration,
    ) -> Result<TreeSize, ReadError> {
        let deadline = Instant::now() + timeout;
        match consistency {
            Consistency::Local => {}
            Consistency::AtLeast(asked) => {
                let mut applied = self.subscribe();
                let waited = timeout_at(deadline, applied.wait_for(|size| *size >= asked)).await;
                let Ok(applied) = waited else {
                    return Err(ReadError::Behind { applied: self.applied(), asked });
                };
                applied.map_err(|_| self.stopped())?;
            }
            Consistency::Linearizable => {
                let path = self.running()?.path.clone();
                let entry = read_index(&path, deadline).await?;
                let has_it = |metrics: &RaftMetrics<Types>| {
                    metrics.last_applied.as_ref().map(|id| id.index) >= Some(entry)
                };
                match timeout_at(deadline, becomes(path.raft.metrics(), has_it)).await {
                    Ok(true) => {}
                    Ok(false) => return Err(self.stopped()),
                    Err(_) => return Err(ReadError::NoLeader),
                }
            }
        }
        self.running()?;
        Ok(self.applied())
    }

    fn stopped(&self) -> ReadError {
        ReadError::Stopped { fatal: self.fatal() }
    }
}

/// Waits until what is watched is so; `false` if it cannot become so any more, because whoever
/// changes it has ended.
async fn becomes<T: Send + Sync + 'static>(
    mut watched: WatchReceiverOf<Types, T>,
    is_so: impl Fn(&T) -> bool,
) -> bool {
    while !is_so(&watched.borrow_watched()) {
        if watched.changed().await.is_err() {
            return false;
        }
    }
    true
}

/// Index of an entry that must be applied for a read to see everything acknowledged before.
async fn read_index(path: &Path, deadline: Instant) -> Result<u64, ReadError> {
    loop {
        let leader = {
            let metrics = path.raft.metrics();
            metrics.borrow_watched().current_leader.and_then(NodeId::new)
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ReadError::NoLeader);
        }
        let index = match leader {
            None => None,
            Some(leader) if leader == path.members.own() => {
                let read = path.raft.get_read_log_id(ReadPolicy::ReadIndex);
                let read = timeout_at(deadline, read).await.map_err(|_| ReadError::NoLeader)?;
                read.ok().map(|(read, _)| read.index())
            }
            Some(leader) => match path.members.call(leader, &Request::ReadIndex, left).await {
                Ok(Response::ReadIndex(index)) => Some(index),
                _ => None,
            },
        };
        match index {
            Some(index) => return Ok(index),
            None => tokio::time::sleep(left.min(RETRY)).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use openraft::async_runtime::watch::{Watch, WatchSender};
    use openraft::type_config::alias::WatchOf;

    use super::*;

    #[tokio::test]
    async fn a_node_that_stops_before_it_has_an_entry_never_says_that_it_has_it() {
        let (applied, watched) = WatchOf::<Types>::channel(3);
        assert!(becomes(watched.clone(), |applied| *applied >= 3).await);
        let waits = tokio::spawn(becomes(watched.clone(), |applied| *applied >= 5));
        applied.send(4).unwrap();
        drop(applied);
        assert!(!waits.await.unwrap());
        assert!(becomes(watched, |applied| *applied >= 4).await);
    }

    #[test]
    fn each_consistency_has_one_spelling() {
        assert_eq!("local".parse(), Ok(Consistency::Local));
        assert_eq!("linearizable".parse(), Ok(Consistency::Linearizable));
        assert_eq!("at-least=12".parse(), Ok(Consistency::AtLeast(TreeSize::new(12))));
        for wrong in ["", "LOCAL", "at-least=", "at-least=-1", "at-least=012", "at-least= 1"] {
            assert!(wrong.parse::<Consistency>().is_err(), "{wrong}");
        }
    }
}
