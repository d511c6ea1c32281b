//! Extracts of registry entries as files, and the page where anybody checks one.
//!
//! Not here: what an extract says (`registry::engine`).

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{Html, IntoResponse, Response};
use letopis_registry::engine::ExtractReader;
use serde::Deserialize;
use utoipa::IntoParams;

use super::super::problem::{Code, Problem, ProblemDto};
use super::super::staff::{Acting, OFFICIAL};
use super::super::{AppState, PathOf, language_asked, language_of};
use super::{engine_problem, entry_row, id_of, tables};
use crate::message::{self, EntryPage};
use crate::service::Finality;

/// Which extract.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExtractQuery {
    /// `ru` or `en`; the language that the request prefers when absent.
    #[param(required = false)]
    language: Option<String>,
}

/// An extract of an entry as it stands now: a PDF file with the machine-readable form attached.
/// Anybody gets the public fields; an official gets the official ones too.
#[utoipa::path(
    get, path = "/api/v1/registries/{code}/entries/{id}/extract", tag = "registries",
    params(
        ("code" = String, Path, description = "Code of the registry"),
        ("id" = String, Path, description = "Id or number of the entry"),
        ExtractQuery,
    ),
    security((), ("official" = [])),
    responses(
        (status = 200, description = "The file", content_type = "application/pdf", body = Vec<u8>),
        (status = 400, description = "Not a language", body = ProblemDto),
        (status = 401, description = "Not an official's id and token", body = ProblemDto),
        (status = 404, description = "No such registry or entry", body = ProblemDto),
    )
)]
pub(in crate::http) async fn extract(
    State(app): State<AppState>,
    names: PathOf<(String, String)>,
    query: Result<Query<ExtractQuery>, QueryRejection>,
    acting: Result<Acting, Problem>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|e| Problem::bad_request(e.body_text()))?;
    let language = language_asked(query.language.as_deref(), &headers)?;
    let reader = match headers.contains_key(OFFICIAL) {
        true => ExtractReader::Official(acting?.0.id),
        false => ExtractReader::Public,
    };
    let (row, _) = entry_row(&app, &names.0.0, &names.0.1)?;
    let extracted = app.service.engine().extract(&row.stream, language, reader).await;
    let bytes = extracted.map_err(|error| engine_problem(&error))?;
    let name = format!("attachment; filename=\"extract-{}.pdf\"", language.code());
    let headers = [
        (header::CONTENT_TYPE, "application/pdf".to_owned()),
        (header::CONTENT_DISPOSITION, name),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, bytes).into_response())
}

/// The page that the code on an extract leads to, in the reader's language.
pub(in crate::http) async fn check_page(
    State(app): State<AppState>,
    names: PathOf<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let language = language_of(&headers);
    let (row, _) = entry_row(&app, &names.0.0, &names.0.1)?;
    let history = app.service.model().entry_history(&row.stream).map_err(|e| tables(&e))?.value;
    let missing = || Problem::new(Code::NotFound, format!("there is no registry {}", row.registry));
    let installed = app.service.engine().pack_of_registry(&row.registry).ok_or_else(missing)?;
    let registry = installed.pack.registry(&row.registry).ok_or_else(missing)?;
    let page = message::entry_page(&EntryPage {
        language,
        origin: app.service.ledger().origin().as_str(),
        issuer: installed.pack.issuer().in_language(language),
        registry: registry.title.in_language(language),
        path: &format!("registries/{}/entries/{}", row.registry, id_of(&row.stream)),
        row: &row,
        state: Finality::of(app.service.ledger(), row.leaf).as_str(),
        history: &history,
    });
    Ok(([(header::CACHE_CONTROL, "no-cache")], Html(page)).into_response())
}
