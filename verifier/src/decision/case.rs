//! A decided case as its events tell it: complete, in order, with one final event.

use std::collections::BTreeMap;

use letopis_ledger::id::StreamName;
use letopis_ledger::json::{FieldError, Json, Object};
use letopis_ledger::record::{ClaimOperation, Record};

use super::Stop;
use super::collect::{CaseEvent, Collector};
use super::event::{Decided, Evidence, Outcome, Registered, Submitted, refusal_grounds};
use super::rule::Regulation;
use crate::finding::{Finding, Findings, Rule};

/// Newest version of the shape of a type that this program knows.
fn newest_shape(event_type: &str) -> u32 {
    match event_type {
        SUBMITTED => 4,
        SENT | ANSWERED => 3,
        _ => 1,
    }
}

pub(super) const SUBMITTED: &str = "application.submitted";
pub(super) const REGISTERED: &str = "application.registered";
pub(super) const JOINED: &str = "application.joined";
pub(super) const SENT: &str = "request.sent";
pub(super) const ANSWERED: &str = "request.answered";
pub(super) const OMITTED: &str = "request.omitted";
pub(super) const TIMED_OUT: &str = "request.timed_out";
pub(super) const ESCALATED: &str = "request.escalated";
pub(super) const RETRIED: &str = "request.retried";
pub(super) const BREACHED: &str = "request.deadline_breached";
pub(super) const SUSPENDED: &str = "application.clock_suspended";
pub(super) const RESUMED: &str = "application.clock_resumed";
pub(super) const TERM_CHANGED: &str = "application.term_changed";
pub(super) const STAGE_BEGUN: &str = "application.stage_begun";
pub(super) const STAGE_BREACHED: &str = "application.stage_breached";
pub(super) const PROPOSED: &str = "application.decision_proposed";
pub(super) const AGREED: &str = "application.decision_agreed";
pub(super) const RETURNED: &str = "application.decision_returned";
pub(super) const DECIDED: &str = "application.decided";
pub(super) const RESULT_ISSUED: &str = "application.result_issued";
pub(super) const WITHDRAWN: &str = "result.withdrawn";
pub(super) const REFUSAL_ISSUED: &str = "application.refusal_issued";

/// The events that every decided case has.
pub(super) struct Case {
    pub(super) submitted: Submitted,
    pub(super) registered: Registered,
    pub(super) decided: Decided,
    /// Position of the decision among the case's events, which is also its version.
    pub(super) decided_at: usize,
}

/// Reads the case.
pub(super) fn read(collected: &Collector<'_>) -> Result<Case, Stop> {
    if collected.stream.is_none() {
        return Err(
            Finding::whole(Rule::CaseExists, "no event of such a case is in the log").into()
        );
    }
    if let Some(other) = &collected.other_stream {
        let detail = format!("case {other} has the same number; name the case by its id");
        return Err(Finding::whole(Rule::CaseExists, detail).into());
    }
    if collected.more_events > 0 {
        let count = collected.events.len() as u64 + collected.more_events;
        let detail = format!("the case has {count} events, more than any service needs");
        return Err(Finding::whole(Rule::CaseForm, detail).into());
    }
    let (submitted_at, submitted) = one(collected, SUBMITTED, Submitted::read)?;
    let (registered_at, registered) = one(collected, REGISTERED, Registered::read)?;
    let (decided_at, decided) = one(collected, DECIDED, Decided::read)?;
    let place_of = |position: usize| collected.events[position].place;
    let in_order = submitted_at == 0
        && registered_at == 1
        && place_of(submitted_at) == place_of(registered_at)
        && requests_are_in_order(collected, decided_at)
        && decided.read_size <= place_of(decided_at).get();
    let numbered = |(number, event): (usize, &CaseEvent)| {
        u64::try_from(number) == Ok(event.event().version.get())
    };
    if !in_order || !collected.events.iter().enumerate().all(numbered) {
        let detail = "the case does not go in order from its submission to the decision";
        return Err(Finding::at(Rule::CaseForm, place_of(decided_at), detail).into());
    }
    let case = Case { submitted, registered, decided, decided_at };
    check_number(&case, &collected.events[registered_at])?;
    check_end(&case, collected)?;
    Ok(case)
}

