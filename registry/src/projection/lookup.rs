//! Finding entries by the values of their fields, private ones included, without storing them.
//!
//! A row holds the keyed digest of a value, so equal values meet and the file tells nothing. The
//! fold opens private fields from the agency's own store; entries of other agencies, whose
//! disclosures are not here, are not found by private fields, and not counted in any case.

use std::collections::{BTreeMap, BTreeSet};

use letopis_ledger::Hash;
use letopis_ledger::disclosure::DisclosureDigest;
use letopis_ledger::id::{ClaimName, StreamName};
use letopis_ledger::json::Json;
use rusqlite::{Connection, params};

use super::claims;
use super::entries::{self, EntryRow};
use super::row::to_sql;
use super::{Fold, Place, Projection, ProjectionError, ReadModel, Reflected};
use crate::case::Holdings;
use crate::code::{FieldPath, RegistryCode};
use crate::event::{DomainEvent, EntryEvent, EntryId};
use crate::pack::plain_text;
use crate::secret::{AgencySecret, KeyedDigest};

/// Entries are counted up to this; more make no difference to any rule.
const COUNT_MAX: u32 = 10_000;

pub(super) const PROJECTION: Projection = Projection {
    tables: "
        CREATE TABLE entry_key (
            digest BLOB NOT NULL, stream TEXT NOT NULL, registry TEXT NOT NULL,
            field TEXT NOT NULL, disclosure BLOB, leaf INTEGER NOT NULL,
            PRIMARY KEY (digest, stream)
        ) WITHOUT ROWID;
        CREATE INDEX entry_key_stream ON entry_key (stream, field);
    ",
    content: &[("entry_key", "digest, stream")],
    fold,
};

fn fold(fold: &Fold<'_>, place: &Place<'_>, event: &DomainEvent) -> Result<(), ProjectionError> {
    let DomainEvent::Entry(event) = event else { return Ok(()) };
    let Ok(entry) = EntryId::of_stream(&place.event.stream) else { return Ok(()) };
    if !entries::is_by_author(fold, place)? {
        return Ok(());
    }
    let public = match event {
        EntryEvent::Created(created) => &created.fields,
        EntryEvent::Amended(amended) => &amended.fields,
        EntryEvent::Revised(revised) => {
            let stream = place.event.stream.as_str();
            fold.run("DELETE FROM entry_key WHERE stream = ?1", [stream])?;
            &revised.fields
        }
        EntryEvent::Excluded(_) | EntryEvent::Expired { .. } => return Ok(()),
    };
    for (field, value) in public.iter() {
        set(fold, place, entry.registry(), (field, value), None)?;
    }
    let private = fold.model.private.open_digests(&place.event.private)?;
    for disclosure in private.iter().flatten() {
        if let Some(field) = disclosure.name().strip_prefix("field.") {
            let value = (field, disclosure.value());
            set(fold, place, entry.registry(), value, Some(disclosure.digest()))?;
        }
    }
    Ok(())
}

fn set(
    fold: &Fold<'_>,
    place: &Place<'_>,
    registry: &RegistryCode,
    (field, value): (&str, &Json),
    disclosure: Option<DisclosureDigest>,
) -> Result<(), ProjectionError> {
    let stream = place.event.stream.as_str();
    fold.run("DELETE FROM entry_key WHERE stream = ?1 AND field = ?2", [stream, field])?;
    let digest = key_digest(&fold.model.secret, registry, field, value);
    fold.run(
        "INSERT OR REPLACE INTO entry_key (digest, stream, registry, field, disclosure, leaf)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            digest.as_bytes(),
            stream,
            registry.as_str(),
            field,
            disclosure.map(|digest| *digest.hash().as_bytes()),
            to_sql(place.leaf.get()),
        ],
    )
}

fn key_digest(
    secret: &AgencySecret,
    registry: &RegistryCode,
    field: &str,
    value: &Json,
) -> KeyedDigest {
    secret.digest("key", &[registry.as_str(), field, &plain_text(value)])
}

/// Entries of a registry that have all these values.
#[derive(Debug, Clone)]
pub struct EntryQuery {
    /// The registry.
    pub registry: RegistryCode,
    /// Values by field.
    pub by: BTreeMap<FieldPath, Json>,
}

