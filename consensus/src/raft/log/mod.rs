//! The Raft log: vote and entries in a RocksDB of their own, behind one writer thread.
//!
//! Its own database, so that syncing an entry never flushes index bytes. Its own thread, because
//! the order of vote, append, truncate and purge is what safety rests on: they go through one
//! queue, and all that waits in the queue shares one write and one sync (`writer`).
//!
//! Not here: leaves. An entry stays here until its leaves are durable in the store.

mod open;
mod rewrite;
mod writer;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::{LogState, OptionalSend, RaftLogReader};
use rocksdb::DB;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::encoding::{Stored, read_frame};
use super::types::{Entry, LogId, Types, Vote};
use crate::memory::DatabaseMemory;
use crate::runtime::is_single_threaded;

pub use open::RaftLogError;
pub(crate) use rewrite::LogEnd;
pub(crate) use writer::Hooks;
use writer::{Job, Writer};

const LOG: &str = "log";
const META: &str = "meta";
const VOTE: &[u8] = b"vote";
const COMMITTED: &[u8] = b"committed";
const PURGED: &[u8] = b"purged";

/// Entries that applying and, later, replication read again right after they are appended.
const CACHE_BYTES: usize = 32 << 20;

/// Bytes of entries after which a message to another node takes no more of them: far below what
/// the transport refuses, because the last ones may be large.
const MESSAGE_BYTES: usize = 4 << 20;
/// Entries that are read at once for a message.
const MESSAGE_ENTRIES: u64 = 16;

/// The Raft log of one node. Clones share it.
#[derive(Clone)]
pub(crate) struct RaftLog(Arc<Shared>);

struct Shared {
    db: Arc<DB>,
    known: Arc<Mutex<Known>>,
    jobs: Mutex<Option<UnboundedSender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the log will be once every queued job is done; readers see this.
#[derive(Default)]
struct Known {
    vote: Option<Vote>,
    committed: Option<LogId>,
    purged: Option<LogId>,
    /// Index of the first entry that is not purged; meaningless while there is none.
    first_index: u64,
    last: Option<LogId>,
    cache: BTreeMap<u64, Entry>,
    cache_bytes: usize,
    /// Entries up to here are on disk and may leave the cache.
    synced_index: Option<u64>,
}

impl RaftLog {
    fn start(db: DB, known: Known, hooks: Hooks) -> io::Result<Self> {
        let (db, known) = (Arc::new(db), Arc::new(Mutex::new(known)));
        let (jobs, queue) = unbounded_channel();
        let (weak, shared) = (Arc::downgrade(&db), Arc::clone(&known));
        let writer = Writer { db: weak, known: shared, hooks, failed: None, unsynced: None };
        let writing = writer.run(queue);
        let thread = if is_single_threaded() {
            tokio::spawn(writing);
            None
        } else {
            let thread = std::thread::Builder::new().name("raft-log-writer".into());
            Some(thread.spawn(move || futures::executor::block_on(writing))?)
        };
        let (jobs, thread) = (Mutex::new(Some(jobs)), Mutex::new(thread));
        Ok(Self(Arc::new(Shared { db, known, jobs, thread })))
    }

    /// Last entry of the log, and the last one that is known to be committed.
    pub(crate) fn last_and_committed(&self) -> (Option<LogId>, Option<LogId>) {
        let known = self.known();
        (known.last, known.committed)
    }

    /// Whether this log belongs to a node that ever voted or followed a leader.
    pub(crate) fn has_voted(&self) -> bool {
        self.known().vote.is_some()
    }

    /// How many hold the log; its database closes with the last one.
    pub(crate) fn owner_count(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    /// What the log's database holds in memory, and the bytes of the entries kept for readers.
    pub(crate) fn memory(&self) -> (DatabaseMemory, u64) {
        let db = &self.0.db;
        let families = [LOG, META].into_iter().filter_map(|name| db.cf_handle(name));
        (DatabaseMemory::of(db, families), self.known().cache_bytes as u64)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        lock(&self.0.known)
    }

    fn submit(&self, job: Job) -> io::Result<()> {
        let jobs = lock(&self.0.jobs);
        let stopped = || io::Error::other("the Raft log writer has stopped");
        jobs.as_ref().ok_or_else(stopped)?.send(job).map_err(|_| stopped())
    }

    async fn submit_and_wait(
        &self,
        job: impl FnOnce(oneshot::Sender<io::Result<()>>) -> Job,
    ) -> io::Result<()> {
        let (done, synced) = oneshot::channel();
        self.submit(job(done))?;
        synced.await.unwrap_or_else(|_| Err(io::Error::other("the Raft log writer has stopped")))
    }

    /// Reads `first..=last`, the part on disk from a snapshot taken under the lock.
    fn read(&self, range: impl RangeBounds<u64>) -> io::Result<Vec<Entry>> {
        let known = self.known();
        let Some((first, last)) = known.clip(range) else { return Ok(Vec::new()) };
        let cached: Vec<Entry> = known.cache.range(first..=last).map(|(_, e)| e.clone()).collect();
        let disk_end = cached.first().map_or(last + 1, RaftEntry::index);
        let snapshot = (first < disk_end).then(|| self.0.db.snapshot());
        drop(known);
        let mut entries = Vec::new();
        if let Some(snapshot) = snapshot {
            let log = self.0.db.cf_handle(LOG).expect("invariant: the column family was opened");
            for index in first..disk_end {
                let frame = snapshot.get_pinned_cf(log, key(index)).map_err(io::Error::other)?;
                let hole = || io::Error::other(format!("the Raft log has no entry {index}"));
                entries.push(decode(index, &frame.ok_or_else(hole)?).map_err(io::Error::other)?);
            }
        }
        entries.extend(cached);
        Ok(entries)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        drop(lock(&self.jobs).take());
        if let Some(thread) = lock(&self.thread).take() {
            // A panic of the writer was reported where it happened: its queue is closed.
            let _ = thread.join();
        }
    }
}

impl Known {
    /// The part of a range that the log has, as first and last index.
    fn clip(&self, range: impl RangeBounds<u64>) -> Option<(u64, u64)> {
        let first = match range.start_bound() {
            Bound::Included(first) => *first,
            Bound::Excluded(before) => before + 1,
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(last) => last + 1,
            Bound::Excluded(end) => *end,
            Bound::Unbounded => u64::MAX,
        };
        let first = first.max(self.first_index);
        let end = end.min(self.last.map_or(0, |id| id.index + 1));
        (first < end).then(|| (first, end - 1))
    }

