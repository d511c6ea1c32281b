//! Papers of cases: files for who holds the case's token and for officials, and the page where
//! anybody checks a paper.
//!
//! The page tells what the log tells of the case, and nothing personal. Not here: how a paper is
//! made (`service::typesetter`, `documents`).

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{Html, IntoResponse, Response};
use letopis_ledger::Hash;
use letopis_registry::engine::IssuedDocument;
use letopis_registry::event::CaseId;
use letopis_registry::projection::{EntryRow, PaperRow};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::application::{admit, case_id, case_row, engine_problem};
use super::document::Uuid7;
use super::follow_up::{FollowUpDto, follow_ups, later_rows};
use super::log::proof_of;
use super::problem::{Code, Problem, ProblemDto};
use super::staff::{Acting, OFFICIAL};
use super::{AppState, PathOf, language_asked, language_of};
use crate::message::{self, CheckPage};
use crate::service::Finality;

/// Which paper.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PaperQuery {
    /// `pdf`, or `json` for the machine-readable form.
    #[serde(default = "pdf")]
    #[param(required = false, example = "pdf")]
    form: String,
    /// `ru` or `en`; the language that the request prefers when absent.
    #[param(required = false)]
    language: Option<String>,
}

fn pdf() -> String {
    "pdf".to_owned()
}

/// What the log holds of a paper. Nothing personal is in it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PaperDto {
    /// Id of the case.
    case: String,
    /// Number of the case.
    number: String,
    /// `result` or `refusal`.
    kind: String,
    /// `ru`, `en`, or `mul` for a file in both languages.
    language: String,
    /// SHA-256 of the file.
    sha256: String,
    size_bytes: u64,
    media_type: String,
    issued_at: String,
    /// Leaf that says so.
    leaf: u64,
    /// `committed` or `final`.
    state: &'static str,
    /// State of the registry entry behind a result: `in_force`, `excluded` or `expired`.
    entry: Option<&'static str>,
    /// Cases that came later about that entry: what they decided takes the place of this paper.
    follow_ups: Vec<FollowUpDto>,
    /// Leaves that this answer reflects.
    position: u64,
}

/// The result or the refusal of a case as a file. It is issued when it is first asked for: its
/// SHA-256 then stands in the log.
#[utoipa::path(
    get, path = "/api/v1/applications/{id}/document", tag = "services",
    params(("id" = inline(Uuid7), Path, description = "Id of the case"), PaperQuery),
    security(("case" = []), ("official" = [])),
    responses(
        (status = 200, description = "The file", content_type = "application/pdf", body = Vec<u8>),
        (status = 400, description = "Not an id, a form or a language", body = ProblemDto),
        (status = 401, description = "Neither the case's token nor an official's", body = ProblemDto),
        (status = 404, description = "The case has no paper: it is not decided", body = ProblemDto),
    )
)]
pub(super) async fn document(
    State(app): State<AppState>,
    id: PathOf<String>,
    query: Result<Query<PaperQuery>, QueryRejection>,
    acting: Result<Acting, Problem>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|e| Problem::bad_request(e.body_text()))?;
    let case = case_id(&id.0)?;
    if headers.contains_key(OFFICIAL) {
        acting?;
    } else {
        admit(&app, case, &headers)?;
    }
    let language = language_asked(query.language.as_deref(), &headers)?;
    let engine = app.service.engine();
    let found = match query.form.as_str() {
        "pdf" => engine.document(case, language).await,
        // It goes out with the paper, so that both are on record.
        "json" => match engine.document(case, language).await {
            Ok(Some(_)) => engine.document_data(case).await,
            other => other,
        },
        other => return Err(Problem::bad_request(format!("{other:?} is neither pdf nor json"))),
    };
    let found = found.map_err(|error| engine_problem(&error))?;
    let file = found.ok_or_else(|| {
        Problem::new(Code::NotFound, format!("case {case} is not decided; it has no paper"))
    })?;
    Ok(answer(file))
}

fn answer(file: IssuedDocument) -> Response {
    let (event, bytes) = (file.event, file.bytes);
    let end = if event.media_type == "application/pdf" { "pdf" } else { "json" };
    let name = format!("attachment; filename=\"{}-{}.{end}\"", event.kind, event.language);
    let headers = [
        (header::CONTENT_TYPE, event.media_type),
        (header::CONTENT_DISPOSITION, name),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::ETAG, format!("\"{}\"", event.sha256.to_hex())),
    ];
    (headers, bytes).into_response()
}

