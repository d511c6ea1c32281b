//! Requests of cases: what was asked, of whom, and what came.

use letopis_ledger::id::StreamName;
use letopis_ledger::{LeafIndex, StreamVersion, Timestamp};
use rusqlite::params;

use super::row::{number, optional_number, parsed, time, to_sql};
use super::{Fold, Place, Projection, ProjectionError, ReadModel, Reflected};
use crate::code::StepCode;
use crate::event::{CaseEvent, CaseId, DomainEvent, Source};

pub(super) const PROJECTION: Projection = Projection {
    tables: "
        CREATE TABLE request (
            case_id TEXT NOT NULL, request TEXT NOT NULL, kind TEXT NOT NULL,
            target TEXT NOT NULL, mandatory INTEGER NOT NULL, due_ms INTEGER NOT NULL,
            sent_ms INTEGER NOT NULL, sent_leaf INTEGER NOT NULL,
            outcome TEXT, answered_ms INTEGER, answered_leaf INTEGER,
            source_stream TEXT, source_version INTEGER, source_leaf INTEGER,
            leaf INTEGER NOT NULL,
            PRIMARY KEY (case_id, request)
        ) WITHOUT ROWID;
    ",
    content: &[("request", "case_id, request")],
    fold,
};

/// A request as the tables have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRow {
    /// The request's step in the regulation.
    pub request: StepCode,
    /// The kind of who is asked: `registry`, `external`, `organisation`, `unit`, `head`,
    /// `executor` or `applicant`.
    pub kind: String,
    /// The registry's or unit's code, or whom it was sent to.
    pub target: String,
    /// Whether the decision waits for it.
    pub mandatory: bool,
    /// Last instant at which an answer is in time.
    pub due: Timestamp,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// The leaf that sent it.
    pub sent_leaf: LeafIndex,
    /// `answered` or `no_data`, when there is an answer.
    pub outcome: Option<String>,
    /// The leaf of the answer.
    pub answered_leaf: Option<LeafIndex>,
    /// The registry entry that the answer was taken from.
    pub source: Option<Source>,
}

fn fold(fold: &Fold<'_>, place: &Place<'_>, event: &DomainEvent) -> Result<(), ProjectionError> {
    let Ok(case) = CaseId::of_stream(&place.event.stream) else { return Ok(()) };
    let (case, leaf) = (case.to_string(), to_sql(place.leaf.get()));
    match event {
        DomainEvent::Case(CaseEvent::RequestSent(sent)) => {
            let (kind, target) = (sent.target.kind(), sent.target.name());
            fold.run(
                "INSERT OR IGNORE INTO request
                 (case_id, request, kind, target, mandatory, due_ms, sent_ms, sent_leaf, leaf)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)",
                params![
                    case,
                    sent.request.as_str(),
                    kind,
                    target,
                    sent.mandatory,
                    sent.due.unix_ms(),
                    place.time.unix_ms(),
                    leaf,
                ],
            )
        }
        DomainEvent::Case(CaseEvent::RequestAnswered(answered)) => {
            let outcome = answered.outcome.as_str();
            let source = answered.source.as_ref();
            fold.run(
                "UPDATE request SET outcome = ?3, answered_ms = ?4, answered_leaf = ?5, leaf = ?5,
                 source_stream = ?6, source_version = ?7, source_leaf = ?8
                 WHERE case_id = ?1 AND request = ?2",
                params![
                    case,
                    answered.request.as_str(),
                    outcome,
                    place.time.unix_ms(),
                    leaf,
                    source.map(|source| source.stream.as_str()),
                    source.map(|source| to_sql(source.version.get())),
                    source.map(|source| to_sql(source.leaf.get())),
                ],
            )
        }
        _ => Ok(()),
    }
}

impl ReadModel {
    /// The requests of a case, by code.
    ///
    /// # Errors
    /// The database failed.
    pub fn requests(&self, case: CaseId) -> Result<Reflected<Vec<RequestRow>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection
                .prepare_cached("SELECT * FROM request WHERE case_id = ?1 ORDER BY request")?;
            let rows = select.query_map([case.to_string()], |row| {
                let source_stream: Option<String> = row.get("source_stream")?;
                let source = match source_stream {
                    None => None,
                    Some(_) => Some(Source {
                        stream: parsed(row, "source_stream", StreamName::parse)?,
                        version: StreamVersion::new(number(row, "source_version")?),
                        leaf: LeafIndex::new(number(row, "source_leaf")?),
                    }),
                };
                Ok(RequestRow {
                    request: parsed(row, "request", StepCode::parse)?,
                    kind: row.get("kind")?,
                    target: row.get("target")?,
                    mandatory: row.get("mandatory")?,
                    due: time(row, "due_ms")?,
                    sent_at: time(row, "sent_ms")?,
                    sent_leaf: LeafIndex::new(number(row, "sent_leaf")?),
                    outcome: row.get("outcome")?,
                    answered_leaf: optional_number(row, "answered_leaf")?.map(LeafIndex::new),
                    source,
                })
            })?;
            rows.collect()
        })
    }
}
