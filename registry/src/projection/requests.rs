//! Requests of cases: what was asked, of whom, and what came.

use letopis_ledger::id::StreamName;
use letopis_ledger::{LeafIndex, StreamVersion, Timestamp};
use rusqlite::params;

use super::row::{list_text, number, optional_number, parsed, time, to_sql};
use super::{Fold, Place, Projection, ProjectionError, ReadModel, Reflected};
use crate::code::{FieldPath, StepCode, UnitCode};
use crate::event::{
    CaseEvent, CaseId, DomainEvent, EscalationReason, HeldPost, OfficialId, RequestAnswered,
    RequestEscalated, RequestTarget, Source,
};
use crate::pack::Role;

pub(super) const PROJECTION: Projection = Projection {
    tables: "
        CREATE TABLE request (
            case_id TEXT NOT NULL, request TEXT NOT NULL, kind TEXT NOT NULL,
            target TEXT NOT NULL, mandatory INTEGER NOT NULL, due_ms INTEGER NOT NULL,
            sent_ms INTEGER NOT NULL, sent_leaf INTEGER NOT NULL,
            official TEXT, way TEXT,
            outcome TEXT, answered_ms INTEGER, answered_leaf INTEGER, answered_version INTEGER,
            source_stream TEXT, source_version INTEGER, source_leaf INTEGER,
            attempts INTEGER NOT NULL, breached INTEGER NOT NULL,
            escalated TEXT, escalated_ms INTEGER,
            escalated_unit TEXT, escalated_role TEXT, escalated_official TEXT,
            leaf INTEGER NOT NULL,
            PRIMARY KEY (case_id, request)
        ) WITHOUT ROWID;
        CREATE INDEX request_open ON request (kind, target) WHERE outcome IS NULL;
        CREATE INDEX request_escalated ON request (escalated_unit)
            WHERE escalated IS NOT NULL AND outcome IS NULL;
        CREATE INDEX request_source ON request (source_stream) WHERE source_stream IS NOT NULL;
        CREATE TABLE subrequest (
            case_id TEXT NOT NULL, subrequest TEXT NOT NULL, addressee TEXT NOT NULL,
            way TEXT NOT NULL, mandatory INTEGER NOT NULL, due_ms INTEGER NOT NULL,
            opened_ms INTEGER NOT NULL, outcome TEXT, closed_ms INTEGER, leaf INTEGER NOT NULL,
            PRIMARY KEY (case_id, subrequest)
        ) WITHOUT ROWID;
        CREATE TABLE set_aside (
            case_id TEXT NOT NULL, version INTEGER NOT NULL, request TEXT NOT NULL,
            reason TEXT NOT NULL, way TEXT NOT NULL, leaf INTEGER NOT NULL,
            PRIMARY KEY (case_id, version)
        ) WITHOUT ROWID;
    ",
    content: &[
        ("request", "case_id, request"),
        ("subrequest", "case_id, subrequest"),
        ("set_aside", "case_id, version"),
    ],
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
    /// The person asked, when one was named.
    pub official: Option<OfficialId>,
    /// How the answer came, when no program fetched it.
    pub way: Option<String>,
    /// `answered` or `no_data` when there is an answer, `timed_out` when the term ended without
    /// one, `omitted` when it was never sent.
    pub outcome: Option<String>,
    /// The answer's number in the case's stream.
    pub answered_version: Option<StreamVersion>,
    /// The leaf of the answer.
    pub answered_leaf: Option<LeafIndex>,
    /// The registry entry that the answer, or the first one that it repeats, was taken from.
    pub source: Option<Source>,
    /// How often it was sent.
    pub attempts: u64,
    /// Whether it is on record that its term has passed and the case waits on.
    pub breached: bool,
    /// Who took it over, and why.
    pub escalated: Option<EscalatedRow>,
}

/// The escalation of a request as the tables have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EscalatedRow {
    /// Why.
    pub reason: EscalationReason,
    /// The post that closes it.
    pub post: HeldPost,
    /// Whom the rule named.
    pub official: Option<OfficialId>,
    /// When.
    pub at: Timestamp,
}

