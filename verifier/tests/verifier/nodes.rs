//! Nodes and agencies that come and go, and recoveries: what is sound, and each rule broken.

use letopis_ledger::governance::GovernanceEvent;
use letopis_ledger::hash::empty_root;
use letopis_ledger::id::{AgencyId, NodeId};
use letopis_ledger::json::Object;
use letopis_ledger::record::Event;
use letopis_ledger::{Hash, TreeSize};
use letopis_verifier::finding::Rule;

use super::rules::Broken;
use super::written::{FOUNDER, Found, Written, ZARECHNY, audit_of};

fn agency(name: &str) -> AgencyId {
    AgencyId::parse(name).unwrap()
}

fn node(number: u64) -> NodeId {
    NodeId::new(number).unwrap()
}

pub(crate) fn admitted(number: u64, owner: &str) -> GovernanceEvent {
    with_key(number, owner, number)
}

fn with_key(number: u64, owner: &str, key: u64) -> GovernanceEvent {
    GovernanceEvent::NodeAdmitted {
        node: node(number),
        agency: agency(owner),
        address: format!("node{number}.example:4100"),
        key: Hash::of(&key.to_be_bytes()),
    }
}

pub(crate) fn promoted(number: u64) -> GovernanceEvent {
    GovernanceEvent::NodePromoted { node: node(number) }
}

fn demoted(number: u64) -> GovernanceEvent {
    GovernanceEvent::NodeDemoted { node: node(number) }
}

fn removed(number: u64) -> GovernanceEvent {
    GovernanceEvent::NodeRemoved { node: node(number) }
}

fn moved(number: u64, owner: &str, key: u64) -> GovernanceEvent {
    GovernanceEvent::NodeMoved {
        agency: agency(owner),
        node: node(number),
        address: "elsewhere.example:4101".to_owned(),
        key: Hash::of(&key.to_be_bytes()),
    }
}

pub(crate) fn agency_removed(name: &str) -> GovernanceEvent {
    GovernanceEvent::AgencyRemoved { agency: agency(name) }
}

/// A recovery that the agency states, from so many leaves of this log.
pub(crate) fn recovered(written: &Written, by: &str, size: usize) -> GovernanceEvent {
    let tree = written.leaves[..size].iter().map(|leaf| letopis_ledger::hash::leaf_hash(leaf));
    let tree: letopis_ledger::tree::MemoryTree = tree.collect();
    GovernanceEvent::LogRecovered {
        agency: agency(by),
        size: TreeSize::new(size as u64),
        root: tree.root(),
        lost: vec![node(2)],
    }
}

pub(crate) fn push(written: &mut Written, author: &str, events: &[GovernanceEvent]) -> u64 {
    let events: Vec<Event> = events.iter().map(|event| written.governance(event)).collect();
    written.push(author, events)
}

/// Nodes 1 of the founder (votes) and 2 of Zarechny (does not), at leaf 2.
pub(crate) fn with_nodes() -> Written {
    let mut written = Written::new();
    push(&mut written, FOUNDER, &[admitted(1, FOUNDER), admitted(2, ZARECHNY), promoted(1)]);
    written
}

/// A log in which one record breaks a rule, and a sound record comes after.
fn broken(author: &str, events: &[GovernanceEvent]) -> (Vec<Found>, u64) {
    let mut written = with_nodes();
    let place = push(&mut written, author, events);
    let event = written.event("note/1", "note.taken", Object::new());
    written.push(FOUNDER, vec![event]);
    (written.found(), place)
}

pub(crate) fn break_rule(rule: Rule) -> Broken {
    if rule == Rule::NodeChange {
        let (found, place) = broken(FOUNDER, &[demoted(1)]);
        return Broken::alone(found, Some(place));
    }
    let mut written = with_nodes();
    let place = if rule == Rule::AuthorRemoved {
        push(&mut written, FOUNDER, &[agency_removed(ZARECHNY)]);
        let event = written.event("note/1", "note.taken", Object::new());
        written.push(ZARECHNY, vec![event])
    } else {
        let stated = GovernanceEvent::LogRecovered {
            agency: agency(ZARECHNY),
            size: TreeSize::new(2),
            root: Hash::of(b"another tree"),
            lost: vec![node(1)],
        };
        push(&mut written, ZARECHNY, &[stated])
    };
    Broken::alone(written.found(), Some(place))
}

