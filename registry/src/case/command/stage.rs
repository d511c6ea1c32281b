//! The stage that a case is at where people decide, and the term of it.
//!
//! A stage with a term is put on record when it begins, and once when its term has passed. Not
//! here: what people do in it (`approve`).

use letopis_ledger::StreamVersion;
use letopis_ledger::Timestamp;

use super::CaseEvents;
use super::approve::stage_of;
use super::request::due;
use crate::case::{CaseRules, CaseState, StageState};
use crate::event::{CaseEvent, Procedure, StageBegun, StageBreached};
use crate::pack::TermRule;

/// The stage that a case is at, with its term.
struct UnderWay<'r> {
    stage: Procedure,
    term: &'r TermRule,
    /// The newest proposal: one that was returned begins the next round.
    proposal: Option<StreamVersion>,
}

impl UnderWay<'_> {
    fn of<'r>(state: &CaseState, rules: &CaseRules<'r>) -> Option<UnderWay<'r>> {
        let approval = rules.service.regulation.approval.as_ref()?;
        let ended = state.decided().is_some() || state.ended().is_some();
        if ended || state.registered().is_none() {
            return None;
        }
        let newest = state.proposal();
        let proposal = newest.map(|proposal| proposal.version);
        if let Some(waiting) = newest.filter(|proposal| !proposal.returned) {
            let stage = stage_of(approval, waiting);
            let term = approval.stages.get(stage)?.term.as_ref()?;
            let stage = Procedure::Agreement(u32::try_from(stage).ok()?);
            return Some(UnderWay { stage, term, proposal });
        }
        let term = approval.term.as_ref().filter(|_| facts_are_there(state, rules))?;
        Some(UnderWay { stage: Procedure::Proposal, term, proposal })
    }

    fn is(&self, known: &StageState) -> bool {
        (known.begun.stage, known.proposal) == (self.stage, self.proposal)
    }
}

/// When the stage of a case must be looked at; `now` when it has just begun.
pub(super) fn next(state: &CaseState, rules: &CaseRules<'_>, now: Timestamp) -> Option<Timestamp> {
    let under_way = UnderWay::of(state, rules)?;
    match state.stage().filter(|known| under_way.is(known)) {
        None => Some(now),
        Some(known) => (!known.breached).then_some(known.begun.due),
    }
}

/// The beginning of a stage, or that its term has passed.
pub(super) fn pass(
    state: &CaseState,
    rules: &CaseRules<'_>,
    now: Timestamp,
    events: &mut CaseEvents,
) {
    let Some(under_way) = UnderWay::of(state, rules) else { return };
    let stage = under_way.stage;
    match state.stage().filter(|known| under_way.is(known)) {
        None => {
            let due = due(rules, now, under_way.term.length);
            let begun = StageBegun { stage, at: now, due };
            events.push(CaseEvent::StageBegun(begun), vec![]);
        }
        Some(known) if !known.breached && known.begun.due < now => {
            let due = known.begun.due;
            events.push(CaseEvent::StageBreached(StageBreached { stage, due }), vec![]);
        }
        Some(_) => {}
    }
}

/// Whether no mandatory request is waited for.
fn facts_are_there(state: &CaseState, rules: &CaseRules<'_>) -> bool {
    rules.service.regulation.requests().filter(|(_, rule)| rule.mandatory).all(|(step, _)| {
        let code = &step.code.value;
        let request = state.requests().get(code);
        request.map_or(state.omitted().contains(code), |request| !request.is_open())
    })
}
