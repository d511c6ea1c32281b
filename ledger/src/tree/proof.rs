//! Inclusion and consistency proofs: RFC 6962 sections 2.1.1 and 2.1.2, verified by the algorithms
//! of RFC 9162 sections 2.1.3.2 and 2.1.4.2.
//!
//! Not here: proofs as files (`crate::proof`), or trust in the roots that a proof leads to.

use thiserror::Error;

use super::{NodeSource, TreeError, subtree_root};
use crate::hash::{Hash, empty_root, node_hash};
use crate::position::{LeafIndex, TreeSize};

/// Why a proof does not show what it claims.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProofError {
    /// The leaf lies beyond the tree (RFC 9162 section 2.1.3.2, step 1).
    #[error("the proof is for leaf {leaf}, which a tree of {size} leaves does not have")]
    LeafOutsideTree {
        /// Leaf claimed.
        leaf: LeafIndex,
        /// Size of the tree.
        size: TreeSize,
    },
    /// The earlier tree is larger than the later one.
    #[error("the proof claims that {old} leaves came before {new} leaves; a log never shrinks")]
    OldSizeLarger {
        /// Size of the earlier tree.
        old: TreeSize,
        /// Size of the later tree.
        new: TreeSize,
    },
    /// The path goes on after the root is reached.
    #[error("the proof has {found} hashes, more than its sizes allow")]
    PathTooLong {
        /// Hashes in the proof.
        found: usize,
    },
    /// The path ends before the root is reached.
    #[error("the proof has {found} hashes, fewer than its sizes require")]
    PathTooShort {
        /// Hashes in the proof.
        found: usize,
    },
    /// The leaf and the path lead to another root.
    #[error(
        "the leaf leads to root {computed}, not to {expected}; leaf, proof or root was altered"
    )]
    RootMismatch {
        /// Root computed from leaf and path.
        computed: Hash,
        /// Root given.
        expected: Hash,
    },
    /// The path leads to another root of the earlier tree.
    #[error("the proof leads to earlier root {computed}, not to {expected}; it is not this log's")]
    OldRootMismatch {
        /// Root computed from the path.
        computed: Hash,
        /// Root given.
        expected: Hash,
    },
    /// The path leads to another root of the later tree.
    #[error("the proof leads to later root {computed}, not to {expected}; history was rewritten")]
    NewRootMismatch {
        /// Root computed from the path.
        computed: Hash,
        /// Root given.
        expected: Hash,
    },
}

/// Shows that a leaf is at a certain index of a tree, RFC 6962 section 2.1.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof {
    leaf: LeafIndex,
    size: TreeSize,
    path: Vec<Hash>,
}

impl InclusionProof {
    /// Takes a proof as received. Nothing is checked before [`InclusionProof::verify`].
    #[must_use]
    pub const fn new(leaf: LeafIndex, size: TreeSize, path: Vec<Hash>) -> Self {
        Self { leaf, size, path }
    }

    /// Index of the leaf.
    #[must_use]
    pub const fn leaf_index(&self) -> LeafIndex {
        self.leaf
    }

    /// Size of the tree.
    #[must_use]
    pub const fn tree_size(&self) -> TreeSize {
        self.size
    }

    /// Sibling hashes, from the leaf's sibling up to the root's child.
    #[must_use]
    pub fn path(&self) -> &[Hash] {
        &self.path
    }

    /// Checks that the leaf hash leads to the root, RFC 9162 section 2.1.3.2.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn verify(&self, leaf: &Hash, root: &Hash) -> Result<(), ProofError> {
        if !self.size.contains(self.leaf) {
            return Err(ProofError::LeafOutsideTree { leaf: self.leaf, size: self.size });
        }
        let mut climb = Climb { node: self.leaf.get(), last: self.size.get() - 1 };
        let mut computed = *leaf;
        for sibling in &self.path {
            computed = match climb.step() {
                None => return Err(ProofError::PathTooLong { found: self.path.len() }),
                Some(Side::Left) => node_hash(sibling, &computed),
                Some(Side::Right) => node_hash(&computed, sibling),
            };
        }
        if !climb.at_root() {
            return Err(ProofError::PathTooShort { found: self.path.len() });
        }
        if computed != *root {
            return Err(ProofError::RootMismatch { computed, expected: *root });
        }
        Ok(())
    }
}

