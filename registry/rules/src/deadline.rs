//! Deadline arithmetic: when a term that began at registration ends, and how it was counted.
//!
//! Terms in days begin on the day after registration, in the zone of the responsible body, and end
//! with the last millisecond of the last day. While the clock stands still, days are not counted:
//! not the day on which it stopped, not the day on which it went on, and none between them. When it
//! stops, opening hours and transfers between bodies are decisions of the registry and absent here.

use jiff::Timestamp;
use jiff::civil::{Date, time};
use jiff::tz::Offset;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::calendar::{Calendars, DayKind};

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod test;

/// The longest term: ten years of days. A longer one is a mistake in a regulation.
pub const DAYS_MAX: u32 = 3_660;
/// The longest term in hours: as long as the longest in days.
pub const HOURS_MAX: u32 = DAYS_MAX * 24;

/// Milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMs(i64);

/// A fixed difference from UTC in whole minutes. Bodies in countries that change their clocks need
/// one offset per half-year; Russia has kept one per region since 2014.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UtcOffset(i16);

/// How long an action may take. In packs: `working_days: 5`, `calendar_days: 30` or `hours: 24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Term {
    /// Days that the calendar does not mark as off; a short day counts in full.
    WorkingDays(u32),
    /// All days; if the last one is off, the term ends with the next working day.
    CalendarDays(u32),
    /// Hours on the clock, working or not, from the very instant of registration.
    Hours(u32),
}

/// A time in which the clock stood still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// When it stopped.
    pub from: UnixMs,
    /// When it went on.
    pub until: UnixMs,
}

/// When a term ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// The last instant that is in time.
    pub due: UnixMs,
    /// The day of that instant in the zone of the body.
    pub last_day: Date,
    /// The count touched a year whose calendar is not published, so the deadline may still move.
    pub provisional: bool,
}

/// One day that the count passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountedDay {
    pub date: Date,
    pub kind: DayKind,
    /// Its number in the term from 1; none for a day that the term does not count.
    pub number: Option<u32>,
}

/// A deadline with the days that lead to it, for a reader who wants to check the count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    pub deadline: Deadline,
    /// The day of registration in the zone of the body; it is not counted.
    pub registered_on: Date,
    /// Every day after it up to the last one; empty for a term in hours.
    pub days: Vec<CountedDay>,
}

/// Why no deadline can be computed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DeadlineError {
    /// A term of zero would end before it begins.
    #[error("the term is zero; give at least one day or hour")]
    TermZero,

    /// The term is longer than any regulation sets.
    #[error("the term is {found}, the limit is {limit}; check the unit of the term")]
    TermTooLong { found: u32, limit: u32 },

    /// The offset is not one that a clock on Earth shows.
    #[error("the offset is {minutes} minutes from UTC; give one from -1080 to 1080")]
    OffsetOutOfRange { minutes: i32 },

    /// The instant or the end of the term is outside the years that dates can express.
    #[error("instant {unix_ms} ms or the end of the term is outside the years -9999 to 9999")]
    InstantOutOfRange { unix_ms: i64 },
}

impl UnixMs {
    /// An instant from its milliseconds since the epoch.
    pub const fn new(unix_ms: i64) -> Self {
        Self(unix_ms)
    }

