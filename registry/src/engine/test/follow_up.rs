//! Cases about entries that exist: a permit that goes on, a benefit that is decided again when a
//! fact changes (domain §5 B `FactSuperseded`, §5 C).

use letopis_ledger::StreamVersion;
use letopis_ledger::id::StreamName;

use super::*;
use crate::case::CaseRefusal;
use crate::code::FieldPath;
use crate::event::{Basis, CancelledBy, EntryEvent};
use crate::pack::NotRenewed;
use crate::projection::{EntryRow, FollowUpRow};

/// In the last thirty days of a permit from 20 November 2026 for two years.
const LATE: &str = "2028-11-10T09:00:00.000Z";
const BIRTH: &str = "110259123000100123004";

fn entries(node: &TwinNode, code: &str) -> Vec<EntryRow> {
    block_on(node.engine.catch_up()).unwrap();
    node.engine.model().entries_after(&registry(code), None, 99).unwrap().value
}

fn entry(node: &TwinNode, stream: &StreamName) -> EntryRow {
    block_on(node.engine.catch_up()).unwrap();
    node.engine.model().entry(stream).unwrap().value.unwrap()
}

fn renew(node: &TwinNode, form: Value, entry: &StreamName) -> Result<Accepted, EngineError> {
    let renews = Some(entry.clone());
    block_on(node.engine.submit(&Application { renews, ..application(form, None) }))
}

/// A permit of Anna's for her first vehicle in its last month, beside one for her second.
fn late() -> (TwinNode, CaseId, StreamName) {
    let node = furnished();
    let (case, _) = run(&node, ANNA, PLATES[0]);
    run(&node, ANNA, PLATES[1]);
    node.clock.set(LATE);
    let permits = entries(&node, "parking_permit");
    let permit = permits.iter().find(|row| row.number.as_deref() == Some("РР-2026-000001"));
    let stream = permit.unwrap().stream.clone();
    (node, case, stream)
}

#[test]
fn a_permit_goes_on_under_its_number_and_no_claim_of_it_moves() {
    let (node, _, permit) = late();
    // Both places of the dwelling are taken, and the plate has a permit: this one.
    let accepted = renew(&node, form(ANNA, PLATES[0]), &permit).unwrap();
    let progress = block_on(node.engine.advance(accepted.case)).unwrap();
    assert_eq!(progress.status, CaseStatus::Granted);
    let leaves = node.ledger.leaves_now();
    let record = leaves.last().unwrap();
    assert_eq!(
        event_types(record),
        ["application.decided", "application.result_issued", "registry.entry_revised"]
    );
    let claims: Vec<_> = record.record().claims().iter().collect();
    let [released] = &claims[..] else { panic!("{claims:?}") };
    assert_eq!(released.operation, ClaimOperation::Release);
    assert!(released.name.as_str().starts_with("renewal/parking_permit/"), "{released:?}");
    let row = entry(&node, &permit);
    assert_eq!((row.status, row.version.get()), (EntryStatus::InForce, 1));
    assert_eq!(row.valid_from.as_deref(), Some("2026-11-20"));
    // From the day after the old end, not from today.
    assert_eq!(row.valid_until.as_deref(), Some("2030-11-19"));
    assert_eq!(entries(&node, "parking_permit").len(), 2);
    let state = block_on(node.engine.case_state(accepted.case)).unwrap();
    let result = state.result().unwrap();
    assert_eq!((&result.registry_entry, result.number.as_str()), (&permit, "РР-2026-000001"));
    assert_eq!(result.valid_from.to_string(), "2028-11-20");
    let paper = block_on(node.engine.document(accepted.case, Language::En)).unwrap().unwrap();
    let text = String::from_utf8(paper.bytes).unwrap();
    assert!(text.contains("renewed") && text.contains("from 2028-11-20 to 2030-11-19"), "{text}");
    // It may be renewed again, two years later.
    node.clock.set("2030-11-10T09:00:00.000Z");
    assert!(renew(&node, form(ANNA, PLATES[0]), &permit).is_ok());
}

