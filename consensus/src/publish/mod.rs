//! Publication: from applied leaves to a checkpoint that anyone may rely on.
//!
//! The order is what makes a published checkpoint safe: the tree head is agreed through Raft, so
//! any later leader can only extend it; leaves and tiles are durable before anything is signed;
//! what is about to be signed is durable before a signature exists, so that no restart can sign
//! another root for the same size; the quorum of the policy in the log itself decides whether the
//! result is published. A missing quorum delays finality and never commits.
//!
//! Not here: cosignatures of other agencies; with one voter there is one node to ask.

mod heads;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use letopis_ledger::TreeSize;
use letopis_ledger::checkpoint::Checkpoint;
use letopis_ledger::note::{Note, NoteSignature};
use letopis_ledger::policy::Policy;
use thiserror::Error;
use tokio::sync::watch;

pub use heads::{SignedHeads, SignedHeadsError};

use crate::config::SigningKeys;
use crate::crash::{CrashHook, CrashPoint};
use crate::fatal::{Fatal, FatalSignal};
use crate::ledger::PublishedCheckpoint;
use crate::metric;
use crate::proposer::{WriteError, now, write};
use crate::raft::types::{Answer, Command, Raft, TreeHead};
use crate::store::{Store, StoreError, file, tile_error};

/// Name of the file with the last signed heads.
pub(crate) const SIGNED_HEADS: &str = "signed";
/// Name of the file with the published checkpoint.
pub(crate) const CHECKPOINT: &str = "checkpoint";

/// What is known of the stages after applying.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Stages {
    pub(crate) signed: TreeSize,
    pub(crate) cosigned: TreeSize,
}

