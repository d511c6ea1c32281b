//! A node: one voter's folder, Raft core, proposer and publisher, wired together.
//!
//! Opening refuses whatever it cannot trust and says what is wrong; see [`OpenError`]. A failure
//! while running is reported by [`Node::failed`], and the process must then exit with an error:
//! the node answers nothing more.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use letopis_ledger::checkpoint::Checkpoint;
use letopis_ledger::note::Note;
use openraft::BasicNode;
use openraft::async_runtime::WatchReceiver;
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::{Intervals, NodeConfig};
use crate::fatal::{Fatal, FatalSignal};
use crate::ledger::{LedgerHandle, Parts, PublishedCheckpoint};
use crate::metric;
use crate::proposer::Proposer;
use crate::publish::{
    CHECKPOINT, Published, Publisher, SIGNED_HEADS, SignedHeads, SignedHeadsError,
};
use crate::raft::encoding::Stored;
use crate::raft::log::{RaftLog, RaftLogError};
use crate::raft::machine::Applier;
use crate::raft::network::Network;
use crate::raft::types::{LogId, NODE_ID, Raft, TreeHead};
use crate::signature_check::Verifier;
use crate::store::blob::Blobs;
use crate::store::file::read;
use crate::store::{CheckProgress, Folder, Opened, Store, StoreError, StoreOpenError, lock_folder};

/// How long recovery may take before opening gives up.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(600);

/// Why a node does not start. Nothing was changed, except that torn bytes beyond what was durable
/// may have been cut off.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OpenError {
    /// The folder is in use, of another log, or damaged.
    #[error(transparent)]
    Store(#[from] StoreOpenError),
    /// The Raft log is damaged.
    #[error(
        "the Raft log in {folder} is damaged: {reason}; leaves below {durable} are intact; keep \
         the folder for examination, restore it from a backup or another node, and put this \
         folder's publish/signed into it"
    )]
    RaftLog {
        /// Folder of the Raft log.
        folder: PathBuf,
        /// What is wrong.
        reason: Box<RaftLogError>,
        /// Leaves that the store holds durably.
        durable: letopis_ledger::TreeSize,
    },
    /// Leaves are on disk that the Raft log does not explain: its end is lost.
    #[error(
        "{count} leaves from leaf {first} on are on disk and not in the Raft log: its end is \
         lost; keep the folder for examination, restore it from a backup or another node, and put \
         this folder's publish/signed into it"
    )]
    RaftLogLost {
        /// The first such leaf.
        first: letopis_ledger::LeafIndex,
        /// How many.
        count: u64,
    },
    /// The Raft log ends before the entry that the store has applied.
    #[error(
        "the Raft log ends at entry {last:?}, the store has applied entry {applied}: the Raft log \
         is lost or of another copy; restore the whole folder, and put the newest publish/signed \
         into it"
    )]
    RaftLogBehind {
        /// Last entry of the Raft log.
        last: Option<u64>,
        /// Last entry that the store has applied durably.
        applied: u64,
    },
    /// The file of signed heads is damaged.
    #[error(transparent)]
    SignedHeads(#[from] SignedHeadsError),
    /// A head was signed that the leaves do not lead to.
    #[error(
        "{signed} was signed, the leaves give {own}: leaves are lost or altered; restore a \
         later copy of the folder; a node that went on would sign two roots for one size"
    )]
    SignedHeadDiffers {
        /// What was signed.
        signed: TreeHead,
        /// What the leaves give at that size, or altogether when they are fewer.
        own: TreeHead,
    },
    /// The published checkpoint is damaged.
    #[error("the published checkpoint {file} is damaged: {reason}; delete it to publish it again")]
    Checkpoint {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A key does not fit its use.
    #[error("the log key is named {found}, the origin is {expected}: use the log's own key")]
    LogKey {
        /// Origin of the log.
        expected: letopis_ledger::checkpoint::Origin,
        /// Name of the key.
        found: String,
    },
    /// Raft did not start or did not recover.
    #[error("Raft did not start: {reason}")]
    Raft {
        /// What it said.
        reason: String,
    },
    /// Applying the Raft log failed.
    #[error(transparent)]
    Fatal(#[from] Fatal),
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self::Store(error.into())
    }
}

