//! Imported traces: how many came by which channel and department, and how long they took.

use letopis_ledger::Hash;
use letopis_ledger::json::{Json, Object};
use rusqlite::{Connection, params};

use super::row::{number, to_sql};
use super::{Fold, Place, Projection, ProjectionError, ReadModel, Reflected};
use crate::event::{DomainEvent, TraceEvent};

pub(super) const PROJECTION: Projection = Projection {
    tables: "
        CREATE TABLE trace (
            stream TEXT PRIMARY KEY, file BLOB NOT NULL, trace_index INTEGER NOT NULL,
            channel TEXT, department TEXT, event_count INTEGER NOT NULL,
            first_ms INTEGER, last_ms INTEGER, leaf INTEGER NOT NULL
        ) WITHOUT ROWID;
        CREATE INDEX trace_file ON trace (file, trace_index);
    ",
    content: &[("trace", "stream")],
    fold,
};

/// How many traces share a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CategoryCount {
    /// The value; `None` for traces that do not have the attribute.
    pub value: Option<String>,
    /// How many traces.
    pub count: u64,
}

/// What an imported file shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceStatistics {
    /// Traces imported.
    pub trace_count: u64,
    /// Their events.
    pub event_count: u64,
    /// Traces by channel, in ascending order of the value.
    pub by_channel: Vec<CategoryCount>,
    /// Traces by department.
    pub by_department: Vec<CategoryCount>,
    /// Smallest duration that at least 90 of 100 traces do not exceed (nearest rank), from a
    /// trace's first event to its last, in milliseconds; `None` without traces.
    pub duration_p90_ms: Option<u64>,
}

fn fold(fold: &Fold<'_>, place: &Place<'_>, event: &DomainEvent) -> Result<(), ProjectionError> {
    let DomainEvent::Trace(event) = event else { return Ok(()) };
    let (stream, leaf) = (place.event.stream.as_str(), to_sql(place.leaf.get()));
    match event {
        TraceEvent::Opened(opened) => fold.run(
            "INSERT OR IGNORE INTO trace
             (stream, file, trace_index, channel, department, event_count, leaf)
             VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6)",
            params![
                stream,
                opened.file.as_bytes(),
                to_sql(opened.trace_index),
                attribute(&opened.attributes, "channel"),
                attribute(&opened.attributes, "department"),
                leaf,
            ],
        ),
        TraceEvent::Step(step) => fold.run(
            "UPDATE trace SET event_count = event_count + 1,
             first_ms = min(ifnull(first_ms, ?2), ?2), last_ms = max(ifnull(last_ms, ?2), ?2),
             leaf = ?3 WHERE stream = ?1",
            params![stream, step.time.unix_ms(), leaf],
        ),
    }
}

fn attribute<'a>(attributes: &'a Object, key: &str) -> Option<&'a str> {
    attributes.get(key).and_then(Json::as_str)
}

impl ReadModel {
    /// What an imported file shows.
    ///
    /// # Errors
    /// The database failed.
    pub fn trace_statistics(
        &self,
        file: &Hash,
    ) -> Result<Reflected<TraceStatistics>, ProjectionError> {
        self.query(|connection| {
            let (trace_count, event_count) = connection
                .prepare_cached(
                    "SELECT count(*) AS traces, ifnull(sum(event_count), 0) AS events
                     FROM trace WHERE file = ?1",
                )?
                .query_row([file.as_bytes()], |row| {
                    Ok((number(row, "traces")?, number(row, "events")?))
                })?;
            Ok(TraceStatistics {
                trace_count,
                event_count,
                by_channel: by(connection, file, "channel")?,
                by_department: by(connection, file, "department")?,
                duration_p90_ms: nearest_rank(connection, file, 90)?,
            })
        })
    }
}

fn by(
    connection: &Connection,
    file: &Hash,
    column: &'static str,
) -> rusqlite::Result<Vec<CategoryCount>> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT {column} AS value, count(*) AS count FROM trace WHERE file = ?1
         GROUP BY value ORDER BY value"
    ))?;
    let rows = select.query_map([file.as_bytes()], |row| {
        Ok(CategoryCount { value: row.get("value")?, count: number(row, "count")? })
    })?;
    rows.collect()
}

/// The duration at rank ⌈percent × count / 100⌉ of the durations in ascending order.
fn nearest_rank(
    connection: &Connection,
    file: &Hash,
    percent: u64,
) -> rusqlite::Result<Option<u64>> {
    let mut select = connection.prepare_cached(
        "SELECT last_ms - first_ms AS duration_ms FROM trace
         WHERE file = ?1 AND first_ms IS NOT NULL ORDER BY duration_ms",
    )?;
    let rows = select.query_map([file.as_bytes()], |row| number(row, "duration_ms"))?;
    let durations: Vec<u64> = rows.collect::<Result<_, _>>()?;
    let rank = (percent * durations.len() as u64).div_ceil(100);
    Ok(rank.checked_sub(1).and_then(|index| durations.get(usize::try_from(index).ok()?).copied()))
}
