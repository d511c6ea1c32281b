//! An offer: a service that the agency prepares for somebody, who accepts it or does not.
//!
//! The agency may prepare, never decide: an offer ends once, by an acceptance that submits an
//! ordinary application in the same record, by a refusal of the person, or by its last day.
//! `decide` and `evolve` are pure. Not here: what triggers an offer (`engine`), and the case.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use letopis_ledger::StreamVersion;
use letopis_ledger::id::{ClaimName, StreamName};
use letopis_ledger::json::Json;
use letopis_ledger::record::{Claim, ClaimOperation};
use thiserror::Error;

use crate::code::{ChannelCode, FieldPath, ServiceCode};
use crate::event::{
    CaseId, DomainEvent, EntryId, NoticeQueued, NoticeSettled, OfferEvent, OfferId, OfferMade,
    OfficialId,
};
use crate::record_draft::{Decision, NewEvent, PrivateField};

/// Name of the disclosure that says whom an offer is for.
pub const RECIPIENT: &str = "recipient";

/// How an offer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OfferEnd {
    /// An application was submitted.
    Accepted(StreamName),
    /// The person does not want it.
    Declined,
    /// Its last day passed.
    Expired,
}

/// The state of an offer, folded from its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferState {
    stream: StreamName,
    length: StreamVersion,
    made: Option<OfferMade>,
    end: Option<OfferEnd>,
    /// Letters that are neither delivered nor lost.
    notices: BTreeSet<StreamVersion>,
}

/// Why a command on an offer was refused, or an event cannot follow.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OfferRefusal {
    /// Its events are not in the order that they take.
    #[error("{stream}: event {version} ({event}) cannot follow")]
    OutOfPlace {
        /// The stream.
        stream: StreamName,
        /// The event's number.
        version: StreamVersion,
        /// Its type.
        event: &'static str,
    },
    /// It was accepted, declined, or its last day has passed.
    #[error("the offer was {how}; apply for the service in the ordinary way")]
    Closed {
        /// `accepted`, `declined` or `expired`.
        how: &'static str,
    },
    /// Its last day has passed, and nobody has noted it yet.
    #[error("the offer was open until {open_until}, today is {today}; apply in the ordinary way")]
    TooLate {
        /// Its last day.
        open_until: Date,
        /// The day in the agency's zone.
        today: Date,
    },
    /// Its last day has not passed yet.
    #[error("the offer is open until {open_until}, today is {today}; it does not expire yet")]
    TooEarly {
        /// Its last day.
        open_until: Date,
        /// The day in the agency's zone.
        today: Date,
    },
    /// No letter of this number waits.
    #[error("no letter {notice} of this offer waits to be settled")]
    NoSuchNotice {
        /// Its number.
        notice: StreamVersion,
    },
    /// No channel is open to applicants themselves.
    #[error("service {service}: no channel is open to applicants themselves; name one")]
    NoChannel {
        /// The service.
        service: ServiceCode,
    },
}

/// A service is offered: the trigger came about.
#[derive(Debug, Clone)]
pub struct MakeOffer {
    /// The new offer.
    pub id: OfferId,
    /// What is offered, and why.
    pub made: OfferMade,
    /// Whom it is for.
    pub recipient: Json,
    /// Values of the form that the trigger fills in.
    pub prefilled: BTreeMap<FieldPath, Json>,
    /// How the person is told, and whether telling is done by its being on record.
    pub notice: (ChannelCode, bool),
}

/// The name that one offer takes for its trigger, so that it is made once whichever node is first.
/// It says nothing that the offer does not say in the log.
///
/// # Panics
/// It is about no entry of a registry.
#[must_use]
pub fn trigger_claim(made: &OfferMade) -> ClaimName {
    let (service, offer) = (&made.service, &made.offer);
    let entry = EntryId::of_stream(&made.about.stream)
        .expect("invariant: an offer is about an entry of a registry")
        .uuid_text();
    let when = made.ends.map_or_else(|| "created".to_owned(), |ends| ends.to_string());
    ClaimName::parse(&format!("offer/{service}/{offer}/{entry}/{when}"))
        .expect("invariant: codes, ids and dates fit into a claim's name")
}

impl MakeOffer {
    /// Decides: the offer, the notice of it, and its name.
    #[must_use]
    pub fn decide(self) -> Decision {
        let stream = self.id.stream();
        let claim = Claim {
            name: trigger_claim(&self.made),
            operation: ClaimOperation::Take,
            holder: stream.clone(),
        };
        let fields = self.prefilled.into_iter();
        let fields = fields.map(|(field, value)| PrivateField::new(format!("form.{field}"), value));
        let private = fields.chain([PrivateField::new(RECIPIENT, self.recipient)]).collect();
        let (channel, told) = self.notice;
        let queued = NoticeQueued { about: StreamVersion::ZERO, channel };
        let mut events = vec![
            (OfferEvent::Made(self.made), private),
            (OfferEvent::NoticeQueued(queued), vec![]),
        ];
        if told {
            let notice = StreamVersion::new(1);
            let settled = NoticeSettled { notice, delivered: true, official: None };
            events.push((OfferEvent::NoticeSettled(settled), vec![]));
        }
        let numbered = (0..).map(StreamVersion::new).zip(events);
        let events = numbered.map(|(version, (event, private))| NewEvent {
            stream: stream.clone(),
            version,
            event: DomainEvent::Offer(event),
            private,
        });
        Decision { events: events.collect(), claims: vec![claim] }
    }
}

