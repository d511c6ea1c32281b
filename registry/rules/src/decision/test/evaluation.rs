//! Inputs and outputs of evaluation: types, nulls, numbers, traces, sharing between threads.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::*;
use super::admission::{decision, definitions, input, literal, requires, requires_decision};

fn admit(body: &str) -> AdmittedModel {
    AdmittedModel::admit(&definitions(body)).unwrap_or_else(|errors| panic!("refused: {errors:#?}"))
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// A model with one input `x` of the type and one decision `d` of the expression.
fn one(type_ref: &str, expression: &str) -> AdmittedModel {
    let logic = format!("{}{}", requires("x"), literal(expression));
    admit(&format!("{}{}", input("x", type_ref), decision("d", &logic)))
}

fn evaluate(model: &AdmittedModel, x: Value) -> Result<Value, EvaluationError> {
    model.evaluate("d", &object(json!({"x": x}))).map(|found| found.outputs)
}

const TYPES: &str = r#"
  <itemDefinition name="tAmounts" isCollection="true"><typeRef>number</typeRef></itemDefinition>
  <itemDefinition name="tPerson">
    <itemComponent name="birth date"><typeRef>date</typeRef></itemComponent>
    <itemComponent name="доход семьи"><typeRef>number</typeRef></itemComponent>
  </itemDefinition>
  <itemDefinition name="tPeople" isCollection="true"><typeRef>tPerson</typeRef></itemDefinition>"#;

fn typed(type_ref: &str, expression: &str) -> AdmittedModel {
    let logic = format!("{}{}", requires("x"), literal(expression));
    admit(&format!("{TYPES}{}{}", input("x", type_ref), decision("d", &logic)))
}

#[test]
fn scalars_lists_and_objects_pass_through_unchanged() {
    for (type_ref, value) in [
        ("boolean", json!(true)),
        ("number", json!(-7)),
        ("number", json!("12.5")),
        ("string", json!("улица \"Мира\", 5")),
        ("date", json!("2024-02-29")),
        ("dayTimeDuration", json!("P1DT2H")),
        ("yearMonthDuration", json!("P1Y2M")),
        ("tAmounts", json!([1, "2.5", 3])),
        ("tPeople", json!([{"birth date": "2000-01-31", "доход семьи": 100}])),
    ] {
        assert_eq!(evaluate(&typed(type_ref, "x"), value.clone()), Ok(value));
    }
}

#[test]
fn equal_numbers_have_one_form_in_outputs() {
    let model = one("number", "x * 1.50");
    assert_eq!(evaluate(&model, json!(1)), Ok(json!("1.5")));
    assert_eq!(evaluate(&model, json!("2.00")), Ok(json!(3)));
    assert_eq!(evaluate(&model, json!("0.10")), Ok(json!("0.15")));
}

#[test]
fn fields_dates_filters_and_loops_work_within_the_admitted_language() {
    let people = json!([
        {"birth date": "2000-01-31", "доход семьи": 100},
        {"birth date": "2010-06-01", "доход семьи": 300},
    ]);
    for (expression, expected) in [
        ("sum(x.доход семьи)", json!(400)),
        ("x[доход семьи > 200][1].birth date", json!("2010-06-01")),
        ("for p in x return p.доход семьи / 100", json!([1, 3])),
        ("every p in x satisfies p.birth date < date(\"2015-01-01\")", json!(true)),
        ("x[1].birth date + duration(\"P1M\")", json!("2000-02-29")),
        ("x[1].birth date + @\"P1Y\"", json!("2001-01-31")),
        ("count(x[item.birth date in [date(\"2000-01-01\")..date(\"2000-12-31\")]])", json!(1)),
        ("sum(for i in 1..3 return i * i)", json!(14)),
    ] {
        assert_eq!(evaluate(&typed("tPeople", expression), people.clone()), Ok(expected));
    }
}

#[test]
fn wrong_types_are_refused_before_evaluation_with_their_place() {
    for (type_ref, value, path) in [
        ("boolean", json!("true"), "x"),
        ("number", json!(1.5), "x"),
        ("number", json!(9_007_199_254_740_992_i64), "x"),
        ("number", json!("1e5"), "x"),
        ("number", json!("+1"), "x"),
        ("number", json!("007"), "x"),
        ("string", json!(5), "x"),
        ("string", json!(null), "x"),
        ("date", json!("2023-02-29"), "x"),
        ("date", json!("2024-02-29T00:00:00"), "x"),
        ("dayTimeDuration", json!("P1Y"), "x"),
        ("tAmounts", json!([1, true]), "x/1"),
        ("tPeople", json!([{"birth date": 5, "доход семьи": 1}]), "x/0/birth date"),
    ] {
        let error = evaluate(&typed(type_ref, "x"), value).unwrap_err();
        assert!(
            matches!(&error, EvaluationError::WrongType { path: found, .. } if found == path),
            "{error:?}"
        );
    }
}

#[test]
fn missing_and_unknown_inputs_and_members_are_refused() {
    let model = typed("tPerson", "x");
    let missing = |error: EvaluationError, expected: &str| match error {
        EvaluationError::MissingInput { path, .. } => assert_eq!(path, expected),
        other => panic!("{other:?}"),
    };
    missing(model.evaluate("d", &Map::new()).unwrap_err(), "x");
    let half = json!({"birth date": "2000-01-01"});
    missing(evaluate(&model, half).unwrap_err(), "x/доход семьи");
    let more = json!({"birth date": "2000-01-01", "доход семьи": 1, "имя": "Анна"});
    assert_eq!(evaluate(&model, more), Err(EvaluationError::UnknownInput { path: "x/имя".into() }));
    let more = object(json!({"x": {"birth date": "2000-01-01", "доход семьи": 1}, "d": 5}));
    assert_eq!(model.evaluate("d", &more), Err(EvaluationError::UnknownInput { path: "d".into() }));
}

#[test]
fn long_texts_and_lists_are_refused() {
    let long = "я".repeat(1_001);
    assert_eq!(
        evaluate(&one("string", "x"), json!(long)),
        Err(EvaluationError::InputTooLong { path: "x".into(), found: 1_001, limit: 1_000 })
    );
    assert_eq!(
        evaluate(&typed("tAmounts", "x"), json!(vec![0; 501])),
        Err(EvaluationError::InputTooLong { path: "x".into(), found: 501, limit: 500 })
    );
}

#[test]
fn an_unknown_decision_is_refused_and_id_and_name_both_find_one() {
    let model = one("number", "x");
    let inputs = object(json!({"x": 1}));
    assert_eq!(
        model.evaluate("e", &inputs),
        Err(EvaluationError::UnknownDecision { decision: "e".into() })
    );
    let body = format!(
        r#"<decision id="right_to_benefit" name="Право на пособие">
             <variable name="Право на пособие"/>{}</decision>"#,
        literal("true")
    );
    let model = admit(&body);
    let by_name = model.evaluate("Право на пособие", &Map::new()).unwrap();
    assert_eq!(by_name, model.evaluate("right_to_benefit", &Map::new()).unwrap());
    assert_eq!(by_name.outputs, json!(true));
}

#[test]
fn a_null_anywhere_in_the_result_means_no_automatic_decision() {
    for (expression, path) in
        [("x / 0", ""), ("[1, x / 0]", "/1"), ("{a: {b: x / 0}}", "/a/b"), ("number(\"z\")", "")]
    {
        let error = evaluate(&one("number", expression), json!(1)).unwrap_err();
        assert!(
            matches!(&error, EvaluationError::NoAutomaticDecision { decision, path: found, .. }
                if decision == "d" && found == path),
            "{expression}: {error:?}"
        );
    }
}

#[test]
fn a_null_in_a_required_decision_is_not_hidden_by_the_one_that_requires_it() {
    let model = admit(&format!(
        "{}{}{}",
        input("x", "number"),
        decision("ratio", &format!("{}{}", requires("x"), literal("1 / x"))),
        decision(
            "d",
            &format!("{}{}", requires_decision("ratio"), literal("if ratio > 1 then 1 else 2"))
        ),
    ));
    assert_eq!(evaluate(&model, json!("0.5")), Ok(json!(1)));
    let error = evaluate(&model, json!(0)).unwrap_err();
    assert!(
        matches!(&error, EvaluationError::NoAutomaticDecision { decision, .. }
            if decision == "ratio"),
        "{error:?}"
    );
}

fn table(attributes: &str, question: &str, rules: &str) -> AdmittedModel {
    let table = format!(
        r#"{}<decisionTable {attributes}>
             <input><inputExpression><text>{question}</text></inputExpression></input>
             <output/>{rules}</decisionTable>"#,
        requires("x")
    );
    admit(&format!("{}{}", input("x", "number"), decision("d", &table)))
}

fn rule(id: &str, cell: &str, output: &str) -> String {
    format!(
        "<rule {id}><inputEntry><text>{cell}</text></inputEntry>\
         <outputEntry><text>{output}</text></outputEntry></rule>"
    )
}

#[test]
fn a_question_without_an_answer_is_no_decision_although_some_rule_would_match() {
    let rules = format!("{}{}", rule("", "&gt; 5", "1"), rule("", "-", "2"));
    let model = table(r#"hitPolicy="FIRST""#, "10 / x", &rules);
    assert_eq!(evaluate(&model, json!(1)), Ok(json!(1)));
    let error = evaluate(&model, json!(0)).unwrap_err();
    assert!(
        matches!(&error, EvaluationError::NoAutomaticDecision { path, .. } if path == "10 / x"),
        "{error:?}"
    );
}

#[test]
fn every_hit_policy_is_traced_and_rules_without_id_are_numbered() {
    let rules = [rule("", "&gt; 0", "1"), rule(r#"id="big""#, "&gt; 5", "2"), rule("", "9", "2")];
    for (attributes, x, rules_matched, output) in [
        (r#"hitPolicy="FIRST""#, 9, vec!["rule-1", "big", "rule-3"], json!(1)),
        (r#"hitPolicy="RULE ORDER""#, 6, vec!["rule-1", "big"], json!([1, 2])),
        (r#"hitPolicy="COLLECT""#, 9, vec!["rule-1", "big", "rule-3"], json!([1, 2, 2])),
        (r#"hitPolicy="COLLECT" aggregation="SUM""#, 6, vec!["rule-1", "big"], json!(3)),
        (r#"hitPolicy="COLLECT" aggregation="COUNT""#, 1, vec!["rule-1"], json!(1)),
        (r#"hitPolicy="UNIQUE""#, 1, vec!["rule-1"], json!(1)),
        (r#"hitPolicy="ANY""#, 2, vec!["rule-1"], json!(1)),
    ] {
        let model = table(attributes, "x", &rules.concat());
        let found = model.evaluate("d", &object(json!({"x": x}))).unwrap();
        assert_eq!(found.outputs, output, "{attributes}");
        assert_eq!(found.trace[0].rules, rules_matched, "{attributes}");
        assert_eq!(found.trace[0].asked, [Asked { question: "x".into(), answer: json!(x) }]);
    }
}

#[test]
fn conflicting_rules_and_gaps_in_a_table_are_no_decision() {
    let rules = [rule("", "&gt; 0", "1"), rule("", "&gt; 5", "2")].concat();
    let model = table(r#"hitPolicy="UNIQUE""#, "x", &rules);
    for x in [6, 0] {
        let error = evaluate(&model, json!(x)).unwrap_err();
        assert!(matches!(error, EvaluationError::NoAutomaticDecision { .. }), "{error:?}");
    }
}

#[test]
fn a_prefixed_document_is_traced_too() {
    let plain = definitions(&format!(
        "{}{}",
        input("x", "number"),
        decision(
            "d",
            &format!(
                r#"{}<decisionTable><input><inputExpression><text>x</text></inputExpression></input>
                <output/>{}</decisionTable>"#,
                requires("x"),
                rule(r#"id="any""#, "-", "1")
            )
        )
    ));
    let prefixed = plain
        .replace("xmlns=", "xmlns:dmn=")
        .replace("</", "<\u{1}")
        .replace('<', "<dmn:")
        .replace("<dmn:\u{1}", "</dmn:");
    let model = AdmittedModel::admit(&prefixed).unwrap();
    let found = model.evaluate("d", &object(json!({"x": 1}))).unwrap();
    assert_eq!(found.trace[0].rules, ["any"]);
    assert_ne!(model.digest(), AdmittedModel::admit(&plain).unwrap().digest());
}

#[test]
fn numbers_beyond_the_decimal_range_are_an_error_and_not_a_crash() {
    let error = evaluate(&one("number", "x * 1e6144 * 10"), json!(9)).unwrap_err();
    assert!(matches!(error, EvaluationError::NotStorable { .. }), "{error:?}");
    let error = evaluate(&one("number", "string(x * 1e6144 * 10)"), json!(9)).unwrap_err();
    assert_eq!(error, EvaluationError::EngineStopped { decision: "d".into() });
}

#[test]
fn a_model_is_shared_between_threads_and_its_digest_names_its_bytes() {
    fn shared<T: Send + Sync>() {}
    shared::<AdmittedModel>();
    let model = one("number", "x + 1");
    let answers: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|x| {
                scope.spawn({
                    let model = &model;
                    move || evaluate(model, json!(x))
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(answers, [1, 2, 3, 4].map(|x| Ok(json!(x))));
    // echo -n '' | sha256sum
    assert_eq!(
        ModelDigest::of("").to_string(),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    assert_eq!(ENGINE, "dsntk-0.3.0+letopis-1");
}

const WORDS: &[&str] = &[
    "x",
    "y",
    "1",
    "0.5",
    "\"a\"",
    "+",
    "-",
    "*",
    "/",
    "**",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ":",
    ",",
    ".",
    "..",
    "<",
    ">=",
    "=",
    "in",
    "if",
    "then",
    "else",
    "for",
    "i",
    "return",
    "some",
    "every",
    "satisfies",
    "between",
    "and",
    "or",
    "not",
    "null",
    "true",
    "sum",
    "count",
    "today",
    "date",
    "function",
    "external",
    "instance of",
    "number",
    "item",
    "?",
    "@",
    "//",
    "/*",
    "*/",
    "-1",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    // The verdict may be anything; what is tested is that there is one, and that the engine ends.
    #[test]
    fn any_text_is_admitted_or_refused_and_what_is_admitted_is_evaluated(
        words in proptest::collection::vec(proptest::sample::select(WORDS), 1..24),
        spaced: bool,
    ) {
        let text = words.join(if spaced { " " } else { "" });
        let body = format!(
            "{TYPES}{}{}",
            input("x", "tAmounts"),
            decision("d", &format!("{}{}", requires("x"), literal(&text)))
        );
        if let Ok(model) = AdmittedModel::admit(&definitions(&body)) {
            let inputs = object(json!({"x": [1, 2, 3]}));
            let first = model.evaluate("d", &inputs);
            prop_assert_eq!(first, model.evaluate("d", &inputs));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn evaluation_is_a_function_of_the_document_and_the_inputs(
        amounts in proptest::collection::vec(-1_000_000_i64..1_000_000, 1..40),
    ) {
        let expression = "{total: sum(x), middle: decimal(mean(x), 2), high: x[item > mean(x)]}";
        let first = evaluate(&typed("tAmounts", expression), json!(amounts)).unwrap();
        let second = evaluate(&typed("tAmounts", expression), json!(amounts)).unwrap();
        prop_assert_eq!(&first, &second);
        prop_assert_eq!(first["total"].as_i64().unwrap(), amounts.iter().sum::<i64>());
    }
}
