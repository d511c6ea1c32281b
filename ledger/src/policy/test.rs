//! Policies: the example of the specification, every broken rule, and quorums over real notes.

use std::collections::BTreeMap;

use proptest::prelude::*;
use zeroize::Zeroizing;

use super::*;
use crate::cosignature::CosignatureSigner;
use crate::hash::Hash;
use crate::note::{KeyName, NoteSignature, NoteSigner, SignatureError, SignerKey};
use crate::position::TreeSize;

const ORIGIN: &str = "registry.example/log";

fn key(name: &str, signature_type: SignatureType, seed: u8) -> SignerKey {
    let name = KeyName::new(name).unwrap();
    SignerKey::from_seed(name, signature_type, Zeroizing::new([seed; 32])).unwrap()
}

fn log_key(seed: u8) -> SignerKey {
    key(ORIGIN, SignatureType::Ed25519, seed)
}

fn witness_key(number: u8) -> SignerKey {
    key(&format!("w{number}.example"), SignatureType::Ed25519Cosignature, 100 + number)
}

fn vkey(key: &SignerKey) -> &VerifierKey {
    key.verifier_key()
}

fn checkpoint() -> Checkpoint {
    Checkpoint::new(Origin::new(ORIGIN).unwrap(), TreeSize::new(7), Hash::of(b"root"))
}

fn log_signature(key: &SignerKey) -> NoteSignature {
    NoteSigner::new(key).unwrap().sign(&checkpoint().to_string())
}

fn cosignature(key: &SignerKey, unix_seconds: u64) -> NoteSignature {
    CosignatureSigner::new(key).unwrap().sign(&checkpoint(), unix_seconds).unwrap()
}

fn note(signatures: impl IntoIterator<Item = NoteSignature>) -> Note {
    Note::new(checkpoint().to_string(), signatures.into_iter().collect()).unwrap()
}

/// A note signed by the log and these witnesses; witness `n` cosigns at second `1000 + n`.
fn note_by(witnesses: &[u8]) -> Note {
    let cosignatures = witnesses
        .iter()
        .map(|number| cosignature(&witness_key(*number), 1000 + u64::from(*number)));
    note(std::iter::once(log_signature(&log_key(1))).chain(cosignatures))
}

/// The two-level example of the specification, with keys.
fn two_level_policy() -> String {
    let witness =
        |name: &str, number: u8| format!("witness {name} {}\n", vkey(&witness_key(number)));
    let mut text = format!("# Example\n\nlog {} https://{ORIGIN}/\n\n", vkey(&log_key(1)));
    for number in 1..=3 {
        text += &witness(&format!("X{number}"), number);
    }
    text += "group X-witnesses 2 X1 X2 X3\n";
    for number in 4..=6 {
        text += &witness(&format!("Y{}", number - 3), number);
    }
    text += "group \tY-witnesses any Y1 Y2  Y3 \n  # both\n";
    text + "group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n"
}

#[test]
fn the_quorum_of_the_specification_is_reached_as_it_says() {
    let policy = Policy::parse(&two_level_policy()).unwrap();
    for (witnesses, reached) in [
        ([].as_slice(), false),
        (&[1, 2, 3], false),
        (&[1, 4], false),
        (&[4, 5, 6], false),
        (&[1, 2, 4], true),
        (&[6, 3, 1], true),
        (&[1, 2, 3, 4, 5, 6], true),
    ] {
        let checked = policy.check(&note_by(witnesses));
        assert_eq!(checked.is_ok(), reached, "{witnesses:?}");
        if !reached {
            assert_eq!(
                checked,
                Err(VerificationError::QuorumNotReached {
                    quorum: MemberName("X-and-Y".into()),
                    cosigned: witnesses.len(),
                    witnesses: 6,
                })
            );
        }
    }
}

#[test]
fn what_was_checked_names_the_cosigners_and_their_times() {
    let policy = Policy::parse(&two_level_policy()).unwrap();
    let verified = policy.check(&note_by(&[6, 3, 1])).unwrap();
    assert_eq!(verified.checkpoint(), &checkpoint());
    assert_eq!(verified.log_keys(), [vkey(&log_key(1)).id()]);
    let cosigner = |name: &str, number: u8| Cosigner {
        witness: MemberName(name.into()),
        key_id: vkey(&witness_key(number)).id(),
        unix_seconds: 1000 + u64::from(number),
    };
    let expected = [cosigner("X1", 1), cosigner("X3", 3), cosigner("Y3", 6)];
    assert_eq!(verified.cosigners(), expected);
}

