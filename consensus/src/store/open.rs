//! Opening the store: the lock, the index, then the check of everything (`check`).

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use letopis_ledger::checkpoint::Origin;
use letopis_ledger::tile::{Tile, TileLevel, tile_with};
use letopis_ledger::tree::Frontier;
use letopis_ledger::{Hash, LeafIndex, TreeSize};
use thiserror::Error;
use tokio::sync::watch;

use super::check::{CheckError, CheckProgress, Claimed, Damage, check};
use super::file::make_directory;
use super::index::{Index, StoredPosition};
use super::segment::Segments;
use super::tile::{Edge, Tiles};
use super::{End, Folder, Store, StoreError};
use crate::crash::CrashHook;
use crate::machine::LogTail;
use crate::sabotage::Bug;

/// Why a store does not open.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreOpenError {
    /// Another process has the folder.
    #[error("{folder} is in use by another process: stop that one, or use another folder")]
    Locked {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder belongs to another log.
    #[error("{folder} holds log {found}, the configuration names {expected}: correct one of them")]
    OtherLog {
        /// The folder.
        folder: PathBuf,
        /// Origin in the configuration.
        expected: Origin,
        /// Origin in the folder.
        found: String,
    },
    /// Files do not fit together.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// A file or the index could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<CheckError> for StoreOpenError {
    fn from(error: CheckError) -> Self {
        match error {
            CheckError::Damage(damage) => Self::Damaged(damage),
            CheckError::Store(error) => Self::Store(error),
        }
    }
}

/// Holds the folder until it is dropped.
#[derive(Debug)]
pub(crate) struct FolderLock(#[expect(dead_code, reason = "the open file is the lock")] File);

/// Takes the folder for this process.
pub(crate) fn lock_folder(folder: &Folder) -> Result<FolderLock, StoreOpenError> {
    make_directory(folder.path())?;
    let path = folder.path().join("LOCK");
    let open = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = open.map_err(StoreError::file("cannot open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(FolderLock(file)),
        Err(TryLockError::WouldBlock) => {
            Err(StoreOpenError::Locked { folder: folder.path().to_owned() })
        }
        Err(TryLockError::Error(error)) => {
            Err(StoreError::file("cannot lock", &path)(error).into())
        }
    }
}

/// What opening needs to know.
pub(crate) struct Opened<'a> {
    /// The log that the folder must belong to.
    pub(crate) origin: Origin,
    /// Largest size that this node ever signed: leaves below it must be intact.
    pub(crate) signed_size: TreeSize,
    /// Told from time to time how far the check is.
    pub(crate) progress: &'a dyn Fn(CheckProgress),
    pub(crate) crash: CrashHook,
}

impl Store {
    /// Opens or creates a store; the folder must be locked by the caller.
    pub(crate) fn open(folder: &Folder, opened: Opened<'_>) -> Result<Self, StoreOpenError> {
        folder.make()?;
        let index = Index::open(&folder.index(), folder.disk().clone())
            .map_err(|error| unreadable(&error))?;
        let bound = index.bind_origin(&opened.origin).map_err(|error| unreadable(&error))?;
        if let Some(found) = bound {
            let (folder, expected) = (folder.path().to_owned(), opened.origin);
            return Err(StoreOpenError::OtherLog { folder, expected, found });
        }
        let end = index.end().map_err(|error| unreadable(&error))?.unwrap_or_else(|| End {
            tail: LogTail::empty(),
            frontier: Frontier::new(),
            agreed: None,
            position: StoredPosition::default(),
            unflushed_bytes: 0,
        });
        let claimed =
            Claimed { tail: end.tail, frontier: &end.frontier, signed_size: opened.signed_size };
        let checked = check(folder, &index, &claimed, opened.progress)?;
        if folder.sabotage.has(Bug::ForgetClaim) {
            index.forget_claim()?;
        }
        index.read_all(&opened.origin).map_err(|error| unreadable(&error))?;
        Ok(Self {
            origin: opened.origin,
            segments: Segments::new(folder.segments(), checked.layout, checked.found_until)
                .on(folder.disk().clone()),
            tiles: Tiles::new(folder.tiles(), checked.edge).on(folder.disk().clone()),
            applied: watch::Sender::new(end.tail.size),
            index,
            end: Mutex::new(end),
            crash: opened.crash,
            sabotage: folder.sabotage,
        })
    }

    /// Leaves that were on disk at start and that the Raft log has not given again yet.
    pub(crate) fn unexplained_leaves(&self) -> u64 {
        self.segments.unexplained()
    }
}

fn unreadable(error: &StoreError) -> Damage {
    Damage::Index { leaf: LeafIndex::ZERO, found: error.to_string() }
}

/// Every leaf has exactly one record in the index, with the leaf's hash.
pub(super) fn check_index(
    index: &Index,
    size: TreeSize,
    edge: &Edge,
    tiles: &Path,
) -> Result<(), CheckError> {
    let tiles = Tiles::new(tiles.to_owned(), edge.clone());
    let mut hashes = LeafHashes { tiles: &tiles, size, recent: HashMap::new() };
    let mut seen = Seen::new(size);
    for item in index.receipts() {
        let (id, first) = item.map_err(|error| seen.damage(&error.to_string()))?;
        let leaf = first.leaf_index;
        if !size.contains(leaf) || !seen.insert(leaf) {
            let found = format!("record {id} points to leaf {leaf}, which is not its own");
            return Err(Damage::Index { leaf, found }.into());
        }
        let computed = hashes.get(leaf)?;
        if computed != first.leaf_hash {
            let found = format!("record {id} has hash {}, the leaf {computed}", first.leaf_hash);
            return Err(Damage::Index { leaf, found }.into());
        }
    }
    if seen.missing > 0 {
        return Err(seen.damage("its record is not in the index").into());
    }
    Ok(())
}

/// Leaf hashes from level 0 tiles; record ids follow time, so few tiles serve many in a row.
struct LeafHashes<'a> {
    tiles: &'a Tiles,
    size: TreeSize,
    recent: HashMap<u64, Tile>,
}

