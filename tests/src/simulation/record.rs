//! Keys and records of the simulated log: everything follows from small numbers.

use letopis_consensus::StateView;
use letopis_ledger::StreamVersion;
use letopis_ledger::checkpoint::Origin;
use letopis_ledger::governance::{GovernanceEvent, LOG_STREAM, SCHEMA_VERSION};
use letopis_ledger::hash::Hash;
use letopis_ledger::id::{AgencyId, ClaimName, EventType, NodeId, RecordId, StreamName};
use letopis_ledger::json::Object;
use letopis_ledger::key::AuthorSigner;
use letopis_ledger::note::{KeyName, SignatureType, SignerKey};
use letopis_ledger::record::{Claim, ClaimOperation, Event, Record, SignedRecord};

const ORIGIN: &str = "log.example.org/letopis";

pub(super) fn origin() -> Origin {
    Origin::new(ORIGIN).expect("it is an origin")
}

pub(super) fn agency() -> AgencyId {
    AgencyId::parse("founder").expect("it is an agency")
}

fn signer() -> AuthorSigner {
    AuthorSigner::from_seed(&[1; 32])
}

fn note_key(name: &str, kind: SignatureType, seed: u8) -> SignerKey {
    let name = KeyName::new(name).expect("it is a name");
    SignerKey::from_seed(name, kind, [seed; 32].into()).expect("it is a key")
}

pub(super) fn log_key() -> SignerKey {
    note_key(ORIGIN, SignatureType::Ed25519, 11)
}

pub(super) fn cosigner(number: u64) -> SignerKey {
    let seed = u8::try_from(100 + number).expect("few nodes");
    note_key(&format!("node{number}.example.org"), SignatureType::Ed25519Cosignature, seed)
}

pub(super) fn node(number: u64) -> NodeId {
    NodeId::new(number).expect("it is a node's number")
}

/// The key of a node's certificate.
pub(super) fn certificate(number: u64) -> Hash {
    Hash::of(&number.to_be_bytes())
}

pub(super) fn stream(name: &str) -> StreamName {
    StreamName::parse(name).expect("it is a stream")
}

pub(super) fn claim_name(number: u64) -> ClaimName {
    ClaimName::parse(&format!("uin/{number}")).expect("it is a claim")
}

/// A majority of these nodes makes a head final.
pub(super) fn policy_of(voters: &[u64]) -> String {
    let mut text = format!("log {}\n", log_key().verifier_key());
    for number in voters {
        text += &format!("witness n{number} {}\n", cosigner(*number).verifier_key());
    }
    let names: Vec<String> = voters.iter().map(|number| format!("n{number}")).collect();
    text += &format!("group quorum {} {}\n", voters.len() / 2 + 1, names.join(" "));
    text + "quorum quorum\n"
}

pub(super) fn signed(id: RecordId, events: Vec<Event>, claims: Vec<Claim>) -> SignedRecord {
    let record = Record::new(origin(), id, agency(), events, claims).expect("it is a record");
    SignedRecord::sign(record, &signer())
}

pub(super) fn event(name: &StreamName, version: u64) -> Event {
    Event {
        stream: name.clone(),
        version: StreamVersion::new(version),
        event_type: EventType::parse("thing.happened").expect("it is a type"),
        schema: 1,
        data: Object::new().with("text", "x"),
        private: vec![],
    }
}

pub(super) fn governance(version: u64, read: &GovernanceEvent) -> Event {
    Event {
        stream: read.stream(),
        version: StreamVersion::new(version),
        event_type: read.event_type(),
        schema: SCHEMA_VERSION,
        data: read.data(),
        private: vec![],
    }
}

pub(super) fn claim(number: u64, operation: ClaimOperation, holder: &StreamName) -> Claim {
    Claim { name: claim_name(number), operation, holder: holder.clone() }
}

pub(super) fn admitted(number: u64, address: &str) -> GovernanceEvent {
    GovernanceEvent::NodeAdmitted {
        node: node(number),
        agency: agency(),
        address: address.to_owned(),
        key: certificate(number),
    }
}

/// The record that begins the log, with its first voters and their addresses.
pub(super) fn genesis(voters: &[(u64, String)]) -> SignedRecord {
    let names = Object::new().with("en", "Founder");
    let key = signer().key();
    let numbers: Vec<u64> = voters.iter().map(|(number, _)| *number).collect();
    let mut events = vec![
        governance(0, &GovernanceEvent::AgencyAdmitted { agency: agency(), names }),
        governance(1, &GovernanceEvent::KeyIntroduced { agency: agency(), key }),
        governance(0, &GovernanceEvent::PolicySet { policy: policy_of(&numbers) }),
    ];
    for (version, (number, address)) in (1..).step_by(2).zip(voters) {
        events.push(governance(version, &admitted(*number, address)));
        let promoted = GovernanceEvent::NodePromoted { node: node(*number) };
        events.push(governance(version + 1, &promoted));
    }
    signed(RecordId::from_parts(1_700_000_000_000, &[7; 10]), events, vec![])
}

pub(super) fn log_stream() -> StreamName {
    stream(LOG_STREAM)
}

/// Text of the policy after a state, for those who check checkpoints.
pub(super) fn policy_after(view: &letopis_consensus::MemoryView) -> Option<String> {
    view.policy().unwrap_or_else(|never| match never {})
}
