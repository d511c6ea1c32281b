//! Figures about services, for everybody: docs/STATISTICS.md states every formula.
//!
//! They are counts and times of many cases, by codes and nobody's name. Not here: the list of open
//! cases and what officials did (`control`).

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use jiff::civil::Date;
use letopis_ledger::Timestamp;
use letopis_registry::code::ServiceCode;
use letopis_registry::environment::Clock;
use letopis_registry::projection::ConsultationRow;
use letopis_registry::statistics::{
    self as figures, Advice, CalendarBook, GroundWeek, LoadCell, MonthCounts, MonthEvent,
    MonthFact, MonthKey, Percentiles, SPIKE_WEEKS, ServiceTimes, Supplier, SupplierHealth,
    TopicFigures, week_of,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::AppState;
use super::problem::{Problem, ProblemDto};
use super::registry::tables;
use crate::service::environment::System;

/// Which days, on the clock of the node's agency.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DaysQuery {
    /// First day, as in 2026-11-01; from the beginning without it.
    #[param(format = Date)]
    from: Option<String>,
    /// Last day; to the end without it.
    #[param(format = Date)]
    until: Option<String>,
}

/// Which days, and which service.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LoadQuery {
    /// First day, as in 2026-11-01; from the beginning without it.
    #[param(format = Date)]
    from: Option<String>,
    /// Last day; to the end without it.
    #[param(format = Date)]
    until: Option<String>,
    /// Only this service.
    service: Option<String>,
}

/// Which week.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WeekQuery {
    /// A day of the week, as in 2026-11-25; today without it.
    #[param(format = Date)]
    week: Option<String>,
}

/// Percentiles by nearest rank, in milliseconds.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PercentilesDto {
    p50_ms: i64,
    p90_ms: i64,
    p99_ms: i64,
}

/// How long the finished cases of a service took.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServiceTimesDto {
    agency: String,
    service: String,
    granted: u64,
    refused: u64,
    /// Cases in which nobody took part between registration and end.
    automatic: u64,
    /// The same in thousandths of all.
    automatic_per_mille: Option<u32>,
    /// Cases that ended after the end of their term.
    late: u64,
    /// From registration to the end.
    elapsed: PercentilesDto,
    /// While the clock of the case ran.
    running: PercentilesDto,
    /// While it ran on working days.
    working: PercentilesDto,
    /// While it stood still.
    suspended: PercentilesDto,
    /// Cases that took at most a quarter of their term.
    fast: u64,
    ordinary: u64,
    /// Cases that took more than three quarters of it.
    slow: u64,
    /// The three in thousandths, 1000 together.
    fast_per_mille: u32,
    ordinary_per_mille: u32,
    slow_per_mille: u32,
}

/// Times by agency and service.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServicesTimesDto {
    services: Vec<ServiceTimesDto>,
    /// Leaves that this answer reflects.
    position: u64,
}

/// Counts of one month.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MonthDto {
    /// As in 2026-11.
    month: String,
    agency: String,
    service: String,
    channel: String,
    /// Applications that came.
    applications: u64,
    granted: u64,
    refused: u64,
    /// Applications that were not taken.
    not_taken: u64,
    cancelled: u64,
    consultations: u64,
    consultation_ms: u64,
}

/// Counts by month, agency, service and channel.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MonthsDto {
    months: Vec<MonthDto>,
    /// Leaves that this answer reflects.
    position: u64,
}

/// Consultations on one topic.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TopicDto {
    agency: String,
    service: String,
    topic: String,
    consultations: u64,
    answered: u64,
    sent_on: u64,
    /// Those that ended with an application.
    applied: u64,
    /// The same in thousandths of all.
    applied_per_mille: Option<u32>,
    /// How long they took on the clock.
    elapsed: PercentilesDto,
    /// How much of that was working time.
    working: PercentilesDto,
}

