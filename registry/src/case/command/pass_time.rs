//! Time passes: requests are sent again, their terms end, the clock goes on, little of the term is
//! left, it is broken.
//!
//! Each instant is put on record once, with the instant itself and not the one at which somebody
//! noticed. Not here: the clock on the wall, and when to look.

use letopis_ledger::{LeafIndex, Timestamp};

use super::escalate::escalated;
use super::request::{Executors, Progress, due, send_enabled};
use super::{CaseEvents, check_under_way, stage};
use crate::case::{CaseClock, CaseRefusal, CaseRules, CaseState, Opened, RequestState};
use crate::code::StepCode;
use crate::event::{
    CaseEvent, ClockResumed, EscalationReason, OfficialId, RequestBreached, RequestRetried,
    TermCause, TermChanged,
};
use crate::pack::{AnswerValues, LegalCalendar, RequestRule, Retry, TimedOut};
use crate::record_draft::Decision;

/// A warning comes a day before the end, or when a quarter of a short term is left.
const WARNING_MS: i64 = 24 * 3_600_000;

/// What has become due by an instant.
#[derive(Debug, Clone)]
pub struct PassTime {
    /// The instant.
    pub now: Timestamp,
    /// Whom the rule of assignment names where a request that follows asks a person.
    pub executors: Executors,
    /// Whom it names where an official takes a request over.
    pub escalates_to: Option<OfficialId>,
}

/// A calendar was published that was missing when the case's term was counted.
#[derive(Debug, Clone)]
pub struct RecountTerm<'a> {
    /// The calendar, with the years that are known now.
    pub calendar: &'a LegalCalendar,
    /// The leaf that published it.
    pub published: LeafIndex,
}

impl PassTime {
    /// The next instant at which this must be looked at again; nothing when no term runs. A stage
    /// that is not on record yet is looked at `now`.
    #[must_use]
    pub fn next(state: &CaseState, rules: &CaseRules<'_>, now: Timestamp) -> Option<Timestamp> {
        let clock = state.clock()?;
        if state.decided().is_some() || state.ended().is_some() {
            return None;
        }
        let open = || state.requests().values().filter(|request| request.is_open());
        let due = open().filter(|request| !request.breached).map(|request| request.sent.due);
        let sent_again = open().filter(|request| request.awaits_reply());
        let requests = due.chain(sent_again.filter_map(|request| request.retry_at));
        let case = match &clock.suspended {
            Some(suspended) => Some(suspended.until),
            None if !clock.warned => Some(warning(clock)),
            None if !clock.breached => Some(clock.end.due),
            None => None,
        };
        requests.chain(case).chain(stage::next(state, rules, now)).min()
    }

