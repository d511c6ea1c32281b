//! From what `decide` returns to a record: versions are set, private values become digests.
//!
//! Not here: the signature, and keeping the disclosures before the record is proposed.

use std::fmt;

use letopis_ledger::StreamVersion;
use letopis_ledger::checkpoint::Origin;
use letopis_ledger::disclosure::{Disclosure, DisclosureError};
use letopis_ledger::id::{AgencyId, EventType, RecordId, StreamName};
use letopis_ledger::json::Json;
use letopis_ledger::record::{Claim, Event, Record, RecordError};
use thiserror::Error;

use crate::environment::{Entropy, random};
use crate::event::{DomainEvent, schema_version};

/// A field that must not appear in the log: its name and value.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateField {
    /// Name, as the disclosure carries it.
    pub name: String,
    /// Value.
    pub value: Json,
}

/// An event that a decision wants to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// The stream that it extends.
    pub stream: StreamName,
    /// The number that it must get there.
    pub version: StreamVersion,
    /// What happened.
    pub event: DomainEvent,
    /// Its private fields.
    pub private: Vec<PrivateField>,
}

/// What a command decided: events and claims that go into one record or nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// Events, in order.
    pub events: Vec<NewEvent>,
    /// Unique names taken or released.
    pub claims: Vec<Claim>,
}

/// A record with the disclosures that open its private fields.
#[derive(Debug)]
pub struct SealedRecord {
    /// The record, not yet signed.
    pub record: Record,
    /// Its disclosures, each with the stream that it belongs to.
    pub disclosures: Vec<(StreamName, Disclosure)>,
}

/// Why a decision does not make a record.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SealError {
    /// The parts break a rule of records.
    #[error("{0}")]
    Record(#[from] RecordError),
    /// A private field cannot be written as a disclosure.
    #[error("{0}")]
    Disclosure(#[from] DisclosureError),
}

impl Decision {
    /// The same decision followed by another one of the same record.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.events.extend(other.events);
        self.claims.extend(other.claims);
        self
    }

    /// Writes the record; each private field gets a fresh salt.
    ///
    /// # Errors
    /// See [`SealError`].
    ///
    /// # Panics
    /// Never: the event types of the domain are well-formed.
    pub fn seal(
        self,
        log: Origin,
        id: RecordId,
        author: AgencyId,
        entropy: &dyn Entropy,
    ) -> Result<SealedRecord, SealError> {
        let mut disclosures = Vec::new();
        let mut events = Vec::with_capacity(self.events.len());
        for new in self.events {
            let mut digests = Vec::with_capacity(new.private.len());
            for field in new.private {
                let disclosure = Disclosure::new(&random(entropy), &field.name, field.value)?;
                digests.push(disclosure.digest());
                disclosures.push((new.stream.clone(), disclosure));
            }
            events.push(Event {
                stream: new.stream,
                version: new.version,
                event_type: EventType::parse(new.event.event_type())
                    .expect("invariant: event types of the domain are well-formed"),
                schema: schema_version(new.event.event_type()),
                data: new.event.data(),
                private: digests,
            });
        }
        let record = Record::new(log, id, author, events, self.claims)?;
        Ok(SealedRecord { record, disclosures })
    }
}

impl PrivateField {
    /// Names a value.
    #[must_use]
    pub fn new(name: impl Into<String>, value: Json) -> Self {
        Self { name: name.into(), value }
    }
}

impl fmt::Debug for PrivateField {
    /// Shows the name only: a private value must not reach a log line by accident.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateField({})", self.name)
    }
}
