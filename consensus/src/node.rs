//! A node: its folder, Raft core, proposer, publisher and the way to other nodes, wired together.
//!
//! Opening refuses whatever it cannot trust and says what is wrong; see [`OpenError`]. A failure
//! while running is reported by [`Node::failed`], and the process must then exit with an error:
//! the node answers nothing more.

mod open_error;
mod upkeep;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use letopis_ledger::id::NodeId;
use openraft::BasicNode;
use openraft::async_runtime::WatchReceiver;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use crate::awaited::Awaited;
use crate::backup;
use crate::config::{NodeConfig, PeerConfig, SigningKeys, Start};
use crate::confirm::{self, Promised};
use crate::fatal::{Fatal, FatalSignal};
use crate::join::Installer;
use crate::ledger::{LedgerHandle, Parts};
use crate::membership::{Membership, hand_over};
use crate::metric;
use crate::peer::Answer;
use crate::peer::answerer::Answerer;
use crate::peer::members::Members;
use crate::peer::watch::{Peers, Watcher};
use crate::proposer::{Path, Proposer};
use crate::publish::cosigner::Cosigner;
use crate::publish::evidence::Evidence;
use crate::publish::log_key::LogKeys;
use crate::publish::signer::Signer;
use crate::publish::{Authors, Publisher, SIGNED_HEADS, SignedHeads, SignedHeadsError, Stages};
use crate::raft::encoding::Stored;
use crate::raft::log::{Hooks, RaftLog};
use crate::raft::machine::Applier;
use crate::raft::network::Network;
use crate::raft::types::{LogId, Raft, TreeHead};
use crate::recover;
use crate::runtime::run_blocking;
use crate::signature_check::Verifier;
use crate::store::blob::Blobs;
use crate::store::file::read;
use crate::store::staging::Staging;
use crate::store::{CheckProgress, Folder, FolderLock, Opened, Store, StoreError, lock_folder};

pub use open_error::OpenError;
use upkeep::{make_checkpoints, watch_raft};

/// How long recovery may take before opening gives up.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(600);

/// A running node.
pub struct Node {
    raft: Raft,
    path: Path,
    ledger: LedgerHandle,
    parts: Arc<Parts>,
    answerer: Answerer,
    fatal: FatalSignal,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    // Last, so that the folder is free only when everything else is closed.
    _lock: FolderLock,
}

impl Node {
    /// Opens the folder, checks everything in it, recovers and starts.
    ///
    /// Reads every leaf: some seconds per million of them; see [`NodeConfig::progress`]. A node
    /// that is the only voter is ready when this returns; any other goes on catching up.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(config: NodeConfig) -> Result<Self, OpenError> {
        let folder = Folder::new(&config.folder);
        let folder = folder.simulated(config.disk.clone(), config.sabotage);
        let lock = lock_folder(&folder)?;
        if recover::is_unfinished(&folder) {
            return Err(OpenError::RecoveryUnfinished { folder: config.folder });
        }
        Self::open_locked(config, folder, lock).await
    }

    /// Opens a folder that the caller has locked, also while a recovery is under way.
    pub(crate) async fn open_locked(
        config: NodeConfig,
        folder: Folder,
        lock: FolderLock,
    ) -> Result<Self, OpenError> {
        check_keys(&config)?;
        folder.make()?;
        let heads = read_heads(&folder)?;
        let fatal = FatalSignal::new();
        let store = open_store(&folder, &config, &heads).await?;
        let hooks = Hooks {
            fatal: fatal.clone(),
            crash: config.crash_hook.clone(),
            disk: config.disk.clone(),
            sabotage: config.sabotage,
        };
        let log = RaftLog::open(&folder.raft(), hooks);
        let log = log.map_err(|reason| OpenError::RaftLog {
            folder: folder.raft(),
            reason: Box::new(reason),
            durable: store.applied_size(),
        })?;
        check_raft_log(&log, &store, config.peers.start)?;
        let own = config.peers.node;
        if !recover::is_unfinished(&folder) && !backup::may_start(&folder, &store, own) {
            return Err(OpenError::Restored { node: own });
        }
        bind_node(&folder, own)?;
        if !recover::is_unfinished(&folder) {
            backup::forget_restored(&folder)?;
        }
        let parts = NodeParts::new(&config, &folder, store, log, heads, fatal);
        let raft = parts.start_raft(&config).await?;
        let promised = Promised { heads, folder: folder.publish(), unexplained: true };
        match parts.recover(&raft, promised).await {
            Ok(recovered) => parts.start(raft, config, recovered, lock),
            Err(error) => {
                stop_raft(raft, &parts.store, &parts.log).await;
                Err(error)
            }
        }
    }

    /// What this node answers to other nodes: give it to a transport's server.
    #[must_use]
    pub fn answerer(&self) -> Arc<dyn Answer> {
        Arc::new(self.answerer.clone())
    }

    /// A handle for the rest of the program.
    #[must_use]
    pub fn ledger(&self) -> LedgerHandle {
        self.ledger.clone()
    }

    /// Waits until the node fails. The process must then exit with an error.
    pub async fn failed(&self) -> Fatal {
        let mut fatal = self.fatal.subscribe();
        let fatal = match fatal.wait_for(Option::is_some).await {
            Ok(fatal) => fatal.clone().expect("invariant: it was waited for"),
            Err(_) => unreachable!("invariant: the node holds the sender"),
        };
        let Fatal::Diverged { agreed, own, leaf: None } = fatal else { return fatal };
        metric::diverged();
        let leaf = confirm::first_difference(&self.parts.store, &self.path.members, agreed).await;
        let fatal = Fatal::Diverged { agreed, own, leaf };
        tracing::error!(%fatal, "this node's copy differs from the others'");
        fatal
    }

    /// Hands the leadership to another voter, if this node leads: before the port for other nodes
    /// closes.
    pub async fn hand_over(&self) {
        hand_over(&self.path).await;
    }

    /// Hands the leadership over, publishes what is applied, makes it durable and stops; the
    /// folder is then free. Handles answer "stopped" from then.
    ///
    /// # Errors
    /// The node had failed, or fails while stopping.
    pub async fn shutdown(mut self) -> Result<(), Fatal> {
        self.stop.send_replace(true);
        for task in self.tasks.drain(..) {
            // A task that panicked has said so; the rest is stopped all the same.
            let _ = task.await;
        }
        hand_over(&self.path).await;
        let stopped = self.raft.shutdown().await;
        let Self { raft, path, parts, answerer, fatal, .. } = self;
        drop((raft, path, answerer));
        let (store, log) = (Arc::clone(&parts.store), parts.log.clone());
        drop(parts);
        wait_for_last_owner(&store, &log).await;
        if let Some(fatal) = fatal.get() {
            return Err(fatal);
        }
        stopped.map_err(|error| Fatal::Raft { reason: error.to_string() })?;
        Ok(run_blocking(move || store.checkpoint()).await.map(drop)?)
    }
}

