//! Tables in Markdown: decided like the DMN that says the same, and what is refused.

use serde_json::{Map, Value, json};

use super::super::*;
use AdmissionError as E;

const SHIPPED: &str =
    include_str!("../../../../../deploy/packs/harbourview/services/mooring-permit/decision.md");

const TWO_TABLES: &str = r#"
| Input       | Type   | Allowed values |
|-------------|--------|----------------|
| net income  | number | >= 0           |
| born on     | date   |                |
| why < > "&" |        |                |
"#;

fn admitted(text: &str) -> AdmittedModel {
    AdmittedModel::admit(text).unwrap_or_else(|errors| panic!("refused: {errors:#?}"))
}

fn refused(text: &str) -> Vec<E> {
    AdmittedModel::admit(text).err().unwrap_or_default()
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn mooring(owner: bool, basin: &str, length: u64) -> Evaluation {
    let inputs = json!({"owner": owner, "basin": basin, "length": length, "months": 7});
    admitted(SHIPPED).evaluate("resolution", &object(inputs)).unwrap()
}

#[test]
fn the_first_rule_that_fits_decides_and_is_named() {
    let found = mooring(true, "west", 600);
    let granted = json!({"outcome": "granted", "grounds": [], "fee": "small", "months": 7});
    assert_eq!(found.outputs, granted);
    // The trace has every rule that matched; the first of them gave the result.
    assert_eq!(found.trace[0].rules, ["resolution_4", "resolution_5"]);
    assert_eq!(found.trace[0].annotations, ["Up to 6 m", "Longer than 6 m"]);
    let cases = [
        (false, "east", 600, "not-owner", 1),
        (true, "west", 801, "too-long", 2),
        (true, "east", 1201, "too-long", 3),
    ];
    for (owner, basin, length, ground, rule) in cases {
        let found = mooring(owner, basin, length);
        assert_eq!(found.outputs["grounds"], json!([ground]), "{basin} {length}");
        assert_eq!(found.trace[0].rules[0], format!("resolution_{rule}"));
    }
    assert_eq!(mooring(true, "east", 1200).outputs["fee"], "large");
}

#[test]
fn the_digest_is_that_of_the_text_as_it_was_written() {
    assert_eq!(admitted(SHIPPED).digest(), ModelDigest::of(SHIPPED));
    let other = SHIPPED.replace("Lengths are", "All lengths are");
    assert_ne!(admitted(&other).digest(), admitted(SHIPPED).digest());
}

#[test]
fn a_table_may_use_inputs_and_other_tables_by_names_of_several_words() {
    let text = r##"
| Input      | Type     | Allowed values |
|------------|----------|----------------|
| net income | `number` | `>= 0`         |
| born on    | date     |                |

> # income class

| U | net income | class  |
|:-:|:----------:|:------:|
|   | `i`        | `o`    |
| 1 | < 100      | "low"  |
| 2 | >= 100     | "high" |

> # share

| U | income class | born on              | percent | note        |
|:-:|:------------:|:--------------------:|:-------:|:-----------:|
|   | `i`          | `i`                  | `o`     | `o`         |
| 1 | "low"        | >= date("2020-01-01") | 100     | "a < b & c" |
| 2 | "low"        | < date("2020-01-01")  | 75      | "older"     |
| 3 | "high"       | -                    | 0       | "none"      |
"##;
    let model = admitted(text);
    let share = |income: u64, born: &str| {
        let inputs = object(json!({"net income": income, "born on": born}));
        model.evaluate("share", &inputs).unwrap()
    };
    assert_eq!(share(99, "2020-01-01").outputs, json!({"percent": 100, "note": "a < b & c"}));
    assert_eq!(share(99, "2019-12-31").outputs["percent"], 75);
    let high = share(100, "2020-01-01");
    assert_eq!(high.outputs["percent"], 0);
    let names: Vec<&str> = high.trace.iter().map(|table| table.decision.as_str()).collect();
    assert_eq!(names, ["income_class", "share"]);
    assert_eq!(model.inputs("income class").unwrap().len(), 1);
    let out = object(json!({"net income": -1, "born on": "2020-01-01"}));
    assert!(matches!(model.evaluate("share", &out), Err(EvaluationError::InputNotAllowed { .. })));
}

#[test]
fn what_cannot_be_read_is_refused_with_its_line() {
    let line = |text: &str| match refused(text).as_slice() {
        [E::Markdown { line, reason }] => (*line, reason.clone()),
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(line("Only prose.").0, 1);
    let (number, reason) = line(&format!(
        "{TWO_TABLES}\n> # d\n\n| U | net income | out |\n|-|-|-|\n| | `i` | `o` |\n| 1 | - | 1 |"
    ));
    assert_eq!(number, 6, "{reason}");
    assert!(reason.contains("boolean, number, string, date"), "{reason}");
    let no_inputs = "> # d\n| U | x | out |\n|-|-|-|\n| | `i` | `o` |\n| 1 | - | 1 |";
    assert!(line(no_inputs).1.contains("no table of inputs"));
    let inputs = "| Input | Type |\n|-|-|\n| x | number |\n\n";
    let no_markers = format!("{inputs}> # d\n\n| U | x | out |\n|-|-|-|\n| 1 | - | 1 |\n");
    assert_eq!(line(&no_markers).0, 7);
    let table = "| U | x | out |\n|-|-|-|\n| | `i` | `o` |\n| 1 | - | 1 |\n";
    let (number, reason) = line(&format!("{inputs}> # d\n\n{table}\n{table}"));
    assert_eq!(number, 12, "{reason}");
    assert_eq!(line(&format!("{inputs}> #\n{table}")).0, 5);
    assert_eq!(line(&format!("{inputs}> # d\nwithout a table")).0, 5);
    let narrow = "| Input | Type |\n|-|-|\n| x |\n\n> # d\n";
    assert_eq!(line(&format!("{narrow}{table}")).0, 3);
}

#[test]
fn every_rule_of_admission_holds_for_markdown() {
    let model = |cell: &str| {
        format!(
            "| Input | Type |\n|-|-|\n| x | number |\n\n> # d\n| U | x | out |\n|-|-|-|\n\
             | | `i` | `o` |\n| 1 | - | {cell} |\n"
        )
    };
    assert!(AdmittedModel::admit(&model("x + 1")).is_ok());
    assert!(matches!(refused(&model("today()")).as_slice(), [E::Clock { .. }, ..]));
    assert!(matches!(refused(&model("y + 1")).as_slice(), [E::UnknownName { .. }, ..]));
    assert!(matches!(refused(&model("1 +")).as_slice(), [E::FeelSyntax { .. }, ..]));
    let large = "x".repeat(admission::DOCUMENT_BYTES_MAX + 1);
    assert!(matches!(refused(&large).as_slice(), [E::DocumentTooLarge { .. }]));
}
