//! A public log in a folder, written straight from the formats: what a verifier is measured on.
//!
//! Not here: a node. Writing a million leaves through consensus would measure consensus.

use std::fs;
use std::path::Path;

use letopis_ledger::bundle::encode_bundle;
use letopis_ledger::checkpoint::{Checkpoint, Origin};
use letopis_ledger::cosignature::CosignatureSigner;
use letopis_ledger::hash::leaf_hash;
use letopis_ledger::leaf::{Leaf, genesis_link};
use letopis_ledger::note::{Note, NoteSigner};
use letopis_ledger::record::SignedRecord;
use letopis_ledger::tile::{ReadTile, Tile, TilePath, bundles_at, tiles_at};
use letopis_ledger::tree::{MemoryTree, NodeSource};
use letopis_ledger::{LeafIndex, Timestamp, TreeSize};

use crate::append::{self, ORIGIN};

/// Streams that the records are spread over.
const STREAMS: usize = 1000;

/// Writes a log of `size` leaves with its tiles, bundles and cosigned checkpoint.
pub(crate) fn write(folder: &Path, size: u64) -> anyhow::Result<MemoryTree> {
    let mut tree = MemoryTree::new();
    let mut previous = genesis_link();
    let mut bundle: Vec<Vec<u8>> = Vec::with_capacity(256);
    let mut paths = bundles_at(TreeSize::new(size));
    for index in 0..size {
        let record = record(index)?;
        let time = Timestamp::from_unix_ms(1_700_000_000_000 + i64::try_from(index)?)?;
        let leaf = Leaf::new(LeafIndex::new(index), previous, time, record)?;
        previous = leaf_hash(leaf.as_bytes());
        tree.append(previous);
        bundle.push(leaf.as_bytes().to_vec());
        if bundle.len() == 256 || index + 1 == size {
            let path = paths.next().expect("invariant: a bundle for every 256 leaves");
            put(folder, &path.to_string(), &encode_bundle(&bundle)?)?;
            bundle.clear();
        }
    }
    for path in tiles_at(tree.size()) {
        let tile = TreeTiles(&tree).read_tile(path)?;
        put(folder, &path.to_string(), &tile.to_bytes())?;
    }
    put(folder, "checkpoint", checkpoint(&tree)?.as_bytes())?;
    Ok(tree)
}

/// The signed and cosigned checkpoint of a tree.
pub(crate) fn checkpoint(tree: &MemoryTree) -> anyhow::Result<String> {
    let (log, cosigner) = append::note_keys()?;
    let checkpoint = Checkpoint::new(Origin::new(ORIGIN)?, tree.size(), tree.root());
    let text = checkpoint.to_string();
    let signature = NoteSigner::new(&log)?.sign(&text);
    let cosignature = CosignatureSigner::new(&cosigner)?.sign(&checkpoint, 1_700_000_000)?;
    Ok(Note::new(text, vec![signature, cosignature])?.to_string())
}

fn record(index: u64) -> anyhow::Result<SignedRecord> {
    let Some(number) = index.checked_sub(1) else { return append::genesis() };
    let number = usize::try_from(number)?;
    append::record(number % STREAMS, number / STREAMS)
}

fn put(folder: &Path, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let path = folder.join(name);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    Ok(fs::write(path, bytes)?)
}

/// The tiles of a tree in memory.
pub(crate) struct TreeTiles<'a>(pub(crate) &'a MemoryTree);

impl ReadTile for TreeTiles<'_> {
    type Error = std::convert::Infallible;

    fn read_tile(&self, path: TilePath) -> Result<Tile, Self::Error> {
        let level = path.level.get() * 8;
        let first = path.index.get() * 256;
        let hashes = (first..first + u64::from(path.width.get()))
            .map(|index| self.0.node(level, index))
            .collect::<Option<Vec<_>>>();
        let tile = hashes.and_then(Tile::new);
        Ok(tile.expect("invariant: only tiles of the tree are asked for"))
    }
}
