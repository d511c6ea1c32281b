//! Opening the Raft log: every entry is read and checked before the node trusts any of them.
//!
//! RocksDB's WAL mode is the one that accepts a torn record at the very end only; the default
//! would silently drop everything after the first bad record, acknowledged entries included.

use std::io;
use std::path::Path;

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode,
    IteratorMode, Options,
};
use thiserror::Error;

use super::super::encoding::{EncodingError, Stored, read_entry_log_id, read_frame};
use super::{COMMITTED, Hooks, Known, LOG, META, PURGED, RaftLog, VOTE};

/// One of few, so that memory does not depend on how long the log is or how fast it grows.
const WRITE_BUFFER_BYTES: usize = 16 << 20;
/// What writing is ahead of the disk by at most, before it waits for it.
const WRITE_BUFFERS: i32 = 4;
/// Tables of one write buffer each that are merged at once.
const TABLES_MERGED: i32 = 16;
/// Blocks that are read for nodes that lag, in order and once.
const CACHE_BYTES: usize = 8 << 20;

/// Why the Raft log cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RaftLogError {
    /// The database itself does not open or read.
    #[error("the database does not read: {reason}")]
    Engine {
        /// What RocksDB said.
        reason: String,
    },
    /// An entry's bytes are damaged.
    #[error("entry {index} is damaged: {reason}")]
    Entry {
        /// Raft index of the entry.
        index: u64,
        /// What is wrong.
        reason: EncodingError,
    },
    /// An entry stands under another index.
    #[error("entry {index} says that it is entry {found}")]
    Misplaced {
        /// Index under which it stands.
        index: u64,
        /// Index that it states.
        found: u64,
    },
    /// Entries are missing.
    #[error("entry {expected} is missing, {found} follows")]
    Hole {
        /// Index that must follow.
        expected: u64,
        /// Index found.
        found: u64,
    },
    /// The vote, the committed or the purged position is damaged.
    #[error("{name} is damaged: {reason}")]
    Meta {
        /// Which of them.
        name: &'static str,
        /// What is wrong.
        reason: EncodingError,
    },
    /// The log ends before what is known to be committed: acknowledged entries are gone.
    #[error("the log ends at entry {last}, entry {committed} was committed: its end is lost")]
    EndLost {
        /// Last entry found.
        last: u64,
        /// Entry known to be committed.
        committed: u64,
    },
}

impl RaftLog {
    /// Opens or creates the log in a folder.
    ///
    /// # Errors
    /// Any damage; nothing is repaired.
    pub(crate) fn open(folder: &Path, hooks: Hooks) -> Result<Self, RaftLogError> {
        let db = open_database(folder)?;
        let known = read_known(&db)?;
        let io = |e: io::Error| RaftLogError::Engine { reason: e.to_string() };
        Self::start(db, known, hooks).map_err(io)
    }
}

pub(super) fn open_database(folder: &Path) -> Result<DB, RaftLogError> {
    let options = options();
    let families = [LOG, META].map(|name| ColumnFamilyDescriptor::new(name, options.clone()));
    DB::open_cf_descriptors(&options, folder, families).map_err(engine)
}

pub(super) fn engine(error: rocksdb::Error) -> RaftLogError {
    RaftLogError::Engine { reason: error.to_string() }
}

fn options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_compression_type(DBCompressionType::None);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_max_write_buffer_number(WRITE_BUFFERS);
    options.set_max_total_wal_size(256 << 20);
    // Most tables are purged whole before it is worth merging them.
    options.set_level_zero_file_num_compaction_trigger(TABLES_MERGED);
    options.set_level_zero_slowdown_writes_trigger(2 * TABLES_MERGED);
    options.set_level_zero_stop_writes_trigger(3 * TABLES_MERGED);
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&Cache::new_lru_cache(CACHE_BYTES));
    options.set_block_based_table_factory(&table);
    options.set_keep_log_file_num(4);
    options.set_max_background_jobs(2);
    options
}

pub(super) fn read_known(db: &DB) -> Result<Known, RaftLogError> {
    let mut known = Known {
        vote: read_meta(db, VOTE, "vote")?,
        committed: read_meta(db, COMMITTED, "committed position")?,
        purged: read_meta(db, PURGED, "purged position")?,
        ..Known::default()
    };
    known.last = known.purged;
    known.first_index = known.purged.map_or(0, |id| id.index + 1);
    let log = db.cf_handle(LOG).expect("invariant: the column family was opened");
    for item in db.iterator_cf(log, IteratorMode::Start) {
        let (key, frame) = item.map_err(|e| RaftLogError::Engine { reason: e.to_string() })?;
        let index = key.first_chunk().map_or(u64::MAX, |key| u64::from_be_bytes(*key));
        let expected = match known.last {
            Some(last) => last.index + 1,
            None => 0,
        };
        if index != expected {
            return Err(RaftLogError::Hole { expected, found: index });
        }
        let read = read_frame(&frame).and_then(read_entry_log_id);
        let log_id = read.map_err(|reason| RaftLogError::Entry { index, reason })?;
        if log_id.index != index {
            return Err(RaftLogError::Misplaced { index, found: log_id.index });
        }
        known.last = Some(log_id);
    }
    known.synced_index = known.last.map(|id| id.index);
    match (known.last, known.committed) {
        (last, Some(committed)) if last < Some(committed) => Err(RaftLogError::EndLost {
            last: last.map_or(0, |id| id.index),
            committed: committed.index,
        }),
        _ => Ok(known),
    }
}

fn read_meta<T: Stored>(
    db: &DB,
    key: &[u8],
    name: &'static str,
) -> Result<Option<T>, RaftLogError> {
    let meta = db.cf_handle(META).expect("invariant: the column family was opened");
    let bytes = db.get_cf(meta, key).map_err(|e| RaftLogError::Engine { reason: e.to_string() })?;
    let read = |bytes: Vec<u8>| {
        read_frame(&bytes)
            .and_then(T::from_stored)
            .map_err(|reason| RaftLogError::Meta { name, reason })
    };
    bytes.map(read).transpose()
}
