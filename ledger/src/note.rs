//! Signed notes: a text and the signature lines under it (C2SP signed-note).
//!
//! A reader ignores signatures of keys it does not know and refuses the whole note when one of a
//! key it knows does not verify. Here are the format, the texts of keys (`vkey`) and the plain
//! Ed25519 signature; cosignatures are in `cosignature`.
//!
//! Not here: what the text means (`checkpoint`) and which keys suffice (`policy`).

mod ed25519;
mod vkey;

use std::collections::BTreeSet;
use std::fmt;

use thiserror::Error;

use crate::checkpoint::CheckpointError;
use crate::encoding::{Base64Error, decode_base64, encode_base64};

pub(crate) use ed25519::verify_ed25519;
pub use ed25519::{NoteSigner, NoteVerifier};
pub(crate) use vkey::ml_dsa_44;
pub use vkey::{
    KeyName, KeyNameError, NoteKeyId, SignatureType, SignatureTypeError, SignerKey, SignerKeyError,
    VerifierKey, VerifierKeyError,
};

/// Most signatures a note may carry. The specification requires at least 16; 64 of the largest
/// kind (3,244 characters each) keep a note near 200 KiB.
pub const MAX_SIGNATURE_COUNT: usize = 64;

/// What a signature line begins with: em dash and space.
const SIGNATURE_PREFIX: &str = "\u{2014} ";
/// Bytes of the key id in front of the signature proper.
const KEY_ID_BYTES: usize = 4;

/// Why the bytes of a note were refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoteError {
    /// Not UTF-8.
    #[error("the note is not UTF-8 after byte {valid_bytes}")]
    NotUtf8 {
        /// Bytes before the first invalid one.
        valid_bytes: usize,
    },
    /// A character below U+0020 that is not a newline.
    #[error("the note has control character U+{code:04X} at byte {offset}")]
    ControlCharacter {
        /// Position in bytes.
        offset: usize,
        /// The character's code point.
        code: u32,
    },
    /// The text is not terminated.
    #[error("the text of the note does not end in a newline")]
    TextNotTerminated,
    /// The last line is not terminated.
    #[error("the note does not end in a newline; it may have been cut short")]
    MissingFinalNewline,
    /// No blank line with signatures after it.
    #[error("the note has no signatures: a blank line and at least one signature line must follow")]
    MissingSignatures,
    /// More signatures than accepted.
    #[error("the note has {found} signatures, at most {MAX_SIGNATURE_COUNT} are read")]
    TooManySignatures {
        /// Signatures found.
        found: usize,
    },
    /// A line after the blank line is not `— <name> <base64>`.
    #[error("signature line {line} is not of the form `\u{2014} <key name> <base64>`")]
    SignatureLine {
        /// Number of the line after the blank line, from 1.
        line: usize,
    },
    /// The key name breaks a rule.
    #[error("signature line {line}: {source}")]
    KeyName {
        /// Number of the line after the blank line, from 1.
        line: usize,
        /// The rule.
        source: KeyNameError,
    },
    /// The signature is not canonical base64.
    #[error("signature line {line}: {source}")]
    Base64 {
        /// Number of the line after the blank line, from 1.
        line: usize,
        /// The rule.
        source: Base64Error,
    },
    /// Nothing follows the four bytes of the key id.
    #[error(
        "signature line {line} has {found_bytes} bytes; a key id of 4 and a signature must be there"
    )]
    SignatureTooShort {
        /// Number of the line after the blank line, from 1.
        line: usize,
        /// Bytes found.
        found_bytes: usize,
    },
    /// One key signed twice.
    #[error("key {name}+{id} signed the note twice; one line of each key is accepted")]
    DuplicateSignature {
        /// Name of the key.
        name: KeyName,
        /// Id of the key.
        id: NoteKeyId,
    },
}

