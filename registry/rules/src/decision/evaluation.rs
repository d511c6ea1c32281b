//! What an evaluation returns: outputs as storable JSON, the matched rules, or why there is none.

use dsntk_feel::FeelNumber;
use dsntk_feel::context::FeelContext;
use dsntk_feel::values::Value;
use serde_json::{Map, Value as Json};
use thiserror::Error;

use super::types::INTEGER_MAX;

/// Numbers with more digits before or after the point than this are not stored.
const NUMBER_EXPONENT_MAX: i32 = 100;

/// The result of a decision with its complete reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation {
    /// The output: booleans, text, lists, objects and numbers. A number is a JSON integer within
    /// ±(2^53−1), else its shortest plain decimal as text; dates and durations are ISO 8601 text;
    /// there is no null. Equal values have equal JSON.
    pub outputs: Json,
    /// One entry for each decision table that took part, each after the tables it depends on.
    pub trace: Vec<TableTrace>,
}

/// How one decision table was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableTrace {
    /// The id of the decision whose logic the table is.
    pub decision: String,
    /// The input expressions with their values, in column order.
    pub asked: Vec<Asked>,
    /// The ids of the rules that matched, in rule order; a rule without id is `rule-N` from 1.
    pub rules: Vec<String>,
    /// The annotations of those rules, in the same order.
    pub annotations: Vec<String>,
}

/// One column of a decision table and the value it was compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub question: String,
    pub answer: Json,
}

/// Why there is no automatic decision. `path` names a value with `/` between its parts.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EvaluationError {
    #[error("the model has no decision {decision:?}; name one by its id or name")]
    UnknownDecision { decision: String },
    #[error("input {path:?} is missing; give {expected}")]
    MissingInput { path: String, expected: String },
    #[error("input {path:?} is not one of this decision; remove it or correct its name")]
    UnknownInput { path: String },
    #[error("input {path:?} is {found}; give {expected}")]
    WrongType { path: String, expected: String, found: String },
    #[error("input {path:?} has a length of {found}, the limit is {limit}; shorten it")]
    InputTooLong { path: String, found: usize, limit: usize },
    #[error("input {path:?} is outside the values its type allows ({reason}); correct it")]
    InputNotAllowed { path: String, reason: String },
    #[error(
        "no automatic decision: {decision} has no value at {path:?} ({reason}); \
         an official decides this case"
    )]
    NoAutomaticDecision { decision: String, path: String, reason: String },
    #[error(
        "no automatic decision: {decision} gave a value that cannot be stored at {path:?} \
         ({reason}); correct the model"
    )]
    NotStorable { decision: String, path: String, reason: String },
    #[error(
        "no automatic decision: the engine stopped while evaluating {decision}; an official \
             decides this case"
    )]
    EngineStopped { decision: String },
}

/// Converts a value of the engine; every null, however deep, is a missing decision.
pub(super) fn to_json(decision: &str, path: &str, value: &Value) -> Result<Json, EvaluationError> {
    let not_storable = |reason: &str| EvaluationError::NotStorable {
        decision: decision.to_owned(),
        path: path.to_owned(),
        reason: reason.to_owned(),
    };
    Ok(match value {
        Value::Boolean(value) => Json::Bool(*value),
        Value::String(text) => Json::String(text.clone()),
        Value::Number(number) => {
            number_to_json(number).ok_or_else(|| not_storable("a number out of range"))?
        }
        Value::Date(date) => Json::String(date.to_string()),
        Value::DaysAndTimeDuration(duration) => Json::String(duration.to_string()),
        Value::YearsAndMonthsDuration(duration) => Json::String(duration.to_string()),
        Value::List(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| to_json(decision, &format!("{path}/{index}"), item))
            .collect::<Result<_, _>>()?,
        Value::Context(context) => context_to_json(decision, path, context)?,
        Value::Null(reason) => {
            return Err(EvaluationError::NoAutomaticDecision {
                decision: decision.to_owned(),
                path: path.to_owned(),
                reason: reason.clone().unwrap_or_else(|| "the engine gives no reason".to_owned()),
            });
        }
        _ => return Err(not_storable("not a boolean, number, text, date, list or object")),
    })
}

