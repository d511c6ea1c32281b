//! The system registry of services provided: nobody writes it, it follows from the log alone.

use letopis_ledger::{LeafIndex, Timestamp};
use rusqlite::params;

use super::row::{number, parsed, time, to_sql};
use super::{Fold, Place, Projection, ProjectionError, ReadModel, Reflected};
use crate::code::ServiceCode;
use crate::event::{CaseEvent, CaseId, DomainEvent, Outcome};

pub(super) const PROJECTION: Projection = Projection {
    tables: "
        CREATE TABLE provided_service (
            case_id TEXT PRIMARY KEY, service TEXT NOT NULL, outcome TEXT NOT NULL,
            number TEXT, entry TEXT, author TEXT NOT NULL, provided_ms INTEGER NOT NULL,
            leaf INTEGER NOT NULL
        ) WITHOUT ROWID;
        CREATE INDEX provided_service_leaf ON provided_service (leaf);
        CREATE INDEX provided_service_entry ON provided_service (entry) WHERE entry IS NOT NULL;
    ",
    content: &[("provided_service", "case_id")],
    fold,
};

/// A service that was provided, or refused, as the tables have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvidedRow {
    /// The case.
    pub case: CaseId,
    /// The service.
    pub service: ServiceCode,
    /// `granted` or `refused`.
    pub outcome: String,
    /// Number of the result.
    pub number: Option<String>,
    /// Stream of the registry entry.
    pub entry: Option<String>,
    /// When it was issued.
    pub provided_at: Timestamp,
    /// The leaf that issued it.
    pub leaf: LeafIndex,
}

fn fold(fold: &Fold<'_>, place: &Place<'_>, event: &DomainEvent) -> Result<(), ProjectionError> {
    let DomainEvent::Case(event) = event else { return Ok(()) };
    let (outcome, result) = match event {
        CaseEvent::ResultIssued(result) => (Outcome::Granted, Some(result)),
        CaseEvent::RefusalIssued { .. } => (Outcome::Refused, None),
        _ => return Ok(()),
    };
    let Ok(case) = CaseId::of_stream(&place.event.stream) else { return Ok(()) };
    fold.run(
        "INSERT OR IGNORE INTO provided_service
         (case_id, service, outcome, number, entry, author, provided_ms, leaf)
         SELECT ?1, service, ?2, ?3, ?4, ?5, ?6, ?7 FROM case_file WHERE case_id = ?1",
        params![
            case.to_string(),
            outcome.as_str(),
            result.map(|result| result.number.as_str()),
            result.map(|result| result.registry_entry.as_str()),
            place.author.as_str(),
            place.time.unix_ms(),
            to_sql(place.leaf.get()),
        ],
    )
}

impl ReadModel {
    /// Services provided, in the order of the log, from a leaf on.
    ///
    /// # Errors
    /// The database failed.
    pub fn provided_services(
        &self,
        from: LeafIndex,
        most: u32,
    ) -> Result<Reflected<Vec<ProvidedRow>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT * FROM provided_service WHERE leaf >= ?1 ORDER BY leaf, case_id LIMIT ?2",
            )?;
            let rows = select.query_map(params![to_sql(from.get()), most], |row| {
                Ok(ProvidedRow {
                    case: parsed(row, "case_id", CaseId::parse)?,
                    service: parsed(row, "service", ServiceCode::parse)?,
                    outcome: row.get("outcome")?,
                    number: row.get("number")?,
                    entry: row.get("entry")?,
                    provided_at: time(row, "provided_ms")?,
                    leaf: LeafIndex::new(number(row, "leaf")?),
                })
            })?;
            rows.collect()
        })
    }
}
