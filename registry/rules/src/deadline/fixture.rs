//! The calendars that the repository ships, for tests of counting.

use crate::calendar::{Calendars, YearCalendar};

pub(crate) const RU_2025: &str =
    include_str!("../../../../deploy/packs/zarechny/calendars/ru-2025.json");
pub(crate) const RU_2026: &str =
    include_str!("../../../../deploy/packs/zarechny/calendars/ru-2026.json");

/// Russia in 2025 and 2026.
pub(crate) fn russia() -> Calendars {
    Calendars::new([RU_2025, RU_2026].map(|text| YearCalendar::from_json(text).unwrap())).unwrap()
}
