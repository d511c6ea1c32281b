//! Texts that wait on disk to be written: heads by key, once each, and items below them in order.
//!
//! SQLite keeps them in a temporary file that goes with the connection. Not here: what they say.

use rusqlite::{Connection, params};

use super::ExportError;

/// The file.
#[derive(Debug)]
pub(super) struct Spool(Connection);

impl Spool {
    pub(super) fn new() -> Result<Self, ExportError> {
        // The empty name is a file that SQLite makes and removes by itself.
        let connection = Connection::open("")?;
        connection.execute_batch(
            "PRAGMA journal_mode = OFF;
             PRAGMA synchronous = OFF;
             CREATE TABLE head (place INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE,
                                text TEXT NOT NULL);
             CREATE TABLE item (key TEXT NOT NULL, place INTEGER NOT NULL, text TEXT NOT NULL,
                                PRIMARY KEY (key, place)) WITHOUT ROWID;
             BEGIN;",
        )?;
        Ok(Self(connection))
    }

    /// Keeps the head of a key; the first one stays.
    pub(super) fn put_head(&self, key: &str, text: &str) -> Result<(), ExportError> {
        let mut insert = self.0.prepare_cached(
            "INSERT INTO head (key, text) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        )?;
        insert.execute([key, text])?;
        Ok(())
    }

    /// Keeps an item below a key; `place` orders the items of a key.
    pub(super) fn put_item(&self, key: &str, place: i64, text: &str) -> Result<(), ExportError> {
        let mut insert =
            self.0.prepare_cached("INSERT INTO item (key, place, text) VALUES (?1, ?2, ?3)")?;
        insert.execute(params![key, place, text])?;
        Ok(())
    }

    /// Gives every head, in the order in which they came.
    pub(super) fn heads(
        &self,
        mut take: impl FnMut(&str, &str) -> Result<(), ExportError>,
    ) -> Result<u64, ExportError> {
        let mut select = self.0.prepare_cached("SELECT key, text FROM head ORDER BY place")?;
        let mut rows = select.query([])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            take(text_of(row, 0)?, text_of(row, 1)?)?;
            count += 1;
        }
        Ok(count)
    }

    /// Gives every item below a key, in order.
    pub(super) fn items(
        &self,
        key: &str,
        mut take: impl FnMut(&str) -> Result<(), ExportError>,
    ) -> Result<u64, ExportError> {
        let mut select =
            self.0.prepare_cached("SELECT text FROM item WHERE key = ?1 ORDER BY place")?;
        let mut rows = select.query([key])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            take(text_of(row, 0)?)?;
            count += 1;
        }
        Ok(count)
    }
}

fn text_of<'r>(row: &'r rusqlite::Row<'_>, column: usize) -> Result<&'r str, ExportError> {
    Ok(row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?)
}
