//! The public log: the paths of C2SP tlog-tiles, and single leaves, proofs and records.
//!
//! Everything here is public and the same for everyone. Not here: cases and registries, which are
//! projections of what is read here.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use letopis_consensus::TlogProofError;
use letopis_ledger::id::RecordId;
use letopis_ledger::record::SignedRecord;
use letopis_ledger::tile::{BundlePath, TilePath};
use letopis_ledger::{Hash, LeafIndex};
use serde::Serialize;
use utoipa::ToSchema;

use super::body::JsonBytes;
use super::document::{Index, Uuid7};
use super::problem::{Code, Problem, ProblemDto};
use super::{AppState, PathOf, refused};
use crate::service::Finality;

const TEXT: &str = "text/plain; charset=utf-8";
const OCTETS: &str = "application/octet-stream";
/// What never changes may be kept for a year, as C2SP tlog-tiles advises.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const NEVER: &str = "no-cache";

/// Where a record stands and how final it is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReceiptDto {
    /// The record's id.
    pub(crate) record_id: String,
    /// Index of its leaf.
    pub(crate) leaf: u64,
    /// Leaf hash, base64.
    pub(crate) leaf_hash: String,
    /// When the log took it.
    pub(crate) time: String,
    /// `committed`: on a majority of disks. `final`: in a published head that a quorum cosigned.
    pub(crate) state: &'static str,
    /// Leaves of the newest published head.
    pub(crate) published_size: u64,
    /// Leaves, this one included, that are still to be published before it is final; 0 once it is.
    pub(crate) leaves_to_final: u64,
}

/// The newest published head, a signed note (C2SP tlog-checkpoint).
#[utoipa::path(
    get, path = "/checkpoint", tag = "log",
    responses(
        (status = 200, description = "A signed note", content_type = "text/plain", body = String),
        (status = 404, description = "No head is published yet", body = ProblemDto),
    )
)]
pub(super) async fn checkpoint(State(app): State<AppState>) -> Result<Response, Problem> {
    let published = app.service.ledger().checkpoint();
    let published =
        published.ok_or_else(|| Problem::new(Code::NotFound, "no head is published yet"))?;
    Ok(content(TEXT, NEVER, published.text.to_string()))
}

/// The quorum policy in force (C2SP tlog-policy).
#[utoipa::path(
    get, path = "/policy", tag = "log",
    responses(
        (status = 200, description = "The policy", content_type = "text/plain", body = String),
        (status = 404, description = "The log is empty", body = ProblemDto),
    )
)]
pub(super) async fn policy(State(app): State<AppState>) -> Result<Response, Problem> {
    let policy = app.service.ledger().policy().map_err(|e| super::unreadable(&e))?;
    let policy = policy.ok_or_else(|| Problem::new(Code::NotFound, "the log is empty"))?;
    Ok(content(TEXT, NEVER, policy))
}

/// Hash tiles and entry bundles (C2SP tlog-tiles).
pub(super) async fn tile(
    State(app): State<AppState>,
    PathOf(path): PathOf<String>,
) -> Result<Response, Problem> {
    let path = format!("tile/{path}");
    let not_there = || Problem::new(Code::NotFound, format!("{path} is not published"));
    let ledger = app.service.ledger();
    let read = if path.starts_with("tile/entries/") {
        ledger.entry_bundle(BundlePath::parse(&path).map_err(|_| not_there())?)
    } else {
        ledger.tile(TilePath::parse(&path).map_err(|_| not_there())?)
    };
    let bytes = read.map_err(|e| super::unreadable(&e))?.ok_or_else(not_there)?;
    Ok(content(OCTETS, FOR_EVER, bytes))
}

/// A public file by its SHA-256.
#[utoipa::path(
    get, path = "/blob/{hash}", tag = "log",
    params(("hash" = String, Path, description = "SHA-256 of the file in lower-case hexadecimal")),
    responses(
        (status = 200, description = "The file", content_type = "application/octet-stream",
         body = Vec<u8>),
        (status = 404, description = "No such file", body = ProblemDto),
    )
)]
pub(super) async fn blob(
    State(app): State<AppState>,
    PathOf(hash): PathOf<String>,
) -> Result<Response, Problem> {
    let not_there = || Problem::new(Code::NotFound, format!("no public file {hash}"));
    let known = Hash::from_hex(&hash).ok_or_else(not_there)?;
    let bytes = app.service.ledger().fetch_blob(&known).await;
    let bytes = bytes.map_err(|e| super::unreadable(&e))?;
    Ok(content(OCTETS, FOR_EVER, bytes.ok_or_else(not_there)?))
}

/// One leaf: its canonical bytes.
#[utoipa::path(
    get, path = "/api/v1/leaves/{index}", tag = "log",
    params(("index" = inline(Index), Path, description = "Index of the leaf, from 0")),
    responses(
        (status = 200, description = "Canonical JSON of the leaf", content_type = "application/json",
         body = Object),
        (status = 400, description = "Not an index", body = ProblemDto),
        (status = 404, description = "No such leaf", body = ProblemDto),
    )
)]
pub(super) async fn leaf(
    State(app): State<AppState>,
    index: PathOf<String>,
) -> Result<Response, Problem> {
    let index = leaf_index(&index.0)?;
    let bytes = app.service.ledger().leaf(index).map_err(|e| super::unreadable(&e))?;
    let bytes =
        bytes.ok_or_else(|| Problem::new(Code::NotFound, format!("there is no leaf {index}")))?;
    Ok(content("application/json", FOR_EVER, bytes))
}

