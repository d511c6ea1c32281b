//! Complex requests: submitted with all their cases in one record, and closed after the last one.
//!
//! All or nothing: when one service would not take its application, nothing is submitted. A
//! request that waits for another case is sent when that case has closed its own. Not here: the
//! cases, which go by their regulations from then on.

use std::collections::BTreeMap;
use std::sync::Arc;

use letopis_ledger::Hash;
use letopis_ledger::id::StreamName;
use letopis_ledger::json::Json;
use letopis_ledger::record::SignedRecord;
use serde_json::Value;

use super::submit::Attempt;
use super::{
    Accepted, Appended, Application, CaseEngine, EngineError, InstalledPack, LedgerPort, Race,
    TRIES_MAX,
};
use crate::case::{CaseRules, CaseState, CaseStatus, ReleaseRequest, RequestState, SharedAnswer};
use crate::code::{ChannelCode, ComplexCode, ServiceCode};
use crate::complex::ComplexState;
use crate::environment::random;
use crate::event::{
    AlsoTaken, AwaitedAnswer, CaseEvent, CaseId, ComplexId, ComplexOpened, DomainEvent, Joined,
    RequestOutcome, ServiceLinked, Source,
};
use crate::pack::{CheckedForm, ComplexService, FormError};
use crate::private::{AccessToken, PrivateBatch, Submission};
use crate::projection::KnownAnswer;
use crate::record_draft::Decision;

/// Most complex requests that are closed before the ledger is read again.
const CLOSED_AT_ONCE_MAX: u32 = 100;

/// A complex request as it comes in.
#[derive(Clone)]
pub struct ComplexApplication {
    /// What is asked for.
    pub code: ComplexCode,
    /// How it came.
    pub channel: ChannelCode,
    /// What is asked once.
    pub shared: Value,
    /// What is asked for each service alone, by service.
    pub forms: BTreeMap<String, Value>,
    /// A key of the client's choice: the same key with the same forms gives the same cases.
    pub idempotency_key: Option<String>,
}

/// A complex request whose every case was registered.
#[derive(Debug, Clone)]
pub struct ComplexAccepted {
    /// The complex request.
    pub complex: ComplexId,
    /// Its cases, each with its own number, term and token.
    pub cases: Vec<(ServiceCode, Accepted)>,
    /// Where the record stands.
    pub appended: Appended,
    /// Whether an earlier submission with the same key made it.
    pub repeated: bool,
}

/// What is the same on every try.
struct Together<'a> {
    application: &'a ComplexApplication,
    installed: &'a InstalledPack,
    definition: &'a ComplexService,
    /// Services with their applications and checked forms.
    services: Vec<(Application, CheckedForm)>,
    key: Option<(Hash, Hash)>,
}

/// The ids of one try.
struct Ids {
    complex: ComplexId,
    cases: Vec<CaseId>,
}

impl<P: LedgerPort> CaseEngine<P> {
    /// Every complex request that is offered, with the pack that defines it.
    #[must_use]
    pub fn complex_services(&self) -> Vec<(ComplexCode, Arc<InstalledPack>)> {
        self.packs.complex()
    }

    /// Submits every application of a complex request, or none.
    ///
    /// # Errors
    /// See [`EngineError`]; nothing was submitted then, unless the ledger did not answer: the same
    /// idempotency key finds out.
    pub async fn submit_complex(
        &self,
        application: &ComplexApplication,
    ) -> Result<ComplexAccepted, EngineError> {
        let code = &application.code;
        let unknown = || EngineError::UnknownComplex { code: code.clone() };
        let installed = self.packs.with_complex(code).ok_or_else(unknown)?;
        let definition = installed.pack.complex_services().get(code).ok_or_else(unknown)?;
        let services = check(application, &installed, definition);
        let services =
            services.map_err(|e| self.packs.complex_in_force(code).err().unwrap_or(e))?;
        let key = application.idempotency_key.as_deref();
        let key = key.map(|key| self.keys_of(key, application, &services));
        let together = Together { application, installed: &installed, definition, services, key };
        if let Some((key, input)) = together.key
            && let Some(submission) = self.private.submission(&key)?
        {
            if submission.input != input {
                return Err(EngineError::IdempotencyKeyReused);
            }
            self.catch_up().await?;
            if self.model.case(submission.case)?.value.is_none() {
                self.packs.complex_in_force(code)?;
            }
            return self.repeat_complex(&together, &submission).await;
        }
        self.packs.complex_in_force(code)?;
        let unix_ms = self.clock.now().unix_ms().unsigned_abs();
        let case = |_: &_| CaseId::from_parts(unix_ms, &random(&*self.entropy));
        let ids = Ids {
            complex: ComplexId::from_parts(unix_ms, &random(&*self.entropy)),
            cases: together.services.iter().map(case).collect(),
        };
        self.submit_together(&together, &ids).await
    }

