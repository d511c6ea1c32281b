//! The ledger as the rest of a program sees it: append, read, prove, follow.
//!
//! What each call guarantees:
//! - `append` answers after the record is synced on a majority of Raft logs and applied here.
//! - `leaf`, `leaves`, `record`, `stream`, `claim`, `key`, `agency`, `nodes` show every record
//!   applied
//!   before the call, so a caller sees its own acknowledged appends. A stopped node answers none.
//! - `tile`, `entry_bundle`, `checkpoint` and `tlog_proof` never show more than is published.
//!
//! Not here: the meaning of records, and anything of openraft's.

mod consistency;
mod status;

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use letopis_ledger::checkpoint::{Checkpoint, Origin};
use letopis_ledger::id::{AgencyId, ClaimName, NodeId, RecordId, StreamName};
use letopis_ledger::key::{AuthorKey, AuthorKeyId, KeyError};
use letopis_ledger::note::Note;
use letopis_ledger::proof::TlogProof;
use letopis_ledger::record::SignedRecord;
use letopis_ledger::tile::{BundlePath, TilePath, TileTreeError, TileWidth};
use letopis_ledger::tree::{ConsistencyProof, InclusionProof, TreeError};
use letopis_ledger::{Hash, LeafIndex, TreeSize};
use thiserror::Error;
use tokio::sync::watch;

use crate::fatal::{Fatal, FatalSignal};
use crate::machine::{AgencyState, KeyState, NodeState, Receipt, Reject, StateView, StreamState};
use crate::metric;
use crate::peer::message::{Request, Response};
use crate::peer::watch::Peers;
use crate::proposer::{Path, Proposer};
use crate::publish::Stages;
use crate::raft::log::RaftLog;
use crate::raft::types::TreeHead;
use crate::runtime::run_blocking;
use crate::sabotage::Bug;
use crate::signature_check::Verifier;
use crate::store::blob::Blobs;
use crate::store::{Folder, Store, StoreError, tile_error};

/// Why a record has no receipt.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AppendError {
    /// The record breaks a rule; nothing changed.
    #[error(transparent)]
    Rejected(Box<Reject>),
    /// A signature does not hold; nothing changed.
    #[error("the record's signature was refused: {0}; sign the canonical record bytes again")]
    BadSignature(KeyError),
    /// Too many records wait; nothing changed.
    #[error("{queue_records} records wait already: try again in a moment")]
    Busy {
        /// Records that may wait.
        queue_records: usize,
    },
    /// No node leads; nothing changed.
    #[error("no leader accepts records now: try again in a moment")]
    Unavailable,
    /// The leader refused the record before it was proposed; nothing changed.
    #[error("the leader refused the record: {reason}")]
    RefusedByLeader {
        /// What it said.
        reason: String,
    },
    /// No answer in time. The record may still be appended.
    #[error("no answer for record {id} within {waited:?}: send the same bytes again to learn it")]
    Unknown {
        /// The record.
        id: RecordId,
        /// How long the call waited.
        waited: Duration,
    },
    /// The node has stopped. The record may have been appended.
    #[error("the node has stopped, send the same bytes later{}", because(fatal.as_ref()))]
    Stopped {
        /// Why, if it did not stop by request.
        fatal: Option<Fatal>,
    },
}

impl AppendError {
    /// A stable name for metrics and for callers that are programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Rejected(_) => "rejected",
            Self::BadSignature(_) => "bad_signature",
            Self::Busy { .. } => "busy",
            Self::Unavailable => "unavailable",
            Self::RefusedByLeader { .. } => "refused",
            Self::Unknown { .. } => "unknown",
            Self::Stopped { .. } => "stopped",
        }
    }
}

