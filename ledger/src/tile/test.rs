//! Tile paths, geometry and contents against the specification and a crate of others.

use std::collections::BTreeSet;

use metamorphic_log::tile as metamorphic;
use proptest::prelude::*;

use super::*;
use crate::hash::leaf_hash;
use crate::tree::{self, MemoryTree, NodeSource, TreeError};

const LARGE_SIZES: [u64; 7] = [255, 256, 257, 65_535, 65_536, 65_537, 70_000];

fn size(count: u64) -> TreeSize {
    TreeSize::new(count)
}

fn tree_of(count: u64) -> MemoryTree {
    (0..count).map(|index| leaf_hash(&index.to_be_bytes())).collect()
}

/// Cuts tiles out of a tree in memory, as a writer does, and refuses what the size lacks.
struct TilesOf<'a> {
    tree: &'a MemoryTree,
    size: TreeSize,
}

impl ReadTile for TilesOf<'_> {
    type Error = String;

    fn read_tile(&self, path: TilePath) -> Result<Tile, String> {
        if !tiles_at(self.size).any(|known| known == path) {
            return Err(format!("no {path} at {}", self.size));
        }
        let first = path.index.get() * 256;
        let hashes = (first..first + u64::from(path.width.get()))
            .map(|index| self.tree.node(path.level.get() * TILE_HEIGHT, index).unwrap())
            .collect();
        let tile = Tile::new(hashes).unwrap();
        Ok(Tile::from_bytes_exact(&tile.to_bytes(), path.width).unwrap())
    }
}

fn tile_path(level: u8, index: u64, width: u16) -> TilePath {
    TilePath {
        level: TileLevel::new(level).unwrap(),
        index: TileIndex::new(index),
        width: TileWidth::new(width).unwrap(),
    }
}

#[test]
fn paths_have_the_spelling_of_the_specification() {
    for (path, text) in [
        (tile_path(0, 0, 256), "tile/0/000"),
        (tile_path(0, 1_234_067, 256), "tile/0/x001/x234/067"),
        (tile_path(0, 1_234_067, 12), "tile/0/x001/x234/067.p/12"),
        (tile_path(1, 0, 1), "tile/1/000.p/1"),
        (tile_path(63, 1_000, 255), "tile/63/x001/000.p/255"),
        (tile_path(2, u64::MAX, 256), "tile/2/x018/x446/x744/x073/x709/x551/615"),
    ] {
        assert_eq!(path.to_string(), text);
        assert_eq!(TilePath::parse(text), Ok(path));
        let bundle = BundlePath { index: path.index, width: path.width };
        let level = format!("tile/{}/", path.level);
        let bundle_text = text.replacen(&level, "tile/entries/", 1);
        assert_eq!(bundle.to_string(), bundle_text);
        assert_eq!(BundlePath::parse(&bundle_text), Ok(bundle));
        assert!(TilePath::parse(&bundle_text).is_err());
        assert!(BundlePath::parse(text).is_err());
    }
}

#[test]
fn every_other_spelling_of_a_path_is_refused() {
    use TilePathError as E;
    type Expected = fn(&E) -> bool;
    let cases: [(&str, Expected); 28] = [
        ("", |e| matches!(e, E::Prefix { .. })),
        ("/tile/0/000", |e| matches!(e, E::Prefix { .. })),
        ("tile/0", |e| matches!(e, E::Prefix { .. })),
        ("tile/64/000", |e| matches!(e, E::Level { .. })),
        ("tile/256/000", |e| matches!(e, E::Level { .. })),
        ("tile/00/000", |e| matches!(e, E::Level { .. })),
        ("tile/-1/000", |e| matches!(e, E::Level { .. })),
        ("tile//000", |e| matches!(e, E::Level { .. })),
        ("tile/0/", |e| matches!(e, E::Index { .. })),
        ("tile/0/0", |e| matches!(e, E::Index { .. })),
        ("tile/0/0000", |e| matches!(e, E::Index { .. })),
        ("tile/0/x000", |e| matches!(e, E::Index { .. })),
        ("tile/0/x000/001", |e| matches!(e, E::Index { .. })),
        ("tile/0/001/001", |e| matches!(e, E::Index { .. })),
        ("tile/0/x001/x001", |e| matches!(e, E::Index { .. })),
        ("tile/0/x001//001", |e| matches!(e, E::Index { .. })),
        ("tile/0/x001/001/", |e| matches!(e, E::Index { .. })),
        ("tile/0/x001/+01", |e| matches!(e, E::Index { .. })),
        ("tile/0/x018/x446/x744/x073/x709/x551/616", |e| matches!(e, E::Index { .. })),
        ("tile/0/../001", |e| matches!(e, E::Index { .. })),
        ("tile/0/000.p", |e| matches!(e, E::Index { .. })),
        ("tile/0/000.p/", |e| matches!(e, E::Width { .. })),
        ("tile/0/000.p/0", |e| matches!(e, E::Width { .. })),
        ("tile/0/000.p/256", |e| matches!(e, E::Width { .. })),
        ("tile/0/000.p/01", |e| matches!(e, E::Width { .. })),
        ("tile/0/000.p/65537", |e| matches!(e, E::Width { .. })),
        ("tile/0/000.p/1/", |e| matches!(e, E::Width { .. })),
        ("tile/0/000.p/1.p/1", |e| matches!(e, E::Width { .. })),
    ];
    for (path, expected) in cases {
        let error = TilePath::parse(path).unwrap_err();
        assert!(expected(&error), "{path:?} gave {error:?}");
    }
}

