//! Author keys and author signatures: who said what a record says.
//!
//! Ed25519 (RFC 8032) over the DSSE pre-authentication encoding of the record bytes. One rule
//! decides what is valid, everywhere, because a signature that one agency accepts and another
//! refuses would split them: the cofactorless equation with canonical `S`, canonical encodings of
//! `A` and `R`, and neither of small order (`verify_strict`). Batch verification is not used: on
//! edge cases it answers differently.
//!
//! Not here: keys that sign checkpoints (`note`, `cosignature`), and which keys are in force
//! (`governance` tells it, the append machine keeps it).

use std::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::encoding::{self, Base64Error};

/// Payload type of a record in the pre-authentication encoding.
pub const RECORD_PAYLOAD_TYPE: &str = "application/vnd.letopis.record.v1+json";

const KEY_ID_DOMAIN: &[u8] = b"letopis.author-key.v1\n";

/// Why a key or a signature was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The text is not canonical base64 of the right length.
    #[error("key or signature: {0}")]
    Base64(#[from] Base64Error),
    /// The bytes are not the canonical encoding of a curve point.
    #[error("public key is not the canonical encoding of a point of the curve")]
    NotAPoint,
    /// The key is of small order: it would accept signatures that nobody made.
    #[error("public key is of small order and is never admitted")]
    SmallOrder,
    /// Not 32 lower-case hexadecimal digits.
    #[error("key id {text:?} is not 32 lower-case hexadecimal digits")]
    KeyIdForm {
        /// The text as found.
        text: String,
    },
    /// The signature does not verify under the key.
    #[error("signature does not verify under key {key}")]
    BadSignature {
        /// The key.
        key: AuthorKeyId,
    },
}

/// Id of an author key: the first 16 bytes of
/// SHA-256(`letopis.author-key.v1\n` ‖ 32-byte public key).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuthorKeyId([u8; 16]);

impl AuthorKeyId {
    /// Reads 32 lower-case hexadecimal digits.
    ///
    /// # Errors
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let form = || KeyError::KeyIdForm { text: text.to_owned() };
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(form());
        }
        let bytes = hex::decode(text).map_err(|_| form())?;
        bytes.try_into().map(Self).map_err(|_| form())
    }

    /// The 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Takes the 16 bytes of an id that was checked before it was stored.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for AuthorKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for AuthorKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The public half of an author key, admitted: canonical and not of small order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AuthorKey(VerifyingKey);

impl AuthorKey {
    /// Takes the 32 bytes of RFC 8032 section 5.1.5.
    ///
    /// # Errors
    /// See [`KeyError::NotAPoint`] and [`KeyError::SmallOrder`].
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::NotAPoint)?;
        // Decompression accepts a few second spellings of a point; only the first one is a key.
        if key.to_edwards().compress().as_bytes() != bytes {
            return Err(KeyError::NotAPoint);
        }
        if key.is_weak() {
            return Err(KeyError::SmallOrder);
        }
        Ok(Self(key))
    }

    /// Reads canonical base64 of the 32 bytes.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn from_base64(text: &str) -> Result<Self, KeyError> {
        Self::from_bytes(&fixed(encoding::decode_base64(text)?)?)
    }

    /// The 32 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Canonical base64 of the 32 bytes.
    #[must_use]
    pub fn to_base64(&self) -> String {
        encoding::encode_base64(&self.to_bytes())
    }

    /// The key's id.
    #[must_use]
    pub fn id(&self) -> AuthorKeyId {
        let mut hasher = Sha256::new();
        hasher.update(KEY_ID_DOMAIN);
        hasher.update(self.to_bytes());
        let digest: [u8; 32] = hasher.finalize().into();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        AuthorKeyId(id)
    }

    /// Checks a signature over the record bytes.
    ///
    /// # Errors
    /// See [`KeyError::BadSignature`].
    pub fn verify(&self, record: &[u8], signature: &AuthorSignature) -> Result<(), KeyError> {
        self.verify_as(RECORD_PAYLOAD_TYPE, record, signature)
    }

    /// Checks a signature over bytes of another kind; the kind is signed with them.
    ///
    /// # Errors
    /// See [`KeyError::BadSignature`].
    pub fn verify_as(
        &self,
        payload_type: &str,
        body: &[u8],
        signature: &AuthorSignature,
    ) -> Result<(), KeyError> {
        let message = pre_authentication_encoding(payload_type, body);
        let signature = Signature::from_bytes(&signature.0);
        self.0
            .verify_strict(&message, &signature)
            .map_err(|_| KeyError::BadSignature { key: self.id() })
    }
}

impl fmt::Debug for AuthorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthorKey({})", self.id())
    }
}

/// An Ed25519 signature of an author, 64 bytes. Its validity is not implied.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AuthorSignature([u8; 64]);

impl AuthorSignature {
    /// Reads canonical base64 of 64 bytes.
    ///
    /// # Errors
    /// Any other text.
    pub fn from_base64(text: &str) -> Result<Self, KeyError> {
        Ok(Self(fixed(encoding::decode_base64(text)?)?))
    }

    /// Takes the 64 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// Canonical base64 of the 64 bytes.
    #[must_use]
    pub fn to_base64(&self) -> String {
        encoding::encode_base64(&self.0)
    }

