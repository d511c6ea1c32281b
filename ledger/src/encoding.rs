//! The two text spellings shared by every format: canonical base64 and canonical decimals.
//!
//! C2SP formats let a value be written in one way only; a reader that accepts a second spelling
//! makes two byte-different checkpoints of one tree (C2SP issue 348). So everything else is
//! refused.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use thiserror::Error;

/// Why a base64 text was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Base64Error {
    /// A character outside the alphabet, missing padding, or non-zero trailing bits.
    #[error("not canonical base64: {reason}")]
    NotCanonical {
        /// What the decoder found.
        reason: String,
    },
    /// The decoded length is not the one the format fixes.
    #[error("base64 of {found_bytes} bytes where {expected_bytes} are required")]
    Length {
        /// Bytes required.
        expected_bytes: usize,
        /// Bytes found.
        found_bytes: usize,
    },
}

/// Writes standard base64 with padding (RFC 4648 section 4).
#[must_use]
pub fn encode_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Reads standard base64 with padding, refusing every non-canonical spelling.
///
/// # Errors
/// See [`Base64Error::NotCanonical`].
pub fn decode_base64(text: &str) -> Result<Vec<u8>, Base64Error> {
    STANDARD.decode(text).map_err(|e| Base64Error::NotCanonical { reason: e.to_string() })
}

/// Writes base64url without padding (RFC 4648 section 5).
#[must_use]
pub fn encode_base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads base64url without padding, refusing every non-canonical spelling.
///
/// # Errors
/// See [`Base64Error::NotCanonical`].
pub fn decode_base64url(text: &str) -> Result<Vec<u8>, Base64Error> {
    URL_SAFE_NO_PAD.decode(text).map_err(|e| Base64Error::NotCanonical { reason: e.to_string() })
}

/// Reads an unsigned decimal without sign, leading zeros or blanks; `0` is written `0`.
#[must_use]
pub fn parse_decimal(text: &str) -> Option<u64> {
    let digits_only = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let leading_zero = text.len() > 1 && text.starts_with('0');
    if !digits_only || leading_zero {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_spellings_of_the_same_bytes_are_not_both_accepted() {
        assert!(decode_base64("1Kjg").is_ok());
        assert_eq!(decode_base64("1Kg="), Ok(vec![0xd4, 0xa8]));
        for bad in ["1Kh=", "1Kg", "1Kg==", " 1Kg=", "1Kg=\n", "1K_="] {
            assert!(decode_base64(bad).is_err(), "{bad:?} was accepted");
        }
        assert_eq!(decode_base64url("1Kg"), Ok(vec![0xd4, 0xa8]));
        for bad in ["1Kh", "1Kg=", "1K/"] {
            assert!(decode_base64url(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn decimals_have_one_spelling() {
        assert_eq!(parse_decimal("0"), Some(0));
        assert_eq!(parse_decimal("18446744073709551615"), Some(u64::MAX));
        for bad in ["", "00", "01", "+1", "-1", " 1", "1 ", "18446744073709551616", "0x1", "１"] {
            assert_eq!(parse_decimal(bad), None, "{bad:?} was accepted");
        }
    }
}