impl ReadModel {
    /// Counts entries in force without `except` and finds held names, all on one state of the
    /// tables.
    ///
    /// # Errors
    /// The database failed.
    pub fn holdings(
        &self,
        counts: &BTreeMap<String, EntryQuery>,
        names: &[ClaimName],
        except: Option<&StreamName>,
    ) -> Result<Holdings, ProjectionError> {
        let found = self.query(|connection| {
            let mut entry_counts = BTreeMap::new();
            for (input, query) in counts {
                let found = self.select_by(connection, (&query.registry, &query.by), COUNT_MAX)?;
                let counted = found.iter().filter(|entry| Some(&entry.stream) != except).count();
                let count = u32::try_from(counted).expect("invariant: at most COUNT_MAX");
                entry_counts.insert(input.clone(), count);
            }
            Ok((entry_counts, claims::held(connection, names)?))
        })?;
        let (entry_counts, taken_slots) = found.value;
        Ok(Holdings { read_size: found.size, entry_counts, taken_slots })
    }

    /// Digests of the private values that an entry has now, by field; those of earlier values are
    /// left out.
    ///
    /// # Errors
    /// The database failed.
    pub fn entry_disclosures(
        &self,
        stream: &StreamName,
    ) -> Result<Reflected<Vec<DisclosureDigest>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT disclosure FROM entry_key JOIN registry_entry AS entry USING (stream)
                 WHERE stream = ?1 AND entry.author = ?2 AND disclosure IS NOT NULL ORDER BY field",
            )?;
            let rows = select.query_map([stream.as_str(), self.owner()], |row| {
                Ok(DisclosureDigest::from_hash(Hash::from_bytes(row.get("disclosure")?)))
            })?;
            rows.collect()
        })
    }

    /// Entries in force that have all these values, oldest first, at most `most`.
    ///
    /// # Errors
    /// The database failed.
    pub fn entries_by(
        &self,
        registry: &RegistryCode,
        by: &BTreeMap<FieldPath, Json>,
        most: u32,
    ) -> Result<Reflected<Vec<EntryRow>>, ProjectionError> {
        self.query(|connection| self.select_by(connection, (registry, by), most))
    }

    /// Streams of entries that have or had all these values when they were last in force, at most
    /// `most`: an entry that was taken out and entered anew is found by both of its streams.
    ///
    /// # Errors
    /// The database failed.
    pub fn entries_ever_by(
        &self,
        registry: &RegistryCode,
        by: &BTreeMap<FieldPath, Json>,
        most: u32,
    ) -> Result<Reflected<BTreeSet<StreamName>>, ProjectionError> {
        self.query(|connection| {
            let found = self.select_any(connection, (registry, by), most, false)?;
            Ok(found.into_iter().map(|entry| entry.stream).collect())
        })
    }

    fn select_by(
        &self,
        connection: &Connection,
        query: (&RegistryCode, &BTreeMap<FieldPath, Json>),
        most: u32,
    ) -> rusqlite::Result<Vec<EntryRow>> {
        self.select_any(connection, query, most, true)
    }

    fn select_any(
        &self,
        connection: &Connection,
        (registry, by): (&RegistryCode, &BTreeMap<FieldPath, Json>),
        most: u32,
        in_force: bool,
    ) -> rusqlite::Result<Vec<EntryRow>> {
        let digests: Vec<KeyedDigest> = by
            .iter()
            .map(|(field, value)| key_digest(&self.secret, registry, field.as_str(), value))
            .collect();
        let Some((first, others)) = digests.split_first() else { return Ok(Vec::new()) };
        let mut select = connection.prepare_cached(
            "SELECT entry.* FROM entry_key AS key JOIN registry_entry AS entry
             ON entry.stream = key.stream
             WHERE key.digest = ?1 AND entry.author = ?2
             AND (NOT ?3 OR entry.status = 'in_force')
             ORDER BY entry.created_leaf, entry.stream",
        )?;
        let mut also = connection
            .prepare_cached("SELECT 1 FROM entry_key WHERE digest = ?1 AND stream = ?2")?;
        let mut found = Vec::new();
        let mut rows = select.query(params![first.as_bytes(), self.owner(), in_force])?;
        while let Some(row) = rows.next()?
            && found.len() < most as usize
        {
            let entry = entries::read(row)?;
            let mut matches = true;
            for digest in others {
                matches &= also.exists(params![digest.as_bytes(), entry.stream.as_str()])?;
            }
            if matches {
                found.push(entry);
            }
        }
        Ok(found)
    }
}
