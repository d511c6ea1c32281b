//! The entry bundles of a log, read ahead on several threads and handed out in order.
//!
//! Not here: what must hold of the leaves in them (`leaves`, and `walk` for their order).

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use letopis_ledger::bundle::EntryBundle;
use letopis_ledger::tile::{BundlePath, Tile, TileLevel, TilePath, bundles_at};
use letopis_ledger::{Hash, LeafIndex, TreeSize};

use crate::finding::{Finding, Findings, Rule};
use crate::source::{LogSource, SourceError};

/// Threads that read. Behind a network most of the time is waiting, so more than one pays even on
/// one core; each holds at most two bundles.
const READERS: usize = 4;
/// Leaves of a full bundle.
const BUNDLE_LEAVES: u64 = 256;

/// Bundles as they come in.
pub(super) struct Incoming {
    readers: Vec<Receiver<Result<Bundle, SourceError>>>,
    next: usize,
}

/// The bytes of one bundle and of the tile of its leaf hashes, or why the log has them not.
pub(super) struct Bundle {
    path: BundlePath,
    entries: Result<Vec<u8>, SourceError>,
    tile: Result<Vec<u8>, SourceError>,
}

/// Runs `work` while threads read the bundles of a log of `size` leaves ahead of it.
pub(super) fn read_ahead<T>(
    source: &dyn LogSource,
    size: TreeSize,
    work: impl FnOnce(&mut Incoming) -> T,
) -> T {
    thread::scope(|scope| {
        let mut readers = Vec::with_capacity(READERS);
        for reader in 0..READERS {
            let (sender, receiver) = sync_channel(1);
            readers.push(receiver);
            scope.spawn(move || {
                for path in bundles_at(size).skip(reader).step_by(READERS) {
                    let bundle = read(source, path);
                    let failed = bundle.is_err();
                    // The receiver is gone when the work ended early; then nobody waits.
                    if sender.send(bundle).is_err() || failed {
                        return;
                    }
                }
            });
        }
        // Dropped at the end of the work, so that the readers stop too.
        work(&mut Incoming { readers, next: 0 })
    })
}

fn read(source: &dyn LogSource, path: BundlePath) -> Result<Bundle, SourceError> {
    let tile = TilePath { level: TileLevel::ZERO, index: path.index, width: path.width };
    Ok(Bundle { path, entries: settled(source.bundle(path))?, tile: settled(source.tile(tile))? })
}

/// Separates what is wrong with the log, which is to be reported, from what keeps us from it.
fn settled<T>(read: Result<T, SourceError>) -> Result<Result<T, SourceError>, SourceError> {
    match read {
        Err(error) if !error.is_of_log() => Err(error),
        other => Ok(other),
    }
}

impl Incoming {
    /// The next bundle.
    pub(super) fn next(&mut self) -> Result<Bundle, SourceError> {
        let reader = &self.readers[self.next % READERS];
        self.next += 1;
        reader.recv().expect("invariant: as many bundles are sent as the tree asks for")
    }
}

impl Bundle {
    /// Index of the first leaf.
    pub(super) fn first(&self) -> LeafIndex {
        LeafIndex::new(self.path.index.get() * BUNDLE_LEAVES)
    }

    /// How many leaves the bundle must have.
    pub(super) fn leaf_count(&self) -> usize {
        usize::from(self.path.width.get())
    }

    /// The entries in order, as far as they can be told apart, and never more than there must be.
    pub(super) fn entries(&self, findings: &mut Findings) -> Vec<&[u8]> {
        let (first, width) = (self.first(), self.leaf_count());
        let broken = |leaf, detail: String| Finding::at(Rule::BundleForm, leaf, detail);
        let bytes = match &self.entries {
            Ok(bytes) => bytes,
            Err(error) => {
                findings.push(broken(first, format!("{width} leaves are missing: {error}")));
                return Vec::new();
            }
        };
        let entries: Vec<&[u8]> = match EntryBundle::parse(bytes) {
            Ok(bundle) => bundle.iter().collect(),
            Err(error) => {
                findings.push(broken(first, format!("{}: {error}", self.path)));
                return Vec::new();
            }
        };
        let found = entries.len();
        if found != width {
            let at = LeafIndex::new(first.get() + found.min(width - 1) as u64);
            findings.push(broken(at, format!("{} has {found} leaves of {width}", self.path)));
        }
        entries.into_iter().take(width).collect()
    }

    /// Compares leaf hashes with those of the published tile.
    pub(super) fn check_tile(&self, hashes: &[Hash], findings: &mut Findings) {
        let broken = |leaf, detail: String| Finding::at(Rule::TileHash, leaf, detail);
        let read = match &self.tile {
            Ok(bytes) => Tile::from_bytes_exact(bytes, self.path.width).map_err(|e| e.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let tile = match read {
            Ok(tile) => tile,
            Err(reason) => {
                findings.push(broken(self.first(), reason));
                return;
            }
        };
        let mut place = self.first();
        for (hash, published) in hashes.iter().zip(tile.hashes()) {
            if hash != published {
                let detail = format!("the leaf's hash is {hash}, published was {published}");
                findings.push(broken(place, detail));
            }
            place = place.next();
        }
    }
}
