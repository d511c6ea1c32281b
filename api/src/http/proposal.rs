//! New versions of packs on their way into force: proposed, remarked on, signed stage by stage.
//!
//! Everything here is public, as the regulations are. Not here: publishing (`pack`).

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use letopis_ledger::StreamVersion;
use letopis_ledger::key::AuthorSignature;
use letopis_registry::code::{PackCode, StageCode};
use letopis_registry::engine::VersionStatus;
use letopis_registry::lifecycle::{LifecycleRefusal, Proposal, RaiseRemark, Remark, ResolveRemark};
use letopis_registry::messages::Text;
use letopis_registry::pack::{Change, LifecycleStage};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::application::{TextDto, engine_problem};
use super::body::JsonOf;
use super::pack::{NewPackDto, PackFileDto, publish_problem};
use super::problem::{Code, Problem, ProblemDto};
use super::staff::Acting;
use super::{AppState, PathOf};
use crate::service::packs::propose as propose_pack;

/// A version of a pack on its way into force, or how it came into force.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VersionDto {
    code: String,
    version: u32,
    /// The version whose lifecycle it goes by.
    lifecycle_version: u32,
    /// `open`, `signed` (it may be published) or `published`.
    state: &'static str,
    /// The newest proposal: its number, which remarks and signatures name.
    proposal: u64,
    /// Id of the official who proposed it.
    official: String,
    /// SHA-256 of the canonical JSON of `files`: what is signed.
    files_sha256: String,
    /// Its files; each is served at `/blob/<sha256>`.
    files: Vec<PackFileDto>,
    stages: Vec<StageDto>,
    /// Remarks to this proposal and to those before it.
    remarks: Vec<RemarkDto>,
    /// What it changes of the version in force.
    changes: Vec<ChangeDto>,
    /// Leaves that this answer reflects.
    position: u64,
}

/// A stage of a lifecycle.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StageDto {
    code: String,
    title: TextDto,
    law: TextDto,
    /// Code of the unit whose official signs.
    unit: String,
    /// The official's role there.
    role: &'static str,
    /// `waiting`, `open` or `signed`.
    state: &'static str,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    begun_at: Option<String>,
    /// When its term ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<String>,
    /// Whether its term passed before it was signed.
    breached: bool,
    /// Id of the official who signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    official: Option<String>,
}

/// A remark.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RemarkDto {
    /// Its number.
    remark: u64,
    /// The proposal that it was raised to.
    proposal: u64,
    /// The stage for whose post it was raised.
    stage: String,
    /// Id of the official.
    official: String,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// How it was resolved; absent while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved: Option<String>,
}

/// Something that one version has and the other has not, or has otherwise.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChangeDto {
    /// The part of the pack, as in `services/parking-permit`.
    place: String,
    /// What it is, as in `form-field`, `ground`, `term`, `step`, `registry-field`, `file`.
    kind: &'static str,
    name: String,
    /// What the version in force says; absent where it was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    /// What the proposal says; absent where it was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
}

/// A remark to a proposal. Everybody can read it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRemarkDto {
    /// The proposal.
    #[schema(maximum = 9007199254740991_u64)]
    proposal: u64,
    /// What is wrong.
    #[schema(min_length = 1, max_length = 4000)]
    text: String,
    /// The file that it is about.
    #[serde(default)]
    file: Option<String>,
}

/// How a remark was resolved. Everybody can read it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResolutionDto {
    #[schema(min_length = 1, max_length = 4000)]
    text: String,
}

/// The signature of a stage.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StageSignatureDto {
    /// The proposal.
    #[schema(maximum = 9007199254740991_u64)]
    proposal: u64,
    /// The stage.
    stage: String,
    /// Ed25519 in base64, over the text that docs/EVENTS.md states.
    signature: String,
}