/// The parts of a node before it starts.
struct NodeParts {
    store: Arc<Store>,
    log: RaftLog,
    staging: Staging,
    members: Arc<Members>,
    awaited: Arc<Awaited>,
    authors: Arc<Authors>,
    cosigner: Cosigner,
    log_keys: LogKeys,
    stages: watch::Receiver<Stages>,
    blobs: Blobs,
    fatal: FatalSignal,
}

impl NodeParts {
    fn new(
        config: &NodeConfig,
        folder: &Folder,
        store: Arc<Store>,
        log: RaftLog,
        heads: SignedHeads,
        fatal: FatalSignal,
    ) -> Self {
        let PeerConfig { node, invitation, transport, .. } = config.peers.clone();
        let members = Arc::new(Members::new(node, Arc::clone(&store), invitation, transport));
        let SigningKeys { log_post_quantum, cosigner, .. } = &config.keys;
        let log_keys = LogKeys::new(
            &config.keys.log,
            config.keys.keep_log.clone(),
            config.keys.reload_log.clone(),
        );
        let size = |head: Option<TreeHead>| head.map_or_else(Default::default, |head| head.size);
        let (signed, cosigned) = (size(heads.log), size(heads.cosigner));
        let authors = Arc::new(Authors::from(cosigned));
        let stages = watch::Sender::new(Stages { signed, cosigned });
        let seen = stages.subscribe();
        let signer = Signer {
            store: Arc::clone(&store),
            folder: folder.publish(),
            disk: config.disk.clone(),
            log_keys: log_keys.clone(),
            log_post_quantum: log_post_quantum.clone(),
            cosigner: cosigner.clone(),
            heads,
            authors: Arc::clone(&authors),
            clock: config.clock.clone(),
            crash: config.crash_hook.clone(),
            stages,
        };
        let cosigner = Cosigner {
            store: Arc::clone(&store),
            signer: Arc::new(Mutex::new(signer)),
            evidence: Evidence::new(folder.publish(), Arc::clone(&store)),
            folder: folder.publish(),
            disk: config.disk.clone(),
            fatal: fatal.clone(),
            crash: config.crash_hook.clone(),
            published: Arc::new(watch::Sender::new(None)),
        };
        Self {
            staging: Staging::new(folder),
            awaited: Arc::new(Awaited::new()),
            blobs: Blobs::new(folder.blobs()),
            stages: seen,
            store,
            log,
            members,
            authors,
            cosigner,
            log_keys,
            fatal,
        }
    }