#[test]
fn a_tree_of_70_000_leaves_has_the_tiles_the_specification_lists() {
    let tiles: Vec<TilePath> = tiles_at(size(70_000)).collect();
    assert_eq!(tiles.len(), 273 + 1 + 1 + 1 + 1);
    assert!(tiles[..273].iter().all(|tile| tile.level == TileLevel::ZERO && tile.width.is_full()));
    let rest: Vec<String> = tiles[273..].iter().map(ToString::to_string).collect();
    assert_eq!(rest, ["tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"]);
    let of_256: Vec<String> = tiles_at(size(256)).map(|tile| tile.to_string()).collect();
    assert_eq!(of_256, ["tile/0/000", "tile/1/000.p/1"]);
    assert_eq!(tiles_at(size(0)).count(), 0);
    assert_eq!(bundles_at(size(0)).count(), 0);
    let bundles: Vec<String> = bundles_at(size(257)).map(|bundle| bundle.to_string()).collect();
    assert_eq!(bundles, ["tile/entries/000", "tile/entries/001.p/1"]);
    let last = bundle_with(LeafIndex::new(256), size(257)).unwrap();
    assert_eq!(last.to_string(), "tile/entries/001.p/1");
    assert_eq!(bundle_with(LeafIndex::new(257), size(257)), None);
}

#[test]
fn tile_sets_agree_with_metamorphic_log() {
    for count in (0..600).chain(LARGE_SIZES) {
        let ours: BTreeSet<String> = tiles_at(size(count)).map(|tile| tile.to_string()).collect();
        let theirs: BTreeSet<String> =
            metamorphic::tiles_for_size(count).iter().map(metamorphic::Tile::path).collect();
        assert_eq!(ours, theirs, "tiles of {count}");
    }
}

#[test]
fn what_a_growing_log_publishes_adds_up_to_every_tile() {
    let mut published = BTreeSet::new();
    let mut old = TreeSize::ZERO;
    for count in [0, 1, 255, 256, 257, 600, 65_535, 65_536, 65_537, 70_000] {
        let new = size(count);
        let added: BTreeSet<TilePath> = tiles_between(old, new).collect();
        assert!(published.is_disjoint(&added), "a tile of {old} was published again at {new}");
        published.extend(added);
        assert!(tiles_at(new).all(|tile| published.contains(&tile)), "tiles of {new}");
        assert_eq!(tiles_between(new, new).count(), 0);
        assert_eq!(tiles_between(new, old).count(), 0);
        old = new;
    }
}

#[test]
fn tiles_hold_the_bytes_of_their_hashes() {
    let hashes = vec![Hash::of(b"a"), Hash::of(b"b")];
    let tile = Tile::new(hashes.clone()).unwrap();
    let bytes = tile.to_bytes();
    assert_eq!(bytes, [hashes[0].as_bytes().as_slice(), hashes[1].as_bytes()].concat());
    assert_eq!(Tile::from_bytes(&bytes), Ok(tile.clone()));
    assert_eq!(tile.prefix(TileWidth(1)).unwrap().hashes(), &hashes[..1]);
    assert_eq!(tile.prefix(TileWidth(3)), None);
    assert_eq!(Tile::new(vec![]), None);
    assert_eq!(Tile::new(vec![hashes[0]; 257]), None);
    for length in [0, 1, 31, 33, 63, 257 * 32] {
        let error = TileError::Length { found_bytes: length };
        assert_eq!(Tile::from_bytes(&vec![0; length]), Err(error));
    }
    let error = TileError::Width { expected: TileWidth(1), found: TileWidth(2) };
    assert_eq!(Tile::from_bytes_exact(&bytes, TileWidth(1)), Err(error));
}

