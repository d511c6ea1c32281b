//! The formulas on numbers that a reader can check.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::civil::date;
use letopis_ledger::Timestamp;
use letopis_ledger::id::AgencyId;
use proptest::prelude::*;

use crate::code::{GroundCode, ServiceCode};
use crate::pack::fixture::zarechny;
use crate::statistics::*;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn agency() -> AgencyId {
    AgencyId::parse("zarechny").unwrap()
}

fn service() -> ServiceCode {
    ServiceCode::parse("parking-permit").unwrap()
}

fn book() -> CalendarBook {
    static BOOK: LazyLock<CalendarBook> =
        LazyLock::new(|| CalendarBook::new(BTreeMap::new(), zarechny().calendar().clone()));
    BOOK.clone()
}

#[test]
fn a_percentile_is_the_value_at_its_nearest_rank() {
    // The example of "nearest rank" in every textbook.
    let values = [15, 20, 35, 40, 50];
    let found = [5, 30, 40, 50, 100].map(|percent| nearest_rank(&values, percent).unwrap());
    assert_eq!(found, [15, 20, 20, 35, 50]);
    assert_eq!(nearest_rank(&[], 90), None);
    assert_eq!(nearest_rank(&[7], 1), Some(7));
    let ten: Vec<i64> = (1..=10).collect();
    assert_eq!((nearest_rank(&ten, 90), nearest_rank(&ten, 99)), (Some(9), Some(10)));
}

#[test]
fn shares_round_half_up_alone_and_sum_to_a_thousand_together() {
    assert_eq!((per_mille(1, 2_000), per_mille(1, 2_001)), (Some(1), Some(0)));
    assert_eq!((per_mille(3, 3), per_mille(0, 0)), (Some(1_000), None));
    assert_eq!(shares([1, 1, 1]), [334, 333, 333]);
    assert_eq!(shares([0, 0, 5]), [0, 0, 1_000]);
    assert_eq!(shares([2, 2, 3]), [286, 286, 428]);
    assert_eq!(shares([0, 0, 0]), [0, 0, 0]);
}

#[test]
fn working_time_lies_on_days_that_the_calendar_does_not_mark_as_off() {
    let book = book();
    let calendar = book.own();
    let work = |from, until| working_ms(calendar, at(from), at(until));
    // Friday noon to Monday noon in Zarechny, three hours ahead of UTC.
    assert_eq!(work("2026-11-20T09:00:00.000Z", "2026-11-23T09:00:00.000Z"), DAY_MS);
    // A day and its end belong to the agency's clock.
    assert_eq!(work("2026-11-20T20:59:00.000Z", "2026-11-20T21:01:00.000Z"), 60_000);
    // The fourth of November 2026 is a holiday, a Wednesday.
    assert_eq!(work("2026-11-03T21:00:00.000Z", "2026-11-04T21:00:00.000Z"), 0);
    assert_eq!(work("2026-11-20T09:00:00.000Z", "2026-11-20T09:00:00.000Z"), 0);
    assert_eq!(work("2026-11-20T09:00:00.000Z", "2026-11-19T09:00:00.000Z"), 0);
}

fn finished(ended: &str, pauses: &[(&str, &str)]) -> FinishedCase {
    FinishedCase {
        agency: agency(),
        service: service(),
        granted: true,
        automatic: true,
        registered_at: at("2026-11-16T09:00:00.000Z"),
        ended_at: at(ended),
        due: at("2026-11-20T20:59:59.999Z"),
        unit: TermUnit::Clock,
        pauses: pauses.iter().map(|(from, until)| (at(from), at(until))).collect(),
    }
}

#[test]
fn suspension_is_shown_apart_and_is_of_no_pace() {
    let book = book();
    let pause = ("2026-11-16T10:00:00.000Z", "2026-11-17T09:00:00.000Z");
    let case = finished("2026-11-17T10:00:00.000Z", &[pause]);
    let measured = measure(&case, book.own());
    assert_eq!(measured.elapsed_ms, 25 * HOUR_MS);
    assert_eq!((measured.suspended_ms, measured.running_ms), (23 * HOUR_MS, 2 * HOUR_MS));
    assert_eq!(measured.working_ms, 2 * HOUR_MS);
    assert_eq!(measured.pace, Pace::Fast);
    let slow = finished("2026-11-23T09:00:00.000Z", &[]);
    assert_eq!(measure(&slow, book.own()).pace, Pace::Slow);
    let times = service_times(&[case, slow], &book);
    assert_eq!((times[0].pace, times[0].pace_per_mille), ([1, 0, 1], [500, 0, 500]));
    assert_eq!((times[0].late, times[0].granted), (1, 2));
}

#[test]
fn an_hour_of_the_load_is_one_of_the_agencys_clock() {
    let late = at("2026-11-22T21:30:00.000Z");
    let load = load([(service(), late)], [(service(), late, 5)], &book());
    // Sunday half past nine in the evening in UTC is Monday half past midnight in Zarechny.
    let expected = LoadCell { applications: 1, consultations: 1, consultation_ms: 5 };
    assert_eq!(load[0][0], expected);
    assert_eq!(load.iter().flatten().filter(|cell| **cell != LoadCell::default()).count(), 1);
}

