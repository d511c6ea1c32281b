//! The load of a week: what comes in which hour of which weekday on the agency's own clock.
//!
//! Not here: weeks apart from each other; all of them fall into one.

use letopis_ledger::Timestamp;

use super::calendar::{CalendarBook, DAY_MS, local_ms};
use crate::code::ServiceCode;

/// What came in one hour of one weekday.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LoadCell {
    /// Applications registered.
    pub applications: u64,
    /// Consultations that ended.
    pub consultations: u64,
    /// How long those took together.
    pub consultation_ms: u64,
}

/// Monday to Sunday, each with its hours from midnight on.
pub type Load = [[LoadCell; 24]; 7];

/// Counts applications by their registration and consultations by their end.
#[must_use]
pub fn load(
    applications: impl IntoIterator<Item = (ServiceCode, Timestamp)>,
    consultations: impl IntoIterator<Item = (ServiceCode, Timestamp, u64)>,
    book: &CalendarBook,
) -> Load {
    let mut load = Load::default();
    for (service, at) in applications {
        let (day, hour) = place(book, &service, at);
        load[day][hour].applications += 1;
    }
    for (service, at, duration_ms) in consultations {
        let (day, hour) = place(book, &service, at);
        let cell = &mut load[day][hour];
        cell.consultations += 1;
        cell.consultation_ms += duration_ms;
    }
    load
}

fn place(book: &CalendarBook, service: &ServiceCode, at: Timestamp) -> (usize, usize) {
    let local_ms = local_ms(book.of(service), at);
    let hour = local_ms.rem_euclid(DAY_MS) / 3_600_000;
    // The first of January 1970 was a Thursday, the fourth day of its week.
    let day = (local_ms.div_euclid(DAY_MS) + 3).rem_euclid(7);
    let index = |value: i64| usize::try_from(value).expect("invariant: a remainder is small");
    (index(day), index(hour))
}
