//! Notes and their keys: the vectors of signed-note, a crate of others, and every broken rule.

use metamorphic_log::note as metamorphic;
use proptest::prelude::*;
use zeroize::Zeroizing;

use super::*;

/// Key and note of the signed-note specification.
const SPEC_VKEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const SPEC_NOTE: &str = "This is an example message.\n\n— example.com/foo \
    Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

fn signer_key(name: &str, seed: u8) -> SignerKey {
    let name = KeyName::new(name).unwrap();
    SignerKey::from_seed(name, SignatureType::Ed25519, Zeroizing::new([seed; 32])).unwrap()
}

fn signer(name: &str, seed: u8) -> NoteSigner {
    NoteSigner::new(&signer_key(name, seed)).unwrap()
}

fn verifier(signer: &NoteSigner) -> NoteVerifier {
    NoteVerifier::new(signer.verifier_key()).unwrap()
}

/// A signature line that parses, of a key nobody knows.
fn unknown_signature(name: &str) -> NoteSignature {
    NoteSignature::new(KeyName::new(name).unwrap(), NoteKeyId::from_bytes([1; 4]), vec![7; 64])
}

#[test]
fn the_vector_of_the_specification_verifies_and_prints() {
    let key = VerifierKey::parse(SPEC_VKEY).unwrap();
    assert_eq!(key.to_string(), SPEC_VKEY);
    assert_eq!(key.name().as_str(), "example.com/foo");
    assert_eq!(key.id().to_string(), "530d903a");
    assert_eq!(key.signature_type(), SignatureType::Ed25519);
    let note = Note::parse(SPEC_NOTE).unwrap();
    assert_eq!(note.text(), "This is an example message.\n");
    assert_eq!(note.to_string(), SPEC_NOTE);
    let verifier = NoteVerifier::new(&key).unwrap();
    assert_eq!(note.verify(&[&verifier]).unwrap(), [&note.signatures()[0]]);

    let altered = Note::parse(&SPEC_NOTE.replace("example message", "altered message")).unwrap();
    assert!(matches!(
        altered.verify(&[&verifier]),
        Err(NoteVerificationError::Refused { source: SignatureError::Invalid, .. })
    ));
}

#[test]
fn another_crate_signs_and_verifies_the_same_bytes() {
    let (text, signer) = ("реестр\n\nдве части\n", signer("registry.example/log", 9));
    let note = Note::new(text.to_owned(), vec![signer.sign(text)]).unwrap();
    let theirs = metamorphic::sign_ed25519(text, "registry.example/log", &[9; 32]).unwrap();
    let their_note = metamorphic::SignedNote::new(text.to_owned(), vec![theirs]).unwrap();
    assert_eq!(note.to_string(), their_note.marshal());
    let their_key = metamorphic::VerifierKey::parse(&signer.verifier_key().to_string()).unwrap();
    let read = metamorphic::SignedNote::parse(&note.to_string()).unwrap();
    assert_eq!(read.verify(&[their_key]).unwrap().len(), 1);
}

#[test]
fn the_last_blank_line_separates_the_text() {
    let signer = signer("a.example", 1);
    for text in ["\n", "one\n", "one\n\n", "one\n\n— a.example AAAAAAAA\n", "\n\n\n"] {
        let note = Note::new(text.to_owned(), vec![signer.sign(text)]).unwrap();
        let read = Note::parse(&note.to_string()).unwrap();
        assert_eq!(read, note, "{text:?}");
        read.verify(&[&verifier(&signer)]).unwrap();
    }
}

