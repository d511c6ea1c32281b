//! Checking a form that somebody filled in.
//!
//! Every problem is reported with the place of the field, so that a person corrects all at once.

use std::collections::BTreeMap;

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use letopis_ledger::json::{Json, Object};
use letopis_rules::identifier::IdentifierError;
use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

use super::{CheckedForm, FORM_MAX_BYTES, FormError, FormSchema};
use crate::geometry::GeometryError;
use crate::messages::MessageId;
use crate::record_draft::PrivateField;
use crate::value_format::{ValueError, ValueFormat};

impl FormSchema {
    /// Checks a form and brings its values to their normal form.
    ///
    /// # Errors
    /// Every problem of every field.
    pub fn check(&self, form: &Value) -> Result<CheckedForm, Vec<FormError>> {
        self.check_but(form, |_| false)
    }

    /// Checks what is filled in of a form that may be incomplete.
    pub(super) fn check_partly(&self, form: &Value) -> Result<CheckedForm, Vec<FormError>> {
        self.check_but(form, |error| error.message == MessageId::FieldRequired)
    }

    /// Checks a form but for what is `borne`.
    fn check_but(
        &self,
        form: &Value,
        borne: impl Fn(&FormError) -> bool,
    ) -> Result<CheckedForm, Vec<FormError>> {
        let form = normalised(form);
        if form.to_string().len() > FORM_MAX_BYTES {
            let limit = FORM_MAX_BYTES.to_string();
            return Err(vec![error("", MessageId::FieldTooLong, vec![limit])]);
        }
        let mut errors: Vec<FormError> =
            self.validator.iter_errors(&form).flat_map(|e| self.explain(&e)).collect();
        errors.retain(|error| !borne(error));
        if !errors.is_empty() {
            errors.sort_by(|a, b| a.pointer.cmp(&b.pointer));
            return Err(errors);
        }
        let mut checked =
            CheckedForm { values: BTreeMap::new(), public: Object::new(), private: Vec::new() };
        for (path, field) in &self.fields {
            let Some(value) = form.pointer(&path.pointer()) else { continue };
            let value = match (field.format, value.as_str()) {
                (Some(format), Some(text)) => {
                    let text = format.normalise(text);
                    Json::String(text.expect("invariant: the validator checked the format"))
                }
                _ => Json::from_value(value)
                    .map_err(|_| vec![error(&path.pointer(), MessageId::FieldInvalid, vec![])])?,
            };
            if field.visibility.is_public() {
                checked.public.insert(path.as_str(), value.clone());
            } else {
                checked.private.push(PrivateField::new(format!("form.{path}"), value.clone()));
            }
            checked.values.insert(path.clone(), value);
        }
        Ok(checked)
    }

    /// Turns a finding of the validator into messages for people.
    fn explain(&self, found: &ValidationError<'_>) -> Vec<FormError> {
        let pointer = found.instance_path().as_str();
        let one = |message, arguments| vec![error(pointer, message, arguments)];
        match found.kind() {
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                vec![error(&format!("{pointer}/{name}"), MessageId::FieldRequired, vec![])]
            }
            ValidationErrorKind::AdditionalProperties { unexpected } => unexpected
                .iter()
                .map(|name| {
                    error(&format!("{pointer}/{}", escape(name)), MessageId::FieldUnknown, vec![])
                })
                .collect(),
            ValidationErrorKind::Type { kind } => one(MessageId::FieldKind, vec![kind_name(kind)]),
            ValidationErrorKind::Enum { options } => {
                one(MessageId::FieldChoice, vec![choices(options)])
            }
            ValidationErrorKind::Constant { expected_value } => {
                one(MessageId::FieldChoice, vec![choice(expected_value)])
            }
            ValidationErrorKind::Pattern { .. } => one(MessageId::FieldPattern, vec![]),
            ValidationErrorKind::MinLength { limit } => {
                one(MessageId::FieldTooShort, vec![limit.to_string()])
            }
            ValidationErrorKind::MaxLength { limit } => {
                one(MessageId::FieldTooLong, vec![limit.to_string()])
            }
            ValidationErrorKind::Minimum { limit } => {
                one(MessageId::FieldTooSmall, vec![limit.to_string()])
            }
            ValidationErrorKind::Maximum { limit } => {
                one(MessageId::FieldTooLarge, vec![limit.to_string()])
            }
            ValidationErrorKind::Format { format } => {
                let text = found.instance().as_str().unwrap_or_default();
                vec![explain_format(pointer, format, text)]
            }
            _ => one(MessageId::FieldInvalid, vec![]),
        }
    }
}

