//! The one door to the ledger, and the one to registries and bodies that are asked.
//!
//! Not here: how a ledger replicates. An implementation over consensus lives with the node; the
//! tests have a twin in memory.

use std::future::Future;

use letopis_ledger::id::{ClaimName, RecordId, StreamName};
use letopis_ledger::leaf::Leaf;
use letopis_ledger::record::SignedRecord;
use letopis_ledger::{LeafIndex, StreamVersion, Timestamp};
use thiserror::Error;

/// The ledger as the engine needs it.
pub trait LedgerPort: Send + Sync {
    /// Appends a record.
    ///
    /// `Ok` means that it is on a majority of disks. Appending the same record again gives the
    /// first answer again. After an error of [`AppendRefused::Unavailable`] the record may or may
    /// not be there: append it again.
    fn append(
        &self,
        record: SignedRecord,
    ) -> impl Future<Output = Result<Appended, AppendRefused>> + Send;

    /// Committed leaves from an index on, at most `most`, without gaps; empty at the end.
    fn leaves(
        &self,
        from: LeafIndex,
        most: usize,
    ) -> impl Future<Output = Result<Vec<Leaf>, ReadFailed>> + Send;
}

/// Where a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Its leaf.
    pub leaf: LeafIndex,
    /// When the leader put it there.
    pub time: Timestamp,
}

/// Why a record was not appended.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AppendRefused {
    /// A stream has another length than the record requires: somebody was faster.
    #[error("stream {stream} has {actual} events, the record requires {expected}")]
    VersionConflict {
        /// The stream.
        stream: StreamName,
        /// The length required.
        expected: StreamVersion,
        /// The length found.
        actual: StreamVersion,
    },
    /// A name is held by another stream: somebody was faster.
    #[error("{claim} is held by {holder}")]
    ClaimTaken {
        /// The name.
        claim: ClaimName,
        /// Who holds it.
        holder: StreamName,
    },
    /// A name to be released is not held by the stream.
    #[error("{claim} is not held by the stream that releases it")]
    ClaimNotHeld {
        /// The name.
        claim: ClaimName,
    },
    /// The record's id was used for other bytes.
    #[error("record id {id} was used for another record")]
    RecordIdReused {
        /// The id.
        id: RecordId,
    },
    /// The author's key may not sign, or the signature does not verify.
    #[error("the record's signature is not accepted: {reason}")]
    Signature {
        /// Why not.
        reason: String,
    },
    /// The leaf would be too large.
    #[error("the record would make a leaf of {found_bytes} bytes, which is too large")]
    TooLarge {
        /// Bytes of the leaf.
        found_bytes: usize,
    },
    /// The queue is full.
    #[error("the ledger is busy; try again in {retry_after_ms} ms")]
    Busy {
        /// When to try again.
        retry_after_ms: u64,
    },
    /// The ledger cannot be reached, or cannot say whether the record is there.
    #[error("the ledger is not available: {reason}; append the same record again later")]
    Unavailable {
        /// Why not.
        reason: String,
    },
    /// The ledger does not take the record for a reason of its own.
    #[error("the ledger does not take the record: {reason}")]
    Other {
        /// Why not.
        reason: String,
    },
}

/// Leaves could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("leaves cannot be read: {reason}")]
pub struct ReadFailed {
    /// Why not.
    pub reason: String,
}
