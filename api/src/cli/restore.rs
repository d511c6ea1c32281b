//! `letopis restore`: reads a backup back into a node's folder, or only shows that it could be.
//!
//! Not here: configuration and keys; the operator keeps those apart and puts them back.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use letopis_consensus::backup::{BackupProgress, RestoreInto, Restored, Target, drill, restore};

/// Which backup, and where to.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Where the backups are: a folder, or s3://bucket/prefix.
    #[arg(long, value_name = "TARGET")]
    from: String,
    /// Folder of the node; its data must be empty or not there.
    #[arg(long, required_unless_present = "drill")]
    folder: Option<PathBuf>,
    /// Name of the backup, as `letopis backup` says it; the newest without it.
    #[arg(long, value_name = "NAME")]
    backup: Option<String>,
    /// Restore into a temporary folder, report how long it took, and remove it.
    #[arg(long, conflicts_with = "folder")]
    drill: bool,
    /// Where the temporary folder of a drill is made; it needs room for the whole log.
    #[arg(long, requires = "drill")]
    scratch: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the asynchronous runtime does not start")?
        .block_on(run_async(arguments))
}

async fn run_async(arguments: &Arguments) -> anyhow::Result<()> {
    let target = Target::parse(&arguments.from)?;
    let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template(
        "{wide_bar} {pos}/{len} leaves, {msg} bytes read, {elapsed}",
    )?);
    let shown = bar.clone();
    let show = move |progress: BackupProgress| {
        shown.set_length(progress.total.get());
        shown.set_position(progress.leaves.get());
        shown.set_message(progress.bytes.to_string());
    };
    let name = arguments.backup.as_deref();
    if arguments.drill {
        let scratch = match &arguments.scratch {
            Some(folder) => tempfile::tempdir_in(folder)?,
            None => tempfile::tempdir()?,
        };
        let drilled = drill(&target, name, scratch.path(), &show).await?;
        bar.finish_and_clear();
        report("drill", &drilled.restored, drilled.took);
        return Ok(());
    }
    let Some(folder) = &arguments.folder else { bail!("say with --folder where to restore") };
    let into = RestoreInto { data: folder.join("data"), owner: folder.clone() };
    let started = Instant::now();
    let restored = restore(&target, name, &into, &show).await?;
    bar.finish_and_clear();
    report("restored", &restored, started.elapsed());
    println!(
        "The votes of the node that was backed up are lost: it comes back under a new number, with\n\
         a new certificate and a new cosigning key, and fetches what came after the backup from\n\
         the others (docs/BACKUP.md). If no other node is left at all:\n\
         letopis recover --unsafe --folder {}",
        folder.display()
    );
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
fn report(what: &str, restored: &Restored, took: std::time::Duration) {
    let head = restored.manifest.head;
    let seconds = took.as_secs_f64();
    println!(
        "{what}: {} of {}, verified, {head}; {} bytes in {seconds:.1} s, {:.0} leaves/s",
        restored.name,
        restored.manifest.taken,
        restored.bytes,
        head.size.get() as f64 / seconds.max(0.001),
    );
}
