//! Irregularities: events that stand in the log and count for nothing, each with the reason.
//!
//! Public, as the log is. Not here: whether decisions are right (`letopis-verify`).

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use letopis_ledger::LeafIndex;
use letopis_registry::projection::{MisplacedRow, Reflected};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::AppState;
use super::problem::{Problem, ProblemDto};
use super::registry::tables;

/// Most rows of one answer.
const PAGE_MAX: u32 = 200;

/// Which irregularities.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct IrregularitiesQuery {
    /// `next` of the page before.
    after: Option<u64>,
}

/// An event that counts for nothing.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IrregularityDto {
    stream: String,
    /// Its number in the stream.
    version: u64,
    event_type: String,
    /// The agency that signed it.
    agency: String,
    /// When the log took it.
    time: String,
    /// The leaf that carries it.
    leaf: u64,
    /// Why it does not count.
    reason: String,
}

/// Irregularities in the order of the log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IrregularitiesDto {
    irregularities: Vec<IrregularityDto>,
    /// Give this as `after` to get what follows; absent on the last page.
    next: Option<u64>,
    /// Leaves that this answer reflects.
    position: u64,
}

/// Events that an agency signed and that count for nothing: ends of cases without a decision,
/// entries of automatic registries that no decision made, and the like.
#[utoipa::path(
    get, path = "/api/v1/irregularities", tag = "log", params(IrregularitiesQuery),
    responses(
        (status = 200, description = "Irregularities", body = IrregularitiesDto),
        (status = 400, description = "Not a leaf", body = ProblemDto),
    )
)]
pub(super) async fn list(
    State(app): State<AppState>,
    query: Result<Query<IrregularitiesQuery>, QueryRejection>,
) -> Result<Json<IrregularitiesDto>, Problem> {
    let Query(query) = query.map_err(|e| Problem::bad_request(e.body_text()))?;
    let found = app.service.model().misplaced_events(query.after.map(LeafIndex::new), PAGE_MAX);
    let Reflected { size, value } = found.map_err(|e| tables(&e))?;
    let full = value.len() as u64 >= u64::from(PAGE_MAX);
    Ok(Json(IrregularitiesDto {
        next: value.last().filter(|_| full).map(|row| row.leaf.get()),
        irregularities: value.iter().map(IrregularityDto::of).collect(),
        position: size.get(),
    }))
}

impl IrregularityDto {
    fn of(row: &MisplacedRow) -> Self {
        Self {
            stream: row.stream.to_string(),
            version: row.version.get(),
            event_type: row.event_type.clone(),
            agency: row.author.to_string(),
            time: row.at.to_string(),
            leaf: row.leaf.get(),
            reason: row.reason.clone(),
        }
    }
}
