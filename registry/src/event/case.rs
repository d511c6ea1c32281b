//! Events of a case on `application/<uuid>`, from submission to its one terminal event.
//!
//! The order that a case may take is in `case::state`. Not here: private values; an event carries
//! their digests, named `form.<field>`, `request.<request>.<field>`, `answer.<request>.<field>`
//! and `input.<name>`.

mod about;
mod decided;
mod ended;
mod escalation;
mod intake;
mod joined;
mod request;
mod stage;
mod term;
mod work;

use jiff::civil::Date;
use letopis_ledger::id::StreamName;
use letopis_ledger::json::{FieldError, Fields, Object};
use letopis_ledger::{LeafIndex, Timestamp};
use letopis_rules::deadline::Term;

use super::EventError;
use super::fields::{
    date_text, leaf, parse_bool, parse_date, parse_optional, parse_term, parse_texts, term_object,
    text, texts, time,
};
use crate::code::{
    ChannelCode, FieldPath, GroundCode, PackCode, ServiceCode, StepCode, SystemCode,
};

pub use about::{About, Cause};
pub use decided::{Decided, Evidence, EvidenceKind, GroundFound, MatchedRules, ModelRef, Outcome};
pub use ended::{
    Cancelled, CancelledBy, DocumentIssued, NoticeQueued, NoticeSettled, ResultWithdrawn,
};
pub use escalation::{EscalationReason, RequestBreached, RequestEscalated, RequestRetried};
pub use intake::{Entered, IntakeEvidence, IntakeGround, IntakeRefused, Scan};
pub use joined::{AlsoTaken, AwaitedAnswer, Joined};
pub use request::{
    AnswerSetAside, Arrival, RequestAnswered, RequestOutcome, RequestSent, RequestTarget, SetAside,
    Source, SubrequestAnswered, SubrequestOpened, Way,
};
pub use stage::{Procedure, StageBegun, StageBreached};
pub use term::{ClockResumed, ClockSuspended, NewEnd, TermCause, TermChanged};
pub use work::{Agreed, Assigned, Candidate, OfficialSignature, Proposed, Returned};

/// An event of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaseEvent {
    /// `application.submitted`
    Submitted(Submitted),
    /// `application.registered`
    Registered(Registered),
    /// `application.joined`
    Joined(Joined),
    /// `application.intake_refused`
    IntakeRefused(IntakeRefused),
    /// `application.cancelled`
    Cancelled(Cancelled),
    /// `application.assigned`
    Assigned(Assigned),
    /// `request.sent`
    RequestSent(RequestSent),
    /// `request.omitted`: the condition of the regulation does not hold.
    RequestOmitted(StepCode),
    /// `request.answered`
    RequestAnswered(RequestAnswered),
    /// `request.timed_out`: its term ended without an answer.
    RequestTimedOut(StepCode),
    /// `request.escalated`
    RequestEscalated(RequestEscalated),
    /// `request.retried`
    RequestRetried(RequestRetried),
    /// `request.deadline_breached`
    RequestBreached(RequestBreached),
    /// `request.answer_set_aside`
    AnswerSetAside(AnswerSetAside),
    /// `subrequest.opened`
    SubrequestOpened(SubrequestOpened),
    /// `subrequest.answered`
    SubrequestAnswered(SubrequestAnswered),
    /// `subrequest.cancelled`: what it was for is no longer needed.
    SubrequestCancelled(FieldPath),
    /// `application.clock_suspended`
    ClockSuspended(ClockSuspended),
    /// `application.clock_resumed`
    ClockResumed(ClockResumed),
    /// `application.term_changed`
    TermChanged(TermChanged),
    /// `application.deadline_warned`: little of the term is left.
    DeadlineWarned(Timestamp),
    /// `application.deadline_breached`: the term ended without a decision.
    DeadlineBreached(Timestamp),
    /// `application.stage_begun`
    StageBegun(StageBegun),
    /// `application.stage_breached`
    StageBreached(StageBreached),
    /// `application.decision_proposed`
    Proposed(Proposed),
    /// `application.decision_agreed`
    Agreed(Agreed),
    /// `application.decision_returned`
    Returned(Returned),
    /// `application.decided`
    Decided(Decided),
    /// `application.result_issued`
    ResultIssued(ResultIssued),
    /// `application.refusal_issued`
    RefusalIssued {
        /// The grounds of the decision.
        grounds: Vec<GroundCode>,
    },
    /// `result.withdrawn`
    ResultWithdrawn(ResultWithdrawn),
    /// `document.issued`
    DocumentIssued(DocumentIssued),
    /// `notice.queued`
    NoticeQueued(NoticeQueued),
    /// `notice.settled`
    NoticeSettled(NoticeSettled),
}

