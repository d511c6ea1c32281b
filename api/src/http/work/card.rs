//! The card of a case, as an official sees it whom it concerns.
//!
//! Not here: what waits for an official (`inbox`).

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use letopis_ledger::json::Json;
use letopis_ledger::{LeafIndex, StreamVersion};
use letopis_registry::case::{CaseState, RequestState, StageState};
use letopis_registry::code::StepCode;
use letopis_registry::engine::{AnswerForm, AnswerTable, CaseCard, ShownEntries, TimelineEvent};
use letopis_registry::environment::Clock;
use letopis_registry::event::RequestEscalated;
use letopis_registry::messages::Text;
use letopis_registry::pack::ValueType;
use letopis_registry::projection::EntryRow;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::super::no_store;
use super::inbox::ToAgreeDto;
use crate::http::application::{TextDto, case_id, engine_problem, waiting_time};
use crate::http::document::Uuid7;
use crate::http::follow_up::AboutDto;
use crate::http::problem::{Problem, ProblemDto};
use crate::http::staff::Acting;
use crate::http::{AppState, PathOf};
use crate::service::environment::System;

/// A case as an official sees it whom it concerns.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CardDto {
    case: String,
    number: Option<String>,
    service: Option<String>,
    channel: Option<String>,
    /// The entry that it is about, if it renews or reviews one.
    about: Option<AboutDto>,
    status: &'static str,
    /// The end of the term, and whether a calendar may still move it.
    due: Option<String>,
    provisional: bool,
    /// Since when the clock stands still.
    suspended_since: Option<String>,
    warned: bool,
    breached: bool,
    /// Who works on the case.
    official: Option<String>,
    requests: Vec<RequestDto>,
    /// Requests that the regulation leaves out for this case, and why.
    omitted: Vec<OmittedDto>,
    /// Answers as tables, in the order and with the titles of the pack.
    answers: Vec<AnswerTableDto>,
    /// Forms of open requests that people answer.
    forms: Vec<AnswerFormDto>,
    subrequests: Vec<SubrequestRowDto>,
    proposal: Option<ProposalRowDto>,
    /// The newest stage of proposal or agreement that has a term of its own.
    stage: Option<StageDto>,
    /// Public fields of the form.
    #[schema(value_type = Object)]
    form: Value,
    /// Private fields of all events, by name.
    private: Vec<FieldDto>,
    /// What the official signs to agree, if the official may.
    to_agree: Option<ToAgreeDto>,
    /// Entries to look at, for each open request that shows some.
    shown: Vec<ShownDto>,
    /// Everything that happened in the case, in order: every sending of every request, too.
    history: Vec<TimelineEventDto>,
    /// Leaf of the newest event of the case; give it as `after` to wait for the next one.
    leaf: u64,
}

/// Whether to wait for something new.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CardQuery {
    /// Wait until the case has an event after this leaf: `leaf` of the card that is shown.
    #[param(required = false)]
    after: Option<u64>,
    /// Milliseconds to wait at most, up to 30,000.
    #[serde(default)]
    #[param(maximum = 30_000, required = false)]
    wait_ms: u64,
}

/// A request that is left out.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OmittedDto {
    request: String,
    /// The condition that does not hold, as in `form.object.area_m2 > 1500`.
    condition: Option<String>,
}

/// An answer to be read.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AnswerTableDto {
    request: String,
    title: TextDto,
    rows: Vec<AnswerRowDto>,
    /// Leaf with the signed record of the answer.
    leaf: u64,
}

/// A fact of an answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AnswerRowDto {
    title: TextDto,
    value: Value,
}

/// The form of an open request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AnswerFormDto {
    request: String,
    title: TextDto,
    /// JSON Schema of the facts.
    #[schema(value_type = Object)]
    schema: Value,
}

/// An event of a case.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TimelineEventDto {
    /// Its number in the stream of the case.
    version: u64,
    event: String,
    at: String,
    leaf: u64,
    /// Public fields.
    #[schema(value_type = Object)]
    data: Value,
    private: Vec<FieldDto>,
}

