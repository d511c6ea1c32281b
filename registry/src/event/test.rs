//! Every shape has golden bytes, reads back as it was written, and refuses what it does not know.

use jiff::civil::date;
use letopis_ledger::id::{EventType, StreamName};
use letopis_ledger::json::Json;
use letopis_ledger::{Hash, LeafIndex, StreamVersion, Timestamp, TreeSize};
use letopis_rules::deadline::Term;

mod complex;
mod consultation;
mod escalation;
mod follow_up;
mod intake;
mod message;
mod offer;
mod pack;
mod payment;
mod proposal;
mod withdrawal;
mod work;

use super::*;
use crate::code::{ChannelCode, GroundCode, PackCode, RegistryCode, ServiceCode, StepCode};

fn step(code: &str) -> StepCode {
    StepCode::parse(code).unwrap()
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn case() -> CaseId {
    CaseId::from_parts(0x0192_3456_789a, &[7; 10])
}

fn entry() -> EntryId {
    EntryId::from_parts(RegistryCode::parse("parking_permit").unwrap(), 0x0192_3456_789a, &[8; 10])
}

fn source() -> Source {
    Source {
        stream: StreamName::parse("registry/vehicle/x").unwrap(),
        version: StreamVersion::ZERO,
        leaf: LeafIndex::new(5),
    }
}

fn case_samples() -> Vec<CaseEvent> {
    let pack =
        PackRef { code: PackCode::parse("zarechny").unwrap(), version: 1, leaf: LeafIndex::new(3) };
    let due = at("2026-11-30T20:59:59.999Z");
    vec![
        CaseEvent::Submitted(Submitted {
            service: ServiceCode::parse("parking-permit").unwrap(),
            pack,
            channel: ChannelCode::parse("portal").unwrap(),
            form: Object::new().with("zone", "Z1").with("validity_years", 2_u32),
            entered: None,
            about: None,
            system: None,
        }),
        CaseEvent::Registered(Registered {
            number: "ЗП-2026-000042".into(),
            registered_at: at("2026-11-20T12:00:00.000Z"),
            term: Term::WorkingDays(6),
            due,
            last_day: date(2026, 11, 30),
            provisional: false,
        }),
        CaseEvent::RequestSent(RequestSent {
            request: step("vehicle"),
            target: RequestTarget::Registry(RegistryCode::parse("vehicle").unwrap()),
            mandatory: true,
            due,
            retry_at: None,
        }),
        CaseEvent::RequestSent(RequestSent {
            request: step("heritage"),
            target: RequestTarget::Addressee("Комитет по охране наследия".into()),
            mandatory: false,
            due,
            retry_at: None,
        }),
        CaseEvent::RequestAnswered(RequestAnswered {
            request: step("vehicle"),
            outcome: RequestOutcome::Answered,
            source: Some(source()),
            came: None,
            scan: None,
        }),
        CaseEvent::RequestAnswered(RequestAnswered {
            request: step("residence"),
            outcome: RequestOutcome::NoData,
            source: None,
            came: None,
            scan: None,
        }),
        CaseEvent::Decided(decided()),
        CaseEvent::ResultIssued(ResultIssued {
            registry_entry: entry().stream(),
            number: "РР-2026-000007".into(),
            valid_from: date(2026, 11, 20),
            valid_until: date(2028, 11, 19),
        }),
        CaseEvent::RefusalIssued { grounds: vec![GroundCode::parse("G1").unwrap()] },
    ]
}

fn decided() -> Decided {
    Decided {
        outcome: Outcome::Refused,
        grounds: vec![GroundFound {
            code: GroundCode::parse("G1").unwrap(),
            evidence: vec![Evidence {
                kind: EvidenceKind::Answer,
                of: "residence".into(),
                version: StreamVersion::new(5),
            }],
        }],
        model: ModelRef {
            path: "services/parking-permit/decision.dmn".into(),
            sha256: Hash::of(b"model"),
        },
        decision: "resolution".into(),
        engine: "dsntk-0.3.0+letopis-1".into(),
        trace: vec![MatchedRules {
            decision: "grounds".into(),
            rules: vec!["not_resident".into()],
        }],
        read_size: TreeSize::new(12),
    }
}

fn entry_samples() -> Vec<EntryEvent> {
    let document =
        Document { number: "17-п".into(), date: date(2026, 11, 20), sha256: Some(Hash::of(b"d")) };
    let basis = Basis::Document(document);
    vec![
        EntryEvent::Created(EntryCreated {
            registry: RegistryCode::parse("parking_permit").unwrap(),
            number: Some("РР-2026-000007".into()),
            fields: Object::new().with("zone", "Z1"),
            valid_from: Some(date(2026, 11, 20)),
            valid_until: Some(date(2028, 11, 19)),
            basis: Basis::Decision { stream: case().stream(), version: StreamVersion::new(6) },
        }),
        EntryEvent::Created(EntryCreated {
            registry: RegistryCode::parse("parking_permit").unwrap(),
            number: None,
            fields: Object::new(),
            valid_from: None,
            valid_until: None,
            basis: basis.clone(),
        }),
        EntryEvent::Amended(EntryAmended {
            fields: Object::new().with("zone", "Z2"),
            basis: basis.clone(),
        }),
        EntryEvent::Excluded(EntryRemoved { basis }),
        EntryEvent::Expired { valid_until: date(2028, 11, 19) },
    ]
}

fn samples() -> Vec<(StreamName, DomainEvent)> {
    let trace = StreamName::parse("case/0123456789abcdef/0").unwrap();
    let opened = TraceOpened {
        file: Hash::of(b"file"),
        trace_index: 0,
        attributes: Object::new().with("channel", "Internet"),
    };
    let recorded = TraceStep {
        time: at("2011-10-11T11:45:40.276Z"),
        attributes: Object::new().with("concept:name", "Confirmation of receipt"),
    };
    let mut samples = Vec::new();
    samples.extend(case_samples().into_iter().map(|e| (case().stream(), DomainEvent::Case(e))));
    samples.extend(entry_samples().into_iter().map(|e| (entry().stream(), DomainEvent::Entry(e))));
    samples.push((trace.clone(), DomainEvent::Trace(TraceEvent::Opened(opened))));
    samples.push((trace, DomainEvent::Trace(TraceEvent::Step(recorded))));
    samples
}

fn as_event((stream, event): &(StreamName, DomainEvent)) -> Event {
    Event {
        stream: stream.clone(),
        version: StreamVersion::ZERO,
        event_type: EventType::parse(event.event_type()).unwrap(),
        schema: schema_version(event.event_type()),
        data: event.data(),
        private: vec![],
    }
}

fn every_sample() -> impl Iterator<Item = (StreamName, DomainEvent)> {
    let first = samples().into_iter().chain(work::samples()).chain(consultation::samples());
    let more = first.chain(intake::samples()).chain(complex::samples());
    let more = more.chain(withdrawal::samples()).chain(follow_up::samples());
    more.chain(offer::samples())
        .chain(payment::samples())
        .chain(pack::samples())
        .chain(message::samples())
        .chain(escalation::samples())
        .chain(proposal::samples())
}

fn lines(samples: &[(StreamName, DomainEvent)]) -> Vec<String> {
    let line = |event: &DomainEvent| format!("{} {}", event.event_type(), Json::from(event.data()));
    samples.iter().map(|(_, event)| line(event)).collect()
}

#[test]
fn golden_bytes_of_every_shape() {
    let found = lines(&samples());
    let golden = include_str!("../../testdata/events-v1.txt");
    assert_eq!(found, golden.lines().collect::<Vec<_>>(), "\n{}\n", found.join("\n"));
    let found = lines(&work::samples());
    let golden = include_str!("../../testdata/events-of-work.txt");
    assert_eq!(found, golden.lines().collect::<Vec<_>>(), "\n{}\n", found.join("\n"));
    let found = lines(&consultation::samples());
    let golden = include_str!("../../testdata/events-of-consultations.txt");
    assert_eq!(found, golden.lines().collect::<Vec<_>>(), "\n{}\n", found.join("\n"));
    let found = lines(&intake::samples());
    let golden = include_str!("../../testdata/events-of-intake.txt");
    assert_eq!(found, golden.lines().collect::<Vec<_>>(), "\n{}\n", found.join("\n"));
    let found = lines(&withdrawal::samples());
    let golden = include_str!("../../testdata/events-of-withdrawals.txt");
    assert_eq!(found, golden.lines().collect::<Vec<_>>(), "\n{}\n", found.join("\n"));
    let found = lines(&follow_up::samples());
    let golden = include_str!("../../testdata/events-of-follow-ups.txt");
    assert_eq!(found, golden.lines().collect::<Vec<_>>(), "\n{}\n", found.join("\n"));
    let found = lines(&complex::samples());
    let golden = include_str!("../../testdata/events-of-complex-requests.txt");
    assert_eq!(found, golden.lines().collect::<Vec<_>>(), "\n{}\n", found.join("\n"));
    let found = lines(&offer::samples());
    let golden = include_str!("../../testdata/events-of-offers.txt");
    assert_eq!(found, golden.lines().collect::<Vec<_>>(), "\n{}\n", found.join("\n"));
    let found = lines(&message::samples());
    let golden = include_str!("../../testdata/events-of-messages.txt");
    assert_eq!(found, golden.lines().collect::<Vec<_>>(), "\n{}\n", found.join("\n"));
    let found = lines(&pack::samples());
    let golden = include_str!("../../testdata/events-of-packs.txt");
    assert_eq!(found, golden.lines().collect::<Vec<_>>(), "\n{}\n", found.join("\n"));
    let found = lines(&payment::samples());
    let golden = include_str!("../../testdata/events-of-payments.txt");
    assert_eq!(found, golden.lines().collect::<Vec<_>>(), "\n{}\n", found.join("\n"));
    let found = lines(&escalation::samples());
    let golden = include_str!("../../testdata/events-of-escalations.txt");
    assert_eq!(found, golden.lines().collect::<Vec<_>>(), "\n{}\n", found.join("\n"));
    let found = lines(&proposal::samples());
    let golden = include_str!("../../testdata/events-of-proposals.txt");
    assert_eq!(found, golden.lines().collect::<Vec<_>>(), "\n{}\n", found.join("\n"));
}

#[test]
fn every_shape_reads_back() {
    for sample in every_sample() {
        assert_eq!(DomainEvent::read(&as_event(&sample)), Ok(Some(sample.1)));
    }
}

#[test]
fn golden_lines_of_the_first_version_still_read() {
    // Whatever later versions write, these bytes stay readable.
    for (line, sample) in include_str!("../../testdata/events-v1.txt").lines().zip(samples()) {
        let (event_type, data) = line.split_once(' ').unwrap();
        let data = Json::parse_canonical(data.as_bytes()).unwrap();
        let event = Event {
            schema: 1,
            event_type: EventType::parse(event_type).unwrap(),
            data: data.as_object().unwrap().clone(),
            ..as_event(&sample)
        };
        assert_eq!(DomainEvent::read(&event), Ok(Some(sample.1)));
    }
}

#[test]
fn every_member_is_needed_and_no_other_is_taken() {
    for sample in every_sample() {
        let event = as_event(&sample);
        let unknown = Event { data: event.data.clone().with("surprise", true), ..event.clone() };
        assert!(matches!(DomainEvent::read(&unknown), Err(EventError::Field(_))), "{unknown:?}");
        for (name, _) in event.data.iter() {
            let without = event.data.iter().filter(|(other, _)| *other != name);
            let data = without.map(|(name, value)| (name.to_owned(), value.clone())).collect();
            let read = DomainEvent::read(&Event { data, ..event.clone() });
            let optional = ["source", "number", "valid_from", "valid_until", "sha256", "came"];
            let optional = [
                &optional[..],
                &["official", "by", "entered", "about", "ends", "scan", "retry_at", "system"],
                &["file", "opens"],
            ]
            .concat();
            let optional = optional.contains(&name);
            assert!(optional || read.is_err(), "{} without {name}", event.event_type);
        }
    }
}

#[test]
fn newer_shapes_and_strange_types_are_unreadable_and_other_streams_are_none_of_ours() {
    let event = as_event(&samples()[1]);
    for schema in [0, 5] {
        let read = DomainEvent::read(&Event { schema, ..event.clone() });
        assert!(matches!(read, Err(EventError::Unknown { .. })));
    }
    let event_type = EventType::parse("application.lost").unwrap();
    let strange = Event { event_type, ..event.clone() };
    assert!(matches!(DomainEvent::read(&strange), Err(EventError::Unknown { .. })));
    let misplaced = Event { stream: entry().stream(), ..event.clone() };
    assert!(matches!(DomainEvent::read(&misplaced), Err(EventError::Unknown { .. })));
    let foreign = Event { stream: StreamName::parse("log").unwrap(), ..event };
    assert_eq!(DomainEvent::read(&foreign), Ok(None));
}

#[test]
fn a_decision_that_contradicts_itself_is_not_read() {
    let mut granted = decided();
    granted.outcome = Outcome::Granted;
    let sample = (case().stream(), DomainEvent::Case(CaseEvent::Decided(granted)));
    assert!(DomainEvent::read(&as_event(&sample)).is_err());
    let mut unsupported = decided();
    unsupported.grounds[0].evidence.clear();
    let sample = (case().stream(), DomainEvent::Case(CaseEvent::Decided(unsupported)));
    assert!(DomainEvent::read(&as_event(&sample)).is_err());
}

#[test]
fn ids_know_their_streams() {
    assert_eq!(CaseId::of_stream(&case().stream()), Ok(case()));
    assert_eq!(EntryId::of_stream(&entry().stream()), Ok(entry()));
    for bad in ["application/x", "application", "registry/a", "registry/A/b", "registry/a/b"] {
        let Ok(stream) = StreamName::parse(bad) else { continue };
        assert!(CaseId::of_stream(&stream).is_err() && EntryId::of_stream(&stream).is_err());
    }
}
