//! The device below a folder: what was written to it, by whomever.
//!
//! What the kernel charges to processes counts a whole folio of the page cache for each byte that
//! makes it dirty, which on newer kernels is many times what reaches the disk. The device's own
//! counter does not, but holds what everybody else wrote too. Not here: which of them to believe.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Bytes of a sector in the kernel's counters, whatever the device.
const SECTOR: u64 = 512;

/// A block device.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    folder: PathBuf,
    counters: PathBuf,
}

impl Disk {
    /// The device of a folder, if its file system has one of its own with counters.
    pub(crate) fn of(folder: &Path) -> Option<Self> {
        let device = fs::metadata(folder).ok()?.dev();
        // The two numbers as glibc's `gnu_dev_major` and `gnu_dev_minor` take them apart.
        let major = ((device >> 8) & 0xfff) | ((device >> 32) & !0xfff);
        let minor = (device & 0xff) | ((device >> 12) & 0xffff_ff00);
        let counters = PathBuf::from(format!("/sys/dev/block/{major}:{minor}/stat"));
        let disk = Self { folder: folder.to_owned(), counters };
        disk.counted().map(|_| disk)
    }

    /// Bytes written to it since the machine started, after all that waits has been written.
    pub(crate) fn written(&self) -> Option<u64> {
        let synced = Command::new("sync").arg("-f").arg(&self.folder).status();
        synced.is_ok_and(|status| status.success()).then(|| self.counted())?
    }

    fn counted(&self) -> Option<u64> {
        let stat = fs::read_to_string(&self.counters).ok()?;
        let sectors: u64 = stat.split_whitespace().nth(6)?.parse().ok()?;
        Some(sectors * SECTOR)
    }
}
