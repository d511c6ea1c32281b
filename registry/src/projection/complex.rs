//! Complex requests: their cases, and which cases wait for which.
//!
//! Only those of the agency that the tables serve: its engine takes them forward. Not here: how
//! far a case is, which `cases` says.

use letopis_ledger::id::StreamName;
use letopis_ledger::{LeafIndex, Timestamp};
use rusqlite::{OptionalExtension, params};

use super::row::{number, parsed, time, to_sql};
use super::{Fold, Place, Projection, ProjectionError, ReadModel, Reflected};
use crate::code::{ComplexCode, ServiceCode};
use crate::event::{CaseEvent, CaseId, ComplexEvent, ComplexId, DomainEvent};

pub(super) const PROJECTION: Projection = Projection {
    tables: "
        CREATE TABLE complex_request (
            complex_id TEXT PRIMARY KEY, code TEXT NOT NULL, opened_ms INTEGER NOT NULL,
            closed_ms INTEGER, leaf INTEGER NOT NULL
        ) WITHOUT ROWID;
        CREATE INDEX complex_request_open ON complex_request (complex_id)
            WHERE closed_ms IS NULL;
        CREATE TABLE complex_case (
            complex_id TEXT NOT NULL, place INTEGER NOT NULL, service TEXT NOT NULL,
            case_id TEXT NOT NULL, PRIMARY KEY (complex_id, place)
        ) WITHOUT ROWID;
        CREATE TABLE complex_wait (
            awaited TEXT NOT NULL, case_id TEXT NOT NULL, request TEXT NOT NULL,
            complex_id TEXT NOT NULL, over_by TEXT,
            PRIMARY KEY (case_id, request)
        ) WITHOUT ROWID;
        CREATE INDEX complex_wait_awaited ON complex_wait (awaited);
    ",
    content: &[
        ("complex_request", "complex_id"),
        ("complex_case", "complex_id, place"),
        ("complex_wait", "case_id, request"),
    ],
    fold,
};

/// A complex request as the tables have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComplexRow {
    /// The complex request.
    pub complex: ComplexId,
    /// What was asked for.
    pub code: ComplexCode,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// Its services with their cases, in order.
    pub cases: Vec<(ServiceCode, CaseId)>,
    /// Requests of its cases that waited or wait for another case.
    pub waits: Vec<ComplexWait>,
    /// The leaf of its newest change.
    pub leaf: LeafIndex,
}

/// A request that waited for another case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComplexWait {
    /// The case that waits.
    pub case: CaseId,
    /// Its request.
    pub request: String,
    /// Stream of the case that it waits for.
    pub awaited: StreamName,
    /// `satisfied` or `lapsed`; nothing while it waits.
    pub over_by: Option<String>,
}

