//! Submitting an application: checked, kept, signed, appended, once for each idempotency key.

use letopis_ledger::id::StreamName;
use letopis_ledger::json::Json;
use letopis_ledger::record::SignedRecord;
use letopis_ledger::{Hash, Timestamp};
use serde_json::Value;

use super::messages::Releasing;
use super::numbers::LATEST_NUMBERS;
use super::offer_answers::Accepting;
use super::{
    AppendRefused, Appended, CaseEngine, EngineError, InstalledPack, LedgerPort, Prepared, Race,
    TRIES_MAX,
};
use crate::case::{
    CaseRefusal, CaseState, Entry, FollowUp, RecordedCaseEvent, Source, SubmitApplication,
    payload_digest,
};
use crate::code::{ChannelCode, ServiceCode};
use crate::environment::random;
use crate::event::{CaseEvent, CaseId, DomainEvent, IntakeRefused, Joined, PackRef, Registered};
use crate::pack::{CheckedForm, NumberTemplate, Service};
use crate::private::{AccessToken, PrivateBatch, Submission, TokenDigest};
use crate::record_draft::Decision;
use crate::secret::AgencySecret;

/// An application as it comes in.
#[derive(Clone)]
pub struct Application {
    /// The service.
    pub service: ServiceCode,
    /// How it came.
    pub channel: ChannelCode,
    /// The form.
    pub form: Value,
    /// When it came, if an official enters it later than that.
    pub registered_at: Option<Timestamp>,
    /// A key of the client's choice: the same key with the same application gives the same case.
    pub idempotency_key: Option<String>,
    /// Who of the agency enters it; nobody when it came electronically.
    pub entry: Option<Entry>,
    /// The entry that it asks to go on after its last day.
    pub renews: Option<StreamName>,
    /// What the system that sent it says beside the form.
    pub source: Option<Source>,
}

/// What became of an application.
#[derive(Debug, Clone)]
pub enum Intake {
    /// It was registered: number, term, deadline.
    Registered(Registered),
    /// It was not taken, for these grounds.
    NotTaken(IntakeRefused),
}

/// An application that is on record.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The case.
    pub case: CaseId,
    /// The service.
    pub service: ServiceCode,
    /// Whether it was taken.
    pub intake: Intake,
    /// The digest of what is applied for; see [`payload_digest`].
    pub payload: Hash,
    /// The version of the pack that it follows.
    pub pack: PackRef,
    /// Gives access to the case's private values, also where it was not taken; shown to the
    /// applicant once.
    pub token: AccessToken,
    /// Where the record stands.
    pub appended: Appended,
    /// Whether an earlier submission with the same key made the case.
    pub repeated: bool,
}

/// What an application answers, and ends by being submitted.
#[derive(Clone, Copy)]
pub(super) enum Answers<'a> {
    /// An offer of the agency.
    Offer(&'a Accepting),
    /// A message for which an official found the service.
    Message(&'a Releasing),
}

impl Answers<'_> {
    /// What its end puts on record beside the case.
    fn ended_by(self, case: CaseId) -> Result<Decision, EngineError> {
        match self {
            Self::Offer(offer) => Ok(offer.state.accept(case, offer.today)?),
            Self::Message(message) => Ok(message.ended_by(case)),
        }
    }

    /// Whose tokens also show the case.
    fn shown_to(&self) -> &[TokenDigest] {
        match self {
            Self::Offer(_) => &[],
            Self::Message(message) => &message.shown_to,
        }
    }
}

/// What is the same on every try.
pub(super) struct Attempt<'a> {
    pub(super) application: &'a Application,
    pub(super) installed: &'a InstalledPack,
    pub(super) service: &'a Service,
    pub(super) form: &'a CheckedForm,
    pub(super) key: Option<(Hash, Hash)>,
    /// What it answers, on record with it.
    pub(super) answers: Option<Answers<'a>>,
    /// The entry that the case is about.
    pub(super) follow_up: Option<FollowUp>,
    /// Tokens of another case whose holders may see this one.
    pub(super) shown_to: Vec<TokenDigest>,
}

impl<P: LedgerPort> CaseEngine<P> {
    /// Submits an application.
    ///
    /// # Errors
    /// See [`EngineError`]. After [`AppendRefused::Unavailable`], submitting again with the same
    /// idempotency key finds out what became of it.
    pub async fn submit(&self, application: &Application) -> Result<Accepted, EngineError> {
        self.submit_for(application, None).await
    }

