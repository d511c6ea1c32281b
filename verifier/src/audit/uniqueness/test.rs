//! Tests of uniqueness over a whole log: each broken rule is found at its leaf.

use letopis_ledger::StreamVersion;
use letopis_ledger::checkpoint::Origin;
use letopis_ledger::id::{AgencyId, ClaimName, EventType, RecordId, StreamName};
use letopis_ledger::json::Object;
use letopis_ledger::record::{Claim, Event};

use super::*;

fn record(number: u8, author: &str, version: u64, claim: Option<ClaimOperation>) -> Record {
    let stream = StreamName::parse("application/1").unwrap();
    let event = Event {
        stream: stream.clone(),
        version: StreamVersion::new(version),
        event_type: EventType::parse("application.noted").unwrap(),
        schema: 1,
        data: Object::new(),
        private: vec![],
    };
    let name = ClaimName::parse("number/1").unwrap();
    let claims = claim.map(|operation| Claim { name, operation, holder: stream });
    Record::new(
        Origin::new("log.example").unwrap(),
        RecordId::from_parts(0, &[number; 10]),
        AgencyId::parse(author).unwrap(),
        vec![event],
        claims.into_iter().collect(),
    )
    .unwrap()
}

fn findings(records: &[Record]) -> Vec<(Rule, u64)> {
    let mut uniqueness = Uniqueness::new();
    for (index, record) in records.iter().enumerate() {
        uniqueness.note(LeafIndex::new(index as u64), record).unwrap();
    }
    let mut found = Vec::new();
    uniqueness
        .judge(|finding| found.push((finding.rule, finding.leaf.expect("a leaf").get())))
        .unwrap();
    found.sort_unstable();
    found
}

#[test]
fn a_sound_log_has_no_findings() {
    use ClaimOperation::{Release, Take};
    let records = [
        record(0, "a", 0, Some(Take)),
        record(1, "a", 1, Some(Release)),
        record(2, "a", 2, Some(Take)),
    ];
    assert_eq!(findings(&records), []);
}

#[test]
fn each_broken_rule_is_found_at_its_leaf() {
    use ClaimOperation::{Release, Take};
    let twice = [record(0, "a", 0, None), record(0, "a", 1, None)];
    assert_eq!(findings(&twice), [(Rule::RecordIdUnique, 1)]);
    let gap = [record(0, "a", 0, None), record(1, "a", 2, None)];
    assert_eq!(findings(&gap), [(Rule::StreamDense, 1)]);
    let late_start = [record(0, "a", 1, None)];
    assert_eq!(findings(&late_start), [(Rule::StreamDense, 0)]);
    let foreign = [record(0, "a", 0, None), record(1, "b", 1, None)];
    assert_eq!(findings(&foreign), [(Rule::StreamOwner, 1)]);
    let taken = [record(0, "a", 0, Some(Take)), record(1, "a", 1, Some(Take))];
    assert_eq!(findings(&taken), [(Rule::ClaimUnique, 1)]);
    let unheld = [record(0, "a", 0, Some(Release))];
    assert_eq!(findings(&unheld), [(Rule::ClaimUnique, 0)]);
}

#[test]
fn rows_read_back() {
    let row = Row {
        kind: Kind::ClaimReleased,
        name: named("claim", "x"),
        version: u64::MAX,
        party: named("stream", "y"),
        leaf: 7,
    };
    let bytes = row.to_bytes();
    let mut source = bytes.as_slice();
    assert_eq!(Row::read(&mut source).unwrap(), Some(row));
    assert_eq!(Row::read(&mut source).unwrap(), None);
}

#[test]
fn a_long_file_is_split_and_judged_the_same() {
    // One name's rows stay together and in order, whatever else shares its file.
    let mut all = Uniqueness::new();
    let mut rows = Vec::new();
    for number in 0..2000_u64 {
        let name = named("id", &(number % 1999).to_string());
        let row =
            Row { kind: Kind::RecordId, name, version: 0, party: Hash::of(b""), leaf: number };
        rows.extend(row.to_bytes());
        all.write(row).unwrap();
    }
    let judged = |uniqueness: Uniqueness| {
        let mut found = Vec::new();
        uniqueness.judge(|finding| found.push((finding.rule, finding.leaf))).unwrap();
        found
    };
    let expected = [(Rule::RecordIdUnique, Some(LeafIndex::new(1999)))];
    assert_eq!(judged(all), expected);
    for depth in 1..=SPLITS_MAX {
        let parts = split(rows.as_slice(), depth).unwrap();
        assert_eq!(judged(parts), expected, "depth {depth}");
    }
}
