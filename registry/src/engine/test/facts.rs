//! What follows an entry when a fact that it rests on changes (domain, service C: `OwnerChanged`).

use super::*;
use crate::event::{Basis, CaseEvent, EntryEvent};

/// A permit of Anna's for her first vehicle, with the case that made it.
fn permitted(node: &TwinNode) -> (CaseId, letopis_ledger::id::StreamName) {
    let (case, status) = run(node, ANNA, PLATES[0]);
    assert_eq!(status, CaseStatus::Granted);
    block_on(node.engine.catch_up()).unwrap();
    let permits = registry("parking_permit");
    let permits = node.engine.model().entries_after(&permits, None, 9).unwrap().value;
    (case, permits.last().unwrap().stream.clone())
}

fn vehicle(node: &TwinNode, plate: &str) -> letopis_ledger::id::StreamName {
    let by = [(crate::code::FieldPath::parse("plate").unwrap(), Json::from(plate))];
    let found = node.engine.model().entries_by(&registry("vehicle"), &by.into(), 2).unwrap();
    found.value[0].stream.clone()
}

fn sell(node: &TwinNode, plate: &str, to: &Value) {
    block_on(node.engine.amend_entry(&vehicle(node, plate), to, &document())).unwrap();
}

/// Looks at every fact there is, in steps as a node does.
fn look(node: &TwinNode) -> usize {
    let (mut from, mut count) = (LeafIndex::ZERO, 0);
    loop {
        let (next, found) = block_on(node.engine.withdraw_contradicted(from)).unwrap();
        count += found;
        if next == from {
            return count;
        }
        from = next;
    }
}

fn status(node: &TwinNode, entry: &letopis_ledger::id::StreamName) -> EntryStatus {
    block_on(node.engine.catch_up()).unwrap();
    node.engine.model().entry(entry).unwrap().value.unwrap().status
}

#[test]
fn another_owner_takes_the_permit_out_in_a_record_of_its_own_and_the_applicant_is_told() {
    let node = furnished();
    let (case, permit) = permitted(&node);
    assert_eq!((look(&node), status(&node, &permit)), (0, EntryStatus::InForce));
    sell(&node, PLATES[0], &json!({"owner_snils": BORIS}));
    let before = node.ledger.leaves_now().len();
    assert_eq!((look(&node), status(&node, &permit)), (1, EntryStatus::Excluded));
    assert_eq!(look(&node), 0);

    let leaves = node.ledger.leaves_now();
    assert_eq!(leaves.len(), before + 1);
    let record = leaves[before].record();
    assert_eq!(event_types(&leaves[before]), ["registry.entry_excluded", "result.withdrawn"]);
    let read = DomainEvent::read(&record.events()[0]).unwrap().unwrap();
    let DomainEvent::Entry(EntryEvent::Excluded(removed)) = read else { panic!("{read:?}") };
    let Basis::Fact { rule, source } = removed.basis else { panic!("{removed:?}") };
    assert_eq!((rule.as_str(), source.stream), ("owner-changed", vehicle(&node, PLATES[0])));
    assert_eq!((source.version.get(), source.leaf.get()), (1, before as u64 - 1));
    // The plate and the place are free again, the number is not.
    let freed = record.claims().iter().map(|claim| claim.name.as_str().split('/').next().unwrap());
    assert_eq!(freed.collect::<std::collections::BTreeSet<_>>(), ["slot", "unique"].into());

    let told = |state: &str| {
        let notices = node.engine.model().notices(case).unwrap().value;
        notices.iter().any(|notice| notice.kind == "withdrawn" && notice.state == state)
    };
    assert!(told("due"));
    node.clock.set("2026-12-20T07:00:00.000Z");
    while block_on(node.engine.send_notices()).unwrap() > 0 {}
    assert!(told("delivered"));
    // The case itself stays as it was decided, and reads back whole.
    let state = block_on(node.engine.case_state(case)).unwrap();
    assert_eq!(state.status(), CaseStatus::Granted);
}

#[test]
fn what_does_not_contradict_the_permit_leaves_it_in_force() {
    let node = furnished();
    let (_, permit) = permitted(&node);
    // Leased to the same person by a new owner, another vehicle sold, and a vehicle that is gone.
    sell(&node, PLATES[0], &json!({"owner_snils": BORIS, "lessee_snils": ANNA}));
    sell(&node, PLATES[1], &json!({"owner_snils": BORIS}));
    assert_eq!(look(&node), 0);
    block_on(node.engine.exclude_entry(&vehicle(&node, PLATES[0]), &document())).unwrap();
    assert_eq!((look(&node), status(&node, &permit)), (0, EntryStatus::InForce));
    // Entered anew by the keeper with another owner, it does.
    let row = json!({"plate": PLATES[0], "owner_snils": BORIS});
    block_on(node.engine.create_entries(&registry("vehicle"), &[row], &document())).unwrap();
    assert_eq!((look(&node), status(&node, &permit)), (1, EntryStatus::Excluded));
}

#[test]
fn two_nodes_and_a_keeper_take_a_permit_out_once() {
    let node = furnished();
    let (_, permit) = permitted(&node);
    sell(&node, PLATES[0], &json!({"owner_snils": BORIS}));
    let other = node.beside(4);
    block_on(other.engine.catch_up()).unwrap();
    node.ledger.next(Mishap::Rival(Box::new(move || assert_eq!(look(&other), 1))));
    assert_eq!(look(&node), 0);
    assert_eq!(status(&node, &permit), EntryStatus::Excluded);
    let all = node.ledger.leaves_now();
    let excluded = all.iter().flat_map(event_types);
    assert_eq!(excluded.filter(|name| name == "registry.entry_excluded").count(), 1);
    let withdrawn = all.iter().flat_map(|leaf| leaf.record().events());
    let withdrawn = withdrawn.filter(|event| {
        let read = DomainEvent::read(event);
        matches!(read, Ok(Some(DomainEvent::Case(CaseEvent::ResultWithdrawn(_)))))
    });
    assert_eq!(withdrawn.count(), 1);
}

#[test]
fn a_sale_between_the_answer_and_the_permit_is_not_missed() {
    let node = furnished();
    let seller = node.beside(8);
    block_on(seller.engine.catch_up()).unwrap();
    let sells = move || sell(&seller, PLATES[0], &json!({"owner_snils": BORIS}));
    let accepted = submit(&node, ANNA, PLATES[0]);
    // After the record of the answers, before that of the decision.
    node.ledger.next(Mishap::Nothing);
    node.ledger.next(Mishap::Rival(Box::new(sells)));
    let progress = block_on(node.engine.advance(accepted.case)).unwrap();
    assert_eq!(progress.status, CaseStatus::Granted);
    assert_eq!(look(&node), 1);
}

#[test]
fn a_sale_that_is_corrected_before_anybody_looks_changes_nothing() {
    let node = furnished();
    let (_, permit) = permitted(&node);
    sell(&node, PLATES[0], &json!({"owner_snils": BORIS}));
    sell(&node, PLATES[0], &json!({"owner_snils": ANNA}));
    assert_eq!((look(&node), status(&node, &permit)), (0, EntryStatus::InForce));
    // The holder may apply again for a plate whose permit went out.
    sell(&node, PLATES[0], &json!({"owner_snils": BORIS}));
    assert_eq!(look(&node), 1);
    sell(&node, PLATES[0], &json!({"owner_snils": ANNA}));
    assert_eq!(run(&node, ANNA, PLATES[0]).1, CaseStatus::Granted);
    assert_eq!(look(&node), 0);
}
