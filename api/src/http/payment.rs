//! Payments: orders for whoever pays, what became of each, and what a person was paid.
//!
//! Not here: moving money, and which months are due.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use letopis_registry::engine::{PaymentOrder, Settlement};
use letopis_registry::event::PaymentsId;
use letopis_registry::payment::Period;
use letopis_registry::projection::PaymentRow;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::application::{admit, case_id, engine_problem};
use super::body::JsonOf;
use super::document::Uuid7;
use super::problem::{Problem, ProblemDto};
use super::staff::Acting;
use super::{AppState, PathOf, no_store};
use crate::service::Finality;

/// Most payments that are looked at for one answer.
const PAGE_MAX: u32 = 200;

/// A payment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PaymentDto {
    /// Id of the entry's payments.
    id: String,
    /// The month, as in 2026-12.
    period: String,
    /// `due`, `paid` or `failed`.
    status: String,
    /// The amount in hundredths of the currency; absent where this node does not hold it.
    #[serde(skip_serializing_if = "Option::is_none")]
    amount_hundredths: Option<i64>,
    /// Stream of the registry entry that pays.
    entry: String,
    /// The case that granted it.
    case: String,
    /// When it became due.
    due_at: String,
    /// When it was settled last.
    #[serde(skip_serializing_if = "Option::is_none")]
    settled_at: Option<String>,
    /// Whom to pay, by the fields of the entry that the regulation names; for whoever pays alone.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    payee: Map<String, Value>,
    /// Leaf of the newest change.
    leaf: u64,
    /// `committed` or `final`, of that leaf.
    state: &'static str,
}

/// Payments.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PaymentsDto {
    payments: Vec<PaymentDto>,
    /// Where the next page begins, if there may be one: send it as `after`.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// Leaves that this answer reflects.
    position: u64,
}

/// Where a page begins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// `next` of the page before.
    #[serde(default)]
    #[param(required = false)]
    after: Option<String>,
}

/// What became of a payment.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PaymentSettlementDto {
    /// `paid` or `failed`; what failed may be paid later.
    outcome: String,
    /// The number that the paying system gave it.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 100)]
    reference: Option<String>,
}

/// Payments that are due or failed, for whoever pays by their regulation.
#[utoipa::path(
    get, path = "/api/v1/payments", tag = "officials", params(PageQuery),
    security(("official" = [])),
    responses(
        (status = 200, description = "Orders, the earliest month first", body = PaymentsDto),
        (status = 400, description = "Not where a page begins", body = ProblemDto),
        (status = 401, description = "Not an official's token", body = ProblemDto),
    )
)]
pub(super) async fn orders(
    State(app): State<AppState>,
    Acting(official): Acting,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|e| Problem::bad_request(e.body_text()))?;
    let after = query.after.as_deref().map(place).transpose()?;
    let found = app.service.engine().payment_orders(&official, after, PAGE_MAX).await;
    let (orders, next) = found.map_err(|error| engine_problem(&error))?;
    let next = next.map(|(period, id)| format!("{period}_{id}"));
    Ok(answer(&app, &orders, next))
}

/// Notes what became of a payment. Said again, it changes nothing and is answered the same.
#[utoipa::path(
    post, path = "/api/v1/payments/{id}/{period}", tag = "officials",
    params(
        ("id" = inline(Uuid7), Path, description = "Id of the entry's payments"),
        ("period" = String, Path, description = "The month, as in 2026-12"),
    ),
    request_body = PaymentSettlementDto, security(("official" = [])),
    responses(
        (status = 200, description = "The payment as it is now", body = PaymentDto),
        (status = 400, description = "Not of this shape", body = ProblemDto),
        (status = 401, description = "Not an official's token", body = ProblemDto),
        (status = 404, description = "No such payment", body = ProblemDto),
        (status = 409, description = "It was paid and cannot fail any more", body = ProblemDto),
        (status = 422, description = "A rule forbids it", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn settle(
    State(app): State<AppState>,
    Acting(official): Acting,
    path: PathOf<(String, String)>,
    JsonOf(body): JsonOf<PaymentSettlementDto>,
) -> Result<Json<PaymentDto>, Problem> {
    let (id, period) = path.0;
    let payment = (payments_id(&id)?, Period::parse(&period).map_err(Problem::bad_request)?);
    let paid = match body.outcome.as_str() {
        "paid" => true,
        "failed" => false,
        _ => return Err(Problem::bad_request("outcome is paid or failed")),
    };
    let settlement = Settlement { paid, reference: body.reference };
    let settled = app.service.engine().settle_payment(payment, &official, &settlement).await;
    let row = settled.map_err(|error| engine_problem(&error))?;
    Ok(Json(PaymentDto::of(&app, &row, None, Map::new())))
}

/// What a case pays: which months were due, and what became of each.
#[utoipa::path(
    get, path = "/api/v1/applications/{id}/payments", tag = "services",
    params(("id" = inline(Uuid7), Path, description = "Id of the case")),
    security(("case" = [])),
    responses(
        (status = 200, description = "Payments, the earliest month first", body = PaymentsDto),
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
    let found = app.service.engine().payments_of_case(case).await;
    Ok(answer(&app, &found.map_err(|error| engine_problem(&error))?, None))
}

fn answer(app: &AppState, orders: &[PaymentOrder], next: Option<String>) -> Response {
    let of = |order: &PaymentOrder| {
        let payee = order.payee.iter();
        let payee = payee.map(|(field, value)| (field.to_string(), value.to_value()));
        PaymentDto::of(app, &order.row, order.amount, payee.collect())
    };
    let payments = orders.iter().map(of).collect();
    let body = PaymentsDto { payments, next, position: app.service.position().get() };
    no_store(Json(body))
}

/// The place of a page, `<period>_<id>`.
fn place(text: &str) -> Result<(Period, PaymentsId), Problem> {
    let wrong = || Problem::bad_request("after is not where a page begins");
    let (period, id) = text.split_once('_').ok_or_else(wrong)?;
    Ok((Period::parse(period).map_err(|_| wrong())?, payments_id(id)?))
}

fn payments_id(text: &str) -> Result<PaymentsId, Problem> {
    PaymentsId::parse(text).map_err(Problem::bad_request)
}

impl PaymentDto {
    fn of(
        app: &AppState,
        row: &PaymentRow,
        amount_hundredths: Option<i64>,
        payee: Map<String, Value>,
    ) -> Self {
        Self {
            id: row.payments.to_string(),
            period: row.period.to_string(),
            status: row.state.clone(),
            amount_hundredths,
            entry: row.entry.to_string(),
            case: row.case.to_string(),
            due_at: row.due_at.to_string(),
            settled_at: row.settled_at.map(|at| at.to_string()),
            payee,
            leaf: row.leaf.get(),
            state: Finality::of(app.service.ledger(), row.leaf).as_str(),
        }
    }
}
