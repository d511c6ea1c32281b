//! Backups of this node: one at a time, asked for by the operator or by the configured schedule.
//!
//! What the log's part of a backup is, consensus knows; here the owner's part is added: a copy of
//! the private store, made after the log's state is fixed, so that it opens every leaf of the
//! backup. Keys are no part of it. Not here: restoring (`cli::restore`).

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use letopis_consensus::LedgerHandle;
use letopis_consensus::backup::{
    BackupProgress, BackupSummary, ExtraFile, Target, TargetError, newest, prune,
};
use letopis_registry::private::PrivateStore;
use thiserror::Error;
use tokio::task::JoinHandle;

use crate::folder::{GENESIS, NodeFolder};

/// How long a schedule waits after a backup that was not taken.
const RETRY: Duration = Duration::from_secs(60);

/// Why a backup was not begun.
#[derive(Debug, Error)]
pub(crate) enum BackupRefused {
    /// Another one is under way.
    #[error("a backup is under way already: wait until it ends")]
    UnderWay,
    /// The node's folder does not name this target.
    #[error(
        "the node's folder does not name {to} as a target: write it into letopis.toml as [backup] \
         to, or use `letopis backup --to`, which writes backup.target there"
    )]
    Target {
        /// The target.
        to: String,
    },
    /// The target cannot be used.
    #[error(transparent)]
    Unusable(#[from] TargetError),
}

/// What is under way, and what the last one came to.
#[derive(Debug, Clone, Default)]
pub(crate) struct BackupState {
    /// How far the one under way is.
    pub(crate) running: Option<BackupProgress>,
    /// The last one that was taken since the node started.
    pub(crate) last: Option<BackupSummary>,
    /// What went wrong last.
    pub(crate) failure: Option<String>,
}

/// Takes backups. Clones share the state.
#[derive(Clone)]
pub(crate) struct Backups(Arc<Inner>);

struct Inner {
    ledger: LedgerHandle,
    private: PrivateStore,
    folder: NodeFolder,
    state: Mutex<BackupState>,
}

impl Backups {
    pub(crate) fn new(folder: &NodeFolder, ledger: LedgerHandle, private: PrivateStore) -> Self {
        let (folder, state) = (folder.clone(), Mutex::default());
        Self(Arc::new(Inner { ledger, private, folder, state }))
    }

    /// What is under way.
    pub(crate) fn state(&self) -> BackupState {
        self.lock().clone()
    }

    /// Begins a backup to a target that the node's folder names: whoever has no more than a token
    /// cannot have private values sent to a place of their choice.
    pub(crate) fn begin(&self, to: &str, keep: Option<usize>) -> Result<(), BackupRefused> {
        let configured = self.0.folder.config().backup.as_ref().map(|backup| backup.to.as_str());
        let ordered = fs::read_to_string(self.0.folder.backup_target()).unwrap_or_default();
        if configured != Some(to) && ordered.trim_end() != to {
            return Err(BackupRefused::Target { to: to.to_owned() });
        }
        let target = Target::parse(to)?;
        self.start(target, keep).map(drop)
    }

    /// Takes backups as the configuration says, from now on.
    pub(crate) fn schedule(&self) -> Option<JoinHandle<()>> {
        let backup = self.0.folder.config().backup.clone()?;
        let every = Duration::from_secs(backup.every_minutes.max(1) * 60);
        let backups = self.clone();
        Some(tokio::spawn(async move {
            let mut pause = backups.time_left(&backup.to, every).await;
            loop {
                tokio::time::sleep(pause).await;
                pause = if backups.take_scheduled(&backup.to, backup.keep).await {
                    every
                } else {
                    RETRY.min(every)
                };
            }
        }))
    }

    async fn take_scheduled(&self, to: &str, keep: Option<usize>) -> bool {
        let started =
            Target::parse(to).map_err(BackupRefused::from).and_then(|to| self.start(to, keep));
        match started {
            Ok(taking) => taking.await.unwrap_or(false),
            Err(error) => {
                tracing::warn!(%error, "a backup was not begun");
                false
            }
        }
    }

    /// How long until the next one is due.
    async fn time_left(&self, to: &str, every: Duration) -> Duration {
        let Ok(target) = Target::parse(to) else { return Duration::ZERO };
        let Ok(Some(last)) = newest(&target).await else { return Duration::ZERO };
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let taken = u64::try_from(last.taken.unix_seconds()).unwrap_or(0);
        let age = since_1970.unwrap_or_default().saturating_sub(Duration::from_secs(taken));
        every.saturating_sub(age)
    }

    fn start(&self, to: Target, keep: Option<usize>) -> Result<JoinHandle<bool>, BackupRefused> {
        let mut state = self.lock();
        if state.running.is_some() {
            return Err(BackupRefused::UnderWay);
        }
        state.running = Some(BackupProgress::default());
        state.failure = None;
        drop(state);
        let backups = self.clone();
        Ok(tokio::spawn(async move {
            let taken = backups.take(&to).await;
            if let (Ok(_), Some(keep)) = (&taken, keep) {
                backups.prune(&to, keep).await;
            }
            let mut state = backups.lock();
            state.running = None;
            match taken {
                Ok(summary) => {
                    tracing::info!(name = summary.name, head = %summary.head, "backed up");
                    state.last = Some(summary);
                    true
                }
                Err(error) => {
                    tracing::error!(error = format!("{error:#}"), "a backup was not taken");
                    state.failure = Some(format!("no backup was taken: {error:#}"));
                    false
                }
            }
        }))
    }

    async fn take(&self, to: &Target) -> anyhow::Result<BackupSummary> {
        let taking = self.0.ledger.begin_backup().await?;
        let copy = self.copy_private().await?;
        let mut extra = vec![copy.extra()];
        let genesis = self.0.folder.genesis();
        if genesis.is_file() {
            extra.push(ExtraFile { path: GENESIS.to_owned(), from: genesis });
        }
        let show = |progress| self.lock().running = Some(progress);
        let summary = taking.write(to, &extra, &show).await?;
        Ok(summary)
    }

    /// Deletes older backups. The one that was just taken is good whatever becomes of this.
    async fn prune(&self, to: &Target, keep: usize) {
        match prune(to, keep).await {
            Ok(pruned) => {
                tracing::info!(backups = pruned.backups, objects = pruned.objects, "pruned");
            }
            Err(error) => {
                tracing::warn!(%error, "older backups were not deleted");
                self.lock().failure =
                    Some(format!("the backup was taken, older ones were not deleted: {error}"));
            }
        }
    }

    async fn copy_private(&self) -> anyhow::Result<PrivateCopy> {
        let copy = PrivateCopy(self.0.folder.private().join("backup-copy.sqlite"));
        let (path, private) = (copy.0.clone(), self.0.private.clone());
        tokio::task::spawn_blocking(move || {
            // Left by a process that was killed.
            let _ = fs::remove_file(&path);
            private.copy_to(&path)
        })
        .await??;
        Ok(copy)
    }

    fn lock(&self) -> MutexGuard<'_, BackupState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A copy of the private store, gone when it is dropped.
struct PrivateCopy(PathBuf);

impl PrivateCopy {
    fn extra(&self) -> ExtraFile {
        let path = crate::folder::PRIVATE_STORE.to_owned();
        ExtraFile { path, from: self.0.clone() }
    }
}

impl Drop for PrivateCopy {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "remove this copy of private values");
        }
    }
}
