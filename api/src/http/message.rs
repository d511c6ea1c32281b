//! Applications that other systems send by names of their own, and the quarantine of those that no
//! route leads to a service.
//!
//! Not here: which routes there are, which the packs say.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use letopis_registry::case::Source;
use letopis_registry::code::{ChannelCode, ServiceCode, SystemCode};
use letopis_registry::engine::{Delivered, InboundMessage, WaitingMessage};
use letopis_registry::event::InboundMessageId;
use letopis_registry::private::AccessToken;
use letopis_registry::projection::MessageRow;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::application::engine_problem;
use super::body::JsonOf;
use super::document::Uuid7;
use super::intake::{AcceptedDto, accepted_answer};
use super::problem::{Code, Problem, ProblemDto};
use super::staff::Acting;
use super::work::{DoneDto, done_at};
use super::{AppState, PathOf, bearer, no_store};

/// Most messages of one answer.
const PAGE_MAX: u32 = 100;

/// An application as another system sends it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessageDto {
    /// Code of the system that sends it.
    system: String,
    /// Its id of the message: the same one again is the same message.
    #[schema(min_length = 1, max_length = 200)]
    message_id: String,
    /// The service as the system calls it.
    #[schema(min_length = 1, max_length = 200)]
    service_code: String,
    /// Code of the territory that the application is about.
    #[serde(default)]
    territory: Option<String>,
    /// Number of the receipt that the applicant has from the system.
    #[serde(default)]
    receipt: Option<String>,
    /// Number by which the applicant finds the application there.
    #[serde(default)]
    cabinet: Option<String>,
    /// The form, as the service's JSON Schema describes it.
    #[schema(value_type = Object)]
    form: Value,
}

/// How far a message is that no route led anywhere.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MessageStateDto {
    /// Its id here.
    id: String,
    /// `quarantined`, `released` or `rejected`.
    state: String,
    /// Why it waits or waited: `unknown_code` or `unknown_territory`.
    reason: String,
    /// Id of the case that came of it.
    case: Option<String>,
    /// Opens this state later, and the case that comes of it; shown when the message is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// The leaf that says so.
    leaf: u64,
}

/// Messages that wait.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QuarantineDto {
    messages: Vec<WaitingDto>,
}

/// A message that waits, with what was sent.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WaitingDto {
    id: String,
    system: String,
    /// `unknown_code` or `unknown_territory`.
    reason: String,
    came_at: String,
    /// What the system says beside the form, by name.
    #[schema(value_type = Object)]
    source: Map<String, Value>,
    #[schema(value_type = Object)]
    form: Value,
}

/// The service that an official found.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReleaseDto {
    /// Code of the service.
    service: String,
    /// Channel that it comes by; the first one open to applicants without it.
    #[serde(default)]
    channel: Option<String>,
}

/// Why a message is for no service.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RejectionDto {
    #[schema(min_length = 1, max_length = 4000)]
    reason: String,
}

/// Takes an application of another system: it goes to the service that a route of the packs names,
/// or waits for an official. The same message again is answered as before.
#[utoipa::path(
    post, path = "/api/v1/messages", tag = "services", request_body = MessageDto,
    responses(
        (status = 201, description = "An application on record: registered or not taken",
         body = AcceptedDto),
        (status = 202, description = "No route leads to a service; an official looks at it",
         body = MessageStateDto),
        (status = 400, description = "Not JSON of this shape", body = ProblemDto),
        (status = 409, description = "The id was used for another message", body = ProblemDto),
        (status = 413, description = "Too large", body = ProblemDto),
        (status = 422, description = "Fields are wrong; each is named", body = ProblemDto),
        (status = 503, description = "Busy or stopping, or too many messages wait",
         body = ProblemDto),
    )
)]
pub(super) async fn deliver(
    State(app): State<AppState>,
    JsonOf(body): JsonOf<MessageDto>,
) -> Result<Response, Problem> {
    let message = InboundMessage {
        source: Source {
            system: SystemCode::parse(&body.system).map_err(Problem::bad_request)?,
            message_id: body.message_id,
            service_code: body.service_code,
            territory: body.territory,
            receipt: body.receipt,
            cabinet: body.cabinet,
        },
        form: body.form,
    };
    let delivered = app.service.engine().deliver(&message).await;
    match delivered.map_err(|error| engine_problem(&error))? {
        Delivered::Submitted(accepted) => accepted_answer(&app, &accepted),
        Delivered::Quarantined(row, token) => {
            let location = format!("/api/v1/messages/{}", row.message);
            let headers =
                [(header::LOCATION, location), (header::CACHE_CONTROL, "no-store".to_owned())];
            let state = MessageStateDto::of(&row, Some(&token));
            Ok((StatusCode::ACCEPTED, headers, Json(state)).into_response())
        }
    }
}