/// What people ask about, the most frequent first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TopicsDto {
    topics: Vec<TopicDto>,
    /// Leaves that this answer reflects.
    position: u64,
}

/// What came in one hour of one weekday.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HourDto {
    /// 1 is Monday, 7 is Sunday.
    weekday: u8,
    /// 0 to 23.
    hour: u8,
    applications: u64,
    consultations: u64,
    consultation_ms: u64,
}

/// The load of a week.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LoadDto {
    /// 168 hours from Monday midnight on.
    hours: Vec<HourDto>,
    /// Leaves that this answer reflects.
    position: u64,
}

/// How somebody who is asked does.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SupplierDto {
    /// The agency that asks.
    agency: String,
    /// `registry`, `external`, `organisation`, `unit`, `head` or `executor`.
    kind: String,
    name: String,
    sent: u64,
    answered: u64,
    no_data: u64,
    timed_out: u64,
    open: u64,
    /// Requests of cases that ended before an answer came.
    dropped: u64,
    /// Answers that came after the term.
    late: u64,
    no_data_per_mille: Option<u32>,
    timed_out_per_mille: Option<u32>,
    /// Time in which 90 of 100 answers came.
    reply_p90_ms: Option<i64>,
    reply_working_p90_ms: Option<i64>,
    /// When the oldest request that waits was sent.
    oldest_open_at: Option<String>,
}

/// Everybody who is asked.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SuppliersDto {
    suppliers: Vec<SupplierDto>,
    /// Leaves that this answer reflects.
    position: u64,
}

/// How often a ground was given in a week, beside the eight weeks before.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GroundWeekDto {
    agency: String,
    service: String,
    ground: String,
    /// Cases of the week refused on it.
    given: u64,
    /// Cases of the week that were decided.
    decided: u64,
    /// The first of the second, in millionths.
    share_ppm: u64,
    /// Weeks before that had a decision.
    weeks: u64,
    mean_ppm: u64,
    deviation_ppm: u64,
    /// More than three deviations from the mean; absent when too few weeks had a decision.
    spike: Option<bool>,
}

/// Grounds of a week.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RefusalsDto {
    /// The week's Monday.
    week: String,
    grounds: Vec<GroundWeekDto>,
    /// Leaves that this answer reflects.
    position: u64,
}

/// How long finished cases took, by service: percentiles, late ones, and pace.
#[utoipa::path(
    get, path = "/api/v1/statistics/services", tag = "statistics",
    params(DaysQuery),
    responses(
        (status = 200, description = "Cases that ended on these days", body = ServicesTimesDto),
        (status = 400, description = "Not days", body = ProblemDto),
    )
)]
pub(super) async fn services(
    State(app): State<AppState>,
    query: Result<Query<DaysQuery>, QueryRejection>,
) -> Result<Json<ServicesTimesDto>, Problem> {
    let Query(query) = query.map_err(|e| Problem::bad_request(e.body_text()))?;
    let book = app.service.engine().calendar_book();
    let window = window(&book, query.from.as_deref(), query.until.as_deref())?;
    let found = app.service.model().finished_cases(window).map_err(|e| tables(&e))?;
    let services = figures::service_times(&found.value, &book);
    let services = services.iter().map(ServiceTimesDto::of).collect();
    Ok(Json(ServicesTimesDto { services, position: found.size.get() }))
}

/// Counts by month, agency, service, channel and outcome.
#[utoipa::path(
    get, path = "/api/v1/statistics/months", tag = "statistics",
    params(DaysQuery),
    responses(
        (status = 200, description = "What happened on these days", body = MonthsDto),
        (status = 400, description = "Not days", body = ProblemDto),
    )
)]
pub(super) async fn months(
    State(app): State<AppState>,
    query: Result<Query<DaysQuery>, QueryRejection>,
) -> Result<Json<MonthsDto>, Problem> {
    let Query(query) = query.map_err(|e| Problem::bad_request(e.body_text()))?;
    let book = app.service.engine().calendar_book();
    let window = window(&book, query.from.as_deref(), query.until.as_deref())?;
    let model = app.service.model();
    let found = model.month_facts(window).map_err(|e| tables(&e))?;
    let advised = model.consultations(window).map_err(|e| tables(&e))?.value;
    let facts = found.value.into_iter().chain(advised.into_iter().map(fact));
    let months = figures::months(facts, &book);
    let months = months.iter().map(|(key, counts)| MonthDto::of(key, *counts)).collect();
    Ok(Json(MonthsDto { months, position: found.size.get() }))
}

