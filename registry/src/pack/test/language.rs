//! The language of packs: classifiers, derived values, conditions, kinds of requests, units,
//! applicants. Each rule is broken once and named.

use serde_json::json;

use super::*;
use crate::code::{ClassifierCode, FieldPath, GroundCode, RequestKindCode, StepCode};
use crate::event::{IntakeEvidence, IntakeGround};
use letopis_ledger::json::Json;

const BENEFIT: &str = "services/child-benefit/regulation.yaml";
const PERMIT: &str = "services/building-permit/regulation.yaml";
const MINIMUM: &str = "classifiers/subsistence_minimum.yaml";
const PLANNING: &str = "requests/planning_certificate.yaml";

fn value(text: &str) -> ValueRef {
    ValueRef::parse(text).unwrap()
}

fn day(text: &str) -> jiff::civil::Date {
    text.parse().unwrap()
}

#[test]
fn the_pack_of_another_country_is_run_by_the_same_code() {
    let folder = fixture::folder().join("../harbourview");
    let pack = Pack::load(&folder).unwrap_or_else(|errors| panic!("{}", lines(&errors)));
    pack.check().unwrap_or_else(|errors| panic!("{}", lines(&errors)));
    assert_eq!(pack.lifecycle().map(|lifecycle| lifecycle.stages.len()), Some(3));
}

#[test]
fn every_service_of_zarechny_has_a_dozen_cases() {
    for (code, service) in zarechny().services() {
        assert!(service.cases.len() >= 12, "{code}: {}", service.cases.len());
    }
}

/// F17, hard case 5: a value that changes while a case is under way changes nothing for it.
#[test]
fn hard_case_5_a_classifier_gives_the_value_in_force_on_the_day_of_registration() {
    let pack = zarechny();
    let minimum = &pack.classifiers()[&ClassifierCode::parse("subsistence_minimum").unwrap()];
    let child = |on| minimum.value("town", "child", day(on));
    assert_eq!(child("2024-12-31"), None);
    assert_eq!(child("2025-12-31"), Some(Json::from(1_720_100_u32)));
    assert_eq!(child("2026-01-01"), Some(Json::from(1_837_100_u32)));
    let mut values = CaseValues::default();
    fixture::service(&pack, "child-benefit").set_registration_day(&mut values, day("2025-12-31"));
    let found = values.get(&value("classifier.subsistence_minimum.town.child"));
    assert_eq!(found, Some(&Json::from(1_720_100_u32)));
}

#[test]
fn a_classifier_without_a_value_is_refused() {
    assert_breaks!(MINIMUM, "person: 1893900, ", "", PackRule::ClassifierGap { .. });
    assert_breaks!(MINIMUM, "from: 2026-01-01", "from: 2025-01-01", PackRule::Duplicate { .. });
    assert_breaks!(MINIMUM, "from: 2026-01-01", "from: 2026-13-01", PackRule::Malformed { .. });
    for (from, to, what) in
        [("town.person", "sea.person", "row"), ("town.person", "town.pet", "column")]
    {
        assert_breaks!(BENEFIT, from, to, PackRule::Unknown { what: w, .. } if *w == what);
    }
}

#[test]
fn ages_are_whole_years_and_sums_need_their_parts() {
    let request = StepCode::parse("birth").unwrap();
    let fact = |field: &str, fact: Json| {
        let facts = BTreeMap::from([(FieldPath::parse(field).unwrap(), fact)]);
        BTreeMap::from([(request.clone(), AnswerValues::Answered(facts))])
    };
    let age = |born: &str, on: &str| {
        let answers = fact("born", Json::string(born).unwrap());
        let registered_on = Some(day(on));
        let values = CaseValues { answers, registered_on, ..CaseValues::default() };
        Derivation::Age(value("answer.birth.born")).derive("age", &values)
    };
    assert_eq!(age("2009-11-20", "2026-11-19"), Some(Json::from(16_u32)));
    assert_eq!(age("2009-11-20", "2026-11-20"), Some(Json::from(17_u32)));
    assert_eq!(age("2008-02-29", "2026-02-28"), Some(Json::from(17_u32)));
    assert_eq!(age("2026-11-21", "2026-11-20"), None);
    let values = CaseValues { answers: fact("a", Json::from(5_u32)), ..CaseValues::default() };
    let sum = |missing_as_zero| {
        let of = vec![value("answer.birth.a"), value("answer.birth.b")];
        Derivation::Sum(SumRule { of, missing_as_zero }).derive("sum", &values)
    };
    assert_eq!((sum(true), sum(false)), (Some(Json::from(5_u32)), None));
}

