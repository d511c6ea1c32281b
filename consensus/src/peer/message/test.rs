//! Golden bytes of some messages, reading back of all, and bytes that are none.

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::strategy::Union;

use super::*;
use crate::machine::test_records::{genesis, node};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn log() -> Origin {
    Origin::new("a.example/log").unwrap()
}

#[test]
fn golden_bytes() {
    let vote = WireVote { vote: Vote::new(3, 1).to_stored().into(), last: None, transfer: true };
    for (request, golden) in [
        (Request::Vote(vote), "01820181834501830301f4f6f5"),
        (Request::LeafHashes(1, 2), "018207820102"),
        (Request::Cosign("x".to_owned()), "018209816178"),
        (Request::Status, "01820d80"),
    ] {
        assert_eq!(hex(&write_value(&request)), golden);
    }
    for (response, golden) in [
        (Response::NotLeader(Some(3)), "0182068103"),
        (Response::Done, "01820b80"),
        (Response::Refused("no".to_owned()), "01820f81626e6f"),
        (Response::Busy(5), "0182108105"),
        (Response::BadRecord(1, "x".to_owned()), "01821182016178"),
    ] {
        assert_eq!(hex(&response.to_bytes()), golden);
        assert_eq!(Response::from_bytes(&response.to_bytes()), Ok(response));
    }
    let wrapped = Envelope::wrap(&log(), node(1), node(2), &Request::Status);
    assert_eq!(hex(&wrapped), "01846d612e6578616d706c652f6c6f6701024401820d80");
}

#[test]
fn a_record_travels_as_it_was_signed() {
    let record = genesis();
    assert_eq!(WireRecord::of(&record).read(), Ok(record));
}

fn bytes() -> impl Strategy<Value = ByteVec> {
    vec(any::<u8>(), 0..40).prop_map(ByteVec::from)
}

fn any_request() -> impl Strategy<Value = Request> {
    let vote = || {
        (bytes(), of(bytes()), any::<bool>()).prop_map(|(vote, last, transfer)| WireVote {
            vote,
            last,
            transfer,
        })
    };
    let append = (bytes(), of(bytes()), vec(bytes(), 0..4), of(bytes())).prop_map(
        |(vote, previous, entries, committed)| WireAppend { vote, previous, entries, committed },
    );
    let snapshot = (bytes(), of(bytes()), of(bytes()), bytes(), of(bytes())).prop_map(
        |(vote, log_id, membership, head, agreed)| WireSnapshot {
            vote,
            log_id,
            membership,
            head,
            agreed,
        },
    );
    let transfer = (bytes(), any::<u64>(), of(bytes())).prop_map(|(vote, to, last)| WireTransfer {
        vote,
        to,
        last,
    });
    let records = vec(bytes().prop_map(|signed| WireRecord { signed }), 0..4);
    Union::new([
        append.prop_map(Request::AppendEntries).boxed(),
        vote().prop_map(Request::Vote).boxed(),
        vote().prop_map(Request::PreVote).boxed(),
        transfer.prop_map(Request::TransferLeader).boxed(),
        snapshot.prop_map(Request::Snapshot).boxed(),
        (any::<u64>(), records).prop_map(|(term, records)| Request::Append(term, records)).boxed(),
        Just(Request::ReadIndex).boxed(),
        any::<(u64, u32)>().prop_map(|(from, count)| Request::LeafHashes(from, count)).boxed(),
        any::<(u64, u32)>().prop_map(|(from, count)| Request::Leaves(from, count)).boxed(),
        any::<String>().prop_map(Request::Cosign).boxed(),
        any::<String>().prop_map(Request::Published).boxed(),
        any::<[u8; 32]>().prop_map(|hash| Request::Blob(hash.into())).boxed(),
        Just(Request::LogKey).boxed(),
        Just(Request::Status).boxed(),
    ])
}

