//! The first published rule: every ground, their combinations, the boundaries, the trace.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::*;

const DMN: &str =
    include_str!("../../../../../deploy/packs/zarechny/services/parking-permit/decision.dmn");

fn model() -> AdmittedModel {
    AdmittedModel::admit(DMN).unwrap_or_else(|errors| panic!("refused: {errors:#?}"))
}

fn inputs(changes: Value) -> Map<String, Value> {
    let mut inputs = json!({
        "vehicle found": true,
        "applicant is owner": true,
        "resident of zone": true,
        "permits at dwelling": 0,
        "unpaid fine": false,
        "plate has permit": false,
        "validity years": 2,
    });
    let changes = changes.as_object().unwrap().clone();
    inputs.as_object_mut().unwrap().extend(changes);
    inputs.as_object().unwrap().clone()
}

fn resolve(changes: Value) -> Evaluation {
    model().evaluate("resolution", &inputs(changes)).unwrap()
}

#[test]
fn a_resident_who_owns_the_car_is_granted_the_years_asked_for() {
    let found = resolve(json!({}));
    assert_eq!(found.outputs, json!({"outcome": "granted", "grounds": [], "years": 2}));
    assert_eq!(found.trace.len(), 2);
    assert_eq!((found.trace[0].decision.as_str(), found.trace[0].rules.len()), ("grounds", 0));
    assert_eq!(found.trace[1].decision, "outcome");
    assert_eq!(found.trace[1].rules, ["no_ground"]);
    assert_eq!(
        found.trace[1].asked,
        [Asked { question: "count(grounds)".into(), answer: json!(0) }]
    );
}

#[test]
fn each_ground_alone_refuses_and_is_explained_by_its_rule() {
    for (changes, ground, rule) in [
        (json!({"resident of zone": false}), "G1", "not_resident"),
        (json!({"vehicle found": false}), "G2", "vehicle_unknown"),
        (json!({"applicant is owner": false}), "G2", "not_owner_or_lessee"),
        (json!({"permits at dwelling": 2}), "G3", "quota_exhausted"),
        (json!({"unpaid fine": true}), "G4", "unpaid_fine_rule"),
        (json!({"plate has permit": true}), "G5", "duplicate_plate"),
    ] {
        let found = resolve(changes);
        let expected = json!({"outcome": "refused", "grounds": [ground], "years": 0});
        assert_eq!(found.outputs, expected);
        assert_eq!(found.trace[0].rules, [rule]);
        assert!(found.trace[0].annotations[0].starts_with(ground));
        assert_eq!(found.trace[1].rules, ["some_ground"]);
    }
}

#[test]
fn grounds_add_up_in_the_order_of_the_table() {
    let found = resolve(json!({
        "resident of zone": false, "vehicle found": false, "applicant is owner": false,
        "permits at dwelling": 3, "unpaid fine": true, "plate has permit": true,
    }));
    assert_eq!(found.outputs["grounds"], json!(["G1", "G2", "G3", "G4", "G5"]));
    assert_eq!(
        found.trace[0].rules,
        [
            "not_resident",
            "vehicle_unknown",
            "quota_exhausted",
            "unpaid_fine_rule",
            "duplicate_plate"
        ]
    );
    assert_eq!(found.trace[0].annotations.len(), 5);
}

#[test]
fn one_permit_at_the_dwelling_leaves_room_for_a_second_and_two_do_not() {
    for (permits, outcome) in [(0, "granted"), (1, "granted"), (2, "refused"), (3, "refused")] {
        assert_eq!(resolve(json!({"permits at dwelling": permits})).outputs["outcome"], outcome);
    }
}

#[test]
fn values_outside_their_types_give_no_decision() {
    let evaluate = |changes| model().evaluate("resolution", &inputs(changes)).unwrap_err();
    for (name, value) in [("validity years", 4), ("validity years", 0), ("permits at dwelling", -1)]
    {
        let error = evaluate(json!({name: value}));
        assert!(
            matches!(&error, EvaluationError::InputNotAllowed { path, .. } if path == name),
            "{error:?}"
        );
    }
}

#[test]
fn the_inputs_are_listed_in_document_order_with_their_types() {
    let model = model();
    let inputs = model.inputs("resolution").unwrap();
    let names: Vec<&str> = inputs.iter().map(|spec| spec.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "vehicle found",
            "applicant is owner",
            "resident of zone",
            "permits at dwelling",
            "unpaid fine",
            "plate has permit",
            "validity years"
        ]
    );
    assert_eq!(inputs[3].input_type, InputType::Number);
    assert_eq!(model.inputs("outcome").unwrap().len(), 6);
    assert!(model.work_bound("resolution").unwrap() < 20_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_permit_is_granted_exactly_when_no_ground_holds_and_evaluation_repeats_itself(
        found: bool,
        owner: bool,
        resident: bool,
        permits in 0_u8..5,
        fine: bool,
        duplicate: bool,
        years in 1_u8..=3,
    ) {
        let inputs = inputs(json!({
            "vehicle found": found, "applicant is owner": owner, "resident of zone": resident,
            "permits at dwelling": permits, "unpaid fine": fine,
            "plate has permit": duplicate, "validity years": years,
        }));
        let first = model().evaluate("resolution", &inputs).unwrap();
        let second = model().evaluate("resolution", &inputs).unwrap();
        prop_assert_eq!(&first, &second);
        let granted = found && owner && resident && permits < 2 && !fine && !duplicate;
        let outcome = if granted { "granted" } else { "refused" };
        prop_assert_eq!(&first.outputs["outcome"], outcome);
        prop_assert_eq!(first.outputs["grounds"].as_array().unwrap().is_empty(), granted);
        let years = if granted { u64::from(years) } else { 0 };
        prop_assert_eq!(first.outputs["years"].as_u64(), Some(years));
    }
}
