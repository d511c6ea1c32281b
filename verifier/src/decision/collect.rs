//! Picks out of a log, as it goes by, what concerns one case.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use letopis_ledger::id::{AgencyId, StreamName};
use letopis_ledger::json::{Json, Object};
use letopis_ledger::leaf::Leaf;
use letopis_ledger::record::Event;
use letopis_ledger::{Hash, LeafIndex, Timestamp};

use super::offer::Acceptance;
use super::payments::{self, Due};
use super::{case, follow_up, joint};
use crate::audit::{ACCEPTED, MADE, Observer};

/// Most events of a case that are kept. No service comes near; a hostile log must not fill memory.
const CASE_EVENTS_MAX: usize = 1000;

/// Everything in a log that one case rests on or brought about.
pub(super) struct Collector<'a> {
    /// The case's id or number, as asked for.
    wanted: &'a str,
    /// The case's stream, once it was seen.
    pub(super) stream: Option<StreamName>,
    /// Another case that was registered under the number asked for.
    pub(super) other_stream: Option<StreamName>,
    /// The case's events with the leaf of each.
    pub(super) events: Vec<CaseEvent>,
    /// How many events more the case has than are kept.
    pub(super) more_events: u64,
    /// The leaf hashes of the leaves that published a regulation pack. The content is read again
    /// when it is known which one counts, and compared with these.
    pub(super) packs: BTreeMap<LeafIndex, Hash>,
    /// Officials of every agency, as the leaves tell of them.
    pub(super) staff: BTreeMap<AgencyId, crate::staff::Staff>,
    /// Where each offer that is open was made, with the hash of that leaf.
    offers: BTreeMap<StreamName, (LeafIndex, Hash)>,
    /// The offer that the case accepts.
    pub(super) acceptance: Option<Acceptance>,
    /// Months that became due by the case.
    pub(super) due: Vec<Due>,
    /// What became of the entries of the case later, with the time of each leaf.
    pub(super) changes: Vec<(Timestamp, Event)>,
    /// Events of registry entries that name the case as their basis.
    pub(super) entries: Vec<EntryEvent>,
    /// Streams of the cases that this one waits for.
    awaited: Vec<String>,
    /// Their events that close a request or the case, with the leaf of each.
    pub(super) others: Vec<(LeafIndex, Event)>,
}

/// A leaf that is copied once, however many cases keep it.
pub(super) struct Kept<'l> {
    leaf: &'l Leaf,
    copy: OnceCell<Arc<Leaf>>,
}

impl<'l> Kept<'l> {
    pub(super) fn new(leaf: &'l Leaf) -> Self {
        Self { leaf, copy: OnceCell::new() }
    }

    fn copy(&self) -> Arc<Leaf> {
        Arc::clone(self.copy.get_or_init(|| Arc::new(self.leaf.clone())))
    }
}

/// A collector that watches a log go by, for whoever is told how far it is.
pub(super) struct Watching<'a, 'o> {
    pub(super) collected: Collector<'a>,
    pub(super) progress: &'o mut dyn Observer,
}

/// One event of the case.
pub(super) struct CaseEvent {
    /// Where its leaf stands.
    pub(super) place: LeafIndex,
    pub(super) leaf: Arc<Leaf>,
    /// Position of the event in its record.
    position: usize,
}

/// What a decision did to a registry entry.
pub(super) struct EntryEvent {
    pub(super) place: LeafIndex,
    pub(super) stream: StreamName,
    pub(super) event_type: String,
    pub(super) data: Object,
}

impl<'a> Collector<'a> {
    pub(super) fn new(wanted: &'a str) -> Self {
        Self {
            wanted,
            stream: None,
            other_stream: None,
            events: Vec::new(),
            more_events: 0,
            packs: BTreeMap::new(),
            staff: BTreeMap::new(),
            entries: Vec::new(),
            offers: BTreeMap::new(),
            acceptance: None,
            due: Vec::new(),
            changes: Vec::new(),
            awaited: Vec::new(),
            others: Vec::new(),
        }
    }

    /// Whether the event belongs to the case. The first one of a case and the one that gives it
    /// its number stand in one record, so nothing of it is missed before it is recognised.
    fn is_wanted(&self, event: &Event) -> bool {
        let Some(id) = event.stream.as_str().strip_prefix("application/") else { return false };
        let number = || event.data.get("number").and_then(Json::as_str);
        id == self.wanted
            || (event.event_type.as_str() == "application.registered"
                && number() == Some(self.wanted))
    }

    /// Whether the case sent a request in this leaf or before.
    pub(super) fn sent_before(&self, request: &str, place: LeafIndex) -> bool {
        self.events.iter().take_while(|event| event.place <= place).any(|event| {
            let event = event.event();
            event.event_type.as_str() == "request.sent"
                && event.data.get("request").and_then(Json::as_str) == Some(request)
        })
    }

