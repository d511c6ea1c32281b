//! Events of a message on `message/<uuid>`: another system sent an application that no route leads
//! to a service.
//!
//! Private are the sender's own id of the message (`message_id`), its code of the service
//! (`service_code`), the territory and the digest of what was sent (`sha256`); of a rejection the
//! `reason`. Not here: what was sent, which the agency keeps.

use letopis_ledger::id::StreamName;
use letopis_ledger::json::{FieldError, Fields, Object};

use super::EventError;
use super::fields::text;
use super::stream::OfficialId;
use crate::code::SystemCode;

/// An event of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageEvent {
    /// `message.quarantined`: it waits for an official.
    Quarantined(MessageQuarantined),
    /// `message.released`, in the record that submits the application.
    Released {
        /// Stream of the case.
        case: StreamName,
        /// Who found the service.
        official: OfficialId,
    },
    /// `message.rejected`: it is for no service of the agency.
    Rejected {
        /// Who says so.
        official: OfficialId,
    },
}

/// A message that no route leads to a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageQuarantined {
    /// Who sent it.
    pub system: SystemCode,
    /// Why it waits.
    pub reason: Unrouted,
}

/// Why no route leads anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unrouted {
    /// No route has the sender's code of the service.
    UnknownCode,
    /// Routes have the code, and none the territory.
    UnknownTerritory,
}

impl Unrouted {
    const ALL: [Self; 2] = [Self::UnknownCode, Self::UnknownTerritory];

    /// The reason as events spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownCode => "unknown_code",
            Self::UnknownTerritory => "unknown_territory",
        }
    }

    /// Reads the spelling of [`Unrouted::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

impl MessageEvent {
    pub(crate) const fn event_type(&self) -> &'static str {
        match self {
            Self::Quarantined(_) => "message.quarantined",
            Self::Released { .. } => "message.released",
            Self::Rejected { .. } => "message.rejected",
        }
    }

    pub(super) fn data(&self) -> Object {
        match self {
            Self::Quarantined(quarantined) => Object::new()
                .with("system", quarantined.system.as_str())
                .with("reason", quarantined.reason.as_str()),
            Self::Released { case, official } => {
                Object::new().with("case", case.as_str()).with("official", text(official))
            }
            Self::Rejected { official } => Object::new().with("official", text(official)),
        }
    }

    pub(super) fn read(event_type: &str, data: &Object) -> Result<Option<Self>, EventError> {
        let mut fields = Fields::of_object("message", data);
        let read = match event_type {
            "message.quarantined" => Self::Quarantined(MessageQuarantined::read(&mut fields)?),
            "message.released" => Self::Released {
                case: fields.parsed("case", StreamName::parse)?,
                official: fields.parsed("official", OfficialId::parse)?,
            },
            "message.rejected" => {
                Self::Rejected { official: fields.parsed("official", OfficialId::parse)? }
            }
            _ => return Ok(None),
        };
        fields.finish()?;
        Ok(Some(read))
    }
}

impl MessageQuarantined {
    fn read(fields: &mut Fields<'_>) -> Result<Self, FieldError> {
        Ok(Self {
            system: fields.parsed("system", SystemCode::parse)?,
            reason: fields.parsed("reason", |text| {
                Unrouted::parse(text).ok_or("neither \"unknown_code\" nor \"unknown_territory\"")
            })?,
        })
    }
}
