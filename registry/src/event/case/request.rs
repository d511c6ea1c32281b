//! Requests of a case: sent, left out, answered, reused, late, and the requests that the one
//! asked sends on.
//!
//! Not here: whether an event may follow; see `case::state`.

use letopis_ledger::id::StreamName;
use letopis_ledger::json::{FieldError, Fields, Object};
use letopis_ledger::{LeafIndex, StreamVersion, Timestamp};

use super::intake::Scan;
use crate::code::{FieldPath, RegistryCode, StepCode, UnitCode};
use crate::event::fields::{leaf, parse_bool, parse_optional, text, time, version};
use crate::event::stream::OfficialId;

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
    /// When it is sent again if no reply has come; never where the regulation asks once.
    pub retry_at: Option<Timestamp>,
}

/// Whom a request is sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestTarget {
    /// A registry of the same log.
    Registry(RegistryCode),
    /// Somebody outside, named by the regulation.
    Addressee(String),
    /// The agency's own office, named by the regulation.
    Organisation(String),
    /// A unit of the agency.
    Unit(UnitCode),
    /// The head of a unit.
    Head(UnitCode),
    /// A person of a unit.
    Executor(UnitCode, OfficialId),
    /// The applicant.
    Applicant,
}

/// A request got its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestAnswered {
    /// The request's step in the regulation.
    pub request: StepCode,
    /// Whether there was anything to answer.
    pub outcome: RequestOutcome,
    /// The place in the log that the answer was taken from.
    pub source: Option<Source>,
    /// How it came; nothing when the agency's own program asked a registry.
    pub came: Option<Arrival>,
    /// The scan of the paper that it stands on.
    pub scan: Option<Scan>,
}

/// Whether there was anything to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestOutcome {
    /// The facts asked for are disclosures of the event.
    Answered,
    /// The one asked holds nothing of the kind.
    NoData,
}

/// The place in the log that a fact was read from: an entry of a registry, or the answer of an
/// earlier case that serves again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The stream.
    pub stream: StreamName,
    /// Its last event at that time, or the answer.
    pub version: StreamVersion,
    /// The leaf of that event.
    pub leaf: LeafIndex,
}

/// How an answer came when no program fetched it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// The way.
    pub way: Way,
    /// When it came, which may be before it was entered.
    pub at: Timestamp,
    /// Who entered or gave it; nobody when the applicant or another system did.
    pub official: Option<OfficialId>,
    /// Who else heard a message by phone.
    pub second: Option<OfficialId>,
    /// Number of the letter.
    pub letter: Option<String>,
}

/// How a message comes or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// From one program to another.
    Electronic,
    /// From a person at a workplace.
    Workplace,
    /// From the applicant's own page.
    Portal,
    /// A letter with a number.
    Paper,
    /// A message by phone, heard by two.
    Phone,
    /// A fact of an earlier case that is still fresh.
    Reused,
}

/// Something came that does not count; it is kept and changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerSetAside {
    /// What it says it answers.
    pub request: String,
    /// Why it does not count.
    pub reason: SetAside,
    /// How it came.
    pub came: Arrival,
}

/// Why an answer does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SetAside {
    /// The case was decided before.
    Late,
    /// The case was cancelled before.
    Cancelled,
    /// The request has its answer.
    Duplicate,
    /// No such request was sent.
    NotSent,
    /// Somebody answered who was not asked.
    Foreign,
}

/// The one asked asks somebody else; its own answer waits for theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubrequestOpened {
    /// Its path: the request, then the names of subrequests, joined by dots.
    pub subrequest: FieldPath,
    /// Who is asked.
    pub addressee: String,
    /// How.
    pub way: Way,
    /// Whether the answer above waits for it.
    pub mandatory: bool,
    /// Last instant at which an answer is in time, not after that of the request above.
    pub due: Timestamp,
    /// Who opened it; nobody when another system did.
    pub official: Option<OfficialId>,
}

/// A subrequest got its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubrequestAnswered {
    /// Its path.
    pub subrequest: FieldPath,
    /// Whether there was anything to answer.
    pub outcome: RequestOutcome,
    /// How the answer came.
    pub came: Arrival,
}