/// What the log holds of the paper with this SHA-256, for who has the file.
#[utoipa::path(
    get, path = "/api/v1/documents/{sha256}", tag = "services",
    params(("sha256" = String, Path, description = "SHA-256 of the file, 64 hexadecimal digits")),
    responses(
        (status = 200, description = "The agency issued this very file", body = PaperDto),
        (status = 400, description = "Not a SHA-256", body = ProblemDto),
        (status = 404, description = "The agency issued no such file", body = ProblemDto),
    )
)]
pub(super) async fn paper(
    State(app): State<AppState>,
    sha256: PathOf<String>,
) -> Result<Json<PaperDto>, Problem> {
    let row = paper_row(&app, &sha256.0)?;
    let (case, position) = case_row(&app, row.case)?;
    let entry = entry_of(&app, row.case)?.map(|entry| entry.status.as_str());
    Ok(Json(PaperDto {
        case: row.case.to_string(),
        number: case.number,
        kind: row.kind,
        language: row.language,
        sha256: row.sha256.to_hex(),
        size_bytes: row.size_bytes,
        media_type: row.media_type,
        issued_at: row.issued_at.to_string(),
        leaf: row.leaf.get(),
        state: Finality::of(app.service.ledger(), row.leaf).as_str(),
        entry,
        follow_ups: follow_ups(&app, row.case)?.1,
        position,
    }))
}

/// The proof that a paper was issued, with its leaf inside (C2SP tlog-proof).
#[utoipa::path(
    get, path = "/api/v1/documents/{sha256}/proof", tag = "services",
    params(("sha256" = String, Path, description = "SHA-256 of the file, 64 hexadecimal digits")),
    responses(
        (status = 200, description = "A C2SP tlog-proof", content_type = "text/plain",
         body = String),
        (status = 400, description = "Not a SHA-256", body = ProblemDto),
        (status = 404, description = "No such file, or not published yet", body = ProblemDto),
    )
)]
pub(super) async fn paper_proof(
    State(app): State<AppState>,
    sha256: PathOf<String>,
) -> Result<Response, Problem> {
    proof_of(&app, paper_row(&app, &sha256.0)?.leaf)
}

/// The page that the code on a paper leads to, in the reader's language.
pub(super) async fn check_page(
    State(app): State<AppState>,
    id: PathOf<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let language = language_of(&headers);
    let case = case_id(&id.0)?;
    let (row, _) = case_row(&app, case)?;
    let tables = |e: letopis_registry::projection::ProjectionError| super::registry::tables(&e);
    let papers = app.service.model().papers(case).map_err(tables)?.value;
    let installed = app.service.engine().pinned_pack(&row.pack);
    let installed = installed.map_err(|e| Problem::new(Code::Unavailable, e.to_string()))?;
    let title = installed
        .service(&row.service)
        .map(|service| service.regulation.title.in_language(language).to_owned());
    let entry = entry_of(&app, case)?;
    let about = app.service.model().follow_up(case).map_err(tables)?.value;
    let later = later_rows(&app, case)?;
    let entry = entry.map(|entry| (entry.status.as_str(), entry.number, entry.valid_until));
    let ended = row.ended_leaf.map(|leaf| Finality::of(app.service.ledger(), leaf).as_str());
    let page = CheckPage {
        language,
        origin: app.service.ledger().origin().as_str(),
        issuer: installed.pack.issuer().in_language(language),
        service: &title.unwrap_or_default(),
        row: &row,
        state: ended,
        entry,
        about: about.as_ref().map(|about| about.cause.as_str()),
        later: &later,
        papers: &papers,
    };
    let page = Html(message::check_page(&page));
    Ok(([(header::CACHE_CONTROL, "no-cache")], page).into_response())
}

fn paper_row(app: &AppState, sha256: &str) -> Result<PaperRow, Problem> {
    let hash = Hash::from_hex(sha256).ok_or_else(|| {
        Problem::bad_request(format!("{sha256:?} is not a SHA-256 in hexadecimal"))
    })?;
    let found = app.service.model().paper(&hash).map_err(|e| super::registry::tables(&e))?;
    found.value.ok_or_else(|| {
        Problem::new(Code::NotFound, format!("this agency issued no file of SHA-256 {sha256}"))
    })
}

/// The registry entry behind a result, as it is now.
fn entry_of(app: &AppState, case: CaseId) -> Result<Option<EntryRow>, Problem> {
    let found = app.service.model().entry_of_case(case);
    Ok(found.map_err(|e| super::registry::tables(&e))?.value)
}
