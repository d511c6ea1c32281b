//! What officials do with cases: their inbox, the card of a case, answers, proposals, agreements.
//!
//! Not here: rules of who may do what, which the registry checks against the log.

mod card;
mod inbox;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use letopis_ledger::key::AuthorSignature;
use letopis_ledger::{StreamVersion, Timestamp};
use letopis_registry::case::Motive;
use letopis_registry::code::{FieldPath, StepCode, TypicalCode};
use letopis_registry::engine::{Appended, GivenAnswer, GivenSubanswer, Subrequest};
use letopis_registry::environment::Clock;
use letopis_registry::event::{Arrival, CancelledBy, CaseId, Way};
use letopis_registry::messages::Language;
use letopis_registry::staff::Official;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::application::{admit, case_id, engine_problem};
use super::body::JsonOf;
use super::document::Uuid7;
use super::intake::ScanDto;
use super::problem::{Problem, ProblemDto};
use super::staff::{Acting, official_id};
use super::{AppState, PathOf, no_store};
use crate::service::environment::System;

pub(super) use card::{__path_card, card};
pub(super) use inbox::{__path_inbox, inbox};

/// An answer of a request.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnswerDto {
    /// The request; a dotted path answers a subrequest.
    request: String,
    /// Facts by field; absent when there is no data.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    facts: Option<Map<String, Value>>,
    /// The answer of a subrequest in words.
    #[serde(default)]
    text: Option<String>,
    /// `workplace`, `paper` or `phone`; an applicant's answer comes by `portal`.
    #[serde(default)]
    way: Option<String>,
    /// When it came, if earlier than now, as in 2026-11-21T19:34:52.123Z.
    #[serde(default)]
    at: Option<String>,
    /// Number of the letter.
    #[serde(default)]
    letter: Option<String>,
    /// Id of a second official who heard the call.
    #[serde(default)]
    second: Option<String>,
    /// The scan of the letter or of the document on which it stands.
    #[serde(default)]
    scan: Option<ScanDto>,
    /// Why there are no facts, in words, where the request was escalated; it is private.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 4000)]
    motive: Option<String>,
    /// Ed25519 signature of the official, 64 bytes in base64, over the text of the answer
    /// (`/api/v1/cases/{id}/answers/text`) in the DSSE encoding of type
    /// `application/vnd.letopis.answer.v1+json`; needed where the card says so.
    #[serde(default)]
    signature: Option<String>,
}

/// A text to sign.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AnswerTextDto {
    text: String,
}

/// What became of an answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AnsweredDto {
    /// Why it does not count though it is kept: `late`, `cancelled`, `duplicate`, `not_sent`;
    /// absent when it counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    set_aside: Option<&'static str>,
}

/// A request to somebody else on the way to an answer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubrequestDto {
    /// The request, then a name of your choice, joined by a dot.
    path: String,
    /// Who is asked.
    addressee: String,
    /// `electronic`, `paper` or `phone`.
    way: String,
    /// Whether the answer above waits for it.
    mandatory: bool,
    /// Working days that the one asked may take; never longer than the request above.
    #[schema(minimum = 1, maximum = 60)]
    working_days: u32,
}

/// A proposed decision: the rules give the outcome and its grounds.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProposalDto {
    /// Why, in words; it is private. This or `typical`.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 4000)]
    motive: Option<String>,
    /// Code of the regulation's typical decision whose reasons are taken over.
    #[serde(default)]
    typical: Option<String>,
    /// Language of these reasons, `ru` or `en`; `ru` without it.
    #[serde(default)]
    language: Option<String>,
}

/// A proposal that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProposedDto {
    /// Its number in the case's stream.
    proposal: u64,
}

/// Agreement to a proposal.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgreementDto {
    /// Number of the proposal.
    proposal: u64,
    /// Ed25519 signature, 64 bytes in base64, over the text of the card in the DSSE encoding of
    /// type `application/vnd.letopis.agreement.v1+json`.
    signature: String,
}

/// A proposal that is returned.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReturnDto {
    /// Number of the proposal.
    proposal: u64,
    /// What is wrong.
    #[schema(min_length = 1, max_length = 4000)]
    remarks: String,
}

/// Another official for a case.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReassignDto {
    /// Id of the official who gets the case.
    #[schema(value_type = Uuid7, inline)]
    official: String,
    /// Why.
    #[schema(min_length = 1, max_length = 4000)]
    reason: String,
}

/// Where the log has what was done.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DoneDto {
    /// Its leaf.
    leaf: u64,
    /// When the log took it.
    time: String,
}

