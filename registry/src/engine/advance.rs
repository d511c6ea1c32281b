//! Taking a case forward: requests are answered, then it is decided.
//!
//! A state is folded from the ledger's own leaves, or kept from the last append of this engine;
//! either way the ledger checks the version, so a state that is too old only costs another try.

use std::collections::BTreeMap;

use letopis_ledger::id::StreamName;
use letopis_ledger::json::Json;
use letopis_ledger::record::SignedRecord;
use letopis_ledger::{LeafIndex, Timestamp};

use super::numbers::LATEST_NUMBERS;
use super::reuse::reusing;
use super::{
    AdapterAnswer, AdapterError, Appended, CaseEngine, EngineError, InstalledPack, LedgerPort,
    PendingRequest, Race, TRIES_MAX,
};
use crate::case::{
    AnswerRequest, CaseRefusal, CaseRules, CaseState, CaseStatus, DecideCase, Holdings, Opened,
    PassTime, RecordedCaseEvent, RecountTerm, RequestState, ResultEntry, has_more_to_send,
    slot_claim,
};
use crate::code::{FieldPath, StepCode};
use crate::environment::random;
use crate::event::{CaseId, DomainEvent, EntryId, RequestTarget};
use crate::pack::{
    Asked, CaseValues, LegalCalendar, NumberTemplate, RequestRule, Service, plain_text,
};
use crate::projection::EntryQuery;
use crate::record_draft::Decision;

/// Most states that are kept between appends; others are folded again from the ledger.
const UNDER_WAY_MAX: usize = 100_000;

/// The pack that a case follows, with the calendars that have been published since.
pub(super) struct Pinned {
    installed: std::sync::Arc<InstalledPack>,
    calendar: LegalCalendar,
    /// The leaf of a later version, whose calendars may settle a provisional end.
    calendar_from: Option<LeafIndex>,
}

impl std::ops::Deref for Pinned {
    type Target = InstalledPack;

    fn deref(&self) -> &InstalledPack {
        &self.installed
    }
}

/// A number that a decision may not need.
pub(super) struct TakenNumber {
    kind: String,
    template: Option<NumberTemplate>,
    number: String,
}

impl TakenNumber {
    /// Of a case whose entry has its number.
    const fn none() -> Self {
        Self { kind: String::new(), template: None, number: String::new() }
    }

    /// A decision that makes no entry gives the number to the next one that does.
    pub(super) fn keep_if<P: LedgerPort, E>(
        self,
        engine: &CaseEngine<P>,
        decided: &Result<Decision, E>,
    ) {
        let enters = |decision: &Decision| {
            decision.events.iter().any(|new| matches!(new.event, DomainEvent::Entry(_)))
        };
        if let (false, Some(template)) = (decided.as_ref().is_ok_and(enters), self.template) {
            engine.numbers.give_back(&self.kind, &template, &self.number);
        }
    }
}

/// How far a case has come.
#[derive(Debug, Clone)]
pub struct CaseProgress {
    /// Its status.
    pub status: CaseStatus,
    /// Mandatory requests that it waits for.
    pub waits_for: Vec<StepCode>,
    /// When time alone will change something: look again then.
    pub look_again_at: Option<Timestamp>,
    /// Where the record that ended it stands, if this call ended it.
    pub ended: Option<Appended>,
}

impl<P: LedgerPort> CaseEngine<P> {
    /// Takes a case as far as it goes: answers what registries of this log answer, then decides
    /// when nothing is awaited.
    ///
    /// # Errors
    /// See [`EngineError`]; what was appended before the error stays.
    pub async fn advance(&self, case: CaseId) -> Result<CaseProgress, EngineError> {
        for _ in 0..TRIES_MAX {
            let result = self.advance_once(case).await;
            let Err(error) = &result else { return result };
            match Race::of(error) {
                None => return result,
                Some(Race::Stream | Race::Name) => self.forget(case),
                Some(Race::Number) => self.raise_entry_numbers(case).await?,
            }
            self.catch_up().await?;
        }
        Err(EngineError::TooManyRaces { tries: TRIES_MAX })
    }

