//! Decisions: who decided what, by which rule, on which grounds. Nothing personal is in them.

use letopis_ledger::id::AgencyId;
use letopis_ledger::json::{Json, Object};
use letopis_ledger::{Hash, LeafIndex, StreamVersion, Timestamp, TreeSize};
use rusqlite::{OptionalExtension, params};

use super::row::{list_text, number, object, parsed, time, to_sql};
use super::{Fold, Place, Projection, ProjectionError, ReadModel, Reflected};
use crate::event::{CaseEvent, CaseId, DomainEvent, Outcome};

pub(super) const PROJECTION: Projection = Projection {
    tables: "
        CREATE TABLE decision (
            case_id TEXT PRIMARY KEY, author TEXT NOT NULL, decided_ms INTEGER NOT NULL,
            outcome TEXT NOT NULL, model_path TEXT NOT NULL, model_sha256 BLOB NOT NULL,
            decision TEXT NOT NULL, engine TEXT NOT NULL, data TEXT NOT NULL,
            read_size INTEGER NOT NULL, version INTEGER NOT NULL, leaf INTEGER NOT NULL
        ) WITHOUT ROWID;
        CREATE TABLE decision_ground (
            case_id TEXT NOT NULL, ground TEXT NOT NULL, evidence TEXT NOT NULL,
            leaf INTEGER NOT NULL,
            PRIMARY KEY (case_id, ground)
        ) WITHOUT ROWID;
        CREATE INDEX decision_ground_ground ON decision_ground (ground);
    ",
    content: &[("decision", "case_id"), ("decision_ground", "case_id, ground")],
    fold,
};

/// A decision as the tables have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionRow {
    /// The case.
    pub case: CaseId,
    /// The agency that decided.
    pub author: AgencyId,
    /// When the leader put the decision into the log.
    pub decided_at: Timestamp,
    /// Granted or refused.
    pub outcome: String,
    /// Codes of the grounds.
    pub grounds: Vec<String>,
    /// Path of the model inside the pinned pack.
    pub model_path: String,
    /// SHA-256 of the model.
    pub model_sha256: Hash,
    /// The decision that was asked.
    pub decision: String,
    /// The engine.
    pub engine: String,
    /// Every public field of the event.
    pub data: Object,
    /// Size of the log that counts of entries are those of.
    pub read_size: TreeSize,
    /// The event's number in the case's stream.
    pub version: StreamVersion,
    /// The leaf of the decision.
    pub leaf: LeafIndex,
}

/// How often a ground was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroundCount {
    /// The ground.
    pub ground: String,
    /// Cases refused on it.
    pub count: u64,
}

fn fold(fold: &Fold<'_>, place: &Place<'_>, event: &DomainEvent) -> Result<(), ProjectionError> {
    let DomainEvent::Case(CaseEvent::Decided(decided)) = event else { return Ok(()) };
    let Ok(case) = CaseId::of_stream(&place.event.stream) else { return Ok(()) };
    let (case, leaf) = (case.to_string(), to_sql(place.leaf.get()));
    fold.run(
        "INSERT OR IGNORE INTO decision
         (case_id, author, decided_ms, outcome, model_path, model_sha256, decision, engine, data,
          read_size, version, leaf)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        params![
            case,
            place.author.as_str(),
            place.time.unix_ms(),
            decided.outcome.as_str(),
            decided.model.path,
            decided.model.sha256.as_bytes(),
            decided.decision,
            decided.engine,
            Json::from(place.event.data.clone()).to_string(),
            to_sql(decided.read_size.get()),
            to_sql(place.event.version.get()),
            leaf,
        ],
    )?;
    for ground in &decided.grounds {
        let evidence =
            ground.evidence.iter().map(|e| format!("{}:{}@{}", e.kind.as_str(), e.of, e.version));
        fold.run(
            "INSERT OR IGNORE INTO decision_ground (case_id, ground, evidence, leaf)
             VALUES (?1, ?2, ?3, ?4)",
            params![case, ground.code.as_str(), list_text(evidence), leaf],
        )?;
    }
    Ok(())
}

impl ReadModel {
    /// The decision of a case.
    ///
    /// # Errors
    /// The database failed.
    pub fn decision(
        &self,
        case: CaseId,
    ) -> Result<Reflected<Option<DecisionRow>>, ProjectionError> {
        self.query(|connection| {
            let grounds: Vec<String> = connection
                .prepare_cached(
                    "SELECT ground FROM decision_ground WHERE case_id = ?1 ORDER BY ground",
                )?
                .query_map([case.to_string()], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            connection
                .prepare_cached("SELECT * FROM decision WHERE case_id = ?1")?
                .query_row([case.to_string()], |row| {
                    Ok(DecisionRow {
                        case,
                        author: parsed(row, "author", AgencyId::parse)?,
                        decided_at: time(row, "decided_ms")?,
                        outcome: row.get("outcome")?,
                        grounds,
                        model_path: row.get("model_path")?,
                        model_sha256: Hash::from_bytes(row.get("model_sha256")?),
                        decision: row.get("decision")?,
                        engine: row.get("engine")?,
                        data: object(row, "data")?,
                        read_size: TreeSize::new(number(row, "read_size")?),
                        version: StreamVersion::new(number(row, "version")?),
                        leaf: LeafIndex::new(number(row, "leaf")?),
                    })
                })
                .optional()
        })
    }

    /// Cases that came out in one way, oldest first.
    ///
    /// # Errors
    /// The database failed.
    pub fn decided_cases(
        &self,
        outcome: Outcome,
        most: u32,
    ) -> Result<Reflected<Vec<CaseId>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT case_id FROM decision WHERE outcome = ?1 ORDER BY leaf LIMIT ?2",
            )?;
            let rows = select.query_map(params![outcome.as_str(), most], |row| {
                parsed(row, "case_id", CaseId::parse)
            })?;
            rows.collect()
        })
    }

    /// How often each ground was given.
    ///
    /// # Errors
    /// The database failed.
    pub fn ground_counts(&self) -> Result<Reflected<Vec<GroundCount>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT ground, count(*) AS count FROM decision_ground GROUP BY ground
                 ORDER BY ground",
            )?;
            let rows = select.query_map([], |row| {
                Ok(GroundCount { ground: row.get("ground")?, count: number(row, "count")? })
            })?;
            rows.collect()
        })
    }
}
