//! Working-day calendars as published data: which days of a year are off, short or working.
//!
//! Holidays move every year by decree, so no rule here computes them: a year that nobody published
//! falls back to plain weekends and says so. The shape follows production calendars of
//! xmlcalendar.ru: only days that differ from "Saturday and Sunday are off" are listed.

use std::collections::BTreeMap;

use jiff::civil::{Date, Weekday};
use serde::Deserialize;
use thiserror::Error;

/// What a day is for counting terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DayKind {
    /// A weekend, a holiday, or a day off moved here by decree.
    Off,
    /// A working day shortened before a holiday; it counts in full.
    Short,
    /// A working day, among them weekend days made working by decree.
    Working,
}

impl DayKind {
    /// Whether a term in working days counts this day.
    pub fn is_working(self) -> bool {
        self != DayKind::Off
    }
}

/// The published calendar of one year.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YearCalendar {
    year: i16,
    days: BTreeMap<Date, DayKind>,
}

/// Calendars of several years; a year that is absent has not been published yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calendars {
    years: BTreeMap<i16, YearCalendar>,
}

/// Why a calendar is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CalendarError {
    /// The text is not JSON of the calendar's shape.
    #[error("the calendar is not readable: {reason}; correct the JSON")]
    Malformed { reason: String },

    /// A day is not written as year-month-day or does not exist.
    #[error("{text:?} is not a date; write year-month-day, for example 2026-05-09")]
    NotADate { text: String },

    /// A day of another year.
    #[error("{date} is listed in the calendar of {year}; move it to the calendar of its year")]
    OtherYear { date: Date, year: i16 },

    /// Days are out of order or repeated, so two readers could disagree about a day.
    #[error("{date} is not after the day before it in the list; sort the days, list each once")]
    OutOfOrder { date: Date },

    /// Two calendars of one year.
    #[error("the calendar of {year} is given twice; keep the one in force")]
    YearTwice { year: i16 },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct YearDocument {
    year: i16,
    /// The act that the calendar follows, for people; it takes no part in counting.
    #[serde(rename = "source")]
    _source: String,
    days: Vec<DayDocument>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DayDocument {
    date: String,
    kind: DayKind,
}

impl YearCalendar {
    /// Reads `{"year", "source", "days": [{"date": "2026-01-01", "kind": "off"}, …]}`.
    ///
    /// Kinds are `off`, `short` and `working`; dates ascend and belong to the year.
    pub fn from_json(text: &str) -> Result<Self, CalendarError> {
        let document: YearDocument = serde_json::from_str(text)
            .map_err(|error| CalendarError::Malformed { reason: error.to_string() })?;
        let year = document.year;
        let mut days = BTreeMap::new();
        for day in document.days {
            let text = day.date;
            let date = parse_date(&text).ok_or(CalendarError::NotADate { text })?;
            if date.year() != year {
                return Err(CalendarError::OtherYear { date, year });
            }
            if days.last_key_value().is_some_and(|(&last, _)| last >= date) {
                return Err(CalendarError::OutOfOrder { date });
            }
            days.insert(date, day.kind);
        }
        Ok(Self { year, days })
    }

    /// The year that this calendar describes.
    pub fn year(&self) -> i16 {
        self.year
    }
}

impl Calendars {
    /// Combines calendars of different years.
    pub fn new(years: impl IntoIterator<Item = YearCalendar>) -> Result<Self, CalendarError> {
        let mut calendars = Self::default();
        for calendar in years {
            let year = calendar.year;
            if calendars.years.insert(year, calendar).is_some() {
                return Err(CalendarError::YearTwice { year });
            }
        }
        Ok(calendars)
    }

    /// These calendars with the years that only the others have.
    #[must_use]
    pub fn completed_by(&self, others: &Self) -> Self {
        let mut years = others.years.clone();
        years.extend(self.years.clone());
        Self { years }
    }

    /// Whether the calendar of this year is known, so that its days will not move.
    pub fn is_published(&self, year: i16) -> bool {
        self.years.contains_key(&year)
    }

    /// What the day is: as published, else off on Saturday and Sunday and working otherwise.
    pub fn kind(&self, date: Date) -> DayKind {
        let listed = self.years.get(&date.year()).and_then(|calendar| calendar.days.get(&date));
        match (listed, date.weekday()) {
            (Some(&kind), _) => kind,
            (None, Weekday::Saturday | Weekday::Sunday) => DayKind::Off,
            (None, _) => DayKind::Working,
        }
    }
}

/// Exactly `YYYY-MM-DD`: the library also reads other ISO 8601 spellings of the same day.
fn parse_date(text: &str) -> Option<Date> {
    let date: Date = text.parse().ok()?;
    (date.to_string() == text).then_some(date)
}

#[cfg(test)]
mod test {
    use jiff::civil::date;

    use super::*;
    use crate::deadline::fixture::{RU_2025, RU_2026, russia};

    #[test]
    fn the_shipped_years_have_247_working_days_each() {
        let calendars = russia();
        for year in [2025, 2026] {
            let days = date(year, 1, 1)
                .series(jiff::Span::new().days(1))
                .take_while(|day| day.year() == year);
            assert_eq!(days.filter(|&day| calendars.kind(day).is_working()).count(), 247);
        }
    }

    #[test]
    fn published_days_override_weekends_and_others_follow_them() {
        let calendars = russia();
        assert_eq!(calendars.kind(date(2025, 11, 1)), DayKind::Short);
        assert_eq!(calendars.kind(date(2026, 1, 9)), DayKind::Off);
        assert_eq!(calendars.kind(date(2026, 7, 4)), DayKind::Off);
        assert_eq!(calendars.kind(date(2026, 7, 6)), DayKind::Working);
        assert!(!calendars.is_published(2027));
        assert_eq!(calendars.kind(date(2027, 1, 1)), DayKind::Working);
    }

    #[test]
    fn a_year_given_twice_is_refused() {
        let year = || YearCalendar::from_json(RU_2025).unwrap();
        assert_eq!(
            Calendars::new([year(), YearCalendar::from_json(RU_2026).unwrap(), year()]),
            Err(CalendarError::YearTwice { year: 2025 })
        );
    }

    #[test]
    fn malformed_calendars_are_refused_with_the_rule_they_break() {
        let with = |days: &str| {
            YearCalendar::from_json(&format!(r#"{{"year":2026,"source":"s","days":[{days}]}}"#))
        };
        assert!(matches!(with(r#"{"date":"2026-01-01"}"#), Err(CalendarError::Malformed { .. })));
        assert_eq!(
            with(r#"{"date":"2026-02-29","kind":"off"}"#),
            Err(CalendarError::NotADate { text: "2026-02-29".into() })
        );
        assert_eq!(
            with(r#"{"date":"20260101","kind":"off"}"#),
            Err(CalendarError::NotADate { text: "20260101".into() })
        );
        assert_eq!(
            with(r#"{"date":"2025-12-31","kind":"off"}"#),
            Err(CalendarError::OtherYear { date: date(2025, 12, 31), year: 2026 })
        );
        let twice = r#"{"date":"2026-01-01","kind":"off"},{"date":"2026-01-01","kind":"short"}"#;
        assert_eq!(with(twice), Err(CalendarError::OutOfOrder { date: date(2026, 1, 1) }));
    }
}