/// The proof that a leaf is in the published log (C2SP tlog-proof), with the leaf inside.
#[utoipa::path(
    get, path = "/api/v1/leaves/{index}/proof", tag = "log",
    params(("index" = inline(Index), Path, description = "Index of the leaf, from 0")),
    responses(
        (status = 200, description = "A C2SP tlog-proof", content_type = "text/plain",
         body = String),
        (status = 400, description = "Not an index", body = ProblemDto),
        (status = 404, description = "No such leaf, or not published yet", body = ProblemDto),
    )
)]
pub(super) async fn leaf_proof(
    State(app): State<AppState>,
    index: PathOf<String>,
) -> Result<Response, Problem> {
    proof_of(&app, leaf_index(&index.0)?)
}

/// Reads an index in its one spelling, without sign and leading zeros.
fn leaf_index(text: &str) -> Result<LeafIndex, Problem> {
    let index = text.parse::<u64>().ok().filter(|index| index.to_string() == text);
    let malformed =
        || Problem::new(Code::BadRequest, format!("{text:?} is not the index of a leaf"));
    index.map(LeafIndex::new).ok_or_else(malformed)
}

/// The proof of a leaf as a response.
pub(super) fn proof_of(app: &AppState, leaf: LeafIndex) -> Result<Response, Problem> {
    let ledger = app.service.ledger();
    let proof = ledger.tlog_proof(leaf).map_err(|error| match error {
        TlogProofError::NotPublished { .. } => {
            Problem::with_specific_code(Code::NotFound, "not-published", error.to_string())
        }
        TlogProofError::Read(error) => super::unreadable(&error),
    })?;
    let bytes = ledger.leaf(leaf).map_err(|e| super::unreadable(&e))?;
    let bytes = bytes.expect("invariant: a leaf with a proof is there");
    let proof = proof.with_extra(bytes).expect("invariant: a leaf has at least one byte");
    Ok(content(TEXT, NEVER, proof.to_string()))
}

/// Appends a record that an agency has signed.
#[utoipa::path(
    post, path = "/api/v1/records", tag = "log",
    request_body(
        content_type = "application/json",
        description = "Canonical JSON of a signed record, see docs/FORMAT.md section 4",
        content = Object
    ),
    responses(
        (status = 201, description = "Appended", body = ReceiptDto),
        (status = 200, description = "Appended before: the first receipt again", body = ReceiptDto),
        (status = 400, description = "Not a canonical signed record", body = ProblemDto),
        (status = 413, description = "Too large", body = ProblemDto),
        (status = 409, description = "Contradicts what the log holds", body = ProblemDto),
        (status = 422, description = "Breaks a rule of the log", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn append(
    State(app): State<AppState>,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Problem> {
    let record = SignedRecord::parse(&body).map_err(|e| {
        Problem::with_specific_code(Code::BadRequest, "record-malformed", e.to_string())
    })?;
    let receipt = app.service.ledger().append(record).await.map_err(|e| refused(&e))?;
    let status = if receipt.duplicate { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Json(receipt_dto(&app, &receipt))).into_response())
}

/// The receipt of a record.
#[utoipa::path(
    get, path = "/api/v1/records/{id}", tag = "log",
    params(("id" = inline(Uuid7), Path, description = "Id of the record, a UUID of version 7")),
    responses(
        (status = 200, description = "Where the record stands and how final it is", body = ReceiptDto),
        (status = 400, description = "Not a record id", body = ProblemDto),
        (status = 404, description = "No such record", body = ProblemDto),
    )
)]
pub(super) async fn receipt(
    State(app): State<AppState>,
    PathOf(id): PathOf<String>,
) -> Result<Json<ReceiptDto>, Problem> {
    let parsed = RecordId::parse(&id).map_err(|e| Problem::new(Code::BadRequest, e.to_string()))?;
    let receipt = app.service.ledger().record(parsed).map_err(|e| super::unreadable(&e))?;
    let receipt =
        receipt.ok_or_else(|| Problem::new(Code::NotFound, format!("there is no record {id}")))?;
    Ok(Json(receipt_dto(&app, &receipt)))
}

pub(super) fn receipt_dto(app: &AppState, receipt: &letopis_consensus::Receipt) -> ReceiptDto {
    let finality = Finality::of(app.service.ledger(), receipt.leaf_index);
    ReceiptDto {
        record_id: receipt.record_id.to_string(),
        leaf: receipt.leaf_index.get(),
        leaf_hash: receipt.leaf_hash.to_base64(),
        time: receipt.time.to_string(),
        state: finality.as_str(),
        published_size: finality.published_size().get(),
        leaves_to_final: (receipt.leaf_index.get() + 1)
            .saturating_sub(finality.published_size().get()),
    }
}

fn content(kind: &'static str, cache: &'static str, body: impl IntoResponse) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, cache)], body).into_response()
}
