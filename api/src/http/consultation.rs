//! Consultations: an official puts one on record when it is over.
//!
//! Not here: figures about them (`statistics`).

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use letopis_registry::code::{ChannelCode, ServiceCode, TopicCode};
use letopis_registry::engine::Consultation;
use letopis_registry::event::ConsultationOutcome;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::AppState;
use super::application::engine_problem;
use super::body::JsonOf;
use super::problem::{Problem, ProblemDto};
use super::staff::Acting;

/// A consultation that was given. Nothing about the person is taken.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConsultationDto {
    /// Code of the service that it was about.
    service: String,
    /// Code of what was asked, from the agency's own list.
    topic: String,
    /// Code of how the person came, as in `phone`.
    channel: String,
    /// How long it took, in milliseconds, at most a day.
    #[schema(minimum = 1, maximum = 86_400_000)]
    duration_ms: u64,
    /// `answered`, `sent_on` or `applied`.
    outcome: String,
}

/// A consultation on record.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConsultationRegisteredDto {
    /// Id of the consultation.
    id: String,
    /// The leaf that says so.
    leaf: u64,
}

/// Puts a consultation on record.
#[utoipa::path(
    post, path = "/api/v1/consultations", tag = "officials",
    request_body = ConsultationDto,
    security(("official" = [])),
    responses(
        (status = 201, description = "On record", body = ConsultationRegisteredDto),
        (status = 400, description = "Not JSON of this shape", body = ProblemDto),
        (status = 401, description = "Not an official's token", body = ProblemDto),
        (status = 404, description = "No such service", body = ProblemDto),
        (status = 422, description = "The duration is wrong", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn register(
    State(app): State<AppState>,
    Acting(official): Acting,
    JsonOf(body): JsonOf<ConsultationDto>,
) -> Result<Response, Problem> {
    let outcome = ConsultationOutcome::parse(&body.outcome);
    let given = Consultation {
        service: ServiceCode::parse(&body.service).map_err(Problem::bad_request)?,
        topic: TopicCode::parse(&body.topic).map_err(Problem::bad_request)?,
        channel: ChannelCode::parse(&body.channel).map_err(Problem::bad_request)?,
        duration_ms: body.duration_ms,
        outcome: outcome.ok_or_else(|| {
            Problem::bad_request(format!(
                "outcome {:?} is not answered, sent_on or applied",
                body.outcome
            ))
        })?,
    };
    let registered = app.service.engine().register_consultation(&official, &given).await;
    let (id, appended) = registered.map_err(|error| engine_problem(&error))?;
    let body = ConsultationRegisteredDto { id: id.to_string(), leaf: appended.leaf.get() };
    Ok((StatusCode::CREATED, Json(body)).into_response())
}
