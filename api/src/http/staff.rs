//! Officials: appointed, absent and dismissed by the operator; and who an official's request is of.
//!
//! An official sends its id in `letopis-official` and its token as Authorization: Bearer. Not
//! here: what officials do with cases (`work`).

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use letopis_ledger::key::AuthorKey;
use letopis_registry::code::{ServiceCode, UnitCode};
use letopis_registry::engine::Appointment;
use letopis_registry::event::{Appointed, HeldPost, OfficialId};
use letopis_registry::pack::Role;
use letopis_registry::private::AccessToken;
use letopis_registry::staff::Official;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::application::engine_problem;
use super::body::JsonOf;
use super::document::Uuid7;
use super::problem::{Code, Problem, ProblemDto};
use super::{AppState, Operator, PathOf, bearer};

/// Header with the id of the official who asks.
pub(crate) const OFFICIAL: &str = "letopis-official";

/// A post.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PostDto {
    /// Code of a unit of the agency's packs.
    unit: String,
    /// `head`, `executor`, `lawyer`, `operator` or `keeper`.
    role: String,
}

/// Somebody to be appointed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AppointmentDto {
    /// The name; it stays with the agency.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// Posts from now on.
    #[schema(min_items = 1)]
    posts: Vec<PostDto>,
    /// Services that the official can work on; every one when absent.
    #[serde(default)]
    skills: Vec<String>,
    /// The official's Ed25519 public key, 32 bytes in base64.
    key: String,
    /// Id of an official who gets other posts or another key.
    #[serde(default)]
    #[schema(value_type = Option<Uuid7>, inline)]
    official: Option<String>,
}

/// Somebody who was appointed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AppointedDto {
    /// Id of the official.
    id: String,
    /// Admits the official. It is shown once; give it to the official.
    token: String,
}

/// An official, without the name.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OfficialDto {
    id: String,
    /// None after dismissal.
    posts: Vec<PostDto>,
    skills: Vec<String>,
    /// The key in force, in base64.
    key: Option<String>,
    absences: Vec<AbsenceDto>,
    /// Open cases that the official works on.
    open_cases: u64,
}

/// All officials.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OfficialsDto {
    officials: Vec<OfficialDto>,
    /// Leaves that this answer reflects.
    position: u64,
}

/// Days on which an official is away.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AbsenceDto {
    /// First day, as in 2026-12-01.
    #[schema(format = Date)]
    from: String,
    /// Last day.
    #[schema(format = Date)]
    until: String,
}

/// The official who asks.
pub(crate) struct Acting(pub(crate) Official);

impl FromRequestParts<AppState> for Acting {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        // One answer for a wrong id and a wrong token, so that nobody finds out ids by asking.
        let refused = || {
            let detail = "send your id as letopis-official and your token as Authorization: Bearer";
            Problem::new(Code::Unauthorized, detail)
        };
        let id = parts.headers.get(OFFICIAL).and_then(|value| value.to_str().ok());
        let id = id.and_then(|text| OfficialId::parse(text).ok()).ok_or_else(refused)?;
        let token = bearer(&parts.headers).and_then(|text| AccessToken::parse(text).ok());
        let token = token.ok_or_else(refused)?;
        let admitted = app.service.engine().admitted_official(id, &token);
        admitted.map_err(|error| engine_problem(&error))?.map(Self).ok_or_else(refused)
    }
}

