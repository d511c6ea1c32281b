//! The inbox of an official: what waits, as the official sees it.
//!
//! Not here: the cases themselves (`card`), and what is done about them.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use letopis_ledger::StreamVersion;
use letopis_registry::engine::ToAgree;
use letopis_registry::projection::{NoticeRow, RequestRow, WorkRow};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::no_store;
use crate::http::AppState;
use crate::http::application::{TextDto, engine_problem};
use crate::http::notice::notice_text;
use crate::http::pack::ProposedDto;
use crate::http::problem::{Problem, ProblemDto};
use crate::http::staff::Acting;

/// What waits for an official, the ones due first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InboxDto {
    /// Open cases that the official works on.
    cases: Vec<WorkDto>,
    /// Open requests that the official may answer.
    requests: Vec<AskedDto>,
    /// Proposals that the official may agree to.
    proposals: Vec<ToAgreeDto>,
    /// Versions of packs whose open stage the official may sign.
    versions: Vec<ProposedDto>,
    /// Notices that the official posts or tells by telephone, and then settles.
    notices: Vec<QueuedNoticeDto>,
    /// Leaves that this answer reflects.
    position: u64,
}

/// A notice that somebody posts or tells by telephone.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueuedNoticeDto {
    case: String,
    /// Its number, by which it is settled.
    notice: Option<u64>,
    channel: Option<String>,
    /// What it tells, as in `registered`, and in words by language.
    kind: String,
    text: TextDto,
    /// When that happened.
    at: String,
}

/// A case that an official works on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WorkDto {
    case: String,
    unit: String,
    /// Number of the newest proposal, if there is one.
    proposal: Option<u64>,
    /// `waiting`, `returned` or `decided`.
    proposal_state: Option<String>,
}

/// A request that an official may answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AskedDto {
    case: String,
    request: String,
    /// `unit`, `head`, `executor`, `organisation`, or `external`, whose answer is entered; of an
    /// escalated one, who was asked first.
    kind: String,
    /// The unit that answers, or the name of who is asked.
    of: String,
    sent_at: String,
    mandatory: bool,
    due: String,
    /// Why an official takes it over: `no_data`, `timed_out` or `unanswered`.
    #[serde(skip_serializing_if = "Option::is_none")]
    escalated: Option<&'static str>,
}

/// A proposal that an official may agree to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ToAgreeDto {
    case: String,
    proposal: u64,
    /// The text to sign, in the DSSE encoding of type
    /// `application/vnd.letopis.agreement.v1+json`.
    text: String,
}

/// What waits for the official who asks.
#[utoipa::path(
    get, path = "/api/v1/inbox", tag = "officials",
    security(("official" = [])),
    responses(
        (status = 200, description = "Cases, requests and proposals, due first", body = InboxDto),
        (status = 401, description = "Not an official's token", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(in crate::http) async fn inbox(
    State(app): State<AppState>,
    Acting(official): Acting,
) -> Result<Response, Problem> {
    let inbox = app.service.engine().inbox(&official).await;
    let inbox = inbox.map_err(|error| engine_problem(&error))?;
    Ok(no_store(Json(InboxDto {
        cases: inbox.cases.iter().map(WorkDto::of).collect(),
        requests: inbox
            .requests
            .iter()
            .map(|asked| AskedDto::of(asked.case.to_string(), &asked.request))
            .collect(),
        proposals: inbox.proposals.iter().map(ToAgreeDto::of).collect(),
        versions: inbox.versions.iter().map(ProposedDto::of).collect(),
        notices: inbox.notices.iter().map(QueuedNoticeDto::of).collect(),
        position: app.service.position().get(),
    })))
}

impl WorkDto {
    fn of(row: &WorkRow) -> Self {
        let (proposal, proposal_state) = row.proposal.clone().unzip();
        Self {
            case: row.case.to_string(),
            unit: row.unit.to_string(),
            proposal: proposal.map(StreamVersion::get),
            proposal_state,
        }
    }
}

impl AskedDto {
    fn of(case: String, row: &RequestRow) -> Self {
        Self {
            case,
            request: row.request.to_string(),
            kind: row.kind.clone(),
            of: match &row.escalated {
                Some(escalated) => escalated.post.unit.to_string(),
                None => row.target.clone(),
            },
            sent_at: row.sent_at.to_string(),
            mandatory: row.mandatory,
            due: row.due.to_string(),
            escalated: row.escalated.as_ref().map(|escalated| escalated.reason.as_str()),
        }
    }
}

impl ToAgreeDto {
    pub(super) fn of(to_agree: &ToAgree) -> Self {
        Self {
            case: to_agree.case.to_string(),
            proposal: to_agree.proposal.get(),
            text: String::from_utf8_lossy(&to_agree.text).into_owned(),
        }
    }
}

impl QueuedNoticeDto {
    fn of(row: &NoticeRow) -> Self {
        Self {
            case: row.case.to_string(),
            notice: row.version.map(StreamVersion::get),
            channel: row.channel.clone(),
            kind: row.kind.clone(),
            text: notice_text(&row.kind),
            at: row.at.to_string(),
        }
    }
}
