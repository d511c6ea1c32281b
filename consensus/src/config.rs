//! What a node is started with.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use letopis_ledger::checkpoint::Origin;
use letopis_ledger::cosignature::CosignatureSigner;
use letopis_ledger::id::NodeId;
use letopis_ledger::note::SignerKey;

use crate::clock::Clock;
use crate::crash::CrashHook;
use crate::disk::DiskHook;
use crate::peer::{CallError, PeerAddress, Pending, Transport};
use crate::publish::log_key::{KeepLogKey, ReloadLogKeys};
use crate::sabotage::Sabotage;
use crate::store::CheckProgress;

/// The keys that a node signs with.
pub struct SigningKeys {
    /// The log's Ed25519 keys (C2SP type 0x01), named by the origin: one, two while a rotation is
    /// under way, none on a node that does not vote or has just joined.
    pub log: Vec<SignerKey>,
    /// Stores a log key that this node gets from another voter.
    pub keep_log: Option<KeepLogKey>,
    /// Reads the log keys again, for one that was made while the node runs.
    pub reload_log: Option<ReloadLogKeys>,
    /// The log's ML-DSA-44 key (type 0x06); its name is the origin.
    pub log_post_quantum: Option<Arc<CosignatureSigner>>,
    /// This node's own cosigning key (type 0x04 or 0x06), which never leaves the node.
    pub cosigner: Option<Arc<CosignatureSigner>>,
}

impl SigningKeys {
    /// No keys: a node that signs nothing.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            log: Vec::new(),
            keep_log: None,
            reload_log: None,
            log_post_quantum: None,
            cosigner: None,
        }
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKeys")
            .field("log", &self.log)
            .field("log_post_quantum", &self.log_post_quantum)
            .field("cosigner", &self.cosigner)
            .finish_non_exhaustive()
    }
}

/// How a node that has no Raft log yet begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// As the one voter of a new log.
    Found,
    /// As a node that the others bring in.
    Join,
}

/// A node's place among the others.
#[derive(Clone)]
pub struct PeerConfig {
    /// This node's number.
    pub node: NodeId,
    /// Its own address, for Raft's membership when it founds the log.
    pub address: String,
    /// How it begins.
    pub start: Start,
    /// Nodes to begin with, until the log names them.
    pub invitation: Vec<PeerAddress>,
    /// How the others are reached.
    pub transport: Arc<dyn Transport>,
}

impl PeerConfig {
    /// Node 1, which founds the log and reaches nobody.
    #[must_use]
    pub fn alone() -> Self {
        Self {
            node: NodeId::new(1).expect("invariant: 1 is a node's number"),
            address: String::new(),
            start: Start::Found,
            invitation: Vec::new(),
            transport: Arc::new(Nobody),
        }
    }
}

impl fmt::Debug for PeerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerConfig")
            .field("node", &self.node)
            .field("address", &self.address)
            .field("start", &self.start)
            .field("invitation", &self.invitation)
            .finish_non_exhaustive()
    }
}

/// The transport of a node that is alone.
struct Nobody;

impl Transport for Nobody {
    fn call(
        &self,
        peer: &PeerAddress,
        _: Vec<u8>,
        _: Duration,
    ) -> Pending<Result<Vec<u8>, CallError>> {
        let PeerAddress { node, address, .. } = peer.clone();
        let reason = "this node runs alone".to_owned();
        Box::pin(async move { Err(CallError::Unreachable { node, address, reason }) })
    }
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
    /// Entries of other nodes' callers that are proposed and not yet applied.
    pub forwarded_entries: usize,
    /// How long an append waits before its outcome is called unknown.
    pub append_timeout: Duration,
    /// Raft entries that are kept after their leaves are durable: what a voter may be behind and
    /// still catch up from the Raft log; past it, it takes a snapshot.
    pub raft_log_keep_entries: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queue_records: 16_384,
            entry_records: crate::machine::RECORDS_PER_ENTRY_MAX,
            entry_bytes: 128 << 10,
            entries_in_flight: 4,
            forwarded_entries: 16,
            append_timeout: Duration::from_secs(30),
            raft_log_keep_entries: 4_096,
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
    /// The other nodes.
    pub peers: PeerConfig,
    /// Where the time comes from.
    pub clock: Clock,
    /// Bounds.
    pub limits: Limits,
    /// Intervals.
    pub intervals: Intervals,
    /// Told how far the check at start is; the log gets it in any case.
    pub progress: Option<ProgressListener>,
    /// For tests: called at each [`crate::CrashPoint`].
    pub crash_hook: CrashHook,
    /// For simulations: asked before each write and sync.
    pub disk: DiskHook,
    /// For tests of the simulation: the bug that is planted in this node.
    pub sabotage: Sabotage,
}

impl NodeConfig {
    /// A configuration with default bounds and intervals.
    #[must_use]
    pub fn new(folder: PathBuf, origin: Origin, keys: SigningKeys) -> Self {
        Self {
            folder,
            origin,
            keys,
            peers: PeerConfig::alone(),
            clock: Clock::system(),
            limits: Limits::default(),
            intervals: Intervals::default(),
            progress: None,
            crash_hook: CrashHook::none(),
            disk: DiskHook::none(),
            sabotage: Sabotage::none(),
        }
    }
}

impl fmt::Debug for NodeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeConfig")
            .field("folder", &self.folder)
            .field("origin", &self.origin)
            .field("keys", &self.keys)
            .field("peers", &self.peers)
            .field("limits", &self.limits)
            .field("intervals", &self.intervals)
            .field("crash_hook", &self.crash_hook)
            .finish_non_exhaustive()
    }
}
