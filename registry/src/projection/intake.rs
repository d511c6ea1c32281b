//! Applications that were not taken: what was applied for, the grounds, the number of the refusal.
//!
//! Not here: cases that were registered (`cases`), among which a refused intake is one of the ends.

use letopis_ledger::json::{Json, Object};
use letopis_ledger::{LeafIndex, Timestamp};
use rusqlite::{OptionalExtension, Row, params};

use super::row::{number, object, object_text, parsed, time, to_sql};
use super::{Fold, Place, Projection, ProjectionError, ReadModel, Reflected};
use crate::code::{ChannelCode, PackCode, ServiceCode};
use crate::event::{CaseEvent, CaseId, DomainEvent, IntakeGround, OfficialId, PackRef};

pub(super) const PROJECTION: Projection = Projection {
    tables: "
        CREATE TABLE not_taken (
            case_id TEXT PRIMARY KEY, service TEXT NOT NULL, pack_code TEXT NOT NULL,
            pack_version INTEGER NOT NULL, pack_leaf INTEGER NOT NULL, channel TEXT NOT NULL,
            submitted_ms INTEGER NOT NULL, number TEXT, refusal TEXT NOT NULL,
            official TEXT, refused_ms INTEGER NOT NULL, leaf INTEGER NOT NULL
        ) WITHOUT ROWID;
        CREATE INDEX not_taken_number ON not_taken (service, number);
    ",
    content: &[("not_taken", "case_id")],
    fold,
};

/// An application that was not taken, as the tables have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotTakenRow {
    /// The case.
    pub case: CaseId,
    /// The service.
    pub service: ServiceCode,
    /// The version of the pack that the grounds are of.
    pub pack: PackRef,
    /// How the application came.
    pub channel: ChannelCode,
    /// When it was submitted.
    pub submitted_at: Timestamp,
    /// Number of the refusal, where the regulation numbers them.
    pub number: Option<String>,
    /// The grounds with what they rest on.
    pub grounds: Vec<IntakeGround>,
    /// The official who found them; nobody when the program did.
    pub official: Option<OfficialId>,
    /// When it was refused.
    pub refused_at: Timestamp,
    /// The leaf that says so.
    pub leaf: LeafIndex,
}

fn fold(fold: &Fold<'_>, place: &Place<'_>, event: &DomainEvent) -> Result<(), ProjectionError> {
    let DomainEvent::Case(CaseEvent::IntakeRefused(refused)) = event else { return Ok(()) };
    let Ok(case) = CaseId::of_stream(&place.event.stream) else { return Ok(()) };
    let refusal = Object::new().with("grounds", refused.grounds_json());
    fold.run(
        "INSERT OR IGNORE INTO not_taken
         (case_id, service, pack_code, pack_version, pack_leaf, channel, submitted_ms, number,
          refusal, official, refused_ms, leaf)
         SELECT case_id, service, pack_code, pack_version, pack_leaf, channel, submitted_ms, ?2,
          ?3, ?4, ?5, ?6 FROM case_file WHERE case_id = ?1",
        params![
            case.to_string(),
            refused.number,
            object_text(&refusal),
            refused.official.map(|official| official.to_string()),
            place.time.unix_ms(),
            to_sql(place.leaf.get()),
        ],
    )
}

impl ReadModel {
    /// An application that was not taken.
    ///
    /// # Errors
    /// The database failed.
    pub fn not_taken(
        &self,
        case: CaseId,
    ) -> Result<Reflected<Option<NotTakenRow>>, ProjectionError> {
        self.query(|connection| {
            connection
                .prepare_cached("SELECT * FROM not_taken WHERE case_id = ?1")?
                .query_row([case.to_string()], read)
                .optional()
        })
    }

    /// The latest numbers of a service's refusals of intake: longest first, then last in the order
    /// of text.
    ///
    /// # Errors
    /// The database failed.
    pub fn latest_intake_numbers(
        &self,
        service: &ServiceCode,
        most: u32,
    ) -> Result<Reflected<Vec<String>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT number FROM not_taken WHERE service = ?1 AND number IS NOT NULL
                 ORDER BY length(number) DESC, number DESC LIMIT ?2",
            )?;
            let rows = select.query_map(params![service.as_str(), most], |row| row.get(0))?;
            rows.collect()
        })
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<NotTakenRow> {
    let refusal = object(row, "refusal")?;
    let grounds = refusal.get("grounds").and_then(Json::as_array).unwrap_or_default();
    let official: Option<String> = row.get("official")?;
    Ok(NotTakenRow {
        case: parsed(row, "case_id", CaseId::parse)?,
        service: parsed(row, "service", ServiceCode::parse)?,
        pack: PackRef {
            code: parsed(row, "pack_code", PackCode::parse)?,
            version: row.get("pack_version")?,
            leaf: LeafIndex::new(number(row, "pack_leaf")?),
        },
        channel: parsed(row, "channel", ChannelCode::parse)?,
        submitted_at: time(row, "submitted_ms")?,
        number: row.get("number")?,
        grounds: grounds.iter().filter_map(|ground| IntakeGround::read(ground).ok()).collect(),
        official: official.map(|_| parsed(row, "official", OfficialId::parse)).transpose()?,
        refused_at: time(row, "refused_ms")?,
        leaf: LeafIndex::new(number(row, "leaf")?),
    })
}
