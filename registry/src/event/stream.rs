//! Streams of the domain: `pack/<code>`, `proposal/<code>/<version>`, `application/<uuid>`,
//! `complex/<uuid>`, `registry/<code>/<uuid>`, `offer/<uuid>`, `payments/<uuid>`,
//! `staff/<uuid>`, `consultation/<uuid>`.
//!
//! The ids are UUIDs of version 7 (RFC 9562), lower-case and hyphenated. Not here: ids of records.

use std::fmt;

use letopis_ledger::id::StreamName;
use thiserror::Error;
use uuid::Uuid;

use crate::code::{PackCode, RegistryCode};

/// Why a stream's name, or an id, is not of its kind.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is not {expected}")]
pub struct StreamError {
    /// The text as found.
    pub text: String,
    /// What it must be.
    pub expected: &'static str,
}

/// Id of a case: one application from its submission to its end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CaseId(Uuid);

/// Id of a complex request: several services asked for at once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ComplexId(Uuid);

/// Id of an offer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OfferId(Uuid);

/// Id of the payments of an entry: that of the entry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PaymentsId(Uuid);

/// Id of an official of an agency.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OfficialId(Uuid);

/// Id of a draft. It names its token; no draft has a stream in the log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DraftId(Uuid);

/// A message of another system that no route led anywhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InboundMessageId(Uuid);

/// Id of a consultation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsultationId(Uuid);

/// What the id of each stream `<kind>/<uuid>` has: how it is made, its stream and its spelling.
macro_rules! stream_id {
    ($id:ident, $kind:literal) => {
        impl $id {
            /// Makes an id from its two inputs: milliseconds since 1970 and ten random bytes.
            #[must_use]
            pub fn from_parts(unix_ms: u64, random: &[u8; 10]) -> Self {
                Self(uuid_v7(unix_ms, random))
            }
        }

        stream_name!($id, $kind);
    };
}

