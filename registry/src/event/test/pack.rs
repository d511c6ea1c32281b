//! Samples of published packs.

use letopis_ledger::Hash;
use letopis_ledger::id::StreamName;
use letopis_ledger::json::Json;

use super::super::*;
use crate::code::{PackCode, RegistryCode};

pub(super) fn samples() -> Vec<(StreamName, DomainEvent)> {
    let writer = |code: &str, writer| (RegistryCode::parse(code).unwrap(), writer);
    let pack = PackPublished {
        code: PackCode::parse("zarechny").unwrap(),
        version: 1,
        files: vec![PackFile {
            path: "pack.yaml".into(),
            sha256: Hash::of(b"pack"),
            size_bytes: 4,
            media_type: "application/yaml".into(),
        }],
        registries: [
            writer("historic_building", RegistryWriter::Manual),
            writer("parking_permit", RegistryWriter::Automatic),
        ]
        .into(),
    };
    vec![(pack_stream(&pack.code), DomainEvent::Pack(pack))]
}

/// Version 1 does not say who writes the registries; it publishes the same files.
#[test]
fn the_first_version_still_reads() {
    let golden = include_str!("../../../testdata/events-of-packs-v1.txt").trim_end();
    let (event_type, data) = golden.split_once(' ').unwrap();
    let data = Json::parse_canonical(data.as_bytes()).unwrap();
    let (_, DomainEvent::Pack(now)) = samples().remove(0) else { panic!("a pack") };
    let data = upcast::to_current(event_type, 1, data.as_object().unwrap()).unwrap();
    let read = PackPublished::read(event_type, &data).unwrap().unwrap();
    assert!(read.registries.is_empty());
    assert!(read.is_same(&now) && read != now);
    let other = PackPublished { version: 2, ..now.clone() };
    assert!(!other.is_same(&now));
}