/// Entries in force to look at before answering: their area meets that of the case.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownDto {
    request: String,
    registry: String,
    /// At most 100.
    entries: Vec<ShownEntryDto>,
    /// Whether there are more.
    more: bool,
}

/// An entry to look at.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShownEntryDto {
    id: String,
    number: Option<String>,
    /// Public fields.
    #[schema(value_type = Object)]
    fields: Value,
    /// Leaf of the newest change.
    leaf: u64,
}

/// A request of a case.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RequestDto {
    request: String,
    kind: &'static str,
    target: String,
    mandatory: bool,
    sent_at: Option<String>,
    due: String,
    /// Whether the end of its own term has passed without an answer in time.
    late: bool,
    answered_at: Option<String>,
    /// Leaf with the signed record of the answer.
    answered_leaf: Option<u64>,
    /// Who answered or entered the answer.
    answered_by: Option<String>,
    /// Number of the letter that brought it.
    letter: Option<String>,
    /// `answered`, `no_data` or `timed_out`; absent while it is open.
    outcome: Option<&'static str>,
    way: Option<&'static str>,
    /// How often it was sent.
    attempts: u32,
    /// When it is sent again, or given up, if no reply comes.
    retry_at: Option<String>,
    /// Whether it is on record that its term has passed.
    breached: bool,
    /// Who took it over, if it brought nothing.
    escalated: Option<EscalatedDto>,
    /// What an answer brings, while it is open.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    asks: Vec<AskedFactDto>,
    /// `official` where the official who answers signs the answer.
    signature: Option<&'static str>,
}

/// An official takes over a request that brought nothing.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EscalatedDto {
    /// `no_data`, `timed_out` or `unanswered`.
    reason: &'static str,
    unit: String,
    role: &'static str,
    /// Whom the rule of assignment named.
    official: Option<String>,
}

/// A fact that an answer brings.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AskedFactDto {
    field: String,
    /// `string`, `integer`, `boolean` or `date`; absent where nothing says it.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    value_type: Option<&'static str>,
}

/// A subrequest of a case.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SubrequestRowDto {
    path: String,
    addressee: String,
    way: &'static str,
    mandatory: bool,
    due: String,
    closed: bool,
}

/// The newest proposal of a case.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProposalRowDto {
    proposal: u64,
    official: String,
    outcome: &'static str,
    grounds: Vec<String>,
    /// Officials who agreed, in order.
    agreed: Vec<String>,
    returned: bool,
}

/// A stage of a case where people decide, with its own term.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StageDto {
    /// `proposal` or `agreement`.
    stage: &'static str,
    /// Number of a stage of agreement, from 0.
    number: Option<u32>,
    begun_at: String,
    due: String,
    /// Whether it is on record that its term has passed.
    breached: bool,
}

/// A private field.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FieldDto {
    name: String,
    value: Value,
}

