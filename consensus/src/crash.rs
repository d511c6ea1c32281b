//! The points between two durable steps where a test may kill the process.
//!
//! A test puts a function into [`crate::NodeConfig::crash_hook`]; it is called with each point
//! that is passed, and may end the process there. Nodes in service have no function.

use std::fmt;
use std::sync::Arc;

/// A place between two durable steps, in the order of one record's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CrashPoint {
    /// A round of the Raft log is about to be written.
    RaftLogWriting,
    /// It is synced; nobody was told.
    RaftLogSynced,
    /// Leaf bytes of an apply are in the segment; tiles and indexes are not changed.
    LeavesWritten,
    /// An apply is complete in memory; nobody was answered.
    Applied,
    /// A checkpoint of the store has synced leaves and tiles; the indexes are not flushed.
    LeavesSynced,
    /// The indexes are flushed; the Raft log is not purged.
    IndexFlushed,
    /// The tree head is agreed through Raft.
    TreeHeadAgreed,
    /// Leaves and tiles of the tree head are durable; nothing is signed.
    TilesDurable,
    /// It is durable that the log key is about to sign; no signature exists.
    LogSigningRecorded,
    /// The log key has signed.
    LogSigned,
    /// It is durable that the cosigner is about to sign; no cosignature exists.
    CosigningRecorded,
    /// The node has cosigned.
    Cosigned,
    /// The policy's quorum holds; the checkpoint is not replaced.
    QuorumReached,
    /// The checkpoint is published.
    Published,
}

impl CrashPoint {
    /// Every point, in order.
    pub const ALL: [Self; 14] = [
        Self::RaftLogWriting,
        Self::RaftLogSynced,
        Self::LeavesWritten,
        Self::Applied,
        Self::LeavesSynced,
        Self::IndexFlushed,
        Self::TreeHeadAgreed,
        Self::TilesDurable,
        Self::LogSigningRecorded,
        Self::LogSigned,
        Self::CosigningRecorded,
        Self::Cosigned,
        Self::QuorumReached,
        Self::Published,
    ];

    /// A stable name, for tests that start another process.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RaftLogWriting => "raft-log-writing",
            Self::RaftLogSynced => "raft-log-synced",
            Self::LeavesWritten => "leaves-written",
            Self::Applied => "applied",
            Self::LeavesSynced => "leaves-synced",
            Self::IndexFlushed => "index-flushed",
            Self::TreeHeadAgreed => "tree-head-agreed",
            Self::TilesDurable => "tiles-durable",
            Self::LogSigningRecorded => "log-signing-recorded",
            Self::LogSigned => "log-signed",
            Self::CosigningRecorded => "cosigning-recorded",
            Self::Cosigned => "cosigned",
            Self::QuorumReached => "quorum-reached",
            Self::Published => "published",
        }
    }

    /// The point of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|point| point.name() == name)
    }
}

impl fmt::Display for CrashPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A test's function, or none.
#[derive(Clone, Default)]
pub struct CrashHook(Option<Arc<dyn Fn(CrashPoint) + Send + Sync>>);

impl CrashHook {
    /// No function: what every node in service has.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// Calls `hook` at each point passed, on the thread that passes it.
    #[must_use]
    pub fn new(hook: impl Fn(CrashPoint) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hook)))
    }

    pub(crate) fn pass(&self, point: CrashPoint) {
        if let Some(hook) = &self.0 {
            hook(point);
        }
    }
}

impl fmt::Debug for CrashHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "CrashHook(set)" } else { "CrashHook(none)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_is_found_by_its_name() {
        for point in CrashPoint::ALL {
            assert_eq!(CrashPoint::parse(point.name()), Some(point));
        }
    }
}