/// What comes in which hour of which weekday, on the agency's clock.
#[utoipa::path(
    get, path = "/api/v1/statistics/load", tag = "statistics",
    params(LoadQuery),
    responses(
        (status = 200, description = "What came on these days", body = LoadDto),
        (status = 400, description = "Not days, or not a code", body = ProblemDto),
    )
)]
pub(super) async fn load(
    State(app): State<AppState>,
    query: Result<Query<LoadQuery>, QueryRejection>,
) -> Result<Json<LoadDto>, Problem> {
    let Query(query) = query.map_err(|e| Problem::bad_request(e.body_text()))?;
    let book = app.service.engine().calendar_book();
    let window = window(&book, query.from.as_deref(), query.until.as_deref())?;
    let asked = asked(query.service.as_deref())?;
    let model = app.service.model();
    let found = model.month_facts(window).map_err(|e| tables(&e))?;
    let advised = model.consultations(window).map_err(|e| tables(&e))?.value;
    let came = found.value.into_iter().filter(|fact| fact.event == MonthEvent::Came);
    let came = came.map(|fact| (fact.service, fact.at)).filter(|(service, _)| asked(service));
    let advised = advised.into_iter().map(|row| (row.service, row.registered_at, row.duration_ms));
    let advised = advised.filter(|(service, ..)| asked(service));
    let load = figures::load(came, advised, &book);
    let hours = (1_u8..).zip(load).flat_map(|(weekday, hours)| {
        (0_u8..).zip(hours).map(move |(hour, cell)| HourDto::of(weekday, hour, cell))
    });
    Ok(Json(LoadDto { hours: hours.collect(), position: found.size.get() }))
}

/// What people ask about: how often, how long it takes, and how many apply at once.
#[utoipa::path(
    get, path = "/api/v1/statistics/consultations", tag = "statistics",
    params(LoadQuery),
    responses(
        (status = 200, description = "Consultations of these days", body = TopicsDto),
        (status = 400, description = "Not days, or not a code", body = ProblemDto),
    )
)]
pub(super) async fn consultations(
    State(app): State<AppState>,
    query: Result<Query<LoadQuery>, QueryRejection>,
) -> Result<Json<TopicsDto>, Problem> {
    let Query(query) = query.map_err(|e| Problem::bad_request(e.body_text()))?;
    let book = app.service.engine().calendar_book();
    let window = window(&book, query.from.as_deref(), query.until.as_deref())?;
    let asked = asked(query.service.as_deref())?;
    let found = app.service.model().consultations(window).map_err(|e| tables(&e))?;
    let rows = found.value.into_iter().filter(|row| asked(&row.service));
    let advice: Vec<Advice> = rows.map(Advice::from).collect();
    let topics = figures::topics(&advice, &book);
    let topics = topics.iter().map(TopicDto::of).collect();
    Ok(Json(TopicsDto { topics, position: found.size.get() }))
}

/// Whether a service is the one that was asked for; every one is when none was.
fn asked(only: Option<&str>) -> Result<impl Fn(&ServiceCode) -> bool, Problem> {
    let only = only.map(ServiceCode::parse).transpose().map_err(Problem::bad_request)?;
    Ok(move |service: &ServiceCode| only.as_ref().is_none_or(|only| only == service))
}

