//! What the check of a whole log says about the order of cases and about who writes registries;
//! every other end, and every sound one, beside those of `rules`.

use letopis_ledger::json::Object;
use letopis_ledger::record::Event;
use letopis_verifier::finding::Rule;

use super::written::{Found, Written, ZARECHNY};

const CASE: &str = "application/019ba000-0000-7000-8000-000000000098";
const ENTRY: &str = "registry/permits/019ba000-0000-7000-8000-000000000098";

const SUBMITTED: &str = "application.submitted";
const DECIDED: &str = "application.decided";
const GRANTED: &str = "application.result_issued";
const REFUSED: &str = "application.refusal_issued";

/// A log with these records of a case, each a list of events with the outcome that it states.
fn found(records: &[&[(&str, &str)]]) -> Vec<Found> {
    let mut written = Written::new();
    for record in records {
        let events = record.iter().map(|(event_type, outcome)| {
            written.event(CASE, event_type, Object::new().with("outcome", *outcome))
        });
        let events: Vec<Event> = events.collect();
        written.push(ZARECHNY, events);
    }
    written.found()
}

fn broken(rule: Rule, found: &[Found]) -> bool {
    found.iter().any(|(of, leaf)| *of == rule && leaf.is_some())
}

#[test]
fn a_case_ends_by_a_decision_of_the_same_record_or_is_found() {
    let sound: [&[&[(&str, &str)]]; 4] = [
        &[&[(SUBMITTED, "")], &[(DECIDED, "granted"), (GRANTED, "")]],
        &[&[(SUBMITTED, "")], &[(DECIDED, "refused"), (REFUSED, "")], &[("document.issued", "")]],
        &[&[(SUBMITTED, ""), ("application.intake_refused", "")]],
        &[&[(SUBMITTED, "")], &[("request.sent", "")], &[("application.cancelled", "")]],
    ];
    for records in sound {
        assert_eq!(found(records), [], "{records:?}");
    }
    let wrong: [&[&[(&str, &str)]]; 7] = [
        &[&[(SUBMITTED, "")], &[(REFUSED, "")]],
        &[&[(SUBMITTED, "")], &[(DECIDED, "granted"), (REFUSED, "")]],
        &[&[(SUBMITTED, "")], &[(DECIDED, "refused")], &[(REFUSED, "")]],
        &[&[(SUBMITTED, "")], &[(SUBMITTED, "")]],
        &[&[("request.sent", "")]],
        &[&[(SUBMITTED, ""), ("application.cancelled", "")], &[("request.sent", "")]],
        &[
            &[(SUBMITTED, ""), ("application.cancelled", "")],
            &[(DECIDED, "granted"), (GRANTED, "")],
        ],
    ];
    for records in wrong {
        assert!(broken(Rule::CaseOrder, &found(records)), "{records:?}");
    }
}

fn basis(kind: &str, version: u32) -> Object {
    let basis = Object::new().with("kind", kind);
    match kind {
        "decision" => basis.with("stream", CASE).with("version", version),
        _ => basis.with("number", "1").with("date", "2026-01-12"),
    }
}

/// A log whose pack says who writes the registry, with a granted case and one more event.
fn entered(writer: Option<&str>, event_type: &str, basis: Object) -> Vec<Found> {
    let mut written = Written::new();
    let published = match writer {
        None => Object::new(),
        Some(writer) => Object::new().with("registries", Object::new().with("permits", writer)),
    };
    let published = written.event("pack/zarechny", "pack.published", published);
    written.push(ZARECHNY, vec![published]);
    let events = [(SUBMITTED, ""), (DECIDED, "granted"), (GRANTED, "")]
        .map(|(kind, outcome)| written.event(CASE, kind, Object::new().with("outcome", outcome)));
    let mut events = Vec::from(events);
    events.push(written.event(ENTRY, event_type, Object::new().with("basis", basis)));
    written.push(ZARECHNY, events);
    written.found()
}

#[test]
fn a_registry_is_written_by_whom_its_pack_says_or_is_found() {
    let created = "registry.entry_created";
    for (writer, basis) in [
        (Some("automatic"), basis("decision", 1)),
        (Some("manual"), basis("document", 0)),
        (None, basis("document", 0)),
        (None, basis("decision", 1)),
    ] {
        // That the pack here has no files is another rule's matter.
        let found = entered(writer, created, basis.clone());
        assert!(!broken(Rule::EntryBasis, &found), "{writer:?} {basis:?}: {found:?}");
    }
    for (writer, event_type, basis) in [
        (Some("automatic"), created, basis("document", 0)),
        (Some("automatic"), "registry.entry_amended", basis("document", 0)),
        (Some("automatic"), "registry.entry_excluded", basis("document", 0)),
        (Some("manual"), created, basis("decision", 1)),
        // Another event of the case, and a decision that granted where one must refuse.
        (Some("automatic"), created, basis("decision", 2)),
        (None, created, basis("decision", 2)),
        (None, "registry.entry_excluded", basis("decision", 1)),
        (None, "registry.entry_revised", Object::new()),
    ] {
        let found = entered(writer, event_type, basis.clone());
        assert!(broken(Rule::EntryBasis, &found), "{writer:?} {event_type} {basis:?}: {found:?}");
    }
}
