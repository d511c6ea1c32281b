//! System registries: computed from the log alone, as of any leaf or instant; nobody writes them.
//!
//! Each has rows under stable ids, and a digest of all its rows that anybody gets who folds the
//! same leaves. Not here: registries that packs define (`entries`).

mod published;

use letopis_ledger::json::{Json, Object};
use letopis_ledger::{Hash, LeafIndex, Timestamp, TreeSize};
use rusqlite::{Connection, Row, params};
use sha2::{Digest, Sha256};

use super::row::{number, object, time, to_sql};
use super::{ProjectionError, ReadModel, Reflected};
use crate::code::RegistryCode;
use crate::messages::{MessageId, Text};

pub(super) use published::PROJECTION;

/// A registry that the program computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SystemRegistry {
    /// Services that were provided or refused: one row for each decision that was issued.
    ProvidedServices,
    /// Services that published packs offer.
    Services,
    /// Kinds of requests to people that published packs describe.
    RequestKinds,
    /// Classifiers of published packs.
    Classifiers,
}

/// Up to where a registry reflects the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AsOf {
    /// Leaves that count.
    pub size: TreeSize,
    /// Only leaves that are not later count; all when there is no such instant.
    pub time: Option<Timestamp>,
}

/// A row of a system registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemRow {
    /// Its id, stable for ever.
    pub id: String,
    /// What it says.
    pub fields: Object,
    /// Whether it still holds; a service that a later version of its pack leaves out does not.
    pub in_force: bool,
    /// When it came about.
    pub created_at: Timestamp,
    /// The leaf that says what it says.
    pub leaf: LeafIndex,
}

/// The digest of a system registry, and of how many rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SystemDigest {
    /// SHA-256 over the canonical JSON of every row in the order of ids, each followed by a line
    /// feed; see [`SystemRow::to_json`].
    pub sha256: Hash,
    /// Rows.
    pub row_count: u64,
}

impl SystemRegistry {
    /// Every system registry.
    pub const ALL: [Self; 4] =
        [Self::ProvidedServices, Self::Services, Self::RequestKinds, Self::Classifiers];

    /// Its code; no pack can have a registry of this code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::ProvidedServices => "provided_services",
            Self::Services => "services",
            Self::RequestKinds => "request_kinds",
            Self::Classifiers => "classifiers",
        }
    }

    /// The registry of a code.
    #[must_use]
    pub fn of(code: &RegistryCode) -> Option<Self> {
        Self::ALL.into_iter().find(|registry| registry.code() == code.as_str())
    }

    /// What people call it.
    #[must_use]
    pub fn title(self) -> Text {
        match self {
            Self::ProvidedServices => MessageId::SystemProvidedServices,
            Self::Services => MessageId::SystemServices,
            Self::RequestKinds => MessageId::SystemRequestKinds,
            Self::Classifiers => MessageId::SystemClassifiers,
        }
        .texts(&[])
    }

    /// The rows after an id, with the columns of a [`SystemRow`]. Parameters: leaves, milliseconds,
    /// the id before.
    fn rows(self) -> String {
        match self {
            Self::ProvidedServices => PROVIDED.to_owned(),
            Self::Services => published::rows("services"),
            Self::RequestKinds => published::rows("requests"),
            Self::Classifiers => published::rows("classifiers"),
        }
    }
}

const PROVIDED: &str = "
    SELECT case_id AS id, 1 AS in_force, provided_ms AS created_ms, leaf,
        json_patch(
            json_object('service', service, 'outcome', outcome, 'agency', author),
            json_object('number', number, 'entry', entry)
        ) AS fields
    FROM provided_service WHERE leaf < ?1 AND provided_ms <= ?2 AND case_id > ?3
    ORDER BY case_id";

