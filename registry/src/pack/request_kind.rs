//! Kinds of requests: what somebody who is no registry of this log is asked, and what the answer
//! has. People give such answers, so each is checked field by field.
//!
//! Not here: who is asked and when, which a regulation says.

use std::collections::BTreeMap;

use jiff::civil::Date;
use letopis_ledger::json::Json;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use serde_saphyr::Spanned;
use unicode_normalization::UnicodeNormalization;

use super::form::{FORM_MAX_BYTES, FormError, explain_format};
use super::registry::Visibility;
use crate::code::{FieldPath, RequestKindCode};
use crate::messages::{MessageId, Text};
use crate::value_format::ValueFormat;

/// Most characters of a text in an answer: an input of a decision has no more.
pub const ANSWER_TEXT_CHARS_MAX: usize = 1_000;

/// A kind of request.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestKind {
    /// Its code.
    pub code: Spanned<RequestKindCode>,
    /// What people call it.
    #[serde(default)]
    pub title: Text,
    /// The act by which it is asked and answered.
    #[serde(default)]
    pub law: Text,
    /// What the one asked gets.
    #[serde(default)]
    pub request: Vec<KindField>,
    /// What the answer has.
    pub response: Vec<KindField>,
    /// The fields of the answer in the order in which an official sees them.
    pub display: Vec<Spanned<FieldPath>>,
}

/// A field of a request or of an answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindField {
    /// Its name.
    pub name: Spanned<FieldPath>,
    /// What people call it.
    #[serde(default)]
    pub title: Text,
    /// What kind of value it holds.
    #[serde(rename = "type")]
    pub value_type: ValueType,
    /// The identifier that it holds, by the name of its format.
    #[serde(default)]
    pub format: Option<Spanned<String>>,
    /// Whether it must be there.
    pub required: bool,
    /// Who may see it.
    pub visibility: Visibility,
}

/// What kind of value a field of a request or an answer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueType {
    /// A text.
    String,
    /// An integer.
    Integer,
    /// True or false.
    Boolean,
    /// A date, as in `2026-01-31`.
    Date,
}

impl RequestKind {
    /// The field of an answer.
    #[must_use]
    pub fn response_field(&self, name: &FieldPath) -> Option<&KindField> {
        self.response.iter().find(|field| &field.name.value == name)
    }

    /// The field of a request.
    #[must_use]
    pub fn request_field(&self, name: &FieldPath) -> Option<&KindField> {
        self.request.iter().find(|field| &field.name.value == name)
    }

    /// Whether anybody may see the field of an answer.
    #[must_use]
    pub fn is_public(&self, name: &FieldPath) -> bool {
        self.response_field(name).is_some_and(|field| field.visibility.is_public())
    }

    /// JSON Schema (2020-12) of an answer with these facts, as forms have it: titles in both
    /// languages, formats by their names.
    #[must_use]
    pub fn schema(&self, take: &[Spanned<FieldPath>]) -> Value {
        let taken = |field: &&KindField| take.iter().any(|taken| taken.value == field.name.value);
        let fields = self.response.iter().filter(taken);
        let property = |field: &KindField| {
            let mut property = json!({
                "type": match field.value_type {
                    ValueType::Integer => "integer",
                    ValueType::Boolean => "boolean",
                    ValueType::String | ValueType::Date => "string",
                },
                "x-title": {"ru": field.title.ru, "en": field.title.en},
            });
            let format = field.format.as_ref().map(|format| format.value.as_str());
            let date = (field.value_type == ValueType::Date).then_some("date");
            if let Some(format) = format.or(date) {
                property["format"] = json!(format);
            }
            (field.name.value.to_string(), property)
        };
        let required = fields.clone().filter(|field| field.required);
        json!({
            "type": "object",
            "additionalProperties": false,
            "properties": fields.clone().map(property).collect::<Map<String, Value>>(),
            "required": required.map(|field| field.name.value.to_string()).collect::<Vec<_>>(),
        })
    }

    /// Checks an answer that somebody gives, an object with a member for each field by its whole
    /// name, and brings its values to their normal form.
    ///
    /// # Errors
    /// Every problem of every field.
    pub fn check(&self, facts: &Value) -> Result<BTreeMap<FieldPath, Json>, Vec<FormError>> {
        check_fields(&self.response, facts)
    }
}

