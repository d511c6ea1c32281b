//! Why a command on a proposed version of a pack was refused, one variant for each rule.

use letopis_ledger::id::StreamName;
use letopis_ledger::{Hash, StreamVersion};
use thiserror::Error;

use crate::code::{PackCode, StageCode};
use crate::event::OfficialId;

/// Why a command on a proposed version was refused, or an event cannot follow.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LifecycleRefusal {
    /// The version in force asks for nothing.
    #[error("version {version} of pack {pack} has no lifecycle; publish the next one right away")]
    NoLifecycle {
        /// The pack.
        pack: PackCode,
        /// The version in force, 0 for none.
        version: u32,
    },
    /// Nothing of this number is proposed any more.
    #[error("{stream}: proposal {proposal} is not the one that waits; look at the status")]
    NoSuchProposal {
        /// The stream.
        stream: StreamName,
        /// The number given.
        proposal: StreamVersion,
    },
    /// Nothing is proposed.
    #[error(
        "{stream}: nothing is proposed; the version in force asks for a proposal and its \
             signatures first"
    )]
    NotProposed {
        /// The stream.
        stream: StreamName,
    },
    /// Just this waits already.
    #[error("these files are proposal {proposal} already")]
    SameFiles {
        /// Its number.
        proposal: StreamVersion,
    },
    /// Other files than those that were signed.
    #[error(
        "proposal {proposal} has other files (SHA-256 of their list {proposed}, found {found})"
    )]
    OtherFiles {
        /// The proposal.
        proposal: StreamVersion,
        /// The digest of what was proposed.
        proposed: Hash,
        /// That of what was given.
        found: Hash,
    },
    /// A stage is not signed yet.
    #[error("stage {stage} of proposal {proposal} is not signed")]
    NotSigned {
        /// The proposal.
        proposal: StreamVersion,
        /// The open stage.
        stage: StageCode,
    },
    /// Another stage is open.
    #[error("stage {stage} is not open; {}", open.as_ref().map_or_else(
        || "every stage is signed".to_owned(), |open| format!("{open} is")))]
    StageNotOpen {
        /// The stage given.
        stage: StageCode,
        /// The one that is open.
        open: Option<StageCode>,
    },
    /// Remarks are open.
    #[error("remarks are open: {}; each must be resolved first",
            remarks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    RemarksOpen {
        /// Their numbers.
        remarks: Vec<StreamVersion>,
    },
    /// No remark of this number is open.
    #[error("no remark {remark} is open")]
    NoSuchRemark {
        /// The number given.
        remark: StreamVersion,
    },
    /// The proposal has no such file.
    #[error("the proposal has no file {file:?}")]
    NoSuchFile {
        /// The path given.
        file: String,
    },
    /// The official does not hold the post.
    #[error("official {official} is not {expected}")]
    NotEntitled {
        /// Who.
        official: OfficialId,
        /// Which posts could do it.
        expected: String,
    },
    /// Nobody signs two stages.
    #[error("official {official} signed an earlier stage; another one must sign this")]
    SecondTime {
        /// Who.
        official: OfficialId,
    },
    /// The signature is not the official's over this stage of this proposal.
    #[error("the signature of {official} does not hold: {reason}")]
    BadSignature {
        /// Who.
        official: OfficialId,
        /// Why.
        reason: String,
    },
    /// A text is empty, too long or not in form C.
    #[error("{what}: write 1 to {limit} characters in Unicode form C")]
    TextLength {
        /// Which text.
        what: &'static str,
        /// Most characters.
        limit: usize,
    },
    /// The version is in force.
    #[error("{stream}: the version is published; propose the next one")]
    Published {
        /// The stream.
        stream: StreamName,
    },
    /// Its events are not in the order that they take.
    #[error("{stream}: event {version} ({event}) cannot follow")]
    OutOfPlace {
        /// The stream.
        stream: StreamName,
        /// The event's number.
        version: StreamVersion,
        /// Its type.
        event: &'static str,
    },
}
