//! Lifecycles: each rule is broken once and named, with its line.

use super::*;

const STAGE: &str = "{code: draft, title: {en: Draft, ru: Проект}, \
    by: {unit: permits, role: executor}, term: {working_days: 3}, law: {en: \"Resolution No 9, clause 3.1\", ru: \"Постановление № 9, пункт 3.1\"}}";

/// The errors of `pack.yaml` with these stages.
fn errors(stages: &str) -> Vec<PackError> {
    let lifecycle = format!("lifecycle: {{stages: [{stages}]}}\nunits:\n");
    changed("pack.yaml", "units:\n", &lifecycle).map(|_| ()).expect_err("it was accepted")
}

#[test]
fn a_lifecycle_is_read_and_every_rule_of_it_is_checked() {
    let lifecycle = format!("lifecycle: {{stages: [{STAGE}]}}\nunits:\n");
    let pack = changed("pack.yaml", "units:\n", &lifecycle).unwrap();
    let stages = &pack.lifecycle().unwrap().stages;
    assert_eq!((stages.len(), stages[0].by.role), (1, Role::Executor));
    assert!(zarechny().lifecycle().is_none());

    let found = errors("");
    assert!(matches!(found[0].rule, PackRule::LifecycleShape { found: 0, .. }));
    let found = errors(&format!("{STAGE}, {STAGE}"));
    assert!(matches!(found[0].rule, PackRule::Duplicate { what: "stage", .. }));
    let found = errors(&STAGE.replace("permits", "nowhere"));
    assert!(matches!(found[0].rule, PackRule::Unknown { what: "unit", .. }));
    assert!(found[0].line.is_some());
    let found = errors(&STAGE.replace("working_days: 3", "working_days: 0"));
    assert!(matches!(found[0].rule, PackRule::Term { .. }));
    let found = errors(&STAGE.replace(
        ", law: {en: \"Resolution No 9, clause 3.1\", ru: \"Постановление № 9, пункт 3.1\"}",
        "",
    ));
    assert!(matches!(found[0].rule, PackRule::MissingCitation { .. }));
    let found = errors(&STAGE.replace(", ru: Проект", ""));
    assert!(matches!(found[0].rule, PackRule::MissingLanguage { .. }));
    let found = errors(&STAGE.replace("code: draft", "code: Draft!"));
    assert!(matches!(found[0].rule, PackRule::Malformed { .. }));
}
