//! The decision of a case from its values: inputs are filled, the model is asked, the grounds it
//! gives are looked up in the closed list.
//!
//! A pure function of the pack and the values, so that anybody who is given both repeats it. A
//! value that the model cannot use means that an official decides, never a guess.

use std::collections::BTreeMap;

use jiff::civil::Date;
use letopis_ledger::json::Json;
use letopis_rules::decision::{Evaluation, EvaluationError};
use serde_json::{Map, Value};
use thiserror::Error;

use super::value::CaseValues;
use super::{Effect, InputRule, Regulation, Service};
use crate::code::GroundCode;
use crate::event::{MatchedRules, Outcome};

/// Most years that a result may be in force.
pub const VALID_YEARS_MAX: u32 = 100;
/// Most months that a result may be in force.
pub const VALID_MONTHS_MAX: u32 = 12 * VALID_YEARS_MAX;

/// Most combinations of inputs that a decision is tried on.
const SAMPLES_MAX: u32 = 500;

/// How long a result is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// So many years.
    Years(u32),
    /// So many months.
    Months(u32),
}

/// A decision with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Granted or refused.
    pub outcome: Outcome,
    /// The grounds, in the order of the regulation; none when granted.
    pub grounds: Vec<GroundCode>,
    /// How long the result is in force; nothing when refused.
    pub validity: Option<Validity>,
    /// The texts, integers and truths among what the decision gave, by member.
    pub members: BTreeMap<String, Json>,
    /// The inputs by name, in the order of the regulation.
    pub inputs: Vec<(String, Json)>,
    /// Which rules matched.
    pub trace: Vec<MatchedRules>,
}

/// Why there is no automatic decision: an official decides.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JudgeError {
    /// A value is missing for which the regulation gives no rule.
    #[error("no automatic decision: input {name:?} has no value; an official decides this case")]
    InputMissing {
        /// The input.
        name: String,
    },
    /// The model gave no decision.
    #[error("{0}")]
    Evaluation(#[from] EvaluationError),
    /// The model's answer is not of the shape that a regulation needs.
    #[error("no automatic decision: {member:?} of the model's answer is not {expected}")]
    Shape {
        /// The member.
        member: String,
        /// What it must be.
        expected: &'static str,
    },
    /// The model refused without a ground, or granted with one.
    #[error("no automatic decision: the model says {outcome} and gives {grounds} grounds")]
    Inconsistent {
        /// The outcome.
        outcome: &'static str,
        /// How many grounds it gave.
        grounds: usize,
    },
    /// The model gave a ground that the regulation does not have.
    #[error("no automatic decision: ground {ground:?} is not in the regulation's closed list")]
    UnknownGround {
        /// The ground.
        ground: String,
    },
}

/// Decides.
///
/// # Errors
/// See [`JudgeError`].
pub fn judge(service: &Service, values: &CaseValues) -> Result<Judgement, JudgeError> {
    let regulation = &service.regulation;
    let rule = &regulation.decision;
    let mut inputs = Vec::with_capacity(rule.inputs.len());
    let mut given = Map::new();
    for input in &rule.inputs {
        let value = input_value(input, values)?;
        given.insert(input.name.value.clone(), value.to_value());
        inputs.push((input.name.value.clone(), value));
    }
    let evaluation = service.model.evaluate(&rule.name.value, &given)?;
    conclude(regulation, &evaluation, inputs)
}

/// What the model's answer means by the regulation.
fn conclude(
    regulation: &Regulation,
    evaluation: &Evaluation,
    inputs: Vec<(String, Json)>,
) -> Result<Judgement, JudgeError> {
    let answer = Answer(&evaluation.outputs);
    let outcome = answer.outcome()?;
    let found = answer.grounds()?;
    if (outcome == Outcome::Refused) == found.is_empty() {
        let (outcome, grounds) = (outcome.as_str(), found.len());
        return Err(JudgeError::Inconsistent { outcome, grounds });
    }
    let listed = |code: &str| regulation.grounds.iter().any(|g| g.code.value.as_str() == code);
    if let Some(ground) = found.iter().find(|code| !listed(code)) {
        return Err(JudgeError::UnknownGround { ground: (*ground).to_owned() });
    }
    let codes = regulation.grounds.iter().map(|ground| &ground.code.value);
    let grounds = codes.filter(|code| found.contains(&code.as_str())).cloned().collect();
    let validity = match outcome {
        Outcome::Granted => Some(answer.validity(&regulation.effect)?),
        Outcome::Refused => None,
    };
    let trace = evaluation
        .trace
        .iter()
        .map(|table| MatchedRules { decision: table.decision.clone(), rules: table.rules.clone() })
        .collect();
    let members = answer.members();
    Ok(Judgement { outcome, grounds, validity, members, inputs, trace })
}

