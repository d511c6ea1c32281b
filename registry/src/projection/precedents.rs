//! Precedents: past decisions of a service, found by outcome, ground and public fields of the form.
//!
//! Everything here stands in the log for anybody; nobody is named. Not here: public inputs, whose
//! disclosures only the agency that decided can open, and what was typical about a decision.

use letopis_ledger::id::AgencyId;
use letopis_ledger::json::{Json, Object};
use letopis_ledger::{LeafIndex, Timestamp};
use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};

use super::row::{number, object, parsed, time};
use super::{ProjectionError, ReadModel, Reflected};
use crate::code::{FieldPath, GroundCode, PackCode, ServiceCode};
use crate::event::{CaseId, Outcome, PackRef};

/// What to look for.
#[derive(Debug, Clone)]
pub struct PrecedentQuery {
    /// Decisions of this service.
    pub service: ServiceCode,
    /// With this outcome.
    pub outcome: Option<Outcome>,
    /// Refused on this ground.
    pub ground: Option<GroundCode>,
    /// Whose form has these public values.
    pub form: Vec<(FieldPath, Json)>,
    /// Older than the decision of this case.
    pub before: Option<CaseId>,
}

/// A past decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrecedentRow {
    /// The case.
    pub case: CaseId,
    /// The agency that decided.
    pub author: AgencyId,
    /// The version of the pack that was followed.
    pub pack: PackRef,
    /// When the log took the decision.
    pub decided_at: Timestamp,
    /// `granted` or `refused`.
    pub outcome: String,
    /// Codes of the grounds, in the order of text.
    pub grounds: Vec<String>,
    /// Public fields of the form.
    pub form: Object,
    /// The leaf of the application.
    pub submitted_leaf: LeafIndex,
    /// The leaf of the decision.
    pub leaf: LeafIndex,
}

impl ReadModel {
    /// Past decisions, the newest first.
    ///
    /// # Errors
    /// The database failed.
    pub fn precedents(
        &self,
        query: &PrecedentQuery,
        most: u32,
    ) -> Result<Reflected<Vec<PrecedentRow>>, ProjectionError> {
        let (sql, parameters) = statement(query, most);
        self.query(|connection| {
            let mut select = connection.prepare_cached(&sql)?;
            let rows = select.query_map(params_from_iter(&parameters), read)?;
            rows.collect()
        })
    }
}

fn statement(query: &PrecedentQuery, most: u32) -> (String, Vec<Value>) {
    let mut sql = String::from(
        "SELECT d.case_id, d.author, d.decided_ms, d.outcome, d.leaf, c.form, c.submitted_leaf,
            c.pack_code, c.pack_version, c.pack_leaf,
            (SELECT group_concat(ground, ' ') FROM
                (SELECT ground FROM decision_ground AS g WHERE g.case_id = d.case_id
                 ORDER BY ground)
            ) AS grounds
         FROM decision AS d JOIN case_file AS c USING (case_id) WHERE c.service = ?",
    );
    let mut parameters = vec![Value::from(query.service.to_string())];
    if let Some(outcome) = query.outcome {
        sql += " AND d.outcome = ?";
        parameters.push(outcome.as_str().to_owned().into());
    }
    if let Some(ground) = &query.ground {
        sql += " AND EXISTS (SELECT 1 FROM decision_ground AS g
                 WHERE g.case_id = d.case_id AND g.ground = ?)";
        parameters.push(ground.to_string().into());
    }
    for (field, value) in &query.form {
        // Fields are kept under their whole path: {"object.area_m2": 100}.
        sql += " AND EXISTS (SELECT 1 FROM json_each(c.form) AS f
                 WHERE f.key = ? AND f.type = ? AND f.atom IS ?)";
        parameters.push(field.to_string().into());
        let (kind, atom) = atom(value);
        parameters.extend([kind.to_owned().into(), atom]);
    }
    if let Some(before) = query.before {
        sql += " AND (d.leaf, d.case_id) < ((SELECT leaf FROM decision WHERE case_id = ?), ?)";
        parameters.extend([before.to_string().into(), before.to_string().into()]);
    }
    sql += " ORDER BY d.leaf DESC, d.case_id DESC LIMIT ?";
    parameters.push(most.into());
    (sql, parameters)
}

/// The type and value by which SQLite knows a JSON value of a form.
fn atom(value: &Json) -> (&'static str, Value) {
    match value {
        Json::Bool(true) => ("true", 1_i64.into()),
        Json::Bool(false) => ("false", 0_i64.into()),
        Json::String(text) => ("text", text.clone().into()),
        Json::Integer(number) => ("integer", (*number).into()),
        // No field holds a list or an object: nothing is found.
        Json::Array(_) | Json::Object(_) => ("null", Value::Null),
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<PrecedentRow> {
    let grounds: Option<String> = row.get("grounds")?;
    Ok(PrecedentRow {
        case: parsed(row, "case_id", CaseId::parse)?,
        author: parsed(row, "author", AgencyId::parse)?,
        pack: PackRef {
            code: parsed(row, "pack_code", PackCode::parse)?,
            version: row.get("pack_version")?,
            leaf: LeafIndex::new(number(row, "pack_leaf")?),
        },
        decided_at: time(row, "decided_ms")?,
        outcome: row.get("outcome")?,
        grounds: grounds.unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
        form: object(row, "form")?,
        submitted_leaf: LeafIndex::new(number(row, "submitted_leaf")?),
        leaf: LeafIndex::new(number(row, "leaf")?),
    })
}