/// Why a signature cannot be made, or does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// The signature has another length than its type fixes.
    #[error("the signature has {found_bytes} bytes, its type has {expected_bytes}")]
    Length {
        /// Bytes the type fixes.
        expected_bytes: usize,
        /// Bytes found.
        found_bytes: usize,
    },
    /// The signature is not by this key over this text.
    #[error("the signature is not by this key over this text")]
    Invalid,
    /// The time of a cosignature does not fit.
    #[error("cosignature time {unix_seconds} s is beyond 2^63 - 1")]
    Time {
        /// Seconds since 1970-01-01T00:00:00Z.
        unix_seconds: u64,
    },
    /// What a cosigner signs must be a checkpoint.
    #[error("the cosigned text is not a checkpoint: {0}")]
    NotCheckpoint(#[from] CheckpointError),
    /// An ML-DSA-44 cosignature cannot name a longer origin.
    #[error("the origin has {found_bytes} bytes; an ML-DSA-44 cosignature names at most 255")]
    OriginTooLong {
        /// Bytes of the origin.
        found_bytes: usize,
    },
    /// An ML-DSA-44 cosignature does not cover extension lines, so it must not seem to.
    #[error(
        "the checkpoint has {count} extension lines, which ML-DSA-44 cosignatures do not cover"
    )]
    ExtensionLines {
        /// Extension lines found.
        count: usize,
    },
}

/// Why the signatures of a note were refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoteVerificationError {
    /// A signature of a known key does not hold.
    #[error("signature of {name}+{id} refused: {source}")]
    Refused {
        /// Name of the key.
        name: KeyName,
        /// Id of the key.
        id: NoteKeyId,
        /// The rule that does not hold.
        source: SignatureError,
    },
    /// None of the signatures is by a known key.
    #[error("none of the {found} signatures is by a known key; compare the names with your policy")]
    NoKnownKey {
        /// Signatures in the note.
        found: usize,
    },
}

/// A text with the signatures of those who vouch for it. Nothing in it is verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// One signature line: `— <key name> <base64(key id ‖ signature)>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    name: KeyName,
    id: NoteKeyId,
    signature: Vec<u8>,
}

/// Checks signatures of one key.
pub trait SignatureVerifier {
    /// The key.
    fn key(&self) -> &VerifierKey;

    /// Checks a signature, given without the key id, over the text of a note.
    ///
    /// # Errors
    /// The first rule that does not hold.
    fn verify(&self, text: &str, signature: &[u8]) -> Result<(), SignatureError>;
}

impl Note {
    /// A note of a text and signatures already made over it.
    ///
    /// # Errors
    /// The first rule of signed-note that does not hold.
    pub fn new(text: String, signatures: Vec<NoteSignature>) -> Result<Self, NoteError> {
        check_characters(&text)?;
        if !text.ends_with('\n') {
            return Err(NoteError::TextNotTerminated);
        }
        check_signatures(&signatures)?;
        Ok(Self { text, signatures })
    }

