//! Registries: every entry as it is now, and every change that it went through.
//!
//! Queries see the entries of the agency that the tables serve, and no other agency's: anybody who
//! is admitted to the log can open a stream with the name of a registry.

use std::collections::BTreeSet;

use letopis_ledger::id::{AgencyId, StreamName};
use letopis_ledger::json::{Json, Object};
use letopis_ledger::{LeafIndex, StreamVersion, Timestamp};
use rusqlite::{OptionalExtension, Row, params};

use super::row::{list_text, number, object, object_text, parsed, time, to_sql};
use super::{Fold, Place, Projection, ProjectionError, ReadModel, Reflected};
use crate::code::RegistryCode;
use crate::event::{DomainEvent, EntryAmended, EntryCreated, EntryEvent, EntryId, EntryRevised};

pub(super) const PROJECTION: Projection = Projection {
    tables: "
        CREATE TABLE registry_entry (
            stream TEXT PRIMARY KEY, registry TEXT NOT NULL, author TEXT NOT NULL, number TEXT,
            fields TEXT NOT NULL, valid_from TEXT, valid_until TEXT, status TEXT NOT NULL,
            version INTEGER NOT NULL, created_ms INTEGER NOT NULL, created_leaf INTEGER NOT NULL,
            leaf INTEGER NOT NULL
        ) WITHOUT ROWID;
        CREATE INDEX registry_entry_number ON registry_entry (registry, author, number);
        CREATE INDEX registry_entry_leaf ON registry_entry (registry, author, leaf);
        CREATE INDEX registry_entry_until ON registry_entry (status, valid_until);
        CREATE TABLE registry_history (
            stream TEXT NOT NULL, version INTEGER NOT NULL, event_type TEXT NOT NULL,
            data TEXT NOT NULL, changed_ms INTEGER NOT NULL, leaf INTEGER NOT NULL,
            PRIMARY KEY (stream, version)
        ) WITHOUT ROWID;
    ",
    content: &[("registry_entry", "stream"), ("registry_history", "stream, version")],
    fold,
};

/// Whether an entry is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryStatus {
    /// It is.
    InForce,
    /// It was taken out.
    Excluded,
    /// Its last day has passed.
    Expired,
}

/// An entry as the tables have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRow {
    /// Its stream.
    pub stream: StreamName,
    /// Its registry.
    pub registry: RegistryCode,
    /// The agency that made it.
    pub author: AgencyId,
    /// Its number, in registries that number entries.
    pub number: Option<String>,
    /// Public fields.
    pub fields: Object,
    /// First day in force, `2026-11-21`.
    pub valid_from: Option<String>,
    /// Last day in force.
    pub valid_until: Option<String>,
    /// Whether it is in force.
    pub status: EntryStatus,
    /// The number of its last event in its stream.
    pub version: StreamVersion,
    /// When it was made.
    pub created_at: Timestamp,
    /// The leaf that made it.
    pub created_leaf: LeafIndex,
    /// The leaf of its last event.
    pub leaf: LeafIndex,
}

/// A change of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryChange {
    /// The event's number in the entry's stream.
    pub version: StreamVersion,
    /// The event's type.
    pub event_type: String,
    /// Its public fields.
    pub data: Object,
    /// When it happened.
    pub changed_at: Timestamp,
    /// The leaf that carries it.
    pub leaf: LeafIndex,
}

impl EntryStatus {
    /// The status as tables and interfaces spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InForce => "in_force",
            Self::Excluded => "excluded",
            Self::Expired => "expired",
        }
    }

    fn parse(text: &str) -> Self {
        let gone = [Self::Excluded, Self::Expired];
        gone.into_iter().find(|status| status.as_str() == text).unwrap_or(Self::InForce)
    }
}

fn fold(fold: &Fold<'_>, place: &Place<'_>, event: &DomainEvent) -> Result<(), ProjectionError> {
    let DomainEvent::Entry(event) = event else { return Ok(()) };
    if EntryId::of_stream(&place.event.stream).is_err() {
        return Ok(());
    }
    if let EntryEvent::Created(created) = event {
        create(fold, place, created)?;
    }
    if !is_by_author(fold, place)? {
        return Ok(());
    }
    match event {
        EntryEvent::Created(_) => {}
        EntryEvent::Amended(amended) => amend(fold, place, amended)?,
        EntryEvent::Revised(revised) => revise(fold, place, revised)?,
        EntryEvent::Excluded(_) => remove(fold, place, EntryStatus::Excluded)?,
        EntryEvent::Expired { .. } => remove(fold, place, EntryStatus::Expired)?,
    }
    fold.run(
        "INSERT INTO registry_history (stream, version, event_type, data, changed_ms, leaf)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            place.event.stream.as_str(),
            to_sql(place.event.version.get()),
            place.event.event_type.as_str(),
            object_text(&place.event.data),
            place.time.unix_ms(),
            to_sql(place.leaf.get()),
        ],
    )
}

