//! All tables of a node made anew from its log: events per second, and memory.
//!
//! The log is written by cases over HTTP. Then the node is stopped, its tables are deleted, and it
//! is started again. Beside it stands the same start with the tables in place.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::agencies::{Agencies, Written, wait_for};
use super::applicants::{Load, Pace};
use super::families::Families;

/// Families whose cases are written at a time.
const FAMILIES_AT_ONCE: usize = 5_000;
/// How long writing one part of the log may take.
const PART_LIMIT: Duration = Duration::from_secs(600);
/// How long tables may take.
const REBUILD_LIMIT: Duration = Duration::from_secs(3_600);

/// Writes a log of at least so many events and measures.
pub(super) fn measure(
    place: &Path,
    pack: &Path,
    events: u64,
    clients: usize,
) -> anyhow::Result<()> {
    let mut agencies = Agencies::start(place, 1, pack)?;
    let written = write(&agencies, events, clients)?;
    println!("## Tables of one node made anew from its log\n");
    println!("| start of the node | leaves | events | s | events/s | peak memory MiB |");
    println!("|---|---:|---:|---:|---:|---:|");
    let kept = |_: &Path| Ok(());
    row("with its tables", &mut agencies, written, kept)?;
    let deleted = |folder: &Path| {
        let tables = folder.join("read");
        std::fs::remove_dir_all(&tables).with_context(|| tables.display().to_string())
    };
    row("without tables", &mut agencies, written, deleted)?;
    println!();
    Ok(())
}

fn write(agencies: &Agencies, events: u64, clients: usize) -> anyhow::Result<Written> {
    let mut families = Families::new(agencies);
    let mut written = Written::since(agencies.node(), 0)?;
    while written.events < events {
        let before = agencies.node().positions()?.applied;
        let applications = families.more(FAMILIES_AT_ONCE)?;
        Load::submit(agencies, &applications, Pace::Closed { clients }, PART_LIMIT)?;
        let more = Written::since(agencies.node(), before)?;
        written.records += more.records;
        written.events += more.events;
    }
    Ok(written)
}

fn row(
    what: &str,
    agencies: &mut Agencies,
    written: Written,
    change: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut started = Instant::now();
    // A node takes requests once its tables have what its log had at the start.
    agencies.restart_with(REBUILD_LIMIT, |folder| {
        change(folder)?;
        started = Instant::now();
        Ok(())
    })?;
    wait_for("the tables", REBUILD_LIMIT, || {
        let positions = agencies.node().positions()?;
        Ok(positions.projected >= positions.applied && positions.applied >= written.records)
    })?;
    let time = started.elapsed().as_secs_f64();
    let peak = agencies.peak_memory()? as f64 / f64::from(1 << 20);
    let Written { records, events } = written;
    println!(
        "| {what} | {records} | {events} | {time:.1} | {:.0} | {peak:.0} |",
        events as f64 / time
    );
    Ok(())
}
