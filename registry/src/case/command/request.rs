//! Which requests a case sends now: those whose steps have all that they wait for.
//!
//! A request whose condition does not hold is left out, on record, and counts as done. While a
//! blocking request is open, nothing else begins; what waits for another case is held back. Not
//! here: answers.

use std::collections::{BTreeMap, BTreeSet};

use letopis_ledger::Timestamp;

use super::CaseEvents;
use crate::case::{CaseClock, CaseRules, CaseState};
use crate::code::StepCode;
use crate::event::{
    CaseEvent, ClockSuspended, Joined, OfficialId, RequestSent, RequestTarget, TermCause,
    TermChanged,
};
use crate::pack::{Asked, CaseValues, RequestRule, StepGraph, TermRule};
use crate::record_draft::PrivateField;

/// What of a case's steps is behind it.
pub(super) struct Progress {
    /// Steps that others need not wait for any more.
    pub(super) done: BTreeSet<StepCode>,
    /// Requests that were sent or left out.
    begun: BTreeSet<StepCode>,
    /// Requests that wait for another case.
    held: BTreeSet<StepCode>,
    /// Whether a blocking request is open.
    blocked: bool,
    clock: CaseClock,
}

/// Whom the rule of assignment names, by request that asks a person of a unit.
pub type Executors = BTreeMap<StepCode, OfficialId>;

impl Progress {
    /// Of a case that is registered just now.
    pub(super) fn of_new(rules: &CaseRules<'_>, clock: CaseClock, joined: Option<&Joined>) -> Self {
        let done = BTreeSet::from([registration(rules)]);
        let waits = joined.into_iter().flat_map(|joined| &joined.waits);
        let held = waits.map(|wait| wait.request.clone()).collect();
        Self { done, begun: BTreeSet::new(), held, blocked: false, clock }
    }

    /// Of a registered case; `closed` is a request that the same record closes.
    pub(super) fn of(state: &CaseState, rules: &CaseRules<'_>, closed: &StepCode) -> Option<Self> {
        let clock = state.clock()?.clone();
        let is_done = |code: &StepCode| {
            let request = &state.requests()[code];
            code == closed || !request.is_open()
        };
        let sent = state.requests().keys();
        let mut done: BTreeSet<StepCode> = sent.clone().filter(|c| is_done(c)).cloned().collect();
        let open = sent.clone().filter(|code| !is_done(code));
        let blocks = |code: &StepCode| {
            rules.service.regulation.request(code).is_some_and(|rule| rule.blocking)
        };
        let blocked = open.into_iter().any(blocks);
        done.insert(registration(rules));
        done.extend(state.omitted().iter().cloned());
        let begun = sent.chain(state.omitted()).cloned().collect();
        let held = state.held().map(|wait| wait.request.clone()).collect();
        Some(Self { done, begun, held, blocked, clock })
    }

    /// The same where a request waits for nothing but the steps of its regulation.
    pub(super) fn release(mut self, request: &StepCode) -> Self {
        self.held.remove(request);
        self
    }
}

/// Sends every request that is enabled, and leaves out those whose condition does not hold; all
/// of it goes into the same record.
pub(super) fn send_enabled(
    rules: &CaseRules<'_>,
    mut progress: Progress,
    values: &CaseValues,
    (at, executors): (Timestamp, &Executors),
    events: &mut CaseEvents,
) {
    // A request that is left out may enable another one.
    while !progress.blocked {
        let regulation = &rules.service.regulation;
        let next = regulation.requests().find(|(step, _)| {
            let enabled = step.waits_for().all(|earlier| progress.done.contains(earlier));
            let code = &step.code.value;
            enabled && !progress.begun.contains(code) && !progress.held.contains(code)
        });
        let Some((step, rule)) = next else { return };
        let code = &step.code.value;
        progress.begun.insert(code.clone());
        if rule.when.as_ref().is_some_and(|condition| !condition.holds(values)) {
            progress.done.insert(code.clone());
            events.push(CaseEvent::RequestOmitted(code.clone()), vec![]);
            continue;
        }
        let (event, private) = send(rules, code, rule, values, (at, executors));
        events.push(CaseEvent::RequestSent(event), private);
        set_clock(rules, code, rule, at, &mut progress.clock, events);
        progress.blocked = rule.blocking;
    }
}