    fn append(&mut self, entries: &[Entry]) {
        if let (true, Some(first)) = (self.last == self.purged, entries.first()) {
            self.first_index = first.index();
        }
        for entry in entries {
            self.last = Some(entry.log_id());
            self.cache_bytes += size(entry);
            self.cache.insert(entry.index(), entry.clone());
        }
        while self.cache_bytes > CACHE_BYTES
            && let Some(oldest) = self.cache.first_entry()
            && self.synced_index.is_some_and(|synced| *oldest.key() <= synced)
        {
            self.cache_bytes -= size(&oldest.remove());
        }
    }

    /// Forgets the entries after `last`.
    fn truncate(&mut self, last: Option<LogId>) {
        let first_gone = last.map_or(0, |id| id.index + 1);
        for entry in self.cache.split_off(&first_gone).values() {
            self.cache_bytes -= size(entry);
        }
        self.synced_index = self.synced_index.min(last.map(|id| id.index));
        self.last = self.last.min(last).max(self.purged);
    }

    /// Forgets the entries up to and with `upto`.
    fn purge(&mut self, upto: LogId) {
        let kept = self.cache.split_off(&(upto.index + 1));
        let gone = std::mem::replace(&mut self.cache, kept);
        self.cache_bytes -= gone.values().map(size).sum::<usize>();
        self.purged = self.purged.max(Some(upto));
        self.first_index = self.first_index.max(upto.index + 1);
        self.last = self.last.max(Some(upto));
    }
}

impl RaftLogReader<Types> for RaftLog {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<Entry>> {
        self.read(range)
    }

    /// As many entries as one message between nodes takes, at least one.
    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        let mut bytes = 0;
        let mut next = start;
        while next < end && bytes < MESSAGE_BYTES {
            let more = self.read(next..end.min(next + MESSAGE_ENTRIES))?;
            if more.is_empty() {
                break;
            }
            next += more.len() as u64;
            bytes += more.iter().map(size).sum::<usize>();
            entries.extend(more);
        }
        Ok(entries)
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.known().vote)
    }
}

impl RaftLogStorage<Types> for RaftLog {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<Types>> {
        let known = self.known();
        Ok(LogState { last_purged_log_id: known.purged, last_log_id: known.last })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let vote = *vote;
        self.submit_and_wait(|done| Job::Vote { vote, done }).await?;
        // Only now: a reader must never act on a vote that a crash could take back.
        self.known().vote = Some(vote);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        self.known().committed = committed;
        committed.map_or(Ok(()), |committed| self.submit(Job::Committed(committed)))
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(self.known().committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        self.known().append(&entries);
        self.submit(Job::Append { entries, done: callback })
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> io::Result<()> {
        let first_index = last_log_id.map_or(0, |id| id.index + 1);
        self.known().truncate(last_log_id);
        self.submit_and_wait(|done| Job::Truncate { first_index, done }).await
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        self.known().purge(upto);
        self.submit_and_wait(|done| Job::Purge { upto, done }).await
    }
}

fn key(index: u64) -> [u8; 8] {
    index.to_be_bytes()
}

fn decode(index: u64, frame: &[u8]) -> Result<Entry, RaftLogError> {
    let damaged = |reason| RaftLogError::Entry { index, reason };
    let entry = Entry::from_stored(read_frame(frame).map_err(damaged)?).map_err(damaged)?;
    if entry.index() != index {
        return Err(RaftLogError::Misplaced { index, found: entry.index() });
    }
    Ok(entry)
}

/// Bytes that an entry holds in memory, roughly.
fn size(entry: &Entry) -> usize {
    use super::types::{Command, Payload};
    // Besides its bytes a record is its parsed members, each of them an allocation.
    let fixed = 1_024;
    match &entry.payload {
        Payload::Normal(Command::Append { records, .. }) => {
            records.iter().map(|record| fixed + 2 * record.record_bytes().len()).sum::<usize>()
        }
        _ => fixed,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The state behind these locks is replaced whole, so a panic elsewhere leaves it usable.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
