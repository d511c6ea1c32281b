//! Equivocations: golden bytes, every rule, and that two true heads never make one.

use proptest::prelude::*;

use super::*;
use crate::cosignature::CosignatureSigner;
use crate::hash::leaf_hash;
use crate::note::{NoteSigner, SignatureType, SignerKey};
use crate::tree::{MemoryTree, prefix_proof};

const ORIGIN: &str = "registry.example/log";
const GOLDEN: &str = include_str!("../../testdata/equivocation-v1.txt");

fn key(name: &str, signature_type: SignatureType, seed: u8) -> SignerKey {
    SignerKey::from_seed(KeyName::new(name).unwrap(), signature_type, [seed; 32].into()).unwrap()
}

fn log_key() -> SignerKey {
    key(ORIGIN, SignatureType::Ed25519, 1)
}

fn witness(number: u8) -> SignerKey {
    key(&format!("w{number}.example"), SignatureType::Ed25519Cosignature, 10 + number)
}

/// A tree whose leaves are numbers, but for one that was rewritten.
fn tree(size: u64, rewritten: Option<u64>) -> MemoryTree {
    let leaf = |index: u64| if Some(index) == rewritten { !index } else { index };
    (0..size).map(|index| leaf_hash(&leaf(index).to_be_bytes())).collect()
}

/// A head of a tree, signed by the log and cosigned by some witnesses.
fn head(tree: &MemoryTree, witnesses: &[u8]) -> Note {
    signed(&Checkpoint::new(Origin::new(ORIGIN).unwrap(), tree.size(), tree.root()), witnesses)
}

fn signed(checkpoint: &Checkpoint, witnesses: &[u8]) -> Note {
    let text = checkpoint.to_string();
    let mut signatures = vec![NoteSigner::new(&log_key()).unwrap().sign(&text)];
    for number in witnesses {
        let signer = CosignatureSigner::new(&witness(*number)).unwrap();
        signatures.push(signer.sign(checkpoint, 1_679_315_147).unwrap());
    }
    Note::new(text, signatures).unwrap()
}

fn path(tree: &MemoryTree, old: u64) -> Vec<Hash> {
    prefix_proof(tree, TreeSize::new(old), tree.size()).unwrap().path().to_vec()
}

/// Five leaves, and seven of which leaf 2 was rewritten; witness 2 cosigned both.
fn forked() -> Equivocation {
    let fork = tree(7, Some(2));
    let (old, new) = (head(&tree(5, None), &[1, 2]), head(&fork, &[2]));
    Equivocation::new(new, old, path(&fork, 5)).unwrap()
}

#[test]
fn the_golden_file() {
    let forked = forked();
    assert_eq!(forked.to_string(), GOLDEN);
    let read = Equivocation::from_bytes(GOLDEN.as_bytes()).unwrap();
    assert_eq!(read, forked);
    assert_eq!(read.heads().each_ref().map(|head| head.size().get()), [5, 7]);
    assert_eq!(read.origin().as_str(), ORIGIN);
}

#[test]
fn who_signed_both_is_named_and_nobody_else() {
    let forked = forked();
    let names = |keys: &[SignerKey]| {
        let keys: Vec<VerifierKey> = keys.iter().map(|key| key.verifier_key().clone()).collect();
        let both = forked.check(&keys)?;
        Ok(both.into_iter().map(|signer| signer.name.to_string()).collect::<Vec<_>>())
    };
    assert_eq!(
        names(&[log_key(), witness(1), witness(2)]),
        Ok(vec![ORIGIN.to_owned(), "w2.example".to_owned()])
    );
    assert_eq!(names(&[witness(1)]), Err(EquivocationError::NobodySignedBoth { keys: 1 }));
    let stranger = key(ORIGIN, SignatureType::Ed25519, 9);
    assert_eq!(names(&[stranger]), Err(EquivocationError::NobodySignedBoth { keys: 1 }));
    // The policy names the same keys.
    let (log, one) = (log_key(), witness(2));
    let (log, one) = (log.verifier_key(), one.verifier_key());
    let policy = Policy::parse(&format!("log {log}\nwitness one {one}\nquorum one\n")).unwrap();
    assert_eq!(forked.check(keys_of(&policy)).unwrap().len(), 2);
}

#[test]
fn a_party_that_changed_its_key_between_the_heads_signed_both() {
    let new_key = key(ORIGIN, SignatureType::Ed25519, 3);
    let (old, fork) = (tree(5, None), tree(7, Some(2)));
    let text = head(&fork, &[]).text().to_owned();
    let note = Note::new(text.clone(), vec![NoteSigner::new(&new_key).unwrap().sign(&text)]);
    let found = Equivocation::new(head(&old, &[]), note.unwrap(), path(&fork, 5)).unwrap();
    let (old_key, new_key) = (log_key().verifier_key().clone(), new_key.verifier_key().clone());
    let (first, second) = (old_key.id(), new_key.id());
    let signer = DoubleSigner { name: old_key.name().clone(), first, second };
    assert_eq!(found.check(&[old_key, new_key]), Ok(vec![signer]));
}

