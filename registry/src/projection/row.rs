//! Values of columns: positions, instants, JSON, codes.

use letopis_ledger::Timestamp;
use letopis_ledger::json::{Json, Object};
use rusqlite::types::Type;

/// A position as SQLite holds it.
pub(super) fn to_sql(value: u64) -> i64 {
    i64::try_from(value).expect("invariant: positions and sizes are below 2^53")
}

/// A position from SQLite.
pub(super) fn from_sql(value: i64) -> u64 {
    u64::try_from(value).expect("invariant: only positions and sizes were stored")
}

/// Public fields as text.
pub(super) fn object_text(object: &Object) -> String {
    Json::from(object.clone()).to_string()
}

/// A list of texts as a JSON array.
pub(super) fn list_text<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items = items.into_iter().map(|item| Json::from(item.to_string().as_str()));
    Json::Array(items.collect()).to_string()
}

/// A column that this module wrote, read back.
pub(super) fn parsed<T, E: std::error::Error + Send + Sync + 'static>(
    row: &rusqlite::Row<'_>,
    column: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    parse(&text).map_err(|e| {
        let index = row.as_ref().column_index(column).unwrap_or_default();
        rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(e))
    })
}

/// A JSON object column.
pub(super) fn object(row: &rusqlite::Row<'_>, column: &str) -> rusqlite::Result<Object> {
    let value = parsed(row, column, |text| Json::parse(text.as_bytes()))?;
    Ok(value.as_object().cloned().unwrap_or_default())
}

/// A column of milliseconds since 1970.
pub(super) fn time(row: &rusqlite::Row<'_>, column: &str) -> rusqlite::Result<Timestamp> {
    let unix_ms: i64 = row.get(column)?;
    Timestamp::from_unix_ms(unix_ms).map_err(|e| {
        let index = row.as_ref().column_index(column).unwrap_or_default();
        rusqlite::Error::FromSqlConversionFailure(index, Type::Integer, Box::new(e))
    })
}

/// A position column.
pub(super) fn number(row: &rusqlite::Row<'_>, column: &str) -> rusqlite::Result<u64> {
    Ok(from_sql(row.get(column)?))
}

/// A position column that may be empty.
pub(super) fn optional_number(
    row: &rusqlite::Row<'_>,
    column: &str,
) -> rusqlite::Result<Option<u64>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(from_sql))
}
