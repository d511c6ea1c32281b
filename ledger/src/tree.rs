//! The Merkle tree of RFC 6962 section 2.1: appending, roots, proofs and their verification.
//!
//! A proof is built from any [`NodeSource`], that is, from whatever can name the roots of perfect
//! subtrees: memory ([`MemoryTree`]), a database, or published tiles (`tile`). Verification is by
//! the algorithms of RFC 9162 sections 2.1.3.2 and 2.1.4.2.
//!
//! Not here: what a leaf contains (`leaf`), how nodes are stored or served (`tile`), who signs a
//! root (`checkpoint`, `note`).

mod prefix;
mod proof;

use thiserror::Error;

use crate::hash::{Hash, empty_root, node_hash};
use crate::position::{LeafIndex, TreeSize};

pub use prefix::{PrefixProof, prefix_proof};
pub use proof::{ConsistencyProof, InclusionProof, ProofError, consistency_proof, inclusion_proof};

/// Where tree nodes come from.
///
/// A node is the root of a perfect subtree: level 0 holds leaf hashes, and the node `(level,
/// index)` covers the leaves `index << level` up to but excluding `(index + 1) << level`.
pub trait NodeSource {
    /// The node, or `None` when this source does not have it.
    fn node(&self, level: u8, index: u64) -> Option<Hash>;
}

impl<S: NodeSource + ?Sized> NodeSource for &S {
    fn node(&self, level: u8, index: u64) -> Option<Hash> {
        (**self).node(level, index)
    }
}

/// Why a root or a proof could not be computed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TreeError {
    /// The leaf lies beyond the tree.
    #[error("leaf {leaf} is not in a tree of {size} leaves; ask for a larger tree")]
    LeafOutsideTree {
        /// Leaf asked for.
        leaf: LeafIndex,
        /// Size of the tree.
        size: TreeSize,
    },
    /// Consistency runs from a smaller tree to a larger one.
    #[error("a tree of {old} leaves cannot be an earlier state of one of {new} leaves")]
    OldSizeLarger {
        /// Size given as the earlier one.
        old: TreeSize,
        /// Size given as the later one.
        new: TreeSize,
    },
    /// The source lacks a node that the tree must have.
    #[error("the source has no node {index} at level {level}; it holds fewer leaves than asked")]
    MissingNode {
        /// Level of the node; leaves are level 0.
        level: u8,
        /// Index of the node within its level.
        index: u64,
    },
}

/// Why a frontier could not be restored.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FrontierError {
    /// A tree of `n` leaves has one perfect subtree per one-bit of `n`.
    #[error("a frontier of {size} leaves has {expected} hashes, {found} were given")]
    HashCount {
        /// Size of the tree.
        size: TreeSize,
        /// Hashes the size requires.
        expected: usize,
        /// Hashes given.
        found: usize,
    },
}

/// The right edge of a tree: all that appending and the root need, at most 64 hashes.
///
/// The hashes are the roots of the perfect subtrees that the leaves split into, from left
/// (largest) to right (smallest): one for each one-bit of the size.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: TreeSize,
    hashes: Vec<Hash>,
}

impl Frontier {
    /// The frontier of the empty tree.
    #[must_use]
    pub const fn new() -> Self {
        Self { size: TreeSize::ZERO, hashes: Vec::new() }
    }

    /// Restores a frontier from what [`Frontier::size`] and [`Frontier::hashes`] gave.
    ///
    /// # Errors
    /// The number of hashes is not the one the size requires.
    pub fn from_parts(size: TreeSize, hashes: Vec<Hash>) -> Result<Self, FrontierError> {
        let expected = size.get().count_ones() as usize;
        if hashes.len() != expected {
            return Err(FrontierError::HashCount { size, expected, found: hashes.len() });
        }
        Ok(Self { size, hashes })
    }

    /// Appends a leaf hash and returns the index it got.
    pub fn append(&mut self, leaf: Hash) -> LeafIndex {
        self.append_with(leaf, |_, _, _| {})
    }

    /// Appends a leaf hash and reports each node this completes as `(level, index, hash)`: the
    /// leaf itself at level 0, then every perfect subtree that ends with it, in rising level.
    ///
    /// A writer that stores each reported node has a complete [`NodeSource`].
    pub fn append_with(
        &mut self,
        leaf: Hash,
        mut completed: impl FnMut(u8, u64, Hash),
    ) -> LeafIndex {
        let index = self.size.next_leaf();
        let mut node = leaf;
        completed(0, index.get(), node);
        for level in 1..=trailing_ones(index.get()) {
            let left = self.hashes.pop().expect("invariant: one hash per one-bit of the size");
            node = node_hash(&left, &node);
            completed(level, index.get() >> level, node);
        }
        self.hashes.push(node);
        self.size = self.size.next();
        assert_eq!(self.hashes.len(), self.size.get().count_ones() as usize);
        index
    }

    /// Number of leaves appended.
    #[must_use]
    pub const fn size(&self) -> TreeSize {
        self.size
    }

