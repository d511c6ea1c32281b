//! Picks the leaves that concern one case out of a log as it goes by.

use letopis_ledger::id::StreamName;
use letopis_ledger::json::{Json, Object};
use letopis_ledger::leaf::Leaf;
use letopis_ledger::{LeafIndex, StreamVersion};

use crate::audit::Observer;

/// Everything in a log that one case rests on or brought about.
#[derive(Debug)]
pub(super) struct Collector<'a> {
    /// The case's id or number, as asked for.
    wanted: &'a str,
    /// The case's stream, once it was seen.
    pub(super) stream: Option<StreamName>,
    /// The case's events with the leaf and time of each.
    pub(super) events: Vec<CaseEvent>,
    /// Every version of a regulation pack published so far.
    pub(super) packs: Vec<PublishedPack>,
    /// Registry entries that name the case as their basis.
    pub(super) entries: Vec<CreatedEntry>,
    progress: &'a mut dyn Observer,
}

/// One event of the case.
#[derive(Debug)]
pub(super) struct CaseEvent {
    pub(super) leaf: Leaf,
    pub(super) version: StreamVersion,
    /// Position of the event in its record.
    pub(super) position: usize,
}

/// A pack as its record published it.
#[derive(Debug)]
pub(super) struct PublishedPack {
    pub(super) leaf: LeafIndex,
    pub(super) data: Object,
}

/// A registry entry that a decision created.
#[derive(Debug)]
pub(super) struct CreatedEntry {
    pub(super) leaf: LeafIndex,
    pub(super) stream: StreamName,
    pub(super) basis: String,
    pub(super) data: Object,
}

impl<'a> Collector<'a> {
    pub(super) fn new(wanted: &'a str, progress: &'a mut dyn Observer) -> Self {
        Self { wanted, stream: None, events: vec![], packs: vec![], entries: vec![], progress }
    }

    /// The entries that name this case.
    pub(super) fn own_entries(&self) -> Vec<&CreatedEntry> {
        let Some(stream) = &self.stream else { return Vec::new() };
        self.entries.iter().filter(|entry| entry.basis == stream.as_str()).collect()
    }

    fn is_wanted(&self, stream: &StreamName, data: &Object) -> bool {
        let by_id = stream.as_str().strip_prefix("application/") == Some(self.wanted);
        let by_number = data.get("number").and_then(Json::as_str) == Some(self.wanted)
            && stream.kind() == "application";
        by_id || by_number
    }
}

impl CaseEvent {
    pub(super) fn event(&self) -> &letopis_ledger::record::Event {
        &self.leaf.record().events()[self.position]
    }
}

impl Observer for Collector<'_> {
    fn leaf(&mut self, leaf: &Leaf) {
        let events = leaf.record().events();
        if self.stream.is_none() {
            // Number and first event stand in one record, so nothing before it is missed.
            let found = events.iter().find(|event| self.is_wanted(&event.stream, &event.data));
            self.stream = found.map(|event| event.stream.clone());
        }
        for (position, event) in events.iter().enumerate() {
            if Some(&event.stream) == self.stream.as_ref() {
                let version = event.version;
                self.events.push(CaseEvent { leaf: leaf.clone(), version, position });
            }
            match event.event_type.as_str() {
                "pack.published" => {
                    let (leaf, data) = (leaf.index(), event.data.clone());
                    self.packs.push(PublishedPack { leaf, data });
                }
                "registry.entry_created" => {
                    let basis = event.data.get("basis").and_then(Json::as_object);
                    let stream = basis.and_then(|basis| basis.get("stream")?.as_str());
                    let known = self.stream.as_ref().map(StreamName::as_str);
                    if let Some(basis) = stream.filter(|basis| Some(*basis) == known) {
                        self.entries.push(CreatedEntry {
                            leaf: leaf.index(),
                            stream: event.stream.clone(),
                            basis: basis.to_owned(),
                            data: event.data.clone(),
                        });
                    }
                }
                _ => {}
            }
        }
        self.progress.leaf(leaf);
    }

    fn progress(&mut self, done: u64, of: u64) {
        self.progress.progress(done, of);
    }
}
