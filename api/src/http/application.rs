//! Applications: submitted, followed, and their private values for who holds the case's token.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use letopis_ledger::disclosure::Disclosure;
use letopis_registry::case::{CaseRefusal, CaseStatus};
use letopis_registry::code::{ChannelCode, ServiceCode};
use letopis_registry::engine::{AppendRefused, Application, EngineError};
use letopis_registry::entry::EntryRefusal;
use letopis_registry::event::CaseId;
use letopis_registry::messages::{Language, MessageId, Text};
use letopis_registry::offer::OfferRefusal;
use letopis_registry::pack::FormError;
use letopis_registry::payment::PaymentRefusal;
use letopis_registry::private::AccessToken;
use letopis_registry::projection::{CaseRow, NotTakenRow, ProjectionError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::body::JsonOf;
use super::document::{IdempotencyKey, Uuid7};
use super::follow_up::{AboutDto, FollowUpDto, follow_ups, renewed};
use super::intake::{AcceptedDto, IntakeGroundDto, accepted_answer, grounds_of};
use super::problem::{Code, FieldProblem, Problem, ProblemDto};
use super::proposal::lifecycle_problem;
use super::{AppState, PathOf, bearer, no_store};
use crate::service::Finality;

/// Longest time that a request may wait for a case to end.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// Most bytes of an idempotency key.
const KEY_MAX_BYTES: usize = 200;

/// An application as it comes in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApplicationDto {
    /// How it came; one of the service's channels.
    #[serde(default = "portal")]
    channel: String,
    /// The form, as the service's JSON Schema describes it.
    #[schema(value_type = Object)]
    form: Value,
    /// Number or stream of an entry that the service gave and that is asked to go on after its last
    /// day; with the token of the case that gave it.
    #[serde(default)]
    renews: Option<String>,
}

pub(super) fn portal() -> String {
    "portal".to_owned()
}

/// How far a case is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatusDto {
    /// Id of the case.
    pub(crate) id: String,
    /// Number of the case; of the refusal where it was not taken and the regulation numbers those.
    pub(crate) number: Option<String>,
    /// The service.
    pub(crate) service: String,
    /// `in_progress`, `granted`, `refused`, `not_taken` or `cancelled`.
    pub(crate) status: &'static str,
    /// The status in words, by language.
    pub(crate) status_text: TextDto,
    /// Why it was not taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) grounds: Vec<IntakeGroundDto>,
    /// When its term began; absent when it was never registered.
    pub(crate) registered_at: Option<String>,
    /// Last instant of the legal term.
    pub(crate) due: Option<String>,
    /// Whether a calendar not yet published may move the end of the term.
    pub(crate) provisional: Option<bool>,
    /// When it ended.
    pub(crate) ended_at: Option<String>,
    /// Leaf that ended it.
    pub(crate) ended_leaf: Option<u64>,
    /// The entry that it is about, if it renews or reviews one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) about: Option<AboutDto>,
    /// Cases that came later about the entry that it gave, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) follow_ups: Vec<FollowUpDto>,
    /// `committed` or `final`, of the newest leaf that says something about the case.
    pub(crate) state: &'static str,
    /// Leaves that this answer reflects.
    pub(crate) position: u64,
}

/// A text in both languages.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TextDto {
    /// In Russian.
    pub(crate) ru: String,
    /// In English.
    pub(crate) en: String,
}

/// What the applicant gave and what was found out, for who holds the token.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OwnDataDto {
    /// Id of the case.
    id: String,
    /// Name and value of each private field, with the disclosure string that proves it.
    fields: Vec<OwnFieldDto>,
    /// Leaves that this answer reflects.
    position: u64,
}

/// One private field.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OwnFieldDto {
    name: String,
    value: Value,
    /// The RFC 9901 disclosure; its SHA-256 stands in a leaf of the case.
    disclosure: String,
}

/// Whether to wait.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WaitQuery {
    /// Milliseconds to wait for the case to end, at most 30,000.
    #[serde(default)]
    #[param(maximum = 30_000, required = false)]
    wait_ms: u64,
}

