//! Counts by month, agency, service and channel. A month is one of the agency's own clock.

use std::collections::BTreeMap;

use letopis_ledger::Timestamp;
use letopis_ledger::id::AgencyId;

use super::calendar::CalendarBook;
use crate::case::CaseStatus;
use crate::code::{ChannelCode, ServiceCode};

/// What is counted together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MonthKey {
    /// Year and month, as in `2026-11`.
    pub month: String,
    /// The agency.
    pub agency: AgencyId,
    /// The service.
    pub service: ServiceCode,
    /// The channel.
    pub channel: ChannelCode,
}

/// Something that is counted in the month in which it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MonthEvent {
    /// An application came: it was registered, or refused at once.
    Came,
    /// A case ended so.
    Ended(CaseStatus),
    /// Somebody was advised for so many milliseconds.
    Advised(u64),
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonthFact {
    /// When.
    pub at: Timestamp,
    /// At which agency.
    pub agency: AgencyId,
    /// For which service.
    pub service: ServiceCode,
    /// Through which channel.
    pub channel: ChannelCode,
    /// What.
    pub event: MonthEvent,
}

/// The counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MonthCounts {
    /// Applications that came.
    pub applications: u64,
    /// Cases that ended with a result.
    pub granted: u64,
    /// Cases that ended with a refusal.
    pub refused: u64,
    /// Applications that were not taken.
    pub not_taken: u64,
    /// Cases that were called off.
    pub cancelled: u64,
    /// Consultations.
    pub consultations: u64,
    /// How long those took together.
    pub consultation_ms: u64,
}

/// Counts what happened, in the order of keys.
#[must_use]
pub fn months(
    facts: impl IntoIterator<Item = MonthFact>,
    book: &CalendarBook,
) -> BTreeMap<MonthKey, MonthCounts> {
    let mut months: BTreeMap<MonthKey, MonthCounts> = BTreeMap::new();
    for fact in facts {
        let date = book.of(&fact.service).date(fact.at);
        let key = MonthKey {
            month: format!("{:04}-{:02}", date.year(), date.month()),
            agency: fact.agency,
            service: fact.service,
            channel: fact.channel,
        };
        let counts = months.entry(key).or_default();
        match fact.event {
            MonthEvent::Came => counts.applications += 1,
            MonthEvent::Ended(CaseStatus::Granted) => counts.granted += 1,
            MonthEvent::Ended(CaseStatus::Refused) => counts.refused += 1,
            MonthEvent::Ended(CaseStatus::NotTaken) => counts.not_taken += 1,
            MonthEvent::Ended(CaseStatus::Cancelled) => counts.cancelled += 1,
            // These are no ends.
            MonthEvent::Ended(CaseStatus::Absent | CaseStatus::InProgress) => {}
            MonthEvent::Advised(duration_ms) => {
                counts.consultations += 1;
                counts.consultation_ms += duration_ms;
            }
        }
    }
    months
}