/// A running node.
pub struct Node {
    raft: Raft,
    ledger: LedgerHandle,
    parts: Arc<Parts>,
    fatal: FatalSignal,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    // Last, so that the folder is free only when everything else is closed.
    _lock: crate::store::FolderLock,
}

impl Node {
    /// Opens the folder, checks everything in it, recovers and starts.
    ///
    /// Reads every leaf: some seconds per million of them; see [`NodeConfig::progress`].
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(config: NodeConfig) -> Result<Self, OpenError> {
        check_keys(&config)?;
        let folder = Folder::new(&config.folder);
        let lock = lock_folder(&folder)?;
        folder.make()?;
        let heads = read_heads(&folder)?;
        let fatal = FatalSignal::new();
        let store = open_store(&folder, &config, &heads).await?;
        let log = RaftLog::open(&folder.raft(), fatal.clone(), config.crash_hook.clone());
        let log = log.map_err(|reason| OpenError::RaftLog {
            folder: folder.raft(),
            reason: Box::new(reason),
            durable: store.applied_size(),
        })?;
        check_raft_log(&log, &store)?;
        let raft = start_raft(&config, &store, &log, &fatal).await?;
        let recovered = recover(&raft, &log, &store, &fatal, &heads).await;
        let published = match recovered.and_then(|()| read_checkpoint(&folder, &store)) {
            Ok(published) => published,
            Err(error) => {
                stop_raft(raft, &store, &log).await;
                return Err(error);
            }
        };

        let stop = watch::Sender::new(false);
        let publisher = Publisher::new(Published {
            store: Arc::clone(&store),
            raft: raft.clone(),
            folder: folder.publish(),
            keys: config.keys,
            heads,
            checkpoint: published,
            crash: config.crash_hook,
            fatal: fatal.clone(),
        });
        let parts = Arc::new(Parts {
            store: Arc::clone(&store),
            log,
            blobs: Blobs::new(folder.blobs()),
            proposer: Proposer::start(raft.clone(), config.limits),
            fatal: fatal.clone(),
            verifier: Verifier::start().map_err(|e| OpenError::Raft { reason: e.to_string() })?,
        });
        let ledger = LedgerHandle::new(&parts, publisher.stages(), publisher.published());
        let tasks = vec![
            tokio::spawn(publisher.run(config.intervals.publish, stop.subscribe())),
            tokio::spawn(make_checkpoints(
                raft.clone(),
                ledger.clone(),
                store,
                config.intervals,
                stop.subscribe(),
            )),
            tokio::spawn(watch_raft(raft.clone(), fatal.clone(), stop.subscribe())),
        ];
        Ok(Self { raft, ledger, parts, fatal, stop, tasks, _lock: lock })
    }

    /// A handle for the rest of the program.
    #[must_use]
    pub fn ledger(&self) -> LedgerHandle {
        self.ledger.clone()
    }

    /// Waits until the node fails. The process must then exit with an error.
    pub async fn failed(&self) -> Fatal {
        let mut fatal = self.fatal.subscribe();
        match fatal.wait_for(Option::is_some).await {
            Ok(fatal) => fatal.clone().expect("invariant: it was waited for"),
            Err(_) => unreachable!("invariant: the node holds the sender"),
        }
    }

    /// Publishes what is applied, makes it durable and stops; the folder is then free. Handles
    /// answer "stopped" from then.
    ///
    /// # Errors
    /// The node had failed, or fails while stopping.
    pub async fn shutdown(mut self) -> Result<(), Fatal> {
        self.stop.send_replace(true);
        for task in self.tasks.drain(..) {
            // A task that panicked has said so; the rest is stopped all the same.
            let _ = task.await;
        }
        let stopped = self.raft.shutdown().await;
        let Self { raft, parts, fatal, .. } = self;
        drop(raft);
        let (store, log) = (Arc::clone(&parts.store), parts.log.clone());
        drop(parts);
        wait_for_last_owner(&store, &log).await;
        if let Some(fatal) = fatal.get() {
            return Err(fatal);
        }
        stopped.map_err(|error| Fatal::Raft { reason: error.to_string() })?;
        let flushed = tokio::task::spawn_blocking(move || store.checkpoint()).await;
        match flushed {
            Ok(flushed) => Ok(flushed.map(drop)?),
            Err(error) => Err(Fatal::Raft { reason: error.to_string() }),
        }
    }
}

