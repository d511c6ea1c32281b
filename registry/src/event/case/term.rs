//! The clock of a case: it stands still, goes on, its term changes, it warns and is broken.
//!
//! Not here: how terms are counted; see `letopis_rules::deadline`.

use jiff::civil::Date;
use letopis_ledger::json::{FieldError, Fields, Object};
use letopis_ledger::{LeafIndex, Timestamp};
use letopis_rules::deadline::Term;

use crate::code::StepCode;
use crate::event::fields::{
    date_text, leaf, parse_bool, parse_date, parse_term, term_object, text, time,
};

/// The clock stands still while the applicant answers a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockSuspended {
    /// The request.
    pub request: StepCode,
    /// From when on.
    pub at: Timestamp,
    /// Last instant at which it may stand still.
    pub until: Timestamp,
}

/// The end of the case's term, counted anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewEnd {
    /// Last instant that is in time.
    pub due: Timestamp,
    /// The day of that instant in the agency's zone.
    pub last_day: Date,
    /// Whether a calendar not yet published may move it.
    pub provisional: bool,
}

/// The clock goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockResumed {
    /// The request that was answered, or whose time ended.
    pub request: StepCode,
    /// From when on.
    pub at: Timestamp,
    /// The end of the term.
    pub end: NewEnd,
}

/// The case has another term, or the same one by another calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TermChanged {
    /// Why.
    pub cause: TermCause,
    /// The term.
    pub term: Term,
    /// The end of the term.
    pub end: NewEnd,
}

/// Why a term changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TermCause {
    /// The regulation gives another term once this request is sent.
    Request(StepCode),
    /// This leaf published a calendar that was missing when the term was counted.
    Calendar(LeafIndex),
}

impl NewEnd {
    fn write(self, data: Object) -> Object {
        data.with("due", time(self.due))
            .with("last_day", text(date_text(self.last_day)))
            .with("provisional", self.provisional)
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, FieldError> {
        Ok(Self {
            due: fields.parsed("due", Timestamp::parse)?,
            last_day: fields.parsed("last_day", parse_date)?,
            provisional: parse_bool(fields, "provisional")?,
        })
    }
}

impl ClockSuspended {
    pub(super) fn data(&self) -> Object {
        Object::new()
            .with("request", self.request.as_str())
            .with("at", time(self.at))
            .with("until", time(self.until))
    }

    pub(super) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("application.clock_suspended", data);
        let read = Self {
            request: fields.parsed("request", StepCode::parse)?,
            at: fields.parsed("at", Timestamp::parse)?,
            until: fields.parsed("until", Timestamp::parse)?,
        };
        fields.finish()?;
        Ok(read)
    }
}

impl ClockResumed {
    pub(super) fn data(&self) -> Object {
        let data = Object::new().with("request", self.request.as_str()).with("at", time(self.at));
        self.end.write(data)
    }

    pub(super) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("application.clock_resumed", data);
        let read = Self {
            request: fields.parsed("request", StepCode::parse)?,
            at: fields.parsed("at", Timestamp::parse)?,
            end: NewEnd::read(&mut fields)?,
        };
        fields.finish()?;
        Ok(read)
    }
}

impl TermChanged {
    pub(super) fn data(&self) -> Object {
        let cause = match &self.cause {
            TermCause::Request(request) => Object::new().with("request", request.as_str()),
            TermCause::Calendar(place) => Object::new().with("calendar", leaf(*place)),
        };
        let data = Object::new().with("cause", cause).with("term", term_object(self.term));
        self.end.write(data)
    }

    pub(super) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("application.term_changed", data);
        let mut cause = Fields::of_object("cause", fields.object("cause")?);
        let found = match cause.optional("request") {
            Some(_) => TermCause::Request(cause.parsed("request", StepCode::parse)?),
            None => TermCause::Calendar(LeafIndex::new(cause.unsigned("calendar")?)),
        };
        cause.finish()?;
        let read = Self {
            cause: found,
            term: parse_term(fields.object("term")?)?,
            end: NewEnd::read(&mut fields)?,
        };
        fields.finish()?;
        Ok(read)
    }
}