/// Shows that a tree begins with all leaves of an earlier one, RFC 6962 section 2.1.2.
///
/// RFC 6962 leaves two cases open; here, as in tlog-witness, the path from the empty tree and the
/// path between equal sizes are both empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsistencyProof {
    old: TreeSize,
    new: TreeSize,
    path: Vec<Hash>,
}

impl ConsistencyProof {
    /// Takes a proof as received. Nothing is checked before [`ConsistencyProof::verify`].
    #[must_use]
    pub const fn new(old: TreeSize, new: TreeSize, path: Vec<Hash>) -> Self {
        Self { old, new, path }
    }

    /// Size of the earlier tree.
    #[must_use]
    pub const fn old_size(&self) -> TreeSize {
        self.old
    }

    /// Size of the later tree.
    #[must_use]
    pub const fn new_size(&self) -> TreeSize {
        self.new
    }

    /// The hashes, in the order of RFC 6962.
    #[must_use]
    pub fn path(&self) -> &[Hash] {
        &self.path
    }

    /// Checks that the later root extends the earlier one, RFC 9162 section 2.1.4.2.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn verify(&self, old_root: &Hash, new_root: &Hash) -> Result<(), ProofError> {
        if self.old > self.new {
            return Err(ProofError::OldSizeLarger { old: self.old, new: self.new });
        }
        if self.old == TreeSize::ZERO || self.old == self.new {
            return self.verify_without_path(old_root, new_root);
        }
        let found = self.path.len();
        // A perfect earlier tree is itself the node the climb begins at; otherwise the path names
        // that node first.
        let (start, rest) = if self.old.get().is_power_of_two() {
            (old_root, self.path.as_slice())
        } else {
            self.path.split_first().ok_or(ProofError::PathTooShort { found })?
        };
        let (old_computed, new_computed) = climb_roots(self.old, self.new, start, rest, found)?;
        if old_computed != *old_root {
            let (computed, expected) = (old_computed, *old_root);
            return Err(ProofError::OldRootMismatch { computed, expected });
        }
        if new_computed != *new_root {
            let (computed, expected) = (new_computed, *new_root);
            return Err(ProofError::NewRootMismatch { computed, expected });
        }
        Ok(())
    }

    fn verify_without_path(&self, old_root: &Hash, new_root: &Hash) -> Result<(), ProofError> {
        if !self.path.is_empty() {
            return Err(ProofError::PathTooLong { found: self.path.len() });
        }
        if self.old == TreeSize::ZERO && *old_root != empty_root() {
            let (computed, expected) = (empty_root(), *old_root);
            return Err(ProofError::OldRootMismatch { computed, expected });
        }
        if self.old == self.new && old_root != new_root {
            let (computed, expected) = (*old_root, *new_root);
            return Err(ProofError::NewRootMismatch { computed, expected });
        }
        Ok(())
    }
}

/// Builds the proof that `leaf` is in the tree of the first `size` leaves.
///
/// # Errors
/// The leaf lies beyond the tree, or the source lacks a node.
pub fn inclusion_proof(
    source: &impl NodeSource,
    leaf: LeafIndex,
    size: TreeSize,
) -> Result<InclusionProof, TreeError> {
    if !size.contains(leaf) {
        return Err(TreeError::LeafOutsideTree { leaf, size });
    }
    let (mut start, mut end) = (0, size.get());
    let mut path = Vec::new();
    while end - start > 1 {
        let split = start + largest_power_of_two_below(end - start);
        if leaf.get() < split {
            path.push(subtree_root(source, split, end)?);
            end = split;
        } else {
            path.push(subtree_root(source, start, split)?);
            start = split;
        }
    }
    path.reverse();
    Ok(InclusionProof { leaf, size, path })
}