    /// The milliseconds since the epoch.
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl UtcOffset {
    /// An offset of at most 18 hours either way; Moscow is 180.
    pub fn from_minutes(minutes: i32) -> Result<Self, DeadlineError> {
        match i16::try_from(minutes) {
            Ok(small) if (-1080..=1080).contains(&small) => Ok(Self(small)),
            _ => Err(DeadlineError::OffsetOutOfRange { minutes }),
        }
    }

    /// Minutes east of UTC.
    pub fn minutes(self) -> i32 {
        i32::from(self.0)
    }

    fn offset(self) -> Offset {
        Offset::from_seconds(self.minutes() * 60).expect("invariant: at most 18 hours")
    }
}

impl Deadline {
    /// Whether something done at `instant` is late.
    pub fn is_breached_at(&self, instant: UnixMs) -> bool {
        instant > self.due
    }
}

/// When a term that began with registration at `registered_at` ends.
pub fn deadline(
    registered_at: UnixMs,
    term: Term,
    calendars: &Calendars,
    zone: UtcOffset,
) -> Result<Deadline, DeadlineError> {
    deadline_with_pauses(registered_at, term, &[], calendars, zone)
}

/// When a term ends whose clock stood still at these times.
pub fn deadline_with_pauses(
    registered_at: UnixMs,
    term: Term,
    pauses: &[Pause],
    calendars: &Calendars,
    zone: UtcOffset,
) -> Result<Deadline, DeadlineError> {
    explain(registered_at, term, pauses, calendars, zone).map(|explanation| explanation.deadline)
}

/// The same deadline together with every day of the count.
pub fn explain(
    registered_at: UnixMs,
    term: Term,
    pauses: &[Pause],
    calendars: &Calendars,
    zone: UtcOffset,
) -> Result<Explanation, DeadlineError> {
    check_length(term)?;
    let out_of_range = DeadlineError::InstantOutOfRange { unix_ms: registered_at.0 };
    let registered_on = local_date(registered_at, zone).ok_or(out_of_range.clone())?;
    let paused = pauses.iter().map(|pause| {
        Some((local_date(pause.from, zone)?, local_date(pause.until.max(pause.from), zone)?))
    });
    let paused = paused.collect::<Option<Vec<_>>>().ok_or(out_of_range.clone())?;
    let count = Count { calendars, registered_on, paused };
    let (last_day, due, days) = match term {
        Term::WorkingDays(term) => count.days(term, DayKind::is_working, zone),
        Term::CalendarDays(term) => count.days(term, |_| true, zone),
        Term::Hours(hours) => count.hours(registered_at, hours, pauses, zone),
    }
    .ok_or(out_of_range)?;
    let provisional = days.iter().any(|day| !calendars.is_published(day.date.year()));
    Ok(Explanation { deadline: Deadline { due, last_day, provisional }, registered_on, days })
}

struct Count<'a> {
    calendars: &'a Calendars,
    registered_on: Date,
    /// First and last days of the times in which the clock stood still.
    paused: Vec<(Date, Date)>,
}

type Counted = (Date, UnixMs, Vec<CountedDay>);

impl Count<'_> {
    /// Counts days after registration until `term` of them pass `counts` and the last is not off.
    fn days(&self, term: u32, counts: fn(DayKind) -> bool, zone: UtcOffset) -> Option<Counted> {
        let mut days = Vec::new();
        let mut date = self.registered_on;
        let mut number = 0;
        loop {
            date = date.tomorrow().ok()?;
            let kind = self.calendars.kind(date);
            let paused = self.paused.iter().any(|(from, until)| (*from..=*until).contains(&date));
            let counted = number < term && counts(kind) && !paused;
            number += u32::from(counted);
            days.push(CountedDay { date, kind, number: counted.then_some(number) });
            if number == term && kind.is_working() && !paused {
                break;
            }
        }
        Some((date, end_of_day(date, zone)?, days))
    }

    fn hours(
        &self,
        registered_at: UnixMs,
        hours: u32,
        pauses: &[Pause],
        zone: UtcOffset,
    ) -> Option<Counted> {
        let mut due = UnixMs(registered_at.0.checked_add(i64::from(hours) * 3_600_000)?);
        for pause in pauses.iter().filter(|pause| pause.until > pause.from) {
            due = UnixMs(due.0.checked_add(pause.until.0.checked_sub(pause.from.0)?)?);
        }
        Some((local_date(due, zone)?, due, Vec::new()))
    }
}

fn check_length(term: Term) -> Result<(), DeadlineError> {
    let (found, limit) = match term {
        Term::WorkingDays(days) | Term::CalendarDays(days) => (days, DAYS_MAX),
        Term::Hours(hours) => (hours, HOURS_MAX),
    };
    match found {
        0 => Err(DeadlineError::TermZero),
        _ if found > limit => Err(DeadlineError::TermTooLong { found, limit }),
        _ => Ok(()),
    }
}

fn local_date(instant: UnixMs, zone: UtcOffset) -> Option<Date> {
    let timestamp = Timestamp::from_millisecond(instant.0).ok()?;
    Some(zone.offset().to_datetime(timestamp).date())
}

fn end_of_day(date: Date, zone: UtcOffset) -> Option<UnixMs> {
    let last_millisecond = date.to_datetime(time(23, 59, 59, 999_000_000));
    zone.offset().to_timestamp(last_millisecond).ok().map(|end| UnixMs(end.as_millisecond()))
}
