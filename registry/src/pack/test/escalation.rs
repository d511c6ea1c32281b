//! The language of requests that bring nothing, and of stages with terms: each rule is broken once
//! and named.

use super::*;

const BENEFIT: &str = "services/child-benefit/regulation.yaml";
const PERMIT: &str = "services/building-permit/regulation.yaml";
const CASES: &str = "services/child-benefit/cases/grounds.yaml";

#[test]
fn somebody_takes_over_what_may_be_left_to_an_official_and_nobody_where_nothing_is() {
    let escalation = "escalation:\n  to: {unit: social, role: executor}\n";
    let law =
        "  law: {ru: \"Постановление № 9, пункт 3.4\", en: \"Resolution No 9, clause 3.4\"}\n";
    let whole = format!("{escalation}{law}");
    assert_breaks!(BENEFIT, &whole, "", PackRule::Escalation { .. });
    assert_breaks!(BENEFIT, law, "", PackRule::MissingCitation { .. });
    assert_breaks!(
        BENEFIT,
        "unit: social",
        "unit: asocial",
        PackRule::Unknown { what: "unit", .. }
    );
    let parking = "services/parking-permit/regulation.yaml";
    let added = format!("{whole}\neffect:");
    assert_breaks!(parking, "effect:", &added, PackRule::Escalation { .. });
}

/// Where people decide, who proposes takes over what brings nothing.
#[test]
fn where_people_decide_nobody_else_need_be_named() {
    let pack = zarechny();
    let of = |code| &fixture::service(&pack, code).regulation;
    let post = |code| of(code).escalates_to().map(|post| post.unit.value.to_string());
    assert_eq!(post("building-permit").as_deref(), Some("permits"));
    assert_eq!(post("child-benefit").as_deref(), Some("social"));
    assert_eq!(post("parking-permit"), None);
}

#[test]
fn only_registries_are_asked_again_and_not_for_ever() {
    let times = "retry: &again {times: 3, after: {hours: 24}}";
    for broken in [
        "retry: &again {times: 0, after: {hours: 24}}",
        "retry: &again {times: 11, after: {hours: 24}}",
    ] {
        assert_breaks!(BENEFIT, times, broken, PackRule::Escalation { .. });
    }
    let instant = "retry: &again {times: 3, after: {hours: 0}}";
    assert_breaks!(BENEFIT, times, instant, PackRule::Term { .. });
    assert_breaks!(
        PERMIT,
        "kind: planning_certificate",
        "kind: planning_certificate\n        retry: {times: 1, after: {hours: 1}}",
        PackRule::Escalation { .. }
    );
}

/// An official may affirm that there is nothing: no fact of an answer is certain.
#[test]
fn inputs_of_facts_say_what_they_are_without_them() {
    let age = "from: {age: answer.birth.child_birth_date}\n      when_missing: 0";
    let without = "from: {age: answer.birth.child_birth_date}";
    assert_breaks!(BENEFIT, age, without, PackRule::InputMayBeMissing { .. });
}

#[test]
fn a_case_has_an_official_answer_only_what_is_escalated() {
    let failing = |path: &str, from: &str, to: &str| {
        let errors = changed(path, from, to).unwrap().check().unwrap_err();
        errors.into_iter().map(|error| error.rule).collect::<Vec<_>>()
    };
    let parking = "services/parking-permit/cases/grounds.yaml";
    let rules = failing(parking, "fines: no_data", "fines: {escalated: no_data}");
    assert!(matches!(rules[0], PackRule::CaseNotEscalated { .. }), "{rules:?}");
    let rules = failing(CASES, "birth: {escalated: no_data}", "birth: no_data");
    assert!(matches!(rules[0], PackRule::CaseFailed { .. }), "{rules:?}");
}

#[test]
fn stages_may_have_terms_of_their_own() {
    let pack = zarechny();
    let permit = &fixture::service(&pack, "building-permit").regulation;
    let approval = permit.approval.as_ref().unwrap();
    assert!(approval.term.is_some() && approval.stages.iter().all(|stage| stage.term.is_some()));
    let signed = "- {posts: [{unit: permits, role: head}], term: *day}";
    assert_breaks!(PERMIT, signed, "- {posts: [], term: *day}", PackRule::ApprovalShape);
    let endless =
        "- {posts: [{unit: permits, role: head}], term: {length: {hours: 0}, law: {ru: п, en: c}}}";
    assert_breaks!(PERMIT, signed, endless, PackRule::Term { .. });
    let lawless = "- {posts: [{unit: permits, role: head}], term: {length: {hours: 1}}}";
    assert_breaks!(PERMIT, signed, lawless, PackRule::MissingCitation { .. });
}
