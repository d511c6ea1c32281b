//! What the applicant of a case is asked for, and the form by which it is answered.
//!
//! Not here: answering (`work`).

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use letopis_registry::engine::AskedApplicant;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::application::{TextDto, admit, case_id, engine_problem};
use super::document::Uuid7;
use super::problem::{Problem, ProblemDto};
use super::{AppState, PathOf, no_store};

/// Open requests to the applicant.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AskedOfApplicantDto {
    requests: Vec<AskedApplicantDto>,
    /// Leaves that this answer reflects.
    position: u64,
}

/// Something that the applicant is asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AskedApplicantDto {
    /// Code of the request, which an answer names.
    request: String,
    title: TextDto,
    /// What to bring.
    text: TextDto,
    /// Last instant at which an answer is in time.
    due: String,
    /// Until when the clock of the case stands still for it at most.
    suspended_until: Option<String>,
    /// JSON Schema of the facts of an answer.
    #[schema(value_type = Object)]
    form: Value,
}

/// What the applicant is asked for, with the form of each answer, which goes to
/// `/api/v1/applications/{id}/answers`.
#[utoipa::path(
    get, path = "/api/v1/applications/{id}/requests", tag = "services",
    params(("id" = inline(Uuid7), Path, description = "Id of the case")),
    security(("case" = [])),
    responses(
        (status = 200, description = "Open requests to the applicant", body = AskedOfApplicantDto),
        (status = 400, description = "Not an id", body = ProblemDto),
        (status = 401, description = "Not the case's token", body = ProblemDto),
        (status = 503, description = "Stopping or out of order", body = ProblemDto),
    )
)]
pub(super) async fn of_applicant(
    State(app): State<AppState>,
    id: PathOf<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let case = case_id(&id.0)?;
    admit(&app, case, &headers)?;
    let asked = app.service.engine().asked_of_applicant(case).await;
    let asked = asked.map_err(|error| engine_problem(&error))?;
    let requests = asked.iter().map(AskedApplicantDto::of).collect();
    Ok(no_store(Json(AskedOfApplicantDto { requests, position: app.service.position().get() })))
}

impl AskedApplicantDto {
    fn of(asked: &AskedApplicant) -> Self {
        Self {
            request: asked.form.request.to_string(),
            title: TextDto::of(&asked.form.title),
            text: TextDto::of(&asked.message),
            due: asked.due.to_string(),
            suspended_until: asked.suspended_until.map(|until| until.to_string()),
            form: asked.form.schema.clone(),
        }
    }
}
