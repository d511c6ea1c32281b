//! Where the ledger lies on one node's disk.
//!
//! ```text
//! LOCK          held by the one process that may open the folder
//! node          the number under which its node votes
//! raft/         the Raft log (RocksDB with a synced WAL)
//! segments/     leaves, written once: <first leaf, 20 digits>.seg, 65,536 leaves each
//! tiles/        full hash tiles at their C2SP paths; partial ones are recomputed
//! index/        what the append machine reads (RocksDB without WAL, flushed at checkpoints)
//! blobs/        public files by SHA-256
//! publish/      the last signed heads and the published checkpoint
//! incoming/     leaves of a snapshot on their way from another node; gone once it is installed
//! ```
//!
//! Leaves are stored once, framed as in C2SP entry bundles, so a bundle is a range of a segment.
//! Nothing here is synced when a record is applied: the Raft log is, and what a crash takes is
//! replayed from it. A checkpoint syncs leaves and tiles, then flushes the index, in this order,
//! so the index never knows more than the disk holds.
//!
//! Not here: what may be appended (`crate::machine`), what is signed (`crate::publish`).

mod apply;
pub(crate) mod blob;
mod check;
mod error;
pub(crate) mod file;
mod index;
mod open;
mod planted;
mod replay;
pub(crate) mod segment;
pub(crate) mod staging;
mod tile;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use letopis_ledger::Hash;
use letopis_ledger::checkpoint::Origin;
use letopis_ledger::id::NodeId;
use letopis_ledger::policy::Policy;
use letopis_ledger::tile::{TileTree, TileTreeError};
use letopis_ledger::tree::Frontier;
use letopis_ledger::{LeafIndex, TreeSize};
use tokio::sync::watch;

use crate::crash::{CrashHook, CrashPoint};
use crate::disk::DiskHook;
use crate::machine::{LogTail, NodeState, StateView};
use crate::memory::DatabaseMemory;
use crate::raft::types::TreeHead;
use crate::sabotage::Sabotage;

pub(crate) use apply::Transaction;
pub use check::{CheckProgress, Damage};
pub use error::StoreError;
pub(crate) use index::{IndexView, StoredPosition};
pub use open::StoreOpenError;
pub(crate) use open::{FolderLock, Opened, lock_folder};
pub(crate) use tile::TileReader;

use index::Index;
use segment::Segments;
use tile::Tiles;

/// Leaves of one segment file: 256 full bundles.
pub const SEGMENT_LEAVES: u64 = 65_536;

/// The leaves, tiles and indexes of one node.
pub(crate) struct Store {
    origin: Origin,
    segments: Segments,
    tiles: Tiles,
    index: Index,
    end: Mutex<End>,
    applied: watch::Sender<TreeSize>,
    crash: CrashHook,
    pub(crate) sabotage: Sabotage,
}

/// The end of the log, changed by one apply at a time.
#[derive(Debug, Clone)]
struct End {
    tail: LogTail,
    frontier: Frontier,
    agreed: Option<TreeHead>,
    position: StoredPosition,
    /// Bytes written since the last checkpoint of the store.
    unflushed_bytes: u64,
}

/// A durable state of the store: what a Raft snapshot names. The leaves themselves stay where
/// they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// The last Raft entry in it and the membership, as the Raft module stores them.
    pub(crate) position: StoredPosition,
    /// The tree it holds.
    pub(crate) head: TreeHead,
    /// The last tree head in it that the voters agreed on.
    pub(crate) agreed: Option<TreeHead>,
}

