//! Which root the first leaves of a tree have, shown by hashes that lead to the root of the whole.
//!
//! A consistency proof answers whether a given earlier root is true. This one states the true one:
//! if it is another than was signed, the two signed roots contradict each other. The hashes are
//! those of RFC 6962 section 2.1.2; where the number of first leaves is a power of two, the root of
//! these leaves, which RFC 6962 leaves out, stands before them.
//!
//! Not here: who signed which root (`crate::equivocation`).

use super::proof::{ProofError, climb_roots};
use super::{NodeSource, TreeError, consistency_proof};
use crate::hash::{Hash, empty_root};
use crate::position::TreeSize;

/// Shows the root of the first leaves of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrefixProof {
    old: TreeSize,
    new: TreeSize,
    path: Vec<Hash>,
}

impl PrefixProof {
    /// Takes a proof as received. Nothing is checked before [`PrefixProof::root_under`].
    #[must_use]
    pub const fn new(old: TreeSize, new: TreeSize, path: Vec<Hash>) -> Self {
        Self { old, new, path }
    }

    /// How many first leaves.
    #[must_use]
    pub const fn old_size(&self) -> TreeSize {
        self.old
    }

    /// Size of the tree.
    #[must_use]
    pub const fn new_size(&self) -> TreeSize {
        self.new
    }

    /// The hashes.
    #[must_use]
    pub fn path(&self) -> &[Hash] {
        &self.path
    }

    /// The root of the first leaves, in the tree with this root. No other root can be shown for
    /// them, unless somebody finds a collision of SHA-256.
    ///
    /// # Errors
    /// The hashes do not lead to the root: then they show nothing.
    pub fn root_under(&self, new_root: &Hash) -> Result<Hash, ProofError> {
        if self.old > self.new {
            return Err(ProofError::OldSizeLarger { old: self.old, new: self.new });
        }
        let found = self.path.len();
        if self.old == TreeSize::ZERO || self.old == self.new {
            if found > 0 {
                return Err(ProofError::PathTooLong { found });
            }
            return Ok(if self.old == self.new { *new_root } else { empty_root() });
        }
        let (start, rest) = self.path.split_first().ok_or(ProofError::PathTooShort { found })?;
        let (old_computed, computed) = climb_roots(self.old, self.new, start, rest, found)?;
        if computed != *new_root {
            return Err(ProofError::NewRootMismatch { computed, expected: *new_root });
        }
        Ok(old_computed)
    }
}

/// Builds the proof of the root of the first `old` leaves in the tree of `new` leaves.
///
/// # Errors
/// `old` is larger than `new`, or the source lacks a node.
pub fn prefix_proof(
    source: &impl NodeSource,
    old: TreeSize,
    new: TreeSize,
) -> Result<PrefixProof, TreeError> {
    let mut path = consistency_proof(source, old, new)?.path().to_vec();
    if old < new && old.get().is_power_of_two() {
        let level = u8::try_from(old.get().ilog2()).expect("invariant: a logarithm fits a byte");
        let root = source.node(level, 0).ok_or(TreeError::MissingNode { level, index: 0 })?;
        path.insert(0, root);
    }
    Ok(PrefixProof { old, new, path })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hash::leaf_hash;
    use crate::tree::{ConsistencyProof, MemoryTree};

    fn tree(size: u64) -> MemoryTree {
        (0..size).map(|index| leaf_hash(&index.to_be_bytes())).collect()
    }

    #[test]
    fn the_root_of_every_prefix_is_shown_and_no_other() {
        for new in 0..40 {
            let whole = tree(new);
            for old in 0..=new {
                let (old, new) = (TreeSize::new(old), TreeSize::new(new));
                let proof = prefix_proof(&whole, old, new).unwrap();
                let expected = tree(old.get()).root();
                assert_eq!(proof.root_under(&whole.root()), Ok(expected), "{old} of {new}");
                let other = Hash::of(b"another tree");
                let answer = proof.root_under(&other);
                if old == new || old == TreeSize::ZERO {
                    continue;
                }
                assert!(matches!(answer, Err(ProofError::NewRootMismatch { .. })));
                let longer = [proof.path(), &[other]].concat();
                let longer = PrefixProof::new(old, new, longer).root_under(&whole.root());
                assert!(matches!(longer, Err(ProofError::PathTooLong { .. })), "{old} of {new}");
                let shorter = proof.path()[..proof.path().len() - 1].to_vec();
                let shorter = PrefixProof::new(old, new, shorter).root_under(&whole.root());
                assert!(shorter.is_err(), "{old} of {new}");
            }
        }
        let (old, new) = (TreeSize::new(2), TreeSize::new(1));
        let answer = PrefixProof::new(old, new, vec![]).root_under(&Hash::of(b"any"));
        assert_eq!(answer, Err(ProofError::OldSizeLarger { old, new }));
    }

    proptest! {
        /// It says what the consistency proof of the same trees says, and an altered one nothing.
        #[test]
        fn it_agrees_with_the_consistency_proof(
            new in 2_u64..300, old in 1_u64..300, altered in any::<prop::sample::Index>()
        ) {
            prop_assume!(old < new);
            let whole = tree(new);
            let (old, new) = (TreeSize::new(old), TreeSize::new(new));
            let proof = prefix_proof(&whole, old, new).unwrap();
            let root = proof.root_under(&whole.root()).unwrap();
            let consistency = consistency_proof(&whole, old, new).unwrap();
            prop_assert_eq!(consistency.verify(&root, &whole.root()), Ok(()));
            let bare = usize::from(old.get().is_power_of_two());
            let same = ConsistencyProof::new(old, new, proof.path()[bare..].to_vec());
            prop_assert_eq!(same, consistency);

            let mut path = proof.path().to_vec();
            let at = altered.index(path.len());
            path[at] = Hash::of(path[at].as_bytes());
            prop_assert!(PrefixProof::new(old, new, path).root_under(&whole.root()).is_err());
        }
    }
}