/// How far a message is that no route led anywhere.
#[utoipa::path(
    get, path = "/api/v1/messages/{id}", tag = "services",
    params(("id" = inline(Uuid7), Path, description = "Id of the message")),
    security(("case" = [])),
    responses(
        (status = 200, description = "How far it is", body = MessageStateDto),
        (status = 400, description = "Not an id", body = ProblemDto),
        (status = 401, description = "Not the message's token", body = ProblemDto),
    )
)]
pub(super) async fn state(
    State(app): State<AppState>,
    id: PathOf<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = message_id(&id.0)?;
    let refused = || {
        Problem::new(Code::Unauthorized, "send the token of the message as Authorization: Bearer")
    };
    let token = bearer(&headers).and_then(|text| AccessToken::parse(text).ok());
    let token = token.ok_or_else(refused)?;
    let engine = app.service.engine();
    let admitted = engine.private().admits(&token, &id.stream());
    if !admitted.map_err(|error| Problem::new(Code::Unavailable, error.to_string()))? {
        return Err(refused());
    }
    let row = engine.message(id).await.map_err(|error| engine_problem(&error))?;
    Ok(no_store(Json(MessageStateDto::of(&row, None))))
}

/// Messages that wait for an official, the oldest first, at most 100.
#[utoipa::path(
    get, path = "/api/v1/quarantine", tag = "officials", security(("official" = [])),
    responses(
        (status = 200, description = "Messages with what was sent", body = QuarantineDto),
        (status = 401, description = "Not an official's token", body = ProblemDto),
        (status = 422, description = "The official may not do this", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn waiting(
    State(app): State<AppState>,
    Acting(official): Acting,
) -> Result<Response, Problem> {
    let waiting = app.service.engine().waiting_messages(&official, PAGE_MAX).await;
    let waiting = waiting.map_err(|error| engine_problem(&error))?;
    let messages = waiting.into_iter().map(WaitingDto::of).collect();
    Ok(no_store(Json(QuarantineDto { messages })))
}

/// Submits the application of a message to the service that the official found.
#[utoipa::path(
    post, path = "/api/v1/quarantine/{id}/release", tag = "officials",
    params(("id" = inline(Uuid7), Path, description = "Id of the message")),
    request_body = ReleaseDto, security(("official" = [])),
    responses(
        (status = 201, description = "An application on record: registered or not taken",
         body = AcceptedDto),
        (status = 400, description = "Not of this shape", body = ProblemDto),
        (status = 401, description = "Not an official's token", body = ProblemDto),
        (status = 404, description = "No such message or service", body = ProblemDto),
        (status = 409, description = "It was released or rejected before", body = ProblemDto),
        (status = 422, description = "The form does not fit the service, or a rule forbids it",
         body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn release(
    State(app): State<AppState>,
    Acting(official): Acting,
    id: PathOf<String>,
    JsonOf(body): JsonOf<ReleaseDto>,
) -> Result<Response, Problem> {
    let id = message_id(&id.0)?;
    let service = ServiceCode::parse(&body.service).map_err(Problem::bad_request)?;
    let channel = body.channel.as_deref().map(ChannelCode::parse).transpose();
    let channel = channel.map_err(Problem::bad_request)?;
    let found = (&service, channel.as_ref());
    let released = app.service.engine().release_message(id, &official, found).await;
    accepted_answer(&app, &released.map_err(|error| engine_problem(&error))?)
}

/// Rejects a message: it is for no service of the agency.
#[utoipa::path(
    post, path = "/api/v1/quarantine/{id}/rejection", tag = "officials",
    params(("id" = inline(Uuid7), Path, description = "Id of the message")),
    request_body = RejectionDto, security(("official" = [])),
    responses(
        (status = 200, description = "On record", body = DoneDto),
        (status = 400, description = "Not of this shape", body = ProblemDto),
        (status = 401, description = "Not an official's token", body = ProblemDto),
        (status = 404, description = "No such message", body = ProblemDto),
        (status = 409, description = "It was released or rejected before", body = ProblemDto),
        (status = 422, description = "A rule forbids it", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn reject(
    State(app): State<AppState>,
    Acting(official): Acting,
    id: PathOf<String>,
    JsonOf(body): JsonOf<RejectionDto>,
) -> Result<Json<DoneDto>, Problem> {
    let id = message_id(&id.0)?;
    let rejected = app.service.engine().reject_message(id, &official, &body.reason).await;
    Ok(done_at(rejected.map_err(|error| engine_problem(&error))?))
}

fn message_id(text: &str) -> Result<InboundMessageId, Problem> {
    InboundMessageId::parse(text).map_err(Problem::bad_request)
}

impl MessageStateDto {
    fn of(row: &MessageRow, token: Option<&AccessToken>) -> Self {
        Self {
            id: row.message.to_string(),
            state: row.state.clone(),
            reason: row.reason.clone(),
            case: row.case.map(|case| case.to_string()),
            token: token.map(AccessToken::reveal),
            leaf: row.leaf.get(),
        }
    }
}

impl WaitingDto {
    fn of(waiting: WaitingMessage) -> Self {
        let WaitingMessage { row, source, form } = waiting;
        let source = source.into_iter().map(|(name, text)| (name, text.to_value()));
        Self {
            id: row.message.to_string(),
            system: row.system.to_string(),
            reason: row.reason,
            came_at: row.came_at.to_string(),
            source: source.collect(),
            form,
        }
    }
}