/// Submits an application. One that is not taken is on record with the grounds for that.
#[utoipa::path(
    post, path = "/api/v1/services/{service}/applications", tag = "services",
    params(
        ("service" = String, Path, description = "Code of the service"),
        ("idempotency-key" = inline(Option<IdempotencyKey>), Header,
         description = "A key of your choice: the same key with the same form gives the same case"),
    ),
    request_body = ApplicationDto, security((), ("case" = [])),
    responses(
        (status = 201, description = "On record: registered or not taken", body = AcceptedDto),
        (status = 400, description = "Not JSON of this shape", body = ProblemDto),
        (status = 401, description = "Not a token of the entry to be renewed", body = ProblemDto),
        (status = 404, description = "No such service, or no such entry", body = ProblemDto),
        (status = 409, description = "The key was used for another form, or another case asks the same",
         body = ProblemDto),
        (status = 410, description = "The service is withdrawn", body = ProblemDto),
        (status = 413, description = "Too large", body = ProblemDto),
        (status = 422, description = "Fields are wrong; each is named", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn submit(
    State(app): State<AppState>,
    service: PathOf<String>,
    headers: HeaderMap,
    JsonOf(body): JsonOf<ApplicationDto>,
) -> Result<Response, Problem> {
    let unreadable = |error: String| Problem::new(Code::BadRequest, error);
    let unknown = |error: String| Problem::new(Code::NotFound, error);
    let service = ServiceCode::parse(&service.0).map_err(|e| unknown(e.to_string()))?;
    let renews = body.renews.as_deref();
    let renews = renews.map(|name| renewed(&app, (&service, name), &headers)).transpose()?;
    let application = Application {
        service,
        channel: ChannelCode::parse(&body.channel).map_err(|e| unreadable(e.to_string()))?,
        form: body.form,
        registered_at: None,
        idempotency_key: idempotency_key(&headers)?,
        entry: None,
        renews,
        source: None,
    };
    let accepted = app.service.engine().submit(&application).await;
    accepted_answer(&app, &accepted.map_err(|error| engine_problem(&error))?)
}

/// The idempotency key of a request, if it has one.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut given = headers.get_all("idempotency-key").iter();
    let Some(key) = given.next() else { return Ok(None) };
    let text = key.to_str().ok().filter(|_| given.next().is_none());
    let fits = |text: &&str| {
        (1..=KEY_MAX_BYTES).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
    };
    let key = text.filter(fits).ok_or_else(|| {
        let detail = format!(
            "the idempotency key must be one header of 1 to {KEY_MAX_BYTES} visible ASCII \
             characters without spaces"
        );
        Problem::with_specific_code(Code::BadRequest, "idempotency-key-malformed", detail)
    })?;
    Ok(Some(key.to_owned()))
}

/// How far a case is; waits for its end if asked to.
#[utoipa::path(
    get, path = "/api/v1/applications/{id}", tag = "services",
    params(("id" = inline(Uuid7), Path, description = "Id of the case"), WaitQuery),
    responses(
        (status = 200, description = "How far the case is", body = StatusDto),
        (status = 400, description = "Not an id or not a waiting time", body = ProblemDto),
        (status = 404, description = "No such case", body = ProblemDto),
    )
)]
pub(super) async fn status(
    State(app): State<AppState>,
    id: PathOf<String>,
    wait: Result<Query<WaitQuery>, QueryRejection>,
) -> Result<Json<StatusDto>, Problem> {
    let Query(wait) = wait.map_err(|e| Problem::new(Code::BadRequest, e.body_text()))?;
    let case = case_id(&id.0)?;
    let limit = waiting_time(wait.wait_ms)?;
    if !limit.is_zero() {
        let model = app.service.model();
        let ended = || match model.case(case).ok()?.value {
            Some(row) => (row.status != CaseStatus::InProgress).then_some(()),
            None => model.not_taken(case).ok()?.value.map(drop),
        };
        app.service.wait_for(limit, ended).await;
    }
    let unreadable = |e: ProjectionError| Problem::new(Code::Unavailable, e.to_string());
    let found = app.service.model().not_taken(case).map_err(unreadable)?;
    let Some(refused) = found.value else {
        let (row, position) = case_row(&app, case)?;
        let mut status = StatusDto::of(&app, &row, position);
        (status.about, status.follow_ups) = follow_ups(&app, case)?;
        return Ok(Json(status));
    };
    let row = app.service.model().case(case).map_err(unreadable)?.value;
    let status = StatusDto::not_taken(&app, &refused, row.as_ref(), found.size.get())?;
    Ok(Json(status))
}

/// The private values of a case.
#[utoipa::path(
    get, path = "/api/v1/applications/{id}/private", tag = "services",
    params(("id" = inline(Uuid7), Path, description = "Id of the case")),
    security(("case" = [])),
    responses(
        (status = 200, description = "Private fields with their disclosures", body = OwnDataDto),
        (status = 400, description = "Not an id", body = ProblemDto),
        (status = 401, description = "Not the case's token", body = ProblemDto),
    )
)]
pub(super) async fn own_data(
    State(app): State<AppState>,
    id: PathOf<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let case = case_id(&id.0)?;
    admit(&app, case, &headers)?;
    let opened = app.service.engine().case_disclosures(case).await;
    let opened = opened.map_err(|error| engine_problem(&error))?;
    let own = OwnDataDto {
        id: case.to_string(),
        fields: opened.iter().map(|field| OwnFieldDto::of(&field.disclosure)).collect(),
        position: app.service.position().get(),
    };
    Ok(no_store(Json(own)))
}

