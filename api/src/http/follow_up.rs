//! Cases about an entry that exists, as answers tell of them: what such a case is about, and which
//! cases followed one that gave an entry. Also who may ask for an entry to go on.

use axum::http::HeaderMap;
use letopis_ledger::id::StreamName;
use letopis_registry::code::ServiceCode;
use letopis_registry::event::{About, CaseId, Cause};
use letopis_registry::private::AccessToken;
use letopis_registry::projection::FollowUpRow;
use serde::Serialize;
use utoipa::ToSchema;

use super::application::engine_problem;
use super::problem::{Code, Problem};
use super::registry::tables;
use super::{AppState, bearer};

/// What a case about an entry that exists is about.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AboutDto {
    /// The entry's stream.
    registry_entry: String,
    /// `renewal` or `review`.
    cause: String,
    /// Stream of the entry of another registry whose change began a review.
    #[serde(skip_serializing_if = "Option::is_none")]
    fact: Option<String>,
}

/// A case about the entry that another case gave.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FollowUpDto {
    /// Id of the case.
    id: String,
    /// Number of the case.
    number: String,
    /// `renewal` or `review`.
    cause: String,
    /// `in_progress`, `granted`, `refused`, `not_taken` or `cancelled`.
    status: &'static str,
}

impl AboutDto {
    pub(super) fn of(row: &FollowUpRow) -> Self {
        Self {
            registry_entry: row.entry.to_string(),
            cause: row.cause.clone(),
            fact: row.fact.as_ref().map(ToString::to_string),
        }
    }

    /// From what the case itself says.
    pub(super) fn said(about: &About) -> Self {
        let fact = match &about.cause {
            Cause::Renewal => None,
            Cause::Review { fact } => Some(fact.stream.to_string()),
        };
        let registry_entry = about.entry.stream.to_string();
        Self { registry_entry, cause: about.cause.as_str().to_owned(), fact }
    }
}

impl FollowUpDto {
    fn of(row: &FollowUpRow) -> Self {
        Self {
            id: row.case.to_string(),
            number: row.number.clone(),
            cause: row.cause.clone(),
            status: row.status.as_str(),
        }
    }
}

/// What a case is about, and the cases that came after it about the entry that it gave.
pub(super) fn follow_ups(
    app: &AppState,
    case: CaseId,
) -> Result<(Option<AboutDto>, Vec<FollowUpDto>), Problem> {
    let model = app.service.model();
    let about = model.follow_up(case).map_err(|error| tables(&error))?.value;
    let later = later_rows(app, case)?;
    Ok((about.as_ref().map(AboutDto::of), later.iter().map(FollowUpDto::of).collect()))
}

/// The cases that came after a case about the entry that it gave, oldest first.
pub(super) fn later_rows(app: &AppState, case: CaseId) -> Result<Vec<FollowUpRow>, Problem> {
    let model = app.service.model();
    let unreadable = |error| tables(&error);
    let Some(entry) = model.entry_of_case(case).map_err(unreadable)?.value else {
        return Ok(vec![]);
    };
    let ended = model.case(case).map_err(unreadable)?.value.and_then(|row| row.ended_leaf);
    let mut rows = model.follow_ups_of(&entry.stream).map_err(unreadable)?.value;
    rows.retain(|row| row.case != case && Some(row.leaf) > ended);
    Ok(rows)
}

/// The entry that an application asks to go on, if who applies holds the token of a case by which
/// somebody got it.
pub(super) fn renewed(
    app: &AppState,
    (service, name): (&ServiceCode, &str),
    headers: &HeaderMap,
) -> Result<StreamName, Problem> {
    let engine = app.service.engine();
    let entry = engine.given_entry(service, name).map_err(|error| engine_problem(&error))?;
    let refused = || {
        let detail = "send the token of the case by which the entry was given as Authorization: \
                      Bearer, or apply at the agency";
        Problem::new(Code::Unauthorized, detail)
    };
    let token = bearer(headers).and_then(|token| AccessToken::parse(token).ok());
    let token = token.ok_or_else(refused)?;
    let holds = engine.holds_entry(&token, &entry).map_err(|error| engine_problem(&error))?;
    if holds { Ok(entry) } else { Err(refused()) }
}
