//! A case that accepts an offer: the offer was for its service, by its regulation, and open.
//!
//! Not here: that an offer is made once and ends once (`audit`).

use jiff::ToSpan;
use jiff::civil::Date;
use letopis_ledger::id::StreamName;
use letopis_ledger::leaf::Leaf;
use letopis_ledger::{Hash, LeafIndex, Timestamp};
use serde::Deserialize;
use serde_json::json;

use super::case::Case;
use super::event::Pinned;
use super::rule::{PackFiles, Regulation};
use super::{Check, Stop};
use crate::audit::{MADE, OfferMade};
use crate::finding::{Finding, Rule};

/// The acceptance of an offer by a case.
pub(super) struct Acceptance {
    /// Where the offer was made.
    pub(super) made_at: LeafIndex,
    /// Hash of that leaf.
    pub(super) made_hash: Hash,
    /// Stream of the offer.
    pub(super) offer: StreamName,
    /// Where it was accepted.
    pub(super) place: LeafIndex,
}

/// The part of an offer in `regulation.yaml` that counts here.
#[derive(Debug, Deserialize)]
pub(super) struct OfferDocument {
    pub(super) code: String,
    trigger: TriggerDocument,
    open_for: DaysDocument,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TriggerDocument {
    EntryCreated { registry: String },
    EntryEnds {},
}

#[derive(Debug, Deserialize)]
struct DaysDocument {
    calendar_days: u32,
}

impl Acceptance {
    /// The event that made the offer, in its leaf; it must offer the service of the case.
    pub(super) fn made(&self, leaf: &Leaf, service: &str) -> Result<OfferMade, Stop> {
        let mut events = leaf.record().events().iter();
        let event = events
            .find(|event| event.stream == self.offer && event.event_type.as_str() == MADE)
            .ok_or_else(|| self.broken(format!("leaf {} makes no such offer", self.made_at)))?;
        let made = OfferMade::read(&event.data).map_err(|e| self.broken(e.to_string()))?;
        if made.service != service {
            let offered = &made.service;
            return Err(self.broken(format!("{offered} was offered, the case is of {service}")));
        }
        Ok(made)
    }

    /// Checks the offer by the regulation that made it. `times` are those of the leaf that made it
    /// and of the one that accepted it.
    pub(super) fn check(
        &self,
        case: &Case,
        made: &OfferMade,
        regulation: &Regulation,
        times: (Timestamp, Timestamp),
    ) -> Result<(), Stop> {
        let Some(rule) = regulation.offer(&made.offer) else {
            return Err(self.broken(format!("the regulation makes no offer {}", made.offer)));
        };
        let registry = match &rule.trigger {
            TriggerDocument::EntryCreated { registry } if made.ends.is_none() => registry,
            TriggerDocument::EntryEnds {} if made.ends.is_some() => &regulation.registry,
            _ => return Err(self.broken("another trigger than the regulation's".to_owned())),
        };
        if !made.about.as_str().starts_with(&format!("registry/{registry}/")) {
            return Err(self.broken(format!("{} is no entry of {registry}", made.about)));
        }
        let date = |at| regulation.date(at).map_err(|e| self.broken(e));
        let (made_on, taken_on) = (date(times.0)?, date(times.1)?);
        let registered_on = date(case.registered.registered_at)?;
        // The record may have been decided the day before the log took it.
        let fits = [made_on, made_on.saturating_sub(1.day())].into_iter().any(|day| {
            let last = day.saturating_add(i64::from(rule.open_for.calendar_days).days());
            made.ends.map_or(last, |ends| last.min(ends)) == made.open_until
        });
        if !fits {
            let (days, until) = (rule.open_for.calendar_days, made.open_until);
            return Err(self.broken(format!("made on {made_on} for {days} days, until {until}")));
        }
        self.check_in_time(made.open_until, registered_on, taken_on)
    }

    fn check_in_time(&self, until: Date, registered: Date, taken: Date) -> Result<(), Stop> {
        if registered <= until && taken <= until.saturating_add(1.day()) {
            return Ok(());
        }
        Err(self.broken(format!("open until {until}, accepted on {registered}, taken on {taken}")))
    }

    pub(super) fn broken(&self, detail: String) -> Stop {
        let detail = format!("{}: {detail}", self.offer);
        Finding::at(Rule::Offer, self.place, detail).into()
    }
}

impl Check<'_> {
    /// What the case accepts, if it accepts an offer, must have been offered by a regulation.
    pub(super) fn check_offer(&mut self, case: &Case) -> Result<(), Stop> {
        let Some(acceptance) = self.collected.acceptance.take() else { return Ok(()) };
        match self.acceptance_holds(case, &acceptance) {
            Ok(()) => {
                let offer = acceptance.offer.to_string();
                self.facts.insert("offer".to_owned(), json!(offer));
                self.say("decision.offered", [("offer", offer)]);
            }
            Err(Stop::Found(finding)) => self.findings.push(finding),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn acceptance_holds(&self, case: &Case, acceptance: &Acceptance) -> Result<(), Stop> {
        let submitted = &self.collected.events[0];
        if acceptance.place != submitted.place {
            return Err(acceptance.broken("accepted apart from the application".to_owned()));
        }
        let leaf = self.read_again(acceptance.made_at, acceptance.made_hash)?;
        let made = acceptance.made(&leaf, &case.submitted.service)?;
        let pinned =
            Pinned { code: made.pack.clone(), version: made.pack_version, leaf: made.pack_leaf };
        let (pack, publisher) = self.pack(&pinned, acceptance.made_at)?;
        let files = PackFiles { source: self.source, files: &pack.files };
        let regulation = Regulation::load(&files, &made.service)?;
        let authors = [&publisher, leaf.record().author(), submitted.leaf.record().author()];
        if authors.iter().any(|author| author.as_str() != regulation.agency) {
            let agency = &regulation.agency;
            return Err(acceptance.broken(format!("not every record is of {agency}, which offers")));
        }
        acceptance.check(case, &made, &regulation, (leaf.time(), submitted.leaf.time()))
    }
}
