//! Cosignatures: "at this time, this was the largest consistent tree I had seen of this log"
//! (C2SP tlog-cosignature), by Ed25519 (0x04) or ML-DSA-44 (0x06).
//!
//! Signing is deterministic and the time is given by the caller. Whoever signs must first have
//! checked consistency with everything it signed before; that memory is not here.
//!
//! Not here: how many cosigners suffice (`policy`).

use std::fmt;

use ed25519_dalek::Signer as _;

use crate::checkpoint::Checkpoint;
use crate::note::{
    NoteSignature, SignatureError, SignatureType, SignatureTypeError, SignatureVerifier, SignerKey,
    VerifierKey, ml_dsa_44, verify_ed25519,
};

/// Domain separation of an ML-DSA-44 cosignature.
const SUBTREE_LABEL: &[u8; 12] = b"subtree/v1\n\0";
/// Bytes of the time in front of the signature proper.
const TIME_BYTES: usize = 8;
/// Bytes of an ML-DSA-44 signature, FIPS 204 table 2.
const ML_DSA_44_SIGNATURE_BYTES: usize = 2420;
/// The context string of FIPS 204, which tlog-cosignature leaves empty.
const NO_CONTEXT: &[u8] = b"";
/// Longest origin that an ML-DSA-44 cosignature can name.
const MAX_ORIGIN_BYTES: usize = 255;
/// Latest time that a cosignature may state.
const MAX_UNIX_SECONDS: u64 = i64::MAX as u64;

/// The time in a cosignature, in seconds since 1970-01-01T00:00:00Z, or `None` when the bytes are
/// too short to be one. It is a statement of the cosigner only once the signature is verified.
///
/// An ML-DSA-44 cosigner that states no time writes 0.
#[must_use]
pub fn cosigned_at(signature: &NoteSignature) -> Option<u64> {
    split_time(signature.as_bytes()).map(|(unix_seconds, _)| unix_seconds)
}

/// Makes cosignatures with one key.
pub struct CosignatureSigner {
    key: VerifierKey,
    signing: SigningKey,
}

enum SigningKey {
    Ed25519(Box<ed25519_dalek::SigningKey>),
    MlDsa44(Box<ml_dsa::SigningKey<ml_dsa::MlDsa44>>),
}

impl CosignatureSigner {
    /// A signer of this key.
    ///
    /// # Errors
    /// The key is not of type 0x04 or 0x06.
    pub fn new(key: &SignerKey) -> Result<Self, SignatureTypeError> {
        let verifier = key.verifier_key().clone();
        let signing = match verifier.signature_type() {
            SignatureType::Ed25519Cosignature => {
                SigningKey::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(key.seed())))
            }
            SignatureType::MlDsa44Cosignature => {
                SigningKey::MlDsa44(Box::new(ml_dsa_44(key.seed())))
            }
            found @ SignatureType::Ed25519 => {
                return Err(SignatureTypeError { name: verifier.name().clone(), found });
            }
        };
        Ok(Self { key: verifier, signing })
    }

    /// The key that verifies what this signs.
    #[must_use]
    pub const fn verifier_key(&self) -> &VerifierKey {
        &self.key
    }

    /// Cosigns a checkpoint at a time in seconds since 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    /// The time is beyond 2^63 − 1, or an ML-DSA-44 cosignature cannot cover the checkpoint.
    pub fn sign(
        &self,
        checkpoint: &Checkpoint,
        unix_seconds: u64,
    ) -> Result<NoteSignature, SignatureError> {
        let message = signed_message(&self.key, checkpoint, unix_seconds)?;
        let mut blob = unix_seconds.to_be_bytes().to_vec();
        match &self.signing {
            SigningKey::Ed25519(key) => blob.extend_from_slice(&key.sign(&message).to_bytes()),
            SigningKey::MlDsa44(key) => {
                let signature = key
                    .expanded_key()
                    .sign_deterministic(&message, NO_CONTEXT)
                    .expect("invariant: only a context over 255 bytes makes signing fail");
                blob.extend_from_slice(&signature.encode());
            }
        }
        Ok(NoteSignature::new(self.key.name().clone(), self.key.id(), blob))
    }
}

impl fmt::Debug for CosignatureSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CosignatureSigner({}+{})", self.key.name(), self.key.id())
    }
}

/// Checks cosignatures of one key.
#[derive(Debug, Clone)]
pub struct CosignatureVerifier {
    key: VerifierKey,
    verifying: VerifyingKey,
}

#[derive(Debug, Clone)]
enum VerifyingKey {
    Ed25519(ed25519_dalek::VerifyingKey),
    MlDsa44(Box<ml_dsa::VerifyingKey<ml_dsa::MlDsa44>>),
}

