//! Decision tables in Markdown, for people who do not draw diagrams: written anew as DMN.
//!
//! A document is prose with one table of inputs and, below a line `> # name` each, one decision
//! table as `dsntk-recognizer` reads it. A decision requires the inputs and other decisions that
//! its expressions name. Not here: what a model must not contain; the DMN made of it is admitted
//! like any other.

use std::fmt::Write as _;

use dsntk_recognizer::{BuiltinAggregator, DecisionTable, HitPolicy, from_markdown};
use quick_xml::escape::escape;

use super::admission::AdmissionError;
use super::document::DOCUMENT_BYTES_MAX;

/// Begins the decision table of a name.
const HEADING: &str = "> #";
/// Titles of the columns of the table of inputs; the last one may be left out.
const INPUT_COLUMNS: [&str; 3] = ["input", "type", "allowed values"];
/// Types that an input may have.
const TYPES: [&str; 4] = ["boolean", "number", "string", "date"];
const NAMESPACE: &str = "https://www.omg.org/spec/DMN/20230324/MODEL/";

/// One row of the table of inputs.
struct Input {
    name: String,
    type_ref: String,
    allowed: Option<String>,
}

/// One decision with its table.
struct Decision {
    name: String,
    table: DecisionTable,
}

/// Whether a document is Markdown: an XML document begins with `<`, which no line of ours does.
pub(super) fn is_markdown(document: &str) -> bool {
    !document.trim_start_matches('\u{feff}').trim_start().starts_with('<')
}

