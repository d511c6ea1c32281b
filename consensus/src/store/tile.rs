//! Hash tiles on disk: full ones written once at their C2SP paths, the partial one of each level
//! in memory, where it is recomputed from the leaves at start.
//!
//! Not here: which tile a tree of some size has; `letopis_ledger::tile` knows it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};

use letopis_ledger::Hash;
use letopis_ledger::tile::{ReadTile, Tile, TileIndex, TileLevel, TilePath, TileWidth};

use super::StoreError;
use super::file::parent;
use crate::disk::DiskHook;

/// The tiles of one node.
pub(crate) struct Tiles {
    folder: PathBuf,
    disk: DiskHook,
    edge: RwLock<Edge>,
    unsynced: Mutex<Vec<(PathBuf, File)>>,
    syncing: Mutex<()>,
}

/// The right edge: for each level, how many tiles are full and the hashes after them.
#[derive(Debug, Clone, Default)]
pub(super) struct Edge {
    levels: Vec<LevelEdge>,
}

#[derive(Debug, Clone, Default)]
struct LevelEdge {
    full_count: u64,
    hashes: Vec<Hash>,
}

/// Tiles of one tree, read from a node's own files.
#[derive(Clone, Copy)]
pub(crate) struct TileReader<'a>(&'a Tiles);

impl Edge {
    /// Appends a leaf hash and gives each tile that it completes to `full`.
    pub(super) fn push<E>(
        &mut self,
        leaf: Hash,
        mut full: impl FnMut(TilePath, &Tile) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut hash = leaf;
        for number in 0_u8.. {
            if self.levels.len() == usize::from(number) {
                self.levels.push(LevelEdge::default());
            }
            let level = &mut self.levels[usize::from(number)];
            level.hashes.push(hash);
            if level.hashes.len() < usize::from(TileWidth::FULL.get()) {
                break;
            }
            let tile = Tile::new(std::mem::take(&mut level.hashes))
                .expect("invariant: the tile has 256 hashes");
            let path = TilePath {
                level: TileLevel::new(number).expect("invariant: a tree has at most 8 levels"),
                index: TileIndex::new(level.full_count),
                width: TileWidth::FULL,
            };
            full(path, &tile)?;
            level.full_count += 1;
            hash = tile.subtree_root(0, 8).expect("invariant: a full tile is a subtree");
        }
        Ok(())
    }

    fn get(&self, path: TilePath) -> Option<Tile> {
        let level = self.levels.get(usize::from(path.level.get()))?;
        if path.index.get() != level.full_count {
            return None;
        }
        let hashes = level.hashes.get(..usize::from(path.width.get()))?;
        Tile::new(hashes.to_vec())
    }

    fn is_full(&self, path: TilePath) -> bool {
        let level = self.levels.get(usize::from(path.level.get()));
        level.is_some_and(|level| path.index.get() < level.full_count)
    }
}

impl Tiles {
    pub(super) fn new(folder: PathBuf, edge: Edge) -> Self {
        let unsynced = Mutex::new(Vec::new());
        let (disk, edge) = (DiskHook::none(), RwLock::new(edge));
        Self { folder, disk, edge, unsynced, syncing: Mutex::new(()) }
    }

    /// The same, on a simulated disk.
    pub(super) fn on(self, disk: DiskHook) -> Self {
        Self { disk, ..self }
    }

    /// Appends leaf hashes; full tiles are written, and durable after [`Tiles::sync`].
    pub(super) fn append(&self, leaves: impl Iterator<Item = Hash>) -> Result<(), StoreError> {
        let mut written = Vec::new();
        let mut edge = self.edge.write().unwrap_or_else(PoisonError::into_inner);
        for leaf in leaves {
            edge.push(leaf, |path, tile| {
                let path = tile_file(&self.folder, path);
                written.push((path.clone(), write(&self.disk, &path, tile)?));
                Ok::<(), StoreError>(())
            })?;
        }
        drop(edge);
        if !written.is_empty() {
            self.unsynced.lock().unwrap_or_else(PoisonError::into_inner).append(&mut written);
        }
        Ok(())
    }

    /// Makes all full tiles durable.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        // One at a time, as for segments.
        let _one = self.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        let files =
            std::mem::take(&mut *self.unsynced.lock().unwrap_or_else(PoisonError::into_inner));
        let mut directories = std::collections::BTreeSet::new();
        for (path, file) in &files {
            self.disk.sync_file(path, || file.sync_data())?;
            // A first tile may have made directories up to the root of the tiles.
            let above =
                path.ancestors().skip(1).take_while(|above| above.starts_with(&self.folder));
            directories.extend(above.map(Path::to_owned));
        }
        directories.iter().try_for_each(|directory| self.disk.sync_directory(directory))
    }

    pub(crate) const fn reader(&self) -> TileReader<'_> {
        TileReader(self)
    }

    /// The tile of a path, full or cut to the width asked for, or `None` when there is none.
    pub(crate) fn get(&self, path: TilePath) -> Result<Option<Tile>, StoreError> {
        {
            let edge = self.edge.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(tile) = edge.get(path) {
                return Ok(Some(tile));
            }
            if !edge.is_full(path) {
                return Ok(None);
            }
        }
        let file = tile_file(&self.folder, path);
        let bytes = fs::read(&file).map_err(StoreError::file("cannot read tile", &file))?;
        let damaged = |what: String| StoreError::Damaged { what };
        let full = Tile::from_bytes_exact(&bytes, TileWidth::FULL)
            .map_err(|e| damaged(format!("{}: {e}", file.display())))?;
        Ok(full.prefix(path.width))
    }
}

impl ReadTile for TileReader<'_> {
    type Error = StoreError;

    fn read_tile(&self, path: TilePath) -> Result<Tile, StoreError> {
        let missing = || StoreError::Damaged { what: format!("{path} is not there") };
        self.0.get(path)?.ok_or_else(missing)
    }
}

/// The file of the full tile that a path names or is cut out of.
pub(super) fn tile_file(folder: &Path, path: TilePath) -> PathBuf {
    let full = TilePath { width: TileWidth::FULL, ..path }.to_string();
    folder.join(full.strip_prefix("tile/").expect("invariant: tile paths begin with tile/"))
}

fn write(disk: &DiskHook, path: &Path, tile: &Tile) -> Result<File, StoreError> {
    let directory = parent(path);
    if !directory.is_dir() {
        super::file::make_directory(directory)?;
    }
    disk.replace_later(path, &tile.to_bytes())
}
