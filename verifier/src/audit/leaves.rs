//! The checks of a leaf that need no other leaf, spread over the machine's processors.
//!
//! Hashing, reading and above all the author signatures take the time of an audit. Not here:
//! which keys are in force (`parties`).

use std::num::NonZero;
use std::thread;

use letopis_ledger::hash::leaf_hash;
use letopis_ledger::key::AuthorKey;
use letopis_ledger::leaf::{Leaf, LeafError};
use letopis_ledger::{Hash, LeafIndex};

use crate::finding::{Finding, Rule};

/// Most bytes of leaves that are held in read form at once. A bundle of ordinary leaves is one
/// batch; one of the largest leaves is many, for a leaf takes far more memory read than written.
const BATCH_BYTES: usize = 1 << 20;

/// A leaf after the checks that need no other leaf.
pub(super) struct ReadLeaf {
    /// Where the leaf stands in the bundles.
    pub(super) place: LeafIndex,
    /// Its leaf hash, from its bytes as they are.
    pub(super) hash: Hash,
    /// The leaf, or why it is none.
    pub(super) leaf: Result<Leaf, LeafError>,
}

/// A leaf with the keys under which its signatures must verify.
pub(super) struct Signed<'a> {
    pub(super) place: LeafIndex,
    pub(super) leaf: &'a Leaf,
    pub(super) keys: Vec<AuthorKey>,
}

/// Splits entries into batches of bounded size, each with the place of its first leaf.
pub(super) fn batches<'a>(
    first: LeafIndex,
    entries: &'a [&'a [u8]],
) -> impl Iterator<Item = (LeafIndex, &'a [&'a [u8]])> {
    let mut place = first;
    let mut rest = entries;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut bytes = 0;
        let fits = |entry: &&&[u8]| {
            bytes += entry.len();
            bytes <= BATCH_BYTES
        };
        let count = rest.iter().take_while(fits).count().max(1);
        let (batch, later) = rest.split_at(count);
        let start = place;
        rest = later;
        place = LeafIndex::new(start.get() + count as u64);
        Some((start, batch))
    })
}

/// Hashes and reads a batch of leaves.
pub(super) fn read_leaves(first: LeafIndex, batch: &[&[u8]]) -> Vec<ReadLeaf> {
    let numbered: Vec<(u64, &[u8])> = (first.get()..).zip(batch.iter().copied()).collect();
    in_parallel(&numbered, |(place, bytes)| ReadLeaf {
        place: LeafIndex::new(*place),
        hash: leaf_hash(bytes),
        leaf: Leaf::parse(bytes),
    })
}

/// Checks signatures. Each key stands for the signature that names it.
pub(super) fn check_signatures(signed: &[Signed<'_>]) -> Vec<Finding> {
    let one = |signed: &Signed<'_>| {
        let record = signed.leaf.signed();
        let mut found = Vec::new();
        for key in &signed.keys {
            let id = key.id();
            let signature = record.signatures().iter().find(|(signer, _)| *signer == id);
            let (_, signature) =
                signature.expect("invariant: the keys are those of the signatures");
            if let Err(error) = key.verify(record.record_bytes(), signature) {
                found.push(Finding::at(Rule::AuthorSignature, signed.place, error.to_string()));
            }
        }
        found
    };
    in_parallel(signed, one).into_iter().flatten().collect()
}

/// Maps items on as many threads as the machine has, keeping their order.
fn in_parallel<I: Sync, O: Send>(items: &[I], map: impl Fn(&I) -> O + Sync) -> Vec<O> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let share = items.len().div_ceil(threads).max(1);
    if items.len() <= share {
        return items.iter().map(map).collect();
    }
    thread::scope(|scope| {
        let parts: Vec<_> = items
            .chunks(share)
            .map(|part| scope.spawn(|| part.iter().map(&map).collect::<Vec<O>>()))
            .collect();
        parts
            .into_iter()
            .flat_map(|part| part.join().expect("invariant: a check does not panic"))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_hold_every_entry_once_and_are_bounded() {
        let large = vec![0; 65_535];
        let entries: Vec<&[u8]> = (0..256).map(|_| large.as_slice()).collect();
        let mut next = 512;
        for (first, batch) in batches(LeafIndex::new(512), &entries) {
            assert_eq!(first.get(), next);
            assert!((1..=16).contains(&batch.len()));
            next += batch.len() as u64;
        }
        assert_eq!(next, 512 + 256);
        let small: Vec<&[u8]> = vec![b"leaf"; 256];
        assert_eq!(batches(LeafIndex::ZERO, &small).count(), 1);
        assert_eq!(batches(LeafIndex::ZERO, &[]).count(), 0);
    }

    #[test]
    fn parallel_work_keeps_the_order() {
        for count in [0, 1, 2, 3, 7, 256] {
            let items: Vec<u64> = (0..count).collect();
            let doubled: Vec<u64> = items.iter().map(|item| item * 2).collect();
            assert_eq!(in_parallel(&items, |item| item * 2), doubled);
        }
    }
}
