//! A small disk that a test can fill, where root may mount one.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// A small file system in memory, unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// Mounts one of so many megabytes, or says on standard error that it may not.
    ///
    /// # Panics
    /// There is no temporary folder.
    #[must_use]
    pub fn mount(megabytes: u64) -> Option<Self> {
        let place = tempfile::tempdir().expect("a temporary folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"])
            .arg(place.path())
            .stderr(Stdio::null())
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(place));
        }
        eprintln!("skipped: a small file system cannot be mounted here (needs root)");
        None
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Gives it so many megabytes.
    ///
    /// # Panics
    /// That does not work.
    pub fn grow(&self, megabytes: u64) {
        let grown = Command::new("mount")
            .args(["-o", &format!("remount,size={megabytes}m")])
            .arg(self.path())
            .status();
        assert!(grown.is_ok_and(|status| status.success()), "the small disk does not grow");
    }

    /// Leaves no room on it.
    ///
    /// # Panics
    /// The file that takes the room cannot be made.
    pub fn fill(&self) {
        let mut file = File::create(self.ballast()).expect("a file can be made");
        let block = vec![0; 1 << 20];
        while file.write_all(&block).is_ok() {}
        while file.write_all(&block[..512]).is_ok() {}
    }

    /// Gives the room back.
    pub fn empty(&self) {
        // It may not be there: the disk was never filled.
        let _ = fs::remove_file(self.ballast());
    }

    fn ballast(&self) -> std::path::PathBuf {
        self.path().join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the node that used it may still be ending.
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}
