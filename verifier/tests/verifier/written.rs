//! A writer of small logs into a folder. It follows the formats and checks no rule.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use letopis_ledger::bundle::encode_bundle;
use letopis_ledger::checkpoint::{Checkpoint, Origin};
use letopis_ledger::cosignature::CosignatureSigner;
use letopis_ledger::governance::GovernanceEvent;
use letopis_ledger::hash::leaf_hash;
use letopis_ledger::id::{AgencyId, ClaimName, EventType, RecordId, StreamName};
use letopis_ledger::json::Object;
use letopis_ledger::key::AuthorSigner;
use letopis_ledger::leaf::{Leaf, genesis_link};
use letopis_ledger::note::{KeyName, Note, NoteSigner, SignatureType, SignerKey};
use letopis_ledger::policy::Policy;
use letopis_ledger::proof::TlogProof;
use letopis_ledger::record::{Claim, ClaimOperation, Event, Record, SignedRecord};
use letopis_ledger::tile::{Tile, bundles_at, tiles_at};
use letopis_ledger::tree::{MemoryTree, inclusion_proof};
use letopis_ledger::{Hash, LeafIndex, StreamVersion, Timestamp, TreeSize};
use letopis_verifier::audit::{Audit, AuditOptions, Nobody, audit};
use letopis_verifier::finding::{Findings, Rule};
use letopis_verifier::source::DirectorySource;
use tempfile::TempDir;
use zeroize::Zeroizing;

pub(crate) const ORIGIN: &str = "log.example/letopis";
pub(crate) const FOUNDER: &str = "founder";
pub(crate) const ZARECHNY: &str = "zarechny";
/// 2026-01-12T09:00:00.000Z, a Monday.
pub(crate) const START_MS: i64 = 1_768_208_400_000;

/// A rule found broken and the leaf named.
pub(crate) type Found = (Rule, Option<u64>);

/// A log under way.
pub(crate) struct Written {
    pub(crate) leaves: Vec<Vec<u8>>,
    pub(crate) now_ms: i64,
    pub(crate) blobs: Vec<Vec<u8>>,
    /// Lists of public disclosures by case id.
    pub(crate) disclosures: BTreeMap<String, Vec<String>>,
    lengths: BTreeMap<String, u64>,
    next_id: u64,
}

/// A record with its place, not yet signed: everything can still be made wrong.
pub(crate) struct Draft {
    pub(crate) log: Origin,
    pub(crate) id: RecordId,
    pub(crate) author: AgencyId,
    pub(crate) signer: AuthorSigner,
    pub(crate) events: Vec<Event>,
    pub(crate) claims: Vec<Claim>,
    pub(crate) index: LeafIndex,
    pub(crate) previous: Hash,
    pub(crate) time_ms: i64,
}

impl Draft {
    pub(crate) fn signed(&self) -> SignedRecord {
        let (log, author) = (self.log.clone(), self.author.clone());
        let (events, claims) = (self.events.clone(), self.claims.clone());
        let record = Record::new(log, self.id, author, events, claims).unwrap();
        SignedRecord::sign(record, &self.signer)
    }
}

impl Written {
    /// A log with its genesis and a second agency: leaves 0 and 1.
    pub(crate) fn new() -> Self {
        let mut written = Self::without_genesis();
        let mut genesis = written.admission(FOUNDER);
        let policy = GovernanceEvent::PolicySet { policy: policy().to_string() };
        genesis.push(written.governance(&policy));
        written.push(FOUNDER, genesis);
        let admission = written.admission(ZARECHNY);
        written.push(FOUNDER, admission);
        written
    }

    pub(crate) fn without_genesis() -> Self {
        Self {
            leaves: Vec::new(),
            now_ms: START_MS,
            blobs: Vec::new(),
            disclosures: BTreeMap::new(),
            lengths: BTreeMap::new(),
            next_id: 0,
        }
    }

    /// A log of so many leaves.
    pub(crate) fn of_size(size: usize) -> Self {
        let mut written = Self::new();
        written.leaves.truncate(size);
        while written.leaves.len() < size {
            let stream = format!("note/{}", written.leaves.len() % 7);
            let event = written.event(&stream, "note.taken", Object::new());
            written.push(ZARECHNY, vec![event]);
        }
        written
    }

