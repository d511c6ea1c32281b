//! Control: one list of the open cases of all agencies, and who decided what.
//!
//! For officials and the operator; what it shows is in the public log, but told together it is
//! about people at work. Not here: figures about services (`statistics`).

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::request::Parts;
use letopis_ledger::id::AgencyId;
use letopis_ledger::{LeafIndex, Timestamp};
use letopis_registry::code::ServiceCode;
use letopis_registry::environment::Clock;
use letopis_registry::event::CaseId;
use letopis_registry::projection::{
    ControlQuery, ControlRow, DecidedRow, OfficialFigures, OpenRequest, Reflected, Stage,
};
use letopis_registry::statistics::{
    CalendarBook, Officials, PathHistory, history_from, per_mille, remaining, risk, working_ms,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::problem::{Problem, ProblemDto};
use super::registry::tables;
use super::staff::{Acting, official_id};
use super::{AppState, Operator};
use crate::service::environment::System;

/// Most rows of one answer.
const PAGE_MAX: u32 = 200;
/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// An official, or the operator.
pub(crate) struct Supervisor;

impl FromRequestParts<AppState> for Supervisor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        if Operator::from_request_parts(parts, app).await.is_ok() {
            return Ok(Self);
        }
        Acting::from_request_parts(parts, app).await.map(|_official| Self)
    }
}

/// Which open cases.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CasesQuery {
    /// Of this agency.
    agency: Option<String>,
    /// Of this service.
    service: Option<String>,
    /// In this stage: `suspended`, `agreement`, `official`, `requests` or `decision`.
    stage: Option<String>,
    /// That this official works on.
    official: Option<String>,
    /// `next` of the page before.
    after: Option<String>,
    /// Most cases of the page, at most 200.
    #[serde(default = "page_default")]
    #[param(minimum = 1, maximum = 200, required = false)]
    limit: u32,
}

/// Which decisions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DecisionsQuery {
    /// That this official proposed, agreed to or signed.
    official: Option<String>,
    /// `next` of the page before.
    after: Option<String>,
    /// Most decisions of the page, at most 200.
    #[serde(default = "page_default")]
    #[param(minimum = 1, maximum = 200, required = false)]
    limit: u32,
}

const fn page_default() -> u32 {
    50
}

/// An open case.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ControlDto {
    id: String,
    number: String,
    agency: String,
    service: String,
    channel: String,
    registered_at: String,
    /// The end of its term.
    due: String,
    /// Whether a calendar not yet published may move it.
    provisional: bool,
    /// What it waits for: `suspended`, `agreement`, `official`, `requests` or `decision`.
    stage: &'static str,
    /// Since when.
    stage_since: String,
    /// Requests without an answer.
    open_requests: Vec<OpenRequestDto>,
    /// Number of the proposal that waits for agreement.
    proposal: Option<u64>,
    /// When its clock stopped, if it stands still.
    suspended_at: Option<String>,
    /// Last instant at which it may stand still.
    suspended_until: Option<String>,
    /// The end of the term of the stage of proposal or agreement, where it has one of its own.
    stage_due: Option<String>,
    /// Whether it is on record that this has passed.
    stage_breached: bool,
    unit: Option<String>,
    /// Id of the official who works on it.
    official: Option<String>,
    /// What is left of the term, in milliseconds; negative after its end.
    remaining_ms: i64,
    /// What of that lies on working days.
    remaining_working_ms: i64,
    /// Whether the warning before the end is on record.
    warned: bool,
    /// The end of the term that is on record as broken.
    breached: Option<String>,
    /// `low`, `high`, `red`, or `unknown` without a history.
    risk: &'static str,
    /// The last leaf that changed it.
    leaf: u64,
}

/// A request without an answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OpenRequestDto {
    request: String,
    /// Whether the decision waits for it.
    mandatory: bool,
    /// Last instant at which an answer is in time.
    due: String,
    /// Whether it is on record that this has passed.
    breached: bool,
}

/// A page of open cases, those due first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CasesDto {
    cases: Vec<ControlDto>,
    /// The instant that what is left is counted from.
    now: String,
    /// Give this as `after` to get the next page; absent on the last one.
    next: Option<String>,
    /// Leaves that this answer reflects.
    position: u64,
}

/// A decision with who made it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DecidedDto {
    /// Id of the case.
    id: String,
    agency: String,
    service: String,
    decided_at: String,
    /// `granted` or `refused`.
    outcome: String,
    grounds: Vec<String>,
    /// Id of who proposed it; absent when the rules decided alone.
    proposed_by: Option<String>,
    /// Id of who signed it.
    signed_by: Option<String>,
    /// Proposals that were returned before.
    returns: u64,
    leaf: u64,
}

/// A page of decisions in the order of the log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DecidedPageDto {
    decisions: Vec<DecidedDto>,
    /// Give this as `after` to get the next page; absent on the last one.
    next: Option<String>,
    /// Leaves that this answer reflects.
    position: u64,
}

