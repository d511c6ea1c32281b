//! Publication: from applied leaves to a checkpoint that anyone may rely on.
//!
//! The order is what makes a published checkpoint safe: the tree head is agreed through Raft, so
//! any later leader can only extend it; leaves and tiles are durable before anything is signed;
//! what is about to be signed is durable before a signature exists, so that no restart can sign
//! another root for the same size; each node cosigns from its own leaves; the quorum of the policy
//! in the log itself decides whether the result is published. A missing quorum delays finality
//! and never commits. The leader publishes; the other nodes take what it published.

mod authors;
pub(crate) mod cosigner;
pub(crate) mod evidence;
mod gather;
mod heads;
pub(crate) mod log_key;
pub(crate) mod signer;

use std::sync::Arc;
use std::time::Duration;

use letopis_ledger::checkpoint::Checkpoint;
use letopis_ledger::leaf::Leaf;
use letopis_ledger::note::Note;
use letopis_ledger::policy::Policy;
use letopis_ledger::{LeafIndex, TreeSize};
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::Instant;

pub(crate) use authors::{AppliedRecords, Authors};
pub use heads::{SignedHeads, SignedHeadsError};

use crate::crash::{CrashHook, CrashPoint};
use crate::fatal::{Fatal, FatalSignal};
use crate::ledger::PublishedCheckpoint;
use crate::metric;
use crate::peer::members::Members;
use crate::proposer::{Path, Stopped};
use crate::raft::types::{Answer, Command, TreeHead};
use crate::runtime::run_blocking;
use crate::sabotage::Bug;
use crate::store::{Store, StoreError};

use cosigner::Cosigner;

/// Name of the file with the last signed heads.
pub(crate) const SIGNED_HEADS: &str = "signed";
/// Name of the file with the published checkpoint.
pub(crate) const CHECKPOINT: &str = "checkpoint";

/// What is known of the stages after applying.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Stages {
    /// Leaves of the last head that the log's keys signed.
    pub(crate) signed: TreeSize,
    /// Leaves of the last head that this node cosigned.
    pub(crate) cosigned: TreeSize,
}

