//! Drafts: forms that somebody began and may come back to. They are nobody's record.
//!
//! A draft lives in this store alone, under its own token, and goes when it is thrown away, left
//! alone for [`DRAFT_DAYS_MAX`] days, or [`SUBMITTED_DAYS_MAX`] after it was submitted: until then
//! who lost the answer can ask for it again. Not here: whether its values fit a form.

use letopis_ledger::{LeafIndex, Timestamp};
use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde_json::Value;

use super::{PrivateError, PrivateStore};
use crate::code::{ChannelCode, PackCode, ServiceCode};
use crate::event::{CaseId, DraftId, OfficialId, PackRef};

/// Days after which a draft that nobody saved again goes.
pub const DRAFT_DAYS_MAX: i64 = 90;
/// Days after which a submitted draft goes.
pub const SUBMITTED_DAYS_MAX: i64 = 1;

pub(super) const TABLE: &str = "
    CREATE TABLE draft (
        id TEXT PRIMARY KEY,
        service TEXT NOT NULL,
        pack_code TEXT NOT NULL,
        pack_version INTEGER NOT NULL,
        pack_leaf INTEGER NOT NULL,
        channel TEXT NOT NULL,
        official TEXT,
        form TEXT NOT NULL,
        saved_ms INTEGER NOT NULL,
        case_id TEXT
    ) WITHOUT ROWID;
    CREATE INDEX draft_saved ON draft (saved_ms);
";

/// A draft.
#[derive(Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its id.
    pub id: DraftId,
    /// The service.
    pub service: ServiceCode,
    /// The version of the pack whose form it was filled in by.
    pub pack: PackRef,
    /// How it came.
    pub channel: ChannelCode,
    /// Who took it down, where somebody called.
    pub official: Option<OfficialId>,
    /// The form as far as it is filled in.
    pub form: Value,
    /// When it was saved last, or submitted.
    pub saved_at: Timestamp,
    /// The case that came of it.
    pub case: Option<CaseId>,
}

/// What becomes of drafts.
#[derive(Debug, Clone)]
pub enum DraftChange {
    /// A draft is there from now on, in place of an older one of its id.
    Save(Box<Draft>),
    /// A draft goes, with its token.
    Forget(DraftId),
}

impl std::fmt::Debug for Draft {
    /// Shows no value: a private one must not reach a log line by accident.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Draft").field("id", &self.id).finish_non_exhaustive()
    }
}

impl DraftChange {
    pub(super) fn write(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        match self {
            Self::Save(draft) => transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO draft (id, service, pack_code, pack_version,
                     pack_leaf, channel, official, form, saved_ms, case_id)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                )?
                .execute(params![
                    draft.id.to_string(),
                    draft.service.as_str(),
                    draft.pack.code.as_str(),
                    draft.pack.version,
                    i64::try_from(draft.pack.leaf.get()).unwrap_or(i64::MAX),
                    draft.channel.as_str(),
                    draft.official.map(|official| official.to_string()),
                    draft.form.to_string(),
                    draft.saved_at.unix_ms(),
                    draft.case.map(|case| case.to_string()),
                ]),
            Self::Forget(id) => {
                transaction
                    .prepare_cached("DELETE FROM token WHERE stream = ?1")?
                    .execute([id.stream().as_str()])?;
                transaction
                    .prepare_cached("DELETE FROM draft WHERE id = ?1")?
                    .execute([id.to_string()])
            }
        }
        .map(drop)
    }
}

impl PrivateStore {
    /// A draft.
    ///
    /// # Errors
    /// See [`PrivateError`].
    pub fn draft(&self, id: DraftId) -> Result<Option<Draft>, PrivateError> {
        self.read(|connection| {
            connection
                .prepare_cached("SELECT * FROM draft WHERE id = ?1")?
                .query_row([id.to_string()], read)
                .optional()
        })
    }

    /// Drafts that nobody has saved since the first instant, and submitted ones that were submitted
    /// before the second, the oldest first.
    ///
    /// # Errors
    /// See [`PrivateError`].
    pub fn drafts_before(
        &self,
        (saved, submitted): (Timestamp, Timestamp),
        most: u32,
    ) -> Result<Vec<DraftId>, PrivateError> {
        self.read(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT id FROM draft WHERE saved_ms < ?1
                 OR (case_id IS NOT NULL AND saved_ms < ?2) ORDER BY saved_ms LIMIT ?3",
            )?;
            let rows = select
                .query_map(params![saved.unix_ms(), submitted.unix_ms(), most], |row| {
                    column(row, "id", DraftId::parse)
                })?;
            rows.collect()
        })
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Draft> {
    let official: Option<String> = row.get("official")?;
    let case: Option<String> = row.get("case_id")?;
    Ok(Draft {
        id: column(row, "id", DraftId::parse)?,
        service: column(row, "service", ServiceCode::parse)?,
        pack: PackRef {
            code: column(row, "pack_code", PackCode::parse)?,
            version: row.get("pack_version")?,
            leaf: LeafIndex::new(row.get::<_, i64>("pack_leaf")?.unsigned_abs()),
        },
        channel: column(row, "channel", ChannelCode::parse)?,
        official: official.map(|_| column(row, "official", OfficialId::parse)).transpose()?,
        form: column(row, "form", |text| text.parse())?,
        saved_at: Timestamp::from_unix_ms(row.get("saved_ms")?).map_err(unreadable)?,
        case: case.map(|_| column(row, "case_id", CaseId::parse)).transpose()?,
    })
}

fn column<T, E: std::error::Error + Send + Sync + 'static>(
    row: &Row<'_>,
    name: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> rusqlite::Result<T> {
    let text: String = row.get(name)?;
    parse(&text).map_err(unreadable)
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
}
