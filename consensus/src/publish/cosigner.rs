//! Cosigning for others: a checkpoint that the leader signed comes in, this node's cosignature
//! goes out, or the reason why not.
//!
//! Nothing of what the leader says is believed: its signature is checked against the policy in
//! the log, the head against what Raft agreed on and what this node's own leaves give. A signed
//! head that contradicts them is kept as evidence (`evidence`).
//!
//! Not here: the signing itself (`signer`), and gathering cosignatures (`gather`).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use letopis_ledger::TreeSize;
use letopis_ledger::checkpoint::Checkpoint;
use letopis_ledger::note::Note;
use letopis_ledger::policy::Policy;
use tokio::sync::{Mutex, watch};

use super::evidence::Evidence;
use super::signer::Signer;
use super::{CHECKPOINT, PublishError};
use crate::crash::{CrashHook, CrashPoint};
use crate::disk::DiskHook;
use crate::fatal::FatalSignal;
use crate::ledger::PublishedCheckpoint;
use crate::metric;
use crate::peer::message::Response;
use crate::raft::types::TreeHead;
use crate::runtime::run_blocking;
use crate::sabotage::Bug;
use crate::store::Store;

/// How long a cosigner waits to have the leaves that it is asked about.
const CATCH_UP: Duration = Duration::from_millis(1_500);

/// Cosigns what others ask for, and takes what they publish. Clones share the node's keys.
#[derive(Clone)]
pub(crate) struct Cosigner {
    pub(crate) store: Arc<Store>,
    pub(crate) signer: Arc<Mutex<Signer>>,
    pub(crate) evidence: Evidence,
    /// Folder of the published checkpoint.
    pub(crate) folder: PathBuf,
    pub(crate) disk: DiskHook,
    pub(crate) fatal: FatalSignal,
    pub(crate) crash: CrashHook,
    pub(crate) published: Arc<watch::Sender<Option<PublishedCheckpoint>>>,
}

/// A checkpoint that somebody sent, read and found to be signed by the log.
struct Sent {
    note: Note,
    checkpoint: Checkpoint,
    head: TreeHead,
    policy: Policy,
}

impl Cosigner {
    /// Answers a request for a cosignature.
    pub(crate) async fn answer(&self, text: &str) -> Response {
        match self.cosign(text).await {
            Ok(Some(signature)) => Response::Cosignature(signature),
            Ok(None) => Response::Refused("this node has no cosigning key".to_owned()),
            Err(reason) => {
                metric::cosigning_refused();
                tracing::warn!(%reason, "a checkpoint was not cosigned");
                Response::Refused(reason)
            }
        }
    }

