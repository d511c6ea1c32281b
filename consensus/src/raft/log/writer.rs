//! Who writes the Raft log: drains the queue, writes once, syncs once, then tells those who wait,
//! in order (group commit). A thread of its own, or a task where everything is on one thread.
//!
//! After the first error nothing more is written and everybody is told so: a sync that failed once
//! may report success later without the bytes being on disk.

use std::io;
use std::sync::{Arc, Mutex, Weak};
use std::time::Instant;

use openraft::entry::RaftEntry;
use openraft::storage::IOFlushed;
use rocksdb::{DB, WriteBatch, WriteOptions};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

use super::super::encoding::{Stored, write_frame};
use super::super::types::{Entry, LogId, Types, Vote};
use super::{COMMITTED, Known, LOG, META, PURGED, VOTE, key, lock};
use crate::crash::{CrashHook, CrashPoint};
use crate::disk::DiskHook;
use crate::fatal::{Fatal, FatalSignal};
use crate::metric;
use crate::sabotage::{Bug, Sabotage};

/// Most jobs of one round; more would only make the first one wait longer.
const ROUND_JOBS_MAX: usize = 1_024;

/// One write, in the order of the queue.
pub(super) enum Job {
    /// Append entries.
    Append { entries: Vec<Entry>, done: IOFlushed<Types> },
    /// Save the vote.
    Vote { vote: Vote, done: oneshot::Sender<io::Result<()>> },
    /// Remember what is committed; needs no sync of its own.
    Committed(LogId),
    /// Delete the entries from an index on.
    Truncate { first_index: u64, done: oneshot::Sender<io::Result<()>> },
    /// Delete the entries up to and with one.
    Purge { upto: LogId, done: oneshot::Sender<io::Result<()>> },
}

pub(super) struct Writer {
    /// Closed with the log itself, whether or not a task of this writer is still there.
    pub(super) db: Weak<DB>,
    pub(super) known: Arc<Mutex<Known>>,
    pub(super) hooks: Hooks,
    pub(super) failed: Option<String>,
    /// On a simulated disk: a committed position that no sync has taken along yet.
    pub(super) unsynced: Option<LogId>,
}

/// What the writer of a log reports to and asks.
pub(crate) struct Hooks {
    pub(crate) fatal: FatalSignal,
    pub(crate) crash: CrashHook,
    pub(crate) disk: DiskHook,
    pub(crate) sabotage: Sabotage,
}

/// One write of the database.
struct Round {
    batch: WriteBatch,
    sync: bool,
    entry_count: u64,
}

impl Writer {
    /// Works until the queue is closed.
    pub(super) async fn run(mut self, mut queue: UnboundedReceiver<Job>) {
        while let Some(first) = queue.recv().await {
            let mut round = vec![first];
            while round.len() < ROUND_JOBS_MAX
                && let Ok(job) = queue.try_recv()
            {
                round.push(job);
            }
            // Whoever closed the database waits for nothing any more.
            let Some(db) = self.db.upgrade() else { return };
            self.write(&db, round).await;
        }
    }

    async fn write(&mut self, db: &DB, mut jobs: Vec<Job>) {
        let round = self.round(db, &jobs);
        if self.hooks.sabotage.has(Bug::AcknowledgeBeforeSync) {
            jobs.drain(..).for_each(|job| self.finish(job, Ok(())));
        }
        let result = match &self.failed {
            Some(reason) => Err(reason.clone()),
            None => self.write_and_sync(db, round).await,
        };
        if let Err(reason) = &result
            && self.failed.is_none()
        {
            self.failed = Some(reason.clone());
            self.hooks.fatal.report(Fatal::RaftLog { reason: reason.clone() });
        }
        if result.is_ok() {
            self.hooks.crash.pass(CrashPoint::RaftLogSynced);
        }
        for job in jobs {
            self.finish(job, result.clone().map_err(io::Error::other));
        }
    }

    fn round(&mut self, db: &DB, jobs: &[Job]) -> Round {
        let column = |name| db.cf_handle(name).expect("invariant: the family was opened");
        let (log, meta) = (column(LOG), column(META));
        let mut batch = WriteBatch::default();
        let mut entry_count = 0_u64;
        if let Some(id) = self.unsynced.take() {
            batch.put_cf(meta, COMMITTED, write_frame(&id.to_stored()));
        }
        for job in jobs {
            match job {
                Job::Append { entries, .. } => {
                    for entry in entries {
                        batch.put_cf(log, key(entry.index()), write_frame(&entry.to_stored()));
                    }
                    entry_count += entries.len() as u64;
                }
                Job::Vote { vote, .. } => {
                    batch.put_cf(meta, VOTE, write_frame(&vote.to_stored()));
                }
                Job::Committed(id) => {
                    batch.put_cf(meta, COMMITTED, write_frame(&id.to_stored()));
                    self.unsynced = Some(*id);
                }
                Job::Truncate { first_index, .. } => {
                    batch.delete_range_cf(log, key(*first_index), key(u64::MAX));
                }
                Job::Purge { upto, .. } => {
                    batch.put_cf(meta, PURGED, write_frame(&upto.to_stored()));
                    batch.delete_range_cf(log, key(0), key(upto.index + 1));
                }
            }
        }
        let sync = !jobs.iter().all(|job| matches!(job, Job::Committed(_)));
        if sync || !self.hooks.disk.is_simulated() {
            self.unsynced = None;
        }
        Round { batch, sync, entry_count }
    }

    async fn write_and_sync(&self, db: &DB, round: Round) -> Result<(), String> {
        let Round { batch, sync, entry_count } = round;
        if sync {
            self.hooks.crash.pass(CrashPoint::RaftLogWriting);
            self.hooks.disk.raft_log().await.map_err(|e| e.to_string())?;
        } else if self.hooks.disk.is_simulated() {
            // A simulated crash takes what was not synced: it waits for the next sync.
            return Ok(());
        }
        let mut options = WriteOptions::default();
        options.set_sync(sync);
        let started = Instant::now();
        db.write_opt(batch, &options).map_err(|e| e.to_string())?;
        if sync {
            metric::raft_log_synced(entry_count, started.elapsed());
        }
        Ok(())
    }

    fn finish(&self, job: Job, result: io::Result<()>) {
        match job {
            Job::Append { entries, done } => {
                if result.is_ok() {
                    lock(&self.known).synced_index = entries.last().map(RaftEntry::index);
                }
                done.io_completed(result);
            }
            Job::Vote { done, .. } | Job::Truncate { done, .. } | Job::Purge { done, .. } => {
                // Whoever asked may have gone; the write stands.
                let _ = done.send(result);
            }
            Job::Committed(_) => {}
        }
    }
}