/// Whether a request holds the token of a case. The answer is the same for a case that does not
/// exist, so that nobody finds out cases by asking.
pub(super) fn admit(app: &AppState, case: CaseId, headers: &HeaderMap) -> Result<(), Problem> {
    let refused =
        || Problem::new(Code::Unauthorized, "send the token of the case as Authorization: Bearer");
    let token = bearer(headers).ok_or_else(refused)?;
    let token = AccessToken::parse(token).map_err(|_| refused())?;
    let admitted = app.service.engine().private().admits(&token, &case.stream());
    match admitted {
        Ok(true) => Ok(()),
        Ok(false) => Err(refused()),
        Err(error) => Err(Problem::new(Code::Unavailable, error.to_string())),
    }
}

/// How long a request may wait, if it may wait so long.
pub(super) fn waiting_time(wait_ms: u64) -> Result<Duration, Problem> {
    let limit = Duration::from_millis(wait_ms);
    if limit <= WAIT_MAX {
        return Ok(limit);
    }
    let detail = format!("wait_ms {wait_ms} is more than {}", WAIT_MAX.as_millis());
    Err(Problem::new(Code::BadRequest, detail))
}

/// Reads the id of a case.
pub(super) fn case_id(text: &str) -> Result<CaseId, Problem> {
    CaseId::parse(text).map_err(Problem::bad_request)
}

/// A case with the leaves that the answer reflects.
pub(super) fn case_row(app: &AppState, case: CaseId) -> Result<(CaseRow, u64), Problem> {
    let found = app.service.model().case(case);
    let found = found.map_err(|e| Problem::new(Code::Unavailable, e.to_string()))?;
    match found.value {
        Some(row) => Ok((row, found.size.get())),
        None => Err(Problem::new(Code::NotFound, format!("there is no case {case}"))),
    }
}

impl TextDto {
    /// A text of a pack.
    pub(super) fn of(text: &Text) -> Self {
        Self { ru: text.ru.clone(), en: text.en.clone() }
    }
}

impl OwnFieldDto {
    fn of(disclosure: &Disclosure) -> Self {
        Self {
            name: disclosure.name().to_owned(),
            value: disclosure.value().to_value(),
            disclosure: disclosure.as_str().to_owned(),
        }
    }
}

impl StatusDto {
    pub(super) fn of(app: &AppState, row: &CaseRow, position: u64) -> Self {
        Self {
            id: row.case.to_string(),
            number: Some(row.number.clone()),
            service: row.service.to_string(),
            status: row.status.as_str(),
            status_text: status_text(row.status),
            grounds: vec![],
            registered_at: Some(row.registered_at.to_string()),
            due: Some(row.due.to_string()),
            provisional: Some(row.provisional),
            ended_at: row.ended_at.map(|time| time.to_string()),
            ended_leaf: row.ended_leaf.map(letopis_ledger::LeafIndex::get),
            about: None,
            follow_ups: vec![],
            state: Finality::of(app.service.ledger(), row.leaf).as_str(),
            position,
        }
    }

    /// `row` is there when the application was registered before it was not taken.
    fn not_taken(
        app: &AppState,
        refused: &NotTakenRow,
        row: Option<&CaseRow>,
        position: u64,
    ) -> Result<Self, Problem> {
        let number = row.map(|row| row.number.clone());
        Ok(Self {
            id: refused.case.to_string(),
            number: number.or_else(|| refused.number.clone()),
            service: refused.service.to_string(),
            status: CaseStatus::NotTaken.as_str(),
            status_text: status_text(CaseStatus::NotTaken),
            grounds: grounds_of(app, (&refused.pack, &refused.service), &refused.grounds)?,
            registered_at: row.map(|row| row.registered_at.to_string()),
            due: row.map(|row| row.due.to_string()),
            provisional: row.map(|row| row.provisional),
            ended_at: Some(refused.refused_at.to_string()),
            ended_leaf: Some(refused.leaf.get()),
            about: None,
            follow_ups: vec![],
            state: Finality::of(app.service.ledger(), refused.leaf).as_str(),
            position,
        })
    }
}

fn status_text(status: CaseStatus) -> TextDto {
    let message = match status {
        CaseStatus::Granted => MessageId::StatusGranted,
        CaseStatus::Refused => MessageId::StatusRefused,
        CaseStatus::NotTaken => MessageId::StatusNotTaken,
        CaseStatus::Cancelled => MessageId::StatusCancelled,
        CaseStatus::InProgress | CaseStatus::Absent => MessageId::StatusInProgress,
    };
    TextDto { ru: message.text(Language::Ru, &[]), en: message.text(Language::En, &[]) }
}

