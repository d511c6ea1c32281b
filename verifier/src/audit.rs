//! The check of a whole log: every leaf, every link, every signature, the tree, the signed head.
//!
//! One pass over the entry bundles, in memory that does not grow with the log. Reading, hashing
//! and signature checks run on several threads; what depends on order runs on one.

mod bundles;
mod parties;
mod root;
mod tiles;
mod uniqueness;

use std::io;

use letopis_ledger::checkpoint::Checkpoint;
use letopis_ledger::hash::empty_root;
use letopis_ledger::leaf::{Leaf, genesis_link};
use letopis_ledger::note::Note;
use letopis_ledger::policy::Policy;
use letopis_ledger::{Hash, LeafIndex, Timestamp};
use thiserror::Error;

use crate::finding::{Finding, Findings, Rule};
use crate::source::{LogSource, SourceError};

pub use parties::Parties;
pub use root::merkle_root;

use bundles::{Bundles, Checked};
use tiles::TileAudit;
use uniqueness::Uniqueness;

/// Why a check could not be carried out; not a statement about the log.
#[derive(Debug, Error)]
pub enum AuditError {
    /// The log could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A temporary file failed.
    #[error("temporary files for the check failed: {0}")]
    Temporary(#[from] io::Error),
}

/// What is checked beyond the log itself, and who is told.
pub trait Observer {
    /// A leaf that could be read, in order. Findings of the observer join those of the check.
    fn leaf(&mut self, leaf: &Leaf);

