//! The HTTP interface: routes, shared extractors, and how errors become problems.
//!
//! Handlers translate and nothing more: what they answer comes from the ledger, the read model and
//! the case engine. Every answer names the log position that it reflects, in the header
//! `letopis-position`. Not here: what the answers mean.

mod application;
mod asked;
mod backup;
mod body;
mod catalogue;
mod complex;
mod consistency;
mod consultation;
mod control;
mod decision;
mod document;
mod draft;
mod features;
mod follow_up;
mod import;
mod intake;
mod irregularity;
mod log;
mod message;
mod node;
mod notice;
mod offer;
mod operation;
mod pack;
mod paper;
mod payment;
mod precedent;
pub(crate) mod problem;
mod proposal;
mod registry;
mod search;
mod staff;
mod statistics;
mod system;
mod typical;
mod work;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use letopis_consensus::{AppendError, ReadError, Reject};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::de::DeserializeOwned;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zeroize::Zeroizing;

use crate::message::Language;
use crate::service::Service;

pub(crate) use staff::OFFICIAL;

use document::Document;
use problem::{Code, Problem};

/// Most bytes of a request's body: a leaf's worth of record, or a pack's file in base64.
const BODY_MAX_BYTES: usize = 8 << 20;
/// Most bytes of a request's address.
const URI_MAX_BYTES: usize = 8 << 10;
/// Longest time for a request; waiting for a decision is bounded by it too.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Header with the log position that an answer reflects: leaves folded into the read model.
pub(crate) const POSITION: &str = "letopis-position";

/// What every handler can reach.
#[derive(Clone)]
pub(crate) struct AppState {
    /// The running service.
    pub(crate) service: Arc<Service>,
    /// The token of those who may change registries and publish packs.
    pub(crate) operator_token: Arc<Zeroizing<String>>,
    /// Renders the metrics.
    pub(crate) metrics: PrometheusHandle,
}

/// All routes.
pub(crate) fn router(state: AppState) -> Router {
    let (router, document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(catalogue::list))
        .routes(routes!(catalogue::read))
        .routes(routes!(catalogue::planned))
        .routes(routes!(application::submit))
        .routes(routes!(application::status))
        .routes(routes!(application::own_data))
        .routes(routes!(message::deliver))
        .routes(routes!(message::state))
        .routes(routes!(draft::save))
        .routes(routes!(draft::read, draft::save_again, draft::forget))
        .routes(routes!(draft::submit))
        .routes(routes!(complex::list))
        .routes(routes!(complex::submit))
        .routes(routes!(complex::status))
        .routes(routes!(work::cancel))
        .routes(routes!(paper::document))
        .routes(routes!(paper::paper))
        .routes(routes!(paper::paper_proof))
        .routes(routes!(decision::decision))
        .routes(routes!(precedent::precedents))
        .routes(routes!(typical::list))
        .routes(routes!(decision::decision_proof))
        .routes(routes!(decision::public_disclosures))
        .routes(routes!(pack::list, pack::publish))
        .routes(routes!(proposal::status))
        .routes(routes!(import::statistics))
        .routes(routes!(log::checkpoint))
        .routes(routes!(log::policy))
        .routes(routes!(log::blob))
        .routes(routes!(log::append))
        .routes(routes!(log::receipt))
        .routes(routes!(log::leaf))
        .routes(routes!(log::leaf_proof))
        .routes(routes!(irregularity::list))
        .routes(routes!(node::status))
        .routes(routes!(node::agency))
        .routes(routes!(node::govern))
        .routes(routes!(backup::state, backup::begin))
        .routes(routes!(operation::health))
        .routes(routes!(operation::metrics))
        .merge(of_registries())
        .merge(of_offers())
        .merge(of_officials())
        .split_for_parts();
    let (long, long_document) = OpenApiRouter::new().routes(routes!(import::xes)).split_for_parts();
    let document = document::complete(document.merge_from(long_document));
    let query_names = Arc::new(document::query_names(&document));
    let document = Arc::new(document);
    router
        .route("/", get(operation::index))
        .route("/check/{id}", get(paper::check_page))
        .route("/check/entry/{code}/{id}", get(registry::extract::check_page))
        .route("/offer/{id}", get(offer::page::enter).post(offer::page::answer))
        .route("/tile/{*path}", get(log::tile))
        .route("/openapi.json", get(move || async move { Json((*document).clone()) }))
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .layer(middleware::from_fn(refuse_announced))
        .layer(middleware::from_fn_with_state(state.clone(), consistency::wait))
        .layer(middleware::from_fn(in_time))
        // A large event log takes longer than any other request may.
        .merge(long)
        .layer(middleware::from_fn_with_state(query_names, document::refuse_unknown_query))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(CatchPanicLayer::custom(|_| {
            Problem::new(Code::Internal, "a handler panicked; see the node's log").into_response()
        }))
        .layer(middleware::from_fn_with_state(state.clone(), finish))
        .with_state(state)
}