/// Appoints somebody, or gives an official other posts or another key.
#[utoipa::path(
    post, path = "/api/v1/officials", tag = "officials",
    request_body = AppointmentDto,
    security(("operator" = [])),
    responses(
        (status = 201, description = "Appointed", body = AppointedDto),
        (status = 400, description = "Not JSON of this shape", body = ProblemDto),
        (status = 401, description = "Not the operator's token", body = ProblemDto),
        (status = 404, description = "No such unit or official", body = ProblemDto),
        (status = 409, description = "The key is another official's", body = ProblemDto),
        (status = 422, description = "A field is wrong", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn appoint(
    State(app): State<AppState>,
    _operator: Operator,
    JsonOf(body): JsonOf<AppointmentDto>,
) -> Result<Response, Problem> {
    let again = body.official.as_deref().map(OfficialId::parse).transpose();
    let again = again.map_err(Problem::bad_request)?;
    let skills = body.skills.iter().map(|code| ServiceCode::parse(code));
    let key =
        AuthorKey::from_base64(&body.key).map_err(|e| Problem::bad_request(format!("key: {e}")))?;
    let appointed = Appointed {
        posts: body.posts.iter().map(post).collect::<Result<_, _>>()?,
        skills: skills.collect::<Result<_, _>>().map_err(Problem::bad_request)?,
        key,
    };
    if appointed.posts.is_empty() {
        return Err(Problem::bad_request("an official holds at least one post"));
    }
    let engine = app.service.engine();
    let packs = engine.installed_packs();
    let known = |unit: &UnitCode| packs.iter().any(|pack| pack.pack.unit(unit).is_some());
    if let Some(post) = appointed.posts.iter().find(|post| !known(&post.unit)) {
        let detail = format!("no pack of this agency has a unit {}", post.unit);
        return Err(Problem::new(Code::NotFound, detail));
    }
    if let Some(id) = again
        && engine.model().official(id).ok().and_then(|found| found.value).is_none()
    {
        return Err(Problem::new(Code::NotFound, format!("there is no official {id}")));
    }
    if engine.is_key_taken(key, again).map_err(|e| engine_problem(&e))? {
        let detail = "another official has this key; each has one of their own";
        return Err(Problem::with_specific_code(Code::Conflict, "key-taken", detail.to_owned()));
    }
    let appointment = Appointment { appointed, name: body.name };
    let official = engine.appoint(&appointment, again).await.map_err(|e| engine_problem(&e))?;
    app.service.take_up_open();
    let body = AppointedDto { id: official.id.to_string(), token: official.token.reveal() };
    let headers = [(header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::CREATED, headers, Json(body)).into_response())
}

/// Every official with posts and load.
#[utoipa::path(
    get, path = "/api/v1/officials", tag = "officials",
    security(("operator" = [])),
    responses(
        (status = 200, description = "Officials by id", body = OfficialsDto),
        (status = 401, description = "Not the operator's token", body = ProblemDto),
    )
)]
pub(super) async fn list(
    State(app): State<AppState>,
    _operator: Operator,
) -> Result<Json<OfficialsDto>, Problem> {
    let unavailable = |e: letopis_registry::projection::ProjectionError| {
        Problem::new(Code::Unavailable, e.to_string())
    };
    let model = app.service.model();
    let found = model.officials().map_err(unavailable)?;
    let mut officials = Vec::new();
    for official in &found.value {
        let open_cases = model.open_cases_of(official.id).map_err(unavailable)?.value;
        officials.push(OfficialDto::of(official, open_cases));
    }
    Ok(Json(OfficialsDto { officials, position: found.size.get() }))
}

/// Notes days on which an official is away: the rule gives no case to them then.
#[utoipa::path(
    post, path = "/api/v1/officials/{id}/absences", tag = "officials",
    params(("id" = inline(Uuid7), Path, description = "Id of the official")),
    request_body = AbsenceDto,
    security(("operator" = [])),
    responses(
        (status = 204, description = "Noted"),
        (status = 400, description = "Not an id or not dates", body = ProblemDto),
        (status = 401, description = "Not the operator's token", body = ProblemDto),
        (status = 404, description = "No such official", body = ProblemDto),
        (status = 422, description = "The last day is before the first", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn absence(
    State(app): State<AppState>,
    _operator: Operator,
    id: PathOf<String>,
    JsonOf(body): JsonOf<AbsenceDto>,
) -> Result<StatusCode, Problem> {
    let day = |text: &str| {
        text.parse().map_err(|_| Problem::bad_request(format!("{text:?} is not a date")))
    };
    let days = (day(&body.from)?, day(&body.until)?);
    let noted = app.service.engine().note_absence(official_id(&id.0)?, days).await;
    noted.map_err(|error| engine_problem(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends an official's posts. The token admits nobody any more, and the key signs nothing.
#[utoipa::path(
    delete, path = "/api/v1/officials/{id}", tag = "officials",
    params(("id" = inline(Uuid7), Path, description = "Id of the official")),
    security(("operator" = [])),
    responses(
        (status = 204, description = "Dismissed"),
        (status = 400, description = "Not an id", body = ProblemDto),
        (status = 401, description = "Not the operator's token", body = ProblemDto),
        (status = 404, description = "No such official", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn dismiss(
    State(app): State<AppState>,
    _operator: Operator,
    id: PathOf<String>,
) -> Result<StatusCode, Problem> {
    let dismissed = app.service.engine().dismiss(official_id(&id.0)?).await;
    dismissed.map_err(|error| engine_problem(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Reads the id of an official.
pub(super) fn official_id(text: &str) -> Result<OfficialId, Problem> {
    OfficialId::parse(text).map_err(Problem::bad_request)
}

fn post(post: &PostDto) -> Result<HeldPost, Problem> {
    let unit = UnitCode::parse(&post.unit).map_err(Problem::bad_request)?;
    let role = Role::parse(&post.role).ok_or_else(|| {
        let roles = Role::ALL.map(Role::as_str).join(", ");
        Problem::bad_request(format!("{:?} is not a role: {roles} are", post.role))
    })?;
    Ok(HeldPost { unit, role })
}

impl OfficialDto {
    fn of(official: &Official, open_cases: u64) -> Self {
        let post = |held: &HeldPost| PostDto {
            unit: held.unit.to_string(),
            role: held.role.as_str().to_owned(),
        };
        let absence = |(from, until): &(jiff::civil::Date, jiff::civil::Date)| AbsenceDto {
            from: from.to_string(),
            until: until.to_string(),
        };
        Self {
            id: official.id.to_string(),
            posts: official.posts.iter().map(post).collect(),
            skills: official.skills.iter().map(ToString::to_string).collect(),
            key: official.key.map(|key| key.to_base64()),
            absences: official.absences.iter().map(absence).collect(),
            open_cases,
        }
    }
}