#[test]
fn the_canonical_form_reads_back_without_comments() {
    let policy = Policy::parse(&two_level_policy()).unwrap();
    let text = policy.to_string();
    assert_eq!(Policy::parse(&text).unwrap(), policy);
    assert!(text.ends_with(
        "group X-witnesses 2 X1 X2 X3\n\
         group Y-witnesses any Y1 Y2 Y3\n\
         group X-and-Y all X-witnesses Y-witnesses\n\
         quorum X-and-Y\n"
    ));
    assert!(!text.contains('#') && !text.contains("\n\n"));
}

#[test]
fn a_log_may_sign_with_either_of_its_keys() {
    let (old, new) = (log_key(1), key(ORIGIN, SignatureType::MlDsa44Cosignature, 2));
    let policy = Policy::without_witnesses([vkey(&old).clone(), vkey(&new).clone()]).unwrap();
    let new_signature = cosignature(&new, 1000);
    let verified = policy.check(&note([log_signature(&old)])).unwrap();
    assert_eq!(verified.log_keys(), [vkey(&old).id()]);
    let verified = policy.check(&note([new_signature.clone()])).unwrap();
    assert_eq!(verified.log_keys(), [vkey(&new).id()]);
    let both = policy.check(&note([new_signature, log_signature(&old)])).unwrap();
    assert_eq!(both.log_keys(), [vkey(&old).id(), vkey(&new).id()]);
    assert_eq!(both.cosigners(), []);
}

#[test]
fn a_checkpoint_without_its_log_is_refused() {
    let log = log_key(1);
    let other = key("other.example", SignatureType::Ed25519, 2);
    let origin = || Origin::new(ORIGIN).unwrap();
    let policy = Policy::without_witnesses([vkey(&other).clone()]).unwrap();
    assert_eq!(
        policy.check(&note([log_signature(&log)])),
        Err(VerificationError::UnknownLog { origin: origin() })
    );
    let empty = Policy::parse("quorum none\n").unwrap();
    assert_eq!(
        empty.check(&note([log_signature(&log)])),
        Err(VerificationError::UnknownLog { origin: origin() })
    );
    // Another trusted log signed this log's checkpoint: valid, but it does not count.
    let keys = [vkey(&other).clone(), vkey(&log).clone()];
    let policy = Policy::without_witnesses(keys).unwrap();
    assert_eq!(
        policy.check(&note([log_signature(&other)])),
        Err(VerificationError::LogSignatureMissing { origin: origin() })
    );
    // A witness cannot speak for the log.
    let text = format!("log {}\nwitness w {}\nquorum w\n", vkey(&log), vkey(&witness_key(1)));
    assert_eq!(
        Policy::parse(&text).unwrap().check(&note([cosignature(&witness_key(1), 1)])),
        Err(VerificationError::LogSignatureMissing { origin: origin() })
    );
    let not_checkpoint = Note::new("text\n".into(), vec![log_signature(&log)]).unwrap();
    assert!(matches!(
        policy.check(&not_checkpoint),
        Err(VerificationError::Checkpoint(CheckpointError::LineCount { found: 1 }))
    ));
}

#[test]
fn a_bad_signature_of_any_key_of_the_policy_spoils_the_checkpoint() {
    let policy = Policy::parse(&two_level_policy()).unwrap();
    let good = note_by(&[1, 2, 4]);
    let key = witness_key(5);
    let forged = NoteSignature::new(vkey(&key).name().clone(), vkey(&key).id(), vec![0; 72]);
    let mut spoiled = good.clone();
    spoiled.add_signature(forged).unwrap();
    assert!(matches!(
        policy.check(&spoiled),
        Err(VerificationError::Note(NoteVerificationError::Refused {
            source: SignatureError::Invalid,
            ..
        }))
    ));
    let mut with_stranger = good;
    with_stranger.add_signature(cosignature(&witness_key(9), 1)).unwrap();
    assert!(policy.check(&with_stranger).is_ok());
}

#[test]
fn a_single_witness_can_be_the_quorum() {
    let (log, witness) = (log_key(1), key("w.example", SignatureType::MlDsa44Cosignature, 3));
    let text = format!("log {}\nwitness w {}\nquorum w\n", vkey(&log), vkey(&witness));
    let policy = Policy::parse(&text).unwrap();
    assert_eq!(policy.to_string(), text);
    let checked = policy.check(&note([log_signature(&log), cosignature(&witness, 0)])).unwrap();
    assert_eq!(checked.cosigners()[0].unix_seconds, 0);
    assert!(policy.check(&note([log_signature(&log)])).is_err());
}

