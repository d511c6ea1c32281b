//! Offers: made once for their trigger, to whom they are for, and never decided without the person.

use letopis_ledger::Timestamp;

use super::*;
use crate::case::CaseRefusal;
use crate::event::{HeldPost, OfferEvent, OfferId, OfficialId};
use crate::offer::OfferRefusal;
use crate::pack::{Pack, PackFiles, Role, fixture};
use crate::private::AccessToken;
use crate::projection::OfferRow;
use crate::staff::Official;

const RECORD: &str = "110259123000100123004";
const YEAR_LATER: &str = "2027-11-25T07:00:00.000Z";

/// A birth: the entry of one parent.
fn born(node: &TwinNode, snils: &str, parent: &str) {
    let row = json!({
        "record_number": RECORD, "parent_snils": snils, "parent": parent,
        "child_birth_date": "2026-11-01"
    });
    let code = registry("birth_record");
    block_on(node.engine.create_entries(&code, &[row], &document())).unwrap();
}

/// What the registers know of Anna, so that she is entitled to the benefit.
fn entitle(node: &TwinNode) {
    let rows = [
        ("residence", json!({"snils": ANNA, "dwelling": HOME, "zone": "Z1", "oktmo": "67323000"})),
        ("income", json!({"snils": ANNA, "kopecks": 36_000_000})),
    ];
    for (code, row) in rows {
        block_on(node.engine.create_entries(&registry(code), &[row], &document())).unwrap();
    }
}

/// Looks at every entry there is, in steps as a node does, and at what ends soon.
fn look(node: &TwinNode) -> usize {
    let (mut from, mut count) = (LeafIndex::ZERO, 0);
    loop {
        let (next, found) = block_on(node.engine.make_offers(from)).unwrap();
        count += found;
        if next == from {
            return count + block_on(node.engine.offer_for_endings()).unwrap();
        }
        from = next;
    }
}

fn offers(node: &TwinNode) -> Vec<OfferRow> {
    block_on(node.engine.catch_up()).unwrap();
    node.engine.model().open_offers(9).unwrap().value
}

fn offer(node: &TwinNode) -> OfferId {
    offers(node)[0].offer
}

fn added() -> Value {
    json!({"applicant": {"surname": "Тайнова", "given_name": "Секретина"}, "children": 1})
}

fn accept(node: &TwinNode, id: OfferId, form: &Value) -> Result<Accepted, EngineError> {
    block_on(node.engine.accept_offer(id, None, form, None))
}

fn decline(node: &TwinNode, id: OfferId) -> Result<Appended, EngineError> {
    block_on(node.engine.decline_offer(id, None))
}

fn row(node: &TwinNode, id: OfferId) -> OfferRow {
    block_on(node.engine.catch_up()).unwrap();
    node.engine.model().offer(id).unwrap().value.unwrap()
}

fn official(role: Role) -> Official {
    let mut official = Official::new(OfficialId::from_parts(1, &[1; 10]));
    let unit = crate::code::UnitCode::parse("permits").unwrap();
    official.posts.insert(HeldPost { unit, role });
    official
}

#[test]
fn a_birth_brings_one_offer_to_the_mother_and_nothing_personal_into_the_log() {
    let node = TwinNode::start();
    born(&node, BORIS, "father");
    assert_eq!(look(&node), 0);
    born(&node, ANNA, "mother");
    let before = node.ledger.leaves_now().len();
    assert_eq!((look(&node), look(&node)), (1, 0));
    let leaves = node.ledger.leaves_now();
    assert_eq!(leaves.len(), before + 1);
    assert_eq!(event_types(&leaves[before]), ["offer.made", "notice.queued"]);
    let bytes = String::from_utf8_lossy(leaves[before].as_bytes()).into_owned();
    assert!(!bytes.contains(ANNA) && !bytes.contains(RECORD), "{bytes}");
    let found = &offers(&node)[0];
    assert_eq!(found.open_until.to_string(), "2027-02-18");
    assert_eq!((found.state.as_str(), found.notice_state.as_deref()), ("open", Some("queued")));
    let opened = block_on(node.engine.offer(found.offer, None)).unwrap();
    let filled: Vec<String> =
        opened.prefilled.iter().map(|(field, value)| format!("{field} {value}")).collect();
    assert_eq!(
        filled,
        [format!("applicant.snils \"{ANNA}\""), format!("birth_record \"{RECORD}\"")]
    );
    // Nothing is decided without her.
    assert!(node.engine.model().open_cases(node.engine.agency()).unwrap().value.is_empty());
}

