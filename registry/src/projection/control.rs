//! Control: every case of every agency with its stage, owner and clock, and who decided what.
//!
//! A stage is what a case waits for; it is noted once a leaf, as the leaf leaves it. Not here:
//! what of a term is left, which depends on the instant and the calendar (`statistics`).

mod acts;
mod list;

use letopis_ledger::Timestamp;
use letopis_rules::deadline::Term;
use rusqlite::params;

use super::row::to_sql;
use super::{Fold, Place, Projection, ProjectionError};
use crate::event::{CaseEvent, CaseId, DomainEvent, NewEnd, Registered, Submitted};
use crate::statistics::TermUnit;

pub use acts::{DecidedRow, OfficialFigures};
pub use list::{ControlQuery, ControlRow, OpenRequest};

pub(super) const PROJECTION: Projection = Projection {
    tables: "
        CREATE TABLE case_control (
            case_id TEXT PRIMARY KEY, author TEXT NOT NULL, service TEXT NOT NULL,
            channel TEXT NOT NULL, number TEXT, registered_ms INTEGER, due_ms INTEGER,
            term_unit TEXT, provisional INTEGER, open INTEGER NOT NULL,
            warned INTEGER NOT NULL, breached_ms INTEGER,
            suspended_ms INTEGER, suspended_until_ms INTEGER,
            stage_due_ms INTEGER, stage_breached INTEGER NOT NULL, by_people INTEGER NOT NULL,
            proposal INTEGER, unit TEXT, official TEXT, leaf INTEGER NOT NULL
        ) WITHOUT ROWID;
        CREATE INDEX case_control_open ON case_control (due_ms, case_id) WHERE open = 1;
        CREATE INDEX case_control_official ON case_control (official);
        CREATE TABLE case_stage (
            case_id TEXT NOT NULL, leaf INTEGER NOT NULL, stage TEXT NOT NULL,
            entered_ms INTEGER NOT NULL,
            PRIMARY KEY (case_id, leaf)
        ) WITHOUT ROWID;
        CREATE TABLE case_pause (
            case_id TEXT NOT NULL, from_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL,
            PRIMARY KEY (case_id, from_ms)
        ) WITHOUT ROWID;
        CREATE TABLE official_act (
            case_id TEXT NOT NULL, version INTEGER NOT NULL, act TEXT NOT NULL,
            official TEXT NOT NULL, proposal INTEGER NOT NULL, acted_ms INTEGER NOT NULL,
            leaf INTEGER NOT NULL,
            PRIMARY KEY (case_id, version)
        ) WITHOUT ROWID;
        CREATE INDEX official_act_official ON official_act (official);
    ",
    content: &[
        ("case_control", "case_id"),
        ("case_stage", "case_id, leaf"),
        ("case_pause", "case_id, from_ms"),
        ("official_act", "case_id, version"),
    ],
    fold,
};

/// What an open case waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Its clock stands still: the applicant answers.
    Suspended,
    /// A proposal waits for agreement or signature.
    Agreement,
    /// An official has to close a request that brought nothing.
    Official,
    /// A mandatory request waits for its answer.
    Requests,
    /// The rules or an official decide.
    Decision,
}

impl Stage {
    const ALL: [Self; 5] =
        [Self::Suspended, Self::Agreement, Self::Official, Self::Requests, Self::Decision];

    /// The stage as tables and interfaces spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Suspended => "suspended",
            Self::Agreement => "agreement",
            Self::Official => "official",
            Self::Requests => "requests",
            Self::Decision => "decision",
        }
    }

    /// Reads the spelling of [`Stage::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == text)
    }
}

