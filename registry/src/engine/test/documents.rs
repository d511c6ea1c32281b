//! Papers: issued once, kept, the same again, and on record by their hash.

use super::*;
use crate::event::CaseEvent;

/// The `document.issued` events of a case, as the log has them.
fn on_record(node: &TwinNode, case: CaseId) -> Vec<(String, String, letopis_ledger::Hash)> {
    let state = block_on(node.engine.case_state(case)).unwrap();
    let documents = state.documents().iter();
    documents.map(|d| (d.media_type.clone(), d.language.clone(), d.sha256)).collect()
}

#[test]
fn a_paper_is_issued_once_in_each_language_and_stays_the_same() {
    let node = furnished();
    let engine = &node.engine;
    let (case, status) = run(&node, ANNA, PLATES[0]);
    assert_eq!(status, CaseStatus::Granted);
    let before = node.ledger.leaves_now().len();
    let paper = block_on(engine.document(case, Language::Ru)).unwrap().unwrap();
    assert_eq!(node.ledger.leaves_now().len(), before + 1);
    assert_eq!(block_on(engine.document(case, Language::Ru)).unwrap().unwrap(), paper);
    let data = block_on(engine.document_data(case)).unwrap().unwrap();
    assert_eq!(node.ledger.leaves_now().len(), before + 1, "one record serves both");
    let english = block_on(engine.document(case, Language::En)).unwrap().unwrap();
    assert_ne!(english.event.sha256, paper.event.sha256);
    let expected = [
        ("application/pdf".to_owned(), "ru".to_owned(), paper.event.sha256),
        ("application/json".to_owned(), "mul".to_owned(), data.event.sha256),
        ("application/pdf".to_owned(), "en".to_owned(), english.event.sha256),
    ];
    assert_eq!(on_record(&node, case), expected);

    // The machine-readable form says what the paper says, and proves what is private in it.
    let data: Value = serde_json::from_slice(&data.bytes).unwrap();
    assert_eq!(
        (&data["kind"], &data["values"]["form.plate"]),
        (&json!("result"), &json!(PLATES[0]))
    );
    let proofs = data["disclosures"].as_array().unwrap();
    let state = block_on(engine.case_state(case)).unwrap();
    let digests: Vec<_> = state.digests().copied().collect();
    for proof in proofs {
        let disclosure = Disclosure::parse(proof.as_str().unwrap()).unwrap();
        assert!(digests.contains(&disclosure.digest()));
        let shown = &data["values"][disclosure.name()];
        assert_eq!(*shown, disclosure.value().to_value(), "{}", disclosure.name());
    }
    assert!(proofs.len() >= 4, "{data:#}");
}

#[test]
fn a_case_that_goes_on_has_no_paper_and_a_lost_race_issues_none_twice() {
    let node = furnished();
    let engine = &node.engine;
    let accepted = block_on(engine.submit(&application(form(ANNA, PLATES[0]), None))).unwrap();
    assert!(block_on(engine.document(accepted.case, Language::Ru)).unwrap().is_none());
    block_on(engine.advance(accepted.case)).unwrap();
    node.ledger.next(Mishap::AnswerLost);
    let paper = block_on(engine.document(accepted.case, Language::Ru)).unwrap().unwrap();
    assert_eq!(on_record(&node, accepted.case).len(), 2);
    let leaves = node.ledger.leaves_now();
    let record = leaves.last().unwrap().record();
    let events: Vec<_> = record.events().iter().map(|event| event.event_type.to_string()).collect();
    assert_eq!(events, ["document.issued", "document.issued"]);
    let read = DomainEvent::read(&record.events()[0]).unwrap().unwrap();
    assert!(matches!(read, DomainEvent::Case(CaseEvent::DocumentIssued(found))
        if found == paper.event));
}
