//! Cases about entries that exist: renewals and reviews, and which decision an entry rests on.
//!
//! Not here: whether a fact says something else now; the engine asks again and compares.

use std::collections::BTreeSet;

use letopis_ledger::LeafIndex;
use letopis_ledger::id::StreamName;
use rusqlite::{OptionalExtension, Row, params};

use super::entries::{self, EntryRow};
use super::row::{list_text, number, optional_number, parsed, to_sql};
use super::{Fold, Place, Projection, ProjectionError, ReadModel, Reflected};
use crate::case::CaseStatus;
use crate::code::{RegistryCode, StepCode};
use crate::event::{CaseEvent, CaseId, Cause, DomainEvent, Source};

pub(super) const PROJECTION: Projection = Projection {
    tables: "
        CREATE TABLE follow_up (
            case_id TEXT PRIMARY KEY, entry TEXT NOT NULL, cause TEXT NOT NULL,
            fact TEXT, fact_leaf INTEGER, author TEXT NOT NULL, leaf INTEGER NOT NULL
        ) WITHOUT ROWID;
        CREATE INDEX follow_up_entry ON follow_up (entry);
    ",
    content: &[("follow_up", "case_id")],
    fold,
};

/// A case about an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowUpRow {
    /// The case.
    pub case: CaseId,
    /// Its number.
    pub number: String,
    /// The entry.
    pub entry: StreamName,
    /// `renewal` or `review`.
    pub cause: String,
    /// The entry of another registry whose change began a review.
    pub fact: Option<StreamName>,
    /// How far the case is.
    pub status: CaseStatus,
    /// The leaf that began it.
    pub leaf: LeafIndex,
}

fn fold(fold: &Fold<'_>, place: &Place<'_>, event: &DomainEvent) -> Result<(), ProjectionError> {
    let DomainEvent::Case(CaseEvent::Submitted(submitted)) = event else { return Ok(()) };
    let Ok(case) = CaseId::of_stream(&place.event.stream) else { return Ok(()) };
    let Some(about) = &submitted.about else { return Ok(()) };
    let fact = match &about.cause {
        Cause::Renewal => None,
        Cause::Review { fact } => Some(fact),
    };
    fold.run(
        "INSERT OR IGNORE INTO follow_up (case_id, entry, cause, fact, fact_leaf, author, leaf)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            case.to_string(),
            about.entry.stream.as_str(),
            about.cause.as_str(),
            fact.map(|fact| fact.stream.as_str()),
            fact.map(|fact| to_sql(fact.leaf.get())),
            place.author.as_str(),
            to_sql(place.leaf.get()),
        ],
    )
}

/// Rows of cases about an entry; what follows narrows them down.
const SELECT: &str = "SELECT f.*, c.number, c.status FROM follow_up AS f
     JOIN case_file AS c USING (case_id) WHERE c.number IS NOT NULL AND f.author = ?2";

impl ReadModel {
    /// What a case is about, if it follows up an entry.
    ///
    /// # Errors
    /// The database failed.
    pub fn follow_up(
        &self,
        case: CaseId,
    ) -> Result<Reflected<Option<FollowUpRow>>, ProjectionError> {
        self.query(|connection| {
            connection
                .prepare_cached(&format!("{SELECT} AND f.case_id = ?1"))?
                .query_row(params![case.to_string(), self.owner()], read)
                .optional()
        })
    }

