//! What the keeper of a manual registry does with an entry that is there: amends it, takes it out.
//!
//! Each by a document, on record. Not here: making entries, and entries that decisions made.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{EntryDto, as_it_is, document, entry_row};
use crate::http::application::engine_problem;
use crate::http::body::JsonOf;
use crate::http::problem::{Problem, ProblemDto};
use crate::http::{AppState, Operator, PathOf};

/// New values for an entry.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AmendmentDto {
    /// Number of the document by which the keeper acts.
    #[schema(min_length = 1, max_length = 200)]
    document_number: String,
    /// Its date, as in 2026-11-21.
    #[schema(format = Date)]
    document_date: String,
    /// New values by field; the others stay.
    #[schema(value_type = Object)]
    fields: Value,
}

/// The end of an entry.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExclusionDto {
    /// Number of the document by which the keeper acts.
    #[schema(min_length = 1, max_length = 200)]
    document_number: String,
    /// Its date, as in 2026-11-21.
    #[schema(format = Date)]
    document_date: String,
}

/// Amends an entry of a manual registry. Entries that rest on it and no longer hold are taken out
/// soon after.
#[utoipa::path(
    post, path = "/api/v1/registries/{code}/entries/{id}/amendments", tag = "registries",
    params(
        ("code" = String, Path, description = "Code of the registry"),
        ("id" = String, Path, description = "Id or number of the entry"),
    ),
    request_body = AmendmentDto,
    security(("operator" = [])),
    responses(
        (status = 200, description = "The entry as it is now", body = EntryDto),
        (status = 400, description = "Not JSON of this shape", body = ProblemDto),
        (status = 401, description = "Not the operator's token", body = ProblemDto),
        (status = 404, description = "No such entry in force", body = ProblemDto),
        (status = 422, description = "A value is wrong, or the registry is not manual", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(in crate::http) async fn amend(
    State(app): State<AppState>,
    _: Operator,
    names: PathOf<(String, String)>,
    JsonOf(body): JsonOf<AmendmentDto>,
) -> Result<Json<EntryDto>, Problem> {
    let document = document(&body.document_number, &body.document_date)?;
    let (row, _) = entry_row(&app, &names.0.0, &names.0.1)?;
    let amended = app.service.engine().amend_entry(&row.stream, &body.fields, &document).await;
    amended.map_err(|error| engine_problem(&error))?;
    as_it_is(&app, &names.0)
}

/// Takes an entry out of a manual registry; its unique values are free again.
#[utoipa::path(
    post, path = "/api/v1/registries/{code}/entries/{id}/exclusion", tag = "registries",
    params(
        ("code" = String, Path, description = "Code of the registry"),
        ("id" = String, Path, description = "Id or number of the entry"),
    ),
    request_body = ExclusionDto,
    security(("operator" = [])),
    responses(
        (status = 200, description = "The entry as it is now", body = EntryDto),
        (status = 400, description = "Not JSON of this shape", body = ProblemDto),
        (status = 401, description = "Not the operator's token", body = ProblemDto),
        (status = 404, description = "No such entry in force", body = ProblemDto),
        (status = 422, description = "The registry is not manual", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(in crate::http) async fn exclude(
    State(app): State<AppState>,
    _: Operator,
    names: PathOf<(String, String)>,
    JsonOf(body): JsonOf<ExclusionDto>,
) -> Result<Json<EntryDto>, Problem> {
    let document = document(&body.document_number, &body.document_date)?;
    let (row, _) = entry_row(&app, &names.0.0, &names.0.1)?;
    let excluded = app.service.engine().exclude_entry(&row.stream, &document).await;
    excluded.map_err(|error| engine_problem(&error))?;
    as_it_is(&app, &names.0)
}
