//! What a newer version of a pack no longer has: nothing new begins, the rest goes on to its end.

use super::*;
use crate::code::{ComplexCode, PackCode};
use crate::offer::OfferRefusal;
use crate::pack::{Pack, fixture};

fn publish(node: &TwinNode, pack: Pack) {
    block_on(async {
        node.engine.publish_pack(&pack).await.unwrap();
        node.engine.install_pack(pack).await.unwrap();
    });
}

fn is_withdrawn<T>(answer: Result<T, EngineError>, expected: &str) -> bool {
    matches!(answer, Err(EngineError::Withdrawn { what, version: 2, .. }) if what == expected)
}

/// F9: who applies for a withdrawn service is refused, whichever way; what came before goes on.
#[test]
fn a_withdrawn_service_takes_nothing_new_and_finishes_what_it_began() {
    let node = furnished();
    let service = ServiceCode::parse("parking-permit").unwrap();
    let portal = ChannelCode::parse("portal").unwrap();
    let keyed = |plate| application(form(ANNA, plate), Some("k-1"));
    let under_way = block_on(node.engine.submit(&keyed(PLATES[0]))).unwrap();
    let save = |form: &Value| block_on(node.engine.save_draft(&service, &portal, None, form));
    let draft = save(&form(ANNA, PLATES[1])).unwrap().0.draft.id;
    publish(&node, fixture::building_permits_alone());

    let leaves = node.ledger.leaves_now().len();
    for (wanted, key) in [(form(ANNA, PLATES[1]), None), (json!({}), Some("k-2"))] {
        let submitted = block_on(node.engine.submit(&application(wanted, key)));
        assert!(is_withdrawn(submitted, "service"));
    }
    assert!(is_withdrawn(save(&json!({})), "service"));
    assert!(is_withdrawn(node.engine.draft(draft), "service"));
    assert!(is_withdrawn(block_on(node.engine.submit_draft(draft, &portal)), "service"));
    let together = ComplexApplication {
        code: ComplexCode::parse("moved-in-with-newborn").unwrap(),
        channel: portal.clone(),
        shared: json!({}),
        forms: std::collections::BTreeMap::new(),
        idempotency_key: None,
    };
    assert!(is_withdrawn(block_on(node.engine.submit_complex(&together)), "complex request"));
    assert!(node.engine.complex_services().is_empty());
    assert_eq!(node.ledger.leaves_now().len(), leaves);

    // Who sends the same again after a lost answer is told of the case as it is.
    let again = block_on(node.engine.submit(&keyed(PLATES[0]))).unwrap();
    assert!(again.repeated && again.case == under_way.case);
    let progress = block_on(node.engine.advance(under_way.case)).unwrap();
    assert_eq!(progress.status, CaseStatus::Granted);
    block_on(node.engine.forget_draft(draft)).unwrap();
}

/// A key whose application never came into the ledger does not open a withdrawn service.
#[test]
fn what_was_lost_on_the_way_is_not_let_in_after_the_withdrawal() {
    let node = furnished();
    let keyed = application(form(ANNA, PLATES[0]), Some("k-1"));
    node.ledger.next(Mishap::RecordLost);
    let lost = block_on(node.engine.submit(&keyed));
    assert!(matches!(lost, Err(EngineError::Append(AppendRefused::Unavailable { .. }))));
    publish(&node, fixture::building_permits_alone());
    assert!(is_withdrawn(block_on(node.engine.submit(&keyed)), "service"));
}

/// The registries of what is withdrawn are read, corrected and run out; nothing new comes in.
#[test]
fn a_withdrawn_registry_is_kept_true_and_takes_no_new_entry() {
    let node = furnished();
    assert_eq!(run(&node, ANNA, PLATES[0]).1, CaseStatus::Granted);
    publish(&node, fixture::building_permits_alone());
    let vehicles = registry("vehicle");
    let row = [json!({"plate": "К567МН77", "owner_snils": BORIS})];
    let entered = block_on(node.engine.create_entries(&vehicles, &row, &document()));
    assert!(is_withdrawn(entered, "registry"));

    assert!(node.engine.registry(&vehicles).is_some());
    let entries = node.engine.model().entries_after(&vehicles, None, 9).unwrap().value;
    assert_eq!(entries.len(), PLATES.len());
    let sold = json!({"owner_snils": BORIS});
    block_on(node.engine.amend_entry(&entries[1].stream, &sold, &document())).unwrap();
    block_on(node.engine.exclude_entry(&entries[1].stream, &document())).unwrap();
    node.clock.set("2028-11-21T07:00:00.000Z");
    let ended = block_on(node.engine.expire_entries(&registry("parking_permit"), 9)).unwrap();
    assert_eq!(ended, 1);
}

/// An offer of a withdrawn service is not accepted any more; it ends on its last day.
#[test]
fn an_offer_of_a_withdrawn_service_cannot_be_accepted_and_expires() {
    let node = TwinNode::start();
    let born = json!({
        "record_number": "110259123000100123004", "parent_snils": ANNA, "parent": "mother",
        "child_birth_date": "2026-11-01"
    });
    let births = registry("birth_record");
    block_on(node.engine.create_entries(&births, &[born], &document())).unwrap();
    block_on(node.engine.make_offers(LeafIndex::ZERO)).unwrap();
    block_on(node.engine.catch_up()).unwrap();
    let open = || node.engine.model().open_offers(9).unwrap().value;
    let offer = open()[0].offer;
    publish(&node, fixture::building_permits_alone());

    assert!(block_on(node.engine.offer(offer, None)).unwrap().in_force.is_none());
    let accepted = block_on(node.engine.accept_offer(offer, None, &json!({}), None));
    assert!(is_withdrawn(accepted, "service"));
    assert_eq!(block_on(node.engine.expire_offers()).unwrap(), 0);
    node.clock.set("2027-02-19T07:00:00.000Z");
    assert_eq!(block_on(node.engine.expire_offers()).unwrap(), 1);
    assert!(open().is_empty());
    let late = block_on(node.engine.decline_offer(offer, None));
    assert!(matches!(late, Err(EngineError::Offer(OfferRefusal::Closed { how: "expired" }))));
}

/// What one pack gave up another may offer; what is offered no other pack gets into the log.
#[test]
fn another_pack_takes_over_what_was_withdrawn_and_nothing_else() {
    let node = furnished();
    let another = || fixture::changed("pack.yaml", "code: zarechny", "code: successor").unwrap();
    let leaves = node.ledger.leaves_now().len();
    let early = block_on(node.engine.publish_pack(&another()));
    assert!(matches!(early, Err(EngineError::Offered { .. })));
    assert_eq!(node.ledger.leaves_now().len(), leaves);
    publish(&node, fixture::building_permits_alone());
    // The building permit is still the first pack's.
    let early = block_on(node.engine.publish_pack(&another()));
    assert!(matches!(early, Err(EngineError::Offered { name, .. }) if name == "building-permit"));
    let rest = fixture::successor_without_building_permits();
    assert_eq!(rest.code(), &PackCode::parse("successor").unwrap());
    publish(&node, rest);
    assert_eq!(run(&node, ANNA, PLATES[0]).1, CaseStatus::Granted);
}
