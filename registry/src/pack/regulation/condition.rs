//! Conditions of a regulation: whether a request is sent, from values that the case has.
//!
//! Few and plain, so that a reader of the pack repeats them by hand. Not here: decisions, which a
//! DMN model states.

use std::fmt;

use serde::Deserialize;

use crate::code::StepCode;
use crate::pack::value::{AnswerValues, CaseValues, Scalar, ValueRef};

/// Whether something holds of a case.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// The value is present and equal to a stated one.
    Equal((ValueRef, Scalar)),
    /// The value is an integer above a stated one.
    Above((ValueRef, i64)),
    /// The value is there.
    Present(ValueRef),
    /// The request was answered with facts.
    Found(StepCode),
    /// The condition does not hold.
    Not(Box<Condition>),
    /// Every one of them holds.
    All(Vec<Condition>),
    /// One of them holds.
    Any(Vec<Condition>),
}

impl Condition {
    /// Whether it holds of these values. A value that is missing equals nothing and is above
    /// nothing.
    #[must_use]
    pub fn holds(&self, values: &CaseValues) -> bool {
        match self {
            Self::Equal((value, stated)) => {
                stated.to_json().is_some_and(|stated| values.get(value) == Some(&stated))
            }
            Self::Above((value, limit)) => {
                let found = values.get(value).and_then(letopis_ledger::json::Json::as_integer);
                found.is_some_and(|found| found > *limit)
            }
            Self::Present(value) => values.get(value).is_some(),
            Self::Found(request) => {
                matches!(values.answers.get(request), Some(AnswerValues::Answered(_)))
            }
            Self::Not(other) => !other.holds(values),
            Self::All(all) => all.iter().all(|one| one.holds(values)),
            Self::Any(any) => any.iter().any(|one| one.holds(values)),
        }
    }

    /// The values that it looks at.
    #[must_use]
    pub fn values(&self) -> Vec<&ValueRef> {
        match self {
            Self::Equal((value, _)) | Self::Above((value, _)) | Self::Present(value) => vec![value],
            Self::Found(_) => vec![],
            Self::Not(other) => other.values(),
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::values).collect(),
        }
    }

    /// The requests of which it asks whether they were answered with facts.
    #[must_use]
    pub fn found(&self) -> Vec<&StepCode> {
        match self {
            Self::Found(request) => vec![request],
            Self::Not(other) => other.found(),
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::found).collect(),
            Self::Equal(_) | Self::Above(_) | Self::Present(_) => vec![],
        }
    }
}

impl fmt::Display for Condition {
    /// As a reader of the pack would say it: `form.object.area_m2 > 1500`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |parts: &[Self], word: &str| {
            let parts: Vec<String> = parts.iter().map(|part| format!("({part})")).collect();
            parts.join(word)
        };
        match self {
            Self::Equal((value, stated)) => write!(f, "{value} = {stated}"),
            Self::Above((value, limit)) => write!(f, "{value} > {limit}"),
            Self::Present(value) => write!(f, "{value} is given"),
            Self::Found(request) => write!(f, "{request} was answered with facts"),
            Self::Not(other) => write!(f, "not ({other})"),
            Self::All(parts) => f.write_str(&joined(parts, " and ")),
            Self::Any(parts) => f.write_str(&joined(parts, " or ")),
        }
    }
}