/// The version of a pack that a case follows to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackRef {
    /// The pack.
    pub code: PackCode,
    /// Its version.
    pub version: u32,
    /// The leaf that published it.
    pub leaf: LeafIndex,
}

/// An applicant submitted a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// The service asked for.
    pub service: ServiceCode,
    /// The regulations in force, pinned for the whole case.
    pub pack: PackRef,
    /// How the application came.
    pub channel: ChannelCode,
    /// Public fields by field path.
    pub form: Object,
    /// Who of the agency entered it; nobody when it came electronically.
    pub entered: Option<Entered>,
    /// The entry that it is about, if it follows up one that exists.
    pub about: Option<About>,
    /// The information system that sent it, under names of its own.
    pub system: Option<SystemCode>,
}

/// The application got its number and its term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// Number of the case.
    pub number: String,
    /// When the term began.
    pub registered_at: Timestamp,
    /// The term of the regulation.
    pub term: Term,
    /// Last instant that is in time.
    pub due: Timestamp,
    /// The day of that instant in the agency's zone.
    pub last_day: Date,
    /// Whether a calendar not yet published may move the deadline.
    pub provisional: bool,
}

/// The applicant's wish was granted and stands in a registry from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultIssued {
    /// Stream of the registry entry, created by the same record, or revised by it where the case is
    /// about an entry that exists.
    pub registry_entry: StreamName,
    /// Number of the entry.
    pub number: String,
    /// First day on which it is in force as decided.
    pub valid_from: Date,
    /// Last day on which it is in force.
    pub valid_until: Date,
}

