//! Areas of entries in force: which of them meet a given one, found by an R*Tree of their boxes.
//!
//! A public value that is a polygon is an area, whatever pack says so: the tables follow from the
//! log alone. The tree holds boxes in single precision, rounded outwards, so it never misses an
//! area; what it finds is compared exactly. Not here: geometry itself.

use letopis_ledger::id::StreamName;
use rusqlite::params;

use super::entries::{self, EntryRow};
use super::row::to_sql;
use super::{Fold, Place, Projection, ProjectionError, ReadModel, Reflected};
use crate::code::{FieldPath, RegistryCode};
use crate::event::{DomainEvent, EntryEvent, EntryId};
use crate::geometry::Area;

/// Most areas that one query compares: it ends there and says where to go on.
const COMPARED_MAX: usize = 500;

pub(super) const PROJECTION: Projection = Projection {
    tables: "
        CREATE TABLE entry_area (
            id INTEGER PRIMARY KEY, stream TEXT NOT NULL, field TEXT NOT NULL,
            leaf INTEGER NOT NULL, UNIQUE (stream, field)
        );
        CREATE VIRTUAL TABLE entry_area_box USING rtree (id, west, east, south, north);
    ",
    content: &[("entry_area", "id"), ("entry_area_box", "id")],
    fold,
};

/// A page of entries whose area meets a given one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EntriesMet {
    /// The entries, in the order of their streams.
    pub entries: Vec<EntryRow>,
    /// The stream after which the next page begins, unless this is the last one. A page may be
    /// short, even empty, and not the last.
    pub next: Option<StreamName>,
}

fn fold(fold: &Fold<'_>, place: &Place<'_>, event: &DomainEvent) -> Result<(), ProjectionError> {
    let DomainEvent::Entry(event) = event else { return Ok(()) };
    if EntryId::of_stream(&place.event.stream).is_err() || !entries::is_by_author(fold, place)? {
        return Ok(());
    }
    let public = match event {
        EntryEvent::Created(created) => {
            remove(fold, place, None)?;
            &created.fields
        }
        EntryEvent::Amended(amended) => {
            for (field, _) in amended.fields.iter() {
                remove(fold, place, Some(field))?;
            }
            &amended.fields
        }
        EntryEvent::Revised(revised) => {
            remove(fold, place, None)?;
            &revised.fields
        }
        EntryEvent::Excluded(_) | EntryEvent::Expired { .. } => return remove(fold, place, None),
    };
    for (field, value) in public.iter() {
        let area = value.as_str().filter(|text| text.starts_with('{')).map(Area::parse);
        if let Some(Ok(area)) = area {
            insert(fold, place, field, &area)?;
        }
    }
    Ok(())
}

/// Drops the area of one field of the entry, or all of them.
fn remove(fold: &Fold<'_>, place: &Place<'_>, field: Option<&str>) -> Result<(), ProjectionError> {
    let parameters = params![place.event.stream.as_str(), field];
    fold.run(
        "DELETE FROM entry_area_box WHERE id IN (
             SELECT id FROM entry_area WHERE stream = ?1 AND (?2 IS NULL OR field = ?2))",
        parameters,
    )?;
    fold.run("DELETE FROM entry_area WHERE stream = ?1 AND (?2 IS NULL OR field = ?2)", parameters)
}

fn insert(
    fold: &Fold<'_>,
    place: &Place<'_>,
    field: &str,
    area: &Area,
) -> Result<(), ProjectionError> {
    let stream = place.event.stream.as_str();
    fold.run(
        "INSERT INTO entry_area (stream, field, leaf) VALUES (?1, ?2, ?3)",
        params![stream, field, to_sql(place.leaf.get())],
    )?;
    let bounds = area.bounds();
    fold.run(
        "INSERT INTO entry_area_box (id, west, east, south, north)
         SELECT id, ?3, ?4, ?5, ?6 FROM entry_area WHERE stream = ?1 AND field = ?2",
        params![stream, field, bounds.west, bounds.east, bounds.south, bounds.north],
    )
}

impl ReadModel {
    /// Entries in force of a registry whose `field` meets `area`, in the order of their streams,
    /// after one of them, at most `most`.
    ///
    /// # Errors
    /// The database failed.
    pub fn entries_meeting(
        &self,
        registry: &RegistryCode,
        (field, area): (&FieldPath, &Area),
        after: Option<&StreamName>,
        most: u32,
    ) -> Result<Reflected<EntriesMet>, ProjectionError> {
        let bounds = area.bounds();
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT entry.* FROM entry_area_box AS box
                 CROSS JOIN entry_area AS area ON area.id = box.id
                 CROSS JOIN registry_entry AS entry ON entry.stream = area.stream
                 WHERE box.east >= ?1 AND box.west <= ?2 AND box.north >= ?3 AND box.south <= ?4
                 AND area.field = ?5 AND entry.registry = ?6 AND entry.author = ?7
                 AND entry.status = 'in_force' AND entry.stream > ?8 ORDER BY entry.stream",
            )?;
            let mut rows = select.query(params![
                bounds.west,
                bounds.east,
                bounds.south,
                bounds.north,
                field.as_str(),
                registry.as_str(),
                self.owner(),
                after.map_or("", StreamName::as_str),
            ])?;
            let (mut met, mut last) = (EntriesMet::default(), None);
            let mut compared = 0;
            while let Some(row) = rows.next()? {
                if met.entries.len() == most as usize || compared == COMPARED_MAX {
                    met.next = last;
                    break;
                }
                let entry = entries::read(row)?;
                compared += 1;
                last = Some(entry.stream.clone());
                let text = entry.fields.get(field.as_str()).and_then(|value| value.as_str());
                if text.and_then(|text| Area::parse(text).ok()).is_some_and(|own| own.meets(area)) {
                    met.entries.push(entry);
                }
            }
            Ok(met)
        })
    }
}
