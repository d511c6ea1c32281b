//! The page of an offer: a person with nothing but a letter and a browser accepts or declines it.
//!
//! The code goes in the body of a form and never into an address, so that no log of addresses has
//! it. The page needs no script. Not here: how the page looks (`message::offer`).

use std::collections::BTreeMap;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use letopis_registry::engine::{Accepted, EngineError, Intake, OpenedOffer};
use letopis_registry::event::OfferId;
use letopis_registry::pack::{FieldKind, FormError, FormSchema};
use letopis_registry::private::AccessToken;
use serde_json::{Value, json};

use super::super::application::engine_problem;
use super::super::problem::Problem;
use super::super::{AppState, PathOf, language_of};
use super::{offer_id, put};
use crate::message::offer::{OfferPage, Shown, offer_page};

/// What a form of the page sends: the code, what to do, and fields named `form.<field path>`.
type Sent = BTreeMap<String, String>;

/// The page before anybody has entered the code.
pub(in crate::http) async fn enter(
    id: PathOf<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = offer_id(&id.0)?;
    Ok(page(StatusCode::OK, &OfferPage { language: language_of(&headers), id, shown: Shown::Code }))
}

/// The page for whoever sends the code: the offer, or what came of the answer.
pub(in crate::http) async fn answer(
    State(app): State<AppState>,
    id: PathOf<String>,
    headers: HeaderMap,
    sent: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Result<Response, Problem> {
    let id = offer_id(&id.0)?;
    let Form(sent) = sent.map_err(|error| Problem::bad_request(error.body_text()))?;
    let sent: Sent = sent.into_iter().collect();
    let language = language_of(&headers);
    let code = sent.get("code").map(|code| code.trim()).unwrap_or_default();
    let token = AccessToken::parse(code).ok();
    let engine = app.service.engine();
    let admitted = match &token {
        Some(token) => engine.admits_to_offer(token, id),
        None => Ok(false),
    };
    if !admitted.map_err(|error| engine_problem(&error))? {
        let page_of = OfferPage { language, id, shown: Shown::WrongCode };
        return Ok(page(StatusCode::UNAUTHORIZED, &page_of));
    }
    match sent.get("answer").map(String::as_str) {
        Some("accept") => {
            let opened = opened(&app, id).await?;
            let form = given(&opened, &sent);
            let accepted = engine.accept_offer(id, None, &form, None).await;
            accepted_page(&app, (opened, language, code), &sent, accepted)
        }
        Some("decline") => {
            let declined = engine.decline_offer(id, None).await;
            // One that ended meanwhile is shown as it is.
            if let Err(error) = declined
                && !matches!(error, EngineError::Offer(_))
            {
                return Err(engine_problem(&error));
            }
            let shown =
                Shown::Offer { opened: &opened(&app, id).await?, code, sent: &sent, errors: &[] };
            Ok(page(StatusCode::OK, &OfferPage { language, id, shown }))
        }
        _ => {
            let shown =
                Shown::Offer { opened: &opened(&app, id).await?, code, sent: &sent, errors: &[] };
            Ok(page(StatusCode::OK, &OfferPage { language, id, shown }))
        }
    }
}

/// The page after an acceptance: the number and token of the case, or what is wrong by field.
fn accepted_page(
    app: &AppState,
    (opened, language, code): (OpenedOffer, crate::message::Language, &str),
    sent: &Sent,
    accepted: Result<Accepted, EngineError>,
) -> Result<Response, Problem> {
    let id = opened.row.offer;
    let wrong = |status, errors: &[FormError]| {
        let shown = Shown::Offer { opened: &opened, code, sent, errors };
        page(status, &OfferPage { language, id, shown })
    };
    match accepted {
        Ok(accepted) => {
            if matches!(accepted.intake, Intake::Registered(_)) {
                app.service.worker().take_up(accepted.case);
            }
            let shown = Shown::Accepted { opened: &opened, accepted: &accepted };
            Ok(page(StatusCode::CREATED, &OfferPage { language, id, shown }))
        }
        Err(EngineError::Form { errors }) => Ok(wrong(StatusCode::UNPROCESSABLE_ENTITY, &errors)),
        Err(EngineError::Offer(_)) => Ok(wrong(StatusCode::CONFLICT, &[])),
        // The page says that the service is gone.
        Err(EngineError::Withdrawn { .. }) => Ok(wrong(StatusCode::GONE, &[])),
        Err(error) => Err(engine_problem(&error)),
    }
}

async fn opened(app: &AppState, id: OfferId) -> Result<OpenedOffer, Problem> {
    app.service.engine().offer(id, None).await.map_err(|error| engine_problem(&error))
}

/// The form of what was sent: an empty field is one that was not filled in.
fn given(opened: &OpenedOffer, sent: &Sent) -> Value {
    let mut form = json!({});
    let Some(schema) = schema(opened) else { return form };
    for (field, known) in schema.fields() {
        let Some(text) = sent.get(&format!("form.{field}")).map(|text| text.trim()) else {
            continue;
        };
        if text.is_empty() {
            continue;
        }
        let value = match known.kind {
            FieldKind::Integer => text.parse::<i64>().map_or_else(|_| json!(text), Value::from),
            FieldKind::Boolean => text.parse::<bool>().map_or_else(|_| json!(text), Value::from),
            FieldKind::Text => json!(text),
        };
        put(&mut form, field, value);
    }
    form
}

fn schema(opened: &OpenedOffer) -> Option<&FormSchema> {
    let service = opened.in_force.as_ref()?.service(&opened.made.service)?;
    Some(&service.form)
}

fn page(status: StatusCode, shown: &OfferPage<'_>) -> Response {
    let headers = [(header::CACHE_CONTROL, "no-store"), (header::REFERRER_POLICY, "no-referrer")];
    (status, headers, Html(offer_page(shown))).into_response()
}
