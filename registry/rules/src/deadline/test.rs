//! Published examples of terms, edges of days and zones, and laws of counting.

use jiff::civil::date;
use proptest::prelude::*;

use super::fixture::russia;
use super::*;

const MOSCOW: UtcOffset = UtcOffset(180);

fn noon(year: i16, month: i8, day: i8) -> UnixMs {
    let noon = date(year, month, day).at(12, 0, 0, 0);
    UnixMs(MOSCOW.offset().to_timestamp(noon).unwrap().as_millisecond())
}

fn last_day(registered_at: UnixMs, term: Term) -> Date {
    deadline(registered_at, term, &russia(), MOSCOW).unwrap().last_day
}

#[test]
fn working_days_skip_new_year_holidays() {
    assert_eq!(last_day(noon(2025, 12, 30), Term::WorkingDays(5)), date(2026, 1, 16));
}

#[test]
fn a_short_day_counts_and_may_holidays_do_not() {
    assert_eq!(last_day(noon(2026, 4, 30), Term::WorkingDays(5)), date(2026, 5, 8));
    assert_eq!(last_day(noon(2026, 4, 30), Term::WorkingDays(10)), date(2026, 5, 18));
}

#[test]
fn a_saturday_made_working_counts() {
    assert_eq!(last_day(noon(2025, 10, 31), Term::WorkingDays(5)), date(2025, 11, 10));
}

#[test]
fn calendar_days_that_end_on_a_day_off_move_to_the_next_working_day() {
    assert_eq!(last_day(noon(2026, 4, 28), Term::CalendarDays(2)), date(2026, 4, 30));
    assert_eq!(last_day(noon(2026, 4, 28), Term::CalendarDays(3)), date(2026, 5, 4));
    assert_eq!(last_day(noon(2025, 12, 30), Term::CalendarDays(1)), date(2026, 1, 12));
}

#[test]
fn the_last_day_ends_with_its_last_millisecond_in_the_zone_of_the_body() {
    let found = deadline(noon(2026, 7, 6), Term::WorkingDays(1), &russia(), MOSCOW).unwrap();
    // 2026-07-07T20:59:59.999Z is 23:59:59.999 in Moscow.
    assert_eq!(found.due, UnixMs(1_783_457_999_999));
    assert!(!found.is_breached_at(found.due));
    assert!(found.is_breached_at(UnixMs(found.due.get() + 1)));
}

#[test]
fn the_day_of_registration_is_the_day_in_the_zone_of_the_body() {
    // 2026-07-06T22:00:00Z is already 7 July in Moscow and still 6 July in Kaliningrad at UTC.
    let late = UnixMs(1_783_375_200_000);
    let day = |minutes| {
        let zone = UtcOffset::from_minutes(minutes).unwrap();
        deadline(late, Term::WorkingDays(1), &russia(), zone).unwrap().last_day
    };
    assert_eq!(day(180), date(2026, 7, 8));
    assert_eq!(day(0), date(2026, 7, 7));
}

#[test]
fn hours_run_on_the_clock_through_days_off() {
    let registered_at = noon(2026, 5, 8);
    let found = deadline(registered_at, Term::Hours(48), &russia(), MOSCOW).unwrap();
    assert_eq!(found.due.get() - registered_at.get(), 48 * 3_600_000);
    assert_eq!(found.last_day, date(2026, 5, 10));
    assert!(!found.provisional);
}

#[test]
fn a_deadline_in_an_unpublished_year_is_provisional() {
    let term = Term::WorkingDays(5);
    let provisional =
        |registered| deadline(registered, term, &russia(), MOSCOW).unwrap().provisional;
    assert!(!provisional(noon(2026, 12, 23)));
    assert!(provisional(noon(2026, 12, 28)));
}

#[test]
fn terms_and_offsets_out_of_range_are_refused() {
    let count = |term| deadline(noon(2026, 7, 6), term, &russia(), MOSCOW);
    assert_eq!(count(Term::WorkingDays(0)), Err(DeadlineError::TermZero));
    assert_eq!(
        count(Term::CalendarDays(3_661)),
        Err(DeadlineError::TermTooLong { found: 3_661, limit: 3_660 })
    );
    assert_eq!(
        UtcOffset::from_minutes(2_000),
        Err(DeadlineError::OffsetOutOfRange { minutes: 2_000 })
    );
    assert_eq!(
        deadline(UnixMs(i64::MAX), Term::Hours(1), &russia(), MOSCOW),
        Err(DeadlineError::InstantOutOfRange { unix_ms: i64::MAX })
    );
}