#[test]
fn an_acceptance_submits_an_ordinary_application_and_the_rules_grant_it() {
    let node = TwinNode::start();
    entitle(&node);
    born(&node, ANNA, "mother");
    look(&node);
    let id = offer(&node);
    let missing = accept(&node, id, &json!({}));
    let Err(EngineError::Form { errors }) = missing else { panic!("{missing:?}") };
    let pointers: Vec<_> = errors.iter().map(|error| error.pointer.as_str()).collect();
    assert_eq!(pointers, ["/applicant/given_name", "/applicant/surname", "/children"]);
    let other = json!({"applicant": {"snils": BORIS}});
    let Err(EngineError::Form { errors }) = accept(&node, id, &other) else { panic!() };
    assert_eq!(errors[0].message.as_str(), "field.prefilled");
    assert_eq!(row(&node, id).state, "open");

    let before = node.ledger.leaves_now().len();
    let accepted = accept(&node, id, &added()).unwrap();
    let types = event_types(&node.ledger.leaves_now()[before]);
    assert_eq!(types.first().map(String::as_str), Some("application.submitted"));
    assert_eq!(types.last().map(String::as_str), Some("offer.accepted"));
    let progress = block_on(node.engine.advance(accepted.case)).unwrap();
    assert_eq!(progress.status, CaseStatus::Granted);
    let ended = row(&node, id);
    assert_eq!((ended.state.as_str(), ended.case), ("accepted", Some(accepted.case)));

    // Asked again after a lost answer: the same case.
    let again = accept(&node, id, &added()).unwrap();
    assert!(again.repeated && again.case == accepted.case);
    let closed = decline(&node, id);
    assert!(matches!(closed, Err(EngineError::Offer(OfferRefusal::Closed { how: "accepted" }))));
    assert_eq!(look(&node), 0);
}

#[test]
fn two_nodes_make_an_offer_once_and_one_answer_counts() {
    let node = TwinNode::start();
    born(&node, ANNA, "mother");
    let other = node.beside(4);
    block_on(other.engine.catch_up()).unwrap();
    node.ledger.next(Mishap::Rival(Box::new(move || assert_eq!(look(&other), 1))));
    assert_eq!(look(&node), 0);
    let made = node.ledger.leaves_now();
    let made = made.iter().flat_map(event_types).filter(|name| name == "offer.made");
    assert_eq!(made.count(), 1);

    // Somebody declines while the acceptance is under way: nothing is submitted.
    let id = offer(&node);
    let other = node.beside(5);
    node.ledger.next(Mishap::Rival(Box::new(move || assert!(decline(&other, id).is_ok()))));
    let late = accept(&node, id, &added());
    assert!(matches!(late, Err(EngineError::Offer(OfferRefusal::Closed { how: "declined" }))));
    let submitted = node.ledger.leaves_now();
    let submitted = submitted.iter().flat_map(event_types);
    assert_eq!(submitted.filter(|name| name == "application.submitted").count(), 0);
}

#[test]
fn a_letter_settled_meanwhile_does_not_lose_the_acceptance() {
    let node = TwinNode::start();
    born(&node, ANNA, "mother");
    look(&node);
    let (id, other) = (offer(&node), node.beside(4));
    let notice = row(&node, id).notice.unwrap();
    let settles = move || {
        let by = official(Role::Operator);
        block_on(other.engine.settle_offer_notice((id, notice), &by, true)).unwrap();
    };
    node.ledger.next(Mishap::Rival(Box::new(settles)));
    let accepted = accept(&node, id, &added()).unwrap();
    assert_eq!(row(&node, id).case, Some(accepted.case));
    assert_eq!(row(&node, id).notice_state.as_deref(), Some("delivered"));
}

#[test]
fn a_lost_answer_of_the_ledger_gives_one_case() {
    let node = TwinNode::start();
    born(&node, ANNA, "mother");
    look(&node);
    let id = offer(&node);
    node.ledger.next(Mishap::AnswerLost);
    assert!(accept(&node, id, &added()).is_err());
    let accepted = accept(&node, id, &added()).unwrap();
    assert!(accepted.repeated);
    assert_eq!(row(&node, id).case, Some(accepted.case));
}

#[test]
fn a_declined_offer_is_not_made_again_until_its_days_are_over() {
    let node = TwinNode::start();
    born(&node, ANNA, "mother");
    look(&node);
    let id = offer(&node);
    decline(&node, id).unwrap();
    assert_eq!(row(&node, id).state, "declined");
    // Another child within the days brings none, then or after a restart; later one does.
    born(&node, ANNA, "mother");
    assert_eq!(look(&node), 0);
    node.clock.set(YEAR_LATER);
    node.ledger.set_time(Timestamp::parse(YEAR_LATER).unwrap());
    assert_eq!(look(&node), 0);
    let node = node.restarted(6);
    node.clock.set(YEAR_LATER);
    assert_eq!(look(&node), 0);
    born(&node, ANNA, "mother");
    assert_eq!(look(&node), 1);
    // What one person declines is offered to another.
    born(&node, BORIS, "mother");
    assert_eq!(look(&node), 1);
}

