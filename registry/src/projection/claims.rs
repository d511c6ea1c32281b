//! Who holds which unique name now. The ledger itself decides; this is for choosing a free one.

use letopis_ledger::id::{ClaimName, StreamName};
use letopis_ledger::leaf::Leaf;
use letopis_ledger::record::ClaimOperation;
use rusqlite::{Connection, params};

use super::row::{parsed, to_sql};
use super::{Fold, ProjectionError, ReadModel, Reflected};

pub(super) const TABLES: &str = "
    CREATE TABLE claim (
        name TEXT PRIMARY KEY, holder TEXT NOT NULL, leaf INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX claim_holder ON claim (holder);
";
pub(super) const CONTENT: (&str, &str) = ("claim", "name");

pub(super) fn fold(fold: &Fold<'_>, leaf: &Leaf) -> Result<(), ProjectionError> {
    for claim in leaf.record().claims() {
        let (name, holder) = (claim.name.as_str(), claim.holder.as_str());
        match claim.operation {
            ClaimOperation::Take => fold.run(
                "INSERT OR REPLACE INTO claim (name, holder, leaf) VALUES (?1, ?2, ?3)",
                params![name, holder, to_sql(leaf.index().get())],
            )?,
            ClaimOperation::Release => {
                fold.run("DELETE FROM claim WHERE name = ?1 AND holder = ?2", [name, holder])?;
            }
        }
    }
    Ok(())
}

impl ReadModel {
    /// The names that a stream holds, in the order of text.
    ///
    /// # Errors
    /// The database failed.
    pub fn held_by(
        &self,
        holder: &StreamName,
    ) -> Result<Reflected<Vec<ClaimName>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection
                .prepare_cached("SELECT name FROM claim WHERE holder = ?1 ORDER BY name")?;
            let rows =
                select.query_map([holder.as_str()], |row| parsed(row, "name", ClaimName::parse))?;
            rows.collect()
        })
    }
}

/// Those of the names that somebody holds.
pub(super) fn held(
    connection: &Connection,
    names: &[ClaimName],
) -> rusqlite::Result<Vec<ClaimName>> {
    let mut select = connection.prepare_cached("SELECT 1 FROM claim WHERE name = ?1")?;
    let mut held = Vec::new();
    for name in names {
        if select.exists([name.as_str()])? {
            held.push(name.clone());
        }
    }
    Ok(held)
}
