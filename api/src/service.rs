//! The running service: consensus, read model, private store and case engine, tied together.
//!
//! Not here: HTTP. A handler asks the service; the service knows which part answers.

pub(crate) mod backup;
mod complex;
pub(crate) mod environment;
mod expiry;
mod facts;
mod follower;
pub(crate) mod governance;
mod lifecycles;
mod notices;
mod offers;
pub(crate) mod packs;
mod payments;
mod port;
mod typesetter;
pub(crate) mod upload;
mod worker;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use letopis_consensus::peer::grpc::{GrpcLimits, GrpcTransport};
use letopis_consensus::{
    Intervals, LedgerHandle, Limits, Node, NodeConfig, PeerConfig, Receipt, SigningKeys, Start,
};
use letopis_ledger::cosignature::CosignatureSigner;
use letopis_ledger::governance::GovernanceEvent;
use letopis_ledger::key::AuthorSigner;
use letopis_ledger::record::SignedRecord;
use letopis_ledger::{LeafIndex, TreeSize};
use letopis_registry::engine::{Author, CaseEngine, EngineParts, InstalledPack, RegistryAdapter};
use letopis_registry::event::PackPublished;
use letopis_registry::pack::Change;
use letopis_registry::private::PrivateStore;
use letopis_registry::projection::ReadModel;
use letopis_registry::secret::AgencySecret;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::enrolment::Invitation;
use crate::folder::{CLAIM_SECRET, COSIGNER_KEY, NodeFolder};
use crate::peers::{PeerPort, PeerServer};

use backup::Backups;
use environment::System;
use follower::Progress;
use governance::GovernanceFailed;
use packs::Comparisons;
use port::ConsensusPort;
use typesetter::PaperSetter;
use worker::Worker;

/// The case engine over this node's ledger.
pub(crate) type Engine = CaseEngine<ConsensusPort>;

/// The running service.
pub(crate) struct Service {
    ledger: LedgerHandle,
    engine: Arc<Engine>,
    progress: watch::Receiver<Progress>,
    worker: Worker,
    signer: AuthorSigner,
    data: PathBuf,
    backups: Backups,
    scheduled: Option<JoinHandle<()>>,
    following: JoinHandle<()>,
    expiring: JoinHandle<()>,
    telling: JoinHandle<()>,
    closing: JoinHandle<()>,
    withdrawing: JoinHandle<()>,
    offering: JoinHandle<()>,
    paying: JoinHandle<()>,
    noting: JoinHandle<()>,
    comparisons: Comparisons,
    /// Where the public reaches the node, without a slash at its end.
    public_address: String,
}

/// What runs once a service has started.
pub(crate) struct Started {
    /// The service.
    pub(crate) service: Service,
    /// The node under it.
    pub(crate) node: Node,
    /// The port for other nodes.
    pub(crate) peers: PeerServer,
}

/// How final a leaf is. Un-cosigned is never called final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finality {
    /// On a majority of disks; the published head does not cover it yet.
    Committed {
        /// Leaves of the published head.
        published: TreeSize,
    },
    /// Covered by a published head that a quorum cosigned.
    Final {
        /// Leaves of the published head.
        published: TreeSize,
    },
}

impl Finality {
    /// How final a leaf is now.
    pub(crate) fn of(ledger: &LedgerHandle, leaf: LeafIndex) -> Self {
        let published = ledger.checkpoint().map_or(TreeSize::ZERO, |known| known.size);
        if published.contains(leaf) {
            Self::Final { published }
        } else {
            Self::Committed { published }
        }
    }

    /// The state as the interface spells it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Committed { .. } => "committed",
            Self::Final { .. } => "final",
        }
    }

    /// Leaves of the published head.
    pub(crate) const fn published_size(self) -> TreeSize {
        match self {
            Self::Committed { published } | Self::Final { published } => published,
        }
    }
}

