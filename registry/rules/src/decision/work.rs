//! An upper bound on the work of an evaluation, computed once from the admitted expressions.
//!
//! The engine has no fuel, so admission proves a bound instead: every value gets a bound on its
//! size, every expression one on its steps, from the declared types, the literal lists and ranges,
//! and the limits on inputs. Growth by repetition (a text joined with itself in every entry of a
//! context, a chain of decisions that each ask the previous one twice) shows up as a large number
//! here instead of as an evaluation that never ends. Counts saturate.

use std::collections::BTreeMap;

use dsntk_feel_parser::AstNode;

use super::admission::{EVALUATION_DEPTH_MAX, ITERATION_MAX};
use super::tree::{children, range_length};
use super::types::{InputType, LIST_ITEMS_MAX, TEXT_CHARS_MAX};

/// Characters of text that count as one unit of size.
const TEXT_UNIT: usize = 64;
/// Units that the text form of one unit may take: an exponent can print as 6,144 digits.
const TEXT_FORM: u64 = 100;
/// Functions whose result is one number, boolean or name of a day, however large the arguments.
const SCALAR_FUNCTIONS: &[&str] = &[
    "all",
    "any",
    "contains",
    "count",
    "day of week",
    "day of year",
    "ends with",
    "even",
    "list contains",
    "matches",
    "mean",
    "median",
    "modulo",
    "month of year",
    "not",
    "number",
    "odd",
    "product",
    "starts with",
    "string length",
    "sum",
    "week of year",
];
/// Nodes visited while bounding one decision; nested calls of knowledge models multiply them.
const VISITS_MAX: u64 = 1_000_000;

/// How large a value may be: units in all, items if it is a list, units of the largest item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) total: u64,
    items: u64,
    item: u64,
}

/// Steps and size of the result.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    pub(super) work: u64,
    pub(super) size: Size,
}

/// The bound of a whole expression.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounded {
    pub(super) bound: Bound,
    /// Calls nest deeper than [`EVALUATION_DEPTH_MAX`].
    pub(super) is_too_deep: bool,
}

/// A knowledge model: parameters and body.
pub(super) struct Function {
    pub(super) parameters: Vec<String>,
    pub(super) body: AstNode,
}

impl Size {
    fn scalar(total: u64) -> Self {
        Self { total, items: 1, item: total }
    }

    /// A value of unknown structure: anything in it may be a list of everything in it.
    fn opaque(total: u64) -> Self {
        Self { total, items: total, item: total }
    }

    fn either(self, other: Self) -> Self {
        Self {
            total: self.total.max(other.total),
            items: self.items.max(other.items),
            item: self.item.max(other.item),
        }
    }

    /// The largest value that an input of this type can have.
    pub(super) fn of_type(of: &InputType) -> Self {
        match of {
            InputType::String => Self::scalar(text_units(TEXT_CHARS_MAX * 4)),
            InputType::List(of) => {
                let item = Self::of_type(of).total;
                let items = LIST_ITEMS_MAX as u64;
                Self { total: items.saturating_mul(item), items, item }
            }
            InputType::Context(members) => {
                let sizes = members.values().map(|of| Self::of_type(of).total);
                Self::scalar(sizes.fold(1, u64::saturating_add))
            }
            _ => Self::scalar(1),
        }
    }
}

/// Bounds an expression whose free names have the given sizes.
pub(super) fn bound(
    node: &AstNode,
    variables: &BTreeMap<String, Size>,
    functions: &BTreeMap<String, Function>,
) -> Bounded {
    let names = variables.iter().map(|(name, &size)| (name.clone(), size)).collect();
    let mut bounding =
        Bounding { names, functions, implicit: Size::scalar(1), visits: 0, depth: 0, deepest: 0 };
    let mut bound = bounding.node(node);
    if bounding.visits > VISITS_MAX {
        bound.work = u64::MAX;
    }
    Bounded { bound, is_too_deep: bounding.deepest > EVALUATION_DEPTH_MAX }
}