#[test]
fn each_broken_rule_of_a_note_has_its_error() {
    use NoteError as E;
    let line = "— a.example AQEBAQcH";
    let cases = [
        (String::new(), E::MissingSignatures),
        ("text\n".into(), E::MissingSignatures),
        (format!("text\n{line}\n"), E::MissingSignatures),
        ("text\n\n".into(), E::MissingSignatures),
        (format!("text\n\n{line}"), E::MissingFinalNewline),
        (format!("text\n\n{line}\n\n"), E::MissingSignatures),
        (format!("te\txt\n\n{line}\n"), E::ControlCharacter { offset: 2, code: 9 }),
        (format!("text\r\n\n{line}\n"), E::ControlCharacter { offset: 4, code: 13 }),
        (format!("text\n\n{line}\0\n"), E::ControlCharacter { offset: 28, code: 0 }),
        ("text\n\n- a.example AQEBAQcH\n".into(), E::SignatureLine { line: 1 }),
        (format!("text\n\n{line}\n—a.example AQEBAQcH\n"), E::SignatureLine { line: 2 }),
        ("text\n\n— a.example\n".into(), E::SignatureLine { line: 1 }),
        ("text\n\n—  AQEBAQcH\n".into(), E::KeyName { line: 1, source: KeyNameError::Empty }),
        (
            "text\n\n— a+b AQEBAQcH\n".into(),
            E::KeyName { line: 1, source: KeyNameError::Character { code: 0x2b } },
        ),
        (
            "text\n\n— a\u{a0}b AQEBAQcH\n".into(),
            E::KeyName { line: 1, source: KeyNameError::Character { code: 0xa0 } },
        ),
        ("text\n\n— a.example AQEBAQ==\n".into(), E::SignatureTooShort { line: 1, found_bytes: 4 }),
        (
            format!("text\n\n{line}\n{line}\n"),
            E::DuplicateSignature {
                name: KeyName::new("a.example").unwrap(),
                id: NoteKeyId::from_bytes([1; 4]),
            },
        ),
    ];
    for (text, error) in cases {
        assert_eq!(Note::parse(&text), Err(error), "{text:?}");
    }
    for base64 in ["", "AQEBAQd=", "AQEBAQcI ", "AQEBAQcI\u{20}AQ==", "AQEBAQcH=", "AQEBAQ_H"] {
        let text = format!("text\n\n— a.example {base64}\n");
        let error = Note::parse(&text).unwrap_err();
        let refused = matches!(error, E::Base64 { line: 1, .. } | E::SignatureTooShort { .. });
        assert!(refused, "{text:?} gave {error:?}");
    }
    assert_eq!(Note::from_bytes(b"te\xffxt\n"), Err(E::NotUtf8 { valid_bytes: 2 }));
    let signature = unknown_signature("a.example");
    assert_eq!(Note::new("text".into(), vec![signature]), Err(E::TextNotTerminated));
    assert_eq!(Note::new("text\n".into(), vec![]), Err(E::MissingSignatures));
}

#[test]
fn up_to_64_signatures_are_read() {
    let signatures: Vec<NoteSignature> =
        (0..=MAX_SIGNATURE_COUNT).map(|n| unknown_signature(&format!("w{n}.example"))).collect();
    let full = Note::new("text\n".into(), signatures[1..].to_vec()).unwrap();
    assert_eq!(Note::parse(&full.to_string()).as_ref(), Ok(&full));
    let error = NoteError::TooManySignatures { found: 65 };
    assert_eq!(Note::new("text\n".into(), signatures.clone()), Err(error.clone()));
    let text = format!("{full}{}\n", signatures[0]);
    assert_eq!(Note::parse(&text), Err(error.clone()));
    assert_eq!(full.clone().add_signature(signatures[0].clone()), Err(error));
    assert!(matches!(
        full.clone().add_signature(signatures[1].clone()),
        Err(NoteError::DuplicateSignature { .. })
    ));
}

