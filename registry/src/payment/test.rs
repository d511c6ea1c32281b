//! A month is due once, for an entry in force as its day begins, and is settled as it came out.

use jiff::civil::date;

use super::*;

fn time(created: Date, until: Option<Date>, removed: Option<Date>) -> PaidTime {
    PaidTime { created_on: created, valid_until: until, removed_on: removed }
}

fn days(time: &PaidTime, today: Date) -> Vec<String> {
    due_days(time, 15, today).iter().map(ToString::to_string).collect()
}

#[test]
fn months_have_one_spelling() {
    let period = Period::parse("2026-12").unwrap();
    assert_eq!((period, period.to_string()), (Period::of(date(2026, 12, 31)), "2026-12".into()));
    for bad in ["2026-13", "2026-1", "26-12", "2026-12-01", "2026-00", "", "x"] {
        assert!(Period::parse(bad).is_err(), "{bad:?} was accepted");
    }
    assert!(Period::parse("2026-12").unwrap() < Period::parse("2027-01").unwrap());
}

#[test]
fn every_month_is_due_from_the_first_day_after_the_entry_to_its_last() {
    let entry = time(date(2026, 11, 20), Some(date(2027, 1, 15)), None);
    assert_eq!(days(&entry, date(2026, 12, 14)), [""; 0]);
    assert_eq!(days(&entry, date(2026, 12, 15)), ["2026-12-15"]);
    assert_eq!(days(&entry, date(2027, 9, 1)), ["2026-12-15", "2027-01-15"]);
    // An entry of the very day was not in force as the day began.
    let same_day = time(date(2026, 12, 15), None, None);
    assert_eq!(days(&same_day, date(2027, 1, 20)), ["2027-01-15"]);
}

#[test]
fn an_entry_that_went_out_pays_for_the_day_on_which_it_did_and_no_later() {
    let gone = |on| time(date(2026, 11, 20), None, Some(on));
    assert_eq!(days(&gone(date(2026, 12, 14)), date(2027, 2, 1)), [""; 0]);
    assert_eq!(days(&gone(date(2026, 12, 15)), date(2027, 2, 1)), ["2026-12-15"]);
    assert_eq!(days(&gone(date(2027, 1, 14)), date(2027, 2, 1)), ["2026-12-15"]);
}

#[test]
fn the_last_due_day_may_be_of_the_month_before() {
    assert_eq!(last_due_day(15, date(2026, 12, 15)), date(2026, 12, 15));
    assert_eq!(last_due_day(15, date(2026, 12, 14)), date(2026, 11, 15));
    assert_eq!(last_due_day(28, date(2026, 3, 1)), date(2026, 2, 28));
    assert_eq!(last_due_day(28, date(2026, 3, 31)), date(2026, 3, 28));
}

fn settle(paid: bool, reference: Option<&str>) -> SettlePayment {
    SettlePayment {
        stream: (StreamName::parse("payments/x").unwrap(), StreamVersion::new(1)),
        period: Period::parse("2026-12").unwrap(),
        paid,
        reference: reference.map(str::to_owned),
        official: OfficialId::from_parts(1, &[1; 10]),
    }
}

#[test]
fn what_failed_may_be_paid_and_what_is_paid_stays_so() {
    let decided = |command: SettlePayment, so_far| command.decide(so_far).unwrap();
    let first = decided(settle(false, None), None).unwrap();
    assert_eq!(first.events[0].event.event_type(), "payment.settled");
    assert!(decided(settle(true, Some("PO-1")), Some(false)).is_some());
    // Said again, it changes nothing.
    assert_eq!(decided(settle(true, None), Some(true)), None);
    assert_eq!(decided(settle(false, None), Some(false)), None);
    let refused = settle(false, None).decide(Some(true));
    assert!(matches!(refused, Err(PaymentRefusal::AlreadyPaid { .. })));
    for bad in [String::new(), "x".repeat(REFERENCE_MAX_CHARS + 1)] {
        let refused = settle(true, Some(&bad)).decide(None);
        assert!(matches!(refused, Err(PaymentRefusal::Reference { .. })));
    }
}

#[test]
fn the_amount_is_sealed() {
    let period = Period::parse("2026-12").unwrap();
    let stream = |name| StreamName::parse(name).unwrap();
    let command = MakePayments {
        stream: (stream("payments/x"), StreamVersion::new(3)),
        case: stream("application/x"),
        entry: stream("registry/benefit/x"),
        months: vec![(period, 918_550), (Period::parse("2027-01").unwrap(), 918_550)],
    };
    let decision = command.decide();
    let versions: Vec<u64> = decision.events.iter().map(|new| new.version.get()).collect();
    assert_eq!(versions, [3, 4]);
    let data = Json::from(decision.events[0].event.data()).to_string();
    assert!(!data.contains("918550"), "{data}");
    assert_eq!(decision.events[0].private[0].name, AMOUNT);
}
