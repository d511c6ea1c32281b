//! The Merkle root by the recursive definition of RFC 6962 section 2.1.
//!
//! The writer keeps a frontier and adds leaf after leaf. Here the tree is split at the largest
//! power of two below its size, as the definition says, and the leaves are drawn in order. Memory
//! grows with the height of the tree only.

use letopis_ledger::Hash;
use letopis_ledger::hash::{empty_root, node_hash};

/// The root of a tree of `size` leaves whose leaf hashes `next_leaf` gives in order.
///
/// # Errors
/// The first error of `next_leaf`, at once, however large the tree is.
pub fn merkle_root<E>(
    size: u64,
    next_leaf: &mut impl FnMut() -> Result<Hash, E>,
) -> Result<Hash, E> {
    match size {
        0 => Ok(empty_root()),
        1 => next_leaf(),
        _ => {
            // The largest power of two smaller than the size.
            let left_size = 1_u64 << (size - 1).ilog2();
            let left = merkle_root(left_size, next_leaf)?;
            let right = merkle_root(size - left_size, next_leaf)?;
            Ok(node_hash(&left, &right))
        }
    }
}

/// The root over hashes at hand.
pub(super) fn root_of(hashes: &[Hash]) -> Hash {
    let size = u64::try_from(hashes.len()).expect("invariant: a slice has fewer than 2^64 items");
    let mut next = hashes.iter().copied();
    let root = merkle_root(size, &mut || next.next().ok_or(()));
    root.expect("invariant: the tree asks for as many leaves as it has")
}

#[cfg(test)]
mod tests {
    use super::*;
    use letopis_ledger::hash::leaf_hash;
    use letopis_ledger::tree::Frontier;

    #[test]
    fn the_definition_and_the_writer_agree_on_every_small_size_and_around_powers() {
        for size in (0..600).chain([65_535, 65_536, 65_537, 70_000]) {
            let mut frontier = Frontier::new();
            for index in 0..size {
                frontier.append(leaf_hash(&u64::to_be_bytes(index)));
            }
            let mut index = 0_u64;
            let root = merkle_root(size, &mut || {
                index += 1;
                Ok::<_, ()>(leaf_hash(&u64::to_be_bytes(index - 1)))
            });
            assert_eq!(root, Ok(frontier.root()), "size {size}");
            assert_eq!(index, size, "every leaf is drawn once");
        }
    }

    #[test]
    fn an_error_ends_the_computation_of_any_size() {
        let mut asked = 0;
        let root = merkle_root(u64::MAX, &mut || {
            asked += 1;
            if asked < 5 { Ok(empty_root()) } else { Err("gone") }
        });
        assert_eq!((root, asked), (Err("gone"), 5));
    }
}