    /// Takes an answer that somebody outside gave.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn answer(&self, case: CaseId, answer: &AnswerRequest) -> Result<(), EngineError> {
        for _ in 0..TRIES_MAX {
            let result = self.answer_once(case, answer).await;
            let Err(error) = &result else { return Ok(()) };
            if Race::of(error).is_none() {
                return result;
            }
            self.forget(case);
            self.catch_up().await?;
        }
        Err(EngineError::TooManyRaces { tries: TRIES_MAX })
    }

    /// The state of a case, folded from the ledger.
    ///
    /// # Errors
    /// There is no such case, or its events cannot be read.
    pub async fn case_state(&self, case: CaseId) -> Result<CaseState, EngineError> {
        let mut state = CaseState::new(case.stream());
        for (_, event) in self.events_of(&case.stream()).await? {
            evolve(&mut state, &event)?;
        }
        if state.submitted().is_none() {
            return Err(EngineError::UnknownCase { case });
        }
        Ok(state)
    }

    async fn advance_once(&self, case: CaseId) -> Result<CaseProgress, EngineError> {
        let mut state = self.state(case).await?;
        let installed = self.pinned(&state)?;
        // Registries are read as of now: an entry made a moment ago must be found.
        self.catch_up().await?;
        self.assign(case, &mut state, &installed).await?;
        loop {
            let released = self.release(&state, &self.rules(&state, &installed)?).await?;
            let step = match released {
                None => self.answer_again(&state, &installed).await?,
                released => released,
            };
            let step = match step {
                None => self.next_step(case, &state, &installed)?,
                step => step,
            };
            let Some(step) = step else { break };
            let appended = self.append_to(case, &mut state, step).await?;
            if state.status() != CaseStatus::InProgress {
                self.forget(case);
                let (waits_for, look_again_at) = (vec![], None);
                let (status, ended) = (state.status(), Some(appended));
                return Ok(CaseProgress { status, waits_for, look_again_at, ended });
            }
        }
        let waits_for = waits_for(&state, &installed);
        let rules = self.rules(&state, &installed)?;
        let look_again_at = PassTime::next(&state, &rules, self.clock.now());
        Ok(CaseProgress { status: state.status(), waits_for, look_again_at, ended: None })
    }

    async fn answer_once(&self, case: CaseId, answer: &AnswerRequest) -> Result<(), EngineError> {
        let mut state = self.state(case).await?;
        let installed = self.pinned(&state)?;
        let rules = self.rules(&state, &installed)?;
        let decision = answer.decide(&state, &self.open(&state)?, &rules)?;
        self.append_to(case, &mut state, decision).await?;
        Ok(())
    }

    /// What goes into the next record of a case: answers that are there, else the decision.
    fn next_step(
        &self,
        case: CaseId,
        state: &CaseState,
        installed: &Pinned,
    ) -> Result<Option<Decision>, EngineError> {
        if state.status() != CaseStatus::InProgress {
            return Ok(None);
        }
        let rules = self.rules(state, installed)?;
        if let Some(ended) = self.without_entry(state, &rules)? {
            return Ok(Some(ended));
        }
        let opened = self.open(state)?;
        // A reply that is there counts, however late somebody looks.
        let answers = self.answers(case, state, &rules, &opened)?;
        if !answers.events.is_empty() {
            return Ok(Some(answers));
        }
        let due = self.due(state, &rules, &opened, installed)?;
        if !due.events.is_empty() {
            return Ok(Some(due));
        }
        let officials = rules.service.regulation.approval.is_some();
        if officials || !waits_for(state, installed).is_empty() {
            return Ok(None);
        }
        let (command, number) = self.decision(state, installed, &opened)?;
        let decided = command.decide(state, &opened, &rules);
        number.keep_if(self, &decided);
        Ok(Some(decided?))
    }

    /// A fresh answer that is known already, if an open request may take it.
    async fn answer_again(
        &self,
        state: &CaseState,
        installed: &Pinned,
    ) -> Result<Option<Decision>, EngineError> {
        if state.status() != CaseStatus::InProgress {
            return Ok(None);
        }
        let rules = self.rules(state, installed)?;
        if reusing(state, &rules).next().is_none() {
            return Ok(None);
        }
        let opened = self.open(state)?;
        let values = opened.values(state).map_err(CaseRefusal::from)?;
        match self.known_answer(state, &rules, &values).await? {
            Some(answer) => Ok(Some(answer.decide(state, &opened, &rules)?)),
            None => Ok(None),
        }
    }

    /// What deciding a case takes, with the number that its entry would get.
    pub(super) fn decision(
        &self,
        state: &CaseState,
        installed: &Pinned,
        opened: &Opened,
    ) -> Result<(DecideCase, TakenNumber), EngineError> {
        let rules = self.rules(state, installed)?;
        let at = self.clock.now().max(state.registered_at().unwrap_or(Timestamp::EPOCH));
        let values = rules.values(opened, state).map_err(CaseRefusal::from)?;
        let about = state.about();
        let holdings = self.holdings(&rules, &values, about.map(|about| &about.entry.stream))?;
        if let Some(about) = about {
            let entry = ResultEntry::Known(self.known_entry(about, rules.calendar.date(at))?);
            return Ok((DecideCase { holdings, at, entry }, TakenNumber::none()));
        }
        let registry = rules.service.effect_registry();
        let unix_ms = at.unix_ms().unsigned_abs();
        let number = self.entry_number(installed, rules.service, at)?;
        let template = rules.pack.registry(registry).and_then(|found| found.number.clone());
        let kind = format!("entry/{registry}");
        let taken = TakenNumber { kind, template, number: number.clone() };
        let entry = EntryId::from_parts(registry.clone(), unix_ms, &random(&*self.entropy));
        let entry = ResultEntry::New { entry, number };
        Ok((DecideCase { holdings, at, entry }, taken))
    }

    /// What time brings about by itself.
    fn due(
        &self,
        state: &CaseState,
        rules: &CaseRules<'_>,
        opened: &Opened,
        installed: &Pinned,
    ) -> Result<Decision, EngineError> {
        let now = self.clock.now();
        if let Some(published) = installed.calendar_from {
            let calendar = &installed.calendar;
            let recounted = RecountTerm { calendar, published }.decide(state, rules)?;
            if !recounted.events.is_empty() {
                return Ok(recounted);
            }
        }
        if PassTime::next(state, rules, now).is_none_or(|next| next > now) {
            return Ok(Decision::default());
        }
        let executors = self.executors(rules)?;
        let escalates_to = self.escalates_to(rules)?;
        Ok(PassTime { now, executors, escalates_to }.decide(state, opened, rules)?)
    }

    /// Answers of registries to every open request, in one record.
    fn answers(
        &self,
        case: CaseId,
        state: &CaseState,
        rules: &CaseRules<'_>,
        opened: &Opened,
    ) -> Result<Decision, EngineError> {
        let mut decision = Decision::default();
        let mut state = state.clone();
        let open = state.requests().iter().filter(|(_, r)| r.awaits_reply());
        let open: Vec<(StepCode, RequestTarget)> =
            open.map(|(code, request)| (code.clone(), request.sent.target.clone())).collect();
        if open.is_empty() {
            return Ok(decision);
        }
        let values = rules.values(opened, &state).map_err(CaseRefusal::from)?;
        for (request, target) in open {
            let Some(rule) = rules.service.regulation.request(&request) else { continue };
            let RequestTarget::Registry(_) = target else { continue };
            let Some(pending) = pending((case, &state), &request, rule, rules, &values) else {
                continue;
            };
            let Some(answer) = self.reply(&pending)? else { continue };
            // What follows from an answer may be sent with facts of earlier ones, and those of
            // this record are not in the store yet: such an answer gets a record of its own.
            let awaited = has_more_to_send(&state, rules);
            if awaited && !decision.events.is_empty() {
                continue;
            }
            let (facts, source, at) = (answer.facts, answer.source, self.clock.now());
            let executors = self.executors(rules)?;
            let escalates_to = match facts {
                Some(_) => None,
                None => self.escalates_to(rules)?,
            };
            let command = AnswerRequest {
                request,
                facts,
                source,
                came: None,
                scan: None,
                signature: None,
                taken_over: None,
                at,
                executors,
                escalates_to,
            };
            let answered = command.decide(&state, opened, rules)?;
            for new in &answered.events {
                if let DomainEvent::Case(event) = &new.event {
                    let (version, event) = (new.version, event.clone());
                    state.evolve(&RecordedCaseEvent { version, event, private: vec![] })?;
                }
            }
            decision = decision.and(answered);
            if awaited {
                break;
            }
        }
        Ok(decision)
    }

    /// What a registry replies now. Several entries are no reply: which one is meant is for an
    /// official to say, to whom silence leads, and the rest of the case goes on meanwhile.
    fn reply(&self, pending: &PendingRequest) -> Result<Option<AdapterAnswer>, EngineError> {
        match self.adapter.answer(pending) {
            Err(error @ AdapterError::Ambiguous { .. }) => {
                tracing::warn!(case = %pending.case, %error, "a request brings no answer");
                Ok(None)
            }
            reply => Ok(reply?),
        }
    }

    fn holdings(
        &self,
        rules: &CaseRules<'_>,
        values: &CaseValues,
        about: Option<&StreamName>,
    ) -> Result<Holdings, EngineError> {
        let mut counts = BTreeMap::new();
        for input in &rules.service.regulation.decision.inputs {
            if let Some(entries) = input.from.entries() {
                let by = entries
                    .by
                    .iter()
                    .filter_map(|(field, value)| Some((field.clone(), values.get(value)?.clone())));
                let query = EntryQuery { registry: entries.registry.clone(), by: by.collect() };
                counts.insert(input.name.value.clone(), query);
            }
        }
        let mut slots = Vec::new();
        let code = rules.service.effect_registry();
        for quota in rules.pack.registry(code).iter().flat_map(|registry| &registry.quotas) {
            let field = &quota.field.value;
            let value = rules.service.regulation.effect.fields.get(field);
            if let Some(value) = value.and_then(|value| values.get(value)).map(plain_text) {
                slots.extend(
                    (1..=quota.most).map(|s| slot_claim(rules.secret, code, field, &value, s)),
                );
            }
        }
        Ok(self.model.holdings(&counts, &slots, about)?)
    }

    /// Keeps, signs and appends, and evolves the state by what was appended.
    pub(super) async fn append_to(
        &self,
        case: CaseId,
        state: &mut CaseState,
        decision: Decision,
    ) -> Result<Appended, EngineError> {
        let prepared = self.seal(decision)?;
        let record: SignedRecord = prepared.record.clone();
        let appended = self.append(prepared).await?;
        let stream = case.stream();
        for event in record.record().events().iter().filter(|event| event.stream == stream) {
            evolve(state, event)?;
        }
        self.remember(case, state.clone());
        Ok(appended)
    }

    pub(super) fn rules<'a>(
        &'a self,
        state: &CaseState,
        installed: &'a Pinned,
    ) -> Result<CaseRules<'a>, EngineError> {
        let submitted = state.submitted().ok_or(CaseRefusal::NotSubmitted)?;
        let service = installed
            .service(&submitted.service)
            .ok_or_else(|| EngineError::UnknownService { service: submitted.service.clone() })?;
        let (pack, pack_ref) = (&installed.pack, &installed.pack_ref);
        let calendar = &installed.calendar;
        Ok(CaseRules { pack, calendar, service, pack_ref, secret: &self.secret })
    }

    pub(super) fn pinned(&self, state: &CaseState) -> Result<Pinned, EngineError> {
        let pack = self.packs.pinned(state.pack().ok_or(CaseRefusal::NotSubmitted)?)?;
        let provisional = state.clock().is_some_and(|clock| clock.end.provisional);
        let newest = self.packs.newest(&pack).filter(|_| provisional);
        let (calendar, calendar_from) = match newest {
            Some(newest) => {
                let calendar = pack.pack.calendar().completed_by(newest.pack.calendar());
                (calendar, Some(newest.pack_ref.leaf))
            }
            None => (pack.pack.calendar().clone(), None),
        };
        Ok(Pinned { installed: pack, calendar, calendar_from })
    }

    pub(super) fn open(&self, state: &CaseState) -> Result<Opened, EngineError> {
        let digests: Vec<_> = state.digests().copied().collect();
        let disclosures = self.private.open_digests(&digests)?;
        Ok(Opened::new(disclosures.iter().flatten()))
    }

    fn entry_number(
        &self,
        installed: &Pinned,
        service: &Service,
        at: Timestamp,
    ) -> Result<String, EngineError> {
        let code = service.effect_registry();
        let registry = installed.pack.registry(code);
        let template = registry.and_then(|registry| registry.number.as_ref());
        let template = template.ok_or_else(|| EngineError::unknown_registry(code))?;
        let date = installed.pack.calendar().date(at);
        self.numbers.next(&format!("entry/{code}"), template, date, || {
            Ok(self.model.latest_entry_numbers(code, LATEST_NUMBERS)?.value)
        })
    }

    pub(super) async fn raise_entry_numbers(&self, case: CaseId) -> Result<(), EngineError> {
        self.catch_up().await?;
        let state = self.state(case).await?;
        let installed = self.pinned(&state)?;
        let rules = self.rules(&state, &installed)?;
        let code = rules.service.effect_registry();
        let registry = installed.pack.registry(code);
        if let Some(template) = registry.and_then(|registry| registry.number.as_ref()) {
            let latest = self.model.latest_entry_numbers(code, LATEST_NUMBERS)?.value;
            let date = installed.pack.calendar().date(self.clock.now());
            self.numbers.raise(&format!("entry/{code}"), template, date, &latest);
        }
        Ok(())
    }

    pub(super) async fn state(&self, case: CaseId) -> Result<CaseState, EngineError> {
        let known = self.under_way.lock().expect("invariant: no holder panics").get(&case).cloned();
        match known {
            Some(state) => Ok(state),
            None => {
                self.catch_up().await?;
                self.case_state(case).await
            }
        }
    }

    pub(super) fn remember(&self, case: CaseId, state: CaseState) {
        let mut under_way = self.under_way.lock().expect("invariant: no holder panics");
        if under_way.len() < UNDER_WAY_MAX {
            under_way.insert(case, state);
        } else {
            under_way.remove(&case);
        }
    }

    pub(super) fn forget(&self, case: CaseId) {
        self.under_way.lock().expect("invariant: no holder panics").remove(&case);
    }
}

