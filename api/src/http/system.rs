//! System registries over HTTP: rows as of any leaf or instant, and the digest of all of them.
//!
//! They are listed and read at the same paths as other registries. Not here: what they are computed
//! from.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use letopis_ledger::json::Json as LedgerJson;
use letopis_ledger::{Timestamp, TreeSize};
use letopis_registry::code::RegistryCode;
use letopis_registry::environment::Clock;
use letopis_registry::projection::{AsOf, Reflected, SystemRegistry, SystemRow};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::application::TextDto;
use super::problem::{Code, Problem, ProblemDto};
use super::registry::{EntriesDto, EntryDto, RegistryDto, tables};
use super::{AppState, PathOf};
use crate::service::Finality;
use crate::service::environment::System;

/// Up to where a registry is asked for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AsOfQuery {
    /// Leaves that count; all that the log has without it.
    #[param(minimum = 0, maximum = 9_007_199_254_740_991_u64, required = false)]
    pub(super) as_of: Option<u64>,
    /// Only what was there at this instant counts, as in 2026-11-21T19:34:52.123Z.
    #[param(required = false)]
    pub(super) at: Option<String>,
}

/// The digest of a system registry.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DigestDto {
    registry: String,
    /// SHA-256 over the canonical JSON of every row (`created_at`, `fields`, `id`, `in_force`,
    /// `leaf`) in the order of ids, each followed by a line feed.
    sha256: String,
    rows: u64,
    /// Leaves that count.
    as_of: u64,
    /// Leaves that this answer reflects.
    position: u64,
}

/// The digest of all rows of a system registry: whoever folds the same leaves gets the same.
#[utoipa::path(
    get, path = "/api/v1/registries/{code}/digest", tag = "registries",
    params(("code" = String, Path, description = "Code of a system registry"), AsOfQuery),
    responses(
        (status = 200, description = "The digest", body = DigestDto),
        (status = 400, description = "Not a place in the log", body = ProblemDto),
        (status = 404, description = "No such system registry", body = ProblemDto),
    )
)]
pub(super) async fn digest(
    State(app): State<AppState>,
    code: PathOf<String>,
    query: Result<Query<AsOfQuery>, QueryRejection>,
) -> Result<Json<DigestDto>, Problem> {
    let Query(query) = query.map_err(|e| Problem::new(Code::BadRequest, e.body_text()))?;
    let unknown = || Problem::new(Code::NotFound, format!("{} is no system registry", code.0));
    let registry = named(&code.0).ok_or_else(unknown)?;
    let as_of = as_of(&app, &query)?;
    let found = app.service.model().system_digest(registry, as_of).map_err(|e| tables(&e))?;
    Ok(Json(DigestDto {
        registry: registry.code().to_owned(),
        sha256: found.value.sha256.to_hex(),
        rows: found.value.row_count,
        as_of: as_of.size.get(),
        position: found.size.get(),
    }))
}

/// The system registry of a code.
pub(super) fn named(code: &str) -> Option<SystemRegistry> {
    RegistryCode::parse(code).ok().and_then(|code| SystemRegistry::of(&code))
}

/// Every system registry, as the list of registries shows them.
pub(super) fn listed(app: &AppState) -> Result<Vec<RegistryDto>, Problem> {
    let dto = |registry: SystemRegistry| {
        let title = registry.title();
        let count = app.service.model().system_count(registry).map_err(|e| tables(&e))?;
        Ok(RegistryDto {
            code: registry.code().to_owned(),
            title: TextDto { ru: title.ru, en: title.en },
            kind: "system",
            in_force: count.value,
        })
    };
    SystemRegistry::ALL.into_iter().map(dto).collect()
}

/// A page of rows.
pub(super) fn page(
    app: &AppState,
    registry: SystemRegistry,
    query: &AsOfQuery,
    (after, most): (&str, u32),
) -> Result<EntriesDto, Problem> {
    let as_of = as_of(app, query)?;
    let found = app.service.model().system_rows(registry, as_of, after, most);
    let Reflected { size, value } = found.map_err(|e| tables(&e))?;
    let full = value.len() as u64 == u64::from(most);
    let next = value.last().filter(|_| full).map(|row| row.id.clone());
    let entries = value.iter().map(|row| entry_of(app, registry, row, size)).collect();
    Ok(EntriesDto { entries, next, position: size.get() })
}

/// One row as it is now, and the row behind it.
pub(super) fn entry(
    app: &AppState,
    registry: SystemRegistry,
    id: &str,
    query: &AsOfQuery,
) -> Result<(EntryDto, SystemRow), Problem> {
    let as_of = as_of(app, query)?;
    let found = app.service.model().system_row(registry, as_of, id).map_err(|e| tables(&e))?;
    let missing =
        || Problem::new(Code::NotFound, format!("registry {} has no entry {id}", registry.code()));
    let row = found.value.ok_or_else(missing)?;
    Ok((entry_of(app, registry, &row, found.size), row))
}

fn entry_of(app: &AppState, registry: SystemRegistry, row: &SystemRow, size: TreeSize) -> EntryDto {
    EntryDto {
        id: row.id.clone(),
        registry: registry.code().to_owned(),
        number: None,
        fields: LedgerJson::from(row.fields.clone()).to_value(),
        valid_from: None,
        valid_until: None,
        status: if row.in_force { "in_force" } else { "excluded" },
        created_at: row.created_at.to_string(),
        leaf: row.leaf.get(),
        state: Finality::of(app.service.ledger(), row.leaf).as_str(),
        history: vec![],
        position: size.get(),
    }
}

/// The place or instant that a query names, checked against what the log has.
pub(super) fn as_of(app: &AppState, query: &AsOfQuery) -> Result<AsOf, Problem> {
    let size = app.service.model().size().map_err(|e| tables(&e))?;
    let asked = query.as_of.map_or(size, TreeSize::new);
    if asked > size {
        let (asked, size) = (asked.get(), size.get());
        return Err(Problem::bad_request(format!("as_of {asked}: the log has {size} leaves")));
    }
    let time = query.at.as_deref().map(Timestamp::parse).transpose();
    let time = time.map_err(Problem::bad_request)?;
    if time.is_some_and(|time| time > System.now()) {
        return Err(Problem::bad_request("\"at\" lies in the future"));
    }
    Ok(AsOf { size: asked, time })
}
