//! A case about an entry that exists: the entry is one that this service gave, it was in force, and
//! there was a reason to look at it again.
//!
//! The case names its entry when it is submitted, and what made the entry stands in the log before
//! that: the log is read a second time for it, from the same leaves. Written from `docs/EVENTS.md`.
//! Not here: what the decision does to the entry (`effect`).

use jiff::ToSpan;
use jiff::civil::Date;
use letopis_ledger::id::AgencyId;
use letopis_ledger::json::{FieldError, Fields, Json, Object};
use letopis_ledger::leaf::Leaf;
use letopis_ledger::record::Event;
use letopis_ledger::{Hash, LeafIndex};

use super::Stop;
use super::case::{ANSWERED, Case, DECIDED, takes};
use super::collect::Collector;
use super::event::{About, SourceRef};
use super::rule::Regulation;
use crate::audit::Observer;
use crate::finding::{Finding, Rule};

pub(super) const CREATED: &str = "registry.entry_created";
pub(super) const REVISED: &str = "registry.entry_revised";
pub(super) const EXCLUDED: &str = "registry.entry_excluded";
const EXPIRED: &str = "registry.entry_expired";

/// Most events of an entry or a fact that are kept; a hostile log must not fill memory.
const EVENTS_MAX: usize = 1000;

/// What came before a follow-up case, collected leaf by leaf up to its decision.
pub(super) struct History<'a> {
    about: &'a About,
    until: LeafIndex,
    /// Events of the entry.
    entry: Vec<Past>,
    /// Events of the fact that began a review.
    fact: Vec<Past>,
    /// Answers that name the fact as their source: the case, and the event of the fact.
    answers: Vec<(String, u64)>,
    /// The hash of the leaf that decides the case, as this reading has it.
    decided: Option<Hash>,
}

/// An event of the past, with what its record tells of it.
struct Past {
    place: LeafIndex,
    author: AgencyId,
    event: Event,
    /// The model by which a case of the same record was decided.
    model: Option<String>,
}

/// The entry as it stood when the case was decided.
#[derive(Debug)]
pub(super) struct Followed {
    /// Its stream.
    pub(super) entry: String,
    /// Its number.
    pub(super) number: String,
    /// Its last day.
    pub(super) valid_until: Date,
    /// Whether somebody asked for it to go on; otherwise a fact had changed.
    pub(super) is_renewal: bool,
}

impl<'a> History<'a> {
    pub(super) fn new(about: &'a About, until: LeafIndex) -> Self {
        let (entry, fact, answers) = (Vec::new(), Vec::new(), Vec::new());
        Self { about, until, entry, fact, answers, decided: None }
    }

    fn take(&mut self, place: LeafIndex, leaf: &Leaf, event: &Event) {
        let stream = event.stream.as_str();
        let record = leaf.record();
        let fact = self.about.fact.as_ref().map(|fact| fact.stream.as_str());
        let kept = if stream == self.about.entry.stream {
            &mut self.entry
        } else if Some(stream) == fact {
            &mut self.fact
        } else {
            if event.event_type.as_str() == ANSWERED
                && let Some(source) = source_of(event)
                && Some(source.stream.as_str()) == fact
                && self.answers.len() < EVENTS_MAX
            {
                self.answers.push((stream.to_owned(), source.version));
            }
            return;
        };
        if kept.len() < EVENTS_MAX {
            let decided = record.events().iter().find(|one| one.event_type.as_str() == DECIDED);
            let model = decided.and_then(|one| one.data.get("model")?.as_object()?.get("path"));
            let model = model.and_then(Json::as_str).map(str::to_owned);
            let (author, event) = (record.author().clone(), event.clone());
            kept.push(Past { place, author, event, model });
        }
    }
}

impl Observer for History<'_> {
    fn leaf(&mut self, place: LeafIndex, leaf: &Leaf) {
        if place > self.until {
            return;
        }
        if place == self.until {
            self.decided = Some(leaf.hash());
        }
        for event in leaf.record().events() {
            self.take(place, leaf, event);
        }
    }

    fn progress(&mut self, _: u64, _: u64) {}
}

impl Past {
    fn is(&self, name: &str) -> bool {
        self.event.event_type.as_str() == name
    }

    fn text(&self, member: &str) -> Option<&str> {
        self.event.data.get(member)?.as_str()
    }

    /// The case whose decision it rests on.
    fn decided_by(&self) -> Option<&str> {
        let basis = self.event.data.get("basis")?.as_object()?;
        let decides = basis.get("kind")?.as_str() == Some("decision");
        basis.get("stream")?.as_str().filter(|_| decides)
    }

    /// Whether it is the event that a reference names.
    fn is_named(&self, by: &SourceRef) -> bool {
        self.place == by.leaf && self.event.version.get() == by.version
    }
}

