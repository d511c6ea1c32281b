//! The tree against the recursive definitions of RFC 6962 and against two crates of others.

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use metamorphic_log::merkle::MerkleTree as MetamorphicTree;
use metamorphic_log::proof as metamorphic;
use proptest::prelude::*;
use sha2::Sha256;

use super::*;
use crate::hash::leaf_hash;

/// Sizes beside every power of 256 that a test can afford, and the example of tlog-tiles.
const LARGE_SIZES: [u64; 7] = [255, 256, 257, 65_535, 65_536, 65_537, 70_000];

fn leaf_bytes(index: u64) -> [u8; 8] {
    index.to_be_bytes()
}

fn tree_of(count: u64) -> MemoryTree {
    (0..count).map(|index| leaf_hash(&leaf_bytes(index))).collect()
}

fn leaves_of(tree: &MemoryTree) -> Vec<Hash> {
    (0..tree.size().get()).map(|i| tree.leaf(LeafIndex::new(i)).unwrap()).collect()
}

fn split(count: usize) -> usize {
    let mut k = 1;
    while k * 2 < count {
        k *= 2;
    }
    k
}

/// MTH of RFC 6962 section 2.1, word for word.
fn mth(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node_hash(&mth(left), &mth(right))
        }
    }
}

/// PATH of RFC 6962 section 2.1.1, word for word.
fn path(m: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return vec![];
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut hashes, sibling) =
        if m < k { (path(m, left), mth(right)) } else { (path(m - k, right), mth(left)) };
    hashes.push(sibling);
    hashes
}

/// SUBPROOF of RFC 6962 section 2.1.2, word for word.
fn subproof(m: usize, leaves: &[Hash], complete: bool) -> Vec<Hash> {
    if m == leaves.len() {
        return if complete { vec![] } else { vec![mth(leaves)] };
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut hashes, sibling) = if m <= k {
        (subproof(m, left, complete), mth(right))
    } else {
        (subproof(m - k, right, false), mth(left))
    };
    hashes.push(sibling);
    hashes
}

fn size(count: u64) -> TreeSize {
    TreeSize::new(count)
}

fn as_vectors(hashes: &[Hash]) -> Vec<Vec<u8>> {
    hashes.iter().map(|hash| hash.as_bytes().to_vec()).collect()
}

#[test]
fn roots_of_0_to_600_leaves_are_those_of_the_definition() {
    let tree = tree_of(600);
    let leaves = leaves_of(&tree);
    let mut frontier = Frontier::new();
    for count in 0..=600 {
        let expected = mth(&leaves[..count]);
        assert_eq!(frontier.root(), expected, "frontier of {count}");
        assert_eq!(root_at(&tree, size(count as u64)), Ok(expected), "root_at of {count}");
        assert_eq!(frontier_at(&tree, size(count as u64)).as_ref(), Ok(&frontier));
        let restored = Frontier::from_parts(frontier.size(), frontier.hashes().to_vec());
        assert_eq!(restored.as_ref(), Ok(&frontier));
        if let Some(leaf) = leaves.get(count) {
            assert_eq!(frontier.append(*leaf), LeafIndex::new(count as u64));
        }
    }
}

#[test]
fn every_inclusion_proof_up_to_600_leaves_verifies() {
    let tree = tree_of(600);
    for count in 1..=600 {
        let root = root_at(&tree, size(count)).unwrap();
        for index in 0..count {
            let leaf = LeafIndex::new(index);
            let proof = inclusion_proof(&tree, leaf, size(count)).unwrap();
            proof.verify(&tree.leaf(leaf).unwrap(), &root).unwrap();
        }
    }
}

#[test]
fn every_consistency_proof_up_to_600_leaves_verifies() {
    let tree = tree_of(600);
    let roots: Vec<Hash> = (0..=600).map(|count| root_at(&tree, size(count)).unwrap()).collect();
    for new in 0..=600 {
        for old in 0..=new {
            let proof = consistency_proof(&tree, size(old), size(new)).unwrap();
            proof.verify(&roots[old as usize], &roots[new as usize]).unwrap();
        }
    }
}