/// Routes of registries and their entries, for map programs too.
fn of_registries() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(registry::list))
        .routes(routes!(registry::entries, registry::create))
        .routes(routes!(registry::entry))
        .routes(routes!(system::digest))
        .routes(routes!(registry::keeper::amend))
        .routes(routes!(registry::keeper::exclude))
        .routes(routes!(registry::entry_proof))
        .routes(routes!(registry::extract::extract))
        .routes(routes!(features::landing))
        .routes(routes!(features::conformance))
        .routes(routes!(features::collections))
        .routes(routes!(features::collection))
        .routes(routes!(features::items))
        .routes(routes!(features::item))
}

/// Routes of what comes to a person: what is asked in a case, payments, notices and offers.
fn of_offers() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(asked::of_applicant))
        .routes(routes!(work::applicant_answer))
        .routes(routes!(payment::of_case))
        .routes(routes!(notice::notices))
        .routes(routes!(offer::of_case))
        .routes(routes!(offer::read))
        .routes(routes!(offer::accept))
        .routes(routes!(offer::decline))
        .routes(routes!(offer::letter::list))
        .routes(routes!(offer::letter::make))
        .routes(routes!(offer::letter::settle))
}

/// Routes for officials, and for those who look at their work.
fn of_officials() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(draft::take_down))
        .routes(routes!(intake::enter))
        .routes(routes!(intake::refuse))
        .routes(routes!(notice::settle))
        .routes(routes!(proposal::propose))
        .routes(routes!(proposal::remark))
        .routes(routes!(proposal::resolve))
        .routes(routes!(proposal::sign))
        .routes(routes!(payment::orders))
        .routes(routes!(payment::settle))
        .routes(routes!(staff::appoint, staff::list))
        .routes(routes!(staff::absence))
        .routes(routes!(staff::dismiss))
        .routes(routes!(message::waiting))
        .routes(routes!(message::release))
        .routes(routes!(message::reject))
        .routes(routes!(search::cases))
        .routes(routes!(work::inbox))
        .routes(routes!(work::card))
        .routes(routes!(work::answer))
        .routes(routes!(work::answer_text))
        .routes(routes!(work::subrequest))
        .routes(routes!(work::propose))
        .routes(routes!(work::agree))
        .routes(routes!(work::return_proposal))
        .routes(routes!(work::reassign))
        .routes(routes!(consultation::register))
        .routes(routes!(control::cases))
        .routes(routes!(control::decisions))
        .routes(routes!(control::officials))
        .routes(routes!(statistics::services))
        .routes(routes!(statistics::months))
        .routes(routes!(statistics::load))
        .routes(routes!(statistics::consultations))
        .routes(routes!(statistics::suppliers))
        .routes(routes!(statistics::refusals))
}

/// Answers with a problem when a request is not done in time, a body that comes too slowly
/// included.
async fn in_time(request: Request, next: Next) -> Result<Response, Problem> {
    let answer = tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await;
    answer.map_err(|_| {
        let detail = format!("not done within {} s", REQUEST_TIMEOUT.as_secs());
        Problem::with_specific_code(Code::Unavailable, "timed-out", detail)
    })
}

