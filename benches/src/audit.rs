//! `letopis-verify log` as a program: records per second, and its peak memory, which must not grow
//! with the log.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::rivals::server::memory_of;

/// What one run came to.
#[derive(Debug)]
pub(crate) struct Measured {
    leaves: u64,
    wall: Duration,
    /// Bytes.
    peak: u64,
}

/// Runs the verifier on a folder.
pub(crate) fn measure(verifier: &Path, folder: &Path, leaves: u64) -> anyhow::Result<Measured> {
    let start = Instant::now();
    let mut child = Command::new(verifier)
        .args(["log", "--json"])
        .arg(folder)
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("{}: build the binaries first", verifier.display()))?;
    let mut peak = 0;
    let status = loop {
        // The kernel keeps the peak itself; the last look before the end is what counts.
        peak = memory_of(child.id(), "VmHWM:").unwrap_or(peak);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::park_timeout(Duration::from_millis(5));
    };
    if !status.success() {
        bail!("the verifier found the log of {leaves} leaves not in order");
    }
    Ok(Measured { leaves, wall: start.elapsed(), peak })
}

/// Prints the runs.
pub(crate) fn print(all: &[Measured], checks_per_second: f64) {
    println!("## letopis-verify log, whole log from a folder\n");
    println!("| leaves | records/s | of one core's signature checks | peak memory MiB |");
    println!("|---:|---:|---:|---:|");
    for one in all {
        let rate = one.leaves as f64 / one.wall.as_secs_f64();
        println!(
            "| {} | {rate:.0} | {:.0} % | {:.1} |",
            one.leaves,
            rate / checks_per_second * 100.0,
            one.peak as f64 / f64::from(1 << 20)
        );
    }
    println!();
}