fn fold(fold: &Fold<'_>, place: &Place<'_>, event: &DomainEvent) -> Result<(), ProjectionError> {
    let DomainEvent::Case(event) = event else { return Ok(()) };
    let Ok(case) = CaseId::of_stream(&place.event.stream) else { return Ok(()) };
    let case = case.to_string();
    if is_of_people(event) {
        fold.run("UPDATE case_control SET by_people = 1 WHERE case_id = ?1", params![case])?;
    }
    match event {
        CaseEvent::Submitted(submitted) => submit(fold, place, &case, submitted)?,
        CaseEvent::Registered(registered) => register(fold, &case, registered)?,
        CaseEvent::TermChanged(changed) => {
            fold.run(
                "UPDATE case_control SET term_unit = ?2 WHERE case_id = ?1",
                params![case, unit_of(changed.term)],
            )?;
            move_end(fold, &case, changed.end)?;
        }
        CaseEvent::DeadlineWarned(_) => {
            fold.run("UPDATE case_control SET warned = 1 WHERE case_id = ?1", params![case])?
        }
        CaseEvent::DeadlineBreached(due) => fold.run(
            "UPDATE case_control SET breached_ms = ?2 WHERE case_id = ?1",
            params![case, due.unix_ms()],
        )?,
        CaseEvent::StageBegun(begun) => fold.run(
            "UPDATE case_control SET stage_due_ms = ?2, stage_breached = 0 WHERE case_id = ?1",
            params![case, begun.due.unix_ms()],
        )?,
        CaseEvent::StageBreached(_) => fold
            .run("UPDATE case_control SET stage_breached = 1 WHERE case_id = ?1", params![case])?,
        CaseEvent::Assigned(assigned) => fold.run(
            "UPDATE case_control SET unit = ?2, official = ?3 WHERE case_id = ?1",
            params![case, assigned.unit.as_str(), assigned.official.to_string()],
        )?,
        CaseEvent::RequestEscalated(escalated) => fold.run(
            "UPDATE case_control SET unit = ?2, official = ?3
             WHERE case_id = ?1 AND official IS NULL",
            params![
                case,
                escalated.post.unit.as_str(),
                escalated.official.map(|official| official.to_string()),
            ],
        )?,
        CaseEvent::ClockSuspended(suspended) => fold.run(
            "UPDATE case_control SET suspended_ms = ?2, suspended_until_ms = ?3
             WHERE case_id = ?1",
            params![case, suspended.at.unix_ms(), suspended.until.unix_ms()],
        )?,
        CaseEvent::ClockResumed(resumed) => resume(fold, &case, resumed.at, resumed.end)?,
        CaseEvent::ResultIssued(_)
        | CaseEvent::RefusalIssued { .. }
        | CaseEvent::IntakeRefused(_)
        | CaseEvent::Cancelled(_) => {
            fold.run("UPDATE case_control SET open = 0 WHERE case_id = ?1", params![case])?;
        }
        _ => acts::fold(fold, place, &case, event)?,
    }
    fold.run(
        "UPDATE case_control SET leaf = ?2 WHERE case_id = ?1",
        params![case, to_sql(place.leaf.get())],
    )?;
    if moves_on(event) { note_stage(fold, place, &case) } else { Ok(()) }
}

fn submit(
    fold: &Fold<'_>,
    place: &Place<'_>,
    case: &str,
    submitted: &Submitted,
) -> Result<(), ProjectionError> {
    fold.run(
        "INSERT OR IGNORE INTO case_control
         (case_id, author, service, channel, open, warned, stage_breached, by_people, leaf)
         VALUES (?1, ?2, ?3, ?4, 1, 0, 0, 0, ?5)",
        params![
            case,
            place.author.as_str(),
            submitted.service.as_str(),
            submitted.channel.as_str(),
            to_sql(place.leaf.get()),
        ],
    )
}

fn register(fold: &Fold<'_>, case: &str, registered: &Registered) -> Result<(), ProjectionError> {
    fold.run(
        "UPDATE case_control SET number = ?2, registered_ms = ?3, due_ms = ?4, provisional = ?5,
         term_unit = ?6 WHERE case_id = ?1",
        params![
            case,
            registered.number,
            registered.registered_at.unix_ms(),
            registered.due.unix_ms(),
            registered.provisional,
            unit_of(registered.term),
        ],
    )
}

