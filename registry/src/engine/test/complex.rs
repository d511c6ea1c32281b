//! Complex requests (K6, F10): one submission, a case for each service, one answer for two.

use std::collections::BTreeMap;

use super::*;
use crate::code::ComplexCode;
use crate::event::{CancelledBy, CaseEvent, ComplexEvent};

const RECORD: &str = "110269770001000012344";

fn moved_in(plate: &str, key: Option<&str>) -> ComplexApplication {
    let forms = json!({
        "child-benefit": {"birth_record": RECORD, "children": 1},
        "parking-permit": {"plate": plate, "dwelling": HOME, "zone": "Z1", "validity_years": 2},
    });
    ComplexApplication {
        code: ComplexCode::parse("moved-in-with-newborn").unwrap(),
        channel: ChannelCode::parse("portal").unwrap(),
        shared: json!({
            "applicant": {"surname": "Тайнова", "given_name": "Секретина", "snils": ANNA}
        }),
        forms: serde_json::from_value(forms).unwrap(),
        idempotency_key: key.map(str::to_owned),
    }
}

/// The registries that the benefit asks, beside those of the permit.
fn family(node: &TwinNode) {
    let rows = [
        (
            "birth_record",
            json!({"record_number": RECORD, "parent_snils": ANNA,
                   "child_birth_date": "2026-10-01"}),
        ),
        ("income", json!({"snils": ANNA, "kopecks": 12_000_000})),
    ];
    for (code, row) in rows {
        block_on(node.engine.create_entries(&registry(code), &[row], &document())).unwrap();
    }
}

fn both() -> TwinNode {
    let node = TwinNode::start();
    let vehicles: Vec<Value> =
        PLATES.iter().map(|plate| json!({"plate": plate, "owner_snils": ANNA})).collect();
    let home = json!({"snils": ANNA, "dwelling": HOME, "zone": "Z1", "oktmo": "67323000"});
    block_on(async {
        node.engine.create_entries(&registry("vehicle"), &vehicles, &document()).await.unwrap();
        node.engine.create_entries(&registry("residence"), &[home], &document()).await.unwrap();
    });
    family(&node);
    node
}

fn submitted(node: &TwinNode) -> (ComplexAccepted, CaseId, CaseId) {
    let accepted = block_on(node.engine.submit_complex(&moved_in(PLATES[0], None))).unwrap();
    let (benefit, parking) = (accepted.cases[0].1.case, accepted.cases[1].1.case);
    (accepted, benefit, parking)
}

fn status(node: &TwinNode, case: CaseId) -> CaseStatus {
    block_on(node.engine.advance(case)).unwrap().status
}

fn state(node: &TwinNode, accepted: &ComplexAccepted) -> crate::complex::ComplexState {
    block_on(node.engine.catch_up()).unwrap();
    block_on(node.engine.complex_state(accepted.complex)).unwrap()
}

#[test]
fn one_record_opens_every_case_with_a_number_a_term_and_a_token_of_its_own() {
    let node = both();
    let before = node.ledger.leaves_now().len();
    let (accepted, benefit, parking) = submitted(&node);
    assert_eq!(node.ledger.leaves_now().len(), before + 1);
    let [(_, of_benefit), (_, of_parking)] = &accepted.cases[..] else { panic!() };
    assert_eq!(registered(of_benefit).number, "ПР-2026-000001");
    assert_eq!(registered(of_parking).number, "ЗП-2026-000001");
    // Ten working days and six.
    assert_eq!(registered(of_benefit).last_day.to_string(), "2026-12-04");
    assert_eq!(registered(of_parking).last_day.to_string(), "2026-11-30");
    let store = node.engine.private();
    for (accepted, case, other) in [(of_benefit, benefit, parking), (of_parking, parking, benefit)]
    {
        assert!(store.admits(&accepted.token, &case.stream()).unwrap());
        assert!(!store.admits(&accepted.token, &other.stream()).unwrap());
    }
}

