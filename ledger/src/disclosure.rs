//! Private values as digests: the disclosure strings of SD-JWT (RFC 9901 section 4.2.1).
//!
//! A private field stands in a leaf as the SHA-256 of its disclosure string, and that string is
//! base64url of the JSON array `[salt, name, value]`. Whoever is given the string can check it
//! against the leaf; whoever is not learns nothing, provided that the salt is random.
//!
//! Not here: making salts, storing disclosures, and who may see which.

use std::fmt;

use thiserror::Error;

use crate::encoding::{self, Base64Error};
use crate::hash::Hash;
use crate::json::{Json, JsonError};

/// Length of the salts that Letopis writes, in bytes: 128 bits, as RFC 9901 section 9.3 advises.
pub const SALT_BYTES: usize = 16;

/// Why a disclosure was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DisclosureError {
    /// Not canonical base64url.
    #[error("disclosure: {0}")]
    Base64(#[from] Base64Error),
    /// The content is not acceptable JSON.
    #[error("disclosure: {0}")]
    Json(#[from] JsonError),
    /// The content is not an array of salt, name and value.
    #[error("disclosure is not an array of a salt, a name and a value")]
    Shape,
    /// The salt holds fewer than 128 bits.
    #[error("disclosure has a salt of {found_bytes} bytes; at least {SALT_BYTES} are required")]
    ShortSalt {
        /// Bytes of the salt.
        found_bytes: usize,
    },
}

/// Digest of a disclosure string: SHA-256 over its ASCII bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DisclosureDigest(Hash);

impl DisclosureDigest {
    /// Reads canonical base64url without padding, 43 characters.
    ///
    /// # Errors
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self, Base64Error> {
        let bytes = encoding::decode_base64url(text)?;
        let found_bytes = bytes.len();
        Hash::from_slice(&bytes)
            .map(Self)
            .ok_or(Base64Error::Length { expected_bytes: Hash::SIZE_BYTES, found_bytes })
    }

    /// Takes a digest that was kept as a hash.
    #[must_use]
    pub const fn from_hash(hash: Hash) -> Self {
        Self(hash)
    }

    /// The digest as a hash.
    #[must_use]
    pub const fn hash(&self) -> Hash {
        self.0
    }
}

impl fmt::Display for DisclosureDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encoding::encode_base64url(self.0.as_bytes()))
    }
}

impl fmt::Debug for DisclosureDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One private field, opened: its salt, name and value, and the exact string that was hashed.
#[derive(Clone, PartialEq, Eq)]
pub struct Disclosure {
    text: String,
    name: String,
    value: Json,
}

impl Disclosure {
    /// Makes the disclosure of a field. The salt must come from a secure random generator.
    ///
    /// # Errors
    /// The name is not in Unicode normalisation form C.
    pub fn new(salt: &[u8; SALT_BYTES], name: &str, value: Json) -> Result<Self, DisclosureError> {
        let content = Json::Array(vec![
            Json::string(encoding::encode_base64url(salt))?,
            Json::string(name)?,
            value.clone(),
        ]);
        let text = encoding::encode_base64url(&content.to_canonical());
        Ok(Self { text, name: name.to_owned(), value })
    }

    /// Reads a disclosure string. Its inner JSON may have any spelling, as RFC 9901 allows: the
    /// digest covers the string as it is.
    ///
    /// # Errors
    /// See [`DisclosureError`].
    pub fn parse(text: &str) -> Result<Self, DisclosureError> {
        let content = Json::parse(&encoding::decode_base64url(text)?)?;
        let Json::Array(parts) = content else { return Err(DisclosureError::Shape) };
        let [Json::String(salt), Json::String(name), value] =
            <[Json; 3]>::try_from(parts).map_err(|_| DisclosureError::Shape)?
        else {
            return Err(DisclosureError::Shape);
        };
        let salt_bytes = encoding::decode_base64url(&salt)?;
        if salt_bytes.len() < SALT_BYTES {
            return Err(DisclosureError::ShortSalt { found_bytes: salt_bytes.len() });
        }
        Ok(Self { text: text.to_owned(), name, value })
    }

    /// The disclosure string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The field's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The field's value.
    #[must_use]
    pub const fn value(&self) -> &Json {
        &self.value
    }

    /// The digest that stands in the leaf.
    #[must_use]
    pub fn digest(&self) -> DisclosureDigest {
        DisclosureDigest(Hash::of(self.text.as_bytes()))
    }
}

impl fmt::Debug for Disclosure {
    /// Shows the digest only: a private value must not reach a log line by accident.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Disclosure({})", self.digest())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_rfc_9901_has_its_digest() {
        // RFC 9901 section 4.2.1 and 4.2.3: family_name "Möbius" with a 128-bit salt.
        let text = "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0";
        let disclosure = Disclosure::parse(text).unwrap();
        assert_eq!(disclosure.name(), "family_name");
        assert_eq!(disclosure.value(), &Json::String("Möbius".into()));
        assert_eq!(disclosure.digest().to_string(), "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0");
    }

    #[test]
    fn golden_disclosure() {
        let disclosure = Disclosure::new(&[7; 16], "plate", "А123ВС92".into()).unwrap();
        assert_eq!(
            disclosure.as_str(),
            "WyJCd2NIQndjSEJ3Y0hCd2NIQndjSEJ3IiwicGxhdGUiLCLQkDEyM9CS0KE5MiJd"
        );
        assert_eq!(disclosure.digest().to_string(), "DnSK5-5twuMpMD-xX92CSWVaP_Q449J17tWzNxZeESw");
    }

    #[test]
    fn refuses_what_is_not_a_disclosure() {
        let salt = encoding::encode_base64url(&[1; 16]);
        let short = encoding::encode_base64url(&[1; 15]);
        for (content, why) in [
            (format!(r#"["{salt}","a"]"#), "two parts"),
            (format!(r#"["{salt}","a",1,2]"#), "four parts"),
            (format!(r#"["{salt}",1,2]"#), "a name that is no string"),
            (format!(r#"["{salt}","a",null]"#), "a null value"),
            (format!(r#"["{salt}","a",1.5]"#), "a float"),
            (format!(r#"["{short}","a",1]"#), "a short salt"),
            (r#"{"a":1}"#.into(), "an object"),
        ] {
            let text = encoding::encode_base64url(content.as_bytes());
            assert!(Disclosure::parse(&text).is_err(), "accepted {why}");
        }
        assert!(Disclosure::parse("not base64!").is_err());
    }

    #[test]
    fn debug_output_keeps_the_value_private() {
        let disclosure = Disclosure::new(&[7; 16], "name", "Иванов".into()).unwrap();
        assert!(!format!("{disclosure:?}").contains("Иванов"));
        assert!(!format!("{disclosure:?}").contains(disclosure.as_str()));
    }

    proptest! {
        #[test]
        fn every_disclosure_reads_back(salt: [u8; 16], name in "[a-z_]{1,12}", value: i32) {
            let disclosure =
                Disclosure::new(&salt, &name, Json::Integer(value.into())).unwrap();
            let read = Disclosure::parse(disclosure.as_str()).unwrap();
            prop_assert_eq!(read.digest(), disclosure.digest());
            prop_assert_eq!(
                DisclosureDigest::parse(&disclosure.digest().to_string()),
                Ok(disclosure.digest())
            );
            prop_assert_eq!(read, disclosure);
        }
    }
}