/// Why a round of publication published nothing, or a node does not cosign.
#[derive(Debug, Error)]
pub(crate) enum PublishError {
    /// The node must stop.
    #[error(transparent)]
    Fatal(#[from] Fatal),
    /// This node does not lead, or Raft gave no answer in time: the next round tries again.
    #[error("the tree head is not agreed yet")]
    NotAgreed,
    /// This node leads and has not got the log key yet.
    #[error("this node does not have the log key yet")]
    NoLogKey,
    /// A larger head was cosigned meanwhile.
    #[error("a larger head than {size} leaves was cosigned meanwhile")]
    Overtaken {
        /// Leaves of the head that was asked about.
        size: TreeSize,
    },
    /// A record in the log was not signed by its author.
    #[error("leaf {leaf} is not signed by its author: {reason}")]
    Forged {
        /// The leaf.
        leaf: LeafIndex,
        /// What is wrong with its signature.
        reason: String,
    },
    /// The policy in force is not satisfied.
    #[error("not published: {0}")]
    Quorum(#[from] letopis_ledger::policy::VerificationError),
    /// The log has no readable policy, or a signature cannot be made.
    #[error("not published: {0}")]
    Unsignable(String),
}

impl From<StoreError> for PublishError {
    fn from(error: StoreError) -> Self {
        Self::Fatal(error.into())
    }
}

/// Publishes checkpoints while this node leads.
pub(crate) struct Publisher {
    pub(crate) store: Arc<Store>,
    pub(crate) path: Path,
    pub(crate) members: Arc<Members>,
    pub(crate) cosigner: Cosigner,
    pub(crate) crash: CrashHook,
    pub(crate) fatal: FatalSignal,
}

/// How long a round waits for Raft.
const AGREE_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest pause before a quorum that was missing is asked again.
const RETRY_MAX: Duration = Duration::from_secs(5);

impl Publisher {
    /// Publishes at this interval, when there is something new, until told to stop; a last round
    /// then publishes what is applied.
    pub(crate) async fn run(self, interval: Duration, mut stop: watch::Receiver<bool>) {
        let interval = interval.max(Duration::from_millis(1));
        let first = Instant::now() + interval;
        let mut ticks = tokio::time::interval_at(first, interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut pause = interval;
        let mut not_before = first;
        loop {
            let stopping = tokio::select! {
                _ = ticks.tick() => false,
                _ = stop.wait_for(|stop| *stop) => true,
            };
            if self.fatal.get().is_some() {
                return;
            }
            let due = stopping || Instant::now() >= not_before;
            if due && self.path.leads() && self.store.applied_size() > self.published_size() {
                // What failed for want of others is tried again, less and less often.
                pause = if self.round_and_report().await { interval } else { pause * 2 };
                pause = pause.min(RETRY_MAX);
                not_before = Instant::now() + if pause > interval { pause } else { interval / 2 };
            }
            if stopping {
                return;
            }
        }
    }

    fn published_size(&self) -> TreeSize {
        self.cosigner.published.borrow().as_ref().map_or(TreeSize::ZERO, |known| known.size)
    }

    async fn round_and_report(&self) -> bool {
        let started = std::time::Instant::now();
        match self.round().await {
            Ok(()) => metric::published(started.elapsed()),
            Err(PublishError::Fatal(fatal)) => self.fatal.report(fatal),
            Err(PublishError::NotAgreed) => tracing::debug!("the tree head is not agreed yet"),
            Err(error) => {
                metric::quorum_missing();
                tracing::warn!(%error, "leaves stay committed and not final");
                return false;
            }
        }
        true
    }

    /// One publication, step by step.
    async fn round(&self) -> Result<(), PublishError> {
        let (head, policy) = self.store.head_and_policy()?;
        let policy = policy.ok_or_else(|| unsignable(&"the log has no policy"))?;
        let policy = Policy::parse(&policy).map_err(|e| unsignable(&e))?;
        if !self.store.sabotage.has(Bug::SignBeforeCommit) {
            self.agree(head).await?;
        }
        let checkpoint = Checkpoint::new(self.store.origin().clone(), head.size, head.root);
        let mut signer = Arc::clone(&self.cosigner.signer).lock_owned().await;
        if head.size < signer.heads.size() {
            // A leader that has just been elected has not applied everything yet.
            return Err(PublishError::NotAgreed);
        }
        let (store, crash, own) = (Arc::clone(&self.store), self.crash.clone(), policy.clone());
        let signed = run_blocking(move || {
            store.sync_leaves_and_tiles()?;
            crash.pass(CrashPoint::TilesDurable);
            let note = signer.sign_log(&own, &checkpoint, head)?;
            let cosignature = signer.cosign(&checkpoint, head)?;
            Ok::<_, PublishError>((checkpoint, note, cosignature))
        });
        let (checkpoint, log_signed, own) = signed.await?;
        self.cosigner.evidence.saw(&log_signed, head);
        if self.store.sabotage.has(Bug::LieAboutRoot) {
            self.lie(&policy, head).await;
        }
        let note = gather::gather(&self.members, &policy, log_signed, own).await?;
        self.crash.pass(CrashPoint::QuorumReached);
        self.measure_finality();
        let published = PublishedCheckpoint::new(&checkpoint, note);
        gather::announce(&self.members, &published.text);
        self.cosigner.put(published).map_err(PublishError::Unsignable)
    }

    /// Asks for cosignatures over a root of nothing: a lie for a test to see refused.
    async fn lie(&self, policy: &Policy, head: TreeHead) {
        let root = letopis_ledger::Hash::of(b"a lie");
        let lie = Checkpoint::new(self.store.origin().clone(), head.size, root).to_string();
        let key = self.cosigner.signer.lock().await.log_keys.clone();
        let signed = key.sign(policy, &lie).and_then(|signed| Note::new(lie, vec![signed]).ok());
        if let Some(lie) = signed {
            // Nobody may cosign it: there is nothing to be had from the answer.
            let _ = gather::gather(&self.members, policy, lie, None).await;
        }
    }

    /// How long the first leaf that becomes final now has waited, by the leader's clock.
    fn measure_finality(&self) {
        let first = self.published_size().next_leaf();
        let leaf = self.store.leaf(first).ok().flatten();
        if let Some(leaf) = leaf.and_then(|bytes| Leaf::parse(&bytes).ok()) {
            let waited = self.path.clock.now().unix_ms() - leaf.time().unix_ms();
            metric::finality(Duration::from_millis(u64::try_from(waited).unwrap_or(0)));
        }
    }

    async fn agree(&self, head: TreeHead) -> Result<(), PublishError> {
        if self.store.agreed() == Some(head) {
            return Ok(());
        }
        match self.path.agree(Command::TreeHead(head), AGREE_TIMEOUT).await {
            Ok(Some(Answer::Agreed(_))) => {
                self.crash.pass(CrashPoint::TreeHeadAgreed);
                Ok(())
            }
            Ok(Some(other)) => {
                unreachable!("invariant: a tree head is answered by one, not by {other}")
            }
            Ok(None) => Err(PublishError::NotAgreed),
            Err(Stopped) => Err(Fatal::Raft { reason: "it has ended".into() }.into()),
        }
    }
}

fn unsignable(reason: &dyn std::fmt::Display) -> PublishError {
    PublishError::Unsignable(reason.to_string())
}
