//! Why a record is refused, one variant per rule, with the numbers that the rule is about.
//!
//! Not here: refusals that no state decides, such as a bad signature or a full queue; those are
//! in [`crate::AppendError`], because such a record never reaches the machine.

use std::fmt;

use letopis_ledger::checkpoint::Origin;
use letopis_ledger::governance::GovernanceError;
use letopis_ledger::id::{AgencyId, ClaimName, RecordId, StreamName};
use letopis_ledger::key::AuthorKeyId;
use letopis_ledger::{LeafIndex, StreamVersion};
use thiserror::Error;

/// A broken rule. Variants stand in descending precedence: a record that breaks several rules is
/// refused for the first one, on every node.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Reject {
    /// The record was signed for another log.
    #[error("the record is for log {found}, this is {expected}: send it to its own log")]
    WrongLog {
        /// Origin of this log.
        expected: Origin,
        /// Origin that the record names.
        found: Origin,
    },
    /// The id is in the log with other bytes.
    #[error("record id {id} belongs to leaf {first} with other content: take a new id")]
    IdReused {
        /// The id.
        id: RecordId,
        /// The leaf that has it.
        first: LeafIndex,
    },
    /// The log is empty, and the record is not one that can begin it.
    #[error("the log is empty and its first record must {missing}")]
    NotGenesis {
        /// What the record lacks.
        missing: GenesisPart,
    },
    /// No record has admitted the author.
    #[error("agency {agency} is not admitted to this log: its founder must admit it first")]
    UnknownAgency {
        /// The author.
        agency: AgencyId,
    },
    /// No record has introduced the key.
    #[error("key {key} is not introduced in this log: introduce it with a key already in force")]
    UnknownKey {
        /// The key.
        key: AuthorKeyId,
    },
    /// The key speaks for another agency.
    #[error("key {key} belongs to agency {owner}, the author is {author}: sign with its own key")]
    ForeignKey {
        /// The key.
        key: AuthorKeyId,
        /// The agency that introduced it.
        owner: AgencyId,
        /// The record's author.
        author: AgencyId,
    },
    /// The key was revoked.
    #[error("key {key} was revoked by leaf {revoked}: sign with a key in force")]
    RevokedKey {
        /// The key.
        key: AuthorKeyId,
        /// The leaf that revoked it.
        revoked: LeafIndex,
    },
    /// The stream belongs to another agency.
    #[error("stream {stream} belongs to {owner}, not to {author}: only its owner extends it")]
    StreamOwnedByOther {
        /// The stream.
        stream: StreamName,
        /// Who opened it, or whose governance it carries.
        owner: AgencyId,
        /// The record's author.
        author: AgencyId,
    },
    /// Only the founder of the log opens this stream.
    #[error("stream {stream} is opened by the founder {founder}, not by {author}")]
    NotFounder {
        /// The stream.
        stream: StreamName,
        /// The author of leaf 0.
        founder: AgencyId,
        /// The record's author.
        author: AgencyId,
    },
    /// The stream has another length than the record requires.
    #[error("stream {stream} has {actual} events, the record expects {expected}: decide again")]
    VersionConflict {
        /// The stream.
        stream: StreamName,
        /// Length that the record requires.
        expected: StreamVersion,
        /// Length that the stream has.
        actual: StreamVersion,
    },
    /// An event of a governance stream is not one.
    #[error("event {version} of stream {stream} is not a governance event: {reason}")]
    GovernanceMalformed {
        /// The stream.
        stream: StreamName,
        /// The event.
        version: StreamVersion,
        /// What is wrong with it.
        reason: GovernanceError,
    },
    /// A governance stream does not begin with the admission, or has a second one.
    #[error("agency {agency} is admitted by event 0 of its stream and no other")]
    AdmissionOutOfPlace {
        /// The agency.
        agency: AgencyId,
    },
    /// The key was introduced before; a revoked key does not come back either.
    #[error("key {key} was introduced before by {agency}: make a new key")]
    KeyKnown {
        /// The key.
        key: AuthorKeyId,
        /// The agency that introduced it.
        agency: AgencyId,
    },
    /// The key to revoke is not a key in force of this agency.
    #[error("key {key} is not a key in force of agency {agency}: there is nothing to revoke")]
    KeyNotInForce {
        /// The key.
        key: AuthorKeyId,
        /// The agency whose stream carries the event.
        agency: AgencyId,
    },
    /// The name has a holder.
    #[error("claim {name} is held by stream {holder}: choose another name or wait for its release")]
    ClaimTaken {
        /// The name.
        name: ClaimName,
        /// The stream that holds it.
        holder: StreamName,
    },
    /// The name is not held by the stream that gives it up.
    #[error("claim {name} is not held by stream {by}: there is nothing to release")]
    ClaimNotHeld {
        /// The name.
        name: ClaimName,
        /// The stream that wants to release it.
        by: StreamName,
        /// The stream that holds it, if any.
        holder: Option<StreamName>,
    },
    /// The leaf would not fit into an entry bundle.
    #[error("the leaf would have {found_bytes} bytes, {limit_bytes} fit: move content to files")]
    LeafTooLarge {
        /// Bytes of the leaf.
        found_bytes: usize,
        /// Most bytes of a leaf.
        limit_bytes: usize,
    },
}

impl Reject {
    /// A stable name of the rule for metrics and for callers that are programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::WrongLog { .. } => "wrong_log",
            Self::IdReused { .. } => "id_reused",
            Self::NotGenesis { .. } => "not_genesis",
            Self::UnknownAgency { .. } => "unknown_agency",
            Self::UnknownKey { .. } => "unknown_key",
            Self::ForeignKey { .. } => "foreign_key",
            Self::RevokedKey { .. } => "revoked_key",
            Self::StreamOwnedByOther { .. } => "stream_owned_by_other",
            Self::NotFounder { .. } => "not_founder",
            Self::VersionConflict { .. } => "version_conflict",
            Self::GovernanceMalformed { .. } => "governance_malformed",
            Self::AdmissionOutOfPlace { .. } => "admission_out_of_place",
            Self::KeyKnown { .. } => "key_known",
            Self::KeyNotInForce { .. } => "key_not_in_force",
            Self::ClaimTaken { .. } => "claim_taken",
            Self::ClaimNotHeld { .. } => "claim_not_held",
            Self::LeafTooLarge { .. } => "leaf_too_large",
        }
    }
}

/// What the first record of a log must do, beside being well-formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GenesisPart {
    /// Admit its own author.
    Admission,
    /// Introduce every key that signed it.
    Key,
    /// Set the quorum policy.
    Policy,
}

impl fmt::Display for GenesisPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Admission => "admit its own author",
            Self::Key => "introduce every key that signed it",
            Self::Policy => "set the quorum policy",
        })
    }
}