impl SystemRow {
    /// The row as its digest has it: `{"created_at","fields","id","in_force","leaf"}`.
    ///
    /// # Panics
    /// Never for a leaf of a ledger.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let leaf = i64::try_from(self.leaf.get()).ok().and_then(|leaf| Json::integer(leaf).ok());
        let leaf = leaf.expect("invariant: positions are below 2^53");
        Object::new()
            .with("id", self.id.as_str())
            .with("fields", self.fields.clone())
            .with("in_force", self.in_force)
            .with("created_at", self.created_at.to_string().as_str())
            .with("leaf", leaf)
            .into()
    }
}

impl AsOf {
    fn until_ms(self) -> i64 {
        self.time.map_or(i64::MAX, |time| time.unix_ms())
    }
}

impl ReadModel {
    /// Rows of a system registry in the order of their ids, after an id.
    ///
    /// # Errors
    /// The database failed.
    pub fn system_rows(
        &self,
        registry: SystemRegistry,
        as_of: AsOf,
        after: &str,
        most: u32,
    ) -> Result<Reflected<Vec<SystemRow>>, ProjectionError> {
        self.query(|connection| {
            let sql = format!("{} LIMIT ?4", registry.rows());
            let mut select = connection.prepare_cached(&sql)?;
            let limits = (to_sql(as_of.size.get()), as_of.until_ms());
            let rows = select.query_map(params![limits.0, limits.1, after, most], read)?;
            rows.collect()
        })
    }

    /// One row of a system registry.
    ///
    /// # Errors
    /// The database failed.
    pub fn system_row(
        &self,
        registry: SystemRegistry,
        as_of: AsOf,
        id: &str,
    ) -> Result<Reflected<Option<SystemRow>>, ProjectionError> {
        self.query(|connection| {
            let sql = format!("SELECT * FROM ({}) WHERE id = ?4", registry.rows());
            let mut select = connection.prepare_cached(&sql)?;
            let limits = (to_sql(as_of.size.get()), as_of.until_ms());
            let mut rows = select.query_map(params![limits.0, limits.1, "", id], read)?;
            rows.next().transpose()
        })
    }

    /// The digest of all rows of a system registry.
    ///
    /// # Errors
    /// The database failed.
    pub fn system_digest(
        &self,
        registry: SystemRegistry,
        as_of: AsOf,
    ) -> Result<Reflected<SystemDigest>, ProjectionError> {
        self.query(|connection| digest(connection, registry, as_of))
    }

    /// How many rows of a system registry hold.
    ///
    /// # Errors
    /// The database failed.
    pub fn system_count(
        &self,
        registry: SystemRegistry,
    ) -> Result<Reflected<u64>, ProjectionError> {
        self.query(|connection| {
            let sql = format!("SELECT count(*) AS count FROM ({}) WHERE in_force", registry.rows());
            let mut select = connection.prepare_cached(&sql)?;
            select.query_row(params![i64::MAX, i64::MAX, ""], |row| number(row, "count"))
        })
    }
}

fn digest(
    connection: &Connection,
    registry: SystemRegistry,
    as_of: AsOf,
) -> rusqlite::Result<SystemDigest> {
    let mut hasher = Sha256::new();
    let mut row_count = 0;
    let mut select = connection.prepare_cached(&registry.rows())?;
    let limits = (to_sql(as_of.size.get()), as_of.until_ms());
    for row in select.query_map(params![limits.0, limits.1, ""], read)? {
        hasher.update(row?.to_json().to_string());
        hasher.update(b"\n");
        row_count += 1;
    }
    Ok(SystemDigest { sha256: Hash::from_bytes(hasher.finalize().into()), row_count })
}

fn read(row: &Row<'_>) -> rusqlite::Result<SystemRow> {
    Ok(SystemRow {
        id: row.get("id")?,
        fields: object(row, "fields")?,
        in_force: row.get("in_force")?,
        created_at: time(row, "created_ms")?,
        leaf: LeafIndex::new(number(row, "leaf")?),
    })
}

#[cfg(test)]
mod test;
