//! What nodes hold in memory and on disk while their log grows, and which part holds it.
//!
//! Clients write small records as fast as they can until the log is large enough or the time is
//! over. Not here: how parts are bounded (`letopis-consensus`), and latencies.

use std::path::Path;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::aftermath::{MB, megabytes, per_leaf_byte};
use super::appender::{Appender, call, signing_appenders};
use super::cluster::Cluster;
use super::node::MEMORY;
use super::system::Client;

/// How often nodes are weighed.
const POLL: Duration = Duration::from_millis(500);

/// What `memory` is started with.
#[derive(Debug, clap::Args)]
pub(crate) struct MemoryArguments {
    /// Sizes of the log at which the nodes are weighed.
    #[arg(long, value_delimiter = ',', default_values_t = [100_000, 1_000_000])]
    leaves: Vec<u64>,
    /// Nodes.
    #[arg(long, default_value_t = 1)]
    nodes: usize,
    /// Clients.
    #[arg(long, default_value_t = 256)]
    clients: usize,
    /// Bytes of a value.
    #[arg(long, default_value_t = 50)]
    value_bytes: usize,
    /// Longest run; sizes that are not reached by then are left out.
    #[arg(long, default_value_t = 30)]
    minutes: u64,
}

/// Runs it and prints the figures; the nodes write below `folder`.
pub(crate) fn measure_memory(folder: &Path, arguments: &MemoryArguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    // Servers end with the thread that started them; see `super::measure`.
    runtime.block_on(run(folder, arguments))
}

async fn run(folder: &Path, arguments: &MemoryArguments) -> anyhow::Result<()> {
    let started = Instant::now();
    let time = Duration::from_secs(arguments.minutes * 60);
    let mut cluster = Cluster::start(folder, arguments.nodes, 0).await?;
    let (leader, _) = cluster.leader().await?;
    let mut writers = JoinSet::new();
    for client in signing_appenders(leader, arguments.clients, arguments.value_bytes).await? {
        writers.spawn(write(client));
    }
    println!(
        "| leaves | s | memory, MB | most since the row before | leaves, MB | disk per leaf byte \
         | parts of the leader's memory, MB |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---|");
    let mut most = vec![0; arguments.nodes];
    for &leaves in &arguments.leaves {
        while cluster.leader().await?.1.applied < leaves {
            if started.elapsed() > time {
                println!("\n{leaves} leaves were not reached in {} min.\n", arguments.minutes);
                return Ok(());
            }
            if let Some(ended) = writers.try_join_next() {
                ended??;
            }
            tokio::time::sleep(POLL).await;
            for (most, now) in most.iter_mut().zip(cluster.servers().resident()?) {
                *most = now.max(*most);
            }
        }
        let weights = cluster.weights()?;
        let parts = call(leader, MEMORY.to_vec()).await?;
        let most = std::mem::replace(&mut most, vec![0; arguments.nodes]);
        let most: Vec<String> = most.iter().map(|one| format!("{:.0}", *one as f64 / MB)).collect();
        println!(
            "| {leaves} | {:.0} | {} | {} | {} | {} | {} |",
            started.elapsed().as_secs_f64(),
            megabytes(&weights, |one| one.resident),
            most.join(", "),
            megabytes(&weights, |one| one.leaves),
            per_leaf_byte(&weights, |one| one.disk),
            String::from_utf8_lossy(&parts),
        );
    }
    writers.abort_all();
    println!();
    cluster.servers_mut().stop();
    Ok(())
}

async fn write(mut client: Appender) -> anyhow::Result<()> {
    for number in 0.. {
        client.append(number).await?;
    }
    Ok(())
}
