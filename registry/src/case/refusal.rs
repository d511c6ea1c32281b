//! Why a command on a case was refused; nothing has changed then.

use letopis_ledger::id::StreamName;
use letopis_ledger::{StreamVersion, Timestamp};
use thiserror::Error;

use super::opened::OpenedError;
use crate::code::{ChannelCode, FieldPath, GroundCode, StepCode, TypicalCode};
use crate::event::{OfficialId, PackRef};
use crate::pack::{JudgeError, NotRenewed};

/// Why a command on a case was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CaseRefusal {
    /// The case was submitted already.
    #[error("the case was submitted already; use a new case for a new application")]
    AlreadySubmitted,
    /// There is no such case yet.
    #[error("the case was not submitted; submit an application first")]
    NotSubmitted,
    /// The service is not open to the channel.
    #[error("the service is not open to channel {channel}; use one of its channels")]
    ChannelClosed {
        /// The channel.
        channel: ChannelCode,
    },
    /// Only a draft comes through the channel.
    #[error("only a draft comes through channel {channel}; submit it through another channel")]
    DraftOnly {
        /// The channel.
        channel: ChannelCode,
    },
    /// An earlier day of registration for a channel whose applications nobody enters by hand.
    #[error(
        "an application by channel {channel} is registered when it comes; give no earlier time"
    )]
    NotEnteredByOfficial {
        /// The channel.
        channel: ChannelCode,
    },
    /// What comes by this channel is entered by an official alone.
    #[error("what comes by channel {channel} is entered by an official; bring it to the agency")]
    OfficialsEnter {
        /// The channel.
        channel: ChannelCode,
    },
    /// The scan of a paper is missing, or one is given where there is no paper.
    #[error("the scan of what came by channel {channel} {problem}")]
    Scan {
        /// The channel.
        channel: ChannelCode,
        /// What is wrong.
        problem: &'static str,
    },
    /// Nobody refuses the intake of what is registered: the regulation has no such check.
    #[error("the regulation has no intake check; what is registered is decided")]
    NoIntakeCheck,
    /// The days of the intake check are over.
    #[error("the intake check ended at {until}; the application is decided now")]
    IntakeCheckOver {
        /// Its last instant.
        until: Timestamp,
    },
    /// A case is registered without a number.
    #[error("a registered application has a number; give one")]
    NoNumber,
    /// An intake is refused without a ground.
    #[error("an application is not taken only on a ground of the regulation; give one")]
    NoIntakeGround,
    /// A ground that the regulation does not have.
    #[error("intake ground {ground} is not in the regulation's closed list")]
    UnknownIntakeGround {
        /// The ground.
        ground: GroundCode,
    },
    /// A ground that rests on nothing.
    #[error("ground {ground} needs at least one fact that it rests on")]
    NoEvidence {
        /// The ground.
        ground: GroundCode,
    },
    /// A field that the form does not have.
    #[error("the form has no field {field}; name one that it has")]
    NoSuchField {
        /// The field.
        field: FieldPath,
    },
    /// A registration that is still to come, or was too long ago.
    #[error(
        "registered at {registered_at}, entered at {entered_at}; an application is entered at \
             most {} days after it came and never before",
        crate::case::ENTERED_AFTER_DAYS_MAX
    )]
    RegistrationTime {
        /// When the application came.
        registered_at: Timestamp,
        /// When it is entered.
        entered_at: Timestamp,
    },
    /// The regulation that the case follows has no such step.
    #[error("step {step} is not in version {} of pack {}, which the case follows; \
             only its own steps can be taken", pack.version, pack.code)]
    StepNotInRegulation {
        /// The step.
        step: StepCode,
        /// The pinned version.
        pack: PackRef,
    },
    /// The rules given are not those that the case follows.
    #[error("the case follows version {} of pack {} published by leaf {}; decide it by that one",
            pinned.version, pinned.code, pinned.leaf)]
    OtherRegulation {
        /// The pinned version.
        pinned: PackRef,
    },
    /// The case has ended.
    #[error("the case has ended; nothing can be added to it")]
    AlreadyEnded,
    /// The request was never sent.
    #[error("request {request} was not sent; an answer to it is not taken")]
    RequestNotSent {
        /// The request.
        request: StepCode,
    },
    /// The request has its answer.
    #[error("request {request} was answered already; a second answer is not taken")]
    AlreadyAnswered {
        /// The request.
        request: StepCode,
    },
    /// The case is no part of a complex request.
    #[error("the case belongs to no complex request, so nothing of it waits for another case")]
    NotJoined,
    /// The request does not wait for another case, or does no longer.
    #[error("request {request} does not wait for another case; it goes by its regulation")]
    NotHeld {
        /// The request.
        request: StepCode,
    },
    /// An answer brings a fact that was not asked for.
    #[error("the answer of {request} brings {field:?}, which was not asked for; leave it out")]
    FactNotAsked {
        /// The request.
        request: StepCode,
        /// The field.
        field: String,
    },
    /// The decision waits for a mandatory request.
    #[error("the decision waits for the answer of {request}")]
    WaitsFor {
        /// The request.
        request: StepCode,
    },
    /// Nothing else begins while a blocking request is open.
    #[error("the blocking request {request} is open; nothing else begins before its answer")]
    Blocked {
        /// The request.
        request: StepCode,
    },
    /// The regulation leaves the decision to officials.
    #[error("officials decide this case; propose a decision, then have it agreed and signed")]
    OfficialsDecide,
    /// The regulation leaves the decision to its rules.
    #[error("this case is decided by its rules alone; nothing can be proposed")]
    RulesDecide,
    /// The official does not hold the post that the regulation asks for.
    #[error("official {official} does not hold a post that may do this; {expected} may")]
    NotEntitled {
        /// The official.
        official: OfficialId,
        /// Who may.
        expected: String,
    },
    /// No such notice waits.
    #[error("no notice of number {notice} waits; look at the case again")]
    NoSuchNotice {
        /// The number given.
        notice: StreamVersion,
    },
    /// Somebody answers who was not asked.
    #[error("this was asked of somebody else; {expected} may answer it")]
    NotAsked {
        /// Who may.
        expected: String,
    },
    /// Somebody else works on the case.
    #[error("official {assigned} works on this case; ask the head of the unit to give it to you")]
    NotAssigned {
        /// Who works on it.
        assigned: OfficialId,
    },
    /// Nobody works on the case yet.
    #[error("nobody works on this case yet; give it to an official first")]
    Unassigned,
    /// The regulation has no such typical decision.
    #[error("the regulation has no typical decision {code}; propose in your own words")]
    NoTypicalDecision {
        /// The code given.
        code: TypicalCode,
    },
    /// A typical decision is for another outcome or for other grounds.
    #[error("typical decision {code} is for another decision: the rules say {outcome}{}; \
             take another one, or your own words",
            grounds.iter().map(|ground| format!(" {ground}")).collect::<String>())]
    TypicalDiffers {
        /// The code given.
        code: TypicalCode,
        /// What the rules say.
        outcome: &'static str,
        /// On which grounds.
        grounds: Vec<GroundCode>,
    },
    /// A proposal is on its way.
    #[error("proposal {proposal} waits for agreement; it must be returned before another is made")]
    ProposalWaits {
        /// The proposal.
        proposal: StreamVersion,
    },
    /// There is no proposal to agree to.
    #[error("no proposal of number {proposal} waits for agreement; look at the case again")]
    NoSuchProposal {
        /// The number given.
        proposal: StreamVersion,
    },
    /// The official agreed already, or proposed.
    #[error("official {official} proposed this or agreed to it already; somebody else must agree")]
    SecondTime {
        /// The official.
        official: OfficialId,
    },
    /// The regulation asks for the signature of who answers.
    #[error("the answer of {request} is signed by the official who gives it; sign its text")]
    SignatureMissing {
        /// The request.
        request: StepCode,
    },
    /// The signature does not hold.
    #[error("the signature of official {official} does not hold: {reason}; sign the text again")]
    BadSignature {
        /// The official.
        official: OfficialId,
        /// Why.
        reason: String,
    },
    /// What the rules say has changed since the proposal.
    #[error("facts have changed since the proposal: the rules now say {now}; propose again")]
    ProposalOutdated {
        /// What the rules say now.
        now: String,
    },
    /// A text that must say something is empty or too long.
    #[error("{what} must have 1 to {limit} characters")]
    TextLength {
        /// Which text.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A subrequest of this path cannot be opened or answered.
    #[error("subrequest {path}: {reason}")]
    Subrequest {
        /// The path.
        path: String,
        /// Why not.
        reason: &'static str,
    },
    /// A message of this way needs more to be believed.
    #[error("a message by {way} needs {needs}")]
    ArrivalIncomplete {
        /// The way.
        way: &'static str,
        /// What is missing.
        needs: &'static str,
    },
    /// An official who takes a request over looks into it at the workplace or on a document.
    #[error(
        "request {request} was escalated: an official closes it from the workplace, or on a              paper with its number"
    )]
    WayOfEscalation {
        /// The request.
        request: StepCode,
    },
    /// Facts speak for themselves.
    #[error("the answer of {request} brings facts; a motive says why there are none")]
    MotiveBesideFacts {
        /// The request.
        request: StepCode,
    },
    /// A motive is given by whom a request was escalated to.
    #[error("request {request} was not escalated; leave the motive out")]
    MotiveNotAsked {
        /// The request.
        request: StepCode,
    },
    /// "No data" of this request is for an official to judge.
    #[error("request {request} brought no data; an official decides this case")]
    NoDataForOfficial {
        /// The request.
        request: StepCode,
    },
    /// Time went back.
    #[error("{at} is before {registered_at}, when the case was registered; correct the clock")]
    BeforeRegistration {
        /// When the command says that it happens.
        at: Timestamp,
        /// When the case was registered.
        registered_at: Timestamp,
    },
    /// The values of the case cannot be put together.
    #[error("{0}")]
    Opened(#[from] OpenedError),
    /// There is no automatic decision.
    #[error("{0}")]
    Judge(#[from] JudgeError),
    /// The application does not renew the entry that it names.
    #[error("{0}")]
    NotRenewed(#[from] NotRenewed),
    /// The entry is none that this service gave.
    #[error("{entry} was not given by this service; name an entry that it gave")]
    OtherService {
        /// The entry.
        entry: StreamName,
    },
    /// The regulation follows no facts.
    #[error("the regulation has no review; what it gives is decided once")]
    NoReview,
    /// The entry that the case is about is no longer in force.
    #[error("{entry} is no longer in force; nothing can be decided about it")]
    EntryGone {
        /// The entry.
        entry: StreamName,
    },
    /// A review began by itself, and nobody who is concerned by it can stop it.
    #[error("a review of facts that have changed is decided; it cannot be called off")]
    ReviewGoesOn,
    /// All slots of a quota are taken although the decision grants.
    #[error(
        "no slot is free for {field:?} although the decision grants; the model's limit and \
             the registry's quota differ: correct the pack"
    )]
    QuotaDiffers {
        /// The field.
        field: String,
    },
}
