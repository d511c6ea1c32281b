//! Time passes: terms of requests end, the clock goes on, little of the term is left, it is broken.
//!
//! Each instant is put on record once, with the instant itself and not the one at which somebody
//! noticed. Not here: the clock on the wall, and when to look.

use letopis_ledger::{LeafIndex, Timestamp};

use super::request::{Executors, Progress, send_enabled};
use super::{CaseEvents, check_under_way};
use crate::case::{CaseClock, CaseRefusal, CaseRules, CaseState, Opened};
use crate::code::StepCode;
use crate::event::{CaseEvent, ClockResumed, TermCause, TermChanged};
use crate::pack::{AnswerValues, LegalCalendar, TimedOut};
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
    /// The next instant at which this must be looked at again; nothing when no term runs.
    #[must_use]
    pub fn next(state: &CaseState) -> Option<Timestamp> {
        let clock = state.clock()?;
        if state.decided().is_some() || state.ended().is_some() {
            return None;
        }
        let open = state.requests().values();
        let open = open.filter(|request| request.answered.is_none() && !request.timed_out);
        let requests = open.map(|request| request.sent.due);
        let case = match &clock.suspended {
            Some(suspended) => Some(suspended.until),
            None if !clock.warned => Some(warning(clock)),
            None if !clock.breached => Some(clock.end.due),
            None => None,
        };
        requests.chain(case).min()
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

    /// Requests whose term has ended and that nobody waits for then; one a record, because what
    /// it enables is sent with it.
    fn time_out(
        &self,
        state: &CaseState,
        opened: &Opened,
        rules: &CaseRules<'_>,
        events: &mut CaseEvents,
    ) -> Result<(), CaseRefusal> {
        let late = |code: &StepCode| {
            let request = &state.requests()[code];
            let rule = rules.service.regulation.request(code);
            let gives_up = rule.is_some_and(|rule| rule.timed_out == TimedOut::NoData);
            let open = request.answered.is_none() && !request.timed_out;
            open && gives_up && request.sent.due < self.now
        };
        let Some(code) = state.requests().keys().find(|code| late(code)) else { return Ok(()) };
        events.push(CaseEvent::RequestTimedOut(code.clone()), vec![]);
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
