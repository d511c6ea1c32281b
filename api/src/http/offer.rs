//! Offers: read, accepted and declined by whoever holds the code of a letter, or at the front desk.
//!
//! Not here: the page for people without a program (`page`), and what officials do with letters
//! (`letter`).

pub(super) mod letter;
pub(super) mod page;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::Response;
use letopis_registry::code::{ChannelCode, FieldPath};
use letopis_registry::engine::OpenedOffer;
use letopis_registry::event::OfferId;
use letopis_registry::pack::nested;
use letopis_registry::private::AccessToken;
use letopis_registry::staff::Official;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::application::{TextDto, admit, case_id, engine_problem, field_problem};
use super::body::JsonOf;
use super::document::Uuid7;
use super::intake::{AcceptedDto, accepted_answer};
use super::problem::{Code, FieldProblem, Problem, ProblemDto};
use super::staff::{Acting, OFFICIAL};
use super::work::{DoneDto, done_at};
use super::{AppState, PathOf, bearer, no_store};
use crate::service::Finality;

/// An offer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OfferDto {
    /// Its id.
    id: String,
    /// The service that is offered.
    service: String,
    /// What the service is called.
    service_title: TextDto,
    /// Which offer of the service's regulation.
    offer: String,
    /// What is offered, in words.
    title: TextDto,
    /// The act that it is made by.
    law: TextDto,
    /// `open`, `accepted`, `declined` or `expired`.
    status: String,
    /// When it was made.
    made_at: String,
    /// The last day on which it can be accepted.
    open_until: String,
    /// Stream of the registry entry that brought it about.
    about: String,
    /// The form as far as the offer fills it in.
    #[schema(value_type = Object)]
    form: Value,
    /// What the form in force still asks for.
    missing: Vec<FieldProblem>,
    /// The case that came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    case: Option<String>,
    /// Leaf of the newest change.
    leaf: u64,
    /// `committed` or `final`, of that leaf.
    state: &'static str,
}

/// The offers to the holder of a case.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OffersDto {
    offers: Vec<OfferDto>,
    /// Leaves that this answer reflects.
    position: u64,
}

/// What the person adds to what an offer fills in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AcceptanceDto {
    /// The channel; the first one that is open to applicants themselves without it.
    #[serde(default)]
    channel: Option<String>,
    /// What is missing in the form. Fields that the offer fills in may be left out.
    #[schema(value_type = Object)]
    form: Value,
}

/// Who answers an offer.
pub(crate) enum Answering {
    /// Whoever holds its code, or the token of the case that it is about.
    Person(AccessToken),
    /// An official, for a person who came.
    Official(Box<Official>),
}

impl FromRequestParts<AppState> for Answering {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        if parts.headers.contains_key(OFFICIAL) {
            let Acting(official) = Acting::from_request_parts(parts, app).await?;
            return Ok(Self::Official(Box::new(official)));
        }
        let token = bearer(&parts.headers).and_then(|text| AccessToken::parse(text).ok());
        token.map(Self::Person).ok_or_else(not_admitted)
    }
}

impl Answering {
    /// The official, once it is known that whoever asks may answer the offer. The answer is the
    /// same for an offer that does not exist.
    async fn admitted(self, app: &AppState, id: OfferId) -> Result<Option<Official>, Problem> {
        match self {
            Self::Official(official) => Ok(Some(*official)),
            Self::Person(token) => {
                let admitted = app.service.engine().admits_to_offer(&token, id);
                match admitted.map_err(|error| engine_problem(&error))? {
                    true => Ok(None),
                    false => Err(not_admitted()),
                }
            }
        }
    }
}

fn not_admitted() -> Problem {
    let detail = "send the code of the offer's letter, or the token of the case that it is about, \
                  as Authorization: Bearer";
    Problem::new(Code::Unauthorized, detail)
}

/// An offer, for whoever may answer it.
#[utoipa::path(
    get, path = "/api/v1/offers/{id}", tag = "services",
    params(("id" = inline(Uuid7), Path, description = "Id of the offer")),
    security(("offer" = []), ("case" = []), ("official" = [])),
    responses(
        (status = 200, description = "The offer", body = OfferDto),
        (status = 400, description = "Not an id", body = ProblemDto),
        (status = 401, description = "Not the code of the offer", body = ProblemDto),
        (status = 404, description = "No such offer", body = ProblemDto),
        (status = 422, description = "The official may not do this", body = ProblemDto),
    )
)]
pub(super) async fn read(
    State(app): State<AppState>,
    answering: Answering,
    id: PathOf<String>,
) -> Result<Response, Problem> {
    let id = offer_id(&id.0)?;
    let official = answering.admitted(&app, id).await?;
    let opened = app.service.engine().offer(id, official.as_ref()).await;
    let opened = opened.map_err(|error| engine_problem(&error))?;
    Ok(no_store(Json(OfferDto::of(&app, &opened))))
}

