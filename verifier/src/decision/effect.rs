//! What a decision did to a registry: a grant makes one entry in the same record, or revises the
//! one that the case is about; a refusal makes none, and one of a review takes its entry out.

use jiff::civil::Date;
use jiff::{Span, ToSpan};
use serde_json::Value;

use super::Stop;
use super::case::{Case, RESULT_ISSUED, WITHDRAWN, events_of, read_event, takes};
use super::collect::{Collector, EntryEvent};
use super::event::{BasisRef, EntryCreated, EntryRevised, Excluded, Outcome, ResultIssued};
use super::follow_up::{CREATED, EXCLUDED, Followed, REVISED};
use super::rule::{Regulation, Validity};
use crate::finding::{Finding, Rule};

/// Most years and months that an entry may be in force.
const VALID_YEARS_MAX: u64 = 100;
const VALID_MONTHS_MAX: u64 = 12 * VALID_YEARS_MAX;

/// What a decision is measured by.
pub(super) struct Measure<'a> {
    pub(super) regulation: &'a Regulation,
    /// What the published table says, where it could be run.
    pub(super) outputs: Option<&'a Value>,
    /// The entry that the case is about, as it stood.
    pub(super) followed: Option<&'a Followed>,
}

/// Checks the effect and gives the stream of the entry that is in force by the decision, if there
/// must be one.
pub(super) fn check(
    case: &Case,
    collected: &Collector<'_>,
    measure: &Measure<'_>,
) -> Result<Option<String>, Stop> {
    let decided = collected.events[case.decided_at].place;
    let broken = |detail: String| Stop::Found(Finding::at(Rule::RegistryEffect, decided, detail));
    let ends = measure.followed.is_some_and(|followed| !followed.is_renewal);
    if case.decided.outcome == Outcome::Refused && !ends {
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
        return Err(broken(format!("the decision has {count} registry entries, not one")));
    };
    if entry.place != decided {
        let place = entry.place;
        return Err(broken(format!("the decision stands in leaf {decided}, the entry in {place}")));
    }
    let basis = BasisRef::read(&entry.data).map_err(|e| broken(e.to_string()))?;
    if basis.kind != "decision" || u64::try_from(case.decided_at) != Ok(basis.version) {
        return Err(broken("the entry does not name the decision as its basis".to_owned()));
    }
    let expected = match (measure.followed, case.decided.outcome) {
        (None, _) => CREATED,
        (Some(_), Outcome::Granted) => REVISED,
        (Some(_), Outcome::Refused) => EXCLUDED,
    };
    let same = measure.followed.is_none_or(|followed| followed.entry == entry.stream.as_str());
    if entry.event_type != expected || !same {
        let found = (&entry.event_type, &entry.stream);
        return Err(broken(format!("the decision must be followed by {expected}, not {found:?}")));
    }
    if expected == EXCLUDED {
        return Ok(None);
    }
    check_result(case, collected, measure, entry).map_err(|stop| match stop {
        Problem::Effect(detail) => broken(detail),
        Problem::Other(stop) => stop,
    })?;
    Ok(Some(entry.stream.to_string()))
}

/// What is wrong with a result.
enum Problem {
    Effect(String),
    Other(Stop),
}

impl From<String> for Problem {
    fn from(detail: String) -> Self {
        Self::Effect(detail)
    }
}

/// The entry must be as the result states it, in its registry, for as long as the table says.
fn check_result(
    case: &Case,
    collected: &Collector<'_>,
    measure: &Measure<'_>,
    entry: &EntryEvent,
) -> Result<(), Problem> {
    let (_, result) = events_of(collected, RESULT_ISSUED)
        .next()
        .expect("invariant: a granted case was seen to have one result");
    let result = read_event(result, ResultIssued::read).map_err(Problem::Other)?;
    let decided = &collected.events[case.decided_at];
    let (stream, regulation) = (entry.stream.to_string(), measure.regulation);
    let decided_on = regulation.date(decided.leaf.time())?;
    let (number, valid_from, valid_until) = match measure.followed {
        None => {
            let created = EntryCreated::read(&entry.data).map_err(|e| e.to_string())?;
            let registry = &regulation.registry;
            let is_there = stream.starts_with(&format!("registry/{registry}/"));
            if &created.registry != registry || !is_there {
                let detail =
                    format!("the regulation names registry {registry}, the entry is {stream}");
                return Err(detail.into());
            }
            let name = format!("number/entry/{registry}/{}", created.number);
            if !takes(decided.leaf.record(), &name, &entry.stream) {
                let detail =
                    format!("the record that creates the entry does not take claim {name}");
                return Err(detail.into());
            }
            (created.number, created.valid_from, created.valid_until)
        }
        Some(followed) => {
            let revised = EntryRevised::read(&entry.data).map_err(|e| e.to_string())?;
            let claims = decided.leaf.record().claims().iter();
            let mut moved = claims.filter(|claim| claim.holder == entry.stream);
            if let Some(claim) = moved.next() {
                return Err(format!("the entry keeps its names, but {} moves", claim.name).into());
            }
            (followed.number.clone(), revised.valid_from, revised.valid_until)
        }
    };
    let stated = [&result.registry_entry, &result.number, &result.valid_from, &result.valid_until];
    let found = [&stream, &number, &valid_from, &valid_until];
    if stated != found {
        return Err(format!("the result states {stated:?}, the entry has {found:?}").into());
    }
    let period = (date(&valid_from)?, date(&valid_until)?);
    check_period(period, decided_on, measure)?;
    Ok(())
}

/// From when and until when the entry is in force as decided.
fn check_period(
    (from, until): (Date, Date),
    decided_on: Date,
    measure: &Measure<'_>,
) -> Result<(), String> {
    let table_says = match measure.followed {
        None => {
            check_beginning(from, decided_on)?;
            true
        }
        Some(followed) if followed.is_renewal => {
            let end = followed.valid_until;
            if end.tomorrow().ok() != Some(from) {
                return Err(format!("in force until {end}, renewed from {from} on"));
            }
            true
        }
        Some(followed) => {
            check_beginning(from, decided_on)?;
            if until != followed.valid_until {
                let end = followed.valid_until;
                return Err(format!("in force until {end}, a review makes it {until}"));
            }
            false
        }
    };
    match measure.outputs.filter(|_| table_says) {
        Some(outputs) => check_validity((from, until), outputs, &measure.regulation.validity),
        None => Ok(()),
    }
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
fn check_beginning(from: Date, decided_on: Date) -> Result<(), String> {
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
    (from, until): (Date, Date),
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