/// Whether a record takes a claim for a stream, so that nobody else can hold the name.
pub(super) fn takes(record: &Record, name: &str, holder: &StreamName) -> bool {
    record.claims().iter().any(|claim| {
        claim.operation == ClaimOperation::Take
            && claim.name.as_str() == name
            && &claim.holder == holder
    })
}

/// The record that registers a case must take its number, so that no other case has it.
fn check_number(case: &Case, registered: &CaseEvent) -> Result<(), Stop> {
    let name = format!("number/case/{}/{}", case.submitted.service, case.registered.number);
    if takes(registered.leaf.record(), &name, &registered.event().stream) {
        return Ok(());
    }
    let detail = format!("the record that registers the case does not take claim {name}");
    Err(Finding::at(Rule::CaseForm, registered.place, detail).into())
}

/// What a case may do beside asking, between registration and decision.
const ON_THE_WAY: &[&str] = &[
    "application.assigned",
    "application.deadline_warned",
    "application.deadline_breached",
    "request.answer_set_aside",
    "subrequest.opened",
    "subrequest.answered",
    "subrequest.cancelled",
    "notice.queued",
    "notice.settled",
    SUSPENDED,
    RESUMED,
    TERM_CHANGED,
    JOINED,
    STAGE_BEGUN,
    STAGE_BREACHED,
    PROPOSED,
    AGREED,
    RETURNED,
];
/// What may follow when a case has ended.
const AFTER_THE_END: &[&str] =
    &["document.issued", "notice.queued", "notice.settled", "request.answer_set_aside", WITHDRAWN];

/// Between registration and decision there are requests, each sent or left out once and closed at
/// most once, and once more by an official who took it over.
fn requests_are_in_order(collected: &Collector<'_>, decided_at: usize) -> bool {
    let mut sent = BTreeMap::new();
    collected.events[..decided_at].iter().skip(2).all(|event| {
        let event = event.event();
        let request = event.data.get("request").and_then(Json::as_str);
        match (event.event_type.as_str(), request) {
            (SENT, Some(request)) => sent.insert(request, false).is_none(),
            (OMITTED, Some(request)) => sent.insert(request, true).is_none(),
            (ANSWERED | TIMED_OUT, Some(request)) => sent.insert(request, true) == Some(false),
            // Whether it may be is looked at with the regulation.
            (ESCALATED, Some(request)) => sent.insert(request, false).is_some(),
            (RETRIED | BREACHED, Some(request)) => sent.get(request) == Some(&false),
            (name, _) => ON_THE_WAY.contains(&name),
        }
    })
}

/// Nothing begins while a blocking request is open: no other request, proposal or decision.
pub(super) fn check_blocking(
    case: &Case,
    collected: &Collector<'_>,
    regulation: &Regulation,
) -> Result<(), Stop> {
    let mut open: Option<&str> = None;
    for event in &collected.events[..=case.decided_at] {
        let (kind, data) = (event.event().event_type.as_str(), &event.event().data);
        let request = data.get("request").and_then(Json::as_str);
        match (kind, open) {
            (SENT | PROPOSED | DECIDED, Some(blocking)) => {
                let detail = format!("{kind} while the blocking request {blocking} is open");
                return Err(Finding::at(Rule::CaseForm, event.place, detail).into());
            }
            // One that an official took over is open again.
            (SENT | ESCALATED, None) => {
                open = request.filter(|request| regulation.is_blocking(request))
            }
            (ANSWERED | TIMED_OUT, Some(blocking)) if request == Some(blocking) => open = None,
            _ => {}
        }
    }
    Ok(())
}

/// The events of a type with their positions.
pub(super) fn events_of<'a>(
    collected: &'a Collector<'_>,
    name: &'static str,
) -> impl Iterator<Item = (usize, &'a CaseEvent)> {
    let is_named =
        move |(_, event): &(usize, &CaseEvent)| event.event().event_type.as_str() == name;
    collected.events.iter().enumerate().filter(is_named)
}

/// The one event of a type, read.
fn one<T>(
    collected: &Collector<'_>,
    name: &'static str,
    read: impl Fn(&Object) -> Result<T, FieldError>,
) -> Result<(usize, T), Stop> {
    let found: Vec<_> = events_of(collected, name).collect();
    let [(position, event)] = found.as_slice() else {
        let rule = if name == DECIDED { Rule::CaseTerminal } else { Rule::CaseForm };
        let detail = format!("the case has {} events {name}, not one", found.len());
        return Err(Finding::whole(rule, detail).into());
    };
    Ok((*position, read_event(event, read)?))
}

