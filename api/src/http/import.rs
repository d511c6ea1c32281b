//! Event logs of other systems: brought in by the operator, counted for everyone.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use letopis_ledger::Hash;
use letopis_registry::engine::ImportError;
use letopis_registry::import::xes::{XesError, open};
use letopis_registry::projection::{CategoryCount, TraceStatistics};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::application::engine_problem;
use super::problem::{Code, Problem, ProblemDto};
use super::registry::tables;
use super::{AppState, Operator, PathOf};
use crate::service::upload::{UploadError, receive};

/// What an imported event log shows.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatisticsDto {
    /// SHA-256 of the file as it was sent.
    file: String,
    traces: u64,
    events: u64,
    /// Traces by channel.
    channels: std::collections::BTreeMap<String, u64>,
    /// Traces by department.
    departments: std::collections::BTreeMap<String, u64>,
    /// Duration that at least 90 of 100 traces do not exceed (nearest rank), in milliseconds.
    p90_ms: Option<u64>,
    /// Leaves that this answer reflects.
    position: u64,
}

/// Counts of an imported event log.
#[utoipa::path(
    get, path = "/api/v1/imports/{file}", tag = "operations",
    params(("file" = String, Path, description = "SHA-256 of the file in lower-case hexadecimal")),
    responses(
        (status = 200, description = "Counts and durations", body = StatisticsDto),
        (status = 404, description = "No such import", body = ProblemDto),
    )
)]
pub(super) async fn statistics(
    State(app): State<AppState>,
    file: PathOf<String>,
) -> Result<Json<StatisticsDto>, Problem> {
    let missing = || Problem::new(Code::NotFound, format!("no import of file {}", file.0));
    let hash = Hash::from_hex(&file.0).ok_or_else(missing)?;
    let found = app.service.model().trace_statistics(&hash).map_err(|e| tables(&e))?;
    if found.value.trace_count == 0 {
        return Err(missing());
    }
    Ok(Json(StatisticsDto::of(&hash, &found.value, found.size.get())))
}

/// Brings in an event log (IEEE 1849 XES, plain or gzip): one stream per trace, one record per
/// event. Sending the same file again changes nothing.
#[utoipa::path(
    post, path = "/api/v1/imports/xes", tag = "operations",
    request_body(content_type = "application/octet-stream", content = Vec<u8>),
    security(("operator" = [])),
    responses(
        (status = 201, description = "Brought in", body = StatisticsDto),
        (status = 401, description = "Not the operator's token", body = ProblemDto),
        (status = 413, description = "Too large", body = ProblemDto),
        (status = 422, description = "Not a readable event log; the place is named", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn xes(
    State(app): State<AppState>,
    _: Operator,
    body: Body,
) -> Result<Response, Problem> {
    let file = receive(body).await.map_err(|error| match error {
        UploadError::TooLarge { .. } => Problem::new(Code::TooLarge, error.to_string()),
        UploadError::Broken { .. } => Problem::new(Code::BadRequest, error.to_string()),
        UploadError::Disk(_) => Problem::new(Code::Unavailable, error.to_string()),
    })?;
    let hash = import_file(&app, file.path()).await?;
    let found = app.service.model().trace_statistics(&hash).map_err(|e| tables(&e))?;
    let body = StatisticsDto::of(&hash, &found.value, found.size.get());
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

/// Imports a received file; gives its SHA-256.
async fn import_file(app: &AppState, path: &Path) -> Result<Hash, Problem> {
    let broken = |error: std::io::Error| Problem::new(Code::Unavailable, error.to_string());
    let hash = file_hash(path).map_err(broken)?;
    let engine = app.service.engine();
    let unreadable =
        |error: XesError| Problem::with_specific_code(Code::InvalidForm, "xes", error.to_string());
    let traces = open(BufReader::new(File::open(path).map_err(broken)?)).map_err(unreadable)?;
    let import = engine.xes_import(hash);
    let imported = engine.import_xes(&import, traces, |imported| {
        tracing::info!(traces = imported.trace_count, events = imported.event_count, "imported");
    });
    imported.await.map_err(|error| match error {
        ImportError::Xes(error) => unreadable(error),
        ImportError::Engine(error) => engine_problem(&error),
    })?;
    // The counts that follow must show all of it.
    engine.catch_up().await.map_err(|error| engine_problem(&error))?;
    Ok(hash)
}

fn file_hash(path: &Path) -> std::io::Result<Hash> {
    let mut reader = BufReader::new(File::open(path)?);
    let mut hasher = Sha256::new();
    loop {
        let chunk = reader.fill_buf()?;
        if chunk.is_empty() {
            return Ok(Hash::from_bytes(hasher.finalize().into()));
        }
        hasher.update(chunk);
        let read = chunk.len();
        reader.consume(read);
    }
}

impl StatisticsDto {
    fn of(file: &Hash, statistics: &TraceStatistics, position: u64) -> Self {
        let counts = |categories: &[CategoryCount]| {
            let name = |category: &CategoryCount| category.value.clone().unwrap_or_default();
            categories.iter().map(|category| (name(category), category.count)).collect()
        };
        Self {
            file: file.to_hex(),
            traces: statistics.trace_count,
            events: statistics.event_count,
            channels: counts(&statistics.by_channel),
            departments: counts(&statistics.by_department),
            p90_ms: statistics.duration_p90_ms,
            position,
        }
    }
}