/// A subrequest as the tables have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubrequestRow {
    /// Its path.
    pub path: String,
    /// Who is asked.
    pub addressee: String,
    /// How.
    pub way: String,
    /// Whether the answer above waits for it.
    pub mandatory: bool,
    /// Last instant at which an answer is in time.
    pub due: Timestamp,
    /// `answered`, `no_data` or `cancelled` when it is closed.
    pub outcome: Option<String>,
}

fn fold(fold: &Fold<'_>, place: &Place<'_>, event: &DomainEvent) -> Result<(), ProjectionError> {
    let DomainEvent::Case(event) = event else { return Ok(()) };
    let Ok(case) = CaseId::of_stream(&place.event.stream) else { return Ok(()) };
    let (case, leaf) = (case.to_string(), to_sql(place.leaf.get()));
    match event {
        CaseEvent::RequestSent(sent) => {
            let official = match &sent.target {
                RequestTarget::Executor(_, official) => Some(official.to_string()),
                _ => None,
            };
            fold.run(
                "INSERT OR IGNORE INTO request
                 (case_id, request, kind, target, mandatory, due_ms, sent_ms, sent_leaf, leaf,
                  official, attempts, breached)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9, 1, 0)",
                params![
                    case,
                    sent.request.as_str(),
                    sent.target.kind(),
                    sent.target.name(),
                    sent.mandatory,
                    sent.due.unix_ms(),
                    place.time.unix_ms(),
                    leaf,
                    official,
                ],
            )
        }
        CaseEvent::RequestOmitted(code) => fold.run(
            "INSERT OR IGNORE INTO request
             (case_id, request, kind, target, mandatory, due_ms, sent_ms, sent_leaf, leaf, outcome,
              attempts, breached)
             VALUES (?1, ?2, 'none', '', 0, ?3, ?3, ?4, ?4, 'omitted', 0, 0)",
            params![case, code.as_str(), place.time.unix_ms(), leaf],
        ),
        CaseEvent::RequestAnswered(answered) => answer(fold, place, &case, answered),
        CaseEvent::RequestTimedOut(code) => fold.run(
            "UPDATE request SET outcome = 'timed_out', answered_ms = ?3, leaf = ?4
             WHERE case_id = ?1 AND request = ?2",
            params![case, code.as_str(), place.time.unix_ms(), leaf],
        ),
        CaseEvent::RequestEscalated(escalated) => escalate(fold, place, &case, escalated),
        CaseEvent::RequestRetried(retried) => fold.run(
            "UPDATE request SET attempts = ?3, leaf = ?4 WHERE case_id = ?1 AND request = ?2",
            params![case, retried.request.as_str(), retried.attempt, leaf],
        ),
        CaseEvent::RequestBreached(breached) => fold.run(
            "UPDATE request SET breached = 1, leaf = ?3 WHERE case_id = ?1 AND request = ?2",
            params![case, breached.request.as_str(), leaf],
        ),
        other => fold_aside(fold, place, &case, other),
    }
}

/// What brought nothing is open again, for the official who takes it over.
fn escalate(
    fold: &Fold<'_>,
    place: &Place<'_>,
    case: &str,
    escalated: &RequestEscalated,
) -> Result<(), ProjectionError> {
    fold.run(
        "UPDATE request SET escalated = ?3, escalated_ms = ?4, escalated_unit = ?5,
         escalated_role = ?6, escalated_official = ?7, outcome = NULL, answered_ms = NULL,
         answered_leaf = NULL, answered_version = NULL,
         source_stream = NULL, source_version = NULL, source_leaf = NULL,
         way = NULL, leaf = ?8
         WHERE case_id = ?1 AND request = ?2",
        params![
            case,
            escalated.request.as_str(),
            escalated.reason.as_str(),
            place.time.unix_ms(),
            escalated.post.unit.as_str(),
            escalated.post.role.as_str(),
            escalated.official.map(|official| official.to_string()),
            to_sql(place.leaf.get()),
        ],
    )
}

