//! Events that stand in the log and count for nothing: a case that ends without a decision, an
//! entry of an automatic registry that no decision made.
//!
//! The ledger takes whatever an agency signs. What does not follow from what the log had before
//! changes no table; it is listed here with the reason, for everybody to see. Not here: whether a
//! decision is right, which `letopis-verify` says.

use letopis_ledger::id::{AgencyId, StreamName};
use letopis_ledger::json::Json;
use letopis_ledger::record::Event;
use letopis_ledger::{LeafIndex, StreamVersion, Timestamp};
use rusqlite::{OptionalExtension, params};

use super::row::{number, parsed, time, to_sql};
use super::{Fold, Place, ProjectionError, ReadModel, Reflected};
use crate::case::{CaseStatus, follows_the_end};
use crate::code::RegistryCode;
use crate::event::{Basis, CaseEvent, CaseId, DomainEvent, EntryEvent, EntryId, RegistryWriter};

pub(super) const TABLES: &str = "
    CREATE TABLE misplaced_event (
        stream TEXT NOT NULL, version INTEGER NOT NULL, event_type TEXT NOT NULL,
        author TEXT NOT NULL, at_ms INTEGER NOT NULL, leaf INTEGER NOT NULL, reason TEXT NOT NULL,
        PRIMARY KEY (stream, version)
    ) WITHOUT ROWID;
    CREATE INDEX misplaced_event_leaf ON misplaced_event (leaf);
";
pub(super) const CONTENT: (&str, &str) = ("misplaced_event", "stream, version");

const DECIDED: &str = "application.decided";
const GRANTED: &str = "granted";
const REFUSED: &str = "refused";

/// An event that counts for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MisplacedRow {
    /// Its stream.
    pub stream: StreamName,
    /// Its number in the stream.
    pub version: StreamVersion,
    /// Its type.
    pub event_type: String,
    /// Who signed it.
    pub author: AgencyId,
    /// When the log took it.
    pub at: Timestamp,
    /// The leaf that carries it.
    pub leaf: LeafIndex,
    /// Why it does not count, in English.
    pub reason: String,
}

/// Why an event does not count, noted in the table; nothing when it does.
pub(super) fn fold(
    fold: &Fold<'_>,
    place: &Place<'_>,
    event: &DomainEvent,
) -> Result<Option<&'static str>, ProjectionError> {
    let reason = match event {
        DomainEvent::Case(event) => of_case(fold, place, event),
        DomainEvent::Entry(event) => of_entry(fold, place, event),
        _ => Ok(None),
    };
    let reason = reason.map_err(|e| fold.model.failed(e))?;
    if let Some(reason) = reason {
        fold.run(
            "INSERT INTO misplaced_event
             (stream, version, event_type, author, at_ms, leaf, reason)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                place.event.stream.as_str(),
                to_sql(place.event.version.get()),
                place.event.event_type.as_str(),
                place.author.as_str(),
                place.time.unix_ms(),
                to_sql(place.leaf.get()),
                reason,
            ],
        )?;
    }
    Ok(reason)
}

fn of_case(
    fold: &Fold<'_>,
    place: &Place<'_>,
    event: &CaseEvent,
) -> rusqlite::Result<Option<&'static str>> {
    let Ok(case) = CaseId::of_stream(&place.event.stream) else {
        return Ok(Some("its stream is not named after a case"));
    };
    let status: Option<String> = fold
        .transaction
        .prepare_cached("SELECT status FROM case_file WHERE case_id = ?1")?
        .query_row([case.to_string()], |row| row.get(0))
        .optional()?;
    let open = status.as_deref().map(|status| status == CaseStatus::InProgress.as_str());
    Ok(match (event, open) {
        (CaseEvent::Submitted(_), None) => None,
        (CaseEvent::Submitted(_), Some(_)) => Some("the case was submitted before"),
        (_, None) => Some("the case was not submitted"),
        (event, Some(false)) if !follows_the_end(event) => Some("the case had ended"),
        (CaseEvent::ResultIssued(_), _) => {
            (!decided_before(place, GRANTED)).then_some("its record grants nothing")
        }
        (CaseEvent::RefusalIssued { .. }, _) => {
            (!decided_before(place, REFUSED)).then_some("its record refuses nothing")
        }
        (CaseEvent::Decided(_), _) if !ended_after(place) => {
            Some("neither a result nor a refusal follows in its record")
        }
        _ => None,
    })
}

/// Whether the event directly before it in its record decides the case so.
fn decided_before(place: &Place<'_>, outcome: &str) -> bool {
    let version = place.event.version.get().checked_sub(1);
    version.is_some_and(|version| {
        decides(place, &place.event.stream, StreamVersion::new(version), outcome)
    })
}

fn decides(place: &Place<'_>, stream: &StreamName, version: StreamVersion, outcome: &str) -> bool {
    let is = |event: &&Event| {
        &event.stream == stream
            && event.version == version
            && event.event_type.as_str() == DECIDED
            && event.data.get("outcome").and_then(Json::as_str) == Some(outcome)
    };
    place.record.events().iter().any(|event| is(&event))
}

