//! Backups: asked for by the operator, and how far they are.
//!
//! Not here: where they go and what they hold (`crate::service::backup`).

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use letopis_consensus::backup::BackupSummary;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::JsonOf;
use super::problem::{Code, Problem, ProblemDto};
use super::{AppState, Operator};
use crate::service::backup::{BackupRefused, BackupState};

/// A backup to be taken.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewBackupDto {
    /// A folder or `s3://bucket/prefix`; the node's own folder must name it.
    to: String,
    /// How many backups to keep there; all of them without it.
    keep: Option<usize>,
}

/// What is under way, and what the last one came to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BackupStateDto {
    /// Whether one is under way.
    running: bool,
    /// Leaves of it that are hashed and compared.
    leaves: u64,
    /// Its leaves altogether.
    total: u64,
    /// Bytes sent.
    bytes: u64,
    /// The last one taken since the node started.
    last: Option<BackupDto>,
    /// What went wrong last.
    failure: Option<String>,
}

/// A backup that was taken.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BackupDto {
    /// Name of its manifest.
    name: String,
    /// When it was begun.
    taken: String,
    /// Leaves of the log in it.
    size: u64,
    /// Root of their tree.
    root: String,
    /// Bytes sent for it.
    sent_bytes: u64,
    /// Bytes of it that were there already.
    kept_bytes: u64,
}

/// Begins a backup; `GET` tells how far it is.
#[utoipa::path(
    post, path = "/api/v1/backups", tag = "operations",
    request_body = NewBackupDto,
    security(("operator" = [])),
    responses(
        (status = 202, description = "Begun", body = BackupStateDto),
        (status = 400, description = "No target, or one that the node does not know",
         body = ProblemDto),
        (status = 401, description = "Not the operator's token", body = ProblemDto),
        (status = 409, description = "Another one is under way", body = ProblemDto),
        (status = 413, description = "Too large", body = ProblemDto),
    )
)]
pub(super) async fn begin(
    State(app): State<AppState>,
    _: Operator,
    JsonOf(body): JsonOf<NewBackupDto>,
) -> Result<Response, Problem> {
    app.service.backups().begin(&body.to, body.keep).map_err(|error| {
        let class = match error {
            BackupRefused::UnderWay => Code::Conflict,
            BackupRefused::Target { .. } | BackupRefused::Unusable(_) => Code::BadRequest,
        };
        Problem::with_specific_code(class, "backup-refused", error.to_string())
    })?;
    let state = BackupStateDto::of(app.service.backups().state());
    Ok((StatusCode::ACCEPTED, Json(state)).into_response())
}

/// What is under way, and what the last backup came to.
#[utoipa::path(
    get, path = "/api/v1/backups", tag = "operations",
    security(("operator" = [])),
    responses(
        (status = 200, description = "The state", body = BackupStateDto),
        (status = 401, description = "Not the operator's token", body = ProblemDto),
    )
)]
pub(super) async fn state(State(app): State<AppState>, _: Operator) -> Json<BackupStateDto> {
    Json(BackupStateDto::of(app.service.backups().state()))
}

impl BackupStateDto {
    fn of(state: BackupState) -> Self {
        let shown = state.running.unwrap_or_default();
        Self {
            running: state.running.is_some(),
            leaves: shown.leaves.get(),
            total: shown.total.get(),
            bytes: shown.bytes,
            last: state.last.map(BackupDto::of),
            failure: state.failure,
        }
    }
}

impl BackupDto {
    fn of(summary: BackupSummary) -> Self {
        Self {
            name: summary.name,
            taken: summary.taken.to_string(),
            size: summary.head.size.get(),
            root: summary.head.root.to_base64(),
            sent_bytes: summary.sent_bytes,
            kept_bytes: summary.kept_bytes,
        }
    }
}
