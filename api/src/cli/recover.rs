//! `letopis recover --unsafe`: lets the log go on from this node alone after its quorum is lost.
//!
//! Says what may be lost before it does anything, and leaves a record in the log afterwards. Not
//! here: how it is done (`letopis_consensus::recover`).

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use letopis_consensus::recover::{Recovery, Situation, inspect, recover};
use letopis_consensus::{NodeConfig, PeerConfig, SigningKeys};
use letopis_ledger::governance::GovernanceEvent;
use letopis_ledger::id::NodeId;

use crate::folder::NodeFolder;
use crate::service::governance;

/// Which node goes on.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Folder of the node, stopped.
    #[arg(long)]
    folder: PathBuf,
    /// Do it. Without this, the command only says what would be lost.
    #[arg(long = "unsafe")]
    accepted: bool,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let folder = NodeFolder::open(&arguments.folder)?;
    if !folder.data().is_dir() {
        bail!("{} is not there: there is nothing to go on from", folder.data().display());
    }
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the asynchronous runtime does not start")?
        .block_on(run_async(arguments, &folder))
}

async fn run_async(arguments: &Arguments, folder: &NodeFolder) -> anyhow::Result<()> {
    let config = config(folder);
    let situation = inspect(&config).await?;
    show(&situation);
    if !arguments.accepted {
        bail!("nothing was changed; give --unsafe to go on from this node alone");
    }
    let agency = folder.config().agency.clone();
    let signer = folder.keys().author(&agency)?;
    let recovered = recover(config, |ledger, recovery| {
        let Recovery { head, lost } = recovery.clone();
        let (size, root) = (head.size, head.root);
        let event = GovernanceEvent::LogRecovered { agency: agency.clone(), size, root, lost };
        let record = governance::record(ledger, &agency, &signer, &[event]);
        record.map_err(|error| error.to_string())
    })
    .await?;
    println!("The log goes on from {}; this node is its only voter.", recovered.recovery.head);
    match recovered.leaf {
        Some(leaf) => println!("Leaf {leaf} says so for ever, and every verifier reports it."),
        None => println!(
            "The log names none of the nodes given up, so no record could say so: publish it \
             yourself."
        ),
    }
    println!(
        "Destroy the folders of {}; start this node; then have the founder remove those nodes, \
         admit new ones, and set a policy that the remaining cosigners can satisfy.",
        nodes(&situation.lost)
    );
    Ok(())
}

fn config(folder: &NodeFolder) -> NodeConfig {
    let origin = folder.config().origin.clone();
    let mut config = NodeConfig::new(folder.data(), origin, SigningKeys::none());
    if let Some(peers) = &folder.config().peers {
        config.peers =
            PeerConfig { node: peers.node, address: peers.address.clone(), ..PeerConfig::alone() };
    }
    config
}

fn show(situation: &Situation) {
    let entry = |entry: Option<u64>| entry.map_or_else(|| "none".to_owned(), |e| e.to_string());
    println!("This is node {}; the voters were {}.", situation.own, nodes(&situation.voters));
    println!("Given up for ever: {}.", nodes(&situation.lost));
    println!(
        "{} leaves are durable here; the Raft log ends at entry {}, entry {} is known to be \
         committed. All of it is kept.",
        situation.durable,
        entry(situation.last_entry),
        entry(situation.committed_entry),
    );
    println!(
        "Lost is whatever the others acknowledged and this node never got; nobody can say how \
         much. If another node is left that has more leaves, recover from that one instead."
    );
    if situation.restored {
        println!("This folder was restored: everything after its backup is lost.");
    }
    if situation.unfinished {
        println!("A recovery was begun here and has not ended.");
    }
}

fn nodes(nodes: &[NodeId]) -> String {
    if nodes.is_empty() {
        return "nobody".to_owned();
    }
    let numbers: Vec<String> = nodes.iter().map(ToString::to_string).collect();
    format!("node {}", numbers.join(", "))
}
