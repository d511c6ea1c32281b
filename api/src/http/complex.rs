//! Complex requests: which are offered, submitting one, and how far its cases are.
//!
//! Each case is an ordinary one and has its own paths under `/api/v1/applications`. Not here: what
//! joins services, which the pack says.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use letopis_registry::code::{ChannelCode, ComplexCode, ServiceCode};
use letopis_registry::engine::{Accepted, ComplexAccepted, ComplexApplication, InstalledPack};
use letopis_registry::event::ComplexId;
use letopis_registry::messages::Text;
use letopis_registry::pack::ComplexService;
use letopis_registry::projection::ComplexRow;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::application::{StatusDto, TextDto, case_row, engine_problem, idempotency_key, portal};
use super::body::JsonOf;
use super::document::{IdempotencyKey, Uuid7};
use super::intake::AcceptedDto;
use super::problem::{Code, Problem, ProblemDto};
use super::registry::tables;
use super::{AppState, PathOf};

/// How long an answer waits at most for the tables to know what it tells of.
const TABLES_PATIENCE: Duration = Duration::from_secs(5);

/// The complex requests that are offered.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ComplexServicesDto {
    complex_services: Vec<ComplexServiceDto>,
    /// Leaves that this answer reflects.
    position: u64,
}

/// Services that are asked for at once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ComplexServiceDto {
    code: String,
    title: TextDto,
    /// The act that joins the services.
    law: TextDto,
    /// Codes of the services, in order.
    services: Vec<String>,
    /// What the form asks.
    fields: Vec<ComplexFieldDto>,
}

/// A field of the form of a complex request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ComplexFieldDto {
    /// JSON pointer (RFC 6901) into the body of the submission.
    pointer: String,
    title: TextDto,
    /// Whether every applicant must fill it in.
    required: bool,
    /// The services that read it.
    services: Vec<String>,
}

/// A complex request as it comes in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ComplexRequestDto {
    /// How it came; one of the channels of every service.
    #[serde(default = "portal")]
    channel: String,
    /// What is asked once.
    #[schema(value_type = Object)]
    shared: Value,
    /// What is asked for each service alone, by code of the service.
    #[serde(default)]
    #[schema(value_type = Object)]
    forms: BTreeMap<String, Value>,
}

/// A complex request whose every application was registered.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ComplexAcceptedDto {
    /// Id of the complex request.
    id: String,
    /// Its cases, each with its own number, term and token.
    cases: Vec<LinkedCaseDto>,
    /// Leaf of the registration of all of them.
    leaf: u64,
    /// When the log took it.
    time: String,
    /// Whether an earlier submission with the same idempotency key made it.
    repeated: bool,
}

/// A case of a complex request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LinkedCaseDto {
    service: String,
    #[serde(flatten)]
    case: AcceptedDto,
}

/// How far a complex request is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ComplexStatusDto {
    /// Id of the complex request.
    id: String,
    /// What was asked for.
    code: String,
    /// When it was opened.
    opened_at: String,
    /// When the last of its cases had ended, once that is on record.
    closed_at: Option<String>,
    /// Its cases.
    cases: Vec<StatusDto>,
    /// Requests of a case that wait or waited for another case.
    waits: Vec<ComplexWaitDto>,
    /// Leaves that this answer reflects.
    position: u64,
}

/// A request that waits or waited for the answer of another case.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ComplexWaitDto {
    /// Id of the case.
    case: String,
    /// Its request.
    request: String,
    /// Stream of the case whose answer it waits for.
    awaited: String,
    /// `waiting`, `satisfied` by the other answer, or `lapsed` and asked by itself.
    state: String,
}

/// Every complex request that is offered, with what its form asks.
#[utoipa::path(
    get, path = "/api/v1/complex-services", tag = "services",
    responses(
        (status = 200, description = "Complex requests in force", body = ComplexServicesDto),
    )
)]
pub(super) async fn list(State(app): State<AppState>) -> Json<ComplexServicesDto> {
    let offered = app.service.engine().complex_services();
    let services = offered.iter().filter_map(|(code, installed)| {
        let definition = installed.pack.complex_services().get(code)?;
        Some(ComplexServiceDto::of(definition, installed))
    });
    let complex_services = services.collect();
    Json(ComplexServicesDto { complex_services, position: app.service.position().get() })
}

