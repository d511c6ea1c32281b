//! The command line of `letopis`. One file for each command.

mod import;
pub(crate) mod init;
mod node;
pub(crate) mod pack;
pub(crate) mod remote;

use clap::{Parser, Subcommand};
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
    /// Runs a node.
    Node(node::Arguments),
    /// Shows the whole path: applications, decisions, proofs, and how tampering is found.
    Demo(demo::Arguments),
    /// Checks and publishes regulation packs.
    #[command(subcommand)]
    Pack(pack::Command),
    /// Brings in data of other systems.
    #[command(subcommand)]
    Import(import::Command),
}

/// Runs the command line of this process.
///
/// # Errors
/// Whatever stops a command; the message says what happened and what to do.
pub fn run() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_env("LETOPIS_TRACE").unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match arguments.command {
        Command::Init(arguments) => init::run(&arguments),
        Command::Node(arguments) => node::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Pack(command) => pack::run(&command),
        Command::Import(command) => import::run(&command),
    }
}
