//! Golden bytes of every value of the index.

use super::*;
use crate::machine::test_records::{founder, stream};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hash_of(byte: u8) -> Hash {
    Hash::from_bytes([byte; 32])
}

#[test]
fn golden_values() {
    let first = FirstReceipt {
        leaf_index: LeafIndex::new(500),
        leaf_hash: hash_of(1),
        record_digest: hash_of(2),
        time: Timestamp::from_unix_ms(1_000).unwrap(),
    };
    let (one, two, three) = ("01".repeat(32), "02".repeat(32), "03".repeat(32));
    let stored = write_receipt(&first);
    assert_eq!(hex(&stored), format!("01841901f45820{one}5820{two}1903e8"));
    assert_eq!(read_receipt(&stored), Ok(first));

    let owner = AgencyId::parse("west").unwrap();
    let state = StreamState { length: StreamVersion::new(9), owner: owner.clone() };
    let stored = write_stream(&state);
    assert_eq!(hex(&stored), "0182096477657374");
    assert_eq!(read_stream(&stored), Ok(state));

    let stored = write_claim(&stream("case/1"));
    assert_eq!(hex(&stored), "0166636173652f31");
    assert_eq!(read_claim(&stored), Ok(stream("case/1")));

    let state = KeyState {
        key: founder().key(),
        agency: owner,
        introduced: LeafIndex::new(3),
        revoked: Some(LeafIndex::new(4)),
    };
    let stored = write_key(&state);
    let key = hex(&founder().key().to_bytes());
    assert_eq!(hex(&stored), format!("01845820{key}64776573740304"));
    assert_eq!(read_key(&stored), Ok(state));

    let state = AgencyState { admitted: LeafIndex::new(3), removed: None };
    let stored = write_agency(state);
    assert_eq!(hex(&stored), "0103");
    assert_eq!(read_agency(&stored), Ok(state));
    let state = AgencyState { removed: Some(LeafIndex::new(500)), ..state };
    let stored = write_agency(state);
    assert_eq!(hex(&stored), "0182031901f4");
    assert_eq!(read_agency(&stored), Ok(state));

    let position = StoredPosition { log_id: Some(vec![1, 2]), membership: None };
    let head = TreeHead { size: TreeSize::new(1), root: hash_of(3) };
    let manifest = Manifest { position: position.clone(), head, agreed: None };
    let stored = write_manifest(&manifest);
    assert_eq!(hex(&stored), format!("01828142010282015820{three}"));
    assert_eq!(read_manifest(&stored), Ok(manifest.clone()));
    let manifest = Manifest { agreed: Some(head), ..manifest };
    let stored = write_manifest(&manifest);
    assert_eq!(hex(&stored), format!("01838142010282015820{three}82015820{three}"));
    assert_eq!(read_manifest(&stored), Ok(manifest));

    let end = End {
        tail: LogTail {
            size: TreeSize::new(1),
            last_leaf: hash_of(3),
            last_time: Timestamp::from_unix_ms(5).unwrap(),
        },
        frontier: Frontier::from_parts(TreeSize::new(1), vec![hash_of(3)]).unwrap(),
        agreed: Some(head),
        position,
        unflushed_bytes: 0,
    };
    let stored = StoredEnd::write(&end);
    let hashes = format!("815820{three}5820{three}");
    assert_eq!(hex(&stored), format!("018601{hashes}0582015820{three}81420102"));
    let read = StoredEnd::read(&stored).unwrap();
    assert_eq!((read.tail, read.frontier), (end.tail, end.frontier));
    assert_eq!((read.agreed, read.position), (end.agreed, end.position));
}

#[test]
fn golden_nodes() {
    let state = NodeState {
        agency: AgencyId::parse("west").unwrap(),
        address: "a:1".to_owned(),
        key: hash_of(1),
        role: NodeRole::Voter,
        admitted: LeafIndex::new(3),
        removed: None,
    };
    let key = "01".repeat(32);
    let stored = write_node(&state);
    assert_eq!(hex(&stored), format!("0185647765737463613a315820{key}f503"));
    assert_eq!(read_node(&stored), Ok(state.clone()));
    let state = NodeState { role: NodeRole::Learner, removed: Some(LeafIndex::new(4)), ..state };
    let stored = write_node(&state);
    assert_eq!(hex(&stored), format!("0186647765737463613a315820{key}f40304"));
    assert_eq!(read_node(&stored), Ok(state));
}

#[test]
fn damaged_values_are_refused() {
    assert!(matches!(read_stream(&[]), Err(StoreError::Damaged { .. })));
    assert!(matches!(read_stream(&[1, 0x82, 9, 0x61, b'W']), Err(StoreError::Damaged { .. })));
    assert!(matches!(read_agency(&[1, 0x81, 3]), Err(StoreError::Damaged { .. })));
    assert!(matches!(read_agency(&[1, 0x61, b'a']), Err(StoreError::Damaged { .. })));
    assert!(matches!(read_node(&[1, 0x81, 3]), Err(StoreError::Damaged { .. })));
    assert!(matches!(read_claim(&[1, 0x61, b'/']), Err(StoreError::Damaged { .. })));
}
