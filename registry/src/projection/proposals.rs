//! Versions of packs on their way into force: the newest proposal of each, and its open stage.
//!
//! Only those of the agency that the tables serve. Not here: remarks and signatures, which the
//! engine folds from the stream.

use letopis_ledger::{LeafIndex, StreamVersion, Timestamp};
use rusqlite::{Row, params};

use super::row::{number, parsed, to_sql};
use super::{Fold, Place, Projection, ProjectionError, ReadModel, Reflected};
use crate::code::{PackCode, StageCode};
use crate::event::{DomainEvent, ProposalEvent, StageOpened, proposal_of_stream};

pub(super) const PROJECTION: Projection = Projection {
    tables: "
        CREATE TABLE proposal_of_pack (
            code TEXT NOT NULL, version INTEGER NOT NULL, proposal INTEGER NOT NULL,
            proposed_ms INTEGER NOT NULL, stage TEXT, due_ms INTEGER, state TEXT NOT NULL,
            leaf INTEGER NOT NULL,
            PRIMARY KEY (code, version)
        ) WITHOUT ROWID;
    ",
    content: &[("proposal_of_pack", "code, version")],
    fold,
};

/// The newest proposal of a version as the tables have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposalRow {
    /// The pack.
    pub code: PackCode,
    /// The version.
    pub version: u32,
    /// The proposal's number in the stream.
    pub proposal: StreamVersion,
    /// When it was proposed.
    pub proposed_at: Timestamp,
    /// The open stage and when its term ends; nothing after the last signature.
    pub open: Option<(StageCode, Timestamp)>,
    /// `open`, `breached` (the open stage is past its term), `signed` or `published`.
    pub state: String,
    /// The leaf of the newest change.
    pub leaf: LeafIndex,
}

fn fold(fold: &Fold<'_>, place: &Place<'_>, event: &DomainEvent) -> Result<(), ProjectionError> {
    let DomainEvent::Proposal(event) = event else { return Ok(()) };
    let Ok((code, version)) = proposal_of_stream(&place.event.stream) else { return Ok(()) };
    if place.author.as_str() != fold.model.owner() {
        return Ok(());
    }
    let leaf = to_sql(place.leaf.get());
    let settle = |state: &str| {
        fold.run(
            "UPDATE proposal_of_pack SET state = ?3, leaf = ?4 WHERE code = ?1 AND version = ?2",
            params![code.as_str(), version, state, leaf],
        )
    };
    match event {
        ProposalEvent::Proposed(proposed) => fold.run(
            "INSERT INTO proposal_of_pack
             (code, version, proposal, proposed_ms, stage, due_ms, state, leaf)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'open', ?7)
             ON CONFLICT (code, version) DO UPDATE SET
             proposal = ?3, proposed_ms = ?4, stage = ?5, due_ms = ?6, state = 'open', leaf = ?7",
            params![
                code.as_str(),
                version,
                to_sql(place.event.version.get()),
                place.time.unix_ms(),
                proposed.opens.stage.as_str(),
                proposed.opens.due.unix_ms(),
                leaf
            ],
        ),
        ProposalEvent::StageSigned(signed) => fold.run(
            "UPDATE proposal_of_pack SET stage = ?3, due_ms = ?4, state = ?5, leaf = ?6
             WHERE code = ?1 AND version = ?2",
            params![
                code.as_str(),
                version,
                signed.opens.as_ref().map(|open: &StageOpened| open.stage.as_str()),
                signed.opens.as_ref().map(|open| open.due.unix_ms()),
                if signed.opens.is_some() { "open" } else { "signed" },
                leaf
            ],
        ),
        ProposalEvent::StageBreached(_) => settle("breached"),
        ProposalEvent::Published { .. } => settle("published"),
        ProposalEvent::RemarkRaised(_) | ProposalEvent::RemarkResolved(_) => Ok(()),
    }
}

impl ReadModel {
    /// The newest proposal of every version that was ever proposed, by pack and version.
    ///
    /// # Errors
    /// The database failed.
    pub fn proposals(&self) -> Result<Reflected<Vec<ProposalRow>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection
                .prepare_cached("SELECT * FROM proposal_of_pack ORDER BY code, version")?;
            let rows = select.query_map([], read)?;
            rows.collect()
        })
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<ProposalRow> {
    let stage = match row.get::<_, Option<String>>("stage")? {
        Some(_) => Some(parsed(row, "stage", StageCode::parse)?),
        None => None,
    };
    let due = match row.get::<_, Option<i64>>("due_ms")? {
        Some(_) => Some(super::row::time(row, "due_ms")?),
        None => None,
    };
    Ok(ProposalRow {
        code: parsed(row, "code", PackCode::parse)?,
        version: row.get("version")?,
        proposal: StreamVersion::new(number(row, "proposal")?),
        proposed_at: super::row::time(row, "proposed_ms")?,
        open: stage.zip(due),
        state: row.get("state")?,
        leaf: LeafIndex::new(number(row, "leaf")?),
    })
}
