//! One size, one root, on every node, for ever: every head that any key signed or any node
//! published is that of the log.

use letopis_ledger::hash::Hash;

use super::{Invariant, Step};
use crate::simulation::world::HeadEvent;

/// "3. One size, one root, for ever, on every node."
pub(in crate::simulation) const NAME: &str = "one size, one root, for ever, on every node";

#[derive(Default)]
pub(super) struct OneRoot {
    /// Heads of more leaves than were seen when they were signed.
    ahead: Vec<HeadEvent>,
}

impl Invariant for OneRoot {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&mut self, step: &mut Step<'_>) -> Result<(), String> {
        let ahead = std::mem::take(&mut self.ahead);
        for event in ahead.into_iter().chain(step.heads.iter().cloned()) {
            let size = event.head.size.get();
            match step.history.root(size) {
                Some(root) if root == event.head.root => {}
                Some(root) => return Err(contradiction(&event, root)),
                None => self.ahead.push(event),
            }
        }
        Ok(())
    }
}

fn contradiction(event: &HeadEvent, root: Hash) -> String {
    let HeadEvent { node, did, head, .. } = event;
    format!("node {node} {did:?} {head}, the log has root {root} at that size")
}
