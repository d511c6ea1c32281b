//! What people ask about: consultations by service and topic, how long they take, and how many of
//! them end with an application.
//!
//! A topic at the top of this list is a question that a page or a form does not answer. Not here:
//! counts by month and hour (`month`, `load`).

use std::cmp::Reverse;
use std::collections::BTreeMap;

use letopis_ledger::Timestamp;
use letopis_ledger::id::AgencyId;

use super::calendar::{CalendarBook, working_ms};
use super::duration::Percentiles;
use super::rank::per_mille;
use crate::code::{ServiceCode, TopicCode};
use crate::event::ConsultationOutcome;

/// What was asked at which agency.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Topic {
    /// The agency whose official advised.
    pub agency: AgencyId,
    /// The service that it was about.
    pub service: ServiceCode,
    /// A code of the agency's list.
    pub topic: TopicCode,
}

/// One consultation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// What it was about.
    pub topic: Topic,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// When it was put on record, at its end.
    pub ended_at: Timestamp,
    /// What it led to.
    pub outcome: ConsultationOutcome,
}

/// The consultations on one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicFigures {
    /// What was asked.
    pub topic: Topic,
    /// How often.
    pub consultations: u64,
    /// Questions that were answered.
    pub answered: u64,
    /// People who were sent on to somebody else.
    pub sent_on: u64,
    /// People who applied for the service at once.
    pub applied: u64,
    /// The last of all, in thousandths.
    pub applied_per_mille: Option<u32>,
    /// How long consultations took on the clock.
    pub elapsed: Percentiles,
    /// How much of that was working time.
    pub working: Percentiles,
}

/// Figures by topic, the most frequent first; equals in the order of agency, service and topic.
#[must_use]
pub fn topics(advice: &[Advice], book: &CalendarBook) -> Vec<TopicFigures> {
    let mut groups: BTreeMap<&Topic, Vec<&Advice>> = BTreeMap::new();
    for one in advice {
        groups.entry(&one.topic).or_default().push(one);
    }
    let mut figures: Vec<TopicFigures> =
        groups.into_iter().map(|(topic, group)| figures_of(topic, &group, book)).collect();
    figures.sort_by_key(|figures| Reverse(figures.consultations));
    figures
}

fn figures_of(topic: &Topic, group: &[&Advice], book: &CalendarBook) -> TopicFigures {
    let led_to = |outcome| group.iter().filter(|advice| advice.outcome == outcome).count() as u64;
    let elapsed = group.iter().map(|advice| i64::try_from(advice.duration_ms).unwrap_or(i64::MAX));
    let calendar = book.of(&topic.service);
    let working =
        group.iter().map(|advice| working_ms(calendar, advice.began_at(), advice.ended_at));
    let (consultations, applied) = (group.len() as u64, led_to(ConsultationOutcome::Applied));
    let of_some = "invariant: a group has a consultation";
    TopicFigures {
        topic: topic.clone(),
        consultations,
        answered: led_to(ConsultationOutcome::Answered),
        sent_on: led_to(ConsultationOutcome::SentOn),
        applied,
        applied_per_mille: per_mille(applied, consultations),
        elapsed: Percentiles::of(elapsed.collect()).expect(of_some),
        working: Percentiles::of(working.collect()).expect(of_some),
    }
}

impl Advice {
    /// When it began, not before the years of a ledger.
    fn began_at(&self) -> Timestamp {
        let duration_ms = i64::try_from(self.duration_ms).unwrap_or(i64::MAX);
        let began_ms = self.ended_at.unix_ms().saturating_sub(duration_ms);
        Timestamp::from_unix_ms(began_ms.max(0)).unwrap_or(Timestamp::EPOCH)
    }
}
