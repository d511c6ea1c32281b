//! The calendars that figures about services are counted by.
//!
//! Not here: the figures (`crate::statistics`) and their rows (`crate::projection`).

use std::collections::BTreeMap;

use letopis_rules::calendar::Calendars;
use letopis_rules::deadline::UtcOffset;

use super::{CaseEngine, LedgerPort};
use crate::pack::LegalCalendar;
use crate::statistics::CalendarBook;

impl<P: LedgerPort> CaseEngine<P> {
    /// The calendar of each installed service, that of the newest pack which has it. Services of
    /// other agencies are counted by the newest pack of all, and without any by plain weeks in UTC.
    ///
    /// # Panics
    /// Never: zero is an offset.
    #[must_use]
    pub fn calendar_book(&self) -> CalendarBook {
        let mut by_service = BTreeMap::new();
        let utc = UtcOffset::from_minutes(0).expect("invariant: zero is an offset");
        let mut other = LegalCalendar::new(Calendars::default(), utc);
        for installed in self.installed_packs() {
            other = installed.pack.calendar().clone();
            for service in installed.pack.services().keys() {
                by_service.insert(service.clone(), other.clone());
            }
        }
        CalendarBook::new(by_service, other)
    }
}