    /// The events that admit an agency with its key.
    pub(crate) fn admission(&mut self, agency: &str) -> Vec<Event> {
        let id = AgencyId::parse(agency).unwrap();
        let names = Object::new().with("en", agency);
        let key = signer(agency).key();
        vec![
            self.governance(&GovernanceEvent::AgencyAdmitted { agency: id.clone(), names }),
            self.governance(&GovernanceEvent::KeyIntroduced { agency: id, key }),
        ]
    }

    pub(crate) fn governance(&mut self, event: &GovernanceEvent) -> Event {
        let event_type = event.event_type();
        self.event(event.stream().as_str(), event_type.as_str(), event.data())
    }

    /// The next event of a stream.
    pub(crate) fn event(&mut self, stream: &str, event_type: &str, data: Object) -> Event {
        let length = self.lengths.entry(stream.to_owned()).or_default();
        let version = StreamVersion::new(*length);
        *length += 1;
        Event {
            stream: StreamName::parse(stream).unwrap(),
            version,
            event_type: EventType::parse(event_type).unwrap(),
            schema: 1,
            data,
            private: vec![],
        }
    }

    /// The next record, ten seconds after the one before.
    pub(crate) fn draft(&mut self, author: &str, events: Vec<Event>) -> Draft {
        self.next_id += 1;
        let mut random = [0; 10];
        random[2..].copy_from_slice(&self.next_id.to_be_bytes());
        self.now_ms += 10_000;
        Draft {
            log: Origin::new(ORIGIN).unwrap(),
            id: RecordId::from_parts(self.next_id, &random),
            author: AgencyId::parse(author).unwrap(),
            signer: signer(author),
            events,
            claims: vec![],
            index: LeafIndex::new(self.leaves.len() as u64),
            previous: self.leaves.last().map_or_else(genesis_link, |leaf| leaf_hash(leaf)),
            time_ms: self.now_ms,
        }
    }

    /// Appends a draft. Gives the place of its leaf.
    pub(crate) fn put(&mut self, draft: &Draft) -> u64 {
        let time = Timestamp::from_unix_ms(draft.time_ms).unwrap();
        let leaf = Leaf::new(draft.index, draft.previous, time, draft.signed()).unwrap();
        self.leaves.push(leaf.as_bytes().to_vec());
        self.leaves.len() as u64 - 1
    }

    pub(crate) fn push(&mut self, author: &str, events: Vec<Event>) -> u64 {
        let draft = self.draft(author, events);
        self.put(&draft)
    }

    pub(crate) fn tree(&self) -> MemoryTree {
        self.leaves.iter().map(|leaf| leaf_hash(leaf)).collect()
    }

    pub(crate) fn checkpoint(&self) -> Checkpoint {
        let tree = self.tree();
        Checkpoint::new(Origin::new(ORIGIN).unwrap(), tree.size(), tree.root())
    }

    pub(crate) fn proof(&self, leaf: u64) -> TlogProof {
        let tree = self.tree();
        let inclusion = inclusion_proof(&tree, LeafIndex::new(leaf), tree.size()).unwrap();
        let proof = TlogProof::new(inclusion, note(&self.checkpoint(), 2)).unwrap();
        let index = usize::try_from(leaf).unwrap();
        proof.with_extra(self.leaves[index].clone()).unwrap()
    }

    /// Writes everything that a node publishes.
    pub(crate) fn publish(&self, folder: &Path) {
        let size = TreeSize::new(self.leaves.len() as u64);
        for path in bundles_at(size) {
            let first = usize::try_from(path.index.get()).unwrap() * 256;
            let entries = &self.leaves[first..first + usize::from(path.width.get())];
            write(folder, &path.to_string(), &encode_bundle(entries).unwrap());
        }
        let mut level: Vec<Hash> = self.leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        let mut number = 0;
        for path in tiles_at(size) {
            if path.level.get() != number {
                number = path.level.get();
                let full = level.chunks_exact(256);
                let root = |hashes: &[Hash]| {
                    Tile::new(hashes.to_vec()).unwrap().subtree_root(0, 8).unwrap()
                };
                level = full.map(root).collect();
            }
            let first = usize::try_from(path.index.get()).unwrap() * 256;
            let hashes = &level[first..first + usize::from(path.width.get())];
            let tile = Tile::new(hashes.to_vec()).unwrap();
            write(folder, &path.to_string(), &tile.to_bytes());
        }
        for blob in &self.blobs {
            write(folder, &format!("blob/{}", Hash::of(blob).to_hex()), blob);
        }
        for (case, texts) in &self.disclosures {
            let list = serde_json::json!({ "disclosures": texts });
            write(folder, &format!("disclosure/{case}"), list.to_string().as_bytes());
        }
        write(folder, "policy", policy().to_string().as_bytes());
        write(folder, "checkpoint", note(&self.checkpoint(), 2).to_string().as_bytes());
    }