fn fold(fold: &Fold<'_>, place: &Place<'_>, event: &DomainEvent) -> Result<(), ProjectionError> {
    if place.author.as_str() != fold.model.owner() {
        return Ok(());
    }
    match event {
        DomainEvent::Complex(event) => {
            let Ok(id) = ComplexId::of_stream(&place.event.stream) else { return Ok(()) };
            of_complex(fold, place, &id.to_string(), event)
        }
        DomainEvent::Case(CaseEvent::Joined(joined)) => {
            let Ok(case) = CaseId::of_stream(&place.event.stream) else { return Ok(()) };
            let Ok(id) = ComplexId::of_stream(&joined.complex_request) else { return Ok(()) };
            let (case, id) = (case.to_string(), id.to_string());
            for wait in &joined.waits {
                fold.run(
                    "INSERT OR IGNORE INTO complex_wait (awaited, case_id, request, complex_id)
                     VALUES (?1, ?2, ?3, ?4)",
                    [wait.case.as_str(), &case, wait.request.as_str(), &id],
                )?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn of_complex(
    fold: &Fold<'_>,
    place: &Place<'_>,
    id: &str,
    event: &ComplexEvent,
) -> Result<(), ProjectionError> {
    let (leaf, at_ms) = (to_sql(place.leaf.get()), place.time.unix_ms());
    match event {
        ComplexEvent::Opened(opened) => {
            return fold.run(
                "INSERT OR IGNORE INTO complex_request (complex_id, code, opened_ms, leaf)
                 VALUES (?1, ?2, ?3, ?4)",
                params![id, opened.code.as_str(), at_ms, leaf],
            );
        }
        ComplexEvent::ServiceLinked(linked) => {
            let Ok(case) = CaseId::of_stream(&linked.case) else { return Ok(()) };
            let version = to_sql(place.event.version.get());
            fold.run(
                "INSERT OR IGNORE INTO complex_case (complex_id, place, service, case_id)
                 VALUES (?1, ?2, ?3, ?4)",
                params![id, version, linked.service.as_str(), case.to_string()],
            )?;
        }
        ComplexEvent::DependencySatisfied { dependency, .. }
        | ComplexEvent::DependencyLapsed(dependency) => {
            let Ok(case) = CaseId::of_stream(&dependency.case) else { return Ok(()) };
            let satisfied = matches!(event, ComplexEvent::DependencySatisfied { .. });
            let over_by = if satisfied { "satisfied" } else { "lapsed" };
            fold.run(
                "UPDATE complex_wait SET over_by = ?3 WHERE case_id = ?1 AND request = ?2",
                params![case.to_string(), dependency.request.as_str(), over_by],
            )?;
        }
        ComplexEvent::Closed(_) => fold.run(
            "UPDATE complex_request SET closed_ms = ?2 WHERE complex_id = ?1",
            params![id, at_ms],
        )?,
    }
    fold.run("UPDATE complex_request SET leaf = ?2 WHERE complex_id = ?1", params![id, leaf])
}

impl ReadModel {
    /// A complex request.
    ///
    /// # Errors
    /// The database failed.
    pub fn complex_request(
        &self,
        complex: ComplexId,
    ) -> Result<Reflected<Option<ComplexRow>>, ProjectionError> {
        let id = complex.to_string();
        self.query(|connection| {
            let cases = connection
                .prepare_cached(
                    "SELECT service, case_id FROM complex_case WHERE complex_id = ?1
                     ORDER BY place",
                )?
                .query_map([&id], |row| {
                    let service = parsed(row, "service", ServiceCode::parse)?;
                    Ok((service, parsed(row, "case_id", CaseId::parse)?))
                })?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            let waits = connection
                .prepare_cached(
                    "SELECT case_id, request, awaited, over_by FROM complex_wait
                     WHERE complex_id = ?1 ORDER BY case_id, request",
                )?
                .query_map([&id], |row| {
                    Ok(ComplexWait {
                        case: parsed(row, "case_id", CaseId::parse)?,
                        request: row.get("request")?,
                        awaited: parsed(row, "awaited", StreamName::parse)?,
                        over_by: row.get("over_by")?,
                    })
                })?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            connection
                .prepare_cached("SELECT * FROM complex_request WHERE complex_id = ?1")?
                .query_row([&id], |row| {
                    let closed: Option<i64> = row.get("closed_ms")?;
                    Ok(ComplexRow {
                        complex,
                        code: parsed(row, "code", ComplexCode::parse)?,
                        opened_at: time(row, "opened_ms")?,
                        closed_at: closed.map(|_| time(row, "closed_ms")).transpose()?,
                        cases,
                        waits,
                        leaf: LeafIndex::new(number(row, "leaf")?),
                    })
                })
                .optional()
        })
    }

    /// Complex requests that are open though every case of them has ended, at most `most`.
    ///
    /// # Errors
    /// The database failed.
    pub fn complex_requests_to_close(
        &self,
        most: u32,
    ) -> Result<Reflected<Vec<ComplexId>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT complex_id FROM complex_request AS request
                 WHERE closed_ms IS NULL AND NOT EXISTS (
                     SELECT 1 FROM complex_case JOIN case_file USING (case_id)
                     WHERE complex_id = request.complex_id AND status = 'in_progress')
                 ORDER BY complex_id LIMIT ?1",
            )?;
            let rows =
                select.query_map([most], |row| parsed(row, "complex_id", ComplexId::parse))?;
            rows.collect()
        })
    }

    /// Cases in progress with a request that waits for this case.
    ///
    /// # Errors
    /// The database failed.
    pub fn cases_waiting_for(
        &self,
        case: CaseId,
    ) -> Result<Reflected<Vec<CaseId>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT DISTINCT case_id FROM complex_wait JOIN case_file USING (case_id)
                 WHERE awaited = ?1 AND over_by IS NULL AND status = 'in_progress'
                 ORDER BY case_id",
            )?;
            let stream = case.stream();
            let rows =
                select.query_map([stream.as_str()], |row| parsed(row, "case_id", CaseId::parse))?;
            rows.collect()
        })
    }
}
