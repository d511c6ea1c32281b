//! Letters that tell of offers: which wait, what is printed, and whether each came.
//!
//! A letter has the address of the offer's page and a code that opens it; the code is made when
//! the letter is printed. Not here: answering an offer at the front desk (`offer`).

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use letopis_registry::event::OfferId;
use letopis_registry::messages::Language;
use letopis_registry::projection::OfferRow;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::application::{TextDto, engine_problem};
use super::super::body::JsonOf;
use super::super::document::Uuid7;
use super::super::problem::{Code, Problem, ProblemDto};
use super::super::staff::Acting;
use super::super::{AppState, PathOf};
use super::offer_id;
use crate::message::offer::letter_text;

/// Open offers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OpenOffersDto {
    offers: Vec<OpenOfferDto>,
    /// Leaves that this answer reflects.
    position: u64,
}

/// An open offer, without anything personal.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OpenOfferDto {
    /// Its id.
    id: String,
    service: String,
    /// Which offer of the service's regulation.
    offer: String,
    /// When it was made.
    made_at: String,
    /// The last day on which it can be accepted.
    open_until: String,
    /// How the person is told.
    channel: Option<String>,
    /// `queued`, `delivered` or `failed`.
    notice: Option<String>,
}

/// A letter to be printed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LetterDto {
    /// Address of the offer's page.
    address: String,
    /// Opens the offer. It is shown once; print it.
    code: String,
    /// The whole text.
    text: TextDto,
}

/// What became of a letter.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LetterSettlementDto {
    /// Whether it came to the person.
    delivered: bool,
}

/// Open offers of services whose applications the official may enter.
#[utoipa::path(
    get, path = "/api/v1/offers", tag = "officials", security(("official" = [])),
    responses(
        (status = 200, description = "Open offers, at most 500; those whose letter waits first", body = OpenOffersDto),
        (status = 401, description = "Not an official's token", body = ProblemDto),
    )
)]
pub(in crate::http) async fn list(
    State(app): State<AppState>,
    Acting(official): Acting,
) -> Result<Json<OpenOffersDto>, Problem> {
    let open = app.service.engine().offers_for(&official).await;
    let open = open.map_err(|error| engine_problem(&error))?;
    let offers = open.iter().map(OpenOfferDto::of).collect();
    Ok(Json(OpenOffersDto { offers, position: app.service.position().get() }))
}

/// Makes the letter that tells of an offer, with a code of its own. Codes of letters made before
/// go on to be valid.
#[utoipa::path(
    post, path = "/api/v1/offers/{id}/letters", tag = "officials",
    params(("id" = inline(Uuid7), Path, description = "Id of the offer")),
    security(("official" = [])),
    responses(
        (status = 201, description = "The letter", body = LetterDto),
        (status = 400, description = "Not an id", body = ProblemDto),
        (status = 401, description = "Not an official's token", body = ProblemDto),
        (status = 404, description = "No such offer", body = ProblemDto),
        (status = 409, description = "It is not open any more", body = ProblemDto),
        (status = 422, description = "The official may not do this", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(in crate::http) async fn make(
    State(app): State<AppState>,
    Acting(official): Acting,
    id: PathOf<String>,
) -> Result<Response, Problem> {
    let id = offer_id(&id.0)?;
    let made = app.service.engine().offer_letter(id, &official).await;
    let (opened, token) = made.map_err(|error| engine_problem(&error))?;
    let (address, code) = (page_address(&app, id), token.reveal());
    let text = |language| letter_text(&opened, language, (&address, &code));
    let text = TextDto { ru: text(Language::Ru), en: text(Language::En) };
    let body = Json(LetterDto { address, code, text });
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], body).into_response())
}

/// Notes whether the letter of an offer came to the person.
#[utoipa::path(
    post, path = "/api/v1/offers/{id}/notice", tag = "officials",
    params(("id" = inline(Uuid7), Path, description = "Id of the offer")),
    request_body = LetterSettlementDto, security(("official" = [])),
    responses(
        (status = 204, description = "Noted"),
        (status = 400, description = "Not of this shape", body = ProblemDto),
        (status = 401, description = "Not an official's token", body = ProblemDto),
        (status = 404, description = "No such offer", body = ProblemDto),
        (status = 422, description = "No letter waits, or a rule forbids it", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(in crate::http) async fn settle(
    State(app): State<AppState>,
    Acting(official): Acting,
    id: PathOf<String>,
    JsonOf(body): JsonOf<LetterSettlementDto>,
) -> Result<StatusCode, Problem> {
    let id = offer_id(&id.0)?;
    let engine = app.service.engine();
    let opened = engine.offer(id, Some(&official)).await;
    let row = opened.map_err(|error| engine_problem(&error))?.row;
    let no_letter = || Problem::new(Code::NotFound, format!("offer {id} has no letter"));
    let notice = (id, row.notice.ok_or_else(no_letter)?);
    let settled = engine.settle_offer_notice(notice, &official, body.delivered).await;
    settled.map_err(|error| engine_problem(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

/// The address of an offer's page, as the public reaches it.
fn page_address(app: &AppState, id: OfferId) -> String {
    format!("{}/offer/{id}", app.service.public_address())
}

impl OpenOfferDto {
    fn of(row: &OfferRow) -> Self {
        Self {
            id: row.offer.to_string(),
            service: row.service.to_string(),
            offer: row.code.to_string(),
            made_at: row.made_at.to_string(),
            open_until: row.open_until.to_string(),
            channel: row.channel.as_ref().map(ToString::to_string),
            notice: row.notice_state.clone(),
        }
    }
}