/// Reads an event whose shape this program must know.
pub(super) fn read_event<T>(
    event: &CaseEvent,
    read: impl Fn(&Object) -> Result<T, FieldError>,
) -> Result<T, Stop> {
    let broken = |detail: String| Stop::Found(Finding::at(Rule::CaseForm, event.place, detail));
    let schema = event.event().schema;
    let newest = newest_shape(event.event().event_type.as_str());
    if schema == 0 || schema > newest {
        return Err(broken(format!(
            "event {} has shape version {schema}, this program knows {newest}: use the release \
             that knows it",
            event.event().event_type
        )));
    }
    read(&event.event().data).map_err(|error| broken(error.to_string()))
}

/// The case must end once, as it was decided, and nothing may follow.
fn check_end(case: &Case, collected: &Collector<'_>) -> Result<(), Stop> {
    let results = events_of(collected, RESULT_ISSUED).count();
    let refusals = events_of(collected, REFUSAL_ISSUED).count();
    let expected = match case.decided.outcome {
        Outcome::Granted => (1, 0),
        Outcome::Refused => (0, 1),
    };
    if (results, refusals) != expected {
        let detail = format!(
            "the case was decided {:?} and ends with {results} results and {refusals} refusals",
            case.decided.outcome.as_str()
        );
        return Err(Finding::whole(Rule::CaseTerminal, detail).into());
    }
    let end = case.decided_at + 1;
    let place = collected.events[end.min(collected.events.len() - 1)].place;
    let ends = collected.events.get(end).is_some_and(|event| {
        [RESULT_ISSUED, REFUSAL_ISSUED].contains(&event.event().event_type.as_str())
    });
    let after = collected.events.iter().skip(end + 1);
    let quiet = after
        .map(|event| event.event().event_type.as_str())
        .all(|name| AFTER_THE_END.contains(&name));
    if !ends || !quiet || place != collected.events[case.decided_at].place {
        let detail = "the case does not end with its decision and the result or refusal at once";
        return Err(Finding::at(Rule::CaseTerminal, place, detail).into());
    }
    Ok(())
}

/// The grounds of the refusal must be those of the decision, each with facts of the case.
pub(super) fn check_grounds(
    case: &Case,
    collected: &Collector<'_>,
    findings: &mut Findings,
) -> Result<(), Stop> {
    let place = collected.events[case.decided_at].place;
    let decided: Vec<&str> = case.decided.grounds.iter().map(|g| g.code.as_str()).collect();
    if (case.decided.outcome == Outcome::Granted) != decided.is_empty() {
        let (outcome, count) = (case.decided.outcome.as_str(), decided.len());
        let detail = format!("decided {outcome:?} with {count} grounds");
        findings.push(Finding::at(Rule::GroundsClosed, place, detail));
    }
    if let Some((_, refusal)) = events_of(collected, REFUSAL_ISSUED).next() {
        let issued = read_event(refusal, refusal_grounds)?;
        if issued != decided {
            let detail = format!("decided on {decided:?}, the refusal names {issued:?}");
            findings.push(Finding::at(Rule::GroundsClosed, refusal.place, detail));
        }
    }
    for ground in &case.decided.grounds {
        let holds = |evidence: &Evidence| is_supported(case, collected, evidence);
        if ground.evidence.is_empty() || !ground.evidence.iter().all(holds) {
            let detail =
                format!("ground {} refers to facts that the case does not have", ground.code);
            findings.push(Finding::at(Rule::GroundsClosed, place, detail));
        }
    }
    Ok(())
}

/// Whether the case has the event that a ground refers to.
fn is_supported(case: &Case, collected: &Collector<'_>, evidence: &Evidence) -> bool {
    let position = usize::try_from(evidence.version).ok();
    let Some(event) = position.and_then(|position| collected.events.get(position)) else {
        return false;
    };
    let event = event.event();
    match evidence.kind.as_str() {
        "form" => event.event_type.as_str() == SUBMITTED,
        "answer" => {
            event.event_type.as_str() == ANSWERED
                && event.data.get("request").and_then(Json::as_str) == Some(&evidence.of)
        }
        "input" => position == Some(case.decided_at),
        _ => false,
    }
}
