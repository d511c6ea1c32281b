//! Precedents over HTTP: past decisions of a service, found by public facts, linked to the log.
//!
//! For anybody: nobody is named, and no fact is shown that the regulation does not make public. Not
//! here: the decision itself with its proof (`decision`).

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use letopis_ledger::json::Json as LedgerJson;
use letopis_registry::code::{FieldPath, GroundCode, ServiceCode};
use letopis_registry::event::Outcome;
use letopis_registry::projection::{PrecedentQuery, PrecedentRow, Reflected};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::application::case_id;
use super::decision::{GroundDto, decision_row, ground_of, public_inputs};
use super::problem::{Code, Problem, ProblemDto};
use super::registry::tables;
use super::{AppState, PathOf};

/// Most decisions of one answer, and most that one request looks at.
const PAGE_MAX: u32 = 100;
const LOOKED_AT_MAX: u32 = 500;

/// What to look for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PrecedentsQuery {
    /// `granted` or `refused`.
    #[param(required = false)]
    outcome: Option<String>,
    /// Code of a ground.
    #[param(required = false)]
    ground: Option<String>,
    /// A JSON object of public facts: fields of the form as `form.<path>` and inputs of the
    /// decision as `input.<name>`, as in {"form.zone":"Z1","input.resident":true}.
    #[param(required = false)]
    facts: Option<String>,
    /// `next` of the page before.
    #[param(required = false)]
    after: Option<String>,
    /// Most decisions of the page, at most 100.
    #[serde(default = "page_default")]
    #[param(minimum = 1, maximum = 100, required = false)]
    limit: u32,
}

const fn page_default() -> u32 {
    20
}

/// A page of precedents, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PrecedentsDto {
    precedents: Vec<PrecedentDto>,
    /// Give this as `after` to look on, also when this page is not full; absent at the end.
    next: Option<String>,
    /// Leaves that this answer reflects.
    position: u64,
}

/// A past decision without anybody's name.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PrecedentDto {
    agency: String,
    decided_at: String,
    /// `granted` or `refused`.
    outcome: String,
    grounds: Vec<GroundDto>,
    /// Public facts: fields of the form as `form.<path>`, inputs as `input.<name>`.
    #[schema(value_type = Object)]
    facts: Map<String, Value>,
    /// Version of the regulation that was followed.
    pack_version: u32,
    /// Leaf of the application.
    submitted_leaf: u64,
    /// Leaf of the decision.
    leaf: u64,
    /// Path of the decision.
    decision: String,
    /// Path of the proof that the decision is in the log.
    proof: String,
}

/// Past decisions of a service by outcome, ground and public facts.
#[utoipa::path(
    get, path = "/api/v1/services/{service}/precedents", tag = "services",
    params(("service" = String, Path, description = "Code of the service"), PrecedentsQuery),
    responses(
        (status = 200, description = "A page of precedents", body = PrecedentsDto),
        (status = 400, description = "Not facts, or not a page", body = ProblemDto),
        (status = 404, description = "No such service", body = ProblemDto),
    )
)]
pub(super) async fn precedents(
    State(app): State<AppState>,
    service: PathOf<String>,
    query: Result<Query<PrecedentsQuery>, QueryRejection>,
) -> Result<Json<PrecedentsDto>, Problem> {
    let Query(query) = query.map_err(|e| Problem::new(Code::BadRequest, e.body_text()))?;
    if !(1..=PAGE_MAX).contains(&query.limit) {
        return Err(Problem::bad_request(format!("limit {} is not 1 to {PAGE_MAX}", query.limit)));
    }
    let (sought, inputs) = query.sought(known_service(&app, &service.0)?)?;
    let found = app.service.model().precedents(&sought, LOOKED_AT_MAX).map_err(|e| tables(&e))?;
    let Reflected { size, value } = found;
    let (mut precedents, mut next) = (Vec::new(), None);
    for row in &value {
        if precedents.len() as u64 == u64::from(query.limit) {
            break;
        }
        next = Some(row.case.to_string());
        let dto = PrecedentDto::of(&app, &sought.service, row).await?;
        if inputs.iter().all(|(name, value)| dto.facts.get(name) == Some(value)) {
            precedents.push(dto);
        }
    }
    let last = value.last().map(|row| row.case.to_string());
    let at_end = (value.len() as u64) < u64::from(LOOKED_AT_MAX) && next == last;
    let next = next.filter(|_| !at_end);
    Ok(Json(PrecedentsDto { precedents, next, position: size.get() }))
}

