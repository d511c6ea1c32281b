//! Admission of one FEEL expression: parsing it as the engine will, and walking its tree.
//!
//! The engine takes an unknown name for null, so a misspelt condition silently never holds. Here
//! every name must be a variable in scope, a listed function in the place of a call, or the field
//! of a value. That closed world is also what keeps functions from becoming values, so recursion
//! cannot be built out of anything.

use std::collections::BTreeSet;
use std::str::FromStr;

use dsntk_feel::FeelScope;
use dsntk_feel::bif::Bif;
use dsntk_feel::values::Value;
use dsntk_feel_parser::AstNode;

use super::admission::{AdmissionError, EXPRESSION_CHARS_MAX, EXPRESSION_DEPTH_MAX, ITERATION_MAX};
use super::tree::{children, range_length};

/// Functions whose result is exactly defined and whose cost is bounded by their arguments.
const LISTED_FUNCTIONS: &[&str] = &[
    // numbers
    "abs",
    "ceiling",
    "decimal",
    "even",
    "floor",
    "modulo",
    "number",
    "odd",
    "round down",
    "round half down",
    "round half up",
    "round up",
    // text
    "contains",
    "ends with",
    "lower case",
    "matches",
    "starts with",
    "string",
    "string join",
    "string length",
    "substring",
    "substring after",
    "substring before",
    "upper case",
    // lists
    "all",
    "any",
    "append",
    "concatenate",
    "count",
    "distinct values",
    "flatten",
    "index of",
    "insert before",
    "list contains",
    "max",
    "mean",
    "median",
    "min",
    "product",
    "remove",
    "reverse",
    "sublist",
    "sum",
    "union",
    // dates and durations
    "date",
    "day of week",
    "day of year",
    "duration",
    "month of year",
    "week of year",
    "years and months duration",
    // contexts and conditions
    "get value",
    "not",
];

/// Functions that compare ranges; their arguments may be ranges written out.
const RANGE_FUNCTIONS: &[&str] = &[
    "after",
    "before",
    "coincides",
    "during",
    "finished by",
    "finishes",
    "includes",
    "meets",
    "met by",
    "overlaps",
    "overlaps after",
    "overlaps before",
    "started by",
    "starts",
];

const CLOCK_FUNCTIONS: &[&str] = &["now", "today"];
const TIME_FUNCTIONS: &[&str] = &["time", "date and time"];
const INEXACT_FUNCTIONS: &[&str] = &["exp", "log", "sqrt", "stddev"];

const KEYWORDS: &[&str] = &[
    "and",
    "between",
    "else",
    "every",
    "external",
    "false",
    "for",
    "function",
    "if",
    "in",
    "instance",
    "item",
    "not",
    "null",
    "of",
    "or",
    "partial",
    "return",
    "satisfies",
    "some",
    "then",
    "true",
];

/// Where in the model an expression stands, which decides what it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// An expression whose value is used.
    Value,
    /// A cell of a decision table: unary tests, where ranges are conditions.
    Cell,
    /// Allowed values of a type: unary tests that may call the value `?`.
    AllowedValues,
    /// The collection of a boxed loop, which may be a range.
    Iterated,
    /// The condition of a boxed filter, which may name fields of the items.
    Match,
}

/// What an expression may mention besides the variables of its scope.
#[derive(Debug, Default)]
pub(super) struct Vocabulary {
    /// Business knowledge models of the model.
    pub(super) functions: BTreeSet<String>,
    /// Members of item definitions and entries of boxed contexts.
    pub(super) fields: BTreeSet<String>,
}

/// Whether a model may give this name to a variable or member.
pub(super) fn is_well_formed_name(name: &str) -> bool {
    let words: Vec<&str> = name.split(' ').collect();
    let is_word = |word: &&str| {
        !word.is_empty() && word.chars().all(|letter| letter.is_alphanumeric() || letter == '_')
    };
    words.iter().all(|word| is_word(word) && *word != "in")
        && !name.starts_with(|first: char| first.is_numeric())
        && !name.starts_with(super::shadow::RESERVED_PREFIX)
        && !KEYWORDS.contains(&words[0])
        && Bif::from_str(name).is_err()
}

