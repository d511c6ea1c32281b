//! Comparing what this node promised before it stopped with the leaves that it has now.
//!
//! What it signed and what it published must follow from its leaves; if not, leaves are lost or
//! altered, and a node that went on could sign two roots for one size. A node among several may
//! have to catch up before it can tell.
//!
//! Not here: the check of the files themselves (`crate::store`).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use letopis_ledger::checkpoint::Checkpoint;
use letopis_ledger::hash::Hash;
use letopis_ledger::note::Note;
use letopis_ledger::{LeafIndex, TreeSize};
use tokio::sync::watch;

use crate::fatal::{Fatal, FatalSignal};
use crate::ledger::PublishedCheckpoint;
use crate::node::OpenError;
use crate::peer::members::Members;
use crate::peer::message::{Request, Response};
use crate::publish::cosigner::Cosigner;
use crate::publish::{CHECKPOINT, SignedHeads};
use crate::raft::types::TreeHead;
use crate::store::Store;
use crate::store::file::read;

/// How long asking another node for hashes may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What a node promised.
#[derive(Debug, Clone)]
pub(crate) struct Promised {
    /// What its keys signed last.
    pub(crate) heads: SignedHeads,
    /// Folder of the published checkpoint.
    pub(crate) folder: PathBuf,
    /// Whether leaves on disk must follow from this node's own Raft log.
    pub(crate) unexplained: bool,
}

/// Compares everything, and returns what is published.
pub(crate) fn confirm(
    store: &Store,
    promised: &Promised,
) -> Result<Option<PublishedCheckpoint>, OpenError> {
    let count = store.unexplained_leaves();
    if promised.unexplained && count > 0 {
        let first = store.applied_size().next_leaf();
        return Err(OpenError::RaftLogLost { first, count });
    }
    let SignedHeads { log, cosigner } = promised.heads;
    for signed in [log, cosigner, store.agreed()].into_iter().flatten() {
        let own = match store.root_at(signed.size)? {
            Some(root) => TreeHead { root, ..signed },
            None => store.head(),
        };
        if own != signed {
            return Err(OpenError::SignedHeadDiffers { signed, own });
        }
    }
    let Some((checkpoint, note)) = read_checkpoint(store, promised)? else { return Ok(None) };
    if store.root_at(checkpoint.size())? != Some(*checkpoint.root()) {
        let reason = "its root is not that of the leaves".to_owned();
        return Err(OpenError::Checkpoint { file: promised.folder.join(CHECKPOINT), reason });
    }
    Ok(Some(PublishedCheckpoint::new(&checkpoint, note)))
}

fn read_checkpoint(
    store: &Store,
    promised: &Promised,
) -> Result<Option<(Checkpoint, Note)>, OpenError> {
    let file = promised.folder.join(CHECKPOINT);
    let Some(bytes) = read(&file)? else { return Ok(None) };
    let damaged = |reason: String| OpenError::Checkpoint { file: file.clone(), reason };
    let note = Note::from_bytes(&bytes).map_err(|e| damaged(e.to_string()))?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(|e| damaged(e.to_string()))?;
    if checkpoint.origin() != store.origin() {
        return Err(damaged(format!("it is of log {}", checkpoint.origin())));
    }
    Ok(Some((checkpoint, note)))
}

/// Compares as soon as the node has caught up with what it promised.
pub(crate) async fn confirm_later(
    store: Arc<Store>,
    promised: Promised,
    cosigner: Cosigner,
    fatal: FatalSignal,
    mut stop: watch::Receiver<bool>,
) {
    let published = match read_checkpoint(&store, &promised) {
        Ok(published) => published.map_or(TreeSize::ZERO, |(checkpoint, _)| checkpoint.size()),
        Err(error) => return fatal.report(Fatal::Promised { reason: error.to_string() }),
    };
    let size = published.max(promised.heads.size());
    let mut applied = store.subscribe();
    tokio::select! {
        caught_up = applied.wait_for(|applied| *applied >= size) => {
            if caught_up.is_err() {
                return;
            }
        }
        _ = stop.wait_for(|stop| *stop) => return,
    }
    match confirm(&store, &promised) {
        Ok(Some(published)) => {
            // One that was published meanwhile is newer.
            cosigner.published.send_if_modified(|known| {
                let newer = known.as_ref().is_none_or(|known| known.size < published.size);
                if newer {
                    *known = Some(published);
                }
                newer
            });
        }
        Ok(None) => {}
        Err(error) => fatal.report(Fatal::Promised { reason: error.to_string() }),
    }
}

/// The first leaf whose hash differs from that of another node that has the agreed tree, or
/// `None` when no such node answers.
pub(crate) async fn first_difference(
    store: &Arc<Store>,
    members: &Members,
    agreed: TreeHead,
) -> Option<LeafIndex> {
    'nodes: for peer in members.others() {
        let mut from = LeafIndex::ZERO;
        while from.get() < agreed.size.get() {
            let request = Request::leaf_hashes(from, agreed.size);
            let Ok(Response::LeafHashes(bytes)) = members.call(peer.node, &request, TIMEOUT).await
            else {
                continue 'nodes;
            };
            let theirs: Vec<Hash> =
                bytes.as_chunks::<32>().0.iter().map(|hash| Hash::from_bytes(*hash)).collect();
            if theirs.is_empty() {
                continue 'nodes;
            }
            let end = TreeSize::new(from.get() + theirs.len() as u64);
            let own = store.leaf_hashes(from, end).unwrap_or_default();
            for (leaf, their) in (from.get()..).zip(&theirs) {
                let place = usize::try_from(leaf - from.get()).unwrap_or(usize::MAX);
                if own.get(place) != Some(their) {
                    return Some(LeafIndex::new(leaf));
                }
            }
            from = end.next_leaf();
        }
    }
    None
}
