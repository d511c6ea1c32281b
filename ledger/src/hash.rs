//! SHA-256 values and the two domain-separated hashes of RFC 6962 section 2.1.
//!
//! Not here: how hashes combine into a tree (`tree`) or into tiles (`tile`).

use std::fmt;

use sha2::{Digest, Sha256};

use crate::encoding::{self, Base64Error};

/// A SHA-256 value, 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; Hash::SIZE_BYTES]);

impl Hash {
    /// Length of a hash in bytes.
    pub const SIZE_BYTES: usize = 32;

    /// Takes 32 bytes as a hash; no hashing happens.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::SIZE_BYTES]) -> Self {
        Self(bytes)
    }

    /// Takes a slice as a hash, or `None` when it is not 32 bytes long.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// SHA-256 of `bytes`, without any prefix.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Reads canonical standard base64 (44 characters with padding).
    ///
    /// # Errors
    /// The text is not canonical base64, or not of 32 bytes.
    pub fn from_base64(text: &str) -> Result<Self, Base64Error> {
        let bytes = encoding::decode_base64(text)?;
        let found = bytes.len();
        Self::from_slice(&bytes)
            .ok_or(Base64Error::Length { expected_bytes: Self::SIZE_BYTES, found_bytes: found })
    }

    /// Reads 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return None;
        }
        Self::from_slice(&hex::decode(text).ok()?)
    }

    /// Canonical standard base64, 44 characters.
    #[must_use]
    pub fn to_base64(&self) -> String {
        encoding::encode_base64(&self.0)
    }

    /// 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::SIZE_BYTES] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_base64())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

/// Hash of a leaf: SHA-256(0x00 ‖ bytes), RFC 6962 section 2.1.
#[must_use]
pub fn leaf_hash(bytes: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0x00]);
    hasher.update(bytes);
    Hash(hasher.finalize().into())
}

/// Hash of an inner node: SHA-256(0x01 ‖ left ‖ right), RFC 6962 section 2.1.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0x01]);
    hasher.update(left.0);
    hasher.update(right.0);
    Hash(hasher.finalize().into())
}

/// Root of the empty tree: SHA-256 of nothing, RFC 6962 section 2.1.
#[must_use]
pub fn empty_root() -> Hash {
    Hash::of(b"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_root_is_the_one_of_the_specification() {
        assert_eq!(empty_root().to_base64(), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }

    #[test]
    fn leaf_and_node_are_separated_by_their_prefix() {
        assert_eq!(
            leaf_hash(b"").to_hex(),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
        let leaf = leaf_hash(b"");
        let mut concatenated = vec![];
        concatenated.extend_from_slice(leaf.as_bytes());
        concatenated.extend_from_slice(leaf.as_bytes());
        assert_ne!(node_hash(&leaf, &leaf), leaf_hash(&concatenated));
    }

    #[test]
    fn text_forms_read_back_and_reject_every_other_spelling() {
        let hash = Hash::of(b"letopis");
        assert_eq!(Hash::from_base64(&hash.to_base64()), Ok(hash));
        assert_eq!(Hash::from_hex(&hash.to_hex()), Some(hash));
        assert_eq!(Hash::from_hex(&hash.to_hex().to_uppercase()), None);
        assert!(matches!(
            Hash::from_base64("AAAA"),
            Err(Base64Error::Length { expected_bytes: 32, found_bytes: 3 })
        ));
    }
}
