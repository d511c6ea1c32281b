//! From a caller's record to a Raft entry: a bounded queue, natural batching, and the way to
//! whoever leads.
//!
//! A batch is whatever waits when a place in flight is free, so one caller never waits for
//! company and many callers share entries and syncs. When the queue is full the caller is told
//! so at once. On a node that does not lead, the batch goes to the leader and becomes an entry of
//! the leader's term or nothing; so no record can be proposed twice and be refused once and
//! appended later. Answers come when the entry is applied here (`crate::awaited`).
//!
//! Not here: signatures; they are verified before a record reaches the queue.

use std::sync::Arc;
use std::time::Duration;

use letopis_ledger::id::{NodeId, RecordId};
use letopis_ledger::record::SignedRecord;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::ClientWriteError;
use openraft::impls::ProgressResponder;
use tokio::sync::mpsc::{Receiver, Sender, channel, error::TrySendError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::awaited::Awaited;
use crate::clock::Clock;
use crate::config::Limits;
use crate::ledger::AppendError;
use crate::machine::Receipt;
use crate::metric;
use crate::peer::CallError;
use crate::peer::members::Members;
use crate::peer::message::{Request, Response, WireRecord};
use crate::publish::Authors;
use crate::raft::types::{Answer, Command, CommittedLeaderId, Raft};

/// How long to wait before asking again who leads.
const RETRY: Duration = Duration::from_millis(20);

/// The queue's entrance. Clones share it.
#[derive(Clone)]
pub(crate) struct Proposer {
    queue: Sender<SignedRecord>,
    limits: Limits,
    path: Path,
    forwarded: Arc<Semaphore>,
}

/// What a batch needs on its way. Clones share it.
#[derive(Clone)]
pub(crate) struct Path {
    pub(crate) raft: Raft,
    pub(crate) members: Arc<Members>,
    pub(crate) awaited: Arc<Awaited>,
    pub(crate) authors: Arc<Authors>,
    pub(crate) clock: Clock,
}

/// What became of a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Proposed {
    /// Its entry is applied by the leader.
    Applied,
    /// It was not proposed and never will be.
    Not,
    /// Nobody knows until an entry of a later term than this is applied.
    Perhaps { term: u64 },
    /// A record of it was refused by the leader before it was proposed, for this reason.
    Refused { position: usize, reason: String },
    /// The Raft core has stopped.
    Stopped,
}

impl Proposer {
    /// Starts the task that empties the queue; it ends when every entrance is dropped.
    pub(crate) fn start(path: Path, limits: Limits) -> Self {
        let (queue, waiting) = channel(limits.queue_records.max(1));
        tokio::spawn(propose_all(path.clone(), limits, waiting));
        let forwarded = Arc::new(Semaphore::new(limits.forwarded_entries.max(1)));
        Self { queue, limits, path, forwarded }
    }

    /// Queues a record and waits for its answer.
    pub(crate) async fn append(&self, record: SignedRecord) -> Result<Receipt, AppendError> {
        let id = record.record().id();
        let answered = self.path.awaited.wait_for(id);
        let waiting = Waiting { awaited: &self.path.awaited, id };
        match self.queue.try_send(record) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                return Err(AppendError::Busy { queue_records: self.limits.queue_records });
            }
            Err(TrySendError::Closed(_)) => return Err(AppendError::Stopped { fatal: None }),
        }
        let waited = self.limits.append_timeout;
        let answer = tokio::time::timeout(waited, answered).await;
        drop(waiting);
        match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(AppendError::Stopped { fatal: None }),
            Err(_) => Err(AppendError::Unknown { id, waited }),
        }
    }

    /// A place for one entry that another node forwards, or `None` when all are taken.
    pub(crate) fn take_forwarded(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.forwarded).try_acquire_owned().ok()
    }

    /// How many forwarded entries may be under way.
    pub(crate) const fn forwarded_limit(&self) -> usize {
        self.limits.forwarded_entries
    }

    /// Proposes records that another node forwarded, in this term or not at all.
    pub(crate) async fn propose_forwarded(
        &self,
        term: u64,
        records: Arc<[SignedRecord]>,
    ) -> Response {
        let leader = || self.path.raft.metrics().borrow_watched().current_leader;
        match self.path.write(term, records, self.limits.append_timeout).await {
            Proposed::Applied => Response::Appended,
            Proposed::Not => Response::NotLeader(leader()),
            Proposed::Perhaps { .. } => Response::Refused("not known to be appended yet".into()),
            Proposed::Refused { reason, .. } => Response::Refused(reason),
            Proposed::Stopped => Response::Refused("the node is stopping".into()),
        }
    }
}

/// Forgets a caller that gives up or is dropped.
struct Waiting<'a> {
    awaited: &'a Awaited,
    id: RecordId,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.awaited.forget_closed(self.id);
    }
}

async fn propose_all(path: Path, limits: Limits, mut waiting: Receiver<SignedRecord>) {
    let places = Arc::new(Semaphore::new(limits.entries_in_flight.max(1)));
    let mut next: Option<SignedRecord> = None;
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
        let mut bytes = first.record_bytes().len();
        let mut batch = vec![first];
        while batch.len() < limits.entry_records.clamp(1, crate::machine::RECORDS_PER_ENTRY_MAX)
            && let Ok(more) = waiting.try_recv()
        {
            bytes += more.record_bytes().len();
            if bytes > limits.entry_bytes {
                next = Some(more);
                break;
            }
            batch.push(more);
        }
        metric::queue_depth(waiting.len());
        metric::batch_proposed(batch.len());
        let path = path.clone();
        tokio::spawn(async move {
            path.propose(limits.append_timeout, batch).await;
            drop(place);
        });
    }
}