fn answer(
    fold: &Fold<'_>,
    place: &Place<'_>,
    case: &str,
    answered: &RequestAnswered,
) -> Result<(), ProjectionError> {
    let source = answered.source.as_ref();
    fold.run(
        "UPDATE request SET outcome = ?3, answered_ms = ?4, answered_leaf = ?5, leaf = ?5,
         source_stream = ?6, source_version = ?7, source_leaf = ?8, way = ?9,
         answered_version = ?10
         WHERE case_id = ?1 AND request = ?2",
        params![
            case,
            answered.request.as_str(),
            answered.outcome.as_str(),
            place.time.unix_ms(),
            to_sql(place.leaf.get()),
            source.map(|source| source.stream.as_str()),
            source.map(|source| to_sql(source.version.get())),
            source.map(|source| to_sql(source.leaf.get())),
            answered.came.as_ref().map(|came| came.way.as_str()),
            to_sql(place.event.version.get()),
        ],
    )?;
    let earlier = source.and_then(|source| CaseId::of_stream(&source.stream).ok());
    let (Some(earlier), Some(source)) = (earlier, source) else { return Ok(()) };
    // An answer that serves again rests on the entry that the first one was taken from.
    fold.run(
        "UPDATE request SET source_stream = first.source_stream,
         source_version = first.source_version, source_leaf = first.source_leaf
         FROM (SELECT source_stream, source_version, source_leaf FROM request
               WHERE case_id = ?3 AND answered_version = ?4
               AND source_stream IS NOT NULL) AS first
         WHERE case_id = ?1 AND request = ?2",
        params![
            case,
            answered.request.as_str(),
            earlier.to_string(),
            to_sql(source.version.get()),
        ],
    )
}

/// Subrequests, and answers that do not count.
fn fold_aside(
    fold: &Fold<'_>,
    place: &Place<'_>,
    case: &str,
    event: &CaseEvent,
) -> Result<(), ProjectionError> {
    let leaf = to_sql(place.leaf.get());
    let close = |path: &FieldPath, outcome: &str| {
        fold.run(
            "UPDATE subrequest SET outcome = ?3, closed_ms = ?4, leaf = ?5
             WHERE case_id = ?1 AND subrequest = ?2",
            params![case, path.as_str(), outcome, place.time.unix_ms(), leaf],
        )
    };
    match event {
        CaseEvent::SubrequestOpened(opened) => fold.run(
            "INSERT OR IGNORE INTO subrequest
             (case_id, subrequest, addressee, way, mandatory, due_ms, opened_ms, leaf)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                case,
                opened.subrequest.as_str(),
                opened.addressee,
                opened.way.as_str(),
                opened.mandatory,
                opened.due.unix_ms(),
                place.time.unix_ms(),
                leaf,
            ],
        ),
        CaseEvent::SubrequestAnswered(event) => close(&event.subrequest, event.outcome.as_str()),
        CaseEvent::SubrequestCancelled(path) => close(path, "cancelled"),
        CaseEvent::AnswerSetAside(event) => fold.run(
            "INSERT OR IGNORE INTO set_aside (case_id, version, request, reason, way, leaf)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                case,
                to_sql(place.event.version.get()),
                event.request,
                event.reason.as_str(),
                event.came.way.as_str(),
                leaf,
            ],
        ),
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
            let rows = select.query_map([case.to_string()], request_row)?;
            rows.collect()
        })
    }

    /// Open requests of open cases that were sent to a unit, its head or a person of it, with
    /// their cases, the ones due first.
    ///
    /// # Errors
    /// The database failed.
    pub fn open_requests_of(
        &self,
        unit: &UnitCode,
        most: u32,
    ) -> Result<Reflected<Vec<(CaseId, RequestRow)>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT r.* FROM request AS r JOIN case_file AS c USING (case_id)
                 WHERE r.kind IN ('unit', 'head', 'executor') AND r.target = ?1
                 AND r.escalated IS NULL AND r.outcome IS NULL AND c.status = 'in_progress'
                 ORDER BY r.due_ms, r.case_id, r.request LIMIT ?2",
            )?;
            select.query_map(params![unit.as_str(), most], of_case)?.collect()
        })
    }

    /// Open escalated requests of open cases that a post of a unit closes, with their cases, the
    /// ones due first.
    ///
    /// # Errors
    /// The database failed.
    pub fn open_escalations(
        &self,
        unit: &UnitCode,
        most: u32,
    ) -> Result<Reflected<Vec<(CaseId, RequestRow)>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT r.* FROM request AS r JOIN case_file AS c USING (case_id)
                 WHERE r.escalated_unit = ?1 AND r.escalated IS NOT NULL
                 AND r.outcome IS NULL AND c.status = 'in_progress'
                 ORDER BY r.due_ms, r.case_id, r.request LIMIT ?2",
            )?;
            select.query_map(params![unit.as_str(), most], of_case)?.collect()
        })
    }

    /// Open requests of these kinds, whoever is asked, with their cases, the ones due first: of all
    /// cases, or of those that an official works on.
    ///
    /// # Errors
    /// The database failed.
    pub fn open_requests_to(
        &self,
        kinds: &[&str],
        works: Option<OfficialId>,
        most: u32,
    ) -> Result<Reflected<Vec<(CaseId, RequestRow)>>, ProjectionError> {
        let (kinds, works) = (list_text(kinds), works.map(|official| official.to_string()));
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT r.* FROM request AS r JOIN case_control AS c USING (case_id)
                 WHERE r.kind IN (SELECT value FROM json_each(?1)) AND r.outcome IS NULL
                 AND c.open = 1 AND c.author = ?3 AND (?2 IS NULL OR c.official = ?2)
                 ORDER BY r.due_ms, r.case_id, r.request LIMIT ?4",
            )?;
            select.query_map(params![kinds, works, self.owner(), most], of_case)?.collect()
        })
    }

    /// The subrequests of a case, by path.
    ///
    /// # Errors
    /// The database failed.
    pub fn subrequests(
        &self,
        case: CaseId,
    ) -> Result<Reflected<Vec<SubrequestRow>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT * FROM subrequest WHERE case_id = ?1 ORDER BY subrequest",
            )?;
            let rows = select.query_map([case.to_string()], |row| {
                Ok(SubrequestRow {
                    path: row.get("subrequest")?,
                    addressee: row.get("addressee")?,
                    way: row.get("way")?,
                    mandatory: row.get("mandatory")?,
                    due: time(row, "due_ms")?,
                    outcome: row.get("outcome")?,
                })
            })?;
            rows.collect()
        })
    }
}

