//! Where values come from: fields of the form, facts of answers, and inputs made of them.
//!
//! Not here: the decision itself, which a DMN model states. This only fills the model's inputs,
//! in ways so plain that a reader of the pack can repeat them.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Unit;
use jiff::civil::{Date, DateDifference};
use letopis_ledger::json::Json;
use serde::{Deserialize, Deserializer, de};

use super::regulation::Condition;
use crate::code::{CODE_MAX_BYTES, ClassifierCode, CodeError, FieldPath, RegistryCode, StepCode};

/// A value of the case: `form.<field>`, `answer.<request>.<field>`, `decision.<member>`,
/// `classifier.<code>.<row>.<column>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ValueRef {
    /// A field of the form.
    Form(FieldPath),
    /// A fact in the answer of a request.
    Answer(StepCode, FieldPath),
    /// A member of what the decision gives; only a registry entry is made of it.
    Decision(String),
    /// A value of a classifier that is in force on the day of registration.
    Classifier {
        /// The classifier.
        code: ClassifierCode,
        /// The row.
        row: String,
        /// The column.
        column: String,
    },
}

/// How an input of the decision is made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Derivation {
    /// Whether the request was answered with facts: true or false.
    Found(StepCode),
    /// The value as it is.
    Value(ValueRef),
    /// Whether the values of every pair are present and equal.
    Equal(Vec<[ValueRef; 2]>),
    /// Whether the first value is present and equal to one of the others.
    Among {
        /// The value looked for.
        value: ValueRef,
        /// Where it is looked for.
        any_of: Vec<ValueRef>,
    },
    /// Whether a condition holds: true or false.
    Holds(Condition),
    /// Whole years from the date to the day of registration; undefined for a later date.
    Age(ValueRef),
    /// The sum of integers.
    Sum(SumRule),
    /// How many entries in force a registry has with these values, at the time of the decision.
    Entries(EntriesRule),
    /// Whether a registry has an entry in force with these values, at the time of the decision.
    AnyEntry(EntriesRule),
}

/// What is added up.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SumRule {
    /// The integers.
    pub of: Vec<ValueRef>,
    /// Whether one that is missing counts as 0; otherwise there is no sum without it.
    #[serde(default)]
    pub missing_as_zero: bool,
}

/// Which entries of a registry are meant.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntriesRule {
    /// The registry.
    pub registry: RegistryCode,
    /// Values by key field of the registry.
    pub by: BTreeMap<FieldPath, ValueRef>,
}

/// A value that a pack states: text, an integer, true or false.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Scalar {
    /// True or false.
    Bool(bool),
    /// An integer.
    Integer(i64),
    /// A text.
    Text(String),
}

/// A case's answer as far as values are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerValues {
    /// The facts asked for; one that the entry does not hold is absent.
    Answered(BTreeMap<FieldPath, Json>),
    /// The one asked holds nothing of the kind.
    NoData,
}

/// The values that a case has so far.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct CaseValues {
    /// Fields of the form.
    pub form: BTreeMap<FieldPath, Json>,
    /// Answers by request; a request without an answer is absent.
    pub answers: BTreeMap<StepCode, AnswerValues>,
    /// Counts of registry entries by name of the input that asks for them.
    pub entry_counts: BTreeMap<String, u32>,
    /// What the decision gave, by member, once the case was decided.
    pub decision: BTreeMap<String, Json>,
    /// Values of classifiers in force on the day of registration, by reference.
    pub classified: BTreeMap<ValueRef, Json>,
    /// The day of registration in the agency's zone, once there is one.
    pub registered_on: Option<Date>,
}

impl ValueRef {
    /// Reads `form.<field>`, `answer.<request>.<field>`, `decision.<member>` or
    /// `classifier.<code>.<row>.<column>`.
    ///
    /// # Errors
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        if let Some(field) = text.strip_prefix("form.") {
            return FieldPath::parse(field).map(Self::Form);
        }
        if let Some((request, field)) =
            text.strip_prefix("answer.").and_then(|rest| rest.split_once('.'))
        {
            return Ok(Self::Answer(StepCode::parse(request)?, FieldPath::parse(field)?));
        }
        if let Some(member) = text.strip_prefix("decision.").filter(|member| is_name(member)) {
            return Ok(Self::Decision(member.to_owned()));
        }
        let classified = text.strip_prefix("classifier.").unwrap_or_default();
        match classified.split('.').collect::<Vec<_>>().as_slice() {
            [code, row, column] if is_name(row) && is_name(column) => Ok(Self::Classifier {
                code: ClassifierCode::parse(code)?,
                row: (*row).to_owned(),
                column: (*column).to_owned(),
            }),
            _ => Err(CodeError {
                kind: "value",
                text: text.to_owned(),
                rule: "form.<field>, answer.<request>.<field>, decision.<member> or \
                       classifier.<code>.<row>.<column>",
            }),
        }
    }
}