    pub(crate) fn published(&self) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        self.publish(folder.path());
        folder
    }

    /// What an audit finds in the log as it is.
    pub(crate) fn found(&self) -> Vec<Found> {
        found_in(self.published().path())
    }
}

pub(crate) fn claim(name: &str, holder: &str, operation: ClaimOperation) -> Claim {
    Claim {
        name: ClaimName::parse(name).unwrap(),
        operation,
        holder: StreamName::parse(holder).unwrap(),
    }
}

/// The key of an agency, made from its name.
pub(crate) fn signer(agency: &str) -> AuthorSigner {
    AuthorSigner::from_seed(Hash::of(agency.as_bytes()).as_bytes())
}

/// A key of the log; it has another after a change.
fn log_key(seed: u8) -> SignerKey {
    key(ORIGIN, SignatureType::Ed25519, seed)
}

pub(crate) fn witness_key(number: u8) -> SignerKey {
    key(&format!("witness{number}.example"), SignatureType::Ed25519Cosignature, 10 + number)
}

fn key(name: &str, signature_type: SignatureType, seed: u8) -> SignerKey {
    let name = KeyName::new(name).unwrap();
    SignerKey::from_seed(name, signature_type, Zeroizing::new([seed; 32])).unwrap()
}

/// Both witnesses must cosign.
pub(crate) fn policy() -> Policy {
    policy_of(1, [1, 2])
}

/// The policy of a key of the log and two witnesses, both of which must cosign.
pub(crate) fn policy_of(log_seed: u8, witnesses: [u8; 2]) -> Policy {
    let (log, [one, two]) = (log_key(log_seed), witnesses.map(witness_key));
    let (log, one, two) = (log.verifier_key(), one.verifier_key(), two.verifier_key());
    let text = format!(
        "log {log}\nwitness one {one}\nwitness two {two}\ngroup both all one two\nquorum both\n"
    );
    Policy::parse(&text).unwrap()
}

/// A checkpoint signed by the log and cosigned by so many witnesses.
pub(crate) fn note(checkpoint: &Checkpoint, witnesses: u8) -> Note {
    let numbers: Vec<u8> = (1..=witnesses).collect();
    signed_by(checkpoint, 1, &numbers)
}

/// A checkpoint signed with a key of the log and cosigned by some witnesses.
pub(crate) fn signed_by(checkpoint: &Checkpoint, log_seed: u8, witnesses: &[u8]) -> Note {
    let text = checkpoint.to_string();
    let mut signatures = vec![NoteSigner::new(&log_key(log_seed)).unwrap().sign(&text)];
    for number in witnesses {
        let signer = CosignatureSigner::new(&witness_key(*number)).unwrap();
        signatures.push(signer.sign(checkpoint, 1_768_220_000).unwrap());
    }
    Note::new(text, signatures).unwrap()
}

pub(crate) fn write(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Changes one file.
pub(crate) fn edit(folder: &Path, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let path = folder.join(name);
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

/// Every file below a folder, as paths relative to it.
pub(crate) fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap();
                found.push(name.to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

pub(crate) fn audit_of(folder: &Path) -> Audit {
    let source = DirectorySource::new(folder);
    audit(&source, &AuditOptions::default(), &mut Nobody).unwrap()
}

pub(crate) fn found_in(folder: &Path) -> Vec<Found> {
    list(&audit_of(folder).findings)
}

pub(crate) fn list(findings: &Findings) -> Vec<Found> {
    let one = |finding: &letopis_verifier::finding::Finding| {
        (finding.rule, finding.leaf.map(LeafIndex::get))
    };
    findings.kept().iter().map(one).collect()
}