    /// The 64 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for AuthorSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthorSignature({})", self.to_base64())
    }
}

/// The secret half of an author key. The secret is wiped from memory when dropped.
pub struct AuthorSigner {
    secret: SigningKey,
    key: AuthorKey,
}

impl AuthorSigner {
    /// Makes a signer from the 32-byte seed of RFC 8032 section 5.1.5.
    ///
    /// # Panics
    /// Never: a clamped secret scalar has no public key of small order.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let secret = SigningKey::from_bytes(seed);
        let key = AuthorKey::from_bytes(&secret.verifying_key().to_bytes())
            .expect("invariant: a public key made from a seed is canonical and of large order");
        Self { secret, key }
    }

    /// The public half.
    #[must_use]
    pub const fn key(&self) -> AuthorKey {
        self.key
    }

    /// Signs record bytes.
    #[must_use]
    pub fn sign(&self, record: &[u8]) -> AuthorSignature {
        self.sign_as(RECORD_PAYLOAD_TYPE, record)
    }

    /// Signs bytes of another kind; the kind is signed with them.
    #[must_use]
    pub fn sign_as(&self, payload_type: &str, body: &[u8]) -> AuthorSignature {
        let message = pre_authentication_encoding(payload_type, body);
        AuthorSignature(self.secret.sign(&message).to_bytes())
    }
}

impl fmt::Debug for AuthorSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthorSigner({})", self.key.id())
    }
}

/// DSSE version 1 pre-authentication encoding:
/// `DSSEv1 SP LEN(type) SP type SP LEN(body) SP body`, lengths in decimal.
///
/// Source: github.com/secure-systems-lab/dsse, protocol.md.
#[must_use]
pub fn pre_authentication_encoding(payload_type: &str, body: &[u8]) -> Vec<u8> {
    let mut message =
        format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), body.len()).into_bytes();
    message.extend_from_slice(body);
    message
}

fn fixed<const N: usize>(bytes: Vec<u8>) -> Result<[u8; N], Base64Error> {
    let found_bytes = bytes.len();
    bytes.try_into().map_err(|_| Base64Error::Length { expected_bytes: N, found_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pre_authentication_encoding_is_the_one_of_the_dsse_specification() {
        assert_eq!(
            pre_authentication_encoding("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn golden_key_and_signature() {
        let signer = AuthorSigner::from_seed(&[1; 32]);
        assert_eq!(signer.key().to_base64(), "iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=");
        assert_eq!(signer.key().id().to_string(), "79f871c398b1bbcbb289d8d9a5dcfbba");
        assert_eq!(
            signer.sign(b"{}").to_base64(),
            "sIS5S0IDOSVVAD2hw4gkeFKyhrsgLiE94sTAltewdHNFqZ1ArdVxcG+WkFOD2LlvU+ibLPEk/r7pe+rTuKbA\
             Ag=="
        );
    }

    #[test]
    fn a_signature_holds_for_its_key_and_bytes_only() {
        let signer = AuthorSigner::from_seed(&[1; 32]);
        let signature = signer.sign(b"{}");
        assert_eq!(signer.key().verify(b"{}", &signature), Ok(()));
        assert!(signer.key().verify(b"{} ", &signature).is_err());
        assert!(signer.key().verify_as("another/kind", b"{}", &signature).is_err());
        let other_kind = signer.sign_as("another/kind", b"{}");
        assert_eq!(signer.key().verify_as("another/kind", b"{}", &other_kind), Ok(()));
        let other = AuthorSigner::from_seed(&[2; 32]).key();
        assert_eq!(
            other.verify(b"{}", &signature),
            Err(KeyError::BadSignature { key: other.id() })
        );
        for bit in 0..512 {
            let mut bytes = *signature.as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(signer.key().verify(b"{}", &AuthorSignature::from_bytes(bytes)).is_err());
        }
    }

    #[test]
    fn a_signature_with_s_plus_the_group_order_is_refused() {
        // L = 2^252 + 27742317777372353535851937790883648493, little-endian.
        let order = hex::decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
            .unwrap();
        let signer = AuthorSigner::from_seed(&[1; 32]);
        let mut bytes = *signer.sign(b"{}").as_bytes();
        let mut carry = 0u16;
        for (s, l) in bytes[32..].iter_mut().zip(order) {
            let sum = u16::from(*s) + u16::from(l) + carry;
            *s = u8::try_from(sum & 0xff).unwrap();
            carry = sum >> 8;
        }
        assert!(signer.key().verify(b"{}", &AuthorSignature::from_bytes(bytes)).is_err());
    }

    #[test]
    fn weak_and_second_spellings_of_keys_are_never_admitted() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(AuthorKey::from_bytes(&identity), Err(KeyError::SmallOrder));
        assert_eq!(AuthorKey::from_bytes(&[0; 32]), Err(KeyError::SmallOrder));
        // y = p + 1 spells the identity a second time; y = p + 3 … spell points of large order.
        for low in 0xedu8..=0xff {
            let mut bytes = [0xff; 32];
            bytes[0] = low;
            bytes[31] = 0x7f;
            assert_eq!(AuthorKey::from_bytes(&bytes), Err(KeyError::NotAPoint), "{low:#x}");
        }
    }
}
