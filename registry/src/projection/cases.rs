//! Cases: how each came, how far it is, when it is due.

use letopis_ledger::id::AgencyId;
use letopis_ledger::json::Object;
use letopis_ledger::{LeafIndex, Timestamp};
use rusqlite::{OptionalExtension, Row, params};

use super::row::{number, object, object_text, optional_number, parsed, time, to_sql};
use super::{Fold, Place, Projection, ProjectionError, ReadModel, Reflected};
use crate::case::CaseStatus;
use crate::code::{ChannelCode, PackCode, ServiceCode};
use crate::event::{CaseEvent, CaseId, DomainEvent, NewEnd, PackRef};

pub(super) const PROJECTION: Projection = Projection {
    tables: "
        CREATE TABLE case_file (
            case_id TEXT PRIMARY KEY, service TEXT NOT NULL,
            pack_code TEXT NOT NULL, pack_version INTEGER NOT NULL, pack_leaf INTEGER NOT NULL,
            channel TEXT NOT NULL, form TEXT NOT NULL, author TEXT NOT NULL,
            submitted_ms INTEGER NOT NULL, submitted_leaf INTEGER NOT NULL,
            number TEXT, registered_ms INTEGER, due_ms INTEGER, last_day TEXT,
            provisional INTEGER,
            status TEXT NOT NULL, ended_ms INTEGER, ended_leaf INTEGER,
            leaf INTEGER NOT NULL
        ) WITHOUT ROWID;
        CREATE INDEX case_file_number ON case_file (number);
        CREATE INDEX case_file_status ON case_file (status);
    ",
    content: &[("case_file", "case_id")],
    fold,
};

/// A case as the tables have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseRow {
    /// The case.
    pub case: CaseId,
    /// The service.
    pub service: ServiceCode,
    /// The version of the pack that it follows.
    pub pack: PackRef,
    /// How it came.
    pub channel: ChannelCode,
    /// Public fields of the form.
    pub form: Object,
    /// The agency that took it.
    pub author: AgencyId,
    /// When the leader put the submission into the log.
    pub submitted_at: Timestamp,
    /// The leaf of the submission.
    pub submitted_leaf: LeafIndex,
    /// Its number.
    pub number: String,
    /// When its term began.
    pub registered_at: Timestamp,
    /// Last instant that is in time.
    pub due: Timestamp,
    /// The day of that instant in the agency's zone.
    pub last_day: String,
    /// Whether a calendar not yet published may move the deadline.
    pub provisional: bool,
    /// How far it is.
    pub status: CaseStatus,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// The leaf that ended it.
    pub ended_leaf: Option<LeafIndex>,
    /// The last leaf that changed this row.
    pub leaf: LeafIndex,
}

/// How many cases there are by status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CaseCounts {
    /// Not ended.
    pub in_progress: u64,
    /// Ended with a result.
    pub granted: u64,
    /// Ended with a refusal.
    pub refused: u64,
    /// The application was not taken.
    pub not_taken: u64,
    /// Somebody wanted no more of it.
    pub cancelled: u64,
}

fn fold(fold: &Fold<'_>, place: &Place<'_>, event: &DomainEvent) -> Result<(), ProjectionError> {
    let DomainEvent::Case(event) = event else { return Ok(()) };
    let Ok(case) = CaseId::of_stream(&place.event.stream) else { return Ok(()) };
    let (case, leaf) = (case.to_string(), to_sql(place.leaf.get()));
    match event {
        CaseEvent::Submitted(submitted) => fold.run(
            "INSERT OR IGNORE INTO case_file
             (case_id, service, pack_code, pack_version, pack_leaf, channel, form, author,
              submitted_ms, submitted_leaf, status, leaf)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 'in_progress', ?10)",
            params![
                case,
                submitted.service.as_str(),
                submitted.pack.code.as_str(),
                submitted.pack.version,
                to_sql(submitted.pack.leaf.get()),
                submitted.channel.as_str(),
                object_text(&submitted.form),
                place.author.as_str(),
                place.time.unix_ms(),
                leaf,
            ],
        ),
        CaseEvent::Registered(registered) => fold.run(
            "UPDATE case_file SET number = ?2, registered_ms = ?3, due_ms = ?4, last_day = ?5,
             provisional = ?6, leaf = ?7 WHERE case_id = ?1",
            params![
                case,
                registered.number,
                registered.registered_at.unix_ms(),
                registered.due.unix_ms(),
                registered.last_day.to_string(),
                registered.provisional,
                leaf,
            ],
        ),
        CaseEvent::ResultIssued(_) => end(fold, place, &case, CaseStatus::Granted),
        CaseEvent::RefusalIssued { .. } => end(fold, place, &case, CaseStatus::Refused),
        CaseEvent::IntakeRefused(_) => end(fold, place, &case, CaseStatus::NotTaken),
        CaseEvent::Cancelled(_) => end(fold, place, &case, CaseStatus::Cancelled),
        CaseEvent::ClockResumed(event) => move_end(fold, &case, leaf, event.end),
        CaseEvent::TermChanged(event) => move_end(fold, &case, leaf, event.end),
        _ => fold.run("UPDATE case_file SET leaf = ?2 WHERE case_id = ?1", params![case, leaf]),
    }
}

fn move_end(fold: &Fold<'_>, case: &str, leaf: i64, end: NewEnd) -> Result<(), ProjectionError> {
    fold.run(
        "UPDATE case_file SET due_ms = ?2, last_day = ?3, provisional = ?4, leaf = ?5
         WHERE case_id = ?1",
        params![case, end.due.unix_ms(), end.last_day.to_string(), end.provisional, leaf],
    )
}

