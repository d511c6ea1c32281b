//! Notices to applicants: what each must be told of, how it goes out, and what became of it.
//!
//! Every change that the law wants the applicant to know of makes a row; the row's state follows
//! the events of the notice. Not here: how a notice is sent.

use letopis_ledger::{LeafIndex, StreamVersion, Timestamp};
use rusqlite::params;

use super::row::{number, optional_number, parsed, time, to_sql};
use super::{Fold, Place, Projection, ProjectionError, ReadModel, Reflected};
use crate::event::{
    Cancelled, CancelledBy, CaseEvent, CaseId, DomainEvent, OfficialId, RequestTarget,
};

pub(super) const PROJECTION: Projection = Projection {
    tables: "
        CREATE TABLE notice (
            case_id TEXT NOT NULL, about INTEGER NOT NULL, kind TEXT NOT NULL,
            at_ms INTEGER NOT NULL, channel TEXT, version INTEGER, state TEXT NOT NULL,
            settled_ms INTEGER, leaf INTEGER NOT NULL,
            PRIMARY KEY (case_id, about)
        ) WITHOUT ROWID;
        CREATE INDEX notice_due ON notice (at_ms, case_id, about) WHERE state = 'due';
        CREATE INDEX notice_queued ON notice (at_ms, case_id, about) WHERE state = 'queued';
    ",
    content: &[("notice", "case_id, about")],
    fold,
};

/// A notice as the tables have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeRow {
    /// The case.
    pub case: CaseId,
    /// Number of the event that it tells of.
    pub about: StreamVersion,
    /// What it tells: `registered`, `not_taken`, `asked`, `term_changed`, `term_broken`,
    /// `granted`, `refused`, `cancelled` or `withdrawn`; of a case about an entry also `renewed`,
    /// `review_begun`, `revised`, `ended` or `entry_gone`.
    pub kind: String,
    /// When that happened.
    pub at: Timestamp,
    /// How it goes out; nothing while it is due.
    pub channel: Option<String>,
    /// Number of its `notice.queued`.
    pub version: Option<StreamVersion>,
    /// `due`, `queued`, `delivered` or `failed`.
    pub state: String,
    /// The leaf of the newest change.
    pub leaf: LeafIndex,
}

fn fold(fold: &Fold<'_>, place: &Place<'_>, event: &DomainEvent) -> Result<(), ProjectionError> {
    let DomainEvent::Case(event) = event else { return Ok(()) };
    let Ok(case) = CaseId::of_stream(&place.event.stream) else { return Ok(()) };
    if place.author.as_str() != fold.model.owner() {
        return Ok(());
    }
    let (case, leaf) = (case.to_string(), to_sql(place.leaf.get()));
    let version = to_sql(place.event.version.get());
    match event {
        CaseEvent::NoticeQueued(queued) => fold.run(
            "UPDATE notice SET state = 'queued', channel = ?3, version = ?4, leaf = ?5
             WHERE case_id = ?1 AND about = ?2",
            params![case, to_sql(queued.about.get()), queued.channel.as_str(), version, leaf],
        ),
        CaseEvent::NoticeSettled(settled) => fold.run(
            "UPDATE notice SET state = ?3, settled_ms = ?4, leaf = ?5
             WHERE case_id = ?1 AND version = ?2",
            params![
                case,
                to_sql(settled.notice.get()),
                if settled.delivered { "delivered" } else { "failed" },
                place.time.unix_ms(),
                leaf
            ],
        ),
        event => match told(event) {
            None => Ok(()),
            Some(kind) => {
                let kind = of_follow_up(kind, fold.cause_of(&case)?.as_deref());
                fold.run(
                    "INSERT OR IGNORE INTO notice (case_id, about, kind, at_ms, state, leaf)
                     VALUES (?1, ?2, ?3, ?4, 'due', ?5)",
                    params![case, version, kind, place.time.unix_ms(), leaf],
                )
            }
        },
    }
}

/// What an event tells the applicant, if it is one that the applicant must be told of.
const fn told(event: &CaseEvent) -> Option<&'static str> {
    match event {
        CaseEvent::Registered(_) => Some("registered"),
        CaseEvent::IntakeRefused(_) => Some("not_taken"),
        CaseEvent::RequestSent(sent) if matches!(sent.target, RequestTarget::Applicant) => {
            Some("asked")
        }
        CaseEvent::TermChanged(_) => Some("term_changed"),
        CaseEvent::DeadlineBreached(_) => Some("term_broken"),
        CaseEvent::ResultIssued(_) => Some("granted"),
        CaseEvent::RefusalIssued { .. } => Some("refused"),
        CaseEvent::Cancelled(Cancelled { by: CancelledBy::EntryGone }) => Some("entry_gone"),
        CaseEvent::Cancelled(_) => Some("cancelled"),
        CaseEvent::ResultWithdrawn(_) => Some("withdrawn"),
        _ => None,
    }
}

/// What it tells where the case is about an entry that exists.
fn of_follow_up(kind: &'static str, cause: Option<&str>) -> &'static str {
    match (cause, kind) {
        (Some("renewal"), "granted") => "renewed",
        (Some("review"), "registered") => "review_begun",
        (Some("review"), "granted") => "revised",
        (Some("review"), "refused") => "ended",
        _ => kind,
    }
}

impl ReadModel {
    /// Notices that are due and not younger than `before`, the oldest first.
    ///
    /// # Errors
    /// The database failed.
    pub fn due_notices(
        &self,
        before: Timestamp,
        most: u32,
    ) -> Result<Reflected<Vec<NoticeRow>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT * FROM notice WHERE state = 'due' AND at_ms <= ?1
                 ORDER BY at_ms, case_id, about LIMIT ?2",
            )?;
            let rows = select.query_map(params![before.unix_ms(), most], notice_row)?;
            rows.collect()
        })
    }

    /// Notices that somebody posts or tells by telephone and that are not settled, the oldest
    /// first: of all cases, or of those that an official works on.
    ///
    /// # Errors
    /// The database failed.
    pub fn queued_notices(
        &self,
        works: Option<OfficialId>,
        most: u32,
    ) -> Result<Reflected<Vec<NoticeRow>>, ProjectionError> {
        let works = works.map(|official| official.to_string());
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT n.* FROM notice AS n WHERE n.state = 'queued' AND (?1 IS NULL OR EXISTS
                     (SELECT 1 FROM case_control AS c WHERE c.case_id = n.case_id
                      AND c.official = ?1))
                 ORDER BY n.at_ms, n.case_id, n.about LIMIT ?2",
            )?;
            let rows = select.query_map(params![works, most], notice_row)?;
            rows.collect()
        })
    }

    /// The notices of a case, in the order of what they tell.
    ///
    /// # Errors
    /// The database failed.
    pub fn notices(&self, case: CaseId) -> Result<Reflected<Vec<NoticeRow>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection
                .prepare_cached("SELECT * FROM notice WHERE case_id = ?1 ORDER BY about")?;
            let rows = select.query_map([case.to_string()], notice_row)?;
            rows.collect()
        })
    }
}

fn notice_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<NoticeRow> {
    Ok(NoticeRow {
        case: parsed(row, "case_id", CaseId::parse)?,
        about: StreamVersion::new(number(row, "about")?),
        kind: row.get("kind")?,
        at: time(row, "at_ms")?,
        channel: row.get("channel")?,
        version: optional_number(row, "version")?.map(StreamVersion::new),
        state: row.get("state")?,
        leaf: LeafIndex::new(number(row, "leaf")?),
    })
}
