//! Every byte of a proof, of a signed checkpoint, of a signed record and of a leaf matters:
//! whichever is altered, the result is refused or is something else, by its hash. Extra data of a
//! proof are left out, since by definition nothing covers them.
//!
//! Not here: which error each rule gives; that is tested beside the formats.

use std::collections::BTreeSet;

use letopis_ledger::checkpoint::{Checkpoint, Origin};
use letopis_ledger::cosignature::CosignatureSigner;
use letopis_ledger::disclosure::Disclosure;
use letopis_ledger::hash::leaf_hash;
use letopis_ledger::id::{AgencyId, ClaimName, EventType, RecordId, StreamName};
use letopis_ledger::json::Object;
use letopis_ledger::key::{AuthorKey, AuthorSigner};
use letopis_ledger::leaf::Leaf;
use letopis_ledger::note::{KeyName, Note, NoteSigner, SignatureType, SignerKey};
use letopis_ledger::policy::Policy;
use letopis_ledger::proof::TlogProof;
use letopis_ledger::record::{Claim, ClaimOperation, Event, Record, SignedRecord};
use letopis_ledger::tree::{MemoryTree, inclusion_proof};
use letopis_ledger::{Hash, LeafIndex, StreamVersion, Timestamp};
use zeroize::Zeroizing;

const ORIGIN: &str = "registry.example/log";
const LEAF: LeafIndex = LeafIndex::new(70);

fn key(name: &str, signature_type: SignatureType, seed: u8) -> SignerKey {
    let name = KeyName::new(name).unwrap();
    SignerKey::from_seed(name, signature_type, Zeroizing::new([seed; 32])).unwrap()
}

fn leaf() -> Hash {
    leaf_hash(&LEAF.get().to_be_bytes())
}

/// A proof under a checkpoint of the log and its cosigners, with a policy that needs all of them.
fn proof_and_policy(cosigner_keys: &[SignerKey]) -> (TlogProof, Policy) {
    let tree: MemoryTree = (0_u64..100).map(|index| leaf_hash(&index.to_be_bytes())).collect();
    let checkpoint = Checkpoint::new(Origin::new(ORIGIN).unwrap(), tree.size(), tree.root());
    let log_key = key(ORIGIN, SignatureType::Ed25519, 1);
    let text = checkpoint.to_string();
    let mut signatures = vec![NoteSigner::new(&log_key).unwrap().sign(&text)];
    let mut policy = format!("log {}\n", log_key.verifier_key());
    let mut members = String::new();
    for (number, key) in cosigner_keys.iter().enumerate() {
        let signer = CosignatureSigner::new(key).unwrap();
        signatures.push(signer.sign(&checkpoint, 1_792_600_000).unwrap());
        policy += &format!("witness w{number} {}\n", key.verifier_key());
        members += &format!(" w{number}");
    }
    policy += &format!("group everyone all{members}\nquorum everyone\n");
    let inclusion = inclusion_proof(&tree, LEAF, tree.size()).unwrap();
    let proof = TlogProof::new(inclusion, Note::new(text, signatures).unwrap()).unwrap();
    (proof, Policy::parse(&policy).unwrap())
}

/// Flips bits of every byte in turn and counts the flips, each of which `is_accepted` must refuse.
fn flip_all(bytes: &[u8], bits: impl Fn(usize) -> Vec<u8>, is_accepted: impl Fn(&[u8]) -> bool) {
    assert!(is_accepted(bytes), "the unaltered bytes are refused");
    let mut altered = bytes.to_vec();
    for position in 0..bytes.len() {
        for bit in bits(position) {
            altered[position] ^= 1 << bit;
            assert!(
                !is_accepted(&altered),
                "bit {bit} of byte {position} may be flipped unnoticed"
            );
            altered[position] = bytes[position];
        }
    }
}

fn every_bit(_position: usize) -> Vec<u8> {
    (0..8).collect()
}

/// One bit of each byte, a different one from byte to byte.
fn one_bit(position: usize) -> Vec<u8> {
    vec![(position % 8) as u8]
}

#[test]
fn no_bit_of_a_proof_can_be_flipped() {
    let witness = key("witness.example", SignatureType::Ed25519Cosignature, 2);
    let (proof, policy) = proof_and_policy(&[witness]);
    flip_all(proof.to_string().as_bytes(), every_bit, |bytes| {
        TlogProof::from_bytes(bytes).is_ok_and(|proof| proof.verify(&leaf(), &policy).is_ok())
    });
}

#[test]
fn no_byte_of_a_cosigned_checkpoint_can_be_flipped() {
    let witnesses = [
        key("one.example", SignatureType::Ed25519Cosignature, 2),
        key("two.example", SignatureType::MlDsa44Cosignature, 3),
    ];
    let (proof, policy) = proof_and_policy(&witnesses);
    flip_all(proof.note().to_string().as_bytes(), one_bit, |bytes| {
        Note::from_bytes(bytes).is_ok_and(|note| policy.check(&note).is_ok())
    });
}

