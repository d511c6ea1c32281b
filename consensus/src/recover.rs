//! Going on from one node after the quorum is lost for good: explicit, unsafe, and on record.
//!
//! The node becomes the only voter by an entry of its own Raft log, in a term above every known
//! one. Whatever is in its log stays; what only the others had is lost, and nobody can say how
//! much that was. Therefore the next leaf says so (`log.recovered`), and a folder whose recovery
//! is not ended does not start:
//!
//! 1. the file `recovering` names the nodes that are given up;
//! 2. the membership is written into the Raft log;
//! 3. the node runs, alone and reached by nobody, until the record is appended;
//! 4. the file is removed.
//!
//! An interruption anywhere is ended by the same call. The nodes given up must never run again:
//! two of three would go on with another log.
//!
//! Not here: what the record's author signs with, and bringing new nodes in.

use std::collections::BTreeSet;
use std::fs;

use letopis_ledger::encoding::parse_decimal;
use letopis_ledger::governance::GovernanceEvent;
use letopis_ledger::id::NodeId;
use letopis_ledger::leaf::Leaf;
use letopis_ledger::record::SignedRecord;
use letopis_ledger::{LeafIndex, TreeSize};
use thiserror::Error;

use crate::backup::{forget_restored, was_restored};
use crate::config::{NodeConfig, PeerConfig, SigningKeys, Start};
use crate::fatal::Fatal;
use crate::ledger::{AppendError, LedgerHandle, ReadError};
use crate::node::{Node, OpenError};
use crate::raft::encoding::Stored;
use crate::raft::log::{LogEnd, RaftLog, RaftLogError};
use crate::raft::types::{Membership, StoredMembership, TreeHead};
use crate::runtime::run_blocking;
use crate::store::file::{read, replace, sync_directory};
use crate::store::{Folder, Opened, Store, StoreError, StoreOpenError, lock_folder};

const RECOVERING: &str = "recovering";
const HEADER: &str = "letopis-recovering/v1";

