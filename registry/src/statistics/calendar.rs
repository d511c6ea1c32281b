//! Working time: what of a span lies on days that the legal calendar does not mark as off.
//!
//! Calendars know days and no opening hours, as legal terms do; a working day is 24 hours here.

use std::collections::BTreeMap;

use jiff::civil::{Date, date};
use letopis_ledger::Timestamp;

use crate::code::ServiceCode;
use crate::pack::LegalCalendar;

/// Milliseconds of a day.
pub(super) const DAY_MS: i64 = 86_400_000;

/// The day from which days are counted.
const UNIX_DAY: Date = date(1970, 1, 1);

/// Which calendar counts for which service.
#[derive(Debug, Clone)]
pub struct CalendarBook {
    by_service: BTreeMap<ServiceCode, LegalCalendar>,
    other: LegalCalendar,
}

impl CalendarBook {
    /// Puts calendars together; `other` is for services that have none of their own here.
    #[must_use]
    pub const fn new(
        by_service: BTreeMap<ServiceCode, LegalCalendar>,
        other: LegalCalendar,
    ) -> Self {
        Self { by_service, other }
    }

    /// The calendar of the agency that counts, for what is of no service.
    #[must_use]
    pub const fn own(&self) -> &LegalCalendar {
        &self.other
    }

    /// The first instant of a day on the own agency's clock; nothing outside the ledger's years.
    #[must_use]
    pub fn day_begins(&self, date: Date) -> Option<Timestamp> {
        let days = i64::from(date.since(UNIX_DAY).ok()?.get_days());
        let offset_ms = i64::from(self.other.zone().minutes()) * 60_000;
        Timestamp::from_unix_ms(days * DAY_MS - offset_ms).ok()
    }

    /// The calendar of a service.
    #[must_use]
    pub fn of(&self, service: &ServiceCode) -> &LegalCalendar {
        self.by_service.get(service).unwrap_or(&self.other)
    }
}

/// Milliseconds of the span that lie on working days; 0 when it ends before it begins.
///
/// # Panics
/// Never: instants of a ledger lie within the calendar's years.
#[must_use]
pub fn working_ms(calendar: &LegalCalendar, from: Timestamp, until: Timestamp) -> i64 {
    let (from_ms, until_ms) = (local_ms(calendar, from), local_ms(calendar, until));
    let mut date = calendar.date(from);
    let mut day_begins = from_ms.div_euclid(DAY_MS) * DAY_MS;
    let mut sum = 0;
    while day_begins < until_ms {
        let day_ends = day_begins + DAY_MS;
        if calendar.is_working(date) {
            sum += (until_ms.min(day_ends) - from_ms.max(day_begins)).max(0);
        }
        day_begins = day_ends;
        date = date.tomorrow().expect("invariant: instants of a ledger lie within the years");
    }
    sum
}

/// Milliseconds on the agency's clock since the beginning of 1970 on it.
pub(super) fn local_ms(calendar: &LegalCalendar, at: Timestamp) -> i64 {
    at.unix_ms() + i64::from(calendar.zone().minutes()) * 60_000
}
