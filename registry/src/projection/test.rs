//! Positions, gaps, files of another version. Contents are tested with the engine, whose leaves
//! they are folded from.

use letopis_ledger::checkpoint::Origin;
use letopis_ledger::id::{EventType, RecordId, StreamName};
use letopis_ledger::json::Object;
use letopis_ledger::key::AuthorSigner;
use letopis_ledger::leaf::genesis_link;
use letopis_ledger::record::{Record, SignedRecord};
use letopis_ledger::{StreamVersion, TreeSize};

use super::*;

fn leaf(index: u64) -> Leaf {
    let event = Event {
        stream: StreamName::parse("log").unwrap(),
        version: StreamVersion::new(index),
        event_type: EventType::parse("policy.set").unwrap(),
        schema: 1,
        data: Object::new(),
        private: vec![],
    };
    let id = RecordId::from_parts(index, &[0; 10]);
    let author = AgencyId::parse("zarechny").unwrap();
    let origin = Origin::new("letopis.example/zarechny").unwrap();
    let record = Record::new(origin, id, author, vec![event], vec![]).unwrap();
    let signed = SignedRecord::sign(record, &AuthorSigner::from_seed(&[1; 32]));
    Leaf::new(LeafIndex::new(index), genesis_link(), Timestamp::EPOCH, signed).unwrap()
}

fn model(folder: &Path) -> ReadModel {
    let private = PrivateStore::open(&folder.join("private.sqlite")).unwrap();
    let secret = Arc::new(AgencySecret::new([7; 32]));
    ReadModel::open(&folder.join("model.sqlite"), secret, private).unwrap()
}

#[test]
fn leaves_are_folded_once_each_and_never_with_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path());
    assert_eq!(model.fold(&[leaf(0), leaf(1)]).unwrap(), TreeSize::new(2));
    assert_eq!(model.fold(&[leaf(0), leaf(1), leaf(2)]).unwrap(), TreeSize::new(3));
    let gap = model.fold(&[leaf(3), leaf(5)]);
    assert!(matches!(gap, Err(ProjectionError::Gap { expected, found })
        if expected == LeafIndex::new(4) && found == LeafIndex::new(5)));
    assert_eq!(model.size().unwrap(), TreeSize::new(3), "nothing of the batch was folded");
}

#[test]
fn the_position_is_there_after_a_restart_and_gone_after_a_reset() {
    let folder = tempfile::tempdir().unwrap();
    model(folder.path()).fold(&[leaf(0)]).unwrap();
    let again = model(folder.path());
    assert_eq!(again.size().unwrap(), TreeSize::new(1));
    again.reset().unwrap();
    assert_eq!(again.size().unwrap(), TreeSize::ZERO);
}

#[test]
fn tables_of_another_version_are_built_again() {
    let folder = tempfile::tempdir().unwrap();
    model(folder.path()).fold(&[leaf(0)]).unwrap();
    let raw = Connection::open(folder.path().join("model.sqlite")).unwrap();
    raw.pragma_update(None, "user_version", 99).unwrap();
    drop(raw);
    assert_eq!(model(folder.path()).size().unwrap(), TreeSize::ZERO);
}

#[test]
fn a_changed_row_changes_the_content_hash() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path());
    let raw = Connection::open(folder.path().join("model.sqlite")).unwrap();
    let mut hashes = vec![model.content_hash().unwrap().value];
    for sql in [
        "INSERT INTO claim VALUES ('a', 'b', 1)",
        "UPDATE claim SET holder = 'c'",
        "UPDATE claim SET leaf = 2",
        "INSERT INTO stream_event VALUES ('a', 0, 'b', 1)",
    ] {
        raw.execute(sql, []).unwrap();
        hashes.push(model.content_hash().unwrap().value);
    }
    let unique: std::collections::BTreeSet<_> = hashes.iter().map(Hash::to_hex).collect();
    assert_eq!(unique.len(), hashes.len());
}
