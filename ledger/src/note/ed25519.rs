//! Plain Ed25519 signatures over the text of a note: type 0x01 of signed-note, RFC 8032.
//!
//! Not here: cosignatures, which sign a time as well (`crate::cosignature`).

use std::fmt;

use ed25519_dalek::Signer as _;

use super::{
    NoteSignature, SignatureError, SignatureType, SignatureTypeError, SignatureVerifier, SignerKey,
    VerifierKey,
};

/// Makes plain Ed25519 signatures, type 0x01.
pub struct NoteSigner {
    key: VerifierKey,
    signing: ed25519_dalek::SigningKey,
}

impl NoteSigner {
    /// A signer of this key.
    ///
    /// # Errors
    /// The key is of another type.
    pub fn new(key: &SignerKey) -> Result<Self, SignatureTypeError> {
        let verifier = key.verifier_key().clone();
        if verifier.signature_type() != SignatureType::Ed25519 {
            let (name, found) = (verifier.name().clone(), verifier.signature_type());
            return Err(SignatureTypeError { name, found });
        }
        Ok(Self { key: verifier, signing: ed25519_dalek::SigningKey::from_bytes(key.seed()) })
    }

    /// The key that verifies what this signs.
    #[must_use]
    pub const fn verifier_key(&self) -> &VerifierKey {
        &self.key
    }

    /// Signs the text of a note, RFC 8032.
    #[must_use]
    pub fn sign(&self, text: &str) -> NoteSignature {
        let signature = self.signing.sign(text.as_bytes()).to_bytes().to_vec();
        NoteSignature::new(self.key.name().clone(), self.key.id(), signature)
    }
}

impl fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteSigner({}+{})", self.key.name(), self.key.id())
    }
}

/// Checks plain Ed25519 signatures, type 0x01.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteVerifier {
    key: VerifierKey,
    verifying: ed25519_dalek::VerifyingKey,
}

impl NoteVerifier {
    /// A verifier for this key.
    ///
    /// # Errors
    /// The key is of another type.
    pub fn new(key: &VerifierKey) -> Result<Self, SignatureTypeError> {
        if key.signature_type() != SignatureType::Ed25519 {
            let (name, found) = (key.name().clone(), key.signature_type());
            return Err(SignatureTypeError { name, found });
        }
        Ok(Self { key: key.clone(), verifying: key.ed25519() })
    }
}

impl SignatureVerifier for NoteVerifier {
    fn key(&self) -> &VerifierKey {
        &self.key
    }

    fn verify(&self, text: &str, signature: &[u8]) -> Result<(), SignatureError> {
        verify_ed25519(&self.verifying, text.as_bytes(), signature)
    }
}

/// Strict verification: weak keys and non-canonical signatures are refused, so that nobody can
/// make a second signature out of a first one.
pub(crate) fn verify_ed25519(
    key: &ed25519_dalek::VerifyingKey,
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    let signature: [u8; ed25519_dalek::SIGNATURE_LENGTH] =
        signature.try_into().map_err(|_| SignatureError::Length {
            expected_bytes: ed25519_dalek::SIGNATURE_LENGTH,
            found_bytes: signature.len(),
        })?;
    let signature = ed25519_dalek::Signature::from_bytes(&signature);
    key.verify_strict(message, &signature).map_err(|_| SignatureError::Invalid)
}