impl OfferState {
    /// The state before anything happened.
    #[must_use]
    pub const fn new(stream: StreamName) -> Self {
        let length = StreamVersion::ZERO;
        Self { stream, length, made: None, end: None, notices: BTreeSet::new() }
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// It cannot follow.
    pub fn evolve(&mut self, event: &OfferEvent) -> Result<(), OfferRefusal> {
        let follows = match event {
            OfferEvent::Made(_) => self.made.is_none() && self.length == StreamVersion::ZERO,
            OfferEvent::NoticeQueued(_) | OfferEvent::NoticeSettled(_) => self.made.is_some(),
            OfferEvent::Accepted { .. }
            | OfferEvent::Declined { .. }
            | OfferEvent::Expired { .. } => self.made.is_some() && self.end.is_none(),
        };
        if !follows {
            return Err(OfferRefusal::OutOfPlace {
                stream: self.stream.clone(),
                version: self.length,
                event: event.event_type(),
            });
        }
        match event {
            OfferEvent::Made(made) => self.made = Some(made.clone()),
            OfferEvent::NoticeQueued(_) => drop(self.notices.insert(self.length)),
            OfferEvent::NoticeSettled(settled) => drop(self.notices.remove(&settled.notice)),
            OfferEvent::Accepted { case } => self.end = Some(OfferEnd::Accepted(case.clone())),
            OfferEvent::Declined { .. } => self.end = Some(OfferEnd::Declined),
            OfferEvent::Expired { .. } => self.end = Some(OfferEnd::Expired),
        }
        self.length = self.length.next();
        Ok(())
    }

    /// What was offered, if it was.
    #[must_use]
    pub const fn made(&self) -> Option<&OfferMade> {
        self.made.as_ref()
    }

    /// How it ended, if it did.
    #[must_use]
    pub const fn end(&self) -> Option<&OfferEnd> {
        self.end.as_ref()
    }

    /// The offer, as long as it can be answered on this day.
    ///
    /// # Errors
    /// It has ended, or its last day has passed.
    pub fn open_on(&self, today: Date) -> Result<&OfferMade, OfferRefusal> {
        let made = self.unended()?;
        match made.open_until >= today {
            true => Ok(made),
            false => Err(OfferRefusal::TooLate { open_until: made.open_until, today }),
        }
    }

    /// Accepts: to go into the record that submits the application.
    ///
    /// # Errors
    /// It has ended, or its last day has passed.
    pub fn accept(&self, case: CaseId, today: Date) -> Result<Decision, OfferRefusal> {
        self.open_on(today)?;
        Ok(self.next(OfferEvent::Accepted { case: case.stream() }))
    }

    /// Declines.
    ///
    /// # Errors
    /// It has ended, or its last day has passed.
    pub fn decline(
        &self,
        official: Option<OfficialId>,
        today: Date,
    ) -> Result<Decision, OfferRefusal> {
        self.open_on(today)?;
        Ok(self.next(OfferEvent::Declined { official }))
    }

    /// Notes that the last day has passed.
    ///
    /// # Errors
    /// It has ended, or its last day has not passed.
    pub fn expire(&self, today: Date) -> Result<Decision, OfferRefusal> {
        let open_until = self.unended()?.open_until;
        if open_until >= today {
            return Err(OfferRefusal::TooEarly { open_until, today });
        }
        Ok(self.next(OfferEvent::Expired { open_until }))
    }

    /// Notes what became of a letter.
    ///
    /// # Errors
    /// No such letter waits.
    pub fn settle(&self, settled: NoticeSettled) -> Result<Decision, OfferRefusal> {
        if !self.notices.contains(&settled.notice) {
            return Err(OfferRefusal::NoSuchNotice { notice: settled.notice });
        }
        Ok(self.next(OfferEvent::NoticeSettled(settled)))
    }

    fn unended(&self) -> Result<&OfferMade, OfferRefusal> {
        let how = match &self.end {
            None => {
                return self.made.as_ref().ok_or_else(|| OfferRefusal::OutOfPlace {
                    stream: self.stream.clone(),
                    version: self.length,
                    event: "offer.made",
                });
            }
            Some(end) => end.as_str(),
        };
        Err(OfferRefusal::Closed { how })
    }

    fn next(&self, event: OfferEvent) -> Decision {
        let event = NewEvent {
            stream: self.stream.clone(),
            version: self.length,
            event: DomainEvent::Offer(event),
            private: vec![],
        };
        Decision { events: vec![event], claims: vec![] }
    }
}

impl OfferEnd {
    /// The end as tables and interfaces spell it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Accepted(_) => "accepted",
            Self::Declined => "declined",
            Self::Expired => "expired",
        }
    }
}

#[cfg(test)]
mod test;