    /// The cases about an entry, oldest first.
    ///
    /// # Errors
    /// The database failed.
    pub fn follow_ups_of(
        &self,
        entry: &StreamName,
    ) -> Result<Reflected<Vec<FollowUpRow>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection
                .prepare_cached(&format!("{SELECT} AND f.entry = ?1 ORDER BY f.leaf, f.case_id"))?;
            let rows = select.query_map(params![entry.as_str(), self.owner()], read)?;
            rows.collect()
        })
    }

    /// Open cases about entries that are no longer in force.
    ///
    /// # Errors
    /// The database failed.
    pub fn follow_ups_without_entry(&self) -> Result<Reflected<Vec<CaseId>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT f.case_id FROM case_file AS c JOIN follow_up AS f USING (case_id)
                 JOIN registry_entry AS entry ON entry.stream = f.entry
                 WHERE c.status = 'in_progress' AND f.author = ?1 AND entry.status <> 'in_force'",
            )?;
            let rows =
                select.query_map([self.owner()], |row| parsed(row, "case_id", CaseId::parse))?;
            rows.collect()
        })
    }

    /// Whether a review of an entry began with this event of a fact, or with a later one.
    ///
    /// # Errors
    /// The database failed.
    pub fn was_reviewed(
        &self,
        entry: &StreamName,
        fact: &Source,
    ) -> Result<Reflected<bool>, ProjectionError> {
        self.query(|connection| {
            connection
                .prepare_cached(
                    "SELECT 1 FROM follow_up WHERE entry = ?1 AND fact = ?2 AND fact_leaf >= ?3
                     AND author = ?4",
                )?
                .exists(params![
                    entry.as_str(),
                    fact.stream.as_str(),
                    to_sql(fact.leaf.get()),
                    self.owner()
                ])
        })
    }

    /// The case whose decision says what stands in an entry now: the one that made it, or the last
    /// one that revised it. With `applied`, the last one that somebody applied by.
    ///
    /// # Errors
    /// The database failed.
    pub fn deciding_case(
        &self,
        entry: &StreamName,
        applied: bool,
    ) -> Result<Reflected<Option<CaseId>>, ProjectionError> {
        self.query(|connection| {
            connection
                .prepare_cached(
                    "SELECT substr(json_extract(h.data, '$.basis.stream'), 13) AS case_id
                     FROM registry_history AS h
                     LEFT JOIN follow_up AS f
                     ON f.case_id = substr(json_extract(h.data, '$.basis.stream'), 13)
                     WHERE h.stream = ?1
                     AND h.event_type IN ('registry.entry_created', 'registry.entry_revised')
                     AND json_extract(h.data, '$.basis.kind') = 'decision'
                     AND NOT (?2 AND ifnull(f.cause, '') = 'review')
                     ORDER BY h.version DESC LIMIT 1",
                )?
                .query_row(params![entry.as_str(), applied], |row| {
                    parsed(row, "case_id", CaseId::parse)
                })
                .optional()
        })
    }

    /// The cases by which somebody applied for an entry or its renewal and got it, oldest first.
    ///
    /// # Errors
    /// The database failed.
    pub fn deciding_cases(
        &self,
        entry: &StreamName,
    ) -> Result<Reflected<Vec<CaseId>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT p.case_id FROM provided_service AS p
                 LEFT JOIN follow_up AS f USING (case_id)
                 WHERE p.entry = ?1 AND p.author = ?2 AND ifnull(f.cause, '') <> 'review'
                 ORDER BY p.leaf",
            )?;
            let rows = select.query_map([entry.as_str(), self.owner()], |row| {
                parsed(row, "case_id", CaseId::parse)
            })?;
            rows.collect()
        })
    }

    /// The leaf of the oldest submission behind an entry in force of these registries: what changed
    /// before it was known to every decision.
    ///
    /// # Errors
    /// The database failed.
    pub fn first_submission_behind(
        &self,
        registries: &BTreeSet<RegistryCode>,
    ) -> Result<Reflected<Option<LeafIndex>>, ProjectionError> {
        let registries = list_text(registries);
        self.query(|connection| {
            connection
                .prepare_cached(
                    "SELECT min(c.submitted_leaf) AS first FROM registry_entry AS entry
                     JOIN provided_service AS p ON p.entry = entry.stream
                     JOIN case_file AS c USING (case_id)
                     WHERE entry.registry IN (SELECT value FROM json_each(?1))
                     AND entry.status = 'in_force' AND entry.author = ?2",
                )?
                .query_row(params![registries, self.owner()], |row| {
                    Ok(optional_number(row, "first")?.map(LeafIndex::new))
                })
        })
    }

    /// Requests of a case to registries whose answer may be another one now: the entry that
    /// answered has changed or gone, or none did and the registry has changed since.
    ///
    /// # Errors
    /// The database failed.
    pub fn answers_to_compare(
        &self,
        case: CaseId,
    ) -> Result<Reflected<Vec<StepCode>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT r.request FROM request AS r
                 LEFT JOIN registry_entry AS e ON e.stream = r.source_stream
                 WHERE r.case_id = ?1 AND r.kind = 'registry' AND r.outcome IS NOT NULL
                 AND (e.version <> r.source_version OR e.status <> 'in_force'
                      OR (e.stream IS NULL AND EXISTS (
                          SELECT 1 FROM registry_entry AS other WHERE other.registry = r.target
                          AND other.author = ?2 AND other.leaf > r.answered_leaf)))
                 ORDER BY r.request",
            )?;
            let rows = select.query_map(params![case.to_string(), self.owner()], |row| {
                parsed(row, "request", StepCode::parse)
            })?;
            rows.collect()
        })
    }

    /// Entries in force that were granted on an answer which one of these entries gave to a
    /// request, at most `most`.
    ///
    /// # Errors
    /// The database failed.
    pub fn entries_resting_on(
        &self,
        request: &StepCode,
        sources: &BTreeSet<StreamName>,
        most: u32,
    ) -> Result<Reflected<Vec<EntryRow>>, ProjectionError> {
        let sources = list_text(sources);
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT DISTINCT entry.* FROM request AS r
                 JOIN provided_service AS p USING (case_id)
                 JOIN registry_entry AS entry ON entry.stream = p.entry
                 WHERE r.source_stream IN (SELECT value FROM json_each(?1)) AND r.request = ?2
                 AND entry.status = 'in_force' AND entry.author = ?3
                 ORDER BY entry.created_leaf, entry.stream LIMIT ?4",
            )?;
            let parameters = params![sources, request.as_str(), self.owner(), most];
            let rows = select.query_map(parameters, entries::read)?;
            rows.collect()
        })
    }
}

impl Fold<'_> {
    /// Why a case looks at an entry again, `renewal` or `review`, if it is about one.
    pub(super) fn cause_of(&self, case: &str) -> Result<Option<String>, ProjectionError> {
        let found = || {
            self.transaction
                .prepare_cached("SELECT cause FROM follow_up WHERE case_id = ?1")?
                .query_row([case], |row| row.get(0))
                .optional()
        };
        found().map_err(|e| self.model.failed(e))
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<FollowUpRow> {
    Ok(FollowUpRow {
        case: parsed(row, "case_id", CaseId::parse)?,
        number: row.get("number")?,
        entry: parsed(row, "entry", StreamName::parse)?,
        cause: row.get("cause")?,
        fact: match row.get::<_, Option<String>>("fact")? {
            None => None,
            Some(_) => Some(parsed(row, "fact", StreamName::parse)?),
        },
        status: CaseStatus::stored(row.get_ref("status")?.as_str()?),
        leaf: LeafIndex::new(number(row, "leaf")?),
    })
}
