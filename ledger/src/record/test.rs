//! Tests of records: golden bytes, round trips and every rule between the parts.

use proptest::prelude::*;

use super::test_records::{claim, event, record, record_of, signed};
use super::*;

#[test]
fn golden_record() {
    let expected = include_str!("../../testdata/record-v1.json").trim_end();
    assert_eq!(String::from_utf8_lossy(&record().to_bytes()), expected);
}

#[test]
fn golden_signed_record() {
    let expected = include_str!("../../testdata/signed-record-v1.json").trim_end();
    assert_eq!(String::from_utf8_lossy(&signed().to_bytes()), expected);
}

#[test]
fn records_read_back() {
    assert_eq!(Record::parse(&record().to_bytes()), Ok(record()));
    assert_eq!(SignedRecord::parse(&signed().to_bytes()), Ok(signed()));
}

#[test]
fn expected_lengths_name_each_stream_once_with_its_first_version() {
    let record =
        record_of(vec![event("a/1", 4), event("b/1", 0), event("a/1", 5)], vec![]).unwrap();
    let lengths: Vec<_> = record
        .expected_lengths()
        .into_iter()
        .map(|(stream, length)| (stream.to_string(), length.get()))
        .collect();
    assert_eq!(lengths, [("a/1".to_owned(), 4), ("b/1".to_owned(), 0)]);
}

#[test]
fn rules_between_the_parts_are_kept() {
    use ClaimOperation::{Release, Take};
    assert_eq!(record_of(vec![], vec![]), Err(RecordError::EventCount { found: 0 }));
    let many = (0..=256).map(|version| event("a/1", version)).collect();
    assert_eq!(record_of(many, vec![]), Err(RecordError::EventCount { found: 257 }));
    assert!(matches!(
        record_of(vec![event("a/1", 0), event("a/1", 2)], vec![]),
        Err(RecordError::Gap { expected, found, .. }) if expected.get() == 1 && found.get() == 2
    ));
    assert!(matches!(
        record_of(vec![event("a/1", 0)], vec![claim("n", "b/1", Take)]),
        Err(RecordError::ForeignHolder { .. })
    ));
    assert!(matches!(
        record_of(vec![event("a/1", 0)], vec![claim("n", "a/1", Take), claim("n", "a/1", Release)]),
        Err(RecordError::RepeatedClaim { .. })
    ));
    let claims = (0..65).map(|n| claim(&format!("n{n}"), "a/1", Take)).collect();
    assert_eq!(
        record_of(vec![event("a/1", 0)], claims),
        Err(RecordError::ClaimCount { found: 65 })
    );
    let mut twice = event("a/1", 0);
    twice.private = vec![twice.private[0]; 2];
    assert!(matches!(record_of(vec![twice], vec![]), Err(RecordError::DigestOrder { .. })));
}

#[test]
fn refuses_other_shapes() {
    let good = String::from_utf8(record().to_bytes()).unwrap();
    let replaced = |from: &str, to: &str| {
        assert!(good.contains(from), "{from} is not in the record");
        Record::parse(good.replacen(from, to, 1).as_bytes())
    };
    for (from, to) in [
        (r#""v":1}"#, r#""v":2}"#),
        (r#""v":1}"#, r#""v":1,"x":1}"#),
        (r#""author":"zarechny""#, r#""author":"Zarechny""#),
        (r#""op":"take""#, r#""op":"steal""#),
        (r#""version":0"#, r#""version":-1"#),
        (r#""author":"zarechny","#, ""),
    ] {
        assert!(replaced(from, to).is_err(), "accepted {to:?} for {from:?}");
    }
}

#[test]
fn signatures_are_counted_and_ordered() {
    let one = signed().signatures()[0];
    assert_eq!(
        SignedRecord::from_parts(record(), vec![]),
        Err(RecordError::SignatureCount { found: 0 })
    );
    assert_eq!(
        SignedRecord::from_parts(record(), vec![one; 5]),
        Err(RecordError::SignatureCount { found: 5 })
    );
    assert_eq!(
        SignedRecord::from_parts(record(), vec![one, one]),
        Err(RecordError::SignatureOrder { key: one.0 })
    );
}

proptest! {
    #[test]
    fn every_record_reads_back(
        versions in prop::collection::vec(0u64..1_000_000, 1..6),
        names in prop::collection::btree_set("[a-z0-9]{1,8}", 0..5),
    ) {
        let events = versions
            .iter()
            .enumerate()
            .map(|(stream, version)| event(&format!("s/{stream}"), *version))
            .collect();
        let claims =
            names.iter().map(|name| claim(name, "s/0", ClaimOperation::Take)).collect();
        let record = record_of(events, claims).unwrap();
        prop_assert_eq!(Record::parse(&record.to_bytes()), Ok(record));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = SignedRecord::parse(&bytes);
    }
}
