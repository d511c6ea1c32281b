//! Lost races, lost answers, restarts, tables built again.

use super::*;

#[test]
fn the_same_key_gives_the_same_case_and_another_application_is_refused() {
    let node = furnished();
    let first = application(form(ANNA, PLATES[0]), Some("k1"));
    let one = block_on(node.engine.submit(&first)).unwrap();
    let two = block_on(node.engine.submit(&first)).unwrap();
    assert_eq!((one.case, one.appended), (two.case, two.appended));
    assert!(!one.repeated && two.repeated);
    // Each answer brings a token of its own, and both open the case.
    for token in [&one.token, &two.token] {
        assert!(node.engine.private().admits(token, &one.case.stream()).unwrap());
    }
    let other = application(form(ANNA, PLATES[1]), Some("k1"));
    assert!(matches!(block_on(node.engine.submit(&other)), Err(EngineError::IdempotencyKeyReused)));
    // A spelling that means the same is the same application.
    let spelled = application(form("11223344595", "a123bc77"), Some("k1"));
    assert_eq!(block_on(node.engine.submit(&spelled)).unwrap().case, one.case);
}

#[test]
fn a_lost_answer_or_record_is_found_again_by_its_key() {
    for (name, mishap) in [
        ("answer lost", Mishap::AnswerLost),
        ("record lost", Mishap::RecordLost),
        ("busy", Mishap::Busy),
    ] {
        let node = furnished();
        let before = node.ledger.leaves_now().len();
        node.ledger.next(mishap);
        let application = application(form(ANNA, PLATES[0]), Some("k"));
        let failed = block_on(node.engine.submit(&application)).unwrap_err();
        assert!(matches!(
            failed,
            EngineError::Append(AppendRefused::Unavailable { .. } | AppendRefused::Busy { .. })
        ));
        let accepted = block_on(node.engine.submit(&application)).unwrap();
        assert!(accepted.repeated);
        assert_eq!(node.ledger.leaves_now().len(), before + 1, "{name}");
        let progress = block_on(node.engine.advance(accepted.case)).unwrap();
        assert_eq!(progress.status, CaseStatus::Granted);
    }
}

#[test]
fn two_nodes_that_give_one_number_both_register() {
    let node = furnished();
    let other = node.beside(2);
    let numbers: Vec<String> = [&node, &other, &other, &node]
        .into_iter()
        .zip(PLATES)
        .map(|(node, plate)| registered(&submit(node, ANNA, plate)).number.clone())
        .collect();
    let unique: std::collections::BTreeSet<_> = numbers.iter().collect();
    assert_eq!(unique.len(), 4, "{numbers:?}");
}

/// Lets `rival` be decided on another node between the reading and the writing of `case`.
fn race(node: &TwinNode, case: CaseId, rival: (Arc<TwinNode>, CaseId)) -> CaseStatus {
    let granted = move || {
        let (other, case) = rival;
        assert_eq!(block_on(other.engine.advance(case)).unwrap().status, CaseStatus::Granted);
    };
    node.ledger.next(Mishap::Nothing);
    node.ledger.next(Mishap::Rival(Box::new(granted)));
    block_on(node.engine.advance(case)).unwrap().status
}

#[test]
fn the_last_slot_goes_to_exactly_one_of_two_nodes() {
    let node = furnished();
    assert_eq!(run(&node, ANNA, PLATES[0]).1, CaseStatus::Granted);
    let other = Arc::new(node.beside(2));
    let (one, two) = (submit(&node, ANNA, PLATES[1]).case, submit(&other, ANNA, PLATES[2]).case);
    assert_eq!(race(&node, one, (other, two)), CaseStatus::Refused);
    assert_eq!(grounds(&node, one), ["G3"]);
    assert_eq!(grounds(&node, two), Vec::<String>::new());
    assert_eq!(node.engine.model().entry_count(&registry("parking_permit")).unwrap().value, 2);
}

#[test]
fn a_plate_that_gets_its_permit_meanwhile_is_refused_a_second_one() {
    let node = furnished();
    let other = Arc::new(node.beside(2));
    let (one, two) = (submit(&node, ANNA, PLATES[0]).case, submit(&other, ANNA, PLATES[0]).case);
    assert_eq!(race(&node, one, (other, two)), CaseStatus::Refused);
    assert_eq!(grounds(&node, one), ["G5"]);
}

#[test]
fn a_stream_that_grew_is_read_again() {
    let node = furnished();
    let other = node.beside(2);
    let case = submit(&node, ANNA, PLATES[0]).case;
    // The other node takes the case to its end; this one still remembers its beginning.
    assert_eq!(block_on(other.engine.advance(case)).unwrap().status, CaseStatus::Granted);
    let before = node.ledger.leaves_now().len();
    let progress = block_on(node.engine.advance(case)).unwrap();
    assert_eq!((progress.status, progress.ended), (CaseStatus::Granted, None));
    assert_eq!(node.ledger.leaves_now().len(), before);
}

#[test]
fn open_cases_are_taken_up_after_a_restart() {
    let node = furnished();
    for plate in PLATES {
        submit(&node, ANNA, plate);
    }
    let node = node.restarted(1);
    let open = node.engine.model().open_cases(node.engine.agency()).unwrap().value;
    assert_eq!(open.len(), 4);
    for case in open {
        block_on(node.engine.advance(case)).unwrap();
    }
    block_on(node.engine.catch_up()).unwrap();
    let counts = node.engine.model().case_counts().unwrap().value;
    assert_eq!((counts.granted, counts.refused), (2, 2));
}

#[test]
fn tables_dropped_and_built_again_have_the_same_content() {
    let node = furnished();
    for plate in PLATES {
        run(&node, ANNA, plate);
    }
    block_on(node.engine.catch_up()).unwrap();
    let model = node.engine.model();
    let first = model.content_hash().unwrap();
    model.reset().unwrap();
    assert_ne!(model.content_hash().unwrap().value, first.value);
    // One leaf at a time or all at once, the rows are the same.
    for leaf in node.ledger.leaves_now() {
        model.fold(std::slice::from_ref(&leaf)).unwrap();
    }
    assert_eq!(model.content_hash().unwrap(), first);
    assert_eq!(node.beside(9).engine.model().content_hash().unwrap(), first);
}