/// How far a version is on its way into force: its files, stages and remarks, and what it changes.
#[utoipa::path(
    get, path = "/api/v1/packs/{code}/versions/{version}", tag = "regulations",
    params(
        ("code" = String, Path, description = "Code of the pack"),
        ("version" = u32, Path, description = "The version"),
    ),
    responses(
        (status = 200, description = "The version", body = VersionDto),
        (status = 400, description = "Not a version", body = ProblemDto),
        (status = 404, description = "Such a version was not proposed", body = ProblemDto),
        (status = 503, description = "Stopping", body = ProblemDto),
    )
)]
pub(super) async fn status(
    State(app): State<AppState>,
    path: PathOf<(String, u32)>,
) -> Result<Json<VersionDto>, Problem> {
    let (code, version) = (pack_code(&path.0.0)?, path.0.1);
    answer(&app, (&code, version)).await.map(Json)
}

/// Proposes the files of the next version. An earlier proposal of it is done with, its remarks
/// stay.
#[utoipa::path(
    post, path = "/api/v1/packs/{code}/versions/{version}/proposals", tag = "regulations",
    params(
        ("code" = String, Path, description = "Code of the pack"),
        ("version" = u32, Path, description = "The version"),
    ),
    request_body = NewPackDto,
    security(("official" = [])),
    responses(
        (status = 201, description = "Proposed", body = VersionDto),
        (status = 400, description = "Not JSON of this shape", body = ProblemDto),
        (status = 401, description = "Not an official's token", body = ProblemDto),
        (status = 404, description = "No such pack", body = ProblemDto),
        (status = 409, description = "Not the next version, nothing asks for a proposal, or just these files are proposed", body = ProblemDto),
        (status = 413, description = "Too large", body = ProblemDto),
        (status = 422, description = "The pack is not in order, or the official holds no post of its lifecycle", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn propose(
    State(app): State<AppState>,
    Acting(official): Acting,
    path: PathOf<(String, u32)>,
    JsonOf(body): JsonOf<NewPackDto>,
) -> Result<Response, Problem> {
    let (code, version) = (pack_code(&path.0.0)?, path.0.1);
    let files = body.files()?;
    let (engine, ledger) = (app.service.engine(), app.service.ledger());
    let proposed = propose_pack(engine, ledger, files, (&code, version), &official).await;
    proposed.map_err(|error| publish_problem(&error))?;
    let body = answer(&app, (&code, version)).await?;
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

/// Puts on record that something is wrong with a proposal. No stage is signed before it is
/// resolved.
#[utoipa::path(
    post, path = "/api/v1/packs/{code}/versions/{version}/remarks", tag = "regulations",
    params(
        ("code" = String, Path, description = "Code of the pack"),
        ("version" = u32, Path, description = "The version"),
    ),
    request_body = NewRemarkDto,
    security(("official" = [])),
    responses(
        (status = 201, description = "On record", body = VersionDto),
        (status = 400, description = "Not JSON of this shape", body = ProblemDto),
        (status = 401, description = "Not an official's token", body = ProblemDto),
        (status = 404, description = "No such pack", body = ProblemDto),
        (status = 409, description = "The version is published, or not the next one", body = ProblemDto),
        (status = 413, description = "Too large", body = ProblemDto),
        (status = 422, description = "A rule forbids it", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn remark(
    State(app): State<AppState>,
    Acting(official): Acting,
    path: PathOf<(String, u32)>,
    JsonOf(body): JsonOf<NewRemarkDto>,
) -> Result<Response, Problem> {
    let (code, version) = (pack_code(&path.0.0)?, path.0.1);
    let remark = RaiseRemark {
        acting: &official,
        proposal: StreamVersion::new(body.proposal),
        text: body.text,
        file: body.file,
    };
    let raised = app.service.engine().raise_remark((&code, version), &remark).await;
    raised.map_err(|error| engine_problem(&error))?;
    let body = answer(&app, (&code, version)).await?;
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

/// Puts on record that what a remark was about is put right, or explained: by who holds the post
/// that the remark came from.
#[utoipa::path(
    post, path = "/api/v1/packs/{code}/versions/{version}/remarks/{remark}/resolution",
    tag = "regulations",
    params(
        ("code" = String, Path, description = "Code of the pack"),
        ("version" = u32, Path, description = "The version"),
        ("remark" = u64, Path, description = "Number of the remark"),
    ),
    request_body = ResolutionDto,
    security(("official" = [])),
    responses(
        (status = 200, description = "Resolved", body = VersionDto),
        (status = 400, description = "Not JSON of this shape", body = ProblemDto),
        (status = 401, description = "Not an official's token", body = ProblemDto),
        (status = 404, description = "No such pack", body = ProblemDto),
        (status = 409, description = "The version is published, or not the next one", body = ProblemDto),
        (status = 413, description = "Too large", body = ProblemDto),
        (status = 422, description = "No such remark is open, or a rule forbids it", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn resolve(
    State(app): State<AppState>,
    Acting(official): Acting,
    path: PathOf<(String, u32, u64)>,
    JsonOf(body): JsonOf<ResolutionDto>,
) -> Result<Json<VersionDto>, Problem> {
    let (code, version, remark) = path.0;
    let code = pack_code(&code)?;
    let remark = StreamVersion::new(remark);
    let resolved = ResolveRemark { acting: &official, remark, text: body.text };
    let resolved = app.service.engine().resolve_remark((&code, version), &resolved).await;
    resolved.map_err(|error| engine_problem(&error))?;
    answer(&app, (&code, version)).await.map(Json)
}

/// Takes an official's signature of the open stage over exactly the files that are proposed.
#[utoipa::path(
    post, path = "/api/v1/packs/{code}/versions/{version}/signatures", tag = "regulations",
    params(
        ("code" = String, Path, description = "Code of the pack"),
        ("version" = u32, Path, description = "The version"),
    ),
    request_body = StageSignatureDto,
    security(("official" = [])),
    responses(
        (status = 201, description = "Signed", body = VersionDto),
        (status = 400, description = "Not JSON of this shape", body = ProblemDto),
        (status = 401, description = "Not an official's token", body = ProblemDto),
        (status = 404, description = "No such pack", body = ProblemDto),
        (status = 409, description = "A remark is open, or the version is published", body = ProblemDto),
        (status = 413, description = "Too large", body = ProblemDto),
        (status = 422, description = "The signature does not hold, or a rule forbids it", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn sign(
    State(app): State<AppState>,
    Acting(official): Acting,
    path: PathOf<(String, u32)>,
    JsonOf(body): JsonOf<StageSignatureDto>,
) -> Result<Response, Problem> {
    let (code, version) = (pack_code(&path.0.0)?, path.0.1);
    let stage = StageCode::parse(&body.stage).map_err(Problem::bad_request)?;
    let signature = AuthorSignature::from_base64(&body.signature)
        .map_err(|error| Problem::bad_request(format!("signature: {error}")))?;
    let signed = (StreamVersion::new(body.proposal), &stage);
    let engine = app.service.engine();
    let signed = engine.sign_stage((&code, version), &official, signed, signature).await;
    signed.map_err(|error| engine_problem(&error))?;
    let body = answer(&app, (&code, version)).await?;
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

/// What a refusal is to whoever asked.
pub(super) fn lifecycle_problem(refusal: &LifecycleRefusal) -> Problem {
    let (class, code) = match refusal {
        LifecycleRefusal::NotProposed { .. }
        | LifecycleRefusal::NotSigned { .. }
        | LifecycleRefusal::OtherFiles { .. }
        | LifecycleRefusal::RemarksOpen { .. } => (Code::Conflict, "lifecycle-not-passed"),
        LifecycleRefusal::NoLifecycle { .. } => (Code::Conflict, "no-lifecycle"),
        LifecycleRefusal::SameFiles { .. } => (Code::Conflict, "same-files"),
        LifecycleRefusal::Published { .. } => (Code::Conflict, "pack-version"),
        LifecycleRefusal::NoSuchProposal { .. }
        | LifecycleRefusal::NoSuchRemark { .. }
        | LifecycleRefusal::NoSuchFile { .. }
        | LifecycleRefusal::StageNotOpen { .. }
        | LifecycleRefusal::NotEntitled { .. }
        | LifecycleRefusal::SecondTime { .. }
        | LifecycleRefusal::BadSignature { .. }
        | LifecycleRefusal::TextLength { .. } => (Code::InvalidForm, "rule-broken"),
        LifecycleRefusal::OutOfPlace { .. } => (Code::Internal, "internal"),
    };
    Problem::with_specific_code(class, code, refusal.to_string())
}

fn pack_code(text: &str) -> Result<PackCode, Problem> {
    PackCode::parse(text)
        .map_err(|_| Problem::new(Code::NotFound, format!("there is no pack {text}")))
}

async fn answer(app: &AppState, (code, version): (&PackCode, u32)) -> Result<VersionDto, Problem> {
    let missing = || {
        let detail = format!("version {version} of pack {code} was not proposed");
        Problem::new(Code::NotFound, detail)
    };
    let found = app.service.engine().version_status((code, version)).await;
    let found = found.map_err(|error| match error {
        letopis_registry::engine::EngineError::Lifecycle(LifecycleRefusal::NoLifecycle {
            ..
        })
        | letopis_registry::engine::EngineError::PackVersionGap { .. } => missing(),
        other => engine_problem(&other),
    })?;
    let proposal = found.state.proposal().ok_or_else(missing)?;
    let changes = app.service.changes(&found.in_force, &proposal.event.published).await;
    let changes = changes.map_err(|error| Problem::new(Code::Unavailable, error.to_string()))?;
    Ok(VersionDto::of(&found, proposal, &changes, app.service.position().get()))
}

impl VersionDto {
    fn of(found: &VersionStatus, proposal: &Proposal, changes: &[Change], position: u64) -> Self {
        let published = &proposal.event.published;
        let stages = found.in_force.pack.lifecycle().map(|l| l.stages.as_slice());
        Self {
            code: published.code.to_string(),
            version: published.version,
            lifecycle_version: found.in_force.pack_ref.version,
            state: match (found.state.is_published(), &proposal.open) {
                (true, _) => "published",
                (false, None) => "signed",
                (false, Some(_)) => "open",
            },
            proposal: proposal.number.get(),
            official: proposal.event.official.to_string(),
            files_sha256: published.files_digest().to_hex(),
            files: published.files.iter().map(PackFileDto::of).collect(),
            stages: stages.into_iter().flatten().map(|s| StageDto::of(s, proposal)).collect(),
            remarks: found.state.remarks().map(RemarkDto::of).collect(),
            changes: changes.iter().map(ChangeDto::of).collect(),
            position,
        }
    }
}

impl StageDto {
    fn of(stage: &LifecycleStage, proposal: &Proposal) -> Self {
        let code = &stage.code.value;
        let text = |text: &Text| TextDto { ru: text.ru.clone(), en: text.en.clone() };
        let signed = proposal.signed.iter().find(|signed| &signed.stage == code);
        let opened = proposal.signed.iter().filter_map(|signed| signed.opens.as_ref());
        let opened = opened.chain([&proposal.event.opens]).find(|opened| &opened.stage == code);
        let is_open = proposal.open.as_ref().is_some_and(|open| &open.stage == code);
        Self {
            code: code.to_string(),
            title: text(&stage.title),
            law: text(&stage.law),
            unit: stage.by.unit.value.to_string(),
            role: stage.by.role.as_str(),
            state: match (signed.is_some(), is_open) {
                (true, _) => "signed",
                (false, true) => "open",
                (false, false) => "waiting",
            },
            begun_at: opened.map(|opened| opened.at.to_string()),
            due: opened.map(|opened| opened.due.to_string()),
            breached: proposal.breached.iter().any(|breached| &breached.stage == code),
            official: signed.map(|signed| signed.official.to_string()),
        }
    }
}

impl RemarkDto {
    fn of(remark: &Remark) -> Self {
        Self {
            remark: remark.number.get(),
            proposal: remark.raised.proposal.get(),
            stage: remark.raised.stage.to_string(),
            official: remark.raised.official.to_string(),
            text: remark.raised.text.clone(),
            file: remark.raised.file.clone(),
            resolved: remark.resolved.as_ref().map(|resolved| resolved.text.clone()),
        }
    }
}

impl ChangeDto {
    fn of(change: &Change) -> Self {
        Self {
            place: change.place.clone(),
            kind: change.kind,
            name: change.name.clone(),
            before: change.before.clone(),
            after: change.after.clone(),
        }
    }
}
