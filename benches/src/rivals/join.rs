//! A new node joins a log of three while clients write: what they feel of it, and what nodes hold.
//!
//! Clients write all the time, at full speed until the log is large enough, then at the given rate.
//! The log admits a fourth node, which starts with an empty folder and takes a snapshot. Not here:
//! how it gets the leaves (`letopis-consensus`), and other systems.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::aftermath::{megabytes, per_leaf_byte};
use super::appender::{Appender, call, signing_appenders};
use super::cluster::Cluster;
use super::runner::at_share;
use super::system::Client;
use super::value::VALUE_BYTES;

/// Nodes that vote from the beginning.
const VOTERS: usize = 3;
/// Longest join.
const JOIN: Duration = Duration::from_secs(480);
/// A node that lacks no more than this has caught up.
const BEHIND_LEAVES: u64 = 5_000;
const POLL: Duration = Duration::from_millis(50);

/// What `join` is started with.
#[derive(Debug, clap::Args)]
pub(crate) struct JoinArguments {
    /// Leaves of the log that is joined; at each of several numbers the nodes are weighed.
    #[arg(long, value_delimiter = ',', default_values_t = [100_000])]
    leaves: Vec<u64>,
    /// Clients.
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// Records per second of all clients together, once the log is large enough; 0 is as many as
    /// get through.
    #[arg(long, default_value_t = 500)]
    rate: u64,
    /// Seconds before and after the join.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

/// Runs it and prints the figures; the nodes write below `folder`.
pub(crate) fn measure_join(folder: &Path, arguments: &JoinArguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    // Servers end with the thread that started them; see `super::measure`.
    runtime.block_on(run(folder, arguments))
}

async fn run(folder: &Path, arguments: &JoinArguments) -> anyhow::Result<()> {
    let mut cluster = Cluster::start(folder, VOTERS, 1).await?;
    let (leader, _) = cluster.leader().await?;
    let writers = Writers::default();
    let mut tasks = JoinSet::new();
    for client in signing_appenders(leader, arguments.clients, VALUE_BYTES).await? {
        tasks.spawn(writers.clone().write(client));
    }
    println!("| leaves | memory of each node, MB | disk per leaf byte | of it the Raft log |");
    println!("|---:|---:|---:|---:|");
    for &leaves in &arguments.leaves {
        while cluster.leader().await?.1.applied < leaves {
            check(&mut tasks)?;
            tokio::time::sleep(POLL).await;
        }
        let weights = cluster.weights()?;
        let (disk, log) =
            (per_leaf_byte(&weights, |one| one.disk), per_leaf_byte(&weights, |one| one.raft_log));
        println!("| {leaves} | {} | {disk} | {log} |", megabytes(&weights, |one| one.resident));
    }
    let pause = (arguments.clients as u64 * 1_000_000).checked_div(arguments.rate).unwrap_or(0);
    writers.pause_micros.store(pause, Ordering::Relaxed);
    let time = Duration::from_secs(arguments.seconds);
    // What waited from the load before is not part of it.
    tokio::time::sleep(time / 2).await;
    println!("\n| phase | s | records/s | p50 ms | p99 ms | slowest ms |");
    println!("|---|---:|---:|---:|---:|---:|");
    writers.phase("before", tokio::time::sleep(time)).await;
    writers.phase("join", async { join(&mut cluster).await }).await?;
    writers.phase("after", tokio::time::sleep(time)).await;
    check(&mut tasks)?;
    tasks.abort_all();
    println!();
    Ok(())
}

/// Has the log admit the next node, starts it and waits until it has caught up.
async fn join(cluster: &mut Cluster) -> anyhow::Result<()> {
    let node = cluster.start_next()?;
    let admission = cluster.plan().admission(node, VOTERS)?;
    let (leader, _) = cluster.leader_of(VOTERS).await?;
    call(leader, admission.to_bytes()).await?;
    let deadline = Instant::now() + JOIN;
    loop {
        // The new node does not listen at once.
        if let Ok(statuses) = cluster.statuses().await {
            let most = statuses.iter().map(|(_, status)| status.applied).max().unwrap_or(0);
            let joined = statuses.last().map_or(0, |(_, status)| status.applied);
            if joined + BEHIND_LEAVES >= most {
                return Ok(());
            }
        }
        anyhow::ensure!(Instant::now() < deadline, "node {node} has not caught up in {JOIN:?}");
        tokio::time::sleep(POLL).await;
    }
}

fn check(tasks: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    match tasks.try_join_next() {
        Some(ended) => ended?,
        None => Ok(()),
    }
}

/// Clients that write until they are dropped. Clones share the pace and the latencies.
#[derive(Debug, Clone, Default)]
struct Writers {
    /// From one record of a client to its next; an answer that takes longer delays the next.
    pause_micros: Arc<AtomicU64>,
    latencies: Arc<Mutex<Vec<Duration>>>,
}

impl Writers {
    async fn write(self, mut client: Appender) -> anyhow::Result<()> {
        for number in 0.. {
            let sent = Instant::now();
            client.append(number).await?;
            self.latencies().push(sent.elapsed());
            let pause = Duration::from_micros(self.pause_micros.load(Ordering::Relaxed));
            tokio::time::sleep(pause.saturating_sub(sent.elapsed())).await;
        }
        Ok(())
    }

    /// Prints the latencies while something happens.
    async fn phase<T>(&self, name: &str, during: impl Future<Output = T>) -> T {
        self.latencies().clear();
        let started = Instant::now();
        let done = during.await;
        let took = started.elapsed().as_secs_f64();
        let mut latencies = std::mem::take(&mut *self.latencies());
        latencies.sort_unstable();
        let [p50, p99, slowest] =
            [0.5, 0.99, 1.0].map(|share| at_share(&latencies, share).as_secs_f64() * 1e3);
        let rate = latencies.len() as f64 / took;
        println!("| {name} | {took:.1} | {rate:.0} | {p50:.1} | {p99:.1} | {slowest:.1} |");
        done
    }

    fn latencies(&self) -> std::sync::MutexGuard<'_, Vec<Duration>> {
        self.latencies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
