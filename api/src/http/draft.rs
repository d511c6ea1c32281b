//! Drafts: a form begun today and submitted another day, under a token of its own.
//!
//! Not here: applications that are on record (`application`, `intake`).

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use letopis_registry::code::{ChannelCode, ServiceCode};
use letopis_registry::engine::DraftState;
use letopis_registry::event::DraftId;
use letopis_registry::private::{AccessToken, DRAFT_DAYS_MAX};
use letopis_registry::staff::Official;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::application::{engine_problem, field_problem, portal};
use super::body::JsonOf;
use super::document::Uuid7;
use super::intake::AcceptedDto;
use super::problem::{Code, FieldProblem, Problem, ProblemDto};
use super::staff::Acting;
use super::{AppState, PathOf, bearer, no_store};

/// A draft to be saved.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewDraftDto {
    /// How it comes; one of the service's channels.
    #[serde(default = "portal")]
    channel: String,
    /// The form as far as it is filled in.
    #[schema(value_type = Object)]
    form: Value,
}

/// What a draft holds from now on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DraftFormDto {
    /// The form as far as it is filled in.
    #[schema(value_type = Object)]
    form: Value,
}

/// How a draft is submitted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubmissionDto {
    /// A channel by which an applicant submits; `portal` without it.
    #[serde(default = "portal")]
    channel: String,
}

/// A draft.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DraftDto {
    /// Its id.
    id: String,
    service: String,
    channel: String,
    /// Opens the draft. It is shown once, when the draft is made; keep it.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// The form as far as it is filled in.
    form: Value,
    /// The case that came of it, once it was submitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    case: Option<String>,
    /// When it was saved last, or submitted.
    saved_at: String,
    /// Days after which it goes when nobody saves it again.
    kept_days: i64,
    /// The version of the pack whose form it was filled in by.
    pack_version: u32,
    /// The version that is in force now, by which it is submitted.
    in_force_version: u32,
    /// What is missing or does not fit the form in force; it can be submitted when there is none.
    problems: Vec<FieldProblem>,
}

/// A draft that was submitted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SubmittedDraftDto {
    #[serde(flatten)]
    accepted: AcceptedDto,
    /// The version by whose form it was filled in, when another one is in force now.
    #[serde(skip_serializing_if = "Option::is_none")]
    carried_from_version: Option<u32>,
    /// The fields that were carried over to the form in force, as JSON pointers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    carried_over: Vec<String>,
}

