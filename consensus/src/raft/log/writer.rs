//! The thread that writes the Raft log: drains the queue, writes once, syncs once, then tells
//! those who wait, in order (group commit).
//!
//! After the first error nothing more is written and everybody is told so: a sync that failed once
//! may report success later without the bytes being on disk.

use std::io;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use openraft::entry::RaftEntry;
use openraft::storage::IOFlushed;
use rocksdb::{DB, WriteBatch, WriteOptions};
use tokio::sync::oneshot;

use super::super::encoding::{Stored, write_frame};
use super::super::types::{Entry, LogId, Types, Vote};
use super::{COMMITTED, Known, LOG, META, PURGED, VOTE, key, lock};
use crate::crash::{CrashHook, CrashPoint};
use crate::fatal::{Fatal, FatalSignal};
use crate::metric;

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
    db: Arc<DB>,
    known: Arc<Mutex<Known>>,
    fatal: FatalSignal,
    crash: CrashHook,
    failed: Option<String>,
}

impl Writer {
    pub(super) const fn new(
        db: Arc<DB>,
        known: Arc<Mutex<Known>>,
        fatal: FatalSignal,
        crash: CrashHook,
    ) -> Self {
        Self { db, known, fatal, crash, failed: None }
    }

    /// Works until the queue is closed.
    pub(super) fn run(mut self, queue: &Receiver<Job>) {
        while let Ok(first) = queue.recv() {
            let mut round = vec![first];
            while round.len() < ROUND_JOBS_MAX
                && let Ok(job) = queue.try_recv()
            {
                round.push(job);
            }
            self.write(round);
        }
    }

    fn write(&mut self, round: Vec<Job>) {
        let result = match &self.failed {
            Some(reason) => Err(reason.clone()),
            None => self.write_and_sync(&round),
        };
        if let Err(reason) = &result
            && self.failed.is_none()
        {
            self.failed = Some(reason.clone());
            self.fatal.report(Fatal::RaftLog { reason: reason.clone() });
        }
        if result.is_ok() {
            self.crash.pass(CrashPoint::RaftLogSynced);
        }
        for job in round {
            self.finish(job, result.clone().map_err(io::Error::other));
        }
    }

    fn write_and_sync(&self, round: &[Job]) -> Result<(), String> {
        let column = |name| self.db.cf_handle(name).expect("invariant: the family was opened");
        let (log, meta) = (column(LOG), column(META));
        let mut batch = WriteBatch::default();
        let mut options = WriteOptions::default();
        let mut entry_count = 0_u64;
        for job in round {
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
        let sync = !round.iter().all(|job| matches!(job, Job::Committed(_)));
        options.set_sync(sync);
        if sync {
            self.crash.pass(CrashPoint::RaftLogWriting);
        }
        let started = Instant::now();
        self.db.write_opt(batch, &options).map_err(|e| e.to_string())?;
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
