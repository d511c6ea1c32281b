//! The tiles above the leaves: each published hash must be the root of the tile below it.

use letopis_ledger::tile::{Tile, TileIndex, TileLevel, TilePath, TileWidth};
use letopis_ledger::{Hash, LeafIndex, TreeSize};

use super::root::root_of;
use crate::finding::{Finding, Findings, Rule};
use crate::source::{LogSource, SourceError};

const FULL: usize = 256;

/// Recomputes the tiles of levels 1 and up from the leaf hashes and compares the published ones.
pub(super) struct TileAudit<'a> {
    source: &'a dyn LogSource,
    size: TreeSize,
    /// For each level from 1 up: the tile being filled and how many tiles came before it.
    levels: Vec<(Vec<Hash>, u64)>,
}

impl<'a> TileAudit<'a> {
    pub(super) fn new(source: &'a dyn LogSource, size: TreeSize) -> Self {
        Self { source, size, levels: Vec::new() }
    }

    /// Takes the leaf hashes of the next bundle.
    pub(super) fn take(
        &mut self,
        leaves: &[Hash],
        findings: &mut Findings,
    ) -> Result<(), SourceError> {
        if leaves.len() < FULL {
            return Ok(());
        }
        self.add(0, root_of(leaves), findings)
    }

    /// Compares the partial tiles at the right edge.
    pub(super) fn finish(&mut self, findings: &mut Findings) -> Result<(), SourceError> {
        for level in 0..self.levels.len() {
            if !self.levels[level].0.is_empty() {
                self.compare(level, findings)?;
            }
        }
        Ok(())
    }

    fn add(
        &mut self,
        level: usize,
        hash: Hash,
        findings: &mut Findings,
    ) -> Result<(), SourceError> {
        if self.levels.len() == level {
            self.levels.push((Vec::with_capacity(FULL), 0));
        }
        self.levels[level].0.push(hash);
        if self.levels[level].0.len() < FULL {
            return Ok(());
        }
        self.compare(level, findings)?;
        let root = root_of(&self.levels[level].0);
        let (hashes, before) = &mut self.levels[level];
        hashes.clear();
        *before += 1;
        self.add(level + 1, root, findings)
    }

    fn compare(&mut self, level: usize, findings: &mut Findings) -> Result<(), SourceError> {
        let (hashes, before) = &self.levels[level];
        let number = u8::try_from(level + 1).expect("invariant: a tree has at most 8 tile levels");
        let width = u16::try_from(hashes.len()).ok().and_then(TileWidth::new);
        let path = TilePath {
            level: TileLevel::new(number).expect("invariant: tile levels end at 63"),
            index: TileIndex::new(*before),
            width: width.expect("invariant: a tile has 1 to 256 hashes"),
        };
        let problem = match self.source.tile(path) {
            Ok(bytes) => match Tile::from_bytes(&bytes) {
                Ok(tile) if tile.hashes() == hashes => None,
                Ok(_) => Some(format!("{path} does not hold the roots of the tiles below it")),
                Err(error) => Some(format!("{path}: {error}")),
            },
            Err(error) if error.is_of_log() => Some(error.to_string()),
            Err(error) => return Err(error),
        };
        if let Some(detail) = problem {
            // Leaves below one hash of this level.
            let leaves = 256_u64.saturating_pow(u32::from(number));
            let first = before.saturating_mul(256).saturating_mul(leaves);
            let leaf = LeafIndex::new(first.min(self.size.get().saturating_sub(1)));
            findings.push(Finding::at(Rule::TreeTile, leaf, detail));
        }
        Ok(())
    }
}
