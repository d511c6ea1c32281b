//! Events of a case on `application/<uuid>`, from submission to its one terminal event.
//!
//! The order that a case may take is in `case::state`. Not here: private values; an event carries
//! their digests, named `form.<field>`, `request.<request>.<field>`, `answer.<request>.<field>`
//! and `input.<name>`.

mod decided;

use jiff::civil::Date;
use letopis_ledger::id::StreamName;
use letopis_ledger::json::{FieldError, Fields, Object};
use letopis_ledger::{LeafIndex, StreamVersion, Timestamp};
use letopis_rules::deadline::Term;

use super::EventError;
use super::fields::{
    date_text, leaf, parse_bool, parse_date, parse_term, parse_texts, term_object, text, texts,
    time, version,
};
use crate::code::{ChannelCode, GroundCode, PackCode, RegistryCode, ServiceCode, StepCode};

pub use decided::{Decided, Evidence, EvidenceKind, GroundFound, MatchedRules, ModelRef, Outcome};

/// An event of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaseEvent {
    /// `application.submitted`
    Submitted(Submitted),
    /// `application.registered`
    Registered(Registered),
    /// `request.sent`
    RequestSent(RequestSent),
    /// `request.answered`
    RequestAnswered(RequestAnswered),
    /// `application.decided`
    Decided(Decided),
    /// `application.result_issued`
    ResultIssued(ResultIssued),
    /// `application.refusal_issued`
    RefusalIssued {
        /// The grounds of the decision.
        grounds: Vec<GroundCode>,
    },
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

/// A fact was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestSent {
    /// The request's step in the regulation.
    pub request: StepCode,
    /// Whom it was sent to.
    pub target: RequestTarget,
    /// Whether the decision waits for the answer.
    pub mandatory: bool,
    /// Last instant at which an answer is in time.
    pub due: Timestamp,
}

/// Whom a request is sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestTarget {
    /// A registry of the same log.
    Registry(RegistryCode),
    /// Somebody outside, named by the regulation.
    Addressee(String),
}

/// A request got its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestAnswered {
    /// The request's step in the regulation.
    pub request: StepCode,
    /// Whether there was anything to answer.
    pub outcome: RequestOutcome,
    /// The registry entry that the answer was taken from.
    pub source: Option<Source>,
}

/// Whether there was anything to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestOutcome {
    /// The facts asked for are disclosures of the event.
    Answered,
    /// The one asked holds nothing of the kind.
    NoData,
}

/// The place in the log that a fact was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Stream of the registry entry.
    pub stream: StreamName,
    /// Its last event at that time.
    pub version: StreamVersion,
    /// The leaf of that event.
    pub leaf: LeafIndex,
}

/// The applicant's wish was granted and stands in a registry from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultIssued {
    /// Stream of the new registry entry, created by the same record.
    pub registry_entry: StreamName,
    /// Number of the entry.
    pub number: String,
    /// First day on which it is in force.
    pub valid_from: Date,
    /// Last day on which it is in force.
    pub valid_until: Date,
}

impl CaseEvent {
    pub(super) const fn event_type(&self) -> &'static str {
        match self {
            Self::Submitted(_) => "application.submitted",
            Self::Registered(_) => "application.registered",
            Self::RequestSent(_) => "request.sent",
            Self::RequestAnswered(_) => "request.answered",
            Self::Decided(_) => "application.decided",
            Self::ResultIssued(_) => "application.result_issued",
            Self::RefusalIssued { .. } => "application.refusal_issued",
        }
    }

    pub(super) fn data(&self) -> Object {
        match self {
            Self::Submitted(event) => event.data(),
            Self::Registered(event) => event.data(),
            Self::RequestSent(event) => event.data(),
            Self::RequestAnswered(event) => event.data(),
            Self::Decided(event) => event.data(),
            Self::ResultIssued(event) => event.data(),
            Self::RefusalIssued { grounds } => Object::new().with("grounds", texts(grounds)),
        }
    }

    pub(super) fn read(event_type: &str, data: &Object) -> Result<Option<Self>, EventError> {
        let read = match event_type {
            "application.submitted" => Self::Submitted(Submitted::read(data)?),
            "application.registered" => Self::Registered(Registered::read(data)?),
            "request.sent" => Self::RequestSent(RequestSent::read(data)?),
            "request.answered" => Self::RequestAnswered(RequestAnswered::read(data)?),
            "application.decided" => Self::Decided(Decided::read(data)?),
            "application.result_issued" => Self::ResultIssued(ResultIssued::read(data)?),
            "application.refusal_issued" => {
                let mut fields = Fields::of_object("application.refusal_issued", data);
                let grounds = parse_texts(&mut fields, "grounds", GroundCode::parse)?;
                fields.finish()?;
                Self::RefusalIssued { grounds }
            }
            _ => return Ok(None),
        };
        Ok(Some(read))
    }
}

