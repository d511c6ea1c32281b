//! Tables of the private store, and how connections to it behave.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::draft;

/// Shape of the tables; a file of a newer shape is refused.
const SCHEMA_VERSION: i32 = 2;

const TABLES: &str = "
    CREATE TABLE disclosure (
        digest BLOB PRIMARY KEY,
        stream TEXT NOT NULL,
        text TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX disclosure_stream ON disclosure (stream);
    CREATE TABLE token (
        digest BLOB NOT NULL,
        stream TEXT NOT NULL,
        PRIMARY KEY (digest, stream)
    ) WITHOUT ROWID;
    CREATE TABLE submission (
        key BLOB PRIMARY KEY,
        input BLOB NOT NULL,
        case_id TEXT NOT NULL,
        record BLOB NOT NULL
    ) WITHOUT ROWID;
";

/// What version 2 added: files that were issued, by the SHA-256 that the log states.
const FILES: &str = "
    CREATE TABLE file (
        sha256 BLOB PRIMARY KEY,
        stream TEXT NOT NULL,
        bytes BLOB NOT NULL
    );
    CREATE INDEX file_stream ON file (stream);
";

/// Brings a writer's connection and the tables into shape. `synchronous = FULL` makes a commit
/// durable before it returns, in WAL mode as well.
pub(super) fn prepare(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.busy_timeout(Duration::from_secs(10))?;
    let transaction = connection.transaction()?;
    let found: i32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match found {
        // Version 1 had neither files nor drafts.
        0 | 1 => {
            if found == 0 {
                transaction.execute_batch(TABLES)?;
            }
            transaction.execute_batch(FILES)?;
            transaction.execute_batch(draft::TABLE)?;
            transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        }
        SCHEMA_VERSION => {}
        _ => return Err(rusqlite::Error::InvalidPath("made by a newer program".into())),
    }
    transaction.commit()
}

pub(super) fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    Ok(connection)
}