    /// How many leaves of how many have been checked.
    fn progress(&mut self, done: u64, of: u64);
}

/// An observer that looks at nothing.
#[derive(Debug)]
pub struct Nobody;

impl Observer for Nobody {
    fn leaf(&mut self, _: &Leaf) {}
    fn progress(&mut self, _: u64, _: u64) {}
}

/// How to check.
#[derive(Debug, Default)]
pub struct AuditOptions {
    /// The policy that the checkpoint must satisfy, known from elsewhere. Without it the policy
    /// that the log carries is used, and the report says so.
    pub policy: Option<Policy>,
}

/// What a check of a log came to.
#[derive(Debug)]
pub struct Audit {
    /// The log's name.
    pub origin: String,
    /// Leaves that the checkpoint covers.
    pub size: u64,
    /// The root that the checkpoint states.
    pub root: Hash,
    /// Author signatures checked.
    pub signature_count: u64,
    /// Admitted agencies.
    pub agency_count: usize,
    /// Time of the last leaf, if there is one.
    pub last_time: Option<Timestamp>,
    /// Cosigners that counted towards the quorum, with their time in Unix seconds.
    pub cosigners: Vec<(String, u64)>,
    /// Whether the policy came from elsewhere and not from the log itself.
    pub policy_from_outside: bool,
    /// SHA-256 of the policy text in force, in hexadecimal: what to compare with a published one.
    pub policy_fingerprint: Option<String>,
    /// What is wrong.
    pub findings: Findings,
}

/// Checks a whole log.
///
/// # Errors
/// The log cannot be read at all; whatever is wrong with what was read is a finding.
pub fn audit(
    source: &dyn LogSource,
    options: &AuditOptions,
    observer: &mut dyn Observer,
) -> Result<Audit, AuditError> {
    let mut findings = Findings::default();
    let text = source.checkpoint()?;
    let Some((note, checkpoint)) = read_checkpoint(&text, &mut findings) else {
        return Ok(Audit::without_checkpoint(findings));
    };
    let walk = walk(source, &checkpoint, observer, &mut findings)?;
    let policy = policy_in_force(options, &walk.parties, &mut findings);
    let mut audit = Audit {
        origin: checkpoint.origin().to_string(),
        size: checkpoint.size().get(),
        root: *checkpoint.root(),
        signature_count: walk.signature_count,
        agency_count: walk.parties.agency_count(),
        last_time: walk.last_time,
        cosigners: Vec::new(),
        policy_from_outside: options.policy.is_some(),
        policy_fingerprint: policy.as_ref().map(|policy| fingerprint(policy)),
        findings,
    };
    if let Some(policy) = policy {
        audit.check_quorum(&policy, &note);
    }
    Ok(audit)
}

/// SHA-256 of a policy's canonical text, in hexadecimal.
#[must_use]
pub fn fingerprint(policy: &Policy) -> String {
    Hash::of(policy.to_string().as_bytes()).to_hex()
}

/// What one pass over the leaves came to.
struct Walk {
    parties: Parties,
    signature_count: u64,
    last_time: Option<Timestamp>,
}

/// What must hold between a leaf and those before it.
struct Sequence {
    next: LeafIndex,
    link: Hash,
    last_time: Option<Timestamp>,
}

impl Sequence {
    fn check(&mut self, checked: &Checked, findings: &mut Findings) {
        let place = checked.place;
        if let Ok(leaf) = &checked.leaf {
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
        self.link = checked.hash;
        self.next = place.next();
    }
}

fn walk(
    source: &dyn LogSource,
    checkpoint: &Checkpoint,
    observer: &mut dyn Observer,
    findings: &mut Findings,
) -> Result<Walk, AuditError> {
    let size = checkpoint.size();
    let mut parties = Parties::default();
    let mut uniqueness = Uniqueness::new()?;
    let mut sequence =
        Sequence { next: LeafIndex::ZERO, link: genesis_link(), last_time: None };
    let mut signature_count = 0;
    let mut tiles = TileAudit::new(source, size);
    let mut failure: Option<AuditError> = None;
    let root = Bundles::new(source, size).scoped(|bundles| {
        let mut ready: std::vec::IntoIter<Hash> = Vec::new().into_iter();
        merkle_root(size.get(), &mut || {
            // After a failure of the source the tree is computed to no end, which is harmless:
            // the failure is what the caller gets.
            if let Some(hash) = ready.next() {
                return hash;
            }
            if failure.is_some() {
                return empty_root();
            }
            let step = bundles.next().map_err(AuditError::from).and_then(|bundle| {
                let checked = bundle.check(&mut parties, findings);
                signature_count += checked.signature_count;
                for leaf in &checked.leaves {
                    sequence.check(leaf, findings);
                    if let Ok(read) = &leaf.leaf {
                        uniqueness.note(leaf.place, read.record())?;
                        observer.leaf(read);
                    }
                }
                let hashes: Vec<Hash> = checked.leaves.iter().map(|leaf| leaf.hash).collect();
                tiles.take(&hashes, findings)?;
                observer.progress(sequence.next.get(), size.get());
                Ok(hashes)
            });
            match step {
                Ok(hashes) => ready = hashes.into_iter(),
                Err(error) => failure = Some(error),
            }
            ready.next().unwrap_or_else(empty_root)
        })
    });
    if let Some(error) = failure {
        return Err(error);
    }
    tiles.finish(findings)?;
    if root != *checkpoint.root() {
        let detail = format!("the leaves give root {root}, signed was {}", checkpoint.root());
        findings.push(Finding::whole(Rule::TreeRoot, detail));
    }
    uniqueness.judge(|finding| findings.push(finding))?;
    Ok(Walk { parties, signature_count, last_time: sequence.last_time })
}

fn read_checkpoint(text: &str, findings: &mut Findings) -> Option<(Note, Checkpoint)> {
    let read = Note::parse(text)
        .map_err(|e| e.to_string())
        .and_then(|note| {
            let checkpoint = Checkpoint::parse(note.text()).map_err(|e| e.to_string())?;
            Ok((note, checkpoint))
        });
    match read {
        Ok(read) => Some(read),
        Err(reason) => {
            findings.push(Finding::whole(Rule::CheckpointForm, reason));
            None
        }
    }
}

fn policy_in_force(
    options: &AuditOptions,
    parties: &Parties,
    findings: &mut Findings,
) -> Option<Policy> {
    if let Some(policy) = &options.policy {
        return Some(policy.clone());
    }
    match parties.policy().map(Policy::parse) {
        Some(Ok(policy)) => Some(policy),
        Some(Err(error)) => {
            findings.push(Finding::whole(Rule::PolicyInLog, error.to_string()));
            None
        }
        None => {
            let detail = "no leaf sets a policy, so nobody is named whose signature would count";
            findings.push(Finding::whole(Rule::PolicyInLog, detail));
            None
        }
    }
}

impl Audit {
    fn without_checkpoint(findings: Findings) -> Self {
        Self {
            origin: String::new(),
            size: 0,
            root: empty_root(),
            signature_count: 0,
            agency_count: 0,
            last_time: None,
            cosigners: Vec::new(),
            policy_from_outside: false,
            policy_fingerprint: None,
            findings,
        }
    }

    fn check_quorum(&mut self, policy: &Policy, note: &Note) {
        match policy.check(note) {
            Ok(verified) => {
                self.cosigners = verified
                    .cosigners()
                    .iter()
                    .map(|cosigner| (cosigner.witness.to_string(), cosigner.unix_seconds))
                    .collect();
            }
            Err(error) => {
                let finding = Finding::whole(Rule::CheckpointQuorum, error.to_string());
                self.findings.push(finding);
            }
        }
    }
}
