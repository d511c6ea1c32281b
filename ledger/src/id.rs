//! Names that records use: agencies, records, streams, event types, claims.
//!
//! Each has one spelling and a length limit, so that a name is safe in a path, a log line and a
//! key of an index. Not here: what a stream or a claim means.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use unicode_normalization::is_nfc;
use uuid::Uuid;

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// Empty or too long.
    #[error("{kind} of {found_bytes} bytes: it must have 1 to {max_bytes}")]
    Length {
        /// Which kind of name.
        kind: &'static str,
        /// Bytes found.
        found_bytes: usize,
        /// Most bytes allowed.
        max_bytes: usize,
    },
    /// A character or an arrangement that the kind does not allow.
    #[error("{kind} {text:?}: {rule}")]
    Form {
        /// Which kind of name.
        kind: &'static str,
        /// The name as found.
        text: String,
        /// What the kind allows.
        rule: &'static str,
    },
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $max:literal, $rule:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Most bytes of such a name.
            pub const MAX_BYTES: usize = $max;

            /// Reads a name.
            ///
            /// # Errors
            /// The name breaks the rule stated on the type.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                if text.is_empty() || text.len() > Self::MAX_BYTES {
                    return Err(NameError::Length {
                        kind: $kind,
                        found_bytes: text.len(),
                        max_bytes: Self::MAX_BYTES,
                    });
                }
                let valid: fn(&str) -> bool = $valid;
                if !valid(text) {
                    let text = text.to_owned();
                    return Err(NameError::Form { kind: $kind, text, rule: $rule });
                }
                Ok(Self(text.to_owned()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::parse(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }
    };
}

name! {
    /// An agency: lower-case letters, digits and inner hyphens, at most 63, as in a host name.
    AgencyId, "agency id", 63,
    "only a-z, 0-9 and hyphens, starting with a letter and not ending in a hyphen",
    |text| is_label(text)
}
name! {
    /// A stream: labels of `a-z 0-9 _ - .` separated by single slashes, at most 200 bytes.
    /// The first label is the kind: `application/…`, `registry/…`, `agency/…`, `log`.
    StreamName, "stream name", 200,
    "labels of a-z, 0-9, '_', '-' and '.' separated by single slashes",
    |text| text.split('/').all(is_segment)
}
name! {
    /// An event type: two or more dotted labels of `a-z 0-9 _`, as in `application.registered`.
    EventType, "event type", 100,
    "two or more labels of a-z, 0-9 and '_' separated by dots",
    |text| text.contains('.') && text.split('.').all(is_word)
}
name! {
    /// A name that only one stream may hold at a time: printable text without blanks, form C.
    ClaimName, "claim name", 200,
    "printable characters without blanks, in Unicode normalisation form C",
    |text| is_nfc(text) && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

impl StreamName {
    /// The stream of an agency's own governance.
    #[must_use]
    pub fn of_agency(agency: &AgencyId) -> Self {
        Self(format!("agency/{agency}"))
    }

    /// The agency whose governance stream this is, if it is one.
    #[must_use]
    pub fn agency(&self) -> Option<AgencyId> {
        AgencyId::parse(self.0.strip_prefix("agency/")?).ok()
    }

    /// The first label: which kind of thing the stream is about.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.0.split('/').next().expect("invariant: split yields at least one label")
    }
}

/// Number of a node: which of an agency's machines, and for ever. A node that lost its disk comes
/// back under another number, because its votes are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u64);

impl NodeId {
    /// Largest number: what an integer of canonical JSON holds.
    pub const MAX: u64 = (1 << 53) - 1;

    /// Takes a number from 1 to [`NodeId::MAX`].
    #[must_use]
    pub const fn new(number: u64) -> Option<Self> {
        if number >= 1 && number <= Self::MAX { Some(Self(number)) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for NodeId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let number = crate::encoding::parse_decimal(text).and_then(Self::new);
        number.ok_or_else(|| NameError::Form {
            kind: "node number",
            text: text.to_owned(),
            rule: "a decimal number from 1 to 2^53 - 1",
        })
    }
}

/// Id of a record, chosen by its author: a UUID of version 7 (RFC 9562 section 5.7).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(Uuid);

impl RecordId {
    /// Makes an id from its two inputs: milliseconds since 1970 and ten random bytes.
    #[must_use]
    pub fn from_parts(unix_ms: u64, random: &[u8; 10]) -> Self {
        Self(uuid::Builder::from_unix_timestamp_millis(unix_ms, random).into_uuid())
    }

