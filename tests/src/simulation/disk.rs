//! A simulated disk over real files: slow, full or broken when the plan says so; at a crash it
//! loses what was not synced.
//!
//! Files that grow are cut somewhere between what was synced and what was written; a file that
//! took another's place before the folder was synced may be the old one again. The databases lose
//! by themselves what they did not write (`consensus::disk`).

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use letopis_consensus::SimulatedDisk;
use letopis_consensus::peer::Pending;

use super::random::Random;

/// One machine's disk.
pub(super) struct Disk {
    random: Random,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Durable bytes of files that were written since the last crash.
    durable: BTreeMap<PathBuf, u64>,
    /// Names that were taken over and not synced: what was there before.
    renamed: Vec<(PathBuf, Option<Vec<u8>>)>,
    /// How many of the next writes and syncs fail.
    failing: u32,
    full: bool,
    slow: Option<Duration>,
    failed: bool,
}

impl Disk {
    pub(super) fn new(random: Random) -> Arc<Self> {
        Arc::new(Self { random, state: Mutex::default() })
    }

    /// The next writes or syncs fail.
    pub(super) fn fail_next(&self, count: u32) {
        self.state().failing = count;
    }

    pub(super) fn set_full(&self, full: bool) {
        self.state().full = full;
    }

    /// Each round of the Raft log takes up to this long.
    pub(super) fn set_slow(&self, slow: Option<Duration>) {
        self.state().slow = slow;
    }

    /// Whether anything failed since this was asked last.
    pub(super) fn take_failed(&self) -> bool {
        std::mem::take(&mut self.state().failed)
    }

    pub(super) fn heal(&self) {
        let mut state = self.state();
        (state.failing, state.full, state.slow) = (0, false, None);
    }

    /// Bytes of a file that a crash does not take.
    pub(super) fn durable_bytes(&self, path: &Path) -> u64 {
        let state = self.state();
        if state.renamed.iter().any(|(renamed, _)| renamed == path) {
            return 0;
        }
        let known = state.durable.get(path).copied();
        known.unwrap_or_else(|| fs::metadata(path).map_or(0, |file| file.len()))
    }

    /// Loses what was not synced.
    pub(super) fn crash(&self) {
        let mut state = self.state();
        let renamed = std::mem::take(&mut state.renamed);
        for (path, before) in renamed.into_iter().rev() {
            if self.random.chance(0.5) {
                state.durable.remove(&path);
                let undone = match before {
                    Some(bytes) => fs::write(&path, bytes),
                    None => fs::remove_file(&path),
                };
                undone.expect("the folder is there");
            }
        }
        for (path, durable) in std::mem::take(&mut state.durable) {
            let Ok(file) = OpenOptions::new().write(true).open(&path) else { continue };
            let written = file.metadata().expect("the file is open").len();
            if written > durable {
                let kept = self.random.between(durable, written + 1);
                let kept = if self.random.chance(0.5) { durable } else { kept };
                file.set_len(kept).expect("the file is open");
            }
        }
    }

    fn check(&self, writing: bool) -> io::Result<()> {
        let mut state = self.state();
        if state.failing > 0 {
            state.failing -= 1;
            state.failed = true;
            return Err(io::Error::from_raw_os_error(5));
        }
        if state.full && writing {
            state.failed = true;
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |file| file.len())
}

impl SimulatedDisk for Disk {
    fn write(&self, file: &Path) -> io::Result<()> {
        self.check(true)?;
        self.state().durable.entry(file.to_owned()).or_insert_with(|| length(file));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.check(false)?;
        let mut state = self.state();
        let durable = state.durable.remove(from).unwrap_or(0);
        state.durable.insert(to.to_owned(), durable);
        state.renamed.push((to.to_owned(), fs::read(to).ok()));
        Ok(())
    }

    fn sync(&self, _: &Path) -> io::Result<()> {
        self.check(false)
    }

    fn synced(&self, path: &Path) {
        let mut state = self.state();
        if path.is_dir() {
            state.renamed.retain(|(renamed, _)| renamed.parent() != Some(path));
        } else {
            state.durable.insert(path.to_owned(), length(path));
        }
    }

    fn raft_log(&self) -> Pending<io::Result<()>> {
        let slow = self.state().slow;
        let usual = Duration::from_millis(self.random.between(0, 4));
        let waited = slow.map_or(usual, |most| self.random.duration(most));
        let failed = self.check(true);
        Box::pin(async move {
            tokio::time::sleep(waited).await;
            failed
        })
    }
}
