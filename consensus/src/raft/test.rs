//! openraft's own suite for log stores, and what happens to a log whose bytes were changed.

use std::path::Path;
use std::sync::Arc;

use openraft::StorageError;
use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::type_config::TypeConfigExt;
use openraft::{EntryPayload, RaftLogReader};
use rocksdb::{DB, Options};
use tempfile::TempDir;

use super::log::{Hooks, RaftLog, RaftLogError};
use super::machine::Applier;
use super::types::{CommittedLeaderId, Entry, LogId, Types, Vote};
use crate::awaited::Awaited;
use crate::crash::CrashHook;
use crate::disk::DiskHook;
use crate::fatal::FatalSignal;
use crate::machine::test_records::origin;
use crate::publish::Authors;
use crate::sabotage::Sabotage;
use crate::store::staging::Staging;
use crate::store::{Folder, Opened, Store};

struct Builder;

impl StoreBuilder<Types, RaftLog, Applier, TempDir> for Builder {
    async fn build(&self) -> Result<(TempDir, RaftLog, Applier), StorageError<Types>> {
        let directory = tempfile::tempdir().unwrap();
        let folder = Folder::new(directory.path());
        let fatal = FatalSignal::new();
        let opened = Opened {
            origin: origin(),
            signed_size: letopis_ledger::TreeSize::ZERO,
            progress: &|_| {},
            crash: CrashHook::none(),
        };
        let store = Store::open(&folder, opened).unwrap();
        let log = open(directory.path()).unwrap();
        let applier = Applier {
            store: Arc::new(store),
            staging: Staging::new(&folder),
            awaited: Arc::new(Awaited::new()),
            authors: Arc::new(Authors::from(letopis_ledger::TreeSize::ZERO)),
            fatal,
        };
        Ok((directory, log, applier))
    }
}

fn open(directory: &Path) -> Result<RaftLog, RaftLogError> {
    let hooks = Hooks {
        fatal: FatalSignal::new(),
        crash: CrashHook::none(),
        disk: DiskHook::none(),
        sabotage: Sabotage::none(),
    };
    RaftLog::open(&directory.join("raft"), hooks)
}

#[test]
fn openraft_s_suite_passes_on_our_store() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(Suite::test_all(Builder)).unwrap();
}

fn log_id(term: u64, index: u64) -> LogId {
    LogId::new(CommittedLeaderId::new(term), index)
}

async fn append(log: &mut RaftLog, range: std::ops::Range<u64>) {
    let (done, synced) = Types::oneshot();
    let entries = range.map(|index| Entry::new(log_id(1, index), EntryPayload::Blank));
    log.append(entries, IOFlushed::signal(done)).await.unwrap();
    synced.await.unwrap().unwrap();
}

#[tokio::test]
async fn vote_entries_and_positions_survive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path()).unwrap();
    log.save_vote(&Vote::new_committed(1, 1)).await.unwrap();
    append(&mut log, 0..10).await;
    log.save_committed(Some(log_id(1, 6))).await.unwrap();
    log.truncate_after(Some(log_id(1, 7))).await.unwrap();
    log.purge(log_id(1, 2)).await.unwrap();
    drop(log);
    let mut log = open(directory.path()).unwrap();
    assert_eq!(log.read_vote().await.unwrap(), Some(Vote::new_committed(1, 1)));
    assert_eq!(log.read_committed().await.unwrap(), Some(log_id(1, 6)));
    let state = log.get_log_state().await.unwrap();
    assert_eq!(state.last_purged_log_id, Some(log_id(1, 2)));
    assert_eq!(state.last_log_id, Some(log_id(1, 7)));
    let entries = log.try_get_log_entries(..).await.unwrap();
    let indexes: Vec<u64> = entries.iter().map(RaftEntry::index).collect();
    assert_eq!(indexes, [3, 4, 5, 6, 7]);
}

/// Changes one stored value behind the log's back.
fn tamper(
    directory: &Path,
    family: &str,
    key: &[u8],
    change: impl FnOnce(Option<Vec<u8>>) -> Option<Vec<u8>>,
) {
    let path = directory.join("raft");
    let families = ["default", "log", "meta"];
    let db = DB::open_cf(&Options::default(), path, families).unwrap();
    let family = db.cf_handle(family).unwrap();
    match change(db.get_cf(family, key).unwrap()) {
        Some(bytes) => db.put_cf(family, key, bytes).unwrap(),
        None => db.delete_cf(family, key).unwrap(),
    }
}

#[tokio::test]
async fn a_changed_log_is_refused_with_the_entry_named() {
    let key = |index: u64| index.to_be_bytes();
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path()).unwrap();
    append(&mut log, 0..5).await;
    log.save_committed(Some(log_id(1, 4))).await.unwrap();
    append(&mut log, 5..6).await;
    drop(log);

    let mut entry_3 = None;
    tamper(directory.path(), "log", &key(3), |bytes| {
        entry_3.clone_from(&bytes);
        bytes.map(|mut bytes| {
            bytes[6] ^= 1;
            bytes
        })
    });
    assert!(matches!(open(directory.path()), Err(RaftLogError::Entry { index: 3, .. })));

    tamper(directory.path(), "log", &key(3), |_| None);
    let hole = RaftLogError::Hole { expected: 3, found: 4 };
    assert_eq!(open(directory.path()).err(), Some(hole));

    let mut entry_4 = None;
    tamper(directory.path(), "log", &key(4), |bytes| {
        entry_4.clone_from(&bytes);
        bytes
    });
    tamper(directory.path(), "log", &key(3), |_| entry_4);
    let misplaced = RaftLogError::Misplaced { index: 3, found: 4 };
    assert_eq!(open(directory.path()).err(), Some(misplaced));

    tamper(directory.path(), "log", &key(3), |_| entry_3);
    assert!(open(directory.path()).is_ok());

    tamper(directory.path(), "log", &key(5), |_| None);
    tamper(directory.path(), "log", &key(4), |_| None);
    let lost = RaftLogError::EndLost { last: 3, committed: 4 };
    assert_eq!(open(directory.path()).err(), Some(lost));

    tamper(directory.path(), "meta", b"committed", |_| Some(vec![0; 8]));
    assert!(matches!(open(directory.path()), Err(RaftLogError::Meta { .. })));
}
