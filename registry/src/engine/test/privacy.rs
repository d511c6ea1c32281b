//! What the log shows, what can be opened, and what a decision can be repeated from.

use super::*;

#[test]
fn no_private_value_ever_stands_in_a_leaf() {
    let node = furnished();
    for plate in PLATES {
        run(&node, ANNA, plate);
    }
    run(&node, BORIS, "Х999ХХ77");
    let secrets = [
        "Тайнова",
        "Секретина",
        "Скрытовна",
        ANNA,
        BORIS,
        HOME,
        "Х999ХХ77",
        PLATES[0],
        PLATES[1],
        "11223344595",
        "112-233-445",
    ];
    for leaf in node.ledger.leaves_now() {
        let text = String::from_utf8(leaf.as_bytes().to_vec()).unwrap();
        for secret in secrets {
            assert!(!text.contains(secret), "leaf {} shows {secret}", leaf.index());
        }
    }
    // Every digest in the log is one that the agency can open.
    for leaf in node.ledger.leaves_now() {
        for event in leaf.record().events() {
            let opened = node.engine.private().open_digests(&event.private).unwrap();
            assert!(opened.iter().all(Option::is_some), "{}", event.event_type);
        }
    }
}

#[test]
fn claims_of_personal_values_stand_in_the_log_as_keyed_digests() {
    let node = furnished();
    assert_eq!(run(&node, ANNA, PLATES[0]).1, CaseStatus::Granted);
    let leaves = node.ledger.leaves_now();
    let claims = leaves.last().unwrap().record().claims();
    let names: Vec<&str> = claims.iter().map(|claim| claim.name.as_str()).collect();
    assert_eq!(names.len(), 3);
    assert!(claims.iter().all(|claim| claim.operation == ClaimOperation::Take));
    assert_eq!(names[0], "number/entry/parking_permit/РР-2026-000001");
    assert!(names[1].starts_with("unique/parking_permit/plate/"));
    let slot = names[2].strip_prefix("slot/parking_permit/dwelling/").unwrap();
    assert_eq!(slot.len(), 43, "the slot's number is under the digest");
    let plain = letopis_ledger::Hash::of(PLATES[0].as_bytes());
    assert!(!names[1].contains(&letopis_ledger::encoding::encode_base64url(plain.as_bytes())));
}

#[test]
fn the_decision_can_be_repeated_from_the_disclosed_inputs() {
    let node = furnished();
    let (case, _) = run(&node, BORIS, PLATES[0]);
    let leaves = node.ledger.leaves_now();
    let decision = &leaves.last().unwrap().record().events()[0];
    let disclosed: Vec<Disclosure> = node
        .engine
        .private()
        .open_digests(&decision.private)
        .unwrap()
        .into_iter()
        .flatten()
        .collect();
    let inputs = disclosed.iter().map(|disclosure| {
        let name = disclosure.name().strip_prefix("input.").unwrap();
        (name.to_owned(), disclosure.value().to_value())
    });
    let installed = node.engine.installed_packs().remove(0);
    let service = crate::pack::fixture::parking(&installed.pack);
    let evaluation = service.model.evaluate("resolution", &inputs.collect()).unwrap();
    assert_eq!(evaluation.outputs["outcome"], "refused");
    assert_eq!(evaluation.outputs["grounds"], json!(["G1", "G2"]));
    let Ok(Some(DomainEvent::Case(crate::event::CaseEvent::Decided(decided)))) =
        DomainEvent::read(decision)
    else {
        panic!("not a decision")
    };
    let rules: Vec<&str> =
        decided.trace.iter().flat_map(|table| &table.rules).map(String::as_str).collect();
    assert_eq!(rules, ["not_resident", "not_owner_or_lessee", "some_ground"]);
    assert_eq!(decided.grounds[0].evidence[0].of, "residence");
    assert_eq!(grounds(&node, case), ["G1", "G2"]);
}

#[test]
fn a_damaged_disclosure_stops_the_decision_and_changes_nothing() {
    let node = furnished();
    let case = submit(&node, ANNA, PLATES[0]).case;
    let path = node.folder.path().join("private.sqlite");
    let raw = rusqlite::Connection::open(path).unwrap();
    raw.execute(
        "UPDATE disclosure SET text = 'WyJ4Il0' WHERE stream = ?1",
        [case.stream().as_str()],
    )
    .unwrap();
    let before = node.ledger.leaves_now().len();
    let error = block_on(node.engine.advance(case)).unwrap_err();
    assert!(matches!(error, EngineError::Private(_)), "{error}");
    raw.execute("DELETE FROM disclosure WHERE stream = ?1", [case.stream().as_str()]).unwrap();
    let error = block_on(node.engine.advance(case)).unwrap_err();
    assert!(matches!(error, EngineError::Case(_)), "{error}");
    assert_eq!(node.ledger.leaves_now().len(), before);
}

#[test]
fn only_what_the_pack_declares_public_is_open_to_anybody() {
    use crate::pack::Visibility;
    let node = furnished();
    let (case, _) = run(&node, ANNA, PLATES[0]);
    block_on(node.engine.catch_up()).unwrap();
    let disclosures = block_on(node.engine.case_disclosures(case)).unwrap();
    let public: std::collections::BTreeSet<&str> = disclosures
        .iter()
        .filter(|opened| opened.visibility == Visibility::Public)
        .map(|opened| opened.disclosure.name())
        .collect();
    let inputs = [
        "input.applicant is owner",
        "input.permits at dwelling",
        "input.plate has permit",
        "input.resident of zone",
        "input.unpaid fine",
        "input.validity years",
        "input.vehicle found",
    ];
    assert_eq!(public, inputs.into_iter().collect());
    let private = disclosures.iter().filter(|opened| opened.visibility == Visibility::Private);
    assert!(private.count() >= 10);
}
