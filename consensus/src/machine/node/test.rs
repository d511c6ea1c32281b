//! What records do to nodes and agencies: a row for each rule, and what always holds.

use std::collections::BTreeSet;

use letopis_ledger::governance::GovernanceEvent;
use letopis_ledger::record::{Event, SignedRecord};
use letopis_ledger::{LeafIndex, TreeSize};
use proptest::prelude::*;

use super::*;
use crate::machine::test::{Log, Row, east, stranger, west};
use crate::machine::test_records::*;
use crate::machine::{Layer, StateView};

/// Length of stream `log` after [`grown`].
const LOG_LENGTH: u64 = 8;

/// An agency that was admitted by leaf 6 and removed by leaf 7.
pub(in crate::machine) fn gone() -> Author {
    Author::new("gone", 6)
}

/// Events on stream `log`, from a version on.
fn on_log(first: u64, events: &[GovernanceEvent]) -> Vec<Event> {
    (first..).zip(events).map(|(version, event)| governance(version, event)).collect()
}

fn removed(number: u64) -> GovernanceEvent {
    GovernanceEvent::NodeRemoved { node: node(number) }
}

fn demoted(number: u64) -> GovernanceEvent {
    GovernanceEvent::NodeDemoted { node: node(number) }
}

fn agency_removed(agency: &AgencyId) -> GovernanceEvent {
    GovernanceEvent::AgencyRemoved { agency: agency.clone() }
}

fn moved(number: u64, agency: &AgencyId, key: u64) -> GovernanceEvent {
    GovernanceEvent::NodeMoved {
        agency: agency.clone(),
        node: node(number),
        address: "elsewhere.example.org:4101".to_owned(),
        key: certificate(key),
    }
}

/// The log of [`Log::begun`] with four nodes: 1 votes for west, 2 learns for east, 3 left with its
/// agency at leaf 7, and 4 by itself at leaf 6.
pub(in crate::machine) fn grown() -> Log {
    let mut log = Log::begun();
    let (west, east, gone) = (west().agency, east().agency, gone());
    let nodes = [
        node_admitted(1, &west),
        node_admitted(2, &east),
        node_admitted(3, &gone.agency),
        node_admitted(4, &west),
        node_promoted(1),
        removed(4),
    ];
    let mut events = vec![
        governance(0, &admitted(&gone.agency)),
        governance(1, &introduced(&gone.agency, gone.key())),
    ];
    events.extend(on_log(1, &nodes));
    log.accept(&founder().record(6, events, vec![]));
    log.accept(&founder().record(7, on_log(7, &[agency_removed(&gone.agency)]), vec![]));
    log
}

fn by_founder(events: &[GovernanceEvent]) -> SignedRecord {
    founder().record(150, on_log(LOG_LENGTH, events), vec![])
}

/// West's next record on its own stream.
fn by_west(event: &GovernanceEvent) -> SignedRecord {
    west().record(151, vec![governance(4, event)], vec![])
}

/// The rules about nodes, in descending precedence.
pub(in crate::machine) fn node_rows() -> Vec<Row> {
    let (west, east) = (west().agency, east().agency);
    let founder = founder().agency;
    let same_key = GovernanceEvent::NodeAdmitted {
        node: node(5),
        agency: east.clone(),
        address: "node5.example.org:4100".to_owned(),
        key: certificate(1),
    };
    let mut seven_more: Vec<_> = (11..=17).map(|n| node_admitted(n, &east)).collect();
    seven_more.extend((11..=17).map(node_promoted));
    let recovered = GovernanceEvent::LogRecovered {
        agency: west.clone(),
        size: TreeSize::new(9),
        root: Hash::of(b"any"),
        lost: vec![node(2)],
    };
    let (leaf_6, leaf_8) = (LeafIndex::new(6), LeafIndex::new(8));
    vec![
        (by_founder(&[node_admitted(5, &stranger().agency)]), {
            Reject::AgencyNotInForce { agency: stranger().agency, removed: None }
        }),
        (by_founder(&[agency_removed(&founder)]), Reject::FounderStays { founder }),
        (by_founder(&[node_admitted(4, &east)]), {
            Reject::NodeIdUsed { node: node(4), agency: west.clone(), admitted: leaf_6 }
        }),
        (by_founder(&[node_promoted(4)]), {
            Reject::NodeNotInForce { node: node(4), removed: Some(leaf_6) }
        }),
        (by_west(&moved(2, &west, 9)), {
            Reject::ForeignNode { node: node(2), owner: east, agency: west }
        }),
        (by_founder(&[node_promoted(1)]), {
            Reject::NodeRole { node: node(1), role: NodeRole::Voter }
        }),
        (by_founder(&[same_key]), Reject::NodeKeyUsed { key: certificate(1), node: node(1) }),
        (by_founder(&seven_more), Reject::TooManyVoters { node: node(17), limit: 7 }),
        (by_founder(&[demoted(1)]), Reject::LastVoter { node: node(1) }),
        (by_west(&recovered), Reject::RecoveryBeyondLog { size: TreeSize::new(9), leaf: leaf_8 }),
    ]
}

