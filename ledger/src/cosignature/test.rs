//! Cosignatures against a crate of others, and every broken rule.

use metamorphic_log::note as metamorphic;
use zeroize::Zeroizing;

use super::*;
use crate::checkpoint::{CheckpointError, Origin};
use crate::hash::Hash;
use crate::note::{KeyName, Note, NoteVerificationError};
use crate::position::TreeSize;

const TYPES: [SignatureType; 2] =
    [SignatureType::Ed25519Cosignature, SignatureType::MlDsa44Cosignature];
const TIME: u64 = 1_679_315_147;

fn signer_key(signature_type: SignatureType, seed: u8) -> SignerKey {
    let name = KeyName::new("witness.example/w1").unwrap();
    SignerKey::from_seed(name, signature_type, Zeroizing::new([seed; 32])).unwrap()
}

fn signer(signature_type: SignatureType) -> CosignatureSigner {
    CosignatureSigner::new(&signer_key(signature_type, 5)).unwrap()
}

fn verifier(signature_type: SignatureType) -> CosignatureVerifier {
    CosignatureVerifier::new(signer(signature_type).verifier_key()).unwrap()
}

fn checkpoint() -> Checkpoint {
    let origin = Origin::new("registry.example/log").unwrap();
    Checkpoint::new(origin, TreeSize::new(70_000), Hash::of(b"root"))
}

#[test]
fn a_cosignature_verifies_and_states_its_time() {
    for signature_type in TYPES {
        let signature = signer(signature_type).sign(&checkpoint(), TIME).unwrap();
        assert_eq!(cosigned_at(&signature), Some(TIME));
        let verifier = verifier(signature_type);
        let verified = verifier.verify_checkpoint(&checkpoint(), signature.as_bytes());
        assert_eq!(verified, Ok(TIME));
        let note = Note::new(checkpoint().to_string(), vec![signature.clone()]).unwrap();
        assert_eq!(note.verify(&[&verifier]).unwrap(), [&signature]);
        // Signing again gives the same bytes: nothing random enters.
        assert_eq!(signer(signature_type).sign(&checkpoint(), TIME), Ok(signature));
    }
}

#[test]
fn lengths_are_those_of_the_specification() {
    let line = |signature_type| {
        let signature = signer(signature_type).sign(&checkpoint(), TIME).unwrap();
        let line = signature.to_string();
        (signature.as_bytes().len(), line.rsplit(' ').next().unwrap().len())
    };
    assert_eq!(line(SignatureType::Ed25519Cosignature), (72, 104));
    assert_eq!(line(SignatureType::MlDsa44Cosignature), (2428, 3244));
    let key = signer_key(SignatureType::MlDsa44Cosignature, 5);
    assert_eq!(key.verifier_key().public_key().len(), 1312);
}

#[test]
fn another_crate_verifies_what_we_sign() {
    for signature_type in TYPES {
        let signer = signer(signature_type);
        let signature = signer.sign(&checkpoint(), TIME).unwrap();
        let note = Note::new(checkpoint().to_string(), vec![signature]).unwrap();
        let their_key =
            metamorphic::VerifierKey::parse(&signer.verifier_key().to_string()).unwrap();
        assert_eq!(their_key.encode(), signer.verifier_key().to_string());
        let theirs = metamorphic::SignedNote::parse(&note.to_string()).unwrap();
        assert_eq!(theirs.verify(&[their_key]).unwrap().len(), 1);
    }
}

#[test]
fn we_verify_what_another_crate_signs() {
    let text = checkpoint().to_string();
    let name = "witness.example/w1";
    let ed25519 = metamorphic::sign_cosignature_ed25519(&text, name, &[5; 32], TIME).unwrap();
    let ml_dsa = metamorphic::sign_cosignature_mldsa44(&text, name, &[5; 32], TIME).unwrap();
    let theirs = metamorphic::SignedNote::new(text, vec![ed25519, ml_dsa]).unwrap();
    let note = Note::parse(&theirs.marshal()).unwrap();
    let [ed25519, ml_dsa] = TYPES.map(verifier);
    assert_eq!(note.verify(&[&ed25519, &ml_dsa]).unwrap().len(), 2);
    // Ed25519 is deterministic, so both make the same bytes.
    let ours = signer(SignatureType::Ed25519Cosignature).sign(&checkpoint(), TIME).unwrap();
    assert_eq!(note.signatures()[0], ours);
}

#[test]
fn a_cosignature_holds_for_nothing_else() {
    let origin = |text: &str| Origin::new(text).unwrap();
    let good = checkpoint();
    let others = [
        Checkpoint::new(origin("registry.example/other"), good.size(), *good.root()),
        Checkpoint::new(good.origin().clone(), TreeSize::new(70_001), *good.root()),
        Checkpoint::new(good.origin().clone(), good.size(), Hash::of(b"other")),
    ];
    for signature_type in TYPES {
        let verifier = verifier(signature_type);
        let signature = signer(signature_type).sign(&good, TIME).unwrap();
        for other in &others {
            let verified = verifier.verify_checkpoint(other, signature.as_bytes());
            assert_eq!(verified, Err(SignatureError::Invalid));
        }
        let mut bytes = signature.as_bytes().to_vec();
        bytes[7] ^= 1;
        assert_eq!(verifier.verify_checkpoint(&good, &bytes), Err(SignatureError::Invalid));
        let other_key = CosignatureVerifier::new(signer_key(signature_type, 6).verifier_key());
        let verified = other_key.unwrap().verify_checkpoint(&good, signature.as_bytes());
        assert_eq!(verified, Err(SignatureError::Invalid));
    }
}

