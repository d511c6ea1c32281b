//! Leaf bytes are never rewritten, and every node has the same: each leaf that a node applies is
//! compared with the first bytes ever seen, and all of them again after each start.

use crate::simulation::history::History;
use crate::simulation::world::World;
use crate::simulation::{ACKNOWLEDGED, APPLY, UNIQUE};

/// "4. Leaf bytes are canonical and never rewritten."
pub(in crate::simulation) const NAME: &str = "leaf bytes are never rewritten";

const READ_LEAVES: usize = 1_024;

pub(super) struct LeafBytes {
    /// For each machine: which start of its node, and how many leaves of it were compared.
    compared: Vec<(u64, u64)>,
}

impl LeafBytes {
    pub(super) fn new(machines: usize) -> Self {
        Self { compared: vec![(0, 0); machines] }
    }

    pub(super) fn follow(
        &mut self,
        world: &World,
        history: &mut History,
    ) -> Result<(), (&'static str, String)> {
        for (machine, node, ledger) in world.running() {
            let starts = world.machines[machine].state().starts;
            let (known_start, compared) = &mut self.compared[machine];
            if *known_start != starts {
                (*known_start, *compared) = (starts, 0);
            }
            while *compared < ledger.applied().get() {
                let from = letopis_ledger::LeafIndex::new(*compared);
                // A node that has just failed is looked at again when it is back.
                let Ok(leaves) = ledger.leaves(from, READ_LEAVES) else { break };
                for bytes in leaves {
                    compare(world, history, node, *compared, &bytes)?;
                    *compared += 1;
                }
            }
        }
        Ok(())
    }
}

fn compare(
    world: &World,
    history: &mut History,
    node: u64,
    index: u64,
    bytes: &[u8],
) -> Result<(), (&'static str, String)> {
    let Some(known) = history.leaves.get(usize::try_from(index).unwrap_or(usize::MAX)) else {
        let id = letopis_ledger::leaf::Leaf::parse(bytes).map(|leaf| leaf.record().id());
        let again = |id| history.leaves.iter().find(|leaf| leaf.record().id() == id);
        if let Ok(id) = id
            && let Some(first) = again(id)
        {
            let first = first.index();
            return Err((UNIQUE, format!("record {id} is in leaves {first} and {index}")));
        }
        return history.extend(bytes).map_err(|what| (APPLY, format!("node {node}: {what}")));
    };
    if known.as_bytes() == bytes {
        return Ok(());
    }
    if let Some(receipt) = world.oracle().acknowledged_at(index) {
        let what =
            format!("node {node} has another leaf {index} than was acknowledged: {receipt:?}");
        return Err((ACKNOWLEDGED, what));
    }
    Err((NAME, format!("node {node} has another leaf {index} than was seen before")))
}