#[test]
fn proofs_from_tiles_are_those_from_memory() {
    let tree = tree_of(70_000);
    for count in (1..600).step_by(7).chain(LARGE_SIZES) {
        let size = size(count);
        let tiles = TileTree::new(TilesOf { tree: &tree, size }, size);
        assert_eq!(tiles.root().unwrap(), tree::root_at(&tree, size).unwrap());
        assert_eq!(tiles.frontier().unwrap(), tree::frontier_at(&tree, size).unwrap());
        for index in [0, 255, 256, count / 2, count - 1].into_iter().filter(|i| *i < count) {
            let leaf = LeafIndex::new(index);
            let expected = tree::inclusion_proof(&tree, leaf, size).unwrap();
            assert_eq!(tiles.inclusion_proof(leaf).unwrap(), expected);
            assert_eq!(tiles.leaf(leaf).unwrap(), tree.leaf(leaf).unwrap());
            let old = TreeSize::new(index);
            let expected = tree::consistency_proof(&tree, old, size).unwrap();
            assert_eq!(tiles.consistency_proof(old).unwrap(), expected);
            assert_eq!(tiles.root_at(old).unwrap(), tree::root_at(&tree, old).unwrap());
        }
    }
}

#[test]
fn why_a_tile_could_not_be_read_reaches_the_caller() {
    let tree = tree_of(300);
    let tiles = TileTree::new(TilesOf { tree: &tree, size: size(300) }, size(600));
    let error = tiles.root().unwrap_err();
    assert_eq!(error.to_string(), "tile/1/000.p/2 could not be read: no tile/1/000.p/2 at 300");
    let leaf = LeafIndex::new(600);
    let outside = TreeError::LeafOutsideTree { leaf, size: size(600) };
    assert!(matches!(tiles.leaf(leaf), Err(TileTreeError::Tree(e)) if e == outside));
    assert!(matches!(tiles.inclusion_proof(leaf), Err(TileTreeError::Tree(e)) if e == outside));
    let tiles = TileTree::new(TilesOf { tree: &tree, size: size(300) }, size(300));
    assert!(matches!(
        tiles.root_at(size(301)),
        Err(TileTreeError::Tree(TreeError::MissingNode { level: 0, index: 300 }))
    ));
}

#[test]
fn a_tile_wider_than_its_path_is_refused() {
    struct TooWide;
    impl ReadTile for TooWide {
        type Error = String;
        fn read_tile(&self, _path: TilePath) -> Result<Tile, String> {
            Ok(Tile::new(vec![Hash::of(b"x"); 256]).unwrap())
        }
    }
    let tiles = TileTree::new(TooWide, size(5));
    let expected = tile_path(0, 0, 5);
    assert!(matches!(
        tiles.root(),
        Err(TileTreeError::Width { path, found: TileWidth::FULL }) if path == expected
    ));
}

proptest! {
    #[test]
    fn every_path_reads_back(level in 0_u8..=63, index: u64, width in 1_u16..=256) {
        let path = tile_path(level, index, width);
        prop_assert_eq!(TilePath::parse(&path.to_string()), Ok(path));
        let theirs = metamorphic::Tile::new(level, index, width).unwrap();
        prop_assert_eq!(path.to_string(), theirs.path());
    }

    #[test]
    fn whatever_is_read_prints_the_same(
        text in "tile/[0-9]{1,2}/(x[0-9]{3}/){0,2}[0-9]{3}(.p/[0-9]{1,3})?",
    ) {
        if let Ok(path) = TilePath::parse(&text) {
            prop_assert_eq!(path.to_string(), text);
        }
    }

    #[test]
    fn every_hash_of_a_tree_has_its_tile(count in 1_u64..100_000, level in 0_u8..3, at: u64) {
        let level = TileLevel::new(level).unwrap();
        let hash_count = level.hash_count(size(count));
        if hash_count > 0 {
            let index = at % hash_count;
            let path = tile_with(level, index, size(count)).unwrap();
            prop_assert!(index / 256 == path.index.get() && index % 256 < path.width.get().into());
            prop_assert!(tiles_at(size(count)).any(|tile| tile == path));
        }
        prop_assert_eq!(tile_with(level, hash_count, size(count)), None);
    }
}
