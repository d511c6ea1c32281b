//! What an official signs: one version of a proposal at one stage, or one answer, and nothing else.
//!
//! The text is canonical JSON under its own payload type (DSSE pre-authentication encoding), so a
//! signature of an official is never one of a record. `docs/EVENTS.md` states it for others.

use std::collections::BTreeMap;

use letopis_ledger::disclosure::DisclosureDigest;
use letopis_ledger::id::StreamName;
use letopis_ledger::json::{Json, Object};
use letopis_ledger::{Hash, StreamVersion};

use super::ProposalState;
use crate::code::{FieldPath, StepCode};
use crate::event::{CaseEvent, DomainEvent, OfficialId, OfficialSignature};

/// Payload type of an agreement in the pre-authentication encoding.
pub const AGREEMENT_PAYLOAD_TYPE: &str = "application/vnd.letopis.agreement.v1+json";

/// The text that an official signs to agree to a proposal, speaking for one post of a stage.
#[must_use]
pub fn agreement_text(
    case: &StreamName,
    proposal: &ProposalState,
    (stage, post): (u32, u32),
    official: OfficialId,
) -> Vec<u8> {
    let text = Object::new()
        .with("case", case.as_str())
        .with("official", official.to_string().as_str())
        .with("post", post)
        .with("proposal", number(proposal.version))
        .with("proposal_sha256", digest(proposal).to_hex().as_str())
        .with("stage", stage);
    Json::from(text).to_string().into_bytes()
}

/// Payload type of an answer in the pre-authentication encoding.
pub const ANSWER_PAYLOAD_TYPE: &str = "application/vnd.letopis.answer.v1+json";
/// How the names of private fields begin that hold the signature of an answer.
pub(crate) const ANSWER_SIGNATURE: &str = "signature.";

/// The text that an official signs who answers a request: what is answered, whatever the answer
/// says, and the files and letters that it stands on.
#[must_use]
pub fn answer_text(
    case: &StreamName,
    request: &StepCode,
    facts: Option<&BTreeMap<FieldPath, Json>>,
    (official, letter, scan): (OfficialId, Option<&str>, Option<&Hash>),
) -> Vec<u8> {
    let mut text = Object::new()
        .with("case", case.as_str())
        .with("official", official.to_string().as_str())
        .with("request", request.as_str());
    if let Some(facts) = facts {
        let facts = facts.iter().map(|(field, value)| (field.to_string(), value.clone()));
        text = text.with("facts", facts.collect::<Object>());
    }
    if let Some(letter) = letter.and_then(|letter| Json::string(letter).ok()) {
        text = text.with("letter", letter);
    }
    if let Some(scan) = scan {
        text = text.with("scan", scan.to_hex().as_str());
    }
    Json::from(text).to_string().into_bytes()
}

/// A signature as it is kept beside an answer: with the facts it would let anybody guess them, so
/// it is as private as they are.
pub(crate) fn answer_signature(official: OfficialId, signature: &OfficialSignature) -> Json {
    let text = Object::new()
        .with("ed25519", signature.signature.to_base64().as_str())
        .with("key", signature.key.to_string().as_str())
        .with("official", official.to_string().as_str());
    Json::string(Json::from(text).to_string()).expect("invariant: it is ASCII")
}

/// SHA-256 of what the log holds of the proposal: its public fields and the digests of the rest.
fn digest(proposal: &ProposalState) -> Hash {
    let event = DomainEvent::Case(CaseEvent::Proposed(proposal.event.clone()));
    let mut private: Vec<&DisclosureDigest> = proposal.private.iter().collect();
    private.sort_unstable();
    let private: Vec<Json> =
        private.into_iter().map(|digest| digest.to_string().as_str().into()).collect();
    let content = Object::new().with("data", event.data()).with("sd", private);
    Hash::of(Json::from(content).to_string().as_bytes())
}

fn number(version: StreamVersion) -> Json {
    let value = i64::try_from(version.get()).ok().and_then(|value| Json::integer(value).ok());
    value.expect("invariant: stream versions are below 2^53")
}
