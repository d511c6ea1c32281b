//! The exact bytes of every public format. A change here changes what others have stored or
//! signed: it needs a new version of the format, never just a new expectation.
//!
//! Not here: records and leaves, whose golden bytes stand beside them.

use letopis_ledger::bundle::{EntryBundle, encode_bundle};
use letopis_ledger::checkpoint::{Checkpoint, Origin};
use letopis_ledger::cosignature::CosignatureSigner;
use letopis_ledger::hash::leaf_hash;
use letopis_ledger::note::{KeyName, Note, NoteSigner, SignatureType, SignerKey};
use letopis_ledger::policy::Policy;
use letopis_ledger::proof::TlogProof;
use letopis_ledger::tile::{BundlePath, Tile, TileIndex, TileLevel, TilePath, TileWidth};
use letopis_ledger::tree::{MemoryTree, consistency_proof, inclusion_proof};
use letopis_ledger::{Hash, LeafIndex, TreeSize};
use zeroize::Zeroizing;

const ORIGIN: &str = "registry.example/log";
const TIME: u64 = 1_679_315_147;

/// The tree of RFC 6962 section 2.1.3: seven leaves `0` to `6`, one digit each.
fn tree() -> MemoryTree {
    (b'0'..b'7').map(|digit| leaf_hash(&[digit])).collect()
}

fn checkpoint() -> Checkpoint {
    let tree = tree();
    Checkpoint::new(Origin::new(ORIGIN).unwrap(), tree.size(), tree.root())
}

fn key(name: &str, signature_type: SignatureType, seed: u8) -> SignerKey {
    let name = KeyName::new(name).unwrap();
    SignerKey::from_seed(name, signature_type, Zeroizing::new([seed; 32])).unwrap()
}

fn log_key() -> SignerKey {
    key(ORIGIN, SignatureType::Ed25519, 1)
}

fn witness_key() -> SignerKey {
    key("witness.example/w1", SignatureType::Ed25519Cosignature, 2)
}

fn post_quantum_key() -> SignerKey {
    key("witness.example/w2", SignatureType::MlDsa44Cosignature, 3)
}

/// Signed by the log, cosigned by the Ed25519 witness.
fn note() -> Note {
    let text = checkpoint().to_string();
    let log = NoteSigner::new(&log_key()).unwrap().sign(&text);
    let signer = CosignatureSigner::new(&witness_key()).unwrap();
    let witness = signer.sign(&checkpoint(), TIME).unwrap();
    Note::new(text, vec![log, witness]).unwrap()
}

const CHECKPOINT: &str = "\
    registry.example/log\n\
    7\n\
    o+I7Msy2v5bQktFl2KpUbgmCnejwOw6JV1gdHha5K98=\n";

const NOTE: &str = "\
    registry.example/log\n\
    7\n\
    o+I7Msy2v5bQktFl2KpUbgmCnejwOw6JV1gdHha5K98=\n\
    \n\
    — registry.example/log \
    nC2r7yw2MbH11lWWrJvAY6DUNau+6Jop6SgMb86z2A26JtA6d+0Ty3zsDBoW+9dS7UrfcjF1mc+9HU6l\
    pDRPLd73Wgc=\n\
    — witness.example/w1 \
    3xwKNQAAAABkGFDL128/BJRK6xdjx0X3/lfa/zKJ0RMurjxr7zYDTEvWj09Y6mLNpPfsVPEpLeDoiJ/T\
    g/OdEMxEBNdeArK+orMBCA==\n";

const PROOF: &str = "\
    c2sp.org/tlog-proof@v1\n\
    index 2\n\
    kGxdJIXK5yIHOkMPTQT+F2dQdZLO8iZimurbhaLskJ0=\n\
    ywCYnZSlacCmeK4EK2Pc1GJduWRAUX83put5duok7Us=\n\
    lz8IOVfHNZ+xlDrPnmaJvKbKXqcZfYCKrTwUSYaJ7+A=\n\
    \n\
    registry.example/log\n\
    7\n\
    o+I7Msy2v5bQktFl2KpUbgmCnejwOw6JV1gdHha5K98=\n\
    \n\
    — registry.example/log \
    nC2r7yw2MbH11lWWrJvAY6DUNau+6Jop6SgMb86z2A26JtA6d+0Ty3zsDBoW+9dS7UrfcjF1mc+9HU6l\
    pDRPLd73Wgc=\n\
    — witness.example/w1 \
    3xwKNQAAAABkGFDL128/BJRK6xdjx0X3/lfa/zKJ0RMurjxr7zYDTEvWj09Y6mLNpPfsVPEpLeDoiJ/T\
    g/OdEMxEBNdeArK+orMBCA==\n";

const POLICY: &str = "\
    log registry.example/log+9c2dabef+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c \
    https://registry.example/log/\n\
    witness w1 \
    witness.example/w1+df1c0a35+BIE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU\n\
    witness w2 \
    witness.example/w3+82b2b688+BMqTrBcFGHBx1nuDx/8O/oEI6OxFMFdddyaHkzPb2r58\n\
    group witnesses any w1 w2\n\
    quorum witnesses\n";

#[test]
fn the_checkpoint_body() {
    assert_eq!(checkpoint().to_string(), CHECKPOINT);
    assert_eq!(Checkpoint::parse(CHECKPOINT).unwrap(), checkpoint());
}