#[test]
fn unknown_keys_are_ignored_and_known_ones_must_hold() {
    let (a, b) = (signer("a.example", 1), signer("b.example", 2));
    let text = "text\n";
    let note = Note::new(text.into(), vec![unknown_signature("x"), a.sign(text)]).unwrap();
    let (a_verifier, b_verifier) = (verifier(&a), verifier(&b));
    let verified = note.verify(&[&a_verifier, &b_verifier]).unwrap();
    assert_eq!(verified, [&note.signatures()[1]]);
    assert_eq!(note.verify(&[&b_verifier]), Err(NoteVerificationError::NoKnownKey { found: 2 }));
    assert_eq!(note.verify(&[]), Err(NoteVerificationError::NoKnownKey { found: 2 }));

    // The same name with another id, or the same id with another name, is an unknown key.
    let other_a = signer("a.example", 3);
    assert!(note.verify(&[&verifier(&other_a)]).is_err());

    // One bad signature of a known key spoils a note that is otherwise good.
    let forged =
        NoteSignature::new(b.verifier_key().name().clone(), b.verifier_key().id(), vec![0; 64]);
    let note = Note::new(text.into(), vec![a.sign(text), forged]).unwrap();
    assert!(note.verify(&[&a_verifier]).is_ok());
    assert!(matches!(
        note.verify(&[&a_verifier, &b_verifier]),
        Err(NoteVerificationError::Refused { source: SignatureError::Invalid, .. })
    ));
    let short =
        NoteSignature::new(b.verifier_key().name().clone(), b.verifier_key().id(), vec![0; 63]);
    let note = Note::new(text.into(), vec![short]).unwrap();
    let length = SignatureError::Length { expected_bytes: 64, found_bytes: 63 };
    assert!(matches!(
        note.verify(&[&b_verifier]),
        Err(NoteVerificationError::Refused { source, .. }) if source == length
    ));
}

#[test]
fn a_second_signature_cannot_be_made_out_of_a_first() {
    // Adding the group order to the scalar half gives other bytes that lenient code accepts.
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let signer = signer("a.example", 1);
    let mut bytes = signer.sign("text\n").as_bytes().to_vec();
    let mut carry = 0;
    for (byte, add) in bytes[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    assert_eq!(verifier(&signer).verify("text\n", &bytes), Err(SignatureError::Invalid));
}

#[test]
fn each_broken_rule_of_a_verifier_key_has_its_error() {
    use VerifierKeyError as E;
    let base64 = "AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    for text in ["", "name", "name+530d903a", "name+530D903A+AA==", "name+530d903+AA==", "n+xx+A"] {
        assert_eq!(VerifierKey::parse(text), Err(E::Form { text: text.into() }));
    }
    let cases = [
        (format!("+530d903a+{base64}"), E::Name(KeyNameError::Empty)),
        (format!("a b+530d903a+{base64}"), E::Name(KeyNameError::Character { code: 0x20 })),
        ("a+530d903a+".into(), E::MissingType),
        ("a+530d903a+Ag==".into(), E::UnknownType { found: 2 }),
        (
            "a+530d903a+AQE=".into(),
            E::Length {
                signature_type: SignatureType::Ed25519,
                expected_bytes: 32,
                found_bytes: 1,
            },
        ),
        (
            format!("example.com/foo+530d903b+{base64}"),
            E::Id {
                computed: NoteKeyId::from_bytes([0x53, 0x0d, 0x90, 0x3a]),
                found: NoteKeyId::from_bytes([0x53, 0x0d, 0x90, 0x3b]),
            },
        ),
    ];
    for (text, error) in cases {
        assert_eq!(VerifierKey::parse(&text), Err(error), "{text:?}");
    }
    assert!(matches!(VerifierKey::parse("a+530d903a+AQE"), Err(E::Base64(_))));
    let name = || KeyName::new("a").unwrap();
    // The identity point, with which anyone can sign, and bytes that are no point.
    let mut identity = vec![0; 32];
    identity[0] = 1;
    for bytes in [identity, vec![0; 32], [vec![2], vec![0; 31]].concat()] {
        for signature_type in [SignatureType::Ed25519, SignatureType::Ed25519Cosignature] {
            assert_eq!(VerifierKey::new(name(), signature_type, bytes.clone()), Err(E::Point));
        }
    }
    let long = KeyName::new(&"n".repeat(256)).unwrap();
    assert_eq!(
        VerifierKey::new(long, SignatureType::MlDsa44Cosignature, vec![0; 1312]),
        Err(E::NameTooLong { found_bytes: 256 })
    );
}