/// Waits until calls that were under way have ended, so that the databases close with the node.
async fn wait_for_last_owner(store: &Arc<Store>, log: &RaftLog) {
    let alone = async {
        while Arc::strong_count(store) > 1 || log.owner_count() > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    if tokio::time::timeout(Duration::from_secs(10), alone).await.is_err() {
        tracing::warn!("calls are still under way; the folder is free when they end");
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Node({:?})", self.ledger)
    }
}

fn check_keys(config: &NodeConfig) -> Result<(), OpenError> {
    let post_quantum = config.keys.log_post_quantum.as_ref().map(|key| key.verifier_key());
    for key in [Some(config.keys.log.verifier_key()), post_quantum].into_iter().flatten() {
        if key.name().as_str() != config.origin.as_str() {
            let found = key.name().to_string();
            return Err(OpenError::LogKey { expected: config.origin.clone(), found });
        }
    }
    Ok(())
}

fn read_heads(folder: &Folder) -> Result<SignedHeads, OpenError> {
    let Some(bytes) = read(&folder.publish().join(SIGNED_HEADS))? else {
        return Ok(SignedHeads::default());
    };
    let text = String::from_utf8(bytes).map_err(|_| SignedHeadsError { line: 1 })?;
    Ok(SignedHeads::parse(&text)?)
}

async fn open_store(
    folder: &Folder,
    config: &NodeConfig,
    heads: &SignedHeads,
) -> Result<Arc<Store>, OpenError> {
    let (folder, origin, signed_size) = (folder.clone(), config.origin.clone(), heads.size());
    let (listener, crash) = (config.progress.clone(), config.crash_hook.clone());
    let opened = tokio::task::spawn_blocking(move || {
        let progress = |progress: CheckProgress| {
            let CheckProgress { checked, total } = progress;
            tracing::info!(%checked, %total, "checking leaves");
            if let Some(listener) = &listener {
                listener(progress);
            }
        };
        Store::open(&folder, Opened { origin, signed_size, progress: &progress, crash })
    });
    let opened = opened.await.map_err(|e| OpenError::Raft { reason: e.to_string() })?;
    Ok(Arc::new(opened?))
}

/// The Raft log reaches at least to what the store has applied.
fn check_raft_log(log: &RaftLog, store: &Store) -> Result<(), OpenError> {
    let applied = store.position().log_id.map(|stored| LogId::from_stored(&stored)).transpose();
    let applied = applied.map_err(|e| StoreError::Damaged { what: format!("position: {e}") })?;
    let last = log.last_and_committed().0;
    match applied {
        Some(applied) if last < Some(applied) => {
            Err(OpenError::RaftLogBehind { last: last.map(|id| id.index), applied: applied.index })
        }
        _ => Ok(()),
    }
}

async fn start_raft(
    config: &NodeConfig,
    store: &Arc<Store>,
    log: &RaftLog,
    fatal: &FatalSignal,
) -> Result<Raft, OpenError> {
    let failed = |reason: String| match fatal.get() {
        Some(fatal) => OpenError::Fatal(fatal),
        None => OpenError::Raft { reason },
    };
    let applier = Applier::new(Arc::clone(store), fatal.clone());
    let settings = crate::raft::config(config.limits.raft_log_keep_entries);
    let raft = Raft::new(NODE_ID, settings, Network, log.clone(), applier).await;
    let raft = raft.map_err(|error| failed(error.to_string()))?;
    match initialize(&raft).await {
        Ok(()) => Ok(raft),
        Err(reason) => {
            let error = failed(reason);
            stop_raft(raft, store, log).await;
            Err(error)
        }
    }
}

/// Makes this node the one voter, unless the log says so already.
async fn initialize(raft: &Raft) -> Result<(), String> {
    if raft.is_initialized().await.map_err(|error| error.to_string())? {
        return Ok(());
    }
    let members = BTreeMap::from([(NODE_ID, BasicNode::new(""))]);
    raft.initialize(members).await.map_err(|error| error.to_string())
}

/// Ends the Raft core, so that the databases close with the last of the caller's own handles.
async fn stop_raft(raft: Raft, store: &Arc<Store>, log: &RaftLog) {
    if let Err(error) = raft.shutdown().await {
        tracing::warn!(%error, "the Raft core did not end by itself");
    }
    drop(raft);
    wait_for_last_owner(store, log).await;
}

/// Waits until everything in the Raft log is applied, then compares with what was signed.
async fn recover(
    raft: &Raft,
    log: &RaftLog,
    store: &Store,
    fatal: &FatalSignal,
    heads: &SignedHeads,
) -> Result<(), OpenError> {
    let last = log.last_and_committed().0.map(|id| id.index);
    let mut metrics = raft.metrics();
    let recovered = async {
        loop {
            {
                let metrics = metrics.borrow_watched();
                let applied = metrics.last_applied.map(|id| id.index);
                if let Err(stopped) = &metrics.running_state {
                    return Err(stopped.to_string());
                }
                if metrics.current_leader == Some(NODE_ID) && applied >= last && applied.is_some() {
                    return Ok(());
                }
            }
            metrics.changed().await.map_err(|e| e.to_string())?;
        }
    };
    let outcome = tokio::time::timeout(RECOVERY_TIMEOUT, recovered).await;
    if let Some(fatal) = fatal.get() {
        return Err(fatal.into());
    }
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(reason)) => return Err(OpenError::Raft { reason }),
        Err(late) => return Err(OpenError::Raft { reason: late.to_string() }),
    }
    let count = store.unexplained_leaves();
    if count > 0 {
        let first = store.applied_size().next_leaf();
        return Err(OpenError::RaftLogLost { first, count });
    }
    for signed in [heads.log, heads.cosigner, store.agreed()].into_iter().flatten() {
        let own = match store.root_at(signed.size)? {
            Some(root) => TreeHead { root, ..signed },
            None => store.head(),
        };
        if own != signed {
            return Err(OpenError::SignedHeadDiffers { signed, own });
        }
    }
    Ok(())
}

