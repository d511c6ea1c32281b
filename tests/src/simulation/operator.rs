//! The operators: they admit, promote, demote and remove nodes by records, as the log stands.

use letopis_consensus::{LedgerHandle, NodeRole, NodeState};
use letopis_ledger::governance::GovernanceEvent;
use letopis_ledger::id::{NodeId, RecordId};
use letopis_ledger::record::SignedRecord;

use super::record::{admitted, governance, log_stream, node, policy_of, signed};
use super::world::World;

/// Fewest voters that are left.
const VOTERS_MIN: usize = 3;

/// A record that changes the membership, or `None` when nothing is to be changed.
pub(super) fn next_record(world: &World, ledger: &LedgerHandle) -> Option<SignedRecord> {
    let nodes = ledger.nodes().ok()?;
    let version = ledger.stream(&log_stream()).ok()??.length.get();
    let present: Vec<&(NodeId, NodeState)> =
        nodes.iter().filter(|(_, state)| state.removed.is_none()).collect();
    let votes = |role: NodeRole| role == NodeRole::Voter;
    let mut voters: Vec<u64> =
        present.iter().filter(|(_, s)| votes(s.role)).map(|(n, _)| n.get()).collect();
    let learners: Vec<u64> =
        present.iter().filter(|(_, s)| !votes(s.role)).map(|(n, _)| n.get()).collect();
    let newcomer = world.machines.iter().find(|machine| {
        let number = machine.state().number;
        nodes.iter().all(|(known, _)| known.get() != number)
    });
    let change = if let Some(machine) = newcomer {
        admitted(machine.state().number, &machine.address())
    } else if let Some(learner) = world.random.pick(&learners)
        && present.len() > VOTERS_MIN + 1
        && world.random.chance(0.4)
    {
        GovernanceEvent::NodeRemoved { node: node(*learner) }
    } else if let Some(learner) = world.random.pick(&learners)
        && world.random.chance(0.6)
    {
        voters.push(*learner);
        GovernanceEvent::NodePromoted { node: node(*learner) }
    } else if let Some(voter) = world.random.pick(&voters).copied()
        && voters.len() > VOTERS_MIN
    {
        voters.retain(|other| *other != voter);
        if world.random.chance(0.5) {
            GovernanceEvent::NodeDemoted { node: node(voter) }
        } else {
            GovernanceEvent::NodeRemoved { node: node(voter) }
        }
    } else {
        return None;
    };
    voters.sort_unstable();
    let policy = GovernanceEvent::PolicySet { policy: policy_of(&voters) };
    let events = vec![governance(version, &change), governance(version + 1, &policy)];
    let ms = u64::try_from(world.now().as_millis()).unwrap_or(0);
    let id = RecordId::from_parts(1_750_000_000_000 + ms, &world.random.bytes());
    world.note(|| format!("an operator asks for {change:?}"));
    Some(signed(id, events, vec![]))
}
