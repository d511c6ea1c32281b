//! What can be wrong with an event log, with its place in the file.

use std::fmt;

use letopis_ledger::record::RecordError;
use thiserror::Error;

/// A place in the uncompressed text of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// Byte from the beginning, from 0.
    pub byte: u64,
}

/// Why a log cannot be imported. Records made before it stay as they are; after the file is
/// corrected, the import is simply run again.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum XesError {
    /// The file cannot be read or uncompressed.
    #[error("the log cannot be read: {reason}; check the file")]
    Io {
        /// What the system says.
        reason: String,
    },
    /// Not well-formed XML.
    #[error("{place}: not well-formed XML: {reason}; export the log again")]
    Xml {
        /// What the reader says.
        reason: String,
        /// Where.
        place: Place,
    },
    /// The root is not `log`.
    #[error("{place}: the root element is {found:?}, not \"log\"; this is no XES file")]
    NotALog {
        /// The element found.
        found: String,
        /// Where.
        place: Place,
    },
    /// An attribute without its key or value.
    #[error("{place}: an attribute has no {missing:?}; add it")]
    Incomplete {
        /// What is missing.
        missing: &'static str,
        /// Where.
        place: Place,
    },
    /// A value that is not of its attribute's type.
    #[error("{place}: attribute {key:?}: {reason}; correct the value")]
    Attribute {
        /// Its key.
        key: String,
        /// What is wrong.
        reason: String,
        /// Where.
        place: Place,
    },
    /// The same key twice in one trace or event.
    #[error("{place}: attribute {key:?} stands there twice; keep one")]
    RepeatedKey {
        /// The key.
        key: String,
        /// Where.
        place: Place,
    },
    /// The file ends before the log does.
    #[error("{place}: the file ends inside the log; it was cut off: copy it again")]
    CutOff {
        /// Where.
        place: Place,
    },
    /// A trace without events has nothing to record.
    #[error("{place}: trace {trace_index} has no events; remove it")]
    NoEvents {
        /// The trace's place in the file, from 0.
        trace_index: u64,
        /// Where.
        place: Place,
    },
    /// An event without a time.
    #[error("{place}: an event has no \"time:timestamp\"; add it")]
    NoTime {
        /// Where.
        place: Place,
    },
    /// The parts break a rule of records.
    #[error("{place}: {source}")]
    Record {
        /// The rule.
        source: RecordError,
        /// Where.
        place: Place,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}", self.byte)
    }
}
