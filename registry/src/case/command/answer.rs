//! Answer a request of a case; whatever waited for the answer goes out in the same record.

use std::collections::BTreeMap;

use letopis_ledger::Timestamp;
use letopis_ledger::json::Json;
use letopis_ledger::key::{AuthorKey, AuthorSignature};

use super::approve::REMARKS_MAX_CHARS;
use super::escalate::{TakenOver, escalated};
use super::request::{Executors, Progress, has_more_to_send, send_enabled};
use super::{CaseEvents, check_text, check_under_way};
use crate::case::signing::{ANSWER_PAYLOAD_TYPE, ANSWER_SIGNATURE, answer_signature, answer_text};
use crate::case::{CaseRefusal, CaseRules, CaseState, CaseStatus, Opened};
use crate::code::{FIELD_PATH_MAX_BYTES, FieldPath, StepCode};
use crate::event::{
    AnswerSetAside, Arrival, CaseEvent, ClockResumed, EscalationReason, OfficialId,
    OfficialSignature, RequestAnswered, RequestOutcome, Scan, SetAside, Source, Way,
};
use crate::pack::{AnswerValues, SignedBy};
use crate::record_draft::{Decision, PrivateField};

/// The answer of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerRequest {
    /// The request.
    pub request: StepCode,
    /// Facts by field, or nothing.
    pub facts: Option<BTreeMap<FieldPath, Json>>,
    /// The registry entry that the facts were taken from.
    pub source: Option<Source>,
    /// How it came, when no program of the agency fetched it from a registry.
    pub came: Option<Arrival>,
    /// The scan of the paper that it stands on.
    pub scan: Option<Scan>,
    /// That the official gives it to whom the request was escalated; nobody else may then.
    pub taken_over: Option<TakenOver>,
    /// The signature of the official who gives it, over its text.
    pub signature: Option<AnswerSignature>,
    /// When it is taken.
    pub at: Timestamp,
    /// Whom the rule of assignment names where a request that follows asks a person.
    pub executors: Executors,
    /// Whom the rule of assignment names where there is no data and an official takes over.
    pub escalates_to: Option<OfficialId>,
}

/// The signature of an official who answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerSignature {
    /// Who.
    pub official: OfficialId,
    /// The key that the log has of them now.
    pub key: Option<AuthorKey>,
    /// The signature.
    pub signature: AuthorSignature,
}

impl AnswerRequest {
    /// Decides. `opened` are the private values of the case so far: a request that this answer
    /// enables may be sent with them.
    ///
    /// # Errors
    /// See [`CaseRefusal`].
    pub fn decide(
        &self,
        state: &CaseState,
        opened: &Opened,
        rules: &CaseRules<'_>,
    ) -> Result<Decision, CaseRefusal> {
        self.check(state, rules)?;
        let mut events = CaseEvents::after(state);
        let outcome = match &self.facts {
            Some(_) => RequestOutcome::Answered,
            None => RequestOutcome::NoData,
        };
        let event = RequestAnswered {
            request: self.request.clone(),
            outcome,
            source: self.source.clone(),
            came: self.came.clone(),
            scan: self.scan.clone(),
        };
        let mut private = self.private()?;
        private.extend(self.signed(state, rules)?);
        events.push(CaseEvent::RequestAnswered(event), private);
        self.resume(state, rules, &mut events);
        if let Some(event) = self.escalation(state, rules) {
            events.extend([event]);
            return Ok(Decision { events: events.events, claims: vec![] });
        }
        // Most cases send everything at once: values are put together only when something is left.
        if has_more_to_send(state, rules) {
            self.send_next(state, opened, rules, &mut events)?;
        }
        Ok(Decision { events: events.events, claims: vec![] })
    }