#[test]
fn every_change_against_the_rules_of_nodes_is_found() {
    let mut eight: Vec<_> = (11..=18).map(|number| admitted(number, ZARECHNY)).collect();
    eight.extend((11..=17).map(promoted));
    let state = |size: u64, lost: u64| GovernanceEvent::LogRecovered {
        agency: agency(ZARECHNY),
        size: TreeSize::new(size),
        root: empty_root(),
        lost: vec![node(lost)],
    };
    let (govern, change, root) = (Rule::Governance, Rule::NodeChange, Rule::RecoveryRoot);
    let cases: Vec<(&str, &str, Rule, Vec<GovernanceEvent>)> = vec![
        ("an agency admits a node", ZARECHNY, govern, vec![admitted(5, ZARECHNY)]),
        ("an agency promotes a node", ZARECHNY, govern, vec![promoted(2)]),
        ("an agency demotes a node", ZARECHNY, govern, vec![demoted(1)]),
        ("an agency removes a node", ZARECHNY, govern, vec![removed(2)]),
        ("an agency removes another", ZARECHNY, govern, vec![agency_removed(FOUNDER)]),
        ("the founder is removed", FOUNDER, govern, vec![agency_removed(FOUNDER)]),
        ("a stranger is removed", FOUNDER, govern, vec![agency_removed("stranger")]),
        ("a node of a stranger", FOUNDER, govern, vec![admitted(5, "stranger")]),
        ("the founder moves a node of another", FOUNDER, govern, vec![moved(2, ZARECHNY, 2)]),
        ("an agency moves a node of another", ZARECHNY, govern, vec![moved(1, ZARECHNY, 1)]),
        ("one recovers for another", FOUNDER, govern, vec![state(0, 1)]),
        ("a number twice", FOUNDER, change, vec![admitted(2, ZARECHNY)]),
        ("a key twice", FOUNDER, change, vec![with_key(5, FOUNDER, 2)]),
        ("a move to the key of another", ZARECHNY, change, vec![moved(2, ZARECHNY, 1)]),
        ("a move of nothing", ZARECHNY, change, vec![moved(9, ZARECHNY, 9)]),
        ("a voter is promoted", FOUNDER, change, vec![promoted(1)]),
        ("a learner is demoted", FOUNDER, change, vec![demoted(2)]),
        ("nobody is promoted", FOUNDER, change, vec![promoted(9)]),
        ("nobody is removed", FOUNDER, change, vec![removed(9)]),
        ("the last voter goes", FOUNDER, change, vec![removed(1)]),
        ("an eighth voter", FOUNDER, change, eight),
        ("a stranger was lost", ZARECHNY, change, vec![state(0, 9)]),
        ("a recovery of the future", ZARECHNY, root, vec![state(4, 1)]),
    ];
    for (name, author, rule, events) in cases {
        let (found, place) = broken(author, &events);
        assert_eq!(found, [(rule, Some(place))], "{name}");
    }
}

