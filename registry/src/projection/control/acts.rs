//! Who proposed, agreed, returned and signed, and how often a proposal was returned.
//!
//! A returned proposal counts against who proposed it. Not here: decisions of the rules alone,
//! which nobody acts in.

use letopis_ledger::id::AgencyId;
use letopis_ledger::{LeafIndex, Timestamp};
use rusqlite::{Row, params};

use crate::code::{GroundCode, ServiceCode};
use crate::event::{CaseEvent, CaseId, OfficialId};
use crate::projection::row::{number, parsed, time, to_sql};
use crate::projection::{Fold, Place, ProjectionError, ReadModel, Reflected};

/// A decision with who made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecidedRow {
    /// The case.
    pub case: CaseId,
    /// The agency.
    pub agency: AgencyId,
    /// The service.
    pub service: ServiceCode,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// `granted` or `refused`.
    pub outcome: String,
    /// Grounds of a refusal.
    pub grounds: Vec<GroundCode>,
    /// Who proposed it; nobody when the rules decided alone.
    pub proposed_by: Option<OfficialId>,
    /// Who signed it.
    pub signed_by: Option<OfficialId>,
    /// Proposals that were returned before.
    pub returns: u64,
    /// The leaf of the decision.
    pub leaf: LeafIndex,
}

/// What an official did with proposals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OfficialFigures {
    /// The official.
    pub official: OfficialId,
    /// Proposals made.
    pub proposed: u64,
    /// Of them, returned by somebody.
    pub reversed: u64,
    /// Of them, now decisions.
    pub decided: u64,
    /// Proposals of others agreed to, signatures included.
    pub agreed: u64,
    /// Decisions signed.
    pub signed: u64,
    /// Proposals of others returned.
    pub returned: u64,
}

pub(super) fn fold(
    fold: &Fold<'_>,
    place: &Place<'_>,
    case: &str,
    event: &CaseEvent,
) -> Result<(), ProjectionError> {
    let version = to_sql(place.event.version.get());
    let (act, official, proposal) = match event {
        CaseEvent::Proposed(proposed) => ("proposed", proposed.official, version),
        CaseEvent::Agreed(agreed) => ("agreed", agreed.official, to_sql(agreed.proposal.get())),
        CaseEvent::Returned(returned) => {
            ("returned", returned.official, to_sql(returned.proposal.get()))
        }
        _ => return Ok(()),
    };
    let waits = match event {
        CaseEvent::Proposed(_) => Some(version),
        _ => None,
    };
    if !matches!(event, CaseEvent::Agreed(_)) {
        // Another stage begins, which has a term of its own or none.
        fold.run(
            "UPDATE case_control SET proposal = ?2, stage_due_ms = NULL, stage_breached = 0
             WHERE case_id = ?1",
            params![case, waits],
        )?;
    }
    fold.run(
        "INSERT OR IGNORE INTO official_act
         (case_id, version, act, official, proposal, acted_ms, leaf)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            case,
            version,
            act,
            official.to_string(),
            proposal,
            place.time.unix_ms(),
            to_sql(place.leaf.get()),
        ],
    )
}

/// The columns of a [`DecidedRow`] of the decision `d` of the case `c`.
const DECIDED: &str = "
    SELECT d.case_id, c.author, c.service, d.decided_ms, d.outcome, d.leaf,
        (SELECT json_group_array(ground) FROM
            (SELECT ground FROM decision_ground AS g WHERE g.case_id = d.case_id ORDER BY ground)
        ) AS grounds,
        (SELECT official FROM official_act AS a WHERE a.case_id = d.case_id
            AND a.act = 'proposed' AND a.version < d.version
            ORDER BY a.version DESC LIMIT 1) AS proposed_by,
        (SELECT official FROM official_act AS a WHERE a.case_id = d.case_id
            AND a.act = 'agreed' AND a.version < d.version
            ORDER BY a.version DESC LIMIT 1) AS signed_by,
        (SELECT count(*) FROM official_act AS a WHERE a.case_id = d.case_id
            AND a.act = 'returned' AND a.version < d.version) AS returns
    FROM decision AS d JOIN case_control AS c USING (case_id)";

