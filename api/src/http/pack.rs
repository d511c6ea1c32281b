//! Regulation packs: which are in force, and publishing a new version.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use letopis_ledger::encoding::decode_base64;
use letopis_registry::event::PackFile;
use letopis_registry::projection::ProposalRow;
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
    /// Versions that are or were on their way into force.
    proposals: Vec<ProposedDto>,
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

/// The newest proposal of a version.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProposedDto {
    code: String,
    version: u32,
    /// Number of the proposal.
    proposal: u64,
    proposed_at: String,
    /// `open`, `breached` (the open stage is past its term), `signed` or `published`.
    state: String,
    /// The stage that waits for its signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<String>,
    /// When its term ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<String>,
    /// Leaf of the newest change.
    leaf: u64,
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

/// Every published version of every pack, and what is proposed.
#[utoipa::path(
    get, path = "/api/v1/packs", tag = "regulations",
    responses((status = 200, description = "Every published or proposed version", body = PacksDto))
)]
pub(super) async fn list(State(app): State<AppState>) -> Result<Json<PacksDto>, Problem> {
    let proposed = app.service.model().proposals().map_err(|e| tables(&e))?;
    let found = app.service.model().packs().map_err(|e| tables(&e))?;
    let packs = found.value.iter().map(|row| PackDto {
        code: row.published.code.to_string(),
        version: row.published.version,
        leaf: row.leaf.get(),
        files: row.published.files.iter().map(PackFileDto::of).collect(),
    });
    let proposals = proposed.value.iter().map(ProposedDto::of).collect();
    Ok(Json(PacksDto { packs: packs.collect(), proposals, position: proposed.size.get() }))
}

/// Publishes a version of a pack; it must pass its own checks and test cases, and the lifecycle of
/// the version in force, where that has one.
#[utoipa::path(
    post, path = "/api/v1/packs", tag = "regulations",
    request_body = NewPackDto,
    security(("operator" = [])),
    responses(
        (status = 201, description = "Published and in force", body = PackRefDto),
        (status = 400, description = "Not JSON of this shape", body = ProblemDto),
        (status = 401, description = "Not the operator's token", body = ProblemDto),
        (status = 409, description = "The version is taken or leaves a gap, or has not passed the lifecycle of the version in force", body = ProblemDto),
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
    let files = body.files()?;
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
        Err(error) => Err(publish_problem(&error)),
    }
}

/// Why a pack was neither published nor proposed.
pub(super) fn publish_problem(error: &PublishError) -> Problem {
    match error {
        PublishError::Engine(error) => engine_problem(error),
        PublishError::Store(error) => unreadable(error),
        PublishError::Another { code, version } => {
            let detail = format!("the files are version {version} of pack {code}");
            Problem::with_specific_code(Code::BadRequest, "another-version", detail)
        }
        PublishError::Refused(errors) => {
            let detail = format!("the pack has {} problems", errors.len());
            let problem = |error: &letopis_registry::pack::PackError| FieldProblem {
                pointer: format!("/files/{}", error.file.replace('~', "~0").replace('/', "~1")),
                code: "pack".to_owned(),
                ru: error.to_string(),
                en: error.to_string(),
            };
            Problem::with_specific_code(Code::InvalidForm, "pack-refused", detail)
                .with_errors(errors.iter().map(problem).collect())
        }
    }
}

impl NewPackDto {
    /// The bytes of each file.
    pub(super) fn files(self) -> Result<BTreeMap<String, Vec<u8>>, Problem> {
        let decoded = |(path, content): (String, String)| {
            let bytes = decode_base64(&content)
                .map_err(|e| Problem::new(Code::BadRequest, format!("file {path}: {e}")))?;
            Ok((path, bytes))
        };
        self.files.into_iter().map(decoded).collect()
    }
}

impl ProposedDto {
    pub(super) fn of(row: &ProposalRow) -> Self {
        Self {
            code: row.code.to_string(),
            version: row.version,
            proposal: row.proposal.get(),
            proposed_at: row.proposed_at.to_string(),
            state: row.state.clone(),
            stage: row.open.as_ref().map(|(stage, _)| stage.to_string()),
            due: row.open.as_ref().map(|(_, due)| due.to_string()),
            leaf: row.leaf.get(),
        }
    }
}

impl PackFileDto {
    pub(super) fn of(file: &PackFile) -> Self {
        Self {
            path: file.path.clone(),
            sha256: file.sha256.to_hex(),
            size_bytes: file.size_bytes,
            media_type: file.media_type.clone(),
        }
    }
}