#[test]
fn a_forged_signature_counts_as_none() {
    let fork = tree(7, Some(2));
    let theirs = head(&fork, &[]);
    // The log's signature of the other head, under this one.
    let other = head(&tree(5, None), &[]);
    let forged = Note::new(theirs.text().to_owned(), other.signatures().to_vec()).unwrap();
    let found = Equivocation::new(forged, other, path(&fork, 5)).unwrap();
    let keys = [log_key().verifier_key().clone()];
    assert_eq!(found.check(&keys), Err(EquivocationError::NobodySignedBoth { keys: 1 }));
}

#[test]
fn equal_sizes_need_no_path_and_take_none() {
    let (one, two) = (tree(4, None), tree(4, Some(1)));
    let (a, b) = (head(&one, &[]), head(&two, &[]));
    let found = Equivocation::new(a.clone(), b.clone(), vec![]).unwrap();
    assert_eq!(Equivocation::new(b.clone(), a.clone(), vec![]), Ok(found.clone()));
    assert_eq!(Equivocation::parse(&found.to_string()), Ok(found));
    let longer = Equivocation::new(a.clone(), b, vec![one.root()]);
    assert!(matches!(longer, Err(EquivocationError::Path(ProofError::PathTooLong { .. }))));
    let same = EquivocationError::Same { size: one.size(), root: one.root() };
    assert_eq!(Equivocation::new(a.clone(), a, vec![]), Err(same));
}

#[test]
fn what_can_both_be_true_is_refused() {
    let (old, new) = (tree(5, None), tree(7, None));
    let (a, b) = (head(&old, &[]), head(&new, &[]));
    let consistent = EquivocationError::Consistent { old: old.size(), new: new.size() };
    assert_eq!(Equivocation::new(a.clone(), b.clone(), path(&new, 5)), Err(consistent));
    // Hashes of another tree show nothing about this one.
    let nothing = Equivocation::new(a.clone(), b, path(&tree(7, Some(2)), 5));
    assert!(matches!(nothing, Err(EquivocationError::Path(ProofError::NewRootMismatch { .. }))));
    let other = Checkpoint::new(Origin::new("other.example").unwrap(), new.size(), new.root());
    let other = Equivocation::new(a, signed(&other, &[]), path(&new, 5));
    assert!(matches!(other, Err(EquivocationError::Origins { .. })));
}

#[test]
fn each_broken_rule_of_the_file_has_its_error() {
    let lines: Vec<&str> = GOLDEN.split_inclusive('\n').collect();
    let without = |at: usize| [&lines[..at], &lines[at + 1..]].concat().concat();
    let with = |line: &str| [&lines[..1], &[line][..], &lines[1..]].concat().concat();
    let read = |text: &str| Equivocation::parse(text).unwrap_err();
    assert_eq!(read(&without(0)), EquivocationError::Header);
    assert!(matches!(read(&with("AAAA\n")), EquivocationError::PathHash { number: 1, .. }));
    let many = format!("{}\n", Hash::of(b"x")).repeat(66);
    assert_eq!(read(&with(&many)), EquivocationError::PathTooLong);
    assert!(matches!(read(&without(1)), EquivocationError::Path(_)));
    assert_eq!(read(&format!("{GOLDEN}\n")), EquivocationError::Parts);
    assert_eq!(read(GOLDEN.trim_end()), EquivocationError::Note(NoteError::MissingFinalNewline));
    let forked = forked();
    let [first, second] = forked.notes();
    let path = forked.path().iter().map(|hash| format!("{hash}\n")).collect::<String>();
    let turned = format!("{HEADER}\n{path}\n{second}\n{first}");
    assert_eq!(read(&turned), EquivocationError::Order);
    let bytes = Equivocation::from_bytes(b"letopis\xff");
    assert_eq!(bytes, Err(EquivocationError::NotUtf8 { valid_bytes: 7 }));
}

#[test]
fn no_byte_can_be_changed_without_losing_a_signature() {
    let keys = [log_key(), witness(1), witness(2)].map(|key| key.verifier_key().clone());
    let signatures = |found: &Equivocation| {
        let notes = found.notes().iter();
        notes.flat_map(|note| keys.iter().filter(|key| has_signed(key, note))).count()
    };
    let whole = forked();
    let mut bytes = GOLDEN.as_bytes().to_vec();
    for position in 0..bytes.len() {
        bytes[position] ^= 1;
        if let Ok(read) = Equivocation::from_bytes(&bytes) {
            assert!(signatures(&read) < signatures(&whole), "byte {position}");
        }
        bytes[position] ^= 1;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_rewritten_leaf_is_always_shown_and_true_heads_never_contradict(
        old in 1_u64..60, more in 0_u64..60, rewritten in any::<prop::sample::Index>()
    ) {
        let new = old + more;
        let at = rewritten.index(old as usize) as u64;
        let (first, fork, honest) = (tree(old, None), tree(new, Some(at)), tree(new, None));
        let found = Equivocation::new(head(&first, &[]), head(&fork, &[]), path(&fork, old));
        let found = found.unwrap();
        prop_assert_eq!(Equivocation::parse(&found.to_string()), Ok(found));
        let none = Equivocation::new(head(&first, &[]), head(&honest, &[]), path(&honest, old));
        prop_assert!(none.is_err());
    }
}
