//! Proof files: every broken rule, and proofs over real trees and signatures.

use proptest::prelude::*;
use zeroize::Zeroizing;

use super::*;
use crate::checkpoint::Origin;
use crate::hash::leaf_hash;
use crate::note::{KeyName, NoteSigner, SignatureType, SignerKey, VerifierKey};
use crate::tree::{MemoryTree, inclusion_proof};

const ORIGIN: &str = "registry.example/log";

fn signer() -> NoteSigner {
    let name = KeyName::new(ORIGIN).unwrap();
    let seed = Zeroizing::new([1; 32]);
    NoteSigner::new(&SignerKey::from_seed(name, SignatureType::Ed25519, seed).unwrap()).unwrap()
}

fn policy() -> Policy {
    let key: VerifierKey = signer().verifier_key().clone();
    Policy::without_witnesses([key]).unwrap()
}

fn leaf(index: u64) -> Hash {
    leaf_hash(&index.to_be_bytes())
}

fn proof(index: u64, size: u64) -> TlogProof {
    let tree: MemoryTree = (0..size).map(leaf).collect();
    let checkpoint = Checkpoint::new(Origin::new(ORIGIN).unwrap(), tree.size(), tree.root());
    let text = checkpoint.to_string();
    let signature = signer().sign(&text);
    let inclusion = inclusion_proof(&tree, LeafIndex::new(index), tree.size()).unwrap();
    TlogProof::new(inclusion, Note::new(text, vec![signature]).unwrap()).unwrap()
}

#[test]
fn a_proof_verifies_with_its_leaf_and_policy() {
    for size in [1, 2, 3, 7, 8, 300] {
        for index in [0, size / 2, size - 1] {
            let proof = proof(index, size);
            let read = TlogProof::from_bytes(proof.to_string().as_bytes()).unwrap();
            assert_eq!(read, proof);
            assert_eq!(read.leaf_index(), LeafIndex::new(index));
            let verified = read.verify(&leaf(index), &policy()).unwrap();
            assert_eq!(verified.checkpoint().size(), TreeSize::new(size));
            assert!(matches!(
                read.verify(&leaf(index + 1), &policy()),
                Err(TlogProofVerificationError::Inclusion(ProofError::RootMismatch { .. }))
            ));
            assert!(matches!(
                read.verify(&leaf(index), &Policy::parse("quorum none\n").unwrap()),
                Err(TlogProofVerificationError::Checkpoint(VerificationError::UnknownLog { .. }))
            ));
        }
    }
}

#[test]
fn the_proof_of_a_single_leaf_has_no_hashes() {
    let text = proof(0, 1).to_string();
    assert!(text.starts_with("c2sp.org/tlog-proof@v1\nindex 0\n\nregistry.example/log\n1\n"));
}

#[test]
fn extra_data_travel_along() {
    let proof = proof(2, 5).with_extra(b"extra".to_vec()).unwrap();
    let text = proof.to_string();
    assert!(text.starts_with("c2sp.org/tlog-proof@v1\nextra ZXh0cmE=\nindex 2\n"));
    let read = TlogProof::parse(&text).unwrap();
    assert_eq!(read.extra(), Some(b"extra".as_slice()));
    assert_eq!(read, proof);
    read.verify(&leaf(2), &policy()).unwrap();
}

#[test]
fn each_broken_rule_has_its_error() {
    use TlogProofError as E;
    let good = proof(2, 5).to_string();
    let first_hash = good.lines().nth(2).unwrap().to_owned();
    type Expected = fn(&E) -> bool;
    let cases: [(String, Expected); 19] = [
        (String::new(), |e| *e == E::Header),
        (good.replace("@v1", "@v2"), |e| *e == E::Header),
        (format!("\n{good}"), |e| *e == E::Header),
        (good.replace("index 2", "extra \nindex 2"), |e| *e == E::EmptyExtra),
        (good.replace("index 2", "extra AR==\nindex 2"), |e| matches!(e, E::Extra(_))),
        (good.replace("index 2", "extra AQ==\nextra AQ==\nindex 2"), |e| *e == E::Index),
        (good.replace("index 2", "extra\nindex 2"), |e| *e == E::Index),
        (good.replace("index 2", "index 02"), |e| *e == E::Index),
        (good.replace("index 2", "index  2"), |e| *e == E::Index),
        (good.replace("index 2", "index 18446744073709551616"), |e| *e == E::Index),
        (good.replace("index 2\n", ""), |e| *e == E::Index),
        (good.replace(&first_hash, &first_hash[..43]), |e| {
            matches!(e, E::PathHash { number: 1, .. })
        }),
        (good.replace(&first_hash, "AAAA"), |e| matches!(e, E::PathHash { number: 1, .. })),
        (good.replace(&first_hash, &format!("{first_hash}\n").repeat(65)), |e| {
            *e == E::PathTooLong
        }),
        (good.split("\n\n").next().unwrap().to_owned(), |e| *e == E::MissingCheckpoint),
        (good.split("\n\n").next().unwrap().to_owned() + "\n\n", |e| matches!(e, E::Note(_))),
        (good.trim_end().to_owned(), |e| *e == E::Note(NoteError::MissingFinalNewline)),
        (format!("{good}\n"), |e| *e == E::Note(NoteError::MissingSignatures)),
        (good.replace("\n5\n", "\n05\n"), |e| matches!(e, E::Checkpoint(_))),
    ];
    for (text, expected) in cases {
        let error = TlogProof::parse(&text).unwrap_err();
        assert!(expected(&error), "{error:?} for {text:?}");
    }
    assert_eq!(TlogProof::from_bytes(b"c2sp\xff"), Err(E::NotUtf8 { valid_bytes: 4 }));
    assert_eq!(proof(2, 5).with_extra(vec![]), Err(E::EmptyExtra));
}

#[test]
fn a_proof_needs_the_checkpoint_of_its_tree() {
    let (small, large) = (proof(2, 5), proof(2, 6));
    let error = TlogProofError::TreeSize { proof: TreeSize::new(6), checkpoint: TreeSize::new(5) };
    assert_eq!(TlogProof::new(large.inclusion().clone(), small.note().clone()), Err(error));
}

#[test]
fn an_index_beyond_the_tree_is_refused() {
    let text = proof(2, 5).to_string().replace("index 2", "index 5");
    let read = TlogProof::parse(&text).unwrap();
    let outside = ProofError::LeafOutsideTree { leaf: LeafIndex::new(5), size: TreeSize::new(5) };
    assert_eq!(
        read.verify(&leaf(2), &policy()),
        Err(TlogProofVerificationError::Inclusion(outside))
    );
}

proptest! {
    #[test]
    fn every_proof_reads_back(size in 1_u64..400, at: u64, extra: Vec<u8>) {
        let mut proof = proof(at % size, size);
        if !extra.is_empty() {
            proof = proof.with_extra(extra).unwrap();
        }
        let text = proof.to_string();
        let read = TlogProof::parse(&text).unwrap();
        prop_assert_eq!(read.to_string(), text);
        prop_assert_eq!(read, proof);
    }
}