#[test]
fn a_renewal_has_its_time_its_thing_and_its_service() {
    let (node, _, permit) = late();
    let refused = |form: Value| match renew(&node, form, &permit) {
        Err(EngineError::Case(CaseRefusal::NotRenewed(refused))) => refused,
        other => panic!("{other:?}"),
    };
    let other = refused(form(ANNA, PLATES[2]));
    let fields = vec![FieldPath::parse("plate").unwrap()];
    assert_eq!(other, NotRenewed::OtherThing { fields });
    node.clock.set("2028-10-19T09:00:00.000Z");
    let early = refused(form(ANNA, PLATES[0]));
    let (from, until) = (jiff::civil::date(2028, 10, 20), jiff::civil::date(2028, 11, 19));
    assert_eq!(early, NotRenewed::TooEarly { from, valid_until: until });
    node.clock.set("2028-11-20T09:00:00.000Z");
    assert_eq!(refused(form(ANNA, PLATES[0])), NotRenewed::TooLate { valid_until: until });
    // A paper that came on the last day, entered when the log has ended the permit.
    block_on(node.engine.expire_entries(&registry("parking_permit"), 9)).unwrap();
    node.clock.set("2028-11-19T09:00:00.000Z");
    let ended = renew(&node, form(ANNA, PLATES[0]), &permit).unwrap_err();
    assert!(matches!(ended, EngineError::Case(CaseRefusal::EntryGone { .. })), "{ended}");
    let vehicle = entries(&node, "vehicle")[0].stream.clone();
    let foreign = renew(&node, form(ANNA, PLATES[0]), &vehicle);
    let foreign = foreign.unwrap_err();
    assert!(matches!(foreign, EngineError::Case(CaseRefusal::OtherService { .. })), "{foreign}");
}

#[test]
fn a_refused_renewal_leaves_the_permit_as_it_is_until_its_end() {
    let (node, _, permit) = late();
    let accepted = renew(&node, form(ANNA, PLATES[0]), &permit).unwrap();
    // One at a time.
    let twice = renew(&node, form(ANNA, PLATES[0]), &permit).unwrap_err();
    assert!(matches!(twice, EngineError::FollowUpOpen { .. }), "{twice}");
    // The last day passes while the renewal is not decided: the permit is not ended over it.
    node.clock.set("2028-11-25T09:00:00.000Z");
    let code = registry("parking_permit");
    assert_eq!(block_on(node.engine.expire_entries(&code, 9)).unwrap(), 1, "the other one");
    let before = entry(&node, &permit);
    let fine = [json!({"plate": PLATES[0], "uin": "18810123456789012345"})];
    block_on(node.engine.create_entries(&registry("unpaid_fine"), &fine, &document())).unwrap();
    let progress = block_on(node.engine.advance(accepted.case)).unwrap();
    assert_eq!(progress.status, CaseStatus::Refused);
    assert_eq!(grounds(&node, accepted.case), ["G4"]);
    assert_eq!(entry(&node, &permit), before);
    assert_eq!(block_on(node.engine.expire_entries(&code, 9)).unwrap(), 1);
}

#[test]
fn two_nodes_renew_a_permit_once() {
    let (node, _, permit) = late();
    let other = node.beside(4);
    block_on(other.engine.catch_up()).unwrap();
    other.clock.set(LATE);
    let same = permit.clone();
    node.ledger.next(Mishap::Rival(Box::new(move || {
        assert!(renew(&other, form(ANNA, PLATES[0]), &same).is_ok());
    })));
    let lost = renew(&node, form(ANNA, PLATES[0]), &permit).unwrap_err();
    assert!(matches!(lost, EngineError::FollowUpOpen { .. }), "{lost}");
}

#[test]
fn a_renewal_of_a_permit_that_goes_out_meanwhile_ends_without_a_decision() {
    let (node, _, permit) = late();
    let accepted = renew(&node, form(ANNA, PLATES[0]), &permit).unwrap();
    let by = [(FieldPath::parse("plate").unwrap(), Json::from(PLATES[0]))];
    let found = node.engine.model().entries_by(&registry("vehicle"), &by.into(), 2).unwrap();
    let sold = json!({"owner_snils": BORIS});
    block_on(node.engine.amend_entry(&found.value[0].stream, &sold, &document())).unwrap();
    let mut from = LeafIndex::ZERO;
    while let (next, _) = block_on(node.engine.withdraw_contradicted(from)).unwrap()
        && next != from
    {
        from = next;
    }
    assert_eq!(entry(&node, &permit).status, EntryStatus::Excluded);
    assert_eq!(node.engine.cases_without_entry().unwrap(), [accepted.case]);
    let progress = block_on(node.engine.advance(accepted.case)).unwrap();
    assert_eq!(progress.status, CaseStatus::Cancelled);
    block_on(node.engine.catch_up()).unwrap();
    assert_eq!(node.engine.cases_without_entry().unwrap(), []);
    let notices = node.engine.model().notices(accepted.case).unwrap().value;
    assert!(notices.iter().any(|notice| notice.kind == "entry_gone"), "{notices:?}");
    // The next applicant is free to have the plate.
    let gone = renew(&node, form(ANNA, PLATES[0]), &permit).unwrap_err();
    assert!(matches!(gone, EngineError::Case(CaseRefusal::EntryGone { .. })), "{gone}");
}