    /// Takes the 16 bytes of an id that was checked before it was stored.
    ///
    /// # Errors
    /// The bytes are not a UUID of version 7.
    pub fn from_bytes(bytes: [u8; 16]) -> Result<Self, NameError> {
        Self::checked(Uuid::from_bytes(bytes))
    }

    /// Reads the lower-case hyphenated spelling.
    ///
    /// # Errors
    /// Another spelling, or not a UUID of version 7.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let form = || NameError::Form {
            kind: "record id",
            text: text.to_owned(),
            rule: "a UUID of version 7 in lower-case hyphenated form",
        };
        let uuid = Uuid::try_parse(text).map_err(|_| form())?;
        if uuid.hyphenated().to_string() != text {
            return Err(form());
        }
        Self::checked(uuid)
    }

    /// The 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    fn checked(uuid: Uuid) -> Result<Self, NameError> {
        let version_7 = uuid.get_version_num() == 7 && uuid.get_variant() == uuid::Variant::RFC4122;
        if !version_7 {
            return Err(NameError::Form {
                kind: "record id",
                text: uuid.to_string(),
                rule: "a UUID of version 7 in lower-case hyphenated form",
            });
        }
        Ok(Self(uuid))
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    text.bytes().all(inner)
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
}

fn is_segment(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.".contains(&b);
    // A segment of dots alone would be a path step in every place that names files after streams.
    !text.is_empty() && text.bytes().all(inner) && !text.bytes().all(|b| b == b'.')
}

fn is_word(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    !text.is_empty() && text.bytes().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_spelling() {
        assert!(AgencyId::parse("zarechny").is_ok());
        for bad in ["", "Zarechny", "-a", "a-", "1a", "a_b", "а", &"a".repeat(64)] {
            assert!(AgencyId::parse(bad).is_err(), "{bad:?} was accepted");
        }
        assert!(StreamName::parse("registry/parking_permit/0190-a").is_ok());
        for bad in ["/a", "a/", "a//b", "a/../b", "a/.", "A", "a b", "", &"a".repeat(201)] {
            assert!(StreamName::parse(bad).is_err(), "{bad:?} was accepted");
        }
        assert!(EventType::parse("application.registered").is_ok());
        for bad in ["registered", "a.", ".a", "a..b", "A.b", "a-b.c"] {
            assert!(EventType::parse(bad).is_err(), "{bad:?} was accepted");
        }
        assert!(ClaimName::parse("number/РП-2026-000001").is_ok());
        for bad in ["", "a b", "a\n", "e\u{301}"] {
            assert!(ClaimName::parse(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn a_record_id_is_a_uuid_of_version_7_in_one_spelling() {
        let id = RecordId::from_parts(0x0192_3456_789a, &[7; 10]);
        assert_eq!(id.to_string(), "01923456-789a-7707-8707-070707070707");
        assert_eq!(RecordId::parse(&id.to_string()), Ok(id));
        assert_eq!(RecordId::from_bytes(*id.as_bytes()), Ok(id));
        for bad in [
            "01923456-789A-7707-8707-070707070707",
            "01923456789a77078707070707070707",
            "{01923456-789a-7707-8707-070707070707}",
            "01923456-789a-4707-8707-070707070707",
            "01923456-789a-7707-0707-070707070707",
            "",
        ] {
            assert!(RecordId::parse(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn an_agency_knows_its_stream() {
        let agency = AgencyId::parse("zarechny").unwrap();
        assert_eq!(StreamName::of_agency(&agency).agency(), Some(agency));
        assert_eq!(StreamName::parse("application/x").unwrap().agency(), None);
        assert_eq!(StreamName::parse("application/x").unwrap().kind(), "application");
    }
}