impl Store {
    pub(crate) const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Begins to change the store; one at a time.
    pub(crate) fn begin(&self) -> Transaction<'_> {
        Transaction::new(self, self.end())
    }

    /// The tree of all applied leaves.
    pub(crate) fn head(&self) -> TreeHead {
        head_of(&self.end())
    }

    /// The right edge of the tree of all applied leaves.
    pub(crate) fn frontier(&self) -> Frontier {
        self.end().frontier.clone()
    }

    /// The tree of all applied leaves with the policy in force at that very size.
    pub(crate) fn head_and_policy(&self) -> Result<(TreeHead, Option<String>), StoreError> {
        // Nothing is applied while the end is held, so the two belong together.
        let end = self.end();
        let policy = self.index.view(&self.origin, end.tail).policy()?;
        Ok((head_of(&end), policy))
    }

    /// The last tree head agreed through Raft.
    pub(crate) fn agreed(&self) -> Option<TreeHead> {
        self.end().agreed
    }

    /// Where in the Raft log the store is.
    pub(crate) fn position(&self) -> StoredPosition {
        self.end().position.clone()
    }

    /// Whether the store is where a snapshot left it: the Raft log need not reach as far yet.
    pub(crate) fn is_just_installed(&self) -> Result<bool, StoreError> {
        let applied = self.position().log_id;
        Ok(applied.is_some() && self.index.installed()? == applied)
    }

    /// Number of applied leaves, as it grows.
    pub(crate) fn subscribe(&self) -> watch::Receiver<TreeSize> {
        self.applied.subscribe()
    }

    pub(crate) fn applied_size(&self) -> TreeSize {
        *self.applied.borrow()
    }

    /// The state of the append machine after all applied leaves.
    pub(crate) fn view(&self) -> IndexView<'_> {
        let tail = self.end().tail;
        self.index.view(&self.origin, tail)
    }

    /// Every node that the log ever named.
    pub(crate) fn nodes(&self) -> Vec<(NodeId, NodeState)> {
        self.view().nodes().expect("invariant: nodes are kept in memory")
    }

    /// A node, if the log ever named it.
    pub(crate) fn node(&self, id: NodeId) -> Option<NodeState> {
        self.view().node(id).expect("invariant: nodes are kept in memory")
    }

    /// The policy in force.
    pub(crate) fn policy(&self) -> Result<Option<String>, StoreError> {
        self.view().policy()
    }

    /// The policy in force, read; `None` when there is none that can be.
    pub(crate) fn read_policy(&self) -> Option<Policy> {
        self.policy().ok().flatten().and_then(|text| Policy::parse(&text).ok())
    }

    /// Bytes of a leaf, or `None` beyond the applied ones.
    pub(crate) fn leaf(&self, index: LeafIndex) -> Result<Option<Vec<u8>>, StoreError> {
        if !self.applied_size().contains(index) {
            return Ok(None);
        }
        Ok(self.segments.read(index, 1, usize::MAX)?.pop())
    }

    /// Applied leaves from one on, at most `max_count` and, after the first, `max_bytes`.
    pub(crate) fn leaves(
        &self,
        from: LeafIndex,
        max_count: usize,
        max_bytes: usize,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let left = self.applied_size().get().saturating_sub(from.get());
        let count = left.min(max_count as u64);
        if count == 0 {
            return Ok(Vec::new());
        }
        self.segments.read(from, count, max_bytes)
    }

    /// Hashes of applied leaves from one on, before `end`.
    pub(crate) fn leaf_hashes(
        &self,
        from: LeafIndex,
        end: TreeSize,
    ) -> Result<Vec<Hash>, StoreError> {
        let size = self.applied_size();
        let tree = self.tree(size);
        let leaves = (from.get()..end.min(size).get()).map(LeafIndex::new);
        leaves.map(|leaf| tree.leaf(leaf).map_err(tile_error)).collect()
    }

    /// Bytes of the bundle of `count` leaves from `first` on, all of one segment.
    pub(crate) fn bundle(&self, first: LeafIndex, count: u64) -> Result<Vec<u8>, StoreError> {
        self.segments.read_range(first, count)
    }

    /// The tree at a size not beyond the applied one, over this node's own tiles.
    pub(crate) fn tree(&self, size: TreeSize) -> TileTree<TileReader<'_>> {
        TileTree::new(self.tiles.reader(), size)
    }

    /// Root of the first `size` leaves, or `None` beyond the applied ones.
    pub(crate) fn root_at(&self, size: TreeSize) -> Result<Option<Hash>, StoreError> {
        if size > self.applied_size() {
            return Ok(None);
        }
        self.tree(size).root().map(Some).map_err(tile_error)
    }

    pub(crate) const fn tiles(&self) -> &Tiles {
        &self.tiles
    }

    /// Makes the leaves and tiles written so far durable; the index may stay behind.
    pub(crate) fn sync_leaves_and_tiles(&self) -> Result<(), StoreError> {
        self.segments.sync()?;
        self.tiles.sync()
    }

    /// Makes everything applied so far durable and returns what that is.
    pub(crate) fn checkpoint(&self) -> Result<Manifest, StoreError> {
        // Most bytes go to disk before the lock is taken, so that applying waits for the rest only.
        self.sync_leaves_and_tiles()?;
        let mut end = self.end();
        self.sync_leaves_and_tiles()?;
        self.crash.pass(CrashPoint::LeavesSynced);
        let manifest =
            Manifest { position: end.position.clone(), head: head_of(&end), agreed: end.agreed };
        self.index.put_manifest(&manifest)?;
        self.index.flush()?;
        end.unflushed_bytes = 0;
        self.crash.pass(CrashPoint::IndexFlushed);
        Ok(manifest)
    }

    /// The last checkpoint of the store.
    pub(crate) fn manifest(&self) -> Result<Option<Manifest>, StoreError> {
        self.index.manifest()
    }

    /// Bytes applied since the last checkpoint.
    pub(crate) fn unflushed_bytes(&self) -> u64 {
        self.end().unflushed_bytes
    }

    /// What the index holds in memory.
    pub(crate) fn index_memory(&self) -> DatabaseMemory {
        self.index.memory()
    }

    fn end(&self) -> MutexGuard<'_, End> {
        // `End` is replaced whole after everything it describes is written.
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn head_of(end: &End) -> TreeHead {
    TreeHead { size: end.frontier.size(), root: end.frontier.root() }
}