impl RequestTarget {
    /// The kind as events spell it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Registry(_) => "registry",
            Self::Addressee(_) => "external",
            Self::Organisation(_) => "organisation",
            Self::Unit(_) => "unit",
            Self::Head(_) => "head",
            Self::Executor(..) => "executor",
            Self::Applicant => "applicant",
        }
    }

    /// The registry, the unit or the name of who is asked; empty for the applicant.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Registry(code) => code.as_str(),
            Self::Addressee(name) | Self::Organisation(name) => name,
            Self::Unit(unit) | Self::Head(unit) | Self::Executor(unit, _) => unit.as_str(),
            Self::Applicant => "",
        }
    }
}

impl RequestSent {
    pub(super) fn data(&self) -> Object {
        let data = Object::new()
            .with("request", self.request.as_str())
            .with("mandatory", self.mandatory)
            .with("due", time(self.due))
            .with("kind", self.target.kind());
        let data = match self.retry_at {
            Some(retry_at) => data.with("retry_at", time(retry_at)),
            None => data,
        };
        let name = self.target.name();
        match &self.target {
            RequestTarget::Registry(_) => data.with("registry", name),
            RequestTarget::Addressee(_) => data.with("addressee", text(name)),
            RequestTarget::Organisation(_) => data.with("organisation", text(name)),
            RequestTarget::Unit(_) | RequestTarget::Head(_) => data.with("unit", name),
            RequestTarget::Executor(_, official) => {
                data.with("unit", name).with("official", text(official))
            }
            RequestTarget::Applicant => data,
        }
    }

    pub(super) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("request.sent", data);
        let target = match fields.string("kind")? {
            "registry" => RequestTarget::Registry(fields.parsed("registry", RegistryCode::parse)?),
            "external" => RequestTarget::Addressee(fields.string("addressee")?.to_owned()),
            "organisation" => {
                RequestTarget::Organisation(fields.string("organisation")?.to_owned())
            }
            "unit" => RequestTarget::Unit(fields.parsed("unit", UnitCode::parse)?),
            "head" => RequestTarget::Head(fields.parsed("unit", UnitCode::parse)?),
            "executor" => RequestTarget::Executor(
                fields.parsed("unit", UnitCode::parse)?,
                fields.parsed("official", OfficialId::parse)?,
            ),
            "applicant" => RequestTarget::Applicant,
            _ => return Err(fields.invalid("kind", &"not a kind of addressee")),
        };
        let read = Self {
            request: fields.parsed("request", StepCode::parse)?,
            target,
            mandatory: parse_bool(&mut fields, "mandatory")?,
            due: fields.parsed("due", Timestamp::parse)?,
            retry_at: parse_optional(&mut fields, "retry_at", Timestamp::parse)?,
        };
        fields.finish()?;
        Ok(read)
    }
}

impl RequestOutcome {
    /// The outcome as events spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::NoData => "no_data",
        }
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        let found = [Self::Answered, Self::NoData].into_iter().find(|one| one.as_str() == text);
        found.ok_or("neither \"answered\" nor \"no_data\"")
    }
}

impl RequestAnswered {
    pub(super) fn data(&self) -> Object {
        let mut data = Object::new()
            .with("request", self.request.as_str())
            .with("outcome", self.outcome.as_str());
        if let Some(source) = &self.source {
            data.insert("source", source.data().into());
        }
        if let Some(came) = &self.came {
            data.insert("came", came.data().into());
        }
        if let Some(scan) = &self.scan {
            data.insert("scan", scan.data().into());
        }
        data
    }

    pub(super) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("request.answered", data);
        let outcome = fields.parsed("outcome", RequestOutcome::parse)?;
        let source = match fields.optional("source") {
            None => None,
            Some(_) => Some(Source::read(fields.object("source")?)?),
        };
        let came = match fields.optional("came") {
            None => None,
            Some(_) => Some(Arrival::read(fields.object("came")?)?),
        };
        let scan = fields.optional("scan").map(Scan::read).transpose()?;
        let request = fields.parsed("request", StepCode::parse)?;
        fields.finish()?;
        Ok(Self { request, outcome, source, came, scan })
    }
}

impl Source {
    pub(in crate::event) fn data(&self) -> Object {
        Object::new()
            .with("stream", self.stream.as_str())
            .with("version", version(self.version))
            .with("leaf", leaf(self.leaf))
    }