/// A town in which Anna has a child, little income, and a benefit of three quarters.
fn family() -> (TwinNode, CaseId, StreamName) {
    let node = TwinNode::start();
    let rows = |code: &str, row: Value| {
        block_on(node.engine.create_entries(&registry(code), &[row], &document())).unwrap();
    };
    rows(
        "birth_record",
        json!({"record_number": BIRTH, "parent_snils": ANNA, "child_birth_date": "2020-05-01"}),
    );
    rows("residence", json!({"snils": ANNA, "dwelling": HOME, "zone": "Z1", "oktmo": "67323000"}));
    rows("income", json!({"snils": ANNA, "kopecks": 30_000_000}));
    let form = json!({
        "applicant": {"surname": "Тайнова", "given_name": "Секретина", "snils": ANNA},
        "birth_record": BIRTH, "children": 1,
    });
    let service = ServiceCode::parse("child-benefit").unwrap();
    let accepted =
        block_on(node.engine.submit(&Application { service, ..application(form, None) })).unwrap();
    let progress = block_on(node.engine.advance(accepted.case)).unwrap();
    assert_eq!(progress.status, CaseStatus::Granted);
    let benefit = entries(&node, "benefit_entitlement")[0].stream.clone();
    (node, accepted.case, benefit)
}

fn earn(node: &TwinNode, kopecks: u32) {
    let income = entries(node, "income");
    let income = income.iter().rfind(|row| row.status == EntryStatus::InForce).unwrap();
    let values = json!({"kopecks": kopecks});
    block_on(node.engine.amend_entry(&income.stream, &values, &document())).unwrap();
}

/// Looks at every fact there is, in steps as a node does.
fn look(node: &TwinNode) -> Vec<CaseId> {
    let (mut from, mut cases) = (LeafIndex::ZERO, vec![]);
    loop {
        let begun = block_on(node.engine.begin_reviews(from)).unwrap();
        assert!(begun.stuck.is_empty(), "{begun:?}");
        cases.extend(begun.cases);
        if begun.next == from {
            return cases;
        }
        from = begun.next;
    }
}

/// The amount that stands in a benefit, in kopecks.
fn amount(node: &TwinNode, benefit: &StreamName) -> i64 {
    let row = entry(node, benefit);
    let values = node.engine.entry_values(&row).unwrap();
    match &values[&FieldPath::parse("amount_kopecks").unwrap()] {
        Json::Integer(amount) => *amount,
        other => panic!("{other:?}"),
    }
}

fn follow_ups(node: &TwinNode, entry: &StreamName) -> Vec<FollowUpRow> {
    block_on(node.engine.catch_up()).unwrap();
    node.engine.model().follow_ups_of(entry).unwrap().value
}

#[test]
fn a_higher_income_makes_the_benefit_smaller_from_now_on_and_nobody_acts() {
    let (node, case, benefit) = family();
    assert_eq!(amount(&node, &benefit), 1_377_825);
    assert_eq!(look(&node), []);
    earn(&node, 36_000_000);
    node.clock.set("2026-12-01T07:00:00.000Z");
    let begun = look(&node);
    let [review] = begun[..] else { panic!("{begun:?}") };
    assert_eq!(look(&node), [], "one at a time");
    let progress = block_on(node.engine.advance(review)).unwrap();
    assert_eq!(progress.status, CaseStatus::Granted);
    assert_eq!(amount(&node, &benefit), 918_550);
    let row = entry(&node, &benefit);
    // The end stays, the amount is another one from the day of the decision.
    assert_eq!(row.valid_until.as_deref(), Some("2027-11-19"));
    let history = node.engine.model().entry_history(&benefit).unwrap().value;
    assert_eq!(history[1].data.get("valid_from").and_then(Json::as_str), Some("2026-12-01"));
    assert_eq!(look(&node), [], "what was reviewed is not reviewed again");
    assert_eq!(look(&node.beside(9)), [], "nor by another node");
    let rows = follow_ups(&node, &benefit);
    assert_eq!((rows.len(), rows[0].case, rows[0].cause.as_str()), (1, review, "review"));
    // Who applied sees the review and is told of it.
    let tokens = node.engine.private().tokens_of(&case.stream()).unwrap();
    let shown = node.engine.private().tokens_of(&review.stream()).unwrap();
    assert!(shown.iter().any(|token| tokens.contains(token)));
    let told = node.engine.model().notices(review).unwrap().value;
    let told: Vec<&str> = told.iter().map(|notice| notice.kind.as_str()).collect();
    assert_eq!(told, ["review_begun", "revised"]);
    let paper = block_on(node.engine.document(review, Language::En)).unwrap().unwrap();
    let text = String::from_utf8(paper.bytes).unwrap();
    assert!(text.contains("9,185.50 roubles a month"), "{text}");
}

