//! What a complex request takes and what it refuses.

use letopis_ledger::LeafIndex;
use proptest::prelude::*;

use super::*;
use crate::code::{ChannelCode, ComplexCode, PackCode, ServiceCode, StepCode};
use crate::event::{CaseId, ComplexId, PackRef, Source};

fn stream() -> StreamName {
    ComplexId::from_parts(1, &[1; 10]).stream()
}

fn case(number: u8) -> StreamName {
    CaseId::from_parts(1, &[number; 10]).stream()
}

fn opened() -> ComplexOpened {
    ComplexOpened {
        code: ComplexCode::parse("moved-in").unwrap(),
        pack: PackRef {
            code: PackCode::parse("town").unwrap(),
            version: 1,
            leaf: LeafIndex::new(3),
        },
        channel: ChannelCode::parse("portal").unwrap(),
    }
}

fn link(service: &str, number: u8) -> ServiceLinked {
    ServiceLinked { service: ServiceCode::parse(service).unwrap(), case: case(number) }
}

fn satisfied(number: u8) -> ComplexEvent {
    let request = StepCode::parse("residence").unwrap();
    let (version, leaf) = (StreamVersion::new(4), LeafIndex::new(9));
    ComplexEvent::DependencySatisfied {
        dependency: Dependency { case: case(number), request },
        by: Source { stream: case(1), version, leaf },
    }
}

/// A complex request of two cases.
fn begun() -> ComplexState {
    let mut state = ComplexState::new(stream());
    let decision = state.open(opened(), vec![link("benefit", 1), link("parking", 2)]).unwrap();
    take(&mut state, &decision);
    state
}

fn take(state: &mut ComplexState, decision: &Decision) {
    for new in &decision.events {
        let DomainEvent::Complex(event) = &new.event else { panic!("{new:?}") };
        state.evolve(new.version, event).unwrap();
    }
}

#[test]
fn it_opens_with_all_its_cases_and_closes_after_the_last_one() {
    let mut state = begun();
    assert_eq!((state.length().get(), state.linked().len()), (3, 2));
    let one = BTreeMap::from([(case(1), CaseStatus::Granted), (case(2), CaseStatus::InProgress)]);
    assert_eq!(state.close(&one), Err(ComplexRefusal::Open { open: 1 }));
    assert_eq!(state.close(&BTreeMap::new()), Err(ComplexRefusal::Open { open: 2 }));
    let both = BTreeMap::from([(case(1), CaseStatus::Granted), (case(2), CaseStatus::Cancelled)]);
    let decision = state.close(&both).unwrap();
    take(&mut state, &decision);
    assert!(state.is_closed());
    assert!(matches!(state.close(&both), Err(ComplexRefusal::OutOfPlace { .. })));
}

#[test]
fn one_service_twice_or_alone_is_no_complex_request() {
    let state = ComplexState::new(stream());
    assert_eq!(state.open(opened(), vec![link("a", 1)]), Err(ComplexRefusal::TooFew { found: 1 }));
    for other in [link("a", 2), link("b", 1)] {
        let refused = state.open(opened(), vec![link("a", 1), other]);
        assert!(matches!(refused, Err(ComplexRefusal::OutOfPlace { .. })), "{refused:?}");
    }
}

#[test]
fn a_dependency_ends_once_and_only_of_a_linked_case() {
    let mut state = begun();
    state.evolve(state.length(), &satisfied(2)).unwrap();
    for again in [satisfied(2), satisfied(3)] {
        assert!(state.clone().evolve(state.length(), &again).is_err(), "{again:?}");
    }
    let late = ComplexEvent::ServiceLinked(link("third", 3));
    assert!(state.evolve(state.length(), &late).is_err());
}

proptest! {
    /// Whatever order events come in, a state that took them is one of a request that was opened
    /// once, linked each case once and closed after everything else.
    #[test]
    fn no_order_of_events_makes_a_state_that_cannot_be(
        order in prop::collection::vec(0..7_usize, 0..12),
    ) {
        let ended = |cases: &[u8]| {
            let status = CaseStatus::Granted;
            let ended = |number: &u8| ClosedCase { case: case(*number), status };
            ComplexEvent::Closed(cases.iter().map(ended).collect())
        };
        let events = [
            ComplexEvent::Opened(opened()),
            ComplexEvent::ServiceLinked(link("benefit", 1)),
            ComplexEvent::ServiceLinked(link("parking", 2)),
            satisfied(2),
            ended(&[1, 2]),
            ended(&[1]),
            ended(&[]),
        ];
        let mut state = ComplexState::new(stream());
        let mut taken = Vec::new();
        for number in order {
            if state.evolve(state.length(), &events[number]).is_ok() {
                taken.push(number);
            }
        }
        prop_assert_eq!(taken.len() as u64, state.length().get());
        prop_assert!(taken.first().is_none_or(|first| *first == 0));
        for number in 0..4 {
            prop_assert!(taken.iter().filter(|one| **one == number).count() <= 1);
        }
        if let Some(at) = taken.iter().position(|one| *one > 3) {
            prop_assert_eq!(at, taken.len() - 1);
            prop_assert_eq!(taken[at] == 4, state.linked().len() == 2);
        }
    }
}
