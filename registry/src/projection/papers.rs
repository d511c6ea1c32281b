//! Papers that went out: which case each file belongs to, by its SHA-256. Nothing personal is here.

use letopis_ledger::{Hash, LeafIndex, Timestamp};
use rusqlite::{OptionalExtension, Row, params};

use super::entries::{self, EntryRow};
use super::row::{number, parsed, time, to_sql};
use super::{Fold, Place, Projection, ProjectionError, ReadModel, Reflected};
use crate::event::{CaseEvent, CaseId, DomainEvent};

pub(super) const PROJECTION: Projection = Projection {
    tables: "
        CREATE TABLE issued_paper (
            case_id TEXT NOT NULL, version INTEGER NOT NULL, kind TEXT NOT NULL,
            language TEXT NOT NULL, sha256 BLOB NOT NULL, size_bytes INTEGER NOT NULL,
            media_type TEXT NOT NULL, issued_ms INTEGER NOT NULL, leaf INTEGER NOT NULL,
            PRIMARY KEY (case_id, version)
        ) WITHOUT ROWID;
        CREATE INDEX issued_paper_sha256 ON issued_paper (sha256);
    ",
    content: &[("issued_paper", "case_id, version")],
    fold,
};

/// A paper as the tables have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaperRow {
    /// The case.
    pub case: CaseId,
    /// `result` or `refusal`.
    pub kind: String,
    /// `ru`, `en`, or `mul` for a file in both languages.
    pub language: String,
    /// SHA-256 of the file.
    pub sha256: Hash,
    /// Its bytes.
    pub size_bytes: u64,
    /// Its type.
    pub media_type: String,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// The leaf that says so.
    pub leaf: LeafIndex,
}

fn fold(fold: &Fold<'_>, place: &Place<'_>, event: &DomainEvent) -> Result<(), ProjectionError> {
    let DomainEvent::Case(CaseEvent::DocumentIssued(issued)) = event else { return Ok(()) };
    let Ok(case) = CaseId::of_stream(&place.event.stream) else { return Ok(()) };
    // Only the agency of the case issues papers of it.
    fold.run(
        "INSERT OR IGNORE INTO issued_paper
         (case_id, version, kind, language, sha256, size_bytes, media_type, issued_ms, leaf)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9
         FROM case_file WHERE case_id = ?1 AND author = ?10",
        params![
            case.to_string(),
            to_sql(place.event.version.get()),
            issued.kind.as_str(),
            issued.language.as_str(),
            issued.sha256.as_bytes(),
            to_sql(issued.size_bytes),
            issued.media_type.as_str(),
            place.time.unix_ms(),
            to_sql(place.leaf.get()),
            place.author.as_str(),
        ],
    )
}

impl ReadModel {
    /// The papers of a case, oldest first.
    ///
    /// # Errors
    /// The database failed.
    pub fn papers(&self, case: CaseId) -> Result<Reflected<Vec<PaperRow>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection
                .prepare_cached("SELECT * FROM issued_paper WHERE case_id = ?1 ORDER BY version")?;
            let rows = select.query_map([case.to_string()], read)?;
            rows.collect()
        })
    }

    /// The registry entry that a granted case made, as it is now.
    ///
    /// # Errors
    /// The database failed.
    pub fn entry_of_case(
        &self,
        case: CaseId,
    ) -> Result<Reflected<Option<EntryRow>>, ProjectionError> {
        self.query(|connection| {
            connection
                .prepare_cached(
                    "SELECT entry.* FROM provided_service AS provided
                     JOIN registry_entry AS entry ON entry.stream = provided.entry
                     WHERE provided.case_id = ?1 AND entry.author = provided.author",
                )?
                .query_row([case.to_string()], entries::read)
                .optional()
        })
    }

    /// The paper whose file has this SHA-256.
    ///
    /// # Errors
    /// The database failed.
    pub fn paper(&self, sha256: &Hash) -> Result<Reflected<Option<PaperRow>>, ProjectionError> {
        self.query(|connection| {
            connection
                .prepare_cached(
                    "SELECT * FROM issued_paper WHERE sha256 = ?1 ORDER BY leaf, version LIMIT 1",
                )?
                .query_row([sha256.as_bytes()], read)
                .optional()
        })
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<PaperRow> {
    Ok(PaperRow {
        case: parsed(row, "case_id", CaseId::parse)?,
        kind: row.get("kind")?,
        language: row.get("language")?,
        sha256: Hash::from_bytes(row.get("sha256")?),
        size_bytes: number(row, "size_bytes")?,
        media_type: row.get("media_type")?,
        issued_at: time(row, "issued_ms")?,
        leaf: LeafIndex::new(number(row, "leaf")?),
    })
}
