//! What a decision model must not contain, and what to write instead.
//!
//! One variant per rule. Every rule has a reason in reproducibility (clock, local time, inexact
//! arithmetic, imports), in bounded work (recursion, ranges, growth) or in explanation (a rule
//! that silently never matches, a table that leaves no trace).

use thiserror::Error;

pub use super::document::{DOCUMENT_BYTES_MAX, DOCUMENT_DEPTH_MAX};

/// The longest range or list that an expression may run over.
pub const ITERATION_MAX: u64 = 500;
/// The deepest nesting of an expression.
pub const EXPRESSION_DEPTH_MAX: usize = 64;
/// The deepest nesting of an evaluation, calls of knowledge models included: the engine recurses.
pub const EVALUATION_DEPTH_MAX: usize = 256;
/// The most inputs, decisions and knowledge models: the engine recurses along requirements.
pub const ELEMENTS_MAX: usize = 256;
/// The longest text of one expression, in characters.
pub const EXPRESSION_CHARS_MAX: usize = 4_096;
/// The most elementary steps that evaluating a decision may need in the worst case. The engine
/// takes a few nanoseconds for one on current machines, so this is about a second.
pub const WORK_MAX: u64 = 500_000_000;

/// One rule that a model breaks. `element` is the id (or name) of the decision, knowledge model or
/// type, `text` the offending expression.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AdmissionError {
    // ---- the document
    #[error("the document has {found} bytes, the limit is {limit}; split the model")]
    DocumentTooLarge { found: usize, limit: usize },
    #[error("elements are nested deeper than {limit}; flatten the expressions")]
    DocumentTooDeep { limit: usize },
    #[error("the document has a document type declaration; remove <!DOCTYPE …>")]
    DocumentType,
    #[error("the document is not well-formed XML: {reason}; correct it")]
    Malformed { reason: String },
    /// A table in Markdown cannot be read; the reader shows the line beside the reason.
    #[error("{reason}")]
    Markdown { line: usize, reason: String },
    #[error("the engine cannot read the model: {reason}; correct it or save it as DMN 1.5")]
    NotDmn { reason: String },
    #[error("the engine cannot prepare the model: {reason}; correct the model")]
    NotEvaluable { reason: String },

    // ---- the requirements graph
    #[error("the model has {found} elements, the limit is {limit}; split the model")]
    TooManyElements { found: usize, limit: usize },
    #[error("the model imports {name:?}; copy what it needs, so that one file is the whole rule")]
    Import { name: String },
    #[error("{element} is a decision service; call its decisions directly")]
    DecisionService { element: String },
    #[error("{name:?} has no id; give every input, decision and knowledge model an id")]
    MissingId { name: String },
    #[error("the id {id:?} is used twice; give each element its own id")]
    DuplicateId { id: String },
    #[error("{name:?} is the name of two elements; names must tell elements apart")]
    DuplicateName { name: String },
    #[error("{element} is named {name:?} but its variable {variable:?}; give both one name")]
    VariableName { element: String, name: String, variable: String },
    #[error(
        "{element} uses the name {name:?}; use letters, digits, single spaces and underscores, \
         no keyword or built-in function as the whole name or a word of it, and not __ at the start"
    )]
    IllFormedName { element: String, name: String },
    #[error("{element} requires {href}, which the model does not contain; correct the reference")]
    BrokenRequirement { element: String, href: String },
    #[error("{} depend on one another in a circle; break the circle", path.join(" → "))]
    Cycle { path: Vec<String> },
    #[error("{element} has no logic; give it an expression or a decision table")]
    NoLogic { element: String },

    // ---- types
    #[error(
        "{element} has the type {type_ref:?}; use boolean, number, string, date, a duration, \
             or an item definition built of them"
    )]
    UnsupportedType { element: String, type_ref: String },
    #[error("input {element:?} has no type; declare it, so that wrong values can be refused")]
    UntypedInput { element: String },

    // ---- decision tables
    #[error(
        "{element} holds a decision table inside another expression or a knowledge model; \
             make it a decision of its own, so that its matched rules are shown"
    )]
    NestedTable { element: String },
    #[error(
        "rule {rule:?} of {element} has {inputs} inputs and {outputs} outputs, the table has \
             {table_inputs} and {table_outputs}; fill every cell (write - for any value)"
    )]
    RuleShape {
        element: String,
        rule: String,
        inputs: usize,
        outputs: usize,
        table_inputs: usize,
        table_outputs: usize,
    },
    #[error("two rules of {element} have the id {rule:?}; a trace must tell them apart")]
    DuplicateRule { element: String, rule: String },
    #[error("an output of {element} has no name; a table with several outputs must name each")]
    UnnamedOutput { element: String },

    // ---- expressions: not reproducible
    #[error("{element}: {text:?} reads the clock with {function}; make the date an input")]
    Clock { element: String, text: String, function: String },
    #[error(
        "{element}: {text:?} uses a time of day, which the engine reads in the computer's own \
             zone; use dates, or pass the answer as an input"
    )]
    TimeOfDay { element: String, text: String },
    #[error(
        "{element}: {text:?} uses {function}, whose last digits may differ between computers; \
             use + - * / and rounding"
    )]
    InexactArithmetic { element: String, text: String, function: String },
    #[error(
        "{element} calls an external function; write the logic in FEEL or pass the answer as \
             an input"
    )]
    ExternalFunction { element: String },

    // ---- expressions: not bounded
    #[error("{element}: {text:?} defines a function; use a business knowledge model")]
    FunctionDefinition { element: String, text: String },
    #[error("{element}: {text:?} uses {function} as a value; only call it by its name")]
    FunctionAsValue { element: String, text: String, function: String },
    #[error(
        "{element}: {text:?} uses a range as a value, which a loop could run over; compare \
             with a range (in [a..b]) or run over it directly"
    )]
    RangeAsValue { element: String, text: String },
    #[error("{element}: {text:?} calls something that is not a name; call functions by name")]
    IndirectCall { element: String, text: String },
    #[error(
        "{element}: {text:?} calls {function}, which is not on the list of bounded, exactly \
             defined functions; write it otherwise or pass the answer as an input"
    )]
    FunctionNotListed { element: String, text: String, function: String },
    #[error("{element}: {text:?} matches against a computed pattern; write the pattern out")]
    ComputedPattern { element: String, text: String },
    #[error(
        "{element}: {text:?} runs over a range whose ends are not written out; write numbers, \
             or run over a list"
    )]
    UnboundedRange { element: String, text: String },
    #[error("{element}: {text:?} runs over {length} values, the limit is {limit}; shorten it")]
    RangeTooLong { element: String, text: String, length: u64, limit: u64 },
    #[error("{element} may need {found} steps, the limit is {limit}; shorten lists and loops")]
    TooMuchWork { element: String, found: u64, limit: u64 },
    #[error(
        "{element} calls knowledge models nested deeper than {limit} expressions; flatten them"
    )]
    EvaluationTooDeep { element: String, limit: usize },
    #[error("{element}: an expression of {found} characters, the limit is {limit}; split it")]
    ExpressionTooLong { element: String, found: usize, limit: usize },
    #[error("{element}: {text:?} is nested deeper than {limit}; split it into decisions")]
    ExpressionTooDeep { element: String, text: String, limit: usize },

    // ---- expressions: not understood
    #[error("{element}: {text:?} is not FEEL: {reason}; correct the expression")]
    FeelSyntax { element: String, text: String, reason: String },
    #[error(
        "{element}: {text:?} uses {name:?}, which is neither required by the decision nor \
             defined in the expression; the engine would take it for null and the rule would \
             never match. Correct the name or add the requirement"
    )]
    UnknownName { element: String, text: String, name: String },
}