impl Service {
    /// Opens everything in a node's folder and takes up what was left open.
    ///
    /// # Errors
    /// A part does not open; the message says which and what to do.
    pub(crate) async fn start(folder: &NodeFolder, port: PeerPort) -> anyhow::Result<Started> {
        let node = open_node(folder).await?;
        let ledger = node.ledger();
        // Before anything that may need the other nodes.
        let peers = port.answer(node.answerer());
        begin_log(folder, &ledger).await?;
        let engine = Arc::new(open_engine(folder, ledger.clone())?);
        let size = engine.catch_up().await?;
        packs::install_published(&engine, &ledger).await?;
        let (sender, progress) = watch::channel(Progress { size, failure: None });
        let model = Arc::clone(engine.model());
        let following = tokio::spawn(follower::follow(ledger.clone(), model, sender));
        let worker = Worker::new(Arc::clone(&engine), folder.config().limits.cases_at_once);
        for case in engine.model().open_cases(engine.agency())?.value {
            worker.take_up(case);
        }
        let expiring = tokio::spawn(expiry::run(Arc::clone(&engine)));
        let telling = tokio::spawn(notices::run(Arc::clone(&engine), progress.clone()));
        let closing = tokio::spawn(complex::run(Arc::clone(&engine), progress.clone()));
        let offering = tokio::spawn(offers::run(Arc::clone(&engine), progress.clone()));
        let paying = tokio::spawn(payments::run(Arc::clone(&engine)));
        let noting = tokio::spawn(lifecycles::run(Arc::clone(&engine), progress.clone()));
        let public_address = folder.config().public_address().trim_end_matches('/').to_owned();
        let withdrawing =
            tokio::spawn(facts::run(Arc::clone(&engine), worker.clone(), progress.clone()));
        let signer = folder.keys().author(&folder.config().agency)?;
        let data = folder.data();
        let backups = Backups::new(folder, ledger.clone(), engine.private().clone());
        let scheduled = backups.schedule();
        let service = Self {
            ledger,
            engine,
            progress,
            worker,
            signer,
            data,
            backups,
            scheduled,
            following,
            expiring,
            telling,
            closing,
            withdrawing,
            offering,
            paying,
            noting,
            comparisons: Comparisons::default(),
            public_address,
        };
        Ok(Started { service, node, peers })
    }

    /// The ledger.
    pub(crate) const fn ledger(&self) -> &LedgerHandle {
        &self.ledger
    }

    /// The folder with the node's own copy of the log.
    pub(crate) fn data_folder(&self) -> &Path {
        &self.data
    }

    /// Where the public reaches the node, without a slash at its end.
    pub(crate) fn public_address(&self) -> &str {
        &self.public_address
    }

    /// Who backs the node up.
    pub(crate) const fn backups(&self) -> &Backups {
        &self.backups
    }

    /// Appends governance events as one record of this agency.
    pub(crate) async fn govern(
        &self,
        events: &[GovernanceEvent],
    ) -> Result<Receipt, GovernanceFailed> {
        governance::append(&self.ledger, self.engine.agency(), &self.signer, events).await
    }

    /// The case engine.
    pub(crate) const fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The tables.
    pub(crate) fn model(&self) -> &ReadModel {
        self.engine.model()
    }

    /// Takes up every open case again, because something changed that may concern any of them.
    pub(crate) fn take_up_open(&self) {
        match self.model().open_cases(self.engine.agency()) {
            Ok(open) => open.value.into_iter().for_each(|case| self.worker.take_up(case)),
            Err(error) => tracing::error!(%error, "open cases cannot be taken up"),
        }
    }

    /// What a proposed version of a pack changes of the one in force.
    ///
    /// # Errors
    /// A file is missing, or the proposal cannot be read by this release.
    pub(crate) async fn changes(
        &self,
        in_force: &Arc<InstalledPack>,
        proposed: &PackPublished,
    ) -> anyhow::Result<Arc<Vec<Change>>> {
        self.comparisons.changes(&self.ledger, in_force, proposed).await
    }

    /// Who takes cases forward.
    pub(crate) const fn worker(&self) -> &Worker {
        &self.worker
    }

    /// Leaves that every answer reflects at least.
    pub(crate) fn position(&self) -> TreeSize {
        self.progress.borrow().size
    }

    /// Asks `question` after every change of the tables until it has an answer or time is up.
    pub(crate) async fn wait_for<T>(
        &self,
        limit: Duration,
        mut question: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        let mut progress = self.progress.clone();
        let answer = async {
            loop {
                progress.mark_unchanged();
                if let Some(answer) = question() {
                    return Some(answer);
                }
                if progress.changed().await.is_err() {
                    return None;
                }
            }
        };
        tokio::time::timeout(limit, answer).await.ok().flatten()
    }

    /// Waits until the read side fails, and says why.
    pub(crate) async fn failed(&self) -> String {
        let mut progress = self.progress.clone();
        match progress.wait_for(|progress| progress.failure.is_some()).await {
            Ok(progress) => progress.failure.clone().unwrap_or_default(),
            // The ledger stopped; its own failure is reported by itself.
            Err(_) => std::future::pending().await,
        }
    }

    /// Stops taking cases forward. What is open is taken up again at the next start.
    pub(crate) async fn stop(&self) {
        self.worker.stop().await;
        self.expiring.abort();
        self.telling.abort();
        self.closing.abort();
        self.withdrawing.abort();
        self.offering.abort();
        self.paying.abort();
        self.noting.abort();
        if let Some(scheduled) = &self.scheduled {
            scheduled.abort();
        }
        self.following.abort();
    }
}

