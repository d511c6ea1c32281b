//! Send a request that waited for another case; the answer of that case serves at once.
//!
//! One record says all of it: the request, its answer, and to the complex request that the
//! dependency is over. Not here: whether the other case has closed its request.

use std::collections::BTreeMap;

use letopis_ledger::json::Json;
use letopis_ledger::{StreamVersion, Timestamp};

use super::answer::AnswerRequest;
use super::request::{Executors, Progress, registration, send_enabled};
use super::{CaseEvents, check_under_way};
use crate::case::{CaseRefusal, CaseRules, CaseState, Opened, RecordedCaseEvent};
use crate::code::{FieldPath, StepCode};
use crate::event::{
    Arrival, CaseEvent, ComplexEvent, Dependency, DomainEvent, OfficialId, Source, Way,
};
use crate::record_draft::{Decision, NewEvent};

/// A request that waits for another case no longer.
#[derive(Debug, Clone)]
pub struct ReleaseRequest {
    /// The request.
    pub request: StepCode,
    /// The answer of the other case; nothing when that case closed its request without one, so
    /// that this one is asked by itself.
    pub answer: Option<SharedAnswer>,
    /// Events of the complex request so far.
    pub complex_length: StreamVersion,
    /// When it is sent.
    pub at: Timestamp,
    /// Whom the rule of assignment names where a request asks a person.
    pub executors: Executors,
    /// Whom the rule of assignment names where there is no data and an official takes over.
    pub escalates_to: Option<OfficialId>,
}

/// The answer of another case to the same question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedAnswer {
    /// Facts by field, or nothing.
    pub facts: Option<BTreeMap<FieldPath, Json>>,
    /// Where it stands.
    pub source: Source,
}

impl ReleaseRequest {
    /// Decides; nothing while steps of the case's own regulation hold the request back.
    ///
    /// # Errors
    /// See [`CaseRefusal`].
    pub fn decide(
        &self,
        state: &CaseState,
        opened: &Opened,
        rules: &CaseRules<'_>,
    ) -> Result<Decision, CaseRefusal> {
        check_under_way(state, rules)?;
        let joined = state.joined().ok_or(CaseRefusal::NotJoined)?;
        if !state.held().any(|wait| wait.request == self.request) {
            return Err(CaseRefusal::NotHeld { request: self.request.clone() });
        }
        let values = rules.values(opened, state)?;
        let progress = Progress::of(state, rules, &registration(rules));
        let progress = progress.ok_or(CaseRefusal::NotSubmitted)?.release(&self.request);
        let mut events = CaseEvents::after(state);
        send_enabled(rules, progress, &values, (self.at, &self.executors), &mut events);
        let mut after = state.clone();
        for new in &events.events {
            let DomainEvent::Case(event) = &new.event else { continue };
            let (version, event) = (new.version, event.clone());
            let recorded = RecordedCaseEvent { version, event, private: vec![] };
            after.evolve(&recorded).expect("invariant: what is sent follows what was");
        }
        let decision = Decision { events: events.events, claims: vec![] };
        let sent = decision.events.iter().any(|new| match &new.event {
            DomainEvent::Case(CaseEvent::RequestSent(sent)) => sent.request == self.request,
            _ => false,
        });
        if !sent {
            return Ok(decision);
        }
        let case = state.stream().clone();
        let dependency = Dependency { case, request: self.request.clone() };
        let (decision, event) = match &self.answer {
            None => (decision, ComplexEvent::DependencyLapsed(dependency)),
            Some(answer) => {
                let answered = self.serve(answer).decide(&after, opened, rules)?;
                let by = answer.source.clone();
                let event = ComplexEvent::DependencySatisfied { dependency, by };
                (decision.and(answered), event)
            }
        };
        let told = NewEvent {
            stream: joined.complex_request.clone(),
            version: self.complex_length,
            event: DomainEvent::Complex(event),
            private: vec![],
        };
        Ok(decision.and(Decision { events: vec![told], claims: vec![] }))
    }

    fn serve(&self, answer: &SharedAnswer) -> AnswerRequest {
        let (official, second, letter) = (None, None, None);
        AnswerRequest {
            request: self.request.clone(),
            facts: answer.facts.clone(),
            source: Some(answer.source.clone()),
            came: Some(Arrival { way: Way::Reused, at: self.at, official, second, letter }),
            at: self.at,
            executors: self.executors.clone(),
            scan: None,
            signature: None,
            taken_over: None,
            escalates_to: self.escalates_to,
        }
    }
}