/// Whether the event is of the agency that made the entry; nobody else changes it.
pub(super) fn is_by_author(fold: &Fold<'_>, place: &Place<'_>) -> Result<bool, ProjectionError> {
    let exists = || {
        fold.transaction
            .prepare_cached("SELECT 1 FROM registry_entry WHERE stream = ?1 AND author = ?2")?
            .exists([place.event.stream.as_str(), place.author.as_str()])
    };
    exists().map_err(|e| fold.model.failed(e))
}

fn create(
    fold: &Fold<'_>,
    place: &Place<'_>,
    created: &EntryCreated,
) -> Result<(), ProjectionError> {
    fold.run(
        "INSERT OR IGNORE INTO registry_entry
         (stream, registry, author, number, fields, valid_from, valid_until, status, version,
          created_ms, created_leaf, leaf)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'in_force', ?8, ?9, ?10, ?10)",
        params![
            place.event.stream.as_str(),
            created.registry.as_str(),
            place.author.as_str(),
            created.number,
            object_text(&created.fields),
            created.valid_from.map(|date| date.to_string()),
            created.valid_until.map(|date| date.to_string()),
            to_sql(place.event.version.get()),
            place.time.unix_ms(),
            to_sql(place.leaf.get()),
        ],
    )
}

fn amend(
    fold: &Fold<'_>,
    place: &Place<'_>,
    amended: &EntryAmended,
) -> Result<(), ProjectionError> {
    // A member of the patch never is null, so a merge patch (RFC 7396) replaces values only.
    fold.run(
        "UPDATE registry_entry SET fields = json_patch(fields, ?2), version = ?3, leaf = ?4
         WHERE stream = ?1",
        params![
            place.event.stream.as_str(),
            Json::from(amended.fields.clone()).to_string(),
            to_sql(place.event.version.get()),
            to_sql(place.leaf.get()),
        ],
    )
}

/// What a revision says takes the place of everything that stood in the entry; its first day stays.
fn revise(
    fold: &Fold<'_>,
    place: &Place<'_>,
    revised: &EntryRevised,
) -> Result<(), ProjectionError> {
    fold.run(
        "UPDATE registry_entry SET fields = ?2, valid_until = ?3, version = ?4, leaf = ?5
         WHERE stream = ?1",
        params![
            place.event.stream.as_str(),
            object_text(&revised.fields),
            revised.valid_until.to_string(),
            to_sql(place.event.version.get()),
            to_sql(place.leaf.get()),
        ],
    )
}

fn remove(fold: &Fold<'_>, place: &Place<'_>, status: EntryStatus) -> Result<(), ProjectionError> {
    fold.run(
        "UPDATE registry_entry SET status = ?2, version = ?3, leaf = ?4 WHERE stream = ?1",
        params![
            place.event.stream.as_str(),
            status.as_str(),
            to_sql(place.event.version.get()),
            to_sql(place.leaf.get()),
        ],
    )
}

impl ReadModel {
    /// An entry.
    ///
    /// # Errors
    /// The database failed.
    pub fn entry(
        &self,
        stream: &StreamName,
    ) -> Result<Reflected<Option<EntryRow>>, ProjectionError> {
        self.query(|connection| {
            connection
                .prepare_cached("SELECT * FROM registry_entry WHERE stream = ?1 AND author = ?2")?
                .query_row([stream.as_str(), self.owner()], read)
                .optional()
        })
    }

    /// An entry by the number that its registry gave it.
    ///
    /// # Errors
    /// The database failed.
    pub fn entry_by_number(
        &self,
        registry: &RegistryCode,
        number: &str,
    ) -> Result<Reflected<Option<EntryRow>>, ProjectionError> {
        self.query(|connection| {
            connection
                .prepare_cached(
                    "SELECT * FROM registry_entry WHERE registry = ?1 AND number = ?2
                     AND author = ?3 ORDER BY stream",
                )?
                .query_row([registry.as_str(), number, self.owner()], read)
                .optional()
        })
    }

