//! What a node is started with.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use letopis_ledger::checkpoint::Origin;
use letopis_ledger::cosignature::CosignatureSigner;
use letopis_ledger::note::NoteSigner;

use crate::crash::CrashHook;
use crate::store::CheckProgress;

/// The keys that a node signs with.
#[derive(Debug)]
pub struct SigningKeys {
    /// The log's Ed25519 key (C2SP type 0x01); its name is the origin.
    pub log: NoteSigner,
    /// The log's ML-DSA-44 key (type 0x06); its name is the origin.
    pub log_post_quantum: Option<CosignatureSigner>,
    /// This node's own cosigning key (type 0x04 or 0x06), which never leaves the node.
    pub cosigner: Option<CosignatureSigner>,
}

/// Bounds of work in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Records that wait to be proposed; one more is answered [`crate::AppendError::Busy`].
    pub queue_records: usize,
    /// Most records of one Raft entry, at most 256.
    pub entry_records: usize,
    /// Most record bytes of one Raft entry; one record alone may exceed it.
    pub entry_bytes: usize,
    /// Raft entries that are proposed and not yet applied.
    pub entries_in_flight: usize,
    /// How long an append waits before its outcome is called unknown.
    pub append_timeout: Duration,
    /// Raft entries that are kept after their leaves are durable.
    pub raft_log_keep_entries: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queue_records: 16_384,
            entry_records: crate::machine::RECORDS_PER_ENTRY_MAX,
            entry_bytes: 128 << 10,
            entries_in_flight: 4,
            append_timeout: Duration::from_secs(30),
            raft_log_keep_entries: 1_024,
        }
    }
}

/// How often the node does what is not bound to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intervals {
    /// Between two publications, when there is something new.
    pub publish: Duration,
    /// Between two checkpoints of the store, when there is something new.
    pub checkpoint: Duration,
    /// Bytes of leaves after which a checkpoint of the store does not wait for its time.
    pub checkpoint_bytes: u64,
}

impl Default for Intervals {
    fn default() -> Self {
        Self {
            publish: Duration::from_millis(250),
            checkpoint: Duration::from_secs(10),
            checkpoint_bytes: 64 << 20,
        }
    }
}

/// Told how far the check at start is.
pub type ProgressListener = Arc<dyn Fn(CheckProgress) + Send + Sync>;

/// Everything that a node is started with.
pub struct NodeConfig {
    /// Folder of the node; made when it does not exist.
    pub folder: PathBuf,
    /// Name of the log.
    pub origin: Origin,
    /// Keys.
    pub keys: SigningKeys,
    /// Bounds.
    pub limits: Limits,
    /// Intervals.
    pub intervals: Intervals,
    /// Told how far the check at start is; the log gets it in any case.
    pub progress: Option<ProgressListener>,
    /// For tests: called at each [`crate::CrashPoint`].
    pub crash_hook: CrashHook,
}

impl NodeConfig {
    /// A configuration with default bounds and intervals.
    #[must_use]
    pub fn new(folder: PathBuf, origin: Origin, keys: SigningKeys) -> Self {
        Self {
            folder,
            origin,
            keys,
            limits: Limits::default(),
            intervals: Intervals::default(),
            progress: None,
            crash_hook: CrashHook::none(),
        }
    }
}

impl fmt::Debug for NodeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeConfig")
            .field("folder", &self.folder)
            .field("origin", &self.origin)
            .field("keys", &self.keys)
            .field("limits", &self.limits)
            .field("intervals", &self.intervals)
            .field("crash_hook", &self.crash_hook)
            .finish_non_exhaustive()
    }
}
