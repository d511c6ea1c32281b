//! How long cases take: percentiles in clock and working time, suspension apart, and pace.
//!
//! Only cases that ended with a result or a refusal count; those called off or not taken do not.

use std::collections::BTreeMap;

use letopis_ledger::Timestamp;
use letopis_ledger::id::AgencyId;
use letopis_rules::deadline::Term;

use super::calendar::{CalendarBook, working_ms};
use super::rank::{nearest_rank, per_mille, shares};
use crate::code::ServiceCode;
use crate::pack::LegalCalendar;

/// By which time a term runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TermUnit {
    /// Working days: only working time is of the term.
    Working,
    /// Calendar days and hours: all time is.
    Clock,
}

/// A case that ended with a result or a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedCase {
    /// The agency.
    pub agency: AgencyId,
    /// The service.
    pub service: ServiceCode,
    /// Whether it was granted.
    pub granted: bool,
    /// Whether nobody took part between its registration and its end.
    pub automatic: bool,
    /// When its term began.
    pub registered_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// The end of its term as it stood then.
    pub due: Timestamp,
    /// By which time the term runs.
    pub unit: TermUnit,
    /// When its clock stood still, in order and apart from each other.
    pub pauses: Vec<(Timestamp, Timestamp)>,
}

/// How a case's time compares with its legal term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pace {
    /// At most a quarter of the term.
    Fast,
    /// More than that, at most three quarters.
    Ordinary,
    /// More than three quarters of the term.
    Slow,
}

/// What one case took, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// From registration to the end.
    pub elapsed_ms: i64,
    /// Of it, while the clock stood still.
    pub suspended_ms: i64,
    /// Of it, while the clock ran.
    pub running_ms: i64,
    /// Of it, while the clock ran on working days.
    pub working_ms: i64,
    /// How it compares with the term.
    pub pace: Pace,
}

/// Percentiles by nearest rank, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percentiles {
    /// Half of them took at most this.
    pub p50_ms: i64,
    /// 90 of 100 did.
    pub p90_ms: i64,
    /// 99 of 100 did.
    pub p99_ms: i64,
}

impl Percentiles {
    /// The percentiles of values in any order; nothing of none.
    #[must_use]
    pub fn of(mut values: Vec<i64>) -> Option<Self> {
        values.sort_unstable();
        let at = |percent| nearest_rank(&values, percent);
        Some(Self { p50_ms: at(50)?, p90_ms: at(90)?, p99_ms: at(99)? })
    }
}

/// The times of one service of one agency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceTimes {
    /// The agency.
    pub agency: AgencyId,
    /// The service.
    pub service: ServiceCode,
    /// Cases granted.
    pub granted: u64,
    /// Cases refused.
    pub refused: u64,
    /// Cases in which nobody took part between registration and end.
    pub automatic: u64,
    /// The same in thousandths of all.
    pub automatic_per_mille: Option<u32>,
    /// Cases that ended after the end of their term.
    pub late: u64,
    /// From registration to the end.
    pub elapsed: Percentiles,
    /// While the clock ran.
    pub running: Percentiles,
    /// While the clock ran on working days.
    pub working: Percentiles,
    /// While the clock stood still.
    pub suspended: Percentiles,
    /// Cases by pace: fast, ordinary, slow.
    pub pace: [u64; 3],
    /// The same in thousandths, 1000 together.
    pub pace_per_mille: [u32; 3],
}

/// Measures a case by its service's calendar.
#[must_use]
pub fn measure(case: &FinishedCase, calendar: &LegalCalendar) -> Measured {
    let (from, until) = (case.registered_at, case.ended_at.max(case.registered_at));
    let pauses: Vec<_> = case
        .pauses
        .iter()
        .map(|(stopped, went_on)| (*stopped.max(&from), *went_on.min(&until)))
        .filter(|(stopped, went_on)| stopped < went_on)
        .collect();
    let paused_ms = |span: fn(&LegalCalendar, Timestamp, Timestamp) -> i64| -> i64 {
        pauses.iter().map(|(stopped, went_on)| span(calendar, *stopped, *went_on)).sum()
    };
    let elapsed_ms = clock_ms(calendar, from, until);
    let suspended_ms = paused_ms(clock_ms);
    let running_ms = elapsed_ms - suspended_ms;
    let working = working_ms(calendar, from, until) - paused_ms(working_ms);
    let (spent, allowed) = match case.unit {
        TermUnit::Clock => (running_ms, clock_ms(calendar, from, case.due) - suspended_ms),
        TermUnit::Working => {
            (working, working_ms(calendar, from, case.due) - paused_ms(working_ms))
        }
    };
    let pace = if 4 * spent <= allowed {
        Pace::Fast
    } else if 4 * spent <= 3 * allowed {
        Pace::Ordinary
    } else {
        Pace::Slow
    };
    Measured { elapsed_ms, suspended_ms, running_ms, working_ms: working, pace }
}

/// The times of every service that has a finished case, by agency and service.
#[must_use]
pub fn service_times(cases: &[FinishedCase], book: &CalendarBook) -> Vec<ServiceTimes> {
    let mut groups: BTreeMap<(&AgencyId, &ServiceCode), Vec<&FinishedCase>> = BTreeMap::new();
    for case in cases {
        groups.entry((&case.agency, &case.service)).or_default().push(case);
    }
    groups.into_values().map(|group| times_of(&group, book)).collect()
}

fn times_of(group: &[&FinishedCase], book: &CalendarBook) -> ServiceTimes {
    let (agency, service) = (group[0].agency.clone(), group[0].service.clone());
    let calendar = book.of(&service);
    let measured: Vec<Measured> = group.iter().map(|case| measure(case, calendar)).collect();
    let percentiles = |of: fn(&Measured) -> i64| {
        Percentiles::of(measured.iter().map(of).collect()).expect("invariant: a group has a case")
    };
    let of_pace = |pace| measured.iter().filter(|case| case.pace == pace).count() as u64;
    let pace = [Pace::Fast, Pace::Ordinary, Pace::Slow].map(of_pace);
    let granted = group.iter().filter(|case| case.granted).count() as u64;
    let automatic = group.iter().filter(|case| case.automatic).count() as u64;
    ServiceTimes {
        agency,
        service,
        granted,
        refused: group.len() as u64 - granted,
        automatic,
        automatic_per_mille: per_mille(automatic, group.len() as u64),
        late: group.iter().filter(|case| case.ended_at > case.due).count() as u64,
        elapsed: percentiles(|case| case.elapsed_ms),
        running: percentiles(|case| case.running_ms),
        working: percentiles(|case| case.working_ms),
        suspended: percentiles(|case| case.suspended_ms),
        pace,
        pace_per_mille: shares(pace),
    }
}

/// Milliseconds of the span; 0 when it ends before it begins.
fn clock_ms(_: &LegalCalendar, from: Timestamp, until: Timestamp) -> i64 {
    (until.unix_ms() - from.unix_ms()).max(0)
}

impl TermUnit {
    /// The unit of a term.
    #[must_use]
    pub const fn of(term: Term) -> Self {
        match term {
            Term::WorkingDays(_) => Self::Working,
            Term::CalendarDays(_) | Term::Hours(_) => Self::Clock,
        }
    }

    /// The unit as tables spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Clock => "clock",
        }
    }
}