    /// Reads the bytes of a note.
    ///
    /// # Errors
    /// The first rule of signed-note that does not hold.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NoteError> {
        let text = std::str::from_utf8(bytes)
            .map_err(|error| NoteError::NotUtf8 { valid_bytes: error.valid_up_to() })?;
        Self::parse(text)
    }

    /// Reads a note. It is written in one way only: printing it gives the same characters.
    ///
    /// # Errors
    /// The first rule of signed-note that does not hold.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        check_characters(note)?;
        // The text may have blank lines of its own; the last one separates it.
        let separator = note.rfind("\n\n").ok_or(NoteError::MissingSignatures)?;
        let (text, lines) = (&note[..=separator], &note[separator + 2..]);
        if lines.is_empty() {
            return Err(NoteError::MissingSignatures);
        }
        let lines = lines.strip_suffix('\n').ok_or(NoteError::MissingFinalNewline)?;
        let found = lines.split('\n').count();
        if found > MAX_SIGNATURE_COUNT {
            return Err(NoteError::TooManySignatures { found });
        }
        let signatures = (1..)
            .zip(lines.split('\n'))
            .map(|(number, line)| NoteSignature::parse_line(number, line))
            .collect::<Result<Vec<_>, _>>()?;
        check_signatures(&signatures)?;
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// The text, with its final newline and without the blank line after it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, in the order of their lines.
    #[must_use]
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// The signature of the key with this name and id.
    #[must_use]
    pub fn signature_of(&self, name: &KeyName, id: NoteKeyId) -> Option<&NoteSignature> {
        self.signatures.iter().find(|signature| signature.id == id && signature.name == *name)
    }

    /// Adds a signature already made over the text.
    ///
    /// # Errors
    /// The key's signature is there already, or the note is full.
    pub fn add_signature(&mut self, signature: NoteSignature) -> Result<(), NoteError> {
        if self.signature_of(&signature.name, signature.id).is_some() {
            let NoteSignature { name, id, .. } = signature;
            return Err(NoteError::DuplicateSignature { name, id });
        }
        if self.signatures.len() == MAX_SIGNATURE_COUNT {
            return Err(NoteError::TooManySignatures { found: MAX_SIGNATURE_COUNT + 1 });
        }
        self.signatures.push(signature);
        Ok(())
    }

    /// Checks the signatures of all known keys and returns them. Unknown keys are ignored.
    ///
    /// # Errors
    /// A signature of a known key does not hold, or no signature is by a known key.
    pub fn verify(
        &self,
        known: &[&dyn SignatureVerifier],
    ) -> Result<Vec<&NoteSignature>, NoteVerificationError> {
        let mut verified = Vec::new();
        for signature in &self.signatures {
            let is_by =
                |key: &VerifierKey| key.id() == signature.id && *key.name() == signature.name;
            let Some(verifier) = known.iter().find(|verifier| is_by(verifier.key())) else {
                continue;
            };
            verifier.verify(&self.text, &signature.signature).map_err(|source| {
                let (name, id) = (signature.name.clone(), signature.id);
                NoteVerificationError::Refused { name, id, source }
            })?;
            verified.push(signature);
        }
        if verified.is_empty() {
            return Err(NoteVerificationError::NoKnownKey { found: self.signatures.len() });
        }
        Ok(verified)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

impl NoteSignature {
    /// A signature of the named key, as its type lays it out, without the key id.
    ///
    /// # Panics
    /// The signature is empty; no type makes such a one.
    #[must_use]
    pub fn new(name: KeyName, id: NoteKeyId, signature: Vec<u8>) -> Self {
        assert!(!signature.is_empty(), "a signature has bytes");
        Self { name, id, signature }
    }

    /// Reads one signature line, without its newline, as a witness returns it.
    ///
    /// # Errors
    /// The first rule that does not hold; the line counts as number 1.
    pub fn parse(line: &str) -> Result<Self, NoteError> {
        check_characters(line)?;
        Self::parse_line(1, line)
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

    /// The signature as its type lays it out, without the key id.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.signature
    }

    fn parse_line(line: usize, text: &str) -> Result<Self, NoteError> {
        let (name, base64) = text
            .strip_prefix(SIGNATURE_PREFIX)
            .and_then(|rest| rest.split_once(' '))
            .ok_or(NoteError::SignatureLine { line })?;
        let name = KeyName::new(name).map_err(|source| NoteError::KeyName { line, source })?;
        let bytes = decode_base64(base64).map_err(|source| NoteError::Base64 { line, source })?;
        match bytes.split_first_chunk::<KEY_ID_BYTES>() {
            Some((id, signature)) if !signature.is_empty() => {
                Ok(Self { name, id: NoteKeyId::from_bytes(*id), signature: signature.to_vec() })
            }
            _ => Err(NoteError::SignatureTooShort { line, found_bytes: bytes.len() }),
        }
    }
}

/// The line without its newline.
impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.id.as_bytes().as_slice(), &self.signature].concat();
        write!(f, "{SIGNATURE_PREFIX}{} {}", self.name, encode_base64(&bytes))
    }
}

fn check_characters(text: &str) -> Result<(), NoteError> {
    match text.char_indices().find(|(_, c)| *c < ' ' && *c != '\n') {
        Some((offset, control)) => {
            Err(NoteError::ControlCharacter { offset, code: control.into() })
        }
        None => Ok(()),
    }
}

fn check_signatures(signatures: &[NoteSignature]) -> Result<(), NoteError> {
    if signatures.is_empty() {
        return Err(NoteError::MissingSignatures);
    }
    if signatures.len() > MAX_SIGNATURE_COUNT {
        return Err(NoteError::TooManySignatures { found: signatures.len() });
    }
    let mut seen = BTreeSet::new();
    for NoteSignature { name, id, .. } in signatures {
        if !seen.insert((name, id)) {
            return Err(NoteError::DuplicateSignature { name: name.clone(), id: *id });
        }
    }
    Ok(())
}

#[cfg(test)]
mod test;