impl LeafHashes<'_> {
    const RECENT_TILES: usize = 256;

    fn get(&mut self, leaf: LeafIndex) -> Result<Hash, StoreError> {
        let (number, at) = (leaf.get() / 256, (leaf.get() % 256) as usize);
        if let Some(tile) = self.recent.get(&number) {
            return Ok(tile.hashes()[at]);
        }
        let path = tile_with(TileLevel::ZERO, leaf.get(), self.size)
            .expect("invariant: the leaf is in the tree");
        let tile = self.tiles.get(path)?.expect("invariant: the tile was just compared");
        let hash = tile.hashes()[at];
        if self.recent.len() == Self::RECENT_TILES {
            self.recent.clear();
        }
        self.recent.insert(number, tile);
        Ok(hash)
    }
}

/// Leaves whose record was found: one bit each.
struct Seen {
    bits: Vec<u64>,
    missing: u64,
}

impl Seen {
    fn new(size: TreeSize) -> Self {
        let words = usize::try_from(size.get().div_ceil(64)).expect("invariant: leaves fit");
        Self { bits: vec![0; words], missing: size.get() }
    }

    fn insert(&mut self, leaf: LeafIndex) -> bool {
        let word = usize::try_from(leaf.get() / 64).expect("invariant: the leaf is in the tree");
        let bit = 1 << (leaf.get() % 64);
        let new = self.bits[word] & bit == 0;
        self.bits[word] |= bit;
        self.missing -= u64::from(new);
        new
    }

    fn damage(&self, found: &str) -> Damage {
        let word = self.bits.iter().position(|word| *word != u64::MAX).unwrap_or(0);
        let bit = self.bits.get(word).map_or(0, |word| word.trailing_ones());
        let leaf = LeafIndex::new(word as u64 * 64 + u64::from(bit));
        Damage::Index { leaf, found: found.to_owned() }
    }
}
