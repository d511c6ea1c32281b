//! Types of inputs: what the model declares, and values of those types.
//!
//! JSON has fewer types than FEEL, so the declared type decides how a JSON value is read: a date or
//! an exact decimal arrives as text. Absent: times of day, which the engine cannot evaluate the
//! same way in every zone.

use std::collections::BTreeMap;
use std::fmt;

use dsntk_feel::context::FeelContext;
use dsntk_feel::values::Value;
use dsntk_feel::{FeelNumber, FeelType, Name};
use dsntk_model::{Definitions, Expression, ItemDefinition, NamedElement};

use super::admission::AdmissionError;
use super::evaluation::EvaluationError;

/// The most items of an input list; loops over it are bounded by the same number.
pub const LIST_ITEMS_MAX: usize = 500;
/// The most characters of an input text.
pub const TEXT_CHARS_MAX: usize = 1_000;
/// The largest magnitude of a JSON integer that every reader keeps exactly (2^53 − 1).
pub const INTEGER_MAX: u64 = (1 << 53) - 1;
/// The most significant digits of a number: those of IEEE 754 decimal128.
const NUMBER_DIGITS_MAX: usize = 34;
/// References of types to types deeper than this are a mistake.
const TYPE_DEPTH_MAX: usize = 16;

/// The type that a model declares for a value, with the JSON form in which it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputType {
    /// `true` or `false`.
    Boolean,
    /// An integer within ±(2^53−1), or a decimal as text: `"12.50"`.
    Number,
    /// Text of at most [`TEXT_CHARS_MAX`] characters.
    String,
    /// Text `YYYY-MM-DD`.
    Date,
    /// ISO 8601 text such as `P3D` or `PT12H`.
    DaysAndTimeDuration,
    /// ISO 8601 text such as `P1Y6M`.
    YearsAndMonthsDuration,
    /// An array of at most [`LIST_ITEMS_MAX`] items.
    List(Box<InputType>),
    /// An object with exactly these members.
    Context(BTreeMap<String, InputType>),
}

/// One input of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputSpec {
    /// The name under which the value is given; unique in the model.
    pub name: String,
    /// The type the value must have.
    pub input_type: InputType,
}

impl fmt::Display for InputType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InputType::Boolean => f.write_str("true or false"),
            InputType::Number => f.write_str("an integer, or a decimal as text"),
            InputType::String => f.write_str("text"),
            InputType::Date => f.write_str("a date as text YYYY-MM-DD"),
            InputType::DaysAndTimeDuration => f.write_str("a duration as text such as P3D"),
            InputType::YearsAndMonthsDuration => f.write_str("a duration as text such as P1Y6M"),
            InputType::List(item) => write!(f, "a list, each item {item}"),
            InputType::Context(members) => {
                let names: Vec<&str> = members.keys().map(String::as_str).collect();
                write!(f, "an object with {}", names.join(", "))
            }
        }
    }
}

impl InputType {
    /// The same type in the engine's terms.
    pub(super) fn feel_type(&self) -> FeelType {
        match self {
            InputType::Boolean => FeelType::Boolean,
            InputType::Number => FeelType::Number,
            InputType::String => FeelType::String,
            InputType::Date => FeelType::Date,
            InputType::DaysAndTimeDuration => FeelType::DaysAndTimeDuration,
            InputType::YearsAndMonthsDuration => FeelType::YearsAndMonthsDuration,
            InputType::List(item) => FeelType::List(Box::new(item.feel_type())),
            InputType::Context(members) => FeelType::Context(
                members.iter().map(|(name, of)| (Name::from(name), of.feel_type())).collect(),
            ),
        }
    }

    /// Reads a JSON value of this type; `path` names it in errors.
    pub(super) fn read(
        &self,
        path: &str,
        json: &serde_json::Value,
    ) -> Result<Value, EvaluationError> {
        use serde_json::Value as Json;
        match (self, json) {
            (InputType::Boolean, Json::Bool(value)) => Some(Value::Boolean(*value)),
            (InputType::Number, Json::Number(number)) => integer(number),
            (InputType::Number, Json::String(text)) => decimal(text),
            (InputType::String, Json::String(text)) => {
                within(path, text.chars().count(), TEXT_CHARS_MAX)?;
                Some(Value::String(text.clone()))
            }
            (InputType::Date, Json::String(text)) if text.len() == "YYYY-MM-DD".len() => {
                Value::try_from_xsd_date(text).ok()
            }
            (InputType::DaysAndTimeDuration, Json::String(text)) => {
                duration(text).filter(|value| matches!(value, Value::DaysAndTimeDuration(_)))
            }
            (InputType::YearsAndMonthsDuration, Json::String(text)) => {
                duration(text).filter(|value| matches!(value, Value::YearsAndMonthsDuration(_)))
            }
            (InputType::List(item), Json::Array(values)) => {
                within(path, values.len(), LIST_ITEMS_MAX)?;
                let values = values
                    .iter()
                    .enumerate()
                    .map(|(index, value)| item.read(&format!("{path}/{index}"), value));
                Some(Value::List(values.collect::<Result<_, _>>()?))
            }
            (InputType::Context(members), Json::Object(values)) => {
                let context = read_members(members, Some(path), values)?;
                Some(Value::Context(context))
            }
            _ => None,
        }
        .ok_or_else(|| EvaluationError::WrongType {
            path: path.to_owned(),
            expected: self.to_string(),
            found: describe(json),
        })
    }
}

