//! Why a record is refused, one variant per rule, with the numbers that the rule is about.
//!
//! Not here: refusals that no state decides, such as a bad signature or a full queue; those are
//! in [`crate::AppendError`], because such a record never reaches the machine.

use std::fmt;

use letopis_ledger::checkpoint::Origin;
use letopis_ledger::governance::GovernanceError;
use letopis_ledger::hash::Hash;
use letopis_ledger::id::{AgencyId, ClaimName, NodeId, RecordId, StreamName};
use letopis_ledger::key::AuthorKeyId;
use letopis_ledger::{LeafIndex, StreamVersion, TreeSize};
use thiserror::Error;

use super::node;

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
    /// A record has removed the author.
    #[error("agency {agency} was removed from this log by leaf {removed}: it adds nothing more")]
    AgencyRemoved {
        /// The author.
        agency: AgencyId,
        /// The leaf that removed it.
        removed: LeafIndex,
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
    /// The agency that an event is about takes no part.
    #[error("agency {agency} {}: name an agency that is admitted", state(*removed))]
    AgencyNotInForce {
        /// The agency.
        agency: AgencyId,
        /// The leaf that removed it, if it was admitted once.
        removed: Option<LeafIndex>,
    },
    /// The founder is who admits and removes; without it nobody could.
    #[error("{founder} founded this log and cannot be removed from it")]
    FounderStays {
        /// The author of leaf 0.
        founder: AgencyId,
    },
    /// The number of a node is given once, for ever.
    #[error("node {node} was admitted for {agency} by leaf {admitted}: take a new number")]
    NodeIdUsed {
        /// The node.
        node: NodeId,
        /// Whose it is or was.
        agency: AgencyId,
        /// The leaf that admitted it.
        admitted: LeafIndex,
    },
    /// The node that an event is about takes no part.
    #[error("node {node} {}: name a node that is admitted", state(*removed))]
    NodeNotInForce {
        /// The node.
        node: NodeId,
        /// The leaf that removed it, if it was admitted once.
        removed: Option<LeafIndex>,
    },
    /// An agency moves its own nodes only.
    #[error("node {node} belongs to {owner}, not to {agency}: only its owner moves it")]
    ForeignNode {
        /// The node.
        node: NodeId,
        /// Whose it is.
        owner: AgencyId,
        /// Whose stream carries the event.
        agency: AgencyId,
    },
    /// The node has the role already.
    #[error("node {node} is a {role} already: there is nothing to change")]
    NodeRole {
        /// The node.
        node: NodeId,
        /// The role that it has.
        role: node::NodeRole,
    },
    /// A certificate key proves which node calls, so two nodes never share one.
    #[error("key {} is that of node {node}: make a key of its own", key.to_hex())]
    NodeKeyUsed {
        /// SHA-256 of the subject public key info.
        key: Hash,
        /// The node that has it.
        node: NodeId,
    },
    /// The log has as many voters as it may.
    #[error("node {node} cannot vote: the log has {limit} voters; demote another node first")]
    TooManyVoters {
        /// The node.
        node: NodeId,
        /// Most voters of a log.
        limit: usize,
    },
    /// Without a voter nothing could be appended ever again.
    #[error("node {node} is the last voter: promote another node first")]
    LastVoter {
        /// The node.
        node: NodeId,
    },
    /// A recovery cannot have begun with leaves that the log does not have.
    #[error("a recovery at {size} leaves cannot stand at leaf {leaf}: state what the log had")]
    RecoveryBeyondLog {
        /// Leaves that the event states.
        size: TreeSize,
        /// The leaf that the record would become.
        leaf: LeafIndex,
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

/// Why an agency or a node takes no part, within a sentence.
fn state(removed: Option<LeafIndex>) -> String {
    removed.map_or_else(
        || "is not admitted to this log".to_owned(),
        |leaf| format!("was removed by leaf {leaf}"),
    )
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
            Self::AgencyRemoved { .. } => "agency_removed",
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
            Self::AgencyNotInForce { .. } => "agency_not_in_force",
            Self::FounderStays { .. } => "founder_stays",
            Self::NodeIdUsed { .. } => "node_id_used",
            Self::NodeNotInForce { .. } => "node_not_in_force",
            Self::ForeignNode { .. } => "foreign_node",
            Self::NodeRole { .. } => "node_role",
            Self::NodeKeyUsed { .. } => "node_key_used",
            Self::TooManyVoters { .. } => "too_many_voters",
            Self::LastVoter { .. } => "last_voter",
            Self::RecoveryBeyondLog { .. } => "recovery_beyond_log",
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
