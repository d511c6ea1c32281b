//! Events of the domain: their shapes in the log, one file per family.
//!
//! The codec is explicit, so that a change of a Rust type never changes a stored byte unnoticed.
//! `docs/EVENTS.md` states the same shapes in prose. Released shapes are frozen; a new version of
//! a shape brings a step in `upcast`. Not here: what follows from an event.

mod case;
mod complex;
mod consultation;
mod entry;
mod fields;
mod message;
mod offer;
mod pack;
mod payment;
mod proposal;
mod staff;
mod stream;
mod trace;
mod upcast;

use letopis_ledger::json::{FieldError, Object};
use letopis_ledger::record::Event;
use thiserror::Error;

pub use case::{
    About, Agreed, AlsoTaken, AnswerSetAside, Arrival, Assigned, AwaitedAnswer, Cancelled,
    CancelledBy, Candidate, CaseEvent, Cause, ClockResumed, ClockSuspended, Decided,
    DocumentIssued, Entered, EscalationReason, Evidence, EvidenceKind, GroundFound, IntakeEvidence,
    IntakeGround, IntakeRefused, Joined, MatchedRules, ModelRef, NewEnd, NoticeQueued,
    NoticeSettled, OfficialSignature, Outcome, PackRef, Procedure, Proposed, Registered,
    RequestAnswered, RequestBreached, RequestEscalated, RequestOutcome, RequestRetried,
    RequestSent, RequestTarget, ResultIssued, ResultWithdrawn, Returned, Scan, SetAside, Source,
    StageBegun, StageBreached, Submitted, SubrequestAnswered, SubrequestOpened, TermCause,
    TermChanged, Way,
};
pub use complex::{ClosedCase, ComplexEvent, ComplexOpened, Dependency, ServiceLinked};
pub use consultation::{ConsultationOutcome, ConsultationRegistered};
pub use entry::{
    Basis, Document, EntryAmended, EntryCreated, EntryEvent, EntryRemoved, EntryRevised,
};
pub use fields::{date_text, leaf, size, term_object};
pub use message::{MessageEvent, MessageQuarantined, Unrouted};
pub use offer::{OfferEvent, OfferMade};
pub use pack::{PackFile, PackPublished, RegistryWriter};
pub use payment::{PaymentDue, PaymentEvent, PaymentSettled};
pub use proposal::{
    PackStageBreached, ProposalEvent, RemarkRaised, RemarkResolved, StageOpened, StageSigned,
    VersionProposed,
};
pub use staff::{Appointed, HeldPost, StaffEvent};
pub use stream::{
    CaseId, ComplexId, ConsultationId, DraftId, EntryId, InboundMessageId, OfferId, OfficialId,
    PaymentsId, StreamError, pack_stream, proposal_of_stream, proposal_stream,
};
pub use trace::{TraceEvent, TraceOpened, TraceStep};
pub use upcast::schema_version;

/// Why an event of a domain stream was not understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EventError {
    /// The public fields are not of the type's shape.
    #[error("{0}")]
    Field(#[from] FieldError),
    /// The stream takes no such event, or this program is too old for it.
    #[error("stream {stream} has an event {event_type} version {schema}, which is not known here")]
    Unknown {
        /// The stream.
        stream: String,
        /// The event's type.
        event_type: String,
        /// Version of its shape.
        schema: u32,
    },
    /// The stream's name is not of its kind's form.
    #[error("{0}")]
    Stream(#[from] StreamError),
}

/// The kinds of streams that the domain has.
const FAMILIES: [&str; 11] = [
    "pack",
    "proposal",
    "application",
    "complex",
    "registry",
    "offer",
    "payments",
    "staff",
    "consultation",
    "message",
    "case",
];

/// Any event of the domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DomainEvent {
    /// On `pack/<code>`.
    Pack(PackPublished),
    /// On `proposal/<pack code>/<version>`.
    Proposal(ProposalEvent),
    /// On `application/<uuid>`.
    Case(CaseEvent),
    /// On `complex/<uuid>`.
    Complex(ComplexEvent),
    /// On `registry/<code>/<uuid>`.
    Entry(EntryEvent),
    /// On `offer/<uuid>`.
    Offer(OfferEvent),
    /// On `payments/<uuid>`.
    Payment(PaymentEvent),
    /// On `staff/<uuid>`.
    Staff(StaffEvent),
    /// On `consultation/<uuid>`.
    Consultation(ConsultationRegistered),
    /// On `message/<uuid>`.
    Message(MessageEvent),
    /// On `case/<file>/<number>`: imported from an event log of another system.
    Trace(TraceEvent),
}

impl DomainEvent {
    /// The event's type as the log spells it.
    #[must_use]
    pub fn event_type(&self) -> &'static str {
        match self {
            Self::Pack(_) => pack::PACK_PUBLISHED,
            Self::Proposal(event) => event.event_type(),
            Self::Case(event) => event.event_type(),
            Self::Complex(event) => event.event_type(),
            Self::Entry(event) => event.event_type(),
            Self::Offer(event) => event.event_type(),
            Self::Payment(event) => event.event_type(),
            Self::Staff(event) => event.event_type(),
            Self::Consultation(_) => consultation::CONSULTATION_REGISTERED,
            Self::Message(event) => event.event_type(),
            Self::Trace(event) => event.event_type(),
        }
    }

    /// The event's public fields.
    #[must_use]
    pub fn data(&self) -> Object {
        match self {
            Self::Pack(event) => event.data(),
            Self::Proposal(event) => event.data(),
            Self::Case(event) => event.data(),
            Self::Complex(event) => event.data(),
            Self::Entry(event) => event.data(),
            Self::Offer(event) => event.data(),
            Self::Payment(event) => event.data(),
            Self::Staff(event) => event.data(),
            Self::Consultation(event) => event.data(),
            Self::Message(event) => event.data(),
            Self::Trace(event) => event.data(),
        }
    }

    /// Reads an event of the log; `None` when its stream is none of the domain's.
    ///
    /// # Errors
    /// See [`EventError`].
    pub fn read(event: &Event) -> Result<Option<Self>, EventError> {
        let name = event.event_type.as_str();
        let family = event.stream.kind();
        if !FAMILIES.contains(&family) {
            return Ok(None);
        }
        let unknown = || EventError::Unknown {
            stream: event.stream.to_string(),
            event_type: name.to_owned(),
            schema: event.schema,
        };
        let data = upcast::to_current(name, event.schema, &event.data).ok_or_else(unknown)?;
        let read = match family {
            "pack" => PackPublished::read(name, &data)?.map(Self::Pack),
            "proposal" => ProposalEvent::read(name, &data)?.map(Self::Proposal),
            "application" => CaseEvent::read(name, &data)?.map(Self::Case),
            "complex" => ComplexEvent::read(name, &data)?.map(Self::Complex),
            "registry" => EntryEvent::read(name, &data)?.map(Self::Entry),
            "offer" => OfferEvent::read(name, &data)?.map(Self::Offer),
            "payments" => PaymentEvent::read(name, &data)?.map(Self::Payment),
            "staff" => StaffEvent::read(name, &data)?.map(Self::Staff),
            "consultation" => ConsultationRegistered::read(name, &data)?.map(Self::Consultation),
            "message" => MessageEvent::read(name, &data)?.map(Self::Message),
            _ => TraceEvent::read(name, &data)?.map(Self::Trace),
        };
        read.map(Some).ok_or_else(unknown)
    }
}

#[cfg(test)]
mod test;