impl CaseEvent {
    pub(super) const fn event_type(&self) -> &'static str {
        match self {
            Self::Submitted(_) => "application.submitted",
            Self::Registered(_) => "application.registered",
            Self::Joined(_) => "application.joined",
            Self::IntakeRefused(_) => "application.intake_refused",
            Self::Cancelled(_) => "application.cancelled",
            Self::Assigned(_) => "application.assigned",
            Self::RequestSent(_) => "request.sent",
            Self::RequestOmitted(_) => "request.omitted",
            Self::RequestAnswered(_) => "request.answered",
            Self::RequestTimedOut(_) => "request.timed_out",
            Self::RequestEscalated(_) => "request.escalated",
            Self::RequestRetried(_) => "request.retried",
            Self::RequestBreached(_) => "request.deadline_breached",
            Self::AnswerSetAside(_) => "request.answer_set_aside",
            Self::SubrequestOpened(_) => "subrequest.opened",
            Self::SubrequestAnswered(_) => "subrequest.answered",
            Self::SubrequestCancelled(_) => "subrequest.cancelled",
            Self::ClockSuspended(_) => "application.clock_suspended",
            Self::ClockResumed(_) => "application.clock_resumed",
            Self::TermChanged(_) => "application.term_changed",
            Self::DeadlineWarned(_) => "application.deadline_warned",
            Self::DeadlineBreached(_) => "application.deadline_breached",
            Self::StageBegun(_) => "application.stage_begun",
            Self::StageBreached(_) => "application.stage_breached",
            Self::Proposed(_) => "application.decision_proposed",
            Self::Agreed(_) => "application.decision_agreed",
            Self::Returned(_) => "application.decision_returned",
            Self::Decided(_) => "application.decided",
            Self::ResultIssued(_) => "application.result_issued",
            Self::RefusalIssued { .. } => "application.refusal_issued",
            Self::ResultWithdrawn(_) => "result.withdrawn",
            Self::DocumentIssued(_) => "document.issued",
            Self::NoticeQueued(_) => "notice.queued",
            Self::NoticeSettled(_) => "notice.settled",
        }
    }

    pub(super) fn data(&self) -> Object {
        match self {
            Self::Submitted(event) => event.data(),
            Self::Registered(event) => event.data(),
            Self::Joined(event) => event.data(),
            Self::IntakeRefused(event) => event.data(),
            Self::Cancelled(event) => event.data(),
            Self::Assigned(event) => event.data(),
            Self::RequestSent(event) => event.data(),
            Self::RequestAnswered(event) => event.data(),
            Self::RequestEscalated(event) => event.data(),
            Self::RequestRetried(event) => event.data(),
            Self::RequestBreached(event) => event.data(),
            Self::AnswerSetAside(event) => event.data(),
            Self::SubrequestOpened(event) => event.data(),
            Self::SubrequestAnswered(event) => event.data(),
            Self::ClockSuspended(event) => event.data(),
            Self::ClockResumed(event) => event.data(),
            Self::TermChanged(event) => event.data(),
            Self::StageBegun(event) => event.data(),
            Self::StageBreached(event) => event.data(),
            Self::Proposed(event) => event.data(),
            Self::Agreed(event) => event.data(),
            Self::Returned(event) => event.data(),
            Self::Decided(event) => event.data(),
            Self::ResultIssued(event) => event.data(),
            Self::ResultWithdrawn(event) => event.data(),
            Self::DocumentIssued(event) => event.data(),
            Self::NoticeQueued(event) => event.data(),
            Self::NoticeSettled(event) => event.data(),
            Self::RequestOmitted(request) | Self::RequestTimedOut(request) => {
                Object::new().with("request", request.as_str())
            }
            Self::SubrequestCancelled(subrequest) => {
                Object::new().with("subrequest", subrequest.as_str())
            }
            Self::DeadlineWarned(due) | Self::DeadlineBreached(due) => {
                Object::new().with("due", time(*due))
            }
            Self::RefusalIssued { grounds } => Object::new().with("grounds", texts(grounds)),
        }
    }

    pub(super) fn read(event_type: &str, data: &Object) -> Result<Option<Self>, EventError> {
        let read = match event_type {
            "application.submitted" => Self::Submitted(Submitted::read(data)?),
            "application.registered" => Self::Registered(Registered::read(data)?),
            "application.joined" => Self::Joined(Joined::read(data)?),
            "application.intake_refused" => Self::IntakeRefused(IntakeRefused::read(data)?),
            "application.cancelled" => Self::Cancelled(Cancelled::read(data)?),
            "application.assigned" => Self::Assigned(Assigned::read(data)?),
            "request.sent" => Self::RequestSent(RequestSent::read(data)?),
            "request.answered" => Self::RequestAnswered(RequestAnswered::read(data)?),
            "request.escalated" => Self::RequestEscalated(RequestEscalated::read(data)?),
            "request.retried" => Self::RequestRetried(RequestRetried::read(data)?),
            "request.deadline_breached" => Self::RequestBreached(RequestBreached::read(data)?),
            "request.answer_set_aside" => Self::AnswerSetAside(AnswerSetAside::read(data)?),
            "subrequest.opened" => Self::SubrequestOpened(SubrequestOpened::read(data)?),
            "subrequest.answered" => Self::SubrequestAnswered(SubrequestAnswered::read(data)?),
            "application.clock_suspended" => Self::ClockSuspended(ClockSuspended::read(data)?),
            "application.clock_resumed" => Self::ClockResumed(ClockResumed::read(data)?),
            "application.term_changed" => Self::TermChanged(TermChanged::read(data)?),
            "application.stage_begun" => Self::StageBegun(StageBegun::read(data)?),
            "application.stage_breached" => Self::StageBreached(StageBreached::read(data)?),
            "application.decision_proposed" => Self::Proposed(Proposed::read(data)?),
            "application.decision_agreed" => Self::Agreed(Agreed::read(data)?),
            "application.decision_returned" => Self::Returned(Returned::read(data)?),
            "application.decided" => Self::Decided(Decided::read(data)?),
            "application.result_issued" => Self::ResultIssued(ResultIssued::read(data)?),
            "result.withdrawn" => Self::ResultWithdrawn(ResultWithdrawn::read(data)?),
            "document.issued" => Self::DocumentIssued(DocumentIssued::read(data)?),
            "notice.queued" => Self::NoticeQueued(NoticeQueued::read(data)?),
            "notice.settled" => Self::NoticeSettled(NoticeSettled::read(data)?),
            _ => return Self::read_short(event_type, data),
        };
        Ok(Some(read))
    }

    /// Events of one member.
    fn read_short(event_type: &str, data: &Object) -> Result<Option<Self>, EventError> {
        let mut fields = Fields::of_object("event", data);
        let read = match event_type {
            "request.omitted" => Self::RequestOmitted(fields.parsed("request", StepCode::parse)?),
            "request.timed_out" => {
                Self::RequestTimedOut(fields.parsed("request", StepCode::parse)?)
            }
            "subrequest.cancelled" => {
                Self::SubrequestCancelled(fields.parsed("subrequest", FieldPath::parse)?)
            }
            "application.deadline_warned" => {
                Self::DeadlineWarned(fields.parsed("due", Timestamp::parse)?)
            }
            "application.deadline_breached" => {
                Self::DeadlineBreached(fields.parsed("due", Timestamp::parse)?)
            }
            "application.refusal_issued" => {
                let grounds = parse_texts(&mut fields, "grounds", GroundCode::parse)?;
                Self::RefusalIssued { grounds }
            }
            _ => return Ok(None),
        };
        fields.finish()?;
        Ok(Some(read))
    }
}