/// Parses an expression in its scope and reports every rule it breaks.
pub(super) fn admit(
    element: &str,
    text: &str,
    role: Role,
    scope: &FeelScope,
    vocabulary: &Vocabulary,
    errors: &mut Vec<AdmissionError>,
) -> Option<AstNode> {
    let element = element.to_owned();
    let found = text.chars().count();
    if found > EXPRESSION_CHARS_MAX {
        let limit = EXPRESSION_CHARS_MAX;
        errors.push(AdmissionError::ExpressionTooLong { element, found, limit });
        return None;
    }
    let parsed = match role {
        Role::Cell | Role::AllowedValues => {
            dsntk_feel_parser::parse_unary_tests(scope, text, false)
        }
        Role::Value | Role::Iterated | Role::Match => {
            dsntk_feel_parser::parse_expression(scope, text, false)
        }
    };
    let text = text.to_owned();
    let node = match parsed {
        Ok(node) => node,
        Err(reason) => {
            let reason = reason.to_string();
            errors.push(AdmissionError::FeelSyntax { element, text, reason });
            return None;
        }
    };
    let errors_before = errors.len();
    let in_scope = names_of(scope).into_iter();
    let (callable, mut known): (Vec<String>, Vec<String>) =
        in_scope.partition(|name| vocabulary.functions.contains(name));
    known.extend((role == Role::AllowedValues).then(|| "?".to_owned()));
    let filters = usize::from(role == Role::Match);
    let mut walk = Walk { element, text, known, callable, filters, vocabulary, errors };
    match (role, &node) {
        (Role::Iterated, AstNode::Range(start, end)) => walk.range(start, end),
        (Role::Cell | Role::AllowedValues, cell) => walk.condition(cell, 0),
        (_, value) => walk.value(value, 0),
    }
    (errors.len() == errors_before).then_some(node)
}

fn names_of(scope: &FeelScope) -> Vec<String> {
    let contexts = scope.contexts();
    contexts.iter().flat_map(|context| context.keys().map(ToString::to_string)).collect()
}

struct Walk<'a> {
    element: String,
    text: String,
    /// Variables in scope, those of the expression itself on top.
    known: Vec<String>,
    /// Knowledge models that the decision requires.
    callable: Vec<String>,
    /// How many filter conditions surround the current node; inside one, fields are names.
    filters: usize,
    vocabulary: &'a Vocabulary,
    errors: &'a mut Vec<AdmissionError>,
}

