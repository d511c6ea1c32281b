//! `letopis node status|admit|promote|demote|remove|move`: commands to the agency's running node.
//!
//! Not here: running a node (`node`), and admitting agencies (`agency`).

use anyhow::{Context, bail};
use clap::Subcommand;
use letopis_consensus::peer::PeerAddress;
use letopis_ledger::governance::{GovernanceEvent, check_address};
use letopis_ledger::id::{AgencyId, NodeId};
use serde_json::Value;

use super::init::{PeerArguments, peers_section, write_durably};
use super::operator::Operator;
use crate::folder::CONFIG_FILE;

/// What to do about nodes.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Shows what the node does and how far it and the others are.
    Status {
        /// The node.
        #[command(flatten)]
        operator: Operator,
        /// The answer as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Lets others join a log whose founder's node ran alone until now.
    Open {
        /// The founder's node, running.
        #[command(flatten)]
        operator: Operator,
        /// Where other nodes will reach it.
        #[command(flatten)]
        peers: PeerArguments,
    },
    /// Gives a node that holds the log a vote.
    Promote(Which),
    /// Takes a node's vote away; it goes on holding the log and cosigning.
    Demote(Which),
    /// Removes a node for ever; its number is not used again.
    Remove(Which),
    /// Says that a node of this agency has the address and the certificate of its folder now.
    Move {
        /// The running node that takes the command, of the same agency.
        #[command(flatten)]
        operator: Operator,
        /// New address, `host:port`.
        address: String,
        /// Number of the node; the one of the folder without it.
        #[arg(long)]
        number: Option<NodeId>,
    },
}

/// A node, and where to say it.
#[derive(Debug, clap::Args)]
pub(crate) struct Which {
    /// Number of the node.
    number: NodeId,
    /// The founder's node.
    #[command(flatten)]
    operator: Operator,
}

/// Runs the command.
pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Status { operator, json } => {
            let status = operator.connect()?.status()?;
            if *json {
                super::print(&status)?;
            } else {
                print(&status);
            }
            Ok(())
        }
        Command::Open { operator, peers } => open(operator, peers),
        Command::Promote(which) => {
            let leaf = which.say(GovernanceEvent::NodePromoted { node: which.number })?;
            println!("node {} votes as soon as it has caught up (leaf {leaf})", which.number);
            Ok(())
        }
        Command::Demote(which) => {
            let leaf = which.say(GovernanceEvent::NodeDemoted { node: which.number })?;
            println!("node {} votes no more (leaf {leaf})", which.number);
            Ok(())
        }
        Command::Remove(which) => {
            let leaf = which.say(GovernanceEvent::NodeRemoved { node: which.number })?;
            println!("node {} takes no part any more (leaf {leaf})", which.number);
            Ok(())
        }
        Command::Move { operator, address, number } => {
            check_address(address)?;
            let folder = operator.folder()?;
            let peers = folder.config().peers.as_ref().map(|peers| peers.node);
            let Some(node) = number.or(peers) else {
                bail!("the folder names no node: say which one with --number");
            };
            let key = folder.keys().identity()?.key();
            let agency: AgencyId = folder.config().agency.clone();
            let moved = GovernanceEvent::NodeMoved { agency, node, address: address.clone(), key };
            // The others turn to the new address at once, and this node waits for them at the old.
            let leaf = operator.connect()?.govern(&[moved]).context(
                "not confirmed. If no answer came, the others may look for the node at its new \
                 address already: set [peers] address and listen, restart the node, and see \
                 `letopis node status`",
            )?;
            println!("node {node} is at {address} from leaf {leaf} on");
            println!("Set [peers] address in its letopis.toml to the same.");
            Ok(())
        }
    }
}

fn open(operator: &Operator, peers: &PeerArguments) -> anyhow::Result<()> {
    let Some(address) = peers.address() else {
        bail!("say with --peer-listen where other nodes will reach this one");
    };
    check_address(&address)?;
    let folder = operator.folder()?;
    if folder.config().peers.is_some() {
        bail!("{CONFIG_FILE} has [peers] already; nothing was changed");
    }
    let agency = folder.config().agency.clone();
    let node = NodeId::new(1).expect("invariant: 1 is a node's number");
    let running = operator.connect()?;
    running.status()?;
    let key = peers.certificate(&folder.keys(), node, &agency)?;
    let peer = PeerAddress { node, address: address.clone(), key };
    let config = operator.folder.join(CONFIG_FILE);
    let section = peers_section(&peer, peers);
    let text = format!("{}\n{section}", std::fs::read_to_string(&config)?);
    write_durably(&operator.folder, CONFIG_FILE, text.as_bytes())?;
    let leaf = running.govern(&[
        GovernanceEvent::NodeAdmitted { node, agency, address, key },
        GovernanceEvent::NodePromoted { node },
    ])?;
    println!("the log names this node from leaf {leaf} on: restart it, then admit others");
    Ok(())
}

impl Which {
    fn say(&self, event: GovernanceEvent) -> anyhow::Result<u64> {
        self.operator.connect()?.govern(&[event])
    }
}

fn print(status: &Value) {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    let line = |name: &str, value: String| println!("{name:<12}{value}");
    line("log", text(&status["origin"]));
    line("agency", text(&status["agency"]));
    line("node", format!("{}, {}", status["node"], text(&status["role"])));
    line("leader", format!("{} in term {}", text(&status["leader"]), status["term"]));
    let stages = ["published", "cosigned", "signed", "agreed", "applied"];
    let positions: Vec<String> =
        stages.iter().map(|stage| format!("{stage} {}", status["positions"][stage])).collect();
    line("leaves", positions.join(" ≤ "));
    let cosigners = status["cosigners"].as_array().into_iter().flatten();
    line("cosigned by", cosigners.map(&text).collect::<Vec<_>>().join(", "));
    let disk = &status["disk"];
    line("disk", format!("{} bytes used, {} free", disk["used_bytes"], disk["free_bytes"]));
    let nodes = status["nodes"].as_array().map(Vec::as_slice).unwrap_or_default();
    if nodes.is_empty() {
        line("nodes", "this one alone; the log names none".to_owned());
        return;
    }
    println!("{:<6}{:<20}{:<9}{:<26}{:<10}cosigned", "node", "agency", "role", "address", "lag");
    for node in nodes {
        let lag = match (&node["answers"], &node["lag"]) {
            (Value::Bool(false), _) => "no answer".to_owned(),
            (_, Value::Null) => "-".to_owned(),
            (_, lag) => lag.to_string(),
        };
        println!(
            "{:<6}{:<20}{:<9}{:<26}{:<10}{}",
            node["node"].to_string(),
            text(&node["agency"]),
            text(&node["role"]),
            text(&node["address"]),
            lag,
            text(&node["cosigned"]),
        );
    }
}