/// Writes a Markdown document as DMN 1.5. The same text gives the same bytes.
///
/// # Errors
/// [`AdmissionError::Markdown`] with the line, or [`AdmissionError::DocumentTooLarge`].
pub(super) fn to_dmn(document: &str) -> Result<String, Vec<AdmissionError>> {
    if document.len() > DOCUMENT_BYTES_MAX {
        let (found, limit) = (document.len(), DOCUMENT_BYTES_MAX);
        return Err(vec![AdmissionError::DocumentTooLarge { found, limit }]);
    }
    let lines: Vec<(usize, &str)> =
        document.lines().enumerate().map(|(index, line)| (index + 1, line.trim())).collect();
    let first = lines.iter().position(|(_, line)| line.starts_with(HEADING));
    let (before, sections) = lines.split_at(first.unwrap_or(lines.len()));
    if sections.is_empty() {
        let reason = format!("no decision table; begin one with a line {HEADING} and its name");
        return Err(vec![broken(1, reason)]);
    }
    let mut errors = Vec::new();
    let inputs = inputs(before).unwrap_or_else(|error| {
        errors.push(error);
        Vec::new()
    });
    let mut decisions = Vec::new();
    for section in split(sections) {
        match decision(section) {
            Ok(decision) => decisions.push(decision),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(write(&inputs, &decisions)) } else { Err(errors) }
}

fn broken(line: usize, reason: impl Into<String>) -> AdmissionError {
    AdmissionError::Markdown { line, reason: reason.into() }
}

/// Sections, each from its heading to the next one.
fn split<'a>(lines: &'a [(usize, &'a str)]) -> impl Iterator<Item = &'a [(usize, &'a str)]> {
    lines.chunk_by(|_, (_, next)| !next.starts_with(HEADING))
}

fn cells(line: &str) -> Vec<&str> {
    let inner = line.trim_start_matches('|').trim_end_matches('|');
    inner.split('|').map(str::trim).collect()
}

/// Reads the table of inputs out of the text before the first decision table.
fn inputs(lines: &[(usize, &str)]) -> Result<Vec<Input>, AdmissionError> {
    let is_title = |line: &str| {
        let titles: Vec<String> = cells(line).iter().map(|cell| cell.to_lowercase()).collect();
        line.starts_with('|') && (titles == INPUT_COLUMNS || titles == INPUT_COLUMNS[..2])
    };
    let Some(title) = lines.iter().position(|(_, line)| is_title(line)) else {
        let titles = INPUT_COLUMNS.join(" | ");
        return Err(broken(1, format!("no table of inputs; its first row is | {titles} |")));
    };
    let width = cells(lines[title].1).len();
    let rows = lines[title + 1..].iter().take_while(|(_, line)| line.starts_with('|'));
    let mut inputs = Vec::new();
    // The row below the titles draws the line.
    for (number, line) in rows.skip(1) {
        let cells = cells(line);
        if cells.len() != width {
            let reason = format!("{} cells where the titles have {width}", cells.len());
            return Err(broken(*number, reason));
        }
        let (name, type_ref) = (cells[0], cells[1].trim_matches('`'));
        if name.is_empty() {
            return Err(broken(*number, "an input without a name"));
        }
        if !TYPES.contains(&type_ref) {
            let reason = format!("{type_ref:?} is no type of an input; use {}", TYPES.join(", "));
            return Err(broken(*number, reason));
        }
        let allowed = cells.get(2).map(|text| text.trim_matches('`').to_owned());
        inputs.push(Input {
            name: name.to_owned(),
            type_ref: type_ref.to_owned(),
            allowed: allowed.filter(|text| !text.is_empty()),
        });
    }
    Ok(inputs)
}

/// Reads one section.
fn decision(section: &[(usize, &str)]) -> Result<Decision, AdmissionError> {
    let (number, heading) = section[0];
    let name = heading.trim_start_matches(HEADING).trim_start_matches('#').trim().to_owned();
    if name.is_empty() {
        return Err(broken(number, "a decision table without a name"));
    }
    let parts =
        section.chunk_by(|(_, line), (_, next)| line.starts_with('|') == next.starts_with('|'));
    let mut tables = parts.filter(|part| part[0].1.starts_with('|'));
    let Some(table) = tables.next() else {
        return Err(broken(number, format!("no table follows the name {name:?}")));
    };
    if let Some(second) = tables.next() {
        let reason = format!("a second table below the name {name:?}; give it its own {HEADING}");
        return Err(broken(second[0].0, reason));
    }
    let text: Vec<&str> = table.iter().map(|(_, line)| *line).collect();
    match from_markdown(&text.join("\n"), false) {
        Ok(table) => Ok(Decision { name, table }),
        Err(error) => Err(broken(table[0].0, error.to_string())),
    }
}

fn write(inputs: &[Input], decisions: &[Decision]) -> String {
    let mut xml = String::new();
    let name = &decisions.last().expect("invariant: there is a section").name;
    let _ = writeln!(
        xml,
        "<definitions xmlns=\"{NAMESPACE}\" id=\"model\" name=\"{}\" namespace=\"urn:letopis:model\">",
        escape(name.as_str())
    );
    for input in inputs {
        write_input(&mut xml, input);
    }
    for decision in decisions {
        write_decision(&mut xml, decision, inputs, decisions);
    }
    xml.push_str("</definitions>\n");
    xml
}

// Writing to a string does not fail.
fn write_input(xml: &mut String, input: &Input) {
    let (name, id) = (escape(input.name.as_str()), id(&input.name));
    let type_ref = match &input.allowed {
        None => input.type_ref.clone(),
        Some(allowed) => {
            let _ = writeln!(
                xml,
                "<itemDefinition id=\"type_{id}\" name=\"t_{id}\"><typeRef>{}</typeRef>\
                 <allowedValues><text>{}</text></allowedValues></itemDefinition>",
                input.type_ref,
                escape(allowed.as_str())
            );
            format!("t_{id}")
        }
    };
    let _ = writeln!(
        xml,
        "<inputData id=\"{id}\" name=\"{name}\"><variable name=\"{name}\" typeRef=\"{type_ref}\"/>\
         </inputData>"
    );
}

fn write_decision(xml: &mut String, decision: &Decision, inputs: &[Input], all: &[Decision]) {
    let Decision { name, table } = decision;
    let (id, name) = (id(name), escape(name.as_str()));
    let _ = writeln!(xml, "<decision id=\"{id}\" name=\"{name}\"><variable name=\"{name}\"/>");
    for (kind, required) in required(decision, inputs, all) {
        let _ = writeln!(
            xml,
            "<informationRequirement><required{kind} href=\"#{required}\"/></informationRequirement>"
        );
    }
    let _ = writeln!(xml, "<decisionTable id=\"{id}_table\" {}>", policy(table.hit_policy));
    for clause in &table.input_clauses {
        let _ = write!(
            xml,
            "<input><inputExpression>{}</inputExpression>",
            text(&clause.input_expression)
        );
        if let Some(allowed) = &clause.allowed_input_values {
            let _ = write!(xml, "<inputValues>{}</inputValues>", text(allowed));
        }
        xml.push_str("</input>\n");
    }
    for clause in &table.output_clauses {
        let name = clause.output_component_name.as_deref().unwrap_or_default();
        let _ = write!(xml, "<output name=\"{}\">", escape(name));
        if let Some(allowed) = &clause.allowed_output_values {
            let _ = write!(xml, "<outputValues>{}</outputValues>", text(allowed));
        }
        if let Some(default) = &clause.default_output_value {
            let _ = write!(xml, "<defaultOutputEntry>{}</defaultOutputEntry>", text(default));
        }
        xml.push_str("</output>\n");
    }
    for clause in &table.annotation_clauses {
        let _ = writeln!(xml, "<annotation name=\"{}\"/>", escape(clause.name.as_str()));
    }
    for (index, rule) in table.rules.iter().enumerate() {
        let _ = write!(xml, "<rule id=\"{id}_{}\">", index + 1);
        for entry in &rule.input_entries {
            let _ = write!(xml, "<inputEntry>{}</inputEntry>", text(&entry.text));
        }
        for entry in &rule.output_entries {
            let _ = write!(xml, "<outputEntry>{}</outputEntry>", text(&entry.text));
        }
        for entry in &rule.annotation_entries {
            let _ = write!(xml, "<annotationEntry>{}</annotationEntry>", text(&entry.text));
        }
        xml.push_str("</rule>\n");
    }
    xml.push_str("</decisionTable></decision>\n");
}

fn text(text: &str) -> String {
    format!("<text>{}</text>", escape(text))
}

/// The id of a name: the name itself where it is one word.
fn id(name: &str) -> String {
    name.replace(' ', "_")
}

fn policy(policy: HitPolicy) -> String {
    let aggregation = |name: &str| format!("hitPolicy=\"COLLECT\" aggregation=\"{name}\"");
    match policy {
        HitPolicy::Unique => "hitPolicy=\"UNIQUE\"".into(),
        HitPolicy::Any => "hitPolicy=\"ANY\"".into(),
        HitPolicy::Priority => "hitPolicy=\"PRIORITY\"".into(),
        HitPolicy::First => "hitPolicy=\"FIRST\"".into(),
        HitPolicy::OutputOrder => "hitPolicy=\"OUTPUT ORDER\"".into(),
        HitPolicy::RuleOrder => "hitPolicy=\"RULE ORDER\"".into(),
        HitPolicy::Collect(BuiltinAggregator::List) => "hitPolicy=\"COLLECT\"".into(),
        HitPolicy::Collect(BuiltinAggregator::Count) => aggregation("COUNT"),
        HitPolicy::Collect(BuiltinAggregator::Sum) => aggregation("SUM"),
        HitPolicy::Collect(BuiltinAggregator::Min) => aggregation("MIN"),
        HitPolicy::Collect(BuiltinAggregator::Max) => aggregation("MAX"),
    }
}

/// The kind and id of every input and other decision that an expression of the table names. A name
/// inside a text counts too: what is required in vain changes nothing.
fn required(
    decision: &Decision,
    inputs: &[Input],
    all: &[Decision],
) -> Vec<(&'static str, String)> {
    let table = &decision.table;
    let mut expressions: Vec<&str> = Vec::new();
    expressions.extend(table.input_clauses.iter().map(|clause| clause.input_expression.as_str()));
    for rule in &table.rules {
        expressions.extend(rule.input_entries.iter().map(|entry| entry.text.as_str()));
        expressions.extend(rule.output_entries.iter().map(|entry| entry.text.as_str()));
    }
    let is_named = |name: &str| expressions.iter().any(|expression| names(expression, name));
    let inputs = inputs.iter().map(|input| ("Input", &input.name));
    let others = all.iter().filter(|other| other.name != decision.name);
    let others = others.map(|other| ("Decision", &other.name));
    inputs
        .chain(others)
        .filter(|(_, name)| is_named(name))
        .map(|(kind, name)| (kind, id(name)))
        .collect()
}

/// Whether an expression has a name as whole words.
fn names(expression: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    expression.match_indices(name).any(|(start, _)| {
        let before = expression[..start].chars().next_back();
        let after = expression[start + name.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}