#[test]
fn each_rule_holds_for_every_event_that_it_is_about() {
    let (west, gone) = (west().agency, gone().agency);
    let gone_for_ever =
        |agency| Reject::AgencyNotInForce { agency, removed: Some(LeafIndex::new(7)) };
    let unknown = |number, removed| Reject::NodeNotInForce { node: node(number), removed };
    let left = |number| unknown(number, Some(LeafIndex::new(number + 4).min(LeafIndex::new(7))));
    let recovered = GovernanceEvent::LogRecovered {
        agency: west.clone(),
        size: TreeSize::new(8),
        root: Hash::of(b"any"),
        lost: vec![node(2), node(9)],
    };
    let learner = Reject::NodeRole { node: node(2), role: NodeRole::Learner };
    let rows = [
        (by_founder(&[node_admitted(5, &gone)]), gone_for_ever(gone.clone())),
        (by_founder(&[agency_removed(&gone)]), gone_for_ever(gone.clone())),
        (by_founder(&[agency_removed(&stranger().agency)]), {
            Reject::AgencyNotInForce { agency: stranger().agency, removed: None }
        }),
        (by_founder(&[node_promoted(9)]), unknown(9, None)),
        (by_founder(&[demoted(3)]), left(3)),
        (by_founder(&[removed(3)]), left(3)),
        (by_west(&moved(9, &west, 9)), unknown(9, None)),
        (by_west(&moved(4, &west, 9)), unknown(4, Some(LeafIndex::new(6)))),
        (by_west(&recovered), unknown(9, None)),
        (by_founder(&[demoted(2)]), learner),
        (by_west(&moved(1, &west, 2)), {
            Reject::NodeKeyUsed { key: certificate(2), node: node(2) }
        }),
        (by_founder(&[removed(1)]), Reject::LastVoter { node: node(1) }),
        (by_founder(&[agency_removed(&west)]), Reject::LastVoter { node: node(1) }),
    ];
    let mut log = grown();
    for (number, (record, expected)) in rows.into_iter().enumerate() {
        assert_eq!(log.judge(&record), Err(expected), "row {number}");
    }
}

#[test]
fn nodes_come_move_vote_and_leave() {
    let mut log = grown();
    let west = west().agency;
    log.accept(&by_west(&moved(1, &west, 1)));
    let state = log.view.node(node(1)).unwrap().unwrap();
    let expected = NodeState {
        agency: west.clone(),
        address: "elsewhere.example.org:4101".to_owned(),
        key: certificate(1),
        role: NodeRole::Voter,
        admitted: LeafIndex::new(6),
        removed: None,
    };
    assert_eq!(state, expected);
    // The key of a node that left is free, and a voter may go when another has come.
    let newcomer = GovernanceEvent::NodeAdmitted {
        node: node(5),
        agency: east().agency,
        address: "node5.example.org:4100".to_owned(),
        key: certificate(4),
    };
    let events = [newcomer, node_promoted(5), demoted(1), removed(1), agency_removed(&west)];
    log.accept(&by_founder(&events));
    let numbers = |log: &Log| {
        let nodes = log.view.nodes().unwrap();
        nodes.into_iter().map(|(id, s)| (id.get(), s.role, s.removed)).collect::<Vec<_>>()
    };
    let leaf = |index| Some(LeafIndex::new(index));
    use NodeRole::{Learner, Voter};
    let expected =
        [(1, Learner, leaf(9)), (2, Learner, None), (3, Learner, leaf(7)), (4, Learner, leaf(6))];
    assert_eq!(numbers(&log), [&expected[..], &[(5, Voter, None)]].concat());
    // The same through a layer that has changed nothing.
    let layer = Layer::over(log.view.clone());
    assert_eq!(layer.nodes(), log.view.nodes());
    assert_eq!(layer.node(node(5)), log.view.node(node(5)));
}

