//! Renewals and reviews in the language of packs: each rule is broken once and named, with file and
//! line; and what may be renewed when.

use jiff::civil::{Date, date};

use super::*;
use crate::code::FieldPath;
use letopis_ledger::json::Json;

const BENEFIT: &str = "services/child-benefit/regulation.yaml";

/// The line of a text in a file of the pack, from 1.
fn line_of(path: &str, text: &str) -> usize {
    let file = String::from_utf8(fixture::files()[path].clone()).unwrap();
    file.lines().position(|line| line.contains(text)).unwrap() + 1
}

#[test]
fn each_rule_of_renewals_and_reviews_is_broken_once_and_named_with_its_line() {
    let within = "within: {calendar_days: 30}";
    let on = "on: [birth, residence,";
    let channel = "{code: review, title: {ru: Пересмотр без заявления";
    for (path, at, from, to, expected) in [
        (REGULATION, within, within, "within: {working_days: 30}", "counts calendar_days"),
        (REGULATION, within, within, "within: {calendar_days: 0}", "a term of 0"),
        (
            REGULATION,
            within,
            "  law: {ru: \"Постановление № 7, пункт 4.1\", en: \"Resolution No 7, clause 4.1\"}\n",
            "",
            "the renewal cites no act",
        ),
        (
            REGULATION,
            "  registry: parking_permit",
            "    dwelling: form.dwelling\n",
            "    dwelling: answer.residence.dwelling\n",
            "keeps it: fill it from the form",
        ),
        (BENEFIT, on, on, "on: [birth, home,", "request \"home\" is not defined"),
        (BENEFIT, on, on, "on: [birth, birth,", "\"birth\" is defined twice"),
        (BENEFIT, channel, ", by_rule: true}", "}", "exactly one channel"),
        (
            BENEFIT,
            channel,
            "by_rule: true}",
            "by_rule: true, draft_only: true}",
            "nobody applies by a channel",
        ),
    ] {
        let found = lines(&fixture::changed(path, from, to).map(|_| ()).unwrap_err());
        assert!(found.contains(expected), "{to:?}:\n{found}\nexpected {expected:?}");
        // What is missing is named where the service begins.
        let line = if at == channel && !to.contains("by_rule") { "service: " } else { at };
        let place = format!("{path}:{}: ", line_of(path, line));
        let named = found.lines().any(|one| one.starts_with(&place) && one.contains(expected));
        assert!(named, "{found}\nexpected {place}{expected}");
    }
    let empty =
        "on: [birth, residence, income, payments, property, second-income, second-property]";
    assert_breaks!(BENEFIT, empty, "on: []", PackRule::FollowUp { .. });
    // Nothing begins by itself where no fact is followed.
    let law = "law: {ru: \"Постановление № 9, пункт 4.2\", en: \"Resolution No 9, clause 4.2\"}";
    let review = format!("review:\n  {empty}\n  {law}\n");
    assert_breaks!(
        BENEFIT, &review, "", PackRule::FollowUp { reason } if reason.contains("remove \"by_rule\"")
    );
}

#[test]
fn a_renewal_needs_a_case_and_both_need_their_papers() {
    let mut files = fixture::files();
    files.remove(&format!("{SERVICE}/cases/renewal.yaml"));
    files.remove(&format!("{SERVICE}/templates/renewal.en.md"));
    files.remove("services/child-benefit/templates/ending.ru.md");
    let errors = Pack::from_files(PackFiles::new(files).unwrap()).map(|_| ()).unwrap_err();
    let count = |wanted: fn(&PackRule) -> bool| errors.iter().filter(|e| wanted(&e.rule)).count();
    assert_eq!(count(|rule| matches!(rule, PackRule::MissingFile)), 2, "{}", lines(&errors));
    assert_eq!(count(|rule| matches!(rule, PackRule::NotTested { .. })), 1, "{}", lines(&errors));
    // Without a renewal its paper would be published for nothing.
    let renewal = "renewal:\n  within: {calendar_days: 30}\n  law: {ru: \"Постановление № 7, пункт \
                   4.1\", en: \"Resolution No 7, clause 4.1\"}\n";
    assert_breaks!(REGULATION, renewal, "", PackRule::UnusedFile);
}

#[test]
fn a_case_that_does_not_renew_says_why() {
    let path = format!("{SERVICE}/cases/renewal.yaml");
    for (from, to, expected) in [
        ("registered_on: 2026-11-20", "registered_on: 2026-11-01", "from 2026-11-20 on"),
        ("registered_on: 2026-12-20", "registered_on: 2027-01-20", "until 2026-12-20; apply"),
        ("    registered_on: 2026-11-20\n", "", "give \"registered_on\""),
        ("fields: [/plate]", "fields: [/zone]", "not renewed: /plate"),
    ] {
        let found = fixture::changed(&path, from, to).unwrap().check().unwrap_err();
        let found = lines(&found);
        assert!(found.contains(expected), "{to:?}:\n{found}\nexpected {expected:?}");
    }
}

#[test]
fn a_permit_can_be_renewed_from_the_thirtieth_day_before_its_last_one_to_that_day() {
    let pack = zarechny();
    let service = fixture::parking(&pack);
    let registry = pack.registry(service.effect_registry()).unwrap();
    let case = service.cases.iter().find(|case| case.renews.is_some()).unwrap();
    let form = service.check_form(&case.form).unwrap();
    let values = |plate: &str| {
        let field = |name: &str| FieldPath::parse(name).unwrap();
        let dwelling = form.values()[&field("dwelling")].clone();
        BTreeMap::from([(field("plate"), Json::from(plate)), (field("dwelling"), dwelling)])
    };
    let check = |plate: &str, until: Option<Date>, on: Date| {
        service.check_renewal(registry, &form, (&values(plate), until), on)
    };
    let until = date(2026, 12, 31);
    for on in [date(2026, 12, 1), date(2026, 12, 15), until] {
        assert_eq!(check("А123ВС77", Some(until), on), Ok(()), "{on}");
    }
    let early = NotRenewed::TooEarly { from: date(2026, 12, 1), valid_until: until };
    assert_eq!(check("А123ВС77", Some(until), date(2026, 11, 30)), Err(early));
    let late = NotRenewed::TooLate { valid_until: until };
    assert_eq!(check("А123ВС77", Some(until), date(2027, 1, 1)), Err(late));
    assert_eq!(check("А123ВС77", None, until), Err(NotRenewed::Unlimited));
    let other = check("Е234КМ77", Some(until), until).unwrap_err();
    assert!(other.to_string().contains("plate of the form has another value"), "{other}");
    let benefit = fixture::service(&pack, "child-benefit");
    let never = benefit.check_renewal(registry, &form, (&BTreeMap::new(), None), until);
    assert_eq!(never, Err(NotRenewed::Never));
}
