//! Codes that packs give to their parts: services, registries, requests, grounds, fields.
//!
//! One spelling, at most 63 bytes, safe in a stream name, a path and a log line. Not here: names
//! of streams, records and agencies, which the ledger defines.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer};
use thiserror::Error;

/// Most bytes of a code or of one label of a field path.
pub const CODE_MAX_BYTES: usize = 63;
/// Most bytes of a field path.
pub const FIELD_PATH_MAX_BYTES: usize = 120;

/// Why a code was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{kind} {text:?}: write {rule}")]
pub struct CodeError {
    /// Which kind of code.
    pub kind: &'static str,
    /// The text as found.
    pub text: String,
    /// What the kind allows.
    pub rule: &'static str,
}

macro_rules! code {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $rule:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Reads a code.
            ///
            /// # Errors
            /// The text is not of the kind's form.
            pub fn parse(text: &str) -> Result<Self, CodeError> {
                let valid: fn(&str) -> bool = $valid;
                if !valid(text) {
                    let text = text.to_owned();
                    return Err(CodeError { kind: $kind, text, rule: $rule });
                }
                Ok(Self(text.to_owned()))
            }

            /// The code as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
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

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
                let text = String::deserialize(source)?;
                Self::parse(&text).map_err(de::Error::custom)
            }
        }
    };
}

macro_rules! plain_code {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        code! {
            $(#[$doc])* $name, $kind,
            "a letter a-z, then at most 62 of a-z, 0-9, '_' and '-'", is_code
        }
    };
}

plain_code! {
    /// Another information system that sends applications.
    SystemCode, "system code"
}

plain_code! {
    /// A pack: the regulations of one agency, versioned together.
    PackCode, "pack code"
}
plain_code! {
    /// A service of a pack.
    ServiceCode, "service code"
}
plain_code! {
    /// A complex request of a pack: services that are asked for at once.
    ComplexCode, "complex request code"
}
plain_code! {
    /// A registry of a pack.
    RegistryCode, "registry code"
}
plain_code! {
    /// A unit of an agency.
    UnitCode, "unit code"
}
plain_code! {
    /// A kind of request of a pack.
    RequestKindCode, "request kind code"
}
plain_code! {
    /// A classifier of a pack: a table of values with the days from which they are in force.
    ClassifierCode, "classifier code"
}
plain_code! {
    /// What somebody asks about in a consultation.
    TopicCode, "topic code"
}
plain_code! {
    /// A typical decision of a regulation.
    TypicalCode, "typical decision's code"
}
plain_code! {
    /// An offer of a regulation.
    OfferCode, "offer code"
}
plain_code! {
    /// A stage of a pack's lifecycle.
    StageCode, "stage code"
}
plain_code! {
    /// A step of a regulation; a request's code is the code of its step.
    StepCode, "step code"
}
code! {
    /// A ground for refusal, in the spelling of the act that lists it, as in `G1`.
    GroundCode, "ground code",
    "a letter A-Z or a-z, then at most 62 of letters, 0-9, '_' and '-'",
    |text| is_code(&text.to_ascii_lowercase())
}
plain_code! {
    /// A channel through which applications come.
    ChannelCode, "channel code"
}
code! {
    /// A field of a form or of a registry entry: labels joined by dots, as in `applicant.snils`.
    FieldPath, "field path",
    "labels of a letter a-z and then a-z, 0-9, '_' or '-', joined by dots, at most 120 bytes",
    |text| text.len() <= FIELD_PATH_MAX_BYTES && text.split('.').all(is_code)
}

impl FieldPath {
    /// The JSON pointer (RFC 6901) of the field in a nested document.
    #[must_use]
    pub fn pointer(&self) -> String {
        self.0.split('.').fold(String::new(), |pointer, label| pointer + "/" + label)
    }
}

fn is_code(text: &str) -> bool {
    text.len() <= CODE_MAX_BYTES
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_one_spelling() {
        assert!(ServiceCode::parse("parking-permit").is_ok());
        assert!(RegistryCode::parse("parking_permit").is_ok());
        for bad in ["", "1a", "A", "a b", "a.b", "а", &"a".repeat(64)] {
            assert!(ServiceCode::parse(bad).is_err(), "{bad:?} was accepted");
        }
        assert_eq!(FieldPath::parse("applicant.snils").unwrap().pointer(), "/applicant/snils");
        for bad in ["", ".", "a.", ".a", "a..b", "a.B"] {
            assert!(FieldPath::parse(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
