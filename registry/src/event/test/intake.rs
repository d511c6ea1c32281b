//! Samples of how an application came in, and what version 1 said of it.

use super::work::official;
use super::*;
use crate::code::FieldPath;

fn refused(evidence: Vec<IntakeEvidence>) -> IntakeRefused {
    let code = GroundCode::parse("I1").unwrap();
    IntakeRefused {
        grounds: vec![IntakeGround { code, evidence }],
        number: Some("ОТ-2026-000003".into()),
        official: Some(official(1)),
    }
}

pub(super) fn samples() -> Vec<(StreamName, DomainEvent)> {
    let scan = Scan { sha256: Hash::of(b"scan"), size_bytes: 4, media_type: "image/png".into() };
    let submitted = |scan| {
        CaseEvent::Submitted(Submitted {
            service: ServiceCode::parse("parking-permit").unwrap(),
            pack: PackRef {
                code: PackCode::parse("zarechny").unwrap(),
                version: 1,
                leaf: LeafIndex::new(3),
            },
            channel: ChannelCode::parse("paper").unwrap(),
            form: Object::new().with("zone", "Z1"),
            entered: Some(Entered { official: official(1), scan }),
            about: None,
            system: None,
        })
    };
    let field = IntakeEvidence::Form(FieldPath::parse("project.media_type").unwrap());
    let file = IntakeEvidence::File(Hash::of(b"scan"));
    let by_program = IntakeRefused { number: None, official: None, ..refused(vec![field.clone()]) };
    let events = [
        submitted(Some(scan)),
        submitted(None),
        CaseEvent::IntakeRefused(refused(vec![field, file])),
        CaseEvent::IntakeRefused(by_program),
    ];
    events.into_iter().map(|event| (case().stream(), DomainEvent::Case(event))).collect()
}

#[test]
fn a_refused_intake_of_the_first_version_still_reads() {
    let line = r#"{"grounds":["I1"],"official":"01923456-789a-7101-8101-010101010101"}"#;
    let data = Json::parse_canonical(line.as_bytes()).unwrap();
    let event =
        Event { schema: 1, data: data.as_object().unwrap().clone(), ..as_event(&samples()[2]) };
    let expected = IntakeRefused { number: None, ..refused(vec![]) };
    let expected = DomainEvent::Case(CaseEvent::IntakeRefused(expected));
    assert_eq!(DomainEvent::read(&event), Ok(Some(expected)));
    let none = Event { data: Object::new().with("grounds", vec![]), ..event };
    assert!(DomainEvent::read(&none).is_err());
}
