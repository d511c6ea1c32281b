//! Notices: read by the applicant, settled by the official who posted or telephoned one.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use letopis_ledger::StreamVersion;
use letopis_registry::projection::NoticeRow;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::application::{TextDto, admit, case_id, engine_problem};
use super::body::JsonOf;
use super::document::{Index, Uuid7};
use super::follow_up::later_rows;
use super::problem::{Code, Problem, ProblemDto};
use super::registry::tables;
use super::staff::Acting;
use super::{AppState, PathOf};
use letopis_registry::messages::{Language, MessageId};

/// The notices of a case.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NoticesDto {
    notices: Vec<NoticeDto>,
    /// Leaves that this answer reflects.
    position: u64,
}

/// One notice.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NoticeDto {
    /// `registered`, `not_taken`, `asked`, `term_changed`, `term_broken`, `granted`, `refused`,
    /// `cancelled` or `withdrawn`; of a case about an entry also `renewed`, `review_begun`,
    /// `revised`, `ended` or `entry_gone`.
    kind: String,
    /// Id of the case that it tells of: that of a review which began by itself is another one.
    case: String,
    /// The same in words, by language.
    text: TextDto,
    /// When it happened.
    at: String,
    /// How it goes out; absent while it is due.
    channel: Option<String>,
    /// Its number, by which it is settled.
    notice: Option<u64>,
    /// `due`, `queued`, `delivered` or `failed`.
    state: String,
}

/// What became of a notice.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SettlementDto {
    /// Whether it came to the applicant.
    delivered: bool,
}

/// What the applicant was told, and how: of the case, and of reviews of what it gave.
#[utoipa::path(
    get, path = "/api/v1/applications/{id}/notices", tag = "services",
    params(("id" = inline(Uuid7), Path, description = "Id of the case")),
    security(("case" = [])),
    responses(
        (status = 200, description = "Notices, the first one first", body = NoticesDto),
        (status = 400, description = "Not an id", body = ProblemDto),
        (status = 401, description = "Not the case's token", body = ProblemDto),
        (status = 503, description = "Stopping or out of order", body = ProblemDto),
    )
)]
pub(super) async fn notices(
    State(app): State<AppState>,
    id: PathOf<String>,
    headers: HeaderMap,
) -> Result<Json<NoticesDto>, Problem> {
    let case = case_id(&id.0)?;
    admit(&app, case, &headers)?;
    let found = app.service.model().notices(case).map_err(|error| tables(&error))?;
    let mut notices: Vec<NoticeDto> = found.value.iter().map(NoticeDto::of).collect();
    for later in later_rows(&app, case)? {
        // A review is shown to who holds the token of the case before it.
        if later.cause == "review" && admit(&app, later.case, &headers).is_ok() {
            let found = app.service.model().notices(later.case).map_err(|error| tables(&error))?;
            notices.extend(found.value.iter().map(NoticeDto::of));
        }
    }
    Ok(Json(NoticesDto { notices, position: found.size.get() }))
}

/// Notes whether a letter or a call came to the applicant.
#[utoipa::path(
    post, path = "/api/v1/cases/{id}/notices/{notice}", tag = "officials",
    params(
        ("id" = inline(Uuid7), Path, description = "Id of the case"),
        ("notice" = inline(Index), Path, description = "Number of the notice"),
    ),
    request_body = SettlementDto, security(("official" = [])),
    responses(
        (status = 204, description = "Noted"),
        (status = 400, description = "Not of this shape", body = ProblemDto),
        (status = 401, description = "Not an official's token", body = ProblemDto),
        (status = 404, description = "No such case", body = ProblemDto),
        (status = 422, description = "No such notice waits", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn settle(
    State(app): State<AppState>,
    Acting(official): Acting,
    path: PathOf<(String, u64)>,
    JsonOf(body): JsonOf<SettlementDto>,
) -> Result<StatusCode, Problem> {
    let (id, notice) = path.0;
    let notice = (case_id(&id)?, StreamVersion::new(notice));
    if notice.1.get() >= 1 << 53 {
        return Err(Problem::new(Code::BadRequest, "not the number of a notice"));
    }
    let settled = app.service.engine().settle_notice(notice, &official, body.delivered).await;
    settled.map_err(|error| engine_problem(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a notice of a kind tells, in words.
pub(super) fn notice_text(kind: &str) -> TextDto {
    let message = match kind {
        "registered" => MessageId::NoticeRegistered,
        "not_taken" => MessageId::NoticeNotTaken,
        "asked" => MessageId::NoticeAsked,
        "term_changed" => MessageId::NoticeTermChanged,
        "term_broken" => MessageId::NoticeTermBroken,
        "granted" => MessageId::NoticeGranted,
        "refused" => MessageId::NoticeRefused,
        "withdrawn" => MessageId::NoticeWithdrawn,
        "renewed" => MessageId::NoticeRenewed,
        "review_begun" => MessageId::NoticeReviewBegun,
        "revised" => MessageId::NoticeRevised,
        "ended" => MessageId::NoticeEnded,
        "entry_gone" => MessageId::NoticeEntryGone,
        _ => MessageId::NoticeCancelled,
    };
    TextDto { ru: message.text(Language::Ru, &[]), en: message.text(Language::En, &[]) }
}

impl NoticeDto {
    fn of(row: &NoticeRow) -> Self {
        Self {
            kind: row.kind.clone(),
            case: row.case.to_string(),
            text: notice_text(&row.kind),
            at: row.at.to_string(),
            channel: row.channel.clone(),
            notice: row.version.map(StreamVersion::get),
            state: row.state.clone(),
        }
    }
}