#[test]
fn an_explanation_numbers_the_counted_days_and_shows_the_others() {
    let found = explain(noon(2026, 5, 7), Term::WorkingDays(2), &[], &russia(), MOSCOW).unwrap();
    let day = |day, kind, number| CountedDay { date: date(2026, 5, day), kind, number };
    assert_eq!(found.registered_on, date(2026, 5, 7));
    assert_eq!(
        found.days,
        [
            day(8, DayKind::Short, Some(1)),
            day(9, DayKind::Off, None),
            day(10, DayKind::Off, None),
            day(11, DayKind::Off, None),
            day(12, DayKind::Working, Some(2)),
        ]
    );
}

#[test]
fn days_on_which_the_clock_stood_still_are_not_counted() {
    let pause = |from, until| Pause { from: noon(2026, 5, from), until: noon(2026, 5, until) };
    let end = |term, pauses: &[Pause]| {
        deadline_with_pauses(noon(2026, 5, 12), term, pauses, &russia(), MOSCOW).unwrap().last_day
    };
    // Tuesday 12 May: five working days end on Tuesday 19 May.
    assert_eq!(end(Term::WorkingDays(5), &[]), date(2026, 5, 19));
    // Wednesday 13 counted; 14 to 18 May stood still; 19 May is the second day.
    assert_eq!(end(Term::WorkingDays(5), &[pause(14, 18)]), date(2026, 5, 22));
    assert_eq!(end(Term::WorkingDays(5), &[pause(14, 14), pause(18, 18)]), date(2026, 5, 21));
    // Days 13 and 14, then 20 to 22 May.
    assert_eq!(end(Term::CalendarDays(5), &[pause(15, 19)]), date(2026, 5, 22));
    let hours = |pauses: &[Pause]| {
        deadline_with_pauses(noon(2026, 5, 12), Term::Hours(24), pauses, &russia(), MOSCOW)
    };
    assert_eq!(hours(&[pause(12, 14)]).unwrap().due, noon(2026, 5, 15));
    // A clock that goes on before it stopped never stood still, but for its first day.
    assert_eq!(hours(&[pause(14, 12)]).unwrap().due, noon(2026, 5, 13));
}

#[test]
fn terms_are_read_from_their_pack_form() {
    let read = |text| serde_json::from_str::<Term>(text).unwrap();
    assert_eq!(read(r#"{"working_days": 6}"#), Term::WorkingDays(6));
    assert_eq!(read(r#"{"calendar_days": 10}"#), Term::CalendarDays(10));
    assert_eq!(read(r#"{"hours": 24}"#), Term::Hours(24));
}

// 2024 to 2027, so that published and unpublished years both occur.
fn instants() -> impl Strategy<Value = UnixMs> {
    (1_704_067_200_000_i64..1_830_297_600_000).prop_map(UnixMs)
}

proptest! {
    #[test]
    fn a_longer_term_never_ends_earlier(
        registered_at in instants(),
        days in 1_u32..400,
        more in 0_u32..30,
    ) {
        for unit in [Term::WorkingDays, Term::CalendarDays, Term::Hours] {
            let due = |days| {
                deadline(registered_at, unit(days), &russia(), MOSCOW).unwrap().due
            };
            prop_assert!(due(days) <= due(days + more));
            prop_assert!(registered_at < due(days));
        }
    }

    #[test]
    fn a_term_in_days_never_ends_on_a_day_off_and_counts_exactly_its_days(
        registered_at in instants(),
        days in 1_u32..400,
        minutes in -720_i32..=840,
    ) {
        let zone = UtcOffset::from_minutes(minutes).unwrap();
        let calendars = russia();
        for term in [Term::WorkingDays(days), Term::CalendarDays(days)] {
            let found = explain(registered_at, term, &[], &calendars, zone).unwrap();
            prop_assert!(calendars.kind(found.deadline.last_day).is_working());
            let counted = found.days.iter().filter_map(|day| day.number);
            prop_assert!(counted.eq(1..=days));
            let alone = deadline(registered_at, term, &calendars, zone).unwrap();
            prop_assert_eq!(found.deadline, alone);
            prop_assert_eq!(local_date(found.deadline.due, zone), Some(found.deadline.last_day));
        }
    }
}
