//! Whether an open case will be late: what is left of its term, beside what such cases still took.
//!
//! Not here: who looks, and at what instant.

use std::collections::BTreeMap;

use letopis_ledger::Timestamp;

use super::calendar::{CalendarBook, DAY_MS, working_ms};
use super::rank::nearest_rank;
use crate::code::ServiceCode;
use crate::event::OfficialId;
use crate::pack::LegalCalendar;

/// Days of history that paths and throughput are taken from.
const HISTORY_DAYS: i64 = 90;

/// What is left of a case's term, in milliseconds; negative after its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remaining {
    /// On the clock.
    pub clock_ms: i64,
    /// On working days.
    pub working_ms: i64,
}

/// How likely it is that a case will be late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    /// No finished case has passed the stage lately.
    Unknown,
    /// What is left is at least what three quarters of such cases still took.
    Low,
    /// What is left is less.
    High,
    /// What is left is less, and the official has more cases than can be done by then; or the term
    /// has ended.
    Red,
}

/// The way of a finished case from a stage to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathToEnd {
    /// The service.
    pub service: ServiceCode,
    /// The stage.
    pub stage: String,
    /// When the case came to the stage for the last time.
    pub entered_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
}

/// What three quarters of finished cases still took from each stage on, in working time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PathHistory(BTreeMap<(ServiceCode, String), i64>);

/// How many cases each official has, and has brought to an end lately.
pub type Officials = BTreeMap<OfficialId, Throughput>;

/// The work of an official.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Throughput {
    /// Open cases.
    pub open: u64,
    /// Cases that ended in the last 90 days.
    pub ended: u64,
}

/// What is left of a term at an instant. While the clock stands still, what was left when it
/// stopped.
#[must_use]
pub fn remaining(
    (due, suspended_at): (Timestamp, Option<Timestamp>),
    now: Timestamp,
    calendar: &LegalCalendar,
) -> Remaining {
    let now = suspended_at.unwrap_or(now);
    Remaining {
        clock_ms: due.unix_ms() - now.unix_ms(),
        working_ms: working_ms(calendar, now, due) - working_ms(calendar, due, now),
    }
}

/// The first instant of the history that counts at `now`.
#[must_use]
pub fn history_from(now: Timestamp) -> Timestamp {
    Timestamp::from_unix_ms(now.unix_ms() - HISTORY_DAYS * DAY_MS).unwrap_or(Timestamp::EPOCH)
}

impl PathHistory {
    /// Takes the paths of cases that ended in the 90 days before `now`.
    #[must_use]
    pub fn new(paths: &[PathToEnd], now: Timestamp, book: &CalendarBook) -> Self {
        let from = history_from(now);
        let mut working: BTreeMap<(ServiceCode, String), Vec<i64>> = BTreeMap::new();
        for path in paths.iter().filter(|path| path.ended_at >= from && path.ended_at <= now) {
            let took = working_ms(book.of(&path.service), path.entered_at, path.ended_at);
            working.entry((path.service.clone(), path.stage.clone())).or_default().push(took);
        }
        let p75 = |mut values: Vec<i64>| {
            values.sort_unstable();
            nearest_rank(&values, 75).expect("invariant: a stage in the list has a case")
        };
        Self(working.into_iter().map(|(key, values)| (key, p75(values))).collect())
    }

    /// What three quarters of cases of the service still took from the stage on.
    #[must_use]
    pub fn p75_ms(&self, service: &ServiceCode, stage: &str) -> Option<i64> {
        self.0.get(&(service.clone(), stage.to_owned())).copied()
    }
}

/// The risk of a case, from what is left of its term, what such cases still took, and the work of
/// its official. `working_days` are those of the last 90 days.
#[must_use]
pub fn risk(
    left: Remaining,
    p75_ms: Option<i64>,
    official: Option<Throughput>,
    working_days: u64,
) -> Risk {
    if left.clock_ms < 0 {
        return Risk::Red;
    }
    match p75_ms {
        None => Risk::Unknown,
        Some(p75_ms) if left.working_ms >= p75_ms => Risk::Low,
        Some(_) if official.is_some_and(|work| overloaded(work, left, working_days)) => Risk::Red,
        Some(_) => Risk::High,
    }
}

/// Whether open ÷ (ended ÷ working days) is above the days left, without a division.
fn overloaded(work: Throughput, left: Remaining, working_days: u64) -> bool {
    let needed = i128::from(work.open) * i128::from(working_days) * i128::from(DAY_MS);
    needed > i128::from(left.working_ms) * i128::from(work.ended)
}

impl Risk {
    /// The risk as interfaces spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Low => "low",
            Self::High => "high",
            Self::Red => "red",
        }
    }
}
