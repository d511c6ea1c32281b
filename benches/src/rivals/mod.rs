//! Letopis beside etcd and PostgreSQL: the same appends on the same disk, in one run.
//!
//! Every case starts fresh servers in a temporary folder on loopback, drives closed-loop clients
//! for a bounded time, counts what the servers used, checks that what they acknowledged is there
//! and stops them. Not here: judgement; `README.md` says how fairness is kept.

mod aftermath;
mod appender;
mod cluster;
mod disk;
mod etcd;
mod finality;
mod join;
mod letopis;
mod memory;
mod node;
mod parts;
mod plan;
mod postgres;
mod report;
mod runner;
pub(crate) mod server;
mod system;
mod value;
mod wire;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::signal::unix::{SignalKind, signal};

use aftermath::Aftermath;
use disk::Disk;
pub(crate) use join::{JoinArguments, measure_join};
pub(crate) use memory::{MemoryArguments, measure_memory};
pub(crate) use node::{NodeArguments, serve_node};
use report::{Case, Result};
use runner::{Bounds, Measured};
use system::System;

use crate::limits::Limits;

/// What `rivals` is started with.
#[derive(Debug, clap::Args)]
pub(crate) struct RivalsArguments {
    /// Numbers of clients, each a round of its own with fresh servers.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 64, 256, 1024])]
    clients: Vec<usize>,
    /// Seconds that are measured in each case.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Seconds before the measured ones.
    #[arg(long, default_value_t = 1)]
    warm_up: u64,
    /// Only systems whose name contains one of these, as in `--only etcd,letopis`.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Also writes the figures to this file, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

impl RivalsArguments {
    fn wants(&self, system: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| system.contains(part.as_str()))
    }
}

/// Runs every case and prints the figures; servers write below `folder`.
pub(crate) fn measure(folder: &Path, arguments: &RivalsArguments) -> anyhow::Result<()> {
    // PostgreSQL refuses to run as root, and the user it then runs as has to come through.
    fs::set_permissions(folder, Permissions::from_mode(0o755))?;
    let limits = Limits::measure(folder, Duration::from_secs(1))?;
    limits.print();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    // `block_on` keeps to this thread, which lives as long as the process: servers are started on
    // it, and they are told to end with the thread that started them.
    let cases = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        // Leaving early drops the running case, and with it its servers.
        tokio::select! {
            cases = all(folder, arguments) => Ok(cases),
            _ = tokio::signal::ctrl_c() => bail!("interrupted; the servers were stopped"),
            _ = terminate.recv() => bail!("terminated; the servers were stopped"),
        }
    })?;
    report::print(&cases, arguments.seconds);
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&report::json(&cases, &limits, arguments.seconds))?;
        fs::write(path, text + "\n").with_context(|| format!("write {}", path.display()))?;
    }
    let failed = cases.iter().filter(|case| matches!(case.result, Result::Failed(_))).count();
    if failed > 0 {
        bail!("{failed} cases failed; the table says why");
    }
    Ok(())
}

async fn all(folder: &Path, arguments: &RivalsArguments) -> Vec<Case> {
    let mut cases = Vec::new();
    for &clients in &arguments.clients {
        let mut round = Round { folder, arguments, clients, cases: &mut cases };
        for nodes in [1, 3] {
            round.run(|| etcd::Etcd::new(nodes)).await;
        }
        for insert in [postgres::Insert::Plain, postgres::Insert::Chained] {
            round.run(|| postgres::Postgres::new(insert)).await;
        }
        for nodes in [1, 3] {
            round.run(|| letopis::Letopis::new(nodes)).await;
        }
    }
    cases
}

/// The cases of one number of clients.
struct Round<'a> {
    folder: &'a Path,
    arguments: &'a RivalsArguments,
    clients: usize,
    cases: &'a mut Vec<Case>,
}

impl Round<'_> {
    async fn run<S: System>(&mut self, make: impl FnOnce() -> S) {
        let mut system = make();
        let name = system.name();
        if !self.arguments.wants(&name) {
            return;
        }
        eprintln!("{name}, {} clients", self.clients);
        let result = match system.absent() {
            Some(advice) => Result::Skipped(advice),
            None => match self.measured(&mut system).await {
                Ok((measured, aftermath)) => Result::Measured(measured, aftermath),
                Err(error) => Result::Failed(format!("{error:#}")),
            },
        };
        let nodes = system.nodes();
        self.cases.push(Case { system: name, nodes, clients: self.clients, result });
    }

    async fn measured<S: System>(
        &self,
        system: &mut S,
    ) -> anyhow::Result<(Measured, Option<Aftermath>)> {
        let folder = tempfile::tempdir_in(self.folder)?;
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        let bounds = Bounds {
            warm_up: Duration::from_secs(self.arguments.warm_up),
            measured: Duration::from_secs(self.arguments.seconds),
        };
        system.start(folder.path()).await.context("start")?;
        let clients = system.connect(self.clients, bounds).await.context("connect")?;
        let disk = Disk::of(folder.path());
        let (measured, acknowledged) =
            runner::run(clients, bounds, system.servers(), disk.as_ref()).await?;
        let kept = system.kept().await.context("count the records")?;
        if kept < acknowledged {
            bail!("{acknowledged} records were acknowledged and {kept} are there");
        }
        let aftermath = system.aftermath().await.context("afterwards")?;
        system.servers_mut().stop();
        Ok((measured, aftermath))
    }
}