#[test]
fn each_broken_rule_of_the_text_has_its_error() {
    use PolicyError as E;
    let (log, w1, w2) = (log_key(1), witness_key(1), witness_key(2));
    let ml_dsa = key("w", SignatureType::MlDsa44Cosignature, 1);
    let (l, w1, w2) = (vkey(&log), vkey(&w1), vkey(&w2));
    let two = format!("witness a {w1}\nwitness b {w2}\n");
    let name = |name: &str| name.to_owned();
    let count = |line, expected, found| E::WordCount { line, expected, found };
    let threshold = |found: &str, members| E::Threshold { line: 3, found: name(found), members };
    let cases = [
        (String::new(), E::MissingQuorum),
        (format!("log {l}\n"), E::MissingQuorum),
        ("quorum none".into(), E::MissingFinalNewline),
        ("quorum none\nquorum none\n".into(), E::SecondQuorum { line: 2 }),
        ("quorum none\r\n".into(), E::ControlCharacter { line: 1, code: 13 }),
        ("\n\x7fquorum none\n".into(), E::ControlCharacter { line: 2, code: 127 }),
        ("Quorum none\n".into(), E::Keyword { line: 1, keyword: name("Quorum") }),
        ("\u{a0}quorum none\n".into(), E::Keyword { line: 1, keyword: name("\u{a0}quorum") }),
        ("quorum\n".into(), count(1, "<name of a witness or group, or none>", 0)),
        ("quorum none none\n".into(), count(1, "<name of a witness or group, or none>", 2)),
        ("log\n".into(), count(1, "<vkey> [<url>]", 0)),
        (format!("log {l} url more\n"), count(1, "<vkey> [<url>]", 3)),
        ("witness a\n".into(), count(1, "<name> <vkey> [<url>]", 1)),
        (format!("{two}group g\n"), count(3, "<name> <any, all or a number> <name>...", 1)),
        (format!("{two}group g any\n"), count(3, "<name> <any, all or a number> <name>...", 2)),
        (
            format!("log {w1}\n"),
            E::KeyType { line: 1, keyword: "log", found: SignatureType::Ed25519Cosignature },
        ),
        (
            format!("witness a {l}\n"),
            E::KeyType { line: 1, keyword: "witness", found: SignatureType::Ed25519 },
        ),
        (format!("witness none {w1}\n"), E::ReservedName { line: 1 }),
        (format!("{two}group none any a\n"), E::ReservedName { line: 3 }),
        (
            format!("witness a {w1}\nwitness a {w2}\n"),
            E::DuplicateName { line: 2, name: name("a") },
        ),
        (format!("{two}group a any b\n"), E::DuplicateName { line: 3, name: name("a") }),
        ("quorum a\n".into(), E::UnknownName { line: 1, name: name("a") }),
        (format!("{two}group g any g\n"), E::UnknownName { line: 3, name: name("g") }),
        (format!("{two}group g any none\n"), E::UnknownName { line: 3, name: name("none") }),
        (format!("{two}group g any a a\n"), E::MemberTwice { line: 3, name: name("a") }),
        (
            format!("{two}group g any a\ngroup h all b a\n"),
            E::MemberTwice { line: 4, name: name("a") },
        ),
        (format!("{two}group g 0 a b\n"), threshold("0", 2)),
        (format!("{two}group g 3 a b\n"), threshold("3", 2)),
        (format!("{two}group g 01 a b\n"), threshold("01", 2)),
        (format!("{two}group g some a b\n"), threshold("some", 2)),
    ];
    for (text, error) in cases {
        assert_eq!(Policy::parse(&text), Err(error), "{text:?}");
    }
    let text = format!("log {}\n", l.to_string().replace("registry", "registrar"));
    assert!(matches!(Policy::parse(&text), Err(E::Key { line: 1, .. })));
    let accepted = format!("log {}\nquorum none\n", vkey(&ml_dsa));
    assert!(Policy::parse(&accepted).is_ok());
}

#[test]
fn no_key_and_no_name_of_a_cosigner_is_listed_twice() {
    use PolicyError as E;
    let ml_dsa = key("w", SignatureType::MlDsa44Cosignature, 1);
    let (l, w1) = (log_key(1), witness_key(1));
    let (l, w1) = (vkey(&l), vkey(&w1));
    let cases = [
        (format!("log {l}\nlog {l}\n"), E::DuplicateKey { line: 2, keyword: "log" }),
        (
            format!("witness a {w1}\nwitness b {}\n", renamed(&witness_key(1), "other")),
            E::DuplicateKey { line: 2, keyword: "witness" },
        ),
        (
            format!("log {}\nwitness a {}\n", vkey(&ml_dsa), renamed(&ml_dsa, "other")),
            E::DuplicateKey { line: 2, keyword: "witness" },
        ),
        (
            format!("witness a {}\nlog {}\n", renamed(&ml_dsa, "other"), vkey(&ml_dsa)),
            E::DuplicateKey { line: 2, keyword: "log" },
        ),
        (
            format!("witness a {w1}\nwitness b {}\n", renamed(&witness_key(2), "w1.example")),
            E::DuplicateKeyName { line: 2, name: "w1.example".to_owned() },
        ),
    ];
    for (text, error) in cases {
        assert_eq!(Policy::parse(&text), Err(error), "{text:?}");
    }
}