    /// Decides; nothing when nothing is due.
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
        let mut clock = state.clock().ok_or(CaseRefusal::NotSubmitted)?.clone();
        let mut events = CaseEvents::after(state);
        if let Some(suspended) = clock.suspended.clone().filter(|s| s.until < self.now) {
            let pause = Some((suspended.at, suspended.until));
            let end = clock.count(clock.term, pause, rules.calendar);
            let resumed = ClockResumed { request: suspended.request, at: suspended.until, end };
            clock.resume(&resumed);
            events.push(CaseEvent::ClockResumed(resumed), vec![]);
        }
        self.warn(&mut clock, &mut events);
        stage::pass(state, rules, self.now, &mut events);
        self.breach(state, rules, &mut events);
        self.retry(state, rules, &mut events);
        self.time_out(state, opened, rules, &mut events)?;
        Ok(Decision { events: events.events, claims: vec![] })
    }

    fn warn(&self, clock: &mut CaseClock, events: &mut CaseEvents) {
        if clock.suspended.is_some() {
            return;
        }
        let due = clock.end.due;
        if !clock.warned && warning(clock) <= self.now {
            clock.warned = true;
            events.push(CaseEvent::DeadlineWarned(due), vec![]);
        }
        if !clock.breached && due < self.now {
            clock.breached = true;
            events.push(CaseEvent::DeadlineBreached(due), vec![]);
        }
    }

    /// Requests that are past their term and are waited for all the same.
    fn breach(&self, state: &CaseState, rules: &CaseRules<'_>, events: &mut CaseEvents) {
        for (code, request) in state.requests() {
            let ends = self.times_out(rules, (code, request));
            let due = request.sent.due;
            if request.is_open() && !request.breached && !ends && due < self.now {
                let breached = RequestBreached { request: code.clone(), due };
                events.push(CaseEvent::RequestBreached(breached), vec![]);
            }
        }
    }

    /// Requests without a reply are sent again, as often as the regulation says; then an official
    /// takes over, or their term alone counts.
    fn retry(&self, state: &CaseState, rules: &CaseRules<'_>, events: &mut CaseEvents) {
        let waiting = |request: &RequestState| {
            request.awaits_reply() && request.retry_at.is_some_and(|retry_at| retry_at < self.now)
        };
        for (code, request) in state.requests().iter().filter(|(_, request)| waiting(request)) {
            let Some(rule) = rules.service.regulation.request(code) else { continue };
            let Some(retry) = rule.retry.filter(|_| !self.times_out(rules, (code, request))) else {
                continue;
            };
            if request.attempt <= retry.times {
                events.push(self.sent_again(rules, (code, request), (rule, retry)), vec![]);
            } else {
                let to = (EscalationReason::Unanswered, self.escalates_to);
                events.extend(escalated(state, rules, code, to));
            }
        }
    }

    fn sent_again(
        &self,
        rules: &CaseRules<'_>,
        (code, request): (&StepCode, &RequestState),
        (rule, retry): (&RequestRule, Retry),
    ) -> CaseEvent {
        let attempt = request.attempt + 1;
        let given_up = rule.leaves_silence_to_official();
        let looked_at_again = attempt <= retry.times || given_up;
        let retry_at = looked_at_again.then(|| due(rules, self.now, retry.after));
        let request = code.clone();
        CaseEvent::RequestRetried(RequestRetried { request, attempt, retry_at })
    }

    /// Whether the term of a request has ended and the regulation waits no longer.
    fn times_out(
        &self,
        rules: &CaseRules<'_>,
        (code, request): (&StepCode, &RequestState),
    ) -> bool {
        let rule = rules.service.regulation.request(code);
        let ends = rule.is_some_and(|rule| rule.timed_out == TimedOut::NoData);
        ends && request.awaits_reply() && request.sent.due < self.now
    }

    /// Requests whose term has ended and that nobody waits for then; one a record, because what
    /// it enables is sent with it.
    fn time_out(
        &self,
        state: &CaseState,
        opened: &Opened,
        rules: &CaseRules<'_>,
        events: &mut CaseEvents,
    ) -> Result<(), CaseRefusal> {
        let mut requests = state.requests().iter();
        let Some((code, _)) = requests.find(|request| self.times_out(rules, *request)) else {
            return Ok(());
        };
        events.push(CaseEvent::RequestTimedOut(code.clone()), vec![]);
        let rule = rules.service.regulation.request(code);
        if rule.is_some_and(RequestRule::leaves_no_data_to_official) {
            let to = (EscalationReason::TimedOut, self.escalates_to);
            events.extend(escalated(state, rules, code, to));
            return Ok(());
        }
        let mut values = rules.values(opened, state)?;
        values.answers.insert(code.clone(), AnswerValues::NoData);
        if let Some(progress) = Progress::of(state, rules, code) {
            send_enabled(rules, progress, &values, (self.now, &self.executors), events);
        }
        Ok(())
    }
}

impl RecountTerm<'_> {
    /// Decides; nothing when the end of the term is certain or stays where it is.
    ///
    /// # Errors
    /// See [`CaseRefusal`].
    pub fn decide(
        &self,
        state: &CaseState,
        rules: &CaseRules<'_>,
    ) -> Result<Decision, CaseRefusal> {
        check_under_way(state, rules)?;
        let clock = state.clock().ok_or(CaseRefusal::NotSubmitted)?;
        let mut events = CaseEvents::after(state);
        let end = clock.count(clock.term, None, self.calendar);
        if clock.end.provisional && clock.suspended.is_none() && end != clock.end {
            let cause = TermCause::Calendar(self.published);
            let changed = TermChanged { cause, term: clock.term, end };
            events.push(CaseEvent::TermChanged(changed), vec![]);
        }
        Ok(Decision { events: events.events, claims: vec![] })
    }
}

/// When the warning of a case is due.
fn warning(clock: &CaseClock) -> Timestamp {
    let (from, due) = (clock.registered_at.unix_ms(), clock.end.due.unix_ms());
    let before = WARNING_MS.min((due - from) / 4);
    Timestamp::from_unix_ms(due - before)
        .expect("invariant: it lies between registration and the end of the term")
}
