//! The file of the tables: its shape, its position, connections to it.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use letopis_ledger::TreeSize;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::row::{from_sql, to_sql};
use super::{PROJECTIONS, Reflected, claims, streams};

/// Version of all tables together; a file of another version is built again.
const SCHEMA_VERSION: i32 = 12;
/// Most connections that readers keep open.
const READERS_MAX: usize = 8;

/// Opens a writer's connection and makes the tables; tables of another version are dropped, since
/// they are built again from the ledger.
pub(super) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A lost tail is folded again from the ledger, so commits need not wait for the disk.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.set_prepared_statement_cache_capacity(128);
    plan_once(&connection)?;
    let found: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found != SCHEMA_VERSION {
        reset(&mut connection)?;
    }
    Ok(connection)
}

/// Drops every table and makes them empty.
pub(super) fn reset(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    let tables: Vec<String> = transaction
        // A virtual table drops the tables in its shadow itself.
        .prepare(
            "SELECT name FROM pragma_table_list WHERE schema = 'main'
             AND type IN ('table', 'virtual') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for table in tables {
        transaction.execute_batch(&format!("DROP TABLE \"{table}\""))?;
    }
    transaction.execute_batch(
        "CREATE TABLE position (only INTEGER PRIMARY KEY CHECK (only = 0), size INTEGER NOT NULL);
         INSERT INTO position VALUES (0, 0);",
    )?;
    transaction.execute_batch(claims::TABLES)?;
    transaction.execute_batch(streams::TABLES)?;
    for projection in PROJECTIONS {
        transaction.execute_batch(projection.tables)?;
    }
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()
}

pub(super) fn position(connection: &Connection) -> rusqlite::Result<TreeSize> {
    let size = connection
        .prepare_cached("SELECT size FROM position")?
        .query_row([], |row| row.get::<_, i64>(0))?;
    Ok(TreeSize::new(from_sql(size)))
}

pub(super) fn set_position(connection: &Connection, size: TreeSize) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE position SET size = ?1")?
        .execute([to_sql(size.get())])
        .map(|_rows| ())
}

/// Connections of readers, kept open between queries.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_path_buf(), idle: Mutex::default() }
    }

    /// Runs queries in one read transaction, so that all of them see one state of the tables.
    pub(super) fn query<T>(
        &self,
        queries: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Reflected<T>> {
        let idle = self.idle.lock().expect("invariant: no reader panics").pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let transaction = connection.transaction()?;
        let size = position(&transaction)?;
        let value = queries(&transaction)?;
        transaction.finish()?;
        let mut idle = self.idle.lock().expect("invariant: no reader panics");
        if idle.len() < READERS_MAX {
            idle.push(connection);
        }
        Ok(Reflected { size, value })
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.set_prepared_statement_cache_capacity(64);
        plan_once(&connection)?;
        Ok(connection)
    }
}

/// Keeps the plan of a statement whatever values it is given. Without this SQLite compiles every
/// statement on a table that has a partial index again for each execution, which took a tenth of
/// a node's time. Partial indexes serve queries that state their condition with literals.
fn plan_once(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}