/// Why something could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReadError {
    /// The node has stopped.
    #[error("the node has stopped{}", because(fatal.as_ref()))]
    Stopped {
        /// Why, if it did not stop by request.
        fatal: Option<Fatal>,
    },
    /// This node has not got as far in time.
    #[error("this node has {applied} leaves, {asked} were asked for: try again in a moment")]
    Behind {
        /// Leaves that it has.
        applied: TreeSize,
        /// Leaves that it was to have.
        asked: TreeSize,
    },
    /// Nobody could say in time what is the newest.
    #[error("no leader answers: try again in a moment, or read with less consistency")]
    NoLeader,
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The request does not fit the tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// Why there is no proof against the published checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TlogProofError {
    /// Nothing could be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The leaf is not published yet, or does not exist.
    #[error("leaf {leaf} is not in the published {published} leaves: try again in a moment")]
    NotPublished {
        /// The leaf.
        leaf: LeafIndex,
        /// Leaves of the published checkpoint.
        published: TreeSize,
    },
}

/// How long fetching a file from another node may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

fn because(fatal: Option<&Fatal>) -> String {
    fatal.map_or_else(String::new, |fatal| format!(": {fatal}"))
}

pub use consistency::{Consistency, ConsistencyError};
pub use status::{NodeStatus, Role};

/// How far each stage is, in leaves:
/// `published ≤ cosigned ≤ signed ≤ agreed ≤ applied`, and `applied_entry ≤ committed_entry`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Positions {
    /// Raft index of the last entry known to be committed.
    pub committed_entry: Option<u64>,
    /// Raft index of the last entry in the log.
    pub last_entry: Option<u64>,
    /// Leaves applied.
    pub applied: TreeSize,
    /// Leaves of the last tree head agreed through Raft.
    pub agreed: TreeSize,
    /// Leaves of the last head that the log signed.
    pub signed: TreeSize,
    /// Leaves of the last head that this node cosigned, or another one published.
    pub cosigned: TreeSize,
    /// Leaves of the published checkpoint.
    pub published: TreeSize,
}

/// A published checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedCheckpoint {
    /// Leaves of the tree.
    pub size: TreeSize,
    /// Root of the tree.
    pub root: Hash,
    /// The signed note, as served.
    pub text: Arc<str>,
    /// The same, read.
    pub note: Arc<Note>,
}

impl PublishedCheckpoint {
    pub(crate) fn new(checkpoint: &Checkpoint, note: Note) -> Self {
        let text = Arc::from(note.to_string());
        Self { size: checkpoint.size(), root: *checkpoint.root(), text, note: Arc::new(note) }
    }

    /// The tree head.
    #[must_use]
    pub const fn head(&self) -> TreeHead {
        TreeHead { size: self.size, root: self.root }
    }
}

/// The parts that belong to a node and that handles only borrow: when the node stops they go, and
/// the folder is free again whoever still holds a handle.
pub(crate) struct Parts {
    pub(crate) store: Arc<Store>,
    pub(crate) log: RaftLog,
    pub(crate) blobs: Blobs,
    pub(crate) proposer: Proposer,
    pub(crate) fatal: FatalSignal,
    pub(crate) verifier: Verifier,
    pub(crate) peers: Peers,
    pub(crate) path: Path,
    pub(crate) folder: Folder,
}

/// A handle on a running node's ledger. Clones share the node.
#[derive(Clone)]
pub struct LedgerHandle {
    parts: Weak<Parts>,
    origin: Origin,
    fatal: FatalSignal,
    applied: watch::Receiver<TreeSize>,
    stages: watch::Receiver<Stages>,
    published: watch::Receiver<Option<PublishedCheckpoint>>,
}

impl LedgerHandle {
    pub(crate) fn new(
        parts: &Arc<Parts>,
        stages: watch::Receiver<Stages>,
        published: watch::Receiver<Option<PublishedCheckpoint>>,
    ) -> Self {
        Self {
            parts: Arc::downgrade(parts),
            origin: parts.store.origin().clone(),
            fatal: parts.fatal.clone(),
            applied: parts.store.subscribe(),
            stages,
            published,
        }
    }

