//! Every banned construct with the exact error it gets, and that harmless neighbours pass.

use super::super::*;
use AdmissionError as E;

pub(super) fn definitions(body: &str) -> String {
    format!(
        r#"<definitions xmlns="https://www.omg.org/spec/DMN/20230324/MODEL/" id="m" name="m"
             namespace="https://letopis.example/test">{body}</definitions>"#
    )
}

pub(super) fn input(name: &str, type_ref: &str) -> String {
    format!(
        r#"<inputData id="{name}" name="{name}">
             <variable name="{name}" typeRef="{type_ref}"/></inputData>"#
    )
}

pub(super) fn decision(name: &str, logic: &str) -> String {
    format!(r#"<decision id="{name}" name="{name}"><variable name="{name}"/>{logic}</decision>"#)
}

pub(super) fn requires(id: &str) -> String {
    format!(r##"<informationRequirement><requiredInput href="#{id}"/></informationRequirement>"##)
}

pub(super) fn requires_decision(id: &str) -> String {
    format!(
        r##"<informationRequirement><requiredDecision href="#{id}"/></informationRequirement>"##
    )
}

fn requires_function(id: &str) -> String {
    format!(r##"<knowledgeRequirement><requiredKnowledge href="#{id}"/></knowledgeRequirement>"##)
}

pub(super) fn literal(text: &str) -> String {
    let text = quick_xml::escape::escape(text);
    format!("<literalExpression><text>{text}</text></literalExpression>")
}

fn function(name: &str, parameter: &str, logic: &str) -> String {
    format!(
        r#"<businessKnowledgeModel id="{name}" name="{name}"><variable name="{name}"/>
             <encapsulatedLogic><formalParameter name="{parameter}" typeRef="number"/>{logic}
             </encapsulatedLogic></businessKnowledgeModel>"#
    )
}

fn errors(body: &str) -> Vec<E> {
    AdmittedModel::admit(&definitions(body)).err().unwrap_or_default()
}

/// The errors of a model with a number `x`, numbers `xs` and a decision `d` of the expression.
fn expression_errors(text: &str) -> Vec<E> {
    let list = r#"<itemDefinition name="tList" isCollection="true"><typeRef>number</typeRef>
                  </itemDefinition>"#;
    let logic = format!("{}{}{}", requires("x"), requires("xs"), literal(text));
    errors(&format!(
        "{list}{}{}{}",
        input("x", "number"),
        input("xs", "tList"),
        decision("d", &logic)
    ))
}

fn element() -> String {
    "d".to_owned()
}

#[test]
fn the_clock_is_refused_called_or_hidden_in_a_value() {
    for (text, function) in [("today()", "today"), ("now()", "now"), ("{t: today, r: t}", "today")]
    {
        let expected =
            E::Clock { element: element(), text: text.into(), function: function.into() };
        assert_eq!(expression_errors(text), [expected]);
    }
}

#[test]
fn times_of_day_are_refused_and_dates_and_durations_pass() {
    for text in ["time(10, 0, 0)", "@\"10:00:00\"", "date and time(\"2026-01-01T00:00:00\")"] {
        let expected = E::TimeOfDay { element: element(), text: text.into() };
        assert_eq!(expression_errors(text), [expected]);
    }
    for text in ["@\"2026-01-01\"", "date(\"2026-01-01\") + @\"P1M\"", "duration(\"PT1H\")"] {
        assert_eq!(expression_errors(text), []);
    }
}

#[test]
fn inexact_arithmetic_is_refused() {
    for (text, function) in [
        ("exp(x)", "exp"),
        ("log(x)", "log"),
        ("sqrt(x)", "sqrt"),
        ("stddev(xs)", "stddev"),
        ("x ** 0.5", "**"),
        ("x ** 2", "**"),
    ] {
        let function = function.to_owned();
        let expected = E::InexactArithmetic { element: element(), text: text.into(), function };
        assert_eq!(expression_errors(text), [expected]);
    }
}

#[test]
fn functions_are_neither_defined_nor_passed_nor_called_indirectly() {
    let text = "{f: function(n) f(n + 1), r: f(0)}";
    let found = expression_errors(text);
    assert_eq!(found[0], E::FunctionDefinition { element: element(), text: text.into() });
    assert_eq!(found[1], E::IndirectCall { element: element(), text: text.into() });
    let text = "{f: sum}.f(xs)";
    let found = expression_errors(text);
    assert!(found.contains(&E::IndirectCall { element: element(), text: text.into() }));
    let text = "[sum]";
    let function = "sum".to_owned();
    assert_eq!(
        expression_errors(text),
        [E::FunctionAsValue { element: element(), text: text.into(), function }]
    );
}

#[test]
fn external_functions_are_refused_in_text_and_in_boxes() {
    let text =
        "function(a) external {java: {class: \"java.lang.Math\", method signature: \"f()\"}}";
    assert_eq!(expression_errors(text), [E::ExternalFunction { element: element() }]);
    for kind in ["Java", "PMML"] {
        let model = function("f", "n", "<context/>")
            .replace("<encapsulatedLogic>", &format!(r#"<encapsulatedLogic kind="{kind}">"#));
        assert_eq!(errors(&model), [E::ExternalFunction { element: "f".into() }]);
    }
}

#[test]
fn functions_off_the_list_are_refused() {
    for (text, function) in [
        ("sort(xs, function(a, b) a < b)", "sort"),
        ("replace(\"a\", \"b\", \"c\")", "replace"),
        ("split(\"a b\", \" \")", "split"),
        ("range(\"[1..9]\")", "range"),
        ("list replace(xs, 1, 2)", "list replace"),
    ] {
        let function = function.to_owned();
        let expected = E::FunctionNotListed { element: element(), text: text.into(), function };
        assert_eq!(expression_errors(text)[0], expected);
    }
    let text = "random()";
    let name = "random".to_owned();
    let expected = E::UnknownName { element: element(), text: text.into(), name };
    assert_eq!(expression_errors(text), [expected]);
}

#[test]
fn a_computed_pattern_is_refused_and_a_written_one_passes() {
    let text = "matches(\"a\", string(x))";
    let expected = E::ComputedPattern { element: element(), text: text.into() };
    assert_eq!(expression_errors(text), [expected]);
    assert_eq!(expression_errors("matches(string(x), \"[0-9]+\", \"i\")"), []);
}

#[test]
fn loops_run_over_written_ranges_of_at_most_500_or_over_lists() {
    for text in ["for i in 1..500 return i", "for i in xs return i", "some i in xs satisfies i > x"]
    {
        assert_eq!(expression_errors(text), []);
    }
    let text = "for i in 1..501 return i";
    assert_eq!(
        expression_errors(text),
        [E::RangeTooLong { element: element(), text: text.into(), length: 501, limit: 500 }]
    );
    let text = "some i in [-300..300] satisfies i > 1";
    assert_eq!(
        expression_errors(text),
        [E::RangeTooLong { element: element(), text: text.into(), length: 601, limit: 500 }]
    );
    for text in ["for i in 1..x return i", "for i in [x..x + 1] return i"] {
        let expected = E::UnboundedRange { element: element(), text: text.into() };
        assert_eq!(expression_errors(text), [expected]);
    }
}

#[test]
fn a_boxed_loop_cannot_be_fed_a_range_through_a_name() {
    let text = "[1..1000000]";
    let boxed = |iterated: &str| {
        format!(
            r#"{}<for iteratorVariable="i"><in>{}</in><return>{}</return></for>"#,
            requires_decision("r"),
            literal(iterated),
            literal("i + 1")
        )
    };
    let range = decision("r", &literal(text));
    let found = errors(&format!("{range}{}", decision("d", &boxed("r"))));
    assert_eq!(found, [E::RangeAsValue { element: "r".into(), text: text.into() }]);
    let range = decision("r", &literal("1"));
    let found = errors(&format!("{range}{}", decision("d", &boxed(text))));
    let (length, limit) = (1_000_000, 500);
    let expected = E::RangeTooLong { element: element(), text: text.into(), length, limit };
    assert_eq!(found, [expected]);
    assert_eq!(errors(&format!("{range}{}", decision("d", &boxed("[1..3]")))), []);
}

#[test]
fn nested_loops_and_growth_by_repetition_exceed_the_work_limit() {
    let mut doubling = "{a0: string(x)".to_owned();
    for index in 1..40 {
        doubling.push_str(&format!(", a{index}: a{0} + a{0}", index - 1));
    }
    doubling.push('}');
    let mut subtraction = "x".to_owned();
    for _ in 0..30 {
        subtraction.push_str(" - x");
    }
    for text in [
        "for i in xs, j in xs, k in xs return i * j * k",
        "xs[count(xs[count(xs[item > 1]) > 1]) > 1]",
        &doubling,
        &subtraction,
    ] {
        let found = expression_errors(text);
        assert!(matches!(&found[..], [E::TooMuchWork { .. }]), "{text}: {found:?}");
    }
}

#[test]
fn chains_of_decisions_that_double_the_work_are_refused() {
    let mut body = decision("d0", &literal("1"));
    for index in 1..40 {
        let previous = format!("d{}", index - 1);
        let logic = format!("{}{}", requires_decision(&previous), literal(&previous));
        body.push_str(&decision(&format!("d{index}"), &logic));
    }
    assert_eq!(errors(&body), []);
    let mut body = format!("{}{}", decision("a0", &literal("1")), decision("b0", &literal("1")));
    for index in 1..40 {
        let (a, b) = (format!("a{}", index - 1), format!("b{}", index - 1));
        let requirements = format!("{}{}", requires_decision(&a), requires_decision(&b));
        let logic = format!("{requirements}{}", literal(&format!("{a} + {b}")));
        body.push_str(&decision(&format!("a{index}"), &logic));
        body.push_str(&decision(&format!("b{index}"), &logic));
    }
    assert!(errors(&body).iter().any(|error| matches!(error, E::TooMuchWork { .. })));
}

#[test]
fn recursion_that_would_overflow_the_stack_is_refused() {
    let calls = |name: &str, callee: &str| {
        let model = function(name, "n", &literal(&format!("{callee}(n + 1)")));
        model
            .replace("</encapsulatedLogic>", "</encapsulatedLogic>\u{1}")
            .replace('\u{1}', &requires_function(callee))
    };
    let found = errors(&format!("{}{}", calls("f", "g"), calls("g", "f")));
    assert_eq!(found, [E::Cycle { path: vec!["f".into(), "g".into(), "f".into()] }]);
    assert_eq!(errors(&calls("f", "f")), [E::Cycle { path: vec!["f".into(), "f".into()] }]);
    let decisions = format!(
        "{}{}",
        decision("a", &format!("{}{}", requires_decision("b"), literal("b"))),
        decision("b", &format!("{}{}", requires_decision("a"), literal("a")))
    );
    assert_eq!(errors(&decisions), [E::Cycle { path: vec!["a".into(), "b".into(), "a".into()] }]);
    // A function that applies its argument to itself needs no circle in the graph.
    let apply = function("apply", "g", &literal("g(g)"));
    let text = "apply(apply)";
    let logic = format!("{}{}", requires_function("apply"), literal(text));
    let found = errors(&format!("{apply}{}", decision("d", &logic)));
    let indirect = E::IndirectCall { element: "apply".into(), text: "g(g)".into() };
    assert!(found.contains(&indirect));
    let function = "apply".to_owned();
    assert!(found.contains(&E::FunctionAsValue {
        element: element(),
        text: text.into(),
        function
    }));
}

#[test]
fn chains_of_calls_and_of_decisions_fit_on_the_stack_or_are_refused() {
    let chain = |count: usize, nesting: usize| {
        let mut body = function("f0", "n", &literal("n"));
        for index in 1..count {
            let callee = format!("f{}", index - 1);
            let (open, close) = ("[".repeat(nesting), "]".repeat(nesting));
            let text = literal(&format!("{open}{callee}(n){close}"));
            let model = function(&format!("f{index}"), "n", &text);
            let logic = format!("</encapsulatedLogic>{}", requires_function(&callee));
            body.push_str(&model.replace("</encapsulatedLogic>", &logic));
        }
        let last = format!("f{}", count - 1);
        let called = literal(&format!("{last}(1)"));
        body + decision("d", &format!("{}{called}", requires_function(&last))).as_str()
    };
    let limit = 256;
    let too_deep = E::EvaluationTooDeep { element: element(), limit };
    assert_eq!(errors(&chain(20, 40)), [too_deep]);
    let deepest = AdmittedModel::admit(&definitions(&chain(5, 60))).unwrap();
    assert!(deepest.evaluate("d", &Default::default()).is_ok());

    let chain = |count: usize| {
        let mut body = decision("d0", &literal("1"));
        for index in 1..count {
            let previous = format!("d{}", index - 1);
            let logic = format!("{}{}", requires_decision(&previous), literal(&previous));
            body.push_str(&decision(&format!("d{index}"), &logic));
        }
        body
    };
    assert_eq!(errors(&chain(257)), [E::TooManyElements { found: 257, limit }]);
    let longest = AdmittedModel::admit(&definitions(&chain(256))).unwrap();
    assert_eq!(longest.evaluate("d255", &Default::default()).unwrap().outputs, 1);
}

#[test]
fn knowledge_models_without_circles_are_called_directly_and_in_boxes() {
    let double = function("double", "n", &literal("n * 2"));
    let called = format!("{}{}", requires_function("double"), literal("double(double(3))"));
    assert_eq!(errors(&format!("{double}{}", decision("d", &called))), []);
    let boxed = format!(
        r#"{}<invocation>{}<binding><parameter name="n"/>{}</binding></invocation>"#,
        requires_function("double"),
        literal("double"),
        literal("21")
    );
    let model = definitions(&format!("{double}{}", decision("d", &boxed)));
    let found = AdmittedModel::admit(&model).unwrap().evaluate("d", &Default::default());
    assert_eq!(found.unwrap().outputs, 42);
    // Without the requirement the engine would find nothing under the name.
    let name = "double".to_owned();
    let text = "double(3)".to_owned();
    assert_eq!(
        errors(&format!("{double}{}", decision("d", &literal(&text)))),
        [E::UnknownName { element: element(), text, name }]
    );
}

#[test]
fn names_that_the_decision_does_not_require_are_refused() {
    for (text, name) in
        [("y + 1", "y+1"), ("if limit < x then 1 else 2", "limit"), ("xs[price > 1]", "price")]
    {
        let name = name.to_owned();
        let expected = E::UnknownName { element: element(), text: text.into(), name };
        assert_eq!(expression_errors(text), [expected]);
    }
    let text = "for i in xs return count(partial)";
    let name = "partial".to_owned();
    let expected = E::UnknownName { element: element(), text: text.into(), name };
    assert_eq!(expression_errors(text), [expected]);
}

#[test]
fn expressions_too_long_too_deep_or_not_feel_are_refused() {
    let long = format!("\"{}\"", "я".repeat(4_095));
    assert_eq!(
        expression_errors(&long),
        [E::ExpressionTooLong { element: element(), found: 4_097, limit: 4_096 }]
    );
    let deep = format!("{}x{}", "[".repeat(65), "]".repeat(65));
    assert_eq!(
        expression_errors(&deep),
        [E::ExpressionTooDeep { element: element(), text: deep.clone(), limit: 64 }]
    );
    for text in ["x +", "", "(", "\"open"] {
        let found = expression_errors(text);
        assert!(
            matches!(&found[..], [E::FeelSyntax { .. } | E::NotDmn { .. }]),
            "{text:?}: {found:?}"
        );
    }
}

#[test]
fn documents_too_large_too_deep_or_with_entities_are_refused() {
    let admit = |text: &str| AdmittedModel::admit(text).unwrap_err();
    let large = definitions(&" ".repeat(1_048_577));
    assert!(matches!(admit(&large)[..], [E::DocumentTooLarge { limit: 1_048_576, .. }]));
    let deep = definitions(&format!("{}{}", "<list>".repeat(64), "</list>".repeat(64)));
    assert_eq!(admit(&deep), [E::DocumentTooDeep { limit: 64 }]);
    assert_eq!(admit("<!DOCTYPE a [<!ENTITY b \"c\">]><a/>"), [E::DocumentType]);
    for text in ["<a>", "<a></b>", "</a>"] {
        assert!(matches!(admit(text)[..], [E::Malformed { .. }]), "{text:?}");
    }
    for text in ["", "text"] {
        assert!(matches!(admit(text)[..], [E::Markdown { line: 1, .. }]), "{text:?}");
    }
    assert!(matches!(admit("<a/>")[..], [E::NotDmn { .. }]));
}

#[test]
fn the_model_is_one_file_of_named_elements() {
    let import = r#"<import name="other" namespace="https://letopis.example/o"
                     importType="https://www.omg.org/spec/DMN/20230324/MODEL/"/>"#;
    assert_eq!(errors(import), [E::Import { name: "other".into() }]);
    let service = r#"<decisionService id="s" name="s"><variable name="s"/></decisionService>"#;
    assert_eq!(errors(service), [E::DecisionService { element: "s".into() }]);
    let x = decision("x", &literal("1"));
    assert_eq!(errors(&x.replace(r#"id="x""#, "")), [E::MissingId { name: "x".into() }]);
    assert_eq!(
        errors(&format!("{}{x}", input("x", "number"))),
        [E::DuplicateId { id: "x".into() }, E::DuplicateName { name: "x".into() }]
    );
    assert_eq!(
        errors(&x.replace(r#"<variable name="x""#, r#"<variable name="y""#)),
        [E::VariableName { element: "x".into(), name: "x".into(), variable: "y".into() }]
    );
    let logic = format!("{}{}", requires("y"), literal("1"));
    assert_eq!(
        errors(&decision("x", &logic)),
        [E::BrokenRequirement { element: "x".into(), href: "#y".into() }]
    );
    assert_eq!(errors(&decision("x", "")), [E::NoLogic { element: "x".into() }]);
}

#[test]
fn names_that_would_be_read_otherwise_in_an_expression_are_refused() {
    for name in ["today", "sum", "a-b", "if late", "a in b", "__trace_0", "item", "a  b", "5a"] {
        let found = errors(&decision(name, &literal("1")));
        let (element, name) = (name.to_owned(), name.to_owned());
        assert_eq!(found, [E::IllFormedName { element, name }]);
    }
    for name in ["date of birth", "Доход семьи", "x_1", "rate today"] {
        assert_eq!(errors(&decision(name, &literal("1"))), []);
    }
    let text = "{sum: 1}";
    let name = "sum".to_owned();
    assert_eq!(expression_errors(text), [E::IllFormedName { element: element(), name }]);
}

#[test]
fn inputs_have_types_that_evaluate_alike_everywhere() {
    assert_eq!(errors(&input("x", "Any")), [E::UntypedInput { element: "x".into() }]);
    for of in ["time", "dateTime", "tMissing"] {
        let expected = E::UnsupportedType { element: "x".into(), type_ref: of.into() };
        assert_eq!(errors(&input("x", of)), [expected]);
    }
    let allowed = |text: &str| {
        format!(
            r#"<itemDefinition name="tX"><typeRef>date</typeRef>
               <allowedValues><text>{text}</text></allowedValues></itemDefinition>"#
        )
    };
    assert_eq!(errors(&allowed("? &lt; date(\"2026-01-01\")")), []);
    let (text, function) = ("< today()".to_owned(), "today".to_owned());
    let expected = E::Clock { element: "tX".into(), text, function };
    assert_eq!(errors(&allowed("&lt; today()")), [expected]);
}

fn table(cells: &str, outputs: &str) -> String {
    format!(
        "{}<decisionTable><input><inputExpression><text>x</text></inputExpression></input>\
         {outputs}<rule id=\"r\">{cells}</rule></decisionTable>",
        requires("x")
    )
}

fn table_errors(cells: &str, outputs: &str) -> Vec<E> {
    errors(&format!("{}{}", input("x", "number"), decision("d", &table(cells, outputs))))
}

const CELL: &str = "<inputEntry><text>-</text></inputEntry>";
const OUT: &str = "<outputEntry><text>1</text></outputEntry>";

#[test]
fn every_rule_fills_every_cell() {
    assert_eq!(table_errors(&format!("{CELL}{OUT}"), "<output/>"), []);
    for (cells, outputs, counts) in [
        (OUT.to_owned(), "<output/>", (0, 1, 1)),
        (CELL.to_owned(), "<output/>", (1, 0, 1)),
        (format!("{CELL}{CELL}{OUT}"), "<output/>", (2, 1, 1)),
        (CELL.to_owned(), "", (1, 0, 0)),
    ] {
        let (inputs, rule_outputs, table_outputs) = counts;
        let expected = E::RuleShape {
            element: element(),
            rule: "r".into(),
            inputs,
            outputs: rule_outputs,
            table_inputs: 1,
            table_outputs,
        };
        assert_eq!(table_errors(&cells, outputs).first(), Some(&expected), "{cells}");
    }
    let outputs = r#"<output name="a"/><output/>"#;
    assert_eq!(
        table_errors(&format!("{CELL}{OUT}{OUT}"), outputs),
        [E::UnnamedOutput { element: element() }]
    );
    let twice = format!("{CELL}{OUT}</rule><rule id=\"r\">{CELL}{OUT}");
    assert_eq!(
        table_errors(&twice, "<output/>"),
        [E::DuplicateRule { element: element(), rule: "r".into() }]
    );
}

#[test]
fn cells_are_linted_like_expressions() {
    let cell = |text: &str| format!("<inputEntry><text>{text}</text></inputEntry>{OUT}");
    assert_eq!(table_errors(&cell("[1..1000000]"), "<output/>"), []);
    assert_eq!(table_errors(&cell("not(1, &gt; 5)"), "<output/>"), []);
    // The engine does not bind ? in a cell, so such a rule would never match.
    let (text, name) = ("? > 5".to_owned(), "?".to_owned());
    let expected = E::UnknownName { element: element(), text, name };
    assert_eq!(table_errors(&cell("? &gt; 5"), "<output/>"), [expected]);
    let output = format!("{CELL}<outputEntry><text>now()</text></outputEntry>");
    let (text, function) = ("now()".to_owned(), "now".to_owned());
    let expected = E::Clock { element: element(), text, function };
    assert_eq!(table_errors(&output, "<output/>"), [expected]);
}

#[test]
fn tables_that_leave_no_trace_are_refused() {
    let nested = format!(
        r#"{}<context><contextEntry><variable name="a"/>{}</contextEntry></context>"#,
        requires("x"),
        table(&format!("{CELL}{OUT}"), "<output/>").replace(&requires("x"), "")
    );
    assert_eq!(
        errors(&format!("{}{}", input("x", "number"), decision("d", &nested))),
        [E::NestedTable { element: element() }]
    );
    let inner = table(&format!("{CELL}{OUT}"), "<output/>").replace(&requires("x"), "");
    let found = errors(&function("f", "x", &inner));
    assert_eq!(found, [E::NestedTable { element: "f".into() }]);
}

#[test]
fn boxed_expressions_are_walked_to_the_last_leaf() {
    let bad = literal("today()");
    let good = literal("1");
    for logic in [
        format!("<list>{good}{bad}</list>"),
        format!(r#"<context><contextEntry>{bad}</contextEntry></context>"#),
        format!(r#"<relation><column name="a"/><row>{bad}</row></relation>"#),
        format!("<conditional><if>{good}</if><then>{good}</then><else>{bad}</else></conditional>"),
        format!("<filter><in>{good}</in><match>{bad}</match></filter>"),
        format!(r#"<for iteratorVariable="i"><in>{good}</in><return>{bad}</return></for>"#),
        format!(
            r#"<every iteratorVariable="i"><in>{bad}</in><satisfies>{good}</satisfies></every>"#
        ),
        format!(r#"<some iteratorVariable="i"><in>{good}</in><satisfies>{bad}</satisfies></some>"#),
    ] {
        let (text, function) = ("today()".to_owned(), "today".to_owned());
        let expected = E::Clock { element: element(), text, function };
        assert_eq!(errors(&decision("d", &logic)), [expected], "{logic}");
    }
    let logic = format!("<functionDefinition>{good}</functionDefinition>");
    assert!(matches!(errors(&decision("d", &logic))[..], [E::FunctionDefinition { .. }]));
}
