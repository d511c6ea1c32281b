//! Tiles: the tree as static files of up to 256 hashes each (C2SP tlog-tiles).
//!
//! A hash at tile level `l` covers 256^l leaves. Tile `n` of level `l` holds the hashes `256·n` up
//! to `256·n + 255` of that level; the last one of a level may be partial. The levels of the tree
//! between two tile levels are not stored: whoever reads a tile hashes them again.
//!
//! Not here: entry bytes (`bundle`), and the files, HTTP routes or caches that hold tiles.

mod path;
mod tree;

use std::fmt;

use thiserror::Error;

use crate::hash::Hash;
use crate::position::{LeafIndex, TreeSize};
use crate::tree::perfect_root;

pub use path::{BundlePath, TilePath, TilePathError};
pub use tree::{ReadTile, TileTree, TileTreeError};

/// Tree levels per tile level: a tile of 256 hashes is a subtree of height 8.
pub const TILE_HEIGHT: u8 = 8;

/// Level of a tile, 0 to 63. Tiles of level 0 hold leaf hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TileLevel(u8);

impl TileLevel {
    /// The level of leaf hashes.
    pub const ZERO: Self = Self(0);
    /// Highest level that a path may name.
    pub const MAX: Self = Self(63);
    /// Tile levels that a tree of fewer than 2^64 leaves can have.
    const COUNT: u8 = 64 / TILE_HEIGHT;

    /// Takes a number up to 63.
    #[must_use]
    pub const fn new(level: u8) -> Option<Self> {
        if level <= Self::MAX.0 { Some(Self(level)) } else { None }
    }

    /// The plain number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// How many hashes this level has in a tree of `size` leaves.
    #[must_use]
    pub const fn hash_count(self, size: TreeSize) -> u64 {
        if self.0 < Self::COUNT { size.get() >> (self.0 * TILE_HEIGHT) } else { 0 }
    }
}

impl fmt::Display for TileLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Index of a tile within its level, or of a bundle, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TileIndex(u64);

impl TileIndex {
    /// Takes a plain number.
    #[must_use]
    pub const fn new(index: u64) -> Self {
        Self(index)
    }

    /// The plain number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// How many hashes a tile has, or a bundle entries: 1 to 256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileWidth(u16);

impl TileWidth {
    /// Width of a full tile.
    pub const FULL: Self = Self(256);

    /// Takes a number from 1 to 256.
    #[must_use]
    pub const fn new(width: u16) -> Option<Self> {
        if 1 <= width && width <= Self::FULL.0 { Some(Self(width)) } else { None }
    }

    /// The plain number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Whether there is room for no more.
    #[must_use]
    pub const fn is_full(self) -> bool {
        self.0 == Self::FULL.0
    }

    /// Width of tile `index` in a level of `hash_count` hashes, or `None` without such a tile.
    fn at(index: TileIndex, hash_count: u64) -> Option<Self> {
        let full = u64::from(Self::FULL.0);
        let full_tile_count = hash_count / full;
        if index.0 < full_tile_count {
            Some(Self::FULL)
        } else if index.0 == full_tile_count {
            let width = u16::try_from(hash_count % full);
            Self::new(width.expect("invariant: a remainder of 256 fits"))
        } else {
            None
        }
    }
}

impl fmt::Display for TileWidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why the bytes of a tile were refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TileError {
    /// Not 1 to 256 hashes of 32 bytes.
    #[error("a tile is 32 to 8192 bytes in steps of 32, this one has {found_bytes}")]
    Length {
        /// Bytes found.
        found_bytes: usize,
    },
    /// The tile is not as wide as its path states.
    #[error("the tile has {found} hashes where its path states {expected}")]
    Width {
        /// Hashes the path states.
        expected: TileWidth,
        /// Hashes found.
        found: TileWidth,
    },
}

/// The content of a tile: 1 to 256 hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile(Vec<Hash>);

impl Tile {
    /// Takes hashes as a tile, or `None` when there are none or more than 256.
    #[must_use]
    pub fn new(hashes: Vec<Hash>) -> Option<Self> {
        u16::try_from(hashes.len()).ok().and_then(TileWidth::new)?;
        Some(Self(hashes))
    }