#[test]
fn what_was_removed_takes_no_part() {
    let mut written = with_nodes();
    let third = ["third"].map(|name| written.admission(name)).concat();
    written.push(FOUNDER, third);
    push(&mut written, FOUNDER, &[admitted(3, "third"), promoted(3), demoted(1)]);
    // The only node that votes is that of the agency that would leave.
    let place = push(&mut written, FOUNDER, &[agency_removed("third")]);
    assert_eq!(written.found(), [(Rule::NodeChange, Some(place))]);

    let mut written = with_nodes();
    push(&mut written, FOUNDER, &[agency_removed(ZARECHNY)]);
    for (rule, events) in [
        (Rule::Governance, vec![agency_removed(ZARECHNY)]),
        (Rule::Governance, vec![admitted(5, ZARECHNY)]),
        (Rule::NodeChange, vec![promoted(2)]),
        (Rule::NodeChange, vec![removed(2)]),
    ] {
        let mut written = with_nodes();
        push(&mut written, FOUNDER, &[agency_removed(ZARECHNY)]);
        let place = push(&mut written, FOUNDER, &events);
        assert_eq!(written.found(), [(rule, Some(place))], "{events:?}");
    }
    // What an agency that was removed says has no effect.
    push(&mut written, ZARECHNY, &[moved(2, ZARECHNY, 2)]);
    assert_eq!(written.found(), [(Rule::AuthorRemoved, Some(4))]);
    assert_eq!(audit_of(written.published().path()).nodes[&node(2)].address, "node2.example:4100");
}

#[test]
fn nodes_come_move_vote_and_leave() {
    let mut written = with_nodes();
    push(&mut written, ZARECHNY, &[moved(2, ZARECHNY, 22)]);
    push(&mut written, FOUNDER, &[promoted(2), demoted(1), removed(1), with_key(3, FOUNDER, 1)]);
    push(&mut written, FOUNDER, &[promoted(3), agency_removed(ZARECHNY)]);
    let audit = audit_of(written.published().path());
    assert_eq!(audit.findings.kept(), []);
    let nodes = audit.nodes.iter().map(|(number, node)| {
        (number.get(), node.votes, node.removed.map(letopis_ledger::LeafIndex::get))
    });
    assert_eq!(
        nodes.collect::<Vec<_>>(),
        [(1, false, Some(4)), (2, true, Some(5)), (3, true, None)]
    );
    assert_eq!(audit.nodes[&node(2)].key, Hash::of(&22_u64.to_be_bytes()));
    let left = audit.agencies[&agency(ZARECHNY)].removed;
    assert_eq!(left.map(letopis_ledger::LeafIndex::get), Some(5));
}

#[test]
fn a_recovery_is_held_against_the_tree_and_told_whatever_it_says() {
    for (length, size) in [(3, 0), (3, 1), (3, 2), (3, 3), (7, 4), (300, 256), (300, 299)] {
        let mut written = with_nodes();
        while written.leaves.len() < length {
            let event = written.event("note/1", "note.taken", Object::new());
            written.push(ZARECHNY, vec![event]);
        }
        let stated = recovered(&written, ZARECHNY, size);
        let place = push(&mut written, ZARECHNY, std::slice::from_ref(&stated));
        let event = written.event("note/2", "note.taken", Object::new());
        written.push(ZARECHNY, vec![event]);
        let audit = audit_of(written.published().path());
        assert_eq!(audit.findings.kept(), [], "{length} {size}");
        let told = &audit.recoveries[0];
        assert_eq!((told.leaf.get(), told.size.get()), (place, size as u64));
        assert_eq!(told.lost, [node(2)]);

        let GovernanceEvent::LogRecovered { agency, size, lost, .. } = stated else { panic!() };
        let root = Hash::of(b"another tree");
        let wrong = GovernanceEvent::LogRecovered { agency, size, root, lost };
        let place = push(&mut written, ZARECHNY, &[wrong]);
        let audit = audit_of(written.published().path());
        let found = super::written::list(&audit.findings);
        assert_eq!(found, [(Rule::RecoveryRoot, Some(place))], "{length} {size}");
        assert_eq!(audit.recoveries.len(), 2);
    }
}

#[test]
fn the_first_record_may_bring_the_first_nodes() {
    let mut written = Written::without_genesis();
    let mut genesis = written.admission(FOUNDER);
    let policy = super::written::policy().to_string();
    for event in [GovernanceEvent::PolicySet { policy }, admitted(1, FOUNDER), promoted(1)] {
        genesis.push(written.governance(&event));
    }
    written.push(FOUNDER, genesis);
    let audit = audit_of(written.published().path());
    assert_eq!(audit.findings.kept(), []);
    assert!(audit.nodes[&node(1)].votes);
}
