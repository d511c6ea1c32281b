//! Samples of the events of complex requests.

use super::*;
use crate::case::CaseStatus;
use crate::code::{ComplexCode, FieldPath};

fn other_case() -> StreamName {
    CaseId::from_parts(0x0192_3456_789a, &[6; 10]).stream()
}

pub(super) fn samples() -> Vec<(StreamName, DomainEvent)> {
    let id = ComplexId::from_parts(0x0192_3456_789a, &[5; 10]);
    let pack =
        PackRef { code: PackCode::parse("zarechny").unwrap(), version: 1, leaf: LeafIndex::new(3) };
    let linked = |service: &str, case: StreamName| {
        let service = ServiceCode::parse(service).unwrap();
        ComplexEvent::ServiceLinked(ServiceLinked { service, case })
    };
    let dependency = || Dependency { case: case().stream(), request: step("residence") };
    let by = Source { stream: other_case(), ..source() };
    let ended = |case: StreamName, status| ClosedCase { case, status };
    let events = [
        ComplexEvent::Opened(ComplexOpened {
            code: ComplexCode::parse("moved-in-with-newborn").unwrap(),
            pack,
            channel: ChannelCode::parse("portal").unwrap(),
        }),
        linked("child-benefit", other_case()),
        linked("parking-permit", case().stream()),
        ComplexEvent::DependencySatisfied { dependency: dependency(), by },
        ComplexEvent::DependencyLapsed(dependency()),
        ComplexEvent::Closed(vec![
            ended(other_case(), CaseStatus::Granted),
            ended(case().stream(), CaseStatus::Refused),
        ]),
        ComplexEvent::Closed(vec![
            ended(other_case(), CaseStatus::NotTaken),
            ended(case().stream(), CaseStatus::Cancelled),
        ]),
    ];
    let joined = |waits, also_takes| {
        let complex_request = id.stream();
        CaseEvent::Joined(Joined { complex_request, waits, also_takes })
    };
    let wait =
        AwaitedAnswer { request: step("residence"), case: other_case(), answer: step("address") };
    let also = AlsoTaken {
        request: step("address"),
        fields: vec![FieldPath::parse("dwelling").unwrap(), FieldPath::parse("zone").unwrap()],
    };
    let cases = [joined(vec![wait], vec![]), joined(vec![], vec![also])];
    let events = events.map(|event| (id.stream(), DomainEvent::Complex(event)));
    let cases = cases.map(|event| (case().stream(), DomainEvent::Case(event)));
    events.into_iter().chain(cases).collect()
}