    /// Name of the log.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Appends a record. A record that is in the log already gets its first receipt again.
    ///
    /// # Errors
    /// See [`AppendError`]; after [`AppendError::Unknown`] and [`AppendError::Stopped`] the same
    /// bytes may be sent again safely.
    pub async fn append(&self, record: SignedRecord) -> Result<Receipt, AppendError> {
        let started = Instant::now();
        let answer = self.append_checked(record).await;
        metric::append_answered(&answer, started.elapsed());
        answer
    }

    async fn append_checked(&self, record: SignedRecord) -> Result<Receipt, AppendError> {
        let stopped = || AppendError::Stopped { fatal: self.fatal.get() };
        let parts = self.parts().ok_or_else(stopped)?;
        if let Some(first) = parts.first_receipt(&record)? {
            return Ok(first);
        }
        let keys = parts.signing_keys(&record)?;
        let verified = parts.verifier.verify(record, keys).await.ok_or_else(stopped)?;
        let record = verified.map_err(AppendError::BadSignature)?;
        let proposer = parts.proposer.clone();
        drop(parts);
        match proposer.append(record).await {
            Err(AppendError::Stopped { .. }) => Err(stopped()),
            answer => answer,
        }
    }

    /// Canonical bytes of a leaf, or `None` when it is not applied.
    ///
    /// # Errors
    /// The node has stopped or the store cannot be read; so for all below.
    pub fn leaf(&self, index: LeafIndex) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(self.running()?.store.leaf(index)?)
    }

    /// Canonical bytes of applied leaves from one on, at most `max_count` and about 4 MB.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn leaves(&self, from: LeafIndex, max_count: usize) -> Result<Vec<Vec<u8>>, ReadError> {
        const READ_BYTES: usize = 4 << 20;
        Ok(self.running()?.store.leaves(from, max_count, READ_BYTES)?)
    }

    /// The tree of all applied leaves.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn head(&self) -> Result<TreeHead, ReadError> {
        Ok(self.running()?.store.head())
    }

    /// Number of applied leaves.
    #[must_use]
    pub fn applied(&self) -> TreeSize {
        *self.applied.borrow()
    }

    /// The number of applied leaves as it grows, for those who follow the log.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<TreeSize> {
        self.applied.clone()
    }

    /// How far each stage is. Of a stopped node, how far it was, without what Raft knew.
    #[must_use]
    pub fn positions(&self) -> Positions {
        // From the last stage to the first, so that none is seen ahead of the one before it.
        let published = self.published_size();
        let Stages { signed, cosigned } = *self.stages.borrow();
        // What another node published was cosigned and signed, if not by this one.
        let (signed, cosigned) = (signed.max(published), cosigned.max(published));
        let parts = self.parts();
        let agreed = parts.as_ref().and_then(|parts| parts.store.agreed());
        let agreed = agreed.map_or(signed, |head| head.size).max(signed);
        let applied = self.applied();
        let (last, committed) = parts.map_or((None, None), |parts| parts.log.last_and_committed());
        Positions {
            committed_entry: committed.map(|id| id.index),
            last_entry: last.map(|id| id.index),
            applied,
            agreed,
            signed,
            cosigned,
            published,
        }
    }

    /// The published checkpoint, or `None` before the first one.
    #[must_use]
    pub fn checkpoint(&self) -> Option<PublishedCheckpoint> {
        self.published.borrow().clone()
    }

    /// The published checkpoint as it changes.
    #[must_use]
    pub fn subscribe_checkpoint(&self) -> watch::Receiver<Option<PublishedCheckpoint>> {
        self.published.clone()
    }

    /// Bytes of a hash tile of any width that the published tree has.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn tile(&self, path: TilePath) -> Result<Option<Vec<u8>>, ReadError> {
        let hashes = path.level.hash_count(self.published_size());
        let end = path.index.get().checked_mul(256);
        let end = end.and_then(|start| start.checked_add(path.width.get().into()));
        if end.is_none_or(|end| end > hashes) {
            return Ok(None);
        }
        Ok(self.running()?.store.tiles().get(path)?.map(|tile| tile.to_bytes()))
    }

    /// Bytes of an entry bundle of any width that the published log has.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn entry_bundle(&self, path: BundlePath) -> Result<Option<Vec<u8>>, ReadError> {
        let width = u64::from(path.width.get());
        let Some(first) = path.index.get().checked_mul(TileWidth::FULL.get().into()) else {
            return Ok(None);
        };
        if first.checked_add(width).is_none_or(|end| end > self.published_size().get()) {
            return Ok(None);
        }
        Ok(Some(self.running()?.store.bundle(LeafIndex::new(first), width)?))
    }

    /// Proof that a leaf is in the tree of `size` leaves; the size may be any applied one.
    ///
    /// # Errors
    /// The leaf is outside the tree, or see [`ReadError`].
    pub fn inclusion_proof(
        &self,
        leaf: LeafIndex,
        size: TreeSize,
    ) -> Result<InclusionProof, ReadError> {
        let store = &self.running()?.store;
        let size_shown = size.min(store.applied_size());
        if size_shown < size {
            return Err(TreeError::LeafOutsideTree { leaf, size: size_shown }.into());
        }
        store.tree(size).inclusion_proof(leaf).map_err(read_error)
    }

    /// Proof that the tree of `new` leaves begins with the one of `old` leaves.
    ///
    /// # Errors
    /// The sizes do not fit the log, or see [`ReadError`].
    pub fn consistency_proof(
        &self,
        old: TreeSize,
        new: TreeSize,
    ) -> Result<ConsistencyProof, ReadError> {
        let store = &self.running()?.store;
        if new > store.applied_size() {
            return Err(TreeError::OldSizeLarger { old: new, new: store.applied_size() }.into());
        }
        store.tree(new).consistency_proof(old).map_err(read_error)
    }

    /// The `.tlog-proof` of a leaf against the published checkpoint.
    ///
    /// # Errors
    /// See [`TlogProofError`].
    pub fn tlog_proof(&self, leaf: LeafIndex) -> Result<TlogProof, TlogProofError> {
        let Some(published) = self.checkpoint().filter(|known| known.size.contains(leaf)) else {
            let published = self.published_size();
            return Err(TlogProofError::NotPublished { leaf, published });
        };
        let inclusion = self.inclusion_proof(leaf, published.size)?;
        let proof = TlogProof::new(inclusion, Note::clone(&published.note));
        Ok(proof.expect("invariant: the proof is of the checkpoint's own tree"))
    }

    /// Length and owner of a stream, or `None` when nothing opened it.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn stream(&self, name: &StreamName) -> Result<Option<StreamState>, ReadError> {
        Ok(self.running()?.store.view().stream(name)?)
    }

    /// The stream that holds a name, or `None` when it is free.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn claim(&self, name: &ClaimName) -> Result<Option<StreamName>, ReadError> {
        Ok(self.running()?.store.view().claim(name)?)
    }

    /// The receipt of a record, or `None` when it is not in the log.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn record(&self, id: RecordId) -> Result<Option<Receipt>, ReadError> {
        Ok(self.running()?.store.view().receipt(id)?.map(|first| first.receipt(id, true)))
    }

    /// An author key, in force or revoked, or `None` when nothing introduced it.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn key(&self, id: AuthorKeyId) -> Result<Option<KeyState>, ReadError> {
        Ok(self.running()?.store.view().key(id)?)
    }

    /// An agency, or `None` when nothing admitted it.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn agency(&self, id: &AgencyId) -> Result<Option<AgencyState>, ReadError> {
        Ok(self.running()?.store.view().agency(id)?)
    }

    /// Every node in the order of the numbers, the removed ones too.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn nodes(&self) -> Result<Vec<(NodeId, NodeState)>, ReadError> {
        Ok(self.running()?.store.view().nodes()?)
    }

    /// Text of the policy in force, or `None` before leaf 0.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn policy(&self) -> Result<Option<String>, ReadError> {
        Ok(self.running()?.store.policy()?)
    }

    /// Stores a public file durably and returns its SHA-256, for a record to name.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn put_blob(&self, bytes: Vec<u8>) -> Result<Hash, ReadError> {
        let parts = self.running()?;
        Ok(run_blocking(move || parts.blobs.put(&bytes)).await?)
    }

    /// A public file, or `None` when there is none of this hash.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn blob(&self, hash: &Hash) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(self.running()?.blobs.get(hash)?)
    }

    /// A public file, fetched from another node when it is not here; `None` when none that
    /// answers has it.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn fetch_blob(&self, hash: &Hash) -> Result<Option<Vec<u8>>, ReadError> {
        if let Some(bytes) = self.blob(hash)? {
            return Ok(Some(bytes));
        }
        let members = Arc::clone(&self.running()?.path.members);
        for peer in members.others() {
            let answer = members.call(peer.node, &Request::blob(hash), FETCH_TIMEOUT).await;
            if let Ok(Response::Blob(Some(bytes))) = answer
                && Hash::of(&bytes) == *hash
            {
                let bytes: Vec<u8> = bytes.into();
                self.put_blob(bytes.clone()).await?;
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    fn published_size(&self) -> TreeSize {
        self.published.borrow().as_ref().map_or(TreeSize::ZERO, |known| known.size)
    }

    fn running(&self) -> Result<Arc<Parts>, ReadError> {
        self.parts().ok_or_else(|| ReadError::Stopped { fatal: self.fatal.get() })
    }

    /// Why the node failed, if it did.
    pub(crate) fn fatal(&self) -> Option<Fatal> {
        self.fatal.get()
    }

    /// The node's parts, unless it has stopped or failed.
    pub(crate) fn parts(&self) -> Option<Arc<Parts>> {
        if self.fatal.get().is_some() { None } else { self.parts.upgrade() }
    }
}

impl Parts {
    /// The receipt of a record that is in the log with the same bytes.
    fn first_receipt(&self, record: &SignedRecord) -> Result<Option<Receipt>, AppendError> {
        if self.store.sabotage.has(Bug::SkipDedup) {
            return Ok(None);
        }
        let id = record.record().id();
        let first = self.store.view().receipt(id).map_err(|e| self.unreadable(e))?;
        let digest = Hash::of(record.record_bytes());
        Ok(first.filter(|first| first.record_digest == digest).map(|first| first.receipt(id, true)))
    }

    /// The public keys that the record is to be verified with. Whether they are in force is
    /// decided when the record is applied.
    pub(crate) fn signing_keys(
        &self,
        record: &SignedRecord,
    ) -> Result<Vec<AuthorKey>, AppendError> {
        let view = self.store.view();
        let mut keys = Vec::new();
        for (id, _) in record.signatures() {
            let known = view.key(*id).map_err(|e| self.unreadable(e))?.map(|state| state.key);
            // Only the first record of a log may be signed by keys that it introduces itself.
            let introduced = (view.tail().size == TreeSize::ZERO)
                .then(|| crate::machine::introduced_keys(record).find(|key| key.id() == *id))
                .flatten();
            let unknown = || AppendError::Rejected(Box::new(Reject::UnknownKey { key: *id }));
            keys.push(known.or(introduced).ok_or_else(unknown)?);
        }
        Ok(keys)
    }

    /// An index that does not read cannot decide about records: the node stops.
    fn unreadable(&self, error: StoreError) -> AppendError {
        let fatal = Fatal::from(error);
        self.fatal.report(fatal.clone());
        AppendError::Stopped { fatal: Some(fatal) }
    }
}

impl std::fmt::Debug for LedgerHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LedgerHandle({}, {} leaves)", self.origin(), self.applied())
    }
}

fn read_error(error: TileTreeError<StoreError>) -> ReadError {
    match error {
        TileTreeError::Tree(error) => error.into(),
        other => tile_error(other).into(),
    }
}
