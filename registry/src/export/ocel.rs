//! OCEL 2.0 in its JSON form (ocel-standard.org): objects of five kinds and events among them.
//!
//! Not here: what an event tells of (`told`).

use std::collections::BTreeSet;
use std::io::Write;

use letopis_ledger::leaf::Leaf;
use serde_json::{Value, json};

use super::spool::Spool;
use super::told::{Kind, Object, Told, told};
use super::{ExportError, Exported};

/// Attributes of the standard without a time of their own have this one.
const ALWAYS: &str = "1970-01-01T00:00:00Z";
/// The key below which events wait.
const EVENTS: &str = "events";

/// An export that takes leaves and is then written.
#[derive(Debug)]
pub struct OcelExport {
    spool: Spool,
    event_types: BTreeSet<String>,
    events: i64,
}

impl OcelExport {
    /// Begins an export.
    ///
    /// # Errors
    /// No temporary file could be made.
    pub fn new() -> Result<Self, ExportError> {
        Ok(Self { spool: Spool::new()?, event_types: BTreeSet::new(), events: 0 })
    }

    /// Takes the next leaf.
    ///
    /// # Errors
    /// The temporary file failed.
    pub fn take(&mut self, leaf: &Leaf) -> Result<(), ExportError> {
        for event in told(leaf) {
            for object in &event.objects {
                self.spool.put_head(&object.id, &object_json(object).to_string())?;
            }
            self.spool.put_item(EVENTS, self.events, &event_json(&event).to_string())?;
            self.events += 1;
            self.event_types.insert(event.event_type);
        }
        Ok(())
    }

    /// Writes what was taken.
    ///
    /// # Errors
    /// The file could not be written, or the temporary one not be read.
    pub fn write(self, mut out: impl Write) -> Result<Exported, ExportError> {
        let object_types: Vec<Value> = Kind::ALL.into_iter().map(kind_json).collect();
        let event_types: Vec<Value> =
            self.event_types.iter().map(|name| event_type_json(name)).collect();
        let (object_types, event_types) = (json!(object_types), json!(event_types));
        write!(out, "{{\"objectTypes\":{object_types},\n\"eventTypes\":{event_types}")?;
        let mut separator = ",\n\"objects\":[\n";
        let objects = self.spool.heads(|_, text| {
            write!(out, "{separator}{text}")?;
            separator = ",\n";
            Ok(())
        })?;
        if objects == 0 {
            out.write_all(separator.as_bytes())?;
        }
        let mut separator = "\n],\n\"events\":[\n";
        let events = self.spool.items(EVENTS, |text| {
            write!(out, "{separator}{text}")?;
            separator = ",\n";
            Ok(())
        })?;
        if events == 0 {
            out.write_all(separator.as_bytes())?;
        }
        out.write_all(b"\n]}\n")?;
        out.flush()?;
        Ok(Exported { objects, events })
    }
}

fn kind_json(kind: Kind) -> Value {
    let text = |name: &&str| json!({"name": name, "type": "string"});
    let attributes: Vec<Value> = kind.attributes().iter().map(text).collect();
    json!({"name": kind.as_str(), "attributes": attributes})
}

fn event_type_json(name: &str) -> Value {
    json!({"name": name, "attributes": [
        {"name": "leaf", "type": "integer"},
        {"name": "agency", "type": "string"},
        {"name": "outcome", "type": "string"},
    ]})
}

fn object_json(object: &Object) -> Value {
    let attribute =
        |(name, value): &(&str, String)| json!({"name": name, "time": ALWAYS, "value": value});
    let attributes: Vec<Value> = object.attributes.iter().map(attribute).collect();
    let relation = |(id, role): &(String, &str)| json!({"objectId": id, "qualifier": role});
    let relations: Vec<Value> = object.belongs.iter().map(relation).collect();
    json!({
        "id": object.id, "type": object.kind.as_str(),
        "attributes": attributes, "relationships": relations,
    })
}

fn event_json(event: &Told) -> Value {
    let mut attributes = vec![
        json!({"name": "leaf", "value": event.place.0}),
        json!({"name": "agency", "value": event.agency}),
    ];
    attributes
        .extend(event.outcome.iter().map(|outcome| json!({"name": "outcome", "value": outcome})));
    let relation = |object: &Object| json!({"objectId": object.id, "qualifier": object.role});
    let relations: Vec<Value> = event.objects.iter().map(relation).collect();
    json!({
        "id": format!("{}/{}", event.place.0, event.place.1), "type": event.event_type,
        "time": event.at.to_string(), "attributes": attributes, "relationships": relations,
    })
}