#[test]
fn no_byte_of_a_leaf_hash_can_be_flipped() {
    let witness = key("witness.example", SignatureType::Ed25519Cosignature, 2);
    let (proof, policy) = proof_and_policy(&[witness]);
    flip_all(leaf().as_bytes(), every_bit, |bytes| {
        proof.verify(&Hash::from_slice(bytes).unwrap(), &policy).is_ok()
    });
}

#[test]
fn nothing_can_be_cut_off_or_added() {
    let witness = key("witness.example", SignatureType::Ed25519Cosignature, 2);
    let (proof, policy) = proof_and_policy(&[witness]);
    let text = proof.to_string();
    let is_accepted = |bytes: &[u8]| {
        TlogProof::from_bytes(bytes).is_ok_and(|proof| proof.verify(&leaf(), &policy).is_ok())
    };
    assert!(is_accepted(text.as_bytes()));
    for length in 0..text.len() {
        assert!(!is_accepted(&text.as_bytes()[..length]), "{length} bytes of it are accepted");
    }
    for extra in ["\n", " ", "a", "\0"] {
        assert!(!is_accepted(format!("{text}{extra}").as_bytes()));
        assert!(!is_accepted(format!("{extra}{text}").as_bytes()));
    }
}

/// What becomes of a leaf with one altered bit.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Damage {
    /// The bytes are no leaf.
    Refused,
    /// A leaf whose record its author did not sign, or not under this key.
    Unsigned,
    /// A leaf with the same signed record: only the hash, and so the tree, tells it apart.
    OnlyTheHash,
}

fn record() -> Record {
    let stream = StreamName::parse("application/1").unwrap();
    let private = Disclosure::new(&[7; 16], "plate", "А123ВС92".into()).unwrap();
    let event = Event {
        stream: stream.clone(),
        version: StreamVersion::ZERO,
        event_type: EventType::parse("application.submitted").unwrap(),
        schema: 1,
        data: Object::new().with("service", "parking-permit").with("years", 3_u32),
        private: vec![private.digest()],
    };
    let name = ClaimName::parse("number/РП-2026-000001").unwrap();
    let claim = Claim { name, operation: ClaimOperation::Take, holder: stream };
    let author = AgencyId::parse("zarechny").unwrap();
    let id = RecordId::from_parts(1_792_600_000_000, &[7; 10]);
    Record::new(Origin::new(ORIGIN).unwrap(), id, author, vec![event], vec![claim]).unwrap()
}

/// Whether every signature of the record is that of the one key in force.
fn is_signed(signed: &SignedRecord, key: AuthorKey) -> bool {
    signed.signatures().iter().all(|(id, signature)| {
        *id == key.id() && key.verify(signed.record_bytes(), signature).is_ok()
    })
}

#[test]
fn every_bit_of_a_leaf_matters() {
    let signer = AuthorSigner::from_seed(&[1; 32]);
    let signed = SignedRecord::sign(record(), &signer);
    let time = Timestamp::from_unix_ms(1_792_600_000_000).unwrap();
    let leaf = Leaf::new(LEAF, Hash::of(b"before"), time, signed).unwrap();
    let text = std::str::from_utf8(leaf.as_bytes()).unwrap();
    // What no author signed: the leader's own statements around the record.
    let record_starts = text.find("\"record\":").unwrap();
    let signatures_end = text.find(",\"time\":").unwrap();
    let mut found = BTreeSet::new();
    let mut bytes = leaf.as_bytes().to_vec();
    for position in 0..bytes.len() {
        for bit in 0..8 {
            bytes[position] ^= 1 << bit;
            let damage = match Leaf::parse(&bytes) {
                Err(_) => Damage::Refused,
                Ok(read) if !is_signed(read.signed(), signer.key()) => Damage::Unsigned,
                Ok(read) => {
                    assert!(
                        position < record_starts || position >= signatures_end,
                        "bit {bit} of byte {position} alters what the author signed"
                    );
                    assert_ne!(read.hash(), leaf.hash(), "bit {bit} of byte {position}");
                    Damage::OnlyTheHash
                }
            };
            assert_ne!(leaf_hash(&bytes), leaf.hash(), "bit {bit} of byte {position}");
            found.insert(damage);
            bytes[position] ^= 1 << bit;
        }
    }
    assert_eq!(
        found.into_iter().collect::<Vec<_>>(),
        [Damage::Refused, Damage::Unsigned, Damage::OnlyTheHash]
    );
}

#[test]
fn no_bit_of_a_signed_record_can_be_flipped() {
    let signer = AuthorSigner::from_seed(&[1; 32]);
    let signed = SignedRecord::sign(record(), &signer);
    flip_all(&signed.to_bytes(), every_bit, |bytes| {
        SignedRecord::parse(bytes).is_ok_and(|read| is_signed(&read, signer.key()))
    });
}