impl Walk<'_> {
    /// A node whose value may be a range only because it is compared with.
    fn condition(&mut self, node: &AstNode, depth: usize) {
        match node {
            AstNode::Range(start, end) => {
                self.value(start, depth + 1);
                self.value(end, depth + 1);
            }
            AstNode::ExpressionList(nodes) | AstNode::NegatedList(nodes) | AstNode::List(nodes) => {
                nodes.iter().for_each(|node| self.condition(node, depth + 1));
            }
            _ => self.value(node, depth),
        }
    }

    fn value(&mut self, node: &AstNode, depth: usize) {
        if depth > EXPRESSION_DEPTH_MAX {
            let (element, text) = self.place();
            let limit = EXPRESSION_DEPTH_MAX;
            let error = AdmissionError::ExpressionTooDeep { element, text, limit };
            if !self.errors.contains(&error) {
                self.errors.push(error);
            }
            return;
        }
        let next = depth + 1;
        match node {
            AstNode::Name(name) => self.name(name.as_str()),
            AstNode::FunctionInvocation(callee, arguments) => self.call(callee, arguments, next),
            AstNode::FunctionDefinition(_, body) => self.function_definition(body),
            AstNode::Exp(..) => self.report_function(inexact, "**"),
            AstNode::At(literal) => self.at(literal),
            AstNode::Range(..) => self.report_function(range_as_value, ""),
            AstNode::In(value, tests) => {
                self.value(value, next);
                self.condition(tests, next);
            }
            AstNode::Path(value, _) | AstNode::InstanceOf(value, _) => self.value(value, next),
            AstNode::NamedParameter(_, value) => self.value(value, next),
            AstNode::Filter(list, condition) => {
                self.value(list, next);
                self.filters += 1;
                self.value(condition, next);
                self.filters -= 1;
            }
            AstNode::For(contexts, body)
            | AstNode::Some(contexts, body)
            | AstNode::Every(contexts, body) => self.iteration(contexts, body, next),
            AstNode::Context(entries) => self.context(entries, next),
            _ => children(node).into_iter().for_each(|child| self.value(child, next)),
        }
    }

    fn name(&mut self, name: &str) {
        let field = self.filters > 0 && (name == "item" || self.vocabulary.fields.contains(name));
        if field || self.known.iter().any(|known| known == name) {
            return;
        }
        let is_function = self.vocabulary.functions.contains(name) || Bif::from_str(name).is_ok();
        if CLOCK_FUNCTIONS.contains(&name) {
            self.report_function(clock, name);
        } else if is_function {
            self.report_function(as_value, name);
        } else {
            self.report_function(unknown, name);
        }
    }

    fn call(&mut self, callee: &AstNode, arguments: &AstNode, depth: usize) {
        let name = match callee {
            AstNode::Name(name) if !self.known.iter().any(|known| known == name.as_str()) => {
                name.as_str()
            }
            _ => {
                let (element, text) = self.place();
                self.errors.push(AdmissionError::IndirectCall { element, text });
                return;
            }
        };
        let compares_ranges = RANGE_FUNCTIONS.contains(&name);
        if CLOCK_FUNCTIONS.contains(&name) {
            self.report_function(clock, name);
        } else if TIME_FUNCTIONS.contains(&name) {
            self.report_function(time_of_day, name);
        } else if INEXACT_FUNCTIONS.contains(&name) {
            self.report_function(inexact, name);
        } else if name == "matches" && !has_literal_pattern(arguments) {
            self.report_function(computed_pattern, name);
        } else if !self.callable.iter().any(|known| known == name)
            && !compares_ranges
            && !LISTED_FUNCTIONS.contains(&name)
        {
            let of = if Bif::from_str(name).is_ok() { not_listed } else { unknown };
            self.report_function(of, name);
        }
        for argument in children(arguments) {
            if compares_ranges {
                self.condition(argument, depth);
            } else {
                self.value(argument, depth);
            }
        }
    }

    fn at(&mut self, literal: &str) {
        let is_date = Value::try_from_xsd_date(literal).is_ok();
        if !is_date && Value::try_from_xsd_duration(literal).is_err() {
            self.report_function(time_of_day, literal);
        }
    }

    fn function_definition(&mut self, body: &AstNode) {
        let (element, text) = self.place();
        self.errors.push(match body {
            AstNode::FunctionBody(_, true) => AdmissionError::ExternalFunction { element },
            _ => AdmissionError::FunctionDefinition { element, text },
        });
    }

    fn iteration(&mut self, contexts: &AstNode, body: &AstNode, depth: usize) {
        let known_before = self.known.len();
        for context in children(contexts) {
            let variable = match context {
                AstNode::IterationContextInterval(variable, start, end) => {
                    self.range(start, end);
                    variable
                }
                AstNode::IterationContextSingle(variable, collection)
                | AstNode::QuantifiedContext(variable, collection) => {
                    match &**collection {
                        AstNode::Range(start, end) => self.range(start, end),
                        collection => self.value(collection, depth),
                    }
                    variable
                }
                _ => continue,
            };
            if let AstNode::Name(name) = &**variable {
                self.local_name(name.as_str());
            }
        }
        self.value(body, depth);
        self.known.truncate(known_before);
    }

    fn range(&mut self, start: &AstNode, end: &AstNode) {
        let (element, text) = self.place();
        match range_length(start, end) {
            None => self.errors.push(AdmissionError::UnboundedRange { element, text }),
            Some(length) if length > ITERATION_MAX => {
                let limit = ITERATION_MAX;
                self.errors.push(AdmissionError::RangeTooLong { element, text, length, limit });
            }
            Some(_) => {}
        }
    }

    fn context(&mut self, entries: &[AstNode], depth: usize) {
        let known_before = self.known.len();
        for entry in entries {
            if let AstNode::ContextEntry(key, value) = entry {
                self.value(value, depth);
                if let AstNode::ContextEntryKey(name) = &**key {
                    self.local_name(name.as_str());
                }
            }
        }
        self.known.truncate(known_before);
    }

    fn local_name(&mut self, name: &str) {
        if !is_well_formed_name(name) || self.vocabulary.functions.contains(name) {
            let element = self.element.clone();
            self.errors.push(AdmissionError::IllFormedName { element, name: name.to_owned() });
        }
        self.known.push(name.to_owned());
    }

    fn place(&self) -> (String, String) {
        (self.element.clone(), self.text.clone())
    }

    fn report_function(&mut self, rule: fn(String, String, String) -> AdmissionError, name: &str) {
        let (element, text) = self.place();
        self.errors.push(rule(element, text, name.to_owned()));
    }
}

fn clock(element: String, text: String, function: String) -> AdmissionError {
    AdmissionError::Clock { element, text, function }
}

fn time_of_day(element: String, text: String, _: String) -> AdmissionError {
    AdmissionError::TimeOfDay { element, text }
}

fn inexact(element: String, text: String, function: String) -> AdmissionError {
    AdmissionError::InexactArithmetic { element, text, function }
}

fn as_value(element: String, text: String, function: String) -> AdmissionError {
    AdmissionError::FunctionAsValue { element, text, function }
}

fn range_as_value(element: String, text: String, _: String) -> AdmissionError {
    AdmissionError::RangeAsValue { element, text }
}

fn not_listed(element: String, text: String, function: String) -> AdmissionError {
    AdmissionError::FunctionNotListed { element, text, function }
}

fn computed_pattern(element: String, text: String, _: String) -> AdmissionError {
    AdmissionError::ComputedPattern { element, text }
}

fn unknown(element: String, text: String, name: String) -> AdmissionError {
    AdmissionError::UnknownName { element, text, name }
}

fn has_literal_pattern(arguments: &AstNode) -> bool {
    let AstNode::PositionalParameters(arguments) = arguments else {
        return false;
    };
    arguments.iter().skip(1).all(|argument| matches!(argument, AstNode::String(_)))
}
