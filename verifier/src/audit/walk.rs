//! One pass over all leaves in order, with everything that must hold between them.

use letopis_ledger::checkpoint::Checkpoint;
use letopis_ledger::leaf::genesis_link;
use letopis_ledger::{Hash, Timestamp, TreeSize};

use super::bundles::{Bundle, Incoming, read_ahead};
use super::cases::Cases;
use super::entries::Entries;
use super::leaves::{ReadLeaf, Signed, batches, check_signatures, read_leaves};
use super::lifecycle::Lifecycles;
use super::offers::Offers;
use super::root::merkle_root;
use super::tiles::TileAudit;
use super::uniqueness::Uniqueness;
use super::{AuditError, Observer, Parties};
use crate::finding::{Finding, Findings, Rule};
use crate::source::LogSource;

/// Missing or damaged bundles after which the rest is not looked at: one or two say what was
/// removed, and a checkpoint of an absurd size must not keep anybody busy for ever.
const BROKEN_BUNDLES_MAX: u32 = 32;

/// What one pass over the leaves came to.
pub(super) struct Walked {
    pub(super) parties: Parties,
    pub(super) signature_count: u64,
    pub(super) last_time: Option<Timestamp>,
}

/// Why a pass ended early.
enum Stop {
    /// The check cannot be carried out.
    Failed(AuditError),
    /// Too much is missing; findings say so.
    GivenUp,
}

impl<E: Into<AuditError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// A pass under way.
struct Walk<'a> {
    size: TreeSize,
    parties: Parties,
    uniqueness: Uniqueness,
    offers: Offers,
    cases: Cases,
    entries: Entries,
    lifecycles: Lifecycles<'a>,
    sequence: Sequence,
    tiles: TileAudit<'a>,
    signature_count: u64,
    broken_bundles: u32,
    observer: &'a mut dyn Observer,
    findings: &'a mut Findings,
}

/// What must hold between a leaf and the one before it.
struct Sequence {
    link: Hash,
    last_time: Option<Timestamp>,
}

/// Walks through the log that a checkpoint states.
pub(super) fn walk(
    source: &dyn LogSource,
    checkpoint: &Checkpoint,
    observer: &mut dyn Observer,
    findings: &mut Findings,
) -> Result<Walked, AuditError> {
    let size = checkpoint.size();
    let mut walk = Walk {
        size,
        parties: Parties::new(checkpoint.origin().clone()),
        uniqueness: Uniqueness::new(),
        offers: Offers::default(),
        cases: Cases::default(),
        entries: Entries::default(),
        lifecycles: Lifecycles::new(source),
        sequence: Sequence { link: genesis_link(), last_time: None },
        tiles: TileAudit::new(source, size),
        signature_count: 0,
        broken_bundles: 0,
        observer,
        findings,
    };
    match read_ahead(source, size, |bundles| walk.root(bundles)) {
        Ok(root) if root == *checkpoint.root() => {}
        Ok(root) => {
            let detail = format!("the leaves give root {root}, signed was {}", checkpoint.root());
            walk.findings.push(Finding::whole(Rule::TreeRoot, detail));
        }
        Err(Stop::GivenUp) => {}
        Err(Stop::Failed(error)) => return Err(error),
    }
    walk.uniqueness.judge(|finding| walk.findings.push(finding))?;
    Ok(Walked {
        parties: walk.parties,
        signature_count: walk.signature_count,
        last_time: walk.sequence.last_time,
    })
}

impl Walk<'_> {
    /// Draws every leaf through the checks into the tree.
    fn root(&mut self, bundles: &mut Incoming) -> Result<Hash, Stop> {
        let mut ready = Vec::new().into_iter();
        let size = self.size.get();
        let mut next_leaf = || -> Result<Hash, Stop> {
            if let Some(hash) = ready.next() {
                return Ok(hash);
            }
            ready = self.bundle(&bundles.next()?)?.into_iter();
            Ok(ready.next().expect("invariant: a bundle stands for one leaf or more"))
        };
        let root = merkle_root(size, &mut next_leaf)?;
        self.tiles.finish(self.findings)?;
        Ok(root)
    }

    /// Checks a bundle and gives a hash for each leaf that it must have.
    fn bundle(&mut self, bundle: &Bundle) -> Result<Vec<Hash>, Stop> {
        let entries = bundle.entries(self.findings);
        let mut hashes = Vec::with_capacity(bundle.leaf_count());
        for (first, batch) in batches(bundle.first(), &entries) {
            let leaves = read_leaves(first, batch);
            hashes.extend(leaves.iter().map(|leaf| leaf.hash));
            self.leaves(&leaves)?;
        }
        bundle.check_tile(&hashes, self.findings);
        if hashes.len() < bundle.leaf_count() {
            self.broken_bundles += 1;
            if self.broken_bundles == BROKEN_BUNDLES_MAX {
                let next = bundle.first().get() + bundle.leaf_count() as u64;
                let detail = format!(
                    "{BROKEN_BUNDLES_MAX} bundles are missing or damaged: leaves {next} to {} \
                     were not looked at",
                    self.size.get() - 1
                );
                self.findings.push(Finding::whole(Rule::BundleForm, detail));
                return Err(Stop::GivenUp);
            }
            // A hash that no leaf has stands in for each missing one, so the tree keeps its size.
            hashes.resize(bundle.leaf_count(), Hash::of(b"a leaf that is missing"));
            self.sequence.link = Hash::of(b"a leaf that is missing");
        }
        self.tiles.take(&hashes, self.findings)?;
        let done = bundle.first().get() + bundle.leaf_count() as u64;
        self.observer.progress(done, self.size.get());
        Ok(hashes)
    }

    fn leaves(&mut self, leaves: &[ReadLeaf]) -> Result<(), Stop> {
        let mut signed = Vec::with_capacity(leaves.len());
        for read in leaves {
            self.sequence.check(read, self.findings);
            match &read.leaf {
                Ok(leaf) => {
                    let place = read.place;
                    let keys =
                        self.parties.take(place, leaf, &mut |finding| self.findings.push(finding));
                    self.signature_count += keys.len() as u64;
                    self.uniqueness.note(place, leaf.record())?;
                    let report = &mut |finding| self.findings.push(finding);
                    self.offers.take(place, leaf, report);
                    self.cases.take(place, leaf, report);
                    self.entries.take(place, leaf, report);
                    self.findings.extend(self.lifecycles.take(place, leaf)?);
                    self.observer.leaf(place, leaf);
                    signed.push(Signed { place, leaf, keys });
                }
                Err(error) => {
                    self.findings.push(Finding::at(Rule::LeafForm, read.place, error.to_string()));
                }
            }
        }
        self.findings.extend(check_signatures(&signed));
        Ok(())
    }
}

impl Sequence {
    fn check(&mut self, read: &ReadLeaf, findings: &mut Findings) {
        let place = read.place;
        if let Ok(leaf) = &read.leaf {
            if leaf.index() != place {
                let detail = format!("the leaf states index {}", leaf.index());
                findings.push(Finding::at(Rule::LeafIndex, place, detail));
            }
            if leaf.previous() != self.link {
                let detail =
                    format!("the leaf names {} as its predecessor's hash", leaf.previous());
                findings.push(Finding::at(Rule::LeafLink, place, detail));
            }
            if let Some(last) = self.last_time.filter(|last| *last > leaf.time()) {
                let detail = format!("time {} comes after {last}", leaf.time());
                findings.push(Finding::at(Rule::TimeOrder, place, detail));
            }
            self.last_time = Some(leaf.time());
        }
        self.link = read.hash;
    }
}
