//! Each rule of offers is broken once and named, with its line where there is one.

use super::*;

const BENEFIT: &str = "services/child-benefit/regulation.yaml";
const BENEFIT_CASES: &str = "services/child-benefit/cases/offers.yaml";
const PERMIT_CASES: &str = "services/parking-permit/cases/offers.yaml";

/// Asserts that a change is refused for a reason with these words, and that its line is named.
fn assert_refused(path: &str, from: &str, to: &str, words: &str) {
    let errors = changed(path, from, to).map(drop).expect_err("the change was accepted");
    let found = errors.iter().find(|error| error.to_string().contains(words));
    let found = found.unwrap_or_else(|| panic!("{to}: {}", lines(&errors)));
    assert!(found.line.is_some(), "{found}");
}

#[test]
fn each_rule_of_offers_is_broken_once_and_named_with_its_line() {
    let trigger = "{entry_created: {registry: birth_record}}";
    for (from, to, words) in [
        ("    to: parent_snils\n", "", "in \"to\" which field"),
        ("to: parent_snils", "to: other_parent_snils", "for nobody"),
        ("to: parent_snils", "to: mother_snils", "\"mother_snils\" is not defined"),
        ("when: {parent: mother}", "when: {mother: true}", "\"mother\" is not defined"),
        ("registry: birth_record}}", "registry: births}}", "\"births\" is not defined"),
        ("    notice: paper\n", "", "in \"notice\" by which channel"),
        ("notice: paper", "notice: portal", "has no page yet"),
        ("notice: paper", "notice: pigeon", "\"pigeon\" is not defined"),
        ("open_for: {calendar_days: 90}", "open_for: {calendar_days: 0}", "0 days; give 1"),
        ("again_for: {calendar_days: 365}", "again_for: {calendar_days: 9999}", "9999 days"),
        ("birth_record: record_number", "record: record_number", "\"record\" is not defined"),
        ("birth_record: record_number", "birth_record: number", "\"number\" is not defined"),
        ("law: {ru: \"Постановление № 9, пункт 2.2\"", "law: {ru: \"\"", "in ru"),
        (trigger, "{entry_ends: {within: {calendar_days: 0}}}", "0 days"),
        (trigger, "{entry_ends: {within: {calendar_days: 30}}}", "remove \"to\" and"),
        ("code: newborn", "code: newcomer", "no test case for offer newcomer"),
        ("open_for: {calendar_days: 90}", "open_for: {working_days: 90}", "working_days"),
    ] {
        assert_refused(BENEFIT, from, to, words);
    }
    let within = "entry_ends: {within: {calendar_days: 30}}";
    let earlier = "entry_ends: {within: {calendar_days: 31}}";
    assert_refused(REGULATION, within, earlier, "before the entry may be renewed");
    // A private field of an entry would be published with the application.
    assert_refused(REGULATION, "zone: zone}", "zone: dwelling}", "which is not; make it private");
}

#[test]
fn an_offer_has_a_case_of_its_own_and_a_case_an_offer_that_is_there() {
    for (path, from, to, words) in [
        (BENEFIT_CASES, "offer: newborn\n", "offer: newcomer\n", "\"newcomer\" is not defined"),
        (BENEFIT_CASES, "        parent: mother", "        mother: yes", "\"mother\" is not"),
    ] {
        assert_refused(path, from, to, words);
    }
    let files = fixture::files();
    let files = files.into_iter().filter(|(path, _)| path != PERMIT_CASES).collect();
    let errors = Pack::from_files(PackFiles::new(files).unwrap()).unwrap_err();
    assert!(lines(&errors).contains("no test case for offer renewal"), "{}", lines(&errors));
}

#[test]
fn a_case_tells_where_no_offer_is_made() {
    let pack = changed(BENEFIT_CASES, "parent: father", "parent: mother").unwrap();
    let failed = pack.check().unwrap_err();
    assert_eq!(failed.len(), 1, "{}", lines(&failed));
    assert!(lines(&failed).contains("expected no offer"), "{}", lines(&failed));
}
