//! Published packs: which version is where in the log, and which files it has.

use letopis_ledger::LeafIndex;
use letopis_ledger::id::AgencyId;
use letopis_ledger::json::Json;
use rusqlite::{OptionalExtension, Row, params};

use super::row::{number, object_text, parsed, to_sql};
use super::{Fold, Place, Projection, ProjectionError, ReadModel, Reflected};
use crate::code::PackCode;
use crate::event::{DomainEvent, PackPublished};

pub(super) const PROJECTION: Projection = Projection {
    tables: "
        CREATE TABLE pack (
            code TEXT NOT NULL, version INTEGER NOT NULL, author TEXT NOT NULL,
            published_ms INTEGER NOT NULL, data TEXT NOT NULL, leaf INTEGER NOT NULL,
            PRIMARY KEY (code, version, author)
        ) WITHOUT ROWID;
        CREATE TABLE registry_writer (
            author TEXT NOT NULL, registry TEXT NOT NULL, writer TEXT NOT NULL,
            PRIMARY KEY (author, registry)
        ) WITHOUT ROWID;
    ",
    content: &[("pack", "code, version, author"), ("registry_writer", "author, registry")],
    fold,
};

/// A published pack as the tables have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackRow {
    /// What was published.
    pub published: PackPublished,
    /// The agency that published it.
    pub author: AgencyId,
    /// The leaf that published it.
    pub leaf: LeafIndex,
}

fn fold(fold: &Fold<'_>, place: &Place<'_>, event: &DomainEvent) -> Result<(), ProjectionError> {
    let DomainEvent::Pack(published) = event else { return Ok(()) };
    for (registry, writer) in &published.registries {
        fold.run(
            "INSERT OR REPLACE INTO registry_writer (author, registry, writer) VALUES (?1, ?2, ?3)",
            params![place.author.as_str(), registry.as_str(), writer.as_str()],
        )?;
    }
    fold.run(
        "INSERT OR IGNORE INTO pack (code, version, author, published_ms, data, leaf)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            published.code.as_str(),
            published.version,
            place.author.as_str(),
            place.time.unix_ms(),
            object_text(&event.data()),
            to_sql(place.leaf.get()),
        ],
    )
}

impl ReadModel {
    /// Every published version of every pack, of every agency.
    ///
    /// # Errors
    /// The database failed.
    pub fn packs(&self) -> Result<Reflected<Vec<PackRow>>, ProjectionError> {
        self.query(|connection| {
            let mut select =
                connection.prepare_cached("SELECT * FROM pack ORDER BY code, version, leaf")?;
            let rows = select.query_map([], read)?;
            rows.collect()
        })
    }

    /// One version of a pack of the agency that the tables serve.
    ///
    /// # Errors
    /// The database failed.
    pub fn pack(
        &self,
        code: &PackCode,
        version: u32,
    ) -> Result<Reflected<Option<PackRow>>, ProjectionError> {
        self.query(|connection| {
            connection
                .prepare_cached(
                    "SELECT * FROM pack WHERE code = ?1 AND version = ?2 AND author = ?3",
                )?
                .query_row(params![code.as_str(), version, self.owner()], read)
                .optional()
        })
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<PackRow> {
    let published = parsed(row, "data", |text| {
        let data = Json::parse(text.as_bytes()).map_err(std::io::Error::other)?;
        PackPublished::from_data(&data).map_err(std::io::Error::other)
    })?;
    let author = parsed(row, "author", AgencyId::parse)?;
    Ok(PackRow { published, author, leaf: LeafIndex::new(number(row, "leaf")?) })
}
