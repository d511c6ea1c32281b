//! Governance events read back, byte for byte, and everything else is refused.

use super::*;
use crate::key::AuthorSigner;
use crate::position::StreamVersion;

fn as_event(governance: &GovernanceEvent) -> Event {
    Event {
        stream: governance.stream(),
        version: StreamVersion::ZERO,
        event_type: governance.event_type(),
        schema: SCHEMA_VERSION,
        data: governance.data(),
        private: vec![],
    }
}

fn samples() -> Vec<GovernanceEvent> {
    let agency = AgencyId::parse("zarechny").unwrap();
    let key = AuthorSigner::from_seed(&[1; 32]).key();
    let names = Object::new().with("en", "Zarechny").with("ru", "Заречный");
    vec![
        GovernanceEvent::AgencyAdmitted { agency: agency.clone(), names },
        GovernanceEvent::KeyIntroduced { agency: agency.clone(), key },
        GovernanceEvent::KeyRevoked { agency, key: key.id() },
    ]
}

fn node(number: u64) -> NodeId {
    NodeId::new(number).unwrap()
}

/// Events about nodes, and the end of an agency.
fn node_samples() -> Vec<GovernanceEvent> {
    let agency = AgencyId::parse("zarechny").unwrap();
    let (key, new_key) = (Hash::of(b"a certificate"), Hash::of(b"the next certificate"));
    let address = "ledger.zarechny.example:4100".to_owned();
    let (agency_again, new_address) = (agency.clone(), "[2001:db8::7]:4101".to_owned());
    vec![
        GovernanceEvent::NodeAdmitted { node: node(7), agency: agency.clone(), address, key },
        GovernanceEvent::NodePromoted { node: node(7) },
        GovernanceEvent::NodeDemoted { node: node(7) },
        GovernanceEvent::NodeRemoved { node: node(NodeId::MAX) },
        GovernanceEvent::AgencyRemoved { agency: agency.clone() },
        GovernanceEvent::NodeMoved { agency, node: node(7), address: new_address, key: new_key },
        GovernanceEvent::LogRecovered {
            agency: agency_again,
            size: TreeSize::new(1_000),
            root: Hash::of(b"a root"),
            lost: vec![node(1), node(3)],
        },
    ]
}

#[test]
fn governance_events_read_back() {
    for sample in samples().into_iter().chain(node_samples()) {
        let event = as_event(&sample);
        assert!(GovernanceEvent::governs(&event.stream));
        assert_eq!(GovernanceEvent::read(&event), Ok(sample));
    }
}

fn lines(samples: &[GovernanceEvent]) -> Vec<String> {
    let line = |sample: &GovernanceEvent| {
        format!("{} {} {}", sample.stream(), sample.event_type(), Json::from(sample.data()))
    };
    samples.iter().map(line).collect()
}

#[test]
fn golden_governance_events() {
    let golden = include_str!("../../testdata/governance-v1.txt");
    assert_eq!(lines(&samples()), golden.lines().collect::<Vec<_>>());
    let golden = include_str!("../../testdata/governance-nodes-v1.txt");
    assert_eq!(lines(&node_samples()), golden.lines().collect::<Vec<_>>());
}

/// One member of a node event after another made wrong.
#[test]
fn malformed_node_events_are_refused() {
    let samples = node_samples();
    let hex = Hash::of(b"a certificate").to_hex();
    let numbers = |numbers: &[i64]| {
        Json::from(numbers.iter().map(|n| Json::integer(*n).unwrap()).collect::<Vec<_>>())
    };
    let cases: [(usize, &str, Json); 13] = [
        (0, "node", numbers(&[1])),
        (0, "node", Json::integer(0).unwrap()),
        (0, "node", "7".into()),
        (0, "agency", "Zarechny".into()),
        (0, "address", "ledger.zarechny.example:0".into()),
        (0, "key", hex.to_uppercase().as_str().into()),
        (0, "key", Hash::of(b"a certificate").to_base64().as_str().into()),
        (5, "address", "ledger.zarechny.example".into()),
        (6, "root", hex.as_str().into()),
        (6, "lost", numbers(&[])),
        (6, "lost", numbers(&[3, 1])),
        (6, "lost", numbers(&[1, 1])),
        (6, "lost", numbers(&[0])),
    ];
    for (sample, member, value) in cases {
        let mut event = as_event(&samples[sample]);
        event.data.insert(member, value.clone());
        let read = GovernanceEvent::read(&event);
        assert!(matches!(read, Err(GovernanceError::Field(_))), "{member} {value}: {read:?}");
    }
    for sample in &samples {
        let mut event = as_event(sample);
        let agency = AgencyId::parse("zarechny").unwrap();
        let other = [StreamName::of_agency(&agency), StreamName::parse(LOG_STREAM).unwrap()];
        event.stream = other.into_iter().find(|stream| *stream != event.stream).unwrap();
        let read = GovernanceEvent::read(&event);
        assert!(matches!(read, Err(GovernanceError::Stream { .. })), "{sample:?}: {read:?}");
    }
}

#[test]
fn misplaced_and_unknown_events_are_refused() {
    let mut event = as_event(&samples()[1]);
    event.stream = StreamName::parse(LOG_STREAM).unwrap();
    assert!(matches!(GovernanceEvent::read(&event), Err(GovernanceError::Stream { .. })));
    let mut event = as_event(&samples()[1]);
    event.event_type = EventType::parse("key.lent").unwrap();
    assert!(matches!(GovernanceEvent::read(&event), Err(GovernanceError::UnknownEvent { .. })));
    let mut event = as_event(&samples()[1]);
    event.schema = 2;
    assert!(matches!(GovernanceEvent::read(&event), Err(GovernanceError::UnknownEvent { .. })));
    let mut event = as_event(&samples()[1]);
    event.data.insert("note", "x".into());
    assert!(matches!(GovernanceEvent::read(&event), Err(GovernanceError::Field(_))));
}

#[test]
fn a_weak_key_is_never_introduced() {
    let mut event = as_event(&samples()[1]);
    event.data.insert("public_key", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".into());
    assert!(GovernanceEvent::read(&event).is_err());
}