impl Path {
    /// Whether this node leads, as far as it knows. Nobody who holds the metrics may ask.
    pub(crate) fn leads(&self) -> bool {
        let metrics = self.raft.metrics();
        metrics.borrow_watched().current_leader == Some(self.members.own().get())
    }

    /// The term that this node is in.
    pub(crate) fn term(&self) -> u64 {
        let metrics = self.raft.metrics();
        metrics.borrow_watched().current_term
    }

    /// Proposes a batch until its records are answered or the time is over.
    async fn propose(&self, timeout: Duration, mut batch: Vec<SignedRecord>) {
        let deadline = Instant::now() + timeout;
        loop {
            batch.retain(|record| self.awaited.is_awaited(record.record().id()));
            if batch.is_empty() {
                return;
            }
            let records: Arc<[SignedRecord]> = batch.clone().into();
            match self.propose_once(records, deadline).await {
                Proposed::Applied => return,
                Proposed::Not if Instant::now() >= deadline => {
                    return self.answer_all(&batch, &AppendError::Unavailable);
                }
                // One heartbeat at most: then either the lease is confirmed or another leads.
                Proposed::Not => tokio::time::sleep(RETRY).await,
                Proposed::Perhaps { term } => {
                    let settled = timeout_at(deadline, self.awaited.later_than(term)).await;
                    if settled.is_err() {
                        // The callers learn by their own time that the outcome is unknown.
                        return;
                    }
                }
                Proposed::Refused { position, reason } => {
                    let record = batch.remove(position.min(batch.len() - 1));
                    let refused = AppendError::RefusedByLeader { reason };
                    self.awaited.answer(record.record().id(), &Err(refused));
                }
                Proposed::Stopped => {
                    return self.answer_all(&batch, &AppendError::Stopped { fatal: None });
                }
            }
        }
    }

    fn answer_all(&self, batch: &[SignedRecord], error: &AppendError) {
        for record in batch {
            self.awaited.answer(record.record().id(), &Err(error.clone()));
        }
    }

    async fn propose_once(&self, records: Arc<[SignedRecord]>, deadline: Instant) -> Proposed {
        let (term, leader) = {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow_watched();
            if metrics.running_state.is_err() {
                return Proposed::Stopped;
            }
            (metrics.current_term, metrics.current_leader)
        };
        let left = deadline.saturating_duration_since(Instant::now());
        match leader.and_then(NodeId::new) {
            None => Proposed::Not,
            Some(leader) if leader == self.members.own() => self.write(term, records, left).await,
            Some(leader) => self.forward(leader, term, &records, left).await,
        }
    }

    async fn forward(
        &self,
        leader: NodeId,
        term: u64,
        records: &[SignedRecord],
        timeout: Duration,
    ) -> Proposed {
        let request = Request::Append(term, records.iter().map(WireRecord::of).collect());
        match self.members.call(leader, &request, timeout).await {
            Ok(Response::Appended) => Proposed::Applied,
            Ok(Response::NotLeader(_)) | Err(CallError::Busy { .. }) => Proposed::Not,
            Ok(Response::BadRecord(position, reason)) => {
                Proposed::Refused { position: position as usize, reason }
            }
            Err(CallError::TooLarge { .. }) => Proposed::Not,
            Ok(_) | Err(_) => Proposed::Perhaps { term },
        }
    }

    /// Writes records, whose signatures this node has checked, as one entry of this term.
    async fn write(&self, term: u64, records: Arc<[SignedRecord]>, timeout: Duration) -> Proposed {
        self.authors.leads(term);
        let command = Command::Append { time: self.clock.now(), records };
        match self.write_command(term, command, timeout).await {
            Ok(_) => Proposed::Applied,
            Err(proposed) => proposed,
        }
    }

    async fn write_command(
        &self,
        term: u64,
        command: Command,
        timeout: Duration,
    ) -> Result<Answer, Proposed> {
        let (responder, written) = ProgressResponder::complete_only();
        let write = self.raft.write(command).with_leader(CommittedLeaderId::new(term));
        let written = async {
            write.responder(responder).await.map_err(|_| Proposed::Stopped)?;
            written.await.map_err(|_| Proposed::Stopped)
        };
        match tokio::time::timeout(timeout, written).await {
            Err(_) => Err(Proposed::Perhaps { term }),
            Ok(Err(stopped)) => Err(stopped),
            Ok(Ok(Ok(written))) => Ok(written.data),
            Ok(Ok(Err(ClientWriteError::LogEntryDiscarded(_)))) => Err(Proposed::Perhaps { term }),
            Ok(Ok(Err(_))) => Err(Proposed::Not),
        }
    }

    /// Agrees on something that is not a record, on the node that leads.
    ///
    /// `None`: this node does not lead, or there was no answer in time.
    pub(crate) async fn agree(
        &self,
        command: Command,
        timeout: Duration,
    ) -> Result<Option<Answer>, Stopped> {
        let (term, leads) = {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow_watched();
            let leads = metrics.current_leader == Some(self.members.own().get());
            (metrics.current_term, leads)
        };
        if !leads {
            return Ok(None);
        }
        match self.write_command(term, command, timeout).await {
            Ok(answer) => Ok(Some(answer)),
            Err(Proposed::Stopped) => Err(Stopped),
            Err(_) => Ok(None),
        }
    }
}

/// The Raft core has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stopped;