fn any_response() -> impl Strategy<Value = Response> {
    let voted = (bytes(), any::<bool>(), of(bytes())).prop_map(|(vote, granted, last)| WireVoted {
        vote,
        granted,
        last,
    });
    let status = (any::<u64>(), of(any::<u64>()), of(any::<u64>()), any::<(u64, u64, bool)>())
        .prop_map(|(term, leader, last_entry, (applied, published, log_key))| WireStatus {
            term,
            leader,
            last_entry,
            applied_entry: last_entry,
            applied,
            cosigned: published,
            published,
            log_key,
        });
    Union::new([
        of(bytes()).prop_map(|id| Response::AppendEntries(WireAppended::Partial(id))).boxed(),
        bytes().prop_map(|id| Response::AppendEntries(WireAppended::HigherVote(id))).boxed(),
        Just(Response::AppendEntries(WireAppended::Conflict)).boxed(),
        voted.prop_map(Response::Vote).boxed(),
        (bytes(), bytes())
            .prop_map(|(a, b)| Response::TransferLeader(WireTransferred::VoteChanged(a, b)))
            .boxed(),
        bytes().prop_map(Response::Installed).boxed(),
        any::<u64>().prop_map(Response::Installing).boxed(),
        Just(Response::Appended).boxed(),
        of(any::<u64>()).prop_map(Response::NotLeader).boxed(),
        any::<u64>().prop_map(Response::ReadIndex).boxed(),
        bytes().prop_map(Response::LeafHashes).boxed(),
        bytes().prop_map(Response::Leaves).boxed(),
        any::<String>().prop_map(Response::Cosignature).boxed(),
        of(bytes()).prop_map(Response::Blob).boxed(),
        of(any::<String>()).prop_map(Response::LogKey).boxed(),
        status.prop_map(Response::Status).boxed(),
        any::<String>().prop_map(Response::Refused).boxed(),
        any::<u32>().prop_map(Response::Busy).boxed(),
        any::<(u32, String)>().prop_map(|(at, why)| Response::BadRecord(at, why)).boxed(),
    ])
}

/// Reads what a request carries, as a node that answers it does.
fn read_on(request: &Request) {
    match request {
        Request::AppendEntries(append) => drop(append.read()),
        Request::Vote(vote) | Request::PreVote(vote) => drop(vote.read()),
        Request::TransferLeader(transfer) => drop(transfer.read()),
        Request::Snapshot(snapshot) => drop(snapshot.read()),
        Request::Append(_, records) => records.iter().for_each(|record| drop(record.read())),
        _ => {}
    }
}

proptest! {
    #[test]
    fn requests_are_read_back(request in any_request()) {
        let wrapped = Envelope::wrap(&log(), node(1), node(2), &request);
        prop_assert_eq!(Envelope::open(&wrapped, &log(), node(1), node(2)), Ok(request.clone()));
        prop_assert!(Envelope::open(&wrapped, &log(), node(2), node(1)).is_err());
        read_on(&request);
    }

    #[test]
    fn responses_are_read_back(response in any_response()) {
        prop_assert_eq!(Response::from_bytes(&response.to_bytes()), Ok(response));
    }

    #[test]
    fn bytes_that_are_no_message_are_refused(bytes in vec(any::<u8>(), 0..200)) {
        let versioned = [vec![1], bytes.clone()].concat();
        for bytes in [bytes, versioned] {
            // A value may come of it; a panic may not.
            let _ = Envelope::open(&bytes, &log(), node(1), node(2));
            let _ = Response::from_bytes(&bytes);
            if let Ok(request) = read_value::<Request>(&bytes) {
                read_on(&request);
            }
        }
    }

    #[test]
    fn damaged_messages_do_no_harm(
        request in any_request(),
        at in any::<prop::sample::Index>(),
        flip in 1..=255_u8,
        cut in any::<bool>(),
    ) {
        let mut bytes = write_value(&request);
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] ^= flip }
        let read = read_value::<Request>(&bytes);
        prop_assert!(!cut || read.is_err());
        if let Ok(read) = read {
            read_on(&read);
        }
    }
}
