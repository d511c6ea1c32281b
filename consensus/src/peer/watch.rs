//! Looking after the other nodes: how far each is, and what it lacks.
//!
//! Every node asks every other one twice a second. Who leads tells a node again what is published
//! when it missed it. A voter that does not have the log key asks for it.
//!
//! Not here: replication, which Raft does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use letopis_ledger::TreeSize;
use letopis_ledger::id::NodeId;
use tokio::sync::watch;

use super::message::{Request, Response, WireStatus};
use crate::fatal::{Fatal, FatalSignal};
use crate::machine::NodeRole;
use crate::proposer::Path;
use crate::publish::cosigner::Cosigner;
use crate::publish::log_key::LogKeys;
use crate::store::Store;

const INTERVAL: Duration = Duration::from_millis(500);
const TIMEOUT: Duration = Duration::from_millis(900);

/// How far another node is, as it said itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    /// The node.
    pub node: NodeId,
    /// Its address.
    pub address: String,
    /// What it answered last, or `None` while it does not answer.
    pub answered: Option<PeerProgress>,
}

/// What a node says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerProgress {
    /// Its Raft term.
    pub term: u64,
    /// Whom it takes for the leader.
    pub leader: Option<NodeId>,
    /// Leaves that it applied.
    pub applied: TreeSize,
    /// Leaves of the last head that it cosigned.
    pub cosigned: TreeSize,
    /// Leaves of the checkpoint that it publishes.
    pub published: TreeSize,
    /// Whether it has the log key that the policy names: without it a node does not vote.
    pub log_key: bool,
}

/// What is known of the other nodes. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Peers(Arc<Mutex<BTreeMap<NodeId, PeerStatus>>>);

impl Peers {
    /// The other nodes, in the order of their numbers.
    pub(crate) fn all(&self) -> Vec<PeerStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn replace(&self, peers: Vec<PeerStatus>) {
        let peers = peers.into_iter().map(|peer| (peer.node, peer)).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = peers;
    }
}

/// Looks after the others.
pub(crate) struct Watcher {
    pub(crate) store: Arc<Store>,
    pub(crate) path: Path,
    pub(crate) cosigner: Cosigner,
    pub(crate) log_keys: LogKeys,
    pub(crate) peers: Peers,
    pub(crate) fatal: FatalSignal,
}

impl Watcher {
    /// Works until told to stop.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            tokio::select! {
                () = self.look() => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    async fn look(&self) {
        let own = self.path.members.own();
        if let Some(leaf) = self.store.node(own).and_then(|own| own.removed)
            && !self.path.members.votes_in_raft(own)
        {
            return self.fatal.report(Fatal::Removed { leaf });
        }
        let peers = self.path.members.others();
        let asked = peers.into_iter().map(|peer| async move {
            let answer = self.path.members.call(peer.node, &Request::Status, TIMEOUT).await;
            let answered = match answer {
                Ok(Response::Status(status)) => Some(progress(&status)),
                _ => None,
            };
            PeerStatus { node: peer.node, address: peer.address, answered }
        });
        let peers = futures::future::join_all(asked).await;
        if self.path.leads() {
            self.announce_again(&peers).await;
        }
        self.peers.replace(peers);
        self.fetch_log_key().await;
    }

    /// A node that was away when a checkpoint was published gets it now.
    async fn announce_again(&self, peers: &[PeerStatus]) {
        let published = self.cosigner.published.borrow().clone();
        let Some(published) = published else { return };
        for peer in peers {
            let lacks = |peer: crate::peer::watch::PeerProgress| {
                peer.published < published.size && peer.applied >= published.size
            };
            if peer.answered.is_some_and(lacks) {
                let request = Request::Published(published.text.to_string());
                if let Err(error) = self.path.members.call(peer.node, &request, TIMEOUT).await {
                    tracing::debug!(node = %peer.node, %error, "a checkpoint was not announced");
                }
            }
        }
    }

    async fn fetch_log_key(&self) {
        let own = self.store.node(self.path.members.own());
        // A log that names no node has the one voter that founded it.
        let votes = own.map_or_else(
            || self.store.nodes().is_empty(),
            |own| own.removed.is_none() && own.role == NodeRole::Voter,
        );
        let Some(policy) = self.store.read_policy() else { return };
        if !votes || self.log_keys.is_known(&policy) {
            return;
        }
        self.log_keys.reload();
        for peer in self.path.members.others() {
            if self.log_keys.is_known(&policy) {
                return;
            }
            let answer = self.path.members.call(peer.node, &Request::LogKey, TIMEOUT).await;
            let Ok(Response::LogKey(Some(text))) = answer else { continue };
            match self.log_keys.take(&text, &policy) {
                Ok(()) => return tracing::info!(from = %peer.node, "got the log key"),
                Err(error) => tracing::warn!(from = %peer.node, error, "no log key"),
            }
        }
    }
}

fn progress(status: &WireStatus) -> PeerProgress {
    PeerProgress {
        term: status.term,
        leader: status.leader.and_then(NodeId::new),
        applied: TreeSize::new(status.applied),
        cosigned: TreeSize::new(status.cosigned),
        published: TreeSize::new(status.published),
        log_key: status.log_key,
    }
}
