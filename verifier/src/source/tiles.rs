//! The tiles of a source as a tree, to build proofs from. Nothing read here is trusted: a proof
//! counts only against a root that was signed.

use letopis_ledger::tile::{ReadTile, Tile, TileError, TilePath};
use thiserror::Error;

use super::{LogSource, SourceError};

/// Why a tile could not be had.
#[derive(Debug, Error)]
pub enum TileReadError {
    /// The bytes could not be had.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The bytes are no tile.
    #[error(transparent)]
    Form(#[from] TileError),
}

impl TileReadError {
    /// Whether the log itself is at fault, and not the way to it.
    #[must_use]
    pub const fn is_of_log(&self) -> bool {
        match self {
            Self::Source(error) => error.is_of_log(),
            Self::Form(_) => true,
        }
    }
}

/// Reads tiles from a log.
#[derive(Clone, Copy)]
pub struct SourceTiles<'a>(pub &'a dyn LogSource);

impl ReadTile for SourceTiles<'_> {
    type Error = TileReadError;

    fn read_tile(&self, path: TilePath) -> Result<Tile, TileReadError> {
        Ok(Tile::from_bytes(&self.0.tile(path)?)?)
    }
}
