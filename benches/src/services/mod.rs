//! Services as a whole: from an application to its result over HTTP, decisions alone, and tables
//! that are made anew from the log.
//!
//! Nodes are the `letopis` program, brought in with the commands that agencies use; applicants are
//! clients over HTTP. Not here: the log alone (`append`, `rivals`).

mod agencies;
mod applicants;
mod decisions;
mod families;
mod rebuild;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;

use crate::limits::Limits;
use agencies::Agencies;
use applicants::{Load, Pace};
use families::Families;

/// What `services` is started with.
#[derive(Debug, clap::Args)]
pub(crate) struct ServicesArguments {
    /// Numbers of nodes.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 3])]
    nodes: Vec<usize>,
    /// Measured seconds of each load.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Applications per second of the load whose latency is measured.
    #[arg(long, default_value_t = 100)]
    rate: u32,
    /// Applicants at the same time in the load whose rate is measured.
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// Events of the log from which the tables are made anew; 0 leaves that out.
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Folder of the regulation pack.
    #[arg(long, default_value = "deploy/packs/zarechny")]
    pack: PathBuf,
}

/// Runs it and prints the figures; the nodes write below `folder`.
pub(crate) fn measure(folder: &Path, arguments: &ServicesArguments) -> anyhow::Result<()> {
    let time = Duration::from_secs(arguments.seconds);
    let limits = Limits::measure(folder, Duration::from_secs(2))?;
    limits.print();
    decisions::measure(&arguments.pack, Duration::from_secs(5), &limits)?;

    println!("## Child benefit, from the application to the result, over HTTP\n");
    println!(
        "| nodes | load | cases | cases/s | per durable append of the machine | p50 ms | p99 ms | \
         processor ms per case | records, events per case |"
    );
    println!("|---:|---|---:|---:|---:|---:|---:|---:|---:|");
    for &nodes in &arguments.nodes {
        let place = folder.join(format!("nodes-{nodes}"));
        let agencies = Agencies::start(&place, nodes, &arguments.pack)?;
        let mut families = Families::new(&agencies);
        // The first cases pay for opening files and for caches.
        Load::run(&agencies, &mut families, Pace::Closed { clients: 8 }, Duration::from_secs(2))?;
        let paces = [
            Pace::Closed { clients: arguments.clients },
            Pace::Open { per_second: arguments.rate, clients: arguments.clients * 4 },
        ];
        for pace in paces {
            let load = Load::run(&agencies, &mut families, pace, time)?;
            print(nodes, pace, &load, &limits);
        }
        drop(agencies);
        std::fs::remove_dir_all(&place).with_context(|| format!("{}", place.display()))?;
    }
    println!();
    if arguments.events > 0 {
        let place = folder.join("rebuild");
        rebuild::measure(&place, &arguments.pack, arguments.events, arguments.clients)?;
    }
    Ok(())
}

fn print(nodes: usize, pace: Pace, load: &Load, limits: &Limits) {
    let rate = load.cases_per_second();
    println!(
        "| {nodes} | {pace} | {} | {rate:.0} | {:.2} | {:.1} | {:.1} | {:.2} | {:.1}, {:.1} |",
        load.cases(),
        rate / limits.syncs_per_second,
        load.latency(50).as_secs_f64() * 1e3,
        load.latency(99).as_secs_f64() * 1e3,
        load.processor_ms_per_case(),
        load.records_per_case(),
        load.events_per_case(),
    );
}