#[test]
fn conditions_read_only_what_is_known_by_then() {
    assert_breaks!(
        PERMIT,
        "when: {equal: [answer.land.heritage_zone, true]}",
        "when: {equal: [answer.heritage-opinion.positive, true]}",
        PackRule::ReadBeforeAnswer { .. }
    );
    assert_breaks!(
        PERMIT,
        "when: {equal: [answer.land.heritage_zone, true]}",
        "when: {present: decision.years}",
        PackRule::ReadBeforeDecision { .. }
    );
    assert_breaks!(
        PERMIT,
        "when: {present: form.applicant.inn}",
        "when: {present: form.applicant.tin}",
        PackRule::Unknown { what: "form field", .. }
    );
}

#[test]
fn requests_to_people_have_a_kind_and_its_fields() {
    assert_breaks!(PERMIT, "        kind: missing_file\n", "", PackRule::NoRequestKind { .. });
    assert_breaks!(
        PERMIT,
        "from: {registry: tax_debt}",
        "from: {registry: tax_debt}\n        kind: missing_file",
        PackRule::KindOfRegistry { .. }
    );
    assert_breaks!(
        PERMIT,
        "by: {parcel: form.parcel, area_m2: form.object.area_m2}",
        "by: {parcel: form.parcel}",
        PackRule::RequestIncomplete { field, .. } if field == "area_m2"
    );
    assert_breaks!(
        PERMIT,
        "take: [number, issued_on, complies, remark]",
        "take: [number, colour, complies]",
        PackRule::Unknown { what: "field of the answer", .. }
    );
    assert_breaks!(
        PLANNING,
        "display: [number, ",
        "display: [",
        PackRule::NotDisplayed { field } if field == "number"
    );
    assert_breaks!(PLANNING, "type: date", "type: time", PackRule::Malformed { .. });
}

#[test]
fn an_answer_of_people_is_checked_field_by_field() {
    let pack = zarechny();
    let kinds = pack.request_kinds();
    let kind = &kinds[&RequestKindCode::parse("planning_certificate").unwrap()];
    let facts = json!({"number": " 12 ", "issued_on": "2026-11-21", "complies": true});
    let checked = kind.check(&facts).unwrap();
    let number = FieldPath::parse("number").unwrap();
    assert_eq!(checked[&number], Json::string("12").unwrap());
    assert!(!kind.is_public(&number));
    assert!(kind.is_public(&FieldPath::parse("complies").unwrap()));
    let wrong = json!({"issued_on": "21.11.2026", "complies": "yes", "colour": 1});
    let errors = kind.check(&wrong).unwrap_err();
    let found: Vec<(&str, &str)> =
        errors.iter().map(|e| (e.pointer.as_str(), e.message.as_str())).collect();
    assert_eq!(
        found,
        [
            ("/colour", "field.unknown"),
            ("/complies", "field.kind"),
            ("/issued_on", "field.kind"),
            ("/number", "field.required"),
        ]
    );
    assert!(kind.check(&json!([])).is_err());
}