    async fn start_raft(&self, config: &NodeConfig) -> Result<Raft, OpenError> {
        let failed = |reason: String| match self.fatal.get() {
            Some(fatal) => OpenError::Fatal(fatal),
            None => OpenError::Raft { reason },
        };
        let (store, staging) = (Arc::clone(&self.store), self.staging.clone());
        // A snapshot that was complete when the node stopped comes before anything else.
        run_blocking(move || staging.install(&store)).await?;
        let applier = Applier {
            store: Arc::clone(&self.store),
            staging: self.staging.clone(),
            awaited: Arc::clone(&self.awaited),
            authors: Arc::clone(&self.authors),
            fatal: self.fatal.clone(),
        };
        let alone = config.peers.address.is_empty();
        let settings = crate::raft::config(config.limits.raft_log_keep_entries, alone);
        let network = Network::new(Arc::clone(&self.members));
        let node = config.peers.node.get();
        let raft = Raft::new(node, settings, network, self.log.clone(), applier).await;
        let raft = raft.map_err(|error| failed(error.to_string()))?;
        match initialize(&raft, &config.peers).await {
            Ok(()) => Ok(raft),
            Err(reason) => {
                let error = failed(reason);
                stop_raft(raft, &self.store, &self.log).await;
                Err(error)
            }
        }
    }

    /// Waits until the only voter has applied everything; what a node among several promised is
    /// compared as soon as it has caught up (`crate::confirm`).
    async fn recover(&self, raft: &Raft, promised: Promised) -> Result<Promised, OpenError> {
        let voters: BTreeSet<u64> =
            raft.metrics().borrow_watched().membership_config.voter_ids().collect();
        if voters != BTreeSet::from([self.members.own().get()]) {
            return Ok(Promised { unexplained: false, ..promised });
        }
        // Nobody else can lead: it need not wait for an election's time.
        if raft.metrics().borrow_watched().current_leader.is_none() {
            let elected = raft.trigger().elect(false).await;
            elected.map_err(|error| OpenError::Raft { reason: error.to_string() })?;
        }
        wait_for_recovery(raft, &self.log, self.members.own().get(), &self.fatal).await?;
        if let Some(published) = confirm::confirm(&self.store, &promised)? {
            self.cosigner.published.send_replace(Some(published));
        }
        Ok(promised)
    }

    fn start(
        self,
        raft: Raft,
        config: NodeConfig,
        promised: Promised,
        lock: FolderLock,
    ) -> Result<Node, OpenError> {
        let stop = watch::Sender::new(false);
        let path = Path {
            raft: raft.clone(),
            members: Arc::clone(&self.members),
            awaited: Arc::clone(&self.awaited),
            authors: Arc::clone(&self.authors),
            clock: config.clock.clone(),
        };
        let peers = Peers::default();
        let parts = Arc::new(Parts {
            store: Arc::clone(&self.store),
            log: self.log.clone(),
            blobs: self.blobs.clone(),
            proposer: Proposer::start(path.clone(), config.limits),
            fatal: self.fatal.clone(),
            verifier: Verifier::start().map_err(|e| OpenError::Raft { reason: e.to_string() })?,
            peers: peers.clone(),
            path: path.clone(),
            folder: Folder::new(&config.folder),
        });
        let ledger =
            LedgerHandle::new(&parts, self.stages.clone(), self.cosigner.published.subscribe());
        let answerer = Answerer {
            raft: raft.clone(),
            members: Arc::clone(&self.members),
            ledger: ledger.clone(),
            cosigner: self.cosigner.clone(),
            installer: Arc::new(Installer::new(
                Arc::clone(&self.members),
                Arc::clone(&self.store),
                self.staging.clone(),
                self.fatal.clone(),
                stop.subscribe(),
            )),
            log_keys: self.log_keys.clone(),
        };
        let tasks = self.tasks(&raft, &path, &ledger, peers, &config, promised, &stop);
        let fatal = self.fatal;
        Ok(Node { raft, path, ledger, parts, answerer, fatal, stop, tasks, _lock: lock })
    }