#[test]
fn the_dependent_case_waits_and_the_answer_of_the_other_one_serves() {
    let node = both();
    let (accepted, benefit, parking) = submitted(&node);
    let waiting = block_on(node.engine.advance(parking)).unwrap();
    assert_eq!(waiting.status, CaseStatus::InProgress);
    assert_eq!(
        waiting.waits_for.iter().map(|step| step.as_str()).collect::<Vec<_>>(),
        ["residence"]
    );
    assert_eq!(node.engine.model().cases_waiting_for(benefit).unwrap().value, [parking]);
    assert_eq!(block_on(node.engine.close_complex_requests()).unwrap(), 0);

    assert_eq!(status(&node, benefit), CaseStatus::Granted);
    let before = node.ledger.leaves_now().len();
    assert_eq!(status(&node, parking), CaseStatus::Granted);
    let released = event_types(&node.ledger.leaves_now()[before]);
    assert_eq!(
        released,
        ["request.sent", "request.answered", "complex_request.dependency_satisfied"]
    );
    block_on(node.engine.catch_up()).unwrap();
    // The residence registry was asked once: the second answer points to the first one.
    let requests = node.engine.model().requests(parking).unwrap().value;
    let residence = requests.iter().find(|one| one.request.as_str() == "residence").unwrap();
    assert_eq!(residence.source.as_ref().unwrap().stream.kind(), "registry");
    let state_of = block_on(node.engine.case_state(parking)).unwrap();
    let answered = state_of.requests()[&residence.request].answered.as_ref().unwrap();
    assert_eq!(answered.event.source.as_ref().unwrap().stream, benefit.stream());
    let permit = node.engine.model().entry_by_number(&registry("parking_permit"), "РР-2026-000001");
    assert!(permit.unwrap().value.is_some());

    assert!(!state(&node, &accepted).is_closed());
    assert_eq!(block_on(node.engine.close_complex_requests()).unwrap(), 1);
    assert!(state(&node, &accepted).is_closed());
    assert_eq!(block_on(node.engine.close_complex_requests()).unwrap(), 0);
    let row = node.engine.model().complex_request(accepted.complex).unwrap().value.unwrap();
    assert_eq!((row.cases.len(), row.closed_at.is_some()), (2, true));
    assert_eq!(row.waits[0].over_by.as_deref(), Some("satisfied"));
}

#[test]
fn nothing_known_about_the_residence_serves_twice_too() {
    let node = TwinNode::start();
    family(&node);
    let (_, benefit, parking) = submitted(&node);
    assert_eq!(status(&node, benefit), CaseStatus::Refused);
    assert_eq!(status(&node, parking), CaseStatus::Refused);
    assert_eq!(grounds(&node, parking), ["G1", "G2"]);
}

#[test]
fn a_case_that_ends_without_an_answer_lets_the_other_one_ask_by_itself() {
    let node = both();
    let (accepted, benefit, parking) = submitted(&node);
    assert_eq!(status(&node, parking), CaseStatus::InProgress);
    block_on(node.engine.cancel(benefit, CancelledBy::Applicant)).unwrap();
    assert_eq!(status(&node, parking), CaseStatus::Granted);
    let leaves = node.ledger.leaves_now();
    let lapsed = leaves.iter().any(|leaf| {
        leaf.record().events().iter().any(|event| {
            let read = DomainEvent::read(event);
            matches!(read, Ok(Some(DomainEvent::Complex(ComplexEvent::DependencyLapsed(_)))))
        })
    });
    assert!(lapsed);
    assert_eq!(block_on(node.engine.close_complex_requests()).unwrap(), 1);
    assert!(state(&node, &accepted).is_closed());
}

#[test]
fn only_the_case_that_is_waited_for_takes_more_than_its_regulation() {
    let node = both();
    let alone = Application {
        service: ServiceCode::parse("child-benefit").unwrap(),
        form: json!({
            "applicant": {"surname": "Тайнова", "given_name": "Секретина", "snils": ANNA},
            "birth_record": RECORD, "children": 1,
        }),
        ..application(Value::Null, None)
    };
    let alone = block_on(node.engine.submit(&alone)).unwrap().case;
    let (_, benefit, _) = submitted(&node);
    let taken = |case| {
        status(&node, case);
        block_on(node.engine.catch_up()).unwrap();
        let all = block_on(node.engine.case_disclosures(case)).unwrap();
        let names = all.iter().map(|one| one.disclosure.name().to_owned());
        names.filter(|name| name.starts_with("answer.residence.")).collect::<Vec<_>>()
    };
    assert_eq!(taken(alone), ["answer.residence.oktmo"]);
    assert_eq!(taken(benefit).len(), 3);
}

