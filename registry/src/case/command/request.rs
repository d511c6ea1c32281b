//! Which requests a case sends now: those whose steps have all that they wait for.

use std::collections::BTreeSet;

use letopis_ledger::Timestamp;

use super::CaseEvents;
use crate::case::CaseRules;
use crate::code::StepCode;
use crate::event::{CaseEvent, RequestSent, RequestTarget};
use crate::pack::{Asked, CaseValues, RequestRule, StepGraph};
use crate::record_draft::PrivateField;

/// Sends every request that is enabled and was not sent; all go into the same record.
pub(super) fn send_enabled(
    rules: &CaseRules<'_>,
    done: &BTreeSet<StepCode>,
    sent: &BTreeSet<StepCode>,
    values: &CaseValues,
    at: Timestamp,
    events: &mut CaseEvents,
) {
    let regulation = &rules.service.regulation;
    for (step, request) in regulation.requests() {
        let code = &step.code.value;
        let enabled = step.waits_for().all(|earlier| done.contains(earlier));
        if enabled && !sent.contains(code) {
            let (event, private) = send(rules, code, request, values, at);
            events.push(CaseEvent::RequestSent(event), private);
        }
    }
}

/// The registration step, which is done as soon as the case is registered.
pub(super) fn registration(rules: &CaseRules<'_>) -> StepCode {
    StepGraph::registration(&rules.service.regulation)
        .expect("invariant: a loaded pack has one registration step")
        .clone()
}

fn send(
    rules: &CaseRules<'_>,
    code: &StepCode,
    request: &RequestRule,
    values: &CaseValues,
    at: Timestamp,
) -> (RequestSent, Vec<PrivateField>) {
    let target = match &request.from {
        Asked::Registry(registry) => RequestTarget::Registry(registry.value.clone()),
        Asked::Addressee(name) => RequestTarget::Addressee(name.clone()),
    };
    let due = rules.pack.calendar().deadline(at, request.term.length).due;
    let due = Timestamp::from_unix_ms(due.get())
        .expect("invariant: terms end within the years of the ledger");
    let keys = request.by.iter().filter_map(|(field, value)| {
        let name = format!("request.{code}.{field}");
        Some(PrivateField::new(name, values.get(value)?.clone()))
    });
    let event = RequestSent { request: code.clone(), target, mandatory: request.mandatory, due };
    (event, keys.collect())
}
