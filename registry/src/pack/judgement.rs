//! The decision of a case from its values: inputs are filled, the model is asked, the grounds it
//! gives are looked up in the closed list.
//!
//! A pure function of the pack and the values, so that anybody who is given both repeats it. A
//! value that the model cannot use means that an official decides, never a guess.

use letopis_ledger::json::Json;
use letopis_rules::decision::EvaluationError;
use serde_json::{Map, Value};
use thiserror::Error;

use super::value::CaseValues;
use super::{InputRule, Service};
use crate::code::GroundCode;
use crate::event::{MatchedRules, Outcome};

/// Most years that a result may be in force.
pub const VALID_YEARS_MAX: u32 = 100;

/// A decision with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Granted or refused.
    pub outcome: Outcome,
    /// The grounds, in the order of the regulation; none when granted.
    pub grounds: Vec<GroundCode>,
    /// How many years the result is in force; 0 when refused.
    pub valid_years: u32,
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
    let valid_years = match outcome {
        Outcome::Granted => answer.years(regulation.effect.valid_years.as_deref().unwrap_or(""))?,
        Outcome::Refused => 0,
    };
    let trace = evaluation
        .trace
        .iter()
        .map(|table| MatchedRules { decision: table.decision.clone(), rules: table.rules.clone() })
        .collect();
    Ok(Judgement { outcome, grounds, valid_years, inputs, trace })
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

    fn years(&self, member: &str) -> Result<u32, JudgeError> {
        let years = self.0.get(member).and_then(Value::as_u64);
        match years.and_then(|years| u32::try_from(years).ok()) {
            Some(years @ 1..=VALID_YEARS_MAX) => Ok(years),
            _ => Err(shape(member, "a whole number of years from 1 to 100")),
        }
    }
}

fn shape(member: &str, expected: &'static str) -> JudgeError {
    JudgeError::Shape { member: member.to_owned(), expected }
}