/// Takes an official's answer, or what the official enters of somebody else's.
#[utoipa::path(
    post, path = "/api/v1/cases/{id}/answers", tag = "officials",
    params(("id" = inline(Uuid7), Path, description = "Id of the case")),
    request_body = AnswerDto, security(("official" = [])),
    responses(
        (status = 200, description = "Taken, or kept without effect", body = AnsweredDto),
        (status = 400, description = "Not of this shape", body = ProblemDto),
        (status = 401, description = "Not an official's token", body = ProblemDto),
        (status = 404, description = "No such case", body = ProblemDto),
        (status = 422, description = "A rule forbids it", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn answer(
    State(app): State<AppState>,
    Acting(official): Acting,
    id: PathOf<String>,
    JsonOf(body): JsonOf<AnswerDto>,
) -> Result<Json<AnsweredDto>, Problem> {
    let case = case_id(&id.0)?;
    let came = body.by(&official)?;
    let engine = app.service.engine();
    if body.request.contains('.') {
        if body.motive.is_some() || body.scan.is_some() {
            return Err(Problem::bad_request("a subrequest is answered with \"text\" alone"));
        }
        let answer = GivenSubanswer { path: path(&body.request)?, text: body.text, came };
        let Json(_) = done(&app, case, engine.answer_subrequest(case, &official, &answer).await)?;
        return Ok(Json(AnsweredDto { set_aside: None }));
    }
    let given = body.given(came)?;
    let aside = engine.give_answer(case, Some(&official), &given).await;
    let aside = aside.map_err(|error| engine_problem(&error))?;
    app.service.worker().take_up(case);
    Ok(Json(AnsweredDto { set_aside: aside.map(|reason| reason.as_str()) }))
}

/// The text that an official signs to give an answer, with the facts in their normal form.
#[utoipa::path(
    post, path = "/api/v1/cases/{id}/answers/text", tag = "officials",
    params(("id" = inline(Uuid7), Path, description = "Id of the case")),
    request_body = AnswerDto, security(("official" = [])),
    responses(
        (status = 200, description = "The text", body = AnswerTextDto),
        (status = 400, description = "Not of this shape", body = ProblemDto),
        (status = 401, description = "Not an official's token", body = ProblemDto),
        (status = 404, description = "No such case", body = ProblemDto),
        (status = 422, description = "A rule forbids it", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn answer_text(
    State(app): State<AppState>,
    Acting(official): Acting,
    id: PathOf<String>,
    JsonOf(body): JsonOf<AnswerDto>,
) -> Result<Response, Problem> {
    let case = case_id(&id.0)?;
    let given = body.given(body.by(&official)?)?;
    let text = app.service.engine().answer_text(case, &official, &given).await;
    let text = text.map_err(|error| engine_problem(&error))?;
    let text = String::from_utf8_lossy(&text).into_owned();
    Ok(no_store(Json(AnswerTextDto { text })))
}

/// Takes the applicant's answer to a request.
#[utoipa::path(
    post, path = "/api/v1/applications/{id}/answers", tag = "services",
    params(("id" = inline(Uuid7), Path, description = "Id of the case")),
    request_body = AnswerDto, security(("case" = [])),
    responses(
        (status = 200, description = "Taken, or kept without effect", body = AnsweredDto),
        (status = 400, description = "Not of this shape", body = ProblemDto),
        (status = 401, description = "Not the case's token", body = ProblemDto),
        (status = 422, description = "A rule forbids it", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn applicant_answer(
    State(app): State<AppState>,
    id: PathOf<String>,
    headers: axum::http::HeaderMap,
    JsonOf(body): JsonOf<AnswerDto>,
) -> Result<Json<AnsweredDto>, Problem> {
    let case = case_id(&id.0)?;
    admit(&app, case, &headers)?;
    let of_officials = [&body.at, &body.letter, &body.second, &body.motive];
    if of_officials.iter().any(|given| given.is_some()) || body.scan.is_some() {
        return Err(Problem::bad_request(
            "an applicant's answer comes when it is sent, by the portal",
        ));
    }
    let given = body.given(body.arrival(Way::Portal)?)?;
    let aside = app.service.engine().give_answer(case, None, &given).await;
    let aside = aside.map_err(|error| engine_problem(&error))?;
    app.service.worker().take_up(case);
    Ok(Json(AnsweredDto { set_aside: aside.map(|reason| reason.as_str()) }))
}

/// Calls the application off.
#[utoipa::path(
    post, path = "/api/v1/applications/{id}/cancellation", tag = "services",
    params(("id" = inline(Uuid7), Path, description = "Id of the case")),
    security(("case" = [])),
    responses(
        (status = 200, description = "Called off", body = DoneDto),
        (status = 400, description = "Not an id", body = ProblemDto),
        (status = 401, description = "Not the case's token", body = ProblemDto),
        (status = 422, description = "It has been decided", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn cancel(
    State(app): State<AppState>,
    id: PathOf<String>,
    headers: axum::http::HeaderMap,
) -> Result<Json<DoneDto>, Problem> {
    let case = case_id(&id.0)?;
    admit(&app, case, &headers)?;
    done(&app, case, app.service.engine().cancel(case, CancelledBy::Applicant).await)
}

/// Asks somebody else on the way to an answer.
#[utoipa::path(
    post, path = "/api/v1/cases/{id}/subrequests", tag = "officials",
    params(("id" = inline(Uuid7), Path, description = "Id of the case")),
    request_body = SubrequestDto, security(("official" = [])),
    responses(
        (status = 200, description = "Opened", body = DoneDto),
        (status = 400, description = "Not of this shape", body = ProblemDto),
        (status = 401, description = "Not an official's token", body = ProblemDto),
        (status = 404, description = "No such case", body = ProblemDto),
        (status = 422, description = "A rule forbids it", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn subrequest(
    State(app): State<AppState>,
    Acting(official): Acting,
    id: PathOf<String>,
    JsonOf(body): JsonOf<SubrequestDto>,
) -> Result<Json<DoneDto>, Problem> {
    let case = case_id(&id.0)?;
    if !(1..=60).contains(&body.working_days) {
        return Err(Problem::bad_request("working_days is from 1 to 60"));
    }
    let subrequest = Subrequest {
        path: path(&body.path)?,
        addressee: body.addressee,
        way: Way::parse(&body.way).map_err(Problem::bad_request)?,
        mandatory: body.mandatory,
        working_days: body.working_days,
    };
    let engine = app.service.engine();
    done(&app, case, engine.open_subrequest(case, &official, &subrequest).await)
}

/// Proposes the decision that the rules give.
#[utoipa::path(
    post, path = "/api/v1/cases/{id}/proposals", tag = "officials",
    params(("id" = inline(Uuid7), Path, description = "Id of the case")),
    request_body = ProposalDto, security(("official" = [])),
    responses(
        (status = 200, description = "Proposed", body = ProposedDto),
        (status = 400, description = "Not of this shape", body = ProblemDto),
        (status = 401, description = "Not an official's token", body = ProblemDto),
        (status = 404, description = "No such case", body = ProblemDto),
        (status = 422, description = "A rule forbids it", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn propose(
    State(app): State<AppState>,
    Acting(official): Acting,
    id: PathOf<String>,
    JsonOf(body): JsonOf<ProposalDto>,
) -> Result<Json<ProposedDto>, Problem> {
    let (case, motive) = (case_id(&id.0)?, body.motive()?);
    let proposed = app.service.engine().propose(case, &official, &motive).await;
    let proposal = proposed.map_err(|error| engine_problem(&error))?.get();
    app.service.worker().take_up(case);
    Ok(Json(ProposedDto { proposal }))
}

/// Agrees to a proposal with a signature; the last agreement decides the case.
#[utoipa::path(
    post, path = "/api/v1/cases/{id}/agreements", tag = "officials",
    params(("id" = inline(Uuid7), Path, description = "Id of the case")),
    request_body = AgreementDto, security(("official" = [])),
    responses(
        (status = 200, description = "Agreed", body = DoneDto),
        (status = 400, description = "Not of this shape", body = ProblemDto),
        (status = 401, description = "Not an official's token", body = ProblemDto),
        (status = 404, description = "No such case", body = ProblemDto),
        (status = 422, description = "A rule forbids it", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn agree(
    State(app): State<AppState>,
    Acting(official): Acting,
    id: PathOf<String>,
    JsonOf(body): JsonOf<AgreementDto>,
) -> Result<Json<DoneDto>, Problem> {
    let case = case_id(&id.0)?;
    let signature = AuthorSignature::from_base64(&body.signature).map_err(Problem::bad_request)?;
    let agreed = (StreamVersion::new(body.proposal), signature);
    done(&app, case, app.service.engine().agree(case, &official, agreed).await)
}

/// Returns a proposal with remarks.
#[utoipa::path(
    post, path = "/api/v1/cases/{id}/returns", tag = "officials",
    params(("id" = inline(Uuid7), Path, description = "Id of the case")),
    request_body = ReturnDto, security(("official" = [])),
    responses(
        (status = 200, description = "Returned", body = DoneDto),
        (status = 400, description = "Not of this shape", body = ProblemDto),
        (status = 401, description = "Not an official's token", body = ProblemDto),
        (status = 404, description = "No such case", body = ProblemDto),
        (status = 422, description = "A rule forbids it", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn return_proposal(
    State(app): State<AppState>,
    Acting(official): Acting,
    id: PathOf<String>,
    JsonOf(body): JsonOf<ReturnDto>,
) -> Result<Json<DoneDto>, Problem> {
    let case = case_id(&id.0)?;
    let returned = (StreamVersion::new(body.proposal), body.remarks.as_str());
    done(&app, case, app.service.engine().return_proposal(case, &official, returned).await)
}

/// Gives a case to another official; the head of the unit does.
#[utoipa::path(
    post, path = "/api/v1/cases/{id}/assignment", tag = "officials",
    params(("id" = inline(Uuid7), Path, description = "Id of the case")),
    request_body = ReassignDto, security(("official" = [])),
    responses(
        (status = 200, description = "Given", body = DoneDto),
        (status = 400, description = "Not of this shape", body = ProblemDto),
        (status = 401, description = "Not an official's token", body = ProblemDto),
        (status = 404, description = "No such case or official", body = ProblemDto),
        (status = 422, description = "A rule forbids it", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn reassign(
    State(app): State<AppState>,
    Acting(official): Acting,
    id: PathOf<String>,
    JsonOf(body): JsonOf<ReassignDto>,
) -> Result<Json<DoneDto>, Problem> {
    let case = case_id(&id.0)?;
    let to = (official_id(&body.official)?, body.reason.as_str());
    done(&app, case, app.service.engine().reassign(case, &official, to).await)
}

impl ProposalDto {
    fn motive(self) -> Result<Motive, Problem> {
        let language = self.language.as_deref().map(|code| {
            Language::parse(code).ok_or_else(|| Problem::bad_request("language is ru or en"))
        });
        let language = language.transpose()?;
        match (self.motive, self.typical) {
            (Some(words), None) => Ok(Motive::Words(words)),
            (None, Some(code)) => Ok(Motive::Typical {
                code: TypicalCode::parse(&code).map_err(Problem::bad_request)?,
                language: language.unwrap_or(Language::Ru),
            }),
            _ => Err(Problem::bad_request("give \"motive\" or \"typical\", one of both")),
        }
    }
}

impl AnswerDto {
    /// How it came to the official who gives or enters it.
    fn by(&self, official: &Official) -> Result<Arrival, Problem> {
        let way = self.way.as_deref().unwrap_or("workplace");
        let way = Way::parse(way).map_err(Problem::bad_request)?;
        if !matches!(way, Way::Workplace | Way::Paper | Way::Phone) {
            return Err(Problem::bad_request("an official answers by workplace, paper or phone"));
        }
        let second = self.second.as_deref().map(official_id).transpose()?;
        Ok(Arrival { official: Some(official.id), second, ..self.arrival(way)? })
    }

    fn arrival(&self, way: Way) -> Result<Arrival, Problem> {
        let now = System.now();
        let at = match &self.at {
            Some(text) => Timestamp::parse(text).map_err(Problem::bad_request)?,
            None => now,
        };
        if at > now {
            return Err(Problem::bad_request("\"at\" lies in the future"));
        }
        Ok(Arrival { way, at, official: None, second: None, letter: self.letter.clone() })
    }

    fn given(&self, came: Arrival) -> Result<GivenAnswer, Problem> {
        let request = StepCode::parse(&self.request).map_err(Problem::bad_request)?;
        let facts = self.facts.clone().map(Value::Object);
        let scan = self.scan.as_ref().map(ScanDto::scan).transpose()?;
        let signature = self.signature.as_deref().map(AuthorSignature::from_base64).transpose();
        let signature = signature.map_err(Problem::bad_request)?;
        Ok(GivenAnswer { request, facts, came, scan, motive: self.motive.clone(), signature })
    }
}

fn path(text: &str) -> Result<FieldPath, Problem> {
    FieldPath::parse(text).map_err(Problem::bad_request)
}

/// The answer to something done; whatever follows from it by itself is taken up.
pub(super) fn done(
    app: &AppState,
    case: CaseId,
    done: Result<Appended, letopis_registry::engine::EngineError>,
) -> Result<Json<DoneDto>, Problem> {
    let appended = done.map_err(|error| engine_problem(&error))?;
    app.service.worker().take_up(case);
    Ok(done_at(appended))
}

/// Where what was done stands.
pub(super) fn done_at(appended: Appended) -> Json<DoneDto> {
    Json(DoneDto { leaf: appended.leaf.get(), time: appended.time.to_string() })
}
