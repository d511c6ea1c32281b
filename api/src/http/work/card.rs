//! The inbox of an official and the card of a case, as an official sees them.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use letopis_registry::case::{CaseState, RequestState};
use letopis_registry::code::StepCode;
use letopis_registry::engine::{CaseCard, Happened, ShownEntries, ToAgree};
use letopis_registry::event::RequestEscalated;
use letopis_registry::pack::ValueType;
use letopis_registry::projection::{EntryRow, RequestRow, WorkRow};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::super::no_store;
use crate::http::application::{case_id, engine_problem};
use crate::http::document::Uuid7;
use crate::http::follow_up::AboutDto;
use crate::http::problem::{Problem, ProblemDto};
use crate::http::staff::Acting;
use crate::http::{AppState, PathOf};

/// What waits for an official, the ones due first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InboxDto {
    /// Open cases that the official works on.
    cases: Vec<WorkDto>,
    /// Open requests that the official may answer.
    requests: Vec<AskedDto>,
    /// Proposals that the official may agree to.
    proposals: Vec<ToAgreeDto>,
    /// Leaves that this answer reflects.
    position: u64,
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
    /// `unit`, `head` or `executor`; of an escalated one, who was asked first.
    kind: String,
    /// The unit that answers.
    unit: String,
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
    /// Requests that the regulation leaves out for this case.
    omitted: Vec<String>,
    subrequests: Vec<SubrequestRowDto>,
    proposal: Option<ProposalRowDto>,
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
    history: Vec<HappenedDto>,
}

/// One event of a case.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HappenedDto {
    /// Its number in the case.
    version: u64,
    /// Its type, as in request.retried.
    event: String,
    /// When the log took it.
    at: String,
    leaf: u64,
    /// Its public fields.
    #[schema(value_type = Object)]
    data: Value,
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
    due: String,
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

/// A private field.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FieldDto {
    name: String,
    value: Value,
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
        position: app.service.position().get(),
    })))
}

/// A case with everything that the official needs to work on it.
#[utoipa::path(
    get, path = "/api/v1/cases/{id}/card", tag = "officials",
    params(("id" = inline(Uuid7), Path, description = "Id of the case")),
    security(("official" = [])),
    responses(
        (status = 200, description = "The case", body = CardDto),
        (status = 400, description = "Not an id", body = ProblemDto),
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
) -> Result<Response, Problem> {
    let case = case_id(&id.0)?;
    let card = app.service.engine().card(case, &official).await;
    let card = card.map_err(|error| engine_problem(&error))?;
    Ok(no_store(Json(CardDto::of(case.to_string(), &card))))
}

impl WorkDto {
    fn of(row: &WorkRow) -> Self {
        let (proposal, proposal_state) = row.proposal.clone().unzip();
        Self {
            case: row.case.to_string(),
            unit: row.unit.to_string(),
            proposal: proposal.map(letopis_ledger::StreamVersion::get),
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
            unit: match &row.escalated {
                Some(escalated) => escalated.post.unit.to_string(),
                None => row.target.clone(),
            },
            mandatory: row.mandatory,
            due: row.due.to_string(),
            escalated: row.escalated.as_ref().map(|escalated| escalated.reason.as_str()),
        }
    }
}

impl ToAgreeDto {
    fn of(to_agree: &ToAgree) -> Self {
        Self {
            case: to_agree.case.to_string(),
            proposal: to_agree.proposal.get(),
            text: String::from_utf8_lossy(&to_agree.text).into_owned(),
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
        let answered = request.answered.as_ref().map(|answered| &answered.event);
        let timed_out = request.timed_out.then_some("timed_out");
        Self {
            request: code.to_string(),
            kind: request.sent.target.kind(),
            target: request.sent.target.name().to_owned(),
            mandatory: request.sent.mandatory,
            due: request.sent.due.to_string(),
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

impl HappenedDto {
    fn of(happened: &Happened) -> Self {
        let Happened { event, leaf, at } = happened;
        Self {
            version: event.version.get(),
            event: event.event_type.to_string(),
            at: at.to_string(),
            leaf: leaf.get(),
            data: letopis_ledger::json::Json::from(event.data.clone()).to_value(),
        }
    }
}

impl ShownDto {
    fn of(shown: &ShownEntries) -> Self {
        let entry = |row: &EntryRow| ShownEntryDto {
            id: row.stream.as_str().rsplit('/').next().unwrap_or_default().to_owned(),
            number: row.number.clone(),
            fields: letopis_ledger::json::Json::from(row.fields.clone()).to_value(),
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
        let CaseCard { state, disclosures, to_agree, shown, history, .. } = card;
        let (clock, submitted) = (state.clock(), state.submitted());
        let suspended = clock.and_then(|clock| clock.suspended.as_ref());
        let field = |disclosure: &letopis_ledger::disclosure::Disclosure| FieldDto {
            name: disclosure.name().to_owned(),
            value: disclosure.value().to_value(),
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
            requests: state.requests().iter().map(|one| RequestDto::of(one, card)).collect(),
            omitted: state.omitted().iter().map(ToString::to_string).collect(),
            subrequests: subrequests(state),
            proposal: proposal(state),
            form: submitted.map_or(Value::Null, |submitted| {
                letopis_ledger::json::Json::from(submitted.form.clone()).to_value()
            }),
            private: disclosures.iter().map(field).collect(),
            to_agree: to_agree.as_ref().map(ToAgreeDto::of),
            shown: shown.iter().map(ShownDto::of).collect(),
            history: history.iter().map(HappenedDto::of).collect(),
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
