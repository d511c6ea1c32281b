//! The command line of `letopis`. One file for each command.

pub(crate) mod agency;
mod backup;
mod export;
mod import;
pub(crate) mod init;
mod key;
mod node;
mod nodes;
pub(crate) mod operator;
pub(crate) mod pack;
mod quorum;
mod recover;
pub(crate) mod remote;
mod restore;
mod staff;
mod work;

use std::io::{self, Write};

use clap::{Parser, Subcommand};
use serde_json::Value;
use tracing_subscriber::EnvFilter;

use crate::demo;

/// A ledger and registry service for public services.
#[derive(Debug, Parser)]
#[command(name = "letopis", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes the folder of a node: keys, configuration, and the first records of its log.
    Init(init::Arguments),
    /// Runs a node, or speaks to the agency's running one.
    Node(node::Arguments),
    /// Brings agencies and their nodes into a log, and out of it.
    #[command(subcommand)]
    Agency(agency::Command),
    /// Replaces keys; what the old ones signed stays valid.
    #[command(subcommand)]
    Key(key::Command),
    /// Backs a running node up: the log, its public files, and the agency's private values.
    Backup(backup::Arguments),
    /// Verifies a backup and restores it, or shows that it could be.
    Restore(restore::Arguments),
    /// Lets the log go on from one node after its quorum is lost for good.
    Recover(recover::Arguments),
    /// Shows the whole path: applications, decisions, proofs, and how tampering is found.
    Demo(demo::Arguments),
    /// Checks and publishes regulation packs.
    #[command(subcommand)]
    Pack(pack::Command),
    /// Appoints officials of the agency, notes when they are away, and dismisses them.
    #[command(subcommand)]
    Staff(staff::Command),
    /// What an official does with cases.
    Work(work::Arguments),
    /// Writes the public log as event data for process mining.
    #[command(subcommand)]
    Export(export::Command),
    /// Brings in data of other systems.
    #[command(subcommand)]
    Import(import::Command),
}

/// What is traced by default. A member that does not answer is in the metrics and in `node status`;
/// Raft would say so several times a second.
const TRACES: &str = "warn,openraft=error";

/// Prints what a node answered. Whoever reads it may have seen enough, as `head` has.
fn print(shown: &Value) -> anyhow::Result<()> {
    match writeln!(io::stdout(), "{shown:#}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

/// Runs the command line of this process.
///
/// # Errors
/// Whatever stops a command; the message says what happened and what to do.
pub fn run() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_env("LETOPIS_TRACE").unwrap_or_else(|_| TRACES.into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match arguments.command {
        Command::Init(arguments) => init::run(&arguments),
        Command::Node(arguments) => node::run(&arguments),
        Command::Agency(command) => agency::run(&command),
        Command::Key(command) => key::run(&command),
        Command::Backup(arguments) => backup::run(&arguments),
        Command::Restore(arguments) => restore::run(&arguments),
        Command::Recover(arguments) => recover::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Pack(command) => pack::run(&command),
        Command::Staff(command) => staff::run(&command),
        Command::Work(arguments) => work::run(&arguments),
        Command::Export(command) => export::run(&command),
        Command::Import(command) => import::run(&command),
    }
}