#[test]
fn an_offer_expires_after_its_last_day_and_cannot_be_accepted_then() {
    let node = TwinNode::start();
    born(&node, ANNA, "mother");
    look(&node);
    let id = offer(&node);
    // The last day ends in the agency's zone, three hours before midnight of UTC.
    node.clock.set("2027-02-18T20:59:00.000Z");
    assert_eq!(block_on(node.engine.expire_offers()).unwrap(), 0);
    node.clock.set("2027-02-18T21:00:00.000Z");
    let late = accept(&node, id, &added());
    assert!(matches!(late, Err(EngineError::Offer(OfferRefusal::TooLate { .. }))), "{late:?}");
    let rival = node.beside(4);
    rival.clock.set("2027-02-18T21:00:00.000Z");
    let expires = move || assert_eq!(block_on(rival.engine.expire_offers()).unwrap(), 1);
    block_on(node.engine.catch_up()).unwrap();
    node.ledger.next(Mishap::Rival(Box::new(expires)));
    assert_eq!(block_on(node.engine.expire_offers()).unwrap(), 0);
    assert_eq!((row(&node, id).state.as_str(), look(&node)), ("expired", 0));
    let late = accept(&node, id, &added());
    assert!(matches!(late, Err(EngineError::Offer(OfferRefusal::Closed { how: "expired" }))));
}

#[test]
fn a_permit_that_ends_soon_is_offered_to_its_holder_once() {
    let node = furnished();
    let (case, status) = run(&node, ANNA, PLATES[0]);
    assert_eq!(status, CaseStatus::Granted);
    // Two years from 20 November 2026: the last day is 19 November 2028.
    node.clock.set("2028-10-19T07:00:00.000Z");
    assert_eq!(look(&node), 0);
    node.clock.set("2028-10-20T07:00:00.000Z");
    node.ledger.set_time(Timestamp::parse("2028-10-20T07:00:00.000Z").unwrap());
    assert_eq!((look(&node), look(&node)), (1, 0));
    let found = &offers(&node)[0];
    assert_eq!(found.ends, Some(jiff::civil::date(2028, 11, 19)));
    assert_eq!(found.open_until, jiff::civil::date(2028, 11, 19), "not after the permit's end");
    assert_eq!(found.notice_state.as_deref(), Some("delivered"), "it is on the holder's page");
    let shown = block_on(node.engine.offers_to_holder(case)).unwrap();
    assert_eq!(shown.iter().map(|row| row.offer).collect::<Vec<_>>(), [found.offer]);
    // The token of the case answers it, and that of another case does not.
    let token = AccessToken::new(&*node.engine.entropy);
    let tokens = vec![(token.digest(), case.stream())];
    block_on(node.engine.private().put(PrivateBatch { tokens, ..PrivateBatch::default() }))
        .unwrap();
    let stranger = AccessToken::new(&*node.engine.entropy);
    assert!(node.engine.admits_to_offer(&token, found.offer).unwrap());
    assert!(!node.engine.admits_to_offer(&stranger, found.offer).unwrap());
    decline(&node, found.offer).unwrap();
    assert_eq!(look(&node), 0);
}

#[test]
fn accepting_the_offer_renews_the_permit_under_its_number() {
    let node = furnished();
    let (case, _) = run(&node, ANNA, PLATES[0]);
    let permit = |node: &TwinNode| {
        block_on(node.engine.catch_up()).unwrap();
        node.engine.model().entry_of_case(case).unwrap().value.unwrap()
    };
    let before = permit(&node);
    node.clock.set("2028-10-20T07:00:00.000Z");
    node.ledger.set_time(Timestamp::parse("2028-10-20T07:00:00.000Z").unwrap());
    assert_eq!(look(&node), 1);
    let id = offer(&node);
    let other = json!({"plate": PLATES[1]});
    assert!(matches!(accept(&node, id, &other), Err(EngineError::Form { .. })));
    let form = json!({
        "applicant": {"surname": "Тайнова", "given_name": "Секретина"}, "validity_years": 1
    });
    // The record is lost, and its number goes to another case: tried again, it renews still.
    node.ledger.next(Mishap::RecordLost);
    assert!(accept(&node, id, &form).is_err());
    let rival = node.beside(4);
    rival.clock.set("2028-10-20T07:00:00.000Z");
    block_on(rival.engine.catch_up()).unwrap();
    let taken = submit(&rival, ANNA, PLATES[1]);
    assert_eq!(registered(&taken).number, "ЗП-2028-000001");
    let accepted = accept(&node, id, &form).unwrap();
    assert_eq!(registered(&accepted).number, "ЗП-2028-000002");
    let progress = block_on(node.engine.advance(accepted.case)).unwrap();
    assert_eq!(progress.status, CaseStatus::Granted);
    let after = permit(&node);
    assert_eq!((&after.stream, &after.number), (&before.stream, &before.number));
    assert_eq!(after.valid_until.as_deref(), Some("2029-11-19"));
    assert_eq!(row(&node, id).state, "accepted");
    assert_eq!(look(&node), 0);
}

