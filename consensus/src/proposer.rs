//! From a caller's record to a Raft entry: a bounded queue and natural batching.
//!
//! A batch is whatever waits when a place in flight is free, so one caller never waits for
//! company and many callers share entries and syncs. When the queue is full the caller is told
//! so at once. A timeout leaves the outcome unknown, which is harmless: the same record sent
//! again gets the first receipt.
//!
//! Not here: signatures; they are verified before a record reaches the queue.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use letopis_ledger::Timestamp;
use letopis_ledger::record::SignedRecord;
use openraft::errors::{ClientWriteError, RaftError};
use tokio::sync::mpsc::{Receiver, Sender, channel, error::TrySendError};
use tokio::sync::{Semaphore, oneshot};

use crate::config::Limits;
use crate::ledger::AppendError;
use crate::machine::Receipt;
use crate::metric;
use crate::raft::types::{Answer, Command, Raft};

/// A record and who waits for its answer.
struct Waiting {
    record: SignedRecord,
    answer: oneshot::Sender<Result<Receipt, AppendError>>,
}

/// The queue's entrance. Clones share it.
#[derive(Clone)]
pub(crate) struct Proposer {
    queue: Sender<Waiting>,
    timeout: Duration,
    queue_records: usize,
}

impl Proposer {
    /// Starts the task that empties the queue; it ends when every entrance is dropped.
    pub(crate) fn start(raft: Raft, limits: Limits) -> Self {
        let (queue, waiting) = channel(limits.queue_records.max(1));
        tokio::spawn(propose_all(raft, limits, waiting));
        let queue_records = limits.queue_records;
        Self { queue, timeout: limits.append_timeout, queue_records }
    }

    /// Queues a record and waits for its answer.
    pub(crate) async fn append(&self, record: SignedRecord) -> Result<Receipt, AppendError> {
        let (answer, answered) = oneshot::channel();
        let id = record.record().id();
        match self.queue.try_send(Waiting { record, answer }) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                return Err(AppendError::Busy { queue_records: self.queue_records });
            }
            Err(TrySendError::Closed(_)) => return Err(AppendError::Stopped { fatal: None }),
        }
        match tokio::time::timeout(self.timeout, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(AppendError::Stopped { fatal: None }),
            Err(_) => Err(AppendError::Unknown { id, waited: self.timeout }),
        }
    }
}

async fn propose_all(raft: Raft, limits: Limits, mut waiting: Receiver<Waiting>) {
    let places = Arc::new(Semaphore::new(limits.entries_in_flight.max(1)));
    let mut next: Option<Waiting> = None;
    loop {
        let first = match next.take() {
            Some(first) => first,
            None => match waiting.recv().await {
                Some(first) => first,
                None => break,
            },
        };
        // The batch is gathered after a place is free: until then it grows by itself.
        let place = Arc::clone(&places).acquire_owned().await;
        let place = place.expect("invariant: the semaphore is never closed");
        let mut bytes = first.record.record_bytes().len();
        let mut batch = vec![first];
        while batch.len() < limits.entry_records.clamp(1, crate::machine::RECORDS_PER_ENTRY_MAX)
            && let Ok(more) = waiting.try_recv()
        {
            bytes += more.record.record_bytes().len();
            if bytes > limits.entry_bytes {
                next = Some(more);
                break;
            }
            batch.push(more);
        }
        metric::queue_depth(waiting.len());
        metric::batch_proposed(batch.len());
        let raft = raft.clone();
        tokio::spawn(async move {
            propose(&raft, limits.append_timeout, batch).await;
            drop(place);
        });
    }
}

async fn propose(raft: &Raft, timeout: Duration, batch: Vec<Waiting>) {
    let (records, waiting): (Vec<SignedRecord>, Vec<_>) =
        batch.into_iter().map(|w| (w.record, w.answer)).unzip();
    let ids: Vec<_> = records.iter().map(|record| record.record().id()).collect();
    let command = Command::Append { time: now(), records: records.into() };
    // An answer that nobody waits for any more is dropped: the record stands or falls without it.
    match write(raft, timeout, command).await {
        Ok(Answer::Records(answers)) => {
            for (waiting, answer) in waiting.into_iter().zip(answers) {
                let _ = waiting.send(answer.map_err(AppendError::Rejected));
            }
        }
        Ok(other) => unreachable!("invariant: records are answered by records, not by {other}"),
        Err(error) => {
            for (waiting, id) in waiting.into_iter().zip(ids) {
                let _ = waiting.send(Err(error.for_record(id, timeout)));
            }
        }
    }
}

/// Why a command has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteError {
    /// It was proposed; whether it is committed is not known yet.
    Unknown,
    /// It was not proposed: this node does not lead.
    NoLeader,
    /// The Raft core has stopped.
    Stopped,
}

impl WriteError {
    const fn for_record(self, id: letopis_ledger::id::RecordId, waited: Duration) -> AppendError {
        match self {
            Self::Unknown => AppendError::Unknown { id, waited },
            Self::NoLeader => AppendError::Unavailable,
            Self::Stopped => AppendError::Stopped { fatal: None },
        }
    }
}

/// Writes a command through Raft, waiting for leadership when there is none: right after an
/// election and after a stall the lease is not confirmed, and nothing was proposed then.
pub(crate) async fn write(
    raft: &Raft,
    timeout: Duration,
    command: Command,
) -> Result<Answer, WriteError> {
    let deadline = tokio::time::Instant::now() + timeout;
    loop {
        let write = raft.client_write(command.clone());
        match tokio::time::timeout_at(deadline, write).await {
            Err(_) => return Err(WriteError::Unknown),
            Ok(Ok(written)) => return Ok(written.data),
            Ok(Err(RaftError::Fatal(_))) => return Err(WriteError::Stopped),
            Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_)))) => {
                let left = deadline.saturating_duration_since(tokio::time::Instant::now());
                if left.is_zero() {
                    return Err(WriteError::NoLeader);
                }
                // One heartbeat at most: then either the lease is confirmed or another leads.
                tokio::time::sleep(left.min(Duration::from_millis(20))).await;
            }
            Ok(Err(RaftError::APIError(_))) => return Err(WriteError::NoLeader),
        }
    }
}

/// The wall clock, in the calendar's bounds.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let unix_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_unix_ms(unix_ms).unwrap_or(Timestamp::EPOCH)
}