/// The stream and the spelling of an id.
macro_rules! stream_name {
    ($id:ident, $kind:literal) => {
        impl $id {
            /// The stream that has this id.
            #[must_use]
            pub fn stream(&self) -> StreamName {
                stream(&format!(concat!($kind, "/{}"), self))
            }
        }

        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

stream_id!(CaseId, "application");
stream_id!(ComplexId, "complex");
stream_id!(OfferId, "offer");
stream_name!(PaymentsId, "payments");
stream_id!(OfficialId, "staff");
stream_id!(ConsultationId, "consultation");
stream_id!(DraftId, "draft");
stream_id!(InboundMessageId, "message");

/// One entry of one registry.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId {
    registry: RegistryCode,
    id: Uuid,
}

/// The stream of a pack's versions.
///
/// # Panics
/// Never: a pack code fits into a stream name.
#[must_use]
pub fn pack_stream(code: &PackCode) -> StreamName {
    stream(&format!("pack/{code}"))
}

/// The stream of a version of a pack on its way into force.
///
/// # Panics
/// Never: a pack code and a number fit into a stream name.
#[must_use]
pub fn proposal_stream(code: &PackCode, version: u32) -> StreamName {
    stream(&format!("proposal/{code}/{version}"))
}

/// The pack and version of a stream of [`proposal_stream`].
///
/// # Errors
/// The stream is none of these.
pub fn proposal_of_stream(stream: &StreamName) -> Result<(PackCode, u32), StreamError> {
    let parse = |text: &str| {
        let (code, number) = text.strip_prefix("proposal/")?.split_once('/')?;
        let version = number.parse::<u32>().ok().filter(|version| version.to_string() == number);
        Some((PackCode::parse(code).ok()?, version?))
    };
    parse(stream.as_str()).ok_or_else(|| StreamError {
        text: stream.to_string(),
        expected: "the stream of a proposed version, proposal/<pack code>/<version>",
    })
}

impl DraftId {
    /// Reads the lower-case hyphenated spelling.
    ///
    /// # Errors
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self, StreamError> {
        parse_uuid(text).map(Self).ok_or_else(|| StreamError {
            text: text.to_owned(),
            expected: "the id of a draft, a UUID of version 7 in lower case",
        })
    }
}

impl InboundMessageId {
    /// Reads the lower-case hyphenated spelling.
    ///
    /// # Errors
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self, StreamError> {
        parse_uuid(text).map(Self).ok_or_else(|| StreamError {
            text: text.to_owned(),
            expected: "the id of a message, a UUID of version 7 in lower case",
        })
    }

    /// The message of a stream.
    ///
    /// # Errors
    /// The stream is not that of a message.
    pub fn of_stream(stream: &StreamName) -> Result<Self, StreamError> {
        let error = || StreamError {
            text: stream.to_string(),
            expected: "the stream of a message, message/<uuid>",
        };
        Self::parse(stream.as_str().strip_prefix("message/").ok_or_else(error)?)
    }
}

impl CaseId {
    /// Reads the lower-case hyphenated spelling.
    ///
    /// # Errors
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self, StreamError> {
        parse_uuid(text).map(Self).ok_or_else(|| StreamError {
            text: text.to_owned(),
            expected: "the id of a case, a UUID of version 7 in lower case",
        })
    }

    /// The case of a stream.
    ///
    /// # Errors
    /// The stream is not that of a case.
    pub fn of_stream(stream: &StreamName) -> Result<Self, StreamError> {
        let error = || StreamError {
            text: stream.to_string(),
            expected: "the stream of a case, application/<uuid>",
        };
        Self::parse(stream.as_str().strip_prefix("application/").ok_or_else(error)?)
    }
}

impl ComplexId {
    /// Reads the lower-case hyphenated spelling.
    ///
    /// # Errors
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self, StreamError> {
        parse_uuid(text).map(Self).ok_or_else(|| StreamError {
            text: text.to_owned(),
            expected: "the id of a complex request, a UUID of version 7 in lower case",
        })
    }

    /// The complex request of a stream.
    ///
    /// # Errors
    /// The stream is not that of a complex request.
    pub fn of_stream(stream: &StreamName) -> Result<Self, StreamError> {
        let error = || StreamError {
            text: stream.to_string(),
            expected: "the stream of a complex request, complex/<uuid>",
        };
        Self::parse(stream.as_str().strip_prefix("complex/").ok_or_else(error)?)
    }
}

impl OfferId {
    /// Reads the lower-case hyphenated spelling.
    ///
    /// # Errors
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self, StreamError> {
        parse_uuid(text).map(Self).ok_or_else(|| StreamError {
            text: text.to_owned(),
            expected: "the id of an offer, a UUID of version 7 in lower case",
        })
    }

    /// The offer of a stream.
    ///
    /// # Errors
    /// The stream is not that of an offer.
    pub fn of_stream(stream: &StreamName) -> Result<Self, StreamError> {
        let error = || StreamError {
            text: stream.to_string(),
            expected: "the stream of an offer, offer/<uuid>",
        };
        Self::parse(stream.as_str().strip_prefix("offer/").ok_or_else(error)?)
    }
}

impl PaymentsId {
    /// The payments of an entry.
    #[must_use]
    pub const fn of_entry(entry: &EntryId) -> Self {
        Self(entry.id)
    }

    /// Reads the lower-case hyphenated spelling.
    ///
    /// # Errors
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self, StreamError> {
        parse_uuid(text).map(Self).ok_or_else(|| StreamError {
            text: text.to_owned(),
            expected: "the id of an entry's payments, a UUID of version 7 in lower case",
        })
    }

    /// The payments of a stream.
    ///
    /// # Errors
    /// The stream is not that of payments.
    pub fn of_stream(stream: &StreamName) -> Result<Self, StreamError> {
        let error = || StreamError {
            text: stream.to_string(),
            expected: "the stream of an entry's payments, payments/<uuid>",
        };
        Self::parse(stream.as_str().strip_prefix("payments/").ok_or_else(error)?)
    }
}

impl OfficialId {
    /// Reads the lower-case hyphenated spelling.
    ///
    /// # Errors
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self, StreamError> {
        parse_uuid(text).map(Self).ok_or_else(|| StreamError {
            text: text.to_owned(),
            expected: "the id of an official, a UUID of version 7 in lower case",
        })
    }

    /// The official of a stream.
    ///
    /// # Errors
    /// The stream is not that of an official.
    pub fn of_stream(stream: &StreamName) -> Result<Self, StreamError> {
        let error = || StreamError {
            text: stream.to_string(),
            expected: "the stream of an official, staff/<uuid>",
        };
        Self::parse(stream.as_str().strip_prefix("staff/").ok_or_else(error)?)
    }
}

impl ConsultationId {
    /// The consultation of a stream.
    ///
    /// # Errors
    /// The stream is not that of a consultation.
    pub fn of_stream(stream: &StreamName) -> Result<Self, StreamError> {
        let error = || StreamError {
            text: stream.to_string(),
            expected: "the stream of a consultation, consultation/<uuid>",
        };
        let text = stream.as_str().strip_prefix("consultation/").ok_or_else(error)?;
        parse_uuid(text).map(Self).ok_or_else(error)
    }
}

impl EntryId {
    /// Makes an id from milliseconds since 1970 and ten random bytes.
    #[must_use]
    pub fn from_parts(registry: RegistryCode, unix_ms: u64, random: &[u8; 10]) -> Self {
        Self { registry, id: uuid_v7(unix_ms, random) }
    }

    /// The entry of a stream.
    ///
    /// # Errors
    /// The stream is not that of an entry.
    pub fn of_stream(stream: &StreamName) -> Result<Self, StreamError> {
        let parse = |text: &str| {
            let (registry, id) = text.strip_prefix("registry/")?.split_once('/')?;
            Some(Self { registry: RegistryCode::parse(registry).ok()?, id: parse_uuid(id)? })
        };
        parse(stream.as_str()).ok_or_else(|| StreamError {
            text: stream.to_string(),
            expected: "the stream of a registry entry, registry/<code>/<uuid>",
        })
    }

    /// The registry.
    #[must_use]
    pub const fn registry(&self) -> &RegistryCode {
        &self.registry
    }

    /// The stream of the entry.
    #[must_use]
    pub fn stream(&self) -> StreamName {
        stream(&format!("registry/{}/{}", self.registry, self.id.hyphenated()))
    }

    /// The id without the registry, lower case with hyphens.
    #[must_use]
    pub fn uuid_text(&self) -> String {
        self.id.hyphenated().to_string()
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.stream())
    }
}

fn uuid_v7(unix_ms: u64, random: &[u8; 10]) -> Uuid {
    uuid::Builder::from_unix_timestamp_millis(unix_ms, random).into_uuid()
}

fn parse_uuid(text: &str) -> Option<Uuid> {
    let uuid = Uuid::try_parse(text).ok()?;
    (uuid.get_version_num() == 7 && uuid.hyphenated().to_string() == text).then_some(uuid)
}

fn stream(name: &str) -> StreamName {
    StreamName::parse(name).expect("invariant: codes and ids fit into stream names")
}
