//! Answer a request of a case; whatever waited for the answer goes out in the same record.

use std::collections::BTreeMap;

use letopis_ledger::Timestamp;
use letopis_ledger::json::Json;

use super::request::{Executors, Progress, send_enabled};
use super::{CaseEvents, check_under_way};
use crate::case::{CaseRefusal, CaseRules, CaseState, Opened};
use crate::code::{FieldPath, StepCode};
use crate::event::{Arrival, CaseEvent, RequestAnswered, RequestOutcome, Source};
use crate::pack::AnswerValues;
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
    /// When it is taken.
    pub at: Timestamp,
    /// Whom the rule of assignment names where a request that follows asks a person.
    pub executors: Executors,
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
        let facts = self.facts.iter().flatten().map(|(field, value)| {
            PrivateField::new(format!("answer.{}.{field}", self.request), value.clone())
        });
        let event = RequestAnswered {
            request: self.request.clone(),
            outcome,
            source: self.source.clone(),
            came: self.came.clone(),
        };
        events.push(CaseEvent::RequestAnswered(event), facts.collect());
        // Sequential requests are rare, so values are put together only when one waits for this.
        if rules.service.regulation.is_awaited_by_request(&self.request) {
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
            Some(sent) if sent.answered.is_some() => {
                return Err(CaseRefusal::AlreadyAnswered { request });
            }
            Some(_) => {}
        }
        let asked = |field: &FieldPath| rule.take.iter().any(|taken| &taken.value == field);
        if let Some(field) = self.facts.iter().flat_map(BTreeMap::keys).find(|f| !asked(f)) {
            return Err(CaseRefusal::FactNotAsked { request, field: field.to_string() });
        }
        Ok(())
    }

    fn send_next(
        &self,
        state: &CaseState,
        opened: &Opened,
        rules: &CaseRules<'_>,
        events: &mut CaseEvents,
    ) -> Result<(), CaseRefusal> {
        let mut values = opened.values(state)?;
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