/// A request with its case.
fn of_case(row: &rusqlite::Row<'_>) -> rusqlite::Result<(CaseId, RequestRow)> {
    Ok((parsed(row, "case_id", CaseId::parse)?, request_row(row)?))
}

fn request_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<RequestRow> {
    let source_stream: Option<String> = row.get("source_stream")?;
    let source = match source_stream {
        None => None,
        Some(_) => Some(Source {
            stream: parsed(row, "source_stream", StreamName::parse)?,
            version: StreamVersion::new(number(row, "source_version")?),
            leaf: LeafIndex::new(number(row, "source_leaf")?),
        }),
    };
    let official: Option<String> = row.get("official")?;
    let official = match official {
        None => None,
        Some(_) => Some(parsed(row, "official", OfficialId::parse)?),
    };
    Ok(RequestRow {
        request: parsed(row, "request", StepCode::parse)?,
        kind: row.get("kind")?,
        target: row.get("target")?,
        mandatory: row.get("mandatory")?,
        due: time(row, "due_ms")?,
        sent_at: time(row, "sent_ms")?,
        sent_leaf: LeafIndex::new(number(row, "sent_leaf")?),
        official,
        way: row.get("way")?,
        outcome: row.get("outcome")?,
        answered_version: optional_number(row, "answered_version")?.map(StreamVersion::new),
        answered_leaf: optional_number(row, "answered_leaf")?.map(LeafIndex::new),
        source,
        attempts: number(row, "attempts")?,
        breached: row.get("breached")?,
        escalated: escalated_row(row)?,
    })
}

fn escalated_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<EscalatedRow>> {
    let (escalated, official): (Option<String>, Option<String>) =
        (row.get("escalated")?, row.get("escalated_official")?);
    if escalated.is_none() {
        return Ok(None);
    }
    let official = match official {
        None => None,
        Some(_) => Some(parsed(row, "escalated_official", OfficialId::parse)?),
    };
    let role = |text: &str| Role::parse(text).ok_or(std::fmt::Error);
    let post = HeldPost {
        unit: parsed(row, "escalated_unit", UnitCode::parse)?,
        role: parsed(row, "escalated_role", role)?,
    };
    let reason = |text: &str| EscalationReason::parse(text).map_err(|_| std::fmt::Error);
    let reason = parsed(row, "escalated", reason)?;
    Ok(Some(EscalatedRow { reason, post, official, at: time(row, "escalated_ms")? }))
}
