//! The node and its fellows, and records of governance: for the agency's operator.
//!
//! Not here: what the public reads of the log (`log`), and health (`operation`).

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use letopis_consensus::{NodeState, PeerStatus};
use letopis_ledger::StreamVersion;
use letopis_ledger::governance::{GovernanceEvent, SCHEMA_VERSION};
use letopis_ledger::id::{AgencyId, EventType, NodeId, StreamName};
use letopis_ledger::json::{Fields, Json as LedgerJson};
use letopis_ledger::record::Event;
use serde::Serialize;
use utoipa::ToSchema;

use super::body::JsonBytes;
use super::log::ReceiptDto;
use super::problem::{Code, Problem, ProblemDto};
use super::{AppState, Operator, PathOf, refused, unreadable};
use crate::service::governance::GovernanceFailed;

/// A node as it sees itself and the others.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NodeDto {
    /// Name of the log.
    origin: String,
    /// The agency that runs this node.
    agency: String,
    /// Number of this node.
    node: u64,
    /// `leader`, `follower`, `candidate`, `learner` or `stopping`.
    role: &'static str,
    /// Raft term.
    term: u64,
    /// Number of the node that leads, if one is known.
    leader: Option<u64>,
    /// Numbers of the voters.
    voters: Vec<u64>,
    /// How far each stage is, in leaves.
    positions: PositionsDto,
    /// Bytes of the node's folder, and free bytes beside it.
    disk: DiskDto,
    /// Witnesses of the policy in force that cosigned the published head.
    cosigners: Vec<String>,
    /// Every node that the log names.
    nodes: Vec<NodeStateDto>,
}

/// How far each stage is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PositionsDto {
    /// Raft entries known to be committed.
    committed_entry: Option<u64>,
    /// Last Raft entry.
    last_entry: Option<u64>,
    /// Leaves applied.
    applied: u64,
    /// Leaves of the last agreed tree head.
    agreed: u64,
    /// Leaves of the last signed head.
    signed: u64,
    /// Leaves of the last cosigned head.
    cosigned: u64,
    /// Leaves of the published head.
    published: u64,
}

/// Room on the disk.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DiskDto {
    /// Bytes of the node's data.
    used_bytes: u64,
    /// Bytes that can still be written beside it.
    free_bytes: u64,
}

/// A node that the log names.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NodeStateDto {
    /// Its number.
    node: u64,
    /// Whose it is.
    agency: String,
    /// Host and port for other nodes.
    address: String,
    /// SHA-256 of its certificate's public key, in hexadecimal.
    key: String,
    /// `voter`, `learner` or `removed`.
    role: String,
    /// Whether it answers this node; absent for this node itself and for removed ones.
    answers: Option<bool>,
    /// Leaves that it has, when it answers.
    applied: Option<u64>,
    /// Leaves that it lacks of what this node has, when it answers.
    lag: Option<u64>,
    /// Leaves of the last head that it cosigned, when it answers.
    cosigned: Option<u64>,
}

/// This node, the others, and how far everyone is.
#[utoipa::path(
    get, path = "/api/v1/node", tag = "operations",
    security(("operator" = [])),
    responses(
        (status = 200, description = "The node", body = NodeDto),
        (status = 401, description = "No operator's token", body = ProblemDto),
        (status = 503, description = "The node is stopping", body = ProblemDto),
    )
)]
pub(super) async fn status(
    State(app): State<AppState>,
    _: Operator,
) -> Result<Json<NodeDto>, Problem> {
    let ledger = app.service.ledger();
    let status = ledger.status().map_err(|e| unreadable(&e))?;
    let nodes = ledger.nodes().map_err(|e| unreadable(&e))?;
    let applied = status.positions.applied.get();
    let nodes = nodes.iter().map(|(node, state)| {
        let peer = status.peers.iter().find(|peer| peer.node == *node);
        node_dto(*node, state, peer, applied)
    });
    let positions = status.positions;
    let policy = ledger.policy().map_err(|e| unreadable(&e))?;
    let data = app.service.data_folder().to_owned();
    let disk = tokio::task::spawn_blocking(move || disk(&data)).await;
    let disk = disk.unwrap_or(DiskDto { used_bytes: 0, free_bytes: 0 });
    Ok(Json(NodeDto {
        origin: ledger.origin().to_string(),
        agency: app.service.engine().agency().to_string(),
        node: status.node.get(),
        role: status.role.name(),
        term: status.term,
        leader: status.leader.map(NodeId::get),
        voters: status.voters,
        positions: PositionsDto {
            committed_entry: positions.committed_entry,
            last_entry: positions.last_entry,
            applied,
            agreed: positions.agreed.get(),
            signed: positions.signed.get(),
            cosigned: positions.cosigned.get(),
            published: positions.published.get(),
        },
        disk,
        cosigners: cosigners(&app, policy.as_deref()),
        nodes: nodes.collect(),
    }))
}

fn node_dto(
    node: NodeId,
    state: &NodeState,
    peer: Option<&PeerStatus>,
    applied: u64,
) -> NodeStateDto {
    let removed = state.removed.is_some();
    let answered = peer.and_then(|peer| peer.answered);
    NodeStateDto {
        node: node.get(),
        agency: state.agency.to_string(),
        address: state.address.clone(),
        key: state.key.to_hex(),
        role: if removed { "removed".to_owned() } else { state.role.to_string() },
        answers: peer.map(|peer| peer.answered.is_some()),
        applied: answered.map(|peer| peer.applied.get()),
        lag: answered.map(|peer| applied.saturating_sub(peer.applied.get())),
        cosigned: answered.map(|peer| peer.cosigned.get()),
    }
}