    /// Submits an application, and ends by it what it answers.
    pub(super) async fn submit_for(
        &self,
        application: &Application,
        answers: Option<Answers<'_>>,
    ) -> Result<Accepted, EngineError> {
        let code = &application.service;
        let unknown = || EngineError::UnknownService { service: code.clone() };
        let installed = self.packs.with_service(code).ok_or_else(unknown)?;
        let service = installed.service(code).ok_or_else(unknown)?;
        let not_taken = application.entry.as_ref().is_some_and(|entry| entry.finding.is_some());
        // What an official does not take may be incomplete for that very reason.
        let form = match not_taken {
            true => service.check_partly(&application.form),
            false => service.check_form(&application.form),
        };
        // Nobody corrects a form for what is withdrawn.
        let wrong =
            |errors| self.packs.in_force(code).err().unwrap_or(EngineError::Form { errors });
        let form = form.map_err(wrong)?;
        let mut attempt = Attempt {
            application,
            installed: &installed,
            service,
            form: &form,
            key: application
                .idempotency_key
                .as_deref()
                .map(|key| keys(&self.secret, key, application, &form)),
            answers,
            follow_up: None,
            shown_to: answers.map(|answers| answers.shown_to().to_vec()).unwrap_or_default(),
        };
        if let Some((key, input)) = attempt.key
            && let Some(submission) = self.private.submission(&key)?
        {
            if submission.input != input {
                return Err(EngineError::IdempotencyKeyReused);
            }
            // What was submitted before a service was withdrawn is still answered the same.
            self.catch_up().await?;
            if self.model.case(submission.case)?.value.is_none() {
                self.packs.in_force(code)?;
            }
            return self.repeat(&attempt, submission).await;
        }
        self.packs.in_force(code)?;
        if let Some(entry) = &application.renews {
            self.catch_up().await?;
            attempt.follow_up = Some(self.renewal(code, entry)?);
        }
        let unix_ms = self.clock.now().unix_ms().unsigned_abs();
        let case = CaseId::from_parts(unix_ms, &random(&*self.entropy));
        self.submit_as(&attempt, case).await
    }

    /// Submits as a case of this id, with another number whenever the number was taken.
    pub(super) async fn submit_as(
        &self,
        attempt: &Attempt<'_>,
        case: CaseId,
    ) -> Result<Accepted, EngineError> {
        for _ in 0..TRIES_MAX {
            let (prepared, token) = self.prepare(attempt, case)?;
            let record = prepared.record.clone();
            self.private.put(prepared.batch).await?;
            if let Some(first) = self.overtaken(attempt, case)? {
                return Box::pin(self.repeat(attempt, first)).await;
            }
            match self.port.append(prepared.record).await.map_err(EngineError::from) {
                Ok(appended) => {
                    let repeated = false;
                    return self.accept(attempt, case, (&record, token), (appended, repeated));
                }
                Err(error) => match Race::of(&error) {
                    Some(Race::Number) => self.raise_case_numbers(attempt).await?,
                    Some(Race::Name) if let Some(follow_up) = &attempt.follow_up => {
                        return Err(self.follow_up_open(follow_up)?);
                    }
                    _ => return Err(error),
                },
            }
        }
        Err(EngineError::TooManyRaces { tries: TRIES_MAX })
    }

    /// Another submission with the same key that was kept first, if there is one.
    fn overtaken(
        &self,
        attempt: &Attempt<'_>,
        case: CaseId,
    ) -> Result<Option<Submission>, EngineError> {
        let Some((key, input)) = attempt.key else { return Ok(None) };
        match self.private.submission(&key)? {
            Some(first) if first.input != input => Err(EngineError::IdempotencyKeyReused),
            Some(first) if first.case != case => Ok(Some(first)),
            _ => Ok(None),
        }
    }

