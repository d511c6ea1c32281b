//! Events of an offer on `offer/<uuid>`: the agency offers a service that nobody has asked for yet.
//!
//! Private are whom it is for (`recipient`) and the values that it fills in (`form.<field path>`).
//! Not here: the order that the events take, which `offer` holds, and what triggers an offer.

use jiff::civil::Date;
use letopis_ledger::id::StreamName;
use letopis_ledger::json::{FieldError, Fields, Object};

use super::EventError;
use super::case::{NoticeQueued, NoticeSettled, PackRef, Source};
use super::fields::{date_text, parse_date, parse_optional, text};
use super::stream::OfficialId;
use crate::code::{OfferCode, ServiceCode};

/// An event of an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OfferEvent {
    /// `offer.made`
    Made(OfferMade),
    /// `notice.queued`: the letter that tells of the offer waits to be sent.
    NoticeQueued(NoticeQueued),
    /// `notice.settled`
    NoticeSettled(NoticeSettled),
    /// `offer.accepted`, in the record that submits the application.
    Accepted {
        /// Stream of the case.
        case: StreamName,
    },
    /// `offer.declined`
    Declined {
        /// Who wrote it down, where the person came to the agency.
        official: Option<OfficialId>,
    },
    /// `offer.expired`: its last day has passed without an answer.
    Expired {
        /// That day.
        open_until: Date,
    },
}

/// A service is offered to somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferMade {
    /// The service.
    pub service: ServiceCode,
    /// The pack whose regulation offers it.
    pub pack: PackRef,
    /// Which offer of the regulation.
    pub offer: OfferCode,
    /// The entry that triggered it, with its newest event then.
    pub about: Source,
    /// The last day of that entry, where its end is the trigger.
    pub ends: Option<Date>,
    /// The last day on which it can be accepted, in the agency's zone.
    pub open_until: Date,
}

impl OfferEvent {
    pub(crate) const fn event_type(&self) -> &'static str {
        match self {
            Self::Made(_) => "offer.made",
            Self::NoticeQueued(_) => "notice.queued",
            Self::NoticeSettled(_) => "notice.settled",
            Self::Accepted { .. } => "offer.accepted",
            Self::Declined { .. } => "offer.declined",
            Self::Expired { .. } => "offer.expired",
        }
    }

    pub(super) fn data(&self) -> Object {
        match self {
            Self::Made(made) => made.data(),
            Self::NoticeQueued(queued) => queued.data(),
            Self::NoticeSettled(settled) => settled.data(),
            Self::Accepted { case } => Object::new().with("case", case.as_str()),
            Self::Declined { official: Some(official) } => {
                Object::new().with("official", text(official))
            }
            Self::Declined { official: None } => Object::new(),
            Self::Expired { open_until } => {
                Object::new().with("open_until", text(date_text(*open_until)))
            }
        }
    }

    pub(super) fn read(event_type: &str, data: &Object) -> Result<Option<Self>, EventError> {
        let mut fields = Fields::of_object("offer", data);
        let read = match event_type {
            "offer.made" => Self::Made(OfferMade::read(&mut fields)?),
            "notice.queued" => return Ok(Some(Self::NoticeQueued(NoticeQueued::read(data)?))),
            "notice.settled" => return Ok(Some(Self::NoticeSettled(NoticeSettled::read(data)?))),
            "offer.accepted" => Self::Accepted { case: fields.parsed("case", StreamName::parse)? },
            "offer.declined" => Self::Declined {
                official: parse_optional(&mut fields, "official", OfficialId::parse)?,
            },
            "offer.expired" => {
                Self::Expired { open_until: fields.parsed("open_until", parse_date)? }
            }
            _ => return Ok(None),
        };
        fields.finish()?;
        Ok(Some(read))
    }
}

impl OfferMade {
    fn data(&self) -> Object {
        let data = Object::new()
            .with("service", self.service.as_str())
            .with("pack", self.pack.data())
            .with("offer", self.offer.as_str())
            .with("about", self.about.data())
            .with("open_until", text(date_text(self.open_until)));
        match self.ends {
            Some(ends) => data.with("ends", text(date_text(ends))),
            None => data,
        }
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self, FieldError> {
        Ok(Self {
            service: fields.parsed("service", ServiceCode::parse)?,
            pack: PackRef::read(fields.object("pack")?)?,
            offer: fields.parsed("offer", OfferCode::parse)?,
            about: Source::read(fields.object("about")?)?,
            ends: parse_optional(fields, "ends", parse_date)?,
            open_until: fields.parsed("open_until", parse_date)?,
        })
    }
}
