//! Complex requests of a pack: each rule is broken once and named, with file and line.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

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
            "  - service: child-benefit\n    asks: [birth_record, children, account]",
            ":15: service \"child-benefit\" is defined twice",
        ),
        (
            "asks: [birth_record, children, account]",
            "asks: [birth_record, child]",
            ":14: form field \"child\"",
        ),
        (
            "asks: [birth_record, children, account]",
            "asks: [birth_record]",
            ":13: \"children\", which \"child-benefit\" needs, is asked nowhere",
        ),
        (
            "asks: [birth_record, children, account]",
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
            "        law: {ru: \"Постановление № 12, пункт 4\", en: \"Resolution No 12, clause 4\"}\n",
            "",
            ":19: the wait cites no act",
        ),
        (
            "asks: [birth_record, children, account]",
            "asks: [birth_record, children, account]\n    waits:\n      - request: residence\n        service: \
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

proptest! {
    /// Whatever of its fields a complex request is filled in with, each service's form gets just
    /// the values that are meant for it, and the place of each is told where it was given.
    #[test]
    fn each_form_gets_what_is_given_for_it_and_nothing_else(given in vec(any::<bool>(), 40)) {
        let pack = zarechny();
        let definition = pack.complex_services().values().next().unwrap();
        let mut document = json!({"shared": {}, "forms": {}});
        let mut places = BTreeMap::new();
        for joined in &definition.services {
            let code = &joined.service.value;
            for field in pack.service(code).unwrap().form.fields().keys() {
                places.insert((code, field), definition.pointer(code, &field.pointer()));
            }
        }
        let pointers: BTreeSet<&String> = places.values().collect();
        for (pointer, _) in pointers.into_iter().zip(&given).filter(|(_, given)| **given) {
            let mut place = &mut document;
            for label in pointer.split('/').skip(1) {
                if !place.is_object() {
                    *place = json!({});
                }
                place = &mut place[label];
            }
            *place = json!(pointer);
        }
        let own = serde_json::from_value(document["forms"].clone()).unwrap();
        let forms = definition.split(&pack, &document["shared"], &own).unwrap();
        for (code, form) in &forms {
            for field in pack.service(code).unwrap().form.fields().keys() {
                let expected = document.pointer(&places[&(code, field)]);
                prop_assert_eq!(form.pointer(&field.pointer()), expected, "{} {}", code, field);
            }
        }
    }
}