    /// Takes an event of an offer; the one that the case accepts is kept.
    fn take_offer(&mut self, place: LeafIndex, leaf: &Leaf, event: &Event) {
        let offer = &event.stream;
        match event.event_type.as_str() {
            MADE => drop(self.offers.insert(offer.clone(), (place, leaf.hash()))),
            "offer.declined" | "offer.expired" => drop(self.offers.remove(offer)),
            ACCEPTED => {
                let made = self.offers.remove(offer);
                let case = event.data.get("case").and_then(Json::as_str);
                if case.is_some() && case == self.stream.as_ref().map(StreamName::as_str) {
                    let acceptance = made.map(|(made_at, made_hash)| Acceptance {
                        made_at,
                        made_hash,
                        offer: offer.clone(),
                        place,
                    });
                    // One that was not open is found by the check of the log.
                    self.acceptance = self.acceptance.take().or(acceptance);
                }
            }
            _ => {}
        }
    }

    /// Takes a month that the case makes due; a hostile log must not fill memory.
    fn take_due(&mut self, place: LeafIndex, leaf: &Leaf, event: &Event) {
        let case = event.data.get("case").and_then(Json::as_str);
        let is_own = case.is_some() && case == self.stream.as_ref().map(StreamName::as_str);
        if is_own && self.due.len() < CASE_EVENTS_MAX {
            let author = leaf.record().author().clone();
            self.due.push(Due { place, author, event: event.clone() });
        }
    }

    /// Takes what a leaf has of the case.
    pub(super) fn take(&mut self, place: LeafIndex, kept: &Kept<'_>) {
        let leaf = kept.leaf;
        let events = leaf.record().events();
        if self.stream.is_none() {
            let found = events.iter().find(|event| self.is_wanted(event));
            self.stream = found.map(|event| event.stream.clone());
        }
        let mut others = events.iter().filter(|event| Some(&event.stream) != self.stream.as_ref());
        if let Some(other) = others.find(|event| self.is_wanted(event)) {
            self.other_stream = Some(other.stream.clone());
        }
        for (position, event) in events.iter().enumerate() {
            if Some(&event.stream) == self.stream.as_ref() {
                if event.event_type.as_str() == case::JOINED && self.awaited.is_empty() {
                    self.awaited = joint::awaited(&event.data);
                }
                if self.events.len() < CASE_EVENTS_MAX {
                    self.events.push(CaseEvent { place, leaf: kept.copy(), position });
                } else {
                    self.more_events += 1;
                }
            }
            if joint::counts(&event.stream, &self.awaited, event)
                && self.others.len() < CASE_EVENTS_MAX
            {
                self.others.push((place, event.clone()));
            }
            if self.entries.iter().any(|entry| entry.stream == event.stream)
                && self.changes.len() < CASE_EVENTS_MAX
            {
                self.changes.push((leaf.time(), event.clone()));
            }
            match event.event_type.as_str() {
                payments::DUE => self.take_due(place, leaf, event),
                "pack.published" => {
                    self.packs.insert(place, leaf.hash());
                }
                _ if event.stream.kind() == "offer" => self.take_offer(place, leaf, event),
                follow_up::CREATED | follow_up::REVISED | follow_up::EXCLUDED => {
                    self.take_entry(place, event);
                }
                "staff.appointed" | "staff.dismissed" => {
                    let author = leaf.record().author();
                    self.staff.entry(author.clone()).or_default().take(place, event);
                }
                _ => {}
            }
        }
    }

    /// Streams of the cases that this one waits for.
    pub(super) fn awaited(&self) -> &[String] {
        &self.awaited
    }

    /// The last day of an entry, as it was made.
    pub(super) fn last_day_of(&self, entry: Option<&str>) -> Option<String> {
        let found = self.entries.iter().find(|made| Some(made.stream.as_str()) == entry)?;
        Some(found.data.get("valid_until")?.as_str()?.to_owned())
    }

    /// Takes an event of an entry that names the case as its basis; they are few.
    fn take_entry(&mut self, place: LeafIndex, event: &Event) {
        let basis = event.data.get("basis").and_then(Json::as_object);
        let stream = basis.and_then(|basis| basis.get("stream")?.as_str());
        let known = self.stream.as_ref().map(StreamName::as_str);
        if stream.is_none() || stream != known || self.entries.len() == CASE_EVENTS_MAX {
            return;
        }
        let (stream, data) = (event.stream.clone(), event.data.clone());
        let event_type = event.event_type.to_string();
        self.entries.push(EntryEvent { place, stream, event_type, data });
    }
}

impl CaseEvent {
    pub(super) fn event(&self) -> &Event {
        &self.leaf.record().events()[self.position]
    }
}

impl Observer for Watching<'_, '_> {
    fn leaf(&mut self, place: LeafIndex, leaf: &Leaf) {
        self.collected.take(place, &Kept::new(leaf));
        self.progress.leaf(place, leaf);
    }

    fn progress(&mut self, done: u64, of: u64) {
        self.progress.progress(done, of);
    }
}