fn evolve(state: &mut CaseState, event: &letopis_ledger::record::Event) -> Result<(), EngineError> {
    if let Some(DomainEvent::Case(read)) = DomainEvent::read(event)? {
        let (version, private) = (event.version, event.private.clone());
        state.evolve(&RecordedCaseEvent { version, event: read, private })?;
    }
    Ok(())
}

/// Mandatory requests without an answer.
fn waits_for(state: &CaseState, installed: &Pinned) -> Vec<StepCode> {
    let service = state.submitted().and_then(|submitted| installed.service(&submitted.service));
    let requests = service.into_iter().flat_map(|service| service.regulation.requests());
    let open = requests.filter(|(step, rule)| {
        let request = state.requests().get(&step.code.value);
        let omitted = state.omitted().contains(&step.code.value);
        let waits = request.map_or(!omitted, RequestState::is_open);
        rule.mandatory && waits
    });
    open.map(|(step, _)| step.code.value.clone()).collect()
}

pub(super) fn pending(
    (case, state): (CaseId, &CaseState),
    request: &StepCode,
    rule: &RequestRule,
    rules: &CaseRules<'_>,
    values: &CaseValues,
) -> Option<PendingRequest> {
    let Asked::Registry(registry) = &rule.from else { return None };
    let by: BTreeMap<FieldPath, Json> = rule
        .by
        .iter()
        .filter_map(|(field, value)| Some((field.clone(), values.get(value)?.clone())))
        .collect();
    let also = state.also_takes(request).cloned();
    let take: Vec<FieldPath> = rule.take.iter().map(|f| f.value.clone()).chain(also).collect();
    let definition = rules.pack.registry(&registry.value)?;
    let is_public =
        |name: &&FieldPath| definition.field(name).is_some_and(|f| f.visibility.is_public());
    Some(PendingRequest {
        case,
        request: request.clone(),
        registry: registry.value.clone(),
        by,
        key_count: rule.by.len(),
        attempt: state.requests().get(request).map_or(1, |request| request.attempt),
        public: take.iter().filter(is_public).cloned().collect(),
        take,
    })
}