/// Reads the published checkpoint and compares it with the leaves.
fn read_checkpoint(
    folder: &Folder,
    store: &Store,
) -> Result<Option<PublishedCheckpoint>, OpenError> {
    let file = folder.publish().join(CHECKPOINT);
    let Some(bytes) = read(&file)? else { return Ok(None) };
    let damaged = |reason: String| OpenError::Checkpoint { file: file.clone(), reason };
    let note = Note::from_bytes(&bytes).map_err(|e| damaged(e.to_string()))?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(|e| damaged(e.to_string()))?;
    if checkpoint.origin() != store.origin() {
        return Err(damaged(format!("it is of log {}", checkpoint.origin())));
    }
    if store.root_at(checkpoint.size())? != Some(*checkpoint.root()) {
        return Err(damaged("its root is not that of the leaves".to_owned()));
    }
    Ok(Some(PublishedCheckpoint::new(&checkpoint, note)))
}

/// Makes the store durable from time to time, so that the Raft log can be purged.
async fn make_checkpoints(
    raft: Raft,
    ledger: LedgerHandle,
    store: Arc<Store>,
    intervals: Intervals,
    mut stop: watch::Receiver<bool>,
) {
    let mut last = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(500));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        metric::positions(&ledger.positions());
        let bytes = store.unflushed_bytes();
        let due = last.elapsed() >= intervals.checkpoint && bytes > 0;
        if due || bytes >= intervals.checkpoint_bytes {
            last = Instant::now();
            if raft.trigger().snapshot().await.is_err() {
                return;
            }
        }
    }
}

/// Reports when the Raft core stops by itself.
async fn watch_raft(raft: Raft, fatal: FatalSignal, mut stop: watch::Receiver<bool>) {
    let mut metrics = raft.server_metrics();
    let mut full = raft.metrics();
    loop {
        if let Err(stopped) = &full.borrow_watched().running_state
            && !*stop.borrow()
        {
            fatal.report(Fatal::Raft { reason: stopped.to_string() });
            return;
        }
        tokio::select! {
            changed = metrics.changed() => if changed.is_err() { return },
            changed = full.changed() => if changed.is_err() { return },
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

#[cfg(test)]
mod test;