impl Submitted {
    fn data(&self) -> Object {
        let pack = Object::new()
            .with("code", self.pack.code.as_str())
            .with("version", self.pack.version)
            .with("leaf", leaf(self.pack.leaf));
        Object::new()
            .with("service", self.service.as_str())
            .with("pack", pack)
            .with("channel", self.channel.as_str())
            .with("form", self.form.clone())
    }

    fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("application.submitted", data);
        let read = Self {
            service: fields.parsed("service", ServiceCode::parse)?,
            pack: PackRef::read(fields.object("pack")?)?,
            channel: fields.parsed("channel", ChannelCode::parse)?,
            form: fields.object("form")?.clone(),
        };
        fields.finish()?;
        Ok(read)
    }
}

impl PackRef {
    fn read(data: &Object) -> Result<Self, FieldError> {
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

impl RequestSent {
    fn data(&self) -> Object {
        let data = Object::new()
            .with("request", self.request.as_str())
            .with("mandatory", self.mandatory)
            .with("due", time(self.due));
        match &self.target {
            RequestTarget::Registry(code) => {
                data.with("kind", "registry").with("registry", code.as_str())
            }
            RequestTarget::Addressee(name) => {
                data.with("kind", "external").with("addressee", text(name))
            }
        }
    }

    fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("request.sent", data);
        let target = match fields.string("kind")? {
            "registry" => RequestTarget::Registry(fields.parsed("registry", RegistryCode::parse)?),
            "external" => RequestTarget::Addressee(fields.string("addressee")?.to_owned()),
            _ => return Err(fields.invalid("kind", &"neither \"registry\" nor \"external\"")),
        };
        let read = Self {
            request: fields.parsed("request", StepCode::parse)?,
            target,
            mandatory: parse_bool(&mut fields, "mandatory")?,
            due: fields.parsed("due", Timestamp::parse)?,
        };
        fields.finish()?;
        Ok(read)
    }
}

impl RequestAnswered {
    fn data(&self) -> Object {
        let outcome = match self.outcome {
            RequestOutcome::Answered => "answered",
            RequestOutcome::NoData => "no_data",
        };
        let mut data =
            Object::new().with("request", self.request.as_str()).with("outcome", outcome);
        if let Some(source) = &self.source {
            data.insert("source", source.data().into());
        }
        data
    }

    fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("request.answered", data);
        let outcome = fields.parsed("outcome", |text| match text {
            "answered" => Ok(RequestOutcome::Answered),
            "no_data" => Ok(RequestOutcome::NoData),
            _ => Err("neither \"answered\" nor \"no_data\""),
        })?;
        let source = match fields.optional("source") {
            None => None,
            Some(_) => Some(Source::read(fields.object("source")?)?),
        };
        let request = fields.parsed("request", StepCode::parse)?;
        fields.finish()?;
        Ok(Self { request, outcome, source })
    }
}

impl Source {
    fn data(&self) -> Object {
        Object::new()
            .with("stream", self.stream.as_str())
            .with("version", version(self.version))
            .with("leaf", leaf(self.leaf))
    }

    fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("source", data);
        let read = Self {
            stream: fields.parsed("stream", StreamName::parse)?,
            version: StreamVersion::new(fields.unsigned("version")?),
            leaf: LeafIndex::new(fields.unsigned("leaf")?),
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