impl fmt::Display for ValueRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(field) => write!(f, "form.{field}"),
            Self::Answer(request, field) => write!(f, "answer.{request}.{field}"),
            Self::Decision(member) => write!(f, "decision.{member}"),
            Self::Classifier { code, row, column } => {
                write!(f, "classifier.{code}.{row}.{column}")
            }
        }
    }
}

/// A member of a decision, or a row or column of a classifier.
fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.contains('.') && text.len() <= CODE_MAX_BYTES
}

impl<'de> Deserialize<'de> for ValueRef {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let text = String::deserialize(source)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

impl Derivation {
    /// The values that the input is made of.
    #[must_use]
    pub fn values(&self) -> Vec<&ValueRef> {
        match self {
            Self::Found(_) => vec![],
            Self::Value(value) | Self::Age(value) => vec![value],
            Self::Holds(condition) => condition.values(),
            Self::Sum(sum) => sum.of.iter().collect(),
            Self::Equal(pairs) => pairs.iter().flatten().collect(),
            Self::Among { value, any_of } => std::iter::once(value).chain(any_of).collect(),
            Self::Entries(entries) | Self::AnyEntry(entries) => entries.by.values().collect(),
        }
    }

    /// The entries that the input counts, if it counts any.
    #[must_use]
    pub const fn entries(&self) -> Option<&EntriesRule> {
        match self {
            Self::Entries(entries) | Self::AnyEntry(entries) => Some(entries),
            _ => None,
        }
    }

    /// Makes the input; `None` when a value that it needs is missing.
    #[must_use]
    pub fn derive(&self, input: &str, values: &CaseValues) -> Option<Json> {
        match self {
            Self::Found(request) => {
                let found = matches!(values.answers.get(request)?, AnswerValues::Answered(_));
                Some(Json::Bool(found))
            }
            Self::Value(value) => values.get(value).cloned(),
            Self::Equal(pairs) => {
                let equal = |[one, other]: &[ValueRef; 2]| {
                    let one = values.get(one);
                    one.is_some() && one == values.get(other)
                };
                Some(Json::Bool(pairs.iter().all(equal)))
            }
            Self::Among { value, any_of } => {
                let value = values.get(value);
                let found = value.is_some() && any_of.iter().any(|of| values.get(of) == value);
                Some(Json::Bool(found))
            }
            Self::Holds(condition) => Some(Json::Bool(condition.holds(values))),
            Self::Age(born) => age(values.get(born)?.as_str()?, values.registered_on?),
            Self::Sum(sum) => sum.derive(values),
            Self::Entries(_) => values.entry_counts.get(input).copied().map(Json::from),
            Self::AnyEntry(_) => values.entry_counts.get(input).map(|&count| Json::Bool(count > 0)),
        }
    }
}

impl SumRule {
    fn derive(&self, values: &CaseValues) -> Option<Json> {
        let mut sum = 0_i64;
        for value in &self.of {
            match values.get(value) {
                Some(found) => sum = sum.checked_add(found.as_integer()?)?,
                None if self.missing_as_zero => {}
                None => return None,
            }
        }
        Json::integer(sum).ok()
    }
}

/// Whole years from a date to a day. Who was born on 29 February is a year older on 1 March of a
/// year without such a day.
fn age(born: &str, on: Date) -> Option<Json> {
    let born: Date = born.parse().ok()?;
    let span = born.until(DateDifference::new(on).largest(Unit::Year)).ok()?;
    let years = i64::from(span.get_years());
    if born > on { None } else { Json::integer(years).ok() }
}

impl Scalar {
    /// The value as JSON; `None` for an integer or a text that records cannot hold.
    #[must_use]
    pub fn to_json(&self) -> Option<Json> {
        match self {
            Self::Bool(value) => Some(Json::Bool(*value)),
            Self::Integer(value) => Json::integer(*value).ok(),
            Self::Text(text) => Json::string(text.as_str()).ok(),
        }
    }

    /// The scalar of a JSON value, if it is one.
    #[must_use]
    pub fn of_json(value: &Json) -> Option<Self> {
        match value {
            Json::Bool(value) => Some(Self::Bool(*value)),
            Json::String(text) => Some(Self::Text(text.clone())),
            other => other.as_integer().map(Self::Integer),
        }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Integer(value) => value.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl CaseValues {
    /// The value of a reference, if the case has it.
    #[must_use]
    pub fn get(&self, value: &ValueRef) -> Option<&Json> {
        match value {
            ValueRef::Form(field) => self.form.get(field),
            ValueRef::Answer(request, field) => match self.answers.get(request)? {
                AnswerValues::Answered(facts) => facts.get(field),
                AnswerValues::NoData => None,
            },
            ValueRef::Decision(member) => self.decision.get(member),
            ValueRef::Classifier { .. } => self.classified.get(value),
        }
    }
}

impl fmt::Debug for CaseValues {
    /// Shows names only: a private value must not reach a log line by accident.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaseValues")
            .field("form", &self.form.keys())
            .field("answers", &self.answers.keys())
            .finish_non_exhaustive()
    }
}

/// A scalar as the text that people read.
#[must_use]
pub fn plain_text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}
