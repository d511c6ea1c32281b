//! The order of the stages, looked at in the moment of each signature and publication: signed and
//! cosigned only what is agreed, published only what a quorum cosigned, and never less than before.

use std::collections::BTreeMap;

use letopis_ledger::note::Note;
use letopis_ledger::policy::Policy;

use super::{Invariant, Step};
use crate::simulation::world::{Did, HeadEvent};

/// "2. published ≤ cosigned ≤ signed ≤ tree head agreed ≤ applied ≤ committed."
pub(in crate::simulation) const NAME: &str =
    "published ≤ cosigned ≤ signed ≤ agreed ≤ applied ≤ committed";

#[derive(Default)]
pub(super) struct Stages {
    published: BTreeMap<u64, u64>,
}

impl Invariant for Stages {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&mut self, step: &mut Step<'_>) -> Result<(), String> {
        for event in step.heads {
            self.check_event(step, event)?;
        }
        Ok(())
    }
}

impl Stages {
    fn check_event(&mut self, step: &Step<'_>, event: &HeadEvent) -> Result<(), String> {
        let HeadEvent { node, did, head, positions, .. } = event;
        if let Some(positions) = positions {
            let before = if *did == Did::Cosigned { positions.signed } else { positions.agreed };
            let ordered = head.size <= before
                && head.size <= positions.agreed
                && positions.agreed <= positions.applied;
            if !ordered {
                return Err(format!("node {node} {did:?} {head} at {positions:?}"));
            }
        }
        let Some(note) = &event.note else { return Ok(()) };
        let size = head.size.get();
        let last = self.published.insert(*node, size).unwrap_or(0);
        if size < last {
            return Err(format!("node {node} published {size} leaves after {last}"));
        }
        let policy = step.history.policy(size).and_then(|text| Policy::parse(text).ok());
        let note = Note::parse(note).map_err(|error| format!("node {node}: {error}"))?;
        match policy.map(|policy| policy.check(&note)) {
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(format!("node {node} published {head}: {error}")),
            None => Err(format!("node {node} published {head}, which nobody has applied")),
        }
    }
}
