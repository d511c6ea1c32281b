//! The pack of Zarechny loads and passes its cases; each rule is broken once and named.

use super::fixture::{self, SERVICE, changed, lines, zarechny};
use super::*;

const REGULATION: &str = "services/parking-permit/regulation.yaml";
const FORM: &str = "services/parking-permit/form.schema.json";
const MODEL: &str = "services/parking-permit/decision.dmn";

/// The rules that a change breaks.
fn broken(path: &str, from: &str, to: &str) -> Vec<PackRule> {
    let errors = changed(path, from, to).map(|_| ()).expect_err("the change was accepted");
    for error in &errors {
        assert!(!error.to_string().is_empty());
    }
    errors.into_iter().map(|error| error.rule).collect()
}

/// Asserts that a change breaks a rule of this pattern, whatever else it breaks.
macro_rules! assert_breaks {
    ($path:expr, $from:expr, $to:expr, $pattern:pat $(if $guard:expr)?) => {
        let rules = broken($path, $from, $to);
        assert!(
            rules.iter().any(|rule| matches!(rule, $pattern $(if $guard)?)),
            "{} -> {}: {rules:?}", $from, $to
        );
    };
}

mod complex;
mod escalation;
mod facts;
mod follow_up;
mod language;
mod lifecycle;
mod offers;
mod payments;

#[test]
fn the_pack_of_zarechny_loads_and_passes_its_own_cases() {
    let pack = zarechny();
    pack.check().unwrap_or_else(|errors| panic!("{}", lines(&errors)));
    assert!(pack.services().values().map(|service| service.cases.len()).sum::<usize>() >= 10);
}

#[test]
fn a_pack_from_its_files_is_the_pack_of_the_folder() {
    let files = PackFiles::new(fixture::files()).unwrap();
    let rebuilt = Pack::from_files(files).unwrap();
    assert_eq!(rebuilt.published(), zarechny().published());
    let paths: Vec<_> = rebuilt.published().files.into_iter().map(|file| file.path).collect();
    assert!(paths.contains(&"pack.yaml".to_owned()) && paths.is_sorted());
}

#[test]
fn steps_in_a_circle_are_named() {
    let rules = broken(REGULATION, "after: [registration]", "after: [decision]");
    let Some(PackRule::Cycle { path }) = rules.first() else { panic!("{rules:?}") };
    assert_eq!(path.first(), path.last());
    assert!(path.contains(&"vehicle".to_owned()) && path.contains(&"decision".to_owned()));
}

#[test]
fn an_error_names_the_file_and_the_line() {
    let errors = changed(REGULATION, "code: G3", "code: G1").map(|_| ()).unwrap_err();
    let error = errors.iter().find(|e| matches!(e.rule, PackRule::Duplicate { .. })).unwrap();
    assert_eq!(error.file, REGULATION);
    let text = String::from_utf8(fixture::files()[REGULATION].clone()).unwrap();
    let line = text.lines().position(|line| line.contains("code: G3")).unwrap() + 1;
    assert_eq!(error.line, Some(line as u64));
    assert!(error.to_string().starts_with(&format!("{REGULATION}:{line}: ")));
}

#[test]
fn every_problem_is_reported_at_once() {
    let mut files = fixture::files();
    files.insert("stray.txt".into(), b"x".to_vec());
    files.remove("registries/vehicle.yaml");
    files.remove(&format!("{SERVICE}/templates/result.en.md"));
    let errors = Pack::from_files(PackFiles::new(files).unwrap()).map(|_| ()).unwrap_err();
    let count = |wanted: fn(&PackRule) -> bool| errors.iter().filter(|e| wanted(&e.rule)).count();
    assert_eq!(count(|rule| matches!(rule, PackRule::MissingFile)), 2, "{}", lines(&errors));
    assert_eq!(count(|rule| matches!(rule, PackRule::UnusedFile)), 1, "{}", lines(&errors));
}

