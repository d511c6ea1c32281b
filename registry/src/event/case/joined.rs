//! `application.joined`: the case is one of several that one complex request opened.
//!
//! It says what the case leaves to the others: requests that wait for an answer which another case
//! gets, and facts that an answer here brings for another case. Not here: the complex request
//! itself, which has a stream of its own.

use letopis_ledger::id::StreamName;
use letopis_ledger::json::{FieldError, Fields, Json, Object};

use crate::code::{FieldPath, StepCode};
use crate::event::fields::{parse_array, parse_texts, texts};

/// The case belongs to a complex request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// Stream of the complex request.
    pub complex_request: StreamName,
    /// Requests that are not sent before another case has its answer.
    pub waits: Vec<AwaitedAnswer>,
    /// Facts that answers of this case bring for another one, beside those of the regulation.
    pub also_takes: Vec<AlsoTaken>,
}

/// A request that another case's answer serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwaitedAnswer {
    /// The request that waits.
    pub request: StepCode,
    /// Stream of the case whose answer it waits for.
    pub case: StreamName,
    /// The request of that case.
    pub answer: StepCode,
}

/// Facts that an answer brings for another case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlsoTaken {
    /// The request.
    pub request: StepCode,
    /// The facts, beside those that the regulation takes.
    pub fields: Vec<FieldPath>,
}

impl Joined {
    pub(super) fn data(&self) -> Object {
        let waits = self.waits.iter().map(|wait| Json::from(wait.data()));
        let also = self.also_takes.iter().map(|also| Json::from(also.data()));
        Object::new()
            .with("complex_request", self.complex_request.as_str())
            .with("waits", waits.collect::<Vec<_>>())
            .with("also_takes", also.collect::<Vec<_>>())
    }

    pub(super) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("application.joined", data);
        let read = Self {
            complex_request: fields.parsed("complex_request", StreamName::parse)?,
            waits: parse_array(&mut fields, "waits", AwaitedAnswer::read)?,
            also_takes: parse_array(&mut fields, "also_takes", AlsoTaken::read)?,
        };
        fields.finish()?;
        Ok(read)
    }
}

impl AwaitedAnswer {
    fn data(&self) -> Object {
        Object::new()
            .with("request", self.request.as_str())
            .with("case", self.case.as_str())
            .with("answer", self.answer.as_str())
    }

    fn read(item: &Json) -> Result<Self, FieldError> {
        let mut fields = Fields::of("wait", item)?;
        let read = Self {
            request: fields.parsed("request", StepCode::parse)?,
            case: fields.parsed("case", StreamName::parse)?,
            answer: fields.parsed("answer", StepCode::parse)?,
        };
        fields.finish()?;
        Ok(read)
    }
}

impl AlsoTaken {
    fn data(&self) -> Object {
        Object::new().with("request", self.request.as_str()).with("fields", texts(&self.fields))
    }

    fn read(item: &Json) -> Result<Self, FieldError> {
        let mut fields = Fields::of("facts", item)?;
        let read = Self {
            request: fields.parsed("request", StepCode::parse)?,
            fields: parse_texts(&mut fields, "fields", FieldPath::parse)?,
        };
        fields.finish()?;
        Ok(read)
    }
}