    /// Root of the tree, RFC 6962 section 2.1.
    #[must_use]
    pub fn root(&self) -> Hash {
        fold_right(self.hashes.iter().copied()).unwrap_or_else(empty_root)
    }

    /// Roots of the perfect subtrees, from left to right.
    #[must_use]
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }
}

/// A whole tree in memory, every node of it: 64 bytes per leaf.
///
/// For tests, measurements, and proofs over few leaves; a node serves its proofs from storage.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemoryTree {
    frontier: Frontier,
    levels: Vec<Vec<Hash>>,
}

impl MemoryTree {
    /// The empty tree.
    #[must_use]
    pub const fn new() -> Self {
        Self { frontier: Frontier::new(), levels: Vec::new() }
    }

    /// Appends a leaf hash and returns the index it got.
    pub fn append(&mut self, leaf: Hash) -> LeafIndex {
        let levels = &mut self.levels;
        self.frontier.append_with(leaf, |level, index, hash| {
            let level = usize::from(level);
            if levels.len() == level {
                levels.push(Vec::new());
            }
            assert_eq!(levels[level].len() as u64, index, "nodes of a level complete in order");
            levels[level].push(hash);
        })
    }

    /// Number of leaves.
    #[must_use]
    pub const fn size(&self) -> TreeSize {
        self.frontier.size()
    }

    /// Root of the whole tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// Hash of one leaf.
    #[must_use]
    pub fn leaf(&self, index: LeafIndex) -> Option<Hash> {
        self.node(0, index.get())
    }
}

impl NodeSource for MemoryTree {
    fn node(&self, level: u8, index: u64) -> Option<Hash> {
        let index = usize::try_from(index).ok()?;
        self.levels.get(usize::from(level))?.get(index).copied()
    }
}

impl FromIterator<Hash> for MemoryTree {
    fn from_iter<I: IntoIterator<Item = Hash>>(leaves: I) -> Self {
        let mut tree = Self::new();
        for leaf in leaves {
            tree.append(leaf);
        }
        tree
    }
}

/// Root of the first `size` leaves, RFC 6962 section 2.1.
///
/// # Errors
/// The source lacks a node.
pub fn root_at(source: &impl NodeSource, size: TreeSize) -> Result<Hash, TreeError> {
    if size == TreeSize::ZERO {
        return Ok(empty_root());
    }
    subtree_root(source, 0, size.get())
}

/// The frontier of the first `size` leaves, from which appending can go on.
///
/// # Errors
/// The source lacks a node.
pub fn frontier_at(source: &impl NodeSource, size: TreeSize) -> Result<Frontier, TreeError> {
    let hashes = perfect_subtrees(0, size.get())
        .map(|(level, index)| require_node(source, level, index))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Frontier::from_parts(size, hashes).expect("invariant: one subtree per one-bit of the size"))
}

/// Hash of the leaves `start..end`, a range that the splitting rule of RFC 6962 reaches: not
/// empty, and `start` is a multiple of the smallest power of two that holds the range.
fn subtree_root(source: &impl NodeSource, start: u64, end: u64) -> Result<Hash, TreeError> {
    let hashes = perfect_subtrees(start, end)
        .map(|(level, index)| require_node(source, level, index))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(fold_right(hashes.into_iter()).expect("invariant: the range has leaves"))
}

fn require_node(source: &impl NodeSource, level: u8, index: u64) -> Result<Hash, TreeError> {
    source.node(level, index).ok_or(TreeError::MissingNode { level, index })
}

/// Splits the leaves `start..end` into perfect subtrees `(level, index)`, the largest first.
fn perfect_subtrees(start: u64, end: u64) -> impl Iterator<Item = (u8, u64)> {
    let mut next = start;
    std::iter::from_fn(move || {
        let remaining = end.checked_sub(next).filter(|count| *count > 0)?;
        let level = remaining.ilog2();
        let subtree_level = u8::try_from(level).expect("invariant: a logarithm of u64 is below 64");
        let subtree = (subtree_level, next >> level);
        next += 1 << level;
        Some(subtree)
    })
}

/// Combines subtree roots, given from left (largest) to right, into the root over all of them.
fn fold_right(hashes: impl DoubleEndedIterator<Item = Hash>) -> Option<Hash> {
    hashes.rev().reduce(|right, left| node_hash(&left, &right))
}

/// Root over `2^n` hashes.
pub(crate) fn perfect_root(hashes: &[Hash]) -> Hash {
    assert!(hashes.len().is_power_of_two(), "{} hashes make no perfect subtree", hashes.len());
    if let [hash] = hashes {
        return *hash;
    }
    let (left, right) = hashes.split_at(hashes.len() / 2);
    node_hash(&perfect_root(left), &perfect_root(right))
}

/// How many perfect subtrees, beyond itself, a leaf with this index completes.
fn trailing_ones(leaf_index: u64) -> u8 {
    u8::try_from(leaf_index.trailing_ones()).expect("invariant: u64 has 64 bits")
}

#[cfg(test)]
mod test;
