//! `consultation.registered` on `consultation/<uuid>`: somebody was advised about a service.
//!
//! It counts work and says nothing personal: not who asked, and not what was said. Not here: what
//! a topic means, which is the agency's own list.

use letopis_ledger::json::{FieldError, Fields, Object};

use super::EventError;
use super::fields::{number, text};
use super::stream::OfficialId;
use crate::code::{ChannelCode, ServiceCode, TopicCode};

pub(super) const CONSULTATION_REGISTERED: &str = "consultation.registered";

/// Somebody was advised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsultationRegistered {
    /// The service that it was about.
    pub service: ServiceCode,
    /// What was asked, as a code of the agency's list.
    pub topic: TopicCode,
    /// How the person came.
    pub channel: ChannelCode,
    /// Who advised.
    pub official: OfficialId,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// What it led to.
    pub outcome: ConsultationOutcome,
}

/// What a consultation led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConsultationOutcome {
    /// The question was answered.
    Answered,
    /// The person was sent on to somebody else.
    SentOn,
    /// The person applied for the service at once.
    Applied,
}

impl ConsultationOutcome {
    const ALL: [Self; 3] = [Self::Answered, Self::SentOn, Self::Applied];

    /// The outcome as events spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::SentOn => "sent_on",
            Self::Applied => "applied",
        }
    }

    /// Reads the spelling of [`ConsultationOutcome::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == text)
    }
}

impl ConsultationRegistered {
    pub(super) fn data(&self) -> Object {
        Object::new()
            .with("service", self.service.as_str())
            .with("topic", self.topic.as_str())
            .with("channel", self.channel.as_str())
            .with("official", text(self.official))
            .with("duration_ms", number(self.duration_ms))
            .with("outcome", self.outcome.as_str())
    }

    pub(super) fn read(event_type: &str, data: &Object) -> Result<Option<Self>, EventError> {
        if event_type != CONSULTATION_REGISTERED {
            return Ok(None);
        }
        Ok(Some(Self::parse(data)?))
    }

    fn parse(data: &Object) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object(CONSULTATION_REGISTERED, data);
        let read = Self {
            service: fields.parsed("service", ServiceCode::parse)?,
            topic: fields.parsed("topic", TopicCode::parse)?,
            channel: fields.parsed("channel", ChannelCode::parse)?,
            official: fields.parsed("official", OfficialId::parse)?,
            duration_ms: fields.unsigned("duration_ms")?,
            outcome: fields.parsed("outcome", |text| {
                ConsultationOutcome::parse(text)
                    .ok_or("neither \"answered\", \"sent_on\" nor \"applied\"")
            })?,
        };
        fields.finish()?;
        Ok(read)
    }
}