/// The pack without its offers, and the next version with them.
fn two_versions() -> [Pack; 2] {
    let (mut first, mut second) = (fixture::files(), fixture::files());
    for (path, bytes) in &mut first {
        if path.ends_with("/regulation.yaml") {
            let text = String::from_utf8(bytes.clone()).unwrap();
            *bytes = text.split("\noffers:").next().unwrap().as_bytes().to_vec();
        }
    }
    first.retain(|path, _| !path.ends_with("/offers.yaml"));
    let manifest = String::from_utf8(second["pack.yaml"].clone()).unwrap();
    let manifest = manifest.replacen("version: 1", "version: 2", 1);
    second.insert("pack.yaml".to_owned(), manifest.into_bytes());
    [first, second].map(|files| Pack::from_files(PackFiles::new(files).unwrap()).unwrap())
}

#[test]
fn what_came_before_a_regulation_offers_brings_nothing_about() {
    let [first, second] = two_versions();
    let node = TwinNode::start_with(first);
    born(&node, ANNA, "mother");
    assert_eq!(look(&node), 0);
    block_on(node.engine.publish_pack(&second)).unwrap();
    block_on(node.engine.install_pack(second)).unwrap();
    assert_eq!(look(&node), 0);
    born(&node, BORIS, "mother");
    assert_eq!(look(&node), 1);
}

#[test]
fn officials_write_down_an_answer_and_post_letters_if_they_may() {
    let node = TwinNode::start();
    born(&node, ANNA, "mother");
    look(&node);
    let (id, keeper, operator) = (offer(&node), official(Role::Keeper), official(Role::Operator));
    let refused = |result: Result<(), EngineError>| {
        matches!(result, Err(EngineError::Case(CaseRefusal::NotEntitled { .. })))
    };
    let engine = &node.engine;
    assert!(block_on(engine.offers_for(&keeper)).unwrap().is_empty());
    assert!(refused(block_on(engine.offer_letter(id, &keeper)).map(drop)));
    assert!(refused(block_on(engine.decline_offer(id, Some(&keeper))).map(drop)));
    let accepted = block_on(engine.accept_offer(id, None, &added(), Some(&keeper)));
    assert!(refused(accepted.map(drop)));

    assert_eq!(block_on(engine.offers_for(&operator)).unwrap().len(), 1);
    let (_, code) = block_on(engine.offer_letter(id, &operator)).unwrap();
    assert!(engine.admits_to_offer(&code, id).unwrap());
    let notice = row(&node, id).notice.unwrap();
    block_on(engine.settle_offer_notice((id, notice), &operator, false)).unwrap();
    assert_eq!(row(&node, id).notice_state.as_deref(), Some("failed"));
    let again = block_on(engine.settle_offer_notice((id, notice), &operator, true));
    assert!(matches!(again, Err(EngineError::Offer(OfferRefusal::NoSuchNotice { .. }))));

    let desk = ChannelCode::parse("front-desk").unwrap();
    let accepted = block_on(engine.accept_offer(id, Some(&desk), &added(), Some(&operator)));
    let leaves = node.ledger.leaves_now();
    let leaf = &leaves[usize::try_from(accepted.unwrap().appended.leaf.get()).unwrap()];
    let entered = leaf.record().events()[0].data.get("entered").unwrap().to_string();
    assert!(entered.contains(&operator.id.to_string()), "{entered}");
    assert!(block_on(engine.offer_letter(id, &operator)).is_err(), "it has ended");

    born(&node, BORIS, "mother");
    look(&node);
    block_on(engine.decline_offer(offer(&node), Some(&operator))).unwrap();
    let last = node.ledger.leaves_now();
    let read = DomainEvent::read(&last.last().unwrap().record().events()[0]).unwrap();
    let by = Some(operator.id);
    assert_eq!(read, Some(DomainEvent::Offer(OfferEvent::Declined { official: by })));
}