#[test]
fn texts_and_citations_must_be_there_in_both_languages() {
    assert_breaks!(
        REGULATION,
        "    en: Resolution No 7, clause 2.4\n",
        "",
        PackRule::MissingLanguage { .. }
    );
    assert_breaks!(
        REGULATION,
        "law: {ru: \"Постановление № 7, пункт 2.8, подпункт 3\",",
        "# law",
        PackRule::MissingCitation { what } if what == "ground G3"
    );
    assert_breaks!(FORM, r#""en": "Surname""#, r#""en": """#, PackRule::MissingLanguage { .. });
    assert_breaks!(
        "pack.yaml",
        "  en: Regulations of the",
        "  en: \"\" #",
        PackRule::MissingLanguage { .. }
    );
}

/// U56: whatever is cited is an act of the pack and a clause of it, the same in both languages.
#[test]
fn u56_a_broken_citation_is_named_with_its_line() {
    assert_breaks!(
        REGULATION,
        "    en: Resolution No 7, clause 2.4\n",
        "    en: Resolution No 999, clause 2.4\n",
        PackRule::UnknownAct { citation, .. } if citation.contains("999")
    );
    assert_breaks!(
        REGULATION,
        "    en: Resolution No 7, clause 2.4\n",
        "    en: Resolution No 7, clause 77.77\n",
        PackRule::UnknownClause { citation, .. } if citation.contains("77.77")
    );
    assert_breaks!(
        REGULATION,
        "    en: Resolution No 7, clause 2.4\n",
        "    en: Resolution No 7, clause 3.1\n",
        PackRule::CitationsDiffer { what } if what == "the term"
    );
    // The beginning of another number is another act.
    assert_breaks!(
        "pack.yaml",
        "en: \"Resolution No 11\"}",
        "en: \"Resolution No 1\"}",
        PackRule::UnknownAct { .. }
    );
    assert_breaks!(
        REGULATION,
        "    law: {ru: \"Постановление № 7, пункт 3.2\", en: \"Resolution No 7, clause 3.2\"}\n",
        "",
        PackRule::MissingCitation { what } if what == "step vehicle"
    );
    assert_breaks!(
        REGULATION,
        "entered_by_official: true, notice: post",
        "entered_by_official: true",
        PackRule::NoNotice { channel } if channel == "paper"
    );
}

#[test]
fn steps_must_be_whole_and_in_order() {
    assert_breaks!(
        REGULATION, "after: [vehicle, residence, fines]", "after: [residence, fines]",
        PackRule::DecisionDoesNotWait { step } if step == "vehicle"
    );
    assert_breaks!(REGULATION, "after: [registration]", "after: []", PackRule::Unreachable { .. });
    assert_breaks!(
        REGULATION,
        "    after: [decision]\n    action: grant",
        "    after: [vehicle]\n    action: grant",
        PackRule::StepOrder { .. }
    );
    assert_breaks!(
        REGULATION,
        "action: grant",
        "action: refuse",
        PackRule::StepCount { action: "grant", .. }
    );
    assert_breaks!(
        REGULATION,
        "after: [registration]",
        "after: [nowhere]",
        PackRule::Unknown { what: "step", .. }
    );
}

#[test]
fn grounds_must_be_supported_and_given() {
    assert_breaks!(
        REGULATION, "evidence: [{form: plate}, {input: plate has permit}]", "evidence: []",
        PackRule::GroundWithoutEvidence { ground } if ground == "G5"
    );
    assert_breaks!(
        REGULATION, "code: G5", "code: G9", PackRule::GroundUnused { ground } if ground == "G9"
    );
    // Nothing but running the model shows that it gives a ground that is not in the list.
    let cases = format!("{SERVICE}/cases/grounds.yaml");
    let mut files = fixture::files();
    for (path, from) in [(REGULATION, "code: G5"), (cases.as_str(), "grounds: [G5]")] {
        let text = String::from_utf8(files[path].clone()).unwrap();
        let text = text.replace(from, &from.replace("G5", "G9"));
        files.insert(path.to_owned(), text.into_bytes());
    }
    let pack = Pack::from_files(PackFiles::new(files).unwrap()).unwrap();
    let failed = pack.check().unwrap_err();
    assert!(lines(&failed).contains("\"G5\" is not in the regulation's closed list"));
}

#[test]
fn names_must_be_defined() {
    for (from, to, what) in [
        ("registry: vehicle}", "registry: boats}", "registry"),
        (
            "by: {plate: form.plate}\n        take",
            "by: {owner_snils: form.plate}\n        take",
            "key of the registry",
        ),
        (
            "take: [owner_snils, lessee_snils]",
            "take: [colour, owner_snils, lessee_snils]",
            "field of the registry",
        ),
        (
            "snils: form.applicant.snils}\n        take",
            "snils: form.applicant.inn}\n        take",
            "form field",
        ),
        ("answer.residence.zone]", "answer.residence.street]", "fact taken by the request"),
        ("from: {found: vehicle}", "from: {found: boats}", "request"),
        ("- name: vehicle found", "- name: vehicle lost", "input of the model"),
        (
            "    zone: form.zone\n  valid_years",
            "    colour: form.zone\n  valid_years",
            "field of the registry",
        ),
    ] {
        assert_breaks!(REGULATION, from, to, PackRule::Unknown { what: w, .. } if *w == what);
    }
    assert_breaks!(
        REGULATION,
        "name: resolution",
        "name: nothing",
        PackRule::NoSuchDecision { .. }
    );
}

#[test]
fn nothing_private_is_published_and_nothing_is_asked_for_nothing() {
    assert_breaks!(
        REGULATION,
        "from: {value: form.validity_years}",
        "from: {value: form.dwelling}",
        PackRule::Leak { .. }
    );
    assert_breaks!(
        REGULATION,
        "    zone: form.zone\n  valid_years",
        "    zone: form.plate\n  valid_years",
        PackRule::Leak { .. }
    );
    let field = r#""plate": {"#;
    let unread = r#""colour": {"type": "boolean", "x-title": {"ru": "Ц", "en": "C"},
        "x-visibility": "private"}, "plate": {"#;
    assert_breaks!(FORM, field, unread, PackRule::FieldNotRead { field } if field == "colour");
}

#[test]
fn forms_are_bounded_scalars_with_a_visibility() {
    for (from, to) in [
        (r#""x-visibility": "public""#, r#""x-visibility": "secret""#),
        (r#""type": "integer", "enum": [1, 2, 3]"#, r#""type": "number""#),
        (r#""minLength": 1, "maxLength": 100,"#, ""),
        (r#""additionalProperties": false,"#, ""),
        (r#""type": "integer","#, r#""type": "integer", "multipleOf": 2,"#),
    ] {
        assert_breaks!(FORM, from, to, PackRule::SchemaShape { .. });
    }
    assert_breaks!(FORM, "ru-snils", "ru-unknown", PackRule::Unknown { what: "format", .. });
    assert_breaks!(FORM, r#""maxLength": 36"#, r#""maxLength": -1"#, PackRule::Schema { .. });
    assert_breaks!(FORM, "{", "", PackRule::Malformed { .. });
}

#[test]
fn models_that_are_not_reproducible_are_refused() {
    assert_breaks!(
        MODEL,
        "<text>count(grounds)</text>",
        "<text>today().year</text>",
        PackRule::Admission(letopis_rules::decision::AdmissionError::Clock { .. })
    );
}

#[test]
fn registries_templates_terms_and_numbers_follow_their_rules() {
    assert_breaks!(
        "registries/parking_permit.yaml",
        "kind: automatic",
        "kind: manual",
        PackRule::EffectOnRegistry { .. }
    );
    assert_breaks!(
        "registries/parking_permit.yaml",
        "{field: dwelling, most: 2}",
        "{field: dwelling, most: 0}",
        PackRule::RegistryLimit { .. }
    );
    assert_breaks!(
        "registries/vehicle.yaml",
        "unique: [plate]",
        "unique: [lessee_snils]",
        PackRule::RegistryLimit { .. }
    );
    assert_breaks!(
        "registries/vehicle.yaml",
        "code: vehicle",
        "code: vessel",
        PackRule::CodeMismatch { .. }
    );
    assert_breaks!(
        "registries/parking_permit.yaml", "number: РР-{year}-{sequence:6}", "number: РР-{year}",
        PackRule::Malformed { reason } if reason.contains("number template")
    );
    assert_breaks!(
        "services/parking-permit/templates/result.ru.md",
        "{{form.plate}}",
        "{{form.colour}}",
        PackRule::TemplatePlaceholder { .. }
    );
    assert_breaks!(REGULATION, "working_days: 6", "working_days: 0", PackRule::Term { .. });
    assert_breaks!(
        REGULATION,
        "service: parking-permit",
        "service: p",
        PackRule::CodeMismatch { .. }
    );
    assert_breaks!("calendars/ru-2026.json", "2026-01-01", "2026-13-01", PackRule::Calendar(_));
    assert_breaks!("pack.yaml", "  - residence\n", "", PackRule::UnusedFile);
    assert_breaks!(REGULATION, "steps:", "steps: ]", PackRule::Malformed { .. });
    assert_breaks!(REGULATION, "applicants:", "applicant:", PackRule::Malformed { .. });
}

#[test]
fn a_case_that_comes_out_otherwise_is_named_with_what_came_out() {
    let cases = format!("{SERVICE}/cases/grounds.yaml");
    let pack = changed(&cases, "{permits at dwelling: 1}", "{permits at dwelling: 2}").unwrap();
    let failed = pack.check().unwrap_err();
    assert_eq!(failed.len(), 1);
    assert!(matches!(
        &failed[0].rule,
        PackRule::CaseFailed { expected, found, .. }
            if expected == "granted" && found == "refused: G3"
    ));
    assert!(failed[0].line.is_some());
}

#[test]
fn names_that_other_systems_cannot_hold_and_links_are_refused() {
    let bad = BTreeMap::from([("a/../b".to_owned(), vec![]), ("Ж.yaml".to_owned(), vec![])]);
    let errors = PackFiles::new(bad).unwrap_err();
    assert_eq!(errors.len(), 2);
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/etc/hostname", folder.path().join("pack.yaml")).unwrap();
    let errors = PackFiles::read(folder.path()).unwrap_err();
    assert!(matches!(errors[0].rule, PackRule::NotPlain));
    assert!(PackFiles::read(&folder.path().join("none")).is_err());
}

#[test]
fn messages_of_wrong_forms_name_the_field_and_the_rule() {
    let pack = zarechny();
    let service = fixture::parking(&pack);
    let form = serde_json::json!({
        "applicant": {"surname": "И", "given_name": "А", "snils": "112-233-445 96"},
        "plate": "А123", "dwelling": "x", "zone": "Z9", "validity_years": "1", "phone": "1"
    });
    let errors = service.form.check(&form).unwrap_err();
    let found: Vec<(&str, &str)> =
        errors.iter().map(|e| (e.pointer.as_str(), e.message.as_str())).collect();
    assert_eq!(
        found,
        [
            ("/applicant/snils", "identifier.control_digits"),
            ("/dwelling", "field.pattern"),
            ("/phone", "field.unknown"),
            ("/plate", "identifier.length"),
            ("/validity_years", "field.kind"),
            ("/validity_years", "field.choice"),
            ("/zone", "field.choice"),
        ]
    );
    for error in errors {
        let text = error.text();
        assert!(!text.ru.is_empty() && !text.en.is_empty());
    }
}

#[test]
fn a_checked_form_is_in_normal_form_and_split_by_visibility() {
    let pack = zarechny();
    let service = fixture::parking(&pack);
    // "Й" as two code points, as some keyboards give it.
    let form = serde_json::json!({
        "applicant": {"surname": " И\u{306}орк ", "given_name": "А", "snils": "11223344595"},
        "plate": "a123bc77", "dwelling": "5d3c1a7e-2b64-4f0e-9a51-0c8d7e6f1a01",
        "zone": "Z1", "validity_years": 2
    });
    let checked = service.form.check(&form).unwrap();
    let value =
        |path: &str| plain_text(&checked.values()[&crate::code::FieldPath::parse(path).unwrap()]);
    assert_eq!(value("applicant.surname"), "Йорк");
    assert_eq!(value("applicant.snils"), "112-233-445 95");
    assert_eq!(value("plate"), "А123ВС77");
    let public: Vec<&str> = checked.public().iter().map(|(name, _)| name).collect();
    assert_eq!(public, ["validity_years", "zone"]);
    assert_eq!(checked.private().len(), 5);
    assert!(!format!("{checked:?}").contains("Йорк"));
}