#[test]
fn wrong_fields_of_all_services_are_named_at_once_and_nothing_is_submitted() {
    let node = both();
    let before = node.ledger.leaves_now().len();
    let mut wrong = moved_in("123", None);
    wrong.shared["applicant"]["snils"] = "112-233-445 96".into();
    wrong.shared["applicant"]["nickname"] = "x".into();
    let refused = block_on(node.engine.submit_complex(&wrong)).unwrap_err();
    let EngineError::Form { errors } = refused else { panic!("{refused}") };
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0].pointer, "/shared/applicant/nickname");
    let mut empty = moved_in(PLATES[0], None);
    empty.shared = json!({"applicant": {}, "surplus": {}});
    let refused = block_on(node.engine.submit_complex(&empty)).unwrap_err();
    let EngineError::Form { errors } = refused else { panic!("{refused}") };
    assert_eq!(errors.iter().map(|e| e.pointer.as_str()).collect::<Vec<_>>(), ["/shared/surplus"]);
    wrong.shared["applicant"].as_object_mut().unwrap().remove("nickname");
    let refused = block_on(node.engine.submit_complex(&wrong)).unwrap_err();
    let EngineError::Form { errors } = refused else { panic!("{refused}") };
    let pointers: Vec<&str> = errors.iter().map(|error| error.pointer.as_str()).collect();
    assert_eq!(pointers, ["/shared/applicant/snils", "/forms/parking-permit/plate"]);

    // What is asked once is not taken a second time, nor is a service that is no part of it.
    let mut twice = moved_in(PLATES[0], None);
    let own = twice.forms.get_mut("parking-permit").unwrap();
    own["applicant"] = json!({"snils": BORIS});
    twice.forms.insert("building-permit".into(), json!({}));
    let refused = block_on(node.engine.submit_complex(&twice)).unwrap_err();
    let EngineError::Form { errors } = refused else { panic!("{refused}") };
    let pointers: Vec<&str> = errors.iter().map(|error| error.pointer.as_str()).collect();
    assert_eq!(pointers, ["/forms/building-permit", "/forms/parking-permit/applicant/snils"]);

    let mut unknown = moved_in(PLATES[0], None);
    unknown.code = ComplexCode::parse("none").unwrap();
    let refused = block_on(node.engine.submit_complex(&unknown)).unwrap_err();
    assert!(matches!(refused, EngineError::UnknownComplex { .. }));
    let mut by_phone = moved_in(PLATES[0], None);
    by_phone.channel = ChannelCode::parse("phone").unwrap();
    let refused = block_on(node.engine.submit_complex(&by_phone)).unwrap_err();
    assert!(matches!(refused, EngineError::DraftOnly { .. }));
    assert_eq!(node.ledger.leaves_now().len(), before);
}

#[test]
fn one_key_is_one_complex_request_and_a_lost_answer_or_number_is_found_again() {
    let node = both();
    // Another node has given the same numbers: both are raised, and nothing is half there.
    let other = node.beside(7);
    block_on(other.engine.submit_complex(&moved_in(PLATES[1], None))).unwrap();
    for (key, mishap) in [("a", Mishap::AnswerLost), ("b", Mishap::RecordLost)] {
        if key == "a" {
            // The first try loses its numbers.
            node.ledger.next(Mishap::Nothing);
        }
        node.ledger.next(mishap);
        let request = moved_in(PLATES[0], Some(key));
        let first = block_on(node.engine.submit_complex(&request));
        let again = block_on(node.engine.submit_complex(&request)).unwrap();
        let third = block_on(node.engine.submit_complex(&request)).unwrap();
        let cases = |it: &ComplexAccepted| -> BTreeMap<String, CaseId> {
            it.cases.iter().map(|(service, one)| (service.to_string(), one.case)).collect()
        };
        assert!(third.repeated, "{key}");
        assert_eq!((third.complex, cases(&third)), (again.complex, cases(&again)));
        if let Ok(first) = first {
            assert_eq!(first.complex, third.complex);
        }
    }
    let other = moved_in(PLATES[2], Some("a"));
    let refused = block_on(node.engine.submit_complex(&other)).unwrap_err();
    assert!(matches!(refused, EngineError::IdempotencyKeyReused));
    let alone = application(form(ANNA, PLATES[0]), Some("a"));
    let refused = block_on(node.engine.submit(&alone)).unwrap_err();
    assert!(matches!(refused, EngineError::IdempotencyKeyReused));
    let opened = node.ledger.leaves_now();
    let opened = opened.iter().flat_map(event_types);
    assert_eq!(opened.filter(|name| name == "complex_request.opened").count(), 3);
}

#[test]
fn two_nodes_close_a_complex_request_once_and_a_restarted_one_knows_it() {
    let node = both();
    let (accepted, benefit, parking) = submitted(&node);
    assert_eq!(status(&node, benefit), CaseStatus::Granted);
    let node = node.restarted(3);
    assert_eq!(status(&node, parking), CaseStatus::Granted);
    let other = node.beside(5);
    block_on(node.engine.catch_up()).unwrap();
    block_on(other.engine.catch_up()).unwrap();
    let rival = other.engine;
    let closes = move || assert_eq!(block_on(rival.close_complex_requests()).unwrap(), 1);
    node.ledger.next(Mishap::Rival(Box::new(closes)));
    block_on(node.engine.close_complex_requests()).unwrap();
    assert!(state(&node, &accepted).is_closed());
    let all = node.ledger.leaves_now();
    let closed = all.iter().flat_map(event_types);
    assert_eq!(closed.filter(|name| name == "complex_request.closed").count(), 1);
    let joined = all.iter().flat_map(|leaf| leaf.record().events().to_vec());
    let joined = joined.filter(|event| {
        matches!(DomainEvent::read(event), Ok(Some(DomainEvent::Case(CaseEvent::Joined(_)))))
    });
    assert_eq!(joined.count(), 2);
}
