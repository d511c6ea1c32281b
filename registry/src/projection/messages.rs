//! Messages of other systems: which wait for an official, and what became of each.
//!
//! A sender's id of a message stands here as a keyed digest. Only those of the agency that the
//! tables serve. Not here: what was sent.

use letopis_ledger::{LeafIndex, StreamVersion, Timestamp};
use rusqlite::{OptionalExtension, Row, params};

use super::row::{number, parsed, time, to_sql};
use super::{Fold, Place, Projection, ProjectionError, ReadModel, Reflected};
use crate::code::SystemCode;
use crate::event::{CaseId, DomainEvent, InboundMessageId, MessageEvent};
use crate::pack::plain_text;
use crate::secret::KeyedDigest;

pub(super) const PROJECTION: Projection = Projection {
    tables: "
        CREATE TABLE message (
            message_id TEXT PRIMARY KEY, system TEXT NOT NULL, reason TEXT NOT NULL,
            sender_id BLOB, state TEXT NOT NULL, case_id TEXT, version INTEGER NOT NULL,
            came_ms INTEGER NOT NULL, leaf INTEGER NOT NULL
        ) WITHOUT ROWID;
        CREATE INDEX message_sender ON message (sender_id);
        CREATE INDEX message_waiting ON message (came_ms, message_id) WHERE state = 'quarantined';
    ",
    content: &[("message", "message_id")],
    fold,
};

/// A message as the tables have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRow {
    /// The message.
    pub message: InboundMessageId,
    /// Who sent it.
    pub system: SystemCode,
    /// Why it waited: `unknown_code` or `unknown_territory`.
    pub reason: String,
    /// `quarantined`, `released` or `rejected`.
    pub state: String,
    /// The case that came of it.
    pub case: Option<CaseId>,
    /// The number of its newest event.
    pub version: StreamVersion,
    /// When the log took it.
    pub came_at: Timestamp,
    /// The leaf of its newest event.
    pub leaf: LeafIndex,
}

fn fold(fold: &Fold<'_>, place: &Place<'_>, event: &DomainEvent) -> Result<(), ProjectionError> {
    let DomainEvent::Message(event) = event else { return Ok(()) };
    let Ok(id) = InboundMessageId::of_stream(&place.event.stream) else { return Ok(()) };
    if place.author.as_str() != fold.model.owner() {
        return Ok(());
    }
    let (id, version) = (id.to_string(), to_sql(place.event.version.get()));
    let leaf = to_sql(place.leaf.get());
    let (state, case) = match event {
        MessageEvent::Quarantined(quarantined) => {
            let opened = fold.model.private.open_digests(&place.event.private)?;
            let sender = opened.iter().flatten().find(|field| field.name() == "message_id");
            let digest = sender
                .map(|field| fold.model.sender_id(&quarantined.system, &plain_text(field.value())));
            return fold.run(
                "INSERT OR IGNORE INTO message (message_id, system, reason, sender_id, state,
                 version, came_ms, leaf) VALUES (?1, ?2, ?3, ?4, 'quarantined', ?5, ?6, ?7)",
                params![
                    id,
                    quarantined.system.as_str(),
                    quarantined.reason.as_str(),
                    digest.map(|digest| *digest.as_bytes()),
                    version,
                    place.time.unix_ms(),
                    leaf,
                ],
            );
        }
        MessageEvent::Released { case, .. } => ("released", CaseId::of_stream(case).ok()),
        MessageEvent::Rejected { .. } => ("rejected", None),
    };
    fold.run(
        "UPDATE message SET state = ?2, case_id = ?3, version = ?4, leaf = ?5
         WHERE message_id = ?1 AND state = 'quarantined'",
        params![id, state, case.map(|case| case.to_string()), version, leaf],
    )
}

impl ReadModel {
    /// A message.
    ///
    /// # Errors
    /// The database failed.
    pub fn message(
        &self,
        id: InboundMessageId,
    ) -> Result<Reflected<Option<MessageRow>>, ProjectionError> {
        self.query(|connection| {
            connection
                .prepare_cached("SELECT * FROM message WHERE message_id = ?1")?
                .query_row([id.to_string()], read)
                .optional()
        })
    }

    /// The message that a system sent under an id of its own, if no route led it anywhere.
    ///
    /// # Errors
    /// The database failed.
    pub fn message_of_sender(
        &self,
        system: &SystemCode,
        sender_id: &str,
    ) -> Result<Reflected<Option<MessageRow>>, ProjectionError> {
        let digest = self.sender_id(system, sender_id);
        self.query(|connection| {
            connection
                .prepare_cached("SELECT * FROM message WHERE sender_id = ?1 ORDER BY message_id")?
                .query_row([digest.as_bytes()], read)
                .optional()
        })
    }

    /// Messages that wait for an official, the oldest first.
    ///
    /// # Errors
    /// The database failed.
    pub fn quarantined(&self, most: u32) -> Result<Reflected<Vec<MessageRow>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT * FROM message WHERE state = 'quarantined' ORDER BY came_ms, message_id
                 LIMIT ?1",
            )?;
            let rows = select.query_map([most], read)?;
            rows.collect()
        })
    }

    /// How many messages wait.
    ///
    /// # Errors
    /// The database failed.
    pub fn quarantined_count(&self) -> Result<Reflected<u64>, ProjectionError> {
        self.query(|connection| {
            connection
                .prepare_cached(
                    "SELECT count(*) AS count FROM message WHERE state = 'quarantined'",
                )?
                .query_row([], |row| number(row, "count"))
        })
    }

    fn sender_id(&self, system: &SystemCode, sender_id: &str) -> KeyedDigest {
        self.secret.digest("message", &[system.as_str(), sender_id])
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<MessageRow> {
    let case: Option<String> = row.get("case_id")?;
    Ok(MessageRow {
        message: parsed(row, "message_id", InboundMessageId::parse)?,
        system: parsed(row, "system", SystemCode::parse)?,
        reason: row.get("reason")?,
        state: row.get("state")?,
        case: case.map(|_| parsed(row, "case_id", CaseId::parse)).transpose()?,
        version: StreamVersion::new(number(row, "version")?),
        came_at: time(row, "came_ms")?,
        leaf: LeafIndex::new(number(row, "leaf")?),
    })
}