/// A case with everything that the official needs to work on it; waits for something new if asked
/// to, so that whoever shows it shows it as it is.
#[utoipa::path(
    get, path = "/api/v1/cases/{id}/card", tag = "officials",
    params(("id" = inline(Uuid7), Path, description = "Id of the case"), CardQuery),
    security(("official" = [])),
    responses(
        (status = 200, description = "The case", body = CardDto),
        (status = 400, description = "Not an id or not a waiting time", body = ProblemDto),
        (status = 401, description = "Not an official's token", body = ProblemDto),
        (status = 404, description = "No such case", body = ProblemDto),
        (status = 422, description = "The case does not concern the official", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(in crate::http) async fn card(
    State(app): State<AppState>,
    Acting(official): Acting,
    id: PathOf<String>,
    query: Result<Query<CardQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|e| Problem::bad_request(e.body_text()))?;
    let case = case_id(&id.0)?;
    let limit = waiting_time(query.wait_ms)?;
    if let (Some(after), false) = (query.after, limit.is_zero()) {
        let stream = case.stream();
        let newer = || {
            let rows = app.service.model().stream(&stream).ok()?.value;
            rows.last().filter(|row| row.leaf.get() > after).map(drop)
        };
        app.service.wait_for(limit, newer).await;
    }
    let card = app.service.engine().card(case, &official).await;
    let card = card.map_err(|error| engine_problem(&error))?;
    Ok(no_store(axum::Json(CardDto::of(case.to_string(), &card))))
}

impl TimelineEventDto {
    fn of(event: &TimelineEvent) -> Self {
        Self {
            version: event.version.get(),
            event: event.event_type.clone(),
            at: event.at.to_string(),
            leaf: event.leaf.get(),
            data: Json::from(event.data.clone()).to_value(),
            private: event.private.iter().map(FieldDto::of).collect(),
        }
    }
}

impl FieldDto {
    fn of(disclosure: &letopis_ledger::disclosure::Disclosure) -> Self {
        Self { name: disclosure.name().to_owned(), value: disclosure.value().to_value() }
    }
}

impl AnswerTableDto {
    fn of(table: &AnswerTable) -> Self {
        let row = |(title, value): &(Text, Json)| AnswerRowDto {
            title: TextDto::of(title),
            value: value.to_value(),
        };
        Self {
            request: table.request.to_string(),
            title: TextDto::of(&table.title),
            rows: table.rows.iter().map(row).collect(),
            leaf: table.leaf.get(),
        }
    }
}

impl AnswerFormDto {
    fn of(form: &AnswerForm) -> Self {
        Self {
            request: form.request.to_string(),
            title: TextDto::of(&form.title),
            schema: form.schema.clone(),
        }
    }
}

impl RequestDto {
    fn of((code, request): (&StepCode, &RequestState), card: &CaseCard) -> Self {
        let asks = card.asked.get(code).into_iter().flatten();
        let asks = asks.map(|(field, value_type)| AskedFactDto {
            field: field.to_string(),
            value_type: value_type.map(ValueType::as_str),
        });
        let place = |version: StreamVersion| {
            let number = usize::try_from(version.get()).ok()?;
            card.history.get(number).map(|event| (event.leaf, event.at))
        };
        let sent = card.history.iter().find(|event| {
            event.event_type == "request.sent"
                && event.data.get("request").and_then(Json::as_str) == Some(code.as_str())
        });
        let answer = request.answered.as_ref();
        let (answered_leaf, answered_at) = answer.and_then(|answer| place(answer.version)).unzip();
        let came = answer.and_then(|answer| answer.event.came.as_ref());
        let ended = came.map(|came| came.at).or(answered_at).unwrap_or_else(|| System.now());
        let answered = answer.map(|answered| &answered.event);
        let timed_out = request.timed_out.then_some("timed_out");
        Self {
            request: code.to_string(),
            kind: request.sent.target.kind(),
            target: request.sent.target.name().to_owned(),
            mandatory: request.sent.mandatory,
            sent_at: sent.map(|event| event.at.to_string()),
            due: request.sent.due.to_string(),
            late: ended > request.sent.due,
            answered_at: answered_at.map(|at| at.to_string()),
            answered_leaf: answered_leaf.map(LeafIndex::get),
            answered_by: came.and_then(|came| came.official).map(|official| official.to_string()),
            letter: came.and_then(|came| came.letter.clone()),
            outcome: answered.map(|answered| answered.outcome.as_str()).or(timed_out),
            way: answered.and_then(|answered| Some(answered.came.as_ref()?.way.as_str())),
            attempts: request.attempt,
            retry_at: request
                .retry_at
                .filter(|_| request.awaits_reply())
                .map(|retry_at| retry_at.to_string()),
            breached: request.breached,
            escalated: request.escalated.as_ref().map(EscalatedDto::of),
            asks: asks.collect(),
            signature: card.signed.contains(code).then_some("official"),
        }
    }
}

impl StageDto {
    fn of(known: &StageState) -> Self {
        Self {
            stage: known.begun.stage.as_str(),
            number: known.begun.stage.number(),
            begun_at: known.begun.at.to_string(),
            due: known.begun.due.to_string(),
            breached: known.breached,
        }
    }
}

impl EscalatedDto {
    fn of(escalated: &RequestEscalated) -> Self {
        Self {
            reason: escalated.reason.as_str(),
            unit: escalated.post.unit.to_string(),
            role: escalated.post.role.as_str(),
            official: escalated.official.map(|official| official.to_string()),
        }
    }
}

impl ShownDto {
    fn of(shown: &ShownEntries) -> Self {
        let entry = |row: &EntryRow| ShownEntryDto {
            id: row.stream.as_str().rsplit('/').next().unwrap_or_default().to_owned(),
            number: row.number.clone(),
            fields: Json::from(row.fields.clone()).to_value(),
            leaf: row.leaf.get(),
        };
        Self {
            request: shown.request.to_string(),
            registry: shown.registry.to_string(),
            entries: shown.entries.iter().map(entry).collect(),
            more: shown.more,
        }
    }
}

impl CardDto {
    fn of(case: String, card: &CaseCard) -> Self {
        let CaseCard { state, disclosures, to_agree, shown, .. } = card;
        let (clock, submitted) = (state.clock(), state.submitted());
        let suspended = clock.and_then(|clock| clock.suspended.as_ref());
        let omitted = |(request, condition): &(StepCode, Option<String>)| OmittedDto {
            request: request.to_string(),
            condition: condition.clone(),
        };
        Self {
            case,
            number: state.registered().map(|registered| registered.number.clone()),
            service: submitted.map(|submitted| submitted.service.to_string()),
            channel: submitted.map(|submitted| submitted.channel.to_string()),
            about: state.about().map(AboutDto::said),
            status: state.status().as_str(),
            due: clock.map(|clock| clock.end.due.to_string()),
            provisional: clock.is_some_and(|clock| clock.end.provisional),
            suspended_since: suspended.map(|suspended| suspended.at.to_string()),
            warned: clock.is_some_and(|clock| clock.warned),
            breached: clock.is_some_and(|clock| clock.breached),
            official: state.assigned().map(|assigned| assigned.official.to_string()),
            requests: state
                .requests()
                .iter()
                .map(|request| RequestDto::of(request, card))
                .collect(),
            omitted: card.omitted.iter().map(omitted).collect(),
            answers: card.answers.iter().map(AnswerTableDto::of).collect(),
            forms: card.forms.iter().map(AnswerFormDto::of).collect(),
            subrequests: subrequests(state),
            proposal: proposal(state),
            stage: state.stage().map(StageDto::of),
            form: submitted
                .map_or(Value::Null, |submitted| Json::from(submitted.form.clone()).to_value()),
            private: disclosures.iter().map(FieldDto::of).collect(),
            to_agree: to_agree.as_ref().map(ToAgreeDto::of),
            shown: shown.iter().map(ShownDto::of).collect(),
            history: card.history.iter().map(TimelineEventDto::of).collect(),
            leaf: card.history.last().map_or(0, |event| event.leaf.get()),
        }
    }
}

fn subrequests(state: &CaseState) -> Vec<SubrequestRowDto> {
    let row = |(path, subrequest): (
        &letopis_registry::code::FieldPath,
        &letopis_registry::case::SubrequestState,
    )| SubrequestRowDto {
        path: path.to_string(),
        addressee: subrequest.opened.addressee.clone(),
        way: subrequest.opened.way.as_str(),
        mandatory: subrequest.opened.mandatory,
        due: subrequest.opened.due.to_string(),
        closed: subrequest.is_closed(),
    };
    state.subrequests().iter().map(row).collect()
}

fn proposal(state: &CaseState) -> Option<ProposalRowDto> {
    let proposal = state.proposal()?;
    let decision = &proposal.event.decision;
    Some(ProposalRowDto {
        proposal: proposal.version.get(),
        official: proposal.event.official.to_string(),
        outcome: decision.outcome.as_str(),
        grounds: decision.grounds.iter().map(|ground| ground.code.to_string()).collect(),
        agreed: proposal.agreed.iter().map(|agreed| agreed.official.to_string()).collect(),
        returned: proposal.returned,
    })
}