/// Whether the regulation has requests that this case has neither sent nor left out.
#[must_use]
pub fn has_more_to_send(state: &CaseState, rules: &CaseRules<'_>) -> bool {
    let begun =
        |code: &StepCode| state.requests().contains_key(code) || state.omitted().contains(code);
    rules.service.regulation.requests().any(|(step, _)| !begun(&step.code.value))
}

/// The registration step, which is done as soon as the case is registered.
pub(super) fn registration(rules: &CaseRules<'_>) -> StepCode {
    StepGraph::registration(&rules.service.regulation)
        .expect("invariant: a loaded pack has one registration step")
        .clone()
}

/// A request may give the case another term, and the clock stands still while the applicant
/// answers.
fn set_clock(
    rules: &CaseRules<'_>,
    code: &StepCode,
    rule: &RequestRule,
    at: Timestamp,
    clock: &mut CaseClock,
    events: &mut CaseEvents,
) {
    if let Some(TermRule { length, .. }) = &rule.changes_term {
        let end = clock.count(*length, None, rules.calendar);
        let cause = TermCause::Request(code.clone());
        let changed = TermChanged { cause, term: *length, end };
        clock.change(&changed);
        events.push(CaseEvent::TermChanged(changed), vec![]);
    }
    if let (Some(TermRule { length, .. }), None) = (&rule.suspends, &clock.suspended) {
        let until = due(rules, at, *length);
        let suspended = ClockSuspended { request: code.clone(), at, until };
        clock.suspend(suspended.clone());
        events.push(CaseEvent::ClockSuspended(suspended), vec![]);
    }
}

/// The last instant of a term that begins at `at`.
pub(super) fn due(
    rules: &CaseRules<'_>,
    at: Timestamp,
    term: letopis_rules::deadline::Term,
) -> Timestamp {
    let due = rules.calendar.deadline(at, term).due;
    Timestamp::from_unix_ms(due.get()).expect("invariant: terms end within the years of the ledger")
}

fn send(
    rules: &CaseRules<'_>,
    code: &StepCode,
    request: &RequestRule,
    values: &CaseValues,
    (at, executors): (Timestamp, &Executors),
) -> (RequestSent, Vec<PrivateField>) {
    let target = match &request.from {
        Asked::Registry(registry) => RequestTarget::Registry(registry.value.clone()),
        Asked::Addressee(name) => RequestTarget::Addressee(name.clone()),
        Asked::Organisation(name) => RequestTarget::Organisation(name.clone()),
        Asked::Unit(unit) => RequestTarget::Unit(unit.value.clone()),
        Asked::Head(unit) => RequestTarget::Head(unit.value.clone()),
        Asked::Executor(unit) => match executors.get(code) {
            Some(official) => RequestTarget::Executor(unit.value.clone(), *official),
            // Nobody can be named now: whoever of the unit comes first answers.
            None => RequestTarget::Unit(unit.value.clone()),
        },
        Asked::Applicant(_) => RequestTarget::Applicant,
    };
    let due = due(rules, at, request.term.length);
    let keys = request.by.iter().filter_map(|(field, value)| {
        let name = format!("request.{code}.{field}");
        Some(PrivateField::new(name, values.get(value)?.clone()))
    });
    let event = RequestSent {
        request: code.clone(),
        target,
        mandatory: request.mandatory,
        due,
        retry_at: request.retry.map(|retry| self::due(rules, at, retry.after)),
    };
    (event, keys.collect())
}
