//! The texts of note keys: `<name>+<id>+<base64(type ‖ public key)>` for verifiers and
//! `PRIVATE+KEY+<name>+<id>+<base64(type ‖ seed)>` for signers (C2SP signed-note, "Verifier keys";
//! the signer's form is the convention of Go's `note` package).
//!
//! Not here: author keys of agencies (`crate::key`), and signing.

use std::fmt;

use ml_dsa::{KeyExport as _, Keypair as _};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use super::KEY_ID_BYTES;
use crate::encoding::{Base64Error, decode_base64, encode_base64};

/// What the text of a signer key begins with.
const SECRET_PREFIX: &str = "PRIVATE+KEY+";
/// Bytes of the seed from which each key pair is derived.
const SEED_BYTES: usize = 32;
/// Longest name that an ML-DSA-44 cosignature can carry.
const MAX_MLDSA_NAME_BYTES: usize = 255;

/// Name of a note key, for example `registry.example.org/log`: not empty, without Unicode spaces,
/// control characters and `+`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

/// Why a key name was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyNameError {
    /// The text is empty.
    #[error("the key name is empty")]
    Empty,
    /// A space, a control character or `+`.
    #[error("the key name has U+{code:04X}; spaces, control characters and + are not allowed")]
    Character {
        /// The character's code point.
        code: u32,
    },
}

impl KeyName {
    /// Takes a text as a key name.
    ///
    /// # Errors
    /// The text is empty or has a forbidden character.
    pub fn new(text: &str) -> Result<Self, KeyNameError> {
        if text.is_empty() {
            return Err(KeyNameError::Empty);
        }
        match text.chars().find(|c| c.is_whitespace() || *c < ' ' || *c == '+') {
            Some(forbidden) => Err(KeyNameError::Character { code: forbidden.into() }),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// First four bytes of SHA-256(name ‖ 0x0A ‖ type ‖ public key): tells keys apart, proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoteKeyId([u8; KEY_ID_BYTES]);

impl NoteKeyId {
    /// The id of a key.
    #[must_use]
    pub fn of(name: &KeyName, signature_type: SignatureType, public_key: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(name.as_str());
        hasher.update([b'\n', signature_type.as_byte()]);
        hasher.update(public_key);
        let digest: [u8; 32] = hasher.finalize().into();
        let (id, _) = digest.split_first_chunk().expect("invariant: a digest has 32 bytes");
        Self(*id)
    }

    /// Takes four bytes as a key id.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; KEY_ID_BYTES]) -> Self {
        Self(bytes)
    }

    /// The four bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; KEY_ID_BYTES] {
        &self.0
    }
}

impl fmt::Display for NoteKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for NoteKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteKeyId({self})")
    }
}

/// What kind of signatures a key makes: the type byte of signed-note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignatureType {
    /// 0x01: Ed25519 over the text of the note.
    Ed25519,
    /// 0x04: Ed25519 cosignature with a time (C2SP tlog-cosignature).
    Ed25519Cosignature,
    /// 0x06: ML-DSA-44 cosignature with a time (C2SP tlog-cosignature).
    MlDsa44Cosignature,
}

impl SignatureType {
    /// The type of this byte, if it is one of those handled here.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0x01 => Some(Self::Ed25519),
            0x04 => Some(Self::Ed25519Cosignature),
            0x06 => Some(Self::MlDsa44Cosignature),
            _ => None,
        }
    }

    /// The type byte.
    #[must_use]
    pub const fn as_byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::Ed25519Cosignature => 0x04,
            Self::MlDsa44Cosignature => 0x06,
        }
    }

    /// Length of a public key of this type.
    #[must_use]
    pub const fn public_key_bytes(self) -> usize {
        match self {
            Self::Ed25519 | Self::Ed25519Cosignature => ed25519_dalek::PUBLIC_KEY_LENGTH,
            Self::MlDsa44Cosignature => 1312,
        }
    }
}

impl fmt::Display for SignatureType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ed25519 => "Ed25519 (0x01)",
            Self::Ed25519Cosignature => "Ed25519 cosignature (0x04)",
            Self::MlDsa44Cosignature => "ML-DSA-44 cosignature (0x06)",
        })
    }
}

/// A key was given to code that handles another signature type.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("key {name} makes {found} signatures, which this cannot handle")]
pub struct SignatureTypeError {
    /// Name of the key.
    pub name: KeyName,
    /// Type of the key.
    pub found: SignatureType,
}

