//! `letopis export`: the public log as event data for process mining.
//!
//! Reads the published log of a node, or a copy of one in a folder, up to its newest head. Not
//! here: the formats (`letopis_registry::export`), and whether the log is right, which
//! `letopis-verify` says.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use letopis_ledger::TreeSize;
use letopis_ledger::bundle::EntryBundle;
use letopis_ledger::checkpoint::Checkpoint;
use letopis_ledger::leaf::Leaf;
use letopis_ledger::note::Note;
use letopis_ledger::tile::{BundlePath, bundles_at};
use letopis_registry::export::{ExportError, Exported, OcelExport, XesExport};

use super::remote::Remote;

/// The format.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// OCEL 2.0 in JSON: applications, requests, decisions, entries, officials by id.
    Ocel(Export),
    /// XES (IEEE 1849): one trace for each case.
    Xes(Export),
    /// What the public is told of every service in force, as JSON.
    Services(Services),
}

/// Where the services are offered, and where to.
#[derive(Debug, Args)]
pub(crate) struct Services {
    /// Address of the agency's node.
    #[arg(long, value_name = "URL")]
    node: String,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    write: PathBuf,
}

/// Where from, and where to.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Address of a node.
    #[arg(long, value_name = "URL", conflicts_with = "folder", required_unless_present = "folder")]
    node: Option<String>,
    /// A folder with a copy of a public log, as `letopis-verify mirror` makes it.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    write: PathBuf,
}

/// Where the files of a public log are.
enum Source {
    Node(Remote),
    Folder(PathBuf),
}

/// Runs the command.
pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Ocel(export) => {
            let mut ocel = OcelExport::new()?;
            let size = export.read(|leaf| ocel.take(leaf))?;
            let written = export.put(|out| ocel.write(out))?;
            report(export, size, "objects", written);
        }
        Command::Xes(export) => {
            let mut xes = XesExport::new()?;
            let size = export.read(|leaf| xes.take(leaf))?;
            let written = export.put(|out| xes.write(out))?;
            report(export, size, "traces", written);
        }
        Command::Services(services) => {
            let catalogue = Remote::new(&services.node).get("api/v1/services")?.ok()?;
            let text = format!("{catalogue:#}\n");
            let file = &services.write;
            let written = put(file, |mut out| out.write_all(text.as_bytes()));
            written?.with_context(|| file.display().to_string())?;
            let count = catalogue["services"].as_array().map_or(0, Vec::len);
            println!("{}: services {count}", file.display());
        }
    }
    Ok(())
}

fn report(export: &Export, size: TreeSize, what: &str, written: Exported) {
    let (file, Exported { objects, events }) = (export.write.display(), written);
    println!("{file}: {what} {objects}, events {events}; reflects the log up to leaf {size}");
}

impl Export {
    /// Gives every published leaf in order; tells how many there are.
    fn read(
        &self,
        mut take: impl FnMut(&Leaf) -> Result<(), ExportError>,
    ) -> anyhow::Result<TreeSize> {
        let source = match (&self.node, &self.folder) {
            (Some(address), _) => Source::Node(Remote::new(address)),
            (None, Some(folder)) => Source::Folder(folder.clone()),
            (None, None) => bail!("say with --node or --folder where the log is"),
        };
        let head = source.get("checkpoint").context("the log has no published head")?;
        let note = Note::from_bytes(&head).context("the published head is unreadable")?;
        let size = Checkpoint::parse(note.text())?.size();
        let bar = ProgressBar::new(size.get())
            .with_style(ProgressStyle::with_template("{wide_bar} {pos}/{len} leaves, {eta} left")?);
        let mut index = 0;
        for path in bundles_at(size) {
            let bytes = source.bundle(path)?;
            let bundle = EntryBundle::parse(&bytes).with_context(|| path.to_string())?;
            for entry in bundle.iter().take(usize::from(path.width.get())) {
                let leaf = Leaf::parse(entry).with_context(|| format!("leaf {index}"))?;
                if leaf.index().get() != index {
                    bail!("{path} has leaf {} where leaf {index} must be", leaf.index());
                }
                take(&leaf)?;
                index += 1;
            }
            bar.set_position(index);
        }
        bar.finish_and_clear();
        if index != size.get() {
            bail!("the log has {index} leaves where its head says {size}");
        }
        Ok(size)
    }

    fn put(
        &self,
        write: impl FnOnce(BufWriter<&fs::File>) -> Result<Exported, ExportError>,
    ) -> anyhow::Result<Exported> {
        Ok(put(&self.write, write)??)
    }
}

/// Writes a file beside its place and then moves it there, so that nobody reads a part; what could
/// not be written does not take the place of anything.
fn put<T, E>(
    place: &Path,
    write: impl FnOnce(BufWriter<&fs::File>) -> Result<T, E>,
) -> anyhow::Result<Result<T, E>> {
    let folder = match place.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let file = tempfile::NamedTempFile::new_in(folder)
        .with_context(|| format!("no file can be made in {}", folder.display()))?;
    let written = write(BufWriter::new(file.as_file()));
    if written.is_ok() {
        file.persist(place).with_context(|| place.display().to_string())?;
    }
    Ok(written)
}

impl Source {
    fn get(&self, path: &str) -> anyhow::Result<Vec<u8>> {
        match self {
            Self::Node(remote) => remote.bytes(path),
            Self::Folder(folder) => {
                let file = folder.join(path);
                fs::read(&file).with_context(|| file.display().to_string())
            }
        }
    }

    /// A bundle; the full one where the partial one is gone because the log has grown.
    fn bundle(&self, path: BundlePath) -> anyhow::Result<Vec<u8>> {
        let full = BundlePath { width: letopis_ledger::tile::TileWidth::FULL, ..path };
        self.get(&path.to_string()).or_else(|error| match path.width.is_full() {
            true => Err(error),
            false => self.get(&full.to_string()).map_err(|_| error),
        })
    }
}
