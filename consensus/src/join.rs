//! Fetching the leaves of a snapshot that the leader offers: how a new node, or one that was away
//! for too long, gets what the others no longer keep in their Raft logs.
//!
//! First the hashes, which must lead to the tree head that the voters agreed on; then the leaves,
//! each compared with its hash before it is written. Any node may give them, and the leader is
//! asked last, so that joining does not hold up who writes. Nothing is used before all is here.
//!
//! Not here: installing (`crate::store::staging`), and when the leader offers a snapshot; openraft
//! decides that.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use letopis_ledger::hash::leaf_hash;
use letopis_ledger::id::NodeId;
use letopis_ledger::{Hash, LeafIndex, TreeSize};
use thiserror::Error;
use tokio::sync::watch;

use crate::fatal::FatalSignal;
use crate::peer::members::Members;
use crate::peer::message::{Request, Response};
use crate::peer::{CallError, PeerAddress};
use crate::raft::types::TreeHead;
use crate::runtime::run_blocking;
use crate::store::segment::split_leaf;
use crate::store::staging::{StagedLeaves, Staging};
use crate::store::{Manifest, Store, StoreError};

/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long to wait before a node that failed is asked again.
const PAUSE: Duration = Duration::from_millis(200);

/// Why a fetch began anew.
#[derive(Debug, Error)]
enum FetchError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("node {node} gave {what} at leaf {leaf} that do not lead to the agreed tree head")]
    Untrue { node: NodeId, what: &'static str, leaf: LeafIndex },
    #[error("node {node} answered with {found} instead of what was asked")]
    Unexpected { node: NodeId, found: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Fetches one snapshot at a time.
pub(crate) struct Installer {
    pub(crate) members: Arc<Members>,
    pub(crate) store: Arc<Store>,
    pub(crate) staging: Staging,
    pub(crate) fatal: FatalSignal,
    stop: watch::Receiver<bool>,
    under_way: Mutex<Option<UnderWay>>,
}

/// A fetch in progress.
struct UnderWay {
    head: TreeHead,
    fetched: Arc<AtomicU64>,
    done: Arc<Mutex<bool>>,
}

impl Installer {
    pub(crate) fn new(
        members: Arc<Members>,
        store: Arc<Store>,
        staging: Staging,
        fatal: FatalSignal,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self { members, store, staging, fatal, stop, under_way: Mutex::default() }
    }

    /// Takes a leader's offer: `None` when every leaf of it is here, else how many are.
    pub(crate) fn offer(self: &Arc<Self>, leader: NodeId, manifest: &Manifest) -> Option<TreeSize> {
        if self.store.applied_size() >= manifest.head.size {
            return None;
        }
        let mut under_way = self.under_way();
        if let Some(fetch) = &*under_way
            && fetch.head == manifest.head
        {
            // Known until it is installed: an offer that comes twice begins no other fetch.
            if *fetch.done.lock().unwrap_or_else(PoisonError::into_inner) {
                return None;
            }
            return Some(TreeSize::new(fetch.fetched.load(Ordering::Relaxed)));
        }
        if let Some(fetch) = &*under_way
            && !*fetch.done.lock().unwrap_or_else(PoisonError::into_inner)
        {
            // The one under way ends first; this one is offered again.
            return Some(self.store.applied_size());
        }
        // One that ended unused, because nobody offered it again, makes way for this one.
        let fetch = UnderWay {
            head: manifest.head,
            fetched: Arc::new(AtomicU64::new(self.store.applied_size().get())),
            done: Arc::default(),
        };
        let (fetched, done) = (Arc::clone(&fetch.fetched), Arc::clone(&fetch.done));
        *under_way = Some(fetch);
        drop(under_way);
        let (installer, manifest) = (Arc::clone(self), manifest.clone());
        tokio::spawn(async move {
            let mut stop = installer.stop.clone();
            let complete = tokio::select! {
                complete = installer.fetch(leader, &manifest, &fetched) => complete,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            match complete {
                Ok(()) => *done.lock().unwrap_or_else(PoisonError::into_inner) = true,
                Err(error) => {
                    tracing::warn!(%error, "a snapshot was not fetched; it is begun anew");
                    if let FetchError::Store(error) = error {
                        installer.fatal.report(error.into());
                    }
                    *installer.under_way() = None;
                }
            }
        });
        Some(self.store.applied_size())
    }

    async fn fetch(
        &self,
        leader: NodeId,
        manifest: &Manifest,
        fetched: &AtomicU64,
    ) -> Result<(), FetchError> {
        let first = self.store.applied_size().next_leaf();
        tracing::info!(head = %manifest.head, %first, "fetching a snapshot");
        let hashes = self.fetch_hashes(leader, manifest).await?;
        let staging = self.staging.clone();
        let mut staged = run_blocking(move || staging.begin(first)).await?;
        let mut sources = self.sources(leader);
        while staged.next().get() < manifest.head.size.get() {
            let peer = sources[0].clone();
            match self.fetch_leaves(&peer, &mut staged, first, &hashes, manifest.head.size).await {
                Ok(()) => {}
                Err(error @ FetchError::Store(_)) => return Err(error),
                Err(error) => {
                    tracing::debug!(node = %peer.node, %error, "another node is asked");
                    sources.rotate_left(1);
                    tokio::time::sleep(PAUSE).await;
                    // The leader may have gone, and its offer with it.
                    if self.members.address(leader).is_none() {
                        return Err(error);
                    }
                }
            }
            fetched.store(staged.next().get(), Ordering::Relaxed);
        }
        let (staging, manifest) = (self.staging.clone(), manifest.clone());
        Ok(run_blocking(move || staging.complete(staged, &manifest)).await?)
    }

    /// Hashes of the leaves that are missing here, checked against both heads of the snapshot.
    async fn fetch_hashes(
        &self,
        leader: NodeId,
        manifest: &Manifest,
    ) -> Result<Vec<Hash>, FetchError> {
        let size = self.store.applied_size();
        let mut frontier = self.store.frontier();
        let mut hashes: Vec<Hash> = Vec::new();
        let mut expected: BTreeMap<TreeSize, Hash> = BTreeMap::new();
        expected.insert(manifest.head.size, manifest.head.root);
        if let Some(agreed) = manifest.agreed.filter(|agreed| agreed.size > size) {
            expected.insert(agreed.size, agreed.root);
        }
        let what = "hashes";
        while frontier.size() < manifest.head.size {
            let from = frontier.size().next_leaf();
            let request = Request::leaf_hashes(from, manifest.head.size);
            let Response::LeafHashes(bytes) = self.members.call(leader, &request, TIMEOUT).await?
            else {
                return Err(FetchError::Unexpected { node: leader, found: "other".to_owned() });
            };
            let (chunks, rest) = bytes.as_chunks::<32>();
            if chunks.is_empty() || !rest.is_empty() {
                return Err(FetchError::Untrue { node: leader, what, leaf: from });
            }
            for chunk in chunks {
                let leaf = frontier.append(Hash::from_bytes(*chunk));
                hashes.push(Hash::from_bytes(*chunk));
                let root = expected.get(&frontier.size());
                if root.is_some_and(|root| *root != frontier.root()) {
                    return Err(FetchError::Untrue { node: leader, what, leaf });
                }
            }
        }
        Ok(hashes)
    }

    async fn fetch_leaves(
        &self,
        peer: &PeerAddress,
        staged: &mut StagedLeaves,
        first: LeafIndex,
        hashes: &[Hash],
        size: TreeSize,
    ) -> Result<(), FetchError> {
        let node = peer.node;
        let from = staged.next();
        let answer = self.members.call(node, &Request::leaves(from, size), TIMEOUT).await?;
        let Response::Leaves(bytes) = answer else {
            return Err(FetchError::Unexpected { node, found: "other".to_owned() });
        };
        let mut rest: &[u8] = &bytes;
        let untrue = |leaf| FetchError::Untrue { node, what: "leaves", leaf };
        if rest.is_empty() {
            return Err(untrue(from));
        }
        while !rest.is_empty() {
            let leaf = staged.next();
            let (bytes, after) = split_leaf(rest).ok_or_else(|| untrue(leaf))?;
            let place = usize::try_from(leaf.get() - first.get()).unwrap_or(usize::MAX);
            if hashes.get(place) != Some(&leaf_hash(bytes)) {
                return Err(untrue(leaf));
            }
            staged.push(bytes)?;
            rest = after;
        }
        Ok(())
    }

    /// Whom to ask for leaves: everybody else, the leader last.
    fn sources(&self, leader: NodeId) -> Vec<PeerAddress> {
        let mut others = self.members.others();
        others.sort_by_key(|peer| peer.node == leader);
        others
    }

    fn under_way(&self) -> MutexGuard<'_, Option<UnderWay>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