    pub(in crate::event) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("source", data);
        let read = Self::read_from(&mut fields)?;
        fields.finish()?;
        Ok(read)
    }

    /// Reads the members among others of one object.
    pub(in crate::event) fn read_from(fields: &mut Fields<'_>) -> Result<Self, FieldError> {
        Self::read_named(fields, "stream")
    }

    /// Reads the members among others, where the stream has another name.
    pub(super) fn read_named(
        fields: &mut Fields<'_>,
        stream: &'static str,
    ) -> Result<Self, FieldError> {
        Ok(Self {
            stream: fields.parsed(stream, StreamName::parse)?,
            version: StreamVersion::new(fields.unsigned("version")?),
            leaf: LeafIndex::new(fields.unsigned("leaf")?),
        })
    }
}

impl Way {
    const ALL: [Self; 6] =
        [Self::Electronic, Self::Workplace, Self::Portal, Self::Paper, Self::Phone, Self::Reused];

    /// The way as events spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Electronic => "electronic",
            Self::Workplace => "workplace",
            Self::Portal => "portal",
            Self::Paper => "paper",
            Self::Phone => "phone",
            Self::Reused => "reused",
        }
    }

    /// Reads the spelling of [`Way::as_str`].
    ///
    /// # Errors
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        Self::ALL.into_iter().find(|way| way.as_str() == text).ok_or("not a way of messages")
    }
}

impl Arrival {
    pub(super) fn data(&self) -> Object {
        let mut data = Object::new().with("way", self.way.as_str()).with("at", time(self.at));
        for (name, official) in [("official", self.official), ("second", self.second)] {
            if let Some(official) = official {
                data.insert(name, text(official));
            }
        }
        if let Some(letter) = &self.letter {
            data.insert("letter", text(letter));
        }
        data
    }

    pub(super) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("came", data);
        let read = Self {
            way: fields.parsed("way", Way::parse)?,
            at: fields.parsed("at", Timestamp::parse)?,
            official: parse_optional(&mut fields, "official", OfficialId::parse)?,
            second: parse_optional(&mut fields, "second", OfficialId::parse)?,
            letter: parse_optional(&mut fields, "letter", |text| Ok::<_, String>(text.to_owned()))?,
        };
        fields.finish()?;
        Ok(read)
    }
}

impl SetAside {
    const ALL: [Self; 5] =
        [Self::Late, Self::Cancelled, Self::Duplicate, Self::NotSent, Self::Foreign];

    /// The reason as events spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Cancelled => "cancelled",
            Self::Duplicate => "duplicate",
            Self::NotSent => "not_sent",
            Self::Foreign => "foreign",
        }
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        Self::ALL.into_iter().find(|one| one.as_str() == text).ok_or("not a reason")
    }
}

impl AnswerSetAside {
    pub(super) fn data(&self) -> Object {
        Object::new()
            .with("request", text(&self.request))
            .with("reason", self.reason.as_str())
            .with("came", self.came.data())
    }

    pub(super) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("request.answer_set_aside", data);
        let read = Self {
            request: fields.string("request")?.to_owned(),
            reason: fields.parsed("reason", SetAside::parse)?,
            came: Arrival::read(fields.object("came")?)?,
        };
        fields.finish()?;
        Ok(read)
    }
}

impl SubrequestOpened {
    pub(super) fn data(&self) -> Object {
        let mut data = Object::new()
            .with("subrequest", self.subrequest.as_str())
            .with("addressee", text(&self.addressee))
            .with("way", self.way.as_str())
            .with("mandatory", self.mandatory)
            .with("due", time(self.due));
        if let Some(official) = self.official {
            data.insert("official", text(official));
        }
        data
    }

    pub(super) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("subrequest.opened", data);
        let read = Self {
            subrequest: fields.parsed("subrequest", FieldPath::parse)?,
            addressee: fields.string("addressee")?.to_owned(),
            way: fields.parsed("way", Way::parse)?,
            mandatory: parse_bool(&mut fields, "mandatory")?,
            due: fields.parsed("due", Timestamp::parse)?,
            official: parse_optional(&mut fields, "official", OfficialId::parse)?,
        };
        fields.finish()?;
        Ok(read)
    }
}

impl SubrequestAnswered {
    pub(super) fn data(&self) -> Object {
        Object::new()
            .with("subrequest", self.subrequest.as_str())
            .with("outcome", self.outcome.as_str())
            .with("came", self.came.data())
    }

    pub(super) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("subrequest.answered", data);
        let read = Self {
            subrequest: fields.parsed("subrequest", FieldPath::parse)?,
            outcome: fields.parsed("outcome", RequestOutcome::parse)?,
            came: Arrival::read(fields.object("came")?)?,
        };
        fields.finish()?;
        Ok(read)
    }
}