fn decided(day: i8, grounds: &[&str]) -> DecidedCase {
    let monday = date(2026, 9, 7).checked_add(jiff::Span::new().days(day)).unwrap();
    DecidedCase {
        agency: agency(),
        service: service(),
        decided_at: at(&format!("{monday}T09:00:00.000Z")),
        grounds: grounds.iter().map(|code| GroundCode::parse(code).unwrap()).collect(),
    }
}

/// In each of eight weeks one or two of four cases are refused on G1; in the ninth, so many.
fn weeks(refused: usize) -> Vec<GroundWeek> {
    let mut cases = Vec::new();
    for week in 0..9 {
        let refused = if week == 8 { refused } else { 1 + usize::from(week % 2 == 0) };
        for case in 0..4 {
            let grounds: &[&str] = if case < refused { &["G1"] } else { &[] };
            cases.push(decided(week * 7 + i8::try_from(case).unwrap(), grounds));
        }
    }
    refusal_spikes(&cases, date(2026, 11, 2), &book())
}

#[test]
fn a_spike_is_further_from_the_mean_than_three_deviations() {
    let ordinary = &weeks(3)[0];
    assert_eq!((ordinary.given, ordinary.decided, ordinary.weeks), (3, 4, 8));
    assert_eq!((ordinary.share_ppm, ordinary.mean_ppm), (750_000, 375_000));
    assert_eq!((ordinary.deviation_ppm, ordinary.spike), (125_000, Some(false)));
    assert_eq!(weeks(4)[0].spike, Some(true));
    // Exactly three deviations are none: 375,000 below the mean.
    assert_eq!(weeks(0)[0].spike, Some(false));
}

#[test]
fn few_weeks_say_nothing_and_a_week_without_decisions_has_no_row() {
    let cases = [decided(0, &["G1"]), decided(7, &["G1"])];
    let found = refusal_spikes(&cases, date(2026, 9, 14), &book());
    assert_eq!((found[0].weeks, found[0].spike), (1, None));
    assert!(refusal_spikes(&cases, date(2026, 9, 21), &book()).is_empty());
    assert_eq!(week_of(date(2026, 11, 22)), date(2026, 11, 16));
}

#[test]
fn what_is_left_stands_still_with_the_clock_and_is_negative_after_the_end() {
    let book = book();
    let due = at("2026-11-20T20:59:59.999Z");
    let left = |suspended, now| remaining((due, suspended), at(now), book.own());
    let friday = left(None, "2026-11-20T19:59:59.999Z");
    assert_eq!((friday.clock_ms, friday.working_ms), (HOUR_MS, HOUR_MS));
    let stopped = Some(at("2026-11-19T20:59:59.999Z"));
    assert_eq!(left(stopped, "2026-12-01T00:00:00.000Z").clock_ms, DAY_MS);
    let sunday = left(None, "2026-11-22T20:59:59.999Z");
    // The last millisecond of Friday has passed, and no other one that is worked on.
    assert_eq!((sunday.clock_ms, sunday.working_ms), (-2 * DAY_MS, -1));
}

#[test]
fn a_case_is_red_when_its_official_cannot_be_done_by_then() {
    let left = |working_ms| Remaining { clock_ms: working_ms, working_ms };
    let work = |open, ended| Some(Throughput { open, ended });
    assert_eq!(risk(left(2 * DAY_MS), None, None, 60), Risk::Unknown);
    assert_eq!(risk(left(2 * DAY_MS), Some(2 * DAY_MS), None, 60), Risk::Low);
    assert_eq!(risk(left(2 * DAY_MS), Some(3 * DAY_MS), None, 60), Risk::High);
    // 60 cases in 60 days are one a day: two can be done in two days, three cannot.
    assert_eq!(risk(left(2 * DAY_MS), Some(3 * DAY_MS), work(2, 60), 60), Risk::High);
    assert_eq!(risk(left(2 * DAY_MS), Some(3 * DAY_MS), work(3, 60), 60), Risk::Red);
    assert_eq!(risk(left(2 * DAY_MS), Some(3 * DAY_MS), work(1, 0), 60), Risk::Red);
    assert_eq!(risk(left(-1), None, None, 60), Risk::Red);
}

proptest! {
    #[test]
    fn shares_always_sum_to_a_thousand(parts in prop::array::uniform3(0_u64..1_000_000)) {
        let sum: u32 = shares(parts).iter().sum();
        prop_assert_eq!(sum, if parts == [0; 3] { 0 } else { 1_000 });
    }

    #[test]
    fn working_time_adds_up(
        from in 0_i64..4_000_000,
        first in 0_i64..40_000,
        second in 0_i64..40_000,
    ) {
        let book = book();
        let start = 1_760_000_000_000;
        let minute = |minutes: i64| Timestamp::from_unix_ms(minutes * 60_000 + start).unwrap();
        let (a, b, c) = (minute(from), minute(from + first), minute(from + first + second));
        let work = |from, until| working_ms(book.own(), from, until);
        prop_assert_eq!(work(a, b) + work(b, c), work(a, c));
        prop_assert!(work(a, c) <= c.unix_ms() - a.unix_ms());
    }
}