    fn check(&self, state: &CaseState, rules: &CaseRules<'_>) -> Result<(), CaseRefusal> {
        check_under_way(state, rules)?;
        let step = self.request.clone();
        let rule = rules.service.regulation.request(&self.request).ok_or_else(|| {
            CaseRefusal::StepNotInRegulation { step, pack: rules.pack_ref.clone() }
        })?;
        let request = self.request.clone();
        match state.requests().get(&self.request) {
            None => return Err(CaseRefusal::RequestNotSent { request }),
            Some(sent)
                if !sent.is_open() || sent.escalated.is_some() != self.taken_over.is_some() =>
            {
                return Err(CaseRefusal::AlreadyAnswered { request });
            }
            Some(_) => {}
        }
        if state.open_subrequests(self.request.as_str()) > 0 {
            let path = self.request.to_string();
            let reason = "a mandatory subrequest of it is open";
            return Err(CaseRefusal::Subrequest { path, reason });
        }
        if let Some(came) = &self.came {
            check_arrival(came)?;
        }
        if let Some(taken_over) = &self.taken_over {
            self.check_taken_over(taken_over)?;
        }
        let asked = |field: &FieldPath| {
            let mut also = state.also_takes(&self.request);
            rule.take.iter().any(|taken| &taken.value == field) || also.any(|also| also == field)
        };
        if let Some(field) = self.facts.iter().flat_map(BTreeMap::keys).find(|f| !asked(f)) {
            return Err(CaseRefusal::FactNotAsked { request, field: field.to_string() });
        }
        Ok(())
    }

    /// An official who took a request over gives facts, or says why there are none.
    fn check_taken_over(&self, taken_over: &TakenOver) -> Result<(), CaseRefusal> {
        let request = || self.request.clone();
        let way = self.came.as_ref().map(|came| came.way);
        if !matches!(way, Some(Way::Workplace | Way::Paper)) {
            return Err(CaseRefusal::WayOfEscalation { request: request() });
        }
        match (&self.facts, &taken_over.motive) {
            (Some(_), Some(_)) => Err(CaseRefusal::MotiveBesideFacts { request: request() }),
            (Some(_), None) => Ok(()),
            (None, motive) => {
                let motive = motive.as_deref().unwrap_or_default();
                check_text("the motive", motive, REMARKS_MAX_CHARS)
            }
        }
    }

    /// The text that is signed.
    #[must_use]
    pub fn text(&self, state: &CaseState, official: OfficialId) -> Vec<u8> {
        let letter = self.came.as_ref().and_then(|came| came.letter.as_deref());
        let scan = self.scan.as_ref().map(|scan| &scan.sha256);
        answer_text(state.stream(), &self.request, self.facts.as_ref(), (official, letter, scan))
    }

    /// The signature as it is kept, where there is one or the regulation asks for one.
    fn signed(
        &self,
        state: &CaseState,
        rules: &CaseRules<'_>,
    ) -> Result<Option<PrivateField>, CaseRefusal> {
        let request = || self.request.clone();
        let rule = rules.service.regulation.request(&self.request);
        let Some(given) = &self.signature else {
            return match rule.and_then(|rule| rule.signature) {
                Some(SignedBy::Official) => {
                    Err(CaseRefusal::SignatureMissing { request: request() })
                }
                None => Ok(None),
            };
        };
        let official = given.official;
        let bad = |reason: String| CaseRefusal::BadSignature { official, reason };
        let key = given.key.ok_or_else(|| bad("the official has no key".to_owned()))?;
        key.verify_as(ANSWER_PAYLOAD_TYPE, &self.text(state, official), &given.signature)
            .map_err(|error| bad(error.to_string()))?;
        let signature = OfficialSignature { key: key.id(), signature: given.signature };
        let name = format!("{ANSWER_SIGNATURE}{}", self.request);
        Ok(Some(PrivateField::new(name, answer_signature(official, &signature))))
    }

    /// The facts, or why there are none.
    fn private(&self) -> Result<Vec<PrivateField>, CaseRefusal> {
        let request = &self.request;
        let facts = self.facts.iter().flatten().map(|(field, value)| {
            PrivateField::new(format!("answer.{request}.{field}"), value.clone())
        });
        let mut private: Vec<PrivateField> = facts.collect();
        if let Some(motive) = self.taken_over.as_ref().and_then(|taken| taken.motive.as_ref()) {
            let (what, limit) = ("the motive", REMARKS_MAX_CHARS);
            let motive = Json::string(motive.trim());
            let motive = motive.map_err(|_| CaseRefusal::TextLength { what, limit })?;
            private.push(PrivateField::new(format!("motive.{request}"), motive));
        }
        Ok(private)
    }