#[test]
fn a_recovery_may_name_nodes_that_were_removed_since() {
    let mut log = grown();
    log.accept(&by_west(&GovernanceEvent::LogRecovered {
        agency: west().agency,
        size: TreeSize::new(8),
        root: Hash::of(b"any"),
        lost: vec![node(2), node(4)],
    }));
}

#[test]
fn a_genesis_record_may_bring_the_first_nodes() {
    let mut events = genesis_events(&founder());
    let agency = founder().agency;
    events.extend(on_log(1, &[node_admitted(1, &agency), node_promoted(1)]));
    let mut log = Log::empty();
    let removal = [events.clone(), on_log(3, &[agency_removed(&agency)])].concat();
    let removal = founder().record(0, removal, vec![]);
    assert_eq!(log.judge(&removal), Err(Reject::FounderStays { founder: agency.clone() }));
    log.accept(&founder().record(0, events, vec![]));
    let nodes = log.view.nodes().unwrap();
    assert_eq!(nodes.len(), 1);
    assert_eq!((nodes[0].0, nodes[0].1.role), (node(1), NodeRole::Voter));
}

#[test]
fn a_removed_agency_adds_nothing_and_is_never_admitted_again() {
    let mut log = Log::begun();
    let record = west().record(300, vec![event("case/west", 1)], vec![]);
    let first = log.accept(&record);
    log.accept(&founder().record(301, on_log(1, &[agency_removed(&west().agency)]), vec![]));
    assert_eq!(log.judge(&record).unwrap().leaf_index, first.leaf_index);
    let removed = LeafIndex::new(7);
    for events in [vec![event("case/west", 2)], vec![event("case/new", 0)]] {
        let refused = log.judge(&west().record(302, events, vec![]));
        assert_eq!(refused, Err(Reject::AgencyRemoved { agency: west().agency, removed }));
    }
    let again = founder().record(303, vec![governance(4, &admitted(&west().agency))], vec![]);
    assert!(matches!(log.judge(&again), Err(Reject::StreamOwnedByOther { .. })));
}

/// Any change of nodes out of a small world.
fn any_change() -> impl Strategy<Value = GovernanceEvent> {
    let place = (1_u64..12, 1_u64..12, any::<bool>());
    prop_oneof![
        4 => place.prop_map(|(number, key, of_west)| {
            let agency = if of_west { west().agency } else { east().agency };
            let GovernanceEvent::NodeAdmitted { node, address, .. } =
                node_admitted(number, &agency) else { unreachable!() };
            GovernanceEvent::NodeAdmitted { node, agency, address, key: certificate(key) }
        }),
        4 => (1_u64..12).prop_map(node_promoted),
        1 => (1_u64..12).prop_map(demoted),
        1 => (1_u64..12).prop_map(removed),
        1 => any::<bool>().prop_map(|of_west| {
            agency_removed(&if of_west { west().agency } else { east().agency })
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_log_that_had_a_voter_keeps_one_and_never_has_more_than_seven(
        changes in prop::collection::vec(any_change(), 1..60)
    ) {
        let mut log = Log::begun();
        let (mut length, mut had_voter) = (1, false);
        for (id, change) in (1_000..).zip(&changes) {
            let record = founder().record(id, on_log(length, std::slice::from_ref(change)), vec![]);
            length += u64::from(log.judge(&record).is_ok());
            let nodes = log.view.nodes().unwrap();
            prop_assert!(nodes.is_sorted_by(|(a, _), (b, _)| a < b));
            let in_force = || nodes.iter().filter(|(_, state)| state.removed.is_none());
            let voters = in_force().filter(|(_, s)| s.role == NodeRole::Voter).count();
            had_voter |= voters > 0;
            prop_assert!(voters <= VOTERS_MAX && (voters > 0 || !had_voter));
            let keys: BTreeSet<_> = in_force().map(|(_, state)| state.key).collect();
            prop_assert_eq!(keys.len(), in_force().count());
            for (_, state) in in_force() {
                let agency = log.view.agency(&state.agency).unwrap().unwrap();
                prop_assert_eq!(agency.removed, None);
            }
        }
    }
}