#[test]
fn an_ml_dsa_44_cosignature_names_its_cosigner() {
    let key = |name: &str| {
        let name = KeyName::new(name).unwrap();
        let seed = Zeroizing::new([5; 32]);
        SignerKey::from_seed(name, SignatureType::MlDsa44Cosignature, seed).unwrap()
    };
    let signature =
        CosignatureSigner::new(&key("one.example")).unwrap().sign(&checkpoint(), TIME).unwrap();
    let other = CosignatureVerifier::new(key("two.example").verifier_key()).unwrap();
    let verified = other.verify_checkpoint(&checkpoint(), signature.as_bytes());
    assert_eq!(verified, Err(SignatureError::Invalid));
}

#[test]
fn each_broken_rule_has_its_error() {
    for signature_type in TYPES {
        let (signer, verifier) = (signer(signature_type), verifier(signature_type));
        let late = u64::MAX / 2 + 1;
        let error = SignatureError::Time { unix_seconds: late };
        assert_eq!(signer.sign(&checkpoint(), late), Err(error.clone()));
        assert!(signer.sign(&checkpoint(), late - 1).is_ok());
        let good = signer.sign(&checkpoint(), TIME).unwrap();
        let late = [late.to_be_bytes().as_slice(), &good.as_bytes()[8..]].concat();
        assert_eq!(verifier.verify_checkpoint(&checkpoint(), &late), Err(error));
        let expected_bytes = good.as_bytes().len();
        for found_bytes in [0, 7, 8, expected_bytes - 1, expected_bytes + 1] {
            let bytes = vec![0; found_bytes];
            let error = SignatureError::Length { expected_bytes, found_bytes };
            assert_eq!(verifier.verify_checkpoint(&checkpoint(), &bytes), Err(error));
        }
        let text = "not a checkpoint\n";
        let note = Note::new(text.into(), vec![good]).unwrap();
        let error = SignatureError::NotCheckpoint(CheckpointError::LineCount { found: 1 });
        assert!(matches!(
            note.verify(&[&verifier]),
            Err(NoteVerificationError::Refused { source, .. }) if source == error
        ));
    }
    let found = SignatureType::Ed25519;
    let key = signer_key(found, 5);
    let error = SignatureTypeError { name: key.verifier_key().name().clone(), found };
    assert_eq!(CosignatureSigner::new(&key).map(|_| ()), Err(error.clone()));
    assert_eq!(CosignatureVerifier::new(key.verifier_key()).map(|_| ()), Err(error));
}

#[test]
fn ml_dsa_44_refuses_what_it_cannot_cover() {
    let [ed25519, ml_dsa] = TYPES.map(signer);
    let extended = Checkpoint::parse(&format!("{}more\n", checkpoint())).unwrap();
    assert!(ed25519.sign(&extended, TIME).is_ok());
    let error = SignatureError::ExtensionLines { count: 1 };
    assert_eq!(ml_dsa.sign(&extended, TIME), Err(error.clone()));
    let good = ml_dsa.sign(&checkpoint(), TIME).unwrap();
    let verifier = verifier(SignatureType::MlDsa44Cosignature);
    assert_eq!(verifier.verify_checkpoint(&extended, good.as_bytes()), Err(error));

    let with_origin = |bytes: usize| {
        let origin = Origin::new(&"o".repeat(bytes)).unwrap();
        Checkpoint::new(origin, TreeSize::new(1), Hash::of(b"root"))
    };
    assert!(ml_dsa.sign(&with_origin(255), TIME).is_ok());
    let error = SignatureError::OriginTooLong { found_bytes: 256 };
    assert_eq!(ml_dsa.sign(&with_origin(256), TIME), Err(error));
}

#[test]
fn the_signed_messages_are_those_of_the_specification() {
    let key = |signature_type| signer_key(signature_type, 5).verifier_key().clone();
    let message =
        signed_message(&key(SignatureType::Ed25519Cosignature), &checkpoint(), TIME).unwrap();
    let expected = metamorphic::cosignature_v1_message(&checkpoint().to_string(), TIME);
    assert_eq!(String::from_utf8(message).unwrap(), expected);
    assert!(expected.starts_with("cosignature/v1\ntime 1679315147\nregistry.example/log\n70000\n"));

    let message =
        signed_message(&key(SignatureType::MlDsa44Cosignature), &checkpoint(), TIME).unwrap();
    let mut expected = b"subtree/v1\n\0".to_vec();
    expected.extend_from_slice(b"\x12witness.example/w1");
    expected.extend_from_slice(b"\x00\x00\x00\x00\x64\x18\x50\xcb");
    expected.extend_from_slice(b"\x14registry.example/log");
    expected.extend_from_slice(b"\x00\x00\x00\x00\x00\x00\x00\x00");
    expected.extend_from_slice(b"\x00\x00\x00\x00\x00\x01\x11\x70");
    expected.extend_from_slice(Hash::of(b"root").as_bytes());
    assert_eq!(message, expected);
}
