//! Submitting an application: checked, kept, signed, appended, once for each idempotency key.

use letopis_ledger::json::Json;
use letopis_ledger::record::SignedRecord;
use letopis_ledger::{Hash, Timestamp};
use serde_json::Value;

use super::numbers::LATEST_NUMBERS;
use super::{
    AppendRefused, Appended, CaseEngine, EngineError, InstalledPack, LedgerPort, Prepared, Race,
    TRIES_MAX,
};
use crate::case::{CaseRefusal, CaseRules, CaseState, RecordedCaseEvent, SubmitApplication};
use crate::code::{ChannelCode, ServiceCode};
use crate::environment::random;
use crate::event::{CaseEvent, CaseId, DomainEvent, Joined, PackRef, Registered};
use crate::pack::{CheckedForm, Service};
use crate::private::{AccessToken, PrivateBatch, Submission};
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
}

/// An application that was registered.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The case.
    pub case: CaseId,
    /// Its registration: number, term, deadline.
    pub registered: Registered,
    /// The version of the pack that it follows.
    pub pack: PackRef,
    /// Gives access to the case's private values; shown to the applicant once.
    pub token: AccessToken,
    /// Where the record stands.
    pub appended: Appended,
    /// Whether an earlier submission with the same key made the case.
    pub repeated: bool,
}

/// What is the same on every try.
pub(super) struct Attempt<'a> {
    pub(super) application: &'a Application,
    pub(super) installed: &'a InstalledPack,
    pub(super) service: &'a Service,
    pub(super) form: &'a CheckedForm,
    pub(super) key: Option<(Hash, Hash)>,
}

impl<P: LedgerPort> CaseEngine<P> {
    /// Submits an application.
    ///
    /// # Errors
    /// See [`EngineError`]. After [`AppendRefused::Unavailable`], submitting again with the same
    /// idempotency key finds out what became of it.
    pub async fn submit(&self, application: &Application) -> Result<Accepted, EngineError> {
        let code = &application.service;
        let unknown = || EngineError::UnknownService { service: code.clone() };
        let installed = self.packs.in_force(code).ok_or_else(unknown)?;
        let service = installed.service(code).ok_or_else(unknown)?;
        let form = service.check_form(&application.form);
        let form = form.map_err(|errors| EngineError::Form { errors })?;
        let attempt = Attempt {
            application,
            installed: &installed,
            service,
            form: &form,
            key: application
                .idempotency_key
                .as_deref()
                .map(|key| keys(&self.secret, key, application, &form)),
        };
        if let Some((key, input)) = attempt.key
            && let Some(submission) = self.private.submission(&key)?
        {
            if submission.input != input {
                return Err(EngineError::IdempotencyKeyReused);
            }
            return self.repeat(&attempt, submission).await;
        }
        let unix_ms = self.clock.now().unix_ms().unsigned_abs();
        let case = CaseId::from_parts(unix_ms, &random(&*self.entropy));
        self.submit_as(&attempt, case).await
    }

    /// Submits as a case of this id, with another number whenever the number was taken.
    async fn submit_as(
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
                Ok(appended) => return self.accept(case, &record, token, appended, false),
                Err(error) => match Race::of(&error) {
                    Some(Race::Number) => self.raise_case_numbers(attempt).await?,
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
                self.accept(case, &record, token, appended, true)
            }
            // The first try lost its number; the same case is submitted with another one.
            Err(AppendRefused::ClaimTaken { .. }) => self.submit_as(attempt, case).await,
            Err(error) => Err(error.into()),
        }
    }

    fn prepare(
        &self,
        attempt: &Attempt<'_>,
        case: CaseId,
    ) -> Result<(Prepared, AccessToken), EngineError> {
        let mut prepared = self.seal(self.decide_case(attempt, case, None)?)?;
        let token = AccessToken::new(&*self.entropy);
        prepared.batch.tokens.push((token.digest(), case.stream()));
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
        let command = SubmitApplication {
            channel: attempt.application.channel.clone(),
            form: attempt.form.clone(),
            number: self.case_number(attempt, at)?,
            at,
            registered_at: attempt.application.registered_at,
            joined,
            executors: self.executors_of(attempt.service, &attempt.installed.pack)?,
        };
        let rules = CaseRules {
            pack: &attempt.installed.pack,
            calendar: attempt.installed.pack.calendar(),
            service: attempt.service,
            pack_ref: &attempt.installed.pack_ref,
            secret: &self.secret,
        };
        let decision = command.decide(&CaseState::new(case.stream()), &rules);
        decision.map_err(|refusal| match refusal {
            CaseRefusal::ChannelClosed { channel } => {
                let service = attempt.application.service.clone();
                EngineError::ChannelClosed { service, channel }
            }
            CaseRefusal::DraftOnly { channel } => {
                let service = attempt.application.service.clone();
                EngineError::DraftOnly { service, channel }
            }
            other => other.into(),
        })
    }

    pub(super) fn accept(
        &self,
        case: CaseId,
        record: &SignedRecord,
        token: AccessToken,
        appended: Appended,
        repeated: bool,
    ) -> Result<Accepted, EngineError> {
        let mut state = CaseState::new(case.stream());
        let stream = case.stream();
        for event in record.record().events().iter().filter(|event| event.stream == stream) {
            if let Some(DomainEvent::Case(read)) = DomainEvent::read(event)? {
                if let CaseEvent::IntakeRefused(refused) = read {
                    return Err(EngineError::NotTaken { case, grounds: refused.grounds });
                }
                let (version, private) = (event.version, event.private.clone());
                state.evolve(&RecordedCaseEvent { version, event: read, private })?;
            }
        }
        let registered = state.registered().cloned();
        let pack = state.pack().cloned();
        let (registered, pack) = registered.zip(pack).ok_or_else(|| EngineError::StoredRecord {
            reason: "it registers no case".to_owned(),
        })?;
        if !repeated {
            self.remember(case, state);
        }
        Ok(Accepted { case, registered, pack, token, appended, repeated })
    }

    fn case_number(&self, attempt: &Attempt<'_>, at: Timestamp) -> Result<String, EngineError> {
        let service = &attempt.application.service;
        let date = attempt.installed.pack.calendar().date(at);
        let template = &attempt.service.regulation.number;
        self.numbers.next(&format!("case/{service}"), template, date, || {
            Ok(self.model.latest_case_numbers(service, LATEST_NUMBERS)?.value)
        })
    }

    pub(super) async fn raise_case_numbers(
        &self,
        attempt: &Attempt<'_>,
    ) -> Result<(), EngineError> {
        self.catch_up().await?;
        let service = &attempt.application.service;
        let latest = self.model.latest_case_numbers(service, LATEST_NUMBERS)?.value;
        let date = attempt.installed.pack.calendar().date(self.clock.now());
        let template = &attempt.service.regulation.number;
        self.numbers.raise(&format!("case/{service}"), template, date, &latest);
        Ok(())
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
    let input = Json::Array(vec![
        application.service.as_str().into(),
        application.channel.as_str().into(),
        Json::Object(values),
    ]);
    keyed(secret, key, &input)
}

/// Keyed digests of a client's key and of what it stands for.
pub(super) fn keyed(secret: &AgencySecret, key: &str, input: &Json) -> (Hash, Hash) {
    let hash = |purpose, text| Hash::from_bytes(*secret.digest(purpose, &[text]).as_bytes());
    (hash("idempotency-key", key), hash("submission", &input.to_string()))
}