/// A store error that happened while a tree was read; a tree of applied size has all its tiles.
pub(crate) fn tile_error(error: TileTreeError<StoreError>) -> StoreError {
    match error {
        TileTreeError::Read { source, .. } => source,
        other => StoreError::Damaged { what: other.to_string() },
    }
}

/// The parts of a node's folder.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    path: Arc<Path>,
    disk: DiskHook,
    sabotage: Sabotage,
}

impl Folder {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: Arc::from(path), disk: DiskHook::none(), sabotage: Sabotage::none() }
    }

    /// On a simulated disk, in a node with a planted bug: none of either in service.
    pub(crate) fn simulated(self, disk: DiskHook, sabotage: Sabotage) -> Self {
        Self { disk, sabotage, ..self }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) const fn disk(&self) -> &DiskHook {
        &self.disk
    }

    /// The number under which this folder's node votes.
    pub(crate) fn node(&self) -> PathBuf {
        self.path.join("node")
    }

    pub(crate) fn raft(&self) -> PathBuf {
        self.path.join("raft")
    }

    pub(crate) fn segments(&self) -> PathBuf {
        self.path.join("segments")
    }

    pub(crate) fn tiles(&self) -> PathBuf {
        self.path.join("tiles")
    }

    pub(crate) fn index(&self) -> PathBuf {
        self.path.join("index")
    }

    pub(crate) fn blobs(&self) -> PathBuf {
        self.path.join("blobs")
    }

    pub(crate) fn publish(&self) -> PathBuf {
        self.path.join("publish")
    }

    /// Made when a snapshot is fetched, removed when it is installed.
    pub(crate) fn incoming(&self) -> PathBuf {
        self.path.join("incoming")
    }

    /// Makes all parts and their names durable: a file is only as durable as the names above it.
    pub(crate) fn make(&self) -> Result<(), StoreError> {
        let parts = [
            self.raft(),
            self.index(),
            self.segments(),
            self.tiles(),
            self.blobs(),
            self.publish(),
        ];
        parts.iter().try_for_each(|part| file::make_directory(part))?;
        self.disk.sync_directory(self.path())?;
        let absolute = std::path::absolute(self.path());
        let absolute = absolute.map_err(StoreError::file("cannot find", self.path()))?;
        absolute.parent().map_or(Ok(()), file::sync_directory)
    }
}

#[cfg(test)]
mod test;