/// Saves a draft. It is nobody's record: it goes after 90 days, or a day after it is submitted.
#[utoipa::path(
    post, path = "/api/v1/services/{service}/drafts", tag = "services",
    params(("service" = String, Path, description = "Code of the service")),
    request_body = NewDraftDto,
    responses(
        (status = 201, description = "Saved", body = DraftDto),
        (status = 400, description = "Not JSON of this shape", body = ProblemDto),
        (status = 404, description = "No such service", body = ProblemDto),
        (status = 410, description = "The service is withdrawn", body = ProblemDto),
        (status = 413, description = "Too large", body = ProblemDto),
        (status = 422, description = "Fields that are filled in are wrong", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn save(
    State(app): State<AppState>,
    service: PathOf<String>,
    JsonOf(body): JsonOf<NewDraftDto>,
) -> Result<Response, Problem> {
    saved(&app, &service.0, None, &body).await
}

/// Takes down a draft for somebody who calls; the caller gets its id and token and submits it.
#[utoipa::path(
    post, path = "/api/v1/services/{service}/calls", tag = "officials",
    params(("service" = String, Path, description = "Code of the service")),
    request_body = NewDraftDto, security(("official" = [])),
    responses(
        (status = 201, description = "Saved", body = DraftDto),
        (status = 400, description = "Not JSON of this shape", body = ProblemDto),
        (status = 401, description = "Not an official's token", body = ProblemDto),
        (status = 404, description = "No such service", body = ProblemDto),
        (status = 410, description = "The service is withdrawn", body = ProblemDto),
        (status = 413, description = "Too large", body = ProblemDto),
        (status = 422, description = "Fields are wrong, or a rule forbids it", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn take_down(
    State(app): State<AppState>,
    Acting(official): Acting,
    service: PathOf<String>,
    JsonOf(body): JsonOf<NewDraftDto>,
) -> Result<Response, Problem> {
    saved(&app, &service.0, Some(&official), &body).await
}

async fn saved(
    app: &AppState,
    service: &str,
    official: Option<&Official>,
    body: &NewDraftDto,
) -> Result<Response, Problem> {
    let unknown = |error: String| Problem::new(Code::NotFound, error);
    let service = ServiceCode::parse(service).map_err(|e| unknown(e.to_string()))?;
    let channel = ChannelCode::parse(&body.channel).map_err(Problem::bad_request)?;
    let saved = app.service.engine().save_draft(&service, &channel, official, &body.form).await;
    let (state, token) = saved.map_err(|error| engine_problem(&error))?;
    let location = format!("/api/v1/drafts/{}", state.draft.id);
    let headers = [(header::LOCATION, location), (header::CACHE_CONTROL, "no-store".to_owned())];
    let body = Json(DraftDto::of(&state, Some(&token)));
    Ok((StatusCode::CREATED, headers, body).into_response())
}

/// A draft, and what the form in force says of it.
#[utoipa::path(
    get, path = "/api/v1/drafts/{id}", tag = "services",
    params(("id" = inline(Uuid7), Path, description = "Id of the draft")),
    security(("draft" = [])),
    responses(
        (status = 200, description = "The draft", body = DraftDto),
        (status = 400, description = "Not an id", body = ProblemDto),
        (status = 401, description = "Not the draft's token", body = ProblemDto),
        (status = 404, description = "No such service", body = ProblemDto),
        (status = 410, description = "The service is withdrawn", body = ProblemDto),
    )
)]
pub(super) async fn read(
    State(app): State<AppState>,
    id: PathOf<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = admitted(&app, &id.0, &headers)?;
    let state = app.service.engine().draft(id).map_err(|error| engine_problem(&error))?;
    Ok(no_store(Json(DraftDto::of(&state, None))))
}

/// Saves a draft again, by the form in force now.
#[utoipa::path(
    post, path = "/api/v1/drafts/{id}", tag = "services",
    params(("id" = inline(Uuid7), Path, description = "Id of the draft")),
    request_body = DraftFormDto, security(("draft" = [])),
    responses(
        (status = 200, description = "Saved", body = DraftDto),
        (status = 400, description = "Not of this shape", body = ProblemDto),
        (status = 401, description = "Not the draft's token", body = ProblemDto),
        (status = 404, description = "No such service", body = ProblemDto),
        (status = 410, description = "The service is withdrawn", body = ProblemDto),
        (status = 422, description = "Fields that are filled in are wrong", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn save_again(
    State(app): State<AppState>,
    id: PathOf<String>,
    headers: HeaderMap,
    JsonOf(body): JsonOf<DraftFormDto>,
) -> Result<Response, Problem> {
    let id = admitted(&app, &id.0, &headers)?;
    let saved = app.service.engine().save_draft_again(id, &body.form).await;
    let state = saved.map_err(|error| engine_problem(&error))?;
    Ok(no_store(Json(DraftDto::of(&state, None))))
}

/// Throws a draft away; nothing of it stays.
#[utoipa::path(
    delete, path = "/api/v1/drafts/{id}", tag = "services",
    params(("id" = inline(Uuid7), Path, description = "Id of the draft")),
    security(("draft" = [])),
    responses(
        (status = 204, description = "Gone"),
        (status = 400, description = "Not an id", body = ProblemDto),
        (status = 401, description = "Not the draft's token", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn forget(
    State(app): State<AppState>,
    id: PathOf<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let id = admitted(&app, &id.0, &headers)?;
    let gone = app.service.engine().forget_draft(id).await;
    gone.map_err(|error| engine_problem(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Submits a draft by the form in force now. One of an older form is carried over where every
/// value still fits; otherwise the answer names each field, and the draft stays to be corrected.
/// Asked again after a lost answer, it gives the same case.
#[utoipa::path(
    post, path = "/api/v1/drafts/{id}/submission", tag = "services",
    params(("id" = inline(Uuid7), Path, description = "Id of the draft")),
    request_body = SubmissionDto, security(("draft" = [])),
    responses(
        (status = 201, description = "On record: registered or not taken",
         body = SubmittedDraftDto),
        (status = 400, description = "Not of this shape", body = ProblemDto),
        (status = 401, description = "Not the draft's token", body = ProblemDto),
        (status = 404, description = "No such service", body = ProblemDto),
        (status = 409, description = "It was submitted by another channel", body = ProblemDto),
        (status = 410, description = "The service is withdrawn", body = ProblemDto),
        (status = 422, description = "Fields are wrong or no longer fit", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn submit(
    State(app): State<AppState>,
    id: PathOf<String>,
    headers: HeaderMap,
    JsonOf(body): JsonOf<SubmissionDto>,
) -> Result<Response, Problem> {
    let id = admitted(&app, &id.0, &headers)?;
    let channel = ChannelCode::parse(&body.channel).map_err(Problem::bad_request)?;
    let submitted = app.service.engine().submit_draft(id, &channel).await;
    let submitted = submitted.map_err(|error| engine_problem(&error))?;
    app.service.worker().take_up(submitted.accepted.case);
    let location = format!("/api/v1/applications/{}", submitted.accepted.case);
    let body = SubmittedDraftDto {
        accepted: AcceptedDto::of(&app, &submitted.accepted)?,
        carried_from_version: submitted.carried_from.map(|pack| pack.version),
        carried_over: submitted.carried,
    };
    let headers = [(header::LOCATION, location), (header::CACHE_CONTROL, "no-store".to_owned())];
    Ok((StatusCode::CREATED, headers, Json(body)).into_response())
}

/// The draft that a request holds the token of. The answer is the same for one that does not exist.
fn admitted(app: &AppState, id: &str, headers: &HeaderMap) -> Result<DraftId, Problem> {
    let id = DraftId::parse(id).map_err(Problem::bad_request)?;
    let refused =
        || Problem::new(Code::Unauthorized, "send the token of the draft as Authorization: Bearer");
    let token = bearer(headers).ok_or_else(refused)?;
    let token = AccessToken::parse(token).map_err(|_| refused())?;
    match app.service.engine().private().admits(&token, &id.stream()) {
        Ok(true) => Ok(id),
        Ok(false) => Err(refused()),
        Err(error) => Err(Problem::new(Code::Unavailable, error.to_string())),
    }
}

impl DraftDto {
    fn of(state: &DraftState, token: Option<&AccessToken>) -> Self {
        let draft = &state.draft;
        Self {
            id: draft.id.to_string(),
            service: draft.service.to_string(),
            channel: draft.channel.to_string(),
            token: token.map(AccessToken::reveal),
            form: draft.form.clone(),
            case: draft.case.map(|case| case.to_string()),
            saved_at: draft.saved_at.to_string(),
            kept_days: DRAFT_DAYS_MAX,
            pack_version: draft.pack.version,
            in_force_version: state.in_force.version,
            problems: state.problems.iter().map(field_problem).collect(),
        }
    }
}