/// The same public key under another name.
fn renamed(key: &SignerKey, name: &str) -> VerifierKey {
    let (signature_type, public_key) = (vkey(key).signature_type(), vkey(key).public_key());
    VerifierKey::new(KeyName::new(name).unwrap(), signature_type, public_key.to_vec()).unwrap()
}

/// Two keys of one name whose ids are the same, and whose public keys are not. A birthday search
/// finds them among some 2^17 tries.
fn colliding_keys(types: [SignatureType; 2]) -> [VerifierKey; 2] {
    let name = KeyName::new(ORIGIN).unwrap();
    let mut seen: BTreeMap<[u8; 4], Hash> = BTreeMap::new();
    for number in 0..u32::MAX {
        let public_key = Hash::of(&number.to_be_bytes());
        let of = |signature_type| {
            VerifierKey::new(name.clone(), signature_type, public_key.as_bytes().to_vec()).ok()
        };
        // About half of all hashes are no point of the curve.
        let (Some(first), Some(second)) = (of(types[0]), of(types[1])) else { continue };
        if let Some(other) = seen.get(second.id().as_bytes()) {
            let other = VerifierKey::new(name, types[0], other.as_bytes().to_vec()).unwrap();
            return [other, second];
        }
        seen.insert(*first.id().as_bytes(), public_key);
    }
    unreachable!("so many tries have a collision")
}

#[test]
fn one_signature_cannot_count_for_two_keys_whose_ids_collide() {
    let (log, witness) = (SignatureType::Ed25519, SignatureType::Ed25519Cosignature);
    let duplicate = |keyword| Err(PolicyError::DuplicateKey { line: 2, keyword });
    let [first, second] = colliding_keys([witness, witness]);
    assert_eq!((first.name(), first.id()), (second.name(), second.id()));
    assert_ne!(first.public_key(), second.public_key());
    let text = format!("witness a {first}\nwitness b {second}\ngroup g all a b\nquorum g\n");
    assert_eq!(Policy::parse(&text), duplicate("witness"));
    let [first, second] = colliding_keys([log, witness]);
    let text = format!("log {first}\nwitness a {second}\nquorum a\n");
    assert_eq!(Policy::parse(&text), duplicate("witness"));
    let text = format!("witness a {second}\nlog {first}\nquorum a\n");
    assert_eq!(Policy::parse(&text), duplicate("log"));
}

#[test]
fn up_to_64_lines_of_a_kind_are_read() {
    let lines = |count: u8| -> String {
        (0..count)
            .map(|n| {
                let name = format!("w{n}.example");
                let key = key(&name, SignatureType::Ed25519Cosignature, n);
                format!("witness w{n} {}\n", vkey(&key))
            })
            .collect()
    };
    let policy = Policy::parse(&format!("{}quorum none\n", lines(64))).unwrap();
    assert_eq!(policy.witnesses().len(), 64);
    let error = PolicyError::TooMany { line: 65, keyword: "witness" };
    assert_eq!(Policy::parse(&format!("{}quorum none\n", lines(65))), Err(error));
}

proptest! {
    /// Any threshold over any set of cosigners is counted as arithmetic says.
    #[test]
    fn thresholds_count(
        required in 1_usize..=4,
        cosigned in prop::collection::btree_set(1_u8..=4, 0..=4),
    ) {
        let mut text = format!("log {}\n", vkey(&log_key(1)));
        for number in 1..=4 {
            text += &format!("witness w{number} {}\n", vkey(&witness_key(number)));
        }
        text += &format!("group g {required} w1 w2 w3 w4\nquorum g\n");
        let policy = Policy::parse(&text).unwrap();
        prop_assert_eq!(&policy.to_string(), &text);
        let witnesses: Vec<u8> = cosigned.into_iter().collect();
        let reached = policy.check(&note_by(&witnesses)).is_ok();
        prop_assert_eq!(reached, witnesses.len() >= required);
    }

    #[test]
    fn whatever_is_read_prints_canonically(text in "(quorum none\n|\n|[ \t]#a\n|quorum a\n){1,3}") {
        if let Ok(policy) = Policy::parse(&text) {
            prop_assert_eq!(Policy::parse(&policy.to_string()), Ok(policy));
        }
    }
}
