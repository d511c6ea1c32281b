//! Facts that entries rest on: each rule is broken once and named, with file and line.

use super::*;

const PERMITS: &str = "registries/parking_permit.yaml";

#[test]
fn each_rule_of_facts_is_broken_once_and_named_with_its_line() {
    for (from, to, expected) in [
        ("registry: vehicle", "registry: boats", ":35: other registry \"boats\""),
        ("registry: vehicle", "registry: parking_permit", ":35: other registry"),
        ("by: {plate: plate}", "by: {number: plate}", ":36: field of the fact \"number\""),
        ("by: {plate: plate}", "by: {plate: number}", ":36: field \"number\""),
        ("by: {plate: plate}", "by: {}", ":30: \"by\" finds the fact"),
        ("among: [owner_snils, lessee_snils]", "among: []", ":30: \"by\" finds the fact"),
        ("among: [owner_snils,", "among: [owner,", ":37: field of the fact \"owner\""),
        ("field: holder_snils", "field: holder", ":37: field \"holder\""),
        (
            "    title: {ru: У автомобиля другой собственник, en: The vehicle has another owner}\n",
            "",
            "has no text in ru",
        ),
        ("kind: automatic", "kind: manual", "only entries of an automatic registry rest on facts"),
    ] {
        let found = lines(&fixture::changed(PERMITS, from, to).unwrap_err());
        assert!(found.contains(expected), "{to:?}:\n{found}\nexpected {expected:?}");
    }
}
