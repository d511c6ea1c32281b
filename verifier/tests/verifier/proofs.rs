//! Proof files: a good one holds, and whatever is altered in it or in its entry is refused.

use letopis_ledger::Hash;
use letopis_ledger::json::Object;
use letopis_ledger::proof::TlogProof;
use letopis_ledger::tree::inclusion_proof;
use letopis_ledger::{LeafIndex, TreeSize};
use letopis_verifier::finding::Rule;
use letopis_verifier::proof::{CheckedProof, check_document, check_proof};

use super::rules::Broken;
use super::written::{Written, list, note, policy};

fn check(proof: &[u8], leaf: Option<&[u8]>) -> CheckedProof {
    check_proof(proof, leaf, &policy())
}

pub(crate) fn break_rule(rule: Rule) -> Broken {
    let written = Written::of_size(9);
    let proof = written.proof(4).to_string();
    if rule == Rule::DocumentIssued {
        // An entry that issues nothing.
        let mut checked = check(proof.as_bytes(), None);
        check_document(&mut checked, b"a paper");
        return Broken::alone(list(&checked.findings), Some(4));
    }
    let (checked, leaf) = if rule == Rule::ProofForm {
        (check(&proof.as_bytes()[1..], None), None)
    } else {
        // The entry of another leaf beside the proof.
        (check(proof.as_bytes(), Some(&written.leaves[5])), Some(4))
    };
    Broken::alone(list(&checked.findings), leaf)
}

#[test]
fn a_proof_holds_with_the_entry_inside_or_beside_it() {
    let written = Written::of_size(300);
    for leaf in [0, 1, 255, 256, 299] {
        let proof = written.proof(leaf);
        let checked = check(proof.to_string().as_bytes(), None);
        assert_eq!(checked.findings.kept(), [], "leaf {leaf}");
        assert_eq!(checked.leaf_index, Some(leaf));
        assert_eq!(checked.log.unwrap().1, 300);
        assert_eq!(checked.leaf.unwrap().index().get(), leaf);
        assert_eq!(checked.cosigners.len(), 2);

        let entry = &written.leaves[usize::try_from(leaf).unwrap()];
        let tree = written.tree();
        let inclusion = inclusion_proof(&tree, LeafIndex::new(leaf), TreeSize::new(300)).unwrap();
        let bare = TlogProof::new(inclusion, note(&written.checkpoint(), 2)).unwrap().to_string();
        assert!(check(bare.as_bytes(), Some(entry)).findings.is_empty());
        let without = check(bare.as_bytes(), None);
        assert_eq!(list(&without.findings), [(Rule::ProofForm, None)]);
    }
}

#[test]
fn no_byte_of_a_proof_file_can_be_flipped() {
    let proof = Written::of_size(9).proof(4).to_string().into_bytes();
    let mut altered = proof.clone();
    for position in 0..proof.len() {
        altered[position] ^= 1 << (position % 8);
        assert!(!check(&altered, None).findings.is_empty(), "byte {position}");
        altered[position] = proof[position];
    }
}

#[test]
fn a_proof_needs_the_quorum_and_the_right_log() {
    let written = Written::of_size(9);
    let tree = written.tree();
    let inclusion = inclusion_proof(&tree, LeafIndex::new(4), TreeSize::new(9)).unwrap();
    let proof = TlogProof::new(inclusion, note(&written.checkpoint(), 1)).unwrap().to_string();
    let checked = check(proof.as_bytes(), Some(&written.leaves[4]));
    assert_eq!(list(&checked.findings), [(Rule::CheckpointQuorum, Some(4))]);
}

#[test]
fn an_entry_that_is_no_leaf_or_is_not_in_its_place_is_refused_though_it_is_proved() {
    let mut written = Written::of_size(9);
    written.leaves[4] = b"anything".to_vec();
    written.leaves[6] = written.leaves[5].clone();
    let found = |leaf: u64| list(&check(written.proof(leaf).to_string().as_bytes(), None).findings);
    assert_eq!(found(4), [(Rule::LeafForm, Some(4))]);
    assert_eq!(found(6), [(Rule::LeafIndex, Some(6))]);
    assert_eq!(found(5), []);
}

#[test]
fn the_entry_that_issued_a_paper_names_its_very_bytes() {
    let mut written = Written::of_size(3);
    let paper = b"a paper".as_slice();
    let issued = |bytes: &[u8], size: u32| {
        Object::new()
            .with("kind", "result")
            .with("language", "en")
            .with("media_type", "application/pdf")
            .with("sha256", Hash::of(bytes).to_hex().as_str())
            .with("size_bytes", size)
    };
    for (data, holds) in
        [(issued(paper, 7), true), (issued(b"another", 7), false), (issued(paper, 8), false)]
    {
        let event = written.event("application/1", "document.issued", data);
        let leaf = written.push("zarechny", vec![event]);
        let mut checked = check(written.proof(leaf).to_string().as_bytes(), None);
        check_document(&mut checked, paper);
        assert_eq!(checked.document, holds.then(|| Hash::of(paper).to_hex()));
        let expected = if holds { vec![] } else { vec![(Rule::DocumentIssued, Some(leaf))] };
        assert_eq!(list(&checked.findings), expected);
    }
}
