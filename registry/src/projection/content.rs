//! The content hash of all tables: equal tables, equal hash, whatever way they were filled.

use letopis_ledger::Hash;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use sha2::{Digest, Sha256};

use super::{PROJECTIONS, claims, misplaced, streams};

/// Hashes the rows of each table in the order of its key, each value with its kind and length.
pub(super) fn hash(connection: &Connection) -> rusqlite::Result<Hash> {
    let mut hasher = Sha256::new();
    let projections = PROJECTIONS.iter().flat_map(|projection| projection.content);
    let others =
        [&claims::CONTENT, &streams::CONTENT, &streams::UNREADABLE_CONTENT, &misplaced::CONTENT];
    for (table, order) in others.into_iter().chain(projections) {
        field(&mut hasher, b'n', table.as_bytes());
        let mut select = connection.prepare(&format!("SELECT * FROM {table} ORDER BY {order}"))?;
        let column_count = select.column_count();
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            for column in 0..column_count {
                match row.get_ref(column)? {
                    ValueRef::Null => field(&mut hasher, b'0', &[]),
                    ValueRef::Integer(value) => field(&mut hasher, b'i', &value.to_be_bytes()),
                    ValueRef::Real(value) => field(&mut hasher, b'r', &value.to_be_bytes()),
                    ValueRef::Text(value) => field(&mut hasher, b't', value),
                    ValueRef::Blob(value) => field(&mut hasher, b'b', value),
                }
            }
        }
    }
    Ok(Hash::from_bytes(hasher.finalize().into()))
}

fn field(hasher: &mut Sha256, kind: u8, value: &[u8]) {
    hasher.update([kind]);
    hasher.update((value.len() as u64).to_be_bytes());
    hasher.update(value);
}