fn end(
    fold: &Fold<'_>,
    place: &Place<'_>,
    case: &str,
    status: CaseStatus,
) -> Result<(), ProjectionError> {
    fold.run(
        "UPDATE case_file SET status = ?2, ended_ms = ?3, ended_leaf = ?4, leaf = ?4
         WHERE case_id = ?1",
        params![case, status.as_str(), place.time.unix_ms(), to_sql(place.leaf.get())],
    )
}

impl CaseStatus {
    /// The status as tables and interfaces spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::InProgress => "in_progress",
            Self::Granted => "granted",
            Self::Refused => "refused",
            Self::NotTaken => "not_taken",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads the spelling of [`CaseStatus::as_str`] of a case that exists.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let known =
            [Self::InProgress, Self::Granted, Self::Refused, Self::NotTaken, Self::Cancelled];
        known.into_iter().find(|status| status.as_str() == text)
    }

    /// A column that this crate wrote.
    pub(super) fn stored(text: &str) -> Self {
        Self::parse(text).unwrap_or(Self::Absent)
    }
}

impl ReadModel {
    /// A case by its id.
    ///
    /// # Errors
    /// The database failed.
    pub fn case(&self, case: CaseId) -> Result<Reflected<Option<CaseRow>>, ProjectionError> {
        self.one_case(
            "SELECT * FROM case_file WHERE case_id = ?1 AND number IS NOT NULL",
            &case.to_string(),
        )
    }

    /// A case by its number.
    ///
    /// # Errors
    /// The database failed.
    pub fn case_by_number(
        &self,
        number: &str,
    ) -> Result<Reflected<Option<CaseRow>>, ProjectionError> {
        self.one_case("SELECT * FROM case_file WHERE number = ?1 ORDER BY case_id", number)
    }

    /// Cases that an agency took and that have not ended, oldest first.
    ///
    /// # Errors
    /// The database failed.
    pub fn open_cases(&self, author: &AgencyId) -> Result<Reflected<Vec<CaseId>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT case_id FROM case_file WHERE status = 'in_progress' AND author = ?1
                 ORDER BY submitted_leaf",
            )?;
            let rows =
                select.query_map([author.as_str()], |row| parsed(row, "case_id", CaseId::parse))?;
            rows.collect()
        })
    }

    /// Cases that ended or came last, newest first.
    ///
    /// # Errors
    /// The database failed.
    pub fn recent_cases(&self, most: u32) -> Result<Reflected<Vec<CaseRow>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT * FROM case_file WHERE number IS NOT NULL
                                 ORDER BY case_id DESC LIMIT ?1",
            )?;
            let rows = select.query_map([most], read)?;
            rows.collect()
        })
    }

    /// How many cases there are by status.
    ///
    /// # Errors
    /// The database failed.
    pub fn case_counts(&self) -> Result<Reflected<CaseCounts>, ProjectionError> {
        self.query(|connection| {
            let mut counts = CaseCounts::default();
            let mut select = connection.prepare_cached(
                "SELECT status, count(*) AS count FROM case_file GROUP BY status",
            )?;
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                let count = number(row, "count")?;
                match CaseStatus::stored(row.get_ref("status")?.as_str()?) {
                    CaseStatus::Granted => counts.granted = count,
                    CaseStatus::Refused => counts.refused = count,
                    CaseStatus::NotTaken => counts.not_taken = count,
                    CaseStatus::Cancelled => counts.cancelled = count,
                    CaseStatus::InProgress | CaseStatus::Absent => counts.in_progress += count,
                }
            }
            Ok(counts)
        })
    }

    /// The latest numbers of a service's cases: longest first, then last in the order of text.
    ///
    /// # Errors
    /// The database failed.
    pub fn latest_case_numbers(
        &self,
        service: &ServiceCode,
        most: u32,
    ) -> Result<Reflected<Vec<String>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT number FROM case_file WHERE service = ?1 AND number IS NOT NULL
                 ORDER BY length(number) DESC, number DESC LIMIT ?2",
            )?;
            let rows = select.query_map(params![service.as_str(), most], |row| row.get(0))?;
            rows.collect()
        })
    }

    fn one_case(
        &self,
        sql: &str,
        key: &str,
    ) -> Result<Reflected<Option<CaseRow>>, ProjectionError> {
        self.query(|connection| connection.prepare_cached(sql)?.query_row([key], read).optional())
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<CaseRow> {
    Ok(CaseRow {
        case: parsed(row, "case_id", CaseId::parse)?,
        service: parsed(row, "service", ServiceCode::parse)?,
        pack: PackRef {
            code: parsed(row, "pack_code", PackCode::parse)?,
            version: row.get("pack_version")?,
            leaf: LeafIndex::new(number(row, "pack_leaf")?),
        },
        channel: parsed(row, "channel", ChannelCode::parse)?,
        form: object(row, "form")?,
        author: parsed(row, "author", AgencyId::parse)?,
        submitted_at: time(row, "submitted_ms")?,
        submitted_leaf: LeafIndex::new(number(row, "submitted_leaf")?),
        number: row.get::<_, Option<String>>("number")?.unwrap_or_default(),
        registered_at: time(row, "registered_ms")?,
        due: time(row, "due_ms")?,
        last_day: row.get("last_day")?,
        provisional: row.get("provisional")?,
        status: CaseStatus::stored(row.get_ref("status")?.as_str()?),
        ended_at: match row.get::<_, Option<i64>>("ended_ms")? {
            None => None,
            Some(_) => Some(time(row, "ended_ms")?),
        },
        ended_leaf: optional_number(row, "ended_leaf")?.map(LeafIndex::new),
        leaf: LeafIndex::new(number(row, "leaf")?),
    })
}
