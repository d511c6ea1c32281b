//! Samples of the events by which an entry goes out because a fact has changed.

use super::*;

pub(super) fn samples() -> Vec<(StreamName, DomainEvent)> {
    let rule = step("owner-changed");
    let basis = Basis::Fact { rule: rule.clone(), source: source() };
    let withdrawn = ResultWithdrawn { registry_entry: entry().stream(), rule };
    vec![
        (entry().stream(), DomainEvent::Entry(EntryEvent::Excluded(EntryRemoved { basis }))),
        (case().stream(), DomainEvent::Case(CaseEvent::ResultWithdrawn(withdrawn))),
    ]
}