fn known_service(app: &AppState, code: &str) -> Result<ServiceCode, Problem> {
    let unknown = || Problem::new(Code::NotFound, format!("there is no service {code}"));
    let service = ServiceCode::parse(code).map_err(|_| unknown())?;
    let offered = app.service.engine().pack_with_service(&service);
    offered.map(|_| service).ok_or_else(unknown)
}

impl PrecedentsQuery {
    /// What the tables look for, and the inputs that are compared afterwards.
    fn sought(
        &self,
        service: ServiceCode,
    ) -> Result<(PrecedentQuery, Vec<(String, Value)>), Problem> {
        let outcome = self.outcome.as_deref().map(|text| {
            Outcome::parse(text)
                .ok_or_else(|| Problem::bad_request("outcome is \"granted\" or \"refused\""))
        });
        let ground = self.ground.as_deref().map(GroundCode::parse).transpose();
        let facts: Map<String, Value> = match &self.facts {
            None => Map::new(),
            Some(text) => serde_json::from_str(text)
                .map_err(|e| Problem::bad_request(format!("facts is no JSON object: {e}")))?,
        };
        let (mut form, mut inputs) = (Vec::new(), Vec::new());
        for (name, value) in facts {
            if let Some(path) = name.strip_prefix("form.") {
                let path = FieldPath::parse(path).map_err(Problem::bad_request)?;
                let value = LedgerJson::from_value(&value).map_err(Problem::bad_request)?;
                form.push((path, value));
            } else if name.starts_with("input.") {
                inputs.push((name, value));
            } else {
                let detail = format!("{name:?} is neither form.<path> nor input.<name>");
                return Err(Problem::bad_request(detail));
            }
        }
        let query = PrecedentQuery {
            service,
            outcome: outcome.transpose()?,
            ground: ground.map_err(Problem::bad_request)?,
            form,
            before: self.after.as_deref().map(case_id).transpose()?,
        };
        Ok((query, inputs))
    }
}

impl PrecedentDto {
    /// Inputs are shown of decisions of this agency, which alone can open their disclosures.
    async fn of(
        app: &AppState,
        service: &ServiceCode,
        row: &PrecedentRow,
    ) -> Result<Self, Problem> {
        let engine = app.service.engine();
        let mut facts: Map<String, Value> = row
            .form
            .iter()
            .map(|(path, value)| (format!("form.{path}"), value.to_value()))
            .collect();
        let decided = decision_row(app, row.case)?;
        if &row.author == engine.agency() {
            let inputs = public_inputs(app, row.case, &decided).await?;
            facts.extend(
                inputs.iter().map(|input| (input.name().to_owned(), input.value().to_value())),
            );
        }
        let installed = engine.pinned_pack(&row.pack).ok();
        let regulated = installed.as_deref().and_then(|installed| installed.service(service));
        Ok(Self {
            agency: row.author.to_string(),
            decided_at: row.decided_at.to_string(),
            outcome: row.outcome.clone(),
            grounds: row.grounds.iter().map(|code| ground_of(regulated, code)).collect(),
            facts,
            pack_version: row.pack.version,
            submitted_leaf: row.submitted_leaf.get(),
            leaf: row.leaf.get(),
            decision: format!("/api/v1/decisions/{}", row.case),
            proof: format!("/api/v1/decisions/{}/proof", row.case),
        })
    }
}