/// What an official did with proposals.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OfficialFiguresDto {
    /// Id of the official.
    official: String,
    /// Proposals made.
    proposed: u64,
    /// Of them, returned by somebody.
    reversed: u64,
    /// `reversed` of `proposed`, in thousandths.
    reversal_per_mille: Option<u32>,
    /// Proposals made that are decisions.
    decided: u64,
    /// Proposals of others agreed to, signatures included.
    agreed: u64,
    /// Decisions signed.
    signed: u64,
    /// Proposals of others returned.
    returned: u64,
}

/// What each official did.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OfficialsFiguresDto {
    officials: Vec<OfficialFiguresDto>,
    /// Leaves that this answer reflects.
    position: u64,
}

/// Open cases of all agencies with stage, owner and what is left of their terms, those due first.
#[utoipa::path(
    get, path = "/api/v1/control/cases", tag = "statistics",
    params(CasesQuery),
    security(("official" = []), ("operator" = [])),
    responses(
        (status = 200, description = "A page of open cases", body = CasesDto),
        (status = 400, description = "Not a page", body = ProblemDto),
        (status = 401, description = "Neither an official's nor the operator's token",
         body = ProblemDto),
    )
)]
pub(super) async fn cases(
    State(app): State<AppState>,
    _supervisor: Supervisor,
    query: Result<Query<CasesQuery>, QueryRejection>,
) -> Result<Json<CasesDto>, Problem> {
    let Query(query) = query.map_err(|e| Problem::bad_request(e.body_text()))?;
    let asked = query.read()?;
    let now = System.now();
    let (model, book) = (app.service.model(), app.service.engine().calendar_book());
    let Reflected { size, value } = model.control(&asked).map_err(|e| tables(&e))?;
    let since = history_from(now);
    let paths = model.paths_to_end(since).map_err(|e| tables(&e))?.value;
    let officials = model.throughput(since).map_err(|e| tables(&e))?.value;
    let view = View { now, history: PathHistory::new(&paths, now, &book), officials, book };
    let full = value.len() as u64 == u64::from(asked.most);
    let next = value.last().filter(|_| full);
    let next = next.map(|row| format!("{}.{}", row.due.unix_ms(), row.case));
    let cases = value.iter().map(|row| view.case(row)).collect();
    Ok(Json(CasesDto { cases, now: now.to_string(), next, position: size.get() }))
}

/// Decisions with who proposed and signed each, in the order of the log.
#[utoipa::path(
    get, path = "/api/v1/control/decisions", tag = "statistics",
    params(DecisionsQuery),
    security(("official" = []), ("operator" = [])),
    responses(
        (status = 200, description = "A page of decisions", body = DecidedPageDto),
        (status = 400, description = "Not a page", body = ProblemDto),
        (status = 401, description = "Neither an official's nor the operator's token",
         body = ProblemDto),
    )
)]
pub(super) async fn decisions(
    State(app): State<AppState>,
    _supervisor: Supervisor,
    query: Result<Query<DecisionsQuery>, QueryRejection>,
) -> Result<Json<DecidedPageDto>, Problem> {
    let Query(query) = query.map_err(|e| Problem::bad_request(e.body_text()))?;
    let official = query.official.as_deref().map(official_id).transpose()?;
    let most = page_size(query.limit)?;
    let after = query.after.as_deref().map(|text| {
        let (leaf, case) = cursor(text)?;
        u64::try_from(leaf).map(|leaf| (LeafIndex::new(leaf), case)).map_err(|_| no_cursor(text))
    });
    let found = app.service.model().decided_by(official, after.transpose()?, most);
    let Reflected { size, value } = found.map_err(|e| tables(&e))?;
    let full = value.len() as u64 == u64::from(most);
    let next = value.last().filter(|_| full);
    let next = next.map(|row| format!("{}.{}", row.leaf, row.case));
    let decisions = value.iter().map(DecidedDto::of).collect();
    Ok(Json(DecidedPageDto { decisions, next, position: size.get() }))
}

/// What each official did with proposals, and how often theirs were returned.
#[utoipa::path(
    get, path = "/api/v1/control/officials", tag = "statistics",
    security(("official" = []), ("operator" = [])),
    responses(
        (status = 200, description = "Officials by id", body = OfficialsFiguresDto),
        (status = 401, description = "Neither an official's nor the operator's token",
         body = ProblemDto),
    )
)]
pub(super) async fn officials(
    State(app): State<AppState>,
    _supervisor: Supervisor,
) -> Result<Json<OfficialsFiguresDto>, Problem> {
    let found = app.service.model().official_figures().map_err(|e| tables(&e))?;
    let officials = found.value.iter().map(OfficialFiguresDto::of).collect();
    Ok(Json(OfficialsFiguresDto { officials, position: found.size.get() }))
}