fn resume(fold: &Fold<'_>, case: &str, at: Timestamp, end: NewEnd) -> Result<(), ProjectionError> {
    fold.run(
        "INSERT OR IGNORE INTO case_pause (case_id, from_ms, until_ms)
         SELECT case_id, suspended_ms, ?2 FROM case_control
         WHERE case_id = ?1 AND suspended_ms IS NOT NULL",
        params![case, at.unix_ms()],
    )?;
    fold.run(
        "UPDATE case_control SET suspended_ms = NULL, suspended_until_ms = NULL
         WHERE case_id = ?1",
        params![case],
    )?;
    move_end(fold, case, end)
}

/// A term that ends later is warned of again; a breach stays what it is.
fn move_end(fold: &Fold<'_>, case: &str, end: NewEnd) -> Result<(), ProjectionError> {
    fold.run(
        "UPDATE case_control SET warned = warned AND ?2 <= due_ms, due_ms = ?2, provisional = ?3
         WHERE case_id = ?1",
        params![case, end.due.unix_ms(), end.provisional],
    )
}

/// Whether an event tells that somebody of an agency took part, or has to: the case is no longer
/// decided by the rules and the answers of programs alone.
fn is_of_people(event: &CaseEvent) -> bool {
    match event {
        CaseEvent::RequestEscalated(_) | CaseEvent::Proposed(_) => true,
        CaseEvent::RequestAnswered(answered) => {
            answered.came.as_ref().is_some_and(|came| came.official.is_some())
        }
        CaseEvent::SubrequestOpened(opened) => opened.official.is_some(),
        CaseEvent::SubrequestAnswered(answered) => answered.came.official.is_some(),
        _ => false,
    }
}

fn unit_of(term: Term) -> &'static str {
    TermUnit::of(term).as_str()
}

/// Whether a case may wait for something else after the event.
const fn moves_on(event: &CaseEvent) -> bool {
    matches!(
        event,
        CaseEvent::Registered(_)
            | CaseEvent::RequestSent(_)
            | CaseEvent::RequestAnswered(_)
            | CaseEvent::RequestTimedOut(_)
            | CaseEvent::RequestEscalated(_)
            | CaseEvent::ClockSuspended(_)
            | CaseEvent::ClockResumed(_)
            | CaseEvent::Proposed(_)
            | CaseEvent::Returned(_)
    )
}

/// Notes the stage that the leaf brings the case to; what an earlier event of the same leaf
/// brought it to in passing is forgotten.
fn note_stage(fold: &Fold<'_>, place: &Place<'_>, case: &str) -> Result<(), ProjectionError> {
    let leaf = to_sql(place.leaf.get());
    fold.run("DELETE FROM case_stage WHERE case_id = ?1 AND leaf = ?2", params![case, leaf])?;
    fold.run(
        "INSERT INTO case_stage (case_id, leaf, stage, entered_ms)
         SELECT case_id, ?2, stage, ?3 FROM (
             SELECT case_id, CASE
                 WHEN suspended_ms IS NOT NULL THEN 'suspended'
                 WHEN proposal IS NOT NULL THEN 'agreement'
                 WHEN EXISTS (SELECT 1 FROM request WHERE request.case_id = ?1
                              AND escalated IS NOT NULL AND outcome IS NULL) THEN 'official'
                 WHEN EXISTS (SELECT 1 FROM request WHERE request.case_id = ?1
                              AND mandatory = 1 AND outcome IS NULL) THEN 'requests'
                 ELSE 'decision' END AS stage
             FROM case_control WHERE case_id = ?1 AND open = 1)
         WHERE stage IS NOT (SELECT stage FROM case_stage WHERE case_id = ?1
                             ORDER BY leaf DESC LIMIT 1)",
        params![case, leaf, place.time.unix_ms()],
    )
}