#[test]
fn an_income_above_the_minimum_ends_the_benefit_in_the_record_of_the_refusal() {
    let (node, _, benefit) = family();
    earn(&node, 60_000_000);
    let [review] = look(&node)[..] else { panic!("no review") };
    let progress = block_on(node.engine.advance(review)).unwrap();
    assert_eq!((progress.status, grounds(&node, review)), (CaseStatus::Refused, vec!["G3".into()]));
    let row = entry(&node, &benefit);
    assert_eq!((row.status, row.version), (EntryStatus::Excluded, StreamVersion::new(1)));
    let leaves = node.ledger.leaves_now();
    let record = leaves.last().unwrap().record();
    let types = event_types(leaves.last().unwrap());
    assert_eq!(
        types,
        ["application.decided", "application.refusal_issued", "registry.entry_excluded"]
    );
    let read = DomainEvent::read(&record.events()[2]).unwrap().unwrap();
    let DomainEvent::Entry(EntryEvent::Excluded(removed)) = read else { panic!("{read:?}") };
    let Basis::Decision { stream, .. } = removed.basis else { panic!("{removed:?}") };
    assert_eq!(stream, review.stream());
    let paper = block_on(node.engine.document(review, Language::En)).unwrap().unwrap();
    let text = String::from_utf8(paper.bytes).unwrap();
    assert!(text.contains("The child benefit has ended"), "{text}");
    assert_eq!(look(&node), []);
}

#[test]
fn what_means_nothing_for_the_benefit_begins_no_review() {
    let (node, _, benefit) = family();
    // The same income again, and a fact of somebody else.
    earn(&node, 30_000_000);
    let other = [json!({"snils": BORIS, "kopecks": 1})];
    block_on(node.engine.create_entries(&registry("income"), &other, &document())).unwrap();
    assert_eq!(look(&node), []);
    // A fact that is gone says nothing; entered anew with another value, it does.
    let income = entries(&node, "income");
    let own = income.iter().find(|row| row.version.get() > 0).unwrap();
    block_on(node.engine.exclude_entry(&own.stream, &document())).unwrap();
    assert_eq!(look(&node), []);
    let anew = [json!({"snils": ANNA, "kopecks": 12_000_000})];
    block_on(node.engine.create_entries(&registry("income"), &anew, &document())).unwrap();
    let [review] = look(&node)[..] else { panic!("no review") };
    block_on(node.engine.advance(review)).unwrap();
    assert_eq!(amount(&node, &benefit), 1_837_100);
    // Where the decision used "no data", a fact that comes to be counts, too.
    let paid = [json!({"snils": ANNA, "kopecks": 24_000_000})];
    block_on(node.engine.create_entries(&registry("social_payment"), &paid, &document())).unwrap();
    let [review] = look(&node)[..] else { panic!("no review") };
    block_on(node.engine.advance(review)).unwrap();
    assert_eq!(amount(&node, &benefit), 918_550);
    assert_eq!(follow_ups(&node, &benefit).len(), 2);
}

#[test]
fn an_income_that_changes_between_the_answer_and_the_decision_is_not_missed() {
    let node = family().0;
    let other = node.beside(8);
    block_on(other.engine.catch_up()).unwrap();
    earn(&node, 36_000_000);
    let [review] = look(&node)[..] else { panic!("no review") };
    // After the record of the answers, before that of the decision.
    node.ledger.next(Mishap::Nothing);
    node.ledger.next(Mishap::Rival(Box::new(move || {
        block_on(other.engine.catch_up()).unwrap();
        earn(&other, 12_000_000);
    })));
    block_on(node.engine.advance(review)).unwrap();
    assert_eq!(look(&node).len(), 1);
}

