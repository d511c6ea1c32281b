//! The check of one proof file: a leaf is in the log whose head the agencies signed.
//!
//! Needs no network. The leaf comes beside the proof or inside it as the `extra` data of C2SP
//! tlog-proof, which no signature covers: it counts only because its hash is what is proved.

use letopis_ledger::Hash;
use letopis_ledger::hash::leaf_hash;
use letopis_ledger::json::Json;
use letopis_ledger::leaf::Leaf;
use letopis_ledger::policy::Policy;
use letopis_ledger::proof::{TlogProof, TlogProofVerificationError};

use crate::finding::{Finding, Findings, Rule};

/// The event by which an agency puts a file on record, as `docs/EVENTS.md` has it.
const DOCUMENT_ISSUED: &str = "document.issued";

/// Checks that the proved entry records the issue of this very file.
pub fn check_document(checked: &mut CheckedProof, document: &[u8]) {
    let Some(leaf) = &checked.leaf else { return };
    let (sha256, size) = (Hash::of(document).to_hex(), document.len());
    let issued = leaf.record().events().iter().any(|event| {
        let says = |name: &str, value: &Json| event.data.get(name) == Some(value);
        event.event_type.as_str() == DOCUMENT_ISSUED
            && says("sha256", &sha256.as_str().into())
            && i64::try_from(size)
                .is_ok_and(|size| Json::integer(size).is_ok_and(|size| says("size_bytes", &size)))
    });
    checked.document = issued.then_some(sha256.clone());
    if !issued {
        let detail = format!("the file has {size} bytes and SHA-256 {sha256}");
        checked.findings.push(Finding::at(Rule::DocumentIssued, leaf.index(), detail));
    }
}

/// What a check of a proof came to.
#[derive(Debug, Default)]
pub struct CheckedProof {
    /// The leaf, if it could be read.
    pub leaf: Option<Leaf>,
    /// Index that the proof states.
    pub leaf_index: Option<u64>,
    /// The log's name and the size of the tree.
    pub log: Option<(String, u64)>,
    /// Cosigners that counted, with their time in Unix seconds.
    pub cosigners: Vec<(String, u64)>,
    /// SHA-256 of the file whose issue the entry records, where a file was given.
    pub document: Option<String>,
    /// What is wrong.
    pub findings: Findings,
}

/// Checks a proof. `leaf` are the bytes of the entry, unless the proof carries them.
#[must_use]
pub fn check_proof(proof: &[u8], leaf: Option<&[u8]>, policy: &Policy) -> CheckedProof {
    let mut checked = CheckedProof::default();
    if let Err(finding) = check(proof, leaf, policy, &mut checked) {
        checked.findings.push(finding);
    }
    checked
}

fn check(
    proof: &[u8],
    leaf: Option<&[u8]>,
    policy: &Policy,
    checked: &mut CheckedProof,
) -> Result<(), Finding> {
    let form = |reason: String| Finding::whole(Rule::ProofForm, reason);
    let proof = TlogProof::from_bytes(proof).map_err(|e| form(e.to_string()))?;
    let index = proof.leaf_index();
    checked.leaf_index = Some(index.get());
    let bytes = leaf
        .or(proof.extra())
        .ok_or_else(|| form("the proof does not carry the entry: give it with --leaf".into()))?;
    let verified = proof.verify(&leaf_hash(bytes), policy).map_err(|error| {
        let rule = match error {
            TlogProofVerificationError::Inclusion(_) => Rule::ProofInclusion,
            _ => Rule::CheckpointQuorum,
        };
        Finding::at(rule, index, error.to_string())
    })?;
    let checkpoint = verified.checkpoint();
    checked.log = Some((checkpoint.origin().to_string(), checkpoint.size().get()));
    checked.cosigners = verified
        .cosigners()
        .iter()
        .map(|cosigner| (cosigner.witness.to_string(), cosigner.unix_seconds))
        .collect();
    let leaf = Leaf::parse(bytes)
        .map_err(|error| Finding::at(Rule::LeafForm, index, error.to_string()))?;
    if leaf.index() != index {
        let detail = format!("the entry states index {}", leaf.index());
        return Err(Finding::at(Rule::LeafIndex, index, detail));
    }
    if leaf.record().log() != checkpoint.origin() {
        let detail = format!("the record was made for log {:?}", leaf.record().log().as_str());
        return Err(Finding::at(Rule::LogOrigin, index, detail));
    }
    checked.leaf = Some(leaf);
    Ok(())
}