/// Why a log was not recovered.
#[derive(Debug, Error)]
pub enum RecoverError {
    /// The folder does not open.
    #[error(transparent)]
    Store(#[from] StoreOpenError),
    /// The Raft log is damaged.
    #[error("the Raft log is damaged: {0}; recover from another node or a backup")]
    RaftLog(#[from] RaftLogError),
    /// The node is the only voter already.
    #[error("node {own} is the only voter: nothing is lost, start it")]
    NothingLost {
        /// The node.
        own: NodeId,
    },
    /// The node never belonged to a log.
    #[error("this folder holds no membership: it never joined a log, recover from another one")]
    NoMembership,
    /// The file that tells of a recovery under way is not one.
    #[error("{file} is not what this program writes: remove it and run recover again")]
    Marker {
        /// The file.
        file: String,
    },
    /// The node did not start alone.
    #[error("the node does not start: {0}")]
    Open(#[from] OpenError),
    /// The record of the recovery could not be made.
    #[error("the record of the recovery was not made: {reason}; run recover again")]
    Record {
        /// Why.
        reason: String,
    },
    /// The record of the recovery was not appended.
    #[error("the record of the recovery was not appended: {0}; run recover again")]
    Append(#[from] AppendError),
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The node did not stop cleanly.
    #[error("{0}; run recover again")]
    Stop(#[from] Fatal),
}

impl From<StoreError> for RecoverError {
    fn from(error: StoreError) -> Self {
        Self::Store(error.into())
    }
}

/// What a recovery would come to: to be shown before anybody decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Situation {
    /// The node.
    pub own: NodeId,
    /// The voters of the last membership that it knows.
    pub voters: Vec<NodeId>,
    /// The nodes that would be given up.
    pub lost: Vec<NodeId>,
    /// Leaves that are durable here; those in the Raft log come on top.
    pub durable: TreeSize,
    /// The last entry of its Raft log.
    pub last_entry: Option<u64>,
    /// The last entry that it knows to be committed: what follows it stays too.
    pub committed_entry: Option<u64>,
    /// Whether a recovery was begun and not ended.
    pub unfinished: bool,
    /// Whether the folder was restored from a backup.
    pub restored: bool,
}

/// What the record of a recovery must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The tree that the log goes on from.
    pub head: TreeHead,
    /// The nodes given up.
    pub lost: Vec<NodeId>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// What the record says.
    pub recovery: Recovery,
    /// Its leaf; `None` when the log names none of the nodes given up and can tell nothing.
    pub leaf: Option<LeafIndex>,
}

/// Reads what a recovery would come to; changes nothing.
///
/// # Errors
/// See [`RecoverError`].
pub async fn inspect(config: &NodeConfig) -> Result<Situation, RecoverError> {
    let folder = Folder::new(&config.folder);
    let lock = lock_folder(&folder)?;
    let situation = look(config, &folder).await;
    drop(lock);
    situation
}

/// Makes this node the only voter and puts on record that it is; see the module's words.
///
/// `sign` makes the record `log.recovered` of the node's own agency. Whoever calls this has asked
/// the operator.
///
/// # Errors
/// See [`RecoverError`]; the same call ends what was interrupted.
pub async fn recover(
    config: NodeConfig,
    sign: impl FnOnce(&LedgerHandle, &Recovery) -> Result<SignedRecord, String>,
) -> Result<Recovered, RecoverError> {
    let folder = Folder::new(&config.folder);
    let lock = lock_folder(&folder)?;
    prepare(&config, &folder).await?;
    let lost = lost_nodes(&folder)?;
    let node = Node::open_locked(alone(config), folder.clone(), lock).await?;
    let recovered = put_on_record(&node.ledger(), &lost, sign).await;
    if recovered.is_ok() {
        forget_restored(&folder)?;
        forget(&folder)?;
    }
    let stopped = node.shutdown().await;
    let recovered = recovered?;
    stopped?;
    Ok(recovered)
}

/// Whether a recovery was begun and not ended.
pub(crate) fn is_unfinished(folder: &Folder) -> bool {
    folder.path().join(RECOVERING).exists()
}

/// Steps 1 and 2.
async fn prepare(config: &NodeConfig, folder: &Folder) -> Result<(), RecoverError> {
    let situation = look(config, folder).await?;
    let own = situation.own;
    if !situation.unfinished {
        if situation.lost.is_empty() {
            return Err(RecoverError::NothingLost { own });
        }
        let lost: Vec<String> = situation.lost.iter().map(ToString::to_string).collect();
        let text = format!("{HEADER}\nlost {}\n", lost.join(" "));
        replace(&folder.path().join(RECOVERING), text.as_bytes())?;
    } else if situation.voters == [own] {
        return Ok(());
    }
    let entry = RaftLog::make_only_voter(&folder.raft(), own.get(), &config.peers.address)?;
    tracing::warn!(%entry, "this node is the only voter from now on");
    Ok(())
}

async fn look(config: &NodeConfig, folder: &Folder) -> Result<Situation, RecoverError> {
    let own = config.peers.node;
    let opened = (folder.clone(), config.origin.clone());
    let looked = run_blocking(move || {
        let (folder, origin) = opened;
        let store = Store::open(
            &folder,
            Opened {
                origin,
                signed_size: TreeSize::ZERO,
                progress: &|_| {},
                crash: crate::crash::CrashHook::none(),
            },
        )?;
        let end = RaftLog::end(&folder.raft())?;
        let membership = match end.membership.clone() {
            Some(membership) => Some(membership),
            None => applied_membership(&store)?,
        };
        Ok::<_, RecoverError>((store.applied_size(), end, membership))
    });
    let (durable, LogEnd { last, committed, .. }, membership) = looked.await?;
    let membership = membership.ok_or(RecoverError::NoMembership)?;
    let voters: Vec<NodeId> = membership.voter_ids().filter_map(NodeId::new).collect();
    let voters: BTreeSet<NodeId> = voters.into_iter().collect();
    let (unfinished, restored) = (is_unfinished(folder), was_restored(folder));
    // What a restored node was before is lost too, under whatever number.
    let lost = voters.iter().filter(|node| **node != own || restored).copied().collect();
    Ok(Situation {
        own,
        lost,
        voters: voters.into_iter().collect(),
        durable,
        last_entry: last.map(|id| id.index),
        committed_entry: committed.map(|id| id.index),
        unfinished,
        restored,
    })
}

fn applied_membership(store: &Store) -> Result<Option<Membership>, RecoverError> {
    let Some(bytes) = store.position().membership else { return Ok(None) };
    let stored = StoredMembership::from_stored(&bytes);
    let stored = stored.map_err(|e| StoreError::Damaged { what: format!("membership: {e}") })?;
    Ok(Some(stored.membership().clone()))
}

/// The same node without keys and without anybody to reach: it signs and publishes nothing.
fn alone(config: NodeConfig) -> NodeConfig {
    let PeerConfig { node, address, .. } = config.peers;
    let peers = PeerConfig { node, address, start: Start::Join, ..PeerConfig::alone() };
    NodeConfig { keys: SigningKeys::none(), peers, ..config }
}

/// Step 3.
async fn put_on_record(
    ledger: &LedgerHandle,
    lost: &[NodeId],
    sign: impl FnOnce(&LedgerHandle, &Recovery) -> Result<SignedRecord, String>,
) -> Result<Recovered, RecoverError> {
    let named: BTreeSet<NodeId> = ledger.nodes()?.into_iter().map(|(node, _)| node).collect();
    let lost: Vec<NodeId> = lost.iter().filter(|node| named.contains(*node)).copied().collect();
    let head = ledger.head()?;
    let recovery = Recovery { head, lost };
    if recovery.lost.is_empty() {
        return Ok(Recovered { recovery, leaf: None });
    }
    // Nothing else can have been appended since, so the last leaf tells whether it is done.
    let last = head.size.get().checked_sub(1).map(LeafIndex::new);
    if let Some(last) = last
        && says_so(ledger, last, &recovery)?
    {
        return Ok(Recovered { recovery, leaf: Some(last) });
    }
    let record = sign(ledger, &recovery).map_err(|reason| RecoverError::Record { reason })?;
    let receipt = ledger.append(record).await?;
    Ok(Recovered { recovery, leaf: Some(receipt.leaf_index) })
}

fn says_so(
    ledger: &LedgerHandle,
    leaf: LeafIndex,
    recovery: &Recovery,
) -> Result<bool, RecoverError> {
    let Some(bytes) = ledger.leaf(leaf)? else { return Ok(false) };
    let Ok(leaf) = Leaf::parse(&bytes) else { return Ok(false) };
    let Recovery { head, lost } = recovery.clone();
    let agency = leaf.record().author().clone();
    let event = GovernanceEvent::LogRecovered { agency, size: head.size, root: head.root, lost };
    let (event_type, data) = (event.event_type(), event.data());
    Ok(leaf
        .record()
        .events()
        .iter()
        .any(|found| found.event_type == event_type && found.data.get("lost") == data.get("lost")))
}

fn lost_nodes(folder: &Folder) -> Result<Vec<NodeId>, RecoverError> {
    let path = folder.path().join(RECOVERING);
    let bytes = read(&path)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lost = text.strip_prefix(HEADER).and_then(|rest| rest.strip_prefix("\nlost "));
    let lost = lost.and_then(|rest| rest.strip_suffix('\n')).and_then(|numbers| {
        numbers.split(' ').map(|number| parse_decimal(number).and_then(NodeId::new)).collect()
    });
    lost.ok_or_else(|| RecoverError::Marker { file: path.display().to_string() })
}

/// Step 4.
fn forget(folder: &Folder) -> Result<(), StoreError> {
    let path = folder.path().join(RECOVERING);
    fs::remove_file(&path).map_err(StoreError::file("cannot remove", &path))?;
    sync_directory(folder.path())
}
