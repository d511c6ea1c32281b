//! The entry bundles of a log, read ahead on one thread and checked on several.

use std::num::NonZero;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use letopis_ledger::bundle::EntryBundle;
use letopis_ledger::hash::leaf_hash;
use letopis_ledger::key::AuthorKey;
use letopis_ledger::leaf::Leaf;
use letopis_ledger::tile::{BundlePath, Tile, TileLevel, TilePath, bundles_at};
use letopis_ledger::{Hash, LeafIndex, TreeSize};

use super::Parties;
use crate::finding::{Finding, Findings, Rule};
use crate::source::{LogSource, SourceError};

/// Bundles read ahead of the checks.
const READ_AHEAD: usize = 4;
/// Leaves of a full bundle.
const BUNDLE_LEAVES: u64 = 256;

/// The bundles of a log up to a size.
pub(super) struct Bundles<'a> {
    source: &'a dyn LogSource,
    size: TreeSize,
}

/// Bundles as they come in.
pub(super) struct Incoming(Receiver<Result<Bundle, SourceError>>);

/// The bytes of one bundle and of the tile of its leaf hashes.
pub(super) struct Bundle {
    path: BundlePath,
    entries: Vec<u8>,
    tile: Vec<u8>,
}

/// A leaf after the checks that need no other leaf.
pub(super) struct Checked {
    /// Where the leaf stands in the bundles.
    pub(super) place: LeafIndex,
    /// Its leaf hash, from its bytes as they are.
    pub(super) hash: Hash,
    /// The leaf, or why it is none.
    pub(super) leaf: Result<Leaf, String>,
}

/// The leaves of a bundle, checked.
pub(super) struct CheckedBundle {
    pub(super) leaves: Vec<Checked>,
    pub(super) signature_count: u64,
}

impl<'a> Bundles<'a> {
    pub(super) fn new(source: &'a dyn LogSource, size: TreeSize) -> Self {
        Self { source, size }
    }

    /// Runs `work` while a thread reads ahead for it.
    pub(super) fn scoped<T>(self, work: impl FnOnce(&mut Incoming) -> T) -> T {
        let (sender, receiver) = sync_channel(READ_AHEAD);
        thread::scope(|scope| {
            scope.spawn(move || {
                for path in bundles_at(self.size) {
                    let bundle = read(self.source, path);
                    let failed = bundle.is_err();
                    // The receiver is gone when the work ended early; then nobody waits.
                    if sender.send(bundle).is_err() || failed {
                        return;
                    }
                }
            });
            let mut incoming = Incoming(receiver);
            let result = work(&mut incoming);
            drop(incoming);
            result
        })
    }
}

fn read(source: &dyn LogSource, path: BundlePath) -> Result<Bundle, SourceError> {
    let entries = source.bundle(path)?;
    let tile = source.tile(TilePath {
        level: TileLevel::ZERO,
        index: path.index,
        width: path.width,
    })?;
    Ok(Bundle { path, entries, tile })
}

impl Incoming {
    /// The next bundle.
    pub(super) fn next(&mut self) -> Result<Bundle, SourceError> {
        self.0.recv().expect("invariant: as many bundles are sent as the tree asks for")
    }
}

impl Bundle {
    /// Checks everything about the bundle's leaves but their links to each other.
    pub(super) fn check(&self, parties: &mut Parties, findings: &mut Findings) -> CheckedBundle {
        let first = self.path.index.get() * BUNDLE_LEAVES;
        let width = usize::from(self.path.width.get());
        let entries: Vec<&[u8]> = match EntryBundle::parse(&self.entries) {
            Ok(bundle) => bundle.iter().take(width).collect(),
            Err(error) => {
                let leaf = LeafIndex::new(first);
                findings.push(Finding::at(Rule::BundleForm, leaf, error.to_string()));
                Vec::new()
            }
        };
        if !entries.is_empty() && entries.len() < width {
            let detail = format!("the bundle has {} leaves of {width}", entries.len());
            let missing = LeafIndex::new(first + entries.len() as u64);
            findings.push(Finding::at(Rule::BundleForm, missing, detail));
        }
        let leaves = parse_leaves(first, &entries);
        self.check_tile(&leaves, findings);
        let mut due: Vec<(&Leaf, Vec<AuthorKey>)> = Vec::with_capacity(leaves.len());
        for checked in &leaves {
            match &checked.leaf {
                Ok(leaf) => {
                    let keys = parties.take(leaf, &mut |finding| findings.push(finding));
                    due.push((leaf, keys));
                }
                Err(reason) => {
                    findings.push(Finding::at(Rule::LeafForm, checked.place, reason.clone()));
                }
            }
        }
        let signature_count = due.iter().map(|(_, keys)| keys.len() as u64).sum();
        findings.extend(check_signatures(&due));
        CheckedBundle { leaves: filled(leaves, first, width), signature_count }
    }

    fn check_tile(&self, leaves: &[Checked], findings: &mut Findings) {
        let first = LeafIndex::new(self.path.index.get() * BUNDLE_LEAVES);
        let tile = match Tile::from_bytes_exact(&self.tile, self.path.width) {
            Ok(tile) => tile,
            Err(error) => {
                findings.push(Finding::at(Rule::TileHash, first, error.to_string()));
                return;
            }
        };
        for (checked, published) in leaves.iter().zip(tile.hashes()) {
            if checked.hash != *published {
                let detail =
                    format!("the leaf's hash is {}, published was {published}", checked.hash);
                findings.push(Finding::at(Rule::TileHash, checked.place, detail));
            }
        }
    }
}

/// Stands a hash that no leaf has in for each missing leaf, so that the tree keeps its size.
fn filled(mut leaves: Vec<Checked>, first: u64, width: usize) -> Vec<Checked> {
    for offset in leaves.len()..width {
        leaves.push(Checked {
            place: LeafIndex::new(first + offset as u64),
            hash: Hash::of(b"a leaf that is missing"),
            leaf: Err("the leaf is missing".to_owned()),
        });
    }
    leaves
}

fn parse_leaves(first: u64, entries: &[&[u8]]) -> Vec<Checked> {
    let numbered: Vec<(u64, &[u8])> = (first..).zip(entries.iter().copied()).collect();
    in_parallel(&numbered, |(place, bytes)| Checked {
        place: LeafIndex::new(*place),
        hash: leaf_hash(bytes),
        leaf: Leaf::parse(bytes).map_err(|error| error.to_string()),
    })
}

fn check_signatures(due: &[(&Leaf, Vec<AuthorKey>)]) -> Vec<Finding> {
    let one = |(leaf, keys): &(&Leaf, Vec<AuthorKey>)| {
        let signed = leaf.signed();
        let mut found = Vec::new();
        for key in keys {
            let id = key.id();
            let signature = signed.signatures().iter().find(|(signer, _)| *signer == id);
            let (_, signature) = signature.expect("invariant: keys are those of the signatures");
            if let Err(error) = key.verify(signed.record_bytes(), signature) {
                found.push(Finding::at(Rule::AuthorSignature, leaf.index(), error.to_string()));
            }
        }
        found
    };
    in_parallel(due, one).into_iter().flatten().collect()
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
