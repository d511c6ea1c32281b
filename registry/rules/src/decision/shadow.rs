//! Shadow decisions: what the engine does not tell, asked of the engine itself.
//!
//! The engine returns the output of a decision table but not which rules matched. So beside each
//! table the evaluated document gets a copy with the same inputs and rules, hit policy RULE ORDER
//! and the number of the rule as its output; a list of the table's input expressions; and, for
//! each input, a decision that merely repeats it, to learn whether the engine accepted the value
//! against its declared type. The admitted document itself, whose bytes are hashed and published,
//! is not changed.

use std::fmt::Write;

use quick_xml::escape::escape;

use super::document::Element;

/// Names that begin so belong to shadows; models may not use them.
pub(super) const RESERVED_PREFIX: &str = "__";

/// A decision table of the document, as a reader of the trace needs it.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) decision_id: String,
    /// The texts of the input expressions, in column order.
    pub(super) questions: Vec<String>,
    pub(super) rules: Vec<Rule>,
}

#[derive(Debug)]
pub(super) struct Rule {
    /// The `id` attribute, else `rule-N` with N counted from 1.
    pub(super) id: String,
    pub(super) annotations: Vec<String>,
    pub(super) inputs_count: usize,
    pub(super) outputs_count: usize,
}

/// The name of the shadow that lists the matched rules of the table with this number.
pub(super) fn trace_name(table_index: usize) -> String {
    format!("{RESERVED_PREFIX}trace_{table_index}")
}

/// The name of the shadow that lists the values of the table's input expressions.
pub(super) fn asked_name(table_index: usize) -> String {
    format!("{RESERVED_PREFIX}asked_{table_index}")
}

/// The name of the shadow that repeats the input with this number.
pub(super) fn input_name(input_index: usize) -> String {
    format!("{RESERVED_PREFIX}input_{input_index}")
}

/// The tables that are the whole logic of a decision, in document order.
pub(super) fn tables(definitions: &Element) -> Vec<Table> {
    table_elements(definitions)
        .map(|(decision, table)| Table {
            decision_id: decision.attribute("id").unwrap_or_default().to_owned(),
            questions: questions(table).map(|question| question.child_text().to_owned()).collect(),
            rules: table.children_named("rule").enumerate().map(rule).collect(),
        })
        .collect()
}

/// The document with its shadows added after the last decision.
pub(super) fn add(xml: &str, definitions: &Element) -> String {
    let Some(last) = definitions.children_named("decision").last() else {
        return xml.to_owned();
    };
    let p = &last.prefix;
    let mut shadows = String::new();
    for (index, (decision, table)) in table_elements(definitions).enumerate() {
        let requirements = requirements(xml, decision);
        let trace = format!("<{p}decisionTable hitPolicy=\"RULE ORDER\">{}</{p}decisionTable>", {
            trace_table(xml, table, p)
        });
        push_decision(&mut shadows, p, &trace_name(index), &requirements, &trace);
        let items: String = questions(table)
            .filter_map(|question| question.child("text"))
            .map(|text| {
                format!("<{p}literalExpression>{}</{p}literalExpression>", slice(xml, text))
            })
            .collect();
        let asked = format!("<{p}list>{items}</{p}list>");
        push_decision(&mut shadows, p, &asked_name(index), &requirements, &asked);
    }
    for (index, input) in definitions.children_named("inputData").enumerate() {
        let id = escape(input.attribute("id").unwrap_or_default());
        let name = escape(input.attribute("name").unwrap_or_default());
        let requirement = format!(
            "<{p}informationRequirement><{p}requiredInput href=\"#{id}\"/>\
             </{p}informationRequirement>"
        );
        let logic =
            format!("<{p}literalExpression><{p}text>{name}</{p}text></{p}literalExpression>");
        push_decision(&mut shadows, p, &input_name(index), &requirement, &logic);
    }
    let (before, after) = xml.split_at(last.span.end);
    format!("{before}{shadows}{after}")
}

fn table_elements(definitions: &Element) -> impl Iterator<Item = (&Element, &Element)> {
    definitions
        .children_named("decision")
        .filter_map(|decision| Some((decision, decision.child("decisionTable")?)))
}

fn questions(table: &Element) -> impl Iterator<Item = &Element> {
    table.children_named("input").filter_map(|input| input.child("inputExpression"))
}

fn rule((index, rule): (usize, &Element)) -> Rule {
    let id = rule.attribute("id").map_or_else(|| format!("rule-{}", index + 1), str::to_owned);
    let annotations = rule
        .children_named("annotationEntry")
        .map(|entry| entry.child_text().to_owned())
        .filter(|text| !text.is_empty())
        .collect();
    Rule {
        id,
        annotations,
        inputs_count: rule.children_named("inputEntry").count(),
        outputs_count: rule.children_named("outputEntry").count(),
    }
}

fn trace_table(xml: &str, table: &Element, p: &str) -> String {
    let mut text: String = table.children_named("input").map(|input| slice(xml, input)).collect();
    write!(text, "<{p}output/>").expect("invariant: writing to a string cannot fail");
    for (index, rule) in table.children_named("rule").enumerate() {
        let entries: String =
            rule.children_named("inputEntry").map(|entry| slice(xml, entry)).collect();
        write!(
            text,
            "<{p}rule>{entries}<{p}outputEntry><{p}text>{index}</{p}text></{p}outputEntry>\
             </{p}rule>"
        )
        .expect("invariant: writing to a string cannot fail");
    }
    text
}

fn requirements(xml: &str, decision: &Element) -> String {
    decision
        .children
        .iter()
        .filter(|child| {
            ["informationRequirement", "knowledgeRequirement"].contains(&child.local_name.as_str())
        })
        .map(|child| slice(xml, child))
        .collect()
}

fn push_decision(shadows: &mut String, p: &str, name: &str, requirements: &str, logic: &str) {
    write!(
        shadows,
        "<{p}decision id=\"{name}\" name=\"{name}\"><{p}variable name=\"{name}\"/>\
         {requirements}{logic}</{p}decision>"
    )
    .expect("invariant: writing to a string cannot fail");
}

fn slice<'a>(xml: &'a str, element: &Element) -> &'a str {
    &xml[element.span.clone()]
}