/// Inputs for which the decision of a service gives nothing, in words, and why.
pub(super) fn gap(service: &Service) -> Option<(String, JudgeError)> {
    let rule = &service.regulation.decision;
    let samples = service.model.samples(&rule.name.value, SAMPLES_MAX);
    samples.iter().find_map(|sample| {
        let evaluation = service.model.evaluate(&rule.name.value, sample);
        let concluded = evaluation
            .map_err(JudgeError::from)
            .and_then(|evaluation| conclude(&service.regulation, &evaluation, vec![]));
        let words = sample.iter().map(|(name, value)| format!("{name} = {value}"));
        Some((words.collect::<Vec<_>>().join(", "), concluded.err()?))
    })
}

fn input_value(input: &InputRule, values: &CaseValues) -> Result<Json, JudgeError> {
    let missing = || JudgeError::InputMissing { name: input.name.value.clone() };
    input
        .from
        .derive(&input.name.value, values)
        .or_else(|| input.when_missing.as_ref()?.to_json())
        .ok_or_else(missing)
}

/// What the model gave.
struct Answer<'a>(&'a Value);

impl<'a> Answer<'a> {
    fn outcome(&self) -> Result<Outcome, JudgeError> {
        let found = self.0.get("outcome").and_then(Value::as_str).and_then(Outcome::parse);
        found.ok_or_else(|| shape("outcome", "\"granted\" or \"refused\""))
    }

    fn grounds(&self) -> Result<Vec<&'a str>, JudgeError> {
        let not_codes = || shape("grounds", "a list of ground codes");
        let items = self.0.get("grounds").and_then(Value::as_array).ok_or_else(not_codes)?;
        items.iter().map(|item| item.as_str().ok_or_else(not_codes)).collect()
    }

    fn validity(&self, effect: &Effect) -> Result<Validity, JudgeError> {
        if let Some(member) = &effect.valid_years {
            let years = self.number(member, VALID_YEARS_MAX);
            let expected = "a whole number of years from 1 to 100";
            return years.map(Validity::Years).ok_or_else(|| shape(member, expected));
        }
        let member = effect.valid_months.as_deref().unwrap_or_default();
        let months = self.number(member, VALID_MONTHS_MAX);
        let expected = "a whole number of months from 1 to 1200";
        months.map(Validity::Months).ok_or_else(|| shape(member, expected))
    }

    fn number(&self, member: &str, most: u32) -> Option<u32> {
        let found = self.0.get(member).and_then(Value::as_u64)?;
        u32::try_from(found).ok().filter(|found| (1..=most).contains(found))
    }

    fn members(&self) -> BTreeMap<String, Json> {
        let members = self.0.as_object().into_iter().flatten();
        let scalar = |value: &Value| value.is_string() || value.is_i64() || value.is_boolean();
        let scalars = members.filter(|(_, value)| scalar(value));
        let read =
            |(name, value): (&String, &Value)| Some((name.clone(), Json::from_value(value).ok()?));
        scalars.filter_map(read).collect()
    }
}

impl Validity {
    /// The last day of a result that is in force from a day: the day before the same day so many
    /// years or months later.
    ///
    /// # Panics
    /// Never for dates of a ledger: a hundred years later lies within the calendar.
    #[must_use]
    pub fn last_day(self, from: Date) -> Date {
        let span = match self {
            Self::Years(years) => jiff::Span::new().years(i64::from(years)),
            Self::Months(months) => jiff::Span::new().months(i64::from(months)),
        };
        from.checked_add(span)
            .and_then(|anniversary| anniversary.yesterday())
            .expect("invariant: a decision's date and at most 100 years lie within the calendar")
    }
}

fn shape(member: &str, expected: &'static str) -> JudgeError {
    JudgeError::Shape { member: member.to_owned(), expected }
}