fn ended_after(place: &Place<'_>) -> bool {
    let next = place.event.version.next();
    place.record.events().iter().any(|event| {
        event.stream == place.event.stream
            && event.version == next
            && matches!(
                event.event_type.as_str(),
                "application.result_issued" | "application.refusal_issued"
            )
    })
}

fn of_entry(
    fold: &Fold<'_>,
    place: &Place<'_>,
    event: &EntryEvent,
) -> rusqlite::Result<Option<&'static str>> {
    let stream = &place.event.stream;
    let Ok(entry) = EntryId::of_stream(stream) else {
        return Ok(Some("its stream is not named after an entry"));
    };
    if let EntryEvent::Created(created) = event {
        if entry.registry() != &created.registry {
            return Ok(Some("it states another registry than its stream"));
        }
        let writer = writer_of(fold, place, &created.registry)?;
        return Ok(basis_fails(place, writer, &created.basis, GRANTED));
    }
    let found: Option<(String, String, String)> = fold
        .transaction
        .prepare_cached("SELECT registry, author, status FROM registry_entry WHERE stream = ?1")?
        .query_row([stream.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((registry, author, status)) = found else {
        return Ok(Some("there is no such entry"));
    };
    if author != place.author.as_str() {
        return Ok(Some("the entry is another agency's"));
    }
    if status != "in_force" {
        return Ok(Some("the entry had gone out"));
    }
    let (basis, outcome) = match event {
        EntryEvent::Amended(amended) => (&amended.basis, GRANTED),
        EntryEvent::Revised(revised) => (&revised.basis, GRANTED),
        EntryEvent::Excluded(excluded) => (&excluded.basis, REFUSED),
        EntryEvent::Created(_) | EntryEvent::Expired { .. } => return Ok(None),
    };
    let registry = RegistryCode::parse(&registry).ok();
    let writer = registry.map(|code| writer_of(fold, place, &code)).transpose()?.flatten();
    Ok(basis_fails(place, writer, basis, outcome))
}

/// Why a basis does not give the right to write; a registry whose writer the log does not state
/// takes documents and decisions.
fn basis_fails(
    place: &Place<'_>,
    writer: Option<RegistryWriter>,
    basis: &Basis,
    outcome: &str,
) -> Option<&'static str> {
    match (basis, writer) {
        (Basis::Decision { stream, version }, _) if !decides(place, stream, *version, outcome) => {
            Some("its record has no such decision")
        }
        (Basis::Decision { .. }, Some(RegistryWriter::Manual)) => {
            Some("the registry is written by a keeper, on documents")
        }
        (Basis::Document(_), Some(RegistryWriter::Automatic)) => {
            Some("the registry is written by decisions alone")
        }
        (Basis::Fact { .. }, _) if outcome == GRANTED => {
            Some("a fact takes an entry out and does nothing else")
        }
        _ => None,
    }
}

fn writer_of(
    fold: &Fold<'_>,
    place: &Place<'_>,
    registry: &RegistryCode,
) -> rusqlite::Result<Option<RegistryWriter>> {
    let writer: Option<String> = fold
        .transaction
        .prepare_cached("SELECT writer FROM registry_writer WHERE author = ?1 AND registry = ?2")?
        .query_row([place.author.as_str(), registry.as_str()], |row| row.get(0))
        .optional()?;
    Ok(writer.and_then(|writer| RegistryWriter::parse(&writer)))
}

impl ReadModel {
    /// Events that count for nothing, of every agency, in the order of the log, after a leaf:
    /// those of whole leaves, until there are `most`.
    ///
    /// # Errors
    /// The database failed.
    pub fn misplaced_events(
        &self,
        after: Option<LeafIndex>,
        most: u32,
    ) -> Result<Reflected<Vec<MisplacedRow>>, ProjectionError> {
        let after = after.map_or(-1, |leaf| i64::try_from(leaf.get()).unwrap_or(i64::MAX));
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT * FROM misplaced_event WHERE leaf > ?1 AND leaf <= ifnull(
                     (SELECT leaf FROM misplaced_event WHERE leaf > ?1 ORDER BY leaf
                      LIMIT 1 OFFSET ?2 - 1), ?3)
                 ORDER BY leaf, stream, version",
            )?;
            let rows = select.query_map(params![after, most, i64::MAX], |row| {
                Ok(MisplacedRow {
                    stream: parsed(row, "stream", StreamName::parse)?,
                    version: StreamVersion::new(number(row, "version")?),
                    event_type: row.get("event_type")?,
                    author: parsed(row, "author", AgencyId::parse)?,
                    at: time(row, "at_ms")?,
                    leaf: LeafIndex::new(number(row, "leaf")?),
                    reason: row.get("reason")?,
                })
            })?;
            rows.collect()
        })
    }
}
