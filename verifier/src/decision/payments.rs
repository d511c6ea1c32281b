//! Payments of what a case granted: each month due once on its day, no other, in the right amount.
//!
//! A month is due for an entry that is in force as its day begins. What became of a payment is
//! the word of whoever pays. Not here: the entry itself (`effect`).

use std::collections::BTreeSet;

use jiff::ToSpan;
use jiff::civil::Date;
use letopis_ledger::disclosure::Disclosure;
use letopis_ledger::id::AgencyId;
use letopis_ledger::json::Json;
use letopis_ledger::record::Event;
use letopis_ledger::{LeafIndex, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::case::Case;
use super::rule::Regulation;
use super::{Check, Stop};
use crate::finding::{Finding, Rule};

/// A month is due.
pub(super) const DUE: &str = "payment.due";
/// Name of the disclosure with the amount.
const AMOUNT: &str = "amount_hundredths";

/// The part of `payments` in `regulation.yaml` that counts here.
#[derive(Debug, Deserialize)]
pub(super) struct PaymentsDocument {
    amount: String,
    day: i8,
}

/// A month that became due, as the log has it.
pub(super) struct Due {
    pub(super) place: LeafIndex,
    pub(super) author: AgencyId,
    pub(super) event: Event,
}

/// The entry that pays.
struct Paying<'a> {
    /// Its stream; none where the case was refused.
    entry: Option<&'a str>,
    /// When it came into its registry.
    created: Timestamp,
    /// Its last day.
    valid_until: &'a str,
    /// When it went out, if it did.
    removed: Option<Timestamp>,
    /// The time of the last leaf of the log.
    log_ends: Timestamp,
    /// Whose regulation it is.
    agency: &'a AgencyId,
}

/// Checks the payments of a case; gives how many months were due.
fn check(
    due: &[Due],
    paying: &Paying<'_>,
    regulation: &Regulation,
    opened: (&[Disclosure], Option<&Value>),
) -> Result<usize, Stop> {
    let whole = |detail: String| Stop::Found(Finding::whole(Rule::Payments, detail));
    let (Some(rule), Some(entry)) = (&regulation.payments, paying.entry) else {
        return match due.first() {
            None => Ok(0),
            Some(one) => Err(broken(one.place, "the case pays nothing, and a month is due")),
        };
    };
    let days = paid_days(rule, paying, regulation).map_err(whole)?;
    let id = entry.rsplit('/').next().unwrap_or_default();
    let mut found = BTreeSet::new();
    for one in due {
        let text = |name: &str| one.event.data.get(name).and_then(Json::as_str);
        let period = text("period").unwrap_or_default();
        let day = days.iter().find(|day| period_of(**day) == period);
        let (Some(_), true) = (day, found.insert(period.to_owned())) else {
            return Err(broken(one.place, &format!("month {period} is not due, or due twice")));
        };
        let is_own = one.event.stream.as_str() == format!("payments/{id}")
            && text("entry") == Some(entry)
            && &one.author == paying.agency;
        if !is_own {
            return Err(broken(one.place, "a month is due by another entry or agency"));
        }
        check_amount(rule, one, opened)?;
    }
    let log_ends = regulation.date(paying.log_ends).map_err(whole)?;
    let missing = days.iter().filter(|day| **day < log_ends).map(|day| period_of(*day));
    if let Some(period) = missing.into_iter().find(|period| !found.contains(period)) {
        return Err(whole(format!("month {period} was not made due, the log ends on {log_ends}")));
    }
    Ok(found.len())
}

/// The days on which the entry pays, to the end of the log.
fn paid_days(
    rule: &PaymentsDocument,
    paying: &Paying<'_>,
    regulation: &Regulation,
) -> Result<Vec<Date>, String> {
    let created = regulation.date(paying.created)?;
    let last: Date = paying.valid_until.parse().map_err(|_| "the entry has no last day")?;
    let removed = paying.removed.map(|at| regulation.date(at)).transpose()?;
    let ends = regulation.date(paying.log_ends)?;
    let mut next = created.with().day(rule.day).build().map_err(|e| e.to_string())?;
    let mut days = Vec::new();
    while next <= last && next <= ends {
        if created < next && removed.is_none_or(|removed| next <= removed) {
            days.push(next);
        }
        next = next.checked_add(1.month()).map_err(|e| e.to_string())?;
    }
    Ok(days)
}

/// Where the amount is disclosed, it is what the table gives.
fn check_amount(
    rule: &PaymentsDocument,
    due: &Due,
    (given, outputs): (&[Disclosure], Option<&Value>),
) -> Result<(), Stop> {
    let digests = &due.event.private;
    let opened = given.iter().find(|one| one.name() == AMOUNT && digests.contains(&one.digest()));
    let member = rule.amount.strip_prefix("decision.").unwrap_or_default();
    let expected = outputs.and_then(|outputs| outputs.get(member)?.as_i64());
    match (opened.and_then(|one| one.value().as_integer()), expected) {
        (Some(found), Some(expected)) if found != expected => {
            let detail = format!("{found} hundredths are due, the table gives {expected}");
            Err(broken(due.place, &detail))
        }
        _ => Ok(()),
    }
}

fn period_of(day: Date) -> String {
    format!("{:04}-{:02}", day.year(), day.month())
}

fn broken(place: LeafIndex, detail: &str) -> Stop {
    Finding::at(Rule::Payments, place, detail).into()
}

impl Check<'_> {
    /// What the case pays, if it pays anything, must be due as its regulation says.
    pub(super) fn check_payments(
        &mut self,
        case: &Case,
        regulation: &Regulation,
        (entry, outputs): (Option<&str>, Option<&Value>),
        given: &[String],
    ) -> Result<(), Stop> {
        // The case that made the entry is the one that pays, whoever revised it.
        if case.submitted.about.is_some() && self.collected.due.is_empty() {
            return Ok(());
        }
        let decided = &self.collected.events[case.decided_at].leaf;
        let changes =
            self.collected.changes.iter().filter(|(_, event)| {
                entry == Some(event.stream.as_str()) && event.version.get() > 0
            });
        let removal = ["registry.entry_excluded", "registry.entry_expired"];
        let mut removed = None;
        let mut until = self.collected.last_day_of(entry);
        let mut changed = false;
        for (time, event) in changes {
            if removal.contains(&event.event_type.as_str()) {
                removed = Some(*time);
                continue;
            }
            changed = true;
            let later = event.data.get("valid_until").and_then(Json::as_str);
            until = later.map(str::to_owned).or(until);
        }
        let paying = Paying {
            entry,
            created: decided.time(),
            valid_until: until.as_deref().unwrap_or_default(),
            removed,
            log_ends: self.log_ends.unwrap_or_else(|| decided.time()),
            agency: decided.record().author(),
        };
        let given: Vec<Disclosure> =
            given.iter().filter_map(|text| Disclosure::parse(text).ok()).collect();
        // What was decided later says other amounts; the case that did is checked by itself.
        let outputs = outputs.filter(|_| !changed);
        match check(&self.collected.due, &paying, regulation, (&given, outputs)) {
            Ok(0) => {}
            Ok(count) => {
                self.facts.insert("payments_due".to_owned(), json!(count));
                self.say("decision.payments", [("count", count.to_string())]);
            }
            Err(Stop::Found(finding)) => self.findings.push(finding),
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
