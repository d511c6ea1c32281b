//! Checking the values that a keeper enters, given as one flat JSON object by field path.

use std::collections::BTreeMap;
use std::fmt;

use letopis_ledger::json::Json;
use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

use crate::code::FieldPath;
use crate::pack::Registry;
use crate::value_format::ValueFormat;

/// What is wrong with one value of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryValueError {
    /// The field; empty for the entry as a whole.
    pub field: String,
    /// What is wrong and what to do.
    pub reason: String,
}

impl fmt::Display for EntryValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.reason)
    }
}

/// Checks values against the registry's fields and brings identifiers to their normal form. With
/// `partial`, fields may be left out: only those given are checked.
///
/// # Errors
/// Every wrong value.
pub fn check_values(
    registry: &Registry,
    row: &Value,
    partial: bool,
) -> Result<BTreeMap<FieldPath, Json>, Vec<EntryValueError>> {
    let Some(members) = row.as_object() else {
        return Err(vec![wrong("", "an entry is an object of values by field")]);
    };
    let mut errors = Vec::new();
    let mut values = BTreeMap::new();
    for (name, value) in members {
        let known = FieldPath::parse(name).ok().and_then(|path| registry.field(&path));
        let Some(field) = known else {
            errors.push(wrong(name, "the registry has no such field; remove it"));
            continue;
        };
        let format = field.format.as_ref().and_then(|format| ValueFormat::by_name(&format.value));
        match check(value, format) {
            Ok(value) => {
                values.insert(field.name.value.clone(), value);
            }
            Err(reason) => errors.push(wrong(name, &reason)),
        }
    }
    let missing = registry.fields.iter().filter(|field| {
        !partial && !field.optional && !members.contains_key(field.name.value.as_str())
    });
    errors.extend(
        missing.map(|field| {
            wrong(field.name.value.as_str(), "the value is missing; every entry has it")
        }),
    );
    if errors.is_empty() { Ok(values) } else { Err(errors) }
}

fn check(value: &Value, format: Option<ValueFormat>) -> Result<Json, String> {
    match (value, format) {
        (Value::String(text), Some(format)) => {
            let text = format.normalise(text).map_err(|e| e.to_string())?;
            Json::string(text).map_err(|e| e.to_string())
        }
        (_, Some(format)) => Err(format!("write it as text, as in {}", format.example())),
        (Value::String(text), None) if text.trim().is_empty() => {
            Err("the value is empty; leave the field out instead".to_owned())
        }
        (Value::String(text), None) => {
            let text: String = text.trim().nfc().collect();
            Json::string(text).map_err(|e| e.to_string())
        }
        (Value::Array(_) | Value::Object(_), None) => {
            Err("a value is a text, an integer, true or false".to_owned())
        }
        (other, None) => Json::from_value(other).map_err(|e| e.to_string()),
    }
}

fn wrong(field: &str, reason: &str) -> EntryValueError {
    EntryValueError { field: field.to_owned(), reason: reason.to_owned() }
}