#[test]
fn proofs_around_powers_of_256_verify() {
    let tree = tree_of(70_000);
    for new in LARGE_SIZES {
        let new_root = root_at(&tree, size(new)).unwrap();
        for index in [0, 1, 254, 255, 256, 257, 65_535, 65_536, new / 2, new - 2, new - 1] {
            if index < new {
                let leaf = LeafIndex::new(index);
                let proof = inclusion_proof(&tree, leaf, size(new)).unwrap();
                proof.verify(&tree.leaf(leaf).unwrap(), &new_root).unwrap();
            }
        }
        for old in LARGE_SIZES.into_iter().filter(|old| *old <= new) {
            let old_root = root_at(&tree, size(old)).unwrap();
            let proof = consistency_proof(&tree, size(old), size(new)).unwrap();
            proof.verify(&old_root, &new_root).unwrap();
        }
    }
}

#[test]
fn large_trees_agree_with_metamorphic_log() {
    let tree = tree_of(70_000);
    let mut other = MetamorphicTree::new();
    for index in 0..70_000 {
        other.push(&leaf_bytes(index));
    }
    for new in LARGE_SIZES {
        assert_eq!(root_at(&tree, size(new)).unwrap().as_bytes(), &other.root_at(new));
        for index in [0, 255 % new, 256 % new, new / 3, new - 1] {
            let ours = inclusion_proof(&tree, LeafIndex::new(index), size(new)).unwrap();
            let theirs = other.inclusion_proof(index, new);
            assert_eq!(as_vectors(ours.path()), as_plain(&theirs), "leaf {index} of {new}");
        }
        for old in LARGE_SIZES.into_iter().filter(|old| *old < new) {
            let ours = consistency_proof(&tree, size(old), size(new)).unwrap();
            let theirs = other.consistency_proof(old, new);
            assert_eq!(as_vectors(ours.path()), as_plain(&theirs), "{old} to {new}");
        }
    }
}

fn as_plain(hashes: &[[u8; 32]]) -> Vec<Vec<u8>> {
    hashes.iter().map(|hash| hash.to_vec()).collect()
}

#[test]
fn all_small_trees_agree_with_ct_merkle() {
    let tree = tree_of(600);
    let mut other: MemoryBackedTree<Sha256, [u8; 8]> = MemoryBackedTree::new();
    for count in 1..=600_u64 {
        other.push(leaf_bytes(count - 1));
        let root = root_at(&tree, size(count)).unwrap();
        assert_eq!(root.as_bytes()[..], other.root().as_bytes()[..], "root of {count}");
        // Every leaf of every size would repeat the tests above at ct-merkle's cost.
        for index in [0, count / 3, count / 2, count - 1] {
            let ours = inclusion_proof(&tree, LeafIndex::new(index), size(count)).unwrap();
            let theirs = other.prove_inclusion(index as usize);
            assert_eq!(as_vectors(ours.path()).concat(), theirs.as_bytes());
        }
        for old in [1, count / 3, count / 2, count - 1] {
            if old == 0 || old == count {
                continue;
            }
            let ours = consistency_proof(&tree, size(old), size(count)).unwrap();
            let theirs = other.prove_consistency((count - old) as usize);
            assert_eq!(as_vectors(ours.path()).concat(), theirs.as_bytes(), "{old} to {count}");
        }
    }
}

#[test]
fn other_verifiers_accept_our_proofs() {
    let tree = tree_of(300);
    let root = tree.root();
    for index in 0..300 {
        let leaf = LeafIndex::new(index);
        let proof = inclusion_proof(&tree, leaf, size(300)).unwrap();
        metamorphic::verify_inclusion(
            index,
            300,
            tree.leaf(leaf).unwrap().as_bytes(),
            &as_vectors(proof.path()),
            root.as_bytes(),
        )
        .unwrap();
    }
    for old in 1..300 {
        let proof = consistency_proof(&tree, size(old), size(300)).unwrap();
        let old_root = root_at(&tree, size(old)).unwrap();
        metamorphic::verify_consistency(
            old,
            300,
            &as_vectors(proof.path()),
            old_root.as_bytes(),
            root.as_bytes(),
        )
        .unwrap();
    }
}

