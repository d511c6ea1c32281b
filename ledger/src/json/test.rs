//! Tests of canonical JSON: one spelling per value, and what is refused.

use proptest::prelude::*;

use super::*;

/// Any value that the log may hold, up to three levels deep.
fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Json::Bool),
        (-INTEGER_MAX..=INTEGER_MAX).prop_map(Json::Integer),
        "[a-zа-я0-9 \"\\\\\u{1}€😀]{0,12}".prop_map(Json::String),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::Array),
            prop::collection::btree_map("[a-zЀ-я😀]{0,6}", inner, 0..5)
                .prop_filter("keys in form C", |m| m.keys().all(|k| is_nfc(k)))
                .prop_map(|members| Json::Object(Object(members))),
        ]
    })
}

#[test]
fn refuses_what_cannot_be_hashed_safely() {
    for bad in [
        "null",
        "1.0",
        "1e3",
        "-0",
        "0.1",
        "9007199254740992",
        "-9007199254740992",
        "18446744073709551616",
        r#"{"a":1,"a":1}"#,
        r#"{"a":null}"#,
        "[1,]",
        "1 2",
        "",
        "{\"e\u{301}\":1}",
        "\"e\u{301}\"",
        "\"\u{1}\"",
        r#""\ud800""#,
        "\u{feff}1",
    ] {
        assert!(Json::parse(bad.as_bytes()).is_err(), "{bad:?} was accepted");
    }
    assert!(Json::parse(&[b'"', 0xff, b'"']).is_err());
    assert!(Json::parse(&[b'['; 1000]).is_err(), "deep nesting must not exhaust the stack");
}

#[test]
fn duplicate_keys_are_found_even_when_spelled_differently() {
    assert!(Json::parse(br#"{"a":1,"\u0061":2}"#).is_err());
}

#[test]
fn only_the_canonical_spelling_is_canonical() {
    assert!(Json::parse_canonical(br#"{"a":[1,true,"x"],"b":{}}"#).is_ok());
    for (bad, first_difference) in [
        (r#"{"b":1,"a":2}"#, 2),
        (r#"{"a": 1}"#, 5),
        (r#"{"a":"\u0041"}"#, 6),
        (r#"{"a":1} "#, 7),
        (r#"{"a":"\/"}"#, 6),
    ] {
        assert_eq!(
            Json::parse_canonical(bad.as_bytes()),
            Err(JsonError::NotCanonical { first_difference }),
            "{bad}"
        );
    }
}

#[test]
fn keys_are_sorted_by_utf16_as_rfc_8785_says() {
    // U+1F600 sorts before U+FF21 in UTF-16 and after it in UTF-8.
    let value = Json::parse("{\"\u{ff21}\":1,\"\u{1f600}\":2}".as_bytes()).unwrap();
    assert_eq!(value.to_string(), "{\"\u{1f600}\":2,\"\u{ff21}\":1}");
}

fn written_elsewhere(value: &Json) -> Vec<u8> {
    serde_json_canonicalizer::to_vec(value).unwrap()
}

#[test]
fn every_character_is_written_as_elsewhere() {
    let characters: Vec<char> = (0..=0x0010_ffff).filter_map(char::from_u32).collect();
    for some in characters.chunks(997) {
        let value = Json::String(some.iter().collect());
        assert_eq!(value.to_canonical(), written_elsewhere(&value));
    }
    // As keys too, in whatever order they are sorted.
    for some in [&characters[..2_000], &characters[0xd700..0xf000], &characters[0xf700..0x10_000]] {
        let members = some.iter().map(|key| (format!("a{key}"), Json::Bool(true)));
        let value = Json::Object(members.collect());
        assert_eq!(value.to_canonical(), written_elsewhere(&value));
    }
}

#[test]
fn integers_are_written_as_elsewhere() {
    for magnitude in (0..53).map(|bits| 1_i64 << bits).chain([INTEGER_MAX, 0, 10, 99, 1_000_000]) {
        for integer in [magnitude, -magnitude, magnitude - 1, 1 - magnitude] {
            let value = Json::integer(integer).unwrap();
            assert_eq!(value.to_canonical(), written_elsewhere(&value));
        }
    }
}

#[test]
fn values_of_serde_json_come_under_the_same_limits() {
    let good = serde_json::json!({"a": [1, "x", true]});
    assert_eq!(Json::from_value(&good).unwrap().to_value(), good);
    for bad in [serde_json::json!(null), serde_json::json!(0.5), serde_json::json!(1u64 << 53)] {
        assert!(Json::from_value(&bad).is_err(), "{bad} was accepted");
    }
}

#[test]
fn fields_name_the_member_that_is_wrong() {
    let value = Json::parse(br#"{"n":-1,"s":1,"x":true}"#).unwrap();
    let mut fields = Fields::of("thing", &value).unwrap();
    assert_eq!(fields.unsigned("n").unwrap_err().to_string(), r#"member "n" of thing: negative"#);
    assert_eq!(
        fields.string("s").unwrap_err().to_string(),
        r#"member "s" of thing is integer, not a string"#
    );
    assert_eq!(fields.required("y").unwrap_err().to_string(), r#"thing has no member "y""#);
    assert_eq!(fields.finish().unwrap_err().to_string(), r#"thing has an unknown member "x""#);
}

proptest! {
    #[test]
    fn every_value_has_one_spelling_and_reads_back(value in any_json()) {
        let bytes = value.to_canonical();
        prop_assert_eq!(Json::parse_canonical(&bytes), Ok(value.clone()));
        prop_assert_eq!(Json::from_value(&value.to_value()), Ok(value));
    }

    #[test]
    fn values_are_written_as_elsewhere(value in any_json(), text in "\\PC{0,20}|[\u{0}-\u{2ff}]{0,20}") {
        prop_assert_eq!(value.to_canonical(), written_elsewhere(&value));
        let members = [(text.clone(), value), ("\u{ff21}".to_owned(), Json::String(text))];
        let value = Json::Object(members.into_iter().collect());
        prop_assert_eq!(value.to_canonical(), written_elsewhere(&value));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = Json::parse_canonical(&bytes);
    }
}
