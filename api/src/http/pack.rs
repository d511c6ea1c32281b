//! Regulation packs: which are in force, and publishing a new version.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use letopis_ledger::encoding::decode_base64;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::application::engine_problem;
use super::body::JsonOf;
use super::decision::PackRefDto;
use super::problem::{Code, FieldProblem, Problem, ProblemDto};
use super::registry::tables;
use super::{AppState, Operator, unreadable};
use crate::service::packs::{PublishError, publish as publish_pack};

/// The published packs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PacksDto {
    packs: Vec<PackDto>,
    /// Leaves that this answer reflects.
    position: u64,
}

/// One version of a pack.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PackDto {
    code: String,
    version: u32,
    /// Leaf that published it.
    leaf: u64,
    /// Its files; each is served at `/blob/<sha256>`.
    files: Vec<PackFileDto>,
}

/// A file of a pack.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PackFileDto {
    path: String,
    sha256: String,
    size_bytes: u64,
    media_type: String,
}

/// A pack to be published.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPackDto {
    /// Content of each file in base64, by path.
    files: BTreeMap<String, String>,
}

/// Every published version of every pack.
#[utoipa::path(
    get, path = "/api/v1/packs", tag = "regulations",
    responses((status = 200, description = "Every published version", body = PacksDto))
)]
pub(super) async fn list(State(app): State<AppState>) -> Result<Json<PacksDto>, Problem> {
    let found = app.service.model().packs().map_err(|e| tables(&e))?;
    let packs = found.value.iter().map(|row| PackDto {
        code: row.published.code.to_string(),
        version: row.published.version,
        leaf: row.leaf.get(),
        files: row
            .published
            .files
            .iter()
            .map(|file| PackFileDto {
                path: file.path.clone(),
                sha256: file.sha256.to_hex(),
                size_bytes: file.size_bytes,
                media_type: file.media_type.clone(),
            })
            .collect(),
    });
    Ok(Json(PacksDto { packs: packs.collect(), position: found.size.get() }))
}

/// Publishes a version of a pack; it must pass its own checks and test cases.
#[utoipa::path(
    post, path = "/api/v1/packs", tag = "regulations",
    request_body = NewPackDto,
    security(("operator" = [])),
    responses(
        (status = 201, description = "Published and in force", body = PackRefDto),
        (status = 400, description = "Not JSON of this shape", body = ProblemDto),
        (status = 401, description = "Not the operator's token", body = ProblemDto),
        (status = 409, description = "The version is taken or leaves a gap", body = ProblemDto),
        (status = 413, description = "Too large", body = ProblemDto),
        (status = 422, description = "The pack is not in order; each problem is named", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn publish(
    State(app): State<AppState>,
    _: Operator,
    JsonOf(body): JsonOf<NewPackDto>,
) -> Result<Response, Problem> {
    let mut files = BTreeMap::new();
    for (path, content) in body.files {
        let bytes = decode_base64(&content)
            .map_err(|e| Problem::new(Code::BadRequest, format!("file {path}: {e}")))?;
        files.insert(path, bytes);
    }
    let published = publish_pack(app.service.engine(), app.service.ledger(), files).await;
    match published {
        Ok(pack) => {
            // A calendar that comes with it may settle the terms of open cases.
            app.service.take_up_open();
            let pack = PackRefDto {
                code: pack.code.to_string(),
                version: pack.version,
                leaf: pack.leaf.get(),
            };
            Ok((StatusCode::CREATED, Json(pack)).into_response())
        }
        Err(PublishError::Engine(error)) => Err(engine_problem(&error)),
        Err(PublishError::Store(error)) => Err(unreadable(&error)),
        Err(PublishError::Refused(errors)) => {
            let detail = format!("the pack has {} problems", errors.len());
            let problem = |error: &letopis_registry::pack::PackError| FieldProblem {
                pointer: format!("/files/{}", error.file.replace('~', "~0").replace('/', "~1")),
                code: "pack".to_owned(),
                ru: error.to_string(),
                en: error.to_string(),
            };
            Err(Problem::with_specific_code(Code::InvalidForm, "pack-refused", detail)
                .with_errors(errors.iter().map(problem).collect()))
        }
    }
}