/// Checks what a case is about; gives the entry as it stood at the decision.
pub(super) fn check(
    case: &Case,
    collected: &Collector<'_>,
    regulation: &Regulation,
    history: &History<'_>,
) -> Result<Followed, Stop> {
    let submitted = &collected.events[0];
    let broken = |detail: String| Stop::Found(Finding::at(Rule::FollowUp, submitted.place, detail));
    let decided = &collected.events[case.decided_at];
    if history.decided != Some(decided.leaf.hash()) {
        let detail = "the leaf is another one now than when the log was checked";
        return Err(Finding::at(Rule::TileHash, decided.place, detail).into());
    }
    let about = history.about;
    let own = |past: &&Past| past.author.as_str() == regulation.agency;
    let entry: Vec<&Past> = history.entry.iter().filter(own).collect();
    let number = check_entry(about, &entry, regulation).map_err(broken)?;
    let before: Vec<&Past> =
        entry.iter().copied().filter(|past| past.place < submitted.place).collect();
    let named = before.iter().find(|past| past.is_named(&about.entry));
    if named.is_none_or(|past| past.is(EXCLUDED) || past.is(EXPIRED)) {
        let detail = "the event that it names is none of an entry in force before it".to_owned();
        return Err(broken(detail));
    }
    let name = format!("{}/{}", about.cause, about.entry.stream.trim_start_matches("registry/"));
    if !takes(submitted.leaf.record(), &name, &submitted.event().stream) {
        return Err(broken(format!("the record that begins the case does not take claim {name}")));
    }
    let is_renewal = about.cause == "renewal";
    let reason = match &about.fact {
        None if is_renewal => check_renewal(case, regulation, &before),
        Some(fact) if about.cause == "review" => {
            check_review((fact, collected), regulation, history, &before)
        }
        _ => Err("it is neither a renewal nor a review of a fact".to_owned()),
    };
    reason.map_err(broken)?;
    let until: Vec<&Past> = entry.into_iter().filter(|past| past.place < decided.place).collect();
    let refused_renewal = is_renewal && !case.decided.grounds.is_empty();
    if !refused_renewal && until.iter().any(|past| past.is(EXCLUDED) || past.is(EXPIRED)) {
        return Err(broken(
            "the entry was no longer in force when the case was decided".to_owned(),
        ));
    }
    let valid_until = last_day(&until).map_err(broken)?;
    Ok(Followed { entry: about.entry.stream.clone(), number, valid_until, is_renewal })
}

/// The entry must have been made by a decision on a case of this service; gives its number.
fn check_entry(about: &About, entry: &[&Past], regulation: &Regulation) -> Result<String, String> {
    let registry = &regulation.registry;
    let there = about.entry.stream.starts_with(&format!("registry/{registry}/"));
    let first = entry.first().filter(|past| past.is(CREATED) && there);
    let first = first.ok_or_else(|| {
        format!("{} is no entry that the agency made in {registry}", about.entry.stream)
    })?;
    if first.decided_by().is_none() || first.model.as_ref() != Some(&regulation.model_path) {
        return Err(format!("{} was not given by this service", about.entry.stream));
    }
    Ok(first.text("number").unwrap_or_default().to_owned())
}

/// A renewal is asked for in the last days of the entry.
fn check_renewal(case: &Case, regulation: &Regulation, before: &[&Past]) -> Result<(), String> {
    let days = regulation.renewal_days.ok_or("the regulation has no renewal")?;
    let until = last_day(before)?;
    let from = until.checked_sub(i64::from(days).days()).map_err(|error| error.to_string())?;
    let on = regulation.date(case.registered.registered_at)?;
    if (from..=until).contains(&on) {
        return Ok(());
    }
    Err(format!("registered on {on}, the entry can be renewed from {from} to {until}"))
}

/// A review begins with a later event of a fact than the decision behind the entry used, and does
/// not use an older one itself.
fn check_review(
    (fact, collected): (&SourceRef, &Collector<'_>),
    regulation: &Regulation,
    history: &History<'_>,
    before: &[&Past],
) -> Result<(), String> {
    let mut registries = regulation.reviewed.iter();
    if !registries.any(|code| fact.stream.starts_with(&format!("registry/{code}/"))) {
        return Err(format!("the regulation reviews nothing by {}", fact.stream));
    }
    let own = |past: &&Past| past.author.as_str() == regulation.agency;
    let submitted = collected.events[0].place;
    let named = history.fact.iter().filter(own).find(|past| past.is_named(fact));
    if named.is_none_or(|past| past.place >= submitted) {
        return Err(format!("{} has no such event before the review", fact.stream));
    }
    let behind = before.iter().rev().find_map(|past| past.decided_by());
    let used =
        |(case, version): &(String, u64)| Some(case.as_str()) == behind && *version >= fact.version;
    if history.answers.iter().any(used) {
        return Err("the decision behind the entry knew the fact as it is".to_owned());
    }
    let answers = collected.events.iter().map(|event| event.event());
    let mut sources = answers.filter_map(source_of);
    if sources.any(|source| source.stream == fact.stream && source.version < fact.version) {
        return Err("the review is answered by the fact as it was before".to_owned());
    }
    Ok(())
}

/// The last day that the newest of some events gives an entry.
fn last_day(events: &[&Past]) -> Result<Date, String> {
    let stated = events.iter().rev().find(|past| past.is(CREATED) || past.is(REVISED));
    let text = stated.and_then(|past| past.text("valid_until")).unwrap_or_default();
    text.parse().map_err(|_| format!("{text:?}, the last day of the entry, is no date"))
}

/// Where an answer was taken from.
fn source_of(event: &Event) -> Option<SourceRef> {
    let source = event.data.get("source")?.as_object()?;
    SourceRef::read(source, "stream").ok().filter(|_| event.event_type.as_str() == ANSWERED)
}

impl SourceRef {
    pub(super) fn read(data: &Object, stream: &'static str) -> Result<Self, FieldError> {
        let mut fields = Fields::of_object("source", data);
        Ok(Self {
            stream: fields.string(stream)?.to_owned(),
            version: fields.unsigned("version")?,
            leaf: LeafIndex::new(fields.unsigned("leaf")?),
        })
    }
}
