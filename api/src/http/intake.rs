//! Intake: what officials enter for those who come with a paper, what is not taken and why, and the
//! answer that everybody gets who applies.
//!
//! Not here: applications that come electronically (`application`), and the rules of intake.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use letopis_ledger::{Hash, Timestamp};
use letopis_registry::case::{Entry, IntakeFinding};
use letopis_registry::code::{ChannelCode, FieldPath, GroundCode, ServiceCode};
use letopis_registry::engine::{Accepted, Application, Intake};
use letopis_registry::event::{IntakeEvidence, IntakeGround, PackRef, Scan};
use letopis_registry::messages::Text;
use letopis_registry::staff::Official;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::application::{TextDto, case_id, engine_problem, idempotency_key};
use super::body::JsonOf;
use super::document::{IdempotencyKey, Uuid7};
use super::problem::{Code, Problem, ProblemDto};
use super::staff::Acting;
use super::work::{DoneDto, done};
use super::{AppState, PathOf};

/// What became of an application. It is on record in both cases.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AcceptedDto {
    /// Id of the case.
    id: String,
    /// `registered` or `not_taken`.
    status: &'static str,
    /// Number of the case; of the refusal where the regulation numbers those.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<String>,
    /// Gives access to the case's private values. It is shown once; keep it.
    token: String,
    /// SHA-256 of the canonical JSON `{"form":{path: value,…},"service":code}` with every value in
    /// its normal form: the same for the same application, whatever way it comes.
    payload_sha256: String,
    /// When its term began; absent when it was not taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    registered_at: Option<String>,
    /// Last instant of the legal term; absent when it was not taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<String>,
    /// Whether a calendar not yet published may move the end of the term.
    #[serde(skip_serializing_if = "Option::is_none")]
    provisional: Option<bool>,
    /// Why it was not taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    grounds: Vec<IntakeGroundDto>,
    /// Leaf of the record.
    leaf: u64,
    /// When the log took it.
    time: String,
    /// Whether an earlier submission with the same idempotency key made the case.
    repeated: bool,
}

/// A ground for not taking an application.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IntakeGroundDto {
    code: String,
    text: TextDto,
    law: TextDto,
    /// What it rests on.
    evidence: Vec<EvidenceDto>,
}

/// A fact on which a ground rests: one of both.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EvidenceDto {
    /// A field of the form, as in `project.sha256`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    form: Option<String>,
    /// SHA-256 of a file in hexadecimal digits: of the scan, or of the protocol of a check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<String>,
}

/// An application that an official enters.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EntryDto {
    /// How it came; one of the service's channels.
    channel: String,
    /// The form, as the service's JSON Schema describes it; it may be incomplete where the
    /// application is refused.
    #[schema(value_type = Object)]
    form: Value,
    /// When it came, if that was earlier, as in 2026-11-21T19:34:52.123Z; the term runs from then.
    #[serde(default)]
    came_at: Option<String>,
    /// The scan of the paper.
    #[serde(default)]
    scan: Option<ScanDto>,
    /// Why it is not taken.
    #[serde(default)]
    refusal: Option<FindingDto>,
    /// Number or stream of an entry that the service gave and that is asked to go on after its last
    /// day.
    #[serde(default)]
    renews: Option<String>,
}

/// The scan of a paper; the file stays with the agency.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScanDto {
    /// SHA-256 in hexadecimal digits.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    sha256: String,
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    size_bytes: u64,
    /// As in image/png.
    media_type: String,
}

/// Why an application is not taken.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FindingDto {
    /// Grounds of the regulation, each with at least one fact.
    #[schema(min_items = 1)]
    grounds: Vec<FoundDto>,
    /// Why, in words, for the applicant alone.
    #[schema(min_length = 1, max_length = 4000)]
    motive: String,
}

/// A ground that an official found.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FoundDto {
    /// Its code in the regulation.
    code: String,
    #[schema(min_items = 1)]
    evidence: Vec<EvidenceDto>,
}