    /// Reads the bytes of a tile: its hashes, one after another.
    ///
    /// # Errors
    /// The length is not that of 1 to 256 hashes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TileError> {
        let error = TileError::Length { found_bytes: bytes.len() };
        let (hashes, rest) = bytes.as_chunks::<{ Hash::SIZE_BYTES }>();
        if !rest.is_empty() {
            return Err(error);
        }
        Self::new(hashes.iter().copied().map(Hash::from_bytes).collect()).ok_or(error)
    }

    /// Reads the bytes of a tile that must have exactly `width` hashes, as its path states.
    ///
    /// # Errors
    /// The length is another one.
    pub fn from_bytes_exact(bytes: &[u8], width: TileWidth) -> Result<Self, TileError> {
        let tile = Self::from_bytes(bytes)?;
        if tile.width() != width {
            return Err(TileError::Width { expected: width, found: tile.width() });
        }
        Ok(tile)
    }

    /// The bytes of the tile, 32 for each hash.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(Hash::as_bytes).copied().collect()
    }

    /// The hashes.
    #[must_use]
    pub fn hashes(&self) -> &[Hash] {
        &self.0
    }

    /// Number of hashes.
    #[must_use]
    pub fn width(&self) -> TileWidth {
        let width = u16::try_from(self.0.len());
        TileWidth(width.expect("invariant: a tile has at most 256 hashes"))
    }

    /// The first `width` hashes as a tile, or `None` when this one is narrower: a reader that only
    /// finds the full tile cuts the partial one out of it.
    #[must_use]
    pub fn prefix(&self, width: TileWidth) -> Option<Self> {
        Some(Self(self.0.get(..usize::from(width.0))?.to_vec()))
    }

    /// The root over `2^height` hashes from `offset` on, or `None` beyond the tile.
    #[must_use]
    pub fn subtree_root(&self, offset: u16, height: u8) -> Option<Hash> {
        let start = usize::from(offset);
        let count = 1_usize.checked_shl(height.into())?;
        Some(perfect_root(self.0.get(start..start.checked_add(count)?)?))
    }
}

/// The path of the tile that holds hash `hash_index` of `level` in a tree of `size` leaves, or
/// `None` when the tree has no such hash.
#[must_use]
pub fn tile_with(level: TileLevel, hash_index: u64, size: TreeSize) -> Option<TilePath> {
    let hash_count = level.hash_count(size);
    if hash_index >= hash_count {
        return None;
    }
    let index = TileIndex(hash_index / u64::from(TileWidth::FULL.0));
    Some(TilePath { level, index, width: TileWidth::at(index, hash_count)? })
}

/// The path of the bundle that holds a leaf in a tree of `size` leaves, or `None` when the tree
/// has no such leaf.
#[must_use]
pub fn bundle_with(leaf: LeafIndex, size: TreeSize) -> Option<BundlePath> {
    let tile = tile_with(TileLevel::ZERO, leaf.get(), size)?;
    Some(BundlePath { index: tile.index, width: tile.width })
}

/// Every tile of a tree of `size` leaves, from level 0 up, each level from left to right.
pub fn tiles_at(size: TreeSize) -> impl Iterator<Item = TilePath> {
    tiles_between(TreeSize::ZERO, size)
}

/// The tiles of a tree of `new` leaves that one of `old` leaves does not have as they are: what a
/// writer publishes when the log grows. Empty when `new` is not larger.
pub fn tiles_between(old: TreeSize, new: TreeSize) -> impl Iterator<Item = TilePath> {
    (0..TileLevel::COUNT).map(TileLevel).flat_map(move |level| {
        widths_between(level.hash_count(old), level.hash_count(new))
            .map(move |(index, width)| TilePath { level, index, width })
    })
}

/// Every bundle of a log of `size` leaves, from left to right.
pub fn bundles_at(size: TreeSize) -> impl Iterator<Item = BundlePath> {
    bundles_between(TreeSize::ZERO, size)
}

/// The bundles of a log of `new` leaves that one of `old` leaves does not have as they are.
pub fn bundles_between(old: TreeSize, new: TreeSize) -> impl Iterator<Item = BundlePath> {
    widths_between(old.get(), new.get()).map(|(index, width)| BundlePath { index, width })
}

fn widths_between(old: u64, new: u64) -> impl Iterator<Item = (TileIndex, TileWidth)> {
    let full = u64::from(TileWidth::FULL.0);
    let end = if new > old { new.div_ceil(full) } else { 0 };
    (old / full..end).map(TileIndex).filter_map(move |index| {
        let width = TileWidth::at(index, new)?;
        Some((index, width))
    })
}

#[cfg(test)]
mod test;
