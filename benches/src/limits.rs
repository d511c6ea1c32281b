//! The limits of the machine in this very run: syncs, hashing, signature checks, one core each.
//!
//! Every other figure is read against these, because the machine is shared and differs from day
//! to day. Not here: anything of Letopis but its two primitives.

use std::fs::File;
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use letopis_ledger::hash::{leaf_hash, node_hash};
use letopis_ledger::key::AuthorSigner;

/// What the machine can do at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Appends of 4 KiB, each made durable, per second.
    pub(crate) syncs_per_second: f64,
    /// SHA-256 over 1 MiB buffers, bytes per second on one core.
    pub(crate) sha256_bytes_per_second: f64,
    /// Leaf hashes of 1 KiB per second on one core.
    pub(crate) leaf_hashes_per_second: f64,
    /// Inner node hashes (65 bytes) per second on one core.
    pub(crate) node_hashes_per_second: f64,
    /// Strict Ed25519 checks per second on one core.
    pub(crate) ed25519_checks_per_second: f64,
    /// Ed25519 signatures per second on one core.
    pub(crate) ed25519_signatures_per_second: f64,
}

impl Limits {
    /// Measures each limit for about `time`.
    pub(crate) fn measure(folder: &Path, time: Duration) -> anyhow::Result<Self> {
        let mut file = File::create(folder.join("sync-probe"))?;
        let page = [0x5a; 4096];
        let syncs_per_second = rate(time, || {
            file.write_all(&page)?;
            file.sync_data()?;
            Ok(())
        })?;
        let megabyte = vec![0x5a; 1 << 20];
        let hashes = rate(time, || {
            black_box(letopis_ledger::Hash::of(black_box(&megabyte)));
            Ok(())
        })?;
        let leaf_hashes_per_second = rate(time, || {
            black_box(leaf_hash(black_box(&megabyte[..1024])));
            Ok(())
        })?;
        let (left, right) = (leaf_hash(b"left"), leaf_hash(b"right"));
        let node_hashes_per_second = rate(time, || {
            black_box(node_hash(black_box(&left), &right));
            Ok(())
        })?;
        let signer = AuthorSigner::from_seed(&[7; 32]);
        let message = &megabyte[..500];
        let signature = signer.sign(message);
        let key = signer.key();
        let ed25519_checks_per_second = rate(time, || Ok(key.verify(message, &signature)?))?;
        let ed25519_signatures_per_second = rate(time, || {
            black_box(signer.sign(black_box(message)));
            Ok(())
        })?;
        Ok(Self {
            syncs_per_second,
            sha256_bytes_per_second: hashes * (1 << 20) as f64,
            leaf_hashes_per_second,
            node_hashes_per_second,
            ed25519_checks_per_second,
            ed25519_signatures_per_second,
        })
    }

    /// The limits as lines of a report.
    pub(crate) fn print(&self) {
        println!("## Limits of this machine, one core, this run\n");
        println!("| what | per second |");
        println!("|---|---:|");
        println!("| durable appends of 4 KiB (fdatasync) | {:.0} |", self.syncs_per_second);
        println!("| SHA-256 over 1 MiB buffers, MB | {:.0} |", self.sha256_bytes_per_second / 1e6);
        println!("| leaf hashes of 1 KiB | {:.0} |", self.leaf_hashes_per_second);
        println!("| inner node hashes | {:.0} |", self.node_hashes_per_second);
        println!("| Ed25519 checks, strict | {:.0} |", self.ed25519_checks_per_second);
        println!("| Ed25519 signatures | {:.0} |\n", self.ed25519_signatures_per_second);
    }
}

/// How often `work` is done per second, measured for about `time`.
pub(crate) fn rate(
    time: Duration,
    mut work: impl FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<f64> {
    work()?;
    let start = Instant::now();
    let mut count = 0_u64;
    while start.elapsed() < time {
        // Several at once, so that reading the clock is not what is measured.
        for _ in 0..8 {
            work()?;
        }
        count += 8;
    }
    Ok(count as f64 / start.elapsed().as_secs_f64())
}
