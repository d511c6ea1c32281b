//! Golden bytes of every shape, and reading back of anything.

use proptest::prelude::*;

use super::*;
use crate::machine::test_records::{event_with, founder, genesis};
use crate::raft::types::Payload;

fn log_id(term: u64, index: u64) -> LogId {
    LogId::new(CommittedLeaderId::new(term), index)
}

fn members() -> Membership {
    let nodes = [(1, BasicNode::new("a:1")), (2, BasicNode::new("b:2"))];
    Membership::new(vec![BTreeSet::from([1])], BTreeMap::from(nodes)).unwrap()
}

fn append(time: i64, records: Vec<SignedRecord>) -> Command {
    let time = Timestamp::from_unix_ms(time).unwrap();
    Command::Append { time, records: records.into() }
}

fn head() -> TreeHead {
    TreeHead { size: TreeSize::new(300), root: Hash::from_bytes([0xab; 32]) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn golden_bytes_of_vote_log_id_head_and_membership() {
    assert_eq!(hex(&Vote::new_committed(3, 1).to_stored()), "01830301f5");
    assert_eq!(hex(&Vote::new(3, 1).to_stored()), "01830301f4");
    assert_eq!(hex(&log_id(2, 1000).to_stored()), "0182021903e8");
    let root = "ab".repeat(32);
    assert_eq!(hex(&head().to_stored()), format!("018219012c5820{root}"));
    let stored = StoredMembership::new(Some(log_id(1, 2)), members());
    assert_eq!(hex(&stored.to_stored()), "01828201028281810182820163613a31820263623a32");
}

#[test]
fn golden_bytes_of_entries() {
    let blank = Entry::new(log_id(1, 5), EntryPayload::Blank);
    assert_eq!(hex(&blank.to_stored()), "0182820105820080");
    let members = Entry::new(log_id(1, 0), EntryPayload::Membership(members()));
    assert_eq!(hex(&members.to_stored()), "01828201008201818281810182820163613a31820263623a32");
    let agreed = Entry::new(log_id(1, 7), EntryPayload::Normal(Command::TreeHead(head())));
    let root = "ab".repeat(32);
    assert_eq!(hex(&agreed.to_stored()), format!("01828201078203818219012c5820{root}"));
    let records = Entry::new(log_id(1, 6), EntryPayload::Normal(append(1_000, vec![genesis()])));
    let golden = "45c05a80ce5bf59679c577e08cf22a4f9acd6e48b7b3297cd7c0fd0c0669e0b4";
    assert_eq!(Hash::of(&records.to_stored()).to_hex(), golden);
}

#[test]
fn golden_frame() {
    assert_eq!(hex(&write_frame(b"123456789")), "2639f4cb313233343536373839");
    assert_eq!(read_frame(&write_frame(b"")), Ok(&b""[..]));
}

#[test]
fn every_flipped_bit_of_a_frame_is_found() {
    let frame = write_frame(&Vote::new_committed(3, 1).to_stored());
    for bit in 0..frame.len() * 8 {
        let mut damaged = frame.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(matches!(read_frame(&damaged), Err(EncodingError::Checksum { .. })), "bit {bit}");
    }
    assert_eq!(read_frame(&frame[..3]), Err(EncodingError::Short { found_bytes: 3 }));
}

#[test]
fn other_versions_and_trailing_bytes_are_refused() {
    let mut stored = Vote::new(3, 1).to_stored();
    stored.push(0);
    assert_eq!(Vote::from_stored(&stored), Err(EncodingError::Trailing { extra_bytes: 1 }));
    stored[0] = 2;
    assert_eq!(Vote::from_stored(&stored), Err(EncodingError::Version { found: 2 }));
    assert_eq!(Vote::from_stored(&[]), Err(EncodingError::Short { found_bytes: 0 }));
    assert!(matches!(Vote::from_stored(&[1, 0x80]), Err(EncodingError::Shape { .. })));
}

fn any_payload() -> impl Strategy<Value = Payload> {
    let text = "[a-z ]{0,40}";
    let records = prop::collection::vec((0_u64..1_000, text), 0..4);
    prop_oneof![
        Just(EntryPayload::Blank),
        Just(EntryPayload::Membership(members())),
        (any::<u64>(), any::<[u8; 32]>()).prop_map(|(size, root)| {
            let (size, root) = (TreeSize::new(size), Hash::from_bytes(root));
            EntryPayload::Normal(Command::TreeHead(TreeHead { size, root }))
        }),
        (0_i64..1 << 40, records).prop_map(|(time, records)| {
            let record = |(id, text): (u64, String)| {
                founder().record(id, vec![event_with("case/a", 0, "text", &text)], vec![])
            };
            EntryPayload::Normal(append(time, records.into_iter().map(record).collect()))
        }),
    ]
}

proptest! {
    #[test]
    fn every_entry_reads_back(term: u64, index: u64, payload in any_payload()) {
        let entry = Entry::new(log_id(term, index), payload);
        let read = Entry::from_stored(&entry.to_stored());
        prop_assert_eq!(read, Ok(entry));
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(entry) = Entry::from_stored(&bytes) {
            prop_assert_eq!(Entry::from_stored(&entry.to_stored()), Ok(entry));
        }
    }

    #[test]
    fn votes_and_log_ids_read_back(term: u64, node: u64, index: u64, committed: bool) {
        let vote = if committed { Vote::new_committed(term, node) } else { Vote::new(term, node) };
        prop_assert_eq!(Vote::from_stored(&vote.to_stored()), Ok(vote));
        let id = log_id(term, index);
        prop_assert_eq!(LogId::from_stored(&id.to_stored()), Ok(id));
    }
}
