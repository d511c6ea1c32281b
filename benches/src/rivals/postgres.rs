//! PostgreSQL with synchronous commit: plain inserts, and inserts that chain rows by hash.
//!
//! One connection and one prepared statement for each client; one round trip and one transaction
//! for each record. A chained row holds SHA-256 of the previous row's hash and its own value, so
//! one transaction reads the tail under an advisory lock and holds it until it has committed.
//! Not here: tuning; but for the number of connections and a deadlock search that would come in
//! the way, the server runs with its defaults.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_postgres::{NoTls, Statement};

use super::runner::Bounds;
use super::server::{Server, Servers, Signal, User, command, find, free_ports, is_root};
use super::system::{Client, System};
use super::value::{VALUE_BYTES, value};

const CONNECTIONS_MAX: usize = 1100;
/// Connections that are opened at once; each is a process that has to be started.
const CONNECTING: usize = 16;

const SCHEMA: &str = "
    CREATE TABLE plain (n bigserial PRIMARY KEY, value bytea NOT NULL);
    CREATE TABLE chained (n bigint PRIMARY KEY, value bytea NOT NULL, hash bytea NOT NULL);
    CREATE FUNCTION append_chained(new_value bytea) RETURNS bigint LANGUAGE plpgsql AS $$
    DECLARE
        tail record;
    BEGIN
        PERFORM pg_advisory_xact_lock(1);
        SELECT n, hash INTO tail FROM chained ORDER BY n DESC LIMIT 1;
        INSERT INTO chained VALUES (
            coalesce(tail.n, 0) + 1, new_value, sha256(coalesce(tail.hash, '') || new_value));
        RETURN coalesce(tail.n, 0) + 1;
    END $$;";

/// Rows whose hash does not follow from the row before, or whose number leaves a gap.
const BROKEN_LINKS: &str = "
    SELECT count(*) FROM (
        SELECT n, value, hash, lag(n, 1, 0::bigint) OVER w AS before,
            lag(hash, 1, ''::bytea) OVER w AS link
        FROM chained WINDOW w AS (ORDER BY n)) AS rows
    WHERE hash <> sha256(link || value) OR n <> before + 1";

/// How rows are inserted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Insert {
    Plain,
    Chained,
}

/// One PostgreSQL server.
#[derive(Debug)]
pub(crate) struct Postgres {
    insert: Insert,
    servers: Servers,
    port: u16,
}

impl Postgres {
    pub(crate) fn new(insert: Insert) -> Self {
        Self { insert, servers: Servers::default(), port: 0 }
    }

    async fn open(port: u16) -> anyhow::Result<tokio_postgres::Client> {
        let address = format!("host=127.0.0.1 port={port} user=bench dbname=postgres");
        let (client, connection) = tokio_postgres::connect(&address, NoTls).await?;
        // It ends with the client, or when the server goes; the client's calls tell then.
        tokio::spawn(connection);
        Ok(client)
    }
}

impl System for Postgres {
    type Client = Inserter;

    fn name(&self) -> String {
        match self.insert {
            Insert::Plain => "PostgreSQL, plain".into(),
            Insert::Chained => "PostgreSQL, hash-chained".into(),
        }
    }

    fn nodes(&self) -> usize {
        1
    }

    fn absent(&self) -> Option<String> {
        let absent = program("postgres").is_none() || program("initdb").is_none();
        absent.then(|| {
            "`postgres` is not in /usr/lib/postgresql, /usr/local/bin or PATH: \
             apt-get install postgresql"
                .into()
        })
    }

