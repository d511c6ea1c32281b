//! Each rule of payments is broken once and named, with its line.

use super::*;

const BENEFIT: &str = "services/child-benefit/regulation.yaml";

#[test]
fn each_rule_of_payments_is_broken_once_and_named_with_its_line() {
    for (from, to, words) in [
        ("  amount: decision.amount", "  amount: form.children", "no member of the decision"),
        ("  amount: decision.amount", "  amount: decision.months", "enters decision.months in no"),
        ("  day: 15", "  day: 29", "day 29; give 1 to 28"),
        ("  day: 15", "  day: 0", "day 0; give 1 to 28"),
        ("  every: month", "  every: week", "week"),
        ("unit: treasury", "unit: bank", "\"bank\" is not defined"),
        ("payee: [recipient_snils, account]", "payee: [snils]", "\"snils\" is not defined"),
        ("payee: [recipient_snils, account]", "payee: []", "must know whom"),
        ("{ru: \"Постановление № 9, пункт 3.9\"", "{ru: \"\"", "the act of the payments"),
    ] {
        let errors = changed(BENEFIT, from, to).map(drop).expect_err("the change was accepted");
        let found = errors.iter().find(|error| error.to_string().contains(words));
        let found = found.unwrap_or_else(|| panic!("{to}: {}", lines(&errors)));
        assert!(found.line.is_some(), "{found}");
    }
}