/// Submits the applications of every service of a complex request, or none of them.
#[utoipa::path(
    post, path = "/api/v1/complex-services/{code}/requests", tag = "services",
    params(
        ("code" = String, Path, description = "Code of the complex request"),
        ("idempotency-key" = inline(Option<IdempotencyKey>), Header,
         description = "A key of your choice: the same key with the same forms gives the same cases"),
    ),
    request_body = ComplexRequestDto,
    responses(
        (status = 201, description = "Every application is registered", body = ComplexAcceptedDto),
        (status = 400, description = "Not JSON of this shape", body = ProblemDto),
        (status = 404, description = "No such complex request", body = ProblemDto),
        (status = 409, description = "The key was used for other forms", body = ProblemDto),
        (status = 410, description = "The complex request is withdrawn", body = ProblemDto),
        (status = 413, description = "Too large", body = ProblemDto),
        (status = 422, description = "Fields are wrong, or a service does not take its application; nothing was submitted", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn submit(
    State(app): State<AppState>,
    code: PathOf<String>,
    headers: HeaderMap,
    JsonOf(body): JsonOf<ComplexRequestDto>,
) -> Result<Response, Problem> {
    let unknown = |error: String| Problem::new(Code::NotFound, error);
    let application = ComplexApplication {
        code: ComplexCode::parse(&code.0).map_err(|e| unknown(e.to_string()))?,
        channel: ChannelCode::parse(&body.channel).map_err(Problem::bad_request)?,
        shared: body.shared,
        forms: body.forms,
        idempotency_key: idempotency_key(&headers)?,
    };
    let accepted = app.service.engine().submit_complex(&application).await;
    let accepted = accepted.map_err(|error| engine_problem(&error))?;
    for (_, case) in &accepted.cases {
        app.service.worker().take_up(case.case);
    }
    // Who asks at once where the answer leads to finds it.
    let known = || app.service.model().complex_request(accepted.complex).ok()?.value.map(drop);
    app.service.wait_for(TABLES_PATIENCE, known).await;
    let location = format!("/api/v1/complex-requests/{}", accepted.complex);
    // The tokens are for the applicant alone; nobody on the way may keep them.
    let headers = [(header::LOCATION, location), (header::CACHE_CONTROL, "no-store".to_owned())];
    Ok((StatusCode::CREATED, headers, Json(ComplexAcceptedDto::of(&app, &accepted)?))
        .into_response())
}

/// How far a complex request and each of its cases are.
#[utoipa::path(
    get, path = "/api/v1/complex-requests/{id}", tag = "services",
    params(("id" = inline(Uuid7), Path, description = "Id of the complex request")),
    responses(
        (status = 200, description = "How far it is", body = ComplexStatusDto),
        (status = 400, description = "Not an id", body = ProblemDto),
        (status = 404, description = "No such complex request", body = ProblemDto),
    )
)]
pub(super) async fn status(
    State(app): State<AppState>,
    id: PathOf<String>,
) -> Result<Json<ComplexStatusDto>, Problem> {
    let complex = ComplexId::parse(&id.0).map_err(Problem::bad_request)?;
    let found = app.service.model().complex_request(complex).map_err(|error| tables(&error))?;
    let row = found.value.ok_or_else(|| {
        Problem::new(Code::NotFound, format!("there is no complex request {complex}"))
    })?;
    let mut cases = Vec::with_capacity(row.cases.len());
    for (_, case) in &row.cases {
        let (case, position) = case_row(&app, *case)?;
        cases.push(StatusDto::of(&app, &case, position));
    }
    Ok(Json(ComplexStatusDto::of(&row, cases, found.size.get())))
}

impl ComplexServiceDto {
    fn of(definition: &ComplexService, installed: &InstalledPack) -> Self {
        let mut fields: Vec<ComplexFieldDto> = Vec::new();
        for joined in &definition.services {
            let code = &joined.service.value;
            let service = installed.service(code);
            for (path, field) in service.into_iter().flat_map(|service| service.form.fields()) {
                let asked_once = definition.source(code, path).is_some();
                if !asked_once && !joined.asks_for(path) {
                    continue;
                }
                let pointer = definition.pointer(code, &path.pointer());
                match fields.iter_mut().find(|known| known.pointer == pointer) {
                    Some(known) => {
                        known.required |= field.required;
                        known.services.push(code.to_string());
                    }
                    None => fields.push(ComplexFieldDto {
                        pointer,
                        title: text(&field.title),
                        required: field.required,
                        services: vec![code.to_string()],
                    }),
                }
            }
        }
        let services = definition.services.iter();
        Self {
            code: definition.code.value.to_string(),
            title: text(&definition.title),
            law: text(&definition.law),
            services: services.map(|joined| joined.service.value.to_string()).collect(),
            fields,
        }
    }
}

impl ComplexAcceptedDto {
    fn of(app: &AppState, accepted: &ComplexAccepted) -> Result<Self, Problem> {
        let linked = |(service, case): &(ServiceCode, Accepted)| {
            let case = AcceptedDto::of(app, case)?;
            Ok(LinkedCaseDto { service: service.to_string(), case })
        };
        Ok(Self {
            id: accepted.complex.to_string(),
            cases: accepted.cases.iter().map(linked).collect::<Result<_, Problem>>()?,
            leaf: accepted.appended.leaf.get(),
            time: accepted.appended.time.to_string(),
            repeated: accepted.repeated,
        })
    }
}

impl ComplexStatusDto {
    fn of(row: &ComplexRow, cases: Vec<StatusDto>, position: u64) -> Self {
        let waits = row.waits.iter().map(|wait| ComplexWaitDto {
            case: wait.case.to_string(),
            request: wait.request.clone(),
            awaited: wait.awaited.to_string(),
            state: wait.over_by.clone().unwrap_or_else(|| "waiting".to_owned()),
        });
        Self {
            id: row.complex.to_string(),
            code: row.code.to_string(),
            opened_at: row.opened_at.to_string(),
            closed_at: row.closed_at.map(|time| time.to_string()),
            cases,
            waits: waits.collect(),
            position,
        }
    }
}

fn text(text: &Text) -> TextDto {
    TextDto { ru: text.ru.clone(), en: text.en.clone() }
}
