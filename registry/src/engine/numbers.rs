//! Which sequence a number gets next. A claim in the ledger decides; this only guesses well.

use std::collections::HashMap;
use std::sync::Mutex;

use jiff::civil::Date;

use crate::pack::NumberTemplate;

/// How many of the latest numbers are read to find the last sequence.
pub(super) const LATEST_NUMBERS: u32 = 64;

/// The next sequences, by kind of number and year.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    next: Mutex<HashMap<(String, i16), u64>>,
}

impl Numbers {
    /// The next number of a kind. `latest` gives the latest numbers of the kind and is asked once
    /// a year; a number that turns out to be taken is simply followed by the next one.
    pub(super) fn next<E>(
        &self,
        kind: &str,
        template: &NumberTemplate,
        date: Date,
        latest: impl FnOnce() -> Result<Vec<String>, E>,
    ) -> Result<String, E> {
        let key = (kind.to_owned(), date.year());
        let known = self.next.lock().expect("invariant: no holder panics").contains_key(&key);
        let first = if known { 1 } else { first_free(&latest()?, template, date.year()) };
        let mut next = self.next.lock().expect("invariant: no holder panics");
        let sequence = next.entry(key).or_insert(first);
        let number = template.number(date, *sequence);
        *sequence += 1;
        Ok(number)
    }

    /// Takes a number back that no record carries. Only the last one given can be given again:
    /// after it others have gone out, and a gap is better than a number out of order.
    pub(super) fn give_back(&self, kind: &str, template: &NumberTemplate, number: &str) {
        let Some((year, sequence)) = template.read(number) else { return };
        let mut next = self.next.lock().expect("invariant: no holder panics");
        if let Some(next) = next.get_mut(&(kind.to_owned(), year))
            && *next == sequence + 1
        {
            *next = sequence;
        }
    }

    /// Goes on after the latest numbers, when another node turns out to have given some.
    pub(super) fn raise(
        &self,
        kind: &str,
        template: &NumberTemplate,
        date: Date,
        latest: &[String],
    ) {
        let first = first_free(latest, template, date.year());
        let mut next = self.next.lock().expect("invariant: no holder panics");
        let sequence = next.entry((kind.to_owned(), date.year())).or_insert(first);
        *sequence = first.max(*sequence);
    }
}

fn first_free(latest: &[String], template: &NumberTemplate, year: i16) -> u64 {
    let sequences = latest
        .iter()
        .filter_map(|number| template.read(number))
        .filter(|(of, _)| *of == year)
        .map(|(_, sequence)| sequence);
    sequences.max().map_or(1, |last| last + 1)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use jiff::civil::date;

    use super::*;

    #[test]
    fn sequences_go_on_after_the_latest_number_of_the_year() {
        let template = NumberTemplate::parse("РР-{year}-{sequence:3}").unwrap();
        let numbers = Numbers::default();
        let latest = || Ok::<_, Infallible>(vec!["РР-2026-041".to_owned(), "XX-1".to_owned()]);
        let next = |year| numbers.next("p", &template, date(year, 5, 1), latest).unwrap();
        assert_eq!(next(2026), "РР-2026-042");
        assert_eq!(next(2026), "РР-2026-043");
        assert_eq!(next(2027), "РР-2027-001");
        let raise = |latest: &str| {
            numbers.raise("p", &template, date(2026, 5, 1), &[latest.to_owned()]);
        };
        raise("РР-2026-002");
        assert_eq!(next(2026), "РР-2026-044");
        raise("РР-2026-100");
        assert_eq!(next(2026), "РР-2026-101");
        numbers.give_back("p", &template, "РР-2026-044");
        numbers.give_back("p", &template, "РР-2026-101");
        assert_eq!(next(2026), "РР-2026-101", "the last one only");
    }
}