/// Enters an application that came to the agency, or puts on record why it is not taken.
#[utoipa::path(
    post, path = "/api/v1/services/{service}/entries", tag = "officials",
    params(
        ("service" = String, Path, description = "Code of the service"),
        ("idempotency-key" = inline(Option<IdempotencyKey>), Header,
         description = "A key of your choice: the same key with the same form gives the same case"),
    ),
    request_body = EntryDto, security(("official" = [])),
    responses(
        (status = 201, description = "On record: registered or not taken", body = AcceptedDto),
        (status = 400, description = "Not JSON of this shape", body = ProblemDto),
        (status = 401, description = "Not an official's token", body = ProblemDto),
        (status = 404, description = "No such service", body = ProblemDto),
        (status = 409, description = "The key was used for another form", body = ProblemDto),
        (status = 410, description = "The service is withdrawn", body = ProblemDto),
        (status = 413, description = "Too large", body = ProblemDto),
        (status = 422, description = "Fields are wrong, or a rule forbids it", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn enter(
    State(app): State<AppState>,
    Acting(official): Acting,
    service: PathOf<String>,
    headers: HeaderMap,
    JsonOf(body): JsonOf<EntryDto>,
) -> Result<Response, Problem> {
    let came_at = body.came_at.as_deref().map(Timestamp::parse).transpose();
    let service = ServiceCode::parse(&service.0);
    let service = service.map_err(|e| Problem::new(Code::NotFound, e.to_string()))?;
    let given = |name| app.service.engine().given_entry(&service, name);
    let renews = body.renews.as_deref().map(given).transpose();
    let application = Application {
        renews: renews.map_err(|error| engine_problem(&error))?,
        source: None,
        service,
        channel: ChannelCode::parse(&body.channel).map_err(Problem::bad_request)?,
        registered_at: came_at.map_err(Problem::bad_request)?,
        idempotency_key: idempotency_key(&headers)?,
        entry: Some(body.entry(official)?),
        form: body.form,
    };
    let accepted = app.service.engine().submit(&application).await;
    accepted_answer(&app, &accepted.map_err(|error| engine_problem(&error))?)
}

/// Does not take an application that is registered, on the check that the regulation allows.
#[utoipa::path(
    post, path = "/api/v1/cases/{id}/intake-refusal", tag = "officials",
    params(("id" = inline(Uuid7), Path, description = "Id of the case")),
    request_body = FindingDto, security(("official" = [])),
    responses(
        (status = 200, description = "Not taken", body = DoneDto),
        (status = 400, description = "Not of this shape", body = ProblemDto),
        (status = 401, description = "Not an official's token", body = ProblemDto),
        (status = 404, description = "No such case", body = ProblemDto),
        (status = 422, description = "A rule forbids it", body = ProblemDto),
        (status = 503, description = "Busy or stopping", body = ProblemDto),
    )
)]
pub(super) async fn refuse(
    State(app): State<AppState>,
    Acting(official): Acting,
    id: PathOf<String>,
    JsonOf(body): JsonOf<FindingDto>,
) -> Result<Json<DoneDto>, Problem> {
    let case = case_id(&id.0)?;
    let finding = body.finding()?;
    done(&app, case, app.service.engine().refuse_intake(case, &official, &finding).await)
}

/// The answer to an application that is on record; what follows from it by itself is taken up.
pub(super) fn accepted_answer(app: &AppState, accepted: &Accepted) -> Result<Response, Problem> {
    if matches!(accepted.intake, Intake::Registered(_)) {
        app.service.worker().take_up(accepted.case);
    }
    let location = format!("/api/v1/applications/{}", accepted.case);
    // The token is for the applicant alone; nobody on the way may keep it.
    let headers = [(header::LOCATION, location), (header::CACHE_CONTROL, "no-store".to_owned())];
    let body = Json(AcceptedDto::of(app, accepted)?);
    Ok((StatusCode::CREATED, headers, body).into_response())
}