    /// Proposes the record of an earlier submission again; the ledger knows it if it was appended.
    async fn repeat(
        &self,
        attempt: &Attempt<'_>,
        submission: Submission,
    ) -> Result<Accepted, EngineError> {
        let record = SignedRecord::parse(&submission.signed_record)
            .map_err(|e| EngineError::StoredRecord { reason: e.to_string() })?;
        let case = submission.case;
        match self.port.append(record.clone()).await {
            Ok(appended) => {
                let token = AccessToken::new(&*self.entropy);
                let tokens = vec![(token.digest(), case.stream())];
                self.private.put(PrivateBatch { tokens, ..PrivateBatch::default() }).await?;
                self.accept(attempt, case, (&record, token), (appended, true))
            }
            // The first try lost its number; the same case is submitted with another one.
            Err(AppendRefused::ClaimTaken { .. }) => self.submit_anew(attempt, case).await,
            // What it answers had moved on meanwhile.
            Err(AppendRefused::VersionConflict { .. }) if attempt.answers.is_some() => {
                self.submit_anew(attempt, case).await
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Submits what an earlier try did not bring into the ledger, about the entry as it is now.
    async fn submit_anew(
        &self,
        attempt: &Attempt<'_>,
        case: CaseId,
    ) -> Result<Accepted, EngineError> {
        let application = attempt.application;
        let renews = application.renews.as_ref();
        let follow_up =
            renews.map(|entry| self.renewal(&application.service, entry)).transpose()?;
        let anew = Attempt { follow_up, shown_to: attempt.shown_to.clone(), ..*attempt };
        self.submit_as(&anew, case).await
    }

    fn prepare(
        &self,
        attempt: &Attempt<'_>,
        case: CaseId,
    ) -> Result<(Prepared, AccessToken), EngineError> {
        let mut decision = self.decide_case(attempt, case, None)?;
        if let Some(answers) = attempt.answers {
            decision = decision.and(answers.ended_by(case)?);
        }
        let mut prepared = self.seal(decision)?;
        let token = AccessToken::new(&*self.entropy);
        let tokens = attempt.shown_to.iter().copied().chain([token.digest()]);
        prepared.batch.tokens.extend(tokens.map(|digest| (digest, case.stream())));
        prepared.batch.submission = attempt.key.map(|(key, input)| Submission {
            key,
            input,
            case,
            signed_record: prepared.record.to_bytes(),
        });
        Ok((prepared, token))
    }

    /// The submission of a case, by itself or as a part of a complex request.
    pub(super) fn decide_case(
        &self,
        attempt: &Attempt<'_>,
        case: CaseId,
        joined: Option<Joined>,
    ) -> Result<Decision, EngineError> {
        let at = self.clock.now();
        let mut command = SubmitApplication {
            channel: attempt.application.channel.clone(),
            form: attempt.form.clone(),
            number: None,
            at,
            registered_at: attempt.application.registered_at,
            executors: self.executors_of(attempt.service, &attempt.installed.pack)?,
            entry: attempt.application.entry.clone(),
            joined,
            follow_up: attempt.follow_up.clone(),
            source: attempt.application.source.clone(),
        };
        let rules = attempt.installed.rules_of(attempt.service, &self.secret);
        let refusal = |refusal| refused(&attempt.application.service, refusal);
        let taken = command.intake_grounds(&rules).map_err(refusal)?.is_empty();
        command.number = self.number(attempt, taken, at)?;
        command.decide(&CaseState::new(case.stream()), &rules).map_err(refusal)
    }

    pub(super) fn accept(
        &self,
        attempt: &Attempt<'_>,
        case: CaseId,
        (record, token): (&SignedRecord, AccessToken),
        (appended, repeated): (Appended, bool),
    ) -> Result<Accepted, EngineError> {
        let mut state = CaseState::new(case.stream());
        let mut not_taken = None;
        let stream = case.stream();
        for event in record.record().events().iter().filter(|event| event.stream == stream) {
            if let Some(DomainEvent::Case(read)) = DomainEvent::read(event)? {
                if let CaseEvent::IntakeRefused(refused) = &read {
                    not_taken = Some(refused.clone());
                }
                let (version, private) = (event.version, event.private.clone());
                state.evolve(&RecordedCaseEvent { version, event: read, private })?;
            }
        }
        let intake = match not_taken {
            Some(refused) => Some(Intake::NotTaken(refused)),
            None => state.registered().cloned().map(Intake::Registered),
        };
        let pack = state.pack().cloned();
        let (intake, pack) = intake.zip(pack).ok_or_else(|| EngineError::StoredRecord {
            reason: "it registers no case".to_owned(),
        })?;
        if !repeated && state.ended().is_none() {
            self.remember(case, state);
        }
        let service = attempt.application.service.clone();
        let payload = payload_digest(&service, attempt.form);
        Ok(Accepted { case, service, intake, payload, pack, token, appended, repeated })
    }

    /// The number of the case, or that of its refused intake where the regulation numbers those.
    fn number(
        &self,
        attempt: &Attempt<'_>,
        taken: bool,
        at: Timestamp,
    ) -> Result<Option<String>, EngineError> {
        let Some((kind, template)) = attempt.numbered(taken) else { return Ok(None) };
        let date = attempt.installed.pack.calendar().date(at);
        let number =
            self.numbers.next(&kind, template, date, || self.latest_numbers(attempt, taken))?;
        Ok(Some(number))
    }

    fn latest_numbers(
        &self,
        attempt: &Attempt<'_>,
        taken: bool,
    ) -> Result<Vec<String>, EngineError> {
        let service = &attempt.application.service;
        let latest = match taken {
            true => self.model.latest_case_numbers(service, LATEST_NUMBERS)?,
            false => self.model.latest_intake_numbers(service, LATEST_NUMBERS)?,
        };
        Ok(latest.value)
    }

    pub(super) async fn raise_case_numbers(
        &self,
        attempt: &Attempt<'_>,
    ) -> Result<(), EngineError> {
        self.catch_up().await?;
        let date = attempt.installed.pack.calendar().date(self.clock.now());
        for taken in [true, false] {
            let Some((kind, template)) = attempt.numbered(taken) else { continue };
            let latest = self.latest_numbers(attempt, taken)?;
            self.numbers.raise(&kind, template, date, &latest);
        }
        Ok(())
    }
}

impl Attempt<'_> {
    /// The kind of number that a case gets, or its refused intake, and the template.
    fn numbered(&self, taken: bool) -> Option<(String, &NumberTemplate)> {
        let service = &self.application.service;
        let regulation = &self.service.regulation;
        match taken {
            true => Some((format!("case/{service}"), &regulation.number)),
            false => Some((format!("intake/{service}"), regulation.intake_number.as_ref()?)),
        }
    }
}

/// A refusal of the rules, with the service where the channel is wrong.
fn refused(service: &ServiceCode, refusal: CaseRefusal) -> EngineError {
    let service = service.clone();
    match refusal {
        CaseRefusal::ChannelClosed { channel } => EngineError::ChannelClosed { service, channel },
        CaseRefusal::DraftOnly { channel } => EngineError::DraftOnly { service, channel },
        other => other.into(),
    }
}

/// Keyed digests of the client's key and of what it submits: a form has few possible values, and
/// a plain digest of it would be guessed by whoever gets hold of the store.
fn keys(
    secret: &AgencySecret,
    key: &str,
    application: &Application,
    form: &CheckedForm,
) -> (Hash, Hash) {
    let values = form.values().iter();
    let values = values.map(|(field, value)| (field.to_string(), value.clone())).collect();
    let mut input: Vec<Json> = vec![
        application.service.as_str().into(),
        application.channel.as_str().into(),
        Json::Object(values),
    ];
    if let Some(entry) = &application.entry {
        let came = application.registered_at.map(|at| at.to_string());
        let scan = entry.scan.as_ref().map(|scan| scan.sha256.to_hex());
        input.push(came.unwrap_or_default().as_str().into());
        input.push(scan.unwrap_or_default().as_str().into());
        let codes = entry.finding.iter().flat_map(|finding| &finding.grounds);
        input.extend(codes.map(|ground| Json::from(ground.code.as_str())));
    }
    let told = application.source.iter().flat_map(Source::texts);
    input.extend(told.flat_map(|(name, text)| [Json::from(name), text]));
    input.extend(application.renews.iter().map(|entry| Json::from(entry.as_str())));
    keyed(secret, key, &Json::Array(input))
}

/// Keyed digests of a client's key and of what it stands for.
pub(super) fn keyed(secret: &AgencySecret, key: &str, input: &Json) -> (Hash, Hash) {
    let hash = |purpose, text| Hash::from_bytes(*secret.digest(purpose, &[text]).as_bytes());
    (hash("idempotency-key", key), hash("submission", &input.to_string()))
}