/// Why a verifier key was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VerifierKeyError {
    /// Not `<name>+<id>+<base64>`.
    #[error("{text:?} is not of the form <name>+<8 hexadecimal digits>+<base64>")]
    Form {
        /// The text as found.
        text: String,
    },
    /// The key name breaks a rule.
    #[error(transparent)]
    Name(#[from] KeyNameError),
    /// The key is not canonical base64.
    #[error(transparent)]
    Base64(#[from] Base64Error),
    /// There is no type byte.
    #[error("the key is empty; a signature type and a public key are required")]
    MissingType,
    /// The type byte is not one of 0x01, 0x04 and 0x06.
    #[error("signature type {found:#04x} is not one of 0x01, 0x04 and 0x06")]
    UnknownType {
        /// The byte found.
        found: u8,
    },
    /// The public key has another length than its type fixes.
    #[error("a public key for {signature_type} has {expected_bytes} bytes, not {found_bytes}")]
    Length {
        /// Type of the key.
        signature_type: SignatureType,
        /// Bytes the type fixes.
        expected_bytes: usize,
        /// Bytes found.
        found_bytes: usize,
    },
    /// The bytes are no point of the curve, or one of the few points that verify anything.
    #[error("the public key is not a usable Ed25519 point; ask its owner for the right one")]
    Point,
    /// An ML-DSA-44 cosignature cannot carry a longer name.
    #[error("the key name has {found_bytes} bytes; ML-DSA-44 cosigners have at most 255")]
    NameTooLong {
        /// Bytes of the name.
        found_bytes: usize,
    },
    /// The id is not the one that name and key have.
    #[error("the key has id {computed}, the text states {found}; name, id or key was altered")]
    Id {
        /// Id computed from name and key.
        computed: NoteKeyId,
        /// Id in the text.
        found: NoteKeyId,
    },
}

/// A public key with its name and type: whose signatures on notes count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: KeyName,
    id: NoteKeyId,
    signature_type: SignatureType,
    public_key: Vec<u8>,
}

impl VerifierKey {
    /// Takes the bytes of a public key.
    ///
    /// # Errors
    /// The bytes are no key of this type, or the name does not suit the type.
    pub fn new(
        name: KeyName,
        signature_type: SignatureType,
        public_key: Vec<u8>,
    ) -> Result<Self, VerifierKeyError> {
        let expected_bytes = signature_type.public_key_bytes();
        if public_key.len() != expected_bytes {
            let found_bytes = public_key.len();
            return Err(VerifierKeyError::Length { signature_type, expected_bytes, found_bytes });
        }
        match signature_type {
            SignatureType::Ed25519 | SignatureType::Ed25519Cosignature => {
                decode_ed25519(&public_key).ok_or(VerifierKeyError::Point)?;
            }
            SignatureType::MlDsa44Cosignature => {
                let found_bytes = name.as_str().len();
                if found_bytes > MAX_MLDSA_NAME_BYTES {
                    return Err(VerifierKeyError::NameTooLong { found_bytes });
                }
            }
        }
        let id = NoteKeyId::of(&name, signature_type, &public_key);
        Ok(Self { name, id, signature_type, public_key })
    }

    /// Reads the one spelling that [`fmt::Display`] writes.
    ///
    /// # Errors
    /// Any other spelling, or an id that is not the key's.
    pub fn parse(text: &str) -> Result<Self, VerifierKeyError> {
        let form = || VerifierKeyError::Form { text: text.to_owned() };
        let (name, found, base64) = split_key(text).ok_or_else(form)?;
        let name = KeyName::new(name)?;
        let bytes = decode_base64(base64)?;
        let (byte, public_key) = bytes.split_first().ok_or(VerifierKeyError::MissingType)?;
        let signature_type = SignatureType::from_byte(*byte)
            .ok_or(VerifierKeyError::UnknownType { found: *byte })?;
        let key = Self::new(name, signature_type, public_key.to_vec())?;
        if key.id != found {
            return Err(VerifierKeyError::Id { computed: key.id, found });
        }
        Ok(key)
    }

    /// Name of the key.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// Id of the key.
    #[must_use]
    pub const fn id(&self) -> NoteKeyId {
        self.id
    }

    /// What kind of signatures the key makes.
    #[must_use]
    pub const fn signature_type(&self) -> SignatureType {
        self.signature_type
    }

    /// The public key: 32 bytes for Ed25519, 1,312 for ML-DSA-44.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    /// The key as a curve point; only for the two Ed25519 types.
    pub(crate) fn ed25519(&self) -> ed25519_dalek::VerifyingKey {
        decode_ed25519(&self.public_key).expect("invariant: the point was checked by new")
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&[self.signature_type.as_byte()], self.public_key.as_slice()].concat();
        write!(f, "{}+{}+{}", self.name, self.id, encode_base64(&bytes))
    }
}

/// Why a signer key was refused. The messages never repeat what may be secret.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SignerKeyError {
    /// Not `PRIVATE+KEY+<name>+<id>+<base64>`.
    #[error("the text is not of the form PRIVATE+KEY+<name>+<8 hexadecimal digits>+<base64>")]
    Form,
    /// The key name breaks a rule.
    #[error(transparent)]
    Name(#[from] KeyNameError),
    /// The seed is not canonical base64.
    #[error("the seed is not canonical base64")]
    Base64,
    /// Not a known type byte and a seed of 32 bytes.
    #[error(
        "the seed must be a type of 0x01, 0x04 or 0x06 and 32 bytes, {found_bytes} bytes are there"
    )]
    Seed {
        /// Bytes found, with the type byte.
        found_bytes: usize,
    },
    /// The public half breaks a rule.
    #[error(transparent)]
    VerifierKey(#[from] VerifierKeyError),
}