/// Adds the position to every answer, and puts a problem's title into the reader's language.
async fn finish(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let language = language_of(request.headers());
    let mut response = match request.uri().to_string().len() {
        0..=URI_MAX_BYTES => next.run(request).await,
        size_bytes => too_long(size_bytes).into_response(),
    };
    if language == Language::Ru
        && let Some(problem) = response.extensions_mut().remove::<Problem>()
    {
        response = problem.titled_in(language).into_response();
    }
    let headers = response.headers_mut();
    headers.insert(POSITION, HeaderValue::from(app.service.position().get()));
    // Titles and the first page are in the reader's language; files are not to be run.
    headers.append(header::VARY, HeaderValue::from_static("accept-language"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Refuses a body that is announced as too long before any of it comes.
async fn refuse_announced(request: Request, next: Next) -> Result<Response, Problem> {
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    match announced {
        Some(size_bytes) if size_bytes > BODY_MAX_BYTES => Err(Problem::new(
            Code::TooLarge,
            format!("the body has {size_bytes} bytes, the most is {BODY_MAX_BYTES}"),
        )),
        _ => Ok(next.run(request).await),
    }
}

fn too_long(size_bytes: usize) -> Problem {
    let detail = format!("the address has {size_bytes} bytes, the most is {URI_MAX_BYTES}");
    Problem::with_specific_code(Code::TooLarge, "uri-too-long", detail)
        .with_status(StatusCode::URI_TOO_LONG)
}

/// An answer that nobody on the way may keep.
fn no_store(body: impl IntoResponse) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], body).into_response()
}

/// The language that a request names, or else the one that it prefers.
fn language_asked(named: Option<&str>, headers: &HeaderMap) -> Result<Language, Problem> {
    match named {
        None => Ok(language_of(headers)),
        Some(code) => Language::parse(code)
            .ok_or_else(|| Problem::bad_request(format!("{code:?} is neither ru nor en"))),
    }
}

/// The language that a request prefers; English unless Russian comes first.
fn language_of(headers: &HeaderMap) -> Language {
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let first = accepted.and_then(|list| list.split([',', ';', '-']).next());
    first.and_then(|code| Language::parse(code.trim())).unwrap_or(Language::En)
}

async fn no_such_path(request: Request) -> Problem {
    Problem::new(Code::NotFound, format!("there is no path {}", request.uri().path()))
}

async fn no_such_method(request: Request) -> Problem {
    let detail = format!("{} is not possible at {}", request.method(), request.uri().path());
    Problem::with_specific_code(Code::BadRequest, "method-not-allowed", detail)
        .with_status(StatusCode::METHOD_NOT_ALLOWED)
}

/// A path parameter that answers with a problem when it cannot be read.
pub(crate) struct PathOf<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for PathOf<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(error) => Err(unreadable_path(&error)),
        }
    }
}

/// The bearer of the operator's token.
pub(crate) struct Operator;

impl FromRequestParts<AppState> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        let given = bearer(&parts.headers).unwrap_or_default();
        if same(given.as_bytes(), app.operator_token.as_bytes()) {
            return Ok(Self);
        }
        Err(Problem::new(
            Code::Unauthorized,
            "send the operator's token (keys/operator.token) as Authorization: Bearer",
        ))
    }
}

/// The token of a request, if it has exactly one.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (only, None) = (given.next()?, given.next()) else { return None };
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start())
}

/// Compares without telling by its time where two tokens differ.
fn same(one: &[u8], other: &[u8]) -> bool {
    let difference = one.iter().zip(other).fold(0, |difference, (a, b)| difference | (a ^ b));
    one.len() == other.len() && difference == 0
}

fn unreadable_path(error: &PathRejection) -> Problem {
    Problem::new(Code::BadRequest, error.body_text())
}

/// The ledger could not be read.
pub(crate) fn unreadable(error: &ReadError) -> Problem {
    Problem::new(Code::Unavailable, error.to_string())
}

/// A record that was not appended.
pub(crate) fn refused(error: &AppendError) -> Problem {
    let class = match error {
        AppendError::Rejected(reject) => match reject.as_ref() {
            Reject::VersionConflict { .. }
            | Reject::ClaimTaken { .. }
            | Reject::IdReused { .. } => Code::Conflict,
            _ => Code::RecordRefused,
        },
        AppendError::BadSignature(_) => Code::RecordRefused,
        AppendError::Busy { .. } => Code::Busy,
        AppendError::RefusedByLeader { .. } => Code::RecordRefused,
        AppendError::Unavailable | AppendError::Unknown { .. } | AppendError::Stopped { .. } => {
            Code::Unavailable
        }
    };
    let code = match error {
        AppendError::Rejected(reject) => reject.code(),
        other => other.code(),
    };
    Problem::with_specific_code(class, code.replace('_', "-"), error.to_string())
}