    #[expect(clippy::too_many_arguments, reason = "one place where everything is wired")]
    fn tasks(
        &self,
        raft: &Raft,
        path: &Path,
        ledger: &LedgerHandle,
        peers: Peers,
        config: &NodeConfig,
        promised: Promised,
        stop: &watch::Sender<bool>,
    ) -> Vec<JoinHandle<()>> {
        let publisher = Publisher {
            store: Arc::clone(&self.store),
            path: path.clone(),
            members: Arc::clone(&self.members),
            cosigner: self.cosigner.clone(),
            crash: config.crash_hook.clone(),
            fatal: self.fatal.clone(),
        };
        let membership = Membership {
            raft: raft.clone(),
            store: Arc::clone(&self.store),
            path: path.clone(),
            peers: peers.clone(),
        };
        let watcher = Watcher {
            store: Arc::clone(&self.store),
            path: path.clone(),
            cosigner: self.cosigner.clone(),
            log_keys: self.log_keys.clone(),
            peers,
            fatal: self.fatal.clone(),
        };
        let checkpoints = make_checkpoints(
            raft.clone(),
            ledger.clone(),
            Arc::clone(&self.store),
            config.intervals,
            stop.subscribe(),
        );
        let confirming = confirm::confirm_later(
            Arc::clone(&self.store),
            promised,
            self.cosigner.clone(),
            self.fatal.clone(),
            stop.subscribe(),
        );
        let mut tasks = vec![
            tokio::spawn(publisher.run(config.intervals.publish, stop.subscribe())),
            tokio::spawn(membership.run(stop.subscribe())),
            tokio::spawn(watcher.run(stop.subscribe())),
            tokio::spawn(checkpoints),
            tokio::spawn(confirming),
            tokio::spawn(watch_raft(raft.clone(), self.fatal.clone(), stop.subscribe())),
        ];
        if config.keys.cosigner.is_some() {
            let authors = Arc::clone(&self.authors);
            tasks.push(tokio::spawn(authors.run(Arc::clone(&self.store), stop.subscribe())));
        }
        tasks
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
    for key in config.keys.log.iter().map(|key| key.verifier_key()).chain(post_quantum) {
        if key.name().as_str() != config.origin.as_str() {
            let found = key.name().to_string();
            return Err(OpenError::LogKey { expected: config.origin.clone(), found });
        }
    }
    Ok(())
}

/// Votes are given under a number: the folder keeps it, and a restored folder gets a new one.
fn bind_node(folder: &Folder, configured: NodeId) -> Result<(), OpenError> {
    let file = folder.node();
    let expected = format!("{configured}\n");
    match read(&file)? {
        Some(found) if found == expected.as_bytes() => Ok(()),
        Some(found) => {
            let found = String::from_utf8_lossy(&found).trim_end().to_owned();
            Err(OpenError::OtherNode { folder: folder.path().to_owned(), found, configured })
        }
        None => Ok(folder.disk().replace(&file, expected.as_bytes())?),
    }
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
    let opened = run_blocking(move || {
        let progress = |progress: CheckProgress| {
            let CheckProgress { checked, total } = progress;
            tracing::info!(%checked, %total, "checking leaves");
            if let Some(listener) = &listener {
                listener(progress);
            }
        };
        Store::open(&folder, Opened { origin, signed_size, progress: &progress, crash })
    });
    Ok(Arc::new(opened.await?))
}

/// The Raft log reaches at least to what the store has applied.
fn check_raft_log(log: &RaftLog, store: &Store, start: Start) -> Result<(), OpenError> {
    let applied = store.position().log_id.map(|stored| LogId::from_stored(&stored)).transpose();
    let applied = applied.map_err(|e| StoreError::Damaged { what: format!("position: {e}") })?;
    let last = log.last_and_committed().0;
    match applied {
        // A crash may come between a snapshot and what it makes superfluous in the Raft log; a node
        // that joined took its log that way, and openraft begins it behind the snapshot again.
        Some(applied)
            if last < Some(applied)
                && start == Start::Found
                && !(log.has_voted() && store.is_just_installed()?) =>
        {
            Err(OpenError::RaftLogBehind { last: last.map(|id| id.index), applied: applied.index })
        }
        _ => Ok(()),
    }
}

/// Makes a node that founds its log the one voter, unless the Raft log says so already.
async fn initialize(raft: &Raft, peers: &PeerConfig) -> Result<(), String> {
    let initialized = raft.is_initialized().await.map_err(|error| error.to_string())?;
    if initialized || peers.start == Start::Join {
        return Ok(());
    }
    let members = BTreeMap::from([(peers.node.get(), BasicNode::new(&peers.address))]);
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

/// Waits until everything in the Raft log is applied.
async fn wait_for_recovery(
    raft: &Raft,
    log: &RaftLog,
    own: u64,
    fatal: &FatalSignal,
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
                if metrics.current_leader == Some(own) && applied >= last && applied.is_some() {
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
        Ok(Ok(())) => Ok(()),
        Ok(Err(reason)) => Err(OpenError::Raft { reason }),
        Err(late) => Err(OpenError::Raft { reason: late.to_string() }),
    }
}

#[cfg(test)]
mod cluster_test;
#[cfg(test)]
mod lying_test;
#[cfg(test)]
mod test;