    /// Whom "no data" goes to, where it is for an official to judge.
    fn escalation(&self, state: &CaseState, rules: &CaseRules<'_>) -> Option<CaseEvent> {
        let rule = rules.service.regulation.request(&self.request)?;
        let brings_nothing = self.facts.is_none() && self.taken_over.is_none();
        if !brings_nothing || !rule.leaves_no_data_to_official() {
            return None;
        }
        let to = (EscalationReason::NoData, self.escalates_to);
        escalated(state, rules, &self.request, to)
    }

    /// The clock goes on when the applicant has answered.
    fn resume(&self, state: &CaseState, rules: &CaseRules<'_>, events: &mut CaseEvents) {
        let Some(clock) = state.clock() else { return };
        let Some(suspended) = &clock.suspended else { return };
        if suspended.request != self.request {
            return;
        }
        let at = self.came.as_ref().map_or(self.at, |came| came.at).max(suspended.at);
        let pause = Some((suspended.at, at));
        let end = clock.count(clock.term, pause, rules.calendar);
        let resumed = ClockResumed { request: self.request.clone(), at, end };
        events.push(CaseEvent::ClockResumed(resumed), vec![]);
    }

    fn send_next(
        &self,
        state: &CaseState,
        opened: &Opened,
        rules: &CaseRules<'_>,
        events: &mut CaseEvents,
    ) -> Result<(), CaseRefusal> {
        let mut values = rules.values(opened, state)?;
        let answer = match &self.facts {
            Some(facts) => AnswerValues::Answered(facts.clone()),
            None => AnswerValues::NoData,
        };
        values.answers.insert(self.request.clone(), answer);
        let progress = Progress::of(state, rules, &self.request);
        let progress = progress.ok_or(CaseRefusal::NotSubmitted)?;
        send_enabled(rules, progress, &values, (self.at, &self.executors), events);
        Ok(())
    }
}

/// That a message brings what its way needs to be believed: a letter its number, a call a second
/// person who heard it.
pub(super) fn check_arrival(came: &Arrival) -> Result<(), CaseRefusal> {
    let way = came.way.as_str();
    let heard = came.official.is_some() && came.second.is_some() && came.second != came.official;
    let needs = match came.way {
        Way::Phone if !heard => "the official who took it and a second one who heard it",
        Way::Paper if came.letter.is_none() => "the number of the letter",
        Way::Paper | Way::Workplace if came.official.is_none() => "the official who entered it",
        _ => return Ok(()),
    };
    Err(CaseRefusal::ArrivalIncomplete { way, needs })
}

/// An answer that does not count is kept all the same, and changes nothing.
#[derive(Debug, Clone)]
pub struct SetAsideAnswer {
    /// What it says it answers.
    pub request: String,
    /// Why it does not count.
    pub reason: SetAside,
    /// How it came.
    pub came: Arrival,
}

impl SetAsideAnswer {
    /// Why an answer does not count, if the refusal of it says so.
    #[must_use]
    pub fn reason(state: &CaseState, refusal: &CaseRefusal) -> Option<SetAside> {
        match refusal {
            CaseRefusal::AlreadyEnded if state.status() == CaseStatus::Cancelled => {
                Some(SetAside::Cancelled)
            }
            CaseRefusal::AlreadyEnded => Some(SetAside::Late),
            CaseRefusal::AlreadyAnswered { .. } => Some(SetAside::Duplicate),
            CaseRefusal::RequestNotSent { .. } => Some(SetAside::NotSent),
            _ => None,
        }
    }

    /// Decides. What it says is not kept: it was not asked for, or it is known.
    ///
    /// # Errors
    /// See [`CaseRefusal`].
    pub fn decide(&self, state: &CaseState) -> Result<Decision, CaseRefusal> {
        check_text("the request", &self.request, FIELD_PATH_MAX_BYTES)?;
        let mut events = CaseEvents::after(state);
        let event = AnswerSetAside {
            request: self.request.clone(),
            reason: self.reason,
            came: self.came.clone(),
        };
        events.push(CaseEvent::AnswerSetAside(event), vec![]);
        Ok(Decision { events: events.events, claims: vec![] })
    }
}