impl CosignatureVerifier {
    /// A verifier for this key.
    ///
    /// # Errors
    /// The key is not of type 0x04 or 0x06.
    pub fn new(key: &VerifierKey) -> Result<Self, SignatureTypeError> {
        let verifying = match key.signature_type() {
            SignatureType::Ed25519Cosignature => VerifyingKey::Ed25519(key.ed25519()),
            SignatureType::MlDsa44Cosignature => {
                let encoded = key
                    .public_key()
                    .try_into()
                    .expect("invariant: a verifier key has its type's length");
                VerifyingKey::MlDsa44(Box::new(ml_dsa::VerifyingKey::decode(&encoded)))
            }
            found @ SignatureType::Ed25519 => {
                return Err(SignatureTypeError { name: key.name().clone(), found });
            }
        };
        Ok(Self { key: key.clone(), verifying })
    }

    /// Checks a cosignature over a checkpoint and returns its time in seconds since
    /// 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn verify_checkpoint(
        &self,
        checkpoint: &Checkpoint,
        signature: &[u8],
    ) -> Result<u64, SignatureError> {
        let signature_bytes = match self.verifying {
            VerifyingKey::Ed25519(_) => ed25519_dalek::SIGNATURE_LENGTH,
            VerifyingKey::MlDsa44(_) => ML_DSA_44_SIGNATURE_BYTES,
        };
        let (unix_seconds, signature) = split_time(signature)
            .filter(|(_, signature)| signature.len() == signature_bytes)
            .ok_or(SignatureError::Length {
                expected_bytes: TIME_BYTES + signature_bytes,
                found_bytes: signature.len(),
            })?;
        let message = signed_message(&self.key, checkpoint, unix_seconds)?;
        match &self.verifying {
            VerifyingKey::Ed25519(key) => verify_ed25519(key, &message, signature)?,
            VerifyingKey::MlDsa44(key) => {
                // Decoding refuses what is not the one encoding of a signature.
                let decoded = ml_dsa::Signature::<ml_dsa::MlDsa44>::try_from(signature)
                    .map_err(|_| SignatureError::Invalid)?;
                if !key.verify_with_context(&message, NO_CONTEXT, &decoded) {
                    return Err(SignatureError::Invalid);
                }
            }
        }
        Ok(unix_seconds)
    }
}

impl SignatureVerifier for CosignatureVerifier {
    fn key(&self) -> &VerifierKey {
        &self.key
    }

    fn verify(&self, text: &str, signature: &[u8]) -> Result<(), SignatureError> {
        let checkpoint = Checkpoint::parse(text)?;
        self.verify_checkpoint(&checkpoint, signature).map(|_| ())
    }
}

/// The bytes that a cosignature of this key signs.
fn signed_message(
    key: &VerifierKey,
    checkpoint: &Checkpoint,
    unix_seconds: u64,
) -> Result<Vec<u8>, SignatureError> {
    if unix_seconds > MAX_UNIX_SECONDS {
        return Err(SignatureError::Time { unix_seconds });
    }
    match key.signature_type() {
        SignatureType::MlDsa44Cosignature => ml_dsa_44_message(key, checkpoint, unix_seconds),
        SignatureType::Ed25519 | SignatureType::Ed25519Cosignature => {
            Ok(format!("cosignature/v1\ntime {unix_seconds}\n{checkpoint}").into_bytes())
        }
    }
}

/// The `cosigned_message` structure, in the presentation language of RFC 8446 section 3.
fn ml_dsa_44_message(
    key: &VerifierKey,
    checkpoint: &Checkpoint,
    unix_seconds: u64,
) -> Result<Vec<u8>, SignatureError> {
    let count = checkpoint.extension_lines().len();
    if count > 0 {
        return Err(SignatureError::ExtensionLines { count });
    }
    let origin = checkpoint.origin().as_str().as_bytes();
    if origin.len() > MAX_ORIGIN_BYTES {
        return Err(SignatureError::OriginTooLong { found_bytes: origin.len() });
    }
    let start_of_checkpoint = 0_u64;
    let mut message = SUBTREE_LABEL.to_vec();
    push_opaque(&mut message, key.name().as_str().as_bytes());
    message.extend_from_slice(&unix_seconds.to_be_bytes());
    push_opaque(&mut message, origin);
    message.extend_from_slice(&start_of_checkpoint.to_be_bytes());
    message.extend_from_slice(&checkpoint.size().get().to_be_bytes());
    message.extend_from_slice(checkpoint.root().as_bytes());
    Ok(message)
}

/// Appends an `opaque<1..255>`: one byte of length and the bytes.
fn push_opaque(message: &mut Vec<u8>, bytes: &[u8]) {
    let length = u8::try_from(bytes.len()).expect("invariant: lengths were checked");
    assert!(length > 0, "names and origins are not empty");
    message.push(length);
    message.extend_from_slice(bytes);
}

fn split_time(blob: &[u8]) -> Option<(u64, &[u8])> {
    let (time, signature) = blob.split_first_chunk::<TIME_BYTES>()?;
    Some((u64::from_be_bytes(*time), signature))
}

#[cfg(test)]
mod test;