#[test]
fn appending_reports_every_node_once() {
    let mut reported = std::collections::BTreeMap::new();
    let mut frontier = Frontier::new();
    for index in 0..600 {
        frontier.append_with(leaf_hash(&leaf_bytes(index)), |level, node, hash| {
            assert!(reported.insert((level, node), hash).is_none(), "({level}, {node}) twice");
        });
    }
    let tree = tree_of(600);
    let expected: usize = (0..10).map(|level| 600 >> level).sum();
    assert_eq!(reported.len(), expected);
    for ((level, index), hash) in reported {
        assert_eq!(tree.node(level, index), Some(hash));
    }
}

#[test]
fn a_frontier_of_the_wrong_length_is_refused() {
    assert_eq!(
        Frontier::from_parts(size(6), vec![empty_root()]),
        Err(FrontierError::HashCount { size: size(6), expected: 2, found: 1 })
    );
    assert_eq!(
        Frontier::from_parts(size(0), vec![empty_root()]),
        Err(FrontierError::HashCount { size: size(0), expected: 0, found: 1 })
    );
}

#[test]
fn proofs_of_what_the_tree_lacks_are_refused() {
    let tree = tree_of(5);
    let leaf = LeafIndex::new(5);
    let outside = TreeError::LeafOutsideTree { leaf, size: size(5) };
    assert_eq!(inclusion_proof(&tree, leaf, size(5)), Err(outside));
    let larger = TreeError::OldSizeLarger { old: size(5), new: size(4) };
    assert_eq!(consistency_proof(&tree, size(5), size(4)), Err(larger));
    let missing = TreeError::MissingNode { level: 1, index: 2 };
    assert_eq!(root_at(&tree, size(6)), Err(missing));
}

#[test]
fn each_broken_rule_of_an_inclusion_proof_has_its_error() {
    let tree = tree_of(7);
    let (leaf, root) = (tree.leaf(LeafIndex::new(2)).unwrap(), tree.root());
    let good = inclusion_proof(&tree, LeafIndex::new(2), size(7)).unwrap();
    let with_path = |path| InclusionProof::new(good.leaf_index(), good.tree_size(), path);

    let outside = InclusionProof::new(LeafIndex::new(7), size(7), good.path().to_vec());
    let error = ProofError::LeafOutsideTree { leaf: LeafIndex::new(7), size: size(7) };
    assert_eq!(outside.verify(&leaf, &root), Err(error));
    let short = with_path(good.path()[..2].to_vec());
    assert_eq!(short.verify(&leaf, &root), Err(ProofError::PathTooShort { found: 2 }));
    let long = with_path([good.path(), &[root]].concat());
    assert_eq!(long.verify(&leaf, &root), Err(ProofError::PathTooLong { found: 4 }));
    let error = ProofError::RootMismatch { computed: root, expected: leaf };
    assert_eq!(good.verify(&leaf, &leaf), Err(error));
    assert!(matches!(good.verify(&root, &root), Err(ProofError::RootMismatch { .. })));
    let moved = InclusionProof::new(LeafIndex::new(3), size(7), good.path().to_vec());
    assert!(matches!(moved.verify(&leaf, &root), Err(ProofError::RootMismatch { .. })));
}