/// Why a round of publication published nothing.
#[derive(Debug, Error)]
pub(crate) enum PublishError {
    /// The node must stop.
    #[error(transparent)]
    Fatal(#[from] Fatal),
    /// This node does not lead, or Raft gave no answer in time: the next round tries again.
    #[error("the tree head is not agreed yet")]
    NotAgreed,
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

/// What a publisher works with and begins from.
pub(crate) struct Published {
    pub(crate) store: Arc<Store>,
    pub(crate) raft: Raft,
    /// Folder of the signed heads and the checkpoint.
    pub(crate) folder: PathBuf,
    pub(crate) keys: SigningKeys,
    /// What was signed before.
    pub(crate) heads: SignedHeads,
    /// What was published before.
    pub(crate) checkpoint: Option<PublishedCheckpoint>,
    pub(crate) crash: CrashHook,
    pub(crate) fatal: FatalSignal,
}

/// Publishes the checkpoints of one node.
pub(crate) struct Publisher {
    store: Arc<Store>,
    raft: Raft,
    folder: PathBuf,
    keys: SigningKeys,
    heads: SignedHeads,
    crash: CrashHook,
    fatal: FatalSignal,
    stages: watch::Sender<Stages>,
    published: watch::Sender<Option<PublishedCheckpoint>>,
    /// Size at which the policy was not satisfied: nothing changes until the log grows.
    refused: TreeSize,
}

/// How long a round waits for Raft.
const AGREE_TIMEOUT: Duration = Duration::from_secs(5);

impl Publisher {
    pub(crate) fn new(before: Published) -> Self {
        let size = |head: Option<TreeHead>| head.map_or(TreeSize::ZERO, |head| head.size);
        let (signed, cosigned) = (size(before.heads.log), size(before.heads.cosigner));
        Self {
            store: before.store,
            raft: before.raft,
            folder: before.folder,
            keys: before.keys,
            heads: before.heads,
            crash: before.crash,
            fatal: before.fatal,
            stages: watch::Sender::new(Stages { signed, cosigned }),
            published: watch::Sender::new(before.checkpoint),
            refused: TreeSize::ZERO,
        }
    }

    pub(crate) fn stages(&self) -> watch::Receiver<Stages> {
        self.stages.subscribe()
    }

    pub(crate) fn published(&self) -> watch::Receiver<Option<PublishedCheckpoint>> {
        self.published.subscribe()
    }

    /// Publishes at this interval, when there is something new, until told to stop; a last round
    /// then publishes what is applied.
    pub(crate) async fn run(mut self, interval: Duration, mut stop: watch::Receiver<bool>) {
        let mut applied = self.store.subscribe();
        let interval = interval.max(Duration::from_millis(1));
        let first = tokio::time::Instant::now() + interval;
        let mut ticks = tokio::time::interval_at(first, interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let stopping = tokio::select! {
                _ = ticks.tick() => false,
                _ = stop.wait_for(|stop| *stop) => true,
            };
            if self.fatal.get().is_some() {
                return;
            }
            let size = *applied.borrow_and_update();
            if size > self.published_size() && size > self.refused {
                self.round_and_report().await;
            }
            if stopping {
                return;
            }
        }
    }

    fn published_size(&self) -> TreeSize {
        self.published.borrow().as_ref().map_or(TreeSize::ZERO, |known| known.size)
    }

    async fn round_and_report(&mut self) {
        let started = Instant::now();
        match self.round().await {
            Ok(()) => metric::published(started.elapsed()),
            Err(PublishError::Fatal(fatal)) => self.fatal.report(fatal),
            Err(PublishError::NotAgreed) => tracing::debug!("the tree head is not agreed yet"),
            Err(error) => {
                self.refused = self.heads.size();
                metric::quorum_missing();
                tracing::warn!(%error, "leaves stay committed and not final");
            }
        }
    }

    /// One publication, step by step.
    async fn round(&mut self) -> Result<(), PublishError> {
        let (head, policy) = self.store.head_and_policy()?;
        let head = self.agree(head).await?;
        self.sync().await?;
        let checkpoint = Checkpoint::new(self.store.origin().clone(), head.size, head.root);
        let mut note = self.sign(&checkpoint, head)?;
        self.cosign(&checkpoint, head, &mut note)?;
        let policy = policy.ok_or_else(|| unsignable(&"the log has no policy"))?;
        Policy::parse(&policy).map_err(|e| unsignable(&e))?.check(&note)?;
        self.crash.pass(CrashPoint::QuorumReached);
        let published = PublishedCheckpoint::new(&checkpoint, note);
        file::replace(&self.folder.join(CHECKPOINT), published.text.as_bytes())?;
        self.crash.pass(CrashPoint::Published);
        self.published.send_replace(Some(published));
        Ok(())
    }

    async fn agree(&self, head: TreeHead) -> Result<TreeHead, PublishError> {
        match write(&self.raft, AGREE_TIMEOUT, Command::TreeHead(head)).await {
            Ok(Answer::Agreed(agreed)) => {
                self.crash.pass(CrashPoint::TreeHeadAgreed);
                Ok(agreed)
            }
            Ok(other) => unreachable!("invariant: a tree head is answered by one, not by {other}"),
            Err(WriteError::Unknown | WriteError::NoLeader) => Err(PublishError::NotAgreed),
            Err(WriteError::Stopped) => Err(Fatal::Raft { reason: "it has ended".into() }.into()),
        }
    }

    async fn sync(&self) -> Result<(), PublishError> {
        let store = Arc::clone(&self.store);
        let synced = tokio::task::spawn_blocking(move || store.sync_leaves_and_tiles()).await;
        synced.map_err(|e| unsignable(&e))??;
        self.crash.pass(CrashPoint::TilesDurable);
        Ok(())
    }

    /// The log's own signatures.
    fn sign(&mut self, checkpoint: &Checkpoint, head: TreeHead) -> Result<Note, PublishError> {
        let heads = self.heads.with_log(head)?;
        self.check_extends(self.heads.log)?;
        self.record(heads)?;
        self.crash.pass(CrashPoint::LogSigningRecorded);
        let text = checkpoint.to_string();
        let mut signatures = vec![self.keys.log.sign(&text)];
        if let Some(key) = &self.keys.log_post_quantum {
            signatures.push(cosignature(key, checkpoint)?);
        }
        let note = Note::new(text, signatures).map_err(|e| unsignable(&e))?;
        self.crash.pass(CrashPoint::LogSigned);
        self.stages.send_modify(|stages| stages.signed = head.size);
        Ok(note)
    }

    /// This node's cosignature, over the root that its own stored leaves have.
    fn cosign(
        &mut self,
        checkpoint: &Checkpoint,
        head: TreeHead,
        note: &mut Note,
    ) -> Result<(), PublishError> {
        if self.keys.cosigner.is_none() {
            return Ok(());
        }
        let root = self.store.tree(head.size).root().map_err(tile_error)?;
        if root != head.root {
            let own = TreeHead { root, ..head };
            return Err(Fatal::Diverged { agreed: head, own }.into());
        }
        let heads = self.heads.with_cosigner(head)?;
        self.check_extends(self.heads.cosigner)?;
        self.record(heads)?;
        self.crash.pass(CrashPoint::CosigningRecorded);
        if let Some(key) = &self.keys.cosigner {
            let signature = cosignature(key, checkpoint)?;
            note.add_signature(signature).map_err(|e| unsignable(&e))?;
        }
        self.crash.pass(CrashPoint::Cosigned);
        self.stages.send_modify(|stages| stages.cosigned = head.size);
        Ok(())
    }

    /// The tree still begins with what was signed before.
    fn check_extends(&self, last: Option<TreeHead>) -> Result<(), PublishError> {
        let Some(last) = last else { return Ok(()) };
        match self.store.root_at(last.size)? {
            Some(root) if root == last.root => Ok(()),
            root => {
                let own = root.map_or_else(|| self.store.head(), |root| TreeHead { root, ..last });
                Err(Fatal::SignedBefore { asked: own, last }.into())
            }
        }
    }

    /// Makes it durable that these heads are about to be signed.
    fn record(&mut self, heads: SignedHeads) -> Result<(), StoreError> {
        if heads != self.heads {
            file::replace(&self.folder.join(SIGNED_HEADS), heads.to_string().as_bytes())?;
            self.heads = heads;
        }
        Ok(())
    }
}

fn cosignature(
    key: &letopis_ledger::cosignature::CosignatureSigner,
    checkpoint: &Checkpoint,
) -> Result<NoteSignature, PublishError> {
    let seconds = now().unix_seconds().unsigned_abs();
    key.sign(checkpoint, seconds).map_err(|e| unsignable(&e))
}

fn unsignable(reason: &dyn std::fmt::Display) -> PublishError {
    PublishError::Unsignable(reason.to_string())
}