    /// Entries of a registry in the order of their streams, after one of them, at most `most`.
    ///
    /// # Errors
    /// The database failed.
    pub fn entries_after(
        &self,
        registry: &RegistryCode,
        after: Option<&StreamName>,
        most: u32,
    ) -> Result<Reflected<Vec<EntryRow>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT * FROM registry_entry WHERE registry = ?1 AND stream > ?2 AND author = ?4
                 ORDER BY stream LIMIT ?3",
            )?;
            let after = after.map_or("", StreamName::as_str);
            let rows =
                select.query_map(params![registry.as_str(), after, most, self.owner()], read)?;
            rows.collect()
        })
    }

    /// The changes that an entry went through, in order.
    ///
    /// # Errors
    /// The database failed.
    pub fn entry_history(
        &self,
        stream: &StreamName,
    ) -> Result<Reflected<Vec<EntryChange>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT * FROM registry_history WHERE stream = ?1 ORDER BY version",
            )?;
            let rows = select.query_map([stream.as_str()], |row| {
                Ok(EntryChange {
                    version: StreamVersion::new(number(row, "version")?),
                    event_type: row.get("event_type")?,
                    data: object(row, "data")?,
                    changed_at: time(row, "changed_ms")?,
                    leaf: LeafIndex::new(number(row, "leaf")?),
                })
            })?;
            rows.collect()
        })
    }

    /// How many entries of a registry are in force.
    ///
    /// # Errors
    /// The database failed.
    pub fn entry_count(&self, registry: &RegistryCode) -> Result<Reflected<u64>, ProjectionError> {
        self.query(|connection| {
            connection
                .prepare_cached(
                    "SELECT count(*) AS count FROM registry_entry
                     WHERE registry = ?1 AND status = 'in_force' AND author = ?2",
                )?
                .query_row([registry.as_str(), self.owner()], |row| number(row, "count"))
        })
    }

    /// Entries in force whose last day is before `today` (`2026-11-21`), at most `most`; those
    /// whose renewal is not decided yet stay until it is.
    ///
    /// # Errors
    /// The database failed.
    pub fn entries_to_expire(
        &self,
        registry: &RegistryCode,
        today: &str,
        most: u32,
    ) -> Result<Reflected<Vec<EntryRow>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT * FROM registry_entry
                 WHERE status = 'in_force' AND valid_until < ?2 AND registry = ?1
                 AND author = ?4 AND NOT EXISTS (
                     SELECT 1 FROM follow_up AS f JOIN case_file AS c USING (case_id)
                     WHERE f.entry = registry_entry.stream AND f.author = ?4
                     AND f.cause = 'renewal' AND c.status = 'in_progress')
                 ORDER BY valid_until, stream LIMIT ?3",
            )?;
            let parameters = params![registry.as_str(), today, most, self.owner()];
            let rows = select.query_map(parameters, read)?;
            rows.collect()
        })
    }

    /// Entries in force of these registries whose newest event stands at leaf `from` or later, in
    /// the order of those leaves: at most `most`, and all of the last leaf.
    ///
    /// # Errors
    /// The database failed.
    pub fn entries_changed(
        &self,
        registries: &BTreeSet<RegistryCode>,
        from: LeafIndex,
        most: u32,
    ) -> Result<Reflected<Vec<EntryRow>>, ProjectionError> {
        let registries = list_text(registries);
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "WITH changed AS (
                     SELECT * FROM registry_entry WHERE author = ?4 AND status = 'in_force'
                     AND leaf >= ?2 AND registry IN (SELECT value FROM json_each(?1)))
                 SELECT * FROM changed WHERE leaf <= coalesce(
                     (SELECT leaf FROM changed ORDER BY leaf LIMIT 1 OFFSET ?3), ?5)
                 ORDER BY leaf, stream",
            )?;
            let from = to_sql(from.get());
            let parameters = params![registries, from, most, self.owner(), i64::MAX];
            let rows = select.query_map(parameters, read)?;
            rows.collect()
        })
    }

    /// The latest numbers of a registry: longest first, then last in the order of text.
    ///
    /// # Errors
    /// The database failed.
    pub fn latest_entry_numbers(
        &self,
        registry: &RegistryCode,
        most: u32,
    ) -> Result<Reflected<Vec<String>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT number FROM registry_entry WHERE registry = ?1 AND number IS NOT NULL
                 AND author = ?3 ORDER BY length(number) DESC, number DESC LIMIT ?2",
            )?;
            let parameters = params![registry.as_str(), most, self.owner()];
            let rows = select.query_map(parameters, |row| row.get(0))?;
            rows.collect()
        })
    }
}

pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<EntryRow> {
    Ok(EntryRow {
        stream: parsed(row, "stream", StreamName::parse)?,
        registry: parsed(row, "registry", RegistryCode::parse)?,
        author: parsed(row, "author", AgencyId::parse)?,
        number: row.get("number")?,
        fields: object(row, "fields")?,
        valid_from: row.get("valid_from")?,
        valid_until: row.get("valid_until")?,
        status: EntryStatus::parse(row.get_ref("status")?.as_str()?),
        version: StreamVersion::new(number(row, "version")?),
        created_at: time(row, "created_ms")?,
        created_leaf: LeafIndex::new(number(row, "created_leaf")?),
        leaf: LeafIndex::new(number(row, "leaf")?),
    })
}