/// Checks an answer against the fields that it may have.
pub(super) fn check_fields(
    fields: &[KindField],
    facts: &Value,
) -> Result<BTreeMap<FieldPath, Json>, Vec<FormError>> {
    let Some(given) = facts.as_object() else {
        return Err(vec![error("", MessageId::FieldKind, vec!["object".to_owned()])]);
    };
    if facts.to_string().len() > FORM_MAX_BYTES {
        let limit = FORM_MAX_BYTES.to_string();
        return Err(vec![error("", MessageId::FieldTooLong, vec![limit])]);
    }
    let (mut checked, mut errors) = (BTreeMap::new(), Vec::new());
    for name in given.keys() {
        let known = fields.iter().any(|field| field.name.value.as_str() == name);
        if !known {
            let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
            errors.push(error(&pointer, MessageId::FieldUnknown, vec![]));
        }
    }
    for field in fields {
        let name = &field.name.value;
        match given.get(name.as_str()) {
            None if field.required => {
                errors.push(error(&format!("/{name}"), MessageId::FieldRequired, vec![]));
            }
            None => {}
            Some(value) => match field.read(value) {
                Ok(value) => {
                    checked.insert(name.clone(), value);
                }
                Err(found) => errors.push(found),
            },
        }
    }
    errors.sort_by(|a, b| a.pointer.cmp(&b.pointer));
    if errors.is_empty() { Ok(checked) } else { Err(errors) }
}

impl KindField {
    /// Whether it holds an area.
    #[must_use]
    pub fn is_polygon(&self) -> bool {
        self.value_format().is_some_and(ValueFormat::is_polygon)
    }

    fn value_format(&self) -> Option<ValueFormat> {
        self.format.as_ref().and_then(|format| ValueFormat::by_name(&format.value))
    }

    fn read(&self, value: &Value) -> Result<Json, FormError> {
        let pointer = format!("/{}", self.name.value);
        let wrong = |message, arguments| error(&pointer, message, arguments);
        let of_kind = || wrong(MessageId::FieldKind, vec![self.value_type.as_str().to_owned()]);
        match self.value_type {
            ValueType::Boolean => value.as_bool().map(Json::Bool).ok_or_else(of_kind),
            ValueType::Integer => {
                let found = value.as_i64().ok_or_else(of_kind)?;
                Json::integer(found).map_err(|_| wrong(MessageId::FieldInvalid, vec![]))
            }
            ValueType::Date => {
                let text = value.as_str().ok_or_else(of_kind)?.trim();
                match text.parse::<Date>() {
                    Ok(date) if date.to_string() == text => Ok(Json::String(text.to_owned())),
                    _ => Err(of_kind()),
                }
            }
            ValueType::String => {
                let text: String = value.as_str().ok_or_else(of_kind)?.trim().nfc().collect();
                self.text(&pointer, text)
            }
        }
    }

    fn text(&self, pointer: &str, text: String) -> Result<Json, FormError> {
        if self.required && text.is_empty() {
            return Err(error(pointer, MessageId::FieldRequired, vec![]));
        }
        let format = self.value_format();
        // An area has limits of its own.
        if !self.is_polygon() && text.chars().count() > ANSWER_TEXT_CHARS_MAX {
            let limit = ANSWER_TEXT_CHARS_MAX.to_string();
            return Err(error(pointer, MessageId::FieldTooLong, vec![limit]));
        }
        let Some(format) = format else { return Ok(Json::String(text)) };
        match format.normalise(&text) {
            Ok(normal) => Ok(Json::String(normal)),
            Err(_) => Err(explain_format(pointer, format.name(), &text)),
        }
    }
}

impl ValueType {
    /// The type of a value, if it is one that an answer may hold.
    #[must_use]
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(_) => Some(Self::String),
            Value::Bool(_) => Some(Self::Boolean),
            Value::Number(_) => Some(Self::Integer),
            _ => None,
        }
    }

    /// The type as packs spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
            Self::Date => "date",
        }
    }
}

fn error(pointer: &str, message: MessageId, arguments: Vec<String>) -> FormError {
    FormError { pointer: pointer.to_owned(), message, arguments }
}
