//! Which leaf carries which event of a stream, so that a state is read from the ledger itself.
//!
//! Events that are not of a known shape are noted apart: one bad record of another agency must
//! not stop the tables of all.

use letopis_ledger::id::StreamName;
use letopis_ledger::{LeafIndex, StreamVersion};
use rusqlite::params;

use super::row::{number, to_sql};
use super::{Fold, Place, ProjectionError, ReadModel, Reflected};
use crate::event::EventError;

pub(super) const TABLES: &str = "
    CREATE TABLE stream_event (
        stream TEXT NOT NULL, version INTEGER NOT NULL, event_type TEXT NOT NULL,
        leaf INTEGER NOT NULL,
        PRIMARY KEY (stream, version)
    ) WITHOUT ROWID;
    CREATE TABLE unreadable_event (
        stream TEXT NOT NULL, version INTEGER NOT NULL, event_type TEXT NOT NULL,
        leaf INTEGER NOT NULL, rule TEXT NOT NULL, reason TEXT NOT NULL,
        PRIMARY KEY (stream, version)
    ) WITHOUT ROWID;
";
pub(super) const CONTENT: (&str, &str) = ("stream_event", "stream, version");
pub(super) const UNREADABLE_CONTENT: (&str, &str) = ("unreadable_event", "stream, version");

/// One event of a stream and its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamEventRow {
    /// Its number in the stream.
    pub version: StreamVersion,
    /// Its type.
    pub event_type: String,
    /// The leaf that carries it.
    pub leaf: LeafIndex,
}

pub(super) fn fold(fold: &Fold<'_>, place: &Place<'_>) -> Result<(), ProjectionError> {
    fold.run(
        "INSERT INTO stream_event (stream, version, event_type, leaf) VALUES (?1, ?2, ?3, ?4)",
        params![
            place.event.stream.as_str(),
            to_sql(place.event.version.get()),
            place.event.event_type.as_str(),
            to_sql(place.leaf.get()),
        ],
    )
}

pub(super) fn fold_unreadable(
    fold: &Fold<'_>,
    place: &Place<'_>,
    error: &EventError,
) -> Result<(), ProjectionError> {
    fold.run(
        "INSERT INTO unreadable_event (stream, version, event_type, leaf, rule, reason)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            place.event.stream.as_str(),
            to_sql(place.event.version.get()),
            place.event.event_type.as_str(),
            to_sql(place.leaf.get()),
            error.rule(),
            error.to_string(),
        ],
    )
}

impl ReadModel {
    /// The events of a stream, in order.
    ///
    /// # Errors
    /// The database failed.
    pub fn stream(
        &self,
        stream: &StreamName,
    ) -> Result<Reflected<Vec<StreamEventRow>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT version, event_type, leaf FROM stream_event WHERE stream = ?1
                 ORDER BY version",
            )?;
            let rows = select.query_map([stream.as_str()], |row| {
                Ok(StreamEventRow {
                    version: StreamVersion::new(number(row, "version")?),
                    event_type: row.get("event_type")?,
                    leaf: LeafIndex::new(number(row, "leaf")?),
                })
            })?;
            rows.collect()
        })
    }

    /// The length of a stream as the ledger counts it: events that cannot be read included.
    ///
    /// # Errors
    /// The database failed.
    pub fn stream_length(
        &self,
        stream: &StreamName,
    ) -> Result<Reflected<StreamVersion>, ProjectionError> {
        self.query(|connection| {
            connection
                .prepare_cached(
                    "SELECT coalesce(max(version) + 1, 0) AS length FROM (
                         SELECT version FROM stream_event WHERE stream = ?1 UNION ALL
                         SELECT version FROM unreadable_event WHERE stream = ?1)",
                )?
                .query_row([stream.as_str()], |row| number(row, "length"))
                .map(StreamVersion::new)
        })
    }

    /// How many events of domain streams could not be read.
    ///
    /// # Errors
    /// The database failed.
    pub fn unreadable_count(&self) -> Result<Reflected<u64>, ProjectionError> {
        self.query(|connection| {
            connection
                .prepare_cached("SELECT count(*) AS count FROM unreadable_event")?
                .query_row([], |row| number(row, "count"))
        })
    }
}
