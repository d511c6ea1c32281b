//! Making and checking proofs: inclusion and consistency, from tiles as a server and a client do.

use std::hint::black_box;
use std::time::Duration;

use letopis_ledger::tile::TileTree;
use letopis_ledger::tree::MemoryTree;
use letopis_ledger::{LeafIndex, TreeSize};

use crate::limits::{Limits, rate};
use crate::written_log::TreeTiles;

/// Measures and prints proofs per second on one core, on the tree of a log.
pub(crate) fn measure(tree: &MemoryTree, time: Duration, limits: &Limits) -> anyhow::Result<()> {
    let size = tree.size();
    let mut next = 0_u64;
    // A step that visits leaves far apart, so that no tile stays at hand by chance.
    let mut leaf = move || {
        next = (next + 7_919) % size.get();
        LeafIndex::new(next)
    };
    let tiles = TileTree::new(TreeTiles(tree), size);
    let made = rate(time, || {
        black_box(tiles.inclusion_proof(leaf())?);
        Ok(())
    })?;
    let root = tree.root();
    let index = LeafIndex::new(size.get() / 3);
    let proof = tiles.inclusion_proof(index)?;
    let hash = tree.leaf(index).expect("invariant: the leaf is in the tree");
    let checked = rate(time, || Ok(proof.verify(black_box(&hash), &root)?))?;
    let old = TreeSize::new(size.get() / 2 + 1);
    let consistency = rate(time, || {
        black_box(tiles.consistency_proof(old)?);
        Ok(())
    })?;
    let hashes = proof.path().len() as f64 + 1.0;
    println!("## Proofs in a log of {size} leaves, one core\n");
    println!("| what | per second | of the hashing limit |");
    println!("|---|---:|---:|");
    println!("| inclusion proofs made from tiles | {made:.0} | |");
    println!(
        "| inclusion proofs checked ({hashes:.0} hashes each) | {checked:.0} | {:.0} % |",
        checked * hashes / limits.node_hashes_per_second * 100.0
    );
    println!("| consistency proofs made from tiles | {consistency:.0} | |\n");
    Ok(())
}
