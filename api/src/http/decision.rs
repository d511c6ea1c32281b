//! Decisions: their public record, their proof, and the facts that the public may see.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use letopis_ledger::disclosure::Disclosure;
use letopis_registry::engine::CaseDisclosure;
use letopis_registry::event::CaseId;
use letopis_registry::messages::Text;
use letopis_registry::pack::{Service, Visibility};
use letopis_registry::projection::DecisionRow;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::application::{TextDto, case_id, case_row, engine_problem};
use super::document::Uuid7;
use super::log::proof_of;
use super::problem::{Code, Problem, ProblemDto};
use super::{AppState, PathOf};
use crate::service::Finality;

/// The public record of a decision. Nothing personal is in it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DecisionDto {
    /// Id of the case.
    id: String,
    /// Number of the case.
    number: String,
    /// The service.
    service: String,
    /// The agency that decided and signed.
    agency: String,
    /// When the log took the decision.
    decided_at: String,
    /// `granted` or `refused`.
    outcome: String,
    /// Grounds of a refusal.
    grounds: Vec<GroundDto>,
    /// Pack, version and leaf of the regulation that the case follows.
    pack: PackRefDto,
    /// Path of the decision table in the pack.
    table: String,
    /// SHA-256 of the decision table.
    table_sha256: String,
    /// The engine whose semantics apply.
    engine: String,
    /// The event as it stands in the log, with the rules that applied.
    event: Value,
    /// Facts that the public may see, with their disclosures.
    inputs: Vec<InputDto>,
    /// Leaf of the decision.
    leaf: u64,
    /// `committed` or `final`.
    state: &'static str,
    /// Leaves that this answer reflects.
    position: u64,
}

/// A ground for refusal.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GroundDto {
    code: String,
    text: TextDto,
    law: TextDto,
}

/// Where a pack was published.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PackRefDto {
    pub(super) code: String,
    pub(super) version: u32,
    pub(super) leaf: u64,
}

/// A fact that the decision rests on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InputDto {
    name: String,
    value: Value,
    disclosure: String,
}

/// The decision of a case.
#[utoipa::path(
    get, path = "/api/v1/decisions/{id}", tag = "services",
    params(("id" = inline(Uuid7), Path, description = "Id of the case")),
    responses(
        (status = 200, description = "The public record of the decision", body = DecisionDto),
        (status = 400, description = "Not an id", body = ProblemDto),
        (status = 404, description = "No such case, or not decided yet", body = ProblemDto),
    )
)]
pub(super) async fn decision(
    State(app): State<AppState>,
    id: PathOf<String>,
) -> Result<Json<DecisionDto>, Problem> {
    let case = case_id(&id.0)?;
    let row = decision_row(&app, case)?;
    let (file, position) = case_row(&app, case)?;
    let installed = app.service.engine().pinned_pack(&file.pack);
    let installed = installed.map_err(|e| Problem::new(Code::Unavailable, e.to_string()))?;
    let service = installed.service(&file.service);
    let input = |disclosure: &Disclosure| InputDto {
        name: disclosure.name().trim_start_matches("input.").to_owned(),
        value: disclosure.value().to_value(),
        disclosure: disclosure.as_str().to_owned(),
    };
    Ok(Json(DecisionDto {
        id: case.to_string(),
        number: file.number.clone(),
        service: file.service.to_string(),
        agency: row.author.to_string(),
        decided_at: row.decided_at.to_string(),
        outcome: row.outcome.clone(),
        grounds: row.grounds.iter().map(|code| ground_of(service, code)).collect(),
        pack: PackRefDto {
            code: file.pack.code.to_string(),
            version: file.pack.version,
            leaf: file.pack.leaf.get(),
        },
        table: row.model_path.clone(),
        table_sha256: row.model_sha256.to_hex(),
        engine: row.engine.clone(),
        event: letopis_ledger::json::Json::from(row.data.clone()).to_value(),
        inputs: public_inputs(&app, case, &row).await?.iter().map(input).collect(),
        leaf: row.leaf.get(),
        state: Finality::of(app.service.ledger(), row.leaf).as_str(),
        position,
    }))
}

/// The proof that a decision is in the published log, with its leaf inside (C2SP tlog-proof).
#[utoipa::path(
    get, path = "/api/v1/decisions/{id}/proof", tag = "services",
    params(("id" = inline(Uuid7), Path, description = "Id of the case")),
    responses(
        (status = 200, description = "A C2SP tlog-proof", content_type = "text/plain",
         body = String),
        (status = 400, description = "Not an id", body = ProblemDto),
        (status = 404, description = "Not decided, or not published yet", body = ProblemDto),
    )
)]
pub(super) async fn decision_proof(
    State(app): State<AppState>,
    id: PathOf<String>,
) -> Result<Response, Problem> {
    let row = decision_row(&app, case_id(&id.0)?)?;
    proof_of(&app, row.leaf)
}

/// The disclosures of a decision's public facts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DisclosuresDto {
    /// RFC 9901 disclosures; the SHA-256 of each stands in a leaf of the case.
    disclosures: Vec<String>,
}

/// The disclosures of a decision's public facts, for the verifier.
#[utoipa::path(
    get, path = "/disclosure/{id}", tag = "services",
    params(("id" = inline(Uuid7), Path, description = "Id of the case")),
    responses(
        (status = 200, description = "What the public may open", body = DisclosuresDto),
        (status = 404, description = "No such case, or not decided yet", body = ProblemDto),
    )
)]
pub(super) async fn public_disclosures(
    State(app): State<AppState>,
    id: PathOf<String>,
) -> Result<Response, Problem> {
    let case = case_id(&id.0)?;
    let row = decision_row(&app, case)?;
    let disclosures: Vec<String> = public_inputs(&app, case, &row)
        .await?
        .iter()
        .map(|disclosure| disclosure.as_str().to_owned())
        .collect();
    let body = Json(DisclosuresDto { disclosures });
    // Never kept by others: what is disclosed today may have to be forgotten tomorrow.
    Ok(([(header::CACHE_CONTROL, "no-store")], body).into_response())
}

/// A ground in the words of the regulation that it is of.
pub(super) fn ground_of(service: Option<&Service>, code: &str) -> GroundDto {
    let known = service.and_then(|service| {
        service.regulation.grounds.iter().find(|ground| ground.code.value.as_str() == code)
    });
    let text = |text: Option<&Text>| TextDto {
        ru: text.map(|text| text.ru.clone()).unwrap_or_default(),
        en: text.map(|text| text.en.clone()).unwrap_or_default(),
    };
    GroundDto {
        code: code.to_owned(),
        text: text(known.map(|ground| &ground.text)),
        law: text(known.map(|ground| &ground.law)),
    }
}

pub(super) fn decision_row(app: &AppState, case: CaseId) -> Result<DecisionRow, Problem> {
    let found = app.service.model().decision(case);
    let found = found.map_err(|e| Problem::new(Code::Unavailable, e.to_string()))?.value;
    found.ok_or_else(|| Problem::new(Code::NotFound, format!("case {case} has no decision")))
}

/// The facts of a decision that the pinned regulation declares public, opened.
pub(super) async fn public_inputs(
    app: &AppState,
    case: CaseId,
    row: &DecisionRow,
) -> Result<Vec<Disclosure>, Problem> {
    let opened = app.service.engine().case_disclosures(case).await;
    let opened = opened.map_err(|error| engine_problem(&error))?;
    let is_public_input = |field: &CaseDisclosure| {
        field.version == row.version && field.visibility == Visibility::Public
    };
    Ok(opened.into_iter().filter(is_public_input).map(|field| field.disclosure).collect())
}