    async fn start(&mut self, folder: &Path) -> anyhow::Result<()> {
        let user = if is_root() {
            let user = User::find(&["postgres", "nobody"]);
            Some(user.context("PostgreSQL does not run as root; make a user `postgres`")?)
        } else {
            None
        };
        let data = folder.join("data");
        fs::create_dir(&data)?;
        if let Some(user) = user {
            chown(&data, Some(user.uid), Some(user.gid))?;
        }
        let initdb = program("initdb").context("initdb")?;
        let mut make = command(&initdb, user, Signal::Kill)?;
        make.current_dir(folder).env("LC_ALL", "C").arg("-D").arg(&data);
        make.args(["-U", "bench", "-A", "trust", "-E", "UTF8", "--no-sync"]);
        let made = make.output().context("run initdb")?;
        if !made.status.success() {
            let said = String::from_utf8_lossy(&made.stderr);
            anyhow::bail!("initdb: {said}(can its user reach {}?)", folder.display());
        }
        self.port = free_ports(1)?[0];
        let postgres = program("postgres").context("postgres")?;
        let mut run = command(&postgres, user, Signal::Quit)?;
        run.current_dir(folder).env("LC_ALL", "C").arg("-D").arg(&data);
        for setting in [
            format!("port={}", self.port),
            format!("max_connections={CONNECTIONS_MAX}"),
            "listen_addresses=127.0.0.1".into(),
            "unix_socket_directories=".into(),
            "synchronous_commit=on".into(),
            "fsync=on".into(),
            // Else every client that waits for the chain longer than a second looks for deadlocks
            // among all the others, and with a thousand of them little else is done.
            "deadlock_timeout=10min".into(),
        ] {
            run.arg("-c").arg(setting);
        }
        self.servers.push(Server::start(run, Signal::Quit, &folder.join("postgres.log"))?);
        let port = self.port;
        let client = self.servers.until_ready(async || Self::open(port).await).await?;
        client.batch_execute(SCHEMA).await?;
        Ok(())
    }

    fn servers(&self) -> &Servers {
        &self.servers
    }

    fn servers_mut(&mut self) -> &mut Servers {
        &mut self.servers
    }

    async fn connect(&self, clients: usize, _: Bounds) -> anyhow::Result<Vec<Inserter>> {
        let statement = match self.insert {
            Insert::Plain => "INSERT INTO plain (value) VALUES ($1) RETURNING n",
            Insert::Chained => "SELECT append_chained($1)",
        };
        let (port, connecting) = (self.port, Arc::new(Semaphore::new(CONNECTING)));
        let mut tasks = JoinSet::new();
        for client in 0..clients {
            let connecting = Arc::clone(&connecting);
            tasks.spawn(async move {
                let _one_of_few = connecting.acquire().await?;
                let connection = Self::open(port).await?;
                let statement = connection.prepare(statement).await?;
                anyhow::Ok(Inserter { connection, statement, client })
            });
        }
        tasks.join_all().await.into_iter().collect()
    }

    async fn kept(&self) -> anyhow::Result<u64> {
        let client = Self::open(self.port).await?;
        let broken: i64 = client.query_one(BROKEN_LINKS, &[]).await?.get(0);
        anyhow::ensure!(broken == 0, "{broken} rows break the chain");
        let counts = "SELECT (SELECT count(*) FROM plain) + (SELECT count(*) FROM chained)";
        let count: i64 = client.query_one(counts, &[]).await?.get(0);
        Ok(u64::try_from(count)?)
    }
}

/// Finds a program of the newest installed version: Debian keeps each version in its own folder.
fn program(name: &str) -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    let mut folders: Vec<PathBuf> = versions.into_iter().map(|(_, folder)| folder).collect();
    folders.push("/usr/local/bin".into());
    find(name, &folders)
}

/// A client that inserts.
#[derive(Debug)]
pub(crate) struct Inserter {
    connection: tokio_postgres::Client,
    statement: Statement,
    client: usize,
}

impl Client for Inserter {
    async fn append(&mut self, number: usize) -> anyhow::Result<()> {
        let value = value(self.client, number, VALUE_BYTES).into_bytes();
        let row = self.connection.query_one(&self.statement, &[&value]).await?;
        anyhow::ensure!(row.get::<_, i64>(0) > 0, "no row number");
        Ok(())
    }
}