#[test]
fn signer_keys_read_back_and_keep_their_secret() {
    for signature_type in [
        SignatureType::Ed25519,
        SignatureType::Ed25519Cosignature,
        SignatureType::MlDsa44Cosignature,
    ] {
        let name = KeyName::new("a.example").unwrap();
        let seed = Zeroizing::new([42; 32]);
        let key = SignerKey::from_seed(name, signature_type, seed).unwrap();
        let text = key.to_secret_text();
        let read = SignerKey::parse(&text).unwrap();
        assert_eq!(read.verifier_key(), key.verifier_key());
        assert_eq!(read.seed(), &[42; 32]);
        assert_eq!(*read.to_secret_text(), *text);
        let id = key.verifier_key().id();
        assert_eq!(format!("{key:?}"), format!("SignerKey(a.example+{id})"));
    }
}

#[test]
fn each_broken_rule_of_a_signer_key_has_its_error_without_the_secret() {
    use SignerKeyError as E;
    let good = signer_key("a.example", 42).to_secret_text();
    let secret = good.rsplit('+').next().unwrap().to_owned();
    let id = signer_key("a.example", 42).verifier_key().id().to_string();
    type Expected = fn(&E) -> bool;
    let cases: [(String, Expected); 7] = [
        (good.replace("PRIVATE", "PUBLIC"), |e| matches!(e, E::Form)),
        (good.replace(&id, "zz"), |e| matches!(e, E::Form)),
        (good.replace("a.example", "a example"), |e| matches!(e, E::Name(_))),
        (good.replace(&secret, &secret[1..]), |e| matches!(e, E::Base64)),
        (good.replace(&secret, &secret[4..]), |e| matches!(e, E::Seed { .. })),
        (good.replace(&secret, &format!("AQ{}", &secret[4..])), |e| {
            matches!(e, E::Base64 | E::Seed { .. })
        }),
        (good.replace(&id, "00000000"), |e| {
            matches!(e, E::VerifierKey(VerifierKeyError::Id { .. }))
        }),
    ];
    for (text, expected) in cases {
        let error = SignerKey::parse(&text).unwrap_err();
        assert!(expected(&error), "{error:?}");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(&secret[8..]), "the error shows the secret");
    }
}

#[test]
fn signers_and_verifiers_refuse_keys_of_other_types() {
    let name = KeyName::new("a.example").unwrap();
    let found = SignatureType::Ed25519Cosignature;
    let key = SignerKey::from_seed(name.clone(), found, Zeroizing::new([1; 32])).unwrap();
    let error = SignatureTypeError { name, found };
    assert_eq!(NoteSigner::new(&key).map(|_| ()), Err(error.clone()));
    assert_eq!(NoteVerifier::new(key.verifier_key()), Err(error));
}

proptest! {
    #[test]
    fn every_note_reads_back(
        text in "([^\\x00-\\x1f]{0,20}\n){1,5}",
        names in prop::collection::btree_set("[^\\s+\\x00-\\x1f]{1,12}", 1..6),
        blob in prop::collection::vec(any::<u8>(), 1..80),
    ) {
        let signatures = names
            .iter()
            .map(|name| NoteSignature::new(
                KeyName::new(name).unwrap(),
                NoteKeyId::from_bytes([3; 4]),
                blob.clone(),
            ))
            .collect();
        let note = Note::new(text, signatures).unwrap();
        let printed = note.to_string();
        prop_assert_eq!(Note::parse(&printed), Ok(note));
        let theirs = metamorphic::SignedNote::parse(&printed).unwrap();
        prop_assert_eq!(theirs.marshal(), printed);
    }

    #[test]
    fn whatever_is_read_prints_the_same(text in "(a|\n){1,4}\n\n(— a [AQ=]{8}\n?){1,3}") {
        if let Ok(note) = Note::parse(&text) {
            prop_assert_eq!(note.to_string(), text);
        }
    }

    #[test]
    fn every_verifier_key_reads_back(seed: [u8; 32], name in "[^\\s+\\x00-\\x1f]{1,20}") {
        let name = KeyName::new(&name).unwrap();
        let seed = Zeroizing::new(seed);
        let key = SignerKey::from_seed(name, SignatureType::Ed25519, seed).unwrap();
        let text = key.verifier_key().to_string();
        prop_assert_eq!(&VerifierKey::parse(&text).unwrap(), key.verifier_key());
        prop_assert_eq!(metamorphic::VerifierKey::parse(&text).unwrap().encode(), text);
    }
}