/// Reads exactly the named members; `path` names their object, nothing names the inputs as a whole.
pub(super) fn read_members<'a>(
    members: impl IntoIterator<Item = (&'a String, &'a InputType)>,
    path: Option<&str>,
    values: &serde_json::Map<String, serde_json::Value>,
) -> Result<FeelContext, EvaluationError> {
    let full = |name: &str| path.map_or(name.to_owned(), |path| format!("{path}/{name}"));
    let mut context = FeelContext::default();
    let mut expected_names = Vec::new();
    for (name, of) in members {
        let value = values.get(name).ok_or_else(|| EvaluationError::MissingInput {
            path: full(name),
            expected: of.to_string(),
        })?;
        context.set_entry(&Name::from(name), of.read(&full(name), value)?);
        expected_names.push(name);
    }
    match values.keys().find(|name| !expected_names.contains(name)) {
        Some(name) => Err(EvaluationError::UnknownInput { path: full(name) }),
        None => Ok(context),
    }
}

/// Resolves type references of a model: built-in types and item definitions.
pub(super) struct TypeTable<'a> {
    definitions: &'a Definitions,
}

impl<'a> TypeTable<'a> {
    pub(super) fn new(definitions: &'a Definitions) -> Self {
        Self { definitions }
    }

    /// The type, or none for a value of any type. `element` is blamed for a type we cannot take.
    pub(super) fn resolve(
        &self,
        element: &str,
        type_ref: &str,
    ) -> Result<Option<InputType>, AdmissionError> {
        self.resolve_at(element, type_ref, 0)
    }

    /// The type of an item definition or of one of its components.
    pub(super) fn definition(
        &self,
        definition: &ItemDefinition,
        depth: usize,
    ) -> Result<Option<InputType>, AdmissionError> {
        let name = definition.name();
        if definition.function_item().is_some() || depth > TYPE_DEPTH_MAX {
            return Err(unsupported(name, "function or circular type"));
        }
        let base = if definition.item_components().is_empty() {
            let type_ref = definition.type_ref().as_deref().unwrap_or("Any");
            self.resolve_at(name, type_ref, depth + 1)?
        } else {
            let mut members = BTreeMap::new();
            for component in definition.item_components() {
                let of = self.definition(component, depth + 1)?;
                let of = of.ok_or_else(|| unsupported(component.name(), "Any"))?;
                members.insert(component.name().to_owned(), of);
            }
            Some(InputType::Context(members))
        };
        Ok(match base {
            Some(item) if definition.is_collection() => Some(InputType::List(Box::new(item))),
            base => base,
        })
    }

    fn resolve_at(
        &self,
        element: &str,
        type_ref: &str,
        depth: usize,
    ) -> Result<Option<InputType>, AdmissionError> {
        Ok(Some(match type_ref {
            "Any" => return Ok(None),
            "boolean" => InputType::Boolean,
            "number" => InputType::Number,
            "string" => InputType::String,
            "date" => InputType::Date,
            "dayTimeDuration" => InputType::DaysAndTimeDuration,
            "yearMonthDuration" => InputType::YearsAndMonthsDuration,
            _ => {
                let mut known = self.definitions.item_definitions().iter();
                let found = known.find(|definition| definition.name() == type_ref);
                let definition = found.ok_or_else(|| unsupported(element, type_ref))?;
                return self.definition(definition, depth + 1);
            }
        }))
    }
}

fn unsupported(element: &str, type_ref: &str) -> AdmissionError {
    let (element, type_ref) = (element.to_owned(), type_ref.to_owned());
    AdmissionError::UnsupportedType { element, type_ref }
}

fn within(path: &str, found: usize, limit: usize) -> Result<(), EvaluationError> {
    if found <= limit {
        return Ok(());
    }
    Err(EvaluationError::InputTooLong { path: path.to_owned(), found, limit })
}

fn integer(number: &serde_json::Number) -> Option<Value> {
    let value = number.as_i64().filter(|value| value.unsigned_abs() <= INTEGER_MAX)?;
    value.to_string().parse::<FeelNumber>().ok().map(Value::Number)
}

/// A decimal in its plain form: no exponent, no plus, no superfluous leading zero.
fn decimal(text: &str) -> Option<Value> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits(whole)
        && digits(fraction)
        && (whole == "0" || !whole.starts_with('0'))
        && whole.len() + fraction.len() <= NUMBER_DIGITS_MAX;
    plain.then(|| text.parse::<FeelNumber>().ok()).flatten().map(Value::Number)
}

fn duration(text: &str) -> Option<Value> {
    // The longest useful duration is far shorter; the engine's pattern has no limit of its own.
    (text.len() <= 32).then(|| Value::try_from_xsd_duration(text).ok()).flatten()
}

fn describe(json: &serde_json::Value) -> String {
    use serde_json::Value as Json;
    match json {
        Json::Null => "null".to_owned(),
        Json::Array(_) => "a list".to_owned(),
        Json::Object(_) => "an object".to_owned(),
        Json::String(_) => "text of another form".to_owned(),
        Json::Bool(value) => value.to_string(),
        Json::Number(number) => number.to_string(),
    }
}
