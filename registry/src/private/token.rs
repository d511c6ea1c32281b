//! Access tokens of cases: whoever holds one sees the case's private values.

use std::fmt;

use letopis_ledger::Hash;
use thiserror::Error;

use crate::environment::{Entropy, random};

/// Length of a token in bytes: 128 bits, which nobody guesses.
const TOKEN_BYTES: usize = 16;

/// A token as its holder has it.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken([u8; TOKEN_BYTES]);

/// What the store keeps of a token: its SHA-256, so that the file gives no access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenDigest(Hash);

/// A text that is no token.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("an access token has 32 lower-case hexadecimal digits; copy it as it was given")]
pub struct TokenError;

impl AccessToken {
    /// Makes a token.
    #[must_use]
    pub fn new(entropy: &dyn Entropy) -> Self {
        Self(random(entropy))
    }

    /// Reads 32 lower-case hexadecimal digits.
    ///
    /// # Errors
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let mut bytes = [0; TOKEN_BYTES];
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(TokenError);
        }
        hex::decode_to_slice(text, &mut bytes).map_err(|_| TokenError)?;
        Ok(Self(bytes))
    }

    /// The token as text, to be shown once to its holder.
    #[must_use]
    pub fn reveal(&self) -> String {
        hex::encode(self.0)
    }

    /// What the store keeps of it.
    #[must_use]
    pub fn digest(&self) -> TokenDigest {
        TokenDigest(Hash::of(&self.0))
    }
}

impl fmt::Debug for AccessToken {
    /// Shows nothing: a token must not reach a log line by accident.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(…)")
    }
}

impl TokenDigest {
    /// Takes the 32 bytes that the store has.
    pub(super) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Hash::from_bytes(bytes))
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}