#[test]
fn each_broken_rule_of_a_consistency_proof_has_its_error() {
    let tree = tree_of(7);
    let (old, new) = (root_at(&tree, size(3)).unwrap(), tree.root());
    let good = consistency_proof(&tree, size(3), size(7)).unwrap();
    let proof = |old, new, path: &[Hash]| ConsistencyProof::new(size(old), size(new), path.into());

    let error = ProofError::OldSizeLarger { old: size(7), new: size(3) };
    assert_eq!(proof(7, 3, good.path()).verify(&new, &old), Err(error));
    assert_eq!(proof(3, 7, &[]).verify(&old, &new), Err(ProofError::PathTooShort { found: 0 }));
    let short = proof(3, 7, &good.path()[..3]);
    assert_eq!(short.verify(&old, &new), Err(ProofError::PathTooShort { found: 3 }));
    let long = proof(3, 7, &[good.path(), &[old]].concat());
    assert_eq!(long.verify(&old, &new), Err(ProofError::PathTooLong { found: 5 }));
    let error = ProofError::OldRootMismatch { computed: old, expected: new };
    assert_eq!(good.verify(&new, &new), Err(error));
    let error = ProofError::NewRootMismatch { computed: new, expected: old };
    assert_eq!(good.verify(&old, &old), Err(error));

    assert_eq!(proof(0, 7, &[old]).verify(&old, &new), Err(ProofError::PathTooLong { found: 1 }));
    let error = ProofError::OldRootMismatch { computed: empty_root(), expected: old };
    assert_eq!(proof(0, 7, &[]).verify(&old, &new), Err(error));
    let error = ProofError::NewRootMismatch { computed: old, expected: new };
    assert_eq!(proof(7, 7, &[]).verify(&old, &new), Err(error));
    assert_eq!(proof(7, 7, &[]).verify(&new, &new), Ok(()));
}

#[test]
fn sizes_at_the_end_of_u64_do_not_overflow() {
    /// Every node exists and is the same hash.
    struct Constant;
    impl NodeSource for Constant {
        fn node(&self, _level: u8, _index: u64) -> Option<Hash> {
            Some(empty_root())
        }
    }
    let last = size(u64::MAX);
    let proof = inclusion_proof(&Constant, LeafIndex::new(u64::MAX - 1), last).unwrap();
    assert_eq!(proof.path().len(), 63);
    let root = root_at(&Constant, last).unwrap();
    assert!(matches!(
        InclusionProof::new(LeafIndex::new(0), last, vec![root; 63]).verify(&root, &root),
        Err(ProofError::PathTooShort { found: 63 })
    ));
    assert_eq!(consistency_proof(&Constant, size(1 << 63), last).unwrap().path().len(), 1);
}

proptest! {
    #[test]
    fn proofs_are_those_of_the_recursive_definition(count in 1_usize..600, at in 0_usize..600) {
        let tree = tree_of(count as u64);
        let leaves = leaves_of(&tree);
        let index = at % count;
        let proof =
            inclusion_proof(&tree, LeafIndex::new(index as u64), size(count as u64)).unwrap();
        prop_assert_eq!(proof.path(), path(index, &leaves));
        let old = index + 1;
        let proof = consistency_proof(&tree, size(old as u64), size(count as u64)).unwrap();
        prop_assert_eq!(proof.path(), subproof(old, &leaves, true));
    }

    #[test]
    fn a_proof_with_one_hash_altered_is_refused(
        count in 2_u64..600,
        at in 0_u64..600,
        hash in 0_usize..10,
        bit in 0_usize..256,
    ) {
        let tree = tree_of(count);
        let flip = |path: &[Hash]| {
            let mut path = path.to_vec();
            let position = hash % path.len();
            let mut bytes = *path[position].as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            path[position] = Hash::from_bytes(bytes);
            path
        };
        let leaf = LeafIndex::new(at % count);
        let good = inclusion_proof(&tree, leaf, size(count)).unwrap();
        let bad = InclusionProof::new(leaf, size(count), flip(good.path()));
        prop_assert!(bad.verify(&tree.leaf(leaf).unwrap(), &tree.root()).is_err());

        let old = size(1 + at % (count - 1));
        let good = consistency_proof(&tree, old, size(count)).unwrap();
        let bad = ConsistencyProof::new(old, size(count), flip(good.path()));
        prop_assert!(bad.verify(&root_at(&tree, old).unwrap(), &tree.root()).is_err());
    }
}
