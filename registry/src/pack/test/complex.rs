//! Complex requests of a pack: each rule is broken once and named, with file and line.

use super::*;

const FILE: &str = "complex/moved-in-with-newborn.yaml";

fn refused(from: &str, to: &str) -> String {
    lines(&fixture::changed(FILE, from, to).unwrap_err())
}

#[test]
fn each_rule_of_complex_requests_is_broken_once_and_named_with_its_line() {
    for (from, to, expected) in [
        ("code: moved-in-with-newborn", "code: other", ":2: the file is of \"other\""),
        ("  ru: Переехали с новорождённым\n", "", "has no text in ru"),
        (
            "identification:\n  - name: applicant\n    to: {child-benefit: applicant, parking-permit: applicant}",
            "identification: []",
            ":2: nothing says who applies",
        ),
        ("  - service: child-benefit\n", "  - service: nursery\n", ":13: service \"nursery\""),
        (
            "  - service: parking-permit\n    asks: [plate, dwelling, zone, validity_years]",
            "  - service: child-benefit\n    asks: [birth_record, children]",
            ":15: service \"child-benefit\" is defined twice",
        ),
        (
            "asks: [birth_record, children]",
            "asks: [birth_record, child]",
            ":14: form field \"child\"",
        ),
        (
            "asks: [birth_record, children]",
            "asks: [birth_record]",
            ":13: \"children\", which \"child-benefit\" needs, is asked nowhere",
        ),
        (
            "asks: [birth_record, children]",
            "asks: [birth_record, children, applicant.snils]",
            ":14: form field \"child-benefit: applicant.snils\" is defined twice",
        ),
        (
            "to: {child-benefit: applicant, parking-permit: applicant}",
            "to: {child-benefit: applicants, parking-permit: applicant}",
            ":11: form field \"applicants\" is not defined",
        ),
        (
            "to: {child-benefit: applicant, parking-permit: applicant}",
            "to: {child-benefit: applicant}",
            ":10: applicant identifies the applicant and does not go to parking-permit",
        ),
        (
            "to: {child-benefit: applicant, parking-permit: applicant}",
            "to: {child-benefit: birth_record, parking-permit: plate}",
            "holds something else than the same field of child-benefit",
        ),
        ("- request: residence", "- request: residences", ":19: request \"residences\""),
        ("answer: residence", "answer: address", ":21: request \"address\""),
        ("answer: residence", "answer: income", ":19: residence of parking-permit and income of"),
        (
            "        service: child-benefit\n",
            "        service: parking-permit\n",
            ":20: other service \"parking-permit\"",
        ),
        (
            "        law: {ru: \"Постановление № 11, пункт 4\", en: \"Resolution No 11, clause 4\"}\n",
            "",
            ":19: the wait cites no act",
        ),
        (
            "asks: [birth_record, children]",
            "asks: [birth_record, children]\n    waits:\n      - request: residence\n        service: \
             parking-permit\n        answer: residence\n        law: {ru: a, en: a}",
            ":16: steps wait for one another in a circle: child-benefit/residence → \
             parking-permit/residence → child-benefit/residence",
        ),
    ] {
        let found = refused(from, to);
        assert!(found.contains(expected), "{to:?}:\n{found}\nexpected {expected:?}");
        assert!(found.contains(FILE), "{found}");
    }
}

#[test]
fn a_complex_request_that_the_manifest_does_not_name_is_refused() {
    let refused = fixture::changed("pack.yaml", "complex:\n  - moved-in-with-newborn\n", "");
    assert!(lines(&refused.unwrap_err()).contains("nothing in the pack uses this file"));
}
