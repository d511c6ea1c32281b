//! Measurements of Letopis beside the limits of the machine, in one run. See `README.md`.

mod append;
mod audit;
mod limits;
mod proofs;
mod recorder;
mod rivals;
mod services;
mod written_log;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Parser, Subcommand};

use limits::Limits;
use recorder::Recorder;

/// Prints figures as Markdown tables.
#[derive(Debug, Parser)]
struct Arguments {
    /// Shorter runs and smaller logs: about a minute in all.
    #[arg(long)]
    quick: bool,
    /// The verifier to measure; the one beside this program by default.
    #[arg(long)]
    verifier: Option<PathBuf>,
    /// Folder for temporary files; it decides which disk is measured.
    #[arg(long, global = true)]
    folder: Option<PathBuf>,
    /// Something else than Letopis alone.
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Letopis beside etcd and PostgreSQL.
    Rivals(rivals::RivalsArguments),
    /// A new node joins a log of three nodes while clients write.
    Join(rivals::JoinArguments),
    /// What nodes hold in memory while their log grows.
    Memory(rivals::MemoryArguments),
    /// Services as a whole: cases, decisions, and tables made anew from the log.
    Services(services::ServicesArguments),
    /// One node, for the measurement that starts it.
    #[command(hide = true)]
    Node(rivals::NodeArguments),
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(Command::Node(node)) = &arguments.command {
        return rivals::serve_node(node);
    }
    let place = match &arguments.folder {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    match &arguments.command {
        Some(Command::Rivals(rivals)) => rivals::measure(place.path(), rivals),
        Some(Command::Join(join)) => rivals::measure_join(place.path(), join),
        Some(Command::Memory(memory)) => rivals::measure_memory(place.path(), memory),
        Some(Command::Services(services)) => services::measure(place.path(), services),
        _ => alone(&arguments, place.path()),
    }
}

/// Measures Letopis alone.
fn alone(arguments: &Arguments, place: &Path) -> anyhow::Result<()> {
    let recorder = Recorder::install()?;
    let (time, sizes): (_, &[u64]) = if arguments.quick {
        (Duration::from_secs(3), &[10_000, 100_000])
    } else {
        (Duration::from_secs(10), &[100_000, 1_000_000])
    };
    let limits = Limits::measure(place, time / 5)?;
    limits.print();
    let appended = append::measure(place, &[1, 64, 1024], time, &recorder)?;
    append::print(&appended, &limits);

    let verifier = match &arguments.verifier {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_file_name("letopis-verify"),
    };
    let mut audits = Vec::new();
    for &size in sizes {
        let folder = place.join(format!("log-{size}"));
        let tree = written_log::write(&folder, size)?;
        audits.push(audit::measure(&verifier, &folder, size)?);
        if size == sizes[0] {
            proofs::measure(&tree, time / 5, &limits)?;
        }
        std::fs::remove_dir_all(&folder)?;
    }
    audit::print(&audits, limits.ed25519_checks_per_second);
    Ok(())
}