impl ReadModel {
    /// Decisions with who made them, in the order of the log, after a leaf and a case.
    ///
    /// # Errors
    /// The database failed.
    pub fn decided_by(
        &self,
        official: Option<OfficialId>,
        after: Option<(LeafIndex, CaseId)>,
        most: u32,
    ) -> Result<Reflected<Vec<DecidedRow>>, ProjectionError> {
        let (leaf, case) = match after {
            None => (-1, String::new()),
            Some((leaf, case)) => (to_sql(leaf.get()), case.to_string()),
        };
        let official = official.map(|official| official.to_string());
        self.query(|connection| {
            let mut select = connection.prepare_cached(&format!(
                "{DECIDED} WHERE (d.leaf, d.case_id) > (?1, ?2) AND (?3 IS NULL OR EXISTS
                    (SELECT 1 FROM official_act AS o WHERE o.case_id = d.case_id
                     AND o.official = ?3 AND o.act <> 'returned'))
                 ORDER BY d.leaf, d.case_id LIMIT ?4"
            ))?;
            let rows = select.query_map(params![leaf, case, official, most], decided)?;
            rows.collect()
        })
    }

    /// What each official did with proposals, by id.
    ///
    /// # Errors
    /// The database failed.
    pub fn official_figures(&self) -> Result<Reflected<Vec<OfficialFigures>>, ProjectionError> {
        self.query(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT a.official,
                    count(*) FILTER (WHERE act = 'proposed') AS proposed,
                    count(*) FILTER (WHERE act = 'proposed' AND EXISTS (
                        SELECT 1 FROM official_act AS r WHERE r.case_id = a.case_id
                        AND r.act = 'returned' AND r.proposal = a.version)) AS reversed,
                    count(*) FILTER (WHERE act = 'proposed' AND d.version IS NOT NULL
                        AND a.version = (
                        SELECT max(p.version) FROM official_act AS p WHERE p.case_id = a.case_id
                        AND p.act = 'proposed')) AS decided,
                    count(*) FILTER (WHERE act = 'agreed') AS agreed,
                    count(*) FILTER (WHERE act = 'agreed' AND a.version = d.version - 1)
                        AS signed,
                    count(*) FILTER (WHERE act = 'returned') AS returned
                 FROM official_act AS a LEFT JOIN decision AS d USING (case_id)
                 GROUP BY a.official ORDER BY a.official",
            )?;
            let rows = select.query_map([], |row| {
                Ok(OfficialFigures {
                    official: parsed(row, "official", OfficialId::parse)?,
                    proposed: number(row, "proposed")?,
                    reversed: number(row, "reversed")?,
                    decided: number(row, "decided")?,
                    agreed: number(row, "agreed")?,
                    signed: number(row, "signed")?,
                    returned: number(row, "returned")?,
                })
            })?;
            rows.collect()
        })
    }
}

fn decided(row: &Row<'_>) -> rusqlite::Result<DecidedRow> {
    let official = |column| match row.get::<_, Option<String>>(column)? {
        None => Ok(None),
        Some(_) => parsed(row, column, OfficialId::parse).map(Some),
    };
    let grounds: Vec<String> = parsed(row, "grounds", |text| serde_json::from_str(text))?;
    let mut codes = Vec::with_capacity(grounds.len());
    for ground in &grounds {
        codes.extend(GroundCode::parse(ground).ok());
    }
    Ok(DecidedRow {
        case: parsed(row, "case_id", CaseId::parse)?,
        agency: parsed(row, "author", AgencyId::parse)?,
        service: parsed(row, "service", ServiceCode::parse)?,
        decided_at: time(row, "decided_ms")?,
        outcome: row.get("outcome")?,
        grounds: codes,
        proposed_by: official("proposed_by")?,
        signed_by: official("signed_by")?,
        returns: number(row, "returns")?,
        leaf: LeafIndex::new(number(row, "leaf")?),
    })
}
