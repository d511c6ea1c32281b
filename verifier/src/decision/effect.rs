//! What a decision did to a registry: a grant makes one entry in the same record, a refusal none.

use jiff::civil::Date;
use jiff::{Span, ToSpan};
use serde_json::Value;

use super::Stop;
use super::case::{Case, RESULT_ISSUED, WITHDRAWN, events_of, read_event, takes};
use super::collect::Collector;
use super::event::{EntryCreated, Excluded, Outcome, ResultIssued};
use super::rule::{Regulation, Validity};
use crate::finding::{Finding, Rule};

/// Most years and months that an entry may be in force.
const VALID_YEARS_MAX: u64 = 100;
const VALID_MONTHS_MAX: u64 = 12 * VALID_YEARS_MAX;

/// Checks the effect and gives the stream of the entry, if there must be one. `outputs` is what
/// the published table says, where it could be run.
pub(super) fn check(
    case: &Case,
    collected: &Collector<'_>,
    regulation: &Regulation,
    outputs: Option<&Value>,
) -> Result<Option<String>, Stop> {
    let decided = collected.events[case.decided_at].place;
    let broken = |detail: String| Stop::Found(Finding::at(Rule::RegistryEffect, decided, detail));
    if case.decided.outcome == Outcome::Refused {
        return match collected.entries.first() {
            None => Ok(None),
            Some(entry) => Err(broken(format!(
                "a refused case has registry entry {} (leaf {})",
                entry.stream, entry.place
            ))),
        };
    }
    let [entry] = collected.entries.as_slice() else {
        let count = collected.entries.len();
        return Err(broken(format!("a granted case has {count} registry entries, not one")));
    };
    let (_, result) = events_of(collected, RESULT_ISSUED)
        .next()
        .expect("invariant: a granted case was seen to have one result");
    if entry.place != decided {
        let place = entry.place;
        return Err(broken(format!("the decision stands in leaf {decided}, the entry in {place}")));
    }
    let result = read_event(result, ResultIssued::read)?;
    let created = EntryCreated::read(&entry.data).map_err(|e| broken(e.to_string()))?;
    let stated = [&result.registry_entry, &result.number, &result.valid_from, &result.valid_until];
    let stream = entry.stream.to_string();
    let found = [&stream, &created.number, &created.valid_from, &created.valid_until];
    if stated != found {
        return Err(broken(format!("the result states {stated:?}, the entry has {found:?}")));
    }
    let version = u64::try_from(case.decided_at);
    if created.basis_kind != "decision" || version != Ok(created.basis_version) {
        return Err(broken("the entry does not name the decision as its basis".to_owned()));
    }
    let registry = &regulation.registry;
    let is_there = stream.starts_with(&format!("registry/{registry}/"));
    if &created.registry != registry || !is_there {
        let detail = format!("the regulation names registry {registry}, the entry is {stream}");
        return Err(broken(detail));
    }
    let name = format!("number/entry/{registry}/{}", created.number);
    if !takes(collected.events[case.decided_at].leaf.record(), &name, &entry.stream) {
        let detail = format!("the record that creates the entry does not take claim {name}");
        return Err(broken(detail));
    }
    let decided_on =
        regulation.date(collected.events[case.decided_at].leaf.time()).map_err(broken)?;
    check_beginning(&created, decided_on).map_err(broken)?;
    if let Some(outputs) = outputs {
        check_validity(&created, outputs, &regulation.validity).map_err(broken)?;
    }
    Ok(Some(stream))
}

/// The rule by which the entry was taken out, if the case was told of that: the same record must
/// exclude the case's own entry by that rule, because of a fact that stood in the log before.
pub(super) fn check_withdrawal(
    collected: &Collector<'_>,
    entry: Option<&str>,
) -> Result<Option<String>, Stop> {
    let mut told = events_of(collected, WITHDRAWN);
    let Some((_, event)) = told.next() else { return Ok(None) };
    let broken = |detail: &str| Stop::Found(Finding::at(Rule::RegistryEffect, event.place, detail));
    if told.next().is_some() {
        return Err(broken("the result of the case is taken out more than once"));
    }
    let text = |name| event.event().data.get(name)?.as_str();
    let (stream, rule) = (text("registry_entry"), text("rule"));
    if entry.is_none() || stream != entry {
        return Err(broken("what is taken out is not the result of the case"));
    }
    let excluded = event.leaf.record().events().iter().find(|other| {
        Some(other.stream.as_str()) == stream
            && other.event_type.as_str() == "registry.entry_excluded"
    });
    let Some(excluded) = excluded else {
        return Err(broken("the record that says so does not take the entry out"));
    };
    let basis = Excluded::read(&excluded.data).map_err(|error| broken(&error.to_string()))?;
    if Some(basis.rule.as_str()) != rule || basis.leaf >= event.place {
        return Err(broken("the entry is not taken out by that rule for a fact of the log before"));
    }
    Ok(Some(basis.rule))
}

/// An entry is in force from the day of the decision. The leader took the record a moment after it
/// was decided, so its leaf may be of the next day.
fn check_beginning(created: &EntryCreated, decided_on: Date) -> Result<(), String> {
    let from = date(&created.valid_from)?;
    if from == decided_on || decided_on.yesterday().is_ok_and(|day| day == from) {
        return Ok(());
    }
    Err(format!("decided on {decided_on}, in force from {from}"))
}

fn date(text: &str) -> Result<Date, String> {
    text.parse().map_err(|_| format!("{text:?} is no date"))
}

/// An entry is in force for as long as the table says: to the day before the same day so many
/// years or months later.
fn check_validity(
    created: &EntryCreated,
    outputs: &Value,
    validity: &Validity,
) -> Result<(), String> {
    let (member, unit, most) = match validity {
        Validity::Years(member) => (member, "years", VALID_YEARS_MAX),
        Validity::Months(member) => (member, "months", VALID_MONTHS_MAX),
    };
    let count = outputs.get(member).and_then(Value::as_u64);
    let count = count.filter(|count| (1..=most).contains(count));
    let count = count.ok_or_else(|| format!("the table gives no number of {unit} {member:?}"))?;
    let (from, until) = (date(&created.valid_from)?, date(&created.valid_until)?);
    let count = i64::try_from(count).expect("invariant: at most 1200");
    let span = match validity {
        Validity::Years(_) => Span::new().years(count),
        Validity::Months(_) => Span::new().months(count),
    };
    let expected = from
        .checked_add(span)
        .and_then(|anniversary| anniversary.checked_sub(1.day()))
        .map_err(|error| error.to_string())?;
    if until != expected {
        return Err(format!(
            "in force from {from} for {count} {unit} is to {expected}, not {until}"
        ));
    }
    Ok(())
}