fn cosigners(app: &AppState, policy: Option<&str>) -> Vec<String> {
    let policy = policy.and_then(|text| letopis_ledger::policy::Policy::parse(text).ok());
    let checkpoint = app.service.ledger().checkpoint();
    let (Some(policy), Some(checkpoint)) = (policy, checkpoint) else { return Vec::new() };
    let verified = policy.check(&checkpoint.note);
    let names = |verified: letopis_ledger::policy::VerifiedCheckpoint| {
        verified.cosigners().iter().map(|cosigner| cosigner.witness.to_string()).collect()
    };
    verified.map(names).unwrap_or_default()
}

fn disk(folder: &std::path::Path) -> DiskDto {
    DiskDto { used_bytes: used_bytes(folder), free_bytes: free_bytes(folder).unwrap_or(0) }
}

/// Bytes that can still be written beside a folder.
pub(super) fn free_bytes(folder: &std::path::Path) -> Option<u64> {
    let filesystem = rustix::fs::statvfs(folder).ok()?;
    Some(filesystem.f_bavail.saturating_mul(filesystem.f_frsize))
}

/// Bytes of the files in a folder, links not followed.
fn used_bytes(folder: &std::path::Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let bytes = entries.filter_map(Result::ok).map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => used_bytes(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    bytes.sum()
}

/// An agency as the log knows it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AgencyDto {
    /// Its id.
    agency: String,
    /// Leaf that admitted it.
    admitted: u64,
    /// Leaf that removed it, if one did.
    removed: Option<u64>,
}

/// Whether the log has admitted an agency, and removed it.
#[utoipa::path(
    get, path = "/api/v1/agencies/{id}", tag = "log",
    params(("id" = String, Path, description = "Id of the agency")),
    responses(
        (status = 200, description = "The agency", body = AgencyDto),
        (status = 400, description = "Not an agency's id", body = ProblemDto),
        (status = 404, description = "No such agency", body = ProblemDto),
    )
)]
pub(super) async fn agency(
    State(app): State<AppState>,
    PathOf(id): PathOf<String>,
) -> Result<Json<AgencyDto>, Problem> {
    let id = AgencyId::parse(&id).map_err(|e| Problem::new(Code::BadRequest, e.to_string()))?;
    let state = app.service.ledger().agency(&id).map_err(|e| unreadable(&e))?;
    let state = state.ok_or_else(|| Problem::new(Code::NotFound, format!("no agency {id}")))?;
    Ok(Json(AgencyDto {
        agency: id.to_string(),
        admitted: state.admitted.get(),
        removed: state.removed.map(letopis_ledger::LeafIndex::get),
    }))
}

/// Appends events about agencies, keys, nodes and the quorum as one record of this agency.
#[utoipa::path(
    post, path = "/api/v1/governance", tag = "operations",
    security(("operator" = [])),
    request_body(
        content_type = "application/json",
        description = "`{\"events\": [{\"stream\", \"type\", \"data\"}, …]}`, see docs/FORMAT.md",
        content = Object
    ),
    responses(
        (status = 201, description = "Appended", body = ReceiptDto),
        (status = 400, description = "Not governance events", body = ProblemDto),
        (status = 401, description = "No operator's token", body = ProblemDto),
        (status = 409, description = "Contradicts what the log holds", body = ProblemDto),
        (status = 413, description = "Too large", body = ProblemDto),
        (status = 422, description = "Breaks a rule of the log", body = ProblemDto),
        (status = 503, description = "Busy or without a quorum", body = ProblemDto),
    )
)]
pub(super) async fn govern(
    State(app): State<AppState>,
    _: Operator,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Problem> {
    let malformed = |reason: String| {
        Problem::with_specific_code(Code::BadRequest, "governance-malformed", reason)
    };
    let events = read_events(&body).map_err(malformed)?;
    let receipt = app.service.govern(&events).await.map_err(|error| match error {
        GovernanceFailed::Append(error) => refused(&error),
        GovernanceFailed::Read(error) => unreadable(&error),
        GovernanceFailed::Record(error) => malformed(error.to_string()),
        GovernanceFailed::Id(reason) => Problem::new(Code::Internal, reason),
    })?;
    Ok((StatusCode::CREATED, Json(super::log::receipt_dto(&app, &receipt))).into_response())
}

fn read_events(body: &[u8]) -> Result<Vec<GovernanceEvent>, String> {
    let json = LedgerJson::parse(body).map_err(|error| error.to_string())?;
    let mut fields = Fields::of("body", &json).map_err(|error| error.to_string())?;
    let events = fields.array("events").map_err(|error| error.to_string())?;
    fields.finish().map_err(|error| error.to_string())?;
    if events.is_empty() {
        return Err("there are no events".to_owned());
    }
    events.iter().map(|event| read_event(event).map_err(|error| error.to_string())).collect()
}

fn read_event(json: &LedgerJson) -> Result<GovernanceEvent, Box<dyn std::error::Error>> {
    let mut fields = Fields::of("event", json)?;
    let event = Event {
        stream: fields.parsed("stream", StreamName::parse)?,
        version: StreamVersion::ZERO,
        event_type: fields.parsed("type", EventType::parse)?,
        schema: SCHEMA_VERSION,
        data: fields.object("data")?.clone(),
        private: Vec::new(),
    };
    fields.finish()?;
    Ok(GovernanceEvent::read(&event)?)
}