/// What open cases are compared with.
struct View {
    now: Timestamp,
    history: PathHistory,
    officials: Officials,
    book: CalendarBook,
}

impl View {
    fn case(&self, row: &ControlRow) -> ControlDto {
        let calendar = self.book.of(&row.service);
        let left = remaining((row.due, row.suspended_at), self.now, calendar);
        let p75_ms = self.history.p75_ms(&row.service, row.stage.as_str());
        let work = row.official.and_then(|official| self.officials.get(&official)).copied();
        let working_days = working_ms(calendar, history_from(self.now), self.now) / DAY_MS;
        let risk = risk(left, p75_ms, work, working_days.unsigned_abs());
        let request = |open: &OpenRequest| OpenRequestDto {
            request: open.request.to_string(),
            mandatory: open.mandatory,
            due: open.due.to_string(),
            breached: open.breached,
        };
        ControlDto {
            id: row.case.to_string(),
            number: row.number.clone(),
            agency: row.agency.to_string(),
            service: row.service.to_string(),
            channel: row.channel.to_string(),
            registered_at: row.registered_at.to_string(),
            due: row.due.to_string(),
            provisional: row.provisional,
            stage: row.stage.as_str(),
            stage_since: row.stage_since.to_string(),
            open_requests: row.open_requests.iter().map(request).collect(),
            proposal: row.proposal.map(letopis_ledger::StreamVersion::get),
            suspended_at: row.suspended_at.map(|at| at.to_string()),
            suspended_until: row.suspended_until.map(|at| at.to_string()),
            stage_due: row.stage_due.map(|due| due.to_string()),
            stage_breached: row.stage_breached,
            unit: row.unit.as_ref().map(ToString::to_string),
            official: row.official.map(|official| official.to_string()),
            remaining_ms: left.clock_ms,
            remaining_working_ms: left.working_ms,
            warned: row.warned,
            breached: row.breached.map(|due| due.to_string()),
            risk: risk.as_str(),
            leaf: row.leaf.get(),
        }
    }
}

impl CasesQuery {
    fn read(&self) -> Result<ControlQuery, Problem> {
        let text = |text: &Option<String>| text.clone();
        let stage = text(&self.stage).map(|text| {
            Stage::parse(&text)
                .ok_or_else(|| Problem::bad_request(format!("{text:?} is not a stage")))
        });
        let agency = self.agency.as_deref().map(AgencyId::parse).transpose();
        let service = self.service.as_deref().map(ServiceCode::parse).transpose();
        let after = self.after.as_deref().map(|text| {
            let (due_ms, case) = cursor(text)?;
            let due = Timestamp::from_unix_ms(due_ms).map_err(|_| no_cursor(text))?;
            Ok((due, case))
        });
        Ok(ControlQuery {
            agency: agency.map_err(Problem::bad_request)?,
            service: service.map_err(Problem::bad_request)?,
            stage: stage.transpose()?,
            official: self.official.as_deref().map(official_id).transpose()?,
            after: after.transpose()?,
            most: page_size(self.limit)?,
        })
    }
}

fn no_cursor(text: &str) -> Problem {
    Problem::bad_request(format!("{text:?} is not the next of a page"))
}

/// A number and a case, joined by a dot.
fn cursor(text: &str) -> Result<(i64, CaseId), Problem> {
    let parts = text.split_once('.');
    let read =
        parts.and_then(|(number, case)| Some((number.parse().ok()?, CaseId::parse(case).ok()?)));
    read.ok_or_else(|| no_cursor(text))
}

fn page_size(limit: u32) -> Result<u32, Problem> {
    if (1..=PAGE_MAX).contains(&limit) {
        return Ok(limit);
    }
    Err(Problem::bad_request(format!("limit {limit} is not 1 to {PAGE_MAX}")))
}

impl DecidedDto {
    fn of(row: &DecidedRow) -> Self {
        Self {
            id: row.case.to_string(),
            agency: row.agency.to_string(),
            service: row.service.to_string(),
            decided_at: row.decided_at.to_string(),
            outcome: row.outcome.clone(),
            grounds: row.grounds.iter().map(ToString::to_string).collect(),
            proposed_by: row.proposed_by.map(|official| official.to_string()),
            signed_by: row.signed_by.map(|official| official.to_string()),
            returns: row.returns,
            leaf: row.leaf.get(),
        }
    }
}

impl OfficialFiguresDto {
    fn of(figures: &OfficialFigures) -> Self {
        Self {
            official: figures.official.to_string(),
            proposed: figures.proposed,
            reversed: figures.reversed,
            reversal_per_mille: per_mille(figures.reversed, figures.proposed),
            decided: figures.decided,
            agreed: figures.agreed,
            signed: figures.signed,
            returned: figures.returned,
        }
    }
}