/// Grounds in the words of the regulation that they are of.
pub(super) fn grounds_of(
    app: &AppState,
    (pack, service): (&PackRef, &ServiceCode),
    grounds: &[IntakeGround],
) -> Result<Vec<IntakeGroundDto>, Problem> {
    let installed = app.service.engine().pinned_pack(pack);
    let installed = installed.map_err(|error| engine_problem(&error))?;
    let listed = installed.service(service).map(|service| &service.regulation.intake_grounds);
    let text = |text: Option<&Text>| TextDto {
        ru: text.map(|text| text.ru.clone()).unwrap_or_default(),
        en: text.map(|text| text.en.clone()).unwrap_or_default(),
    };
    let ground = |ground: &IntakeGround| {
        let known = listed.and_then(|all| all.iter().find(|one| one.code.value == ground.code));
        IntakeGroundDto {
            code: ground.code.to_string(),
            text: text(known.map(|known| &known.text)),
            law: text(known.map(|known| &known.law)),
            evidence: ground.evidence.iter().map(EvidenceDto::of).collect(),
        }
    };
    Ok(grounds.iter().map(ground).collect())
}

impl AcceptedDto {
    pub(super) fn of(app: &AppState, accepted: &Accepted) -> Result<Self, Problem> {
        let mut dto = Self {
            id: accepted.case.to_string(),
            status: "registered",
            number: None,
            token: accepted.token.reveal(),
            payload_sha256: accepted.payload.to_hex(),
            registered_at: None,
            due: None,
            provisional: None,
            grounds: vec![],
            leaf: accepted.appended.leaf.get(),
            time: accepted.appended.time.to_string(),
            repeated: accepted.repeated,
        };
        match &accepted.intake {
            Intake::Registered(registered) => {
                dto.number = Some(registered.number.clone());
                dto.registered_at = Some(registered.registered_at.to_string());
                dto.due = Some(registered.due.to_string());
                dto.provisional = Some(registered.provisional);
            }
            Intake::NotTaken(refused) => {
                dto.status = "not_taken";
                dto.number.clone_from(&refused.number);
                let regulation = (&accepted.pack, &accepted.service);
                dto.grounds = grounds_of(app, regulation, &refused.grounds)?;
            }
        }
        Ok(dto)
    }
}

impl EvidenceDto {
    fn of(evidence: &IntakeEvidence) -> Self {
        match evidence {
            IntakeEvidence::Form(field) => Self { form: Some(field.to_string()), file: None },
            IntakeEvidence::File(sha256) => Self { form: None, file: Some(sha256.to_hex()) },
        }
    }

    fn evidence(&self) -> Result<IntakeEvidence, Problem> {
        match (&self.form, &self.file) {
            (Some(field), None) => {
                FieldPath::parse(field).map(IntakeEvidence::Form).map_err(Problem::bad_request)
            }
            (None, Some(file)) => sha256(file).map(IntakeEvidence::File),
            _ => {
                Err(Problem::bad_request("evidence is a \"form\" field or a \"file\", one of both"))
            }
        }
    }
}

impl EntryDto {
    fn entry(&self, official: Official) -> Result<Entry, Problem> {
        let scan = self.scan.as_ref().map(ScanDto::scan).transpose()?;
        let finding = self.refusal.as_ref().map(FindingDto::finding).transpose()?;
        Ok(Entry { official, scan, finding })
    }
}

impl ScanDto {
    pub(super) fn scan(&self) -> Result<Scan, Problem> {
        if !(1..1 << 53).contains(&self.size_bytes) {
            return Err(Problem::bad_request("size_bytes is not the size of a file"));
        }
        let (sha256, media_type) = (sha256(&self.sha256)?, self.media_type.clone());
        Ok(Scan { sha256, size_bytes: self.size_bytes, media_type })
    }
}

impl FindingDto {
    fn finding(&self) -> Result<IntakeFinding, Problem> {
        let ground = |found: &FoundDto| {
            Ok::<_, Problem>(IntakeGround {
                code: GroundCode::parse(&found.code).map_err(Problem::bad_request)?,
                evidence: found
                    .evidence
                    .iter()
                    .map(EvidenceDto::evidence)
                    .collect::<Result<_, _>>()?,
            })
        };
        let grounds = self.grounds.iter().map(ground).collect::<Result<_, _>>()?;
        Ok(IntakeFinding { grounds, motive: self.motive.clone() })
    }
}

fn sha256(text: &str) -> Result<Hash, Problem> {
    let digits = || Problem::bad_request("a SHA-256 has 64 lower-case hexadecimal digits");
    Hash::from_hex(text).ok_or_else(digits)
}