#[test]
fn the_signed_and_cosigned_checkpoint() {
    assert_eq!(note().to_string(), NOTE);
    assert_eq!(Note::parse(NOTE).unwrap(), note());
}

#[test]
fn the_texts_of_keys() {
    let (log, witness) = (log_key(), witness_key());
    assert_eq!(
        log.verifier_key().to_string(),
        "registry.example/log+9c2dabef+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c"
    );
    assert_eq!(
        *log.to_secret_text(),
        "PRIVATE+KEY+registry.example/log+9c2dabef+AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB"
    );
    assert_eq!(
        witness.verifier_key().to_string(),
        "witness.example/w1+df1c0a35+BIE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU"
    );
    assert_eq!(
        *witness.to_secret_text(),
        "PRIVATE+KEY+witness.example/w1+df1c0a35+BAICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIC"
    );
    let post_quantum = post_quantum_key();
    assert_eq!(
        *post_quantum.to_secret_text(),
        "PRIVATE+KEY+witness.example/w2+f0810786+BgMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMD"
    );
    // The public key has 1,312 bytes; its hash stands for it.
    let text = post_quantum.verifier_key().to_string();
    assert_eq!(text.len(), 1780);
    assert!(text.starts_with("witness.example/w2+f0810786+Bo2kpKT84ADE"), "{text}");
    assert_eq!(
        Hash::of(text.as_bytes()).to_hex(),
        "470db14ee72464e87fb206963d23af91d9f9b984dc04872a3c9759fd349ed3ca"
    );
}

/// This line and the key above it were also checked with OpenSSL's ML-DSA-44.
#[test]
fn the_ml_dsa_44_cosignature_line() {
    let signer = CosignatureSigner::new(&post_quantum_key()).unwrap();
    let line = signer.sign(&checkpoint(), TIME).unwrap().to_string();
    assert!(
        line.starts_with("— witness.example/w2 8IEHhgAAAABkGFDLSTHAfkrl/6rkLGlplo8qS"),
        "{line}"
    );
    assert_eq!(line.len(), "— witness.example/w2 ".len() + 3244);
    assert_eq!(
        Hash::of(line.as_bytes()).to_hex(),
        "a8a9c3283757ac684eeb089ff7b17bea2fefe82dee1b9a678a405929d3c7001c"
    );
}

#[test]
fn the_proof_file() {
    let inclusion = inclusion_proof(&tree(), LeafIndex::new(2), TreeSize::new(7)).unwrap();
    let proof = TlogProof::new(inclusion, note()).unwrap();
    assert_eq!(proof.to_string(), PROOF);
    let policy = Policy::parse(POLICY).unwrap();
    let read = TlogProof::parse(PROOF).unwrap();
    read.verify(&leaf_hash(b"2"), &policy).unwrap();
}

#[test]
fn the_policy() {
    let policy = Policy::parse(POLICY).unwrap();
    assert_eq!(policy.to_string(), POLICY);
    let verified = policy.check(&Note::parse(NOTE).unwrap()).unwrap();
    assert_eq!(verified.cosigners()[0].unix_seconds, TIME);
}

#[test]
fn the_consistency_proof() {
    let proof = consistency_proof(&tree(), TreeSize::new(3), TreeSize::new(7)).unwrap();
    let path: Vec<String> = proof.path().iter().map(Hash::to_base64).collect();
    // RFC 6962 section 2.1.3: the proof from size 3 to 7 is [c, d, g, l].
    let c = leaf_hash(b"2");
    assert_eq!(proof.path()[0], c);
    assert_eq!(
        path,
        [
            "+mHj3sNDlYn0eEyJO/Mh0AhPBMVyx68raOPzNgo1tIY=",
            "kGxdJIXK5yIHOkMPTQT+F2dQdZLO8iZimurbhaLskJ0=",
            "ywCYnZSlacCmeK4EK2Pc1GJduWRAUX83put5duok7Us=",
            "lz8IOVfHNZ+xlDrPnmaJvKbKXqcZfYCKrTwUSYaJ7+A=",
        ]
    );
}

#[test]
fn the_paths() {
    let path = |level, index, width| TilePath {
        level: TileLevel::new(level).unwrap(),
        index: TileIndex::new(index),
        width: TileWidth::new(width).unwrap(),
    };
    assert_eq!(path(0, 1_234_067, 12).to_string(), "tile/0/x001/x234/067.p/12");
    assert_eq!(path(1, 0, 256).to_string(), "tile/1/000");
    let bundle = BundlePath { index: TileIndex::new(273), width: TileWidth::new(112).unwrap() };
    assert_eq!(bundle.to_string(), "tile/entries/273.p/112");
}

#[test]
fn the_tile_and_the_bundle() {
    let tile = Tile::new(vec![leaf_hash(b"0"), leaf_hash(b"1")]).unwrap();
    assert_eq!(
        hex::encode(tile.to_bytes()),
        "db3426e878068d28d269b6c87172322ce5372b65756d0789001d34835f601c03\
         2215e8ac4e2b871c2a48189e79738c956c081e23ac2f2415bf77da199dfd920c"
    );
    let bundle = encode_bundle([b"0".as_slice(), b"", b"twelve bytes"]).unwrap();
    assert_eq!(hex::encode(&bundle), "0001300000000c7477656c7665206279746573");
    assert_eq!(EntryBundle::parse(&bundle).unwrap().iter().count(), 3);
}
