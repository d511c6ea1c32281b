//! Finding cases by what people know of them.
//!
//! Not here: the list of open cases by their ends (`control`).

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use letopis_registry::case::CaseStatus;
use letopis_registry::code::{ChannelCode, ServiceCode};
use letopis_registry::event::CaseId;
use letopis_registry::projection::{CaseSearch, FoundCase, Reflected};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::AppState;
use super::control::Supervisor;
use super::problem::{Problem, ProblemDto};
use super::registry::tables;
use super::staff::official_id;

/// Most cases of one answer.
const PAGE_MAX: u32 = 200;

/// What is known of a case; all of it must hold.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchQuery {
    /// Its number, or that of the refusal where it was not taken.
    number: Option<String>,
    service: Option<String>,
    /// `in_progress`, `granted`, `refused`, `not_taken` or `cancelled`.
    status: Option<String>,
    channel: Option<String>,
    /// Number of the receipt that the applicant has from another system.
    receipt: Option<String>,
    /// Number by which the applicant finds it in another system.
    cabinet: Option<String>,
    /// Id of the message by which another system sent it.
    message_id: Option<String>,
    /// The service as another system calls it.
    service_code: Option<String>,
    /// Id of the official who works on it.
    official: Option<String>,
    /// Id of the case after which the page begins.
    after: Option<String>,
    /// Most cases of the page, at most 200.
    #[serde(default = "page_default")]
    #[param(minimum = 1, maximum = 200, required = false)]
    limit: u32,
}

const fn page_default() -> u32 {
    50
}

/// Cases that were found, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FoundDto {
    cases: Vec<FoundCaseDto>,
    /// Give this as `after` to get the next page; absent on the last one.
    next: Option<String>,
    /// Leaves that this answer reflects.
    position: u64,
}

/// A case that was found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FoundCaseDto {
    id: String,
    number: Option<String>,
    service: String,
    channel: String,
    status: &'static str,
    submitted_at: String,
    due: Option<String>,
    /// Id of the official who works on it.
    official: Option<String>,
}

/// Finds cases of this agency by their number, service, status, channel and the names that another
/// system gave them.
#[utoipa::path(
    get, path = "/api/v1/cases", tag = "officials", params(SearchQuery),
    security(("official" = []), ("operator" = [])),
    responses(
        (status = 200, description = "Cases, the newest first", body = FoundDto),
        (status = 400, description = "Not a search", body = ProblemDto),
        (status = 401, description = "Neither an official's nor the operator's token",
         body = ProblemDto),
    )
)]
pub(super) async fn cases(
    State(app): State<AppState>,
    _supervisor: Supervisor,
    query: Result<Query<SearchQuery>, QueryRejection>,
) -> Result<Json<FoundDto>, Problem> {
    let Query(query) = query.map_err(|e| Problem::bad_request(e.body_text()))?;
    let search = query.read()?;
    let found = app.service.model().search(&search).map_err(|e| tables(&e))?;
    let Reflected { size, value } = found;
    let full = value.len() as u64 == u64::from(search.most);
    Ok(Json(FoundDto {
        next: value.last().filter(|_| full).map(|case| case.case.to_string()),
        cases: value.iter().map(FoundCaseDto::of).collect(),
        position: size.get(),
    }))
}

impl SearchQuery {
    fn read(self) -> Result<CaseSearch, Problem> {
        if !(1..=PAGE_MAX).contains(&self.limit) {
            let detail = format!("limit {} is not 1 to {PAGE_MAX}", self.limit);
            return Err(Problem::bad_request(detail));
        }
        let service = self.service.as_deref().map(ServiceCode::parse).transpose();
        let channel = self.channel.as_deref().map(ChannelCode::parse).transpose();
        let status = self.status.as_deref().map(|text| {
            CaseStatus::parse(text)
                .ok_or_else(|| Problem::bad_request(format!("{text:?} is not a status")))
        });
        let source = [
            ("receipt", self.receipt),
            ("cabinet", self.cabinet),
            ("message_id", self.message_id),
            ("service_code", self.service_code),
        ];
        Ok(CaseSearch {
            number: self.number,
            service: service.map_err(Problem::bad_request)?,
            status: status.transpose()?,
            channel: channel.map_err(Problem::bad_request)?,
            source: source.into_iter().filter_map(|(name, text)| Some((name, text?))).collect(),
            official: self.official.as_deref().map(official_id).transpose()?,
            after: self
                .after
                .as_deref()
                .map(CaseId::parse)
                .transpose()
                .map_err(Problem::bad_request)?,
            most: self.limit,
        })
    }
}

impl FoundCaseDto {
    fn of(case: &FoundCase) -> Self {
        Self {
            id: case.case.to_string(),
            number: case.number.clone(),
            service: case.service.to_string(),
            channel: case.channel.to_string(),
            status: case.status.as_str(),
            submitted_at: case.submitted_at.to_string(),
            due: case.due.map(|due| due.to_string()),
            official: case.official.map(|official| official.to_string()),
        }
    }
}
