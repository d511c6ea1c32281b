//! The catalogue of services: what the public is told of each, all of it from the regulation in
//! force, and the plan of a case before anybody applies.
//!
//! Nothing here is written by hand beside the regulation, so it is as true as that. Not here:
//! complex requests (`complex`), and which versions were in force when (`system`).

mod card;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use letopis_registry::code::ServiceCode;
use letopis_registry::engine::{EngineError, InstalledPack};
use letopis_registry::pack::{CaseValues, PlannedRequest, Service, plan};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::application::{TextDto, engine_problem};
use super::body::JsonOf;
use super::problem::{Code, Problem, ProblemDto};
use super::{AppState, PathOf};
use card::ServiceDto;

/// The services of the agency.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServicesDto {
    services: Vec<ServiceDto>,
    /// Leaves that this answer reflects.
    position: u64,
}

/// What would be applied with, as far as it is known.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlanDto {
    /// The form, as far as it is filled in.
    #[schema(value_type = Object)]
    form: Value,
}

/// The requests of a case, as far as the form tells.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlannedDto {
    requests: Vec<PlannedRequestDto>,
}

/// A request of a case that does not exist yet.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlannedRequestDto {
    request: String,
    title: TextDto,
    /// The act that has it sent.
    law: TextDto,
    /// `now`, `after` the steps named, `depends_on` the answers named, or `left_out`.
    state: &'static str,
    /// The steps that the state names.
    steps: Vec<String>,
    /// The condition on which it is sent at all, as in `form.object.area_m2 > 1500`.
    condition: Option<String>,
    mandatory: bool,
    /// Whether nothing else begins while it is open.
    blocking: bool,
}

/// What the public is told of every service.
#[utoipa::path(
    get, path = "/api/v1/services", tag = "services",
    responses((status = 200, description = "Every service in force", body = ServicesDto))
)]
pub(super) async fn list(State(app): State<AppState>) -> Json<ServicesDto> {
    let services = app.service.engine().services_in_force();
    let services = services.iter();
    let services = services.filter_map(|(code, installed)| ServiceDto::of(code, installed));
    Json(ServicesDto { services: services.collect(), position: app.service.position().get() })
}

/// What the public is told of a service.
#[utoipa::path(
    get, path = "/api/v1/services/{service}", tag = "services",
    params(("service" = String, Path, description = "Code of the service")),
    responses(
        (status = 200, description = "The service", body = ServiceDto),
        (status = 404, description = "No such service", body = ProblemDto),
    )
)]
pub(super) async fn read(
    State(app): State<AppState>,
    service: PathOf<String>,
) -> Result<Json<ServiceDto>, Problem> {
    let (code, installed) = in_force(&app, &service.0)?;
    ServiceDto::of(&code, &installed).map(Json).ok_or_else(|| unknown(&code))
}

/// Which requests a case with this form would send, in which order, and which not. Nothing is
/// submitted and nothing is kept.
#[utoipa::path(
    post, path = "/api/v1/services/{service}/plan", tag = "services",
    params(("service" = String, Path, description = "Code of the service")),
    request_body = PlanDto,
    responses(
        (status = 200, description = "The plan", body = PlannedDto),
        (status = 400, description = "Not JSON of this shape", body = ProblemDto),
        (status = 404, description = "No such service", body = ProblemDto),
        (status = 422, description = "A field is wrong; each is named", body = ProblemDto),
    )
)]
pub(super) async fn planned(
    State(app): State<AppState>,
    service: PathOf<String>,
    JsonOf(body): JsonOf<PlanDto>,
) -> Result<Json<PlannedDto>, Problem> {
    let (code, installed) = in_force(&app, &service.0)?;
    let service: &Service = installed.service(&code).ok_or_else(|| unknown(&code))?;
    let form = service.check_partly(&body.form);
    let form = form.map_err(|errors| engine_problem(&EngineError::Form { errors }))?;
    let values = CaseValues { form: form.values().clone(), ..CaseValues::default() };
    let requests = plan(service, &values).iter().map(PlannedRequestDto::of).collect();
    Ok(Json(PlannedDto { requests }))
}

fn in_force(app: &AppState, code: &str) -> Result<(ServiceCode, Arc<InstalledPack>), Problem> {
    let code = ServiceCode::parse(code).map_err(|e| Problem::new(Code::NotFound, e.to_string()))?;
    let installed = app.service.engine().pack_in_force(&code);
    let installed = installed.map_err(|error| engine_problem(&error))?;
    Ok((code, installed))
}

fn unknown(code: &ServiceCode) -> Problem {
    Problem::new(Code::NotFound, format!("there is no service {code}"))
}

impl PlannedRequestDto {
    fn of(planned: &PlannedRequest<'_>) -> Self {
        Self {
            request: planned.step.code.value.to_string(),
            title: TextDto::of(&planned.step.title),
            law: TextDto::of(&planned.step.law),
            state: planned.state.as_str(),
            steps: planned.state.steps().iter().map(ToString::to_string).collect(),
            condition: planned.rule.when.as_ref().map(ToString::to_string),
            mandatory: planned.rule.mandatory,
            blocking: planned.rule.blocking,
        }
    }
}