/// Accepts an offer: submits an ordinary application of what it fills in and what is given. What
/// is wrong is named field by field, and the offer stays open. Asked again after a lost answer, it
/// gives the same case.
#[utoipa::path(
    post, path = "/api/v1/offers/{id}/acceptance", tag = "services",
    params(("id" = inline(Uuid7), Path, description = "Id of the offer")),
    request_body = AcceptanceDto,
    security(("offer" = []), ("case" = []), ("official" = [])),
    responses(
        (status = 201, description = "On record: registered or not taken", body = AcceptedDto),
        (status = 400, description = "Not JSON of this shape", body = ProblemDto),
        (status = 401, description = "Not the code of the offer", body = ProblemDto),
        (status = 404, description = "No such offer", body = ProblemDto),
        (status = 409, description = "It is not open any more", body = ProblemDto),
        (status = 410, description = "The service is withdrawn", body = ProblemDto),
        (status = 413, description = "Too large", body = ProblemDto),
        (status = 422, description = "Fields are wrong, or a rule forbids it", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn accept(
    State(app): State<AppState>,
    answering: Answering,
    id: PathOf<String>,
    JsonOf(body): JsonOf<AcceptanceDto>,
) -> Result<Response, Problem> {
    let id = offer_id(&id.0)?;
    let official = answering.admitted(&app, id).await?;
    let channel = body.channel.as_deref().map(ChannelCode::parse).transpose();
    let channel = channel.map_err(Problem::bad_request)?;
    let engine = app.service.engine();
    let accepted = engine.accept_offer(id, channel.as_ref(), &body.form, official.as_ref()).await;
    accepted_answer(&app, &accepted.map_err(|error| engine_problem(&error))?)
}

/// Declines an offer. The same is not offered to the person again for a time.
#[utoipa::path(
    post, path = "/api/v1/offers/{id}/decline", tag = "services",
    params(("id" = inline(Uuid7), Path, description = "Id of the offer")),
    security(("offer" = []), ("case" = []), ("official" = [])),
    responses(
        (status = 200, description = "Declined", body = DoneDto),
        (status = 400, description = "Not an id", body = ProblemDto),
        (status = 401, description = "Not the code of the offer", body = ProblemDto),
        (status = 404, description = "No such offer", body = ProblemDto),
        (status = 409, description = "It is not open any more", body = ProblemDto),
        (status = 410, description = "The service is withdrawn", body = ProblemDto),
        (status = 422, description = "The official may not do this", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn decline(
    State(app): State<AppState>,
    answering: Answering,
    id: PathOf<String>,
) -> Result<Json<DoneDto>, Problem> {
    let id = offer_id(&id.0)?;
    let official = answering.admitted(&app, id).await?;
    let declined = app.service.engine().decline_offer(id, official.as_ref()).await;
    Ok(done_at(declined.map_err(|error| engine_problem(&error))?))
}

/// What is offered to the holder of a case, because what the case granted ends soon. The token of
/// the case answers each.
#[utoipa::path(
    get, path = "/api/v1/applications/{id}/offers", tag = "services",
    params(("id" = inline(Uuid7), Path, description = "Id of the case")),
    security(("case" = [])),
    responses(
        (status = 200, description = "Offers, the first one first", body = OffersDto),
        (status = 400, description = "Not an id", body = ProblemDto),
        (status = 401, description = "Not the case's token", body = ProblemDto),
        (status = 503, description = "Stopping or out of order", body = ProblemDto),
    )
)]
pub(super) async fn of_case(
    State(app): State<AppState>,
    id: PathOf<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let case = case_id(&id.0)?;
    admit(&app, case, &headers)?;
    let engine = app.service.engine();
    let problem = |error| engine_problem(&error);
    let mut offers = Vec::new();
    for row in engine.offers_to_holder(case).await.map_err(problem)? {
        let opened = engine.offer(row.offer, None).await.map_err(problem)?;
        offers.push(OfferDto::of(&app, &opened));
    }
    let body = OffersDto { offers, position: app.service.position().get() };
    Ok(no_store(Json(body)))
}

pub(super) fn offer_id(text: &str) -> Result<OfferId, Problem> {
    OfferId::parse(text).map_err(Problem::bad_request)
}

impl OfferDto {
    fn of(app: &AppState, opened: &OpenedOffer) -> Self {
        let wording = opened.wording();
        let service = opened.offered_by.service(&opened.made.service);
        let text = |text: &letopis_registry::messages::Text| TextDto {
            ru: text.ru.clone(),
            en: text.en.clone(),
        };
        let row = &opened.row;
        let form = nested(&opened.prefilled);
        let in_force = opened.in_force.as_ref();
        let asked = in_force.and_then(|installed| installed.service(&row.service));
        let missing = asked.and_then(|service| service.check_form(&form).err());
        Self {
            id: row.offer.to_string(),
            service: row.service.to_string(),
            service_title: text(
                &service.map(|service| service.regulation.title.clone()).unwrap_or_default(),
            ),
            offer: row.code.to_string(),
            title: text(&wording.title),
            law: text(&wording.law),
            status: row.state.clone(),
            made_at: row.made_at.to_string(),
            open_until: row.open_until.to_string(),
            about: row.about.to_string(),
            form,
            missing: missing.iter().flatten().map(field_problem).collect(),
            case: row.case.map(|case| case.to_string()),
            leaf: row.leaf.get(),
            state: Finality::of(app.service.ledger(), row.leaf).as_str(),
        }
    }
}

/// Puts a value at a dotted path of a form; no field is a group of others.
fn put(form: &mut Value, field: &FieldPath, value: Value) {
    let mut place = form;
    for label in field.as_str().split('.') {
        place = &mut place[label];
    }
    *place = value;
}
