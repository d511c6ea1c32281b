//! Cases over the whole log: each is submitted once, ends once, and is granted or refused only by
//! a decision in the same record.
//!
//! Only cases that are open are held in memory. Not here: whether a decision is right, and what
//! else must stand in a case, which the check of a decision says (`decision`).

use std::collections::BTreeSet;

use letopis_ledger::LeafIndex;
use letopis_ledger::id::StreamName;
use letopis_ledger::json::Json;
use letopis_ledger::leaf::Leaf;
use letopis_ledger::record::{Event, Record};

use crate::finding::{Finding, Rule};

const SUBMITTED: &str = "application.submitted";
const DECIDED: &str = "application.decided";
const GRANTED: &str = "application.result_issued";
const REFUSED: &str = "application.refusal_issued";
const NOT_TAKEN: &str = "application.intake_refused";
const CANCELLED: &str = "application.cancelled";

/// What may stand in a case that has ended.
const AFTER_THE_END: [&str; 5] = [
    "document.issued",
    "result.withdrawn",
    "notice.queued",
    "notice.settled",
    "request.answer_set_aside",
];

/// The cases that are open after the leaves seen so far.
#[derive(Debug, Default)]
pub(super) struct Cases {
    open: BTreeSet<StreamName>,
}

impl Cases {
    /// Takes the events of a leaf that are about cases.
    pub(super) fn take(&mut self, place: LeafIndex, leaf: &Leaf, report: &mut dyn FnMut(Finding)) {
        let record = leaf.record();
        for event in record.events().iter().filter(|event| event.stream.kind() == "application") {
            if let Err(detail) = self.take_event(record, event) {
                report(Finding::at(Rule::CaseOrder, place, format!("{}: {detail}", event.stream)));
            }
        }
    }

    fn take_event(&mut self, record: &Record, event: &Event) -> Result<(), String> {
        let kind = event.event_type.as_str();
        if kind == SUBMITTED {
            return match event.version.get() == 0 && self.open.insert(event.stream.clone()) {
                true => Ok(()),
                false => Err(format!("submitted as event {}", event.version)),
            };
        }
        if AFTER_THE_END.contains(&kind) {
            return Ok(());
        }
        let open = match kind {
            GRANTED | REFUSED | NOT_TAKEN | CANCELLED => self.open.remove(&event.stream),
            _ => self.open.contains(&event.stream),
        };
        if !open {
            return Err(format!("{kind} where no case is open"));
        }
        match kind {
            GRANTED => by_decision(record, event, "granted"),
            REFUSED => by_decision(record, event, "refused"),
            DECIDED => ended_by(record, event),
            _ => Ok(()),
        }
    }
}

/// The event directly before, in the same record, decides the case so.
fn by_decision(record: &Record, event: &Event, outcome: &str) -> Result<(), String> {
    let decides = |other: &Event| {
        other.stream == event.stream
            && other.version.next() == event.version
            && other.event_type.as_str() == DECIDED
            && other.data.get("outcome").and_then(Json::as_str) == Some(outcome)
    };
    match record.events().iter().any(decides) {
        true => Ok(()),
        false => Err(format!("{} without a decision in its record", event.event_type)),
    }
}

/// The event directly after a decision, in the same record, ends the case.
fn ended_by(record: &Record, event: &Event) -> Result<(), String> {
    let ends = |other: &Event| {
        other.stream == event.stream
            && other.version == event.version.next()
            && [GRANTED, REFUSED].contains(&other.event_type.as_str())
    };
    match record.events().iter().any(ends) {
        true => Ok(()),
        false => Err("decided without a result or refusal in its record".to_owned()),
    }
}
