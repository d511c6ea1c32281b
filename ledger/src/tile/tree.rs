//! Roots and proofs from tiles: what a server does over its files and a client over a URL.
//!
//! Not here: where tiles come from. A [`ReadTile`] fetches them; nothing it returns is trusted
//! beyond the proof it leads to, which the caller verifies against a signed root.

use std::cell::RefCell;
use std::collections::BTreeMap;

use thiserror::Error;

use super::{TILE_HEIGHT, Tile, TileLevel, TilePath, TileWidth, tile_with};
use crate::hash::Hash;
use crate::position::{LeafIndex, TreeSize};
use crate::tree::{
    self, ConsistencyProof, Frontier, InclusionProof, NodeSource, PrefixProof, TreeError,
    consistency_proof, inclusion_proof, prefix_proof,
};

/// Where tiles come from.
pub trait ReadTile {
    /// Why a tile could not be read.
    type Error;

    /// Reads the tile of this path.
    ///
    /// A reader that finds no partial tile because the full one has replaced it answers with
    /// [`Tile::prefix`] of the full one.
    ///
    /// # Errors
    /// The tile is missing, unreadable or malformed.
    fn read_tile(&self, path: TilePath) -> Result<Tile, Self::Error>;
}

impl<R: ReadTile + ?Sized> ReadTile for &R {
    type Error = R::Error;

    fn read_tile(&self, path: TilePath) -> Result<Tile, Self::Error> {
        (**self).read_tile(path)
    }
}

/// Why a root or a proof could not be computed from tiles.
#[derive(Debug, Error)]
pub enum TileTreeError<E> {
    /// A tile could not be read.
    #[error("{path} could not be read: {source}")]
    Read {
        /// Path of the tile.
        path: TilePath,
        /// The reader's error.
        source: E,
    },
    /// The reader returned a tile of another width.
    #[error("{path} has {found} hashes; the log serves another tree than its checkpoint states")]
    Width {
        /// Path of the tile; it states the width required.
        path: TilePath,
        /// Hashes found.
        found: TileWidth,
    },
    /// The request does not fit the tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// A tree of a certain size over tiles. Each tile is read once and kept, so one value serves many
/// proofs of the same tree; drop it to free them.
#[derive(Debug)]
pub struct TileTree<R: ReadTile> {
    reader: R,
    size: TreeSize,
    tiles: RefCell<BTreeMap<TilePath, Tile>>,
}

impl<R: ReadTile> TileTree<R> {
    /// The tree of the first `size` leaves; tiles are read as they are needed.
    #[must_use]
    pub const fn new(reader: R, size: TreeSize) -> Self {
        Self { reader, size, tiles: RefCell::new(BTreeMap::new()) }
    }

    /// Number of leaves.
    #[must_use]
    pub const fn size(&self) -> TreeSize {
        self.size
    }

    /// Root of the tree.
    ///
    /// # Errors
    /// A tile could not be read.
    pub fn root(&self) -> Result<Hash, TileTreeError<R::Error>> {
        self.over_nodes(|nodes| tree::root_at(nodes, self.size))
    }

    /// Root of the first `size` leaves of the tree.
    ///
    /// # Errors
    /// A tile could not be read, or the tree is smaller.
    pub fn root_at(&self, size: TreeSize) -> Result<Hash, TileTreeError<R::Error>> {
        self.over_nodes(|nodes| tree::root_at(nodes, size))
    }

    /// The frontier of the tree.
    ///
    /// # Errors
    /// A tile could not be read.
    pub fn frontier(&self) -> Result<Frontier, TileTreeError<R::Error>> {
        self.over_nodes(|nodes| tree::frontier_at(nodes, self.size))
    }

    /// Hash of one leaf.
    ///
    /// # Errors
    /// A tile could not be read, or the tree has no such leaf.
    pub fn leaf(&self, leaf: LeafIndex) -> Result<Hash, TileTreeError<R::Error>> {
        let outside = TreeError::LeafOutsideTree { leaf, size: self.size };
        self.over_nodes(|nodes| nodes.node(0, leaf.get()).ok_or(outside))
    }

    /// Proof that a leaf is in the tree.
    ///
    /// # Errors
    /// A tile could not be read, or the tree has no such leaf.
    pub fn inclusion_proof(
        &self,
        leaf: LeafIndex,
    ) -> Result<InclusionProof, TileTreeError<R::Error>> {
        self.over_nodes(|nodes| inclusion_proof(nodes, leaf, self.size))
    }

    /// Proof that the tree begins with the first `old` leaves.
    ///
    /// # Errors
    /// A tile could not be read, or the tree is smaller.
    pub fn consistency_proof(
        &self,
        old: TreeSize,
    ) -> Result<ConsistencyProof, TileTreeError<R::Error>> {
        self.over_nodes(|nodes| consistency_proof(nodes, old, self.size))
    }

    /// Proof of the root that the first `old` leaves of the tree have.
    ///
    /// # Errors
    /// A tile could not be read, or the tree is smaller.
    pub fn prefix_proof(&self, old: TreeSize) -> Result<PrefixProof, TileTreeError<R::Error>> {
        self.over_nodes(|nodes| prefix_proof(nodes, old, self.size))
    }

    /// Runs tree code, which knows only present and missing nodes, and puts the reason why a tile
    /// was missing in the place of its complaint.
    fn over_nodes<T>(
        &self,
        compute: impl FnOnce(&Nodes<'_, R>) -> Result<T, TreeError>,
    ) -> Result<T, TileTreeError<R::Error>> {
        let nodes = Nodes { tree: self, failure: RefCell::new(None) };
        let result = compute(&nodes);
        match nodes.failure.into_inner() {
            Some(failure) => Err(failure),
            None => Ok(result?),
        }
    }

    fn node(&self, level: u8, index: u64) -> Result<Option<Hash>, TileTreeError<R::Error>> {
        let height = level % TILE_HEIGHT;
        let Some(tile_level) = TileLevel::new(level / TILE_HEIGHT) else {
            return Ok(None);
        };
        let count = 1 << height;
        let Some(first) = index.checked_mul(count) else {
            return Ok(None);
        };
        // The last hash decides: the tile exists at the width that holds all of the node's hashes.
        let Some(path) = tile_with(tile_level, first.saturating_add(count - 1), self.size) else {
            return Ok(None);
        };
        let offset = u16::try_from(first % u64::from(TileWidth::FULL.get()))
            .expect("invariant: a remainder of 256 fits");
        let mut tiles = self.tiles.borrow_mut();
        if let Some(tile) = tiles.get(&path) {
            return Ok(tile.subtree_root(offset, height));
        }
        let tile =
            self.reader.read_tile(path).map_err(|source| TileTreeError::Read { path, source })?;
        if tile.width() != path.width {
            return Err(TileTreeError::Width { path, found: tile.width() });
        }
        let root = tile.subtree_root(offset, height);
        tiles.insert(path, tile);
        Ok(root)
    }
}

/// One computation over a [`TileTree`]: remembers the first read that failed.
struct Nodes<'a, R: ReadTile> {
    tree: &'a TileTree<R>,
    failure: RefCell<Option<TileTreeError<R::Error>>>,
}

impl<R: ReadTile> NodeSource for Nodes<'_, R> {
    fn node(&self, level: u8, index: u64) -> Option<Hash> {
        match self.tree.node(level, index) {
            Ok(node) => node,
            Err(failure) => {
                self.failure.borrow_mut().get_or_insert(failure);
                None
            }
        }
    }
}
