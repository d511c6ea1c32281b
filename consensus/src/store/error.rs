//! Why the store could not do what it was asked.

use std::io;
use std::path::{Path, PathBuf};

use letopis_ledger::LeafIndex;
use thiserror::Error;

/// A failure of files or of the index. Any of them while writing stops the node.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// A file could not be read, written or synced.
    #[error("{what} {path}: {reason}{hint}")]
    File {
        /// What was done.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
        /// What to do about it, or nothing.
        hint: &'static str,
    },
    /// The index database failed.
    #[error("the index failed: {reason}")]
    Index {
        /// What RocksDB said.
        reason: String,
    },
    /// Replaying the Raft log gives other bytes than those on disk.
    #[error("leaf {leaf} on disk differs from what the Raft log gives: one of them was altered")]
    LeafDiffers {
        /// The leaf.
        leaf: LeafIndex,
    },
    /// A leaf that came from elsewhere is not the one that follows.
    #[error("leaf {leaf} is not the one that follows: {reason}; it was not taken")]
    Replay {
        /// The leaf.
        leaf: LeafIndex,
        /// What does not fit.
        reason: String,
    },
    /// Something stored is not what it must be.
    #[error("damaged: {what}")]
    Damaged {
        /// What and how.
        what: String,
    },
}

impl StoreError {
    /// Makes an error of a file operation.
    pub(crate) fn file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| {
            let hint = match error.kind() {
                io::ErrorKind::StorageFull
                | io::ErrorKind::QuotaExceeded
                | io::ErrorKind::FileTooLarge => " (free space or raise the limit, then restart)",
                _ => "",
            };
            Self::File { what, path: path.to_owned(), reason: error.to_string(), hint }
        }
    }
}

impl From<rocksdb::Error> for StoreError {
    fn from(error: rocksdb::Error) -> Self {
        Self::Index { reason: error.to_string() }
    }
}
