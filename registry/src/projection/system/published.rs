//! What published packs contain, version by version: services, kinds of requests, classifiers.
//!
//! The names of a pack's files say it, so that the registers follow from the log without the files.

use rusqlite::params;

use crate::event::DomainEvent;
use crate::projection::row::to_sql;
use crate::projection::{Fold, Place, Projection, ProjectionError};

pub(in crate::projection) const PROJECTION: Projection = Projection {
    tables: "
        CREATE TABLE published_item (
            kind TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, code TEXT NOT NULL,
            pack TEXT NOT NULL, author TEXT NOT NULL, sha256 TEXT NOT NULL,
            published_ms INTEGER NOT NULL, leaf INTEGER NOT NULL,
            PRIMARY KEY (kind, id, version)
        ) WITHOUT ROWID;
    ",
    content: &[("published_item", "kind, id, version")],
    fold,
};

fn fold(fold: &Fold<'_>, place: &Place<'_>, event: &DomainEvent) -> Result<(), ProjectionError> {
    let DomainEvent::Pack(published) = event else { return Ok(()) };
    for file in &published.files {
        let Some((kind, code)) = item(&file.path) else { continue };
        fold.run(
            "INSERT OR IGNORE INTO published_item
             (kind, id, version, code, pack, author, sha256, published_ms, leaf)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                kind,
                format!("{}.{}.{code}", place.author, published.code),
                published.version,
                code,
                published.code.as_str(),
                place.author.as_str(),
                file.sha256.to_hex(),
                place.time.unix_ms(),
                to_sql(place.leaf.get()),
            ],
        )?;
    }
    Ok(())
}

/// The kind and code of what a file of a pack defines, if it defines something of its own.
fn item(path: &str) -> Option<(&'static str, &str)> {
    let (folder, name) = path.split_once('/')?;
    match folder {
        "services" => Some(("services", name.strip_suffix("/regulation.yaml")?)),
        "requests" => Some(("requests", name.strip_suffix(".yaml")?)),
        "classifiers" => Some(("classifiers", name.strip_suffix(".yaml")?)),
        _ => None,
    }
}

/// The newest version of each item of a kind as of some leaf and instant; one that the newest
/// version of its pack leaves out is no longer in force.
pub(super) fn rows(kind: &str) -> String {
    format!(
        "SELECT i.id, i.leaf,
            (SELECT min(f.published_ms) FROM published_item AS f
                WHERE f.kind = i.kind AND f.id = i.id AND f.leaf < ?1) AS created_ms,
            NOT EXISTS (SELECT 1 FROM pack AS p
                WHERE p.code = i.pack AND p.author = i.author AND p.version > i.version
                AND p.leaf < ?1 AND p.published_ms <= ?2) AS in_force,
            json_object('agency', i.author, 'code', i.code, 'pack', i.pack, 'sha256', i.sha256,
                'version', i.version) AS fields
        FROM published_item AS i
        WHERE i.kind = '{kind}' AND i.leaf < ?1 AND i.published_ms <= ?2 AND i.id > ?3
            AND NOT EXISTS (SELECT 1 FROM published_item AS n
                WHERE n.kind = i.kind AND n.id = i.id AND n.version > i.version
                AND n.leaf < ?1 AND n.published_ms <= ?2)
        ORDER BY i.id"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_define_something_are_told_from_those_that_belong_to_it() {
        assert_eq!(item("services/parking/regulation.yaml"), Some(("services", "parking")));
        assert_eq!(item("requests/plan.yaml"), Some(("requests", "plan")));
        assert_eq!(item("classifiers/minimum.yaml"), Some(("classifiers", "minimum")));
        for other in ["pack.yaml", "services/parking/decision.dmn", "registries/a.yaml"] {
            assert_eq!(item(other), None, "{other}");
        }
    }
}