/// A secret key with its name and type. The seed is wiped from memory when this is dropped.
pub struct SignerKey {
    seed: Zeroizing<[u8; SEED_BYTES]>,
    key: VerifierKey,
}

impl SignerKey {
    /// Derives a key pair from a seed of 32 random bytes: RFC 8032 section 5.1.5 for Ed25519,
    /// FIPS 204 algorithm 6 for ML-DSA-44.
    ///
    /// # Errors
    /// The name does not suit the type.
    pub fn from_seed(
        name: KeyName,
        signature_type: SignatureType,
        seed: Zeroizing<[u8; SEED_BYTES]>,
    ) -> Result<Self, VerifierKeyError> {
        let public_key = match signature_type {
            SignatureType::Ed25519 | SignatureType::Ed25519Cosignature => {
                let signing = ed25519_dalek::SigningKey::from_bytes(&seed);
                signing.verifying_key().to_bytes().to_vec()
            }
            SignatureType::MlDsa44Cosignature => {
                ml_dsa_44(&seed).verifying_key().to_bytes().to_vec()
            }
        };
        Ok(Self { seed, key: VerifierKey::new(name, signature_type, public_key)? })
    }

    /// Reads the one spelling that [`SignerKey::to_secret_text`] writes.
    ///
    /// # Errors
    /// Any other spelling, or an id that is not the key's.
    pub fn parse(text: &str) -> Result<Self, SignerKeyError> {
        let rest = text.strip_prefix(SECRET_PREFIX).ok_or(SignerKeyError::Form)?;
        let (name, found, base64) = split_key(rest).ok_or(SignerKeyError::Form)?;
        let name = KeyName::new(name)?;
        let bytes = Zeroizing::new(decode_base64(base64).map_err(|_| SignerKeyError::Base64)?);
        let (signature_type, seed) = bytes
            .split_first()
            .and_then(|(byte, seed)| {
                let seed: &[u8; SEED_BYTES] = seed.try_into().ok()?;
                Some((SignatureType::from_byte(*byte)?, Zeroizing::new(*seed)))
            })
            .ok_or(SignerKeyError::Seed { found_bytes: bytes.len() })?;
        let key = Self::from_seed(name, signature_type, seed)?;
        if key.key.id != found {
            return Err(VerifierKeyError::Id { computed: key.key.id, found }.into());
        }
        Ok(key)
    }

    /// The secret text, for a file that only the signer can read.
    #[must_use]
    pub fn to_secret_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(1 + SEED_BYTES));
        bytes.push(self.key.signature_type.as_byte());
        bytes.extend_from_slice(self.seed.as_slice());
        let base64 = Zeroizing::new(encode_base64(&bytes));
        let public = format!("{SECRET_PREFIX}{}+{}+", self.key.name, self.key.id);
        // Room for everything at once: a growing text would leave copies of the secret behind.
        let mut text = Zeroizing::new(String::with_capacity(public.len() + base64.len()));
        text.push_str(&public);
        text.push_str(&base64);
        text
    }

    /// The public half.
    #[must_use]
    pub const fn verifier_key(&self) -> &VerifierKey {
        &self.key
    }

    pub(crate) fn seed(&self) -> &[u8; SEED_BYTES] {
        &self.seed
    }
}

impl fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignerKey({}+{})", self.key.name, self.key.id)
    }
}

/// Expands an ML-DSA-44 key pair. The copy of the seed that the library takes is wiped.
pub(crate) fn ml_dsa_44(seed: &[u8; SEED_BYTES]) -> ml_dsa::SigningKey<ml_dsa::MlDsa44> {
    let seed = Zeroizing::new(ml_dsa::Seed::from(*seed));
    ml_dsa::SigningKey::from_seed(&seed)
}

fn decode_ed25519(public_key: &[u8]) -> Option<ed25519_dalek::VerifyingKey> {
    let key = ed25519_dalek::VerifyingKey::try_from(public_key).ok()?;
    (!key.is_weak()).then_some(key)
}

/// Splits `<name>+<id>+<base64>`; the base64 may have `+` of its own.
fn split_key(text: &str) -> Option<(&str, NoteKeyId, &str)> {
    let (name, rest) = text.split_once('+')?;
    let (id, base64) = rest.split_once('+')?;
    if id.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    let id = <[u8; KEY_ID_BYTES]>::try_from(hex::decode(id).ok()?).ok()?;
    Some((name, NoteKeyId(id), base64))
}
