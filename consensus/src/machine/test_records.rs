//! Records for tests: authors with fixed keys, and the shortest way to a signed record.

use letopis_ledger::StreamVersion;
use letopis_ledger::checkpoint::Origin;
use letopis_ledger::governance::{GovernanceEvent, SCHEMA_VERSION};
use letopis_ledger::hash::Hash;
use letopis_ledger::id::{AgencyId, ClaimName, EventType, NodeId, RecordId, StreamName};
use letopis_ledger::json::Object;
use letopis_ledger::key::{AuthorKey, AuthorSigner};
use letopis_ledger::note::{KeyName, SignatureType, SignerKey};
use letopis_ledger::record::{Claim, ClaimOperation, Event, Record, SignedRecord};

pub(crate) const ORIGIN: &str = "log.example.org/letopis";

pub(crate) fn origin() -> Origin {
    Origin::new(ORIGIN).unwrap()
}

/// An agency with one key.
pub(crate) struct Author {
    pub(crate) agency: AgencyId,
    pub(crate) signer: AuthorSigner,
}

impl Author {
    pub(crate) fn new(name: &str, seed: u8) -> Self {
        let signer = AuthorSigner::from_seed(&[seed; 32]);
        Self { agency: AgencyId::parse(name).unwrap(), signer }
    }

    pub(crate) fn key(&self) -> AuthorKey {
        self.signer.key()
    }

    /// Signs a record of these events and claims.
    pub(crate) fn record(&self, id: u64, events: Vec<Event>, claims: Vec<Claim>) -> SignedRecord {
        let record = Record::new(origin(), record_id(id), self.agency.clone(), events, claims);
        SignedRecord::sign(record.unwrap(), &self.signer)
    }
}

pub(crate) fn founder() -> Author {
    Author::new("founder", 1)
}

pub(crate) fn record_id(number: u64) -> RecordId {
    RecordId::from_parts(1_700_000_000_000 + number, &[7; 10])
}

pub(crate) fn stream(name: &str) -> StreamName {
    StreamName::parse(name).unwrap()
}

pub(crate) fn claim_name(name: &str) -> ClaimName {
    ClaimName::parse(name).unwrap()
}

pub(crate) fn event(name: &str, version: u64) -> Event {
    event_with(name, version, "text", "x")
}

pub(crate) fn event_with(name: &str, version: u64, key: &str, text: &str) -> Event {
    Event {
        stream: stream(name),
        version: StreamVersion::new(version),
        event_type: EventType::parse("thing.happened").unwrap(),
        schema: 1,
        data: Object::new().with(key, text),
        private: vec![],
    }
}

pub(crate) fn governance(version: u64, read: &GovernanceEvent) -> Event {
    Event {
        stream: read.stream(),
        version: StreamVersion::new(version),
        event_type: read.event_type(),
        schema: SCHEMA_VERSION,
        data: read.data(),
        private: vec![],
    }
}

pub(crate) fn admitted(agency: &AgencyId) -> GovernanceEvent {
    let names = Object::new().with("en", agency.as_str());
    GovernanceEvent::AgencyAdmitted { agency: agency.clone(), names }
}

pub(crate) fn introduced(agency: &AgencyId, key: AuthorKey) -> GovernanceEvent {
    GovernanceEvent::KeyIntroduced { agency: agency.clone(), key }
}

pub(crate) fn revoked(agency: &AgencyId, key: AuthorKey) -> GovernanceEvent {
    GovernanceEvent::KeyRevoked { agency: agency.clone(), key: key.id() }
}

pub(crate) fn node(number: u64) -> NodeId {
    NodeId::new(number).unwrap()
}

/// The key of a node's certificate, made from its number.
pub(crate) fn certificate(number: u64) -> Hash {
    Hash::of(&number.to_be_bytes())
}

pub(crate) fn node_admitted(number: u64, agency: &AgencyId) -> GovernanceEvent {
    GovernanceEvent::NodeAdmitted {
        node: node(number),
        agency: agency.clone(),
        address: format!("node{number}.example.org:4100"),
        key: certificate(number),
    }
}

pub(crate) fn node_promoted(number: u64) -> GovernanceEvent {
    GovernanceEvent::NodePromoted { node: node(number) }
}

pub(crate) fn take(name: &str, holder: &str) -> Claim {
    let (name, holder) = (claim_name(name), stream(holder));
    Claim { name, operation: ClaimOperation::Take, holder }
}

pub(crate) fn release(name: &str, holder: &str) -> Claim {
    Claim { operation: ClaimOperation::Release, ..take(name, holder) }
}

/// The policy of a log with one key and one cosigner, which is its quorum.
pub(crate) fn policy() -> String {
    let log = note_key(ORIGIN, SignatureType::Ed25519, 11);
    let node = note_key("node.example.org", SignatureType::Ed25519Cosignature, 12);
    let (log, node) = (log.verifier_key(), node.verifier_key());
    format!("log {log}\nwitness node {node}\nquorum node\n")
}

pub(crate) fn note_key(name: &str, kind: SignatureType, seed: u8) -> SignerKey {
    SignerKey::from_seed(KeyName::new(name).unwrap(), kind, [seed; 32].into()).unwrap()
}

/// The events of a genesis record.
pub(crate) fn genesis_events(author: &Author) -> Vec<Event> {
    let policy = GovernanceEvent::PolicySet { policy: policy() };
    vec![
        governance(0, &admitted(&author.agency)),
        governance(1, &introduced(&author.agency, author.key())),
        governance(0, &policy),
    ]
}

/// The record that begins a log.
pub(crate) fn genesis() -> SignedRecord {
    let founder = founder();
    founder.record(0, genesis_events(&founder), vec![])
}

/// The founder's record that admits an agency.
pub(crate) fn admission(id: u64, author: &Author) -> SignedRecord {
    let events = vec![
        governance(0, &admitted(&author.agency)),
        governance(1, &introduced(&author.agency, author.key())),
    ];
    founder().record(id, events, vec![])
}