/// Builds the proof that the tree of `new` leaves begins with the tree of `old` leaves.
///
/// # Errors
/// `old` is larger than `new`, or the source lacks a node.
pub fn consistency_proof(
    source: &impl NodeSource,
    old: TreeSize,
    new: TreeSize,
) -> Result<ConsistencyProof, TreeError> {
    if old > new {
        return Err(TreeError::OldSizeLarger { old, new });
    }
    let mut path = Vec::new();
    if old == TreeSize::ZERO {
        return Ok(ConsistencyProof { old, new, path });
    }
    // While the walk keeps to the left edge, the verifier knows the subtree it ends in: it is the
    // earlier tree itself. After one step to the right it does not, and the path must name it.
    let (mut start, mut end) = (0, new.get());
    while end != old.get() {
        let split = start + largest_power_of_two_below(end - start);
        if old.get() <= split {
            path.push(subtree_root(source, split, end)?);
            end = split;
        } else {
            path.push(subtree_root(source, start, split)?);
            start = split;
        }
    }
    if start != 0 {
        path.push(subtree_root(source, start, end)?);
    }
    path.reverse();
    Ok(ConsistencyProof { old, new, path })
}

/// Where the next hash of a path stands.
enum Side {
    Left,
    Right,
}

/// Climbs from the node that ends the earlier tree to the root, RFC 9162 section 2.1.4.2. Gives the
/// root of the earlier tree and that of the later one, as the hashes lead to them.
pub(super) fn climb_roots(
    old: TreeSize,
    new: TreeSize,
    start: &Hash,
    rest: &[Hash],
    found: usize,
) -> Result<(Hash, Hash), ProofError> {
    let mut climb = Climb { node: old.get() - 1, last: new.get() - 1 };
    climb.skip_ones();
    let (mut old_computed, mut new_computed) = (*start, *start);
    for sibling in rest {
        match climb.step() {
            None => return Err(ProofError::PathTooLong { found }),
            Some(Side::Left) => {
                old_computed = node_hash(sibling, &old_computed);
                new_computed = node_hash(sibling, &new_computed);
            }
            Some(Side::Right) => new_computed = node_hash(&new_computed, sibling),
        }
    }
    if !climb.at_root() {
        return Err(ProofError::PathTooShort { found });
    }
    Ok((old_computed, new_computed))
}

/// A node and the last node of its level, climbing to the root: `fn` and `sn` of RFC 9162.
struct Climb {
    node: u64,
    last: u64,
}

impl Climb {
    /// Moves one hash up and says on which side that hash stands, or `None` at the root.
    fn step(&mut self) -> Option<Side> {
        if self.at_root() {
            return None;
        }
        let side = if self.node & 1 == 1 || self.node == self.last {
            // A last node without a sibling rises unchanged until it is a right child.
            while self.node & 1 == 0 && self.node != 0 {
                self.shift();
            }
            Side::Left
        } else {
            Side::Right
        };
        self.shift();
        Some(side)
    }

    /// Rises to the root of the largest perfect subtree that ends with this node.
    fn skip_ones(&mut self) {
        while self.node & 1 == 1 {
            self.shift();
        }
    }

    const fn shift(&mut self) {
        self.node >>= 1;
        self.last >>= 1;
    }

    const fn at_root(&self) -> bool {
        self.last == 0
    }
}

/// The `k` of RFC 6962 section 2.1: where a range of at least two leaves splits.
fn largest_power_of_two_below(count: u64) -> u64 {
    assert!(count > 1, "only a range of two or more leaves splits, this one has {count}");
    1 << (count - 1).ilog2()
}
