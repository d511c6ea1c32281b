//! Keyed digests of personal values: equal values meet, and nobody without the key can guess them.
//!
//! A plain hash of a licence plate is found by hashing all plates. HMAC-SHA-256 (RFC 2104) under a
//! secret of the agency is not. Claims over personal values and look-up columns are made of these.
//! Not here: where the secret is kept.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use letopis_ledger::encoding::encode_base64url;
use sha2::Sha256;
use zeroize::Zeroizing;

/// Length of an agency's secret in bytes.
pub const SECRET_BYTES: usize = 32;

/// The agency's key for keyed digests. It never leaves the agency's own nodes.
pub struct AgencySecret(Zeroizing<[u8; SECRET_BYTES]>);

/// Keyed digest of a value for one purpose.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyedDigest([u8; 32]);

impl AgencySecret {
    /// Takes the secret's bytes.
    #[must_use]
    pub fn new(bytes: [u8; SECRET_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Digest of `parts` for `purpose`: HMAC-SHA-256 over each part preceded by its length in
    /// bytes as a 32-bit big-endian number, the purpose first.
    ///
    /// # Panics
    /// A part is longer than 4 GiB.
    #[must_use]
    pub fn digest(&self, purpose: &str, parts: &[&str]) -> KeyedDigest {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_slice())
            .expect("invariant: HMAC takes a key of any length");
        for part in std::iter::once(&purpose).chain(parts) {
            let length = u32::try_from(part.len()).expect("invariant: values are under 4 GiB");
            mac.update(&length.to_be_bytes());
            mac.update(part.as_bytes());
        }
        KeyedDigest(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for AgencySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AgencySecret(…)")
    }
}

impl KeyedDigest {
    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for KeyedDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode_base64url(&self.0))
    }
}

impl fmt::Debug for KeyedDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_keyed_digest() {
        // Python: hmac.new(bytes([7])*32, b"\0\0\0\1p\0\0\0\2ab", "sha256"), base64url unpadded.
        let digest = AgencySecret::new([7; 32]).digest("p", &["ab"]);
        assert_eq!(digest.to_string(), "28y8PacPGa7mMWivGj5DoRlquoAxnk9UQWVDibpq3lo");
    }

    #[test]
    fn purposes_parts_and_secrets_do_not_mix() {
        let secret = AgencySecret::new([7; 32]);
        assert_ne!(secret.digest("p", &["ab"]), secret.digest("pa", &["b"]));
        assert_ne!(secret.digest("p", &["ab"]), secret.digest("p", &["a", "b"]));
        assert_ne!(secret.digest("p", &["ab"]), AgencySecret::new([8; 32]).digest("p", &["ab"]));
        assert!(!format!("{secret:?}").contains('7'));
    }
}