fn context_to_json(
    decision: &str,
    path: &str,
    context: &FeelContext,
) -> Result<Json, EvaluationError> {
    let mut members = Map::new();
    for (name, value) in context.iter() {
        let name = name.to_string();
        let value = to_json(decision, &format!("{path}/{name}"), value)?;
        members.insert(name, value);
    }
    Ok(Json::Object(members))
}

/// The shortest plain form: 1.50 and 1.5 are one number, so they must be one text.
fn number_to_json(number: &FeelNumber) -> Option<Json> {
    // The debug form is sign, digits, E, exponent; the display form panics on infinity.
    let text = format!("{number:?}");
    let (mantissa, exponent) = text.split_once('E')?;
    let mut exponent: i32 = exponent.parse().ok()?;
    let (negative, digits) = match mantissa.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let digits = digits.trim_start_matches('0');
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Some(Json::from(0));
    }
    exponent = exponent.checked_add(i32::try_from(digits.len() - significant.len()).ok()?)?;
    if exponent.abs() > NUMBER_EXPONENT_MAX {
        return None;
    }
    let plain = plain(significant, exponent);
    let signed = if negative { format!("-{plain}") } else { plain };
    Some(match signed.parse::<i64>() {
        Ok(integer) if integer.unsigned_abs() <= INTEGER_MAX => Json::from(integer),
        _ => Json::String(signed),
    })
}

/// Significant digits times ten to the exponent, written without an exponent.
fn plain(significant: &str, exponent: i32) -> String {
    let shift = usize::try_from(exponent.unsigned_abs()).expect("invariant: at most 100");
    if exponent >= 0 {
        return format!("{significant}{}", "0".repeat(shift));
    }
    match significant.len().checked_sub(shift) {
        None | Some(0) => format!("0.{}{significant}", "0".repeat(shift - significant.len())),
        Some(whole) => format!("{}.{}", &significant[..whole], &significant[whole..]),
    }
}

#[cfg(test)]
mod test {
    use super::*;

    fn json(text: &str) -> Option<Json> {
        number_to_json(&text.parse::<FeelNumber>().unwrap())
    }

    #[test]
    fn numbers_equal_in_value_are_equal_in_json() {
        for text in ["1.5", "1.50", "1.500", "0.15E1", "15E-1"] {
            assert_eq!(json(text), Some(Json::from("1.5")), "{text}");
        }
        for text in ["2", "2.0", "0.2E+1", "200E-2"] {
            assert_eq!(json(text), Some(Json::from(2)), "{text}");
        }
        for text in ["0", "-0", "0.00", "0E+5"] {
            assert_eq!(json(text), Some(Json::from(0)), "{text}");
        }
    }

    #[test]
    fn integers_that_json_readers_would_round_are_text() {
        assert_eq!(json("9007199254740991"), Some(Json::from(9_007_199_254_740_991_i64)));
        assert_eq!(json("-9007199254740992"), Some(Json::from("-9007199254740992")));
        assert_eq!(json("1E+20"), Some(Json::from("100000000000000000000")));
    }

    #[test]
    fn small_fractions_are_plain_and_extreme_numbers_are_not_stored() {
        assert_eq!(json("-0.001"), Some(Json::from("-0.001")));
        assert_eq!(json("123E-2"), Some(Json::from("1.23")));
        assert_eq!(json("12E-2"), Some(Json::from("0.12")));
        assert_eq!(json("1E+101"), None);
        assert_eq!(json("1E-101"), None);
        assert_eq!(number_to_json(&FeelNumber::infinite()), None);
    }
}