impl Submitted {
    fn data(&self) -> Object {
        let data = Object::new()
            .with("service", self.service.as_str())
            .with("pack", self.pack.data())
            .with("channel", self.channel.as_str())
            .with("form", self.form.clone());
        let data = match &self.entered {
            Some(entered) => data.with("entered", entered.data()),
            None => data,
        };
        let data = match &self.about {
            Some(about) => data.with("about", about.data()),
            None => data,
        };
        match &self.system {
            Some(system) => data.with("system", system.as_str()),
            None => data,
        }
    }

    fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("application.submitted", data);
        let read = Self {
            service: fields.parsed("service", ServiceCode::parse)?,
            pack: PackRef::read(fields.object("pack")?)?,
            channel: fields.parsed("channel", ChannelCode::parse)?,
            form: fields.object("form")?.clone(),
            entered: fields.optional("entered").map(Entered::read).transpose()?,
            about: fields.optional("about").map(About::read).transpose()?,
            system: parse_optional(&mut fields, "system", SystemCode::parse)?,
        };
        fields.finish()?;
        Ok(read)
    }
}

impl PackRef {
    pub(in crate::event) fn data(&self) -> Object {
        Object::new()
            .with("code", self.code.as_str())
            .with("version", self.version)
            .with("leaf", leaf(self.leaf))
    }

    pub(in crate::event) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("pack", data);
        let read = Self {
            code: fields.parsed("code", PackCode::parse)?,
            version: u32::try_from(fields.unsigned("version")?)
                .map_err(|_| fields.invalid("version", &"larger than 2^32"))?,
            leaf: LeafIndex::new(fields.unsigned("leaf")?),
        };
        fields.finish()?;
        Ok(read)
    }
}

impl Registered {
    fn data(&self) -> Object {
        Object::new()
            .with("number", text(&self.number))
            .with("registered_at", time(self.registered_at))
            .with("term", term_object(self.term))
            .with("due", time(self.due))
            .with("last_day", text(date_text(self.last_day)))
            .with("provisional", self.provisional)
    }

    fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("application.registered", data);
        let read = Self {
            number: fields.string("number")?.to_owned(),
            registered_at: fields.parsed("registered_at", Timestamp::parse)?,
            term: parse_term(fields.object("term")?)?,
            due: fields.parsed("due", Timestamp::parse)?,
            last_day: fields.parsed("last_day", parse_date)?,
            provisional: parse_bool(&mut fields, "provisional")?,
        };
        fields.finish()?;
        Ok(read)
    }
}

impl ResultIssued {
    fn data(&self) -> Object {
        Object::new()
            .with("registry_entry", self.registry_entry.as_str())
            .with("number", text(&self.number))
            .with("valid_from", text(date_text(self.valid_from)))
            .with("valid_until", text(date_text(self.valid_until)))
    }

    fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("application.result_issued", data);
        let read = Self {
            registry_entry: fields.parsed("registry_entry", StreamName::parse)?,
            number: fields.string("number")?.to_owned(),
            valid_from: fields.parsed("valid_from", parse_date)?,
            valid_until: fields.parsed("valid_until", parse_date)?,
        };
        fields.finish()?;
        Ok(read)
    }
}
