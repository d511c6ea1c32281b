//! The running service: consensus, read model, private store and case engine, tied together.
//!
//! Not here: HTTP. A handler asks the service; the service knows which part answers.

mod environment;
mod expiry;
mod follower;
pub(crate) mod packs;
mod port;
pub(crate) mod upload;
mod worker;

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use letopis_consensus::{Intervals, LedgerHandle, Limits, Node, NodeConfig, SigningKeys};
use letopis_ledger::cosignature::CosignatureSigner;
use letopis_ledger::note::NoteSigner;
use letopis_ledger::record::SignedRecord;
use letopis_ledger::{LeafIndex, TreeSize};
use letopis_registry::engine::{Author, CaseEngine, EngineParts, RegistryAdapter};
use letopis_registry::private::PrivateStore;
use letopis_registry::projection::ReadModel;
use letopis_registry::secret::AgencySecret;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::folder::{CLAIM_SECRET, COSIGNER_KEY, LOG_KEY, NodeFolder};

use environment::System;
use follower::Progress;
use port::ConsensusPort;
use worker::Worker;

/// The case engine over this node's ledger.
pub(crate) type Engine = CaseEngine<ConsensusPort>;

/// The running service.
pub(crate) struct Service {
    ledger: LedgerHandle,
    engine: Arc<Engine>,
    progress: watch::Receiver<Progress>,
    worker: Worker,
    following: JoinHandle<()>,
    expiring: JoinHandle<()>,
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
    pub(crate) async fn start(folder: &NodeFolder) -> anyhow::Result<(Self, Node)> {
        let node = open_node(folder).await?;
        let ledger = node.ledger();
        append_genesis(folder, &ledger).await?;
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
        Ok((Self { ledger, engine, progress, worker, following, expiring }, node))
    }

    /// The ledger.
    pub(crate) const fn ledger(&self) -> &LedgerHandle {
        &self.ledger
    }

    /// The case engine.
    pub(crate) const fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The tables.
    pub(crate) fn model(&self) -> &ReadModel {
        self.engine.model()
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
        self.following.abort();
    }
}

async fn open_node(folder: &NodeFolder) -> anyhow::Result<Node> {
    let config = folder.config();
    let keys = folder.keys();
    let keys = SigningKeys {
        log: NoteSigner::new(&keys.note_key(LOG_KEY)?)?,
        log_post_quantum: None,
        cosigner: Some(CosignatureSigner::new(&keys.note_key(COSIGNER_KEY)?)?),
    };
    let mut node = NodeConfig::new(folder.data(), config.origin.clone(), keys);
    node.limits = Limits { queue_records: config.limits.queued_records, ..Limits::default() };
    node.intervals = Intervals {
        publish: Duration::from_millis(config.publication.interval_ms),
        ..Intervals::default()
    };
    Ok(Node::open(node).await?)
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
    }))
}

/// Makes a folder whose name survives a power cut: what it will hold is promised to be durable.
fn make_durably(place: &Path) -> io::Result<()> {
    fs::create_dir_all(place)?;
    let parent = place.parent().unwrap_or(place);
    File::open(parent)?.sync_all()
}