/// Why the engine did not do what it was asked, as a problem.
pub(super) fn engine_problem(error: &EngineError) -> Problem {
    let specific = |class, code: &str| Problem::with_specific_code(class, code, error.to_string());
    let conflict = |code| specific(Code::Conflict, code);
    match error {
        EngineError::Form { errors } => Problem::new(Code::InvalidForm, error.to_string())
            .with_errors(errors.iter().map(field_problem).collect()),
        EngineError::DraftOutdated { errors, .. } => specific(Code::InvalidForm, "draft-outdated")
            .with_errors(errors.iter().map(field_problem).collect()),
        EngineError::UnknownService { .. }
        | EngineError::UnknownComplex { .. }
        | EngineError::UnknownCase { .. }
        | EngineError::UnknownEntry { .. } => Problem::new(Code::NotFound, error.to_string()),
        EngineError::Withdrawn { what: "registry", .. } => {
            specific(Code::Withdrawn, "registry-withdrawn")
        }
        EngineError::Withdrawn { .. } => specific(Code::Withdrawn, "service-withdrawn"),
        EngineError::ChannelClosed { .. } => specific(Code::InvalidForm, "channel-closed"),
        EngineError::DraftOnly { .. } => specific(Code::InvalidForm, "channel-draft-only"),
        EngineError::NotTakenTogether { .. } => specific(Code::InvalidForm, "not-taken"),
        EngineError::FollowUpOpen { .. } => conflict("follow-up-open"),
        EngineError::Case(CaseRefusal::EntryGone { .. }) => conflict("entry-gone"),
        EngineError::Case(CaseRefusal::NotRenewed(_)) => specific(Code::InvalidForm, "not-renewed"),
        EngineError::IdempotencyKeyReused => conflict("idempotency-key-reused"),
        EngineError::PackVersionTaken { .. } | EngineError::PackVersionGap { .. } => {
            conflict("pack-version")
        }
        EngineError::ForeignPack { .. } | EngineError::Offered { .. } => {
            conflict("pack-not-for-this-node")
        }
        EngineError::Payment(PaymentRefusal::AlreadyPaid { .. }) => conflict("payment-paid"),
        EngineError::Offer(OfferRefusal::Closed { .. }) => conflict("offer-closed"),
        EngineError::Offer(OfferRefusal::TooLate { .. }) => conflict("offer-expired"),
        EngineError::Lifecycle(refusal) => lifecycle_problem(refusal),
        EngineError::Entry(EntryRefusal::System { .. }) => {
            specific(Code::InvalidForm, "system-registry")
        }
        EngineError::Case(_)
        | EngineError::Entry(_)
        | EngineError::Row { .. }
        | EngineError::Offer(
            OfferRefusal::NoSuchNotice { .. }
            | OfferRefusal::NoChannel { .. }
            | OfferRefusal::TooEarly { .. },
        )
        | EngineError::Payment(PaymentRefusal::Reference { .. })
        | EngineError::Staff { .. } => Problem::new(Code::RuleBroken, error.to_string()),
        EngineError::OutOfPlace(_) => conflict("case-irregular"),
        EngineError::Message { .. } => specific(Code::BadRequest, "message-malformed"),
        EngineError::MessageSettled { .. } => conflict("message-settled"),
        EngineError::TooManyMessages { .. } => specific(Code::Busy, "quarantine-full"),
        EngineError::PackFails { .. } => specific(Code::InvalidForm, "pack-refused"),
        EngineError::TooManyRaces { .. } | EngineError::Append(AppendRefused::Busy { .. }) => {
            Problem::new(Code::Busy, error.to_string())
        }
        EngineError::Append(AppendRefused::TooLarge { .. }) => {
            specific(Code::TooLarge, "leaf-too-large")
        }
        EngineError::Append(AppendRefused::ClaimTaken { .. }) => conflict("claim-taken"),
        EngineError::Partly { .. } => specific(Code::Unavailable, "partly-entered"),
        EngineError::Append(AppendRefused::Unavailable { .. }) | EngineError::Read(_) => {
            Problem::new(Code::Unavailable, error.to_string())
        }
        // A fault of this node: its log says what; a stranger need not know its files.
        other => {
            tracing::error!(error = %other, "a request could not be served");
            Problem::new(Code::Internal, "the node could not do this; its log says why")
        }
    }
}

pub(super) fn field_problem(error: &FormError) -> FieldProblem {
    let arguments: Vec<&str> = error.arguments.iter().map(String::as_str).collect();
    FieldProblem {
        pointer: error.pointer.clone(),
        code: error.message.as_str().to_owned(),
        ru: error.message.text(Language::Ru, &arguments),
        en: error.message.text(Language::En, &arguments),
    }
}