/// How fast those who are asked answer, how often not, and what still waits.
#[utoipa::path(
    get, path = "/api/v1/statistics/suppliers", tag = "statistics",
    params(DaysQuery),
    responses(
        (status = 200, description = "Requests that were sent on these days", body = SuppliersDto),
        (status = 400, description = "Not days", body = ProblemDto),
    )
)]
pub(super) async fn suppliers(
    State(app): State<AppState>,
    query: Result<Query<DaysQuery>, QueryRejection>,
) -> Result<Json<SuppliersDto>, Problem> {
    let Query(query) = query.map_err(|e| Problem::bad_request(e.body_text()))?;
    let book = app.service.engine().calendar_book();
    let window = window(&book, query.from.as_deref(), query.until.as_deref())?;
    let found = app.service.model().supplier_requests(window).map_err(|e| tables(&e))?;
    let health = figures::supplier_health(&found.value, &book);
    let suppliers = health.iter().map(|(supplier, health)| SupplierDto::of(supplier, health));
    Ok(Json(SuppliersDto { suppliers: suppliers.collect(), position: found.size.get() }))
}

/// How often each ground was given in a week, and whether that is out of the ordinary.
#[utoipa::path(
    get, path = "/api/v1/statistics/refusals", tag = "statistics",
    params(WeekQuery),
    responses(
        (status = 200, description = "Grounds of the week", body = RefusalsDto),
        (status = 400, description = "Not a day", body = ProblemDto),
    )
)]
pub(super) async fn refusals(
    State(app): State<AppState>,
    query: Result<Query<WeekQuery>, QueryRejection>,
) -> Result<Json<RefusalsDto>, Problem> {
    let Query(query) = query.map_err(|e| Problem::bad_request(e.body_text()))?;
    let book = app.service.engine().calendar_book();
    let day = query.week.as_deref().map(day).transpose()?;
    let monday = week_of(day.unwrap_or_else(|| book.own().date(System.now())));
    let days = i64::try_from(SPIKE_WEEKS).unwrap_or_default() * 7;
    // A day more on each side: services may have other zones than the node's own agency.
    let first = monday.checked_sub(jiff::Span::new().days(days + 1));
    let end = monday.checked_add(jiff::Span::new().days(8));
    let (Ok(first), Ok(end)) = (first, end) else { return Err(outside(monday)) };
    let window = (begins(&book, first)?, begins(&book, end)?);
    let found = app.service.model().decided_in(window).map_err(|e| tables(&e))?;
    let grounds = figures::refusal_spikes(&found.value, monday, &book);
    let grounds = grounds.iter().map(GroundWeekDto::of).collect();
    let week = monday.to_string();
    Ok(Json(RefusalsDto { week, grounds, position: found.size.get() }))
}

fn outside(day: Date) -> Problem {
    Problem::bad_request(format!("{day} is outside the years of a ledger"))
}

fn day(text: &str) -> Result<Date, Problem> {
    let date = text.parse::<Date>().ok().filter(|date| date.to_string() == text);
    date.ok_or_else(|| {
        Problem::bad_request(format!("{text:?} is not a day of the form 2026-11-25"))
    })
}

fn begins(book: &CalendarBook, date: Date) -> Result<Timestamp, Problem> {
    book.day_begins(date).ok_or_else(|| outside(date))
}

/// The instants from the first day to the end of the last one.
fn window(
    book: &CalendarBook,
    from: Option<&str>,
    until: Option<&str>,
) -> Result<(Timestamp, Timestamp), Problem> {
    let first = match from {
        None => Timestamp::EPOCH,
        Some(text) => begins(book, day(text)?)?,
    };
    let end = match until {
        None => begins(book, jiff::civil::date(9999, 12, 30))?,
        Some(text) => {
            let last = day(text)?;
            begins(book, last.tomorrow().map_err(|_| outside(last))?)?
        }
    };
    if end <= first {
        return Err(Problem::bad_request("the last day is before the first"));
    }
    Ok((first, end))
}

