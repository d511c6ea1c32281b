//! The check of a whole log: every leaf, every link, every signature, the tree, the signed head.
//!
//! One pass over the entry bundles, in memory that does not grow with the log, but for officials,
//! offers and cases that are open, and packs that are proposed. Reading, hashing and signature
//! checks run on several threads; what depends on order runs on one.

mod bundles;
mod cases;
mod entries;
mod leaves;
mod lifecycle;
mod nodes;
mod offers;
mod parties;
mod recovery;
mod root;
mod tiles;
mod uniqueness;
mod walk;

use std::collections::BTreeMap;
use std::io;

use letopis_ledger::checkpoint::Checkpoint;
use letopis_ledger::hash::empty_root;
use letopis_ledger::id::{AgencyId, NodeId};
use letopis_ledger::json::INTEGER_MAX;
use letopis_ledger::leaf::Leaf;
use letopis_ledger::note::Note;
use letopis_ledger::policy::Policy;
use letopis_ledger::{Hash, LeafIndex, Timestamp};
use thiserror::Error;

use crate::finding::{Finding, Findings, Rule};
use crate::source::{LogSource, SourceError};

pub use nodes::Node;
pub(crate) use offers::{ACCEPTED, MADE, OfferMade};
pub use parties::{Membership, Parties, Recovery};
pub use root::merkle_root;

/// Most leaves of a log: their indexes are JSON integers.
const LOG_SIZE_MAX: u64 = INTEGER_MAX.unsigned_abs() + 1;

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
    /// A leaf that could be read, with its place in the log, in order.
    fn leaf(&mut self, place: LeafIndex, leaf: &Leaf);

    /// How many leaves of how many have been checked.
    fn progress(&mut self, done: u64, of: u64);
}

/// An observer that looks at nothing.
#[derive(Debug)]
pub struct Nobody;

impl Observer for Nobody {
    fn leaf(&mut self, _: LeafIndex, _: &Leaf) {}
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
    /// Every agency that was ever admitted.
    pub agencies: BTreeMap<AgencyId, Membership>,
    /// Every node that was ever admitted.
    pub nodes: BTreeMap<NodeId, Node>,
    /// When the log went on without the quorum of its voters. Nothing is broken by that, and
    /// everybody must know it.
    pub recoveries: Vec<Recovery>,
    /// Time of the last leaf, if there is one.
    pub last_time: Option<Timestamp>,
    /// Cosigners that counted towards the quorum, with their time in Unix seconds.
    pub cosigners: Vec<(String, u64)>,
    /// Whether the policy came from elsewhere and not from the log itself.
    pub policy_from_outside: bool,
    /// SHA-256 of the text of every policy that was ever in force, with the leaf that set it: by
    /// it an older policy, which older proofs are checked with, is known to be this log's own.
    pub policies: Vec<(LeafIndex, Hash)>,
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
    let bytes = source.checkpoint()?;
    let Some((note, checkpoint)) = read_checkpoint(&bytes, &mut findings) else {
        return Ok(Audit::without_checkpoint(findings));
    };
    let walked = walk::walk(source, &checkpoint, observer, &mut findings)?;
    recovery::check(source, &checkpoint, walked.parties.recoveries(), &mut findings)?;
    let policy = policy_in_force(options, &walked.parties, &mut findings);
    let mut audit = Audit {
        origin: checkpoint.origin().to_string(),
        size: checkpoint.size().get(),
        root: *checkpoint.root(),
        signature_count: walked.signature_count,
        agencies: walked.parties.agencies().clone(),
        nodes: walked.parties.nodes().clone(),
        recoveries: walked.parties.recoveries().to_vec(),
        last_time: walked.last_time,
        cosigners: Vec::new(),
        policy_from_outside: options.policy.is_some(),
        policies: walked.parties.policies().to_vec(),
        policy_fingerprint: policy.as_ref().map(fingerprint),
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

fn read_checkpoint(bytes: &[u8], findings: &mut Findings) -> Option<(Note, Checkpoint)> {
    match parse_checkpoint(bytes) {
        Ok(read) => Some(read),
        Err(reason) => {
            findings.push(Finding::whole(Rule::CheckpointForm, reason));
            None
        }
    }
}

/// Reads a signed checkpoint; nothing is verified.
pub(crate) fn parse_checkpoint(bytes: &[u8]) -> Result<(Note, Checkpoint), String> {
    let note = Note::from_bytes(bytes).map_err(|error| error.to_string())?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(|error| error.to_string())?;
    if checkpoint.size().get() > LOG_SIZE_MAX {
        return Err(format!(
            "the checkpoint states {} leaves; a log has at most {LOG_SIZE_MAX}, for leaves carry \
             their index as a JSON integer",
            checkpoint.size()
        ));
    }
    Ok((note, checkpoint))
}

fn policy_in_force(
    options: &AuditOptions,
    parties: &Parties,
    findings: &mut Findings,
) -> Option<Policy> {
    if let Some(policy) = &options.policy {
        return Some(policy.clone());
    }
    let policy = parties.policy().and_then(|text| Policy::parse(text).ok());
    if policy.is_none() && !findings.broke(Rule::PolicyInLog) {
        let detail = "no leaf sets a policy, so nobody is named whose signature would count";
        findings.push(Finding::whole(Rule::PolicyInLog, detail));
    }
    policy
}

impl Audit {
    fn without_checkpoint(findings: Findings) -> Self {
        Self {
            origin: String::new(),
            size: 0,
            root: empty_root(),
            signature_count: 0,
            agencies: BTreeMap::new(),
            nodes: BTreeMap::new(),
            recoveries: Vec::new(),
            last_time: None,
            cosigners: Vec::new(),
            policy_from_outside: false,
            policies: Vec::new(),
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