struct Bounding<'a> {
    /// Names in scope, the innermost last.
    names: Vec<(String, Size)>,
    functions: &'a BTreeMap<String, Function>,
    /// The size of a name that is not in scope: a field of the item that a filter looks at.
    implicit: Size,
    visits: u64,
    depth: usize,
    deepest: usize,
}

impl Bounding<'_> {
    fn node(&mut self, node: &AstNode) -> Bound {
        self.visits += 1;
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        let stop = self.visits > VISITS_MAX || self.deepest > EVALUATION_DEPTH_MAX;
        let bound = match stop {
            true => Bound { work: 0, size: Size::opaque(0) },
            false => self.visit(node),
        };
        self.depth -= 1;
        bound
    }

    fn visit(&mut self, node: &AstNode) -> Bound {
        match node {
            AstNode::Name(name) => self.name(name.as_str()),
            AstNode::String(text) => leaf(Size::scalar(text_units(text.len()))),
            AstNode::Path(value, _) => {
                let Bound { work, size } = self.node(value);
                made(work, Size::opaque(size.total))
            }
            AstNode::List(nodes) | AstNode::ExpressionList(nodes) => self.list(nodes),
            AstNode::Context(entries) => self.context(entries),
            AstNode::If(condition, yes, no) => {
                let (condition, yes, no) = (self.node(condition), self.node(yes), self.node(no));
                let work = condition.work.saturating_add(yes.work).saturating_add(no.work);
                made(work, yes.size.either(no.size))
            }
            AstNode::Filter(list, condition) => self.filter(list, condition),
            AstNode::For(contexts, body) => self.iteration(contexts, body, true),
            AstNode::Some(contexts, body) | AstNode::Every(contexts, body) => {
                self.iteration(contexts, body, false)
            }
            AstNode::FunctionInvocation(callee, arguments) => self.call(callee, arguments),
            AstNode::NamedParameter(_, value)
            | AstNode::EvaluatedExpression(value)
            | AstNode::Satisfies(value) => self.node(value),
            // A subtraction that fails evaluates both sides again for its message.
            AstNode::Sub(..) => {
                let Bound { work, size } = self.combined(node);
                made(work.saturating_mul(2), size)
            }
            _ => self.combined(node),
        }
    }

    fn combined(&mut self, node: &AstNode) -> Bound {
        let (work, size) = self.sum(children(node));
        made(work, Size::scalar(size.total.saturating_add(1)))
    }

    fn name(&self, name: &str) -> Bound {
        let found = self.names.iter().rev().find(|(known, _)| known == name);
        leaf(found.map_or(self.implicit, |&(_, size)| size))
    }

    /// The work of all nodes, and the size of a list of their values.
    fn sum<'b>(&mut self, nodes: impl IntoIterator<Item = &'b AstNode>) -> (u64, Size) {
        let mut work = 0_u64;
        let mut size = Size { total: 0, items: 0, item: 1 };
        for node in nodes {
            let bound = self.node(node);
            work = work.saturating_add(bound.work);
            size.total = size.total.saturating_add(bound.size.total);
            size.items += 1;
            size.item = size.item.max(bound.size.total);
        }
        (work, size)
    }

    fn list(&mut self, nodes: &[AstNode]) -> Bound {
        let (work, size) = self.sum(nodes);
        made(work, size)
    }

    fn context(&mut self, entries: &[AstNode]) -> Bound {
        let names_before = self.names.len();
        let (mut work, mut total) = (0_u64, 1_u64);
        for entry in entries {
            if let AstNode::ContextEntry(key, value) = entry {
                let bound = self.node(value);
                work = work.saturating_add(bound.work).saturating_add(bound.size.total);
                total = total.saturating_add(bound.size.total);
                if let AstNode::ContextEntryKey(name) = &**key {
                    self.names.push((name.to_string(), bound.size));
                }
            }
        }
        self.names.truncate(names_before);
        made(work, Size::opaque(total))
    }

    fn filter(&mut self, list: &AstNode, condition: &AstNode) -> Bound {
        let list = self.node(list);
        let item = Size::opaque(list.size.item);
        let implicit_before = std::mem::replace(&mut self.implicit, item);
        self.names.push(("item".to_owned(), item));
        let condition = self.node(condition);
        self.names.pop();
        self.implicit = implicit_before;
        let each = condition.work.saturating_add(item.total.saturating_mul(2));
        let times = list.size.items.saturating_add(1);
        made(list.work.saturating_add(times.saturating_mul(each)), list.size)
    }

    fn iteration(&mut self, contexts: &AstNode, body: &AstNode, collects: bool) -> Bound {
        let names_before = self.names.len();
        let (mut work, mut times, mut bound_names) = (0_u64, 1_u64, 1_u64);
        for context in children(contexts) {
            let (variable, length, item) = match context {
                AstNode::IterationContextInterval(variable, start, end) => {
                    let length = range_length(start, end).unwrap_or(ITERATION_MAX);
                    (variable, length, Size::scalar(1))
                }
                AstNode::IterationContextSingle(variable, collection)
                | AstNode::QuantifiedContext(variable, collection) => match &**collection {
                    AstNode::Range(start, end) => {
                        let length = range_length(start, end).unwrap_or(ITERATION_MAX);
                        (variable, length, Size::scalar(1))
                    }
                    collection => {
                        let list = self.node(collection);
                        work = work.saturating_add(list.work);
                        (variable, list.size.items, Size::opaque(list.size.item))
                    }
                },
                _ => continue,
            };
            times = times.saturating_mul(length.max(1));
            bound_names = bound_names.saturating_add(item.total);
            self.names.push((variable_name(variable), item));
        }
        let body = self.node(body);
        self.names.truncate(names_before);
        let total = times.saturating_mul(body.size.total.saturating_add(1));
        // The engine hands every step of a loop a copy of the results so far.
        let copies = if collects { total.saturating_mul(2) } else { 0 };
        let each = body.work.saturating_add(bound_names).saturating_add(copies);
        work = work.saturating_add(times.saturating_mul(each));
        match collects {
            true => made(work, Size { total, items: times, item: body.size.total }),
            false => made(work, Size::scalar(1)),
        }
    }

    fn call(&mut self, callee: &AstNode, arguments: &AstNode) -> Bound {
        let name = variable_name(callee);
        if let Some(function) = self.functions.get(&name) {
            return self.call_function(function, arguments);
        }
        let (mut work, arguments) = self.sum(children(arguments));
        let mut total = arguments.total.saturating_add(1);
        match name.as_str() {
            "distinct values" | "union" => {
                work = work.saturating_add(total.saturating_mul(total));
            }
            "string" | "string join" => total = total.saturating_mul(TEXT_FORM),
            _ => {}
        }
        if SCALAR_FUNCTIONS.contains(&name.as_str()) {
            return made(work.saturating_add(total), Size::scalar(1));
        }
        made(work, Size::opaque(total))
    }

    fn call_function(&mut self, function: &Function, arguments: &AstNode) -> Bound {
        let mut work = 0_u64;
        let mut largest = Size::scalar(1);
        for argument in children(arguments) {
            let bound = self.node(argument);
            work = work.saturating_add(bound.work);
            largest = largest.either(bound.size);
        }
        // Each parameter is taken as large as the largest argument, named or positional.
        let parameters = function.parameters.iter().map(|name| (name.clone(), largest)).collect();
        let names_before = std::mem::replace(&mut self.names, parameters);
        let body = self.node(&function.body);
        self.names = names_before;
        made(work.saturating_add(body.work), body.size)
    }
}

fn leaf(size: Size) -> Bound {
    made(0, size)
}

/// A value that took `work` to compute and its size to build.
fn made(work: u64, size: Size) -> Bound {
    Bound { work: work.saturating_add(size.total).saturating_add(1), size }
}

fn variable_name(node: &AstNode) -> String {
    match node {
        AstNode::Name(name) => name.to_string(),
        _ => String::new(),
    }
}

fn text_units(bytes: usize) -> u64 {
    (bytes / TEXT_UNIT) as u64 + 1
}
