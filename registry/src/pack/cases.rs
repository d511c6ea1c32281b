//! Test cases that a service brings: a form, answers, and what must come of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::Service;
use super::error::{PackError, PackRule};
use super::judgement::judge;
use super::value::{AnswerValues, CaseValues, Scalar};
use crate::code::{FieldPath, GroundCode, StepCode};
use crate::event::Outcome;

/// One test case.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestCase {
    /// What it shows.
    pub title: Spanned<String>,
    /// The form as an applicant fills it in.
    pub form: serde_json::Value,
    /// Answers by request; a request that is left out is not answered.
    #[serde(default)]
    pub answers: BTreeMap<StepCode, GivenAnswer>,
    /// Counts of registry entries by input; zero where left out.
    #[serde(default)]
    pub entries: BTreeMap<String, u32>,
    /// What must come of it.
    pub expect: CaseExpectation,
    /// The file that the case stands in.
    #[serde(skip)]
    pub file: String,
}

/// An answer of a test case.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GivenAnswer {
    /// The one asked holds nothing.
    NoData,
    /// Facts by field.
    Answered(BTreeMap<FieldPath, Scalar>),
}

/// What must come of a test case.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseExpectation {
    /// The outcome.
    pub outcome: ExpectedOutcome,
    /// The grounds of a refusal, all of them.
    #[serde(default)]
    pub grounds: BTreeSet<GroundCode>,
    /// The fields that make the form wrong, as JSON pointers.
    #[serde(default)]
    pub fields: BTreeSet<String>,
}

/// The outcome of a test case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpectedOutcome {
    /// The result is issued.
    Granted,
    /// The refusal is issued.
    Refused,
    /// The form is not accepted.
    Invalid,
    /// There is no automatic decision.
    Official,
}

impl fmt::Display for CaseExpectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |items: Vec<&str>| items.join(", ");
        match self.outcome {
            ExpectedOutcome::Granted => f.write_str("granted"),
            ExpectedOutcome::Refused => {
                let grounds = self.grounds.iter().map(GroundCode::as_str).collect();
                write!(f, "refused: {}", list(grounds))
            }
            ExpectedOutcome::Invalid => {
                let fields = self.fields.iter().map(String::as_str).collect();
                write!(f, "an invalid form: {}", list(fields))
            }
            ExpectedOutcome::Official => f.write_str("no automatic decision"),
        }
    }
}

/// Runs the cases of a service.
pub(super) fn run(service: &Service) -> Vec<PackError> {
    let failed = |case: &TestCase| {
        let (found, detail) = outcome(service, case);
        if found == case.expect {
            return None;
        }
        let rule = PackRule::CaseFailed {
            case: case.title.value.clone(),
            expected: case.expect.to_string(),
            found: detail.map_or_else(|| found.to_string(), |detail| format!("{found} ({detail})")),
        };
        let line = Some(case.title.referenced.line());
        Some(PackError { file: case.file.clone(), line, rule })
    };
    service.cases.iter().filter_map(failed).collect()
}

fn outcome(service: &Service, case: &TestCase) -> (CaseExpectation, Option<String>) {
    let plain =
        |outcome| CaseExpectation { outcome, grounds: BTreeSet::new(), fields: BTreeSet::new() };
    let form = match service.form.check(&case.form) {
        Ok(form) => form,
        Err(errors) => {
            let fields = errors.into_iter().map(|error| error.pointer).collect();
            return (CaseExpectation { fields, ..plain(ExpectedOutcome::Invalid) }, None);
        }
    };
    let values = CaseValues {
        form: form.values().clone(),
        answers: case.answers.iter().map(|(code, given)| (code.clone(), given.values())).collect(),
        entry_counts: entry_counts(service, case),
        ..CaseValues::default()
    };
    match judge(service, &values) {
        Ok(judgement) if judgement.outcome == Outcome::Granted => {
            (plain(ExpectedOutcome::Granted), None)
        }
        Ok(judgement) => {
            let grounds = judgement.grounds.into_iter().collect();
            (CaseExpectation { grounds, ..plain(ExpectedOutcome::Refused) }, None)
        }
        Err(e) => (plain(ExpectedOutcome::Official), Some(e.to_string())),
    }
}

fn entry_counts(service: &Service, case: &TestCase) -> BTreeMap<String, u32> {
    let inputs = service.regulation.decision.inputs.iter();
    inputs
        .filter(|input| input.from.entries().is_some())
        .map(|input| {
            let name = &input.name.value;
            (name.clone(), case.entries.get(name).copied().unwrap_or(0))
        })
        .collect()
}

impl GivenAnswer {
    fn values(&self) -> AnswerValues {
        match self {
            Self::NoData => AnswerValues::NoData,
            Self::Answered(facts) => {
                let fact =
                    |(field, value): (&FieldPath, &Scalar)| Some((field.clone(), value.to_json()?));
                AnswerValues::Answered(facts.iter().filter_map(fact).collect())
            }
        }
    }
}