#[test]
fn what_has_passed_is_not_reviewed_and_a_review_that_it_overtakes_ends() {
    let (node, _, benefit) = family();
    earn(&node, 36_000_000);
    let [review] = look(&node)[..] else { panic!("no review") };
    // Its last day passes before the review is decided, and before the log says that it has.
    node.clock.set("2027-11-20T07:00:00.000Z");
    let progress = block_on(node.engine.advance(review)).unwrap();
    assert_eq!(progress.status, CaseStatus::Cancelled);
    assert_eq!(entry(&node, &benefit).version.get(), 0);
    earn(&node, 12_000_000);
    assert_eq!(look(&node), []);
}

#[test]
fn two_nodes_begin_a_review_once_and_nobody_calls_it_off() {
    let (node, _, benefit) = family();
    earn(&node, 36_000_000);
    let other = node.beside(4);
    block_on(other.engine.catch_up()).unwrap();
    node.ledger.next(Mishap::Rival(Box::new(move || assert_eq!(look(&other).len(), 1))));
    assert_eq!(look(&node), []);
    let rows = follow_ups(&node, &benefit);
    assert_eq!(rows.len(), 1);
    let refused = block_on(node.engine.cancel(rows[0].case, CancelledBy::Applicant));
    let refused = refused.unwrap_err();
    assert!(matches!(refused, EngineError::Case(CaseRefusal::ReviewGoesOn)), "{refused}");
    // Nobody applies by the channel of reviews.
    let channel = ChannelCode::parse("review").unwrap();
    let service = ServiceCode::parse("child-benefit").unwrap();
    let form = json!({
        "applicant": {"surname": "Тайнова", "given_name": "Секретина", "snils": ANNA},
        "birth_record": BIRTH, "children": 1,
    });
    let by_hand = Application { service, channel, ..application(form, None) };
    let closed = block_on(node.engine.submit(&by_hand)).unwrap_err();
    assert!(matches!(closed, EngineError::ChannelClosed { .. }), "{closed}");
}

/// The export by objects tells which entry a review is about and what began it.
#[test]
fn exports_tell_what_a_review_is_about() {
    let (node, _, benefit) = family();
    earn(&node, 36_000_000);
    let [review] = look(&node)[..] else { panic!("no review") };
    block_on(node.engine.advance(review)).unwrap();
    let mut export = crate::export::OcelExport::new().unwrap();
    for leaf in node.ledger.leaves_now() {
        export.take(&leaf).unwrap();
    }
    let mut bytes = Vec::new();
    export.write(&mut bytes).unwrap();
    let told: Value = serde_json::from_slice(&bytes).unwrap();
    let related = |name: &str| {
        let mut events = told["events"].as_array().unwrap().iter();
        let event = events.rfind(|event| event["type"] == name).unwrap();
        let to = event["relationships"].as_array().unwrap().iter();
        to.map(|one| [&one["objectId"], &one["qualifier"]].map(|s| s.as_str().unwrap().to_owned()))
            .collect::<Vec<_>>()
    };
    let of = |id: &str, role: &str| [id.to_owned(), role.to_owned()];
    let submitted = related("application.submitted");
    assert!(submitted.contains(&of(benefit.as_str(), "entry")), "{submitted:?}");
    assert!(submitted.iter().any(|[id, role]| id.contains("/income/") && role == "evidence"));
    let revised = related("registry.entry_revised");
    assert!(revised.contains(&of(review.stream().as_str(), "case")), "{revised:?}");
}

#[test]
fn tables_that_are_built_again_tell_the_same_of_entries_and_their_cases() {
    let (node, _, _) = family();
    earn(&node, 36_000_000);
    let [review] = look(&node)[..] else { panic!("no review") };
    block_on(node.engine.advance(review)).unwrap();
    block_on(node.engine.catch_up()).unwrap();
    let hash = node.engine.model().content_hash().unwrap();
    let again = node.restarted(3);
    block_on(again.engine.catch_up()).unwrap();
    assert_eq!(again.engine.model().content_hash().unwrap(), hash);
}