#[test]
fn units_and_posts_are_defined_and_form_no_circle() {
    assert_breaks!(
        "pack.yaml",
        "en: Town administration}}",
        "en: Town administration}, parent: legal}",
        PackRule::UnitCircle { path } if path.first() == path.last()
    );
    assert_breaks!(
        PERMIT,
        "{head: heritage}",
        "{head: sea}",
        PackRule::Unknown { what: "unit", .. }
    );
    assert_breaks!(
        PERMIT,
        "[{unit: permits, role: head}]",
        "[{unit: permits, role: head}, {unit: legal, role: head}]",
        PackRule::ApprovalShape
    );
    assert_breaks!(
        PERMIT,
        "\n  law: {ru: \"Постановление № 11, пункт 3.7\"",
        "\n  # law: {ru: \"\"",
        PackRule::MissingCitation { what } if what == "the approval"
    );
}

/// U11: five kinds of applicants, each with its own fields; the pack's own cases show the checks.
#[test]
fn u11_kinds_of_applicants_are_offered_by_the_form() {
    assert_breaks!(
        PERMIT,
        "  - {kind: sole_proprietor, required: [applicant.inn, applicant.ogrnip], \
         absent: [applicant.ogrn]}\n",
        "",
        PackRule::Applicants { .. }
    );
    assert_breaks!(
        PERMIT,
        "power_until: representative.power_until",
        "power_until: representative.name",
        PackRule::Applicants { .. }
    );
    assert_breaks!(PERMIT, "    ground: I1\n", "", PackRule::Applicants { .. });
    assert_breaks!(
        PERMIT,
        "  ground: I3",
        "  ground: I9",
        PackRule::Unknown { what: "intake ground", .. }
    );
}

/// U7: refusals of intake have numbers of their own; only people check what comes in.
#[test]
fn intake_is_checked_by_people_and_numbered_apart() {
    let number = "intake_number: РС-ОТ-{year}";
    assert_breaks!(PERMIT, number, "intake_number: РС-{year}", PackRule::Intake { .. });
    let (within, never) = ("within: {working_days: 2}", "within: {working_days: 0}");
    assert_breaks!(PERMIT, within, never, PackRule::Term { .. });
    let by = "by: {unit: permits, role: executor}\n  within";
    let nobody = "by: {unit: harbour, role: executor}\n  within";
    assert_breaks!(PERMIT, by, nobody, PackRule::Unknown { what: "unit", .. });
    let check = format!(
        "intake_number: ЗП-ОТ-{{year}}-{{sequence:4}}\nintake_check:\n  {by}: {{working_days: 1}}\n  \
         law: {{ru: Пункт, en: Clause}}\nterm:"
    );
    assert_breaks!(REGULATION, "\nterm:", &format!("\n{check}"), PackRule::Intake { .. });
}

/// Hard case 6: the power of a representative counts on the day of registration.
#[test]
fn hard_case_6_a_power_that_ended_before_registration_is_a_ground_of_intake() {
    let pack = zarechny();
    let service = fixture::service(&pack, "building-permit");
    let title = |case: &&TestCase| case.title.value.starts_with("I3");
    let case = service.cases.iter().find(title).unwrap();
    let form = service.check_form(&case.form).unwrap();
    let field = FieldPath::parse("representative.power_until").unwrap();
    let evidence = vec![IntakeEvidence::Form(field)];
    let ground = IntakeGround { code: GroundCode::parse("I3").unwrap(), evidence };
    assert_eq!(service.intake_grounds(&form, day("2026-11-20")), [ground]);
    assert_eq!(service.intake_grounds(&form, day("2026-11-19")), []);
}

#[test]
fn an_entry_is_in_force_for_years_or_months_never_both() {
    assert_breaks!(
        BENEFIT,
        "valid_months: months",
        "valid_months: months\n  valid_years: months",
        PackRule::EffectValidity
    );
    assert_breaks!(BENEFIT, "  valid_months: months", "", PackRule::EffectValidity);
    assert_eq!(Validity::Months(12).last_day(day("2026-03-01")), day("2027-02-28"));
    assert_eq!(Validity::Months(1).last_day(day("2026-01-31")), day("2026-02-27"));
    assert_eq!(Validity::Years(2).last_day(day("2026-11-20")), day("2028-11-19"));
}