fn fact(row: ConsultationRow) -> MonthFact {
    MonthFact {
        at: row.registered_at,
        agency: row.agency,
        service: row.service,
        channel: row.channel,
        event: MonthEvent::Advised(row.duration_ms),
    }
}

impl PercentilesDto {
    const fn of(percentiles: Percentiles) -> Self {
        let Percentiles { p50_ms, p90_ms, p99_ms } = percentiles;
        Self { p50_ms, p90_ms, p99_ms }
    }
}

impl ServiceTimesDto {
    fn of(times: &ServiceTimes) -> Self {
        let ([fast, ordinary, slow], shares) = (times.pace, times.pace_per_mille);
        Self {
            agency: times.agency.to_string(),
            service: times.service.to_string(),
            granted: times.granted,
            refused: times.refused,
            automatic: times.automatic,
            automatic_per_mille: times.automatic_per_mille,
            late: times.late,
            elapsed: PercentilesDto::of(times.elapsed),
            running: PercentilesDto::of(times.running),
            working: PercentilesDto::of(times.working),
            suspended: PercentilesDto::of(times.suspended),
            fast,
            ordinary,
            slow,
            fast_per_mille: shares[0],
            ordinary_per_mille: shares[1],
            slow_per_mille: shares[2],
        }
    }
}

impl MonthDto {
    fn of(key: &MonthKey, counts: MonthCounts) -> Self {
        Self {
            month: key.month.clone(),
            agency: key.agency.to_string(),
            service: key.service.to_string(),
            channel: key.channel.to_string(),
            applications: counts.applications,
            granted: counts.granted,
            refused: counts.refused,
            not_taken: counts.not_taken,
            cancelled: counts.cancelled,
            consultations: counts.consultations,
            consultation_ms: counts.consultation_ms,
        }
    }
}

impl TopicDto {
    fn of(figures: &TopicFigures) -> Self {
        Self {
            agency: figures.topic.agency.to_string(),
            service: figures.topic.service.to_string(),
            topic: figures.topic.topic.to_string(),
            consultations: figures.consultations,
            answered: figures.answered,
            sent_on: figures.sent_on,
            applied: figures.applied,
            applied_per_mille: figures.applied_per_mille,
            elapsed: PercentilesDto::of(figures.elapsed),
            working: PercentilesDto::of(figures.working),
        }
    }
}

impl HourDto {
    const fn of(weekday: u8, hour: u8, cell: LoadCell) -> Self {
        let LoadCell { applications, consultations, consultation_ms } = cell;
        Self { weekday, hour, applications, consultations, consultation_ms }
    }
}

impl SupplierDto {
    fn of(supplier: &Supplier, health: &SupplierHealth) -> Self {
        Self {
            agency: supplier.agency.to_string(),
            kind: supplier.kind.clone(),
            name: supplier.name.clone(),
            sent: health.sent,
            answered: health.answered,
            no_data: health.no_data,
            timed_out: health.timed_out,
            open: health.open,
            dropped: health.dropped,
            late: health.late,
            no_data_per_mille: health.no_data_per_mille,
            timed_out_per_mille: health.timed_out_per_mille,
            reply_p90_ms: health.reply_p90_ms,
            reply_working_p90_ms: health.reply_working_p90_ms,
            oldest_open_at: health.oldest_open_at.map(|at| at.to_string()),
        }
    }
}

impl GroundWeekDto {
    fn of(week: &GroundWeek) -> Self {
        Self {
            agency: week.agency.to_string(),
            service: week.service.to_string(),
            ground: week.ground.to_string(),
            given: week.given,
            decided: week.decided,
            share_ppm: week.share_ppm,
            weeks: week.weeks,
            mean_ppm: week.mean_ppm,
            deviation_ppm: week.deviation_ppm,
            spike: week.spike,
        }
    }
}
