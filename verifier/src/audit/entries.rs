//! Registry entries over the whole log: one that rests on a decision has it in its own record, and
//! who writes a registry is who its pack says.
//!
//! What the registries of each agency are is read from `pack.published`; in a log whose packs do
//! not say it yet, documents and decisions are taken alike. Not here: what stands in an entry,
//! which the check of a decision compares (`decision`).

use std::collections::BTreeMap;

use letopis_ledger::LeafIndex;
use letopis_ledger::id::AgencyId;
use letopis_ledger::json::{Json, Object};
use letopis_ledger::leaf::Leaf;
use letopis_ledger::record::{Event, Record};

use crate::finding::{Finding, Rule};

const CREATED: &str = "registry.entry_created";
const AMENDED: &str = "registry.entry_amended";
const REVISED: &str = "registry.entry_revised";
const EXCLUDED: &str = "registry.entry_excluded";

/// Who writes each registry: `automatic` or `manual`, by agency and registry.
#[derive(Debug, Default)]
pub(super) struct Entries {
    writers: BTreeMap<AgencyId, BTreeMap<String, String>>,
}

impl Entries {
    /// Takes the events of a leaf that are about registries.
    pub(super) fn take(&mut self, place: LeafIndex, leaf: &Leaf, report: &mut dyn FnMut(Finding)) {
        let record = leaf.record();
        for event in record.events() {
            match event.stream.kind() {
                "pack" => self.learn(record.author(), &event.data),
                "registry" => {
                    if let Err(detail) = self.check(record, event) {
                        let detail = format!("{}: {detail}", event.stream);
                        report(Finding::at(Rule::EntryBasis, place, detail));
                    }
                }
                _ => {}
            }
        }
    }

    fn learn(&mut self, author: &AgencyId, published: &Object) {
        let Some(registries) = published.get("registries").and_then(Json::as_object) else {
            return;
        };
        let writers = self.writers.entry(author.clone()).or_default();
        for (code, writer) in registries.iter() {
            let writer = writer.as_str().unwrap_or_default();
            writers.insert(code.to_owned(), writer.to_owned());
        }
    }

    fn check(&self, record: &Record, event: &Event) -> Result<(), String> {
        let outcome = match event.event_type.as_str() {
            CREATED | AMENDED | REVISED => "granted",
            EXCLUDED => "refused",
            _ => return Ok(()),
        };
        let basis = event.data.get("basis").and_then(Json::as_object);
        let basis = basis.ok_or_else(|| format!("{} without a basis", event.event_type))?;
        let registry = event.stream.as_str().split('/').nth(1).unwrap_or_default();
        let writers = self.writers.get(record.author());
        let writer = writers.and_then(|writers| writers.get(registry)).map(String::as_str);
        let kind = basis.get("kind").and_then(Json::as_str).unwrap_or_default();
        match (kind, writer) {
            ("decision", Some("manual")) => {
                Err(format!("{} by a decision in a manual registry", event.event_type))
            }
            ("decision", _) if !decides(record, basis, outcome) => {
                Err(format!("{} without its decision in the record", event.event_type))
            }
            ("document", Some("automatic")) => {
                Err(format!("{} by a document in an automatic registry", event.event_type))
            }
            ("fact", _) if event.event_type.as_str() != EXCLUDED => {
                Err(format!("{} by a fact, which only takes entries out", event.event_type))
            }
            ("decision" | "document" | "fact", _) => Ok(()),
            _ => Err(format!("{} with an unknown basis", event.event_type)),
        }
    }
}

/// Whether the record has the decision that a basis names, with this outcome.
fn decides(record: &Record, basis: &Object, outcome: &str) -> bool {
    let (stream, version) = (basis.get("stream"), basis.get("version"));
    let version =
        version.and_then(Json::as_integer).and_then(|version| u64::try_from(version).ok());
    record.events().iter().any(|event| {
        event.event_type.as_str() == "application.decided"
            && stream.and_then(Json::as_str) == Some(event.stream.as_str())
            && version == Some(event.version.get())
            && event.data.get("outcome").and_then(Json::as_str) == Some(outcome)
    })
}
