//! What is done about a request that brings nothing: sent again, escalated to an official, and the
//! breach of its own term.
//!
//! Not here: how an escalated request is closed, which is `request.answered` like any other.

use letopis_ledger::Timestamp;
use letopis_ledger::json::{FieldError, Fields, Object};

use crate::code::{StepCode, UnitCode};
use crate::event::HeldPost;
use crate::event::OfficialId;
use crate::event::fields::{number, parse_optional, text, time};
use crate::pack::Role;

/// An official takes over a request that brought nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestEscalated {
    /// The request's step in the regulation.
    pub request: StepCode,
    /// Why.
    pub reason: EscalationReason,
    /// The post that the regulation names.
    pub post: HeldPost,
    /// Whom the rule of assignment names; nobody when no one who holds the post can take it.
    pub official: Option<OfficialId>,
}

/// Why a request is escalated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EscalationReason {
    /// The one asked holds nothing.
    NoData,
    /// Its term ended without an answer.
    TimedOut,
    /// It was sent as often as the regulation says, and no reply came.
    Unanswered,
}

/// A request without a reply was sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRetried {
    /// The request's step in the regulation.
    pub request: StepCode,
    /// Which sending this is; the first one was `request.sent`.
    pub attempt: u32,
    /// When it is looked at again: sent once more, or given up; never when its term alone counts.
    pub retry_at: Option<Timestamp>,
}

/// A request is past its term, and the case waits on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestBreached {
    /// The request's step in the regulation.
    pub request: StepCode,
    /// The last instant that was in time.
    pub due: Timestamp,
}

impl EscalationReason {
    const ALL: [Self; 3] = [Self::NoData, Self::TimedOut, Self::Unanswered];

    /// The reason as events spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoData => "no_data",
            Self::TimedOut => "timed_out",
            Self::Unanswered => "unanswered",
        }
    }

    /// Reads the spelling of [`EscalationReason::as_str`].
    ///
    /// # Errors
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let found = Self::ALL.into_iter().find(|reason| reason.as_str() == text);
        found.ok_or("not a reason of escalation")
    }
}

impl RequestEscalated {
    pub(super) fn data(&self) -> Object {
        let data = Object::new()
            .with("request", self.request.as_str())
            .with("reason", self.reason.as_str())
            .with("unit", self.post.unit.as_str())
            .with("role", self.post.role.as_str());
        match self.official {
            Some(official) => data.with("official", text(official)),
            None => data,
        }
    }

    pub(super) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("request.escalated", data);
        let read = Self {
            request: fields.parsed("request", StepCode::parse)?,
            reason: fields.parsed("reason", EscalationReason::parse)?,
            post: HeldPost {
                unit: fields.parsed("unit", UnitCode::parse)?,
                role: fields.parsed("role", |text| Role::parse(text).ok_or("not a role"))?,
            },
            official: parse_optional(&mut fields, "official", OfficialId::parse)?,
        };
        fields.finish()?;
        Ok(read)
    }
}

impl RequestRetried {
    pub(super) fn data(&self) -> Object {
        let data = Object::new()
            .with("request", self.request.as_str())
            .with("attempt", number(self.attempt.into()));
        match self.retry_at {
            Some(retry_at) => data.with("retry_at", time(retry_at)),
            None => data,
        }
    }

    pub(super) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("request.retried", data);
        let read = Self {
            request: fields.parsed("request", StepCode::parse)?,
            attempt: u32::try_from(fields.unsigned("attempt")?)
                .map_err(|_| fields.invalid("attempt", &"larger than 2^32"))?,
            retry_at: parse_optional(&mut fields, "retry_at", Timestamp::parse)?,
        };
        fields.finish()?;
        Ok(read)
    }
}

impl RequestBreached {
    pub(super) fn data(&self) -> Object {
        Object::new().with("request", self.request.as_str()).with("due", time(self.due))
    }

    pub(super) fn read(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("request.deadline_breached", data);
        let read = Self {
            request: fields.parsed("request", StepCode::parse)?,
            due: fields.parsed("due", Timestamp::parse)?,
        };
        fields.finish()?;
        Ok(read)
    }
}