    async fn submit_together(
        &self,
        together: &Together<'_>,
        ids: &Ids,
    ) -> Result<ComplexAccepted, EngineError> {
        for _ in 0..TRIES_MAX {
            let mut prepared = self.seal(self.decide_together(together, ids)?)?;
            let tokens: Vec<AccessToken> =
                ids.cases.iter().map(|_| AccessToken::new(&*self.entropy)).collect();
            let streams = ids.cases.iter().map(CaseId::stream);
            prepared.batch.tokens = tokens.iter().map(AccessToken::digest).zip(streams).collect();
            let record = prepared.record.clone();
            prepared.batch.submission = together.key.map(|(key, input)| Submission {
                key,
                input,
                case: ids.cases[0],
                signed_record: record.to_bytes(),
            });
            self.private.put(prepared.batch).await?;
            // Another submission with the same key may have been kept first.
            if let Some((key, input)) = together.key {
                match self.private.submission(&key)? {
                    Some(first) if first.input != input => {
                        return Err(EngineError::IdempotencyKeyReused);
                    }
                    Some(first) if first.case != ids.cases[0] => {
                        return Box::pin(self.repeat_complex(together, &first)).await;
                    }
                    _ => {}
                }
            }
            match self.port.append(prepared.record).await.map_err(EngineError::from) {
                Ok(appended) => {
                    return self.accept_together(
                        (together, ids),
                        &record,
                        tokens,
                        (appended, false),
                    );
                }
                Err(error) if matches!(Race::of(&error), Some(Race::Number)) => {
                    for (application, form) in &together.services {
                        let attempt = together.attempt(application, form)?;
                        self.raise_case_numbers(&attempt).await?;
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Err(EngineError::TooManyRaces { tries: TRIES_MAX })
    }

    /// Proposes the record of an earlier submission again; the ledger knows it if it was appended.
    async fn repeat_complex(
        &self,
        together: &Together<'_>,
        submission: &Submission,
    ) -> Result<ComplexAccepted, EngineError> {
        let damaged = |reason: String| EngineError::StoredRecord { reason };
        let record = SignedRecord::parse(&submission.signed_record)
            .map_err(|error| damaged(error.to_string()))?;
        let ids = Ids::of(&record).ok_or_else(|| damaged("it opens no complex request".into()))?;
        match self.port.append(record.clone()).await.map_err(EngineError::from) {
            Ok(appended) => {
                let tokens: Vec<AccessToken> =
                    ids.cases.iter().map(|_| AccessToken::new(&*self.entropy)).collect();
                let streams = ids.cases.iter().map(CaseId::stream);
                let given = tokens.iter().map(AccessToken::digest).zip(streams).collect();
                self.private.put(PrivateBatch { tokens: given, ..PrivateBatch::default() }).await?;
                self.accept_together((together, &ids), &record, tokens, (appended, true))
            }
            // The first try lost a number; the same cases are submitted with other ones.
            Err(error) if matches!(Race::of(&error), Some(Race::Number)) => {
                self.submit_together(together, &ids).await
            }
            Err(error) => Err(error),
        }
    }

    /// The complex request with every case, or the first service that would not take its own.
    fn decide_together(&self, together: &Together<'_>, ids: &Ids) -> Result<Decision, EngineError> {
        let definition = together.definition;
        let streams: BTreeMap<&ServiceCode, StreamName> = definition
            .services
            .iter()
            .map(|joined| &joined.service.value)
            .zip(ids.cases.iter().map(CaseId::stream))
            .collect();
        let opened = ComplexOpened {
            code: definition.code.value.clone(),
            pack: together.installed.pack_ref.clone(),
            channel: together.application.channel.clone(),
        };
        let linked = definition.services.iter().map(|joined| {
            let service = joined.service.value.clone();
            ServiceLinked { case: streams[&service].clone(), service }
        });
        let stream = ids.complex.stream();
        let mut decision = ComplexState::new(stream.clone()).open(opened, linked.collect())?;
        for ((application, form), case) in together.services.iter().zip(&ids.cases) {
            let attempt = together.attempt(application, form)?;
            let joined = together.joined(&application.service, &stream, &streams);
            let one = self.decide_case(&attempt, *case, Some(joined))?;
            let refused = one.events.iter().find_map(|new| match &new.event {
                DomainEvent::Case(CaseEvent::IntakeRefused(refused)) => Some(refused),
                _ => None,
            });
            if let Some(refused) = refused {
                let service = application.service.clone();
                let grounds = refused.grounds.iter().map(|found| found.code.clone()).collect();
                return Err(EngineError::NotTakenTogether { service, grounds });
            }
            decision = decision.and(one);
        }
        Ok(decision)
    }

    fn accept_together(
        &self,
        (together, ids): (&Together<'_>, &Ids),
        record: &SignedRecord,
        tokens: Vec<AccessToken>,
        (appended, repeated): (Appended, bool),
    ) -> Result<ComplexAccepted, EngineError> {
        let mut cases = Vec::new();
        for (((application, form), case), token) in
            together.services.iter().zip(&ids.cases).zip(tokens)
        {
            let attempt = together.attempt(application, form)?;
            let accepted = self.accept(&attempt, *case, (record, token), (appended, repeated))?;
            cases.push((application.service.clone(), accepted));
        }
        Ok(ComplexAccepted { complex: ids.complex, cases, appended, repeated })
    }

    fn keys_of(
        &self,
        key: &str,
        application: &ComplexApplication,
        services: &[(Application, CheckedForm)],
    ) -> (Hash, Hash) {
        let mut input = vec![application.code.as_str().into(), application.channel.as_str().into()];
        for (one, form) in services {
            let values = form.values().iter();
            let values = values.map(|(field, value)| (field.to_string(), value.clone())).collect();
            input.extend([one.service.as_str().into(), Json::Object(values)]);
        }
        super::submit::keyed(&self.secret, key, &Json::Array(input))
    }

    /// What becomes of the first request of a case that waits for another case, when that case
    /// has closed its own.
    pub(super) async fn release(
        &self,
        state: &CaseState,
        rules: &CaseRules<'_>,
    ) -> Result<Option<Decision>, EngineError> {
        let Some(joined) = state.joined().filter(|_| state.status() == CaseStatus::InProgress)
        else {
            return Ok(None);
        };
        let waits: Vec<AwaitedAnswer> = state.held().cloned().collect();
        for wait in waits {
            let awaited = self.case_state(case_of(&wait.case)?).await?;
            let request = awaited.requests().get(&wait.answer);
            let closed = |request: &RequestState| !request.is_open();
            let over = awaited.status() != CaseStatus::InProgress
                || awaited.omitted().contains(&wait.answer)
                || request.is_some_and(closed);
            if !over {
                continue;
            }
            let answer = self.shared_answer(&awaited, &wait, rules).await?;
            let opened = self.open(state)?;
            let escalates_to = match &answer {
                Some(SharedAnswer { facts: None, .. }) => self.escalates_to(rules)?,
                _ => None,
            };
            let command = ReleaseRequest {
                request: wait.request.clone(),
                answer,
                escalates_to,
                complex_length: self.model.stream_length(&joined.complex_request)?.value,
                at: self.clock.now(),
                executors: self.executors(rules)?,
            };
            let decision = command.decide(state, &opened, rules)?;
            if !decision.events.is_empty() {
                return Ok(Some(decision));
            }
        }
        Ok(None)
    }

    /// The answer of another case, if it has one that can be opened.
    async fn shared_answer(
        &self,
        awaited: &CaseState,
        wait: &AwaitedAnswer,
        rules: &CaseRules<'_>,
    ) -> Result<Option<SharedAnswer>, EngineError> {
        let Some(rule) = rules.service.regulation.request(&wait.request) else { return Ok(None) };
        let request = awaited.requests().get(&wait.answer);
        let Some(answered) = request.and_then(|request| request.answered.as_ref()) else {
            return Ok(None);
        };
        let case = case_of(&wait.case)?;
        let rows = self.model.stream(&wait.case)?.value;
        let Some(row) = rows.iter().find(|row| row.version == answered.version) else {
            return Ok(None);
        };
        let (version, leaf) = (answered.version, row.leaf);
        let facts = match answered.event.outcome {
            RequestOutcome::NoData => None,
            RequestOutcome::Answered => {
                let answered_at = self.clock.now();
                let known = KnownAnswer { case, version, leaf, answered_at };
                match self.facts_of(&known, &wait.answer, rule).await? {
                    Some(facts) => Some(facts),
                    None => return Ok(None),
                }
            }
        };
        let source = Source { stream: wait.case.clone(), version, leaf };
        Ok(Some(SharedAnswer { facts, source }))
    }

    /// Closes complex requests whose every case has ended; gives how many. One that somebody else
    /// closed meanwhile is left to them.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn close_complex_requests(&self) -> Result<usize, EngineError> {
        self.catch_up().await?;
        let due = self.model.complex_requests_to_close(CLOSED_AT_ONCE_MAX)?.value;
        for complex in &due {
            let state = self.complex_state(*complex).await?;
            let mut statuses = BTreeMap::new();
            for linked in state.linked() {
                let row = self.model.case(case_of(&linked.case)?)?.value;
                statuses.extend(row.map(|row| (linked.case.clone(), row.status)));
            }
            let decision = state.close(&statuses)?;
            match self.append(self.seal(decision)?).await {
                Ok(_) => {}
                Err(error) if Race::of(&error).is_some() => {}
                Err(error) => return Err(error),
            }
        }
        self.catch_up().await?;
        Ok(due.len())
    }

    /// The state of a complex request, folded from the ledger.
    ///
    /// # Errors
    /// There is no such complex request, or its events cannot be read.
    pub async fn complex_state(&self, complex: ComplexId) -> Result<ComplexState, EngineError> {
        let mut state = ComplexState::new(complex.stream());
        for (_, event) in self.events_of(&complex.stream()).await? {
            if let Some(DomainEvent::Complex(read)) = DomainEvent::read(&event)? {
                state.evolve(event.version, &read)?;
            }
        }
        if state.opened().is_none() {
            let (what, name) = ("complex request", complex.to_string());
            return Err(EngineError::UnknownEntry { what, name });
        }
        Ok(state)
    }
}

impl Together<'_> {
    fn attempt<'a>(
        &'a self,
        application: &'a Application,
        form: &'a CheckedForm,
    ) -> Result<Attempt<'a>, EngineError> {
        let code = &application.service;
        let unknown = || EngineError::UnknownService { service: code.clone() };
        let service = self.installed.service(code).ok_or_else(unknown)?;
        let (key, follow_up, answers, shown_to) = (None, None, None, vec![]);
        let installed = self.installed;
        Ok(Attempt { application, installed, service, form, key, follow_up, answers, shown_to })
    }

    /// What the case of a service leaves to the others.
    fn joined(
        &self,
        service: &ServiceCode,
        complex: &StreamName,
        streams: &BTreeMap<&ServiceCode, StreamName>,
    ) -> Joined {
        let (definition, pack) = (self.definition, &self.installed.pack);
        let waits = definition.joined(service).into_iter().flat_map(|joined| &joined.waits);
        let waits = waits.map(|wait| AwaitedAnswer {
            request: wait.request.value.clone(),
            case: streams[&wait.service.value].clone(),
            answer: wait.answer.value.clone(),
        });
        let steps = pack.service(service).into_iter().flat_map(|one| one.regulation.requests());
        let also_takes = steps.filter_map(|(step, _)| {
            let request = step.code.value.clone();
            let fields = definition.also_taken(pack, service, &request);
            let fields: Vec<_> = fields.into_iter().collect();
            (!fields.is_empty()).then_some(AlsoTaken { request, fields })
        });
        Joined {
            complex_request: complex.clone(),
            waits: waits.collect(),
            also_takes: also_takes.collect(),
        }
    }
}

impl Ids {
    /// The ids of a record that opens a complex request.
    fn of(record: &SignedRecord) -> Option<Self> {
        let (mut complex, mut cases) = (None, Vec::new());
        for event in record.record().events() {
            match DomainEvent::read(event) {
                Ok(Some(DomainEvent::Complex(_))) => {
                    complex = ComplexId::of_stream(&event.stream).ok();
                }
                Ok(Some(DomainEvent::Case(CaseEvent::Submitted(_)))) => {
                    cases.extend(CaseId::of_stream(&event.stream).ok());
                }
                _ => {}
            }
        }
        Some(Self { complex: complex?, cases })
    }
}

/// The forms of the services, each checked; or every wrong field of all of them.
fn check(
    application: &ComplexApplication,
    installed: &InstalledPack,
    definition: &ComplexService,
) -> Result<Vec<(Application, CheckedForm)>, EngineError> {
    let pack = &installed.pack;
    let forms = definition.split(pack, &application.shared, &application.forms);
    let forms = forms.map_err(|errors| EngineError::Form { errors })?;
    let (mut checked, mut errors) = (Vec::new(), Vec::<FormError>::new());
    for (code, form) in forms {
        let Some(service) = pack.service(&code) else { continue };
        match service.check_form(&form) {
            Ok(form_of_service) => {
                let one = Application {
                    service: code,
                    channel: application.channel.clone(),
                    form,
                    registered_at: None,
                    idempotency_key: None,
                    entry: None,
                    renews: None,
                    source: None,
                };
                checked.push((one, form_of_service));
            }
            Err(found) => {
                for mut error in found {
                    error.pointer = definition.pointer(&code, &error.pointer);
                    // What is asked once is wrong once, however many services read it.
                    if !errors.contains(&error) {
                        errors.push(error);
                    }
                }
            }
        }
    }
    if errors.is_empty() { Ok(checked) } else { Err(EngineError::Form { errors }) }
}

/// The case of a stream that an event of this agency names.
fn case_of(stream: &StreamName) -> Result<CaseId, EngineError> {
    CaseId::of_stream(stream).map_err(|error| EngineError::Event(error.into()))
}