pub(in crate::pack) fn explain_format(pointer: &str, name: &str, text: &str) -> FormError {
    let Some(format) = ValueFormat::by_name(name) else {
        return error(pointer, MessageId::FieldPattern, vec![]);
    };
    let example = format.example().to_owned();
    match format.normalise(text) {
        Err(ValueError::Identifier(broken)) => explain_identifier(pointer, broken, example),
        Err(ValueError::Geometry(broken)) => explain_geometry(pointer, broken),
        Ok(_) => error(pointer, MessageId::FieldInvalid, vec![]),
    }
}

fn explain_identifier(pointer: &str, broken: IdentifierError, example: String) -> FormError {
    match broken {
        IdentifierError::Empty { .. } => error(pointer, MessageId::IdentifierEmpty, vec![example]),
        IdentifierError::Length { found, expected, .. } => {
            let arguments = vec![found.to_string(), expected.to_owned(), example];
            error(pointer, MessageId::IdentifierLength, arguments)
        }
        IdentifierError::Character { position, found, .. } => {
            let arguments = vec![position.to_string(), found.to_string(), example];
            error(pointer, MessageId::IdentifierCharacter, arguments)
        }
        IdentifierError::Part { found, .. } => {
            error(pointer, MessageId::IdentifierPart, vec![found, example])
        }
        IdentifierError::ControlDigits { found, .. } => {
            error(pointer, MessageId::IdentifierControlDigits, vec![found])
        }
    }
}

fn explain_geometry(pointer: &str, broken: GeometryError) -> FormError {
    use GeometryError as Broken;
    let (message, numbers) = match broken {
        Broken::Kind { found } => {
            return error(pointer, MessageId::GeometryKind, vec![found]);
        }
        Broken::Malformed => (MessageId::GeometryMalformed, vec![]),
        Broken::Empty => (MessageId::GeometryEmpty, vec![]),
        Broken::Positions { found, most } => (MessageId::GeometryPositions, vec![found, most]),
        Broken::Rings { found, most } => (MessageId::GeometryRings, vec![found, most]),
        Broken::Position { ring, found } => (MessageId::GeometryPosition, vec![ring, found]),
        Broken::Range { ring, position } => (MessageId::GeometryRange, vec![ring, position]),
        Broken::Open { ring } => (MessageId::GeometryOpen, vec![ring]),
        Broken::Short { ring } => (MessageId::GeometryShort, vec![ring]),
        Broken::SelfIntersection { ring } => (MessageId::GeometrySelfIntersection, vec![ring]),
        Broken::Hole { ring } => (MessageId::GeometryHole, vec![ring]),
        Broken::Overlap { ring, other } => (MessageId::GeometryOverlap, vec![ring, other]),
    };
    error(pointer, message, numbers.iter().map(ToString::to_string).collect())
}

pub(super) fn error(pointer: &str, message: MessageId, arguments: Vec<String>) -> FormError {
    FormError { pointer: pointer.to_owned(), message, arguments }
}

/// Texts without blanks around them and in Unicode normalisation form C, in which records are.
fn normalised(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.trim().nfc().collect()),
        Value::Array(items) => items.iter().map(normalised).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), normalised(value))).collect()
        }
        other => other.clone(),
    }
}

fn kind_name(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(kind) => kind.to_string(),
        TypeKind::Multiple(kinds) => {
            kinds.iter().map(|kind| kind.to_string()).collect::<Vec<_>>().join(", ")
        }
    }
}

fn choices(options: &Value) -> String {
    let options = options.as_array().map_or(&[][..], Vec::as_slice);
    options.iter().map(choice).collect::<Vec<_>>().join(", ")
}

fn choice(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A name as a part of a JSON pointer (RFC 6901 section 3).
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
