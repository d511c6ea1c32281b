//! Payments: each month due once while the entry is in force, and settled as it came out.

use letopis_ledger::Timestamp;

use super::*;
use crate::case::CaseRefusal;
use crate::event::{HeldPost, OfficialId, PaymentsId};
use crate::pack::Role;
use crate::payment::{PaymentRefusal, Period};
use crate::staff::Official;

const RECORD: &str = "110259123000100123004";
const ACCOUNT: &str = "40817810099910004312";

/// Anna with a benefit granted on 20 November 2026 for twelve months.
fn granted() -> (TwinNode, CaseId) {
    let node = TwinNode::start();
    let rows = [
        ("residence", json!({"snils": ANNA, "dwelling": HOME, "zone": "Z1", "oktmo": "67323000"})),
        ("income", json!({"snils": ANNA, "kopecks": 36_000_000})),
        (
            "birth_record",
            json!({"record_number": RECORD, "parent_snils": ANNA, "child_birth_date": "2026-11-01"}),
        ),
    ];
    for (code, row) in rows {
        block_on(node.engine.create_entries(&registry(code), &[row], &document())).unwrap();
    }
    let form = json!({
        "applicant": {"surname": "Тайнова", "given_name": "Секретина", "snils": ANNA},
        "birth_record": RECORD, "children": 1, "account": ACCOUNT
    });
    let service = ServiceCode::parse("child-benefit").unwrap();
    let application = Application { service, ..application(form, None) };
    let accepted = block_on(node.engine.submit(&application)).unwrap();
    let progress = block_on(node.engine.advance(accepted.case)).unwrap();
    assert_eq!(progress.status, CaseStatus::Granted);
    (node, accepted.case)
}

fn at(node: &TwinNode, instant: &str) {
    node.clock.set(instant);
    node.ledger.set_time(Timestamp::parse(instant).unwrap());
}

fn pay(node: &TwinNode) -> usize {
    block_on(node.engine.make_payments()).unwrap()
}

fn treasurer() -> Official {
    let mut official = Official::new(OfficialId::from_parts(1, &[1; 10]));
    let unit = crate::code::UnitCode::parse("treasury").unwrap();
    official.posts.insert(HeldPost { unit, role: Role::Executor });
    official
}

fn periods(node: &TwinNode, case: CaseId) -> Vec<String> {
    let payments = block_on(node.engine.payments_of_case(case)).unwrap();
    payments.iter().map(|order| format!("{} {}", order.row.period, order.row.state)).collect()
}

#[test]
fn each_month_is_due_on_its_day_once_and_its_amount_is_in_no_leaf() {
    let (node, case) = granted();
    // The day begins in the agency's zone, three hours before that of UTC.
    at(&node, "2026-12-14T20:59:00.000Z");
    assert_eq!(pay(&node), 0);
    at(&node, "2026-12-14T21:00:00.000Z");
    let before = node.ledger.leaves_now().len();
    assert_eq!((pay(&node), pay(&node)), (1, 0));
    let leaves = node.ledger.leaves_now();
    assert_eq!(event_types(&leaves[before]), ["payment.due"]);
    let bytes = String::from_utf8_lossy(leaves[before].as_bytes()).into_owned();
    assert!(!bytes.contains("918550") && !bytes.contains(ANNA), "{bytes}");
    assert_eq!(periods(&node, case), ["2026-12 due"]);
    // What a node missed is made up for, to the last day of the benefit and no later.
    at(&node, "2028-02-20T07:00:00.000Z");
    assert_eq!(pay(&node), 11);
    let months = periods(&node, case);
    assert_eq!((months.len(), months.last().map(String::as_str)), (12, Some("2027-11 due")));
    assert_eq!(pay(&node), 0);
}

#[test]
fn two_nodes_make_a_month_due_once() {
    let (node, case) = granted();
    let other = node.beside(4);
    for one in [&node, &other] {
        at(one, "2026-12-15T07:00:00.000Z");
    }
    block_on(other.engine.catch_up()).unwrap();
    node.ledger.next(Mishap::Rival(Box::new(move || assert_eq!(pay(&other), 1))));
    assert_eq!(pay(&node), 0);
    assert_eq!(periods(&node, case), ["2026-12 due"]);
}

#[test]
fn whoever_pays_gets_orders_and_settles_each_once() {
    let (node, case) = granted();
    at(&node, "2027-01-15T07:00:00.000Z");
    assert_eq!(pay(&node), 2);
    let engine = &node.engine;
    let (orders, next) = block_on(engine.payment_orders(&treasurer(), None, 9)).unwrap();
    assert_eq!((orders.len(), next), (2, None));
    assert_eq!(orders[0].amount, Some(918_550));
    let payee: Vec<String> =
        orders[0].payee.iter().map(|(field, value)| format!("{field} {value}")).collect();
    assert_eq!(payee, [format!("account \"{ACCOUNT}\""), format!("recipient_snils \"{ANNA}\"")]);
    // Page by page: the second begins after the first.
    let (first, next) = block_on(engine.payment_orders(&treasurer(), None, 1)).unwrap();
    let (second, _) = block_on(engine.payment_orders(&treasurer(), next, 1)).unwrap();
    assert!(first[0].row.period < second[0].row.period);

    let mut stranger = treasurer();
    stranger.posts.clear();
    assert!(block_on(engine.payment_orders(&stranger, None, 9)).unwrap().0.is_empty());
    let payment = (orders[0].row.payments, orders[0].row.period);
    let settle = |by: &Official, paid| {
        let settlement = Settlement { paid, reference: Some("ПП-17".into()) };
        block_on(engine.settle_payment(payment, by, &settlement)).map(|row| row.state)
    };
    let refused = settle(&stranger, true);
    assert!(matches!(refused, Err(EngineError::Case(CaseRefusal::NotEntitled { .. }))));
    assert_eq!(settle(&treasurer(), false).unwrap(), "failed");
    assert_eq!(settle(&treasurer(), true).unwrap(), "paid");
    let before = node.ledger.leaves_now().len();
    assert_eq!(settle(&treasurer(), true).unwrap(), "paid");
    assert_eq!(node.ledger.leaves_now().len(), before, "said again, it changes nothing");
    let late = settle(&treasurer(), false);
    assert!(matches!(late, Err(EngineError::Payment(PaymentRefusal::AlreadyPaid { .. }))));
    assert_eq!(periods(&node, case), ["2026-12 paid", "2027-01 due"]);
    let unknown = (payment.0, Period::parse("2030-01").unwrap());
    let unknown = block_on(engine.settle_payment(
        unknown,
        &treasurer(),
        &Settlement { paid: true, reference: None },
    ));
    assert!(matches!(unknown, Err(EngineError::UnknownEntry { .. })));
    let stream = PaymentsId::parse(&payment.0.to_string()).unwrap().stream();
    assert!(stream.as_str().starts_with("payments/"));
}