    async fn cosign(&self, text: &str) -> Result<Option<String>, String> {
        let sent = self.read(text)?;
        let size = sent.head.size;
        self.wait_for(&sent).await?;
        if let Some(root) = self.store.root_at(size).map_err(|e| e.to_string())?
            && root != sent.head.root
            && !self.store.sabotage.has(Bug::TrustPeer)
        {
            let own = TreeHead { root, ..sent.head };
            self.evidence.keep(&sent.note, &sent.checkpoint);
            return Err(format!("this node has {own}, the checkpoint says {}", sent.head));
        }
        let agreed = self.store.agreed().map_or(TreeSize::ZERO, |head| head.size);
        if agreed < size {
            return Err(format!("the voters agreed on {agreed} leaves, not yet on {size}"));
        }
        let (store, signer) = (Arc::clone(&self.store), Arc::clone(&self.signer));
        let (checkpoint, head) = (sent.checkpoint, sent.head);
        let mut signer = signer.lock_owned().await;
        let signed = run_blocking(move || {
            store.sync_leaves_and_tiles()?;
            if signer.heads.cosigner.is_some_and(|last| last.size > head.size) {
                return Err(PublishError::Overtaken { size: head.size });
            }
            signer.saw_signed(head.size);
            signer.cosign(&checkpoint, head)
        });
        match signed.await {
            Ok(signature) => {
                self.evidence.saw(&sent.note, head);
                Ok(signature.map(|signature| signature.to_string()))
            }
            Err(PublishError::Fatal(fatal)) => {
                self.fatal.report(fatal.clone());
                Err(fatal.to_string())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// Takes a checkpoint that another node published, if it holds on this node too.
    pub(crate) async fn take_published(&self, text: &str) -> Response {
        match self.publish(text).await {
            Ok(()) => Response::Done,
            Err(reason) => Response::Refused(reason),
        }
    }

    async fn publish(&self, text: &str) -> Result<(), String> {
        let sent = self.read(text)?;
        let newer = |known: &Option<PublishedCheckpoint>| {
            known.as_ref().is_none_or(|known| known.size < sent.head.size)
        };
        if !newer(&self.published.borrow()) {
            return Ok(());
        }
        sent.policy.check(&sent.note).map_err(|error| error.to_string())?;
        self.wait_for(&sent).await?;
        let root = self.store.root_at(sent.head.size).map_err(|error| error.to_string())?;
        if root != Some(sent.head.root) {
            self.evidence.keep(&sent.note, &sent.checkpoint);
            return Err(format!("this node's leaves do not lead to {}", sent.head));
        }
        // Tiles are readable before the checkpoint that needs them, here as on the leader.
        let store = Arc::clone(&self.store);
        let synced = run_blocking(move || store.sync_leaves_and_tiles()).await;
        synced.map_err(|error| self.fail(error))?;
        let published = PublishedCheckpoint::new(&sent.checkpoint, sent.note);
        self.put(published)
    }

    /// Replaces the published checkpoint, unless a newer one is there.
    pub(crate) fn put(&self, published: PublishedCheckpoint) -> Result<(), String> {
        let mut replaced = Ok(());
        self.published.send_if_modified(|known| {
            if known.as_ref().is_some_and(|known| known.size >= published.size) {
                return false;
            }
            let file = self.folder.join(CHECKPOINT);
            replaced = self.disk.replace(&file, published.text.as_bytes());
            if replaced.is_ok() {
                self.crash.pass(CrashPoint::Published);
                *known = Some(published);
            }
            replaced.is_ok()
        });
        replaced.map_err(|error| self.fail(error))
    }

    fn fail(&self, error: crate::store::StoreError) -> String {
        let reason = error.to_string();
        self.fatal.report(error.into());
        reason
    }

    fn read(&self, text: &str) -> Result<Sent, String> {
        let note = Note::parse(text).map_err(|error| error.to_string())?;
        let checkpoint = Checkpoint::parse(note.text()).map_err(|error| error.to_string())?;
        if checkpoint.origin() != self.store.origin() {
            return Err(format!("the checkpoint is of log {}", checkpoint.origin()));
        }
        let policy = self.store.policy().map_err(|error| error.to_string())?;
        let policy = policy.ok_or("this node has no policy yet")?;
        let policy = Policy::parse(&policy).map_err(|error| error.to_string())?;
        let logs = policy.logs().iter().map(|log| log.key.clone());
        let log = Policy::without_witnesses(logs).map_err(|error| error.to_string())?;
        log.check(&note).map_err(|error| error.to_string())?;
        let head = TreeHead { size: checkpoint.size(), root: *checkpoint.root() };
        Ok(Sent { note, checkpoint, head, policy })
    }

    async fn wait_for(&self, sent: &Sent) -> Result<(), String> {
        let size = sent.head.size;
        let mut applied = self.store.subscribe();
        let caught_up = async {
            let _ = applied.wait_for(|applied| *applied >= size).await;
            while self.store.agreed().is_none_or(|agreed| agreed.size < size) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        // Whatever is missing then is said by the caller.
        let _ = tokio::time::timeout(CATCH_UP, caught_up).await;
        let applied = self.store.applied_size();
        if applied < size {
            self.evidence.ahead(&sent.note, &sent.checkpoint);
            return Err(format!("this node has {applied} leaves, the checkpoint has {size}"));
        }
        Ok(())
    }
}
