//! The members of the Raft group follow the log: who leads reads which nodes the log names, and
//! changes Raft's membership until it says the same, one step at a time.
//!
//! A node that the log admits becomes a learner; one that it promotes becomes a voter as soon as
//! it has caught up and has the log key, so that any voter can lead and publish; openraft passes
//! from one set of voters to the next through a joint
//! configuration. A leader that the log demotes or removes hands over first. A log that names no
//! node has the one voter that founded it.
//!
//! Not here: what a record may say about nodes (`crate::machine`).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use letopis_ledger::id::NodeId;
use openraft::async_runtime::WatchReceiver;
use openraft::{BasicNode, ChangeMembers};
use tokio::sync::watch;

use crate::machine::NodeRole;
use crate::metric;
use crate::peer::watch::Peers;
use crate::proposer::Path;
use crate::raft::types::Raft;
use crate::store::Store;

/// How often the two are compared.
const INTERVAL: Duration = Duration::from_millis(250);
/// How many entries a learner may be behind to become a voter.
const CAUGHT_UP_ENTRIES: u64 = 256;
/// How long a leader waits for the one that takes over.
const HAND_OVER_TIMEOUT: Duration = Duration::from_secs(4);

/// Makes Raft's membership follow the log.
pub(crate) struct Membership {
    pub(crate) raft: Raft,
    pub(crate) store: Arc<Store>,
    pub(crate) path: Path,
    pub(crate) peers: Peers,
}

/// What is to be changed next.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    AddLearner(NodeId, String),
    Promote(BTreeSet<u64>),
    Demote(BTreeSet<u64>),
    Forget(BTreeSet<u64>),
    HandOver,
}

/// Raft's membership, as its leader knows it.
struct Known {
    voters: BTreeSet<u64>,
    members: BTreeSet<u64>,
    /// Caught up, and with the log key.
    ready: BTreeSet<u64>,
}

impl Membership {
    /// Works until told to stop.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            metric::role(self.path.leads(), self.path.term());
            let Some(known) = self.known() else { continue };
            if let Some(step) = self.next_step(&known) {
                tracing::info!(?step, "the membership follows the log");
                tokio::select! {
                    () = self.take(step) => {}
                    _ = stop.wait_for(|stop| *stop) => return,
                }
            }
        }
    }

    /// Raft's membership, or `None` while this node does not lead or a change is under way.
    fn known(&self) -> Option<Known> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let config = &metrics.membership_config;
        let settled = config == &metrics.committed_membership_config
            && config.membership().get_joint_config().len() == 1;
        // Not `leads()`: who reads the metrics twice at once waits for ever when Raft writes them
        // in between, and Raft with it.
        let leads = metrics.current_leader == Some(self.path.members.own().get());
        let replication = metrics.replication.as_ref().filter(|_| leads && settled)?;
        let last = metrics.last_log_index.unwrap_or(0);
        let signs: BTreeSet<u64> = self
            .peers
            .all()
            .iter()
            .filter(|peer| peer.answered.is_some_and(|answered| answered.log_key))
            .map(|peer| peer.node.get())
            .collect();
        let ready = replication
            .iter()
            .filter(|(node, matched)| {
                let matched = matched.as_ref().map_or(0, |id| id.index);
                signs.contains(node) && last.saturating_sub(matched) <= CAUGHT_UP_ENTRIES
            })
            .map(|(node, _)| *node)
            .collect();
        Some(Known {
            voters: config.voter_ids().collect(),
            members: config.nodes().map(|(node, _)| *node).collect(),
            ready,
        })
    }

    fn next_step(&self, known: &Known) -> Option<Step> {
        let recorded = self.store.nodes();
        if recorded.is_empty() {
            return None;
        }
        let present = || recorded.iter().filter(|(_, node)| node.removed.is_none());
        let wanted: BTreeSet<u64> = present().map(|(node, _)| node.get()).collect();
        let voters: BTreeSet<u64> = present()
            .filter(|(_, node)| node.role == NodeRole::Voter)
            .map(|(node, _)| node.get())
            .collect();
        if let Some((node, state)) =
            present().find(|(node, _)| !known.members.contains(&node.get()))
        {
            return Some(Step::AddLearner(*node, state.address.clone()));
        }
        let promoted: BTreeSet<u64> = voters
            .difference(&known.voters)
            .filter(|node| known.ready.contains(node))
            .copied()
            .collect();
        if !promoted.is_empty() {
            return Some(Step::Promote(promoted));
        }
        let demoted: BTreeSet<u64> = known.voters.difference(&voters).copied().collect();
        if demoted.contains(&self.path.members.own().get()) {
            return Some(Step::HandOver);
        }
        if !demoted.is_empty() && demoted.len() < known.voters.len() {
            return Some(Step::Demote(demoted));
        }
        let gone: BTreeSet<u64> = known.members.difference(&wanted).copied().collect();
        let gone: BTreeSet<u64> = gone.difference(&known.voters).copied().collect();
        (!gone.is_empty()).then_some(Step::Forget(gone))
    }

    async fn take(&self, step: Step) {
        let changed = match step {
            Step::AddLearner(node, address) => {
                self.raft.add_learner(node.get(), BasicNode::new(address), false).await.map(drop)
            }
            Step::Promote(nodes) => self.change(ChangeMembers::AddVoterIds(nodes)).await,
            Step::Demote(nodes) => self.change(ChangeMembers::RemoveVoters(nodes)).await,
            Step::Forget(nodes) => self.change(ChangeMembers::RemoveNodes(nodes)).await,
            Step::HandOver => return hand_over(&self.path).await,
        };
        if let Err(error) = changed {
            tracing::warn!(%error, "the membership did not change yet");
        }
    }

    async fn change(
        &self,
        change: ChangeMembers<u64, BasicNode>,
    ) -> Result<(), openraft::errors::RaftError<crate::raft::types::Types, WriteError>> {
        self.raft.change_membership(change, true).await.map(drop)
    }
}

type WriteError = openraft::errors::ClientWriteError<crate::raft::types::Types>;

/// Hands the leadership to the voter that is furthest, if this node leads and there is one.
pub(crate) async fn hand_over(path: &Path) {
    let own = path.members.own().get();
    let next = {
        let metrics = path.raft.metrics();
        let metrics = metrics.borrow_watched();
        let voters: BTreeSet<u64> = metrics.membership_config.voter_ids().collect();
        let leads = metrics.current_leader == Some(own);
        let replication = metrics.replication.as_ref().filter(|_| leads);
        replication.and_then(|replication| {
            let others = replication.iter().filter(|(n, _)| **n != own && voters.contains(*n));
            others.max_by_key(|(_, matched)| **matched).map(|(node, _)| *node)
        })
    };
    let Some(next) = next else { return };
    tracing::info!(node = next, "handing the leadership over");
    if path.raft.trigger().transfer_leader(next).await.is_err() {
        return;
    }
    let mut metrics = path.raft.metrics();
    let handed_over = async {
        while metrics.borrow_watched().current_leader == Some(own) {
            if metrics.changed().await.is_err() {
                return;
            }
        }
    };
    if tokio::time::timeout(HAND_OVER_TIMEOUT, handed_over).await.is_err() {
        tracing::warn!(node = next, "the leadership was not taken over in time");
    }
}