#[test]
fn what_a_decision_gives_is_as_private_as_what_it_was_made_of() {
    assert_breaks!(
        "registries/benefit_entitlement.yaml",
        "percent\"}\n    visibility: private",
        "percent\"}\n    visibility: public",
        PackRule::Leak { .. }
    );
}

#[test]
fn a_decision_without_an_answer_is_found_by_trying() {
    let (from, to) = ("<inputEntry><text>0</text>", "<inputEntry><text>-1</text>");
    let errors = changed(MODEL, from, to).unwrap().check().unwrap_err();
    let gap = errors.iter().find(|error| matches!(error.rule, PackRule::NoAnswer { .. }));
    assert_eq!(gap.map(|gap| gap.file.as_str()), Some(MODEL));
}

#[test]
fn a_case_must_not_answer_what_is_left_out() {
    let path = "services/building-permit/cases/applicants.yaml";
    let answers = "      land: {answered: {holder: M1234, heritage_zone: false}}\n";
    let more = format!("{answers}      legal: no_data\n");
    let errors = changed(path, answers, &more).unwrap().check().unwrap_err();
    let [error] = &errors[..] else { panic!("one rule is broken: {}", lines(&errors)) };
    assert!(matches!(error.rule, PackRule::CaseAnswersLeftOut { .. }), "{}", lines(&errors));
}

/// U24: typical decisions cite the law and grounds of the list, and take values that there are.
#[test]
fn u24_a_typical_decision_is_for_grounds_of_the_list_and_cites_the_law() {
    let grounds = "grounds: [G3]";
    assert_breaks!(PERMIT, grounds, "grounds: [G9]", PackRule::Unknown { what: "ground", .. });
    assert_breaks!(PERMIT, "    grounds: [G3]\n", "", PackRule::Typical { .. });
    let code = "code: not-the-holder";
    assert_breaks!(PERMIT, code, "code: all-in-order", PackRule::Duplicate { .. });
    assert_breaks!(
        PERMIT,
        "does not hold parcel {{form.parcel}}",
        "does not hold parcel {{form.nothing}}",
        PackRule::TemplatePlaceholder { .. }
    );
    let (closed, open) = ("{{decision.grounds}}\n    law", "{{decision.grounds\n    law");
    assert_breaks!(PERMIT, closed, open, PackRule::Typical { .. });
    let law =
        "    law: {ru: \"Постановление № 11, пункт 2.8\", en: \"Resolution No 11, clause 2.8\"}\n";
    assert_breaks!(PERMIT, law, "", PackRule::MissingCitation { .. });
}

#[test]
fn entries_are_shown_by_public_areas_to_people_of_the_agency() {
    const SHOWS: &str = "{registry: historic_building, meets: {polygon: form.geometry}}";
    for (to, reason) in [
        ("{registry: historic_building, meets: {name: form.geometry}}", "field of the registry"),
        ("{registry: historic_building, meets: {polygon: form.parcel}}", "form.parcel must have"),
        ("{registry: historic_building, meets: {}}", "one field"),
    ] {
        assert_breaks!(PERMIT, SHOWS, to, PackRule::Shows { reason: found }
            if found.contains(reason));
    }
    for (to, missing) in [
        ("{registry: museum, meets: {polygon: form.geometry}}", "museum"),
        ("{registry: historic_building, meets: {height: form.geometry}}", "height"),
        ("{registry: historic_building, meets: {polygon: form.outline}}", "outline"),
    ] {
        assert_breaks!(PERMIT, SHOWS, to, PackRule::Unknown { name, .. } if name == missing);
    }
    const GEOMETRY: &str = "registries/historic_building.yaml";
    assert_breaks!(GEOMETRY, "format: geojson-polygon", "format: ru-snils", PackRule::Shows { .. });
    const FORM: &str = "services/building-permit/form.schema.json";
    let (from, to) = ("\"format\": \"geojson-polygon\"", "\"maxLength\": 900");
    assert_breaks!(FORM, from, to, PackRule::Shows { .. });
    assert_breaks!(
        PERMIT,
        "from: {head: heritage}",
        "from: {addressee: Somebody}",
        PackRule::Shows { .. }
    );
}
