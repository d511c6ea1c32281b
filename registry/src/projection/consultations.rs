//! Consultations: which service, how they came, how long they took, what they led to.

use letopis_ledger::id::AgencyId;
use letopis_ledger::{LeafIndex, Timestamp};
use rusqlite::params;

use super::row::{number, parsed, time, to_sql};
use super::{Fold, Place, Projection, ProjectionError, ReadModel, Reflected};
use crate::code::{ChannelCode, ServiceCode, TopicCode};
use crate::event::{ConsultationId, ConsultationOutcome, DomainEvent};
use crate::statistics::{Advice, Topic};

pub(super) const PROJECTION: Projection = Projection {
    tables: "
        CREATE TABLE consultation (
            consultation TEXT PRIMARY KEY, author TEXT NOT NULL, service TEXT NOT NULL,
            topic TEXT NOT NULL, channel TEXT NOT NULL, official TEXT NOT NULL,
            duration_ms INTEGER NOT NULL, outcome TEXT NOT NULL, registered_ms INTEGER NOT NULL,
            leaf INTEGER NOT NULL
        ) WITHOUT ROWID;
        CREATE INDEX consultation_time ON consultation (registered_ms);
    ",
    content: &[("consultation", "consultation")],
    fold,
};

/// A consultation as the tables have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsultationRow {
    /// The agency whose official advised.
    pub agency: AgencyId,
    /// The service that it was about.
    pub service: ServiceCode,
    /// What was asked.
    pub topic: TopicCode,
    /// How the person came.
    pub channel: ChannelCode,
    /// How long it took.
    pub duration_ms: u64,
    /// What it led to.
    pub outcome: ConsultationOutcome,
    /// When it was put on record, at its end.
    pub registered_at: Timestamp,
    /// The leaf that says so.
    pub leaf: LeafIndex,
}

impl From<ConsultationRow> for Advice {
    fn from(row: ConsultationRow) -> Self {
        let ConsultationRow { agency, service, topic, duration_ms, outcome, .. } = row;
        let topic = Topic { agency, service, topic };
        Self { topic, duration_ms, ended_at: row.registered_at, outcome }
    }
}

fn fold(fold: &Fold<'_>, place: &Place<'_>, event: &DomainEvent) -> Result<(), ProjectionError> {
    let DomainEvent::Consultation(event) = event else { return Ok(()) };
    let Ok(id) = ConsultationId::of_stream(&place.event.stream) else { return Ok(()) };
    fold.run(
        "INSERT OR IGNORE INTO consultation
         (consultation, author, service, topic, channel, official, duration_ms, outcome,
          registered_ms, leaf)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            id.to_string(),
            place.author.as_str(),
            event.service.as_str(),
            event.topic.as_str(),
            event.channel.as_str(),
            event.official.to_string(),
            to_sql(event.duration_ms),
            event.outcome.as_str(),
            place.time.unix_ms(),
            to_sql(place.leaf.get()),
        ],
    )
}

impl ReadModel {
    /// Consultations put on record in a time, the end excluded, oldest first.
    ///
    /// # Errors
    /// The database failed.
    pub fn consultations(
        &self,
        (from, until): (Timestamp, Timestamp),
    ) -> Result<Reflected<Vec<ConsultationRow>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT * FROM consultation WHERE registered_ms >= ?1 AND registered_ms < ?2
                 ORDER BY registered_ms, consultation",
            )?;
            let rows = select.query_map([from.unix_ms(), until.unix_ms()], |row| {
                Ok(ConsultationRow {
                    agency: parsed(row, "author", AgencyId::parse)?,
                    service: parsed(row, "service", ServiceCode::parse)?,
                    topic: parsed(row, "topic", TopicCode::parse)?,
                    channel: parsed(row, "channel", ChannelCode::parse)?,
                    duration_ms: number(row, "duration_ms")?,
                    outcome: parsed(row, "outcome", |text| {
                        ConsultationOutcome::parse(text).ok_or(std::fmt::Error)
                    })?,
                    registered_at: time(row, "registered_ms")?,
                    leaf: LeafIndex::new(number(row, "leaf")?),
                })
            })?;
            rows.collect()
        })
    }
}