async fn open_node(folder: &NodeFolder) -> anyhow::Result<Node> {
    let config = folder.config();
    let keys = folder.keys();
    let (keep, reload) = (keys.clone(), keys.clone());
    let cosigner = CosignatureSigner::new(&keys.note_key(COSIGNER_KEY)?)?;
    let signing = SigningKeys {
        log: keys.log_keys()?,
        keep_log: Some(Arc::new(move |text: &str| keep.keep_log_key(text))),
        reload_log: Some(Arc::new(move || reload.log_keys().unwrap_or_default())),
        log_post_quantum: None,
        cosigner: Some(Arc::new(cosigner)),
    };
    let mut node = NodeConfig::new(folder.data(), config.origin.clone(), signing);
    node.limits = Limits {
        queue_records: config.limits.queued_records,
        raft_log_keep_entries: config.limits.raft_log_entries,
        ..Limits::default()
    };
    node.intervals = Intervals {
        publish: Duration::from_millis(config.publication.interval_ms),
        ..Intervals::default()
    };
    if let Some(peers) = &config.peers {
        let founds = folder.genesis().is_file();
        let invitation = match folder.invitation().is_file() {
            true => Invitation::read(&folder.invitation())?.nodes,
            false if founds => Vec::new(),
            false => anyhow::bail!(
                "{} is not there: send your request to the log's founder, and put the invitation \
                 that comes back there with `letopis agency join`",
                folder.invitation().display()
            ),
        };
        node.peers = PeerConfig {
            node: peers.node,
            address: peers.address.clone(),
            start: if founds { Start::Found } else { Start::Join },
            invitation,
            transport: Arc::new(GrpcTransport::new(keys.identity()?, GrpcLimits::default())),
        };
    }
    Ok(Node::open(node).await?)
}

/// Puts the first records into a log that this node founds. Where other nodes vote too, the log
/// has begun long ago, and they may have to start first.
async fn begin_log(folder: &NodeFolder, ledger: &LedgerHandle) -> anyhow::Result<()> {
    if !folder.genesis().is_file() {
        return Ok(());
    }
    if ledger.status()?.voters.len() <= 1 {
        return append_genesis(folder, ledger).await;
    }
    let (folder, ledger) = (folder.clone(), ledger.clone());
    tokio::spawn(async move {
        if let Err(error) = append_genesis(&folder, &ledger).await {
            tracing::warn!(%error, "the first records of the log are not confirmed");
        }
    });
    Ok(())
}

/// Appends the first records; those that are there already answer with their first receipts.
async fn append_genesis(folder: &NodeFolder, ledger: &LedgerHandle) -> anyhow::Result<()> {
    let path = folder.genesis();
    let text = fs::read(&path).with_context(|| format!("{}", path.display()))?;
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let record = SignedRecord::parse(line).with_context(|| format!("{}", path.display()))?;
        if ledger.record(record.record().id())?.is_none() {
            worker::append_when_ready(ledger, record).await?;
        }
    }
    Ok(())
}

fn open_engine(folder: &NodeFolder, ledger: LedgerHandle) -> anyhow::Result<Engine> {
    for place in [folder.private(), folder.read_model()] {
        make_durably(&place).with_context(|| format!("{}", place.display()))?;
    }
    let keys = folder.keys();
    let config = folder.config();
    let secret = Arc::new(AgencySecret::new(*keys.secret(CLAIM_SECRET)?));
    let private = PrivateStore::open(&folder.private().join("disclosures.sqlite"))?;
    let path = folder.read_model().join("tables.sqlite");
    let model = Arc::new(ReadModel::open(&path, Arc::clone(&secret), private.clone())?);
    let system = Arc::new(System);
    Ok(CaseEngine::new(EngineParts {
        port: ConsensusPort(ledger),
        author: Author {
            log: config.origin.clone(),
            agency: config.agency.clone(),
            signer: keys.author(&config.agency)?,
        },
        secret,
        adapter: Arc::new(RegistryAdapter::new(Arc::clone(&model), private.clone())),
        private,
        model,
        clock: system.clone(),
        entropy: system,
        typesetter: Arc::new(PaperSetter::new(&config.public_address())),
    }))
}

/// Makes a folder whose name survives a power cut: what it will hold is promised to be durable.
fn make_durably(place: &Path) -> io::Result<()> {
    fs::create_dir_all(place)?;
    let parent = place.parent().unwrap_or(place);
    File::open(parent)?.sync_all()
}
